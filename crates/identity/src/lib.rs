//! How a node with a namespace comes by its identity: its topology manager and its initialization.
//!
//! The manager holds what the node itself authorized, in the store `Authorized`: it makes topology transactions, has
//! them signed by the vault, and keeps them. What a domain makes of them is not its business, nor how they get there.
//! Invariants: nothing is added that the state in memory would not allow, and the state in memory is what is on disk;
//! one change at a time; a call that is dropped has changed all it would have, or nothing; the node's unique identifier
//! never changes.
//! Source: <https://docs.daml.com/canton/usermanual/identity_management.html>

mod change;
mod error;
mod init;
mod list;
mod manager;
mod node_checks;
mod plan;

pub use cantle_topology::ErrorClass;
pub use error::{ChangeError, InitIdError, ReadError};
pub use list::{ListQuery, Listed, TopologyLists};
pub use manager::TopologyManager;
