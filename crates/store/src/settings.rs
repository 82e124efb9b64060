//! Which node a store belongs to, its identity, and the claim of its crypto provider.

use std::fmt;

use async_trait::async_trait;
use cantle_types::{NodeName, UniqueIdentifier};

use crate::{
    ClientStore, ConnectionStore, CreationJournal, CryptoProvider, DeletionJournal, KeyStore, RoleStore,
    SequencerStore, StoreError, TopologyStore,
};

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeKind {
    /// A participant.
    Participant,
    /// An embedded sync domain.
    Domain,
    /// The manager of a distributed sync domain.
    DomainManager,
    /// A sequencer.
    Sequencer,
    /// A mediator.
    Mediator,
}

impl NodeKind {
    /// All kinds.
    pub const ALL: [Self; 5] =
        [Self::Participant, Self::Domain, Self::DomainManager, Self::Sequencer, Self::Mediator];

    /// The kind as the command line and the database write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Participant => "participant",
            Self::Domain => "domain",
            Self::DomainManager => "domain-manager",
            Self::Sequencer => "sequencer",
            Self::Mediator => "mediator",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl fmt::Display for NodeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A node's kind and configured name; a database remembers the one it was made for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NodeIdentity {
    /// What the node is.
    pub kind: NodeKind,
    /// Its name in the configuration.
    pub name: NodeName,
}

impl fmt::Display for NodeIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// What a node knows about itself.
///
/// Both values are written once; the provider changes only where all keys move, by
/// [`KeyStore::keys_move_to_kms`] and back. Each method is atomic and may be repeated.
#[async_trait]
pub trait SettingsStore: Send + Sync {
    /// The crypto provider of this node's keys, or `None` before the first key.
    async fn provider_find(&self) -> Result<Option<CryptoProvider>, StoreError>;

    /// Records the crypto provider unless one is recorded, and returns the recorded one.
    ///
    /// A recorded other provider is left as it is and returned: the caller compares. Inserting a private
    /// key or a KMS key claims its provider by itself.
    async fn provider_claim(&self, provider: CryptoProvider) -> Result<CryptoProvider, StoreError>;

    /// The node's unique identifier, or `None` before it is initialized.
    async fn uid_find(&self) -> Result<Option<UniqueIdentifier>, StoreError>;

    /// Records the node's unique identifier. The same one again is no error.
    ///
    /// # Errors
    /// [`crate::Conflict::Uid`] if another one is recorded; it stays.
    async fn uid_insert(&self, uid: &UniqueIdentifier) -> Result<(), StoreError>;

    /// Whether the last write failed because the database did not answer or has no room; a measured store alone knows.
    fn write_failed(&self) -> bool;

    /// A write that changes nothing: whether there could be one that does.
    async fn write_probe(&self) -> Result<(), StoreError>;
}

/// Everything a node keeps, behind one object.
pub trait NodeStore:
    KeyStore
    + CreationJournal
    + DeletionJournal
    + TopologyStore
    + SettingsStore
    + RoleStore
    + ClientStore
    + ConnectionStore
    + SequencerStore
    + fmt::Debug
{
}

impl<T> NodeStore for T where
    T: KeyStore
        + CreationJournal
        + DeletionJournal
        + TopologyStore
        + SettingsStore
        + RoleStore
        + ClientStore
        + ConnectionStore
        + SequencerStore
        + fmt::Debug
        + ?Sized
{
}
