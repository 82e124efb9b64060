//! The domain manager role: the identity of a sync domain, who is on it, and who hears of it.
//!
//! Not here: how a key is made (`cantle-vault`), how a transaction is authorized (`cantle-identity`), or when this
//! runs (`cantle-node`).
//!
//! Invariant: a domain's unique identifier is stored last. A domain that has one has its keys and its founding
//! topology; one that was interrupted goes on where it stopped and makes nothing twice.
//! Source: <https://docs.daml.com/canton/usermanual/manage_domains.html>

mod initialize;

pub use initialize::{DomainRoles, InitializeError, founding_mappings, initialize};
