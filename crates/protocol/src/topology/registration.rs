//! What a participant asks the domain's topology manager to take, and what it answers for each transaction.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use cantle_proto::protocol::v0;
use cantle_proto::protocol::v1;
use cantle_proto::protocol::v1::register_topology_transaction_response as response;
use cantle_topology::SignedTopologyTransaction;
use cantle_types::{DomainId, IdentifierError, Member, ParticipantId};
use uuid::Uuid;

use super::{transaction_bytes, transactions};
use crate::error::ParseError;
use crate::wire::field;

const REQUEST: &str = "RegisterTopologyTransactionRequest";
const RESPONSE: &str = "RegisterTopologyTransactionResponse";
const REQUEST_ID_MAX: usize = 255;

/// What a participant calls its request: at most 255 characters (UTF-16 units).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopologyRequestId(Arc<str>);

impl TopologyRequestId {
    /// A new one, a random UUID.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4().to_string().into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TopologyRequestId {
    type Err = IdentifierError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let length = text.encode_utf16().count();
        if length > REQUEST_ID_MAX {
            return Err(IdentifierError::TooLong {
                what: "topology request id",
                length,
                max: REQUEST_ID_MAX,
            });
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for TopologyRequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A participant asks the domain to take topology transactions, signed by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterTopologyTransactionRequest {
    /// Who sends the request: the participant, or the member that it is before it is known.
    pub requested_by: Member,
    /// Whose transactions they are.
    pub participant: ParticipantId,
    /// What the sender calls the request.
    pub request_id: TopologyRequestId,
    /// The transactions, possibly of another protocol version than the domain's.
    pub transactions: Vec<SignedTopologyTransaction>,
    /// The domain.
    pub domain_id: DomainId,
}

impl RegisterTopologyTransactionRequest {
    /// The message.
    #[must_use]
    pub fn to_proto(&self) -> v0::RegisterTopologyTransactionRequest {
        v0::RegisterTopologyTransactionRequest {
            requested_by: self.requested_by.to_string(),
            participant: self.participant.uid().to_string(),
            request_id: self.request_id.to_string(),
            signed_topology_transactions: transaction_bytes(&self.transactions),
            domain_id: self.domain_id.to_string(),
        }
    }

    /// Reads the message.
    ///
    /// # Errors
    /// When a field is wrong.
    pub fn from_proto(message: &v0::RegisterTopologyTransactionRequest) -> Result<Self, ParseError> {
        Ok(Self {
            requested_by: field(REQUEST, "requested_by").text(&message.requested_by)?,
            participant: ParticipantId::new(field(REQUEST, "participant").text(&message.participant)?),
            request_id: field(REQUEST, "request_id").text(&message.request_id)?,
            transactions: transactions(REQUEST, &message.signed_topology_transactions)?,
            domain_id: field(REQUEST, "domain_id").text(&message.domain_id)?,
        })
    }
}

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RegistrationState {
    /// It could not be taken, for no fault of its own.
    Failed,
    /// It must not be taken.
    Rejected,
    /// It was taken.
    Accepted,
    /// It was taken before.
    Duplicate,
    /// What it says is so already, or no longer of interest.
    Obsolete,
}

impl RegistrationState {
    /// Whether the participant need not send the transaction again.
    #[must_use]
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Accepted | Self::Duplicate | Self::Obsolete)
    }
}

/// What became of one transaction, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrationResult {
    /// What became of it.
    pub state: RegistrationState,
    /// Why it was not taken; otherwise empty.
    pub error_message: String,
}

/// The domain's answer: one result for each transaction, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterTopologyTransactionResponse {
    /// Who sent the request.
    pub requested_by: Member,
    /// Whose transactions they are.
    pub participant: ParticipantId,
    /// What the sender called the request.
    pub request_id: TopologyRequestId,
    /// What became of the transactions.
    pub results: Vec<RegistrationResult>,
    /// The domain.
    pub domain_id: DomainId,
}

impl RegisterTopologyTransactionResponse {
    /// The message.
    #[must_use]
    pub fn to_proto(&self) -> v1::RegisterTopologyTransactionResponse {
        let results = self.results.iter().map(|result| response::Result {
            state: state_to_proto(result.state).into(),
            error_message: result.error_message.clone(),
        });
        v1::RegisterTopologyTransactionResponse {
            requested_by: self.requested_by.to_string(),
            participant: self.participant.uid().to_string(),
            request_id: self.request_id.to_string(),
            results: results.collect(),
            domain_id: self.domain_id.to_string(),
        }
    }

    /// Reads the message.
    ///
    /// # Errors
    /// When a field is wrong.
    pub fn from_proto(message: v1::RegisterTopologyTransactionResponse) -> Result<Self, ParseError> {
        let results = message.results.into_iter().map(|result| {
            let state = state_from_proto(result.state)?;
            Ok(RegistrationResult { state, error_message: result.error_message })
        });
        Ok(Self {
            requested_by: field(RESPONSE, "requested_by").text(&message.requested_by)?,
            participant: ParticipantId::new(field(RESPONSE, "participant").text(&message.participant)?),
            request_id: field(RESPONSE, "request_id").text(&message.request_id)?,
            results: results.collect::<Result<_, ParseError>>()?,
            domain_id: field(RESPONSE, "domain_id").text(&message.domain_id)?,
        })
    }
}

fn state_to_proto(state: RegistrationState) -> response::result::State {
    match state {
        RegistrationState::Failed => response::result::State::Failed,
        RegistrationState::Rejected => response::result::State::Rejected,
        RegistrationState::Accepted => response::result::State::Accepted,
        RegistrationState::Duplicate => response::result::State::Duplicate,
        RegistrationState::Obsolete => response::result::State::Obsolete,
    }
}

fn state_from_proto(number: i32) -> Result<RegistrationState, ParseError> {
    match response::result::State::try_from(number) {
        Ok(response::result::State::Failed) => Ok(RegistrationState::Failed),
        Ok(response::result::State::Rejected) => Ok(RegistrationState::Rejected),
        Ok(response::result::State::Accepted) => Ok(RegistrationState::Accepted),
        Ok(response::result::State::Duplicate) => Ok(RegistrationState::Duplicate),
        Ok(response::result::State::Obsolete) => Ok(RegistrationState::Obsolete),
        Ok(response::result::State::MissingState) | Err(_) => Err(field(RESPONSE, "state").number(number)),
    }
}
