//! The contracts that a participant knows on one domain: active, locked by a request, or gone.
//!
//! They live as long as a ping and are not stored: the events that made them come again after a restart, as long as a
//! contract can be used. Invariants: a contract is locked by one request at a time; of what was archived the id stays known
//! for as long as the request that created it could be accepted once more, so that it cannot be used again.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use cantle_protocol::{Contract, ContractId, SequencerCounter, ViewContent};
use cantle_types::CantonTimestamp;

use crate::ping::LIFETIME;

/// The contracts of a domain.
#[derive(Debug, Default)]
pub(crate) struct Contracts {
    known: HashMap<ContractId, Known>,
    /// When contracts are forgotten, the earliest first.
    ends: BTreeSet<(CantonTimestamp, ContractId)>,
    /// By which event they came, the earliest first.
    origins: BTreeSet<(SequencerCounter, ContractId)>,
}

#[derive(Debug)]
struct Known {
    /// The request that created it.
    created_by: Request,
    /// When it is forgotten.
    end: CantonTimestamp,
    state: State,
}

#[derive(Debug)]
enum State {
    Active(Contract),
    Locked { by: CantonTimestamp, contract: Contract },
    Archived,
}

/// A request, as the contracts need to know it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    /// When it was sequenced, which is its id.
    pub(crate) at: CantonTimestamp,
    /// The event that brought it.
    pub(crate) counter: SequencerCounter,
    /// How far its ledger time may be from `at`.
    pub(crate) tolerance: Duration,
}

impl Request {
    /// Until when its ledger time is accepted. It may be `tolerance` after `at`, and that much is accepted after it.
    fn acceptable_until(&self) -> CantonTimestamp {
        self.at.saturating_add(self.tolerance).saturating_add(self.tolerance)
    }
}

/// Why a view's contracts cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotUsable {
    /// Another request uses them just now.
    Locked(Vec<ContractId>),
    /// They are not known, not as the view says, or archived.
    Inactive(Vec<ContractId>),
}

impl Contracts {
    /// Locks the inputs of a request, all or none.
    pub(crate) fn lock(&mut self, request: CantonTimestamp, content: &ViewContent) -> Result<(), NotUsable> {
        let (mut locked, mut inactive) = (Vec::new(), Vec::new());
        for input in &content.inputs {
            let id = &input.contract.id;
            match self.known.get(id).map(|known| &known.state) {
                Some(State::Active(contract)) if *contract == input.contract => {}
                Some(State::Locked { contract, .. }) if *contract == input.contract => {
                    locked.push(id.clone());
                }
                _ => inactive.push(id.clone()),
            }
        }
        if !inactive.is_empty() {
            return Err(NotUsable::Inactive(inactive));
        }
        if !locked.is_empty() {
            return Err(NotUsable::Locked(locked));
        }
        for input in content.inputs.iter().filter(|input| input.consumed) {
            if let Some(known) = self.known.get_mut(&input.contract.id) {
                known.state = State::Locked { by: request, contract: input.contract.clone() };
            }
        }
        Ok(())
    }

    /// A request was approved: what it consumes is gone, what it creates is there.
    pub(crate) fn commit(&mut self, request: Request, content: &ViewContent) {
        for input in content.inputs.iter().filter(|input| input.consumed) {
            self.archive(&input.contract.id);
        }
        for created in &content.created {
            let contract = created.contract.clone();
            let id = contract.id.clone();
            if self.known.contains_key(&id) {
                continue;
            }
            let end = request.acceptable_until().saturating_add(LIFETIME);
            self.ends.insert((end, id.clone()));
            self.origins.insert((request.counter, id.clone()));
            self.known.insert(id, Known { created_by: request, end, state: State::Active(contract) });
        }
    }

    fn archive(&mut self, id: &ContractId) {
        let Some(known) = self.known.get_mut(id) else { return };
        known.state = State::Archived;
        let end = known.created_by.acceptable_until();
        let before = std::mem::replace(&mut known.end, end);
        self.ends.remove(&(before, id.clone()));
        self.ends.insert((end, id.clone()));
    }

    /// A request was rejected, or had no result in time.
    pub(crate) fn roll_back(&mut self, request: CantonTimestamp, content: &ViewContent) {
        for input in &content.inputs {
            if let Some(known) = self.known.get_mut(&input.contract.id)
                && let State::Locked { by, contract } = &known.state
                && *by == request
            {
                known.state = State::Active(contract.clone());
            }
        }
    }

    /// A contract that can be used.
    pub(crate) fn active(&self, id: &ContractId) -> Option<&Contract> {
        match &self.known.get(id)?.state {
            State::Active(contract) => Some(contract),
            State::Locked { .. } | State::Archived => None,
        }
    }

    /// Forgets what can be of no use any more.
    pub(crate) fn time(&mut self, at: CantonTimestamp) {
        while let Some((end, _)) = self.ends.first()
            && *end < at
            && let Some((_, id)) = self.ends.pop_first()
        {
            if let Some(known) = self.known.remove(&id) {
                self.origins.remove(&(known.created_by.counter, id));
            }
        }
    }

    /// The event from which on everything came that has to be known.
    pub(crate) fn needed_from(&self) -> Option<SequencerCounter> {
        self.origins.first().map(|(counter, _)| *counter)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use cantle_protocol::Salt;
    use cantle_types::PartyId;

    use super::*;
    use crate::ping::{Command, ContractState, PingContract};

    fn at(second: i64) -> CantonTimestamp {
        CantonTimestamp::from_micros(second * 1_000_000).unwrap()
    }

    fn counter(number: i64) -> SequencerCounter {
        SequencerCounter::new(number).unwrap()
    }

    fn request(second: i64, number: i64) -> Request {
        Request { at: at(second), counter: counter(number), tolerance: Duration::from_secs(60) }
    }

    fn created_and_used() -> (ViewContent, ViewContent) {
        let party: PartyId = "a::1220ab".parse().unwrap();
        let state =
            ContractState::Ping { responders: BTreeSet::from([party.clone()]), validators: BTreeSet::new() };
        let ping = PingContract { id: "1".into(), initiator: party.clone(), state };
        let created = Command::Create(ping).content(&Salt::from_bytes([1; 32]), at(0)).unwrap();
        let ping = created.created[0].contract.clone();
        let used =
            Command::Respond { ping, responder: party }.content(&Salt::from_bytes([2; 32]), at(1)).unwrap();
        (created, used)
    }

    #[test]
    fn a_contract_is_used_once() {
        let (created, used) = created_and_used();
        let id = used.inputs[0].contract.id.clone();
        let mut contracts = Contracts::default();
        assert_eq!(contracts.lock(at(1), &used), Err(NotUsable::Inactive(vec![id.clone()])));
        contracts.commit(request(0, 3), &created);
        assert!(contracts.active(&id).is_some());
        assert_eq!(contracts.lock(at(1), &used), Ok(()));
        assert_eq!(contracts.lock(at(2), &used), Err(NotUsable::Locked(vec![id.clone()])));
        contracts.commit(request(1, 5), &used);
        assert_eq!(contracts.lock(at(2), &used), Err(NotUsable::Inactive(vec![id])));
    }

    #[test]
    fn a_rejected_request_gives_its_contracts_back() {
        let (created, used) = created_and_used();
        let mut contracts = Contracts::default();
        contracts.commit(request(0, 3), &created);
        contracts.lock(at(1), &used).unwrap();
        contracts.roll_back(at(9), &used);
        assert!(contracts.lock(at(2), &used).is_err(), "another request's end unlocks nothing");
        contracts.roll_back(at(1), &used);
        assert_eq!(contracts.lock(at(2), &used), Ok(()));
    }

    #[test]
    fn a_changed_contract_is_another_one() {
        let (created, mut used) = created_and_used();
        let mut contracts = Contracts::default();
        contracts.commit(request(0, 3), &created);
        used.inputs[0].contract.created_at = at(7);
        assert!(matches!(contracts.lock(at(1), &used), Err(NotUsable::Inactive(_))));
    }

    #[test]
    fn what_can_be_of_no_use_is_forgotten() {
        let (created, _) = created_and_used();
        let mut contracts = Contracts::default();
        contracts.commit(request(0, 3), &created);
        assert_eq!(contracts.needed_from(), Some(counter(3)));
        contracts.time(at(3600));
        assert_eq!(contracts.needed_from(), None);
        assert!(contracts.ends.is_empty() && contracts.origins.is_empty() && contracts.known.is_empty());
    }

    #[test]
    fn what_is_archived_is_known_while_its_request_could_be_accepted_again() {
        let (created, used) = created_and_used();
        let id = used.inputs[0].contract.id.clone();
        let mut contracts = Contracts::default();
        contracts.commit(request(0, 3), &created);
        contracts.commit(request(1, 5), &used);
        contracts.time(at(119));
        contracts.commit(request(119, 9), &created);
        assert_eq!(contracts.active(&id), None);
        assert_eq!(contracts.needed_from(), Some(counter(3)));
        contracts.time(at(121));
        assert_eq!(contracts.lock(at(121), &used), Err(NotUsable::Inactive(vec![id])));
        assert_eq!(contracts.needed_from(), Some(counter(5)), "the pong is still there");
    }
}
