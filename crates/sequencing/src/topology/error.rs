//! Why a topology is not known, or did not change.

use cantle_crypto::{SigningKeyScheme, VerifyError};
use cantle_store::StoreError;
use cantle_topology::TimelineError;
use cantle_types::{CantonTimestamp, DomainId, Fingerprint, Member};

/// Why there is no topology at a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// Something that is yet to be seen can change it.
    #[error("the topology of {at} is not known yet")]
    NotKnownYet {
        /// The time.
        at: CantonTimestamp,
        /// Up to when it is known.
        known_until: Option<CantonTimestamp>,
    },
    /// It lies too far back.
    #[error(transparent)]
    Timeline(#[from] TimelineError),
    /// The connection to the domain was closed before it was known.
    #[error("the topology of {at} was not known when the connection to the domain was closed")]
    Stopped {
        /// The time.
        at: CantonTimestamp,
    },
}

/// Why a topology message is not the domain's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// It is of another domain.
    #[error("the topology message is of the domain {found}")]
    Domain {
        /// The domain.
        found: DomainId,
    },
    /// It may be an old one, played again.
    #[error("the topology message must not be sequenced after {not_sequenced_after}")]
    TooLate {
        /// The last time at which it counts.
        not_sequenced_after: CantonTimestamp,
    },
    /// The first message is another participant's.
    #[error("the first topology message does not say that the domain trusts {member}")]
    NotForThisParticipant {
        /// This participant.
        member: Member,
    },
    /// The key is none of the domain's topology manager.
    #[error(
        "the topology message is signed by {signed_by}, which is no key of the domain's topology manager"
    )]
    UnknownKey {
        /// The key.
        signed_by: Fingerprint,
    },
    /// The domain does not allow signatures of that scheme.
    #[error(
        "the topology message is signed by {signed_by} of scheme {scheme}, which the domain does not allow"
    )]
    Scheme {
        /// The key.
        signed_by: Fingerprint,
        /// Its scheme.
        scheme: SigningKeyScheme,
    },
    /// The signature does not hold.
    #[error("the signature of the topology message does not hold")]
    Signature(#[source] VerifyError),
    /// The topology at that time cannot be told.
    #[error("the topology that the message is to be judged by cannot be told")]
    Timeline(#[from] TimelineError),
}

/// Why topology messages were not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TopologyFeedError {
    /// They did not come in their order.
    #[error(transparent)]
    Timeline(#[from] TimelineError),
    /// The store failed.
    #[error("the topology of the domain could not be stored")]
    Store(#[from] StoreError),
}
