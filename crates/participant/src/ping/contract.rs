//! What the contracts of a ping say, and how that is written into a view.

use std::collections::BTreeSet;
use std::time::Duration;

use cantle_protocol::{Contract, ContractId};
use cantle_types::{CantonTimestamp, IdentifierError, PartyId};
use prost::Message;
use thiserror::Error;

/// How long a contract of a ping can be used. Whatever is left of an abandoned ping is gone then, everywhere.
pub(crate) const LIFETIME: Duration = Duration::from_secs(600);
/// The longest id or workflow id of a ping, in bytes.
const TEXT_MAX: usize = 255;

/// Where a ping stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ContractState {
    /// It waits for a response of one of these.
    Ping {
        /// Who may respond.
        responders: BTreeSet<PartyId>,
        /// Who is told besides.
        validators: BTreeSet<PartyId>,
    },
    /// It was responded to.
    Pong {
        /// By whom.
        responder: PartyId,
    },
}

/// A contract of a ping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PingContract {
    /// What the initiator calls the ping.
    pub(crate) id: String,
    /// Who pings.
    pub(crate) initiator: PartyId,
    /// Where it stands.
    pub(crate) state: ContractState,
}

/// A contract that is none of a ping.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub(crate) enum ContractError {
    /// Its bytes are not the message.
    #[error("the contract cannot be read")]
    Message,
    /// It is neither a ping nor a pong.
    #[error("the contract is neither a ping nor a pong")]
    Kind,
    /// One of its parties is none.
    #[error("a party of the contract cannot be read")]
    Party(#[from] IdentifierError),
    /// Its id is too long.
    #[error("the ping's id has {length} bytes, at most {TEXT_MAX} are allowed")]
    Id {
        /// Its length.
        length: usize,
    },
    /// A ping without responders.
    #[error("the ping has nobody to respond")]
    NoResponder,
    /// Its stakeholders do not follow from what it says.
    #[error("the contract's stakeholders do not follow from what it says")]
    Stakeholders,
}

/// The message in a contract's instance.
#[derive(Clone, PartialEq, Message)]
struct Instance {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    initiator: String,
    #[prost(string, repeated, tag = "3")]
    responders: Vec<String>,
    #[prost(string, repeated, tag = "4")]
    validators: Vec<String>,
    #[prost(string, tag = "5")]
    responder: String,
}

impl PingContract {
    /// The parties that sign the contract.
    pub(crate) fn signatories(&self) -> BTreeSet<PartyId> {
        let responder = match &self.state {
            ContractState::Ping { .. } => None,
            ContractState::Pong { responder } => Some(responder.clone()),
        };
        responder.into_iter().chain([self.initiator.clone()]).collect()
    }

    /// The parties that are told of the contract besides.
    pub(crate) fn observers(&self) -> BTreeSet<PartyId> {
        match &self.state {
            ContractState::Ping { responders, validators } => {
                responders.union(validators).filter(|party| **party != self.initiator).cloned().collect()
            }
            ContractState::Pong { .. } => BTreeSet::new(),
        }
    }

    /// The contract as a view carries it.
    pub(crate) fn to_contract(&self, id: ContractId, created_at: CantonTimestamp) -> Contract {
        let texts = |parties: &BTreeSet<PartyId>| parties.iter().map(ToString::to_string).collect();
        let (responders, validators, responder) = match &self.state {
            ContractState::Ping { responders, validators } => {
                (texts(responders), texts(validators), String::new())
            }
            ContractState::Pong { responder } => (Vec::new(), Vec::new(), responder.to_string()),
        };
        let instance = Instance {
            id: self.id.clone(),
            initiator: self.initiator.to_string(),
            responders,
            validators,
            responder,
        };
        Contract {
            id,
            instance: instance.encode_to_vec(),
            signatories: self.signatories(),
            observers: self.observers(),
            created_at,
        }
    }

    /// Reads a contract of a view.
    ///
    /// # Errors
    /// When it is not one of a ping.
    pub(crate) fn from_contract(contract: &Contract) -> Result<Self, ContractError> {
        let instance = Instance::decode(&*contract.instance).map_err(|_| ContractError::Message)?;
        if instance.id.len() > TEXT_MAX {
            return Err(ContractError::Id { length: instance.id.len() });
        }
        let parties =
            |texts: &[String]| texts.iter().map(|text| text.parse()).collect::<Result<BTreeSet<_>, _>>();
        let state = match (instance.responders.is_empty(), instance.responder.is_empty()) {
            (false, true) => ContractState::Ping {
                responders: parties(&instance.responders)?,
                validators: parties(&instance.validators)?,
            },
            (true, false) => ContractState::Pong { responder: instance.responder.parse()? },
            (true, true) => return Err(ContractError::NoResponder),
            (false, false) => return Err(ContractError::Kind),
        };
        let read = Self { id: instance.id, initiator: instance.initiator.parse()?, state };
        if contract.signatories != read.signatories() || contract.observers != read.observers() {
            return Err(ContractError::Stakeholders);
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(name: &str) -> PartyId {
        format!("{name}::1220ab").parse().unwrap()
    }

    fn id() -> ContractId {
        "00ab".parse().unwrap()
    }

    fn ping() -> PingContract {
        let state = ContractState::Ping {
            responders: BTreeSet::from([party("b"), party("c")]),
            validators: BTreeSet::from([party("d")]),
        };
        PingContract { id: "1".into(), initiator: party("a"), state }
    }

    #[test]
    fn a_contract_is_read_back() {
        let pong = PingContract { state: ContractState::Pong { responder: party("b") }, ..ping() };
        for contract in [ping(), pong] {
            let written = contract.to_contract(id(), CantonTimestamp::EPOCH);
            assert_eq!(PingContract::from_contract(&written), Ok(contract));
        }
    }

    #[test]
    fn a_ping_to_oneself_has_one_stakeholder() {
        let state =
            ContractState::Ping { responders: BTreeSet::from([party("a")]), validators: BTreeSet::new() };
        let own = PingContract { state, ..ping() };
        assert_eq!(own.signatories(), BTreeSet::from([party("a")]));
        assert!(own.observers().is_empty());
    }

    #[test]
    fn stakeholders_must_follow_from_the_contract() {
        let mut contract = ping().to_contract(id(), CantonTimestamp::EPOCH);
        contract.observers.remove(&party("d"));
        assert_eq!(PingContract::from_contract(&contract), Err(ContractError::Stakeholders));
    }

    #[test]
    fn what_is_no_contract_of_a_ping_is_refused() {
        let mut contract = ping().to_contract(id(), CantonTimestamp::EPOCH);
        contract.instance = vec![0xff];
        assert_eq!(PingContract::from_contract(&contract), Err(ContractError::Message));
        contract.instance = Vec::new();
        assert_eq!(PingContract::from_contract(&contract), Err(ContractError::NoResponder));
    }
}
