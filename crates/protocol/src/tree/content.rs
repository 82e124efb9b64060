//! What a view does, as far as Cantle understands it: Cantle's own payload in Canton's messages.
//!
//! A view of Canton holds values of Daml, which only a Daml engine can interpret. Cantle has none. What it puts into the
//! same fields (contracts, an action) is its own, and says so: the language version of the action is
//! [`LANGUAGE`], which no Daml engine knows. Mediators do not see these fields; a participant that looks for Daml
//! finds well-formed messages with a language version that it must reject.
//!
//! Invariant: the ids of contracts that a view creates follow from its salt, so that nobody can make a contract again.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use cantle_crypto::{HashBuilder, HashPurpose};
use cantle_proto::protocol::v0::action_description::CreateActionDescription;
use cantle_proto::protocol::v3::action_description::ExerciseActionDescription;
use cantle_proto::protocol::v4::action_description::{Description, FetchActionDescription};
use cantle_proto::protocol::{v1, v2, v4, v5};
use cantle_types::{CantonTimestamp, IdentifierError, PartyId};

use super::salt::Salt;
use crate::error::ParseError;
use crate::wire::{field, time_to_proto};

const MESSAGE: &str = "ViewParticipantData";
/// The language version of actions that are Cantle's own.
pub(super) const LANGUAGE: &str = "cantle-1";
const CONTRACT_ID_MAX: usize = 254;
/// The longest name of a choice.
const CHOICE_MAX: usize = 255;

/// The id of a contract: an even number of lower-case hex digits, at most 254.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContractId(Arc<str>);

impl ContractId {
    /// The id of the contract that a view with this salt in its participant data creates as its `index`th.
    #[must_use]
    pub fn created(salt: &Salt, index: u32) -> Self {
        let builder = HashBuilder::new(HashPurpose::Unicum).add_bytes(salt.as_bytes());
        let hash = builder.add_long(index.into()).finish();
        Self(format!("00{}", &hash.to_hex()[4..]).into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ContractId {
    type Err = IdentifierError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WHAT: &str = "contract id";
        if text.is_empty() {
            return Err(IdentifierError::Empty { what: WHAT });
        }
        if text.len() > CONTRACT_ID_MAX || !text.len().is_multiple_of(2) {
            return Err(IdentifierError::TooLong { what: WHAT, length: text.len(), max: CONTRACT_ID_MAX });
        }
        let hex = |c: char| matches!(c, '0'..='9' | 'a'..='f');
        match text.chars().enumerate().find(|&(_, c)| !hex(c)) {
            Some((position, character)) => Err(IdentifierError::IllegalCharacter {
                what: WHAT,
                character,
                position,
                allowed: "lower-case hex digits, an even number",
            }),
            None => Ok(Self(text.into())),
        }
    }
}

impl fmt::Display for ContractId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ContractId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContractId({:?})", &*self.0)
    }
}

/// A contract as a view carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contract {
    /// Its id.
    pub id: ContractId,
    /// What it says; opaque here.
    pub instance: Vec<u8>,
    /// Who signed it; at least one party.
    pub signatories: BTreeSet<PartyId>,
    /// Who is told of it besides; no signatory among them.
    pub observers: BTreeSet<PartyId>,
    /// The ledger time of its creation.
    pub created_at: CantonTimestamp,
}

/// A contract that a view uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputContract {
    /// The contract.
    pub contract: Contract,
    /// Whether the view archives it.
    pub consumed: bool,
}

/// A contract that a view creates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedContract {
    /// The contract.
    pub contract: Contract,
    /// Whether the view archives it at once.
    pub consumed_in_core: bool,
}

/// What the view does at its root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ViewAction {
    /// Creates a contract.
    Create {
        /// Which.
        contract_id: ContractId,
    },
    /// Exercises a choice on a contract.
    Exercise {
        /// Which contract.
        contract_id: ContractId,
        /// Which choice: 1 to 255 bytes.
        choice: String,
        /// With what; opaque here.
        argument: Vec<u8>,
        /// Who does.
        actors: BTreeSet<PartyId>,
    },
    /// Looks at a contract.
    Fetch {
        /// Which.
        contract_id: ContractId,
        /// Who does.
        actors: BTreeSet<PartyId>,
    },
}

/// What a view uses, does, and makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewContent {
    /// The contracts that it uses.
    pub inputs: Vec<InputContract>,
    /// The contracts that it creates.
    pub created: Vec<CreatedContract>,
    /// What it does at its root.
    pub action: ViewAction,
}

impl ViewContent {
    /// Whether the content is one of a view with this salt.
    pub(super) fn check(&self, salt: &Salt) -> Result<(), ParseError> {
        let rule = |rule| Err(ParseError::Rule { message: MESSAGE, rule });
        let mut ids = BTreeSet::new();
        for input in &self.inputs {
            check_parties(&input.contract)?;
            if !ids.insert(&input.contract.id) {
                return rule("no contract occurs twice");
            }
        }
        for (created, index) in self.created.iter().zip(0..) {
            check_parties(&created.contract)?;
            if created.contract.id != ContractId::created(salt, index) {
                return rule("the ids of created contracts follow from the view's salt");
            }
            if !ids.insert(&created.contract.id) {
                return rule("no contract occurs twice");
            }
        }
        let used = |id: &ContractId| self.inputs.iter().any(|input| input.contract.id == *id);
        match &self.action {
            ViewAction::Create { contract_id } => {
                if self.created.iter().any(|created| created.contract.id == *contract_id) {
                    Ok(())
                } else {
                    rule("the contract of a create is created")
                }
            }
            ViewAction::Exercise { contract_id, choice, actors, .. } => {
                if choice.is_empty() || choice.len() > CHOICE_MAX || actors.is_empty() {
                    return rule("an exercise has a choice of at most 255 bytes and an actor");
                }
                if used(contract_id) { Ok(()) } else { rule("the contract of an exercise is an input") }
            }
            ViewAction::Fetch { contract_id, .. } => {
                if used(contract_id) {
                    Ok(())
                } else {
                    rule("the contract of a fetch is an input")
                }
            }
        }
    }

    pub(super) fn to_proto(&self, salt: &Salt) -> v5::ViewParticipantData {
        let inputs = self.inputs.iter().map(|input| v2::InputContract {
            contract: Some(contract_to_proto(&input.contract)),
            consumed: input.consumed,
        });
        let created = self.created.iter().map(|created| v2::CreatedContract {
            contract: Some(contract_to_proto(&created.contract)),
            consumed_in_core: created.consumed_in_core,
            rolled_back: false,
        });
        v5::ViewParticipantData {
            salt: Some(salt.to_proto()),
            core_inputs: inputs.collect(),
            created_core: created.collect(),
            created_in_subview_archived_in_core: Vec::new(),
            resolved_keys: Vec::new(),
            action_description: Some(action_to_proto(&self.action, salt)),
            rollback_context: None,
        }
    }

    /// Reads the message, whose action has our language version.
    pub(super) fn from_proto(message: v5::ViewParticipantData, salt: &Salt) -> Result<Self, ParseError> {
        let foreign = !message.created_in_subview_archived_in_core.is_empty()
            || !message.resolved_keys.is_empty()
            || message.rollback_context.is_some()
            || message.created_core.iter().any(|created| created.rolled_back);
        if foreign {
            return Err(ParseError::Unsupported { message: MESSAGE, what: "keys and rollbacks" });
        }
        let inputs = message.core_inputs.into_iter().map(|input| {
            let contract = contract_from_proto(field("InputContract", "contract").required(input.contract)?)?;
            Ok(InputContract { contract, consumed: input.consumed })
        });
        let created = message.created_core.into_iter().map(|created| {
            let contract =
                contract_from_proto(field("CreatedContract", "contract").required(created.contract)?)?;
            Ok(CreatedContract { contract, consumed_in_core: created.consumed_in_core })
        });
        let action = message.action_description.and_then(|action| action.description);
        let content = Self {
            inputs: inputs.collect::<Result<_, ParseError>>()?,
            created: created.collect::<Result<_, ParseError>>()?,
            action: action_from_proto(field(MESSAGE, "action_description").required(action)?)?,
        };
        content.check(salt)?;
        Ok(content)
    }
}

/// The language version of an action; that of a lookup by key, which has none, is empty.
pub(super) fn language(action: Option<&v4::ActionDescription>) -> &str {
    match action.and_then(|action| action.description.as_ref()) {
        Some(Description::Create(create)) => &create.version,
        Some(Description::Exercise(exercise)) => &exercise.version,
        Some(Description::Fetch(fetch)) => &fetch.version,
        Some(Description::LookupByKey(_)) | None => "",
    }
}

fn check_parties(contract: &Contract) -> Result<(), ParseError> {
    if contract.signatories.is_empty() || !contract.signatories.is_disjoint(&contract.observers) {
        return Err(ParseError::Rule {
            message: MESSAGE,
            rule: "a contract has a signatory, who is no observer",
        });
    }
    Ok(())
}

fn texts(parties: &BTreeSet<PartyId>) -> Vec<String> {
    parties.iter().map(PartyId::to_string).collect()
}

fn contract_to_proto(contract: &Contract) -> v2::SerializableContract {
    v2::SerializableContract {
        contract_id: contract.id.to_string(),
        raw_contract_instance: contract.instance.clone(),
        metadata: Some(v1::Metadata {
            non_maintainer_signatories: texts(&contract.signatories),
            non_signatory_stakeholders: texts(&contract.observers),
            key: None,
            maintainers: Vec::new(),
        }),
        ledger_create_time: Some(time_to_proto(contract.created_at)),
        contract_salt: None,
    }
}

fn contract_from_proto(message: v2::SerializableContract) -> Result<Contract, ParseError> {
    const MESSAGE: &str = "SerializableContract";
    let metadata = field(MESSAGE, "metadata").required(message.metadata)?;
    if metadata.key.is_some() || !metadata.maintainers.is_empty() {
        return Err(ParseError::Unsupported { message: MESSAGE, what: "keys" });
    }
    Ok(Contract {
        id: field(MESSAGE, "contract_id").text(&message.contract_id)?,
        instance: message.raw_contract_instance,
        signatories: field("Metadata", "non_maintainer_signatories")
            .parties(&metadata.non_maintainer_signatories)?,
        observers: field("Metadata", "non_signatory_stakeholders")
            .parties(&metadata.non_signatory_stakeholders)?,
        created_at: field(MESSAGE, "ledger_create_time")
            .required_time(message.ledger_create_time.as_ref())?,
    })
}

fn action_to_proto(action: &ViewAction, salt: &Salt) -> v4::ActionDescription {
    let builder = HashBuilder::new(HashPurpose::Discriminator).add_bytes(salt.as_bytes());
    let node_seed = builder.finish().digest().to_vec();
    let version = LANGUAGE.to_owned();
    let description = match action {
        ViewAction::Create { contract_id } => Description::Create(CreateActionDescription {
            contract_id: contract_id.to_string(),
            node_seed,
            version,
        }),
        ViewAction::Exercise { contract_id, choice, argument, actors } => {
            Description::Exercise(ExerciseActionDescription {
                input_contract_id: contract_id.to_string(),
                choice: choice.clone(),
                chosen_value: argument.clone(),
                actors: texts(actors),
                node_seed,
                version,
                ..ExerciseActionDescription::default()
            })
        }
        ViewAction::Fetch { contract_id, actors } => Description::Fetch(FetchActionDescription {
            input_contract_id: contract_id.to_string(),
            actors: texts(actors),
            version,
            ..FetchActionDescription::default()
        }),
    };
    v4::ActionDescription { description: Some(description) }
}

fn action_from_proto(description: Description) -> Result<ViewAction, ParseError> {
    const MESSAGE: &str = "ActionDescription";
    match description {
        Description::Create(create) => {
            Ok(ViewAction::Create { contract_id: field(MESSAGE, "contract_id").text(&create.contract_id)? })
        }
        Description::Exercise(exercise) => Ok(ViewAction::Exercise {
            contract_id: field(MESSAGE, "input_contract_id").text(&exercise.input_contract_id)?,
            choice: exercise.choice,
            argument: exercise.chosen_value,
            actors: field(MESSAGE, "actors").parties(&exercise.actors)?,
        }),
        Description::Fetch(fetch) => Ok(ViewAction::Fetch {
            contract_id: field(MESSAGE, "input_contract_id").text(&fetch.input_contract_id)?,
            actors: field(MESSAGE, "actors").parties(&fetch.actors)?,
        }),
        Description::LookupByKey(_) => Err(ParseError::Unsupported { message: MESSAGE, what: "keys" }),
    }
}
