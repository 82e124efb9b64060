//! The sequencer of a sync domain: it puts submissions in order, signs what becomes of them, stores it, and delivers it.
//!
//! A submission is checked, gets its time and its receivers their counters, is signed event by event beside others, and
//! is written with many in one transaction; only then is the sender answered and anything delivered. What members may do
//! is asked of the topology that the sequencer has sequenced itself. Members reach it over [`PublicServer`], or in its
//! own process over [`InProcessSequencer`].
//!
//! Invariants: times rise strictly; the counters of a member leave out and repeat none, whatever happens when; what was
//! acknowledged is on disk; nothing that a member sends makes anything grow without bound.
//! Source: Canton 2.10's sequencer, <https://docs.daml.com/canton/architecture/domains/domains.html>

mod administration;
mod agreements;
mod auth;
mod checks;
mod error;
mod feed;
mod follow;
mod follower;
mod forwarding;
mod grpc;
mod in_flight;
mod in_process;
mod initialize;
mod node;
mod options;
mod order;
mod pipeline;
mod rate;
mod sequencer;
mod session;
mod signer;
mod status;
mod subscription;
mod topology;

pub use administration::{DisableError, SnapshotError};
pub use agreements::Acceptance;
pub use auth::AuthFailure;
pub use error::{AcknowledgeError, BootstrapError, CallerError, OpenError, SubmitError};
pub use grpc::{PublicServer, PublicServerError, PublicServerOptions, public_routes};
pub use in_process::InProcessSequencer;
pub use initialize::{
    Initialization, InitializeError, SequencerKeyError, initialize, record_initialization, sequencer_key,
    stored_initialization,
};
pub use node::{SequencerNode, SequencerNodeError, SequencerNodeSetup, SharedDatabase, SnapshotHeads};
pub use options::SequencerOptions;
pub use pipeline::SequencerHealth;
pub use sequencer::{Sequencer, SequencerSetup};
pub use status::{MemberStatus, SequencerSnapshot, SequencerStatus};
pub use subscription::{Subscription, SubscriptionEnd};
