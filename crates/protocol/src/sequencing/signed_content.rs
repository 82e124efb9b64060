//! A submission, event or acknowledgement with its signature.
//!
//! The signature covers the wrapped bytes of the content alone; the time of the signing key, beside it, only tells
//! the reader where to look for the key.

use std::sync::Arc;

use cantle_crypto::{Hash, HashPurpose, Signature, SigningPublicKey, VerifyError, digest};
use cantle_proto::protocol::v0;
use cantle_types::CantonTimestamp;

use crate::error::ParseError;
use crate::wire::{decode_version_0, field, time_to_proto, wrap};

const MESSAGE: &str = "SignedContent";

/// What is signed between members and sequencer.
pub trait Signable: Sized {
    /// The name of the message.
    const MESSAGE: &'static str;
    /// What its hash is for.
    const PURPOSE: HashPurpose;

    /// Reads the wrapped bytes and keeps them.
    ///
    /// # Errors
    /// When they are not the message.
    fn from_bytes(bytes: Arc<[u8]>) -> Result<Self, ParseError>;

    /// The wrapped bytes.
    fn bytes(&self) -> &[u8];

    /// What is signed.
    fn hash(&self) -> Hash {
        digest(Self::PURPOSE, self.bytes())
    }
}

/// A message with the signature of its sender, or of the sequencer. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SignedContent<T> {
    content: T,
    signature: Signature,
    timestamp_of_signing_key: Option<CantonTimestamp>,
    bytes: Arc<[u8]>,
}

impl<T: Signable> SignedContent<T> {
    /// Puts a message and the signature of its hash together. The signature is not verified.
    #[must_use]
    pub fn assemble(
        content: T,
        signature: Signature,
        timestamp_of_signing_key: Option<CantonTimestamp>,
    ) -> Self {
        let message = v0::SignedContent {
            content: Some(content.bytes().to_vec()),
            signatures: Some(signature.to_proto()),
            timestamp_of_signing_key: timestamp_of_signing_key.map(time_to_proto),
        };
        Self { content, signature, timestamp_of_signing_key, bytes: wrap(&message, 0).into() }
    }

    /// Reads a wrapped signed message and keeps its bytes. The signature is not verified.
    ///
    /// # Errors
    /// When the bytes are not one.
    pub fn from_bytes(bytes: impl Into<Arc<[u8]>>) -> Result<Self, ParseError> {
        let bytes = bytes.into();
        let message = decode_version_0(MESSAGE, &bytes)?;
        Self::with_bytes(message, bytes)
    }

    /// Reads a signed message that came without a wrapper.
    ///
    /// # Errors
    /// As [`SignedContent::from_bytes`].
    pub fn from_proto(message: v0::SignedContent) -> Result<Self, ParseError> {
        let bytes = wrap(&message, 0).into();
        Self::with_bytes(message, bytes)
    }

    fn with_bytes(message: v0::SignedContent, bytes: Arc<[u8]>) -> Result<Self, ParseError> {
        let signature = field(MESSAGE, "signatures").signature(message.signatures.as_ref())?;
        let timestamp_of_signing_key = field(MESSAGE, "timestamp_of_signing_key")
            .optional_time(message.timestamp_of_signing_key.as_ref())?;
        let content = field(MESSAGE, "content").required(message.content)?;
        Ok(Self { content: T::from_bytes(content.into())?, signature, timestamp_of_signing_key, bytes })
    }

    /// Whether `key` made the signature.
    ///
    /// # Errors
    /// When it did not, or the signature names another key.
    pub fn verify(&self, key: &SigningPublicKey) -> Result<(), VerifyError> {
        key.verify_hash(&self.hash(), &self.signature)
    }

    /// What is signed.
    #[must_use]
    pub fn hash(&self) -> Hash {
        self.content.hash()
    }

    /// The message.
    #[must_use]
    pub fn content(&self) -> &T {
        &self.content
    }

    /// The message alone.
    #[must_use]
    pub fn into_content(self) -> T {
        self.content
    }

    /// The signature.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// At which time the signing key is to be looked up; nothing when that follows from the message.
    #[must_use]
    pub fn timestamp_of_signing_key(&self) -> Option<CantonTimestamp> {
        self.timestamp_of_signing_key
    }

    /// The wrapped bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The wrapped bytes, shared.
    #[must_use]
    pub fn shared_bytes(&self) -> Arc<[u8]> {
        Arc::clone(&self.bytes)
    }

    /// The message without a wrapper, which the unversioned calls send.
    #[must_use]
    pub fn to_proto(&self) -> v0::SignedContent {
        v0::SignedContent {
            content: Some(self.content.bytes().to_vec()),
            signatures: Some(self.signature.to_proto()),
            timestamp_of_signing_key: self.timestamp_of_signing_key.map(time_to_proto),
        }
    }
}

impl<T> PartialEq for SignedContent<T> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl<T> Eq for SignedContent<T> {}
