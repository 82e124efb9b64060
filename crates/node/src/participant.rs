//! One participant, from its configuration to a node that serves.

use std::{collections::BTreeMap, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use cantle_admin_api::{AdminHandles, AdminServer, ComponentHealth, LogLevel, NodeHealth};
use cantle_config::{
    AutoInit, CryptoConfig, CryptoProvider as Provider, NodeIdentifier, ParticipantConfig, SchemeConfig,
    StorageBackend,
};
use cantle_identity::TopologyManager;
use cantle_kms::{Counted, MultiRegion};
use cantle_kms_aws::StaticCredentials;
use cantle_store::{Access, NodeIdentity};
use cantle_types::{Clock, Identifier, UniqueIdentifier};
use cantle_vault::{KeyCheck, Schemes, Vault, VaultBackend, VaultOptions};
use tokio::{net::lookup_host, sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error, info, info_span, warn};

use crate::{
    error::{StartError, StartStep},
    kms::{self, NodeKms},
    state::{NodeEvent, NodeState},
    storage::{self, OpenStore},
};

/// How long after a failed check of the keys they are checked again.
const CHECK_AGAIN: Duration = Duration::from_secs(5);

/// What a start needs besides the node's own configuration.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) log_level: Arc<dyn LogLevel>,
    pub(crate) credentials: Option<StaticCredentials>,
    pub(crate) events: Arc<dyn Fn(NodeEvent) + Send + Sync>,
    pub(crate) stop: CancellationToken,
}

/// A running participant.
#[derive(Debug)]
pub(crate) struct RunningNode {
    pub(crate) node: NodeIdentity,
    pub(crate) admin_address: SocketAddr,
    pub(crate) state: watch::Receiver<NodeState>,
    pub(crate) counted: Option<Counted>,
    store: OpenStore,
    tasks: Vec<JoinHandle<()>>,
}

impl RunningNode {
    /// Waits until everything of the node has ended; `stop` was cancelled before.
    pub(crate) async fn ended(self) {
        for task in self.tasks {
            if let Err(failed) = task.await
                && failed.is_panic()
            {
                error!(node = %self.node, "a task of the node panicked: {failed}");
            }
        }
        self.store.close().await;
    }
}

/// Opens everything and starts serving; the identity is made, or waited for, in the background.
pub(crate) async fn start(
    config: &ParticipantConfig,
    data_dir: &Path,
    around: Surroundings,
) -> Result<RunningNode, StartError> {
    let node = storage::identity(&config.node);
    let span = info_span!("node", participant = %node.name);
    start_steps(config, data_dir, &node, around)
        .instrument(span)
        .await
        .map_err(|step| StartError::new(&node, step))
}

async fn start_steps(
    config: &ParticipantConfig,
    data_dir: &Path,
    node: &NodeIdentity,
    around: Surroundings,
) -> Result<RunningNode, StartStep> {
    let store = storage::open(&config.node, data_dir, Access::ReadWrite).await?;
    let kms = match &config.node.crypto.kms {
        Some(kms) if config.node.crypto.provider == Provider::Kms => {
            Some(kms::connect_kms(node, kms, around.credentials.clone()).await?)
        }
        _ => None,
    };
    if kms.is_some() && matches!(config.node.storage.backend, StorageBackend::Memory) {
        warn!(
            "{node} keeps its data in memory and its keys in the KMS: it makes new KMS keys at every start, each about \
             1 USD a month until somebody deletes it; use storage.type = sqlite for anything but a trial"
        );
    }
    let options = vault_options(node, &config.node.crypto)?;
    let backend = match &kms {
        Some(NodeKms { kms, .. }) => VaultBackend::Kms(kms.clone()),
        None => VaultBackend::Jce,
    };
    let vault = Vault::open(store.store.clone(), backend, options, around.clock.clone()).await?;
    let manager = TopologyManager::open(
        store.store.clone(),
        vault.clone(),
        around.clock.clone(),
        config.initial_protocol_version,
    )
    .await?;

    let server = AdminServer::bind(admin_address(config).await?).await?;
    let admin_address = server.address();
    let (health, health_seen) = watch::channel(NodeHealth::default());
    let (state, state_seen) = watch::channel(NodeState::Starting);
    let handles = AdminHandles {
        node: node.clone(),
        vault: vault.clone(),
        topology: manager.clone(),
        clock: around.clock.clone(),
        ports: BTreeMap::from([("admin".to_owned(), admin_address.port())]),
        health: health_seen,
        log_level: around.log_level.clone(),
    };
    (around.events)(NodeEvent::Listening {
        node: node.clone(),
        service: "admin-api",
        address: admin_address,
    });

    let stop = around.stop.clone();
    let serving = tokio::spawn({
        let node = node.clone();
        async move {
            if let Err(failed) = server.serve(handles, stop.cancelled_owned()).await {
                error!(%node, "the admin API stopped: {failed}");
            }
        }
        .in_current_span()
    });
    let life = Life {
        node: node.clone(),
        vault,
        manager,
        auto_init: config.node.init.auto_init,
        identifier: config.node.init.node_identifier.clone(),
        state,
        health,
        events: around.events,
    };
    let stop = around.stop;
    let living = tokio::spawn(
        async move {
            tokio::select! {
                () = life.live() => {}
                () = stop.cancelled() => {}
            }
        }
        .in_current_span(),
    );
    Ok(RunningNode {
        node: node.clone(),
        admin_address,
        state: state_seen,
        counted: kms.map(|kms| kms.counted),
        store,
        tasks: vec![serving, living],
    })
}

async fn admin_address(config: &ParticipantConfig) -> Result<SocketAddr, StartStep> {
    let admin = &config.node.admin_api;
    let address = admin.address.clone();
    let resolved = lookup_host((admin.address.as_str(), admin.port.unwrap_or(0))).await;
    match resolved.map(|mut addresses| addresses.next()) {
        Ok(Some(resolved)) => Ok(resolved),
        Ok(None) => Err(StartStep::Address { address, source: std::io::ErrorKind::AddrNotAvailable.into() }),
        Err(source) => Err(StartStep::Address { address, source }),
    }
}

pub(crate) fn vault_options(node: &NodeIdentity, crypto: &CryptoConfig) -> Result<VaultOptions, StartStep> {
    use cantle_store::CryptoProvider;
    let provider = match crypto.provider {
        Provider::Jce => CryptoProvider::Jce,
        Provider::Kms => CryptoProvider::Kms,
    };
    let mut options = VaultOptions::new(node.clone(), provider);
    let SchemeConfig { default, allowed, .. } = &crypto.signing;
    options.signing =
        Schemes::new(provider, Some(named(*default)), Some(allowed.iter().copied().map(named).collect()))?;
    let SchemeConfig { default, allowed, .. } = &crypto.encryption;
    options.encryption =
        Schemes::new(provider, Some(named(*default)), Some(allowed.iter().copied().map(named).collect()))?;
    if let Some(kms) = &crypto.kms {
        options.custom_tags = kms.custom_tags.clone();
        options.multi_region = if kms.multi_region_key { MultiRegion::Yes } else { MultiRegion::No };
        options.create_key_check = kms::creation_poll(&kms.create_key_check);
    }
    Ok(options)
}

/// The same scheme in the crates that do not know each other: both have Canton's name of it.
fn named<A: std::fmt::Display, B: std::str::FromStr>(scheme: A) -> B
where
    B::Err: std::fmt::Debug,
{
    scheme.to_string().parse().expect("both crates have the scheme names of Canton's configuration")
}

/// What a node does after it has begun to serve.
struct Life {
    node: NodeIdentity,
    vault: Vault,
    manager: TopologyManager,
    auto_init: AutoInit,
    identifier: NodeIdentifier,
    state: watch::Sender<NodeState>,
    health: watch::Sender<NodeHealth>,
    events: Arc<dyn Fn(NodeEvent) + Send + Sync>,
}

impl Life {
    async fn live(self) {
        let uid = match self.manager.uid() {
            Some(uid) => {
                self.check_keys(&uid).await;
                uid
            }
            None if self.auto_init == AutoInit::Yes => match self.initialize().await {
                Ok(uid) => uid,
                Err(step) => {
                    let failed = StartError::new(&self.node, step);
                    self.change(NodeState::Failed(failed));
                    return;
                }
            },
            None => {
                self.change(NodeState::WaitingForIdentity);
                self.manager.wait_for_identity().await
            }
        };
        self.health.send_replace(NodeHealth { serving: true, components: vec![crypto_provider(None)] });
        self.change(NodeState::Ready(uid));
    }

    async fn initialize(&self) -> Result<UniqueIdentifier, StartStep> {
        let identifier = match self.identifier.fixed(&self.node.name) {
            Some(identifier) => identifier,
            None => random_identifier(),
        };
        info!("{}: making keys and identity", self.node);
        Ok(cantle_participant::initialize(&self.vault, &self.manager, &self.node.name, identifier).await?)
    }

    /// Asks the KMS for each key until all can be used.
    async fn check_keys(&self, uid: &UniqueIdentifier) {
        loop {
            let trouble = match self.vault.check_keys().await {
                Ok(checks) => self.unusable(&checks),
                Err(failed) => Some(format!("the keys cannot be listed: {failed}")),
            };
            let Some(trouble) = trouble else { return };
            error!("{}: {trouble}", self.node);
            self.health.send_replace(NodeHealth {
                serving: false,
                components: vec![crypto_provider(Some(trouble))],
            });
            if !matches!(*self.state.borrow(), NodeState::KeysUnusable(_)) {
                self.change(NodeState::KeysUnusable(uid.clone()));
            }
            tokio::time::sleep(CHECK_AGAIN).await;
        }
    }

    /// What is wrong with the keys, in one line, or nothing.
    fn unusable(&self, checks: &[KeyCheck]) -> Option<String> {
        let wrong: Vec<_> = checks
            .iter()
            .filter(|check| !check.is_usable())
            .map(|check| {
                let name = check.info.name.as_ref().map_or("without a name", |name| name.as_str());
                let key = check.info.kms.as_ref().map_or("in the store", |kms| kms.kms_key_id.as_str());
                match &check.outcome {
                    Ok(status) => format!(
                        "key {name} ({key}) has KeyState {}; enable it in the KMS, or cancel its deletion",
                        status.as_str()
                    ),
                    Err(failed) => format!("key {name} ({key}): {failed}"),
                }
            })
            .collect();
        (!wrong.is_empty()).then(|| wrong.join("; "))
    }

    fn change(&self, state: NodeState) {
        self.state.send_replace(state.clone());
        (self.events)(NodeEvent::Changed { node: self.node.clone(), state });
    }
}

fn crypto_provider(trouble: Option<String>) -> ComponentHealth {
    ComponentHealth { name: "crypto-provider".to_owned(), trouble }
}

fn random_identifier() -> Identifier {
    uuid::Uuid::new_v4().to_string().parse().expect("a UUID has only characters of an identifier")
}
