//! One view of a request while its confirmations come in.
//!
//! Every quorum of a view counts down: an approval takes its weight off the threshold, an approval or a rejection takes
//! the party out of those that may still answer. A view is confirmed when all thresholds are down, and lost when what may
//! still come does not reach one of them.

use std::collections::{BTreeMap, BTreeSet};

use cantle_protocol::{LocalReject, RejectionReason, ViewConfirmationParameters};
use cantle_topology::{TopologyView, TrustLevel};
use cantle_types::{ParticipantId, PartyId};

/// A view that is waited for.
#[derive(Debug, Clone)]
pub(crate) struct OpenView {
    informees: BTreeMap<PartyId, TrustLevel>,
    confirmers: BTreeSet<PartyId>,
    quorums: Vec<OpenQuorum>,
    answered: BTreeSet<PartyId>,
    /// The newest first.
    reasons: Vec<RejectionReason>,
}

#[derive(Debug, Clone)]
struct OpenQuorum {
    /// Who may still answer.
    remaining: BTreeMap<PartyId, u32>,
    /// The weight that is still missing.
    missing: u64,
}

impl OpenQuorum {
    fn may_come(&self) -> u64 {
        self.remaining.values().map(|&weight| u64::from(weight)).sum()
    }
}

/// How a view stands after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Some answer is still missing.
    Open,
    /// It is confirmed.
    Confirmed,
    /// It cannot be confirmed any more.
    Lost,
}

impl OpenView {
    pub(crate) fn new(parameters: &ViewConfirmationParameters) -> Self {
        let quorums = parameters.quorums().iter().map(|quorum| OpenQuorum {
            remaining: quorum.confirmers.clone(),
            missing: u64::from(quorum.threshold),
        });
        Self {
            informees: parameters.informees().clone(),
            confirmers: parameters.confirmers().into_iter().cloned().collect(),
            quorums: quorums.collect(),
            answered: BTreeSet::new(),
            reasons: Vec::new(),
        }
    }

    /// Whether a party may confirm the view.
    pub(crate) fn is_confirmer(&self, party: &PartyId) -> bool {
        self.confirmers.contains(party)
    }

    /// Whether a participant may confirm for a party: it hosts it, may confirm, and is trusted as far as the view asks.
    pub(crate) fn may_confirm(
        &self,
        topology: &TopologyView,
        participant: &ParticipantId,
        party: &PartyId,
    ) -> bool {
        let required = self.informees.get(party).copied().unwrap_or(TrustLevel::Ordinary);
        let hosting = topology.hosting(party, participant);
        hosting.is_some_and(|hosting| hosting.permission.can_confirm() && hosting.trust_level >= required)
    }

    /// The parties for which a participant may confirm the view.
    pub(crate) fn confirmers_at(
        &self,
        topology: &TopologyView,
        participant: &ParticipantId,
    ) -> BTreeSet<PartyId> {
        let may = |party: &&PartyId| self.may_confirm(topology, participant, party);
        self.confirmers.iter().filter(may).cloned().collect()
    }

    /// Parties approve. The first answer of a party counts.
    pub(crate) fn approve(&mut self, parties: &BTreeSet<PartyId>) -> Standing {
        for party in self.first_answers(parties) {
            for quorum in &mut self.quorums {
                if let Some(weight) = quorum.remaining.remove(&party) {
                    quorum.missing = quorum.missing.saturating_sub(u64::from(weight));
                }
            }
        }
        self.standing()
    }

    /// Parties reject. The first answer of a party counts.
    pub(crate) fn reject(&mut self, parties: &BTreeSet<PartyId>, reject: &LocalReject) -> Standing {
        let first = self.first_answers(parties);
        if !first.is_empty() {
            for quorum in &mut self.quorums {
                quorum.remaining.retain(|party, _| !first.contains(party));
            }
            self.reasons.insert(0, RejectionReason { parties: first, reject: reject.clone() });
        }
        self.standing()
    }

    pub(crate) fn standing(&self) -> Standing {
        if self.quorums.iter().any(|quorum| quorum.missing > quorum.may_come()) {
            Standing::Lost
        } else if self.quorums.iter().all(|quorum| quorum.missing == 0) {
            Standing::Confirmed
        } else {
            Standing::Open
        }
    }

    /// Why it was rejected, the newest reason first.
    pub(crate) fn reasons(&self) -> &[RejectionReason] {
        &self.reasons
    }

    /// The parties whose answers are missing.
    pub(crate) fn unresponsive(&self) -> BTreeSet<&PartyId> {
        let open = self.quorums.iter().filter(|quorum| quorum.missing > 0);
        open.flat_map(|quorum| quorum.remaining.keys()).collect()
    }

    fn first_answers(&mut self, parties: &BTreeSet<PartyId>) -> BTreeSet<PartyId> {
        let confirmers = parties.iter().filter(|party| self.confirmers.contains(*party));
        let first: BTreeSet<_> =
            confirmers.filter(|party| !self.answered.contains(*party)).cloned().collect();
        self.answered.extend(first.iter().cloned());
        first
    }
}
