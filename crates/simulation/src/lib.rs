//! A sync domain with all its members in one process, for tests: each node on a machine of its own, which can be ended
//! at any moment; between them and the sequencer a network that delays, cuts and falls silent when it is told to; clocks
//! that are wrong by as much as a test wants; and key management services that count what is asked of each key.
//!
//! The roles, their stores and the public API are the real ones. What this is not: a node (there is no configuration and
//! no admin API), or anything that a real domain runs on.
//!
//! Invariant: what a test draws by chance comes from a seed. What the operating system does between two threads does not.
#![expect(clippy::unwrap_used, reason = "what fails here is a failed expectation of a test")]

mod clock;
mod cluster;
mod dice;
mod host;
mod keys;
mod machine;
mod members;
mod network;

pub use clock::SkewedClock;
pub use cluster::{Cluster, ClusterOptions, Keys, alias};
pub use dice::Dice;
pub use host::{Host, Place};
pub use keys::{CountedKeys, KeyUse};
pub use machine::Machine;
pub use members::{Manager, Mediator, Participant, Sequencer};
pub use network::{Line, Network};

use std::time::Duration;

/// Nothing that a test waits for takes longer.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Waits, but not for ever.
///
/// # Panics
/// When it takes longer than [`DEADLINE`].
pub async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(DEADLINE, future).await;
    done.unwrap_or_else(|_| panic!("{what} did not happen in time"))
}
