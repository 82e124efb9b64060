//! One mediator, from its configuration to a node that serves.

use std::path::Path;

use cantle_admin_api::{NodeTopology, RoleHandles};
use cantle_config::MediatorConfig;
use cantle_identity::TopologyLists;
use cantle_mediator::{MediatorNode, MediatorOptions};
use cantle_vault::Vault;
use tracing::{Instrument, info_span};

use crate::{
    base::{Base, Surroundings},
    connected, domain_options,
    error::{StartError, StartStep},
    identity,
    running::RunningNode,
    serving::{Served, Serving},
    state::Reporter,
    storage,
};

/// Opens everything and starts serving; the domain that it belongs to is waited for in the background.
pub(crate) async fn start(
    config: &MediatorConfig,
    data_dir: &Path,
    around: Surroundings,
) -> Result<RunningNode, StartError> {
    let node = storage::identity(&config.node);
    let span = info_span!("node", mediator = %node.name);
    steps(config, data_dir, around).instrument(span).await.map_err(|step| StartError::new(&node, step))
}

async fn steps(
    config: &MediatorConfig,
    data_dir: &Path,
    around: Surroundings,
) -> Result<RunningNode, StartStep> {
    let base = Base::open(&config.node, data_dir, &around).await?;
    let (vault, store) = (base.vault.clone(), base.store.store.clone());
    let options = MediatorOptions {
        client: domain_options::client(
            &config.node.sequencer_client,
            domain_options::time(&config.time_tracker),
        ),
        authentication: domain_options::authentication(&config.node.sequencer_client),
        grpc: domain_options::grpc(&config.node.sequencer_client, around.calls),
    };
    let role = MediatorNode::open(options, vault.clone(), store.clone(), around.clock.clone()).await?;
    let served = Served {
        topology: NodeTopology::OfDomain {
            identity: role.identity(),
            lists: TopologyLists::of_domains(store),
        },
        role: RoleHandles::Mediator(role.clone()),
        public: None,
    };
    let serving = Serving::begin(base, &config.node, around, served).await?;
    let reporter = serving.reporter.clone();
    let life = {
        let role = role.clone();
        async move { live(&role, &vault, &reporter).await }
    };
    Ok(serving.live(life, async move { role.stop().await }))
}

/// Waits to be initialized, then connects and follows how that is.
async fn live(role: &MediatorNode, vault: &Vault, reporter: &Reporter) {
    let Some(uid) = identity::given(role.identity(), vault, reporter).await else { return };
    loop {
        match role.resume().await {
            Ok(()) => connected::follow(role.health().await, reporter, &uid).await,
            Err(failed) => connected::failed(reporter, &failed),
        }
        tokio::time::sleep(connected::AGAIN).await;
    }
}
