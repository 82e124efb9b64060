//! The server of one node's admin API: its services, health and reflection on one port.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use cantle_proto::{
    FILE_DESCRIPTOR_SET,
    cantle::admin::v1::{key_service_server::KeyServiceServer, node_service_server::NodeServiceServer},
    crypto::admin::v0::vault_service_server::VaultServiceServer,
    domain::admin::v0::{
        domain_initialization_service_server::DomainInitializationServiceServer,
        domain_manager_status_service_server::DomainManagerStatusServiceServer,
        domain_service_server::DomainServiceServer, domain_status_service_server::DomainStatusServiceServer,
        enterprise_sequencer_administration_service_server::EnterpriseSequencerAdministrationServiceServer,
        enterprise_sequencer_connection_service_server::EnterpriseSequencerConnectionServiceServer as ConnectionServiceServer,
        mediator_initialization_service_server::MediatorInitializationServiceServer,
        mediator_status_service_server::MediatorStatusServiceServer,
        sequencer_administration_service_server::SequencerAdministrationServiceServer,
        sequencer_initialization_service_server::SequencerInitializationServiceServer,
        sequencer_status_service_server::SequencerStatusServiceServer,
        sequencer_version_service_server::SequencerVersionServiceServer,
        topology_bootstrap_service_server::TopologyBootstrapServiceServer,
    },
    health::admin::v0::status_service_server::StatusServiceServer,
    participant::admin::v0::{
        domain_connectivity_service_server::DomainConnectivityServiceServer,
        participant_status_service_server::ParticipantStatusServiceServer,
        ping_service_server::PingServiceServer,
    },
    topology::admin::v0::{
        initialization_service_server::InitializationServiceServer,
        topology_aggregation_service_server::TopologyAggregationServiceServer,
        topology_manager_read_service_server::TopologyManagerReadServiceServer,
        topology_manager_write_service_server::TopologyManagerWriteServiceServer,
    },
};
use cantle_transport::{Listener, MeteredLayer, ServerSettings, ServerTls, server};
use thiserror::Error;
use tokio::sync::watch;
use tonic::{
    body::Body,
    codegen::http::Uri,
    service::{Routes, RoutesBuilder},
};
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{
    aggregation::Aggregation,
    authorization::{Authorization, AuthorizationLayer},
    connections::Connections,
    domain::DomainAdmin,
    domain_manager::DomainManagerAdmin,
    handles::{AdminHandles, NodeHealth, RoleHandles},
    health::Health,
    initialization::Initialization,
    keys::Keys,
    mediator::MediatorAdmin,
    node::Node,
    participant::ParticipantAdmin,
    sequencer::SequencerAdmin,
    status::unsupported,
    topology_read::TopologyRead,
    topology_write::TopologyWrite,
    vault::VaultAdmin,
};

/// Canton's limit of a gRPC message, 10 MiB.
const MAX_INBOUND_MESSAGE_SIZE: usize = 10 << 20;

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

/// How an admin API is served.
#[derive(Debug, Clone)]
pub struct AdminOptions {
    /// TLS; `None` is without.
    pub tls: Option<ServerTls>,
    /// What is done about connections.
    pub server: ServerSettings,
    /// The longest request in bytes; longer ones are refused before they are read.
    pub max_inbound_message_size: usize,
    /// Whose tokens are asked for; `None` is without.
    pub authorization: Option<Authorization>,
}

impl Default for AdminOptions {
    /// Without TLS, keep-alive and tokens, requests up to 10 MiB.
    fn default() -> Self {
        Self {
            tls: None,
            server: ServerSettings::default(),
            max_inbound_message_size: MAX_INBOUND_MESSAGE_SIZE,
            authorization: None,
        }
    }
}

/// A bound port, not yet served.
#[derive(Debug)]
pub struct AdminServer {
    listener: Listener,
    options: AdminOptions,
}

impl AdminServer {
    /// Binds the port; 0 lets the system choose.
    ///
    /// # Errors
    /// [`ServeError::Bind`].
    pub async fn bind(address: SocketAddr, options: AdminOptions) -> Result<Self, ServeError> {
        let listener =
            Listener::bind(address).await.map_err(|source| ServeError::Bind { address, source })?;
        Ok(Self { listener, options })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
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
        let Self { listener, options } = self;
        let (node, health) = (handles.node.name.to_string(), handles.health.clone());
        let (reporter, grpc_health) = tonic_health::server::health_reporter();
        let routes = routes(handles, options.max_inbound_message_size)?.add_service(grpc_health);
        let routes = match options.authorization {
            None => routes,
            Some(authorization) => {
                Routes::from(routes.into_axum_router().layer(AuthorizationLayer(authorization)))
            }
        };
        let services = server(&options.server, &node).layer(MeteredLayer::of(node)).add_routes(routes);
        let served = services.serve_with_incoming_shutdown(listener.incoming(options.tls), stop);
        tokio::select! {
            served = served => Ok(served?),
            never = report(reporter, health) => match never {},
        }
    }
}

/// A service of the server type, which reads no longer requests than this.
macro_rules! limited {
    ($server:ident, $service:expr, $limit:expr) => {
        $server::new($service).max_decoding_message_size($limit)
    };
}

/// What the database is called that a sequencer shares with others, or nothing.
fn sequencer_database(role: &RoleHandles) -> String {
    match role {
        RoleHandles::Sequencer(sequencer) => sequencer.shared_database().unwrap_or_default().to_owned(),
        _ => String::new(),
    }
}

/// The services that a node of this kind has.
fn routes(handles: AdminHandles, limit: usize) -> Result<Routes, ServeError> {
    let AdminHandles { node, vault, topology, role, pings, clock, ports, health, log_level, diagnostics } =
        handles;
    let status = Health {
        topology: topology.clone(),
        started: clock.now(),
        clock: clock.clone(),
        ports,
        health,
        level: log_level,
        role: role.clone(),
        diagnostics,
        node: node.clone(),
        dumping: Arc::default(),
    };
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let mut routes = RoutesBuilder::default();
    routes
        .add_service(reflection)
        .add_service(limited!(VaultServiceServer, VaultAdmin::new(vault.clone(), topology.clone()), limit))
        .add_service(limited!(KeyServiceServer, Keys::new(vault.clone(), topology.clone()), limit))
        .add_service(limited!(
            NodeServiceServer,
            Node::new(node.clone(), topology.clone(), sequencer_database(&role)),
            limit
        ))
        .add_service(limited!(
            InitializationServiceServer,
            Initialization::new(topology.clone(), clock),
            limit
        ))
        .add_service(limited!(TopologyManagerReadServiceServer, TopologyRead::new(topology.lists()), limit))
        .add_service(limited!(TopologyAggregationServiceServer, Aggregation::new(topology.lists()), limit))
        .add_service(limited!(StatusServiceServer, status.clone(), limit));
    if let Some(manager) = topology.manager() {
        routes.add_service(limited!(
            TopologyManagerWriteServiceServer,
            TopologyWrite::new(manager.clone(), vault),
            limit
        ));
    }
    match (role, topology.manager()) {
        (RoleHandles::DomainManager(node), Some(topology)) => {
            let admin = DomainManagerAdmin { node: node.clone(), topology: topology.clone(), health: status };
            routes
                .add_service(limited!(DomainInitializationServiceServer, admin.clone(), limit))
                .add_service(limited!(DomainServiceServer, admin.clone(), limit))
                .add_service(limited!(DomainManagerStatusServiceServer, admin, limit))
                .add_service(limited!(ConnectionServiceServer, Connections::DomainManager(node), limit));
        }
        (RoleHandles::Domain(domain), Some(topology)) => {
            let manager = DomainManagerAdmin {
                node: domain.manager.clone(),
                topology: topology.clone(),
                health: status.clone(),
            };
            let sequencer = SequencerAdmin { node: domain.sequencer.clone(), health: status.clone() };
            routes
                .add_service(limited!(DomainServiceServer, manager, limit))
                .add_service(limited!(SequencerAdministrationServiceServer, sequencer.clone(), limit))
                .add_service(limited!(
                    EnterpriseSequencerAdministrationServiceServer,
                    sequencer.clone(),
                    limit
                ))
                .add_service(limited!(SequencerVersionServiceServer, sequencer, limit))
                .add_service(limited!(
                    DomainStatusServiceServer,
                    DomainAdmin { domain, health: status },
                    limit
                ));
        }
        (RoleHandles::Sequencer(node), _) => {
            let admin = SequencerAdmin { node, health: status };
            routes
                .add_service(limited!(SequencerInitializationServiceServer, admin.clone(), limit))
                .add_service(limited!(TopologyBootstrapServiceServer, admin.clone(), limit))
                .add_service(limited!(SequencerAdministrationServiceServer, admin.clone(), limit))
                .add_service(limited!(EnterpriseSequencerAdministrationServiceServer, admin.clone(), limit))
                .add_service(limited!(SequencerVersionServiceServer, admin.clone(), limit))
                .add_service(limited!(SequencerStatusServiceServer, admin, limit));
        }
        (RoleHandles::Mediator(node), _) => {
            let admin = MediatorAdmin { node: node.clone(), health: status };
            routes
                .add_service(limited!(MediatorInitializationServiceServer, admin.clone(), limit))
                .add_service(limited!(MediatorStatusServiceServer, admin, limit))
                .add_service(limited!(ConnectionServiceServer, Connections::Mediator(node), limit));
        }
        (RoleHandles::Participant(node), _) => {
            let admin = ParticipantAdmin { node, pings };
            routes
                .add_service(limited!(DomainConnectivityServiceServer, admin.clone(), limit))
                .add_service(limited!(PingServiceServer, admin, limit))
                .add_service(limited!(ParticipantStatusServiceServer, status, limit));
        }
        // These always have a topology manager.
        (RoleHandles::Domain(_) | RoleHandles::DomainManager(_), None) => {}
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
