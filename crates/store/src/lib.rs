//! What a node keeps: keys, KMS metadata, topology transactions, its identity, and what its roles in a domain need.
//!
//! The traits say what any database must promise; [`SqliteStore`] and [`PostgresStore`] do, and
//! [`contract`] is the suite that every one of them passes. This crate decides nothing about keys
//! or topology: it stores what it is told, whole or not at all.

pub mod contract;

mod access;
mod client;
mod connection;
mod creation;
mod deletion;
mod error;
mod group;
mod key;
mod metered;
mod postgres;
mod role;
mod sequencer;
mod settings;
mod sql;
mod sqlite;
pub mod testing;
mod topology;

pub use access::{Access, MigrateOnStart};
pub use client::{ClientCursor, ClientStore};
pub use connection::{ConnectionStore, DomainConnection};
pub use creation::{CreationJournal, KeyCreation};
pub use deletion::{DeletionJournal, KeyDeletion};
pub use error::{BackendError, Conflict, OpenError, StoreError};
pub use group::{Forwarded, ForwardedId, ForwardedKind, ForwardedOutcome, Lead, SequencerGroup};
pub use key::{
    CryptoProvider, Deletion, Erasure, Insertion, KeyOrigin, KeyStore, KmsMetadata, PrivateKeyEntry,
    StoredPrivateKey, StoredPublicKey,
};
pub use metered::Metered;
pub use postgres::{PostgresGroup, PostgresOptions, PostgresSsl, PostgresStore, SslMode};
pub use role::{RoleSetting, RoleStore};
pub use sequencer::{
    EventPage, MemberNumber, NewSequencerMember, SequencerBatch, SequencerEvent, SequencerMember,
    SequencerStore,
};
pub use settings::{NodeIdentity, NodeKind, NodeStore, SettingsStore};
pub use sqlite::{BackupError, SqliteLocation, SqliteOptions, SqliteStore};
pub use topology::{
    NewTopologyTransaction, SequencedTopology, StoredTopologyTransaction, TimeQuery, TopologyOp,
    TopologyQuery, TopologyStore, TopologyStoreId,
};
