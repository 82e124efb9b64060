//! Where a timeline starts: from what this node stored itself, or from a topology that somebody else gives.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use cantle_types::{DomainId, Fingerprint, ProtocolVersion};
use jiff::Timestamp;

use super::{Outcome, TimelineError, TopologyTimeline};
use crate::change::TopologyChangeOp;
use crate::error::TopologyError;
use crate::signed::SignedTopologyTransaction;
use crate::snapshot::StoredTransaction;
use crate::state::TopologyState;

impl TopologyTimeline {
    /// The timeline that stored transactions lead to, oldest first, rejected ones left out. Nothing is verified: this node
    /// did so before it stored them.
    ///
    /// The past is remembered from a time on: topologies before it cannot be asked for, and cost nothing.
    pub fn restore(
        domain: DomainId,
        version: ProtocolVersion,
        stored: impl IntoIterator<Item = StoredTransaction>,
        from: Timestamp,
        horizon: Duration,
    ) -> Self {
        let mut timeline = Self::new(domain, version).with_horizon(horizon);
        let mut state = TopologyState::new();
        for StoredTransaction { sequenced, valid_from, transaction, .. } in stored {
            if let Some(effective) = timeline.effective.filter(|effective| *effective != valid_from) {
                if effective >= from {
                    timeline.change(effective, state.clone());
                } else if valid_from >= from {
                    timeline.base = (Some(effective), timeline.view_of(state.clone()));
                }
            }
            timeline.effective = Some(valid_from);
            state.apply(transaction.transaction(), transaction.key().fingerprint());
            timeline.time = timeline.time.max(Some(sequenced));
        }
        if let Some(effective) = timeline.effective {
            if effective >= from {
                timeline.change(effective, state);
            } else {
                timeline.latest = timeline.view_of(state);
                timeline.base = (Some(effective), timeline.latest.clone());
            }
        }
        timeline
    }

    /// A timeline that starts with a topology that somebody else gives, valid at once and at all times before.
    ///
    /// Everything is verified; the transactions may stand in any order in which some order lets each rest on others.
    /// The active transactions of the topology then stand in such an order.
    ///
    /// # Errors
    /// [`TimelineError::Initial`] with the first transaction that nothing here authorizes;
    /// [`TimelineError::InitialRemoval`].
    pub fn with_initial(
        domain: DomainId,
        version: ProtocolVersion,
        transactions: &[SignedTopologyTransaction],
    ) -> Result<Self, TimelineError> {
        let mut timeline = Self::new(domain, version);
        for signed in transactions {
            if signed.transaction().op() == TopologyChangeOp::Remove {
                return Err(TimelineError::InitialRemoval { path: signed.transaction().unique_path() });
            }
            timeline.check_alone(signed).map_err(TimelineError::Initial)?;
        }
        let state = timeline.settle(transactions).map_err(TimelineError::Initial)?;
        timeline.latest = timeline.view_of(state);
        timeline.base = (None, timeline.latest.clone());
        Ok(timeline)
    }

    /// The state that verified transactions lead to. One that is not authorized waits for a delegation to its signer, so
    /// that each is looked at once, and once more for every delegation to its signer.
    fn settle(&self, transactions: &[SignedTopologyTransaction]) -> Result<TopologyState, TopologyError> {
        let mut state = TopologyState::new();
        let mut waiting: HashMap<&Fingerprint, Vec<(usize, TopologyError)>> = HashMap::new();
        let mut queue: VecDeque<usize> = (0..transactions.len()).collect();
        while let Some(index) = queue.pop_front() {
            let signed = &transactions[index];
            match self.take_verified(&mut state, signed) {
                Outcome::Accepted => {
                    let key = signed.transaction().mapping().key();
                    let woken = key.and_then(|key| waiting.remove(key)).unwrap_or_default();
                    woken.into_iter().rev().for_each(|(index, _)| queue.push_front(index));
                }
                Outcome::Duplicate => {}
                Outcome::Rejected(error @ TopologyError::Unauthorized { .. }) => {
                    waiting.entry(signed.key().fingerprint()).or_default().push((index, error));
                }
                Outcome::Rejected(error) => return Err(error),
            }
        }
        let first = waiting.into_values().flatten().min_by_key(|(index, _)| *index);
        first.map_or(Ok(state), |(_, error)| Err(error))
    }
}
