//! One sequencer, from its configuration to a node that serves.

use std::{path::Path, sync::Arc};

use cantle_admin_api::{NodeTopology, RoleHandles};
use cantle_config::SequencerConfig;
use cantle_identity::TopologyLists;
use cantle_sequencer::{SequencerNode, SequencerNodeError, SequencerNodeSetup};
use cantle_vault::Vault;
use tracing::{Instrument, info_span};

use crate::{
    base::{Base, Surroundings},
    connected,
    error::{StartError, StartStep},
    identity, public_api,
    running::RunningNode,
    serving::{Served, Serving},
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
    let shared = storage::open_shared(config).await?;
    let base = Base::open(&config.node, data_dir, &around).await?;
    let events = shared.as_ref().map_or(&base.store.store, |shared| &shared.database.store);
    let lists = TopologyLists::of_domains(Arc::clone(events));
    let role = SequencerNode::open(SequencerNodeSetup {
        name: base.node.name.clone(),
        vault: base.vault.clone(),
        store: Arc::clone(&base.store.store),
        shared: shared.as_ref().map(|shared| shared.database.clone()),
        clock: Arc::clone(&around.clock),
        agreement: public_api::agreement(config.service_agreement.as_deref())?,
        options: public_api::sequencer_options(&config.public_api),
    })
    .await?;
    let served = Served {
        topology: NodeTopology::OfDomain { identity: role.identity(), lists },
        role: RoleHandles::Sequencer(role.clone()),
        public: Some((&config.public_api, role.clone())),
    };
    let vault = base.vault.clone();
    let serving = Serving::begin(base, &config.node, around, served).await?;
    let reporter = serving.reporter.clone();
    let life = {
        let role = role.clone();
        async move { live(&role, &vault, &reporter).await }
    };
    let end = async move {
        role.stop().await;
        if let Some(shared) = shared {
            shared.close().await;
        }
    };
    Ok(serving.live(life, end))
}

/// Waits to be initialized, then runs, and follows how that is.
async fn live(role: &SequencerNode, vault: &Vault, reporter: &Reporter) {
    let Some(uid) = identity::given(role.identity(), vault, reporter).await else { return };
    let sequencer = loop {
        match role.resume().await {
            Ok(sequencer) => break sequencer,
            Err(SequencerNodeError::Stopped) => return,
            Err(failed) => {
                connected::failed(reporter, &failed);
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
