//! Errors of stores: what failed, on which row, and what to do.
//!
//! A backend's own error is a cause behind [`BackendError`], so that callers do not depend on the database.

use std::path::PathBuf;

use cantle_types::{DomainAlias, DomainId, Fingerprint, UniqueIdentifier};
use jiff::Timestamp;

use crate::{CryptoProvider, NodeIdentity, TopologyStoreId};

/// The database's own error, as the cause of one of ours.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct BackendError(Box<dyn std::error::Error + Send + Sync>);

impl BackendError {
    /// Wraps an error of a database or of a parser of stored bytes.
    pub fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(error.into())
    }

    /// Whether the database refused rows because of a rule of its tables.
    pub(crate) fn is_broken_rule(&self) -> bool {
        /// What `RAISE` gives in a trigger: SQLite's extended code, PostgreSQL's SQLSTATE.
        const RAISED: [&str; 2] = ["1811", "P0001"];
        let error = self.0.downcast_ref::<sqlx::Error>().and_then(sqlx::Error::as_database_error);
        error.is_some_and(|error| {
            error.is_unique_violation()
                || error.is_foreign_key_violation()
                || error.is_check_violation()
                || error.code().is_some_and(|code| RAISED.contains(&code.as_ref()))
        })
    }
}

/// Why reading or writing failed. Nothing of a failed write is stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database did not answer or refused; the same call may succeed later.
    #[error("the database is not available while doing {operation}")]
    Unavailable {
        /// The store method.
        operation: &'static str,
        /// What the database said.
        #[source]
        source: BackendError,
    },
    /// The database, or a row of it, cannot be read.
    #[error(
        "the database is damaged: {table} {row} cannot be read; restore it from a backup, nothing was changed"
    )]
    Corrupt {
        /// The table.
        table: &'static str,
        /// What identifies the row, or empty.
        row: String,
        /// What was wrong with it.
        #[source]
        source: BackendError,
    },
    /// The write contradicts what is stored.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The database cannot store a value: PostgreSQL, text with a zero character.
    #[error("the database refuses a value of {operation}; nothing was changed")]
    Refused {
        /// The store method.
        operation: &'static str,
        /// What the database said.
        #[source]
        source: BackendError,
    },
    /// Another process has had the database since this one lost its connection.
    #[error(
        "the database was opened by another process while this one had lost its connection; \
         make sure that one process alone runs this node, and start it again"
    )]
    TakenOver {
        /// The store method.
        operation: &'static str,
    },
    /// No key with that fingerprint.
    #[error("there is no key {fingerprint} in this node's store")]
    UnknownKey {
        /// Which key.
        fingerprint: Fingerprint,
    },
    /// No domain is registered under that alias.
    #[error("no domain is registered under the alias {alias}")]
    UnknownConnection {
        /// The alias.
        alias: DomainAlias,
    },
    /// A write on a store opened for reading.
    #[error("the database was opened for reading only; {operation} needs write access")]
    ReadOnly {
        /// The store method.
        operation: &'static str,
    },
}

impl StoreError {
    /// Whether the same call may succeed later without anyone changing anything.
    #[must_use]
    pub fn retryable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

/// What a write contradicts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Conflict {
    /// Another public key is stored under this fingerprint.
    #[error("another public key (other scheme, format or purpose) is stored under fingerprint {fingerprint}")]
    PublicKey {
        /// The fingerprint both have.
        fingerprint: Fingerprint,
    },
    /// This KMS key stands behind another fingerprint already.
    #[error("KMS key {kms_key_id} already stands behind another public key than {fingerprint}")]
    KmsKey {
        /// The KMS key.
        kms_key_id: String,
        /// The fingerprint that was to be stored with it.
        fingerprint: Fingerprint,
    },
    /// The node's keys belong to the other crypto provider.
    #[error(
        "this node's keys were made with crypto.provider = {recorded}; \
         a key of provider {wanted} cannot be added without a migration"
    )]
    Provider {
        /// What the database remembers.
        recorded: CryptoProvider,
        /// What the new key would need.
        wanted: CryptoProvider,
    },
    /// The node has another unique identifier.
    #[error("this node's identity is {recorded} and cannot become {wanted}")]
    Uid {
        /// What the database remembers.
        recorded: UniqueIdentifier,
        /// What was to be stored.
        wanted: UniqueIdentifier,
    },
    /// This addition or removal was stored before, active or not.
    #[error("the {code} transaction with element id {element_id} was added to store {store} before")]
    TopologyTransaction {
        /// The topology store.
        store: TopologyStoreId,
        /// The mapping's three-letter code.
        code: String,
        /// The element id.
        element_id: String,
    },
    /// A sequencer's events would repeat or leave out a counter, or time would not go on.
    #[error("the events up to {latest} do not follow those that are stored")]
    Sequenced {
        /// The latest time of the refused write.
        latest: Timestamp,
    },
    /// The alias of a domain connection is taken.
    #[error("a domain is registered under the alias {alias} already")]
    Connection {
        /// The alias.
        alias: DomainAlias,
    },
    /// The alias stands for another domain.
    #[error("alias {alias} stands for domain {recorded}, not for {wanted}")]
    ConnectionDomain {
        /// The alias.
        alias: DomainAlias,
        /// What the database remembers.
        recorded: DomainId,
        /// What was to be stored.
        wanted: DomainId,
    },
}

/// Why a store could not be opened. Nothing was changed in an existing database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A folder or file could not be made or opened.
    #[error("cannot open {path}; check that the folder exists and that this user may write to it")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// There is no database to inspect.
    #[error("there is no database at {path}; has the node been started with this configuration?")]
    Missing {
        /// The database file.
        path: PathBuf,
    },
    /// Another process has the database open.
    #[error(
        "database {database} is in use{}; stop that process, or give this node its own storage",
        holder.as_ref().map(|holder| format!(" by {holder}")).unwrap_or_default()
    )]
    Locked {
        /// The database.
        database: String,
        /// What the holder wrote about itself: node and process id.
        holder: Option<String>,
    },
    /// The database belongs to another node.
    #[error(
        "database {database} belongs to {recorded}, not to {wanted}; \
         give {wanted} its own storage, or rename it back in the configuration"
    )]
    OtherNode {
        /// The database.
        database: String,
        /// Whose it is.
        recorded: NodeIdentity,
        /// Who opened it.
        wanted: NodeIdentity,
    },
    /// The database is another program's.
    #[error("{database} is not a Cantle database; choose another one")]
    Foreign {
        /// The database.
        database: String,
    },
    /// The database is damaged, or the file is none.
    #[error("database {database} is damaged or not a database; restore it from a backup")]
    Corrupt {
        /// The database.
        database: String,
        /// What the database said.
        #[source]
        source: BackendError,
    },
    /// A crash left the database in the midst of a write, which can only be undone by who may write to it.
    #[error(
        "database {database} was left in the midst of a write and cannot be looked at before that is undone; start \
         the node once, which does it"
    )]
    NeedsRecovery {
        /// The database.
        database: String,
        /// What the database said.
        #[source]
        source: BackendError,
    },
    /// A newer version of Cantle wrote the database.
    #[error(
        "database {database} has schema version {found}, newer than this program's {known}; \
         start the version of Cantle that wrote it"
    )]
    SchemaTooNew {
        /// The database.
        database: String,
        /// Its newest schema version.
        found: i64,
        /// The newest this program knows.
        known: i64,
    },
    /// A schema version in the database is not what this program has under that number.
    #[error(
        "schema version {version} of database {database} differs from this program's; \
         start the version of Cantle that wrote it"
    )]
    SchemaChanged {
        /// The database.
        database: String,
        /// The schema version that differs.
        version: i64,
    },
    /// The schema is old, and migrating on start is off.
    #[error(
        "database {database} has schema version {found} and needs a migration to {known}; back it up and \
         set storage.parameters.migrate-and-start = yes for this node"
    )]
    MigrationNeeded {
        /// The database.
        database: String,
        /// Its schema version.
        found: i64,
        /// The version needed.
        known: i64,
    },
    /// A file that the connection needs cannot be read.
    #[error("cannot read {path}, which {purpose}; check that it exists, its content and its permissions")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What it was to be.
        purpose: &'static str,
        /// What was wrong.
        #[source]
        source: BackendError,
    },
    /// The server does not let this user in, or not do what the store needs.
    #[error(
        "database {database} refuses user {user}; check user, password, rights and the server's pg_hba.conf"
    )]
    Refused {
        /// The database.
        database: String,
        /// The user.
        user: String,
        /// What the server said.
        #[source]
        source: BackendError,
    },
    /// The server has no such database, or the database no such schema.
    #[error("the server has no {missing} for {database}; create it first")]
    NotCreated {
        /// The database.
        database: String,
        /// `database` or `schema`.
        missing: &'static str,
    },
    /// The connection could not be encrypted, or the server's certificate is not trusted.
    #[error(
        "no trusted TLS connection to database {database}; check sslmode, sslrootcert and the server's certificate"
    )]
    Tls {
        /// The database.
        database: String,
        /// What was wrong.
        #[source]
        source: BackendError,
    },
    /// The database did not answer.
    #[error("database {database} is not available")]
    Unavailable {
        /// The database.
        database: String,
        /// What the database said.
        #[source]
        source: BackendError,
    },
}

impl OpenError {
    /// Whether the same call may succeed later without anyone changing anything.
    #[must_use]
    pub fn retryable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}
