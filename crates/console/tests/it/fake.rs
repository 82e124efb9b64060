//! Nodes' admin APIs in this process: they answer as nodes do, as far as a console can tell, and record every request.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod domain;
mod health;
mod participant;
mod topology;
mod vault;

use std::sync::{Arc, Mutex};

use cantle_console::{
    ApiSettings, Locality, NodeKind, NodeRef, NodeSettings, ScriptError, Session, SessionOptions,
};
use cantle_proto::cantle::admin::v1::node_service_server::NodeServiceServer;
use cantle_proto::crypto::admin::v0::vault_service_server::VaultServiceServer;
use cantle_proto::crypto::v0 as crypto;
use cantle_proto::domain::admin::v0 as domain_admin;
use cantle_proto::domain::api::v0::domain_time_service_server::DomainTimeServiceServer;
use cantle_proto::health::admin::v0::status_service_server::StatusServiceServer;
use cantle_proto::participant::admin::v0 as participant_admin;
use cantle_proto::protocol::v0 as protocol;
use cantle_proto::protocol::v2::DynamicDomainParameters;
use cantle_proto::topology::admin::v0 as topology_admin;
use tokio::runtime::Runtime;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Response, Status};

/// What was asked, in order: `Method Request { … }`, with the node's name before it where there are several.
pub(crate) type Log = Arc<Mutex<Vec<String>>>;

#[derive(Debug, Clone)]
pub(crate) struct Fake {
    kind: NodeKind,
    /// Its name, where there are several.
    name: Option<String>,
    log: Log,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    keys: Vec<crypto::PublicKeyWithName>,
    /// Public keys of others.
    imported: Vec<crypto::PublicKey>,
    uid: Option<String>,
    /// Sequencers, mediators and domain managers are initialized apart from their identity.
    is_founded: bool,
    mappings: Vec<protocol::OwnerToKeyMapping>,
    participant_states: Vec<protocol::ParticipantState>,
    mediator_states: Vec<protocol::MediatorDomainState>,
    delegations: Vec<protocol::NamespaceDelegation>,
    /// All transactions, as their bytes.
    transactions: Vec<Vec<u8>>,
    parameters: Option<DynamicDomainParameters>,
    registered: Vec<(participant_admin::DomainConnectionConfig, bool)>,
    /// Domains that refuse connections.
    is_closed: bool,
    agreement: Option<(participant_admin::Agreement, bool)>,
    connection: Option<domain_admin::SetConnectionRequest>,
    /// What the database is called that a sequencer shares with others.
    database: String,
}

/// A console over fakes, and what it needs to live.
pub(crate) struct Setup {
    pub(crate) session: Session,
    pub(crate) log: Log,
    pub(crate) runtime: Runtime,
    fakes: Vec<Fake>,
    addresses: Vec<String>,
}

impl Setup {
    /// Where the admin API of a node listens.
    pub(crate) fn address(&self, index: usize) -> String {
        self.addresses[index].clone()
    }

    /// Runs a script; what it printed.
    pub(crate) fn run(&mut self, script: &str) -> Result<String, ScriptError> {
        let mut output = Vec::new();
        self.session.run_script("test.canton", script, &mut output)?;
        Ok(String::from_utf8(output).unwrap())
    }

    /// Lets sequencers share a database.
    pub(crate) fn share(&self, database: &str, sequencers: &[&str]) {
        let named = |fake: &&Fake| sequencers.iter().any(|name| fake.name.as_deref() == Some(name));
        for fake in self.fakes.iter().filter(named) {
            fake.state.lock().unwrap().database = database.to_owned();
        }
    }

    /// Runs lines of an interactive console; all that was printed.
    pub(crate) fn lines(&mut self, lines: &[&str]) -> String {
        let mut output = Vec::new();
        for line in lines {
            if let Err(error) = self.session.eval_line(line, &mut output) {
                output.extend(error.to_string().into_bytes());
            }
        }
        String::from_utf8(output).unwrap()
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// Forgets what was asked so far.
    pub(crate) fn forget(&self) {
        self.log.lock().unwrap().clear();
    }

    /// The domain asks that an agreement be accepted.
    pub(crate) fn set_agreement(&self, id: &str, text: &str) {
        let agreement = participant_admin::Agreement { id: id.to_owned(), text: text.to_owned() };
        for fake in &self.fakes {
            fake.state.lock().unwrap().agreement = Some((agreement.clone(), false));
        }
    }

    /// Domains refuse connections from now on.
    pub(crate) fn close_domains(&self) {
        for fake in &self.fakes {
            fake.state.lock().unwrap().is_closed = true;
        }
    }
}

/// A console with one participant, called `participant1`.
pub(crate) fn console() -> Setup {
    console_with(&[(NodeKind::Participant, "participant1", Locality::Local)])
}

/// A console whose nodes are all the same fake.
pub(crate) fn console_with(nodes: &[(NodeKind, &str, Locality)]) -> Setup {
    let runtime = Runtime::new().unwrap();
    let fake = Fake { kind: nodes[0].0, name: None, log: Log::default(), state: Arc::default() };
    let address = fake.serve(&runtime);
    let nodes =
        nodes.iter().map(|(kind, name, locality)| NodeRef::at(*kind, *name, *locality, &address).unwrap());
    setup(runtime, nodes.collect(), vec![fake], vec![address.clone()])
}

/// A console over nodes that are fakes of their own; domains and sequencers listen for members at port 5018.
pub(crate) fn network(nodes: &[(NodeKind, &str)]) -> Setup {
    let runtime = Runtime::new().unwrap();
    let log = Log::default();
    let mut fakes = Vec::new();
    let mut refs = Vec::new();
    let mut addresses = Vec::new();
    for (kind, name) in nodes {
        let fake = Fake {
            kind: *kind,
            name: Some((*name).to_owned()),
            log: Arc::clone(&log),
            state: Arc::default(),
        };
        let address = fake.serve(&runtime);
        let mut settings = NodeSettings::default();
        settings.admin_api = ApiSettings::new("127.0.0.1", Some(5002));
        settings.protocol_version = Some(7);
        if matches!(kind, NodeKind::Domain | NodeKind::Sequencer) {
            settings.public_api = Some(ApiSettings::new("0.0.0.0", Some(5018)));
        }
        refs.push(NodeRef::at(*kind, *name, Locality::Local, &address).unwrap().with_settings(settings));
        fakes.push(fake);
        addresses.push(address);
    }
    setup(runtime, refs, fakes, addresses)
}

fn setup(runtime: Runtime, nodes: Vec<NodeRef>, fakes: Vec<Fake>, addresses: Vec<String>) -> Setup {
    let mut options = SessionOptions::new(nodes, runtime.handle().clone());
    options.max_steps = 100_000;
    let session = Session::new(options).unwrap();
    Setup { session, log: Arc::clone(&fakes[0].log), runtime, fakes, addresses }
}

type Answer<T> = Result<Response<T>, Status>;

impl Fake {
    /// Serves it; its address.
    fn serve(&self, runtime: &Runtime) -> String {
        use domain_admin::{
            domain_initialization_service_server::DomainInitializationServiceServer,
            domain_manager_status_service_server::DomainManagerStatusServiceServer,
            domain_service_server::DomainServiceServer,
            domain_status_service_server::DomainStatusServiceServer,
            enterprise_sequencer_administration_service_server::EnterpriseSequencerAdministrationServiceServer,
            enterprise_sequencer_connection_service_server::EnterpriseSequencerConnectionServiceServer,
            mediator_initialization_service_server::MediatorInitializationServiceServer,
            mediator_status_service_server::MediatorStatusServiceServer,
            sequencer_administration_service_server::SequencerAdministrationServiceServer,
            sequencer_initialization_service_server::SequencerInitializationServiceServer,
            sequencer_status_service_server::SequencerStatusServiceServer,
            topology_bootstrap_service_server::TopologyBootstrapServiceServer,
        };
        use participant_admin::{
            domain_connectivity_service_server::DomainConnectivityServiceServer,
            participant_status_service_server::ParticipantStatusServiceServer,
            party_name_management_service_server::PartyNameManagementServiceServer,
            ping_service_server::PingServiceServer,
        };
        use topology_admin::{
            initialization_service_server::InitializationServiceServer,
            topology_aggregation_service_server::TopologyAggregationServiceServer,
            topology_manager_read_service_server::TopologyManagerReadServiceServer,
            topology_manager_write_service_server::TopologyManagerWriteServiceServer,
        };
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let fake = || self.clone();
        let _guard = runtime.enter();
        let server = tonic::transport::Server::builder()
            .add_service(VaultServiceServer::new(fake()))
            .add_service(InitializationServiceServer::new(fake()))
            .add_service(TopologyAggregationServiceServer::new(fake()))
            .add_service(TopologyManagerReadServiceServer::new(fake()))
            .add_service(TopologyManagerWriteServiceServer::new(fake()))
            .add_service(StatusServiceServer::new(fake()))
            .add_service(DomainConnectivityServiceServer::new(fake()))
            .add_service(ParticipantStatusServiceServer::new(fake()))
            .add_service(PartyNameManagementServiceServer::new(fake()))
            .add_service(PingServiceServer::new(fake()))
            .add_service(DomainInitializationServiceServer::new(fake()))
            .add_service(DomainServiceServer::new(fake()))
            .add_service(EnterpriseSequencerAdministrationServiceServer::new(fake()))
            .add_service(DomainStatusServiceServer::new(fake()))
            .add_service(DomainManagerStatusServiceServer::new(fake()))
            .add_service(SequencerStatusServiceServer::new(fake()))
            .add_service(MediatorStatusServiceServer::new(fake()))
            .add_service(EnterpriseSequencerConnectionServiceServer::new(fake()))
            .add_service(MediatorInitializationServiceServer::new(fake()))
            .add_service(SequencerInitializationServiceServer::new(fake()))
            .add_service(SequencerAdministrationServiceServer::new(fake()))
            .add_service(TopologyBootstrapServiceServer::new(fake()))
            .add_service(DomainTimeServiceServer::new(fake()))
            .add_service(NodeServiceServer::new(fake()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        runtime.spawn(server);
        address
    }

    fn record(&self, method: &str, request: impl std::fmt::Debug) {
        let node = self.name.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
        self.log.lock().unwrap().push(format!("{node}{method} {request:?}"));
    }

    /// Whether its status is that of an initialized node.
    fn is_initialized(&self) -> bool {
        let state = self.state.lock().unwrap();
        match self.kind {
            NodeKind::Participant | NodeKind::Domain => state.uid.is_some(),
            _ => state.is_founded,
        }
    }

    fn signing(&self, seed: &str, name: &str) -> crypto::SigningPublicKey {
        let public = crypto::SigningPublicKey {
            id: format!("1220{}", seed.replace('/', "-")),
            format: crypto::CryptoKeyFormat::Der as i32,
            public_key: seed.as_bytes().to_vec(),
            scheme: crypto::SigningKeyScheme::EcDsaP256 as i32,
        };
        self.keep(crypto::public_key::Key::SigningPublicKey(public.clone()), name);
        public
    }

    fn encryption(&self, seed: &str, name: &str) -> crypto::EncryptionPublicKey {
        let public = crypto::EncryptionPublicKey {
            id: format!("1220{}", seed.replace('/', "-")),
            format: crypto::CryptoKeyFormat::Der as i32,
            public_key: seed.as_bytes().to_vec(),
            scheme: crypto::EncryptionKeyScheme::Rsa2048OaepSha256 as i32,
        };
        self.keep(crypto::public_key::Key::EncryptionPublicKey(public.clone()), name);
        public
    }

    fn keep(&self, key: crypto::public_key::Key, name: &str) {
        let public_key = Some(crypto::PublicKey { key: Some(key) });
        self.state.lock().unwrap().keys.push(crypto::PublicKeyWithName { public_key, name: name.to_owned() });
    }

    fn next(&self) -> String {
        let name = self.name.as_deref().unwrap_or_default();
        format!("{name}new{}", self.state.lock().unwrap().keys.len())
    }
}

fn no<T>() -> Answer<T> {
    Err(Status::unimplemented("not in this test"))
}

macro_rules! refused {
    ($($method:ident($request:ty) -> $response:ty;)*) => {
        // What `async_trait` makes of an async function: it does not see into macros.
        $(fn $method<'a, 'b>(&'a self, _: tonic::Request<$request>)
            -> std::pin::Pin<Box<dyn Future<Output = super::Answer<$response>> + Send + 'b>>
        where
            'a: 'b,
            Self: 'b,
        {
            Box::pin(async { super::no() })
        })*
    };
}
pub(crate) use refused;
