//! The store that a node's configuration names.

use std::{path::Path, sync::Arc};

use cantle_config::{NodeConfig, StorageBackend};
use cantle_store::{
    Access, MigrateOnStart, NodeIdentity, NodeKind, NodeStore, OpenError, SqliteLocation, SqliteOptions,
    SqliteStore,
};

/// A node's store, and how to close it.
#[derive(Clone, Debug)]
pub(crate) struct OpenStore {
    pub(crate) store: Arc<dyn NodeStore>,
    sqlite: SqliteStore,
}

impl OpenStore {
    /// Waits for running calls and lets another process have the database.
    pub(crate) async fn close(&self) {
        self.sqlite.close().await;
    }
}

/// Who a configured node is.
pub(crate) fn identity(config: &NodeConfig) -> NodeIdentity {
    use cantle_config::NodeKind as Configured;
    let kind = match config.kind {
        Configured::Participant => NodeKind::Participant,
        Configured::Domain => NodeKind::Domain,
        Configured::DomainManager => NodeKind::DomainManager,
        Configured::Sequencer => NodeKind::Sequencer,
        Configured::Mediator => NodeKind::Mediator,
    };
    NodeIdentity { kind, name: config.name.clone() }
}

/// Opens the store of a node.
pub(crate) async fn open(
    config: &NodeConfig,
    data_dir: &Path,
    access: Access,
) -> Result<OpenStore, OpenError> {
    let node = identity(config);
    let location = match (&config.storage.backend, config.storage.sqlite_file(data_dir, &config.name)) {
        (StorageBackend::Sqlite { .. }, Some(file)) => SqliteLocation::File(file),
        // PostgreSQL is refused before: `Config::startable`.
        _ => SqliteLocation::Memory,
    };
    let migrate =
        if config.storage.parameters.migrate_and_start { MigrateOnStart::Yes } else { MigrateOnStart::No };
    let sqlite = SqliteStore::open(SqliteOptions { location, node, migrate, access }).await?;
    Ok(OpenStore { store: Arc::new(sqlite.clone()), sqlite })
}
