//! Moving the private keys of provider jce into a KMS, as key material: the same keys behind the same fingerprints.
//!
//! Each key goes: journal, CreateKey with Origin EXTERNAL and tags, journal again, GetParametersForImport,
//! ImportKeyMaterial, DescribeKey and GetPublicKey until they answer, and a proof: a signature or a decryption by the
//! KMS that the registered public key confirms. Nothing of the node changes on the way; the last step is one transaction
//! of the store. An encryption key that no KMS can hold and that is in use stays in the store, to decrypt, until the
//! topology names another one and somebody deletes it. Whatever is interrupted is taken up where it stopped. Invariant: a private key is in clear in wiped
//! memory alone, and leaves it wrapped for the KMS.
//! Source: <https://docs.aws.amazon.com/kms/latest/developerguide/importing-keys.html>.

mod archive;
mod error;

use std::sync::Arc;

use cantle_crypto::{
    EncryptionKeyScheme, EncryptionPublicKey, KeyPair, PublicKey, Signature, SigningKeyScheme,
    SigningPublicKey, wrap_key_material,
};
use cantle_kms::{
    CallMode, CreateError, CreateKey, EncryptionAlgorithm, KeyMetadata, KeySpec, KeyState, Kms, KmsError,
    KmsKeyId, OriginType, wait_until_ready, wait_until_there,
};
use cantle_store::{CreationJournal, KeyCreation, KeyOrigin, KmsMetadata, RoleSetting, StoredPrivateKey};
use cantle_types::Fingerprint;

use crate::generate::Location;
use crate::info::{KeyFilter, PrivateKeyInfo};
use crate::options::KeyRole;
use crate::register::signing_algorithm;
use crate::vault::{Inner, Vault, VaultBackend};
use crate::{VaultError, WrapperKeyError};
pub use archive::{ArchiveError, ArchivedKey, KeyArchive};
pub use error::{ImportStep, MigrationError};

/// The journal's ids of imports start so; the key's fingerprint and something random follow.
const IMPORT: &str = "import-";

/// Whether a creation is of a key that a private key is imported into.
pub(crate) fn is_import(creation: &KeyCreation) -> bool {
    creation.id.starts_with(IMPORT)
}

/// What a migration does with a private key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyMove {
    /// Its material is imported into a KMS key of this spec.
    Import(KeySpec),
    /// No KMS holds such a key, and nothing needs it any more: it goes to the archive and is erased.
    Archive,
    /// The KMS does not hold such a key, and this needs it: a new KMS key takes its place, and it stays for whoever does not
    /// know that yet.
    Rotate(String),
}

/// What becomes of Ed25519 keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ed25519Keys {
    /// They are imported, as `ECC_NIST_EDWARDS25519`.
    #[default]
    Imported,
    /// The KMS has no such keys: new ones take their place.
    Replaced,
}

/// A private key and what a migration does with it.
#[derive(Debug, Clone)]
pub struct PlannedKey {
    /// The key.
    pub info: PrivateKeyInfo,
    /// What happens to it.
    pub step: KeyMove,
}

impl Vault {
    /// What a migration into a KMS would do with each private key of this node. `needed` says what needs a key, if
    /// anything does, and `ed25519` what the KMS can hold. Asks nobody and changes nothing.
    ///
    /// # Errors
    /// When the keys cannot be listed.
    pub async fn plan_migration(
        &self,
        needed: impl Fn(&Fingerprint) -> Option<String>,
        ed25519: Ed25519Keys,
    ) -> Result<Vec<PlannedKey>, VaultError> {
        let held = |spec: &KeySpec| *spec != KeySpec::EccNistEdwards25519 || ed25519 == Ed25519Keys::Imported;
        let planned = |info: PrivateKeyInfo| {
            let step = match (import_spec(&info.public).filter(held), needed(info.fingerprint())) {
                (Some(spec), _) => KeyMove::Import(spec),
                (None, None) => KeyMove::Archive,
                (None, Some(by)) => KeyMove::Rotate(by),
            };
            PlannedKey { info, step }
        };
        Ok(self.private_keys(&KeyFilter::default()).await?.into_iter().map(planned).collect())
    }

    /// All private keys of this node with their names, to be kept elsewhere. They are decrypted where they are
    /// encrypted with a wrapper key.
    ///
    /// # Errors
    /// When one cannot be read.
    pub async fn archive_keys(&self) -> Result<Vec<ArchivedKey>, MigrationError> {
        let mut archived = Vec::new();
        for info in self.private_keys(&KeyFilter::default()).await? {
            let fingerprint = info.fingerprint().clone();
            let pair = self.inner.key_pair(&fingerprint).await?;
            archived.push(ArchivedKey { fingerprint, name: info.name, pair: pair.to_versioned_bytes() });
        }
        Ok(archived)
    }

    /// Imports a private key into the KMS, or finds the KMS key that an earlier attempt imported it into, and proves that
    /// the KMS has it. Nothing of the node changes but its journal; nor that, where another one is given.
    ///
    /// Needs `kms:CreateKey`, `kms:TagResource`, `kms:GetParametersForImport`, `kms:ImportKeyMaterial`,
    /// `kms:DescribeKey`, `kms:GetPublicKey`, and `kms:Sign` or `kms:Decrypt`. The vault must be over
    /// [`VaultBackend::JceWrapped`]. `step` hears of each step that is done.
    ///
    /// # Errors
    /// [`MigrationError`] names key and step; the next attempt goes on from there.
    pub async fn import_into_kms(
        &self,
        key: &PlannedKey,
        role: KeyRole,
        journal: Option<&dyn CreationJournal>,
        step: impl Fn(ImportStep, &KmsKeyId) + Sync,
    ) -> Result<KmsMetadata, MigrationError> {
        let VaultBackend::JceWrapped(kms) = &self.inner.backend else {
            return Err(MigrationError::NoKms);
        };
        let KeyMove::Import(spec) = &key.step else {
            return Err(MigrationError::NotImportable { fingerprint: key.info.fingerprint().clone() });
        };
        let journal = journal.unwrap_or(&*self.inner.store);
        self.inner.import(kms, journal, &key.info, spec, role, &step).await
    }

    /// Makes the KMS the holder of this node's keys, in one transaction, and erases the private keys from the database's
    /// files. All of them but `kept`: the others that are not among `moved` are gone.
    ///
    /// # Errors
    /// [`MigrationError::Store`]; nothing has changed then, or all of it has but for the erasing, which
    /// [`Vault::erase_private_keys`] makes up for.
    pub async fn switch_to_kms(
        &self,
        moved: &[KmsMetadata],
        kept: &[Fingerprint],
    ) -> Result<(), MigrationError> {
        let store = &self.inner.store;
        store.setting_put(&RoleSetting::PrivateKeyRemains, b"clear").await?;
        store.keys_move_to_kms(moved, kept).await?;
        self.erase_private_keys().await
    }

    /// Deletes a private key that a migration has kept, and erases it from the database's files.
    ///
    /// # Errors
    /// When the store fails. Repeated, it makes up for what was not done.
    pub async fn end_kept(&self, fingerprint: &Fingerprint) -> Result<(), MigrationError> {
        let store = &self.inner.store;
        store.setting_put(&RoleSetting::PrivateKeyRemains, b"clear").await?;
        store.key_delete(fingerprint).await?;
        self.inner.forget(fingerprint);
        self.erase_private_keys().await
    }

    /// Erases what deleted private keys left in the database's files, if an earlier attempt did not come to it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn erase_private_keys(&self) -> Result<(), MigrationError> {
        match self.inner.erase_remains().await {
            Ok(()) => Ok(()),
            Err(WrapperKeyError::Store(error)) => Err(error.into()),
            Err(error) => unreachable!("erasing asks nobody but the store: {error}"),
        }
    }
}

/// The spec of a KMS key that can hold a key's material, if one can.
#[must_use]
pub fn import_spec(public: &PublicKey) -> Option<KeySpec> {
    match public {
        PublicKey::Signing(key) => Some(match key.scheme() {
            SigningKeyScheme::Ed25519 => KeySpec::EccNistEdwards25519,
            SigningKeyScheme::EcDsaP256 => KeySpec::EccNistP256,
            SigningKeyScheme::EcDsaP384 => KeySpec::EccNistP384,
        }),
        PublicKey::Encryption(key) => {
            (key.scheme() == EncryptionKeyScheme::Rsa2048OaepSha256).then_some(KeySpec::Rsa2048)
        }
    }
}

impl Inner {
    async fn key_pair(&self, fingerprint: &Fingerprint) -> Result<KeyPair, MigrationError> {
        let unreadable =
            |source| MigrationError::Key { fingerprint: fingerprint.clone(), source: Box::new(source) };
        let stored: Option<StoredPrivateKey> = self.store.private_key_find(fingerprint).await?;
        let stored = stored
            .ok_or_else(|| unreadable(crate::KeyUseError::Unknown { fingerprint: fingerprint.clone() }))?;
        let clear = self.in_clear(&stored).await.map_err(unreadable)?;
        KeyPair::from_versioned_bytes(&clear).map_err(|source| {
            unreadable(crate::KeyUseError::Unreadable { fingerprint: fingerprint.clone(), source })
        })
    }

    async fn import(
        &self,
        kms: &Arc<dyn Kms>,
        journal: &dyn CreationJournal,
        info: &PrivateKeyInfo,
        spec: &KeySpec,
        role: KeyRole,
        step: &(impl Fn(ImportStep, &KmsKeyId) + Sync),
    ) -> Result<KmsMetadata, MigrationError> {
        let fingerprint = info.fingerprint();
        let found = self.begun_import(kms, journal, fingerprint).await?;
        let described = match found {
            Some(described) => described,
            None => self.create_empty(kms, journal, info, spec, role).await?,
        };
        let key = described.key_id.clone();
        step(ImportStep::Created, &key);
        let failed = |of, source| MigrationError::of_kms(fingerprint, &key, of, source);
        if described.state != KeyState::Enabled {
            let parameters = kms.parameters_for_import(&key).await;
            let parameters = parameters.map_err(|error| failed(ImportStep::Parameters, error))?.value;
            let pair = self.key_pair(fingerprint).await?;
            let wrapped = wrap_key_material(&parameters.wrapping_key, &pair.to_pkcs8())
                .map_err(|source| MigrationError::Wrap { fingerprint: fingerprint.clone(), source })?;
            drop(pair);
            let imported = kms.import_key_material(&key, &parameters.token, &wrapped).await;
            imported.map_err(|error| failed(ImportStep::Imported, error))?;
        }
        step(ImportStep::Imported, &key);
        let readable = wait_until_ready(&**kms, &key, &self.options.create_key_check).await;
        let metadata = readable
            .map_err(|source| MigrationError::NotReadable {
                fingerprint: fingerprint.clone(),
                kms_key_id: key.clone(),
                source: Box::new(source),
            })?
            .0;
        prove(kms, &key, &info.public).await?;
        step(ImportStep::Proved, &key);
        Ok(KmsMetadata {
            fingerprint: fingerprint.clone(),
            kms_key_id: key.as_str().to_owned(),
            kms_key_arn: metadata.arn.as_ref().map(|arn| arn.as_str().to_owned()),
            purpose: info.purpose(),
            key_spec: spec.as_str().to_owned(),
            origin: KeyOrigin::Imported,
            created_at: self.clock.now(),
        })
    }

    /// The KMS key that an earlier attempt made for a private key, if it can still be used.
    async fn begun_import(
        &self,
        kms: &Arc<dyn Kms>,
        journal: &dyn CreationJournal,
        fingerprint: &Fingerprint,
    ) -> Result<Option<KeyMetadata>, MigrationError> {
        let prefix = format!("{IMPORT}{fingerprint}-");
        for creation in journal.creation_list().await? {
            if !creation.id.starts_with(&prefix) || creation.lost_at.is_some() {
                continue;
            }
            let key = match &creation.kms_key_id {
                Some(key) => key.clone(),
                None => match self.adopt_import(kms, journal, &creation).await {
                    Some(key) => key.to_string(),
                    None => continue,
                },
            };
            if let Ok(key) = KmsKeyId::parse(&key) {
                match kms.describe_key(&key).await {
                    Ok(reply) if matches!(reply.value.state, KeyState::PendingImport | KeyState::Enabled) => {
                        return Ok(Some(reply.value));
                    }
                    Ok(_) | Err(KmsError::NotFound { .. }) => {}
                    Err(error) => {
                        return Err(MigrationError::of_kms(fingerprint, &key, ImportStep::Created, error));
                    }
                }
            }
            tracing::warn!(kms_key_id = key, "the KMS key of an earlier attempt is gone or cannot be used");
            journal.creation_end(&creation.id).await?;
        }
        Ok(None)
    }

    /// The KMS key of an import whose CreateKey got no answer, found by its tag. What is not found is named as a possible
    /// orphan.
    async fn adopt_import(
        &self,
        kms: &Arc<dyn Kms>,
        journal: &dyn CreationJournal,
        creation: &KeyCreation,
    ) -> Option<KmsKeyId> {
        let noted = match self.locate(kms, creation, &OriginType::External).await {
            Ok(Location::Found(key)) => match journal.creation_made(&creation.id, key.as_str()).await {
                Ok(()) => return Some(key),
                Err(error) => Err(error),
            },
            _ => journal.creation_lost(&creation.id, self.clock.now()).await,
        };
        tracing::warn!(
            creation = %creation.id,
            "a KMS key without material may be left of an earlier attempt; nobody needs it"
        );
        if let Err(error) = noted {
            tracing::warn!(creation = %creation.id, %error, "the journal of creations could not be written");
        }
        None
    }

    /// Makes a KMS key without material.
    async fn create_empty(
        &self,
        kms: &Arc<dyn Kms>,
        journal: &dyn CreationJournal,
        info: &PrivateKeyInfo,
        spec: &KeySpec,
        role: KeyRole,
    ) -> Result<KeyMetadata, MigrationError> {
        let fingerprint = info.fingerprint();
        let creation = KeyCreation {
            id: format!("{IMPORT}{fingerprint}-{}", hex::encode(cantle_crypto::random_bytes::<4>()?)),
            purpose: info.purpose(),
            key_spec: spec.as_str().to_owned(),
            name: info.name.clone(),
            kms_key_id: None,
            started_at: self.clock.now(),
            lost_at: None,
        };
        journal.creation_begin(&creation).await?;
        let request = CreateKey { origin: OriginType::External, ..self.request(&creation, role) };
        let failed = |source| MigrationError::NotMade {
            fingerprint: fingerprint.clone(),
            spec: spec.clone(),
            creation: creation.id.clone(),
            source: Box::new(source),
        };
        let key = self.create(kms, journal, &creation, &request).await?;
        let key = key.map_err(|source| failed(CreateError::NotCreated { source }))?;
        let wait = &self.options.create_key_check;
        wait_until_there(&**kms, &key, KeyState::PendingImport, wait).await.map_err(failed)
    }
}

/// Proves that a KMS key is the private part of a public key.
async fn prove(kms: &Arc<dyn Kms>, key: &KmsKeyId, public: &PublicKey) -> Result<(), MigrationError> {
    let proved = match public {
        PublicKey::Signing(public) => signs_as(kms, key, public).await?,
        PublicKey::Encryption(public) => decrypts_as(kms, key, public).await?,
    };
    if proved {
        return Ok(());
    }
    Err(MigrationError::NotThatKey { fingerprint: public.fingerprint().clone(), kms_key_id: key.clone() })
}

async fn signs_as(
    kms: &Arc<dyn Kms>,
    key: &KmsKeyId,
    public: &SigningPublicKey,
) -> Result<bool, MigrationError> {
    // No hash of Canton's has this form, so the signature is good for nothing else.
    let message = [b"cantle import ".as_slice(), &cantle_crypto::random_bytes::<32>()?].concat();
    let signed = kms.sign(key, &message, signing_algorithm(public), CallMode::Execute).await;
    let signed = signed
        .map_err(|error| MigrationError::of_kms(public.fingerprint(), key, ImportStep::Proved, error))?;
    Ok(public.verify(&message, &Signature::new(signed.value, public.fingerprint().clone())).is_ok())
}

async fn decrypts_as(
    kms: &Arc<dyn Kms>,
    key: &KmsKeyId,
    public: &EncryptionPublicKey,
) -> Result<bool, MigrationError> {
    let message = cantle_crypto::random_bytes::<32>()?;
    let ciphertext = public
        .encrypt(&message)
        .map_err(|source| MigrationError::Encrypt { fingerprint: public.fingerprint().clone(), source })?;
    let algorithm = EncryptionAlgorithm::RsaesOaepSha256;
    match kms.decrypt(key, &ciphertext, algorithm, CallMode::Execute).await {
        Ok(reply) => Ok(reply.value.as_slice() == message),
        Err(KmsError::InvalidCiphertext { .. } | KmsError::IncorrectKey { .. }) => Ok(false),
        Err(error) => Err(MigrationError::of_kms(public.fingerprint(), key, ImportStep::Proved, error)),
    }
}
