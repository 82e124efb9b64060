//! A node that runs: what others see of it, and how it ends.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use cantle_admin_api::{AdminHandles, AdminServer, NodeHealth, NodeTopology, PingFeed};
use cantle_store::NodeIdentity;
use cantle_transport::{Bearer, ClientTls};
use cantle_vault::Vault;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error, warn};

use crate::{kms::NodeKms, monitoring::Monitored, state::NodeState, storage::OpenStore};

/// How long the end of a node waits for keys that are being made.
const SETTLE: Duration = Duration::from_secs(5);

/// A running node of any kind.
#[derive(Debug)]
pub(crate) struct RunningNode {
    pub(crate) node: NodeIdentity,
    pub(crate) admin_address: SocketAddr,
    /// How the process's own consoles reach the admin API, where it speaks TLS.
    pub(crate) admin_tls: Option<ClientTls>,
    /// What they show there, where tokens are asked for.
    pub(crate) admin_bearer: Bearer,
    pub(crate) public_address: Option<SocketAddr>,
    pub(crate) state: watch::Receiver<NodeState>,
    pub(crate) health: watch::Receiver<NodeHealth>,
    pub(crate) pings: PingFeed,
    pub(crate) vault: Vault,
    pub(crate) topology: NodeTopology,
    pub(crate) kms: Option<NodeKms>,
    pub(crate) store: OpenStore,
    pub(crate) tasks: Vec<JoinHandle<()>>,
}

impl RunningNode {
    /// The node as its health is looked at from within the process.
    pub(crate) fn monitored(&self) -> Result<Monitored, tonic::transport::Error> {
        let (address, tls) = (self.admin_address, self.admin_tls.as_ref());
        let endpoint =
            cantle_transport::endpoint(&reachable(address).to_string(), address.port(), tls, None)?;
        let admin = self.admin_bearer.clone().over(cantle_transport::channel(&endpoint, tls));
        Ok(Monitored { node: self.node.clone(), health: self.health.clone(), admin })
    }

    /// Waits until everything of the node has ended; it was told to stop before.
    pub(crate) async fn ended(self) {
        if let Some(kms) = &self.kms {
            kms.waits.end();
        }
        for task in self.tasks {
            if let Err(failed) = task.await
                && failed.is_panic()
            {
                error!(node = %self.node, "a task of the node panicked: {failed}");
            }
        }
        // Whoever asked for a key may be gone; what the KMS makes of it has to be written down.
        if tokio::time::timeout(SETTLE, self.vault.settled()).await.is_err() {
            warn!(node = %self.node, "a key is still being made after {SETTLE:?}; the next start goes on with it");
        }
        self.store.close().await;
    }
}

/// Who listens everywhere is reached on loopback.
fn reachable(address: SocketAddr) -> IpAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
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
