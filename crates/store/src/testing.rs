//! A store that can be stopped at any write, for tests of what a crash leaves behind. Never for a node.
//!
//! A write is one transaction: it has happened whole before the gate is left, and not at all before it is entered.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use cantle_types::Fingerprint;

use crate::sql::{Columns, SqlStore, SqlWrite, Statement};
use crate::{Erasure, SqliteStore, StoreError};

/// Whoever decides at which step the world stops: by an answer that never comes.
#[async_trait]
pub trait Gate: Send + Sync + fmt::Debug {
    /// A step is about to be made.
    async fn enter(&self, step: &str);

    /// It was made.
    async fn leave(&self, step: &str);
}

/// A store whose writes pass a gate.
#[derive(Debug, Clone)]
pub struct Gated<S> {
    inner: S,
    gate: Arc<dyn Gate>,
}

impl SqliteStore {
    /// The same store, with its writes behind a gate.
    #[must_use]
    pub fn gated(self, gate: Arc<dyn Gate>) -> Gated<Self> {
        Gated { inner: self, gate }
    }
}

/// A write that passes a gate.
pub(crate) struct GatedWrite<W> {
    inner: W,
    gate: Arc<dyn Gate>,
    operation: &'static str,
}

#[async_trait]
impl<S: SqlStore> SqlStore for Gated<S> {
    type Write = GatedWrite<S::Write>;

    async fn begin(&self, operation: &'static str) -> Result<Self::Write, StoreError> {
        self.gate.enter(operation).await;
        let gate = Arc::clone(&self.gate);
        Ok(GatedWrite { inner: self.inner.begin(operation).await?, gate, operation })
    }

    async fn read<T: Columns>(
        &self,
        operation: &'static str,
        statement: Statement<'_>,
    ) -> Result<Vec<T>, StoreError> {
        self.inner.read(operation, statement).await
    }

    async fn erase(&self, operation: &'static str) -> Result<Erasure, StoreError> {
        self.gate.enter(operation).await;
        let erased = self.inner.erase(operation).await?;
        self.gate.leave(operation).await;
        Ok(erased)
    }

    async fn private_key_deleted(&self, fingerprint: &Fingerprint) {
        self.inner.private_key_deleted(fingerprint).await;
    }
}

#[async_trait]
impl<W: SqlWrite> SqlWrite for GatedWrite<W> {
    async fn execute(&mut self, statement: Statement<'_>) -> Result<u64, StoreError> {
        self.inner.execute(statement).await
    }

    async fn fetch<T: Columns>(&mut self, statement: Statement<'_>) -> Result<Vec<T>, StoreError> {
        self.inner.fetch(statement).await
    }

    async fn commit(self) -> Result<(), StoreError> {
        let Self { inner, gate, operation } = self;
        inner.commit().await?;
        gate.leave(operation).await;
        Ok(())
    }
}
