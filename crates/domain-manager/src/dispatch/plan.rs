//! Which transactions go to whom, worked out on the topology that the members know. No IO.
//!
//! Invariants: every member gets every transaction from the one that made it a member on, in their order; a newcomer
//! gets, with the transaction that makes it one, all that is active by then; a member that is turned away still gets the
//! transaction that does it.

use std::collections::BTreeSet;

use cantle_topology::{
    SignedTopologyTransaction, TopologyChangeOp, TopologyMapping, TopologyState, TopologyView,
};
use cantle_types::{DomainId, DomainManagerId, Member, ProtocolVersion};
use jiff::Timestamp;

/// What is sent in one submission.
#[derive(Debug, Clone)]
pub(crate) struct Dispatch {
    /// Lists of transactions, each for some members.
    pub(crate) messages: Vec<(Vec<SignedTopologyTransaction>, BTreeSet<Member>)>,
    /// The time of the last transaction that is thereby sent.
    pub(crate) until: Timestamp,
}

/// What the members of a domain know.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    domain: DomainId,
    version: ProtocolVersion,
    /// The sequencer, where it is a node of its own that has to be told.
    sequencer: Option<Member>,
    state: TopologyState,
    /// What is active, as it is sent to newcomers, in the order in which it came.
    active: Vec<SignedTopologyTransaction>,
}

impl Known {
    /// A domain whose members know nothing yet.
    pub(crate) fn nothing(domain: DomainId, version: ProtocolVersion, sequencer: Option<Member>) -> Self {
        Self { domain, version, sequencer, state: TopologyState::new(), active: Vec::new() }
    }

    /// A transaction has its effect.
    pub(crate) fn apply(&mut self, signed: &SignedTopologyTransaction) {
        let transaction = signed.transaction();
        if transaction.op() != TopologyChangeOp::Add {
            let path = transaction.unique_path();
            self.active.retain(|active| active.transaction().unique_path() != path);
        }
        if transaction.op() != TopologyChangeOp::Remove {
            self.active.push(signed.clone());
        }
        self.state.apply(transaction, signed.key().fingerprint());
    }

    /// Whether the domain can be used by then.
    pub(crate) fn is_initialized(&self) -> bool {
        self.view().is_initialized()
    }

    /// Plans what has to be sent for transactions that follow, and takes them as sent. A list of more than `max_bytes` is
    /// split, but never a single transaction.
    pub(crate) fn plan(
        &mut self,
        pending: Vec<(Timestamp, SignedTopologyTransaction)>,
        max_bytes: usize,
    ) -> Vec<Dispatch> {
        let mut dispatches = Vec::new();
        let mut members = self.members();
        let mut group = Vec::new();
        let mut bytes = 0;
        let mut until = None;
        for (sequenced, signed) in pending {
            self.apply(&signed);
            bytes += signed.bytes().len();
            group.push(signed);
            until = Some(sequenced);
            let now = self.members();
            if now != members || bytes >= max_bytes {
                let newcomers = now.difference(&members).cloned().collect();
                let list = std::mem::take(&mut group);
                dispatches.push(self.dispatch(
                    list,
                    std::mem::replace(&mut members, now),
                    newcomers,
                    sequenced,
                ));
                bytes = 0;
            }
        }
        if let (Some(until), false) = (until, group.is_empty()) {
            dispatches.push(self.dispatch(group, members, BTreeSet::new(), until));
        }
        dispatches
    }

    fn dispatch(
        &self,
        list: Vec<SignedTopologyTransaction>,
        members: BTreeSet<Member>,
        newcomers: BTreeSet<Member>,
        until: Timestamp,
    ) -> Dispatch {
        let mut messages = vec![(list, members)];
        if !newcomers.is_empty() {
            messages.push((self.all_that_is_active(), newcomers));
        }
        Dispatch { messages, until }
    }

    /// State updates in the order in which they came, then what governs the domain.
    fn all_that_is_active(&self) -> Vec<SignedTopologyTransaction> {
        let is_governance =
            |signed: &SignedTopologyTransaction| signed.transaction().mapping().is_governance();
        let (governance, mut updates): (Vec<_>, Vec<_>) =
            self.active.iter().cloned().partition(is_governance);
        updates.extend(governance);
        updates
    }

    /// Those who are told: the manager itself, the sequencer, participants that the domain wants, and mediators.
    fn members(&self) -> BTreeSet<Member> {
        let view = self.view();
        let participants = self.active.iter().filter_map(|signed| match signed.transaction().mapping() {
            TopologyMapping::ParticipantState(state) if view.domain_trusts(state.participant()) => {
                Some(state.participant().member().clone())
            }
            _ => None,
        });
        let mediators = view.mediators().into_iter().map(|mediator| mediator.member().clone());
        let manager = DomainManagerId::new(self.domain.uid().clone()).member().clone();
        participants.chain(mediators).chain(self.sequencer.clone()).chain([manager]).collect()
    }

    fn view(&self) -> TopologyView {
        TopologyView::new(self.domain.clone(), self.version, self.state.clone())
    }
}
