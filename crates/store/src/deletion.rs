//! Deletions of KMS keys that an operator asked for.
//!
//! A deletion waits for days in the KMS and can be taken back until then. What was asked for is written down before the
//! request is sent, and the key's own rows stay until the KMS has no such key any more: nothing is forgotten while it
//! can still be wanted back.
//! Source: <https://docs.aws.amazon.com/kms/latest/developerguide/deleting-keys.html>.

use async_trait::async_trait;
use cantle_types::Fingerprint;
use jiff::Timestamp;

use crate::StoreError;

/// A deletion of a KMS key that is not over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyDeletion {
    /// The public key of the KMS key.
    pub fingerprint: Fingerprint,
    /// How many days it can be taken back.
    pub pending_window_days: u8,
    /// When it was asked for. Stored to the microsecond.
    pub requested_at: Timestamp,
    /// When the KMS deletes the key; `None` until the KMS has said so.
    pub deletes_at: Option<Timestamp>,
}

/// The deletions of KMS keys that are asked for and not over.
///
/// Every method is one transaction, as in [`crate::KeyStore`]; each may be repeated.
#[async_trait]
pub trait DeletionJournal: Send + Sync {
    /// Writes down what is asked for, in the place of what was before.
    ///
    /// # Errors
    /// [`StoreError::UnknownKey`] if no KMS key is stored for the fingerprint.
    async fn deletion_begin(&self, deletion: &KeyDeletion) -> Result<(), StoreError>;

    /// Writes down when the KMS will delete the key. A fingerprint that is not there changes nothing.
    async fn deletion_scheduled(
        &self,
        fingerprint: &Fingerprint,
        deletes_at: Timestamp,
    ) -> Result<(), StoreError>;

    /// Forgets a deletion: it was taken back. [`crate::KeyStore::key_delete`] forgets it with the key.
    async fn deletion_end(&self, fingerprint: &Fingerprint) -> Result<(), StoreError>;

    /// All of them, oldest first.
    async fn deletion_list(&self) -> Result<Vec<KeyDeletion>, StoreError>;
}
