//! The journal of KMS key creations under way.
//!
//! CreateKey has no idempotency token, and a key costs money for ever: what was begun is written down before the
//! request and again with the answer, so that a crash in between neither makes a second key nor forgets the first.
//! Source: <https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html>.

use async_trait::async_trait;
use cantle_types::{KeyName, KeyPurpose};
use jiff::Timestamp;

use crate::StoreError;

/// A creation of a KMS key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyCreation {
    /// Its id, also a tag of the KMS key.
    pub id: String,
    /// What the key is for.
    pub purpose: KeyPurpose,
    /// AWS's name of the key spec.
    pub key_spec: String,
    /// The name the key is to have.
    pub name: Option<KeyName>,
    /// The key, once CreateKey has answered.
    pub kms_key_id: Option<String>,
    /// When it began. Stored to the microsecond.
    pub started_at: Timestamp,
    /// Since when no attempt goes on with it: the key, if there is one, is of no use to the node. `None` while one may.
    pub lost_at: Option<Timestamp>,
}

/// The creations of KMS keys that are not known to have ended.
///
/// Every method is one transaction, as in [`crate::KeyStore`]; each may be repeated.
#[async_trait]
pub trait CreationJournal: Send + Sync {
    /// Writes down that a key is about to be made.
    async fn creation_begin(&self, creation: &KeyCreation) -> Result<(), StoreError>;

    /// Writes down which key was made. An id that is not there changes nothing.
    async fn creation_made(&self, id: &str, kms_key_id: &str) -> Result<(), StoreError>;

    /// Writes down that no attempt goes on with a creation. An id that is not there, or is lost already, changes nothing.
    async fn creation_lost(&self, id: &str, at: Timestamp) -> Result<(), StoreError>;

    /// Forgets a creation. [`crate::KeyStore::kms_key_insert`] does so by itself for the key it stores.
    async fn creation_end(&self, id: &str) -> Result<(), StoreError>;

    /// All of them, oldest first.
    async fn creation_list(&self) -> Result<Vec<KeyCreation>, StoreError>;
}
