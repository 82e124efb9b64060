//! A node's store in one SQLite file, or in memory.
//!
//! Writes go through one connection, each in a transaction that is on disk when it returns (WAL, synchronous FULL);
//! a few connections read beside it. Beside the file `NAME` lies `NAME.lock`: whoever holds the operating system's
//! lock on it is the one process that may write, and a killed process holds nothing. A new database file can be read
//! by its user alone, because private keys of provider jce lie in it.
//! Source: <https://www.sqlite.org/wal.html>.

mod backup;
mod error;
mod lock;
mod schema;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use cantle_types::Fingerprint;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Sqlite, Transaction};

pub use self::backup::BackupError;
use self::lock::FileLock;
use crate::sql::{Columns, SqlStore, SqlWrite, Statement};
use crate::{Access, BackendError, Erasure, MigrateOnStart, NodeIdentity, OpenError, StoreError};

const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
const READERS: u32 = 3;
/// How many spoilt connections a write gets over: more writers than ever wait side by side on a full disk.
const RENEWALS: usize = 64;

/// Where a SQLite database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SqliteLocation {
    /// In a file; its folder is created where needed.
    File(PathBuf),
    /// In memory: gone with the store.
    Memory,
}

/// How to open a [`SqliteStore`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqliteOptions {
    /// Where the database is.
    pub location: SqliteLocation,
    /// Whose it is.
    pub node: NodeIdentity,
    /// What to do with an old schema.
    pub migrate: MigrateOnStart,
    /// What it is opened for.
    pub access: Access,
}

/// A node's store in SQLite. Clones are the same store.
#[derive(Clone)]
pub struct SqliteStore {
    inner: Arc<Inner>,
}

struct Inner {
    database: String,
    access: Access,
    writer: SqlitePool,
    readers: SqlitePool,
    lock: Mutex<Option<FileLock>>,
}

impl SqliteStore {
    /// Opens the database, creates it if need be, and checks that it is this node's and nobody else's.
    ///
    /// # Errors
    /// [`OpenError`]; an existing database is unchanged then.
    pub async fn open(options: SqliteOptions) -> Result<Self, OpenError> {
        match &options.location {
            SqliteLocation::Memory => Self::open_memory(&options).await,
            SqliteLocation::File(path) => Self::open_file(path.clone(), &options).await,
        }
    }

    /// Waits for running calls, closes the database and lets another process have it.
    ///
    /// Later calls fail with [`StoreError::Unavailable`].
    pub async fn close(&self) {
        self.inner.readers.close().await;
        self.inner.writer.close().await;
        self.inner.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    async fn open_memory(options: &SqliteOptions) -> Result<Self, OpenError> {
        let database = "in memory".to_owned();
        let connect = durable(SqliteConnectOptions::new().in_memory(true).shared_cache(false));
        // One connection for all: another one would be another, empty database.
        let pool = pool(connect, 1).await.map_err(|error| unavailable(&database, error))?;
        let store = Self::with_pools(database, Access::ReadWrite, pool.clone(), pool, None);
        store.prepare(options).await?;
        Ok(store)
    }

    async fn open_file(path: PathBuf, options: &SqliteOptions) -> Result<Self, OpenError> {
        let (path, lock) = match options.access {
            Access::ReadWrite => {
                let path = lock::create_database_file(&path)?;
                let lock = FileLock::acquire(&path, &options.node)?;
                (path, Some(lock))
            }
            Access::ReadOnly if !path.exists() => return Err(OpenError::Missing { path }),
            Access::ReadOnly => (path, None),
        };
        let database = path.display().to_string();
        let connect = SqliteConnectOptions::new().filename(&path);
        let failed = |error| unavailable(&database, error);
        let (writer, readers) = match options.access {
            Access::ReadWrite => {
                let connect = durable(connect).journal_mode(SqliteJournalMode::Wal);
                let writer = pool(connect.clone(), 1).await.map_err(failed)?;
                (writer, pool_lazy(connect.read_only(true), READERS))
            }
            Access::ReadOnly => {
                let readers = pool(connect.busy_timeout(BUSY_TIMEOUT).read_only(true), READERS)
                    .await
                    .map_err(failed)?;
                (readers.clone(), readers)
            }
        };
        let store = Self::with_pools(database, options.access, writer, readers, lock);
        let prepared = store.prepare(options).await;
        if let Err(error) = prepared {
            store.close().await;
            return Err(error);
        }
        Ok(store)
    }

    fn with_pools(
        database: String,
        access: Access,
        writer: SqlitePool,
        readers: SqlitePool,
        lock: Option<FileLock>,
    ) -> Self {
        Self { inner: Arc::new(Inner { database, access, writer, readers, lock: Mutex::new(lock) }) }
    }

    /// Whether the one connection that writes refuses to, as on a disk that became read-only.
    #[cfg(test)]
    pub(crate) async fn set_query_only(&self, refuses: bool) {
        let sql = if refuses { "PRAGMA query_only = ON" } else { "PRAGMA query_only = OFF" };
        sqlx::query(sql).execute(&self.inner.writer).await.expect("the pragma is known");
    }

    async fn begin_write(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        const BEGIN: &str = "BEGIN IMMEDIATE";
        let writer = &self.inner.writer;
        for _ in 0..RENEWALS {
            match writer.begin_with(BEGIN).await {
                // SQLite ended the last transaction by itself, as it does on a full disk. The connection counts it as open
                // for ever; a new one does not, until another writer meets the same. There is no new one to a database in
                // memory, which no disk can fill.
                Err(sqlx::Error::InvalidSavePointStatement) if self.is_in_file() => {
                    writer.acquire().await?.close().await?;
                }
                begun => return begun,
            }
        }
        writer.begin_with(BEGIN).await
    }

    fn is_in_file(&self) -> bool {
        self.inner.lock.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    async fn prepare(&self, options: &SqliteOptions) -> Result<(), OpenError> {
        let database = &self.inner.database;
        let mut connection =
            self.inner.writer.acquire().await.map_err(|error| unavailable(database, error))?;
        schema::prepare(&mut connection, database, options).await
    }
}

#[async_trait]
impl SqlStore for SqliteStore {
    type Write = SqliteWrite;

    async fn begin(&self, operation: &'static str) -> Result<SqliteWrite, StoreError> {
        match self.inner.access {
            Access::ReadOnly => Err(StoreError::ReadOnly { operation }),
            Access::ReadWrite => {
                let begun = self.begin_write().await;
                Ok(SqliteWrite { transaction: begun.map_err(error::failed(operation))?, operation })
            }
        }
    }

    async fn read<T: Columns>(
        &self,
        operation: &'static str,
        statement: Statement<'_>,
    ) -> Result<Vec<T>, StoreError> {
        let (sql, arguments) = statement.into_parts::<Sqlite>().map_err(error::failed(operation))?;
        sqlx::query_as_with(sql, arguments)
            .fetch_all(&self.inner.readers)
            .await
            .map_err(error::failed(operation))
    }

    async fn erase(&self, operation: &'static str) -> Result<Erasure, StoreError> {
        if self.inner.access == Access::ReadOnly {
            return Err(StoreError::ReadOnly { operation });
        }
        let failed = error::failed(operation);
        let mut connection = self.inner.writer.acquire().await.map_err(&failed)?;
        // Pages keep copies of rows that were moved between them; writing the file anew leaves none.
        sqlx::query("VACUUM").execute(&mut *connection).await.map_err(&failed)?;
        let busy: i64 = sqlx::query_scalar("PRAGMA wal_checkpoint(TRUNCATE)")
            .fetch_one(&mut *connection)
            .await
            .map_err(&failed)?;
        Ok(if busy == 0 { Erasure::Complete } else { Erasure::Busy })
    }

    async fn private_key_deleted(&self, fingerprint: &Fingerprint) {
        // The key is overwritten in the file only once the log is copied into it.
        let truncated = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.inner.writer).await;
        if let Err(error) = truncated {
            tracing::warn!(%fingerprint, %error, "the write-ahead log still holds the deleted private key");
        }
    }
}

/// A write transaction on the one connection that writes.
pub(crate) struct SqliteWrite {
    transaction: Transaction<'static, Sqlite>,
    operation: &'static str,
}

#[async_trait]
impl SqlWrite for SqliteWrite {
    async fn execute(&mut self, statement: Statement<'_>) -> Result<u64, StoreError> {
        let failed = error::failed(self.operation);
        let (sql, arguments) = statement.into_parts::<Sqlite>().map_err(&failed)?;
        let done = sqlx::query_with(sql, arguments).execute(&mut *self.transaction).await.map_err(&failed)?;
        Ok(done.rows_affected())
    }

    async fn fetch<T: Columns>(&mut self, statement: Statement<'_>) -> Result<Vec<T>, StoreError> {
        let failed = error::failed(self.operation);
        let (sql, arguments) = statement.into_parts::<Sqlite>().map_err(&failed)?;
        sqlx::query_as_with(sql, arguments).fetch_all(&mut *self.transaction).await.map_err(&failed)
    }

    async fn commit(self) -> Result<(), StoreError> {
        self.transaction.commit().await.map_err(error::failed(self.operation))
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("database", &self.inner.database)
            .field("access", &self.inner.access)
            .finish_non_exhaustive()
    }
}

fn durable(connect: SqliteConnectOptions) -> SqliteConnectOptions {
    connect
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        // A deleted private key is overwritten, not only unlinked.
        .pragma("secure_delete", "ON")
}

fn pool_options(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(0)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

async fn pool(connect: SqliteConnectOptions, connections: u32) -> Result<SqlitePool, sqlx::Error> {
    pool_options(connections).connect_with(connect).await
}

fn pool_lazy(connect: SqliteConnectOptions, connections: u32) -> SqlitePool {
    pool_options(connections).connect_lazy_with(connect)
}

fn unavailable(database: &str, error: sqlx::Error) -> OpenError {
    let database = database.to_owned();
    if error::is_corrupt(&error) {
        OpenError::Corrupt { database, source: BackendError::new(error) }
    } else if error::needs_recovery(&error) {
        OpenError::NeedsRecovery { database, source: BackendError::new(error) }
    } else {
        OpenError::Unavailable { database, source: BackendError::new(error) }
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod model_tests;

#[cfg(test)]
mod power_loss_tests;
