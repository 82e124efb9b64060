//! A key management service as a node sees it: the trait, its errors, its contract suite and its wrappers.
//!
//! - [`Kms`] is the contract every backend keeps, [`KmsError`] the one error of it, [`KmsKeyId`] AWS's name of a key.
//! - [`Audited`], [`Counted`], [`Metered`], [`Limited`] and [`Retrying`] wrap any [`Kms`]. Outermost first, a node stacks
//!   them `Retrying(Limited(Metered(Counted(Audited(backend)))))`, so that every attempt takes its turn, and every
//!   attempt that is sent is logged, counted and measured. [`Regional`] stands next to the backend: it names replicas.
//!   [`FailingOver`] makes one of several Regions, each with its own stack below `Retrying`.
//! - [`create_and_wait`] makes a key and waits until the service knows it everywhere; [`find_by_tag`] finds one again.
//! - [`contract`] is the suite that every backend must pass; [`testing`] has an in-memory backend.
//!
//! Nothing here talks to a network.

mod algorithm;
mod audited;
mod backoff;
pub mod contract;
mod counted;
mod create;
mod error;
mod failover;
mod key;
mod key_id;
mod limited;
mod metered;
mod operation;
mod quota;
mod regional;
mod request;
mod retrying;
mod search;
mod service;
pub mod testing;
mod waits;

pub use algorithm::{EncryptionAlgorithm, SigningAlgorithm};
pub use audited::{AUDIT_TARGET, Audited};
pub use counted::{Counted, Outcome, RequestCount, RequestCounts};
pub use create::{
    CreateError, CreatedKey, CreationPoll, create_and_describe, create_and_wait, wait_until_ready,
    wait_until_there,
};
pub use error::{CredentialsProblem, FailedCall, KmsError, NetworkProblem, OverloadLimit, ServiceMessage};
pub use failover::FailingOver;
pub use key::{
    CreateKey, ImportParameters, KeyMetadata, KeySpec, KeyState, KeyUsage, KmsPublicKey, MultiRegion,
    OriginType,
};
pub use key_id::{KmsKeyId, KmsKeyIdError, KmsKeyIdKind};
pub use limited::{LimitOptions, Limited};
pub use metered::{KmsMetrics, Metered};
pub use operation::Operation;
pub use quota::QuotaClass;
pub use regional::Regional;
pub use request::{KmsAnswer, KmsRequest, PENDING_WINDOW_DAYS, Page};
pub use retrying::{Backoff, RetryOptions, Retrying};
pub use search::{TagSearch, TaggedKey, find_by_tag};
pub use service::{CallMode, Kms, Reply};
pub use waits::{Wait, Waits};
