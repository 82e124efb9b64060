//! Listing stored transactions of this node and of the domains it knows.
//!
//! Lists come from the store, not from memory: they hold the past, too.

use std::sync::Arc;

use cantle_store::{NodeStore, StoredTopologyTransaction, TimeQuery, TopologyQuery, TopologyStoreId};
use cantle_topology::{MappingCode, SignedTopologyTransaction, StoredTransaction, TopologyChangeOp};
use cantle_types::ProtocolVersion;

use crate::error::ReadError;
use crate::manager::{TopologyManager, store_op};

/// Which transactions to list; the default is all that is valid now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListQuery {
    /// Only topology stores whose name starts so: `Authorized`, or a domain.
    pub store_prefix: String,
    /// Only what makes up a state, so no removals.
    pub state_only: bool,
    /// Which times.
    pub time: TimeQuery,
    /// Only this operation.
    pub op: Option<TopologyChangeOp>,
    /// Only this kind of mapping.
    pub code: Option<MappingCode>,
    /// Only what keys whose fingerprint starts so have signed.
    pub signed_by_prefix: String,
    /// Only what is written for this protocol version.
    pub protocol_version: Option<ProtocolVersion>,
}

/// A listed transaction and where it is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The topology store.
    pub store: TopologyStoreId,
    /// The transaction and its times.
    pub stored: StoredTransaction,
}

/// The topology stores of a node, to be listed: its own, if it has a topology manager, and those of domains.
#[derive(Debug, Clone)]
pub struct TopologyLists {
    store: Arc<dyn NodeStore>,
    manager: HasManager,
}

/// Whether a node has a topology manager, and so a store `Authorized`, even an empty one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HasManager {
    Yes,
    No,
}

impl TopologyLists {
    /// Those of a node without a topology manager: a sequencer or a mediator, which know domains alone.
    #[must_use]
    pub fn of_domains(store: Arc<dyn NodeStore>) -> Self {
        Self { store, manager: HasManager::No }
    }

    /// The topology stores of the node: `Authorized`, always if it has a manager, then those of domains.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn stores(&self) -> Result<Vec<TopologyStoreId>, ReadError> {
        let mut stores = self.store.topology_stores().await?;
        if self.manager == HasManager::Yes && !stores.contains(&TopologyStoreId::Authorized) {
            stores.insert(0, TopologyStoreId::Authorized);
        }
        Ok(stores)
    }

    /// The transactions that a query asks for, store by store, each in the order in which they were added.
    ///
    /// # Errors
    /// When the store fails, or a stored transaction is damaged.
    pub async fn list(&self, query: &ListQuery) -> Result<Vec<Listed>, ReadError> {
        let stored_query = TopologyQuery {
            time: query.time,
            op: query.op.map(store_op),
            code: query.code.map(|code| code.to_string()),
            signed_by_prefix: query.signed_by_prefix.clone(),
            ..TopologyQuery::default()
        };
        let mut listed = Vec::new();
        for store in self.stores().await? {
            if !store.to_string().starts_with(&query.store_prefix) {
                continue;
            }
            for stored in self.store.topology_list(&store, &stored_query).await? {
                let transaction = parsed(&store, &stored)?;
                let wanted = query.wants(&transaction);
                let StoredTopologyTransaction { sequenced, valid_from, valid_until, .. } = stored;
                if wanted {
                    let stored = StoredTransaction { sequenced, valid_from, valid_until, transaction };
                    listed.push(Listed { store: store.clone(), stored });
                }
            }
        }
        Ok(listed)
    }

    /// The transactions that the node has authorized and a query asks for, in their order, whatever the query's store.
    ///
    /// # Errors
    /// As [`TopologyLists::list`].
    pub async fn authorized(&self, query: ListQuery) -> Result<Vec<SignedTopologyTransaction>, ReadError> {
        let query = ListQuery { store_prefix: TopologyStoreId::Authorized.to_string(), ..query };
        // A domain's name may begin like that, too.
        let listed = self.list(&query).await?.into_iter();
        let own = listed.filter(|listed| listed.store == TopologyStoreId::Authorized);
        Ok(own.map(|listed| listed.stored.transaction).collect())
    }
}

impl TopologyManager {
    /// The topology stores of this node, to be listed.
    #[must_use]
    pub fn lists(&self) -> TopologyLists {
        TopologyLists { store: Arc::clone(&self.inner.store), manager: HasManager::Yes }
    }
}

impl ListQuery {
    /// What the store does not filter by.
    fn wants(&self, signed: &SignedTopologyTransaction) -> bool {
        let transaction = signed.transaction();
        self.protocol_version.is_none_or(|version| transaction.version() == version)
            && !(self.state_only && transaction.op() == TopologyChangeOp::Remove)
    }
}

/// Reads a stored transaction.
pub(crate) fn parsed(
    store: &TopologyStoreId,
    stored: &StoredTopologyTransaction,
) -> Result<SignedTopologyTransaction, ReadError> {
    SignedTopologyTransaction::from_bytes(&stored.transaction.serialized).map_err(|source| {
        ReadError::Transaction { store: store.clone(), sequenced: stored.sequenced, source: Box::new(source) }
    })
}
