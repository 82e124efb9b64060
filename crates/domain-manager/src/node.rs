//! The domain manager of a node through its life: founded, connected to a sequencer, stopped, resumed.
//!
//! Invariant: what it was told stays: static parameters from its foundation on, sequencer connections from the first
//! successful `init` on.

use std::fmt;
use std::sync::Arc;

use cantle_identity::TopologyManager;
use cantle_proto::domain::admin::v0 as admin;
use cantle_protocol::StaticDomainParameters;
use cantle_sequencing::{
    ApiError, AuthOptions, ClientHealth, ClientOptions, ConnectionError, GrpcOptions, GrpcSequencer,
    SequencerApi, SequencerConnection,
};
use cantle_store::{NodeStore, RoleSetting, StoreError};
use cantle_types::{Clock, DomainId};
use cantle_vault::Vault;
use prost::Message;
use thiserror::Error;
use tokio::sync::{Mutex, watch};

use crate::dispatch::DispatchStatus;
use crate::initialize::DomainRoles;
use crate::onboarding::{Admission, ParticipantCertificate};
use crate::running::{Parts, RunError, Running};

/// What a domain manager is set up with.
#[derive(Debug, Clone)]
pub struct DomainManagerOptions {
    /// Which members of the domain the node is.
    pub roles: DomainRoles,
    /// The static parameters that the domain is founded with.
    pub parameters: StaticDomainParameters,
    /// Whom it lets in by itself.
    pub admission: Admission,
    /// Whether participants must show a legal identity.
    pub certificate: ParticipantCertificate,
    /// How it follows the domain.
    pub client: ClientOptions,
    /// How it authenticates.
    pub authentication: AuthOptions,
    /// How sequencers are called.
    pub grpc: GrpcOptions,
}

/// A domain manager that could not do what it was told.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DomainManagerError {
    /// It has no identity yet.
    #[error("the domain manager has no identity yet; initialize it first")]
    NoIdentity,
    /// It is connected already.
    #[error(
        "the domain manager is connected to its sequencer already; sequencer_connection.set changes the connection"
    )]
    AlreadyInitialized,
    /// It was not connected before.
    #[error("the domain manager has no sequencer yet; call setup.bootstrap_domain or setup.init")]
    NotInitialized,
    /// A connection cannot be one.
    #[error("the sequencer connection is wrong")]
    Connection(#[from] ConnectionError),
    /// A connection cannot be used.
    #[error("the sequencer connection cannot be used")]
    Api(#[from] ApiError),
    /// The connection was refused.
    #[error("the domain manager did not connect to its sequencer")]
    Run(#[from] RunError),
    /// The store failed.
    #[error("the domain manager's store failed")]
    Store(#[from] StoreError),
    /// What is stored cannot be read.
    #[error("the stored {what} cannot be read")]
    Damaged {
        /// What.
        what: &'static str,
    },
}

/// How far a domain manager is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It has no sequencer.
    WaitingForSequencer,
    /// It works with its sequencer.
    Connected,
}

/// The domain manager of a node. Clones are the same one.
#[derive(Clone)]
pub struct DomainManagerNode(Arc<Inner>);

struct Inner {
    options: DomainManagerOptions,
    manager: TopologyManager,
    vault: Vault,
    store: Arc<dyn NodeStore>,
    clock: Arc<dyn Clock>,
    running: Mutex<Option<Running>>,
    phase: watch::Sender<Phase>,
    dispatch: watch::Sender<DispatchStatus>,
}

impl DomainManagerNode {
    /// A domain manager that does not work yet.
    #[must_use]
    pub fn new(
        options: DomainManagerOptions,
        manager: TopologyManager,
        vault: Vault,
        store: Arc<dyn NodeStore>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (phase, dispatch) = (watch::Sender::new(Phase::WaitingForSequencer), watch::Sender::default());
        Self(Arc::new(Inner {
            options,
            manager,
            vault,
            store,
            clock,
            running: Mutex::default(),
            phase,
            dispatch,
        }))
    }

    /// The domain, once it has its identity.
    #[must_use]
    pub fn domain(&self) -> Option<DomainId> {
        self.0.manager.uid().map(DomainId::new)
    }

    /// How far it is, now and whenever that changes.
    #[must_use]
    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.0.phase.subscribe()
    }

    /// How much of its topology the members were not told yet.
    #[must_use]
    pub fn dispatch_status(&self) -> watch::Receiver<DispatchStatus> {
        self.0.dispatch.subscribe()
    }

    /// Whether it has seen a change of its domain's topology that is in effect only later.
    pub async fn awaits_topology(&self) -> bool {
        self.0.running.lock().await.as_ref().is_some_and(Running::awaits_topology)
    }

    /// How its connection is, while it has one.
    pub async fn health(&self) -> Option<watch::Receiver<ClientHealth>> {
        self.0.running.lock().await.as_ref().map(Running::health)
    }

    /// The static parameters that the domain was founded with; the configured ones until it is.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn static_parameters(&self) -> Result<StaticDomainParameters, DomainManagerError> {
        let configured = &self.0.options.parameters;
        let Some(domain) = self.domain() else { return Ok(configured.clone()) };
        let setting = RoleSetting::StaticDomainParameters(domain.clone());
        let stored = self.0.store.setting_claim(&setting, &configured.to_bytes()).await?;
        let parameters = StaticDomainParameters::from_bytes(&stored)
            .map_err(|_| DomainManagerError::Damaged { what: "static domain parameters" })?;
        if parameters != *configured {
            tracing::warn!(%domain, "init.domain-parameters differ from those that the domain was founded with, which stay");
        }
        Ok(parameters)
    }

    /// Connects for the first time, as `setup.init` and `setup.bootstrap_domain` ask. The connections are kept.
    ///
    /// # Errors
    /// [`DomainManagerError`]; nothing is kept then.
    pub async fn init(&self, connections: Vec<SequencerConnection>) -> Result<(), DomainManagerError> {
        let domain = self.domain().ok_or(DomainManagerError::NoIdentity)?;
        let mut running = self.0.running.lock().await;
        if running.is_some() {
            return Err(DomainManagerError::AlreadyInitialized);
        }
        let connected = self.connect(&domain, &connections).await?;
        self.0.keep(&domain, &connections).await?;
        *running = Some(connected);
        self.0.phase.send_replace(Phase::Connected);
        Ok(())
    }

    /// Changes how the sequencers are reached, and connects anew.
    ///
    /// # Errors
    /// [`DomainManagerError`]; the former connections stay then.
    pub async fn set_connections(
        &self,
        connections: Vec<SequencerConnection>,
    ) -> Result<(), DomainManagerError> {
        let domain = self.domain().ok_or(DomainManagerError::NoIdentity)?;
        if self.connections().await?.is_empty() {
            return Err(DomainManagerError::NotInitialized);
        }
        let connection = SequencerConnection::merged(&connections)?;
        let api = GrpcSequencer::new(connection, self.0.options.grpc.clone())?;
        let mut running = self.0.running.lock().await;
        // One domain manager tells the members of its topology at a time. If the new connection is not made, the former one
        // is, by whoever sees that it ended.
        if let Some(old) = running.take() {
            old.stop().await;
        }
        *running = Some(self.run(&domain, Arc::new(api)).await?);
        self.0.keep(&domain, &connections).await?;
        self.0.phase.send_replace(Phase::Connected);
        Ok(())
    }

    /// How the sequencers are reached; nothing before [`DomainManagerNode::init`].
    ///
    /// # Errors
    /// When the store fails.
    pub async fn connections(&self) -> Result<Vec<SequencerConnection>, DomainManagerError> {
        let Some(domain) = self.domain() else { return Ok(Vec::new()) };
        let stored = self.0.store.setting_find(&RoleSetting::SequencerConnections(domain)).await?;
        let Some(stored) = stored else { return Ok(Vec::new()) };
        let damaged = DomainManagerError::Damaged { what: "sequencer connections" };
        let Ok(message) = admin::SetConnectionRequest::decode(&*stored) else { return Err(damaged) };
        let connections = message.sequencer_connections.iter().map(SequencerConnection::from_proto);
        Ok(connections.collect::<Result<_, _>>()?)
    }

    /// Connects again if it was connected before its last stop, or works no more; says whether it was.
    ///
    /// # Errors
    /// [`DomainManagerError`]; may be repeated.
    pub async fn resume(&self) -> Result<Phase, DomainManagerError> {
        let domain = self.domain().ok_or(DomainManagerError::NoIdentity)?;
        let connections = self.connections().await?;
        if connections.is_empty() {
            return Ok(Phase::WaitingForSequencer);
        }
        let mut running = self.0.running.lock().await;
        clear(&mut running).await;
        if running.is_none() {
            *running = Some(self.connect(&domain, &connections).await?);
            self.0.phase.send_replace(Phase::Connected);
        }
        Ok(Phase::Connected)
    }

    /// Begins to work with the sequencer in the same process.
    ///
    /// # Errors
    /// [`DomainManagerError`].
    pub async fn start_with(&self, api: Arc<dyn SequencerApi>) -> Result<(), DomainManagerError> {
        let domain = self.domain().ok_or(DomainManagerError::NoIdentity)?;
        let mut running = self.0.running.lock().await;
        clear(&mut running).await;
        if running.is_none() {
            *running = Some(self.run(&domain, api).await?);
            self.0.phase.send_replace(Phase::Connected);
        }
        Ok(())
    }

    /// Stores what is done with and stops working.
    pub async fn stop(&self) {
        if let Some(running) = self.0.running.lock().await.take() {
            running.stop().await;
        }
        self.0.phase.send_replace(Phase::WaitingForSequencer);
    }

    async fn connect(
        &self,
        domain: &DomainId,
        connections: &[SequencerConnection],
    ) -> Result<Running, DomainManagerError> {
        let connection = SequencerConnection::merged(connections)?;
        let api = GrpcSequencer::new(connection, self.0.options.grpc.clone())?;
        self.run(domain, Arc::new(api)).await
    }

    async fn run(
        &self,
        domain: &DomainId,
        api: Arc<dyn SequencerApi>,
    ) -> Result<Running, DomainManagerError> {
        let inner = &*self.0;
        let parts = Parts {
            domain: domain.clone(),
            roles: inner.options.roles,
            parameters: self.static_parameters().await?,
            admission: inner.options.admission,
            certificate: inner.options.certificate,
            manager: inner.manager.clone(),
            vault: inner.vault.clone(),
            store: Arc::clone(&inner.store),
            clock: Arc::clone(&inner.clock),
            client: inner.options.client,
            authentication: inner.options.authentication,
        };
        Ok(Running::start(parts, api, inner.dispatch.clone()).await?)
    }
}

/// Takes away what ended by itself, so that it is begun again.
async fn clear(running: &mut Option<Running>) {
    if let Some(ended) = running.take_if(|running| running.health().borrow().is_stopped()) {
        ended.stop().await;
    }
}

impl Inner {
    async fn keep(
        &self,
        domain: &DomainId,
        connections: &[SequencerConnection],
    ) -> Result<(), DomainManagerError> {
        let message = admin::SetConnectionRequest {
            sequencer_connections: connections.iter().map(SequencerConnection::to_proto).collect(),
            sequencer_trust_threshold: 1,
        };
        let setting = RoleSetting::SequencerConnections(domain.clone());
        Ok(self.store.setting_put(&setting, &message.encode_to_vec()).await?)
    }
}

impl fmt::Debug for DomainManagerNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DomainManagerNode")
            .field("domain", &self.domain())
            .field("phase", &*self.0.phase.borrow())
            .finish_non_exhaustive()
    }
}
