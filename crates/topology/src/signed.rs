//! A topology transaction with its signature and the key that verifies it.
//!
//! The key travels with the signature: whether it may sign such a thing is for `state.rs`, whether it did is
//! answered here. Received bytes are kept.

use std::fmt;
use std::sync::Arc;

use cantle_crypto::{Signature, SigningPublicKey, VerifyError};
use cantle_proto::protocol::v0;
use cantle_proto::versioned;
use prost::Message;

use crate::error::{ParseError, TopologyError};
use crate::transaction::TopologyTransaction;
use crate::wire::{decode, unwrap};

const MESSAGE: &str = "SignedTopologyTransaction";
/// The one version of the message, at protocol versions 5 and 7.
const VERSION: i32 = 0;

/// A signed topology transaction. Cheap to clone.
#[derive(Clone)]
pub struct SignedTopologyTransaction {
    transaction: TopologyTransaction,
    key: SigningPublicKey,
    signature: Signature,
    bytes: Arc<[u8]>,
}

impl SignedTopologyTransaction {
    /// Puts a transaction and the signature of its hash together. The signature is not verified.
    #[must_use]
    pub fn assemble(transaction: TopologyTransaction, key: SigningPublicKey, signature: Signature) -> Self {
        let message = v0::SignedTopologyTransaction {
            transaction: transaction.bytes().to_vec(),
            key: Some(key.to_proto()),
            signature: Some(signature.to_proto()),
        };
        let bytes = versioned::wrap(&message.encode_to_vec(), VERSION).into();
        Self { transaction, key, signature, bytes }
    }

    /// Reads a wrapped signed transaction and keeps its bytes. The signature is not verified.
    ///
    /// # Errors
    /// When the bytes are not one, or the transaction inside must not exist.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ParseError> {
        let (data, version) = unwrap(MESSAGE, bytes)?;
        if version != VERSION {
            return Err(ParseError::Version { message: MESSAGE, version });
        }
        let message: v0::SignedTopologyTransaction = decode(MESSAGE, &data)?;
        let missing = |field| ParseError::Missing { message: MESSAGE, field };
        let key = message.key.as_ref().ok_or_else(|| missing("key"))?;
        let key =
            SigningPublicKey::from_proto(key).map_err(|source| ParseError::Key { field: "key", source })?;
        let signature = message.signature.as_ref().ok_or_else(|| missing("signature"))?;
        let signature = Signature::from_proto(signature)
            .map_err(|source| ParseError::Key { field: "signature", source })?;
        let transaction = TopologyTransaction::from_bytes(&message.transaction)?;
        Ok(Self { transaction, key, signature, bytes: bytes.into() })
    }

    /// Whether the key made the signature.
    ///
    /// # Errors
    /// When it did not, or the signature names another key.
    pub fn verify(&self) -> Result<(), VerifyError> {
        self.key.verify_hash(&self.transaction.hash(), &self.signature)
    }

    /// [`SignedTopologyTransaction::verify`], with an error that names the transaction.
    ///
    /// # Errors
    /// [`TopologyError::InvalidSignature`].
    pub fn check_signature(&self) -> Result<(), TopologyError> {
        let path = || self.transaction.unique_path();
        self.verify().map_err(|source| TopologyError::InvalidSignature { path: path(), source })
    }

    /// What is signed.
    #[must_use]
    pub fn transaction(&self) -> &TopologyTransaction {
        &self.transaction
    }

    /// The key that signed.
    #[must_use]
    pub fn key(&self) -> &SigningPublicKey {
        &self.key
    }

    /// The signature.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The wrapped bytes, as they were made or received.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A copy of the wrapped bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.bytes.to_vec()
    }
}

impl PartialEq for SignedTopologyTransaction {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for SignedTopologyTransaction {}

impl fmt::Debug for SignedTopologyTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedTopologyTransaction")
            .field("transaction", &self.transaction)
            .field("key", &self.key.fingerprint().as_str())
            .finish_non_exhaustive()
    }
}
