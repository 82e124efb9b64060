//! Why a client stopped, and why a submission was not handed in.

use cantle_protocol::MessageId;
use cantle_store::StoreError;
use cantle_types::{CantonTimestamp, Member};

use super::checks::EventError;
use crate::auth::AuthError;
use crate::connect::ConnectError;
use crate::crypto::SyncSignError;
use crate::error::{ApiError, SendError};
use crate::handler::HandlerError;
use crate::topology::TopologyFeedError;

/// Why a client stopped following its domain. Connecting again does not help unless something is changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The protocol versions do not fit.
    #[error("{member} and the sequencer do not come together")]
    Handshake {
        /// The member.
        member: Member,
        /// Why.
        #[source]
        source: Box<ConnectError>,
    },
    /// The sequencer does not let the member in.
    #[error(transparent)]
    Authentication(Box<AuthError>),
    /// The sequencer ended the subscription for good.
    #[error("the sequencer refuses the subscription of {member}")]
    Refused {
        /// The member.
        member: Member,
        /// What it said.
        #[source]
        source: Box<ApiError>,
    },
    /// An event failed a check.
    #[error("{member} stops following its domain, since an event must not be trusted")]
    Event {
        /// The member.
        member: Member,
        /// What is wrong with it.
        #[source]
        source: Box<EventError>,
    },
    /// The domain's topology could not be followed.
    #[error("{member} cannot follow the topology of its domain")]
    Topology {
        /// The member.
        member: Member,
        /// Why.
        #[source]
        source: Box<TopologyFeedError>,
    },
    /// The handler gave up.
    #[error("{member} stops following its domain")]
    Handler {
        /// The member.
        member: Member,
        /// Why.
        #[source]
        source: HandlerError,
    },
    /// The client has been run before: it follows its domain once.
    #[error("this client of {member} has been run before")]
    RunTwice {
        /// The member.
        member: Member,
    },
}

/// Why a submission was not handed in. It will not be sequenced.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientSendError {
    /// It is larger than the domain allows.
    #[error("the submission {message_id} has {size} bytes, and the domain allows {max}")]
    TooLarge {
        /// What the sender calls it.
        message_id: MessageId,
        /// Its size.
        size: usize,
        /// What is allowed.
        max: usize,
    },
    /// Another one with the same id is not settled.
    #[error("a submission {message_id} is under way already")]
    Duplicate {
        /// The id.
        message_id: MessageId,
    },
    /// It could not be signed.
    #[error("the submission {message_id} could not be signed by the topology of {at}")]
    Sign {
        /// What the sender calls it.
        message_id: MessageId,
        /// The time of the topology.
        at: CantonTimestamp,
        /// Why.
        #[source]
        source: Box<SyncSignError>,
    },
    /// The sender could not authenticate itself.
    #[error(transparent)]
    Authentication(Box<AuthError>),
    /// The sequencer did not accept it.
    #[error("the submission {message_id} was not accepted")]
    Send {
        /// What the sender calls it.
        message_id: MessageId,
        /// Why.
        #[source]
        source: Box<SendError>,
    },
}

impl From<AuthError> for ClientError {
    fn from(error: AuthError) -> Self {
        Self::Authentication(Box::new(error))
    }
}

impl From<AuthError> for ClientSendError {
    fn from(error: AuthError) -> Self {
        Self::Authentication(Box::new(error))
    }
}

impl ClientSendError {
    /// Whether the same may succeed later without anyone changing anything.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            Self::Sign { source, .. } => source.retryable(),
            Self::Authentication(error) => error.retryable(),
            Self::Send { source, .. } => source.retryable(),
            Self::TooLarge { .. } | Self::Duplicate { .. } => false,
        }
    }
}

/// Why a client could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenClientError {
    /// The store failed.
    #[error("what is stored of the domain could not be read")]
    Store(#[from] StoreError),
    /// The store holds a cursor that is none.
    #[error("the stored cursor of {member} has the counter {counter}, which is none")]
    Cursor {
        /// The member.
        member: Member,
        /// The counter.
        counter: i64,
    },
    /// The store holds a cursor whose hash is none.
    #[error("the stored cursor of {member} has no readable hash")]
    CursorHash {
        /// The member.
        member: Member,
        /// What is wrong with it.
        #[source]
        source: cantle_crypto::HashError,
    },
}
