//! Why a timeline did not take or give a topology.

use jiff::Timestamp;
use thiserror::Error;

use crate::error::TopologyError;
use crate::path::UniquePath;

/// A topology that was not taken or not given. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TimelineError {
    /// The message does not come after what is known.
    #[error("a topology message of {sequenced} comes after the time {known} was reached")]
    OutOfOrder {
        /// The time of the message.
        sequenced: Timestamp,
        /// The time that is known.
        known: Timestamp,
    },
    /// The time is too far back.
    #[error("the topology of {at} is forgotten; times after {remembered_after} are remembered")]
    Forgotten {
        /// The time that was asked for.
        at: Timestamp,
        /// The times after this one are remembered.
        remembered_after: Timestamp,
    },
    /// A transaction of an initial topology that it does not authorize itself.
    #[error("the initial topology holds a transaction that cannot be accepted")]
    Initial(#[source] TopologyError),
    /// A removal in an initial topology, which holds what is valid.
    #[error("the initial topology holds a removal, of {path}")]
    InitialRemoval {
        /// The path of the removal.
        path: UniquePath,
    },
}
