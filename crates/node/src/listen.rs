//! What every node listens on, whatever its kind: its admin API and, if configured, its health server; and the tasks
//! that look after a node while it runs.

use std::{net::SocketAddr, sync::Arc};

use cantle_admin_api::{AdminHandles, AdminOptions, AdminServer};
use cantle_config::{KeepAliveServer, NodeConfig};
use cantle_kms::Waits;
use cantle_store::NodeIdentity;
use cantle_transport::{Bearer, ClientTls, ServerKeepAlive, ServerSettings};
use cantle_types::Clock;
use cantle_vault::Vault;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    authorization, base,
    error::StartStep,
    health_server::HealthServer,
    kms::NodeKms,
    metrics::{self, KeyGauges},
    probe::{self, Pace},
    running,
    state::Reporter,
    tls,
};

/// A node's bound ports, not yet served.
#[derive(Debug)]
pub(crate) struct Listeners {
    admin: AdminServer,
    /// How the process's own consoles reach the admin API.
    pub(crate) admin_tls: Option<ClientTls>,
    /// What they show there, where tokens are asked for.
    pub(crate) admin_bearer: Bearer,
    health: Option<HealthServer>,
}

impl Listeners {
    /// Reads the certificates and binds the ports.
    pub(crate) async fn bind(config: &NodeConfig, clock: Arc<dyn Clock>) -> Result<Self, StartStep> {
        let api = &config.admin_api;
        let (authorization, admin_bearer) = authorization::of_admin_api(api, clock)?;
        let options = AdminOptions {
            tls: api.tls.as_ref().map(tls::server_tls).transpose()?,
            server: settings(api.keep_alive),
            max_inbound_message_size: api.max_inbound_message_size,
            authorization,
        };
        let admin_tls = api.tls.as_ref().map(tls::own_client_tls).transpose()?;
        let admin = AdminServer::bind(base::resolve(&api.address, api.port).await?, options).await?;
        if admin_tls.is_none() {
            tell_of_no_tls(&crate::storage::identity(config), admin.address());
        }
        let health = match &config.grpc_health_server {
            None => None,
            Some(server) => {
                let address = base::resolve(&server.address, server.port).await?;
                let bound = HealthServer::bind(address, settings(server.keep_alive)).await;
                Some(bound.map_err(|source| StartStep::HealthServer { address, source })?)
            }
        };
        Ok(Self { admin, admin_tls, admin_bearer, health })
    }

    pub(crate) fn admin_address(&self) -> SocketAddr {
        self.admin.address()
    }

    /// Serves them until `stop`, and looks after the node's keys and gauges.
    pub(crate) fn serve(
        self,
        handles: AdminHandles,
        reporter: &Reporter,
        vault: &Vault,
        kms: Option<&NodeKms>,
        stop: &CancellationToken,
    ) -> Result<Vec<JoinHandle<()>>, StartStep> {
        let node = reporter.node().clone();
        reporter.listening("admin-api", self.admin.address());
        let mut tasks = vec![running::serve_admin(self.admin, handles, stop.clone())];
        if let Some(health) = self.health {
            reporter.listening("grpc-health-server", health.address());
            tasks.push(health.spawn(node.clone(), reporter.watch_health(), stop.clone())?);
        }
        let follow = metrics::follow(node, reporter.watch_state(), reporter.watch_health());
        tasks.push(running::spawn_life(follow, stop.clone(), std::future::ready(())));
        let waits = kms.map(|kms| kms.waits.clone()).unwrap_or_default();
        let looking = look_after(vault.clone(), reporter.clone(), waits);
        tasks.push(running::spawn_life(looking, stop.clone(), std::future::ready(())));
        Ok(tasks)
    }
}

/// Looks at the keys once the node is ready, for as long as it runs; before, at what interrupted creations have left.
async fn look_after(vault: Vault, reporter: Reporter, waits: Waits) {
    tokio::join!(reconcile(&vault, &reporter), watch_keys(&vault, &reporter, waits));
}

/// A node that makes its identity by itself has done so before.
async fn reconcile(vault: &Vault, reporter: &Reporter) {
    let mut state = reporter.watch_state();
    if state.wait_for(|state| state.has_identity()).await.is_err() {
        return;
    }
    if let Err(failed) = vault.reconcile().await {
        warn!("{}: what interrupted creations of keys have left cannot be read: {failed}", reporter.node());
    }
}

async fn watch_keys(vault: &Vault, reporter: &Reporter, waits: Waits) {
    let Some(uid) = reporter.until_ready().await else { return };
    let node = reporter.node().clone();
    let gauges = KeyGauges::of(&node);
    let mut known: Option<String> = None;
    let mut storage: Option<String> = None;
    probe::watch(vault, node.name.as_str(), &gauges, Pace::default(), |report| {
        let looks = report.keys.iter();
        reporter.keys(looks.map(|look| (look.key.clone(), look.trouble.clone(), Some(look.history()))));
        reporter.waits(&waits.list());
        reporter.storage(report.storage.clone());
        if report.storage.is_some() != storage.is_some() {
            match &report.storage {
                Some(trouble) => tracing::error!("{node}: {trouble}"),
                None => info!("{node}: its database answers again"),
            }
        }
        storage = report.storage;
        if storage.is_some() {
            return;
        }
        match &report.trouble {
            // Said each time: a connection that came back says that all is well.
            Some(trouble) => reporter.keys_unusable(&uid, trouble.clone()),
            None if known.is_some() => reporter.keys_usable(&uid),
            None => {}
        }
        if report.trouble != known {
            match &report.trouble {
                Some(trouble) => tracing::error!("{node}: {trouble}"),
                None => info!("{node}: its keys can be used again"),
            }
        }
        known = report.trouble;
    })
    .await;
}

pub(crate) fn settings(keep_alive: Option<KeepAliveServer>) -> ServerSettings {
    ServerSettings {
        keep_alive: keep_alive
            .map(|keep_alive| ServerKeepAlive { time: keep_alive.time, timeout: keep_alive.timeout }),
    }
}

fn tell_of_no_tls(node: &NodeIdentity, address: SocketAddr) {
    const REMEDY: &str = "set admin-api.tls with client-auth.type = require to keep others out";
    if address.ip().is_loopback() {
        info!("{node}: the admin API at {address} has no TLS and is for this machine alone; {REMEDY}");
    } else {
        warn!(
            "{node}: the admin API at {address} has no TLS, and whoever reaches it administrates the node; {REMEDY}, or \
             remove admin-api.address to listen on loopback alone"
        );
    }
}
