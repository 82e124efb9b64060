//! One mediator, from its configuration to a node that serves.

use std::{collections::BTreeMap, path::Path};

use cantle_admin_api::{AdminHandles, NodeTopology, RoleHandles};
use cantle_config::MediatorConfig;
use cantle_identity::TopologyLists;
use cantle_mediator::{MediatorNode, MediatorOptions};
use cantle_vault::Vault;
use tracing::{Instrument, error, info_span};

use crate::{
    base::{Base, Surroundings},
    connected, domain_options,
    error::{StartError, StartStep, chain},
    key_check,
    listen::Listeners,
    running::{self, RunningNode},
    state::{NodeState, Reporter},
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
    let Base { node, store, kms, vault } = Base::open(&config.node, data_dir, &around).await?;
    let options = MediatorOptions {
        client: domain_options::client(&config.node.sequencer_client),
        authentication: domain_options::authentication(&config.node.sequencer_client),
        grpc: domain_options::grpc(&config.node.sequencer_client),
    };
    let role = MediatorNode::open(options, vault.clone(), store.store.clone(), around.clock.clone()).await?;
    let listeners = Listeners::bind(&config.node).await?;
    let admin_address = listeners.admin_address();
    let admin_tls = listeners.admin_tls.clone();
    let reporter = Reporter::new(node.clone(), around.events);
    let handles = AdminHandles {
        node: node.clone(),
        vault: vault.clone(),
        topology: NodeTopology::OfDomain {
            identity: role.identity(),
            lists: TopologyLists::of_domains(store.store.clone()),
        },
        role: RoleHandles::Mediator(role.clone()),
        clock: around.clock,
        ports: BTreeMap::from([("admin".to_owned(), admin_address.port())]),
        health: reporter.watch_health(),
        log_level: around.log_level,
        diagnostics: around.diagnostics,
    };
    let (state, health) = (reporter.watch_state(), reporter.watch_health());
    let mut tasks = listeners.serve(handles, &reporter, &vault, kms.as_ref(), &around.stop)?;
    let life = {
        let role = role.clone();
        async move { live(&role, &vault, &reporter).await }
    };
    tasks.push(running::spawn_life(life, around.stop, async move { role.stop().await }));
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

/// Waits to be initialized, then connects and follows how that is.
async fn live(role: &MediatorNode, vault: &Vault, reporter: &Reporter) {
    let mut identity = role.identity();
    if identity.borrow().is_none() {
        reporter.change(NodeState::WaitingForDomain(None));
    }
    let Some(uid) = identity.wait_for(Option::is_some).await.ok().and_then(|uid| uid.clone()) else { return };
    key_check::until_usable(vault, reporter, &uid).await;
    loop {
        match role.resume().await {
            Ok(()) => {
                if let Some(health) = role.health().await {
                    connected::follow(health, reporter, &uid).await;
                }
            }
            Err(failed) => {
                let trouble = chain(&failed);
                error!("{}: {trouble}", reporter.node());
                reporter.domain_trouble(trouble);
            }
        }
        tokio::time::sleep(connected::AGAIN).await;
    }
}
