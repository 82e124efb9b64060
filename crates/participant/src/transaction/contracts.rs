//! The contracts that a participant knows on one domain: active, locked by a request, or gone.
//!
//! They live as long as a ping and are not stored: the events that made them come again after a restart, as long as a
//! contract can be used. Invariants: a contract is locked by one request at a time; what was archived stays known for as
//! long as it could have been used, so that it cannot be used again.

use std::collections::{BTreeSet, HashMap};

use cantle_protocol::{Contract, ContractId, SequencerCounter, ViewContent};
use cantle_types::CantonTimestamp;

use crate::ping::LIFETIME;

/// The contracts of a domain.
#[derive(Debug, Default)]
pub(crate) struct Contracts {
    known: HashMap<ContractId, Known>,
    /// When contracts cease to be of use, the earliest first.
    ends: BTreeSet<(CantonTimestamp, ContractId)>,
}

#[derive(Debug)]
struct Known {
    contract: Contract,
    /// The event that brought the request which created it.
    since: SequencerCounter,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Active,
    LockedBy(CantonTimestamp),
    Archived,
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
            match self.known.get(id) {
                Some(known) if known.contract == input.contract => match known.state {
                    State::Active => {}
                    State::LockedBy(_) => locked.push(id.clone()),
                    State::Archived => inactive.push(id.clone()),
                },
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
                known.state = State::LockedBy(request);
            }
        }
        Ok(())
    }

    /// A request was approved: what it consumes is gone, what it creates is there.
    pub(crate) fn commit(
        &mut self,
        request: CantonTimestamp,
        counter: SequencerCounter,
        content: &ViewContent,
    ) {
        for input in content.inputs.iter().filter(|input| input.consumed) {
            if let Some(known) = self.known.get_mut(&input.contract.id)
                && known.state != State::Archived
            {
                known.state = State::Archived;
            }
        }
        for created in &content.created {
            let contract = created.contract.clone();
            // Twice the lifetime: ledger time and the time of the domain may differ by as much as they are tolerated to.
            let end = request.saturating_add(LIFETIME).saturating_add(LIFETIME);
            self.ends.insert((end, contract.id.clone()));
            self.known.entry(contract.id.clone()).or_insert(Known {
                contract,
                since: counter,
                state: State::Active,
            });
        }
    }

    /// A request was rejected, or had no result in time.
    pub(crate) fn roll_back(&mut self, request: CantonTimestamp, content: &ViewContent) {
        for input in &content.inputs {
            if let Some(known) = self.known.get_mut(&input.contract.id)
                && known.state == State::LockedBy(request)
            {
                known.state = State::Active;
            }
        }
    }

    /// A contract that can be used.
    pub(crate) fn active(&self, id: &ContractId) -> Option<&Contract> {
        let known = self.known.get(id)?;
        (known.state == State::Active).then_some(&known.contract)
    }

    /// Forgets what can be of no use any more.
    pub(crate) fn time(&mut self, at: CantonTimestamp) {
        while let Some((end, id)) = self.ends.first() {
            if *end >= at {
                break;
            }
            let id = id.clone();
            self.ends.pop_first();
            self.known.remove(&id);
        }
    }

    /// The event from which on everything that can still be used came.
    pub(crate) fn needed_from(&self) -> Option<SequencerCounter> {
        self.known.values().map(|known| known.since).min()
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
        contracts.commit(at(0), counter(3), &created);
        assert!(contracts.active(&id).is_some());
        assert_eq!(contracts.lock(at(1), &used), Ok(()));
        assert_eq!(contracts.lock(at(2), &used), Err(NotUsable::Locked(vec![id.clone()])));
        contracts.commit(at(1), counter(5), &used);
        assert_eq!(contracts.lock(at(2), &used), Err(NotUsable::Inactive(vec![id])));
    }

    #[test]
    fn a_rejected_request_gives_its_contracts_back() {
        let (created, used) = created_and_used();
        let mut contracts = Contracts::default();
        contracts.commit(at(0), counter(3), &created);
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
        contracts.commit(at(0), counter(3), &created);
        used.inputs[0].contract.created_at = at(7);
        assert!(matches!(contracts.lock(at(1), &used), Err(NotUsable::Inactive(_))));
    }

    #[test]
    fn what_can_be_of_no_use_is_forgotten() {
        let (created, _) = created_and_used();
        let mut contracts = Contracts::default();
        contracts.commit(at(0), counter(3), &created);
        assert_eq!(contracts.needed_from(), Some(counter(3)));
        contracts.time(at(3600));
        assert_eq!(contracts.needed_from(), None);
    }
}
