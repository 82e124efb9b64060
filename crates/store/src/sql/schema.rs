//! What a database's schema version and owner mean for opening it; decided before anything is written.

use std::collections::BTreeMap;

use sqlx::migrate::{AppliedMigration, Migrator};

use crate::settings::NodeKind;
use crate::{Access, BackendError, MigrateOnStart, NodeIdentity, OpenError};

/// Where sqlx notes which migrations ran.
pub(crate) const MIGRATIONS_TABLE: &str = "_sqlx_migrations";

/// What opening has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Nothing: the schema is current and the store is only read.
    Read,
    /// Note the owner, unless it is noted.
    Claim,
    /// Run the missing migrations first.
    MigrateAndClaim,
}

/// Whether a database may hold anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// It was never claimed: its first start was interrupted, and nothing was stored.
    Nothing,
    /// It is a node's.
    OfNode,
}

impl Content {
    /// A database is claimed once its schema is whole, before anything is stored.
    pub(crate) const fn of<T>(owner: Option<&T>) -> Self {
        if owner.is_some() { Self::OfNode } else { Self::Nothing }
    }
}

/// How the schema of a database stands to the one this program knows.
pub(crate) struct Schema<'a> {
    database: &'a str,
    found: i64,
    newest: i64,
    pending: bool,
}

impl<'a> Schema<'a> {
    /// Compares them; a database of a newer or another program is refused.
    pub(crate) fn new(
        database: &'a str,
        migrator: &Migrator,
        applied: &[AppliedMigration],
    ) -> Result<Self, OpenError> {
        let known: BTreeMap<i64, &[u8]> =
            migrator.iter().map(|migration| (migration.version, migration.checksum.as_ref())).collect();
        let newest = known.keys().last().copied().unwrap_or_default();
        let found = applied.iter().map(|migration| migration.version).max().unwrap_or_default();
        if found > newest {
            return Err(OpenError::SchemaTooNew { database: database.to_owned(), found, known: newest });
        }
        for AppliedMigration { version, checksum } in applied {
            if known.get(version) != Some(&checksum.as_ref()) {
                return Err(OpenError::SchemaChanged { database: database.to_owned(), version: *version });
            }
        }
        Ok(Self { database, found, newest, pending: known.len() > applied.len() })
    }

    /// What to do, or why the database cannot be opened so.
    pub(crate) fn plan(
        &self,
        access: Access,
        migrate: MigrateOnStart,
        content: Content,
    ) -> Result<Plan, OpenError> {
        match (self.pending, access, migrate) {
            (false, Access::ReadOnly, _) => Ok(Plan::Read),
            (false, Access::ReadWrite, _) => Ok(Plan::Claim),
            (true, Access::ReadWrite, MigrateOnStart::Yes) => Ok(Plan::MigrateAndClaim),
            (true, Access::ReadWrite, MigrateOnStart::No)
                if self.found == 0 || content == Content::Nothing =>
            {
                Ok(Plan::MigrateAndClaim)
            }
            (true, _, _) => Err(OpenError::MigrationNeeded {
                database: self.database.to_owned(),
                found: self.found,
                known: self.newest,
            }),
        }
    }
}

/// Compares the owner that a database remembers, if it does, with the one that opens it.
pub(crate) fn check_owner(
    database: &str,
    row: Option<(String, String)>,
    wanted: &NodeIdentity,
) -> Result<(), OpenError> {
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
