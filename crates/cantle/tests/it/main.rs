//! The processes an operator runs, end to end: `kms-server`, `daemon`, `run`, `keys`, `check`, `demo`, `doctor`.
//!
//! Everything listens on loopback, on ports that the system picks, and is stopped by its own id.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod automatic;
mod backup;
mod chromium;
mod cli;
mod crash;
mod disk;
mod doctor;
mod domains;
mod faults;
mod hostile;
mod http;
mod iam_policy;
mod migrate;
mod migrate_domain;
mod migrate_traces;
mod monitoring;
mod offline_root;
mod operators;
mod orphans;
mod postgres;
mod pregenerated;
mod procedures;
mod providers;
mod regions;
mod rotation;
mod sandbox;
mod secrets;
mod support;
mod tls;
mod tokens;
mod wrapper;
