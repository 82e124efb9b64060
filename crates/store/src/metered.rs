//! Measures what is read from and written to a store: how often, how it ended, how long it took.
//!
//! A write is one transaction from its begin to its commit. What is measured goes to the process's recorder of the crate
//! `metrics`; without one it goes nowhere. The names are those of docs/metrics.md; operations are the store's methods.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use async_trait::async_trait;
use cantle_types::Fingerprint;
use metrics::{SharedString, counter, histogram};

use crate::sql::{Columns, SqlStore, SqlWrite, Statement};
use crate::{Erasure, NodeIdentity, PostgresGroup, PostgresStore, SqliteStore, StoreError};

/// A store that is measured. Clones are the same store.
#[derive(Debug, Clone)]
pub struct Metered<S> {
    inner: S,
    node: SharedString,
    failing: Failing,
}

/// Whether the last write failed for want of the database.
type Failing = Arc<AtomicBool>;

impl SqliteStore {
    /// The same store, measured with the node's name.
    #[must_use]
    pub fn metered(self, node: &NodeIdentity) -> Metered<Self> {
        Metered { inner: self, node: SharedString::from(node.name.to_string()), failing: Failing::default() }
    }
}

impl PostgresStore {
    /// The same store, measured with the node's name.
    #[must_use]
    pub fn metered(self, node: &NodeIdentity) -> Metered<Self> {
        Metered { inner: self, node: SharedString::from(node.name.to_string()), failing: Failing::default() }
    }
}

impl PostgresGroup {
    /// The same store, measured with the node's name.
    #[must_use]
    pub fn metered(self, node: &NodeIdentity) -> Metered<Self> {
        Metered { inner: self, node: SharedString::from(node.name.to_string()), failing: Failing::default() }
    }
}

/// An operation under way, measured when it is dropped: one that nobody waits for has failed.
#[derive(Debug)]
struct Pending {
    node: SharedString,
    operation: &'static str,
    started: Instant,
    outcome: &'static str,
}

impl Pending {
    fn start(node: &SharedString, operation: &'static str) -> Self {
        Self { node: node.clone(), operation, started: Instant::now(), outcome: "failed" }
    }

    fn end<T>(mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if result.is_ok() {
            self.outcome = "ok";
        }
        result
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        counter!(
            "cantle_db_operations_total",
            "node" => self.node.clone(),
            "operation" => self.operation,
            "outcome" => self.outcome,
        )
        .increment(1);
        histogram!(
            "cantle_db_operation_duration_seconds",
            "node" => self.node.clone(),
            "operation" => self.operation,
        )
        .record(self.started.elapsed().as_secs_f64());
    }
}

/// A transaction that is measured.
#[derive(Debug)]
pub(crate) struct MeteredWrite<W> {
    inner: W,
    pending: Pending,
    failing: Failing,
}

/// Takes note of a write that failed for want of the database.
fn note<T>(failing: &Failing, result: Result<T, StoreError>) -> Result<T, StoreError> {
    if matches!(result, Err(StoreError::Unavailable { .. })) {
        failing.store(true, Ordering::Relaxed);
    }
    result
}

#[async_trait]
impl<S: SqlStore> SqlStore for Metered<S> {
    type Write = MeteredWrite<S::Write>;

    async fn begin(&self, operation: &'static str) -> Result<Self::Write, StoreError> {
        let pending = Pending::start(&self.node, operation);
        let inner = note(&self.failing, self.inner.begin(operation).await)?;
        Ok(MeteredWrite { inner, pending, failing: Arc::clone(&self.failing) })
    }

    async fn read<T: Columns>(
        &self,
        operation: &'static str,
        statement: Statement<'_>,
    ) -> Result<Vec<T>, StoreError> {
        let pending = Pending::start(&self.node, operation);
        pending.end(self.inner.read(operation, statement).await)
    }

    async fn erase(&self, operation: &'static str) -> Result<Erasure, StoreError> {
        let pending = Pending::start(&self.node, operation);
        pending.end(self.inner.erase(operation).await)
    }

    async fn private_key_deleted(&self, fingerprint: &Fingerprint) {
        self.inner.private_key_deleted(fingerprint).await;
    }

    fn write_failed(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl<W: SqlWrite> SqlWrite for MeteredWrite<W> {
    async fn execute(&mut self, statement: Statement<'_>) -> Result<u64, StoreError> {
        note(&self.failing, self.inner.execute(statement).await)
    }

    async fn fetch<T: Columns>(&mut self, statement: Statement<'_>) -> Result<Vec<T>, StoreError> {
        note(&self.failing, self.inner.fetch(statement).await)
    }

    async fn commit(self) -> Result<(), StoreError> {
        let Self { inner, pending, failing } = self;
        let committed = note(&failing, inner.commit().await);
        if committed.is_ok() {
            failing.store(false, Ordering::Relaxed);
        }
        pending.end(committed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use metrics_util::debugging::{DebugValue, DebuggingRecorder};

    use super::*;
    use crate::{
        Access, KeyStore, MigrateOnStart, NodeKind, NodeStore, SettingsStore, SqliteLocation, SqliteOptions,
        contract,
    };

    fn node() -> NodeIdentity {
        NodeIdentity { kind: NodeKind::Participant, name: "participant1".parse().unwrap() }
    }

    async fn open() -> SqliteStore {
        let options = SqliteOptions {
            location: SqliteLocation::Memory,
            node: node(),
            migrate: MigrateOnStart::No,
            access: Access::ReadWrite,
        };
        SqliteStore::open(options).await.unwrap()
    }

    #[tokio::test]
    async fn contract_holds_for_a_measured_store() {
        contract::run(|| async { Arc::new(open().await.metered(&node())) as Arc<dyn NodeStore> }).await;
    }

    #[tokio::test]
    async fn a_write_that_failed_is_known_until_one_succeeds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.db");
        let options = SqliteOptions {
            location: SqliteLocation::File(path.clone()),
            node: node(),
            migrate: MigrateOnStart::No,
            access: Access::ReadWrite,
        };
        let plain = SqliteStore::open(options).await.unwrap();
        let store = plain.clone().metered(&node());
        assert!(!SettingsStore::write_failed(&store));
        plain.set_query_only(true).await;
        store.write_probe().await.unwrap_err();
        store.uid_find().await.unwrap();
        assert!(SettingsStore::write_failed(&store), "what is read says nothing");
        plain.set_query_only(false).await;
        let before = std::fs::metadata(folder.path().join("node.db-wal")).unwrap().len();
        store.write_probe().await.unwrap();
        assert!(!SettingsStore::write_failed(&store));
        let after = std::fs::metadata(folder.path().join("node.db-wal")).unwrap().len();
        assert!(after > before, "something was written");
        plain.close().await;
    }

    #[test]
    fn reads_and_writes_are_counted_by_operation_and_outcome() {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        metrics::with_local_recorder(&recorder, || {
            runtime.block_on(async {
                let store = open().await;
                let measured = store.clone().metered(&node());
                measured.uid_insert(&"participant1::1220ab".parse().unwrap()).await.unwrap();
                measured.uid_find().await.unwrap();
                store.close().await;
                measured.public_key_list().await.unwrap_err();
            });
        });
        let mut counts: Vec<_> = snapshotter
            .snapshot()
            .into_vec()
            .into_iter()
            .filter_map(|(key, _, _, value)| match value {
                DebugValue::Counter(count) => {
                    let labels: Vec<_> = key.key().labels().map(metrics::Label::value).collect();
                    Some((labels.join(" "), count))
                }
                _ => None,
            })
            .collect();
        counts.sort();
        let operations: Vec<_> = counts.iter().map(|(labels, _)| labels.as_str()).collect();
        assert!(operations.iter().all(|labels| labels.starts_with("participant1 ")), "{operations:?}");
        assert_eq!(
            operations.iter().filter(|labels| labels.ends_with(" failed")).count(),
            1,
            "{operations:?}"
        );
        assert!(operations.iter().filter(|labels| labels.ends_with(" ok")).count() >= 2, "{operations:?}");
    }
}
