//! Signed topology transactions as they are stored, and the trait that stores them.
//!
//! The store does not read the transactions: whoever appends one says what it is indexed by. It keeps the
//! history append-only and in the order of its times: one a transaction in what the node authorized, one a message in
//! what a domain sequenced.

use std::fmt;

use async_trait::async_trait;
use cantle_types::{DomainId, Fingerprint};
use jiff::Timestamp;

use crate::StoreError;

/// Which collection of topology transactions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TopologyStoreId {
    /// What this node's topology manager authorized.
    Authorized,
    /// What a sync domain sequenced.
    Domain(DomainId),
}

impl fmt::Display for TopologyStoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authorized => f.write_str("Authorized"),
            Self::Domain(id) => write!(f, "{id}"),
        }
    }
}

/// What a topology transaction does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TopologyOp {
    /// Adds a mapping, valid until it is removed.
    Add,
    /// Ends a mapping; itself never valid.
    Remove,
    /// Takes the place of the mapping of the same path.
    Replace,
}

impl TopologyOp {
    /// The operation as the database writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Remove => "remove",
            Self::Replace => "replace",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Add, Self::Remove, Self::Replace].into_iter().find(|op| op.as_str() == text)
    }
}

/// A signed topology transaction to append, and what it is found by.
///
/// (`code`, `namespace`, `identifier`, `element_id`) is its path: a removal or replacement ends what is valid there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopologyTransaction {
    /// What it does.
    pub op: TopologyOp,
    /// The mapping's three-letter code: `nsd`, `okm`, ….
    pub code: String,
    /// The namespace it concerns.
    pub namespace: Fingerprint,
    /// The identifier it concerns, or empty for a namespace as a whole.
    pub identifier: String,
    /// The element id, at most 255 characters.
    pub element_id: String,
    /// A hash of the mapping in its protocol version.
    pub mapping_hash: Vec<u8>,
    /// The key that signed.
    pub signed_by: Fingerprint,
    /// The signed transaction, byte for byte.
    pub serialized: Vec<u8>,
}

/// A stored topology transaction: it is valid in `valid_from < t`, and `t <= valid_until` once that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTopologyTransaction {
    /// When it was added; in `Authorized` it is the only one of its time.
    pub sequenced: Timestamp,
    /// From when it is valid.
    pub valid_from: Timestamp,
    /// Until when; `None` while it is valid. A removal's is its `valid_from`.
    pub valid_until: Option<Timestamp>,
    /// The transaction and its index.
    pub transaction: NewTopologyTransaction,
}

/// What one message of a domain changed in its topology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequencedTopology {
    /// The time that the sequencer gave.
    pub sequenced: Timestamp,
    /// From when it is valid; not before `sequenced`.
    pub effective: Timestamp,
    /// The transactions that were accepted, in their order.
    pub transactions: Vec<NewTopologyTransaction>,
}

/// Which times to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimeQuery {
    /// What is valid now.
    #[default]
    Head,
    /// What was valid at a time.
    Snapshot(Timestamp),
    /// What was added in a span, both ends included; all history without ends.
    Range {
        /// The earliest `valid_from`.
        from: Option<Timestamp>,
        /// The latest `valid_from`.
        until: Option<Timestamp>,
    },
}

impl TimeQuery {
    /// The whole history, removals and ended mappings too.
    pub const HISTORY: Self = Self::Range { from: None, until: None };
}

/// Which topology transactions to list; the default is all that is valid now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopologyQuery {
    /// Which times.
    pub time: TimeQuery,
    /// Only this operation.
    pub op: Option<TopologyOp>,
    /// Only this three-letter code.
    pub code: Option<String>,
    /// Only namespaces that start so.
    pub namespace_prefix: String,
    /// Only identifiers that start so.
    pub identifier_prefix: String,
    /// Only what keys whose fingerprint starts so have signed.
    pub signed_by_prefix: String,
}

/// Topology transactions of a node.
///
/// Every method is one transaction: whole and durable on `Ok`, nothing on `Err`; a dropped call happened whole or not
/// at all.
#[async_trait]
pub trait TopologyStore: Send + Sync {
    /// Appends transactions in the given order, each at its own time.
    ///
    /// The first is sequenced at `now`, or one microsecond after the store's latest if that is not before `now`; each
    /// further one a microsecond later. A removal ends every valid transaction of its path, a replacement ends
    /// its predecessors. Returned as stored, in order.
    ///
    /// # Errors
    /// [`crate::Conflict::TopologyTransaction`] if, in `Authorized`, an addition or removal with the same path, mapping
    /// hash and signer was appended before, even if it is no longer valid.
    async fn topology_append(
        &self,
        store: &TopologyStoreId,
        transactions: Vec<NewTopologyTransaction>,
        now: Timestamp,
    ) -> Result<Vec<StoredTopologyTransaction>, StoreError>;

    /// Appends what a domain sequenced, message by message. A removal ends every valid transaction of its path, a
    /// replacement its predecessors, when they become valid themselves.
    ///
    /// A message that is not after the latest of the domain's store is there already and left out: whoever reads a
    /// domain's messages again may append them again.
    async fn topology_append_sequenced(
        &self,
        domain: &DomainId,
        messages: &[SequencedTopology],
    ) -> Result<(), StoreError>;

    /// What matches a query, in the order of `sequenced`.
    async fn topology_list(
        &self,
        store: &TopologyStoreId,
        query: &TopologyQuery,
    ) -> Result<Vec<StoredTopologyTransaction>, StoreError>;

    /// The time of the latest transaction of a store.
    async fn topology_latest(&self, store: &TopologyStoreId) -> Result<Option<Timestamp>, StoreError>;

    /// The topology stores that hold a transaction: `Authorized` first, then domains by id.
    async fn topology_stores(&self) -> Result<Vec<TopologyStoreId>, StoreError>;
}
