//! One sequencer, from its configuration to a node that serves.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use cantle_admin_api::{AdminHandles, NodeTopology, RoleHandles};
use cantle_config::SequencerConfig;
use cantle_identity::TopologyLists;
use cantle_sequencer::{SequencerNode, SequencerNodeError, SequencerNodeSetup};
use cantle_vault::Vault;
use tracing::{Instrument, error, info_span};

use crate::{
    base::{Base, Surroundings},
    connected,
    error::{StartError, StartStep, chain},
    key_check,
    listen::Listeners,
    public_api,
    running::{self, RunningNode},
    state::{NodeState, Reporter},
    storage,
};

/// Opens everything and starts serving; the domain that it belongs to is waited for in the background.
pub(crate) async fn start(
    config: &SequencerConfig,
    data_dir: &Path,
    around: Surroundings,
) -> Result<RunningNode, StartError> {
    let node = storage::identity(&config.node);
    let span = info_span!("node", sequencer = %node.name);
    steps(config, data_dir, around).instrument(span).await.map_err(|step| StartError::new(&node, step))
}

async fn steps(
    config: &SequencerConfig,
    data_dir: &Path,
    around: Surroundings,
) -> Result<RunningNode, StartStep> {
    let Base { node, store, kms, vault } = Base::open(&config.node, data_dir, &around).await?;
    let role = SequencerNode::open(SequencerNodeSetup {
        name: node.name.clone(),
        vault: vault.clone(),
        store: Arc::clone(&store.store),
        clock: Arc::clone(&around.clock),
        agreement: public_api::agreement(config.service_agreement.as_deref())?,
        options: public_api::sequencer_options(&config.public_api),
    })
    .await?;
    let public = public_api::bind(&config.public_api).await?;
    let public_address = public.address();
    let listeners = Listeners::bind(&config.node).await?;
    let admin_address = listeners.admin_address();
    let admin_tls = listeners.admin_tls.clone();
    let reporter = Reporter::new(node.clone(), around.events);
    let handles = AdminHandles {
        node: node.clone(),
        vault: vault.clone(),
        topology: NodeTopology::OfDomain {
            identity: role.identity(),
            lists: TopologyLists::of_domains(Arc::clone(&store.store)),
        },
        role: RoleHandles::Sequencer(role.clone()),
        clock: Arc::clone(&around.clock),
        ports: BTreeMap::from([
            ("admin".to_owned(), admin_address.port()),
            ("public".to_owned(), public_address.port()),
        ]),
        health: reporter.watch_health(),
        log_level: around.log_level,
        diagnostics: around.diagnostics,
    };
    reporter.listening("public-api", public_address);
    let (state, health) = (reporter.watch_state(), reporter.watch_health());
    let mut tasks = listeners.serve(handles, &reporter, &vault, kms.as_ref(), &around.stop)?;
    tasks.push(tokio::spawn(
        public_api::serve(public, role.clone(), around.clock, around.stop.clone()).in_current_span(),
    ));
    let life = {
        let role = role.clone();
        async move { live(&role, &vault, &reporter).await }
    };
    tasks.push(running::spawn_life(life, around.stop, async move { role.stop().await }));
    Ok(RunningNode {
        node,
        admin_address,
        admin_tls,
        public_address: Some(public_address),
        state,
        health,
        counted: kms.map(|kms| kms.counted),
        store,
        tasks,
    })
}

/// Waits to be initialized, then runs, and follows how that is.
async fn live(role: &SequencerNode, vault: &Vault, reporter: &Reporter) {
    let mut identity = role.identity();
    if identity.borrow().is_none() {
        reporter.change(NodeState::WaitingForDomain(None));
    }
    let Some(uid) = identity.wait_for(Option::is_some).await.ok().and_then(|uid| uid.clone()) else { return };
    key_check::until_usable(vault, reporter, &uid).await;
    let sequencer = loop {
        match role.resume().await {
            Ok(sequencer) => break sequencer,
            Err(SequencerNodeError::Stopped) => return,
            Err(failed) => {
                let trouble = chain(&failed);
                error!("{}: {trouble}", reporter.node());
                reporter.domain_trouble(trouble);
                tokio::time::sleep(connected::AGAIN).await;
            }
        }
    };
    reporter.change(NodeState::Ready(uid));
    let mut health = sequencer.health();
    loop {
        let trouble = health.borrow_and_update().trouble.clone();
        match trouble {
            None => reporter.serving(),
            Some(trouble) => reporter.domain_trouble(trouble),
        }
        if health.changed().await.is_err() {
            return;
        }
    }
}
