//! The server of one node's admin API: its services, health and reflection on one port.

use std::{convert::Infallible, net::SocketAddr};

use cantle_proto::{
    FILE_DESCRIPTOR_SET,
    cantle::admin::v1::{key_service_server::KeyServiceServer, node_service_server::NodeServiceServer},
    crypto::admin::v0::vault_service_server::VaultServiceServer,
    domain::admin::v0::{
        domain_initialization_service_server::DomainInitializationServiceServer,
        domain_manager_status_service_server::DomainManagerStatusServiceServer,
        domain_service_server::DomainServiceServer,
        enterprise_sequencer_connection_service_server::EnterpriseSequencerConnectionServiceServer as ConnectionServiceServer,
        mediator_initialization_service_server::MediatorInitializationServiceServer,
        mediator_status_service_server::MediatorStatusServiceServer,
    },
    health::admin::v0::status_service_server::StatusServiceServer,
    participant::admin::v0::participant_status_service_server::ParticipantStatusServiceServer,
    topology::admin::v0::{
        initialization_service_server::InitializationServiceServer,
        topology_aggregation_service_server::TopologyAggregationServiceServer,
        topology_manager_read_service_server::TopologyManagerReadServiceServer,
        topology_manager_write_service_server::TopologyManagerWriteServiceServer,
    },
};
use thiserror::Error;
use tokio::{net::TcpListener, sync::watch};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    body::Body,
    codegen::http::Uri,
    service::{Routes, RoutesBuilder},
    transport::Server,
};
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{
    aggregation::Aggregation,
    connections::Connections,
    domain_manager::DomainManagerAdmin,
    handles::{AdminHandles, NodeHealth, RoleHandles},
    health::Health,
    initialization::Initialization,
    keys::Keys,
    mediator::MediatorAdmin,
    node::Node,
    status::unsupported,
    topology_read::TopologyRead,
    topology_write::TopologyWrite,
    vault::VaultAdmin,
};

/// Requests of one connection that are worked on at once.
const STREAMS_PER_CONNECTION: u32 = 256;

/// An admin API that cannot listen or has stopped by itself.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address is taken, or not this machine's.
    #[error(
        "the admin API cannot listen on {address}; choose another address or port under admin-api, or leave the port \
         out to let the system choose"
    )]
    Bind {
        /// The configured address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The reflection service cannot describe the services.
    #[error("the descriptions of the services cannot be read")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The transport failed.
    #[error("the admin API stopped")]
    Transport(#[from] tonic::transport::Error),
}

/// A bound port, not yet served.
#[derive(Debug)]
pub struct AdminServer {
    listener: TcpListener,
    address: SocketAddr,
}

impl AdminServer {
    /// Binds the port; 0 lets the system choose.
    ///
    /// # Errors
    /// [`ServeError::Bind`].
    pub async fn bind(address: SocketAddr) -> Result<Self, ServeError> {
        let bind = |source| ServeError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        Ok(Self { listener, address })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` ends; requests under way are finished.
    ///
    /// # Errors
    /// When the transport fails.
    pub async fn serve(
        self,
        handles: AdminHandles,
        stop: impl Future<Output = ()>,
    ) -> Result<(), ServeError> {
        let health = handles.health.clone();
        let (reporter, grpc_health) = tonic_health::server::health_reporter();
        let routes = routes(handles)?.add_service(grpc_health);
        let services = Server::builder().max_concurrent_streams(STREAMS_PER_CONNECTION).add_routes(routes);
        let served = services.serve_with_incoming_shutdown(TcpListenerStream::new(self.listener), stop);
        tokio::select! {
            served = served => Ok(served?),
            never = report(reporter, health) => match never {},
        }
    }
}

/// The services that a node of this kind has.
fn routes(handles: AdminHandles) -> Result<Routes, ServeError> {
    let AdminHandles { node, vault, topology, role, clock, ports, health, log_level } = handles;
    let status = Health {
        topology: topology.clone(),
        started: clock.now(),
        clock: clock.clone(),
        ports,
        health,
        level: log_level,
        role: role.clone(),
    };
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let mut routes = RoutesBuilder::default();
    routes
        .add_service(reflection)
        .add_service(VaultServiceServer::new(VaultAdmin::new(vault.clone(), topology.clone())))
        .add_service(KeyServiceServer::new(Keys::new(vault.clone(), topology.clone())))
        .add_service(NodeServiceServer::new(Node::new(node.clone(), topology.clone())))
        .add_service(InitializationServiceServer::new(Initialization::new(topology.clone(), clock)))
        .add_service(TopologyManagerReadServiceServer::new(TopologyRead::new(topology.lists())))
        .add_service(TopologyAggregationServiceServer::new(Aggregation::new(topology.lists())))
        .add_service(StatusServiceServer::new(status.clone()));
    if let Some(manager) = topology.manager() {
        routes
            .add_service(TopologyManagerWriteServiceServer::new(TopologyWrite::new(manager.clone(), vault)));
    }
    match (role, topology.manager()) {
        (RoleHandles::DomainManager(node), Some(topology)) => {
            let admin = DomainManagerAdmin { node: node.clone(), topology: topology.clone(), health: status };
            routes
                .add_service(DomainInitializationServiceServer::new(admin.clone()))
                .add_service(DomainServiceServer::new(admin.clone()))
                .add_service(DomainManagerStatusServiceServer::new(admin))
                .add_service(ConnectionServiceServer::new(Connections::DomainManager(node)));
        }
        (RoleHandles::Mediator(node), _) => {
            let admin = MediatorAdmin { node: node.clone(), health: status };
            routes
                .add_service(MediatorInitializationServiceServer::new(admin.clone()))
                .add_service(MediatorStatusServiceServer::new(admin))
                .add_service(ConnectionServiceServer::new(Connections::Mediator(node)));
        }
        // A domain manager always has a topology manager.
        (RoleHandles::Participant | RoleHandles::DomainManager(_), _) => {
            routes.add_service(ParticipantStatusServiceServer::new(status));
        }
    }
    let router = routes.routes().into_axum_router().fallback(move |uri: Uri| {
        let what = format!("{node} has no {}", uri.path().trim_start_matches('/'));
        async move { unsupported(&what).into_http::<Body>() }
    });
    Ok(Routes::from(router))
}

/// Tells `grpc.health.v1` how the node is, for ever.
async fn report(reporter: HealthReporter, mut health: watch::Receiver<NodeHealth>) -> Infallible {
    loop {
        let serving = health.borrow_and_update().serving;
        let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        reporter.set_service_status("", status).await;
        if health.changed().await.is_err() {
            // The node is gone; what it said last holds until the server stops too.
            return std::future::pending().await;
        }
    }
}
