//! The participant role: its keys and identity, the domains that it is on, and its pings.
//!
//! Not here: how a key is made (`cantle-vault`), how a topology transaction is authorized (`cantle-identity`), how a domain
//! is reached (`cantle-sequencing`), or when this runs (`cantle-node`).
//!
//! Invariants: the unique identifier is stored last, so a participant that has one has its three keys and its three topology
//! transactions, and one that was interrupted goes on where it stopped and makes nothing twice; nothing is confirmed that
//! was not validated.
//! Source: <https://docs.daml.com/canton/usermanual/identity_management.html>

mod connect;
mod domain;
mod initialize;
mod keys;
mod node;
mod ping;
mod pings;
mod registration;
mod transaction;

pub use connect::ConnectionFailure;
pub use domain::SessionKeyCache;
pub use initialize::{InitializeError, initialize};
pub use keys::{ParticipantKeys, keys_by_name};
pub use node::{ConnectedDomain, ParticipantError, ParticipantNode, ParticipantOptions};
pub use pings::{PingError, PingRequest, PingSuccess};
pub use registration::{OutboxStatus, RegisterError};
