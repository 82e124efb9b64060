//! Why a private key did not come into the KMS, in the words of an operator. The node is as it was.

use std::fmt;

use cantle_crypto::{EncryptError, RandomnessError, WrapError};
use cantle_kms::{CreateError, KeySpec, KmsError, KmsKeyId};
use cantle_store::StoreError;
use cantle_types::Fingerprint;

use crate::VaultError;
use crate::use_key::KeyUseError;

/// A step of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImportStep {
    /// The KMS key is made, without material.
    Created,
    /// The KMS gave what the material is wrapped with.
    Parameters,
    /// The KMS has the material.
    Imported,
    /// The KMS signs or decrypts as the private key did.
    Proved,
}

impl fmt::Display for ImportStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "made",
            Self::Parameters => "gave parameters for the import",
            Self::Imported => "imported",
            Self::Proved => "proved",
        })
    }
}

/// Why the migration of a node's keys stopped. The node's keys are as they were; the next attempt goes on from here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrationError {
    /// The vault was opened without a KMS.
    #[error("the vault was opened without the KMS that the keys are to move into")]
    NoKms,
    /// A key was to be imported that cannot be.
    #[error("key {fingerprint} cannot be imported into a KMS")]
    NotImportable {
        /// The key.
        fingerprint: Fingerprint,
    },
    /// The stored private key cannot be read.
    #[error("the private key {fingerprint} cannot be read")]
    Key {
        /// The key.
        fingerprint: Fingerprint,
        /// Why.
        #[source]
        source: Box<KeyUseError>,
    },
    /// No KMS key could be made.
    #[error(
        "no KMS key of KeySpec {spec} could be made for key {fingerprint}{}; if there is one all the same, it has the tag \
         CantleCreation={creation}",
        hint(spec)
    )]
    NotMade {
        /// The key.
        fingerprint: Fingerprint,
        /// The spec that was asked for.
        spec: KeySpec,
        /// The value of its tag.
        creation: String,
        /// Why.
        #[source]
        source: Box<CreateError>,
    },
    /// The material could not be wrapped.
    #[error("the private key {fingerprint} could not be wrapped for the KMS")]
    Wrap {
        /// The key.
        fingerprint: Fingerprint,
        /// Why.
        #[source]
        source: WrapError,
    },
    /// The KMS refused or failed.
    #[error("key {fingerprint} was not imported: KMS key {kms_key_id} was not {step}")]
    Kms {
        /// The key.
        fingerprint: Fingerprint,
        /// The KMS key.
        kms_key_id: KmsKeyId,
        /// The step that was not done.
        step: ImportStep,
        /// What the KMS said.
        #[source]
        source: Box<KmsError>,
    },
    /// The KMS key does not become enabled.
    #[error("the material of key {fingerprint} is in KMS key {kms_key_id}, which cannot be used yet")]
    NotReadable {
        /// The key.
        fingerprint: Fingerprint,
        /// The KMS key.
        kms_key_id: KmsKeyId,
        /// Why.
        #[source]
        source: Box<CreateError>,
    },
    /// A test message could not be encrypted.
    #[error("no test message could be encrypted to key {fingerprint}")]
    Encrypt {
        /// The key.
        fingerprint: Fingerprint,
        /// Why.
        #[source]
        source: EncryptError,
    },
    /// The KMS key is not that private key.
    #[error(
        "KMS key {kms_key_id} does not sign or decrypt as key {fingerprint} does, so nothing was switched; delete it in AWS \
         KMS and try again"
    )]
    NotThatKey {
        /// The key.
        fingerprint: Fingerprint,
        /// The KMS key.
        kms_key_id: KmsKeyId,
    },
    /// There was no randomness.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    /// The keys cannot be listed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The store failed.
    #[error("the node's key store failed")]
    Store(#[from] StoreError),
}

impl MigrationError {
    pub(super) fn of_kms(
        fingerprint: &Fingerprint,
        kms_key_id: &KmsKeyId,
        step: ImportStep,
        source: KmsError,
    ) -> Self {
        let (fingerprint, kms_key_id) = (fingerprint.clone(), kms_key_id.clone());
        Self::Kms { fingerprint, kms_key_id, step, source: Box::new(source) }
    }
}

/// What may be the matter with a spec that not every KMS has.
fn hint(spec: &KeySpec) -> &'static str {
    match spec {
        KeySpec::EccNistEdwards25519 => {
            " (a KMS or Region without Ed25519 cannot hold it: with --rotate-ed25519 a new key takes its place)"
        }
        _ => "",
    }
}
