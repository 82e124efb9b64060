//! The lock that one process holds while it has a database open, and the count of openings.
//!
//! It is a session's advisory lock, of this database and schema: the server lets go of it when the connection ends,
//! however that ends. Who loses it cannot know what another process did meanwhile; the count of openings tells.
//! Source: <https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS>.

use sqlx::PgConnection;

/// `Cntl`: the upper half of the lock's number. The lower one is the schema's.
const CLASS: i64 = 0x436e_746c;

/// A lock's number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lock {
    schema: i64,
}

/// Whether the lock was free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    Yes,
    /// Somebody has it.
    No,
}

impl Lock {
    /// The lock of the connection's schema; `None` if there is no such schema.
    pub(super) async fn of(connection: &mut PgConnection) -> Result<Option<Self>, sqlx::Error> {
        let schema: Option<i64> = sqlx::query_scalar(
            "SELECT oid::bigint FROM pg_catalog.pg_namespace WHERE nspname = current_schema()",
        )
        .fetch_optional(connection)
        .await?;
        Ok(schema.map(|schema| Self { schema }))
    }

    fn number(self) -> i64 {
        (CLASS << 32) | self.schema
    }

    /// Takes the lock for this session, which then writes durably.
    ///
    /// The server may need a moment to see that the last holder is gone: it is given a second.
    pub(super) async fn take(self, connection: &mut PgConnection) -> Result<Taken, sqlx::Error> {
        sqlx::raw_sql(
            "SET lock_timeout = '1s'; \
             SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
        )
        .execute(&mut *connection)
        .await?;
        let taken =
            sqlx::query("SELECT pg_advisory_lock($1)").bind(self.number()).execute(&mut *connection).await;
        match taken {
            Ok(_) => {}
            Err(error) if super::error::is_locked(&error) => return Ok(Taken::No),
            Err(error) => return Err(error),
        }
        sqlx::raw_sql("SET lock_timeout = '10s'").execute(connection).await?;
        Ok(Taken::Yes)
    }

    /// Who holds the lock, as its connection calls itself.
    pub(super) async fn holder(self, connection: &mut PgConnection) -> Result<Option<String>, sqlx::Error> {
        let name: Option<Option<String>> = sqlx::query_scalar(
            "SELECT nullif(a.application_name, '') || coalesce(' at ' || host(a.client_addr), '') \
             FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
             WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 \
             AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()) \
             AND l.classid::bigint = $1 AND l.objid::bigint = $2",
        )
        .bind(CLASS)
        .bind(self.schema)
        .fetch_optional(connection)
        .await?;
        Ok(name.flatten())
    }

    /// Has the session ended that holds the lock, if it has for so many microseconds and `sequencer_writer` was not
    /// written as long; whether there was one.
    pub(super) async fn end_silent_holder(
        self,
        connection: &mut PgConnection,
        silence: i64,
    ) -> Result<bool, sqlx::Error> {
        let ended: Option<bool> = sqlx::query_scalar(
            "SELECT pg_catalog.pg_terminate_backend(a.pid) \
             FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
             WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 \
             AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()) \
             AND l.classid::bigint = $1 AND l.objid::bigint = $2 \
             AND a.backend_start < clock_timestamp() - $3 * interval '1 microsecond' \
             AND NOT EXISTS (SELECT 1 FROM sequencer_writer \
                 WHERE seen > extract(epoch FROM clock_timestamp()) * 1000000 - $3)",
        )
        .bind(CLASS)
        .bind(self.schema)
        .bind(silence)
        .fetch_optional(connection)
        .await?;
        Ok(ended == Some(true))
    }

    /// Lets go of the lock.
    pub(super) async fn release(self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        sqlx::query("SELECT pg_advisory_unlock($1)").bind(self.number()).execute(connection).await?;
        Ok(())
    }
}

/// Notes that the database is opened once more, and returns how often it was.
pub(super) async fn count_opening(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("UPDATE node SET openings = openings + 1 RETURNING openings")
        .fetch_one(connection)
        .await
}

/// How often the database was opened.
pub(super) async fn openings(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT openings FROM node").fetch_one(connection).await
}
