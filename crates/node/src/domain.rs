//! One embedded sync domain, from its configuration to a node that serves: manager, sequencer and mediator at once.
//!
//! The three are members of their domain like any others; the sequencer is called in the process instead of over the
//! network. They share one vault and one store.

use std::{path::Path, sync::Arc};

use cantle_admin_api::{EmbeddedDomain, RoleHandles};
use cantle_config::DomainConfig;
use cantle_domain_manager::{DomainManagerNode, DomainManagerOptions, DomainRoles, initialize};
use cantle_identity::{ListQuery, TopologyManager};
use cantle_mediator::{MediatorNode, MediatorOptions};
use cantle_protocol::StaticDomainParameters;
use cantle_sequencer::{
    InProcessSequencer, Initialization, SequencerNode, SequencerNodeSetup, record_initialization,
};
use cantle_topology::SignedTopologyTransaction;
use cantle_types::{DomainId, UniqueIdentifier};
use tracing::{Instrument, info_span};

use crate::{
    base::{Base, Surroundings},
    connected, domain_options,
    error::{StartError, StartStep},
    identity, public_api,
    running::RunningNode,
    serving::{Served, Serving},
    state::Reporter,
    storage,
};

/// Opens everything and starts serving; the identity is made, or waited for, in the background.
pub(crate) async fn start(
    config: &DomainConfig,
    data_dir: &Path,
    around: Surroundings,
) -> Result<RunningNode, StartError> {
    let node = storage::identity(&config.node);
    let span = info_span!("node", domain = %node.name);
    steps(config, data_dir, around).instrument(span).await.map_err(|step| StartError::new(&node, step))
}

async fn steps(
    config: &DomainConfig,
    data_dir: &Path,
    around: Surroundings,
) -> Result<RunningNode, StartStep> {
    let base = Base::open(&config.node, data_dir, &around).await?;
    let (vault, store) = (base.vault.clone(), Arc::clone(&base.store.store));
    let version = config.parameters.protocol_version;
    let clock = Arc::clone(&around.clock);
    let manager =
        TopologyManager::open(Arc::clone(&store), vault.clone(), Arc::clone(&clock), version).await?;
    let (admission, certificate) = domain_options::admission(config.topology);
    let client =
        domain_options::client(&config.node.sequencer_client, domain_options::time(&config.time_tracker));
    let authentication = domain_options::authentication(&config.node.sequencer_client);
    let grpc = domain_options::grpc(&config.node.sequencer_client, around.calls);
    let options = DomainManagerOptions {
        roles: DomainRoles::All,
        parameters: domain_options::static_parameters(&config.parameters, vault.options()),
        admission,
        certificate,
        client,
        authentication,
        grpc: grpc.clone(),
    };
    let domain_manager = DomainManagerNode::new(
        options,
        manager.clone(),
        vault.clone(),
        Arc::clone(&store),
        Arc::clone(&clock),
    );
    let sequencer = SequencerNode::open(SequencerNodeSetup {
        name: base.node.name.clone(),
        vault: vault.clone(),
        store: Arc::clone(&store),
        shared: None,
        clock: Arc::clone(&clock),
        agreement: public_api::agreement(config.service_agreement.as_deref())?,
        options: public_api::sequencer_options(&config.public_api),
    })
    .await?;
    let mediator = MediatorNode::open(
        MediatorOptions { client, authentication, grpc },
        vault.clone(),
        Arc::clone(&store),
        Arc::clone(&clock),
    )
    .await?;
    let roles = Roles { domain_manager, sequencer, mediator };

    let name = base.node.name.clone();
    let served = Served {
        topology: manager.clone().into(),
        role: RoleHandles::Domain(EmbeddedDomain {
            manager: roles.domain_manager.clone(),
            sequencer: roles.sequencer.clone(),
        }),
        public: Some((&config.public_api, roles.sequencer.clone())),
    };
    let serving = Serving::begin(base, &config.node, around, served).await?;
    let reporter = serving.reporter.clone();
    let parameters = domain_options::dynamic_parameters(&config.parameters);
    let init = config.node.init.clone();
    let life = {
        let roles = roles.clone();
        async move {
            let made = async |identifier| {
                let all = DomainRoles::All;
                Ok(initialize(&vault, &manager, &name, identifier, all, parameters).await?)
            };
            if let Some(uid) = identity::reach(&init, &vault, &manager, &*store, &reporter, made).await {
                live(&roles, &manager, &*store, &reporter, &uid).await;
            }
        }
    };
    Ok(serving.live(life, async move { roles.stop().await }))
}

/// The members of the domain that the node is.
#[derive(Clone)]
struct Roles {
    domain_manager: DomainManagerNode,
    sequencer: SequencerNode,
    mediator: MediatorNode,
}

impl Roles {
    /// Members first, so that they store what they have done with.
    async fn stop(&self) {
        self.mediator.stop().await;
        self.domain_manager.stop().await;
        self.sequencer.stop().await;
    }

    /// Starts what does not run yet.
    async fn run(
        &self,
        manager: &TopologyManager,
        store: &dyn cantle_store::NodeStore,
        domain: &DomainId,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let parameters: StaticDomainParameters = self.domain_manager.static_parameters().await?;
        let wanted = Initialization { domain: domain.clone(), parameters: parameters.clone() };
        record_initialization(store, &wanted).await?;
        let sequencer = self.sequencer.resume().await?;
        if !sequencer.topology().is_initialized() {
            sequencer.bootstrap(&founding(manager).await?).await?;
        }
        let api = Arc::new(InProcessSequencer::new(sequencer));
        self.domain_manager.start_with(api.clone()).await?;
        self.mediator.start_with(domain, &parameters, api).await?;
        Ok(())
    }
}

/// What the domain was founded with, in its order.
async fn founding(
    manager: &TopologyManager,
) -> Result<Vec<SignedTopologyTransaction>, cantle_identity::ReadError> {
    manager.lists().authorized(ListQuery { state_only: true, ..ListQuery::default() }).await
}

/// Starts the domain's members once its topology makes it a domain, and follows how they are.
async fn live(
    roles: &Roles,
    manager: &TopologyManager,
    store: &dyn cantle_store::NodeStore,
    reporter: &Reporter,
    uid: &UniqueIdentifier,
) {
    let domain = DomainId::new(uid.clone());
    let mut changes = manager.changes();
    // Initialized by hand, it gets its identity before its topology.
    while !is_founded(manager, &domain) {
        if changes.changed().await.is_err() {
            return;
        }
    }
    loop {
        match roles.run(manager, store, &domain).await {
            // The two are members of a sequencer in this process: they lose it together, but each may end alone.
            Ok(()) => tokio::select! {
                () = connected::follow(roles.domain_manager.health().await, reporter, uid) => {}
                () = connected::ended(roles.mediator.health().await) => {}
            },
            Err(failed) => connected::failed(reporter, &*failed),
        }
        tokio::time::sleep(connected::AGAIN).await;
    }
}

/// Whether the topology says all that a domain needs: parameters, and keys of its manager, mediator and sequencer.
fn is_founded(manager: &TopologyManager, domain: &DomainId) -> bool {
    let state = cantle_topology::TopologyState::clone(&manager.state());
    cantle_topology::TopologyView::new(domain.clone(), manager.protocol_version(), state).is_initialized()
}
