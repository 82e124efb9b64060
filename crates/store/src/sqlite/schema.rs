//! The schema of a database, and whose database it is; checked in full before anything is written.
//!
//! Each migration and the row that says it ran are one transaction (sqlx), so a crash leaves the old or the
//! new schema.

use sqlx::SqliteConnection;
use sqlx::migrate::{Migrate, Migrator};

use super::{SqliteOptions, error, unavailable};
use crate::sql::schema::{Content, MIGRATIONS_TABLE, Plan, Schema, check_owner};
use crate::{BackendError, NodeIdentity, OpenError};

static MIGRATOR: Migrator = sqlx::migrate!("migrations/sqlite");

/// `Cntl`: marks the file as ours in the database header.
const APPLICATION_ID: i64 = 0x436e_746c;

/// Checks schema and owner, then migrates and claims the database where that is asked for and needed.
pub(super) async fn prepare(
    connection: &mut SqliteConnection,
    database: &str,
    options: &SqliteOptions,
) -> Result<(), OpenError> {
    let failed = |error| unavailable(database, error);
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(failed)?;
    let application_id: i64 =
        sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *connection).await.map_err(failed)?;
    if !tables.is_empty() && application_id != APPLICATION_ID {
        return Err(OpenError::Foreign { database: database.to_owned() });
    }
    let applied = if tables.iter().any(|table| table == MIGRATIONS_TABLE) {
        connection
            .list_applied_migrations(MIGRATIONS_TABLE)
            .await
            .map_err(|error| migration_failed(database, error))?
    } else {
        Vec::new()
    };
    let schema = Schema::new(database, &MIGRATOR, &applied)?;
    let owner = match tables.iter().any(|table| table == "node") {
        true => owner(connection, database).await?,
        false => None,
    };
    let content = Content::of(owner.as_ref());
    check_owner(database, owner, &options.node)?;
    let plan = schema.plan(options.access, options.migrate, content)?;
    if plan == Plan::Read {
        return Ok(());
    }
    if application_id != APPLICATION_ID {
        sqlx::query("PRAGMA application_id = 1131312236").execute(&mut *connection).await.map_err(failed)?;
    }
    if plan == Plan::MigrateAndClaim {
        MIGRATOR
            .run_direct(None, connection, false)
            .await
            .map_err(|error| migration_failed(database, error))?;
    }
    claim(connection, database, &options.node).await
}

async fn owner(
    connection: &mut SqliteConnection,
    database: &str,
) -> Result<Option<(String, String)>, OpenError> {
    sqlx::query_as("SELECT kind, name FROM node")
        .fetch_optional(connection)
        .await
        .map_err(|error| unavailable(database, error))
}

async fn claim(
    connection: &mut SqliteConnection,
    database: &str,
    node: &NodeIdentity,
) -> Result<(), OpenError> {
    sqlx::query("INSERT INTO node (one, kind, name) VALUES (1, ?1, ?2) ON CONFLICT (one) DO NOTHING")
        .bind(node.kind.as_str())
        .bind(node.name.as_str())
        .execute(&mut *connection)
        .await
        .map_err(|error| unavailable(database, error))?;
    check_owner(database, owner(connection, database).await?, node)
}

fn migration_failed(database: &str, error: sqlx::migrate::MigrateError) -> OpenError {
    let database = database.to_owned();
    match error {
        sqlx::migrate::MigrateError::Execute(error) if error::is_corrupt(&error) => {
            OpenError::Corrupt { database, source: BackendError::new(error) }
        }
        error => OpenError::Unavailable { database, source: BackendError::new(error) },
    }
}
