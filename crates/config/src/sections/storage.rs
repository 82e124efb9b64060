//! `storage`: where a node keeps its data.
//!
//! SQLite is Cantle's own and the default; PostgreSQL has Canton's keys. H2 and Oracle are refused, not replaced.
//! Source: <https://docs.daml.com/2.10.0/canton/usermanual/persistence.html>

use std::path::{Path, PathBuf};
use std::time::Duration;

use cantle_types::NodeName;

use super::postgres::{self, PostgresConfig};
use super::server::finite;
use crate::cursor::Cursor;
use crate::schema::{
    DAML, FINITE, Kind, Moved, NATURAL, POSITIVE, POSITIVE_DURATION, Section, TEXTS, TUNING, Tagged, ignored,
    refused, used,
};

/// `storage`
pub(crate) static STORAGE: Tagged =
    Tagged::new(&[("sqlite", &SQLITE), ("postgres", &FREE), ("memory", &MEMORY)])
        .or("sqlite")
        .undecided_by(&["config"])
        .refusing(&[
            ("h2", "write type = sqlite for a file, or type = postgres"),
            ("oracle", "write type = postgres"),
        ]);

static SQLITE: Section = Section::new(&[
    used("file", Kind::File),
    used("config", Kind::Map(&Kind::Any)),
    used("parameters", Kind::Section(&PARAMETERS)),
]);
static FREE: Section =
    Section::new(&[used("config", Kind::Map(&Kind::Any)), used("parameters", Kind::Section(&PARAMETERS))]);
static MEMORY: Section = Section::new(&[
    ignored("config", Kind::Map(&Kind::Any), "memory has no connection"),
    used("parameters", Kind::Section(&PARAMETERS)),
]);

static PARAMETERS: Section = Section::new(&[
    used("max-connections", NATURAL),
    ignored("connection-allocation", Kind::Section(&CONNECTION_ALLOCATION), TUNING),
    used("fail-fast-on-startup", Kind::Bool),
    ignored("migrations-paths", TEXTS, "migrations are part of the binary"),
    ignored("ledger-api-jdbc-url", Kind::Secret, DAML),
    used("connection-timeout", FINITE),
    used("warn-on-slow-query", POSITIVE_DURATION),
    ignored("warn-on-slow-query-interval", POSITIVE_DURATION, TUNING),
    refused(
        "unsafe-clean-on-validation-error",
        Kind::Bool,
        "it would delete the node's keys and identity; remove it",
    ),
    refused(
        "unsafe-baseline-on-migrate",
        Kind::Bool,
        "a database of another program is not taken over; remove it",
    ),
    used("migrate-and-start", Kind::Bool),
]);

static CONNECTION_ALLOCATION: Section = Section::new(&[
    used("num-reads", POSITIVE),
    used("num-writes", POSITIVE),
    used("num-ledger-api", POSITIVE),
]);

/// Former places of storage keys, below a node.
pub(crate) const MOVED: &[Moved] = &[
    Moved { from: &["init", "startup-fail-fast"], to: &["storage", "parameters", "fail-fast-on-startup"] },
    Moved {
        from: &["storage", "fail-fast-on-startup"],
        to: &["storage", "parameters", "fail-fast-on-startup"],
    },
    Moved { from: &["storage", "max-connections"], to: &["storage", "parameters", "max-connections"] },
    Moved {
        from: &["storage", "ledger-api-jdbc-url"],
        to: &["storage", "parameters", "ledger-api-jdbc-url"],
    },
    Moved { from: &["storage", "connection-timeout"], to: &["storage", "parameters", "connection-timeout"] },
];

/// Where a node keeps its data.
#[derive(Debug, Clone)]
pub struct StorageConfig {
    /// The database.
    pub backend: StorageBackend,
    /// How it is used.
    pub parameters: StorageParameters,
}

/// The database of a node.
#[derive(Debug, Clone)]
pub enum StorageBackend {
    /// A file. Without a name it is `<node>.db` in the data folder; see [`StorageConfig::sqlite_file`].
    Sqlite {
        /// The file.
        file: Option<PathBuf>,
    },
    /// A PostgreSQL server.
    Postgres(Box<PostgresConfig>),
    /// Nothing is kept. For tests.
    Memory,
}

/// How a database is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StorageParameters {
    /// The most connections; `None`: what suits the machine.
    pub max_connections: Option<u32>,
    /// Whether the node ends when the database cannot be reached at the start, or waits for it. Default yes.
    pub fail_fast_on_startup: bool,
    /// How long to wait for a connection. Default 5 s.
    pub connection_timeout: Duration,
    /// Queries that take longer are named in the log.
    pub warn_on_slow_query: Option<Duration>,
    /// Whether the schema is brought up to date at the start. Default no.
    pub migrate_and_start: bool,
}

impl StorageConfig {
    /// The file of a SQLite database, `None` for the others.
    #[must_use]
    pub fn sqlite_file(&self, data_dir: &Path, node: &NodeName) -> Option<PathBuf> {
        match &self.backend {
            StorageBackend::Sqlite { file: Some(file) } => Some(file.clone()),
            StorageBackend::Sqlite { file: None } => Some(data_dir.join(format!("{node}.db"))),
            StorageBackend::Postgres(_) | StorageBackend::Memory => None,
        }
    }
}

pub(crate) fn storage(storage: &Cursor<'_>) -> StorageConfig {
    let config = storage.at("config");
    let backend = match storage.tag(&STORAGE) {
        Some("memory") => StorageBackend::Memory,
        Some("postgres") => StorageBackend::Postgres(Box::new(postgres::postgres(&config))),
        _ => {
            let (outer, inner) = (storage.at("file"), config.at("file"));
            if outer.is_set() && inner.is_set() {
                inner.contradiction("storage.file and storage.config.file are both set", "set one of them");
            }
            for (key, cursor) in config.entries() {
                if key != "file" {
                    cursor.ignore("SQLite has no connection");
                }
            }
            let written = if outer.is_set() { outer } else { inner };
            let file = written.file();
            if file.as_deref().is_some_and(|file| file.to_string_lossy().starts_with(":memory:")) {
                written.contradiction("a database in memory is not a file", "write storage.type = memory");
            }
            StorageBackend::Sqlite { file }
        }
    };
    let parameters = storage.at("parameters");
    StorageConfig {
        backend,
        parameters: StorageParameters {
            max_connections: parameters.at("max-connections").int().filter(|max| *max > 0),
            fail_fast_on_startup: parameters.at("fail-fast-on-startup").bool().unwrap_or(true),
            connection_timeout: finite(&parameters, "connection-timeout", Duration::from_secs(5)),
            warn_on_slow_query: parameters.at("warn-on-slow-query").duration(crate::schema::Span::Positive),
            migrate_and_start: parameters.at("migrate-and-start").bool().unwrap_or(false),
        },
    }
}
