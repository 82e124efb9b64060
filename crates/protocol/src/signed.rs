//! What participants and mediators sign for each other, with the signature.
//!
//! The signature covers the wrapped bytes of the content, hashed for a purpose that follows from its kind.

use cantle_crypto::{Hash, HashPurpose, Signature, SigningPublicKey, VerifyError, digest};
use cantle_proto::protocol::v0;
use cantle_proto::protocol::v0::signed_protocol_message::SomeSignedProtocolMessage;
use cantle_types::{DomainId, ProtocolVersion};

use crate::acs_commitment::AcsCommitment;
use crate::error::ParseError;
use crate::mediator::{MalformedMediatorRequestResult, MediatorResponse, TransactionResultMessage};
use crate::wire::field;

const MESSAGE: &str = "SignedProtocolMessage";

/// A message that is signed in itself, not only as part of a submission.
pub trait SignedMessage {
    /// What its hash is for.
    const PURPOSE: HashPurpose;

    /// The wrapped bytes.
    fn bytes(&self) -> &[u8];

    /// On which domain it counts.
    fn domain_id(&self) -> &DomainId;

    /// What is signed.
    fn hash(&self) -> Hash {
        digest(Self::PURPOSE, self.bytes())
    }
}

/// What is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignedProtocolContent {
    /// A participant's answer to a request.
    MediatorResponse(MediatorResponse),
    /// A mediator's verdict on a transaction.
    TransactionResult(TransactionResultMessage),
    /// A mediator's rejection of what it could not read.
    MalformedMediatorRequestResult(MalformedMediatorRequestResult),
    /// A participant's commitment to contracts.
    AcsCommitment(AcsCommitment),
}

impl SignedProtocolContent {
    /// What is signed.
    #[must_use]
    pub fn hash(&self) -> Hash {
        match self {
            Self::MediatorResponse(message) => message.hash(),
            Self::TransactionResult(message) => message.hash(),
            Self::MalformedMediatorRequestResult(message) => message.hash(),
            Self::AcsCommitment(message) => message.hash(),
        }
    }

    /// On which domain it counts.
    #[must_use]
    pub fn domain_id(&self) -> &DomainId {
        match self {
            Self::MediatorResponse(message) => message.domain_id(),
            Self::TransactionResult(message) => message.domain_id(),
            Self::MalformedMediatorRequestResult(message) => message.domain_id(),
            Self::AcsCommitment(message) => message.domain_id(),
        }
    }
}

/// A message with the signature of its author.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedProtocolMessage {
    content: SignedProtocolContent,
    signature: Signature,
}

impl SignedProtocolMessage {
    /// Puts a message and the signature of its hash together. The signature is not verified.
    #[must_use]
    pub fn assemble(content: SignedProtocolContent, signature: Signature) -> Self {
        Self { content, signature }
    }

    /// Whether `key` made the signature.
    ///
    /// # Errors
    /// When it did not, or the signature names another key.
    pub fn verify(&self, key: &SigningPublicKey) -> Result<(), VerifyError> {
        key.verify_hash(&self.content.hash(), &self.signature)
    }

    /// The message.
    #[must_use]
    pub fn content(&self) -> &SignedProtocolContent {
        &self.content
    }

    /// The signature.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The message of both.
    #[must_use]
    pub fn to_proto(&self) -> v0::SignedProtocolMessage {
        let content = match &self.content {
            SignedProtocolContent::MediatorResponse(message) => {
                SomeSignedProtocolMessage::MediatorResponse(message.bytes().to_vec())
            }
            SignedProtocolContent::TransactionResult(message) => {
                SomeSignedProtocolMessage::TransactionResult(message.bytes().to_vec())
            }
            SignedProtocolContent::MalformedMediatorRequestResult(message) => {
                SomeSignedProtocolMessage::MalformedMediatorRequestResult(message.bytes().to_vec())
            }
            SignedProtocolContent::AcsCommitment(message) => {
                SomeSignedProtocolMessage::AcsCommitment(message.bytes().to_vec())
            }
        };
        v0::SignedProtocolMessage {
            signature: Some(self.signature.to_proto()),
            some_signed_protocol_message: Some(content),
        }
    }

    /// Reads the message, its content at this protocol version. The signature is not verified.
    ///
    /// # Errors
    /// When a field is missing or wrong, or the content is the result of a transfer between domains.
    pub fn from_proto(
        message: v0::SignedProtocolMessage,
        version: ProtocolVersion,
    ) -> Result<Self, ParseError> {
        let signature = field(MESSAGE, "signature").signature(message.signature.as_ref())?;
        let content = field(MESSAGE, "some_signed_protocol_message");
        let content = match content.required(message.some_signed_protocol_message)? {
            SomeSignedProtocolMessage::MediatorResponse(bytes) => {
                SignedProtocolContent::MediatorResponse(MediatorResponse::from_bytes(bytes)?)
            }
            SomeSignedProtocolMessage::TransactionResult(bytes) => SignedProtocolContent::TransactionResult(
                TransactionResultMessage::from_bytes(bytes, version)?,
            ),
            SomeSignedProtocolMessage::MalformedMediatorRequestResult(bytes) => {
                let result = MalformedMediatorRequestResult::from_bytes(bytes, version)?;
                SignedProtocolContent::MalformedMediatorRequestResult(result)
            }
            SomeSignedProtocolMessage::AcsCommitment(bytes) => {
                SignedProtocolContent::AcsCommitment(AcsCommitment::from_bytes(bytes)?)
            }
            SomeSignedProtocolMessage::TransferResult(_) => {
                return Err(ParseError::Unsupported { message: MESSAGE, what: "transfers between domains" });
            }
        };
        Ok(Self { content, signature })
    }
}

impl From<MediatorResponse> for SignedProtocolContent {
    fn from(message: MediatorResponse) -> Self {
        Self::MediatorResponse(message)
    }
}

impl From<TransactionResultMessage> for SignedProtocolContent {
    fn from(message: TransactionResultMessage) -> Self {
        Self::TransactionResult(message)
    }
}

impl From<MalformedMediatorRequestResult> for SignedProtocolContent {
    fn from(message: MalformedMediatorRequestResult) -> Self {
        Self::MalformedMediatorRequestResult(message)
    }
}

impl From<AcsCommitment> for SignedProtocolContent {
    fn from(message: AcsCommitment) -> Self {
        Self::AcsCommitment(message)
    }
}
