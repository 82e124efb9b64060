//! The topology of a domain over time: what was sequenced, and from when on it counts.
//!
//! A transaction that was sequenced at `s` is effective at `s` plus the delay in force at `s`, and is seen by every `t`
//! after that moment, not at it. It is judged when it arrives, by all that arrived before, effective or not: its
//! signature, its domain and version, and whether its key may sign it. What is rejected changes nothing.
//! Invariant: effective times rise strictly from message to message, also when the delay has just been lowered.
//! Messages are verified by whoever feeds them; storing them is theirs as well.

mod error;
mod seed;

use std::collections::VecDeque;
use std::time::Duration;

use cantle_types::{DomainId, ProtocolVersion};
use jiff::Timestamp;

use crate::change::TopologyChangeOp;
use crate::error::TopologyError;
use crate::signed::SignedTopologyTransaction;
use crate::state::TopologyState;
use crate::view::TopologyView;

pub use error::TimelineError;

/// How long a timeline remembers the past, measured back from the last time that it was told.
pub const DEFAULT_HORIZON: Duration = Duration::from_hours(1);

const MICROSECOND: Duration = Duration::from_micros(1);

/// What became of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It has its effect from the effective time on.
    Accepted,
    /// It has come before, signed by the same key, and still has the effect that it had then.
    Duplicate,
    /// It has no effect.
    Rejected(TopologyError),
}

impl Outcome {
    /// Whether the transaction is to be kept.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        *self == Self::Accepted
    }
}

/// What became of the transactions of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fed {
    /// When they were sequenced.
    pub sequenced: Timestamp,
    /// From when on the accepted ones count: for every time after this one.
    pub effective: Timestamp,
    /// What became of each, in their order.
    pub outcomes: Vec<Outcome>,
}

impl Fed {
    /// The accepted ones of the transactions that were fed.
    pub fn accepted<'a>(
        &self,
        transactions: &'a [SignedTopologyTransaction],
    ) -> impl Iterator<Item = &'a SignedTopologyTransaction> {
        let outcomes = self.outcomes.iter();
        transactions
            .iter()
            .zip(outcomes)
            .filter(|(_, outcome)| outcome.is_accepted())
            .map(|(signed, _)| signed)
    }
}

/// The topology of one domain over time.
#[derive(Debug, Clone)]
pub struct TopologyTimeline {
    /// What all transactions together lead to, effective or not.
    latest: TopologyView,
    /// The changes that are remembered, oldest first.
    changes: VecDeque<Change>,
    /// The topology before the first of them, and since when it is that; of all earlier times, if there is none.
    base: (Option<Timestamp>, TopologyView),
    /// The last time of the sequencer that is known.
    time: Option<Timestamp>,
    /// The last effective time that was given.
    effective: Option<Timestamp>,
    horizon: Duration,
}

/// A topology and the time after which it counts.
#[derive(Debug, Clone)]
struct Change {
    effective: Timestamp,
    view: TopologyView,
}

impl TopologyTimeline {
    /// The timeline of a domain of which nothing is known yet.
    #[must_use]
    pub fn new(domain: DomainId, version: ProtocolVersion) -> Self {
        let empty = TopologyView::new(domain, version, TopologyState::new());
        Self {
            latest: empty.clone(),
            changes: VecDeque::new(),
            base: (None, empty),
            time: None,
            effective: None,
            horizon: DEFAULT_HORIZON,
        }
    }

    /// The same, remembering another span of the past.
    #[must_use]
    pub fn with_horizon(mut self, horizon: Duration) -> Self {
        self.horizon = horizon;
        self
    }

    /// The domain.
    #[must_use]
    pub fn domain(&self) -> &DomainId {
        self.latest.domain()
    }

    /// The domain's protocol version.
    #[must_use]
    pub fn protocol_version(&self) -> ProtocolVersion {
        self.latest.protocol_version()
    }

    /// Takes the transactions of a message that was sequenced at a time, each judged by all before it.
    ///
    /// # Errors
    /// [`TimelineError::OutOfOrder`], if the message does not come after all that is known. Nothing was changed.
    pub fn feed(
        &mut self,
        sequenced: Timestamp,
        transactions: &[SignedTopologyTransaction],
    ) -> Result<Fed, TimelineError> {
        let delay = self.advance(sequenced)?;
        let effective = self.next_effective(plus(sequenced, delay));
        Ok(self.take(sequenced, effective, transactions))
    }

    /// What would become of the transactions if they were sequenced at a time.
    ///
    /// # Errors
    /// As [`TopologyTimeline::feed`].
    pub fn preview(
        &self,
        sequenced: Timestamp,
        transactions: &[SignedTopologyTransaction],
    ) -> Result<Fed, TimelineError> {
        self.clone().feed(sequenced, transactions)
    }

    /// Notes that the sequencer's time has come so far, without a change of the topology. Going back has no effect.
    pub fn observe(&mut self, time: Timestamp) {
        if self.time.is_none_or(|known| known < time) {
            self.time = Some(time);
            self.forget();
        }
    }

    /// The topology at a time; after [`TopologyTimeline::known_until`], what it is going to be if nothing else comes.
    ///
    /// # Errors
    /// [`TimelineError::Forgotten`], if the time lies beyond the horizon.
    pub fn view(&self, at: Timestamp) -> Result<TopologyView, TimelineError> {
        let after = self.changes.partition_point(|change| change.effective < at);
        match (after.checked_sub(1).and_then(|last| self.changes.get(last)), &self.base) {
            (Some(change), _) => Ok(change.view.clone()),
            (None, (Some(since), _)) if at <= *since => {
                Err(TimelineError::Forgotten { at, remembered_after: *since })
            }
            (None, (_, view)) => Ok(view.clone()),
        }
    }

    /// The topology with all that was sequenced, also what is not effective yet.
    #[must_use]
    pub fn latest(&self) -> &TopologyView {
        &self.latest
    }

    /// The first time at which, after it, the topology is another one than at a time.
    #[must_use]
    pub fn next_change_after(&self, at: Timestamp) -> Option<Timestamp> {
        let next = self.changes.partition_point(|change| change.effective < at);
        self.changes.get(next).map(|change| change.effective)
    }

    /// When the last change became or becomes effective.
    #[must_use]
    pub fn last_effective(&self) -> Option<Timestamp> {
        self.effective
    }

    /// The last time of the sequencer that is known.
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        self.time
    }

    /// Until when, that moment included, nothing that is yet to be sequenced can change the topology.
    #[must_use]
    pub fn known_until(&self) -> Option<Timestamp> {
        let time = self.time?;
        // A lower delay that is about to come into force lets later messages overtake.
        let upcoming = self.changes.iter().filter(|change| change.effective >= time);
        let ends = upcoming.map(|change| plus(change.effective, change.view.topology_change_delay()));
        let end = ends.fold(plus(time, self.delay_after(time)), Timestamp::min);
        Some(self.effective.map_or(end, |effective| end.max(effective)))
    }

    /// Moves on to the time of a new message, and returns the delay in force at it.
    fn advance(&mut self, sequenced: Timestamp) -> Result<Duration, TimelineError> {
        if let Some(known) = self.time.filter(|known| sequenced <= *known) {
            return Err(TimelineError::OutOfOrder { sequenced, known });
        }
        self.time = Some(sequenced);
        let delay = self.view(sequenced).map_or(Duration::ZERO, |view| view.topology_change_delay());
        self.forget();
        Ok(delay)
    }

    fn delay_after(&self, time: Timestamp) -> Duration {
        let next = plus(time, MICROSECOND);
        self.view(next).map_or(Duration::ZERO, |view| view.topology_change_delay())
    }

    /// The given effective time, or the first that is left.
    fn next_effective(&self, wanted: Timestamp) -> Timestamp {
        self.effective.map_or(wanted, |last| wanted.max(plus(last, MICROSECOND)))
    }

    fn take(
        &mut self,
        sequenced: Timestamp,
        effective: Timestamp,
        transactions: &[SignedTopologyTransaction],
    ) -> Fed {
        let mut state = self.latest.state().clone();
        let outcomes: Vec<Outcome> = transactions
            .iter()
            .map(|signed| match self.check_alone(signed) {
                Ok(()) => self.take_verified(&mut state, signed),
                Err(error) => Outcome::Rejected(error),
            })
            .collect();
        if outcomes.iter().any(Outcome::is_accepted) {
            self.change(effective, state);
        }
        Fed { sequenced, effective, outcomes }
    }

    /// Makes a state the topology after a time.
    fn change(&mut self, effective: Timestamp, state: TopologyState) {
        let view = self.view_of(state);
        self.latest = view.clone();
        self.effective = Some(effective);
        self.changes.push_back(Change { effective, view });
    }

    fn view_of(&self, state: TopologyState) -> TopologyView {
        TopologyView::new(self.domain().clone(), self.protocol_version(), state)
    }

    /// What can be said of a transaction without any other: its signature, its domain and its version.
    ///
    /// Also asked of one that has come before: a forged signature must not pass for a duplicate.
    fn check_alone(&self, signed: &SignedTopologyTransaction) -> Result<(), TopologyError> {
        signed.transaction().check_place(self.domain(), self.protocol_version())?;
        signed.check_signature()
    }

    /// Lets a transaction have its effect on a state that allows it.
    fn take_verified(&self, state: &mut TopologyState, signed: &SignedTopologyTransaction) -> Outcome {
        let (transaction, signed_by) = (signed.transaction(), signed.key().fingerprint());
        if state.has_seen(transaction, signed_by) && still_has_effect(state, signed) {
            return Outcome::Duplicate;
        }
        match state.check_verified(signed) {
            Ok(()) => {
                state.apply(transaction, signed_by);
                Outcome::Accepted
            }
            Err(error) => Outcome::Rejected(error),
        }
    }

    /// Drops the changes that lie beyond the horizon, but keeps what they led to.
    fn forget(&mut self) {
        let Some(time) = self.time else { return };
        let Ok(limit) = time.checked_sub(self.horizon) else { return };
        let forgotten = self.changes.partition_point(|change| change.effective < limit);
        if let Some(Change { effective, view }) = self.changes.drain(..forgotten).next_back() {
            self.base = (Some(effective), view);
        }
    }
}

/// Whether what an earlier transaction like this one did is not undone.
fn still_has_effect(state: &TopologyState, signed: &SignedTopologyTransaction) -> bool {
    let transaction = signed.transaction();
    let mut at_path = state.of_path(&transaction.unique_path());
    match transaction.op() {
        TopologyChangeOp::Remove => at_path.next().is_none(),
        TopologyChangeOp::Add | TopologyChangeOp::Replace => at_path.any(|active| {
            active.transaction() == transaction && active.signed_by() == signed.key().fingerprint()
        }),
    }
}

/// Whole microseconds, and never beyond the end of time.
fn plus(time: Timestamp, span: Duration) -> Timestamp {
    let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
    let sum = time.as_microsecond().saturating_add(micros);
    Timestamp::from_microsecond(sum).unwrap_or(Timestamp::MAX)
}
