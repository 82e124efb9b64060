//! What the transactions of a ping do, and whether a view does what it says.
//!
//! Every participant that sees a view derives from the action and its inputs what the view must create, who must confirm
//! it and who is told, and compares. Nothing is taken on trust but what the contracts that it knows say.

use std::collections::BTreeSet;

use cantle_protocol::{
    ContractId, CreatedContract, InputContract, ParseError, Salt, ViewAction, ViewConfirmationParameters,
    ViewContent,
};
use cantle_types::{CantonTimestamp, PartyId};
use thiserror::Error;

use super::contract::{ContractError, ContractState, LIFETIME, PingContract};

/// The choice by which a responder answers.
const RESPOND: &str = "Respond";
/// The choice by which the initiator ends the ping.
const ACK: &str = "Ack";

/// One of the three transactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// The initiator creates a ping.
    Create(PingContract),
    /// A responder answers it.
    Respond {
        /// The ping, as it was created.
        ping: cantle_protocol::Contract,
        /// Who answers.
        responder: PartyId,
    },
    /// The initiator ends it.
    Ack {
        /// The pong, as it was created.
        pong: cantle_protocol::Contract,
    },
}

/// Who has to do with a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parties {
    /// Who acts; the submitter's act-as.
    pub(crate) actors: BTreeSet<PartyId>,
    /// Who must confirm: signatories and actors.
    pub(crate) confirmers: BTreeSet<PartyId>,
    /// Who is told besides.
    pub(crate) others: BTreeSet<PartyId>,
}

/// A view that does not do what it says, or says nothing of a ping.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub(crate) enum ModelError {
    /// A contract of it is none of a ping.
    #[error("a contract is none of a ping: {0}")]
    Contract(#[from] ContractError),
    /// The action is none of a ping.
    #[error("the action is none of a ping")]
    Action,
    /// The choice does not go with the contract.
    #[error("the choice {choice:?} does not go with the contract")]
    Choice {
        /// The choice.
        choice: String,
    },
    /// Somebody acts who may not.
    #[error("whoever acts may not do so")]
    Actors,
    /// It uses or creates other contracts than its action does.
    #[error("the view uses or creates other contracts than its action does")]
    Contracts,
    /// The contract is too old, or of the future.
    #[error("the contract was created at {created}, and cannot be used at {ledger_time}")]
    Age {
        /// When it was created.
        created: CantonTimestamp,
        /// The ledger time of the transaction.
        ledger_time: CantonTimestamp,
    },
    /// Others confirm, or are told, than must.
    #[error("others must confirm the view, or be told of it, than it says")]
    Informees,
    /// The parties cannot be those of a view.
    #[error("the view has no parties")]
    NoParties,
}

impl From<ParseError> for ModelError {
    fn from(_: ParseError) -> Self {
        Self::NoParties
    }
}

impl Command {
    /// What the view does, with the salt of its participant data, at a ledger time.
    pub(crate) fn content(
        &self,
        salt: &Salt,
        ledger_time: CantonTimestamp,
    ) -> Result<ViewContent, ModelError> {
        match self {
            Self::Create(ping) => {
                let contract_id = ContractId::created(salt, 0);
                let contract = ping.to_contract(contract_id.clone(), ledger_time);
                Ok(ViewContent {
                    inputs: Vec::new(),
                    created: vec![CreatedContract { contract, consumed_in_core: false }],
                    action: ViewAction::Create { contract_id },
                })
            }
            Self::Respond { ping, responder } => {
                let read = PingContract::from_contract(ping)?;
                let pong = PingContract {
                    state: ContractState::Pong { responder: responder.clone() },
                    id: read.id,
                    initiator: read.initiator,
                };
                let created = pong.to_contract(ContractId::created(salt, 0), ledger_time);
                Ok(ViewContent {
                    inputs: vec![InputContract { contract: ping.clone(), consumed: true }],
                    created: vec![CreatedContract { contract: created, consumed_in_core: false }],
                    action: exercise(&ping.id, RESPOND, responder),
                })
            }
            Self::Ack { pong } => {
                let read = PingContract::from_contract(pong)?;
                Ok(ViewContent {
                    inputs: vec![InputContract { contract: pong.clone(), consumed: true }],
                    created: Vec::new(),
                    action: exercise(&pong.id, ACK, &read.initiator),
                })
            }
        }
    }
}

fn exercise(contract: &ContractId, choice: &str, actor: &PartyId) -> ViewAction {
    ViewAction::Exercise {
        contract_id: contract.clone(),
        choice: choice.to_owned(),
        argument: Vec::new(),
        actors: BTreeSet::from([actor.clone()]),
    }
}

/// Who has to do with a view that does this.
pub(crate) fn parties(content: &ViewContent) -> Result<Parties, ModelError> {
    match &content.action {
        ViewAction::Create { .. } => {
            let [created] = &content.created[..] else { return Err(ModelError::Contracts) };
            let ping = PingContract::from_contract(&created.contract)?;
            let confirmers = ping.signatories();
            Ok(Parties { actors: confirmers.clone(), confirmers, others: ping.observers() })
        }
        ViewAction::Exercise { actors, .. } => {
            let [input] = &content.inputs[..] else { return Err(ModelError::Contracts) };
            let used = PingContract::from_contract(&input.contract)?;
            let confirmers: BTreeSet<_> = used.signatories().union(actors).cloned().collect();
            let others = used.observers().difference(&confirmers).cloned().collect();
            Ok(Parties { actors: actors.clone(), confirmers, others })
        }
        ViewAction::Fetch { .. } => Err(ModelError::Action),
    }
}

/// Checks that a view does what its action does, and nothing else; says who has to do with it.
///
/// # Errors
/// [`ModelError`]: no honest participant makes such a view.
pub(crate) fn check_view(
    content: &ViewContent,
    said: &ViewConfirmationParameters,
    ledger_time: CantonTimestamp,
) -> Result<Parties, ModelError> {
    let command = command_of(content)?;
    if let Some(input) = content.inputs.first() {
        let created = input.contract.created_at;
        let end = created.saturating_add(LIFETIME);
        if ledger_time > end || created > ledger_time.saturating_add(LIFETIME) {
            return Err(ModelError::Age { created, ledger_time });
        }
    }
    // What is created follows from the action, but for its id, which follows from the salt and was checked when it was
    // read.
    let expected = match &command {
        Command::Create(ping) => Some(ping.clone()),
        Command::Respond { ping, responder } => Some(PingContract {
            state: ContractState::Pong { responder: responder.clone() },
            ..PingContract::from_contract(ping)?
        }),
        Command::Ack { .. } => None,
    };
    let created = match &content.created[..] {
        [] => None,
        [created] if !created.consumed_in_core && created.contract.created_at == ledger_time => {
            Some(PingContract::from_contract(&created.contract)?)
        }
        _ => return Err(ModelError::Contracts),
    };
    if created != expected {
        return Err(ModelError::Contracts);
    }
    let parties = parties(content)?;
    if *said != ViewConfirmationParameters::signatory(&parties.confirmers, &parties.others)? {
        return Err(ModelError::Informees);
    }
    Ok(parties)
}

/// Which of the three transactions a view is.
fn command_of(content: &ViewContent) -> Result<Command, ModelError> {
    match &content.action {
        ViewAction::Create { .. } => match (&content.inputs[..], &content.created[..]) {
            ([], [created]) => {
                let contract = PingContract::from_contract(&created.contract)?;
                match contract.state {
                    ContractState::Ping { .. } => Ok(Command::Create(contract)),
                    ContractState::Pong { .. } => Err(ModelError::Action),
                }
            }
            _ => Err(ModelError::Contracts),
        },
        ViewAction::Exercise { choice, actors, argument, .. } => {
            let [input] = &content.inputs[..] else { return Err(ModelError::Contracts) };
            if !input.consumed || !argument.is_empty() {
                return Err(ModelError::Contracts);
            }
            let used = PingContract::from_contract(&input.contract)?;
            let mut actors = actors.iter();
            let (Some(actor), None) = (actors.next(), actors.next()) else { return Err(ModelError::Actors) };
            match (choice.as_str(), &used.state) {
                (RESPOND, ContractState::Ping { responders, .. }) if responders.contains(actor) => {
                    Ok(Command::Respond { ping: input.contract.clone(), responder: actor.clone() })
                }
                (ACK, ContractState::Pong { .. }) if *actor == used.initiator => {
                    Ok(Command::Ack { pong: input.contract.clone() })
                }
                (RESPOND, ContractState::Ping { .. }) | (ACK, ContractState::Pong { .. }) => {
                    Err(ModelError::Actors)
                }
                _ => Err(ModelError::Choice { choice: choice.clone() }),
            }
        }
        ViewAction::Fetch { .. } => Err(ModelError::Action),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: CantonTimestamp = CantonTimestamp::EPOCH;

    fn party(name: &str) -> PartyId {
        format!("{name}::1220ab").parse().unwrap()
    }

    fn salt(byte: u8) -> Salt {
        Salt::from_bytes([byte; 32])
    }

    fn create() -> Command {
        let state =
            ContractState::Ping { responders: BTreeSet::from([party("b")]), validators: BTreeSet::new() };
        Command::Create(PingContract { id: "1".into(), initiator: party("a"), state })
    }

    fn said(content: &ViewContent) -> ViewConfirmationParameters {
        let parties = parties(content).unwrap();
        ViewConfirmationParameters::signatory(&parties.confirmers, &parties.others).unwrap()
    }

    fn all_three() -> [ViewContent; 3] {
        let created = create().content(&salt(1), NOW).unwrap();
        let ping = created.created[0].contract.clone();
        let responded = Command::Respond { ping, responder: party("b") }.content(&salt(2), NOW).unwrap();
        let pong = responded.created[0].contract.clone();
        let ended = Command::Ack { pong }.content(&salt(3), NOW).unwrap();
        [created, responded, ended]
    }

    #[test]
    fn the_three_transactions_are_confirmed_by_those_whom_canton_asks() {
        let confirmers: Vec<_> = all_three()
            .iter()
            .map(|content| check_view(content, &said(content), NOW).unwrap().confirmers.len())
            .collect();
        assert_eq!(confirmers, [1, 2, 2]);
        let told = check_view(&all_three()[0], &said(&all_three()[0]), NOW).unwrap().others;
        assert_eq!(told, BTreeSet::from([party("b")]));
    }

    #[test]
    fn nobody_responds_or_acknowledges_for_others() {
        for (index, stranger) in [(1, "c"), (1, "a"), (2, "b")] {
            let mut content = all_three()[index].clone();
            let ViewAction::Exercise { actors, .. } = &mut content.action else { panic!("an exercise") };
            *actors = BTreeSet::from([party(stranger)]);
            let said = said(&content);
            assert_eq!(check_view(&content, &said, NOW), Err(ModelError::Actors));
        }
    }

    #[test]
    fn a_view_that_creates_something_else_is_refused() {
        let [created, responded, _] = all_three();
        let mut other = responded.clone();
        other.created[0].contract = created.created[0].contract.clone();
        assert_eq!(check_view(&other, &said(&responded), NOW), Err(ModelError::Contracts));
        other.created.clear();
        assert_eq!(check_view(&other, &said(&responded), NOW), Err(ModelError::Contracts));
    }

    #[test]
    fn fewer_confirmers_are_refused() {
        let [_, responded, _] = all_three();
        let only = BTreeSet::from([party("b")]);
        let told = BTreeSet::from([party("a")]);
        let said = ViewConfirmationParameters::signatory(&only, &told).unwrap();
        assert_eq!(check_view(&responded, &said, NOW), Err(ModelError::Informees));
    }

    #[test]
    fn contracts_of_a_ping_do_not_live_for_ever() {
        let [_, mut responded, _] = all_three();
        let late = NOW.saturating_add(LIFETIME).successor().unwrap();
        responded.created[0].contract.created_at = late;
        assert!(matches!(check_view(&responded, &said(&responded), late), Err(ModelError::Age { .. })));
    }

    #[test]
    fn a_choice_of_another_contract_is_refused() {
        let [_, mut responded, _] = all_three();
        let ViewAction::Exercise { choice, .. } = &mut responded.action else { panic!("an exercise") };
        *choice = "Ack".into();
        assert!(matches!(check_view(&responded, &said(&responded), NOW), Err(ModelError::Choice { .. })));
    }
}
