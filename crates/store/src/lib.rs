//! What a node keeps: keys, KMS metadata, topology transactions and its identity.
//!
//! The traits say what any database must promise; [`SqliteStore`] and [`PostgresStore`] do, and
//! [`contract`] is the suite that every one of them passes. This crate decides nothing about keys
//! or topology: it stores what it is told, whole or not at all.

pub mod contract;

mod access;
mod creation;
mod error;
mod key;
mod postgres;
mod settings;
mod sql;
mod sqlite;
mod topology;

pub use access::{Access, MigrateOnStart};
pub use creation::{CreationJournal, KeyCreation};
pub use error::{BackendError, Conflict, OpenError, StoreError};
pub use key::{
    CryptoProvider, Deletion, Insertion, KeyOrigin, KeyStore, KmsMetadata, PrivateKeyEntry, StoredPrivateKey,
    StoredPublicKey,
};
pub use postgres::{PostgresOptions, PostgresSsl, PostgresStore, SslMode};
pub use settings::{NodeIdentity, NodeKind, NodeStore, SettingsStore};
pub use sqlite::{SqliteLocation, SqliteOptions, SqliteStore};
pub use topology::{
    NewTopologyTransaction, StoredTopologyTransaction, TimeQuery, TopologyOp, TopologyQuery, TopologyStore,
    TopologyStoreId,
};
