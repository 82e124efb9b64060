//! The topology manager: the state that the node's own transactions lead to, and the one who may change it.
//!
//! Readers get the state as it is, without waiting. A writer holds the lock from its first look at the state to the
//! last byte on disk. Storing runs in a task of its own, so that a caller who goes away leaves memory and disk alike.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use cantle_store::{
    NewTopologyTransaction, NodeStore, StoreError, TimeQuery, TopologyOp, TopologyQuery, TopologyStoreId,
};
use cantle_topology::{SignedTopologyTransaction, TopologyChangeOp, TopologyState};
use cantle_types::{Clock, ProtocolVersion, UniqueIdentifier};
use cantle_vault::Vault;
use jiff::Timestamp;
use tokio::sync::{Mutex, OwnedMutexGuard, watch};

use crate::error::{ChangeError, ReadError};
use crate::list::parsed;

/// What a node itself says about the topology, and its identity. Clones are the same manager.
#[derive(Clone)]
pub struct TopologyManager {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Arc<dyn NodeStore>,
    pub(crate) vault: Vault,
    pub(crate) version: ProtocolVersion,
    pub(crate) identity: watch::Sender<Option<UniqueIdentifier>>,
    /// When the last transaction of this process was added.
    changes: watch::Sender<Option<Timestamp>>,
    clock: Arc<dyn Clock>,
    state: RwLock<Arc<TopologyState>>,
    writer: Arc<Mutex<Writer>>,
}

/// What only the one who changes the topology sees.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    /// Whether the disk may hold something that the state does not.
    uncertain: bool,
}

impl TopologyManager {
    /// Reads the node's own transactions and its identity from the store. New transactions are made for `version`.
    ///
    /// # Errors
    /// When the store fails, or a stored transaction is damaged.
    pub async fn open(
        store: Arc<dyn NodeStore>,
        vault: Vault,
        clock: Arc<dyn Clock>,
        version: ProtocolVersion,
    ) -> Result<Self, ReadError> {
        let state = read_state(&*store).await?;
        let identity = watch::Sender::new(store.uid_find().await?);
        let changes = watch::Sender::new(None);
        let state = RwLock::new(Arc::new(state));
        let writer = Arc::default();
        Ok(Self { inner: Arc::new(Inner { store, vault, version, identity, changes, clock, state, writer }) })
    }

    /// The state at the moment; later changes do not show in it.
    #[must_use]
    pub fn state(&self) -> Arc<TopologyState> {
        Arc::clone(&self.inner.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes whenever transactions were added: to when the last one was.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Option<Timestamp>> {
        self.inner.changes.subscribe()
    }

    /// The protocol version for which new transactions are made.
    #[must_use]
    pub fn protocol_version(&self) -> ProtocolVersion {
        self.inner.version
    }

    /// Waits for its turn to change the topology, and makes sure that the state is what is on disk.
    pub(crate) async fn writer(&self) -> Result<OwnedMutexGuard<Writer>, ReadError> {
        let mut writer = Arc::clone(&self.inner.writer).lock_owned().await;
        if writer.uncertain {
            self.inner.publish(read_state(&*self.inner.store).await?);
            writer.uncertain = false;
        }
        Ok(writer)
    }

    /// Stores transactions in their order, in one store transaction, and lets them have their effect.
    pub(crate) async fn append(
        &self,
        writer: OwnedMutexGuard<Writer>,
        signed: Vec<SignedTopologyTransaction>,
    ) -> Result<(), ChangeError> {
        let inner = Arc::clone(&self.inner);
        let task = tokio::spawn(async move { inner.append(writer, signed).await });
        match task.await {
            Ok(result) => Ok(result?),
            Err(_) => Err(ChangeError::Stopped),
        }
    }
}

impl Inner {
    async fn append(
        &self,
        mut writer: OwnedMutexGuard<Writer>,
        signed: Vec<SignedTopologyTransaction>,
    ) -> Result<(), StoreError> {
        // Until the answer is there, and also if this task dies before.
        writer.uncertain = true;
        let new = signed.iter().map(indexed).collect();
        let stored = self.store.topology_append(&TopologyStoreId::Authorized, new, self.clock.now()).await?;
        let mut state = TopologyState::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner));
        for transaction in &signed {
            state.apply(transaction.transaction(), transaction.key().fingerprint());
            tracing::info!(
                op = %transaction.transaction().op(),
                path = %transaction.transaction().unique_path(),
                signed_by = %transaction.key().fingerprint(),
                "added a topology transaction"
            );
        }
        self.publish(state);
        writer.uncertain = false;
        self.changes.send_replace(stored.last().map(|last| last.sequenced));
        Ok(())
    }

    fn publish(&self, state: TopologyState) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
    }
}

/// The state that the whole history of the store `Authorized` leads to.
async fn read_state(store: &dyn NodeStore) -> Result<TopologyState, ReadError> {
    let id = TopologyStoreId::Authorized;
    let query = TopologyQuery { time: TimeQuery::HISTORY, ..TopologyQuery::default() };
    let mut state = TopologyState::new();
    for stored in store.topology_list(&id, &query).await? {
        let signed = parsed(&id, &stored)?;
        state.apply(signed.transaction(), signed.key().fingerprint());
    }
    Ok(state)
}

/// A transaction with what the store finds it by.
fn indexed(signed: &SignedTopologyTransaction) -> NewTopologyTransaction {
    let transaction = signed.transaction();
    let subject = transaction.mapping().subject();
    NewTopologyTransaction {
        op: store_op(transaction.op()),
        code: subject.code.to_string(),
        namespace: subject.namespace.fingerprint().clone(),
        identifier: subject.identifier.map(|identifier| identifier.to_string()).unwrap_or_default(),
        element_id: transaction.element_id().to_string(),
        // Replacing parameters by the same ones again is no duplicate, and the store asks that of no replacement.
        mapping_hash: transaction.hash().evidence().to_vec(),
        signed_by: signed.key().fingerprint().clone(),
        serialized: signed.to_bytes(),
    }
}

pub(crate) fn store_op(op: TopologyChangeOp) -> TopologyOp {
    match op {
        TopologyChangeOp::Add => TopologyOp::Add,
        TopologyChangeOp::Remove => TopologyOp::Remove,
        TopologyChangeOp::Replace => TopologyOp::Replace,
    }
}

impl fmt::Debug for TopologyManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopologyManager")
            .field("identity", &*self.inner.identity.borrow())
            .field("version", &self.inner.version)
            .finish_non_exhaustive()
    }
}
