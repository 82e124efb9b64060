//! Keys as they are stored, and the trait that stores them.
//!
//! A private part never exists without its public key: both are written, and deleted, in one transaction.
//! Names are kept once, with the public key; an empty name is no name.

use std::fmt;

use async_trait::async_trait;
use cantle_crypto::PublicKey;
use cantle_types::{Fingerprint, KeyName, KeyPurpose};
use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::StoreError;

/// Who holds a node's private keys; one for all keys of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CryptoProvider {
    /// Software keys in the node's store.
    Jce,
    /// Keys in a key management service.
    Kms,
}

impl CryptoProvider {
    /// The provider as the configuration writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jce => "jce",
            Self::Kms => "kms",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Jce, Self::Kms].into_iter().find(|provider| provider.as_str() == text)
    }
}

impl fmt::Display for CryptoProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a node came to a key of a KMS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyOrigin {
    /// The node made it.
    Generated,
    /// The operator made it and registered it.
    Registered,
    /// The operator imported its material.
    Imported,
}

impl KeyOrigin {
    /// The origin as the admin API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Generated => "generated",
            Self::Registered => "registered",
            Self::Imported => "imported",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Generated, Self::Registered, Self::Imported].into_iter().find(|origin| origin.as_str() == text)
    }
}

impl fmt::Display for KeyOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A public key and the name it is kept under.
#[derive(Debug, Clone)]
pub struct StoredPublicKey {
    /// The key.
    pub key: PublicKey,
    /// Its name, never empty.
    pub name: Option<KeyName>,
}

/// Which KMS key stands behind a fingerprint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KmsMetadata {
    /// The public key.
    pub fingerprint: Fingerprint,
    /// What is sent to the KMS: a key id or a key ARN, never an alias. At most 300 characters.
    pub kms_key_id: String,
    /// The key's ARN, where known.
    pub kms_key_arn: Option<String>,
    /// What the key is for.
    pub purpose: KeyPurpose,
    /// AWS's name of the key spec.
    pub key_spec: String,
    /// How the node came to it.
    pub origin: KeyOrigin,
    /// When the row was made. Stored to the microsecond.
    pub created_at: Timestamp,
}

/// A private key of provider jce.
pub struct StoredPrivateKey {
    /// The public key.
    pub fingerprint: Fingerprint,
    /// What the key is for.
    pub purpose: KeyPurpose,
    /// The serialized private key.
    pub key: Zeroizing<Vec<u8>>,
    /// The wrapper key that encrypts `key`, or `None` if nothing does.
    pub wrapper_key_id: Option<String>,
}

impl fmt::Debug for StoredPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredPrivateKey")
            .field("fingerprint", &self.fingerprint)
            .field("purpose", &self.purpose)
            .field("key", &"[REDACTED]")
            .field("wrapper_key_id", &self.wrapper_key_id)
            .finish()
    }
}

/// That a private key is stored, without the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivateKeyEntry {
    /// The public key.
    pub fingerprint: Fingerprint,
    /// What the key is for.
    pub purpose: KeyPurpose,
    /// The wrapper key that encrypts it.
    pub wrapper_key_id: Option<String>,
}

/// What an insertion found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Insertion {
    /// The key was new.
    Inserted,
    /// The key was there before. Its rows are unchanged, but a key without a name took the new one.
    Existing {
        /// The name it has now.
        name: Option<KeyName>,
    },
}

/// What a deletion removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Deletion {
    /// A public key.
    pub public: bool,
    /// A private key of provider jce.
    pub private: bool,
    /// A row of KMS metadata. The key in the KMS is not touched.
    pub kms: bool,
}

/// What is left in a database's files of rows that were deleted or replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erasure {
    /// Nothing.
    Complete,
    /// SQLite: what was there is still in the write-ahead log, because another process reads the database. Later it can
    /// be erased.
    Busy,
    /// PostgreSQL: the table is written anew. The server's own log, its backups and its replicas may hold the rows still.
    ServerLog,
}

/// Keys of a node.
///
/// Every method is one transaction: it has happened whole, durably, when it returns `Ok`, and not at all when it
/// returns `Err`. A call that is dropped before it returns happened whole or not at all. Inserting
/// what is there is no error. Lists come in the order of insertion.
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// Stores a public key; one that is there keeps its name unless it has none.
    ///
    /// # Errors
    /// [`crate::Conflict::PublicKey`] if the fingerprint belongs to a key of other scheme, format or purpose.
    async fn public_key_insert(
        &self,
        key: &PublicKey,
        name: Option<&KeyName>,
    ) -> Result<Insertion, StoreError>;

    /// The public key of that fingerprint.
    async fn public_key_find(&self, fingerprint: &Fingerprint)
    -> Result<Option<StoredPublicKey>, StoreError>;

    /// All public keys.
    async fn public_key_list(&self) -> Result<Vec<StoredPublicKey>, StoreError>;

    /// Gives a public key another name, or none.
    ///
    /// # Errors
    /// [`StoreError::UnknownKey`].
    async fn public_key_rename(
        &self,
        fingerprint: &Fingerprint,
        name: Option<&KeyName>,
    ) -> Result<(), StoreError>;

    /// Stores a public key and the KMS key behind it, and claims provider kms, in one transaction.
    ///
    /// A fingerprint that has metadata keeps it, and its name unless it had none. A fingerprint that was there as a
    /// public key alone takes the given name. Ends the creation of that KMS key in the journal.
    ///
    /// # Errors
    /// [`crate::Conflict::Provider`], [`crate::Conflict::PublicKey`], [`crate::Conflict::KmsKey`].
    async fn kms_key_insert(
        &self,
        key: &PublicKey,
        name: Option<&KeyName>,
        metadata: &KmsMetadata,
    ) -> Result<Insertion, StoreError>;

    /// The KMS key behind a fingerprint.
    async fn kms_metadata_find(&self, fingerprint: &Fingerprint) -> Result<Option<KmsMetadata>, StoreError>;

    /// All KMS keys.
    async fn kms_metadata_list(&self) -> Result<Vec<KmsMetadata>, StoreError>;

    /// Stores a public key and its private key, and claims provider jce, in one transaction.
    ///
    /// Names as in [`KeyStore::kms_key_insert`]; a private key that is there is not overwritten.
    ///
    /// # Errors
    /// [`crate::Conflict::Provider`], [`crate::Conflict::PublicKey`].
    async fn private_key_insert(
        &self,
        key: &PublicKey,
        name: Option<&KeyName>,
        private: &StoredPrivateKey,
    ) -> Result<Insertion, StoreError>;

    /// The private key of that fingerprint.
    async fn private_key_find(
        &self,
        fingerprint: &Fingerprint,
    ) -> Result<Option<StoredPrivateKey>, StoreError>;

    /// Which private keys are stored, without reading them.
    async fn private_key_list(&self) -> Result<Vec<PrivateKeyEntry>, StoreError>;

    /// Replaces the stored bytes of private keys, and what encrypts them, in one transaction. Ends the creations of the
    /// wrapper keys in the journal.
    ///
    /// What was there before is still in the database's files until [`KeyStore::remains_erase`].
    ///
    /// # Errors
    /// [`StoreError::UnknownKey`] if one of them is not stored.
    async fn private_keys_replace(&self, keys: &[StoredPrivateKey]) -> Result<(), StoreError>;

    /// Moves a node's keys into a KMS, in one transaction: stores what stands behind which fingerprint, removes **all**
    /// private keys but those to be kept, records provider kms, and ends the creations of those KMS keys in the journal.
    ///
    /// # Errors
    /// [`crate::Conflict::Provider`] unless the recorded provider is jce; [`crate::Conflict::KmsKey`].
    async fn keys_move_to_kms(&self, moved: &[KmsMetadata], kept: &[Fingerprint]) -> Result<(), StoreError>;

    /// Moves a node's keys back into the store, in one transaction: stores the private keys, removes **all** KMS
    /// metadata, and records provider jce. The keys in the KMS are not touched.
    ///
    /// # Errors
    /// [`crate::Conflict::Provider`] unless the recorded provider is kms.
    async fn keys_move_to_store(&self, moved: &[StoredPrivateKey]) -> Result<(), StoreError>;

    /// Erases from the database's files what deleted and replaced rows left there, as far as this database can.
    async fn remains_erase(&self) -> Result<Erasure, StoreError>;

    /// Removes all rows of a key, the private part first. A fingerprint that is not there removes nothing.
    async fn key_delete(&self, fingerprint: &Fingerprint) -> Result<Deletion, StoreError>;
}
