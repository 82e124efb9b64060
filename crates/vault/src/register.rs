//! Registering keys that an operator made in the KMS.
//!
//! Everything is checked there and then: that the key exists, is enabled, fits the purpose, is allowed on this node,
//! and that this node may use it (Sign with DryRun; a real round trip for Decrypt). Only then is anything stored, in
//! one transaction. An alias is resolved once, here: what is kept is the key's id, or its ARN where the
//! operator gave an ARN, because a re-pointed alias would put another key behind a fingerprint.
//! Source: <https://docs.aws.amazon.com/kms/latest/developerguide/alias-about.html>,
//! <https://docs.aws.amazon.com/kms/latest/developerguide/testing-permissions.html>.

mod error;

use std::sync::Arc;

use cantle_crypto::{EncryptionPublicKey, PublicKey, SigningPublicKey};
use cantle_kms::{
    CallMode, KeyMetadata, KeySpec, KeyState, KeyUsage, Kms, KmsKeyId, KmsKeyIdKind, KmsPublicKey,
    SigningAlgorithm,
};
use cantle_store::{Insertion, KeyOrigin, KmsMetadata};
use cantle_types::{KeyName, KeyPurpose};

use crate::key_scheme::{KeyScheme, key_usage};
use crate::options::Registrable;
use crate::trial::{RoundTrip, RoundTripError, round_trip};
use crate::vault::{Inner, Vault, VaultBackend};
pub use error::{KmsPublicKeyError, RegisterError, TrialError};

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
        if self.options.registrable == Registrable::MultiRegionKeys && !described.key_id.is_multi_region() {
            return Err(RegisterError::NotMultiRegion { key: key.clone() });
        }
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
            PublicKey::Encryption(public) => match round_trip(kms, kept, public).await {
                Ok(RoundTrip::Same) => {}
                Ok(RoundTrip::Other) => return Err(RegisterError::WrongPlaintext { key: key.clone() }),
                Err(RoundTripError::Trial(source)) => {
                    return Err(RegisterError::TrialEncryption { key: key.clone(), source });
                }
                Err(RoundTripError::Kms(error)) => return Err(of_kms(error)),
            },
        }
        Ok(())
    }
}

/// An emulator may leave the spec out of one answer.
fn is_missing(spec: &KeySpec) -> bool {
    matches!(spec, KeySpec::Unknown(name) if name.is_empty())
}

/// State and usage.
pub(crate) fn check_usable(
    key: &KmsKeyId,
    purpose: KeyPurpose,
    described: &KeyMetadata,
) -> Result<(), RegisterError> {
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
pub(crate) fn kept_name(given: &KmsKeyId, described: &KeyMetadata) -> KmsKeyId {
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
        cantle_crypto::SigningKeyScheme::EcDsaP256 => SigningAlgorithm::EcdsaSha256,
        cantle_crypto::SigningKeyScheme::EcDsaP384 => SigningAlgorithm::EcdsaSha384,
        cantle_crypto::SigningKeyScheme::Ed25519 => SigningAlgorithm::Ed25519Sha512,
    }
}
