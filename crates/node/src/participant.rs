//! One participant, from its configuration to a node that serves.

use std::{collections::BTreeMap, path::Path};

use cantle_admin_api::{AdminHandles, RoleHandles};
use cantle_config::ParticipantConfig;
use cantle_identity::TopologyManager;
use tracing::{Instrument, info_span};

use crate::{
    base::{Base, Surroundings},
    error::{StartError, StartStep},
    identity,
    listen::Listeners,
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
    let listeners = Listeners::bind(&config.node).await?;
    let admin_address = listeners.admin_address();
    let admin_tls = listeners.admin_tls.clone();
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
        diagnostics: around.diagnostics,
    };
    let (state, health) = (reporter.watch_state(), reporter.watch_health());
    let mut tasks = listeners.serve(handles, &reporter, &vault, kms.as_ref(), &around.stop)?;
    let init = config.node.init.clone();
    let name = node.name.clone();
    let life = async move {
        let made =
            async |identifier| Ok(cantle_participant::initialize(&vault, &manager, &name, identifier).await?);
        if let Some(uid) = identity::reach(&init, &vault, &manager, &reporter, made).await {
            reporter.change(NodeState::Ready(uid));
        }
    };
    tasks.push(running::spawn_life(life, around.stop, std::future::ready(())));
    Ok(RunningNode {
        node,
        admin_address,
        admin_tls,
        public_address: None,
        state,
        health,
        counted: kms.map(|kms| kms.counted),
        store,
        tasks,
    })
}
