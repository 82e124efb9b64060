//! A node that runs: what others see of it, and how it ends.

use std::net::SocketAddr;

use cantle_admin_api::{AdminHandles, AdminServer};
use cantle_kms::Counted;
use cantle_store::NodeIdentity;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error};

use crate::{state::NodeState, storage::OpenStore};

/// A running node of any kind.
#[derive(Debug)]
pub(crate) struct RunningNode {
    pub(crate) node: NodeIdentity,
    pub(crate) admin_address: SocketAddr,
    pub(crate) public_address: Option<SocketAddr>,
    pub(crate) state: watch::Receiver<NodeState>,
    pub(crate) counted: Option<Counted>,
    pub(crate) store: OpenStore,
    pub(crate) tasks: Vec<JoinHandle<()>>,
}

impl RunningNode {
    /// Waits until everything of the node has ended; it was told to stop before.
    pub(crate) async fn ended(self) {
        for task in self.tasks {
            if let Err(failed) = task.await
                && failed.is_panic()
            {
                error!(node = %self.node, "a task of the node panicked: {failed}");
            }
        }
        self.store.close().await;
    }
}

/// Serves a node's admin API until it is told to stop.
pub(crate) fn serve_admin(
    server: AdminServer,
    handles: AdminHandles,
    stop: CancellationToken,
) -> JoinHandle<()> {
    let node = handles.node.clone();
    tokio::spawn(
        async move {
            if let Err(failed) = server.serve(handles, stop.cancelled_owned()).await {
                error!(%node, "the admin API stopped: {failed}");
            }
        }
        .in_current_span(),
    )
}

/// Runs what a node does after it has begun to serve, until it is told to stop; then what it does at its end.
pub(crate) fn spawn_life(
    life: impl Future<Output = ()> + Send + 'static,
    stop: CancellationToken,
    end: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    tokio::spawn(
        async move {
            tokio::select! {
                () = life => stop.cancelled().await,
                () = stop.cancelled() => {}
            }
            end.await;
        }
        .in_current_span(),
    )
}
