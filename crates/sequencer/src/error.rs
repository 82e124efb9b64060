//! Why a sequencer does not open, and why a call of it fails.

use cantle_crypto::RandomnessError;
use cantle_sequencing::SendRefusal;
use cantle_store::StoreError;
use cantle_topology::TimelineError;
use tonic::Code;

use crate::auth::AuthFailure;

/// Why a sequencer does not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The store failed.
    #[error("the sequencer's store cannot be read")]
    Store(#[from] StoreError),
    /// There is no randomness to be had.
    #[error("the sequencer cannot make nonces and tokens")]
    Randomness(#[from] RandomnessError),
}

/// Why a submission was not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// It was looked at and refused. It will not be sequenced.
    #[error(transparent)]
    Refused(#[from] SendRefusal),
    /// The sequencer lost it on its way to disk. It may have been sequenced all the same: its sender will see.
    #[error("the sequencer could not store the submission, or cannot tell whether it did")]
    Lost,
}

/// Why an acknowledgement was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcknowledgeError {
    /// It is another member's, or not signed by the member.
    #[error("{reason}")]
    Refused {
        /// Why.
        reason: String,
    },
    /// The sequencer knows no such member, or has not got so far.
    #[error("{reason}")]
    Invalid {
        /// Why.
        reason: String,
    },
    /// The store failed.
    #[error("the acknowledgement could not be stored")]
    Store(#[from] StoreError),
}

impl AcknowledgeError {
    /// The gRPC code by which a client knows whether to try again.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Refused { .. } => Code::PermissionDenied,
            Self::Invalid { .. } => Code::InvalidArgument,
            Self::Store(_) => Code::Unavailable,
        }
    }
}

/// Why a domain could not begin with a topology.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BootstrapError {
    /// The domain has begun already.
    #[error("the sequencer has the topology of its domain already")]
    Begun,
    /// Nothing of it is authorized.
    #[error("no transaction of the topology is authorized by the domain's namespace")]
    Nothing,
    /// The topology does not go together with the sequencer's time.
    #[error("the topology comes too late")]
    Timeline(#[source] Box<TimelineError>),
    /// It could not be stored.
    #[error("the topology could not be stored")]
    Lost,
    /// The sequencer cannot work just now.
    #[error("the sequencer cannot work just now")]
    Unavailable,
}

/// Why a call is refused before it is looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallerError {
    /// The call does not say who calls, and for which domain.
    #[error("the call lacks {what}")]
    Missing {
        /// What is missing.
        what: &'static str,
    },
    /// What it says cannot be read.
    #[error("{what} of the call cannot be read")]
    Unreadable {
        /// Which part.
        what: &'static str,
    },
    /// The caller is not who it says it is.
    #[error(transparent)]
    Failure(#[from] AuthFailure),
}
