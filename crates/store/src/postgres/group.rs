//! A PostgreSQL database that several sequencers share.
//!
//! What they sequence goes through the connection of a [`Writer`], which holds the lock of the database in the same
//! session: whoever has it leads, and a session that has ended commits nothing. A leader writes every second that it is
//! there. One that has not for long (its process is stopped, its machine cannot be reached) has its session ended by the
//! server at the wish of another sequencer; when it comes back it finds that the database was opened meanwhile.
//! Everything else may be written by any of them, each time by one statement that says what must hold.
//! Source: <https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADMIN-SIGNAL>.

mod write;

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::options::PostgresOptions;
use super::schema::Opening;
use super::writer::{Writer, connect};
use super::{error, lock};
use crate::group::{Forwarded, ForwardedId, ForwardedKind, ForwardedOutcome, Lead, SequencerGroup};
use crate::sql::rows;
use crate::sql::{SqlStore, SqlWrite, Statement};
use crate::{Access, BackendError, NodeIdentity, NodeKind, OpenError, StoreError};

/// The node whose name stands in a shared database.
pub(super) const OWNER: &str = "several-sequencers";
const CHANNEL: &str = "cantle_sequencer";
const TABLE: &str = "sequencer_forwarded";
/// How often a leader says that it is there.
const KEEP: Duration = Duration::from_secs(1);
/// How long to wait for another one that makes the tables.
const OTHERS_TABLES: Duration = Duration::from_secs(30);
const AGAIN: Duration = Duration::from_millis(200);

/// A database that sequencers share. Clones are the same one.
#[derive(Clone)]
pub struct PostgresGroup {
    inner: Arc<Inner>,
}

struct Inner {
    driver: PgConnectOptions,
    options: PostgresOptions,
    database: String,
    silence: Duration,
    lead: Mutex<Option<Arc<Writer>>>,
    readers: PgPool,
    others: PgPool,
    announced: watch::Sender<u64>,
    listening: std::sync::Mutex<Option<JoinHandle<()>>>,
}

type Row = (i64, String, String, Vec<u8>, Option<String>);

impl PostgresGroup {
    /// After so long without a word of it another one takes the lead from a sequencer.
    pub const SILENCE: Duration = Duration::from_secs(10);

    /// Connects to the database, makes the tables if need be, and checks that they are for sequencers to share.
    /// `options.node` is the node's own, for the server's views; the database is nobody's alone.
    ///
    /// # Errors
    /// [`OpenError`]; an existing database is unchanged then.
    pub async fn open(options: PostgresOptions) -> Result<Self, OpenError> {
        Self::open_with(options, Self::SILENCE).await
    }

    /// As [`PostgresGroup::open`]; `silence` takes the place of [`PostgresGroup::SILENCE`], for tests.
    ///
    /// # Errors
    /// As [`PostgresGroup::open`].
    pub async fn open_with(options: PostgresOptions, silence: Duration) -> Result<Self, OpenError> {
        let driver = options.driver()?;
        let database = options.describe(&driver);
        let connections = options.max_connections.unwrap_or(super::CONNECTIONS);
        let pool = |connections| {
            PgPoolOptions::new().max_connections(connections).acquire_timeout(options.connection_timeout)
        };
        let read_only = driver.clone().options([("default_transaction_read_only", "on")]);
        let inner = Arc::new(Inner {
            // One of the readers listens.
            readers: pool(connections.saturating_sub(1).max(2)).connect_lazy_with(read_only),
            others: pool(2).connect_lazy_with(driver.clone()),
            driver,
            options,
            database,
            silence,
            lead: Mutex::new(None),
            announced: watch::Sender::new(0),
            listening: std::sync::Mutex::new(None),
        });
        inner.prepare().await?;
        let listening = tokio::spawn(listen(Arc::downgrade(&inner), inner.readers.clone()));
        *inner.listening.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(listening);
        Ok(Self { inner })
    }

    /// Makes a schema of the same database, unless it is there, and returns how to open it.
    ///
    /// # Errors
    /// [`OpenError::Refused`], where the user has no right to.
    pub async fn schema(&self, name: &str) -> Result<(), OpenError> {
        let failed = |error| error::not_opened(&self.inner.database, self.inner.driver.get_username(), error);
        let there: Option<i32> =
            sqlx::query_scalar("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1")
                .bind(name)
                .fetch_optional(&self.inner.others)
                .await
                .map_err(failed)?;
        if there.is_some() {
            return Ok(());
        }
        // The server quotes the name.
        let statement: String =
            sqlx::query_scalar("SELECT format('CREATE SCHEMA IF NOT EXISTS %I', $1::text)")
                .bind(name)
                .fetch_one(&self.inner.others)
                .await
                .map_err(failed)?;
        let made = sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&self.inner.others).await;
        made.map(drop).map_err(failed)
    }

    /// Lets another one lead, and closes the connections.
    pub async fn close(&self) {
        let listening = self.inner.listening.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(listening) = listening {
            listening.abort();
            // Aborted, it has let go of its connection.
            let _ = listening.await;
        }
        self.lead_leave().await;
        self.inner.others.close().await;
        self.inner.readers.close().await;
    }
}

impl Inner {
    fn opening<'a>(&'a self, owner: &'a NodeIdentity, access: Access) -> Opening<'a> {
        Opening {
            database: &self.database,
            user: self.driver.get_username(),
            node: owner,
            migrate: self.options.migrate,
            access,
        }
    }

    async fn writer(&self, owner: &NodeIdentity) -> Result<Arc<Writer>, OpenError> {
        let opening = self.opening(owner, Access::ReadWrite);
        Writer::open(self.driver.clone(), self.options.connection_timeout, &opening).await
    }

    /// Makes the tables, or sees that another one has.
    async fn prepare(&self) -> Result<(), OpenError> {
        let owner = owner();
        let start = Instant::now();
        loop {
            match self.writer(&owner).await {
                Ok(writer) => {
                    writer.close().await;
                    return Ok(());
                }
                Err(OpenError::Locked { .. }) => {}
                Err(error) => return Err(error),
            }
            let opening = self.opening(&owner, Access::ReadOnly);
            let failed = |error| opening.failed(error);
            let mut connection =
                connect(&self.driver, self.options.connection_timeout).await.map_err(failed)?;
            let prepared = opening.prepare(&mut connection).await;
            connection.close().await.map_err(failed)?;
            match prepared {
                Err(OpenError::MigrationNeeded { .. }) if start.elapsed() < OTHERS_TABLES => {
                    sleep(AGAIN).await;
                }
                prepared => return prepared,
            }
        }
    }

    /// Has the session of a leader ended that was not heard of for long.
    async fn depose(&self) -> Result<(), sqlx::Error> {
        let mut connection = connect(&self.driver, self.options.connection_timeout).await?;
        let silence = i64::try_from(self.silence.as_micros()).unwrap_or(i64::MAX);
        if let Some(lock) = lock::Lock::of(&mut connection).await?
            && lock.end_silent_holder(&mut connection, silence).await?
        {
            tracing::warn!(database = %self.database, "the sequencer that wrote was not heard of for long and has lost the lead");
        }
        connection.close().await
    }
}

fn owner() -> NodeIdentity {
    NodeIdentity { kind: NodeKind::Sequencer, name: OWNER.parse().expect("the constant is a node's name") }
}

/// Hears what the server announces.
async fn listen(inner: Weak<Inner>, pool: PgPool) {
    loop {
        let listened = async {
            let mut listener = PgListener::connect_with(&pool).await?;
            listener.listen(CHANNEL).await?;
            loop {
                listener.recv().await?;
                let Some(inner) = inner.upgrade() else { return Ok::<(), sqlx::Error>(()) };
                inner.announced.send_modify(|count| *count += 1);
            }
        };
        match listened.await {
            Err(error) if !pool.is_closed() && inner.strong_count() > 0 => {
                tracing::debug!(%error, "the database's announcements are not heard just now");
                sleep(KEEP).await;
            }
            _ => return,
        }
    }
}

/// Says every second that the leader is there, as long as it is.
async fn keep(writer: Weak<Writer>) {
    loop {
        match writer.upgrade() {
            Some(writer) => {
                if let Err(error) = say_here(&writer).await {
                    tracing::debug!(%error, "the database was not told that this sequencer writes");
                    if !error.retryable() {
                        return;
                    }
                }
            }
            None => return,
        }
        sleep(KEEP).await;
    }
}

async fn say_here(writer: &Arc<Writer>) -> Result<(), StoreError> {
    let mut tx = writer.begin("lead_keep").await?;
    let now = "INSERT INTO sequencer_writer (one, seen) \
               VALUES (1, CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)) \
               ON CONFLICT (one) DO UPDATE SET seen = excluded.seen";
    SqlWrite::execute(&mut tx, Statement::new(now)).await?;
    tx.commit().await
}

#[async_trait]
impl SequencerGroup for PostgresGroup {
    async fn lead_take(&self) -> Result<Lead, StoreError> {
        const OPERATION: &str = "lead_take";
        let mut lead = self.inner.lead.lock().await;
        if let Some(writer) = &*lead {
            if writer.ensure_held(OPERATION).await.is_ok() {
                return Ok(Lead::Kept);
            }
            writer.close().await;
            *lead = None;
        }
        match self.inner.writer(&owner()).await {
            Ok(writer) => {
                say_here(&writer).await?;
                tokio::spawn(keep(Arc::downgrade(&writer)));
                *lead = Some(writer);
                Ok(Lead::Taken)
            }
            Err(OpenError::Locked { .. }) => {
                self.inner.depose().await.map_err(|error| error::failed(OPERATION, error))?;
                Ok(Lead::Other)
            }
            Err(error) => {
                Err(StoreError::Unavailable { operation: OPERATION, source: BackendError::new(error) })
            }
        }
    }

    async fn lead_leave(&self) {
        if let Some(writer) = self.inner.lead.lock().await.take() {
            writer.close().await;
        }
    }

    fn announcements(&self) -> watch::Receiver<u64> {
        self.inner.announced.subscribe()
    }

    async fn forwarded_insert(&self, forwarded: &Forwarded) -> Result<ForwardedId, StoreError> {
        const OPERATION: &str = "forwarded_insert";
        let mut tx = self.begin(OPERATION).await?;
        let insert = Statement::new(
            "INSERT INTO sequencer_forwarded (kind, caller, content, traceparent) VALUES ($1, $2, $3, $4) RETURNING id",
        )
        .bind(forwarded.kind.as_str())
        .bind(forwarded.caller.as_str())
        .bind(forwarded.content.as_ref())
        .bind(forwarded.traceparent.as_deref());
        let row: Option<(i64,)> = tx.fetch_first(insert).await?;
        let (id,) = row.ok_or_else(|| error::failed(OPERATION, sqlx::Error::RowNotFound))?;
        tx.commit().await?;
        Ok(ForwardedId(id))
    }

    async fn forwarded_open(&self, most: u32) -> Result<Vec<(ForwardedId, Forwarded)>, StoreError> {
        let statement = Statement::new(
            "SELECT id, kind, caller, content, traceparent FROM sequencer_forwarded \
             WHERE outcome IS NULL ORDER BY id LIMIT $1",
        )
        .bind(i64::from(most));
        let rows: Vec<Row> = self.read("forwarded_open", statement).await?;
        rows.into_iter().map(parse).collect()
    }

    async fn forwarded_answer(&self, id: ForwardedId, outcome: &ForwardedOutcome) -> Result<(), StoreError> {
        let statement = Statement::new(
            "UPDATE sequencer_forwarded SET outcome = $2, message = $3 WHERE id = $1 AND outcome IS NULL",
        )
        .bind(id.0)
        .bind(outcome.word.as_str())
        .bind(outcome.message.as_str());
        self.change("forwarded_answer", statement).await.map(drop)
    }

    async fn forwarded_outcome(&self, id: ForwardedId) -> Result<Option<ForwardedOutcome>, StoreError> {
        let statement = Statement::new(
            "SELECT outcome, COALESCE(message, '') FROM sequencer_forwarded WHERE id = $1 AND outcome IS NOT NULL",
        )
        .bind(id.0);
        let row: Option<(String, String)> = self.read_first("forwarded_outcome", statement).await?;
        Ok(row.map(|(word, message)| ForwardedOutcome { word, message }))
    }

    async fn forwarded_withdraw(&self, id: ForwardedId) -> Result<bool, StoreError> {
        let statement =
            Statement::new("DELETE FROM sequencer_forwarded WHERE id = $1 AND outcome IS NULL").bind(id.0);
        Ok(self.change("forwarded_withdraw", statement).await? > 0)
    }

    async fn forwarded_forget(&self, id: ForwardedId) -> Result<(), StoreError> {
        let statement =
            Statement::new("DELETE FROM sequencer_forwarded WHERE id = $1 AND outcome IS NOT NULL")
                .bind(id.0);
        self.change("forwarded_forget", statement).await.map(drop)
    }

    async fn forwarded_last(&self) -> Result<Option<ForwardedId>, StoreError> {
        let statement = Statement::new("SELECT max(id) FROM sequencer_forwarded");
        let row: Option<(Option<i64>,)> = self.read_first("forwarded_last", statement).await?;
        Ok(row.and_then(|(last,)| last).map(ForwardedId))
    }

    async fn forwarded_sweep(&self, until: ForwardedId) -> Result<(), StoreError> {
        let statement =
            Statement::new("DELETE FROM sequencer_forwarded WHERE id <= $1 AND outcome IS NOT NULL")
                .bind(until.0);
        self.change("forwarded_sweep", statement).await.map(drop)
    }
}

impl PostgresGroup {
    async fn change(&self, operation: &'static str, statement: Statement<'_>) -> Result<u64, StoreError> {
        let mut tx = self.begin(operation).await?;
        let changed = tx.execute(statement).await?;
        tx.commit().await?;
        Ok(changed)
    }
}

fn parse(row: Row) -> Result<(ForwardedId, Forwarded), StoreError> {
    let (id, kind, caller, content, traceparent) = row;
    let named = id.to_string();
    Ok((
        ForwardedId(id),
        Forwarded {
            kind: rows::word(TABLE, &named, &kind, ForwardedKind::parse)?,
            caller: rows::text(TABLE, &named, &caller)?,
            content: content.into(),
            traceparent,
        },
    ))
}

impl fmt::Debug for PostgresGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresGroup").field("database", &self.inner.database).finish_non_exhaustive()
    }
}
