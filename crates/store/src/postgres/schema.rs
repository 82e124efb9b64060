//! The schema of a database, and whose it is; checked in full before anything is written.
//!
//! Each migration and the row that says it ran are one transaction (sqlx), so a crash leaves the old or the
//! new schema.

use sqlx::PgConnection;
use sqlx::migrate::{Migrate, MigrateError, Migrator};

use crate::sql::schema::{Content, MIGRATIONS_TABLE, Plan, Schema, check_owner};
use crate::{Access, BackendError, MigrateOnStart, NodeIdentity, OpenError};

static MIGRATOR: Migrator = sqlx::migrate!("migrations/postgres");

/// What a store is opened as.
#[derive(Debug)]
pub(super) struct Opening<'a> {
    pub(super) database: &'a str,
    pub(super) user: &'a str,
    pub(super) node: &'a NodeIdentity,
    pub(super) migrate: MigrateOnStart,
    pub(super) access: Access,
}

impl Opening<'_> {
    /// Checks schema and owner, then migrates and claims the database where that is asked for and needed.
    pub(super) async fn prepare(&self, connection: &mut PgConnection) -> Result<(), OpenError> {
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT tablename::text FROM pg_catalog.pg_tables WHERE schemaname = current_schema()",
        )
        .fetch_all(&mut *connection)
        .await
        .map_err(|error| self.failed(error))?;
        let migrated = tables.iter().any(|table| table == MIGRATIONS_TABLE);
        let applied = if migrated {
            connection
                .list_applied_migrations(MIGRATIONS_TABLE)
                .await
                .map_err(|error| self.not_migrated(error))?
        } else {
            Vec::new()
        };
        // A crash may leave the list of migrations alone.
        if applied.is_empty() && tables.len() > usize::from(migrated) {
            return Err(OpenError::Foreign { database: self.database.to_owned() });
        }
        let schema = Schema::new(self.database, &MIGRATOR, &applied)?;
        let owner = match tables.iter().any(|table| table == "node") {
            true => self.owner(connection).await?,
            false => None,
        };
        let content = Content::of(owner.as_ref());
        check_owner(self.database, owner, self.node)?;
        match schema.plan(self.access, self.migrate, content)? {
            Plan::Read => Ok(()),
            Plan::Claim => self.claim(connection).await,
            Plan::MigrateAndClaim => {
                // Whoever migrates holds the store's own lock, and may need longer than a call.
                self.set(connection, "SET statement_timeout = 0").await?;
                let migrator =
                    Migrator { migrations: MIGRATOR.migrations.clone(), locking: false, ..Migrator::DEFAULT };
                migrator
                    .run_direct(None, connection, false)
                    .await
                    .map_err(|error| self.not_migrated(error))?;
                self.set(connection, "RESET statement_timeout").await?;
                self.claim(connection).await
            }
        }
    }

    async fn set(&self, connection: &mut PgConnection, sql: &'static str) -> Result<(), OpenError> {
        sqlx::raw_sql(sql).execute(connection).await.map(drop).map_err(|error| self.failed(error))
    }

    async fn claim(&self, connection: &mut PgConnection) -> Result<(), OpenError> {
        sqlx::query("INSERT INTO node (one, kind, name) VALUES (1, $1, $2) ON CONFLICT (one) DO NOTHING")
            .bind(self.node.kind.as_str())
            .bind(self.node.name.as_str())
            .execute(&mut *connection)
            .await
            .map_err(|error| self.failed(error))?;
        check_owner(self.database, self.owner(connection).await?, self.node)
    }

    async fn owner(&self, connection: &mut PgConnection) -> Result<Option<(String, String)>, OpenError> {
        sqlx::query_as("SELECT kind, name FROM node")
            .fetch_optional(connection)
            .await
            .map_err(|error| self.failed(error))
    }

    /// Turns an error while opening into ours.
    pub(super) fn failed(&self, error: sqlx::Error) -> OpenError {
        super::error::not_opened(self.database, self.user, error)
    }

    fn not_migrated(&self, error: MigrateError) -> OpenError {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => self.failed(error),
            error => OpenError::Unavailable {
                database: self.database.to_owned(),
                source: BackendError::new(error),
            },
        }
    }
}
