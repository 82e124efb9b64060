//! The store that a node's configuration names: SQLite or PostgreSQL.
//!
//! A database that cannot be reached ends the start, as Canton's default is; with `fail-fast-on-startup = no` the node
//! waits for it, and says so in the log.

use std::{path::Path, sync::Arc, time::Duration};

use cantle_config::{
    NodeConfig, PostgresConfig, SequencerConfig, SslMode as Ssl, StorageBackend, StorageConfig,
    StorageParameters,
};
use cantle_sequencer::SharedDatabase;
use cantle_store::{
    Access, MigrateOnStart, NodeIdentity, NodeKind, NodeStore, OpenError, PostgresGroup, PostgresOptions,
    PostgresSsl, PostgresStore, RoleSetting, RoleStore, SqliteLocation, SqliteOptions, SqliteStore, SslMode,
};
use tracing::warn;

use crate::error::StartStep;

/// The first pause before a database that cannot be reached is tried again; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A node's store, and how to close it.
#[derive(Clone, Debug)]
pub(crate) struct OpenStore {
    pub(crate) store: Arc<dyn NodeStore>,
    pub(crate) database: Database,
}

/// The database itself.
#[derive(Clone, Debug)]
pub(crate) enum Database {
    Sqlite(SqliteStore),
    Postgres(PostgresStore),
}

impl OpenStore {
    /// Waits for running calls and lets another process have the database.
    pub(crate) async fn close(&self) {
        match &self.database {
            Database::Sqlite(sqlite) => sqlite.close().await,
            Database::Postgres(postgres) => postgres.close().await,
        }
    }
}

impl OpenStore {
    fn sqlite(node: &NodeIdentity, sqlite: SqliteStore) -> Self {
        Self { store: Arc::new(sqlite.clone().metered(node)), database: Database::Sqlite(sqlite) }
    }

    fn postgres(node: &NodeIdentity, postgres: PostgresStore) -> Self {
        Self { store: Arc::new(postgres.clone().metered(node)), database: Database::Postgres(postgres) }
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

/// Opens the store of a node. For a look at it nobody waits.
pub(crate) async fn open(
    config: &NodeConfig,
    data_dir: &Path,
    access: Access,
) -> Result<OpenStore, OpenError> {
    let wait = access == Access::ReadWrite && !config.storage.parameters.fail_fast_on_startup;
    waiting(&identity(config), wait, || open_once(config, data_dir, access)).await
}

/// A database that several sequencers share, as one of them has opened it.
#[derive(Clone, Debug)]
pub(crate) struct OpenShared {
    pub(crate) database: SharedDatabase,
    group: PostgresGroup,
}

impl OpenShared {
    pub(crate) async fn close(&self) {
        self.group.close().await;
    }
}

/// Opens the database that a sequencer shares with others, if it does. Where it is also that of the node's own tables,
/// these get their schema.
pub(crate) async fn open_shared(config: &SequencerConfig) -> Result<Option<OpenShared>, StartStep> {
    let Some(StorageConfig { backend: StorageBackend::Postgres(postgres), parameters }) =
        &config.shared_storage
    else {
        return Ok(None);
    };
    let node = identity(&config.node);
    let options = postgres_options(node.clone(), postgres, parameters);
    let shared = |source| match source {
        source @ OpenError::OtherNode { .. } => StartStep::NotShared { source },
        source => StartStep::Open(source),
    };
    let group = waiting(&node, !parameters.fail_fast_on_startup, || PostgresGroup::open(options.clone()));
    let group = group.await.map_err(shared)?;
    if let StorageBackend::Postgres(own) = &config.node.storage.backend
        && let Some(schema) = own.schema.as_deref().filter(|_| own.beside(postgres))
    {
        group
            .schema(schema)
            .await
            .map_err(|source| StartStep::NodeSchema { schema: schema.to_owned(), source })?;
    }
    let drawn = hex::encode(cantle_crypto::random_bytes::<16>().map_err(StartStep::Randomness)?);
    let id = group.setting_claim(&RoleSetting::SequencerDatabase, drawn.as_bytes()).await?;
    let database = SharedDatabase {
        store: Arc::new(group.clone().metered(&node)),
        group: Arc::new(group.clone()),
        id: String::from_utf8_lossy(&id).into_owned(),
    };
    Ok(Some(OpenShared { database, group }))
}

/// Tries again as long as a database cannot be reached, if that is wanted.
async fn waiting<T, F>(node: &NodeIdentity, wait: bool, open: impl Fn() -> F) -> Result<T, OpenError>
where
    F: Future<Output = Result<T, OpenError>>,
{
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match open().await {
            Err(error) if wait && error.retryable() => error,
            opened => return opened,
        };
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        warn!("{node} waits for its database, next attempt in {} ms: {error}{cause}", pause.as_millis());
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
    }
}

async fn open_once(config: &NodeConfig, data_dir: &Path, access: Access) -> Result<OpenStore, OpenError> {
    let node = identity(config);
    let parameters = &config.storage.parameters;
    let migrate = if parameters.migrate_and_start { MigrateOnStart::Yes } else { MigrateOnStart::No };
    let location = match &config.storage.backend {
        StorageBackend::Postgres(postgres) => {
            let options =
                PostgresOptions { migrate, access, ..postgres_options(node.clone(), postgres, parameters) };
            return Ok(OpenStore::postgres(&node, PostgresStore::open(options).await?));
        }
        StorageBackend::Memory => SqliteLocation::Memory,
        StorageBackend::Sqlite { .. } => match config.storage.sqlite_file(data_dir, &config.name) {
            Some(file) => SqliteLocation::File(file),
            None => SqliteLocation::Memory,
        },
    };
    let options = SqliteOptions { location, node: node.clone(), migrate, access };
    Ok(OpenStore::sqlite(&node, SqliteStore::open(options).await?))
}

fn postgres_options(
    node: NodeIdentity,
    config: &PostgresConfig,
    parameters: &StorageParameters,
) -> PostgresOptions {
    PostgresOptions {
        port: config.port,
        database: config.database.clone(),
        user: config.user.clone(),
        password: config.password.clone(),
        passfile: config.passfile.clone(),
        ssl: PostgresSsl {
            mode: ssl_mode(config.ssl_mode),
            root_cert: config.ssl_root_cert.clone(),
            cert: config.ssl_cert.clone(),
            key: config.ssl_key.clone(),
        },
        schema: config.schema.clone(),
        application_name: config.application_name.clone(),
        connection_timeout: parameters.connection_timeout,
        max_connections: parameters.max_connections,
        warn_on_slow_query: parameters.warn_on_slow_query,
        ..PostgresOptions::new(&config.host, node)
    }
}

fn ssl_mode(mode: Ssl) -> SslMode {
    match mode {
        Ssl::Disable => SslMode::Disable,
        Ssl::Allow => SslMode::Allow,
        Ssl::Prefer => SslMode::Prefer,
        Ssl::Require => SslMode::Require,
        Ssl::VerifyCa => SslMode::VerifyCa,
        Ssl::VerifyFull => SslMode::VerifyFull,
    }
}
