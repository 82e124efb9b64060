//! The server of the public API: its services, health and their bounds on one port.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cantle_proto::connection::v30::api_info_service_server::ApiInfoServiceServer;
use cantle_proto::domain::api::v0::{
    domain_service_server::DomainServiceServer,
    sequencer_authentication_service_server::SequencerAuthenticationServiceServer,
    sequencer_connect_service_server::SequencerConnectServiceServer,
    sequencer_service_server::SequencerServiceServer,
};
use cantle_transport::{Listener, MeteredLayer, ServerKeepAlive, ServerSettings, ServerTls, server};
use cantle_types::Clock;
use tokio::sync::watch;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::authentication::Authentication;
use super::connect::Connect;
use super::service::Service;
use crate::pipeline::SequencerHealth;
use crate::sequencer::Sequencer;

/// The name under which Canton's sequencers tell their health.
const HEALTH_SERVICE: &str = "sequencer-health-check-service";
/// What is asked before authentication is short.
const SMALL_MESSAGE: usize = 64 * 1024;

/// The bounds of the public API.
#[derive(Debug, Clone)]
pub struct PublicServerOptions {
    /// The name of the node, which measurements and log lines of calls carry.
    pub node: String,
    /// Open connections; more of them wait.
    pub max_connections: usize,
    /// What every server of a node does about its connections.
    pub server: ServerSettings,
    /// TLS; `None` is without.
    pub tls: Option<ServerTls>,
}

impl Default for PublicServerOptions {
    fn default() -> Self {
        let keep_alive = ServerKeepAlive { time: Duration::from_secs(40), timeout: Duration::from_secs(20) };
        Self {
            node: "sequencer".to_owned(),
            max_connections: 4096,
            server: ServerSettings { keep_alive: Some(keep_alive) },
            tls: None,
        }
    }
}

/// A public API that cannot listen or has stopped by itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublicServerError {
    /// The address is taken, or not this machine's.
    #[error(
        "the public API cannot listen on {address}; choose another address or port under public-api, or leave the \
         port out to let the system choose"
    )]
    Bind {
        /// The configured address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The transport failed.
    #[error("the public API stopped")]
    Transport(#[source] tonic::transport::Error),
}

/// A bound port, not yet served.
#[derive(Debug)]
pub struct PublicServer {
    listener: Listener,
}

impl PublicServer {
    /// Binds the port; 0 lets the system choose.
    ///
    /// # Errors
    /// [`PublicServerError::Bind`].
    pub async fn bind(address: SocketAddr) -> Result<Self, PublicServerError> {
        let bind = |source| PublicServerError::Bind { address, source };
        Ok(Self { listener: Listener::bind(address).await.map_err(bind)? })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Serves until `stop` ends. Subscriptions end when the sequencer is closed, which is to come first.
    ///
    /// # Errors
    /// When the transport fails.
    pub async fn serve(
        self,
        sequencer: Sequencer,
        clock: Arc<dyn Clock>,
        options: PublicServerOptions,
        stop: impl Future<Output = ()>,
    ) -> Result<(), PublicServerError> {
        let PublicServerOptions { node, max_connections, server: settings, tls } = options;
        let services = server(&settings, &node)
            .layer(MeteredLayer::of(node))
            .add_routes(public_routes(sequencer, clock));
        let incoming = self.listener.at_most(max_connections).incoming(tls);
        let served = services.serve_with_incoming_shutdown(incoming, stop);
        served.await.map_err(PublicServerError::Transport)
    }
}

/// The services of the public API, for a server that brings its own connections: with TLS, or with other bounds.
///
/// Health is told until the sequencer is closed. Must be called within a runtime.
#[must_use]
pub fn public_routes(sequencer: Sequencer, clock: Arc<dyn Clock>) -> Routes {
    let (reporter, grpc_health) = tonic_health::server::health_reporter();
    tokio::spawn(report(reporter, sequencer.health()));
    let large = sequencer.options().max_message_size;
    let connect = Connect(sequencer.clone());
    let authentication = Authentication(sequencer.clone());
    let service = Service { sequencer, clock };
    Routes::new(grpc_health)
        .add_service(ApiInfoServiceServer::new(connect.clone()).max_decoding_message_size(SMALL_MESSAGE))
        .add_service(DomainServiceServer::new(connect.clone()).max_decoding_message_size(SMALL_MESSAGE))
        .add_service(SequencerConnectServiceServer::new(connect).max_decoding_message_size(SMALL_MESSAGE))
        .add_service(
            SequencerAuthenticationServiceServer::new(authentication)
                .max_decoding_message_size(SMALL_MESSAGE),
        )
        .add_service(SequencerServiceServer::new(service).max_decoding_message_size(large))
}

/// Tells `grpc.health.v1` how the sequencer is, until it is gone.
async fn report(reporter: HealthReporter, mut health: watch::Receiver<SequencerHealth>) {
    loop {
        let working = health.borrow_and_update().trouble.is_none();
        let status = if working { ServingStatus::Serving } else { ServingStatus::NotServing };
        reporter.set_service_status("", status).await;
        reporter.set_service_status(HEALTH_SERVICE, status).await;
        if health.changed().await.is_err() {
            reporter.set_service_status("", ServingStatus::NotServing).await;
            reporter.set_service_status(HEALTH_SERVICE, ServingStatus::NotServing).await;
            return;
        }
    }
}
