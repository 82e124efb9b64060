//! One domain manager, from its configuration to a node that serves.

use std::path::Path;

use cantle_admin_api::RoleHandles;
use cantle_config::DomainManagerConfig;
use cantle_domain_manager::{DomainManagerNode, DomainManagerOptions, DomainRoles, Phase, initialize};
use cantle_identity::TopologyManager;
use cantle_sequencing::chain;
use cantle_types::UniqueIdentifier;
use tracing::{Instrument, error, info_span};

use crate::{
    base::{Base, Surroundings},
    connected, domain_options,
    error::{StartError, StartStep},
    identity,
    running::RunningNode,
    serving::{Served, Serving},
    state::{NodeState, Reporter},
    storage,
};

/// Opens everything and starts serving; the identity is made, or waited for, in the background.
pub(crate) async fn start(
    config: &DomainManagerConfig,
    data_dir: &Path,
    around: Surroundings,
) -> Result<RunningNode, StartError> {
    let node = storage::identity(&config.node);
    let span = info_span!("node", domain_manager = %node.name);
    steps(config, data_dir, around).instrument(span).await.map_err(|step| StartError::new(&node, step))
}

async fn steps(
    config: &DomainManagerConfig,
    data_dir: &Path,
    around: Surroundings,
) -> Result<RunningNode, StartStep> {
    let base = Base::open(&config.node, data_dir, &around).await?;
    let (vault, store) = (base.vault.clone(), base.store.store.clone());
    let version = config.parameters.protocol_version;
    let manager = TopologyManager::open(store.clone(), vault.clone(), around.clock.clone(), version).await?;
    let (admission, certificate) = domain_options::admission(config.topology);
    let options = DomainManagerOptions {
        roles: DomainRoles::Manager,
        parameters: domain_options::static_parameters(&config.parameters, vault.options()),
        admission,
        certificate,
        client: domain_options::client(
            &config.node.sequencer_client,
            domain_options::time(&config.time_tracker),
        ),
        authentication: domain_options::authentication(&config.node.sequencer_client),
        grpc: domain_options::grpc(&config.node.sequencer_client, around.calls),
    };
    let role =
        DomainManagerNode::new(options, manager.clone(), vault.clone(), store.clone(), around.clock.clone());
    let name = base.node.name.clone();
    let served = Served {
        topology: manager.clone().into(),
        role: RoleHandles::DomainManager(role.clone()),
        public: None,
    };
    let serving = Serving::begin(base, &config.node, around, served).await?;
    let reporter = serving.reporter.clone();
    let parameters = domain_options::dynamic_parameters(&config.parameters);
    let init = config.node.init.clone();
    let life = {
        let role = role.clone();
        async move {
            let made = async |identifier| {
                let roles = DomainRoles::Manager;
                Ok(initialize(&vault, &manager, &name, identifier, roles, parameters).await?)
            };
            if let Some(uid) = identity::reach(&init, &vault, &manager, &*store, &reporter, made).await {
                live(&role, &reporter, &uid).await;
            }
        }
    };
    Ok(serving.live(life, async move { role.stop().await }))
}

/// Connects whenever the manager has a sequencer, and follows how that is.
async fn live(role: &DomainManagerNode, reporter: &Reporter, uid: &UniqueIdentifier) {
    // Founded with these parameters, whatever the configuration says later.
    if let Err(failed) = role.static_parameters().await {
        error!("{}: {}", reporter.node(), chain(&failed));
    }
    let mut phase = role.phase();
    loop {
        match role.resume().await {
            Ok(Phase::Connected) => {
                connected::follow(role.health().await, reporter, uid).await;
            }
            Ok(Phase::WaitingForSequencer) => {
                reporter.change(NodeState::WaitingForDomain(Some(uid.clone())));
                if phase.wait_for(|phase| *phase == Phase::Connected).await.is_err() {
                    return;
                }
                continue;
            }
            Err(failed) => connected::failed(reporter, &failed),
        }
        tokio::time::sleep(connected::AGAIN).await;
    }
}
