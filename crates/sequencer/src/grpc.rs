//! The public API: Canton's services over a sequencer.
//!
//! A service here reads a request, finds out who calls, asks the sequencer and writes the answer.
//! Invariant: no call that needs a caller gets to the sequencer without one.
//! Source: <https://docs.daml.com/canton/reference/protobuf.html>

mod authentication;
mod caller;
mod connect;
mod server;
mod service;
mod status;

pub(crate) use authentication::time;
pub use server::{PublicServer, PublicServerError, PublicServerOptions, public_routes};
