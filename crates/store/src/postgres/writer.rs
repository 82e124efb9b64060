//! The one connection that writes, and holds the lock while it does.
//!
//! That lock and transactions share a session is what makes a second writer impossible: a session that has lost the
//! lock is a session that has ended, and it cannot commit anything. A lost connection is made again by the next call,
//! and beside calls every two seconds, and writes only after it has the lock and nobody else had it meanwhile.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::{sleep, timeout};

use super::lock::{self, Lock, Taken};
use super::schema::Opening;
use super::{REPLY_TIMEOUT, error};
use crate::{BackendError, OpenError, StoreError};

/// How often the connection is looked after when nothing is written.
const LOOK_AFTER: Duration = Duration::from_secs(2);
/// How long to wait between attempts to learn how a commit ended.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// What is known about the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Held = 0,
    Lost = 1,
    TakenOver = 2,
    Closed = 3,
}

/// The connection, unless it is lost.
#[derive(Debug, Default)]
pub(super) struct Slot {
    connection: Option<PgConnection>,
}

pub(super) struct Writer {
    /// With the password: never printed.
    driver: PgConnectOptions,
    connection_timeout: Duration,
    database: String,
    lock: Lock,
    /// How often the database had been opened when this writer had opened it.
    openings: i64,
    state: AtomicU8,
    slot: Arc<Mutex<Slot>>,
}

/// Connects, or gives up in time.
pub(super) async fn connect(driver: &PgConnectOptions, limit: Duration) -> Result<PgConnection, sqlx::Error> {
    in_time(limit, driver.connect()).await
}

/// Waits for the server's answer, but not for ever.
pub(super) async fn in_time<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    timeout(limit, answer).await.unwrap_or_else(|_| Err(error::silence()))
}

impl Writer {
    /// Takes the lock, then prepares the database.
    pub(super) async fn open(
        driver: PgConnectOptions,
        connection_timeout: Duration,
        opening: &Opening<'_>,
    ) -> Result<Arc<Self>, OpenError> {
        let failed = |error| opening.failed(error);
        let database = opening.database.to_owned();
        let mut connection = connect(&driver, connection_timeout).await.map_err(failed)?;
        let taken = async {
            let Some(lock) = Lock::of(&mut connection).await? else { return Ok(None) };
            Ok(Some(match lock.take(&mut connection).await? {
                Taken::Yes => Ok(lock),
                Taken::No => Err(lock.holder(&mut connection).await?),
            }))
        };
        let lock = match in_time(REPLY_TIMEOUT, taken).await.map_err(failed)? {
            Some(Ok(lock)) => lock,
            Some(Err(holder)) => return Err(OpenError::Locked { database, holder }),
            None => return Err(OpenError::NotCreated { database, missing: "schema" }),
        };
        let prepared = opening.prepare(&mut connection).await;
        if let Err(error) = prepared {
            // Whoever tries next need not wait for the server to see the end of this connection.
            let _ = connection.close().await;
            return Err(error);
        }
        let fsync = sqlx::query_scalar("SHOW fsync").fetch_one(&mut connection);
        let fsync: String = in_time(REPLY_TIMEOUT, fsync).await.map_err(failed)?;
        if fsync == "off" {
            tracing::warn!(%database, "the server runs with fsync = off: a power cut loses keys that were reported as stored");
        }
        let openings = in_time(REPLY_TIMEOUT, lock::count_opening(&mut connection)).await.map_err(failed)?;
        let writer = Arc::new(Self {
            driver,
            connection_timeout,
            database,
            lock,
            openings,
            state: AtomicU8::new(State::Held as u8),
            slot: Arc::new(Mutex::new(Slot { connection: Some(connection) })),
        });
        tokio::spawn(look_after(Arc::downgrade(&writer)));
        Ok(writer)
    }

    /// Begins a transaction.
    pub(super) async fn begin(self: &Arc<Self>, operation: &'static str) -> Result<Transaction, StoreError> {
        let slot = self.locked(operation).await?;
        let mut transaction = Transaction { writer: Arc::clone(self), slot: Some(slot), operation, id: 0 };
        match transaction.start().await {
            Ok(()) => Ok(transaction),
            // The connection was lost while nothing was written: once more, on a new one.
            Err(_) if self.state() == State::Lost => {
                if let Some(slot) = &mut transaction.slot {
                    self.restore(slot, operation).await?;
                }
                transaction.start().await.map_err(|error| error::failed(operation, error))?;
                Ok(transaction)
            }
            Err(error) => Err(error::failed(operation, error)),
        }
    }

    /// Runs a statement that cannot be in a transaction.
    pub(super) async fn run_alone(
        &self,
        operation: &'static str,
        statement: &'static str,
    ) -> Result<(), StoreError> {
        let mut slot = self.locked(operation).await?;
        let Some(connection) = &mut slot.connection else {
            return Err(error::failed(operation, sqlx::Error::PoolClosed));
        };
        let done = in_time(REPLY_TIMEOUT, sqlx::raw_sql(statement).execute(connection)).await;
        if let Err(error) = &done
            && error::ends_connection(error)
        {
            self.lose(&mut slot, error);
        }
        done.map(drop).map_err(|error| error::failed(operation, error))
    }

    /// Makes sure, as far as is known, that this process has the lock.
    pub(super) async fn ensure_held(&self, operation: &'static str) -> Result<(), StoreError> {
        match self.state() {
            State::Held => Ok(()),
            _ => self.locked(operation).await.map(drop),
        }
    }

    /// Lets go of the lock and of the connection.
    pub(super) async fn close(&self) {
        let mut slot = self.slot.lock().await;
        self.set(State::Closed);
        if let Some(mut connection) = slot.connection.take() {
            let farewell = async {
                self.lock.release(&mut connection).await?;
                connection.close().await
            };
            if let Err(error) = in_time(self.connection_timeout, farewell).await {
                tracing::debug!(database = %self.database, %error, "the connection was not closed in good order");
            }
        }
    }

    /// The connection, alone, and with the lock.
    async fn locked(&self, operation: &'static str) -> Result<OwnedMutexGuard<Slot>, StoreError> {
        let mut slot = Arc::clone(&self.slot).lock_owned().await;
        if slot.connection.is_none() {
            self.restore(&mut slot, operation).await?;
        }
        Ok(slot)
    }

    /// Connects again and takes the lock again.
    async fn restore(&self, slot: &mut Slot, operation: &'static str) -> Result<(), StoreError> {
        match self.state() {
            State::TakenOver => return Err(StoreError::TakenOver { operation }),
            State::Closed => return Err(error::failed(operation, sqlx::Error::PoolClosed)),
            State::Held | State::Lost => {}
        }
        let failed = |error| error::failed(operation, error);
        let restored = async {
            let mut connection = self.driver.connect().await?;
            let taken = self.lock.take(&mut connection).await?;
            let openings = match taken {
                Taken::Yes => Some(lock::openings(&mut connection).await?),
                Taken::No => None,
            };
            Ok((connection, openings))
        };
        let (connection, openings) = in_time(self.connection_timeout, restored).await.map_err(failed)?;
        match openings {
            Some(openings) if openings == self.openings => {
                slot.connection = Some(connection);
                self.set(State::Held);
                tracing::info!(database = %self.database, "the database is locked by this process again");
                Ok(())
            }
            Some(_) => {
                self.set(State::TakenOver);
                tracing::error!(database = %self.database, "another process has opened the database meanwhile");
                Err(StoreError::TakenOver { operation })
            }
            None => {
                let source = BackendError::new("another connection holds the database's lock");
                Err(StoreError::Unavailable { operation, source })
            }
        }
    }

    /// Drops the connection, and the lock with it.
    fn lose(&self, slot: &mut Slot, error: &sqlx::Error) {
        slot.connection = None;
        if self.state() == State::Held {
            self.set(State::Lost);
            tracing::warn!(database = %self.database, %error, "the connection that holds the database's lock is lost");
        }
    }

    fn state(&self) -> State {
        match self.state.load(Ordering::Acquire) {
            0 => State::Held,
            1 => State::Lost,
            2 => State::TakenOver,
            _ => State::Closed,
        }
    }

    fn set(&self, state: State) {
        self.state.store(state as u8, Ordering::Release);
    }

    /// Sees whether the connection is alive, and makes it anew if it is not. False: this is of no more use.
    async fn check(&self) -> bool {
        // Whoever has the connection sees for himself.
        let Ok(mut slot) = Arc::clone(&self.slot).try_lock_owned() else { return true };
        if let Some(connection) = &mut slot.connection
            && let Err(error) = in_time(self.connection_timeout, connection.ping()).await
        {
            self.lose(&mut slot, &error);
        }
        if slot.connection.is_none()
            && let Err(error) = self.restore(&mut slot, "reconnect").await
        {
            tracing::debug!(database = %self.database, %error, "the database is not locked again yet");
        }
        matches!(self.state(), State::Held | State::Lost)
    }
}

async fn look_after(writer: Weak<Writer>) {
    loop {
        sleep(LOOK_AFTER).await;
        match writer.upgrade() {
            Some(writer) if writer.check().await => {}
            _ => return,
        }
    }
}

/// A transaction. Dropped without a commit it is rolled back.
pub(crate) struct Transaction {
    writer: Arc<Writer>,
    /// `None` once it has ended.
    slot: Option<OwnedMutexGuard<Slot>>,
    operation: &'static str,
    /// The server's number of it, by which it can tell later how it ended.
    id: i64,
}

impl Transaction {
    pub(super) fn operation(&self) -> &'static str {
        self.operation
    }

    async fn start(&mut self) -> Result<(), sqlx::Error> {
        self.id = self
            .run(async |connection| {
                let row = sqlx::raw_sql("BEGIN; SELECT txid_current()").fetch_one(connection).await?;
                sqlx::Row::try_get(&row, 0)
            })
            .await?;
        Ok(())
    }

    /// Runs statements in the transaction.
    pub(super) async fn run<T>(
        &mut self,
        statements: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let slot = self.slot.as_deref_mut();
        let Some(Slot { connection: Some(connection) }) = slot else { return Err(sqlx::Error::PoolClosed) };
        let result = in_time(REPLY_TIMEOUT, statements(connection)).await;
        if let Err(error) = &result
            && error::ends_connection(error)
            && let Some(slot) = &mut self.slot
        {
            self.writer.lose(slot, error);
        }
        result
    }

    /// Makes it durable.
    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        let operation = self.operation;
        let committed = self.run(async |connection| sqlx::raw_sql("COMMIT").execute(connection).await).await;
        match (committed, self.slot.take()) {
            (Ok(_), _) => Ok(()),
            (Err(error), Some(slot)) if slot.connection.is_none() => {
                match self.writer.how_ended(slot, operation, self.id).await {
                    Some(true) => Ok(()),
                    _ => Err(error::failed(operation, error)),
                }
            }
            (Err(error), slot) => {
                self.slot = slot;
                Err(error::failed(operation, error))
            }
        }
    }
}

impl Writer {
    /// Whether a transaction is committed whose connection was lost during the commit; `None` if nobody can tell.
    async fn how_ended(
        &self,
        mut slot: OwnedMutexGuard<Slot>,
        operation: &'static str,
        id: i64,
    ) -> Option<bool> {
        let start = Instant::now();
        loop {
            // Who has the lock knows that the lost session is over, and its transaction too.
            match self.restore(&mut slot, operation).await {
                Ok(()) => break,
                Err(error) if error.retryable() && start.elapsed() < self.connection_timeout => {
                    sleep(ASK_AGAIN).await;
                }
                Err(_) => return None,
            }
        }
        let connection = slot.connection.as_mut()?;
        let status = sqlx::query_scalar("SELECT txid_status($1)").bind(id).fetch_one(connection);
        let status: Option<String> = in_time(REPLY_TIMEOUT, status).await.ok()?;
        status.map(|status| status == "committed")
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let Some(mut slot) = self.slot.take() else { return };
        let writer = Arc::clone(&self.writer);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            slot.connection = None;
            writer.set(State::Lost);
            return;
        };
        if slot.connection.is_some() {
            runtime.spawn(async move {
                let Some(connection) = &mut slot.connection else { return };
                let rollback = sqlx::raw_sql("ROLLBACK").execute(connection);
                if let Err(error) = in_time(REPLY_TIMEOUT, rollback).await {
                    writer.lose(&mut slot, &error);
                }
            });
        }
    }
}
