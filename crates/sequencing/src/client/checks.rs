//! What an event must fulfil to be handled.
//!
//! Counters rise by one, times rise, the domain is the domain, and the sequencer signed. The first event of a member comes
//! before it knows any topology, and a member that has not authenticated itself knows none: their signatures cannot be
//! checked, so that such events must not point to another time's key either.
//! After a reconnection the last event comes again; if it says something else, the sequencer has forked.

use cantle_crypto::Hash;
use cantle_protocol::{SequencedEvent, SequencerCounter, SignedContent};
use cantle_types::{CantonTimestamp, DomainId, Member};

use crate::crypto::{SyncCrypto, SyncVerifyError};
use crate::topology::{DomainTopologyClient, SnapshotError};

/// What is wrong with an event. The sequencer, or the way to it, cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// Not the next counter.
    #[error("the sequencer delivered counter {found} where {expected} was due")]
    Counter {
        /// The counter that was due.
        expected: SequencerCounter,
        /// The counter of the event.
        found: SequencerCounter,
    },
    /// The time does not rise.
    #[error("the event with counter {counter} is of {found}, and the one before of {previous}")]
    Time {
        /// The event.
        counter: SequencerCounter,
        /// The time of the one before.
        previous: CantonTimestamp,
        /// Its time.
        found: CantonTimestamp,
    },
    /// Another domain's event.
    #[error("the event with counter {counter} is of the domain {found}")]
    Domain {
        /// The event.
        counter: SequencerCounter,
        /// Its domain.
        found: DomainId,
    },
    /// The event points to a signing key that it must not point to.
    #[error("the event with counter {counter} of {timestamp} points to a signing key of {found}")]
    SigningKeyTime {
        /// The event.
        counter: SequencerCounter,
        /// Its time.
        timestamp: CantonTimestamp,
        /// The time of the key.
        found: CantonTimestamp,
    },
    /// The signature counts for nothing.
    #[error("the event with counter {counter} is not signed by the sequencer")]
    Signature {
        /// The event.
        counter: SequencerCounter,
        /// Why.
        #[source]
        source: Box<SyncVerifyError>,
    },
    /// The topology by which the signature is checked cannot be told.
    #[error("the signature of the event with counter {counter} cannot be checked")]
    Topology {
        /// The event.
        counter: SequencerCounter,
        /// Why.
        #[source]
        source: Box<SnapshotError>,
    },
    /// The event that was known comes again with another content.
    #[error("the sequencer has forked: it delivered another event with counter {counter} before")]
    Fork {
        /// The event.
        counter: SequencerCounter,
    },
}

/// An event that was handled, as much as must be known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KnownEvent {
    pub(super) counter: SequencerCounter,
    pub(super) timestamp: CantonTimestamp,
    pub(super) content: Hash,
}

/// Who is subscribed, and how its events are checked.
#[derive(Debug)]
pub(super) struct Checks {
    pub(super) domain: DomainId,
    /// Nothing for a member that has not authenticated itself.
    pub(super) signatures: Option<Signatures>,
}

/// By what signatures are checked.
#[derive(Debug)]
pub(super) struct Signatures {
    pub(super) sequencer: Member,
    pub(super) crypto: SyncCrypto,
    pub(super) topology: DomainTopologyClient,
}

impl Checks {
    /// Whether an event may follow the one before it.
    pub(super) fn follows(
        &self,
        previous: Option<&KnownEvent>,
        event: &SignedContent<SequencedEvent>,
    ) -> Result<(), EventError> {
        let content = event.content();
        let counter = content.counter();
        let expected = previous.map_or(SequencerCounter::GENESIS, |previous| previous.counter.next());
        if counter != expected {
            return Err(EventError::Counter { expected, found: counter });
        }
        if content.domain_id() != &self.domain {
            return Err(EventError::Domain { counter, found: content.domain_id().clone() });
        }
        if let Some(previous) = previous
            && content.timestamp() <= previous.timestamp
        {
            return Err(EventError::Time {
                counter,
                previous: previous.timestamp,
                found: content.timestamp(),
            });
        }
        self.is_signed(event)
    }

    /// Whether an event that was known comes again as it was. It may be compressed and signed anew.
    pub(super) fn is_again(
        known: &KnownEvent,
        event: &SequencedEvent,
        content: &Hash,
    ) -> Result<(), EventError> {
        if event.counter() != known.counter {
            return Err(EventError::Counter { expected: known.counter, found: event.counter() });
        }
        if event.timestamp() != known.timestamp || *content != known.content {
            return Err(EventError::Fork { counter: known.counter });
        }
        Ok(())
    }

    fn is_signed(&self, event: &SignedContent<SequencedEvent>) -> Result<(), EventError> {
        let (counter, timestamp) = (event.content().counter(), event.content().timestamp());
        let key_time = event.timestamp_of_signing_key();
        let wrong_time = |found| EventError::SigningKeyTime { counter, timestamp, found };
        let Some(signatures) = self.signatures.as_ref().filter(|_| counter != SequencerCounter::GENESIS)
        else {
            return match key_time {
                Some(found) if found != timestamp => Err(wrong_time(found)),
                _ => Ok(()),
            };
        };
        let at = match key_time {
            Some(found) if found > timestamp => return Err(wrong_time(found)),
            Some(found) => found,
            None => timestamp,
        };
        let view = signatures.topology.within_stream(at);
        let view = view.map_err(|source| EventError::Topology { counter, source: Box::new(source) })?;
        signatures
            .crypto
            .verify(&view, &signatures.sequencer, &event.hash(), event.signature())
            .map_err(|source| EventError::Signature { counter, source: Box::new(source) })
    }
}
