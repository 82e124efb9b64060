//! What earlier processes left: creations of KMS keys that are to be finished, found or named, and deletions that are
//! over by now.
//!
//! Done at a node's start. Nothing is made here, and nothing in the KMS is changed.

use std::sync::Arc;

use cantle_kms::{KeySpec, Kms, KmsKeyId};
use cantle_store::{KeyCreation, StoreError};
use cantle_types::KeyName;

use crate::error::VaultError;
use crate::generate::{SettleError, Settled};
use crate::options::CREATION_TAG;
use crate::vault::{Inner, Vault, VaultBackend};

impl Vault {
    /// Finishes what an earlier process began: keys that were made are stored under their names; where it is not known
    /// whether one was made, it is looked for by its tag (`kms:ListKeys`, `kms:ListResourceTags`; optional). What cannot
    /// be found stays as a possible orphan. Waits for the KMS as all requests do.
    ///
    /// # Errors
    /// Only if the journal cannot be read: what is wrong with one key is logged, and tried again at the next start.
    pub async fn reconcile(&self) -> Result<(), VaultError> {
        let kms = match &self.inner.backend {
            VaultBackend::Kms(kms) => kms,
            VaultBackend::JceWrapped(kms) => return self.inner.reconcile_wrappers(kms).await,
            VaultBackend::Jce => return Ok(()),
        };
        let _alone = self.inner.reconciling.lock().await;
        for creation in self.inner.store.creation_list().await? {
            let Some(_mark) = self.inner.mark_creating(&creation.id) else { continue };
            let id = creation.id.clone();
            let settled = match creation.lost_at {
                None => self.inner.resume(kms, creation).await,
                Some(_) => self.inner.look_for_lost(kms, &creation).await,
            };
            if let Err(error) = settled {
                tracing::warn!(creation = %id, "what became of a KMS key is not known yet: {error}");
            }
        }
        self.inner.end_deletions(kms).await?;
        Ok(())
    }

    /// KMS keys that exist, or may, and that this node does not have: their creation was interrupted, and no task goes on
    /// with it. Oldest first.
    pub async fn possible_orphans(&self) -> Result<Vec<KeyCreation>, VaultError> {
        let mut creations = self.inner.store.creation_list().await?;
        // One that was given up stays one while it is looked for again.
        creations.retain(|creation| creation.lost_at.is_some() || !self.inner.is_creating(&creation.id));
        Ok(creations)
    }

    /// Forgets a possible orphan: the operator has looked after it. Nothing in the KMS is changed.
    ///
    /// # Errors
    /// [`VaultError::NoSuchOrphan`] if there is none of that id.
    pub async fn forget_orphan(&self, id: &str) -> Result<KeyCreation, VaultError> {
        // Nobody may go on with it meanwhile.
        let mark = Arc::clone(&self.inner).mark_creating(id);
        let found = match &mark {
            Some(_) => self.inner.store.creation_list().await?.into_iter().find(|creation| creation.id == id),
            None => None,
        };
        let Some(creation) = found else { return Err(VaultError::NoSuchOrphan { id: id.to_owned() }) };
        self.inner.store.creation_end(id).await?;
        tracing::info!(creation = %id, "the operator has looked after this possible orphan; it is forgotten");
        Ok(creation)
    }

    /// Tells the operator of KMS keys that a crash left behind, as far as this node can know.
    pub(crate) async fn report_unfinished(&self) -> Result<(), StoreError> {
        if let VaultBackend::Jce = self.inner.backend {
            return Ok(());
        }
        for creation in self.inner.store.creation_list().await? {
            let name = creation.name.as_ref().map_or("", KeyName::as_str);
            let KeyCreation { id, purpose, key_spec, started_at, .. } = &creation;
            match (&creation.lost_at, &creation.kms_key_id) {
                (None, Some(key)) => tracing::warn!(
                    kms_key_id = %key,
                    "a KMS key ({purpose} {key_spec}, name {name:?}) was made before this node stopped and is not stored \
                     yet; this start, or the next key of that name and kind, goes on with it",
                ),
                (None, None) => tracing::warn!(
                    creation = %id,
                    "this node stopped while it asked the KMS for a key ({purpose} {key_spec}, name {name:?}) at \
                     {started_at}; one may have been made, with the tag {CREATION_TAG}={id}",
                ),
                (Some(_), key) => tracing::warn!(
                    creation = %id,
                    kms_key_id = key.as_deref().unwrap_or("unknown"),
                    "possible orphan: a KMS key ({purpose} {key_spec}, name {name:?}) begun at {started_at}, with the tag \
                     {CREATION_TAG}={id}; see `cantle keys --orphans`",
                ),
            }
        }
        Ok(())
    }
}

impl Inner {
    /// The same for a node whose keys are in its own store: of wrapper keys. What the node's start has not adopted by now
    /// is no use to it any more, as after a rotation that was interrupted.
    async fn reconcile_wrappers(self: &Arc<Self>, kms: &Arc<dyn Kms>) -> Result<(), VaultError> {
        let _alone = self.reconciling.lock().await;
        // Held to the end, so that no rotation is in the midst of it.
        let current = self.wrapper.read().await;
        for creation in self.store.creation_list().await? {
            // What a migration began waits for the next attempt at it.
            if creation.key_spec != KeySpec::SymmetricDefault.as_str() {
                continue;
            }
            let known = creation.kms_key_id.as_deref().and_then(|key| KmsKeyId::parse(key).ok());
            if known.is_some_and(|key| current.as_ref().is_some_and(|now| now.key_id() == key.key_id())) {
                continue;
            }
            let Some(_mark) = self.mark_creating(&creation.id) else { continue };
            let id = creation.id.clone();
            let settled = match creation.lost_at {
                None => self.give_up_wrapper(kms, creation).await,
                Some(_) => self.look_for_lost(kms, &creation).await,
            };
            if let Err(error) = settled {
                tracing::warn!(creation = %id, "what became of a wrapper key is not known yet: {error}");
            }
        }
        Ok(())
    }

    async fn give_up_wrapper(
        self: &Arc<Self>,
        kms: &Arc<dyn Kms>,
        creation: KeyCreation,
    ) -> Result<(), SettleError> {
        if let Settled::Key(key) = self.settle(kms, &creation).await? {
            let creation = KeyCreation { kms_key_id: Some(key.as_str().to_owned()), ..creation };
            self.lose(&creation, "it is a wrapper key that encrypts nothing").await?;
        }
        Ok(())
    }
}
