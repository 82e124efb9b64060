//! Why private keys were not encrypted with a wrapper key, or not decrypted, in the words of an operator.

use cantle_crypto::RandomnessError;
use cantle_kms::{CreateError, KeySpec, KeyState, KeyUsage, KmsError, KmsKeyId, KmsKeyIdError};
use cantle_store::StoreError;
use cantle_types::Fingerprint;

use crate::use_key::KeyUseError;

/// Why the encryption of the stored private keys was not changed. All are stored as they were.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WrapperKeyError {
    /// The node's private keys are not encrypted with a wrapper key.
    #[error("the private keys of this node are not encrypted with a wrapper key")]
    NotEncrypted,
    /// They are, and the configuration does not say so.
    #[error(
        "{keys} private keys of this node are encrypted with wrapper key {wrapper_key_id}, but \
         crypto.private-key-store.encryption is not configured. Nothing was changed. Write \
         private-key-store.encryption {{ type = kms }} again, or reverted = true in it to store the keys in clear"
    )]
    NotConfigured {
        /// How many.
        keys: usize,
        /// The wrapper key.
        wrapper_key_id: String,
    },
    /// The new wrapper key is the one in use.
    #[error(
        "wrapper key {key} encrypts the private keys of this node already; name another one, or none for a new one"
    )]
    AlreadyInUse {
        /// The key.
        key: KmsKeyId,
    },
    /// There is no such KMS key.
    #[error("there is no wrapper key {key} in the KMS")]
    NotFound {
        /// The key.
        key: KmsKeyId,
        /// What the KMS said.
        #[source]
        source: Box<KmsError>,
    },
    /// The KMS key cannot be used now.
    #[error(
        "wrapper key {key} has KeyState {state}; only an enabled key encrypts and decrypts: enable it in AWS KMS"
    )]
    NotEnabled {
        /// The key.
        key: KmsKeyId,
        /// Its state.
        state: KeyState,
    },
    /// The KMS key is of another kind.
    #[error(
        "KMS key {key} has KeySpec {spec} and KeyUsage {usage}; a wrapper key has SYMMETRIC_DEFAULT and ENCRYPT_DECRYPT"
    )]
    WrongKind {
        /// The key.
        key: KmsKeyId,
        /// Its spec.
        spec: KeySpec,
        /// Its usage.
        usage: KeyUsage,
    },
    /// The id of the wrapper key, stored or configured, is not one.
    #[error("the wrapper key {wrapper_key_id:?} has no usable name")]
    KeyId {
        /// What stands there.
        wrapper_key_id: String,
        /// What is wrong with it.
        #[source]
        source: KmsKeyIdError,
    },
    /// No wrapper key could be made.
    #[error("no wrapper key could be made; if the KMS made one, it has the tag CantleCreation={creation}")]
    NotMade {
        /// The value of its tag.
        creation: String,
        /// Why.
        #[source]
        source: Box<CreateError>,
    },
    /// The KMS did not do it.
    #[error("wrapper key {key} could not be used")]
    Kms {
        /// The key.
        key: KmsKeyId,
        /// What the KMS said.
        #[source]
        source: Box<KmsError>,
    },
    /// What was encrypted does not come back.
    #[error("what wrapper key {key} encrypts it does not decrypt to the same; it is not used")]
    RoundTrip {
        /// The key.
        key: KmsKeyId,
    },
    /// A stored private key cannot be read.
    #[error("the private key {fingerprint} cannot be read, so nothing was changed")]
    Unreadable {
        /// The key.
        fingerprint: Fingerprint,
        /// Why.
        #[source]
        source: Box<KeyUseError>,
    },
    /// There was no randomness.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    /// The store failed.
    #[error("the node's key store failed")]
    Store(#[from] StoreError),
    /// The node is stopping.
    #[error(
        "the node stopped meanwhile; the private keys are encrypted with the old key or with the new one, all of them"
    )]
    Stopped,
}

impl WrapperKeyError {
    /// A failure of the KMS with this wrapper key.
    pub(super) fn of_kms(key: &KmsKeyId, error: KmsError) -> Self {
        let (key, source) = (key.clone(), Box::new(error));
        match *source {
            KmsError::NotFound { .. } => Self::NotFound { key, source },
            KmsError::Disabled { .. } => Self::NotEnabled { key, state: KeyState::Disabled },
            _ => Self::Kms { key, source },
        }
    }
}
