//! A member's events from a counter on, as they are read by whoever delivers them.

use std::sync::Arc;

use cantle_store::{NodeStore, SequencerEvent, StoreError};
use cantle_types::Member;
use tonic::Code;

use crate::feed::Reader;
use crate::options::SequencerOptions;
use crate::session::Session;

/// Why a subscription ended, or did not begin.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SubscriptionEnd {
    /// The member is not active on the domain any more.
    #[error("the member is not active on the domain")]
    Deactivated,
    /// The token's time is over; with a new one it goes on.
    #[error("the token has expired")]
    TokenExpired,
    /// A newer subscription of the member has taken its place.
    #[error("the member has opened another subscription")]
    Replaced,
    /// The sequencer stops.
    #[error("the sequencer stops")]
    Stopping,
    /// There are too many subscriptions.
    #[error("the sequencer has as many subscriptions as it can serve")]
    Full,
    /// The member may not subscribe in this way.
    #[error("{reason}")]
    Refused {
        /// Why.
        reason: String,
    },
    /// The member has not got so many events.
    #[error("{member} has no event {counter} and will not have it next")]
    Beyond {
        /// The member.
        member: Member,
        /// The counter that it asked for.
        counter: i64,
    },
    /// The store failed.
    #[error("the sequencer's store failed")]
    Store(#[source] Arc<StoreError>),
    /// The store lacks an event that it had.
    #[error("event {counter} is missing in the sequencer's store")]
    Missing {
        /// Its counter.
        counter: i64,
    },
}

impl SubscriptionEnd {
    /// The gRPC code by which a client knows whether to try again.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Deactivated | Self::Refused { .. } => Code::PermissionDenied,
            Self::TokenExpired => Code::Unauthenticated,
            Self::Replaced | Self::Stopping => Code::Unavailable,
            Self::Full => Code::ResourceExhausted,
            Self::Beyond { .. } => Code::OutOfRange,
            Self::Store(error) if error.retryable() => Code::Unavailable,
            Self::Store(_) | Self::Missing { .. } => Code::Internal,
        }
    }
}

/// A member's events, one after the other. Dropped, the subscription ends.
#[derive(Debug)]
pub struct Subscription {
    reader: Reader,
    session: Session,
    store: Arc<dyn NodeStore>,
    options: Arc<SequencerOptions>,
}

impl Subscription {
    pub(crate) fn new(
        reader: Reader,
        session: Session,
        store: Arc<dyn NodeStore>,
        options: Arc<SequencerOptions>,
    ) -> Self {
        Self { reader, session, store, options }
    }

    /// The next event, once there is one.
    ///
    /// Cancel safe: a dropped call has taken no event.
    ///
    /// # Errors
    /// Why the subscription has ended.
    pub async fn next(&mut self) -> Result<Arc<SequencerEvent>, SubscriptionEnd> {
        self.reader.next(&*self.store, &self.options, &mut self.session).await
    }
}
