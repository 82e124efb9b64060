//! Reading and writing a shared database: what is appended goes through the leader's connection, and nothing else does.

use async_trait::async_trait;
use sqlx::Postgres;

use super::PostgresGroup;
use crate::postgres::writer::{Transaction, in_time};
use crate::postgres::{REPLY_TIMEOUT, error};
use crate::sql::{Columns, SqlStore, SqlWrite, Statement};
use crate::{Erasure, StoreError};

/// What only the one that leads may do.
const LEADERS: [&str; 1] = ["sequencer_append"];

/// A transaction of the leader, or of anyone.
pub(crate) enum GroupWrite {
    Leader(Transaction),
    Anyone { inner: sqlx::Transaction<'static, Postgres>, operation: &'static str },
}

#[async_trait]
impl SqlStore for PostgresGroup {
    type Write = GroupWrite;

    async fn begin(&self, operation: &'static str) -> Result<GroupWrite, StoreError> {
        if LEADERS.contains(&operation) {
            let leader = self.inner.lead.lock().await.clone();
            return match leader {
                Some(writer) => writer.begin(operation).await.map(GroupWrite::Leader),
                None => Err(StoreError::TakenOver { operation }),
            };
        }
        let begun = in_time(REPLY_TIMEOUT, self.inner.others.begin()).await;
        let inner = begun.map_err(|error| error::failed(operation, error))?;
        Ok(GroupWrite::Anyone { inner, operation })
    }

    async fn read<T: Columns>(
        &self,
        operation: &'static str,
        statement: Statement<'_>,
    ) -> Result<Vec<T>, StoreError> {
        let failed = |error| error::failed(operation, error);
        let (sql, arguments) = statement.into_parts::<Postgres>().map_err(failed)?;
        let rows = sqlx::query_as_with(sql, arguments).fetch_all(&self.inner.readers);
        in_time(REPLY_TIMEOUT, rows).await.map_err(failed)
    }

    async fn erase(&self, operation: &'static str) -> Result<Erasure, StoreError> {
        // No node keeps private keys here.
        Err(StoreError::ReadOnly { operation })
    }
}

#[async_trait]
impl SqlWrite for GroupWrite {
    async fn execute(&mut self, statement: Statement<'_>) -> Result<u64, StoreError> {
        match self {
            Self::Leader(transaction) => transaction.execute(statement).await,
            Self::Anyone { inner, operation } => {
                let failed = |error| error::failed(operation, error);
                let (sql, arguments) = statement.into_parts::<Postgres>().map_err(failed)?;
                let done = sqlx::query_with(sql, arguments).execute(&mut **inner);
                Ok(in_time(REPLY_TIMEOUT, done).await.map_err(failed)?.rows_affected())
            }
        }
    }

    async fn fetch<T: Columns>(&mut self, statement: Statement<'_>) -> Result<Vec<T>, StoreError> {
        match self {
            Self::Leader(transaction) => transaction.fetch(statement).await,
            Self::Anyone { inner, operation } => {
                let failed = |error| error::failed(operation, error);
                let (sql, arguments) = statement.into_parts::<Postgres>().map_err(failed)?;
                let rows = sqlx::query_as_with(sql, arguments).fetch_all(&mut **inner);
                in_time(REPLY_TIMEOUT, rows).await.map_err(failed)
            }
        }
    }

    async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Leader(transaction) => transaction.commit().await,
            Self::Anyone { inner, operation } => {
                in_time(REPLY_TIMEOUT, inner.commit()).await.map_err(|error| error::failed(operation, error))
            }
        }
    }
}
