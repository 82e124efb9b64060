//! The vault itself: opened over a store and a backend, and asked which keys there are.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use cantle_crypto::PublicKey;
use cantle_kms::{Kms, KmsKeyId};
use cantle_store::{CryptoProvider, KeyDeletion, NodeStore, StoreError, StoredPublicKey};
use cantle_types::{Clock, Fingerprint, KeyName, KeyPurpose};
use tokio_util::task::TaskTracker;

use crate::error::VaultError;
use crate::info::{KeyFilter, PrivateKeyInfo};
use crate::options::VaultOptions;
use crate::use_key::UsedKeys;

/// Who holds a node's private keys.
#[derive(Debug, Clone)]
pub enum VaultBackend {
    /// A key management service.
    Kms(Arc<dyn Kms>),
    /// The node's own store.
    Jce,
    /// The node's own store, encrypted with a wrapper key of this key management service.
    JceWrapped(Arc<dyn Kms>),
}

impl VaultBackend {
    /// The provider as the configuration and the store name it.
    #[must_use]
    pub fn provider(&self) -> CryptoProvider {
        match self {
            Self::Kms(_) => CryptoProvider::Kms,
            Self::Jce | Self::JceWrapped(_) => CryptoProvider::Jce,
        }
    }
}

/// A node's keys. Clones are the same vault.
///
/// Every method may be called from many tasks at once. A method that stores something returns once it is on disk;
/// generations go on in the background when their caller goes away, so that no KMS key is lost.
#[derive(Clone)]
pub struct Vault {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Arc<dyn NodeStore>,
    pub(crate) backend: VaultBackend,
    pub(crate) options: VaultOptions,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) used: RwLock<UsedKeys>,
    /// Creations that a task of this process is busy with.
    pub(crate) creating: Mutex<HashSet<String>>,
    /// The tasks that make keys.
    pub(crate) creations: TaskTracker,
    /// The wrapper key that new private keys are encrypted with. Whoever stores a private key holds the lock for
    /// reading, whoever changes the key for writing.
    pub(crate) wrapper: tokio::sync::RwLock<Option<KmsKeyId>>,
    /// Held while what earlier processes left is looked after.
    pub(crate) reconciling: tokio::sync::Mutex<()>,
}

impl Vault {
    /// Opens the keys of a node. Reads the store and asks the KMS nothing.
    ///
    /// The store remembers the provider of its first key.
    ///
    /// # Errors
    /// [`VaultError::ProviderMismatch`] if that was the other one; nothing was changed then.
    pub async fn open(
        store: Arc<dyn NodeStore>,
        backend: VaultBackend,
        options: VaultOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, VaultError> {
        let configured = backend.provider();
        if let Some(recorded) = store.provider_find().await?
            && recorded != configured
        {
            return Err(VaultError::ProviderMismatch { recorded, configured });
        }
        let vault = Self {
            inner: Arc::new(Inner {
                store,
                backend,
                options,
                clock,
                used: RwLock::default(),
                creating: Mutex::default(),
                creations: TaskTracker::new(),
                wrapper: tokio::sync::RwLock::default(),
                reconciling: tokio::sync::Mutex::default(),
            }),
        };
        vault.report_unfinished().await?;
        Ok(vault)
    }

    /// Waits for the keys that are being made, whose callers may have gone: the store is needed until then.
    pub async fn settled(&self) {
        self.inner.creations.close();
        self.inner.creations.wait().await;
    }

    /// The crypto provider.
    #[must_use]
    pub fn provider(&self) -> CryptoProvider {
        self.inner.backend.provider()
    }

    /// The settings it was opened with.
    #[must_use]
    pub fn options(&self) -> &VaultOptions {
        &self.inner.options
    }

    /// The key of a name and purpose whose private part is with this node; the oldest, if there are several.
    ///
    /// # Errors
    /// [`VaultError::PrivateKeyMissing`] if only public keys have that name and purpose.
    pub async fn find_by_name(
        &self,
        name: &KeyName,
        purpose: KeyPurpose,
    ) -> Result<Option<PrivateKeyInfo>, VaultError> {
        if name.is_empty() {
            return Ok(None);
        }
        // A key that is about to be deleted counts as gone.
        let deleting = self.inner.deletions().await?;
        let named = |stored: &StoredPublicKey| {
            stored.name.as_ref() == Some(name)
                && stored.key.purpose() == purpose
                && !deleting.contains_key(stored.key.fingerprint())
        };
        let public: Vec<_> = self.inner.store.public_key_list().await?.into_iter().filter(named).collect();
        let Some(first) = public.first().map(|stored| stored.key.fingerprint().clone()) else {
            return Ok(None);
        };
        for stored in public {
            if let Some(info) = self.private_of(stored).await? {
                return Ok(Some(info));
            }
        }
        // What remains is somebody else's public key under this node's name, which it must not overlook.
        Err(VaultError::PrivateKeyMissing { name: name.clone(), fingerprint: first })
    }

    /// Whether the node's store takes writes. Asked only if the last one failed, with one that changes nothing.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn check_storage(&self) -> Result<(), VaultError> {
        if self.inner.store.write_failed() {
            self.inner.store.write_probe().await?;
        }
        Ok(())
    }

    /// The public keys that pass a filter, this node's own and imported ones, oldest first.
    pub async fn public_keys(&self, filter: &KeyFilter) -> Result<Vec<StoredPublicKey>, VaultError> {
        let keys = self.inner.store.public_key_list().await?;
        Ok(keys.into_iter().filter(|stored| filter.matches_public(stored)).collect())
    }

    /// The public key of a fingerprint.
    pub async fn public_key(&self, fingerprint: &Fingerprint) -> Result<Option<StoredPublicKey>, VaultError> {
        Ok(self.inner.store.public_key_find(fingerprint).await?)
    }

    /// The keys that pass a filter and whose private part is with this node, oldest first.
    pub async fn private_keys(&self, filter: &KeyFilter) -> Result<Vec<PrivateKeyInfo>, VaultError> {
        let store = &self.inner.store;
        let public = self.public_keys(filter).await?;
        let mut kms = HashMap::new();
        let mut private = HashMap::new();
        match self.provider() {
            CryptoProvider::Kms => {
                let rows = store.kms_metadata_list().await?;
                kms.extend(rows.into_iter().map(|row| ((row.fingerprint.clone(), row.purpose), row)));
            }
            CryptoProvider::Jce => {}
        }
        // With provider kms, what a migration has kept to decrypt.
        let rows = store.private_key_list().await?;
        private.extend(rows.into_iter().map(|row| ((row.fingerprint.clone(), row.purpose), row)));
        let mut deletions = self.inner.deletions().await?;
        let infos = public.into_iter().filter_map(|StoredPublicKey { key: public, name }| {
            let id = (public.fingerprint().clone(), public.purpose());
            let (kms, entry) = (kms.remove(&id), private.remove(&id));
            let deletion = deletions.remove(public.fingerprint());
            let provider = if kms.is_some() { CryptoProvider::Kms } else { CryptoProvider::Jce };
            (kms.is_some() || entry.is_some()).then(|| PrivateKeyInfo {
                public,
                name,
                kms,
                deletion,
                provider,
                wrapper_key_id: entry.and_then(|entry| entry.wrapper_key_id),
            })
        });
        Ok(infos.collect())
    }

    /// The key of a fingerprint, if its private part is with this node and not about to be deleted.
    pub async fn private_key(&self, fingerprint: &Fingerprint) -> Result<Option<PrivateKeyInfo>, VaultError> {
        match self.inner.store.public_key_find(fingerprint).await? {
            Some(stored) => self.private_of(stored).await,
            None => Ok(None),
        }
    }

    /// Keeps a public key of somebody else, under a name if one is given, and returns its fingerprint.
    ///
    /// A key that is there keeps its name unless it has none.
    pub async fn import_public_key(
        &self,
        key: PublicKey,
        name: Option<KeyName>,
    ) -> Result<Fingerprint, VaultError> {
        self.inner.store.public_key_insert(&key, name.as_ref()).await?;
        Ok(key.fingerprint().clone())
    }

    async fn private_of(&self, stored: StoredPublicKey) -> Result<Option<PrivateKeyInfo>, VaultError> {
        let StoredPublicKey { key: public, name } = stored;
        let store = &self.inner.store;
        if self.inner.deletions().await?.contains_key(public.fingerprint()) {
            return Ok(None);
        }
        let kms = match self.provider() {
            CryptoProvider::Kms => store.kms_metadata_find(public.fingerprint()).await?,
            CryptoProvider::Jce => None,
        };
        let kms = kms.filter(|metadata| metadata.purpose == public.purpose());
        let (provider, wrapper_key_id) = match &kms {
            Some(_) => (CryptoProvider::Kms, None),
            None => match store.private_key_find(public.fingerprint()).await? {
                Some(private) if private.purpose == public.purpose() => {
                    (CryptoProvider::Jce, private.wrapper_key_id)
                }
                _ => return Ok(None),
            },
        };
        Ok(Some(PrivateKeyInfo { public, name, kms, deletion: None, provider, wrapper_key_id }))
    }
}

impl Inner {
    /// The deletions of KMS keys that are not over.
    pub(crate) async fn deletions(&self) -> Result<HashMap<Fingerprint, KeyDeletion>, StoreError> {
        if let VaultBackend::Jce = self.backend {
            return Ok(HashMap::new());
        }
        let deletions = self.store.deletion_list().await?;
        Ok(deletions.into_iter().map(|deletion| (deletion.fingerprint.clone(), deletion)).collect())
    }

    /// Whether a task of this process is busy with a creation.
    pub(crate) fn is_creating(&self, id: &str) -> bool {
        self.creating.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
    }

    /// Marks a creation as being worked on, until the mark is dropped; `None` if it is already.
    pub(crate) fn mark_creating(self: &Arc<Self>, id: &str) -> Option<Creating> {
        let fresh = self.creating.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
        fresh.then(|| Creating { vault: Arc::clone(self), id: id.to_owned() })
    }
}

/// See [`Inner::mark_creating`].
pub(crate) struct Creating {
    vault: Arc<Inner>,
    id: String,
}

impl Drop for Creating {
    fn drop(&mut self) {
        self.vault.creating.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault")
            .field("node", &self.inner.options.node)
            .field("backend", &self.inner.backend)
            .finish_non_exhaustive()
    }
}
