//! Canton's gRPC admin services over handles they are given.
//!
//! A service here reads a request, asks one handle, and writes the answer; what an error becomes is decided in
//! `status.rs` alone. Services that a node does not have answer UNIMPLEMENTED.
//!
//! Invariant: a request that cannot be read, or is refused, has changed nothing.
//! Source: <https://docs.daml.com/canton/reference/admin-api.html>

mod aggregation;
mod authorization;
mod connections;
mod domain;
mod domain_manager;
mod dump;
mod handles;
mod health;
mod initialization;
mod keys;
mod mediator;
mod node;
mod parse;
mod participant;
mod pings;
mod roles;
mod sequencer;
mod server;
mod status;
mod topology;
mod topology_read;
mod topology_write;
mod vault;

pub use authorization::{
    AllowedUser, Authorization, AuthorizationService, AuthorizationSetupError, Grants, TokenService,
    TokenVerifier,
};
pub use domain::EmbeddedDomain;
pub use handles::{
    AdminHandles, ComponentHealth, Diagnostics, DumpFile, LastError, LogLevel, NoDiagnostics, NodeHealth,
    RoleHandles,
};
pub use keys::{ListKeysError, list_keys, list_keys_without_state, list_possible_orphans};
pub use pings::{PingEvent, PingFeed, PingState};
pub use roles::Roles;
pub use server::{AdminOptions, AdminServer, ServeError};
pub use topology::NodeTopology;
