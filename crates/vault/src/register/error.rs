//! Why a KMS key was not registered, in the words of an operator: which key, which rule, what to do.
//!
//! Nothing is stored when one of these is raised.

use cantle_crypto::{PublicKeyError, StrictKeyError};
use cantle_kms::{KeySpec, KeyState, KeyUsage, KmsError, KmsKeyId, KmsKeyIdKind};
use cantle_store::{CryptoProvider, StoreError};
use cantle_types::KeyPurpose;

use crate::key_scheme::key_usage;
use crate::scheme::SchemeError;

/// Why a KMS key was not registered. Nothing was stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// The node's keys are not in a KMS.
    #[error(
        "KMS key {key} cannot be registered: this node has crypto.provider = {provider}. \
         Only a node with crypto.provider = kms has keys in a KMS; set it on a node that has no keys yet"
    )]
    NotKms {
        /// The key.
        key: KmsKeyId,
        /// The node's provider.
        provider: CryptoProvider,
    },
    /// There is no such key where its ARN says.
    #[error(
        "KMS key {key} was not found. A key is found in the account and Region of its ARN, and only by a node of that \
         Region: compare the ARN with the KMS console, and its Region with crypto.kms.region"
    )]
    NotFound {
        /// The key.
        key: KmsKeyId,
        /// The service's answer.
        #[source]
        source: Box<KmsError>,
    },
    /// There is no key of that id or alias name in the account of the node's credentials.
    #[error(
        "KMS key {key} was not found in the account and Region of this node. A key id or alias name reaches only keys \
         of the node's own account: if the key is in another account, give its key ARN \
         (arn:aws:kms:REGION:ACCOUNT:key/ID); otherwise check id, alias and crypto.kms.region"
    )]
    NotFoundInOwnAccount {
        /// The key.
        key: KmsKeyId,
        /// The service's answer.
        #[source]
        source: Box<KmsError>,
    },
    /// The KMS does not accept the ARN.
    #[error(
        "KMS key {key} is not an ARN that the KMS accepts. It must name this node's partition and Region and a key: \
         arn:aws:kms:REGION:ACCOUNT:key/ID; copy it from the KMS console"
    )]
    InvalidArn {
        /// The key.
        key: KmsKeyId,
        /// The service's answer.
        #[source]
        source: Box<KmsError>,
    },
    /// The key is disabled.
    #[error(
        "KMS key {key} is disabled. Only an enabled key can be used: enable it (EnableKey), then register it again"
    )]
    Disabled {
        /// The key.
        key: KmsKeyId,
    },
    /// The key is about to be deleted.
    #[error(
        "KMS key {key} is pending deletion. Only an enabled key can be used: cancel the deletion (CancelKeyDeletion) \
         and enable it (EnableKey), or register another key"
    )]
    PendingDeletion {
        /// The key.
        key: KmsKeyId,
    },
    /// The key is not enabled for another reason.
    #[error(
        "KMS key {key} has KeyState {state}. Only a key in state Enabled can be used: register it once it is"
    )]
    NotEnabled {
        /// The key.
        key: KmsKeyId,
        /// Its state.
        state: KeyState,
    },
    /// The key is of one Region, and the node is to use others as well.
    #[error(
        "KMS key {key} is not a multi-Region key, and this node has crypto.kms.failover-regions: it could not use the key \
         there. A key never becomes multi-Region: register one that was made so and is replicated, or remove \
         failover-regions"
    )]
    NotMultiRegion {
        /// The key.
        key: KmsKeyId,
    },
    /// The key was made for another purpose.
    #[error(
        "KMS key {key} has KeyUsage {usage} and cannot be registered as {purpose} key: that needs KeyUsage {}. \
         The usage of a KMS key never changes: {}", needed_usage(*purpose), other_command(*purpose, usage)
    )]
    WrongUsage {
        /// The key.
        key: KmsKeyId,
        /// Its usage.
        usage: KeyUsage,
        /// What it was to be registered for.
        purpose: KeyPurpose,
    },
    /// The key's material is of a kind that nodes cannot use.
    #[error(
        "KMS key {key} has KeySpec {spec} and cannot be registered as {purpose} key: that needs KeySpec {}. \
         The spec of a KMS key never changes: register a key of such a spec", needed_specs(*purpose)
    )]
    WrongSpec {
        /// The key.
        key: KmsKeyId,
        /// Its spec.
        spec: KeySpec,
        /// What it was to be registered for.
        purpose: KeyPurpose,
    },
    /// The node's configuration does not allow the key's scheme.
    #[error("KMS key {key} has KeySpec {spec}, which this node may not use: {source}")]
    SchemeNotAllowed {
        /// The key.
        key: KmsKeyId,
        /// Its spec.
        spec: KeySpec,
        /// Which scheme, and what is allowed.
        source: SchemeError,
    },
    /// This node may not use the key.
    #[error(
        "this node may not use KMS key {key}: {} is denied. Registration needs kms:DescribeKey, kms:GetPublicKey and \
         kms:{}: allow {} for the node's principal in its IAM policy or the key's policy; for a key of another \
         account in both", source.iam_action(), trial_action(*purpose), source.iam_action()
    )]
    AccessDenied {
        /// The key.
        key: KmsKeyId,
        /// What it was to be registered for.
        purpose: KeyPurpose,
        /// The service's answer; [`KmsError::iam_action`] is the action.
        source: Box<KmsError>,
    },
    /// The public key is not one of the key's spec.
    #[error("the KMS gave a public key for {key} that cannot be used; is the endpoint an AWS KMS?")]
    PublicKey {
        /// The key.
        key: KmsKeyId,
        /// What is wrong with it.
        #[source]
        source: KmsPublicKeyError,
    },
    /// Decrypt did not give back what was encrypted with the public key.
    #[error(
        "KMS key {key} does not decrypt what its public key encrypts. A node uses RSAES_OAEP_SHA_256: \
         is the endpoint an AWS KMS?"
    )]
    WrongPlaintext {
        /// The key.
        key: KmsKeyId,
    },
    /// A test message could not be encrypted with the public key.
    #[error("nothing can be encrypted with the public key of KMS key {key}")]
    TrialEncryption {
        /// The key.
        key: KmsKeyId,
        /// Why.
        #[source]
        source: TrialError,
    },
    /// The KMS did not answer, or with another error.
    #[error("KMS key {key} could not be checked and was not registered")]
    Kms {
        /// The key.
        key: KmsKeyId,
        /// What happened.
        #[source]
        source: Box<KmsError>,
    },
    /// The store failed.
    #[error("KMS key {key} could not be stored")]
    Store {
        /// The key.
        key: KmsKeyId,
        /// What happened.
        #[source]
        source: Box<StoreError>,
    },
}

impl RegisterError {
    /// The KMS key, as the operator named it.
    #[must_use]
    pub fn key(&self) -> &KmsKeyId {
        match self {
            Self::NotKms { key, .. }
            | Self::NotFound { key, .. }
            | Self::NotFoundInOwnAccount { key, .. }
            | Self::InvalidArn { key, .. }
            | Self::Disabled { key }
            | Self::PendingDeletion { key }
            | Self::NotEnabled { key, .. }
            | Self::WrongUsage { key, .. }
            | Self::WrongSpec { key, .. }
            | Self::SchemeNotAllowed { key, .. }
            | Self::AccessDenied { key, .. }
            | Self::PublicKey { key, .. }
            | Self::WrongPlaintext { key }
            | Self::TrialEncryption { key, .. }
            | Self::Kms { key, .. }
            | Self::NotMultiRegion { key }
            | Self::Store { key, .. } => key,
        }
    }

    /// Whether the same call may succeed later without anyone changing anything.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            Self::Kms { source, .. } => source.retryable(),
            Self::Store { source, .. } => source.retryable(),
            _ => false,
        }
    }

    pub(crate) fn of_kms(key: &KmsKeyId, purpose: KeyPurpose, error: KmsError) -> Self {
        let key = key.clone();
        let source = Box::new(error);
        match *source {
            KmsError::NotFound { .. } => match key.kind() {
                KmsKeyIdKind::KeyId | KmsKeyIdKind::AliasName => Self::NotFoundInOwnAccount { key, source },
                KmsKeyIdKind::KeyArn | KmsKeyIdKind::AliasArn => Self::NotFound { key, source },
            },
            KmsError::InvalidArn { .. } => Self::InvalidArn { key, source },
            KmsError::AccessDenied { .. } => Self::AccessDenied { key, purpose, source },
            KmsError::Disabled { .. } => Self::Disabled { key },
            _ => Self::Kms { key, source },
        }
    }
}

fn needed_usage(purpose: KeyPurpose) -> KeyUsage {
    key_usage(purpose)
}

fn needed_specs(purpose: KeyPurpose) -> &'static str {
    match purpose {
        KeyPurpose::Signing => "ECC_NIST_P256 or ECC_NIST_P384",
        KeyPurpose::Encryption => "RSA_2048",
    }
}

fn trial_action(purpose: KeyPurpose) -> &'static str {
    match purpose {
        KeyPurpose::Signing => "Sign",
        KeyPurpose::Encryption => "Decrypt",
    }
}

fn other_command(purpose: KeyPurpose, usage: &KeyUsage) -> &'static str {
    match (purpose, usage) {
        (KeyPurpose::Signing, KeyUsage::EncryptDecrypt) => {
            "register it with register_kms_encryption_key if it is the encryption key, or register another key"
        }
        (KeyPurpose::Encryption, KeyUsage::SignVerify) => {
            "register it with register_kms_signing_key if it is a signing key, or register another key"
        }
        _ => "register another key",
    }
}

/// A public key from the KMS that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KmsPublicKeyError {
    /// It cannot be read.
    #[error("the public key cannot be read")]
    Unreadable(#[from] PublicKeyError),
    /// It is not strictly what its spec says.
    #[error("the public key does not fit its KeySpec")]
    NotStrict(#[from] StrictKeyError),
    /// GetPublicKey and DescribeKey contradict each other.
    #[error("GetPublicKey says {public_key}, DescribeKey says {described}")]
    Contradiction {
        /// Spec or usage by GetPublicKey.
        public_key: String,
        /// Spec or usage by DescribeKey.
        described: String,
    },
}

/// Why a test message could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrialError {
    /// The public key does not encrypt.
    #[error(transparent)]
    Encrypt(#[from] cantle_crypto::EncryptError),
    /// The operating system gave no random numbers.
    #[error(transparent)]
    Randomness(#[from] cantle_crypto::RandomnessError),
}
