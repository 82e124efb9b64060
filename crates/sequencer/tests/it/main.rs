//! The sequencer from outside: its order and events, hostile members, crashes, and its public API over a network.
#![expect(clippy::unwrap_used, reason = "a failed expectation of a test")]

mod administration;
mod authentication;
mod bootstrap;
mod clients;
mod crashes;
mod delivery;
mod events;
mod hostile;
mod hostile_wire;
mod postgres;
mod public_api;
mod support;
mod tls;
