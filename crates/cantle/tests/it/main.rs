//! The processes an operator runs, end to end: `kms-server`, `daemon`, `run`, `keys`, `check`, `demo`.
//!
//! Everything listens on loopback, on ports that the system picks, and is stopped by its own id.

mod automatic;
mod cli;
mod pregenerated;
mod providers;
mod support;
