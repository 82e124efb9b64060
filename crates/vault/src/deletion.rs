//! The end of a KMS key that this node made: asked for by an operator, after a waiting period, and taken back until then.
//!
//! A key that the operator registered is never touched. The order loses nothing: what is asked for is on disk before the
//! request, the key's own rows stay until the KMS knows no such key, and a key that the topology uses is refused.
//! Source: <https://docs.aws.amazon.com/kms/latest/developerguide/deleting-keys.html>.

use std::sync::Arc;

use cantle_kms::{KeyState, Kms, KmsError, KmsKeyId, KmsKeyIdError, PENDING_WINDOW_DAYS};
use cantle_store::{KeyDeletion, KeyOrigin, KmsMetadata, StoreError};
use cantle_types::Fingerprint;
use jiff::{Timestamp, ToSpan};

use crate::transfer::KeyInUse;
use crate::vault::{Inner, Vault, VaultBackend};

/// Why a deletion was not scheduled, or not taken back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyDeletionError {
    /// This node has no KMS key of that fingerprint.
    #[error("this node has no KMS key of fingerprint {fingerprint}")]
    Unknown {
        /// The fingerprint.
        fingerprint: Fingerprint,
    },
    /// The node did not make the key.
    #[error(
        "KMS key {kms_key_id} was {origin} by the operator and is not touched; delete it in AWS KMS if nobody needs it"
    )]
    NotMade {
        /// The KMS key.
        kms_key_id: String,
        /// How the node came to it.
        origin: KeyOrigin,
    },
    /// The key is needed.
    #[error("key {fingerprint} is in use ({by}) and its deletion was not scheduled; replace it there first")]
    InUse {
        /// The key.
        fingerprint: Fingerprint,
        /// By what.
        by: String,
    },
    /// AWS does not wait so long, or not so short.
    #[error("a deletion waits for 7 to 30 days, not {days}")]
    Window {
        /// What was asked for.
        days: u32,
    },
    /// No deletion of the key is under way.
    #[error("no deletion of KMS key {kms_key_id} is under way; its KeyState is {state}")]
    NotScheduled {
        /// The KMS key.
        kms_key_id: String,
        /// Its state.
        state: KeyState,
    },
    /// The stored name of the KMS key is not one.
    #[error("the stored KMS key {kms_key_id} has no usable name")]
    KmsKeyId {
        /// The KMS key.
        kms_key_id: String,
        /// What is wrong with it.
        #[source]
        source: KmsKeyIdError,
    },
    /// The KMS refused, or did not answer.
    #[error("the KMS did not do it; the same command may be given again")]
    Kms(#[source] Box<KmsError>),
    /// The store failed.
    #[error("the node's key store failed")]
    Store(#[from] StoreError),
}

/// A deletion that the KMS has scheduled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduledDeletion {
    /// The KMS key.
    pub kms_key_id: String,
    /// When it will be gone.
    pub deletes_at: Timestamp,
}

impl Vault {
    /// Has the KMS delete a key that this node made, after a waiting period of 7 to 30 days (`kms:ScheduleKeyDeletion`).
    /// From then on the node does not use it; its rows stay until the KMS has deleted it.
    ///
    /// # Errors
    /// [`KeyDeletionError`]. After a lost answer the deletion may be scheduled: the call may be repeated.
    pub async fn schedule_deletion(
        &self,
        fingerprint: &Fingerprint,
        pending_window_days: u32,
        in_use: KeyInUse,
    ) -> Result<ScheduledDeletion, KeyDeletionError> {
        let days = u8::try_from(pending_window_days).ok().filter(|days| PENDING_WINDOW_DAYS.contains(days));
        let days = days.ok_or(KeyDeletionError::Window { days: pending_window_days })?;
        let (kms, metadata, key) = self.made_key(fingerprint).await?;
        if let KeyInUse::Yes(by) = in_use {
            return Err(KeyDeletionError::InUse { fingerprint: fingerprint.clone(), by });
        }
        let store = &self.inner.store;
        let requested_at = self.inner.clock.now();
        let deletion = KeyDeletion {
            fingerprint: fingerprint.clone(),
            pending_window_days: days,
            requested_at,
            deletes_at: None,
        };
        store.deletion_begin(&deletion).await?;
        self.inner.forget(fingerprint);
        let date = match kms.schedule_key_deletion(&key, days).await {
            Ok(reply) => reply.value,
            Err(error) => {
                let pending = match &error {
                    KmsError::InvalidState { .. } => is_pending(kms, &key).await,
                    _ => false,
                };
                if !pending {
                    if error.surely_not_executed() {
                        store.deletion_end(fingerprint).await?;
                    }
                    return Err(KeyDeletionError::Kms(Box::new(error)));
                }
                None
            }
        };
        let deletes_at = date.unwrap_or_else(|| after(requested_at, days));
        store.deletion_scheduled(fingerprint, deletes_at).await?;
        let kms_key_id = metadata.kms_key_id;
        tracing::warn!(%fingerprint, %kms_key_id, "AWS KMS deletes this key at {deletes_at}, unless that is taken back");
        Ok(ScheduledDeletion { kms_key_id, deletes_at })
    }

    /// Takes a deletion back and switches the key on (`kms:CancelKeyDeletion`, `kms:EnableKey`); answers the KMS key.
    ///
    /// # Errors
    /// [`KeyDeletionError`]; the call may be repeated.
    pub async fn cancel_deletion(&self, fingerprint: &Fingerprint) -> Result<String, KeyDeletionError> {
        let (kms, metadata, key) = self.made_key(fingerprint).await?;
        let failed = |error| KeyDeletionError::Kms(Box::new(error));
        let store = &self.inner.store;
        let noted = store.deletion_list().await?.iter().any(|deletion| deletion.fingerprint == *fingerprint);
        let kms_key_id = metadata.kms_key_id;
        match kms.describe_key(&key).await.map_err(failed)?.value.state {
            KeyState::PendingDeletion => {
                kms.cancel_key_deletion(&key).await.map_err(failed)?;
                kms.enable_key(&key).await.map_err(failed)?;
            }
            // An earlier attempt came this far.
            KeyState::Disabled if noted => {
                kms.enable_key(&key).await.map_err(failed)?;
            }
            KeyState::Enabled if noted => {}
            state => return Err(KeyDeletionError::NotScheduled { kms_key_id, state }),
        }
        store.deletion_end(fingerprint).await?;
        tracing::warn!(%fingerprint, %kms_key_id, "the deletion of this KMS key was taken back");
        Ok(kms_key_id)
    }

    /// The KMS key of a fingerprint, if this node made it.
    async fn made_key(
        &self,
        fingerprint: &Fingerprint,
    ) -> Result<(&Arc<dyn Kms>, KmsMetadata, KmsKeyId), KeyDeletionError> {
        let unknown = || KeyDeletionError::Unknown { fingerprint: fingerprint.clone() };
        let VaultBackend::Kms(kms) = &self.inner.backend else { return Err(unknown()) };
        let metadata = self.inner.store.kms_metadata_find(fingerprint).await?.ok_or_else(unknown)?;
        let KmsMetadata { kms_key_id, origin, .. } = &metadata;
        if *origin != KeyOrigin::Generated {
            return Err(KeyDeletionError::NotMade { kms_key_id: kms_key_id.clone(), origin: *origin });
        }
        let key = KmsKeyId::parse(kms_key_id)
            .map_err(|source| KeyDeletionError::KmsKeyId { kms_key_id: kms_key_id.clone(), source })?;
        Ok((kms, metadata, key))
    }
}

impl Inner {
    /// Ends the deletions that are over: the key is gone from the KMS, or somebody took the deletion back there.
    pub(crate) async fn end_deletions(&self, kms: &Arc<dyn Kms>) -> Result<(), StoreError> {
        for deletion in self.store.deletion_list().await? {
            let fingerprint = &deletion.fingerprint;
            let Some(metadata) = self.store.kms_metadata_find(fingerprint).await? else { continue };
            let Ok(key) = KmsKeyId::parse(&metadata.kms_key_id) else { continue };
            match kms.describe_key(&key).await {
                Ok(reply) if reply.value.state == KeyState::PendingDeletion => {
                    let due = after(deletion.requested_at, deletion.pending_window_days);
                    if deletion.deletes_at.is_none() {
                        self.store.deletion_scheduled(fingerprint, due).await?;
                    }
                }
                Ok(reply) if reply.value.state == KeyState::Enabled => {
                    tracing::warn!(%fingerprint, kms_key_id = %key, "the deletion of this KMS key is not under way");
                    self.store.deletion_end(fingerprint).await?;
                }
                Err(KmsError::NotFound { .. }) if self.clock.now() >= earliest_end(&deletion) => {
                    self.store.key_delete(fingerprint).await?;
                    self.forget(fingerprint);
                    tracing::info!(%fingerprint, kms_key_id = %key, "AWS KMS has deleted this key; so has the node");
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%fingerprint, "the end of a KMS key could not be seen: {error}"),
            }
        }
        Ok(())
    }
}

async fn is_pending(kms: &Arc<dyn Kms>, key: &KmsKeyId) -> bool {
    let described = kms.describe_key(key).await;
    described.is_ok_and(|reply| reply.value.state == KeyState::PendingDeletion)
}

/// Before this the KMS cannot have deleted the key: NotFound has another reason then.
fn earliest_end(deletion: &KeyDeletion) -> Timestamp {
    deletion.deletes_at.unwrap_or_else(|| after(deletion.requested_at, *PENDING_WINDOW_DAYS.start()))
}

fn after(time: Timestamp, days: u8) -> Timestamp {
    time.checked_add((i64::from(days) * 24).hours()).unwrap_or(Timestamp::MAX)
}
