//! A node that serves and does not do its work yet: what the start of every kind of node comes to.

use std::{collections::BTreeMap, sync::Arc};

use cantle_admin_api::{AdminHandles, NodeTopology, PingFeed, RoleHandles};
use cantle_config::{NodeConfig, PublicApiConfig};
use cantle_sequencer::SequencerNode;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::{
    base::{Base, Surroundings},
    error::StartStep,
    listen::Listeners,
    public_api,
    running::{self, RunningNode},
    state::Reporter,
};

/// What a node serves.
#[derive(Debug)]
pub(crate) struct Served<'a> {
    pub(crate) topology: NodeTopology,
    pub(crate) role: RoleHandles,
    /// The public API of a node that is a sequencer.
    pub(crate) public: Option<(&'a PublicApiConfig, SequencerNode)>,
}

/// A node that serves.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) reporter: Reporter,
    node: RunningNode,
    stop: CancellationToken,
}

impl Serving {
    /// Binds the node's ports and serves them until it is told to stop.
    pub(crate) async fn begin(
        base: Base,
        config: &NodeConfig,
        around: Surroundings,
        served: Served<'_>,
    ) -> Result<Self, StartStep> {
        let Base { node, store, kms, vault } = base;
        let Served { topology, role, public } = served;
        let public = match public {
            Some((config, sequencer)) => {
                Some((public_api::bind(config, &node.name, &*store.store).await?, sequencer))
            }
            None => None,
        };
        let public_address = public.as_ref().map(|(api, _)| api.address());
        let listeners = Listeners::bind(config, Arc::clone(&around.clock)).await?;
        let admin_address = listeners.admin_address();
        let admin_tls = listeners.admin_tls.clone();
        let admin_bearer = listeners.admin_bearer.clone();
        let reporter = Reporter::new(node.clone(), around.events);
        let mut ports = BTreeMap::from([("admin".to_owned(), admin_address.port())]);
        if let Some(address) = public_address {
            ports.insert("public".to_owned(), address.port());
            reporter.listening("public-api", address);
        }
        let pings = PingFeed::default();
        let handles = AdminHandles {
            node: node.clone(),
            vault: vault.clone(),
            topology: topology.clone(),
            role,
            pings: pings.clone(),
            clock: Arc::clone(&around.clock),
            ports,
            health: reporter.watch_health(),
            log_level: around.log_level,
            diagnostics: around.diagnostics,
        };
        let (state, health) = (reporter.watch_state(), reporter.watch_health());
        let mut tasks = listeners.serve(handles, &reporter, &vault, kms.as_ref(), &around.stop)?;
        if let Some((api, sequencer)) = public {
            let serving = public_api::serve(api, sequencer, around.clock, around.stop.clone());
            tasks.push(tokio::spawn(serving.in_current_span()));
        }
        let node = RunningNode {
            node,
            admin_address,
            admin_tls,
            admin_bearer,
            public_address,
            state,
            health,
            pings,
            vault,
            topology,
            kms,
            store,
            tasks,
        };
        Ok(Self { reporter, node, stop: around.stop })
    }

    /// Begins with the node's work, which ends when the node is told to stop; then comes what it does at its end.
    pub(crate) fn live(
        self,
        life: impl Future<Output = ()> + Send + 'static,
        end: impl Future<Output = ()> + Send + 'static,
    ) -> RunningNode {
        let Self { mut node, stop, .. } = self;
        node.tasks.push(running::spawn_life(life, stop, end));
        node
    }
}
