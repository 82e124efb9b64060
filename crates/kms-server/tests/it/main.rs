//! The server over HTTP, driven by a minimal signed client that shares no code with it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod client;
mod conditions;
mod crash;
mod encryption;
mod import;
mod lifecycle;
mod multi_region;
mod persistence;
mod protocol;
mod signing;
mod sts;
mod watch;
mod wycheproof;
