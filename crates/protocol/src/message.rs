//! What an envelope holds: one of the messages of the protocol, in the form of the domain's protocol version.

use bytes::Bytes;
use cantle_proto::protocol::v2::envelope_content::SomeEnvelopeContent as Content5;
use cantle_proto::protocol::v3::envelope_content::SomeEnvelopeContent as Content7;
use cantle_proto::protocol::{v0, v1, v2, v3};
use cantle_types::{DomainId, ProtocolVersion};

use crate::encryption::{EncryptedViewMessage, ViewKeys};
use crate::error::ParseError;
use crate::root_hash::RootHashMessage;
use crate::sequencing::{Envelope, Recipients};
use crate::signed::SignedProtocolMessage;
use crate::topology::{
    DomainTopologyTransactionMessage, RegisterTopologyTransactionRequest, RegisterTopologyTransactionResponse,
};
use crate::tree::InformeeMessage;
use crate::wire::{check_field_count, count_fields, decode_shared, field, fields, unwrap_shared, wrap};

const MESSAGE: &str = "EnvelopeContent";

/// The message of an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolMessage {
    /// A transaction, for the mediator.
    Informee(Box<InformeeMessage>),
    /// A message signed in itself: an answer, a verdict, a commitment.
    Signed(Box<SignedProtocolMessage>),
    /// A view, for its informees.
    EncryptedView(Box<EncryptedViewMessage>),
    /// Topology transactions, for all members.
    DomainTopology(Box<DomainTopologyTransactionMessage>),
    /// The root hash of a request.
    RootHash(RootHashMessage),
    /// Topology transactions that a participant asks the domain to take.
    RegisterTopologyRequest(Box<RegisterTopologyTransactionRequest>),
    /// What became of them.
    RegisterTopologyResponse(Box<RegisterTopologyTransactionResponse>),
}

impl ProtocolMessage {
    /// On which domain the message counts.
    #[must_use]
    pub fn domain_id(&self) -> &DomainId {
        match self {
            Self::Informee(message) => message.tree().common_metadata().domain_id(),
            Self::Signed(message) => message.content().domain_id(),
            Self::EncryptedView(message) => message.domain_id(),
            Self::DomainTopology(message) => message.domain_id(),
            Self::RootHash(message) => &message.domain_id,
            Self::RegisterTopologyRequest(message) => &message.domain_id,
            Self::RegisterTopologyResponse(message) => &message.domain_id,
        }
    }

    /// The wrapped bytes, at the protocol version of the domain.
    ///
    /// # Errors
    /// When the message is one of another protocol version.
    pub fn to_bytes(&self, version: ProtocolVersion) -> Result<Vec<u8>, ParseError> {
        let number = proto_version(version);
        match version {
            ProtocolVersion::V5 => {
                Ok(wrap(&v2::EnvelopeContent { some_envelope_content: Some(self.to_content_5()?) }, number))
            }
            ProtocolVersion::V7 => {
                Ok(wrap(&v3::EnvelopeContent { some_envelope_content: Some(self.to_content_7()?) }, number))
            }
        }
    }

    /// The message in an envelope.
    ///
    /// # Errors
    /// When the message is one of another protocol version.
    pub fn to_envelope(
        &self,
        recipients: Recipients,
        version: ProtocolVersion,
    ) -> Result<Envelope, ParseError> {
        Ok(Envelope::new(self.to_bytes(version)?, recipients))
    }

    /// Reads the message of an envelope at the protocol version of the domain.
    ///
    /// # Errors
    /// When the bytes are not a message of that version, or one about transfers between domains.
    pub fn from_bytes(bytes: impl Into<Bytes>, version: ProtocolVersion) -> Result<Self, ParseError> {
        let data = unwrap_shared(MESSAGE, bytes.into(), proto_version(version))?;
        // The lists are in the message that is the only field.
        check_field_count(MESSAGE, fields(&data).map(|(_, message)| count_fields(message)).sum())?;
        match version {
            ProtocolVersion::V5 => {
                let message: v2::EnvelopeContent = decode_shared(MESSAGE, data)?;
                Self::from_content_5(content(message.some_envelope_content)?, version)
            }
            ProtocolVersion::V7 => {
                let message: v3::EnvelopeContent = decode_shared(MESSAGE, data)?;
                Self::from_content_7(content(message.some_envelope_content)?, version)
            }
        }
    }

    fn to_content_5(&self) -> Result<Content5, ParseError> {
        Ok(match self {
            Self::Informee(message) => Content5::InformeeMessage(message.to_proto()),
            Self::Signed(message) => Content5::SignedMessage(message.to_proto()),
            Self::EncryptedView(message) => match message.keys() {
                ViewKeys::Seed(lookups) => Content5::EncryptedViewMessage(message.to_proto_v1(lookups)),
                ViewKeys::SessionKey { .. } => return Err(other_version()),
            },
            Self::DomainTopology(message) => Content5::DomainTopologyTransactionMessage(message.to_proto()),
            Self::RootHash(message) => Content5::RootHashMessage(message.to_proto()),
            Self::RegisterTopologyRequest(message) => {
                Content5::RegisterTopologyTransactionRequest(message.to_proto())
            }
            Self::RegisterTopologyResponse(message) => {
                Content5::RegisterTopologyTransactionResponse(message.to_proto())
            }
        })
    }

    fn to_content_7(&self) -> Result<Content7, ParseError> {
        Ok(match self {
            Self::Informee(message) => Content7::InformeeMessage(message.to_proto()),
            Self::Signed(message) => Content7::SignedMessage(message.to_proto()),
            Self::EncryptedView(message) => match message.keys() {
                ViewKeys::SessionKey { encrypted_seed, lookups } => {
                    Content7::EncryptedViewMessage(message.to_proto_v2(encrypted_seed, lookups))
                }
                ViewKeys::Seed(_) => return Err(other_version()),
            },
            Self::DomainTopology(message) => Content7::DomainTopologyTransactionMessage(message.to_proto()),
            Self::RootHash(message) => Content7::RootHashMessage(message.to_proto()),
            Self::RegisterTopologyRequest(message) => {
                Content7::RegisterTopologyTransactionRequest(message.to_proto())
            }
            Self::RegisterTopologyResponse(message) => {
                Content7::RegisterTopologyTransactionResponse(message.to_proto())
            }
        })
    }

    fn from_content_5(content: Content5, version: ProtocolVersion) -> Result<Self, ParseError> {
        match content {
            Content5::InformeeMessage(message) => Self::informee(message, version),
            Content5::SignedMessage(message) => Self::signed(message, version),
            Content5::EncryptedViewMessage(message) => {
                Ok(Self::EncryptedView(Box::new(EncryptedViewMessage::from_proto_v1(message)?)))
            }
            Content5::DomainTopologyTransactionMessage(message) => Self::domain_topology(&message, version),
            Content5::RootHashMessage(message) => Ok(Self::RootHash(RootHashMessage::from_proto(message)?)),
            Content5::RegisterTopologyTransactionRequest(message) => Self::register_request(&message),
            Content5::RegisterTopologyTransactionResponse(message) => Self::register_response(message),
            Content5::TransferOutMediatorMessage(_) | Content5::TransferInMediatorMessage(_) => {
                Err(transfer())
            }
        }
    }

    fn from_content_7(content: Content7, version: ProtocolVersion) -> Result<Self, ParseError> {
        match content {
            Content7::InformeeMessage(message) => Self::informee(message, version),
            Content7::SignedMessage(message) => Self::signed(message, version),
            Content7::EncryptedViewMessage(message) => {
                Ok(Self::EncryptedView(Box::new(EncryptedViewMessage::from_proto_v2(message)?)))
            }
            Content7::DomainTopologyTransactionMessage(message) => Self::domain_topology(&message, version),
            Content7::RootHashMessage(message) => Ok(Self::RootHash(RootHashMessage::from_proto(message)?)),
            Content7::RegisterTopologyTransactionRequest(message) => Self::register_request(&message),
            Content7::RegisterTopologyTransactionResponse(message) => Self::register_response(message),
            Content7::TransferOutMediatorMessage(_) | Content7::TransferInMediatorMessage(_) => {
                Err(transfer())
            }
        }
    }

    fn informee(message: v1::InformeeMessage, version: ProtocolVersion) -> Result<Self, ParseError> {
        Ok(Self::Informee(Box::new(InformeeMessage::from_proto(message, version)?)))
    }

    fn signed(message: v0::SignedProtocolMessage, version: ProtocolVersion) -> Result<Self, ParseError> {
        Ok(Self::Signed(Box::new(SignedProtocolMessage::from_proto(message, version)?)))
    }

    fn domain_topology(
        message: &v1::DomainTopologyTransactionMessage,
        version: ProtocolVersion,
    ) -> Result<Self, ParseError> {
        Ok(Self::DomainTopology(Box::new(DomainTopologyTransactionMessage::from_proto(message, version)?)))
    }

    fn register_request(message: &v0::RegisterTopologyTransactionRequest) -> Result<Self, ParseError> {
        Ok(Self::RegisterTopologyRequest(Box::new(RegisterTopologyTransactionRequest::from_proto(message)?)))
    }

    fn register_response(message: v1::RegisterTopologyTransactionResponse) -> Result<Self, ParseError> {
        Ok(Self::RegisterTopologyResponse(Box::new(RegisterTopologyTransactionResponse::from_proto(
            message,
        )?)))
    }
}

/// The version of the message at a protocol version.
fn proto_version(version: ProtocolVersion) -> i32 {
    match version {
        ProtocolVersion::V5 => 2,
        ProtocolVersion::V7 => 3,
    }
}

fn content<T>(content: Option<T>) -> Result<T, ParseError> {
    field(MESSAGE, "some_envelope_content").required(content)
}

fn other_version() -> ParseError {
    ParseError::Rule { message: MESSAGE, rule: "a view is encrypted as the protocol version wants it" }
}

fn transfer() -> ParseError {
    ParseError::Unsupported { message: MESSAGE, what: "transfers between domains" }
}
