//! What earlier processes left: creations of KMS keys that are to be finished, found or named, and deletions that are
//! over by now.
//!
//! Done at a node's start. Nothing is made here, and nothing in the KMS is changed.

use std::sync::Arc;

use cantle_store::{KeyCreation, StoreError};
use cantle_types::KeyName;

use crate::error::VaultError;
use crate::options::CREATION_TAG;
use crate::vault::{Vault, VaultBackend};

impl Vault {
    /// Finishes what an earlier process began: keys that were made are stored under their names; where it is not known
    /// whether one was made, it is looked for by its tag (`kms:ListKeys`, `kms:ListResourceTags`; optional). What cannot
    /// be found stays as a possible orphan. Waits for the KMS as all requests do.
    ///
    /// # Errors
    /// Only if the journal cannot be read: what is wrong with one key is logged, and tried again at the next start.
    pub async fn reconcile(&self) -> Result<(), VaultError> {
        let VaultBackend::Kms(kms) = &self.inner.backend else { return Ok(()) };
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

    /// KMS keys that exist, or may, and that this node does not have: their creation was interrupted, and no task is
    /// busy with it. Oldest first.
    pub async fn possible_orphans(&self) -> Result<Vec<KeyCreation>, VaultError> {
        let mut creations = self.inner.store.creation_list().await?;
        creations.retain(|creation| !self.inner.is_creating(&creation.id));
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
