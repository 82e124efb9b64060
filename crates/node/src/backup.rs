//! A copy of a node's database while it runs, and the way back.
//!
//! What a backup lacks is in the KMS and on the domain: keys that were made later, topology that was authorized later, and
//! events that came later, which the node takes again from its sequencer. A sequencer's own events are nowhere else. Printing
//! is the command's business. Invariant: what is restored is whole and this node's, and what was there before is kept.

use std::path::{Path, PathBuf};

use cantle_config::{Config, NodeConfig, StorageBackend};
use cantle_kms_aws::StaticCredentials;
use cantle_store::{
    Access, BackupError as Failed, NodeIdentity, NodeKind, OpenError, SqliteStore, StoreError,
};
use cantle_vault::{StrayKeys, Vault};
use thiserror::Error;

use crate::error::StartStep;
use crate::inspect::{self, UnknownNode};
use crate::storage::{self, Database};

/// Why nothing was backed up or restored. Each text begins with a code of docs/errors.md.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BackupError {
    /// There is no such node.
    #[error("BACKUP_UNKNOWN_NODE: {0}")]
    UnknownNode(#[from] UnknownNode),
    /// The node's database is no file.
    #[error(
        "BACKUP_POSTGRES: {node} has its data in the PostgreSQL database {database}, which has its own tools: back it up with \
         `pg_dump --format=custom {database}`, also while the node runs, and restore it with pg_restore while it is stopped"
    )]
    Postgres {
        /// The node.
        node: NodeIdentity,
        /// Its database.
        database: String,
    },
    /// The node has no database that lasts.
    #[error(
        "BACKUP_MEMORY: {node} has its data in memory: there is nothing to back up, and nowhere to restore to"
    )]
    Memory {
        /// The node.
        node: NodeIdentity,
    },
    /// Restored alone, a sequencer would repeat what it gave to its members.
    #[error(
        "BACKUP_SEQUENCER: {node} is the sequencer of a domain. What it has sequenced since the backup would be gone, it would \
         give the same counters again, and members that have seen them would refuse it as forked. Add --whole-domain if all \
         members of the domain are restored to that time or before it"
    )]
    Sequencer {
        /// The node.
        node: NodeIdentity,
    },
    /// The database cannot be opened.
    #[error("BACKUP_DATABASE: the database of {node} cannot be read")]
    Open {
        /// The node.
        node: NodeIdentity,
        /// Why.
        #[source]
        source: Box<OpenError>,
    },
    /// The database cannot be read.
    #[error("BACKUP_DATABASE: the database cannot be read")]
    Store(#[from] StoreError),
    /// The files.
    #[error(transparent)]
    Files(#[from] Failed),
    /// The node's keys cannot be looked at.
    #[error(
        "BACKUP_DATABASE: the backup is in place{}, and the keys in it cannot be used with this configuration",
        aside.as_ref().map(|aside| format!(" (the database that was there is {})", aside.display())).unwrap_or_default()
    )]
    Keys {
        /// Where the database is that was there before.
        aside: Option<PathBuf>,
        /// Why.
        #[source]
        source: Box<StartStep>,
    },
}

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackedUp {
    /// Whose it is.
    pub node: NodeIdentity,
    /// The node's unique identifier, if it has one.
    pub uid: Option<String>,
    /// How many private keys it holds in clear.
    pub clear_private_keys: usize,
    /// How many private keys it holds encrypted by a wrapper key.
    pub wrapped_private_keys: usize,
    /// How many KMS keys it names.
    pub kms_keys: usize,
    /// Its size in bytes.
    pub size: u64,
}

/// A backup that was put in place.
#[derive(Debug)]
pub struct Restored {
    /// Whose it is.
    pub node: NodeIdentity,
    /// The node's unique identifier, if it has one.
    pub uid: Option<String>,
    /// Where the database is that was there before.
    pub aside: Option<PathBuf>,
    /// KMS keys of this node that the backup does not know, or why that is not known.
    pub strays: Result<StrayKeys, String>,
}

/// Copies a node's database to a new file. The node may run.
///
/// # Errors
/// [`BackupError`]; there is no new file then.
pub async fn back_up(
    config: &Config,
    name: &str,
    data_dir: &Path,
    to: &Path,
) -> Result<BackedUp, BackupError> {
    let (config, _) = inspect::named(config, name)?;
    let node = storage::identity(config);
    file_of(config, data_dir)?;
    let opened = storage::open(config, data_dir, Access::ReadOnly).await;
    let opened =
        opened.map_err(|source| BackupError::Open { node: node.clone(), source: Box::new(source) })?;
    let backed_up = async {
        let Database::Sqlite(sqlite) = &opened.database else {
            return Err(BackupError::Memory { node: node.clone() });
        };
        sqlite.back_up(to).await?;
        // Of the copy, in which nothing changes any more, it is the same or later.
        let private = opened.store.private_key_list().await?;
        let wrapped = private.iter().filter(|entry| entry.wrapper_key_id.is_some()).count();
        Ok(BackedUp {
            node: node.clone(),
            uid: opened.store.uid_find().await?.map(|uid| uid.to_string()),
            clear_private_keys: private.len() - wrapped,
            wrapped_private_keys: wrapped,
            kms_keys: opened.store.kms_metadata_list().await?.len(),
            size: std::fs::metadata(to).map(|metadata| metadata.len()).unwrap_or_default(),
        })
    };
    let backed_up = backed_up.await;
    opened.close().await;
    backed_up
}

/// How a backup is to be restored.
#[derive(Debug, Clone, Copy, Default)]
pub struct RestoreOptions<'a> {
    /// What is added to the name of a database that is there already, to keep it; without it there must be none.
    pub aside: Option<&'a str>,
    /// All members of the domain are restored with its sequencer.
    pub whole_domain: bool,
}

/// Puts a backup in the place of a stopped node's database, and looks for what it lacks in the KMS.
///
/// # Errors
/// [`BackupError`]. Nothing was changed, unless the text says what was.
pub async fn restore(
    config: &Config,
    name: &str,
    data_dir: &Path,
    from: &Path,
    options: RestoreOptions<'_>,
    credentials: Option<StaticCredentials>,
) -> Result<Restored, BackupError> {
    let (config, _) = inspect::named(config, name)?;
    let node = storage::identity(config);
    let file = file_of(config, data_dir)?;
    if matches!(node.kind, NodeKind::Sequencer | NodeKind::Domain) && !options.whole_domain {
        return Err(BackupError::Sequencer { node });
    }
    let aside = SqliteStore::restore(from, &node, &file, options.aside).await?;
    let opened = inspect::open(config, data_dir, Access::ReadOnly, credentials).await;
    let (store, vault): (_, Vault) =
        opened.map_err(|step| BackupError::Keys { aside: aside.clone(), source: Box::new(step) })?;
    let looked = async {
        let strays = vault.stray_keys().await.map_err(|error| cantle_sequencing::chain(&error));
        let uid = store.store.uid_find().await?.map(|uid| uid.to_string());
        Ok(Restored { node, uid, aside, strays })
    };
    let looked = looked.await;
    store.close().await;
    looked
}

/// The file of a node's database.
fn file_of(config: &NodeConfig, data_dir: &Path) -> Result<PathBuf, BackupError> {
    let node = storage::identity(config);
    match &config.storage.backend {
        StorageBackend::Postgres(postgres) => {
            Err(BackupError::Postgres { node, database: postgres.database.clone().unwrap_or_default() })
        }
        StorageBackend::Memory | StorageBackend::Sqlite { .. } => {
            config.storage.sqlite_file(data_dir, &config.name).ok_or(BackupError::Memory { node })
        }
    }
}
