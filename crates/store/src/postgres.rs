//! A node's store in a PostgreSQL database, or in a schema of one.
//!
//! Writes go through one connection that also holds the lock which keeps every other process out, each in a
//! transaction that is durable when it returns; the other connections only read. A server that goes away makes calls
//! fail with [`StoreError::Unavailable`] until it is back. A write whose connection is lost during the commit asks the
//! server how it ended; only where the server does not come back within the connection timeout is it reported as
//! failed although it may have happened.
//!
//! Deleted rows stay in the server's files until they are vacuumed, in its log until that is recycled, and in backups:
//! that goes for private keys of provider jce too, whose table [`crate::KeyStore::remains_erase`] writes anew.
//! Sources: <https://www.postgresql.org/docs/current/runtime-config-wal.html>,
//! <https://www.postgresql.org/docs/current/explicit-locking.html>.

mod error;
mod group;
mod lock;
mod options;
mod passfile;
mod schema;
mod writer;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{Connection, Postgres};

pub use self::group::PostgresGroup;
pub use self::options::{PostgresOptions, PostgresSsl, SslMode};
use self::schema::Opening;
use self::writer::{Transaction, Writer, connect, in_time};
use crate::sql::{Columns, SqlStore, SqlWrite, Statement};
use crate::{Access, Erasure, OpenError, StoreError};

/// A server that has not answered for so long is not there. Longer than what it gives itself for a statement.
const REPLY_TIMEOUT: Duration = Duration::from_secs(35);
const CONNECTIONS: u32 = 4;

/// A node's store in PostgreSQL. Clones are the same store.
#[derive(Clone)]
pub struct PostgresStore {
    inner: Arc<Inner>,
}

struct Inner {
    database: String,
    access: Access,
    /// `None` when it is only read.
    writer: Option<Arc<Writer>>,
    readers: PgPool,
}

impl PostgresStore {
    /// Connects to the database, creates the tables if need be, and checks that it is this node's and nobody else's.
    ///
    /// # Errors
    /// [`OpenError`]; an existing database is unchanged then.
    pub async fn open(options: PostgresOptions) -> Result<Self, OpenError> {
        let driver = options.driver()?;
        let database = options.describe(&driver);
        let opening = Opening {
            database: &database,
            user: driver.get_username(),
            node: &options.node,
            migrate: options.migrate,
            access: options.access,
        };
        let writer = match options.access {
            Access::ReadWrite => {
                Some(Writer::open(driver.clone(), options.connection_timeout, &opening).await?)
            }
            Access::ReadOnly => {
                let failed = |error| opening.failed(error);
                let mut connection = connect(&driver, options.connection_timeout).await.map_err(failed)?;
                opening.prepare(&mut connection).await?;
                connection.close().await.map_err(failed)?;
                None
            }
        };
        let readers = PgPoolOptions::new()
            .max_connections(options.max_connections.unwrap_or(CONNECTIONS).saturating_sub(1).max(1))
            .acquire_timeout(options.connection_timeout)
            .connect_lazy_with(driver.options([("default_transaction_read_only", "on")]));
        Ok(Self { inner: Arc::new(Inner { database, access: options.access, writer, readers }) })
    }

    /// Waits for running calls, closes the connections and lets another process have the database.
    ///
    /// Later calls fail with [`StoreError::Unavailable`].
    pub async fn close(&self) {
        self.inner.readers.close().await;
        if let Some(writer) = &self.inner.writer {
            writer.close().await;
        }
    }
}

#[async_trait]
impl SqlStore for PostgresStore {
    type Write = Transaction;

    async fn begin(&self, operation: &'static str) -> Result<Transaction, StoreError> {
        match &self.inner.writer {
            Some(writer) => writer.begin(operation).await,
            None => Err(StoreError::ReadOnly { operation }),
        }
    }

    async fn read<T: Columns>(
        &self,
        operation: &'static str,
        statement: Statement<'_>,
    ) -> Result<Vec<T>, StoreError> {
        let failed = |error| error::failed(operation, error);
        let (sql, arguments) = statement.into_parts::<Postgres>().map_err(failed)?;
        if let Some(writer) = &self.inner.writer {
            writer.ensure_held(operation).await?;
        }
        let rows = sqlx::query_as_with(sql, arguments).fetch_all(&self.inner.readers);
        in_time(REPLY_TIMEOUT, rows).await.map_err(failed)
    }

    async fn erase(&self, operation: &'static str) -> Result<Erasure, StoreError> {
        let Some(writer) = &self.inner.writer else { return Err(StoreError::ReadOnly { operation }) };
        // Writes the table's files anew, without what was deleted. Nothing reaches the server's log and backups.
        writer.run_alone(operation, "VACUUM (FULL) private_keys").await?;
        Ok(Erasure::ServerLog)
    }
}

#[async_trait]
impl SqlWrite for Transaction {
    async fn execute(&mut self, statement: Statement<'_>) -> Result<u64, StoreError> {
        let operation = self.operation();
        let failed = |error| error::failed(operation, error);
        let (sql, arguments) = statement.into_parts::<Postgres>().map_err(failed)?;
        let done = self
            .run(async move |connection| sqlx::query_with(sql, arguments).execute(connection).await)
            .await
            .map_err(failed)?;
        Ok(done.rows_affected())
    }

    async fn fetch<T: Columns>(&mut self, statement: Statement<'_>) -> Result<Vec<T>, StoreError> {
        let operation = self.operation();
        let failed = |error| error::failed(operation, error);
        let (sql, arguments) = statement.into_parts::<Postgres>().map_err(failed)?;
        self.run(async move |connection| sqlx::query_as_with(sql, arguments).fetch_all(connection).await)
            .await
            .map_err(failed)
    }

    async fn commit(self) -> Result<(), StoreError> {
        Transaction::commit(self).await
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("database", &self.inner.database)
            .field("access", &self.inner.access)
            .finish_non_exhaustive()
    }
}
