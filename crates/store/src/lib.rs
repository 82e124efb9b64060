//! What a node keeps: keys, KMS metadata, topology transactions and its identity.
//!
//! The traits say what any database must promise; [`SqliteStore`] is the first that does, and
//! [`contract`] is the suite that every one of them passes. This crate decides nothing about keys
//! or topology: it stores what it is told, whole or not at all.

pub mod contract;

mod creation;
mod error;
mod key;
mod settings;
mod sqlite;
mod topology;

pub use creation::{CreationJournal, KeyCreation};
pub use error::{BackendError, Conflict, OpenError, StoreError};
pub use key::{
    CryptoProvider, Deletion, Insertion, KeyOrigin, KeyStore, KmsMetadata, PrivateKeyEntry, StoredPrivateKey,
    StoredPublicKey,
};
pub use settings::{NodeIdentity, NodeKind, NodeStore, SettingsStore};
pub use sqlite::{Access, MigrateOnStart, SqliteLocation, SqliteOptions, SqliteStore};
pub use topology::{
    NewTopologyTransaction, StoredTopologyTransaction, TimeQuery, TopologyOp, TopologyQuery, TopologyStore,
    TopologyStoreId,
};
