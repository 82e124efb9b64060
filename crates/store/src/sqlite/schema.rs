//! The schema of a database, and whose database it is; checked in full before anything is written.
//!
//! Each migration and the row that says it ran are one transaction (sqlx), so a crash leaves the old or the
//! new schema.

use std::collections::BTreeMap;

use sqlx::SqliteConnection;
use sqlx::migrate::{Migrate, Migrator};

use super::{Access, MigrateOnStart, SqliteOptions, rows, unavailable};
use crate::settings::NodeKind;
use crate::{BackendError, NodeIdentity, OpenError};

static MIGRATOR: Migrator = sqlx::migrate!("migrations/sqlite");

/// `Cntl`: marks the file as ours in the database header.
const APPLICATION_ID: i64 = 0x436e_746c;
const MIGRATIONS_TABLE: &str = "_sqlx_migrations";

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
    let applied = applied.into_iter().map(|migration| (migration.version, migration.checksum)).collect();
    let pending = pending(database, &applied)?;
    if tables.iter().any(|table| table == "node") {
        check_owner(connection, database, &options.node).await?;
    }
    let found = applied.keys().last().copied().unwrap_or_default();
    match (pending, options.access, options.migrate) {
        (false, Access::ReadOnly, _) => return Ok(()),
        (false, Access::ReadWrite, _) => {}
        (true, Access::ReadWrite, MigrateOnStart::Yes) => {}
        (true, Access::ReadWrite, MigrateOnStart::No) if found == 0 => {}
        (true, _, _) => {
            return Err(OpenError::MigrationNeeded { database: database.to_owned(), found, known: newest() });
        }
    }
    if application_id != APPLICATION_ID {
        sqlx::query("PRAGMA application_id = 1131312236").execute(&mut *connection).await.map_err(failed)?;
    }
    if pending {
        MIGRATOR
            .run_direct(None, connection, false)
            .await
            .map_err(|error| migration_failed(database, error))?;
    }
    claim(connection, database, &options.node).await
}

fn newest() -> i64 {
    MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or_default()
}

/// Whether a migration has to run; an error if the database knows one that this program does not.
fn pending(
    database: &str,
    applied: &BTreeMap<i64, std::borrow::Cow<'static, [u8]>>,
) -> Result<bool, OpenError> {
    let known: BTreeMap<i64, &[u8]> =
        MIGRATOR.iter().map(|migration| (migration.version, migration.checksum.as_ref())).collect();
    if let Some((&found, _)) = applied.last_key_value()
        && found > newest()
    {
        return Err(OpenError::SchemaTooNew { database: database.to_owned(), found, known: newest() });
    }
    for (&version, checksum) in applied {
        if known.get(&version) != Some(&checksum.as_ref()) {
            return Err(OpenError::SchemaChanged { database: database.to_owned(), version });
        }
    }
    Ok(known.len() > applied.len())
}

async fn check_owner(
    connection: &mut SqliteConnection,
    database: &str,
    wanted: &NodeIdentity,
) -> Result<(), OpenError> {
    let row: Option<(String, String)> = sqlx::query_as("SELECT kind, name FROM node")
        .fetch_optional(connection)
        .await
        .map_err(|error| unavailable(database, error))?;
    let Some((kind, name)) = row else { return Ok(()) };
    let corrupt = |source| OpenError::Corrupt { database: database.to_owned(), source };
    let recorded = NodeIdentity {
        kind: NodeKind::parse(&kind)
            .ok_or_else(|| corrupt(BackendError::new(format!("unknown node kind {kind:?}"))))?,
        name: name
            .parse()
            .map_err(|error: cantle_types::IdentifierError| corrupt(BackendError::new(error)))?,
    };
    if recorded == *wanted {
        Ok(())
    } else {
        Err(OpenError::OtherNode { database: database.to_owned(), recorded, wanted: wanted.clone() })
    }
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
    check_owner(connection, database, node).await
}

fn migration_failed(database: &str, error: sqlx::migrate::MigrateError) -> OpenError {
    let database = database.to_owned();
    match error {
        sqlx::migrate::MigrateError::Execute(error) if rows::is_corrupt(&error) => {
            OpenError::Corrupt { database, source: BackendError::new(error) }
        }
        error => OpenError::Unavailable { database, source: BackendError::new(error) },
    }
}
