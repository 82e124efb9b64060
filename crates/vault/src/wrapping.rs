//! Wrapper keys: the private keys of provider jce, encrypted by a symmetric key of a KMS before they are stored.
//!
//! The KMS encrypts each private key itself (Encrypt), and what is stored is its ciphertext with the id of the wrapper
//! key, as Canton does; a decrypted key stays in memory while the node runs. Invariants: a ciphertext takes the place of
//! a private key only after it was decrypted to the same; all keys change together, in one transaction; no alias is
//! stored. A wrapper key is never deleted from here.
//! Source: <https://docs.daml.com/canton/usermanual/kms/kms.html>, "Encrypted private key storage".

mod error;

use std::sync::Arc;

use cantle_crypto::{KeyPair, PublicKey};
use cantle_kms::{
    CallMode, CreateError, CreateKey, EncryptionAlgorithm, KeyMetadata, KeySpec, KeyState, KeyUsage, Kms,
    KmsError, KmsKeyId, wait_until_there,
};
use cantle_store::{
    Erasure, Insertion, KeyCreation, PrivateKeyEntry, RoleSetting, StoreError, StoredPrivateKey,
};
use cantle_types::{Fingerprint, KeyName, KeyPurpose};
use futures::{StreamExt, TryStreamExt, stream};
use zeroize::Zeroizing;

use crate::generate::{SettleError, Settled};
use crate::options::KeyRole;
use crate::register::kept_name;
use crate::use_key::KeyUseError;
use crate::vault::{Inner, Vault, VaultBackend};
pub use error::WrapperKeyError;

/// How many requests are under way at once.
const SIDE_BY_SIDE: usize = 8;
const SYMMETRIC: EncryptionAlgorithm = EncryptionAlgorithm::SymmetricDefault;
const WRAPPER_SPEC: KeySpec = KeySpec::SymmetricDefault;

/// `crypto.private-key-store.encryption`: what is to become of the stored private keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrapping {
    /// They are encrypted, with this key (id, ARN or alias) or with one that is made. Once they are, the key in the
    /// store counts, whatever is named here.
    Encrypted(Option<KmsKeyId>),
    /// They are decrypted and stored in clear.
    Reverted,
}

impl Vault {
    /// Brings the stored private keys of provider jce into the state that the configuration wants: encrypts clear ones
    /// (`kms:DescribeKey`, `kms:Encrypt`, `kms:Decrypt`; `kms:CreateKey` and `kms:TagResource` for a new wrapper key), or
    /// decrypts encrypted ones, in one transaction, and erases what that left in the database's files.
    ///
    /// Needs a vault over [`VaultBackend::JceWrapped`] unless nothing is wanted.
    ///
    /// # Errors
    /// [`WrapperKeyError`]; all keys are stored as they were.
    pub async fn prepare_private_keys(&self, wanted: Option<Wrapping>) -> Result<(), WrapperKeyError> {
        let inner = &self.inner;
        let entries = inner.store.private_key_list().await?;
        let recorded = entries.iter().rev().find_map(|entry| entry.wrapper_key_id.clone());
        match (&inner.backend, wanted) {
            (VaultBackend::JceWrapped(kms), Some(Wrapping::Encrypted(configured))) => {
                let key = match recorded {
                    Some(recorded) => inner.recorded_wrapper(kms, recorded, configured.as_ref()).await?,
                    None => inner.first_wrapper(kms, configured.as_ref()).await?,
                };
                inner.encrypt_clear(kms, &key, &entries).await?;
                *inner.wrapper.write().await = Some(key);
            }
            (VaultBackend::JceWrapped(_), Some(Wrapping::Reverted)) => inner.decrypt_all(&entries).await?,
            (_, Some(_)) => return Err(WrapperKeyError::NotEncrypted),
            (VaultBackend::Kms(_), None) => inner.name_kept(&entries),
            (_, None) => {
                if let Some(wrapper_key_id) = recorded {
                    return Err(WrapperKeyError::NotConfigured { keys: entries.len(), wrapper_key_id });
                }
            }
        }
        inner.erase_remains().await
    }

    /// The wrapper key that the stored private keys are encrypted with.
    ///
    /// # Errors
    /// [`WrapperKeyError::NotEncrypted`].
    pub async fn wrapper_key_id(&self) -> Result<KmsKeyId, WrapperKeyError> {
        self.inner.wrapper.read().await.clone().ok_or(WrapperKeyError::NotEncrypted)
    }

    /// Encrypts all stored private keys with another wrapper key, given by id, ARN or alias, or made if none is given, in
    /// one transaction. Answers its id as it is stored. The old wrapper key is not touched.
    ///
    /// Goes on when the call is dropped, so that no new KMS key is forgotten.
    ///
    /// # Errors
    /// [`WrapperKeyError`]; all keys are encrypted with the old key then.
    pub async fn rotate_wrapper_key(&self, new: Option<KmsKeyId>) -> Result<KmsKeyId, WrapperKeyError> {
        let inner = Arc::clone(&self.inner);
        match self.inner.creations.spawn(async move { inner.rotate(new).await }).await {
            Ok(result) => result,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(WrapperKeyError::Stopped),
        }
    }
}

impl Inner {
    /// Stores a private key that is in clear: encrypted, where keys are.
    pub(crate) async fn insert_private(
        &self,
        public: &PublicKey,
        name: Option<&KeyName>,
        clear: StoredPrivateKey,
    ) -> Result<Insertion, WrapperKeyError> {
        // Held to the end, so that a rotation finds the key.
        let wrapper = self.wrapper.read().await;
        let stored = match (&self.backend, &*wrapper) {
            (VaultBackend::JceWrapped(kms), Some(key)) => encrypted(kms, key, clear).await?,
            _ => clear,
        };
        Ok(self.store.private_key_insert(public, name, &stored).await?)
    }

    /// The bytes of a stored private key, decrypted where they are encrypted (`kms:Decrypt`).
    pub(crate) async fn in_clear(
        &self,
        stored: &StoredPrivateKey,
    ) -> Result<Zeroizing<Vec<u8>>, KeyUseError> {
        let Some(wrapper_key_id) = &stored.wrapper_key_id else { return Ok(stored.key.clone()) };
        let (fingerprint, wrapper_key_id) = (stored.fingerprint.clone(), wrapper_key_id.clone());
        // With provider kms it is a key that a migration has kept.
        let (VaultBackend::JceWrapped(kms) | VaultBackend::Kms(kms)) = &self.backend else {
            return Err(KeyUseError::Wrapped { fingerprint, wrapper_key_id });
        };
        let key = KmsKeyId::parse(&wrapper_key_id)
            .map_err(|source| KeyUseError::KmsKeyId { fingerprint: fingerprint.clone(), source })?;
        match kms.decrypt(&key, &stored.key, SYMMETRIC, CallMode::Execute).await {
            Ok(reply) if is_key(&reply.value, &fingerprint) => Ok(reply.value),
            Ok(_) => Err(KeyUseError::NotThatKey { fingerprint, wrapper_key_id }),
            Err(source) => Err(KeyUseError::Unwrap { fingerprint, wrapper_key_id, source: Box::new(source) }),
        }
    }

    /// Reminds the operator of private keys that a migration has kept.
    fn name_kept(&self, entries: &[PrivateKeyEntry]) {
        for entry in entries {
            tracing::warn!(
                fingerprint = %entry.fingerprint,
                "this private key from before the migration is still in the node's database, for whoever does not know its \
                 successor yet; when nothing is under way any more, delete it: keys.secret.delete(\"{}\", force = true)",
                entry.fingerprint
            );
        }
    }

    async fn rotate(self: &Arc<Self>, new: Option<KmsKeyId>) -> Result<KmsKeyId, WrapperKeyError> {
        let mut current = self.wrapper.write().await;
        let (VaultBackend::JceWrapped(kms), Some(old)) = (&self.backend, &*current) else {
            return Err(WrapperKeyError::NotEncrypted);
        };
        let new = match new {
            Some(named) => {
                let (kept, described) = usable(kms, &named).await?;
                if old.key_id() == Some(described.key_id.as_str()) {
                    return Err(WrapperKeyError::AlreadyInUse { key: kept });
                }
                kept
            }
            None => self.make_wrapper(kms).await?,
        };
        try_out(kms, &new).await?;
        let entries = self.store.private_key_list().await?;
        let replaced = all_encrypted(kms, &new, self.all_in_clear(&entries).await?).await?;
        self.store.private_keys_replace(&replaced).await?;
        tracing::info!(
            "{} private keys are encrypted with wrapper key {new} now, no longer with {old}; the old key is not needed \
             by this node's store any more, only by its backups",
            replaced.len()
        );
        *current = Some(new.clone());
        Ok(new)
    }

    /// The wrapper key that the store names, if it can be used.
    async fn recorded_wrapper(
        &self,
        kms: &Arc<dyn Kms>,
        recorded: String,
        configured: Option<&KmsKeyId>,
    ) -> Result<KmsKeyId, WrapperKeyError> {
        let key = KmsKeyId::parse(&recorded)
            .map_err(|source| WrapperKeyError::KeyId { wrapper_key_id: recorded, source })?;
        let (_, described) = usable(kms, &key).await?;
        if let Some(configured) = configured {
            match kms.describe_key(configured).await {
                Ok(named) if named.value.key_id == described.key_id => {}
                _ => tracing::warn!(
                    "the private keys are encrypted with wrapper key {key}, not with the configured wrapper-key-id \
                     {configured}, which is not used; keys.secret.rotate_wrapper_key(\"{configured}\") changes to it"
                ),
            }
        }
        Ok(key)
    }

    /// The wrapper key of a node whose store names none: the configured one, or one that is made.
    async fn first_wrapper(
        self: &Arc<Self>,
        kms: &Arc<dyn Kms>,
        configured: Option<&KmsKeyId>,
    ) -> Result<KmsKeyId, WrapperKeyError> {
        let key = match configured {
            Some(configured) => usable(kms, configured).await?.0,
            None => match self.made_before(kms).await? {
                Some(made) => made,
                None => self.make_wrapper(kms).await?,
            },
        };
        try_out(kms, &key).await?;
        Ok(key)
    }

    /// A wrapper key that was made, or may have been, and has encrypted nothing yet: known by the journal, or found by its
    /// tag as other keys are.
    async fn made_before(self: &Arc<Self>, kms: &Arc<dyn Kms>) -> Result<Option<KmsKeyId>, WrapperKeyError> {
        for creation in self.store.creation_list().await?.into_iter().rev() {
            if creation.key_spec != WRAPPER_SPEC.as_str() || creation.lost_at.is_some() {
                continue;
            }
            let id = creation.id.clone();
            match self.settle(kms, &creation).await {
                Ok(Settled::Key(key)) => {
                    let wait = &self.options.create_key_check;
                    let there = wait_until_there(&**kms, &key, KeyState::Enabled, wait).await;
                    let named = |source| WrapperKeyError::NotMade { creation: id, source: Box::new(source) };
                    return Ok(Some(kept_name(&key, &there.map_err(named)?)));
                }
                Ok(Settled::Over) => {}
                Err(SettleError::Store(error)) => return Err(error.into()),
                Err(SettleError::Kms(source)) => {
                    let source = Box::new(CreateError::NotCreated { source });
                    return Err(WrapperKeyError::NotMade { creation: id, source });
                }
                Err(SettleError::Generate(_)) => unreachable!("a wrapper key is not generated as others are"),
            }
        }
        Ok(None)
    }

    async fn make_wrapper(self: &Arc<Self>, kms: &Arc<dyn Kms>) -> Result<KmsKeyId, WrapperKeyError> {
        let creation = KeyCreation {
            id: hex::encode(cantle_crypto::random_bytes::<16>()?),
            purpose: KeyPurpose::Encryption,
            key_spec: WRAPPER_SPEC.as_str().to_owned(),
            name: None,
            kms_key_id: None,
            started_at: self.clock.now(),
            lost_at: None,
        };
        self.store.creation_begin(&creation).await?;
        let _mark = self.mark_creating(&creation.id);
        let request = CreateKey {
            description: format!("{}-wrapper", self.options.node.name),
            ..self.request(&creation, KeyRole::Wrapper)
        };
        let failed =
            |source| WrapperKeyError::NotMade { creation: creation.id.clone(), source: Box::new(source) };
        let key = self.create(kms, &*self.store, &creation, &request).await?;
        let key = key.map_err(|source| failed(CreateError::NotCreated { source }))?;
        let there = wait_until_there(&**kms, &key, KeyState::Enabled, &self.options.create_key_check).await;
        let described = there.map_err(failed)?;
        tracing::info!(kms_key_id = %described.key_id, "made a wrapper key in the KMS");
        Ok(described.key_id)
    }

    /// Encrypts the keys that are in clear.
    async fn encrypt_clear(
        &self,
        kms: &Arc<dyn Kms>,
        key: &KmsKeyId,
        entries: &[PrivateKeyEntry],
    ) -> Result<(), WrapperKeyError> {
        let clear: Vec<_> = entries.iter().filter(|entry| entry.wrapper_key_id.is_none()).cloned().collect();
        if clear.is_empty() {
            return Ok(());
        }
        let replaced = all_encrypted(kms, key, self.all_in_clear(&clear).await?).await?;
        self.store.setting_put(&RoleSetting::PrivateKeyRemains, b"clear").await?;
        self.store.private_keys_replace(&replaced).await?;
        tracing::info!(
            "{} private keys that were in clear are encrypted with wrapper key {key} now",
            replaced.len()
        );
        Ok(())
    }

    /// Decrypts the keys that are encrypted.
    async fn decrypt_all(&self, entries: &[PrivateKeyEntry]) -> Result<(), WrapperKeyError> {
        let sealed: Vec<_> = entries.iter().filter(|entry| entry.wrapper_key_id.is_some()).cloned().collect();
        if sealed.is_empty() {
            return Ok(());
        }
        let replaced = self.all_in_clear(&sealed).await?;
        self.store.private_keys_replace(&replaced).await?;
        tracing::warn!(
            "{} private keys are stored in clear now, because private-key-store.encryption.reverted is true; the wrapper \
             key is not needed by this node's store any more, only by its backups",
            replaced.len()
        );
        Ok(())
    }

    /// The keys of these entries, in clear.
    async fn all_in_clear(
        &self,
        entries: &[PrivateKeyEntry],
    ) -> Result<Vec<StoredPrivateKey>, WrapperKeyError> {
        let reads: Vec<_> = entries.iter().map(|entry| self.one_in_clear(&entry.fingerprint)).collect();
        stream::iter(reads).buffered(SIDE_BY_SIDE).try_collect().await
    }

    async fn one_in_clear(&self, fingerprint: &Fingerprint) -> Result<StoredPrivateKey, WrapperKeyError> {
        let unreadable = |source| WrapperKeyError::Unreadable {
            fingerprint: fingerprint.clone(),
            source: Box::new(source),
        };
        let unknown = || unreadable(KeyUseError::Unknown { fingerprint: fingerprint.clone() });
        let stored = self.store.private_key_find(fingerprint).await?.ok_or_else(unknown)?;
        let key = self.in_clear(&stored).await.map_err(unreadable)?;
        Ok(StoredPrivateKey { key, wrapper_key_id: None, ..stored })
    }

    /// Erases private keys in clear from the database's files, where some may be left; also those that an earlier start
    /// left behind.
    pub(crate) async fn erase_remains(&self) -> Result<(), WrapperKeyError> {
        let marked = self.store.setting_find(&RoleSetting::PrivateKeyRemains).await?;
        if marked.is_none_or(|mark| mark.is_empty()) {
            return Ok(());
        }
        match self.store.remains_erase().await {
            Ok(Erasure::Complete) => {
                tracing::info!("no private key in clear is left in the database's files")
            }
            Ok(Erasure::ServerLog) => tracing::warn!(
                "private keys in clear are gone from the database's table; the server's write-ahead log, its replicas and \
                 backups may hold them still"
            ),
            Ok(Erasure::Busy) => {
                tracing::warn!(
                    "the database's write-ahead log still holds private keys in clear, because another process reads it; \
                     the next start erases them"
                );
                return Ok(());
            }
            Err(StoreError::ReadOnly { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        Ok(self.store.setting_put(&RoleSetting::PrivateKeyRemains, b"").await?)
    }
}

/// Whether the bytes are the private key of that fingerprint.
fn is_key(bytes: &[u8], fingerprint: &Fingerprint) -> bool {
    KeyPair::from_versioned_bytes(bytes).is_ok_and(|pair| pair.fingerprint() == fingerprint)
}

/// A wrapper key as it is kept, if it exists, is enabled and is one.
async fn usable(kms: &Arc<dyn Kms>, key: &KmsKeyId) -> Result<(KmsKeyId, KeyMetadata), WrapperKeyError> {
    let described = kms.describe_key(key).await.map_err(|error| WrapperKeyError::of_kms(key, error))?.value;
    if described.spec != WRAPPER_SPEC || described.usage != KeyUsage::EncryptDecrypt {
        let (spec, usage) = (described.spec, described.usage);
        return Err(WrapperKeyError::WrongKind { key: key.clone(), spec, usage });
    }
    if described.state != KeyState::Enabled {
        return Err(WrapperKeyError::NotEnabled { key: key.clone(), state: described.state });
    }
    Ok((kept_name(key, &described), described))
}

/// Whether this node may encrypt and decrypt with a wrapper key.
async fn try_out(kms: &Arc<dyn Kms>, key: &KmsKeyId) -> Result<(), WrapperKeyError> {
    round_trip(kms, key, &cantle_crypto::random_bytes::<32>()?).await.map(drop)
}

async fn all_encrypted(
    kms: &Arc<dyn Kms>,
    key: &KmsKeyId,
    clear: Vec<StoredPrivateKey>,
) -> Result<Vec<StoredPrivateKey>, WrapperKeyError> {
    let requests: Vec<_> = clear.into_iter().map(|clear| encrypted(kms, key, clear)).collect();
    stream::iter(requests).buffered(SIDE_BY_SIDE).try_collect().await
}

/// A private key, encrypted.
async fn encrypted(
    kms: &Arc<dyn Kms>,
    key: &KmsKeyId,
    clear: StoredPrivateKey,
) -> Result<StoredPrivateKey, WrapperKeyError> {
    let sealed = round_trip(kms, key, &clear.key).await?;
    Ok(StoredPrivateKey { key: Zeroizing::new(sealed), wrapper_key_id: Some(key.to_string()), ..clear })
}

/// Encrypts, and makes sure that what comes out can be decrypted.
async fn round_trip(
    kms: &Arc<dyn Kms>,
    key: &KmsKeyId,
    plaintext: &[u8],
) -> Result<Vec<u8>, WrapperKeyError> {
    let of_kms = |error: KmsError| WrapperKeyError::of_kms(key, error);
    let sealed = kms.encrypt(key, plaintext, SYMMETRIC, CallMode::Execute).await.map_err(of_kms)?.value;
    let opened = kms.decrypt(key, &sealed, SYMMETRIC, CallMode::Execute).await.map_err(of_kms)?.value;
    if opened.as_slice() == plaintext {
        Ok(sealed)
    } else {
        Err(WrapperKeyError::RoundTrip { key: key.clone() })
    }
}
