//! Registering keys that an operator made in the KMS.
//!
//! Everything is checked there and then: that the key exists, is enabled, fits the purpose, is allowed on this node,
//! and that this node may use it (Sign with DryRun; a real round trip for Decrypt). Only then is anything stored, in
//! one transaction. An alias is resolved once, here: what is kept is the key's id, or its ARN where the
//! operator gave an ARN, because a re-pointed alias would put another key behind a fingerprint.
//! Source: <https://docs.aws.amazon.com/kms/latest/developerguide/alias-about.html>,
//! <https://docs.aws.amazon.com/kms/latest/developerguide/testing-permissions.html>.

use std::sync::Arc;

use cantle_crypto::{EncryptionPublicKey, PublicKey, PublicKeyError, SigningPublicKey, StrictKeyError};
use cantle_kms::{
    CallMode, EncryptionAlgorithm, KeyMetadata, KeySpec, KeyState, KeyUsage, Kms, KmsError, KmsKeyId,
    KmsKeyIdKind, KmsPublicKey, SigningAlgorithm,
};
use cantle_store::{CryptoProvider, Insertion, KeyOrigin, KmsMetadata, StoreError};
use cantle_types::{KeyName, KeyPurpose};

use crate::generate::{KeyScheme, key_usage};
use crate::scheme::SchemeError;
use crate::vault::{Inner, Vault, VaultBackend};

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

    fn of_kms(key: &KmsKeyId, purpose: KeyPurpose, error: KmsError) -> Self {
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

/// Reads and strictly checks a public key of the KMS.
pub(crate) fn read_public_key(
    scheme: KeyScheme,
    spec: &KeySpec,
    answer: KmsPublicKey,
) -> Result<PublicKey, KmsPublicKeyError> {
    let usage = key_usage(scheme.purpose());
    let no_usage = matches!(&answer.usage, KeyUsage::Unknown(name) if name.is_empty());
    for (differs, public_key, described) in [
        (answer.usage != usage && !no_usage, answer.usage.as_str(), usage.as_str()),
        (answer.spec != *spec && !is_missing(&answer.spec), answer.spec.as_str(), spec.as_str()),
    ] {
        if differs {
            let (public_key, described) = (public_key.to_owned(), described.to_owned());
            return Err(KmsPublicKeyError::Contradiction { public_key, described });
        }
    }
    let public = scheme.public_key(answer.der)?;
    public.check_strict()?;
    Ok(public)
}

impl Vault {
    /// Registers a KMS key of KeyUsage SIGN_VERIFY as a signing key of this node, under a name if one is given.
    ///
    /// Sends DescribeKey, GetPublicKey and Sign with DryRun, which need `kms:DescribeKey`, `kms:GetPublicKey` and
    /// `kms:Sign`. A KMS key that is registered already, under whatever name of it, is returned as it is; it keeps its
    /// name unless it had none.
    ///
    /// # Errors
    /// [`RegisterError`] names key, rule and remedy; nothing is stored then.
    pub async fn register_kms_signing_key(
        &self,
        key: &KmsKeyId,
        name: Option<KeyName>,
    ) -> Result<SigningPublicKey, RegisterError> {
        match self.inner.register(key, KeyPurpose::Signing, name).await? {
            PublicKey::Signing(public) => Ok(public),
            PublicKey::Encryption(_) => unreachable!("the purpose was signing"),
        }
    }

    /// Registers a KMS key of KeyUsage ENCRYPT_DECRYPT as an encryption key of this node.
    ///
    /// As [`Vault::register_kms_signing_key`], with a Decrypt of a random test message in place of Sign, which needs
    /// `kms:Decrypt`.
    ///
    /// # Errors
    /// [`RegisterError`] names key, rule and remedy; nothing is stored then.
    pub async fn register_kms_encryption_key(
        &self,
        key: &KmsKeyId,
        name: Option<KeyName>,
    ) -> Result<EncryptionPublicKey, RegisterError> {
        match self.inner.register(key, KeyPurpose::Encryption, name).await? {
            PublicKey::Encryption(public) => Ok(public),
            PublicKey::Signing(_) => unreachable!("the purpose was encryption"),
        }
    }
}

impl Inner {
    async fn register(
        &self,
        key: &KmsKeyId,
        purpose: KeyPurpose,
        name: Option<KeyName>,
    ) -> Result<PublicKey, RegisterError> {
        let VaultBackend::Kms(kms) = &self.backend else {
            return Err(RegisterError::NotKms { key: key.clone(), provider: self.backend.provider() });
        };
        let of_kms = |error| RegisterError::of_kms(key, purpose, error);
        // Side by side, unless an alias has to be resolved first: both answers must be of one key.
        let early = async { if key.is_alias() { None } else { Some(kms.public_key(key).await) } };
        let (described, early) = tokio::join!(kms.describe_key(key), early);
        let described = described.map_err(of_kms)?.value;
        check_usable(key, purpose, &described)?;
        let kept = kept_name(key, &described);
        let answer = match early {
            Some(answer) => answer,
            None => kms.public_key(&kept).await,
        };
        // What DescribeKey says comes first: a symmetric key, say, has no public key to ask for.
        if !is_missing(&described.spec) {
            self.scheme(key, purpose, &described.spec)?;
        }
        let answer = answer.map_err(of_kms)?.value;
        let spec = if is_missing(&described.spec) { answer.spec.clone() } else { described.spec.clone() };
        let scheme = self.scheme(key, purpose, &spec)?;
        let public = read_public_key(scheme, &spec, answer)
            .map_err(|source| RegisterError::PublicKey { key: key.clone(), source })?;
        self.try_out(kms, key, &kept, &public).await?;

        let metadata = KmsMetadata {
            fingerprint: public.fingerprint().clone(),
            kms_key_id: kept.as_str().to_owned(),
            kms_key_arn: described.arn.as_ref().map(|arn| arn.as_str().to_owned()),
            purpose,
            key_spec: spec.as_str().to_owned(),
            origin: KeyOrigin::Registered,
            created_at: self.clock.now(),
        };
        let failed = |source| RegisterError::Store { key: key.clone(), source: Box::new(source) };
        let insertion = self.store.kms_key_insert(&public, name.as_ref(), &metadata).await.map_err(failed)?;
        match insertion {
            Insertion::Inserted => tracing::info!(
                fingerprint = %public.fingerprint(),
                kms_key_id = %kept,
                "registered KMS key {key} as {purpose} key"
            ),
            Insertion::Existing { name } => tracing::info!(
                fingerprint = %public.fingerprint(),
                kms_key_id = %kept,
                "KMS key {key} is already registered as {purpose} key {:?}; nothing is changed",
                name.as_ref().map_or("", KeyName::as_str)
            ),
        }
        Ok(public)
    }

    /// The scheme of a spec, if this node may have such keys.
    fn scheme(
        &self,
        key: &KmsKeyId,
        purpose: KeyPurpose,
        spec: &KeySpec,
    ) -> Result<KeyScheme, RegisterError> {
        let Some(scheme) = KeyScheme::of_spec(purpose, spec) else {
            return Err(RegisterError::WrongSpec { key: key.clone(), spec: spec.clone(), purpose });
        };
        let allowed = match scheme {
            KeyScheme::Signing(scheme) => self.options.signing.check(scheme),
            KeyScheme::Encryption(scheme) => self.options.encryption.check(scheme),
        };
        match allowed {
            Ok(()) => Ok(scheme),
            Err(source) => {
                Err(RegisterError::SchemeNotAllowed { key: key.clone(), spec: spec.clone(), source })
            }
        }
    }

    /// Whether this node may use the key.
    async fn try_out(
        &self,
        kms: &Arc<dyn Kms>,
        key: &KmsKeyId,
        kept: &KmsKeyId,
        public: &PublicKey,
    ) -> Result<(), RegisterError> {
        let of_kms = |error| RegisterError::of_kms(key, public.purpose(), error);
        match public {
            PublicKey::Signing(public) => {
                let algorithm = signing_algorithm(public);
                kms.sign(kept, b"cantle", algorithm, CallMode::DryRun).await.map_err(of_kms)?;
            }
            PublicKey::Encryption(public) => {
                // DryRun would accept any ciphertext; this shows that padding and key belong together, too.
                let trial = || -> Result<_, TrialError> {
                    let message = cantle_crypto::random_bytes::<32>()?;
                    Ok((message, public.encrypt(&message)?))
                };
                let (message, ciphertext) =
                    trial().map_err(|source| RegisterError::TrialEncryption { key: key.clone(), source })?;
                let algorithm = EncryptionAlgorithm::RsaesOaepSha256;
                let answer = kms.decrypt(kept, &ciphertext, algorithm, CallMode::Execute).await;
                let plaintext = match answer {
                    Err(KmsError::InvalidCiphertext { .. } | KmsError::IncorrectKey { .. }) => None,
                    answer => Some(answer.map_err(of_kms)?.value),
                };
                if plaintext.is_none_or(|plaintext| plaintext.as_slice() != message) {
                    return Err(RegisterError::WrongPlaintext { key: key.clone() });
                }
            }
        }
        Ok(())
    }
}

/// An emulator may leave the spec out of one answer.
fn is_missing(spec: &KeySpec) -> bool {
    matches!(spec, KeySpec::Unknown(name) if name.is_empty())
}

/// State and usage.
fn check_usable(key: &KmsKeyId, purpose: KeyPurpose, described: &KeyMetadata) -> Result<(), RegisterError> {
    let key = || key.clone();
    if described.usage != key_usage(purpose) {
        return Err(RegisterError::WrongUsage { key: key(), usage: described.usage.clone(), purpose });
    }
    match &described.state {
        KeyState::Enabled => Ok(()),
        KeyState::Disabled => Err(RegisterError::Disabled { key: key() }),
        KeyState::PendingDeletion | KeyState::PendingReplicaDeletion => {
            Err(RegisterError::PendingDeletion { key: key() })
        }
        state => Err(RegisterError::NotEnabled { key: key(), state: state.clone() }),
    }
}

/// What is kept of a key's name: never an alias; an ARN where the operator named it by one, else the id.
fn kept_name(given: &KmsKeyId, described: &KeyMetadata) -> KmsKeyId {
    let arn = described.arn.clone();
    match given.kind() {
        KmsKeyIdKind::KeyArn => given.clone(),
        KmsKeyIdKind::AliasArn => arn.unwrap_or_else(|| described.key_id.clone()),
        KmsKeyIdKind::KeyId | KmsKeyIdKind::AliasName => described.key_id.clone(),
    }
}

/// The algorithm that the KMS signs with for a key.
pub(crate) fn signing_algorithm(public: &SigningPublicKey) -> SigningAlgorithm {
    match public.scheme() {
        cantle_crypto::SigningKeyScheme::EcDsaP384 => SigningAlgorithm::EcdsaSha384,
        _ => SigningAlgorithm::EcdsaSha256,
    }
}
