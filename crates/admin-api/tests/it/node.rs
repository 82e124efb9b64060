//! A node's admin API, served on loopback, and clients for it.

use std::{collections::BTreeMap, error::Error, io::Read, net::SocketAddr, sync::Arc};

use cantle_admin_api::{
    AdminHandles, AdminOptions, AdminServer, Diagnostics, DumpFile, LastError, LogLevel, NodeHealth,
    PingFeed, RoleHandles,
};
use cantle_identity::TopologyManager;
use cantle_kms::testing::FakeKms;
use cantle_participant::{ParticipantNode, ParticipantOptions};
use cantle_proto::{
    cantle::admin::v1::{DescribeNodeRequest, node_service_client::NodeServiceClient},
    crypto::admin::v0::vault_service_client::VaultServiceClient,
    health::admin::v0::{
        GetLastErrorTraceRequest, GetLastErrorsRequest, HealthDumpRequest, SetLogLevelRequest, node_status,
        status_service_client::StatusServiceClient,
    },
    topology::admin::v0::{
        initialization_service_client::InitializationServiceClient,
        topology_manager_read_service_client::TopologyManagerReadServiceClient,
        topology_manager_write_service_client::TopologyManagerWriteServiceClient,
    },
};
use cantle_sequencing::{AuthOptions, ClientOptions, GrpcOptions};
use cantle_store::{
    Access, CryptoProvider, MigrateOnStart, NodeIdentity, NodeKind, SqliteLocation, SqliteOptions,
    SqliteStore,
};
use cantle_types::{ProtocolVersion, SystemClock};
use cantle_vault::{Vault, VaultBackend, VaultOptions};
use tokio::sync::watch;
use tonic::{Code, transport::Channel};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

/// A served node.
pub(crate) struct Node {
    pub(crate) channel: Channel,
    pub(crate) kms: Arc<FakeKms>,
    pub(crate) vault: Vault,
    pub(crate) health: watch::Sender<NodeHealth>,
}

impl Node {
    /// A participant with provider kms.
    pub(crate) async fn kms() -> Self {
        let kms = Arc::new(FakeKms::new());
        Self::serve(kms.clone(), VaultBackend::Kms(kms), CryptoProvider::Kms).await
    }

    /// A participant with provider jce.
    pub(crate) async fn jce() -> Self {
        Self::serve(Arc::new(FakeKms::new()), VaultBackend::Jce, CryptoProvider::Jce).await
    }

    async fn serve(kms: Arc<FakeKms>, backend: VaultBackend, provider: CryptoProvider) -> Self {
        let node = NodeIdentity { kind: NodeKind::Participant, name: "participant1".parse().unwrap() };
        let store = SqliteStore::open(SqliteOptions {
            location: SqliteLocation::Memory,
            node: node.clone(),
            migrate: MigrateOnStart::Yes,
            access: Access::ReadWrite,
        });
        let store = Arc::new(store.await.unwrap());
        let clock = Arc::new(SystemClock);
        let options = VaultOptions::new(node.clone(), provider);
        let vault = Vault::open(store.clone(), backend, options, clock.clone()).await.unwrap();
        let topology =
            TopologyManager::open(store.clone(), vault.clone(), clock.clone(), ProtocolVersion::V7);
        let topology = topology.await.unwrap();
        let options = ParticipantOptions {
            minimum_version: ProtocolVersion::V7,
            client: ClientOptions::default(),
            authentication: AuthOptions::default(),
            grpc: GrpcOptions::default(),
            retry_delay: std::time::Duration::from_millis(100),
            session_keys: None,
        };
        let participant =
            ParticipantNode::new(options, topology.clone(), vault.clone(), store, clock.clone());
        let (health, health_seen) = watch::channel(NodeHealth::default());
        let server =
            AdminServer::bind(SocketAddr::from(([127, 0, 0, 1], 0)), AdminOptions::default()).await.unwrap();
        let address = server.address();
        let handles = AdminHandles {
            node,
            vault: vault.clone(),
            topology: topology.into(),
            role: RoleHandles::Participant(participant),
            pings: PingFeed::default(),
            clock,
            ports: BTreeMap::from([("admin".to_owned(), address.port())]),
            health: health_seen,
            log_level: Arc::new(Levels),
            diagnostics: Arc::new(Troubled),
        };
        tokio::spawn(server.serve(handles, std::future::pending()));
        let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
        Self { channel, kms, vault, health }
    }

    pub(crate) fn vault_client(&self) -> VaultServiceClient<Channel> {
        VaultServiceClient::new(self.channel.clone())
    }

    pub(crate) fn initialization(&self) -> InitializationServiceClient<Channel> {
        InitializationServiceClient::new(self.channel.clone())
    }

    pub(crate) fn read(&self) -> TopologyManagerReadServiceClient<Channel> {
        TopologyManagerReadServiceClient::new(self.channel.clone())
    }

    pub(crate) fn write(&self) -> TopologyManagerWriteServiceClient<Channel> {
        TopologyManagerWriteServiceClient::new(self.channel.clone())
    }
}

/// Knows one level.
#[derive(Debug)]
struct Levels;

impl LogLevel for Levels {
    fn set(&self, level: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
        if level == "DEBUG" { Ok(()) } else { Err(format!("{level} is no level").into()) }
    }
}

/// Has had one error.
#[derive(Debug)]
struct Troubled;

impl Diagnostics for Troubled {
    fn last_errors(&self) -> Vec<LastError> {
        vec![LastError { trace_id: "abc".to_owned(), message: "it went wrong".to_owned() }]
    }

    fn error_trace(&self, trace_id: &str) -> Option<Vec<String>> {
        (trace_id == "abc").then(|| vec!["it began".to_owned(), "it went wrong".to_owned()])
    }

    fn files(&self) -> Vec<DumpFile> {
        vec![DumpFile { name: "log.txt".to_owned(), content: b"a line".to_vec() }]
    }
}

#[tokio::test]
async fn last_errors_and_their_traces_are_told() {
    let node = Node::kms().await;
    let mut status = StatusServiceClient::new(node.channel.clone());
    let errors = status.get_last_errors(GetLastErrorsRequest {}).await.unwrap().into_inner().errors;
    assert_eq!(errors.len(), 1);
    assert_eq!((errors[0].trace_id.as_str(), errors[0].message.as_str()), ("abc", "it went wrong"));
    let request = |trace_id: &str| GetLastErrorTraceRequest { trace_id: trace_id.to_owned() };
    let trace = status.get_error_trace(request("abc")).await.unwrap().into_inner().messages;
    assert_eq!(trace, ["it began", "it went wrong"]);
    let refused = status.get_error_trace(request("def")).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn a_health_dump_comes_in_pieces_of_one_archive() {
    let node = Node::kms().await;
    let mut status = StatusServiceClient::new(node.channel.clone());
    let mut pieces =
        status.health_dump(HealthDumpRequest { chunk_size: Some(1) }).await.unwrap().into_inner();
    let mut archive = Vec::new();
    while let Some(piece) = pieces.message().await.unwrap() {
        assert!(piece.chunk.len() <= 1024);
        archive.extend(piece.chunk);
    }
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(archive)).unwrap();
    let names: Vec<_> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
    assert_eq!(names, ["version.txt", "status.txt", "last-errors.txt", "log.txt"]);
    let mut errors = String::new();
    archive.by_name("last-errors.txt").unwrap().read_to_string(&mut errors).unwrap();
    assert_eq!(errors, "abc it went wrong\n    it began\n    it went wrong\n");
}

#[tokio::test]
async fn a_request_beyond_the_limit_is_refused_before_it_is_read() {
    let node = Node::kms().await;
    let request = SetLogLevelRequest { level: "x".repeat(11 << 20) };
    let refused = StatusServiceClient::new(node.channel.clone()).set_log_level(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange, "{refused}");
}

#[tokio::test]
async fn health_follows_the_node() {
    let node = Node::kms().await;
    let mut health = HealthClient::new(node.channel.clone());
    let status =
        |answer: tonic::Response<tonic_health::pb::HealthCheckResponse>| answer.into_inner().status();
    let asked = health.check(HealthCheckRequest { service: String::new() }).await.unwrap();
    assert_eq!(status(asked), ServingStatus::NotServing);

    let mut watched = health.watch(HealthCheckRequest { service: String::new() }).await.unwrap().into_inner();
    assert_eq!(watched.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    node.health.send_replace(NodeHealth { serving: true, components: Vec::new() });
    assert_eq!(watched.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
}

#[tokio::test]
async fn a_node_without_identity_says_so_and_who_it_is() {
    let node = Node::kms().await;
    let status = StatusServiceClient::new(node.channel.clone()).status(()).await.unwrap().into_inner();
    assert!(matches!(status.response, Some(node_status::Response::NotInitialized(_))));
    let described =
        NodeServiceClient::new(node.channel.clone()).describe_node(DescribeNodeRequest {}).await.unwrap();
    let described = described.into_inner();
    assert_eq!((described.kind.as_str(), described.name.as_str()), ("participant", "participant1"));
    assert!(described.unique_identifier.is_empty());
}

#[tokio::test]
async fn the_log_level_is_set_or_refused() {
    let node = Node::kms().await;
    let mut status = StatusServiceClient::new(node.channel.clone());
    status.set_log_level(SetLogLevelRequest { level: "DEBUG".to_owned() }).await.unwrap();
    let refused = status.set_log_level(SetLogLevelRequest { level: "LOUD".to_owned() }).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn reflection_names_the_services_by_cantons_names() {
    use tonic_reflection::pb::v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let node = Node::kms().await;
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = ServerReflectionClient::new(node.channel.clone())
        .server_reflection_info(tokio_stream::iter([request]))
        .await
        .unwrap()
        .into_inner();
    let Some(MessageResponse::ListServicesResponse(list)) =
        answers.message().await.unwrap().unwrap().message_response
    else {
        panic!("no list of services")
    };
    let names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    for name in [
        "com.digitalasset.canton.crypto.admin.v0.VaultService",
        "com.digitalasset.canton.topology.admin.v0.InitializationService",
        "com.digitalasset.canton.topology.admin.v0.TopologyManagerReadService",
        "com.digitalasset.canton.topology.admin.v0.TopologyManagerWriteService",
        "com.digitalasset.canton.topology.admin.v0.TopologyAggregationService",
        "com.digitalasset.canton.health.admin.v0.StatusService",
        "com.digitalasset.canton.participant.admin.v0.ParticipantStatusService",
        "grpc.health.v1.Health",
    ] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
}

#[tokio::test]
async fn a_service_that_the_node_lacks_says_so() {
    use cantle_proto::domain::admin::v0::{
        DomainManagerStatusRequest, domain_manager_status_service_client::DomainManagerStatusServiceClient,
    };
    let node = Node::kms().await;
    let refused = DomainManagerStatusServiceClient::new(node.channel.clone())
        .domain_manager_status(DomainManagerStatusRequest {})
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    assert!(refused.message().contains("participant participant1 has no"), "{}", refused.message());
}
