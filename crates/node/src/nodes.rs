//! All the nodes of a process: started side by side, waited for, stopped together.

use std::{fmt, net::SocketAddr, path::PathBuf, sync::Arc};

use cantle_admin_api::{
    Diagnostics, ListKeysError, LogLevel, NoDiagnostics, NodeHealth, NodeTopology, PingFeed,
    list_keys_without_state,
};
use cantle_config::Config;
use cantle_kms::RequestCounts;
use cantle_proto::cantle::admin::v1::NodeKey;
use cantle_store::NodeIdentity;
use cantle_transport::{Bearer, ClientTls};
use cantle_types::{Clock, SystemClock};
use cantle_vault::Vault;
use futures::{FutureExt, StreamExt, future::join_all, stream};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    base::Surroundings,
    domain, domain_manager,
    domain_options::CallTimeouts,
    error::{StartError, StartStep},
    kms::{KmsAccess, NodeKms},
    mediator,
    metrics::WithMetrics,
    monitoring, participant, ports_file,
    running::RunningNode,
    sequencer,
    state::{NodeEvent, NodeState},
};

/// What nodes need besides their configuration.
pub struct NodesOptions {
    /// Where nodes without a configured storage keep their data.
    pub data_dir: PathBuf,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The process's log level, for `health.set_log_level`.
    pub log_level: Arc<dyn LogLevel>,
    /// What the process knows of its troubles, for `health.dump` and `health.last_errors`.
    pub diagnostics: Arc<dyn Diagnostics>,
    /// How the KMS is reached, beside what the configuration says.
    pub kms: KmsAccess,
    /// Told what happens, from any thread.
    pub events: Arc<dyn Fn(NodeEvent) + Send + Sync>,
}

impl NodesOptions {
    /// Data in `data_dir`, the system's clock, events to nobody.
    #[must_use]
    pub fn new(data_dir: PathBuf, log_level: Arc<dyn LogLevel>) -> Self {
        Self {
            data_dir,
            clock: Arc::new(SystemClock),
            log_level,
            diagnostics: Arc::new(NoDiagnostics),
            kms: KmsAccess::default(),
            events: Arc::new(|_| {}),
        }
    }
}

impl fmt::Debug for NodesOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodesOptions").field("data_dir", &self.data_dir).finish_non_exhaustive()
    }
}

/// A running node, for those who use it.
#[derive(Clone, Debug)]
pub struct NodeHandle {
    /// Its kind and name.
    pub node: NodeIdentity,
    /// Its admin API.
    pub admin_address: SocketAddr,
    /// How its admin API is reached from this process, where it speaks TLS.
    pub admin_tls: Option<ClientTls>,
    /// What is shown there from this process, where its admin API asks for tokens.
    pub admin_bearer: Bearer,
    /// The public API of a sequencer or domain.
    pub public_address: Option<SocketAddr>,
    /// What it is doing.
    pub state: watch::Receiver<NodeState>,
    /// How it is.
    pub health: watch::Receiver<NodeHealth>,
    /// The pings that it is asked for, if it is a participant.
    pub pings: PingFeed,
    vault: Vault,
    topology: NodeTopology,
    kms: Option<NodeKms>,
}

impl NodeHandle {
    /// Its keys without their state in the KMS, which is not asked.
    ///
    /// # Errors
    /// When they cannot be read from the node's database.
    pub async fn keys(&self) -> Result<Vec<NodeKey>, ListKeysError> {
        list_keys_without_state(&self.vault, &self.topology).await
    }

    /// What it has asked of its KMS; nothing with provider jce.
    #[must_use]
    pub fn kms_requests(&self) -> RequestCounts {
        self.kms.as_ref().map(|kms| kms.counted.counts()).unwrap_or_default()
    }
}

/// The running nodes of a process.
#[derive(Debug)]
pub struct Nodes {
    running: Vec<RunningNode>,
    monitoring: Vec<JoinHandle<()>>,
    stop: CancellationToken,
}

impl Nodes {
    /// Starts every configured node. Returns once all admin APIs listen; identities may still be in the making.
    ///
    /// # Errors
    /// The first node, in the order of the configuration, that did not start; the others are stopped again.
    pub async fn start(config: &Config, options: NodesOptions) -> Result<Self, StartError> {
        let stop = CancellationToken::new();
        let around = Surroundings {
            clock: options.clock,
            log_level: options.log_level,
            diagnostics: Arc::new(WithMetrics::new(options.diagnostics)),
            kms: options.kms,
            calls: CallTimeouts::of(&config.parameters),
            events: options.events,
            stop: stop.clone(),
        };
        if let (Err(gaps), Some(first)) = (config.startable(), config.nodes().next()) {
            return Err(StartError::new(&crate::storage::identity(first), StartStep::NotYet(gaps)));
        }
        let data_dir = &options.data_dir;
        let participants = config
            .participants
            .values()
            .map(|config| participant::start(config, data_dir, around.clone()).boxed());
        let managers = config
            .domain_managers
            .values()
            .map(|config| domain_manager::start(config, data_dir, around.clone()).boxed());
        let sequencers = config
            .sequencers
            .values()
            .map(|config| sequencer::start(config, data_dir, around.clone()).boxed());
        let domains =
            config.domains.values().map(|config| domain::start(config, data_dir, around.clone()).boxed());
        let mediators =
            config.mediators.values().map(|config| mediator::start(config, data_dir, around.clone()).boxed());
        let starts = participants.chain(domains).chain(managers).chain(sequencers).chain(mediators);
        let side_by_side = config.parameters.startup_parallelism.and_then(|most| usize::try_from(most).ok());
        let side_by_side = side_by_side.unwrap_or_else(|| config.nodes().count()).max(1);
        let started: Vec<_> = stream::iter(starts).buffered(side_by_side).collect().await;
        let mut nodes = Self { running: Vec::new(), monitoring: Vec::new(), stop };
        let mut failed = None;
        for started in started {
            match started {
                Ok(running) => nodes.running.push(running),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        if failed.is_none() {
            failed = nodes.monitor(config, &*around.events).await.err();
        }
        match failed {
            None => {
                if let Some(path) = &config.parameters.ports_file {
                    ports_file::write(path, &nodes.ports());
                }
                Ok(nodes)
            }
            Some(error) => {
                nodes.shutdown().await;
                Err(error)
            }
        }
    }

    /// Serves what `canton.monitoring` asks for.
    async fn monitor(
        &mut self,
        config: &Config,
        events: &(dyn Fn(NodeEvent) + Send + Sync),
    ) -> Result<(), StartError> {
        let Some(first) = self.running.first().map(|running| running.node.clone()) else { return Ok(()) };
        let monitored: Result<Vec<_>, _> = self.running.iter().map(RunningNode::monitored).collect();
        let monitored =
            monitored.map_err(|error| StartError::new(&first, StartStep::AdminApi(error.into())))?;
        let monitoring = monitoring::start(&config.monitoring, &monitored, &self.stop)
            .await
            .map_err(|error| StartError::new(&first, error))?;
        for (service, address) in monitoring.listening {
            events(NodeEvent::Monitoring { service, address });
        }
        self.monitoring = monitoring.tasks;
        Ok(())
    }

    fn ports(&self) -> Vec<ports_file::Ports> {
        let ports = |running: &RunningNode| {
            let mut ports = vec![("adminApi", running.admin_address.port())];
            ports.extend(running.public_address.map(|address| ("publicApi", address.port())));
            (running.node.clone(), ports)
        };
        self.running.iter().map(ports).collect()
    }

    /// The running nodes, in the order of the configuration.
    #[must_use]
    pub fn handles(&self) -> Vec<NodeHandle> {
        let handle = |running: &RunningNode| NodeHandle {
            node: running.node.clone(),
            admin_address: running.admin_address,
            admin_tls: running.admin_tls.clone(),
            admin_bearer: running.admin_bearer.clone(),
            public_address: running.public_address,
            state: running.state.clone(),
            health: running.health.clone(),
            pings: running.pings.clone(),
            vault: running.vault.clone(),
            topology: running.topology.clone(),
            kms: running.kms.clone(),
        };
        self.running.iter().map(handle).collect()
    }

    /// Waits until each node is ready or waits for the operator.
    ///
    /// # Errors
    /// The first node that could not be initialized.
    pub async fn settled(&self) -> Result<(), StartError> {
        for running in &self.running {
            let mut state = running.state.clone();
            let reached =
                state.wait_for(|state| state.settled() || matches!(state, NodeState::Failed(_))).await;
            if let Ok(state) = reached
                && let NodeState::Failed(error) = &*state
            {
                return Err(error.clone());
            }
        }
        Ok(())
    }

    /// Waits until a node fails; for ever, if none does.
    pub async fn failure(&self) -> StartError {
        let failures = self.running.iter().map(|running| {
            let mut state = running.state.clone();
            Box::pin(async move {
                let failed = state.wait_for(|state| matches!(state, NodeState::Failed(_))).await;
                if let Ok(state) = failed
                    && let NodeState::Failed(error) = &*state
                {
                    return error.clone();
                }
                std::future::pending().await
            })
        });
        let failures: Vec<_> = failures.collect();
        if failures.is_empty() {
            return std::future::pending().await;
        }
        futures::future::select_all(failures).await.0
    }

    /// Stops all nodes: no new requests, those under way are finished, databases are closed.
    pub async fn shutdown(self) {
        self.stop.cancel();
        join_all(self.running.into_iter().map(RunningNode::ended)).await;
        // They end when they are told to; what became of them is nobody's concern any more.
        join_all(self.monitoring).await;
    }
}
