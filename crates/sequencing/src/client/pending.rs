//! What became of the submissions that were accepted.
//!
//! A submission is settled by its sender's own event, or by any event later than its maximum sequencing time: then it
//! will not be sequenced any more. Until one of these is seen nobody knows.
//! Invariant: each submission is settled once.

use std::collections::{BTreeSet, HashMap};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use cantle_protocol::{DeliverErrorReason, EventContent, MessageId, SequencedEvent, SequencerCounter};
use cantle_types::CantonTimestamp;
use tokio::sync::oneshot;

use crate::time::{DomainTimeTracker, WantedTime};

/// What became of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendOutcome {
    /// It was sequenced and delivered.
    Sequenced {
        /// When.
        timestamp: CantonTimestamp,
        /// The sender's event of it.
        counter: SequencerCounter,
    },
    /// It was sequenced and not delivered.
    DeliverError {
        /// When.
        timestamp: CantonTimestamp,
        /// Why.
        reason: DeliverErrorReason,
    },
    /// It was not sequenced in time and will not be.
    TimedOut {
        /// The time that the domain has reached.
        timestamp: CantonTimestamp,
    },
    /// The client stopped before it was known. The events, read again, will tell.
    Unknown,
}

/// A submission that was accepted, or may have been; awaiting it gives its outcome.
///
/// It must not be awaited inside of [`crate::EventHandler::handle`], which the outcome's event would have to wait for.
#[derive(Debug)]
pub struct PendingSend {
    message_id: MessageId,
    outcome: oneshot::Receiver<SendOutcome>,
    pub(super) is_accepted: bool,
}

impl PendingSend {
    /// Whether the sequencer said that it accepted the submission. Otherwise nobody knows, and the outcome of one that was
    /// lost is known when its maximum sequencing time has passed.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.is_accepted
    }

    /// What the sender calls the submission.
    #[must_use]
    pub fn message_id(&self) -> &MessageId {
        &self.message_id
    }
}

impl Future for PendingSend {
    type Output = SendOutcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<SendOutcome> {
        Pin::new(&mut self.outcome).poll(context).map(|outcome| outcome.unwrap_or(SendOutcome::Unknown))
    }
}

/// The submissions that are not settled.
#[derive(Debug, Default)]
pub(super) struct PendingSends(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    by_id: HashMap<MessageId, Pending>,
    by_time: BTreeSet<(CantonTimestamp, MessageId)>,
    closed: bool,
}

#[derive(Debug)]
struct Pending {
    max_sequencing_time: CantonTimestamp,
    outcome: oneshot::Sender<SendOutcome>,
    /// Makes sure that the maximum sequencing time is seen to pass, as long as that matters.
    _until: WantedTime,
}

impl PendingSends {
    /// Remembers a submission before it is sent; `None` if one of that id is not settled yet.
    pub(super) fn register(
        &self,
        id: &MessageId,
        max_sequencing_time: CantonTimestamp,
        time: &DomainTimeTracker,
    ) -> Option<PendingSend> {
        let mut state = self.state();
        if state.by_id.contains_key(id) {
            return None;
        }
        let (outcome, receiver) = oneshot::channel();
        if !state.closed {
            let after = max_sequencing_time.successor().unwrap_or(max_sequencing_time);
            let pending = Pending { max_sequencing_time, outcome, _until: time.want(after) };
            state.by_id.insert(id.clone(), pending);
            state.by_time.insert((max_sequencing_time, id.clone()));
        }
        Some(PendingSend { message_id: id.clone(), outcome: receiver, is_accepted: true })
    }

    /// Forgets a submission that was refused.
    pub(super) fn forget(&self, id: &MessageId) {
        self.state().remove(id);
    }

    /// Settles what an event settles.
    pub(super) fn observe(&self, event: &SequencedEvent) {
        let timestamp = event.timestamp();
        let mut state = self.state();
        if let Some(pending) = event.message_id().and_then(|id| state.remove(id)) {
            pending.settle(match event.content() {
                EventContent::Deliver { .. } => {
                    SendOutcome::Sequenced { timestamp, counter: event.counter() }
                }
                EventContent::DeliverError { reason, .. } => {
                    SendOutcome::DeliverError { timestamp, reason: reason.clone() }
                }
            });
        }
        while let Some((time, id)) = state.by_time.first() {
            if *time >= timestamp {
                break;
            }
            let id = id.clone();
            let Some(pending) = state.remove(&id) else { break };
            pending.settle(SendOutcome::TimedOut { timestamp });
        }
    }

    /// Settles everything as unknown, now and from now on.
    pub(super) fn close(&self) {
        let mut state = self.state();
        *state = State { closed: true, ..State::default() };
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Both maps are changed together in methods that do not panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn remove(&mut self, id: &MessageId) -> Option<Pending> {
        let pending = self.by_id.remove(id)?;
        self.by_time.remove(&(pending.max_sequencing_time, id.clone()));
        Some(pending)
    }
}

impl Pending {
    /// Tells the sender, if it still wants to know.
    fn settle(self, outcome: SendOutcome) {
        let _ = self.outcome.send(outcome);
    }
}

#[cfg(test)]
mod tests;
