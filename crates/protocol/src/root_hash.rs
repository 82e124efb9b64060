//! The root hash of a confirmation request, told to the mediator and to each participant together.
//!
//! Every participant gets it in a group with the mediator, so that both know that the other knows.

use cantle_crypto::Hash;
use cantle_proto::protocol::v0;
use cantle_types::DomainId;

use crate::error::ParseError;
use crate::wire::field;

const MESSAGE: &str = "RootHashMessage";

/// What a confirmation request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ViewType {
    /// A transaction.
    Transaction,
    /// A contract leaves the domain.
    TransferOut,
    /// A contract comes to the domain.
    TransferIn,
}

impl ViewType {
    pub(crate) fn to_proto(self) -> v0::ViewType {
        match self {
            Self::Transaction => v0::ViewType::TransactionViewType,
            Self::TransferOut => v0::ViewType::TransferOutViewType,
            Self::TransferIn => v0::ViewType::TransferInViewType,
        }
    }

    pub(crate) fn from_proto(message: &'static str, number: i32) -> Result<Self, ParseError> {
        match v0::ViewType::try_from(number) {
            Ok(v0::ViewType::TransactionViewType) => Ok(Self::Transaction),
            Ok(v0::ViewType::TransferOutViewType) => Ok(Self::TransferOut),
            Ok(v0::ViewType::TransferInViewType) => Ok(Self::TransferIn),
            Ok(v0::ViewType::MissingViewType) | Err(_) => Err(field(message, "view_type").number(number)),
        }
    }
}

/// The root hash of a confirmation request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootHashMessage {
    /// The root hash.
    pub root_hash: Hash,
    /// On which domain.
    pub domain_id: DomainId,
    /// What the request is about.
    pub view_type: ViewType,
    /// What the mediator compares between the copies; empty for transactions.
    pub payload: Vec<u8>,
}

impl RootHashMessage {
    /// The message.
    #[must_use]
    pub fn to_proto(&self) -> v0::RootHashMessage {
        v0::RootHashMessage {
            root_hash: self.root_hash.evidence().to_vec(),
            domain_id: self.domain_id.to_string(),
            view_type: self.view_type.to_proto().into(),
            payload: self.payload.clone(),
        }
    }

    /// Reads the message.
    ///
    /// # Errors
    /// When a field is missing or wrong.
    pub fn from_proto(message: v0::RootHashMessage) -> Result<Self, ParseError> {
        Ok(Self {
            root_hash: field(MESSAGE, "root_hash").hash(&message.root_hash)?,
            domain_id: field(MESSAGE, "domain_id").text(&message.domain_id)?,
            view_type: ViewType::from_proto(MESSAGE, message.view_type)?,
            payload: message.payload,
        })
    }
}
