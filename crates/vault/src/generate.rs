//! Making keys, in the KMS or in software.
//!
//! With provider kms a creation goes: journal, CreateKey with tags, journal again with the key's id, DescribeKey and
//! GetPublicKey until they answer, a strict look at the public key, one round trip through an encryption key, and one
//! store transaction of public key, name and
//! KMS metadata that also ends the journal entry. Whatever fails on the way, the next attempt for a key of the same
//! name and kind, or the next start, goes on with the KMS key that was made: see [`unfinished`].
//! Source: <https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html>.

mod unfinished;

use std::sync::Arc;

use cantle_crypto::{
    EncryptionKeyScheme, EncryptionPublicKey, PrivateKeyError, PublicKey, RandomnessError, SigningKeyScheme,
    SigningPublicKey,
};
use cantle_kms::{
    CreateError, CreateKey, CreationPoll, KeySpec, Kms, KmsError, KmsKeyId, Operation, OriginType,
    wait_until_ready,
};
use cantle_store::{CreationJournal, KeyCreation, KeyOrigin, KmsMetadata, StoreError};
use cantle_types::{KeyName, KeyPurpose};

use crate::key_scheme::{KeyScheme, key_usage};
use crate::options::KeyRole;
use crate::private;
use crate::register::{KmsPublicKeyError, TrialError, read_public_key};
use crate::scheme::SchemeError;
use crate::trial::{RoundTrip, RoundTripError, round_trip};
use crate::vault::{Inner, Vault, VaultBackend};
use crate::wrapping::WrapperKeyError;
pub(crate) use unfinished::{Location, SettleError, Settled};

/// Why a key could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// The node may not have keys of that scheme. Nothing was made.
    #[error(transparent)]
    Scheme(#[from] SchemeError),
    /// The KMS did not make the key, or made one that cannot be used.
    #[error("{purpose} key {name:?} could not be made: {source}{}", after(source, creation))]
    Kms {
        /// What the key was for.
        purpose: KeyPurpose,
        /// Its name.
        name: String,
        /// The value of the tag `CantleCreation` that the KMS key has, if there is one.
        creation: String,
        /// What failed; says whether a KMS key exists now.
        source: Box<CreateError>,
    },
    /// The KMS made a key whose public part is not one of that scheme.
    #[error("KMS key {kms_key_id} was made, but its public key cannot be used; delete it in AWS KMS")]
    PublicKey {
        /// The KMS key.
        kms_key_id: KmsKeyId,
        /// What is wrong with it.
        #[source]
        source: KmsPublicKeyError,
    },
    /// The KMS made the key and does not decrypt what its public part encrypts.
    #[error(
        "KMS key {kms_key_id} was made, but does not decrypt what its public key encrypts; delete it in AWS KMS"
    )]
    WrongPlaintext {
        /// The KMS key.
        kms_key_id: KmsKeyId,
    },
    /// The KMS made the key, but a round trip through it could not be made.
    #[error(
        "KMS key {kms_key_id} was made but could not be tried out; the next attempt for a key of this name goes on with it"
    )]
    NotTried {
        /// The KMS key.
        kms_key_id: KmsKeyId,
        /// What the KMS said.
        #[source]
        source: Box<KmsError>,
    },
    /// Nothing could be encrypted with the public part of the key that the KMS made.
    #[error("nothing can be encrypted with the public key of KMS key {kms_key_id}, which was made")]
    TrialEncryption {
        /// The KMS key.
        kms_key_id: KmsKeyId,
        /// Why.
        #[source]
        source: TrialError,
    },
    /// The KMS made the key, but it could not be stored.
    #[error(
        "KMS key {kms_key_id} was made but could not be stored; the next attempt uses it, or register it with \
         register_kms_{purpose}_key"
    )]
    NotStored {
        /// The KMS key.
        kms_key_id: KmsKeyId,
        /// What the key is for.
        purpose: KeyPurpose,
        /// What the store said.
        #[source]
        source: Box<StoreError>,
    },
    /// A software key could not be made.
    #[error("a software key could not be made")]
    Software(#[from] PrivateKeyError),
    /// The operating system gave no random numbers.
    #[error("no random numbers for a new key")]
    Randomness(#[from] RandomnessError),
    /// The store failed before a key was made.
    #[error("the node's key store failed; no key was made")]
    Store(#[from] StoreError),
    /// The new software key could not be encrypted with the wrapper key, and was not stored.
    #[error("the new key could not be stored")]
    Wrapper(#[source] Box<WrapperKeyError>),
    /// The node is stopping.
    #[error("the node stopped while the key was made; the next start says what became of it")]
    Stopped,
}

impl From<WrapperKeyError> for GenerateError {
    fn from(error: WrapperKeyError) -> Self {
        match error {
            WrapperKeyError::Store(error) => Self::Store(error),
            error => Self::Wrapper(Box::new(error)),
        }
    }
}

/// What the operator has to know of a KMS key that exists, or may.
fn after(error: &CreateError, creation: &str) -> String {
    match error {
        CreateError::NotCreated { source } if source.operation() != Operation::CreateKey => String::new(),
        CreateError::NotCreated { source } if source.surely_not_executed() => String::new(),
        CreateError::NotCreated { .. } => {
            format!(" A KMS key may have been made; it has the tag CantleCreation={creation}")
        }
        _ => ". The next attempt for a key of this name goes on with that KMS key".to_owned(),
    }
}

impl GenerateError {
    /// The KMS key that was made without being stored, if its id is known.
    #[must_use]
    pub fn created(&self) -> Option<&KmsKeyId> {
        match self {
            Self::Kms { source, .. } => source.created(),
            Self::PublicKey { kms_key_id, .. }
            | Self::WrongPlaintext { kms_key_id }
            | Self::NotTried { kms_key_id, .. }
            | Self::TrialEncryption { kms_key_id, .. }
            | Self::NotStored { kms_key_id, .. } => Some(kms_key_id),
            _ => None,
        }
    }
}

impl Vault {
    /// Makes a signing key: in the KMS (CreateKey, DescribeKey, GetPublicKey) or in software.
    ///
    /// A KMS key that the operator registered under this name is this key: it is returned, and none is made. That is
    /// how the manual's procedures, which generate keys by name, run with keys made beforehand and without
    /// `kms:CreateKey`. Otherwise every call makes a new key, also under a name that is taken: see
    /// [`Vault::find_by_name`] for getOrCreate. Calls run side by side. Dropping the call does not stop it. Needs `kms:CreateKey`, `kms:TagResource`,
    /// `kms:DescribeKey` and `kms:GetPublicKey`.
    ///
    /// # Errors
    /// [`GenerateError`] says whether a KMS key exists now.
    pub async fn generate_signing_key(
        &self,
        name: Option<KeyName>,
        scheme: Option<SigningKeyScheme>,
        role: KeyRole,
    ) -> Result<SigningPublicKey, GenerateError> {
        let schemes = &self.inner.options.signing;
        let asked = scheme.map(KeyScheme::Signing);
        let scheme = scheme.unwrap_or_else(|| schemes.default_scheme());
        schemes.check(scheme)?;
        let made = match self.registered(name.as_ref(), KeyPurpose::Signing, asked).await? {
            Some(registered) => registered,
            None => self.generate(KeyScheme::Signing(scheme), name, role).await?,
        };
        match made {
            PublicKey::Signing(key) => Ok(key),
            PublicKey::Encryption(_) => unreachable!("a signing scheme makes a signing key"),
        }
    }

    /// Makes an encryption key, as [`Vault::generate_signing_key`] does, and tries it out with one Decrypt, which needs
    /// `kms:Decrypt`.
    ///
    /// # Errors
    /// [`GenerateError`] says whether a KMS key exists now.
    pub async fn generate_encryption_key(
        &self,
        name: Option<KeyName>,
        scheme: Option<EncryptionKeyScheme>,
        role: KeyRole,
    ) -> Result<EncryptionPublicKey, GenerateError> {
        let schemes = &self.inner.options.encryption;
        let asked = scheme.map(KeyScheme::Encryption);
        let scheme = scheme.unwrap_or_else(|| schemes.default_scheme());
        schemes.check(scheme)?;
        let made = match self.registered(name.as_ref(), KeyPurpose::Encryption, asked).await? {
            Some(registered) => registered,
            None => self.generate(KeyScheme::Encryption(scheme), name, role).await?,
        };
        match made {
            PublicKey::Encryption(key) => Ok(key),
            PublicKey::Signing(_) => unreachable!("an encryption scheme makes an encryption key"),
        }
    }

    /// The KMS key that the operator registered under a name, unless another scheme was asked for.
    async fn registered(
        &self,
        name: Option<&KeyName>,
        purpose: KeyPurpose,
        asked: Option<KeyScheme>,
    ) -> Result<Option<PublicKey>, StoreError> {
        let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(None) };
        let store = &self.inner.store;
        for stored in store.public_key_list().await? {
            if stored.name.as_ref() != Some(name) || stored.key.purpose() != purpose {
                continue;
            }
            if asked.is_some_and(|asked| asked != KeyScheme::of(&stored.key)) {
                continue;
            }
            if let Some(metadata) = store.kms_metadata_find(stored.key.fingerprint()).await?
                && metadata.origin == KeyOrigin::Registered
            {
                tracing::info!(
                    kms_key_id = %metadata.kms_key_id,
                    "the key named {name} was registered beforehand and is used; no key is made"
                );
                return Ok(Some(stored.key));
            }
        }
        Ok(None)
    }

    async fn generate(
        &self,
        scheme: KeyScheme,
        name: Option<KeyName>,
        role: KeyRole,
    ) -> Result<PublicKey, GenerateError> {
        let name = name.filter(|name| !name.is_empty());
        let inner = Arc::clone(&self.inner);
        // A task of its own: a caller that hangs up must not leave a KMS key that nobody knows.
        let task = self.inner.creations.spawn(async move {
            match inner.backend.clone() {
                VaultBackend::Kms(kms) => inner.generate_in_kms(&kms, scheme, name, role).await,
                VaultBackend::Jce | VaultBackend::JceWrapped(_) => {
                    inner.generate_in_software(scheme, name).await
                }
            }
        });
        match task.await {
            Ok(result) => result,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(GenerateError::Stopped),
        }
    }
}

impl Inner {
    async fn generate_in_software(
        &self,
        scheme: KeyScheme,
        name: Option<KeyName>,
    ) -> Result<PublicKey, GenerateError> {
        // An RSA key takes long enough to hold up other tasks.
        let made = tokio::task::spawn_blocking(move || private::generate(scheme)).await;
        let (public, stored) = match made {
            Ok(made) => made?,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => return Err(GenerateError::Stopped),
        };
        self.insert_private(&public, name.as_ref(), stored).await?;
        tracing::info!(fingerprint = %public.fingerprint(), "made a {} key in software", public.purpose());
        Ok(public)
    }

    async fn generate_in_kms(
        self: &Arc<Self>,
        kms: &Arc<dyn Kms>,
        scheme: KeyScheme,
        name: Option<KeyName>,
        role: KeyRole,
    ) -> Result<PublicKey, GenerateError> {
        let purpose = scheme.purpose();
        let spec = scheme.key_spec().expect("a scheme that passed the check has a KMS key spec");
        // What an earlier process left may be just this key.
        drop(self.reconciling.lock().await);
        if let Some((creation, _mark)) = self.take_unfinished(kms, purpose, &spec, name.as_ref()).await? {
            return self.finish(kms, scheme, creation, role).await;
        }
        let creation = KeyCreation {
            id: hex::encode(cantle_crypto::random_bytes::<16>()?),
            purpose,
            key_spec: spec.as_str().to_owned(),
            name,
            kms_key_id: None,
            started_at: self.clock.now(),
            lost_at: None,
        };
        let _mark = self.mark_creating(&creation.id);
        self.store.creation_begin(&creation).await?;
        self.finish(kms, scheme, creation, role).await
    }

    /// Makes the key unless that is done, waits for it and stores it.
    async fn finish(
        &self,
        kms: &Arc<dyn Kms>,
        scheme: KeyScheme,
        creation: KeyCreation,
        role: KeyRole,
    ) -> Result<PublicKey, GenerateError> {
        let purpose = creation.purpose;
        let failed = |source| GenerateError::Kms {
            purpose,
            name: shown(creation.name.as_ref()),
            creation: creation.id.clone(),
            source: Box::new(source),
        };
        let spec = KeySpec::from_name(&creation.key_spec);
        let kms_key_id = match creation.kms_key_id.as_deref().and_then(|key| KmsKeyId::parse(key).ok()) {
            Some(key) => key,
            None => match self.create(kms, &*self.store, &creation, &self.request(&creation, role)).await? {
                Ok(key) => key,
                Err(source) => return Err(failed(CreateError::NotCreated { source })),
            },
        };
        let ready = wait_until_ready(kms, &kms_key_id, &self.options.create_key_check).await;
        let (metadata, public_key) = ready.map_err(failed)?;
        let public = match read_public_key(scheme, &spec, public_key) {
            Ok(public) => public,
            Err(source) => {
                // No later attempt could do better with this key.
                self.lose(&creation, "its public key cannot be used").await?;
                return Err(GenerateError::PublicKey { kms_key_id, source });
            }
        };
        if let PublicKey::Encryption(encryption) = &public {
            self.try_out_made(kms, &creation, &kms_key_id, encryption).await?;
        }
        let row = KmsMetadata {
            fingerprint: public.fingerprint().clone(),
            kms_key_id: kms_key_id.as_str().to_owned(),
            kms_key_arn: metadata.arn.as_ref().map(|arn| arn.as_str().to_owned()),
            purpose,
            key_spec: creation.key_spec.clone(),
            origin: KeyOrigin::Generated,
            created_at: creation.started_at,
        };
        let stored = self.store.kms_key_insert(&public, creation.name.as_ref(), &row).await;
        match stored {
            Ok(_) => {
                tracing::info!(
                    fingerprint = %public.fingerprint(),
                    %kms_key_id,
                    "made the {purpose} key {:?} in the KMS", shown(creation.name.as_ref())
                );
                Ok(public)
            }
            Err(source) => Err(GenerateError::NotStored { kms_key_id, purpose, source: Box::new(source) }),
        }
    }

    /// One round trip through an encryption key that was made, as through one that is registered. A key that is not
    /// known everywhere yet is waited for.
    async fn try_out_made(
        &self,
        kms: &Arc<dyn Kms>,
        creation: &KeyCreation,
        key: &KmsKeyId,
        public: &EncryptionPublicKey,
    ) -> Result<(), GenerateError> {
        let CreationPoll { initial_delay, max_delay, max_retries } = self.options.create_key_check;
        let mut pause = initial_delay;
        for left in (0..=max_retries).rev() {
            match round_trip(kms, key, public).await {
                Ok(RoundTrip::Same) => return Ok(()),
                Ok(RoundTrip::Other) => {
                    self.lose(creation, "it does not decrypt what its public key encrypts").await?;
                    return Err(GenerateError::WrongPlaintext { kms_key_id: key.clone() });
                }
                Err(RoundTripError::Kms(KmsError::NotFound { .. })) if left > 0 => {
                    tokio::time::sleep(pause).await;
                    pause = pause.saturating_mul(2).min(max_delay);
                }
                Err(RoundTripError::Kms(source)) => {
                    let source = Box::new(source);
                    return Err(GenerateError::NotTried { kms_key_id: key.clone(), source });
                }
                Err(RoundTripError::Trial(source)) => {
                    return Err(GenerateError::TrialEncryption { kms_key_id: key.clone(), source });
                }
            }
        }
        unreachable!("the last attempt has an answer")
    }

    /// What is asked for when the key of a creation is made.
    pub(crate) fn request(&self, creation: &KeyCreation, role: KeyRole) -> CreateKey {
        CreateKey {
            spec: KeySpec::from_name(&creation.key_spec),
            usage: key_usage(creation.purpose),
            description: shown(creation.name.as_ref()),
            tags: self.options.tags(role, &creation.id),
            multi_region: self.options.multi_region,
            origin: OriginType::AwsKms,
        }
    }

    /// CreateKey, sent once, and the key's id in the journal before anything else happens. After a lost answer the key
    /// is looked for, never made again.
    pub(crate) async fn create<J: CreationJournal + ?Sized>(
        &self,
        kms: &Arc<dyn Kms>,
        journal: &J,
        creation: &KeyCreation,
        request: &CreateKey,
    ) -> Result<Result<KmsKeyId, KmsError>, StoreError> {
        let key = match kms.create_key(request).await {
            Ok(reply) => reply.value.key_id,
            Err(error) if error.surely_not_executed() => {
                journal.creation_end(&creation.id).await?;
                return Ok(Err(error));
            }
            Err(error) => match self.locate(kms, creation, &request.origin).await {
                Ok(Location::Found(key)) => {
                    tracing::warn!(kms_key_id = %key, "the answer to CreateKey was lost, its key was found: {error}");
                    key
                }
                _ => return Ok(Err(error)),
            },
        };
        if let Err(error) = journal.creation_made(&creation.id, key.as_str()).await {
            // The key is still in hand; only a crash before it is stored would lose it.
            tracing::warn!(kms_key_id = %key, %error, "the new KMS key could not be written to the journal");
        }
        Ok(Ok(key))
    }
}

/// A name as it is shown; none is shown as the empty one.
fn shown(name: Option<&KeyName>) -> String {
    name.map(|name| name.as_str().to_owned()).unwrap_or_default()
}
