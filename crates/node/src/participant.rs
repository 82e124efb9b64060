//! One participant, from its configuration to a node that serves.

use std::{collections::BTreeMap, path::Path};

use cantle_admin_api::{AdminHandles, AdminServer, RoleHandles};
use cantle_config::ParticipantConfig;
use cantle_identity::TopologyManager;
use tracing::{Instrument, info_span};

use crate::{
    base::{self, Base, Surroundings},
    error::{StartError, StartStep},
    identity,
    running::{self, RunningNode},
    state::{NodeState, Reporter},
    storage,
};

/// Opens everything and starts serving; the identity is made, or waited for, in the background.
pub(crate) async fn start(
    config: &ParticipantConfig,
    data_dir: &Path,
    around: Surroundings,
) -> Result<RunningNode, StartError> {
    let node = storage::identity(&config.node);
    let span = info_span!("node", participant = %node.name);
    steps(config, data_dir, around).instrument(span).await.map_err(|step| StartError::new(&node, step))
}

async fn steps(
    config: &ParticipantConfig,
    data_dir: &Path,
    around: Surroundings,
) -> Result<RunningNode, StartStep> {
    let Base { node, store, kms, vault } = Base::open(&config.node, data_dir, &around).await?;
    let manager = TopologyManager::open(
        store.store.clone(),
        vault.clone(),
        around.clock.clone(),
        config.initial_protocol_version,
    )
    .await?;
    let admin = &config.node.admin_api;
    let server = AdminServer::bind(base::resolve(&admin.address, admin.port).await?).await?;
    let admin_address = server.address();
    let reporter = Reporter::new(node.clone(), around.events);
    let handles = AdminHandles {
        node: node.clone(),
        vault: vault.clone(),
        topology: manager.clone().into(),
        role: RoleHandles::Participant,
        clock: around.clock,
        ports: BTreeMap::from([("admin".to_owned(), admin_address.port())]),
        health: reporter.watch_health(),
        log_level: around.log_level,
    };
    reporter.listening("admin-api", admin_address);
    let state = reporter.watch_state();
    let serving = running::serve_admin(server, handles, around.stop.clone());
    let init = config.node.init.clone();
    let name = node.name.clone();
    let life = async move {
        let made =
            async |identifier| Ok(cantle_participant::initialize(&vault, &manager, &name, identifier).await?);
        if let Some(uid) = identity::reach(&init, &vault, &manager, &reporter, made).await {
            reporter.change(NodeState::Ready(uid));
        }
    };
    Ok(RunningNode {
        node,
        admin_address,
        public_address: None,
        state,
        counted: kms.map(|kms| kms.counted),
        store,
        tasks: vec![serving, running::spawn_life(life, around.stop, std::future::ready(()))],
    })
}
