//! The participant role: which keys it needs and how its identity is made.
//!
//! Not here: how a key is made (`cantle-vault`), how a topology transaction is authorized
//! (`cantle-identity`), or when this runs (`cantle-node`).
//!
//! Invariant: the unique identifier is stored last. A participant that has one has its three keys and its
//! three topology transactions; one that was interrupted goes on where it stopped and makes nothing twice.
//! Source: <https://docs.daml.com/canton/usermanual/identity_management.html>

mod initialize;
mod keys;

pub use initialize::{InitializeError, initialize};
pub use keys::{ParticipantKeys, keys_by_name};
