//! One participant, from its configuration to a node that serves.

use std::{path::Path, sync::Arc};

use cantle_admin_api::RoleHandles;
use cantle_config::ParticipantConfig;
use cantle_identity::TopologyManager;
use cantle_participant::{ParticipantNode, ParticipantOptions, SessionKeyCache};
use cantle_sequencing::{TimeOptions, chain};
use tracing::{Instrument, error, info_span};

use crate::{
    base::{Base, Surroundings},
    domain_options,
    error::{StartError, StartStep},
    identity,
    running::RunningNode,
    serving::{Served, Serving},
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
    let base = Base::open(&config.node, data_dir, &around).await?;
    let (vault, store) = (base.vault.clone(), Arc::clone(&base.store.store));
    let manager = TopologyManager::open(
        Arc::clone(&store),
        vault.clone(),
        Arc::clone(&around.clock),
        config.initial_protocol_version,
    )
    .await?;
    let client = &config.node.sequencer_client;
    let options = ParticipantOptions {
        minimum_version: config.minimum_protocol_version,
        client: domain_options::client(client, TimeOptions::default()),
        authentication: domain_options::authentication(client),
        grpc: domain_options::grpc(client, around.calls),
        retry_delay: client.startup_connection_retry_delay,
        session_keys: Some(SessionKeyCache::default()),
    };
    let role = ParticipantNode::new(
        options,
        manager.clone(),
        vault.clone(),
        Arc::clone(&store),
        Arc::clone(&around.clock),
    );
    let name = base.node.name.clone();
    let served = Served {
        topology: manager.clone().into(),
        role: RoleHandles::Participant(role.clone()),
        public: None,
    };
    let serving = Serving::begin(base, &config.node, around, served).await?;
    let reporter = serving.reporter.clone();
    let init = config.node.init.clone();
    let life = {
        let role = role.clone();
        async move {
            let made = async |identifier| {
                Ok(cantle_participant::initialize(&vault, &manager, &name, identifier).await?)
            };
            if let Some(uid) = identity::reach(&init, &vault, &manager, &*store, &reporter, made).await {
                reporter.change(NodeState::Ready(uid));
                reconnect(&role, &reporter).await;
            }
        }
    };
    Ok(serving.live(life, async move { role.stop().await }))
}

/// Connects to the domains that were registered before and are to be connected to without being asked.
async fn reconnect(role: &ParticipantNode, reporter: &Reporter) {
    let aliases = match role.automatic().await {
        Ok(aliases) => aliases,
        Err(failed) => {
            error!("{}: {}", reporter.node(), chain(&failed));
            return;
        }
    };
    let connections = aliases.iter().map(|alias| async move {
        if let Err(failed) = role.connect_persistently(alias).await {
            error!("{}: {}", reporter.node(), chain(&failed));
        }
    });
    futures::future::join_all(connections).await;
}
