//! The members of a domain as they run on their machines: the real roles, opened as nodes open them.

use std::net::SocketAddr;
use std::time::Duration;

use cantle_domain_manager::{
    Admission, DomainManagerNode, DomainManagerOptions, DomainRoles, ParticipantCertificate,
};
use cantle_identity::TopologyManager;
use cantle_mediator::{MediatorNode, MediatorOptions};
use cantle_participant::{ParticipantNode, ParticipantOptions, SessionKeyCache};
use cantle_protocol::StaticDomainParameters;
use cantle_sequencer::{
    PublicServer, PublicServerOptions, Sequencer as RunningSequencer, SequencerNode, SequencerNodeSetup,
    SequencerOptions,
};
use cantle_sequencing::{AuthOptions, ClientOptions, GrpcOptions, TimeOptions};
use cantle_types::{Clock, ParticipantId, ProtocolVersion};
use std::sync::Arc;

use crate::host::Place;

/// How soon a node tries again what it has to try until it succeeds.
const AGAIN: Duration = Duration::from_millis(50);

/// A sequencer.
#[derive(Debug, Clone)]
pub struct Sequencer {
    /// The role.
    pub node: SequencerNode,
    clock: Arc<dyn Clock>,
}

/// A domain manager.
#[derive(Debug, Clone)]
pub struct Manager {
    /// The role.
    pub node: DomainManagerNode,
    /// Its own topology.
    pub topology: TopologyManager,
    pub(crate) vault: cantle_vault::Vault,
}

/// A mediator.
#[derive(Debug, Clone)]
pub struct Mediator {
    /// The role.
    pub node: MediatorNode,
}

/// A participant.
#[derive(Debug, Clone)]
pub struct Participant {
    /// The role.
    pub node: ParticipantNode,
    /// Its own topology.
    pub topology: TopologyManager,
    /// Its keys.
    pub vault: cantle_vault::Vault,
}

impl Sequencer {
    pub(crate) async fn open(place: Place) -> Self {
        let (store, vault) = place.open().await;
        let clock: Arc<dyn Clock> = place.clock().clone();
        let setup = SequencerNodeSetup {
            shared: None,
            name: place.identity().name.clone(),
            vault,
            store,
            clock: Arc::clone(&clock),
            agreement: None,
            options: SequencerOptions::default(),
        };
        Self { node: SequencerNode::open(setup).await.unwrap(), clock }
    }

    /// The sequencer itself.
    ///
    /// # Panics
    /// When it is none of a domain yet.
    #[must_use]
    pub fn sequencer(&self) -> RunningSequencer {
        self.node.sequencer().expect("the sequencer of a domain")
    }

    /// Serves the public API as long as the machine runs; says where.
    pub(crate) async fn serve(&self) -> SocketAddr {
        let server = PublicServer::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let address = server.address();
        let (sequencer, clock) = (self.sequencer(), Arc::clone(&self.clock));
        let options = PublicServerOptions::default();
        tokio::spawn(async move {
            server.serve(sequencer, clock, options, std::future::pending::<()>()).await.unwrap();
        });
        address
    }
}

impl Manager {
    pub(crate) async fn open(place: Place, version: ProtocolVersion) -> Self {
        let (store, vault) = place.open().await;
        let clock: Arc<dyn Clock> = place.clock().clone();
        let topology = TopologyManager::open(Arc::clone(&store), vault.clone(), Arc::clone(&clock), version)
            .await
            .unwrap();
        let options = DomainManagerOptions {
            roles: DomainRoles::Manager,
            parameters: parameters(version, &vault),
            admission: Admission::Open,
            certificate: ParticipantCertificate::Optional,
            client: client_options(),
            authentication: auth_options(),
            grpc: grpc_options(),
        };
        let node = DomainManagerNode::new(options, topology.clone(), vault.clone(), store, clock);
        Self { node, topology, vault }
    }

    /// Connects as often as it takes.
    pub(crate) async fn resume(self) {
        while let Err(error) = self.node.resume().await {
            tracing::debug!(error = %cantle_sequencing::chain(&error), "the manager is not connected yet");
            tokio::time::sleep(AGAIN).await;
        }
    }
}

impl Mediator {
    pub(crate) async fn open(place: Place) -> Self {
        let (store, vault) = place.open().await;
        let options = MediatorOptions {
            client: client_options(),
            authentication: auth_options(),
            grpc: grpc_options(),
        };
        let clock: Arc<dyn Clock> = place.clock().clone();
        Self { node: MediatorNode::open(options, vault, store, clock).await.unwrap() }
    }

    /// Connects as often as it takes.
    pub(crate) async fn resume(self) {
        while let Err(error) = self.node.resume().await {
            tracing::debug!(error = %cantle_sequencing::chain(&error), "the mediator is not connected yet");
            tokio::time::sleep(AGAIN).await;
        }
    }
}

impl Participant {
    pub(crate) async fn open(
        place: Place,
        version: ProtocolVersion,
        session_keys: Option<SessionKeyCache>,
    ) -> Self {
        let (store, vault) = place.open().await;
        let clock: Arc<dyn Clock> = place.clock().clone();
        let topology = TopologyManager::open(Arc::clone(&store), vault.clone(), Arc::clone(&clock), version)
            .await
            .unwrap();
        let options = ParticipantOptions {
            minimum_version: ProtocolVersion::V5,
            client: client_options(),
            authentication: auth_options(),
            grpc: grpc_options(),
            retry_delay: std::time::Duration::from_millis(100),
            session_keys,
        };
        let node = ParticipantNode::new(options, topology.clone(), vault.clone(), store, clock);
        Self { node, topology, vault }
    }

    /// Who it is.
    ///
    /// # Panics
    /// When it has no identity yet.
    #[must_use]
    pub fn id(&self) -> ParticipantId {
        ParticipantId::new(self.topology.uid().expect("an initialized participant"))
    }
}

/// The static parameters of a domain whose members have keys like these.
pub(crate) fn parameters(version: ProtocolVersion, vault: &cantle_vault::Vault) -> StaticDomainParameters {
    StaticDomainParameters {
        required_signing_key_schemes: vault.options().signing.allowed().to_vec(),
        required_encryption_key_schemes: vault.options().encryption.allowed().to_vec(),
        ..StaticDomainParameters::all_schemes(version)
    }
}

/// Canton's, with pauses that no test notices.
fn client_options() -> ClientOptions {
    ClientOptions {
        initial_retry_delay: Duration::from_millis(5),
        max_retry_delay: Duration::from_millis(200),
        handshake_retries: 1000,
        handshake_retry_delay: AGAIN,
        cursor_interval: Duration::from_millis(20),
        time: TimeOptions {
            observation_latency: Duration::from_millis(10),
            patience: Duration::from_millis(20),
            initial_retry_delay: Duration::from_millis(10),
            max_retry_delay: Duration::from_millis(200),
            max_sequencing_delay: Duration::from_millis(500),
            ..TimeOptions::default()
        },
        ..ClientOptions::default()
    }
}

fn auth_options() -> AuthOptions {
    AuthOptions { retries: 1000, pause: AGAIN, ..AuthOptions::default() }
}

/// A silent line is noticed soon.
fn grpc_options() -> GrpcOptions {
    GrpcOptions {
        connect_timeout: Duration::from_secs(2),
        call_timeout: Duration::from_secs(3),
        info_timeout: Duration::from_secs(3),
        keep_alive: Some(cantle_sequencing::KeepAlive {
            time: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            without_calls: false,
        }),
        ..GrpcOptions::default()
    }
}
