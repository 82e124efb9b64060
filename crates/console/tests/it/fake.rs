//! A participant's admin API in this process: it answers as a node does and records every request.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use cantle_console::{Locality, NodeKind, NodeRef, ScriptError, Session, SessionOptions};
use cantle_proto::crypto::admin::v0 as vault;
use cantle_proto::crypto::v0 as crypto;
use cantle_proto::health::admin::v0 as health;
use cantle_proto::protocol::v0 as protocol;
use cantle_proto::topology::admin::v0 as topology;
use tokio::runtime::Runtime;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// What was asked, in order: `Service.Method(request)`.
pub(crate) type Log = Arc<Mutex<Vec<String>>>;

#[derive(Debug, Clone)]
pub(crate) struct Fake {
    log: Log,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    keys: Vec<crypto::PublicKeyWithName>,
    uid: Option<String>,
    mappings: Vec<protocol::OwnerToKeyMapping>,
}

/// A console over the fake, and what it needs to live.
pub(crate) struct Setup {
    pub(crate) session: Session,
    pub(crate) log: Log,
    pub(crate) runtime: Runtime,
}

impl Setup {
    /// Runs a script; what it printed.
    pub(crate) fn run(&mut self, script: &str) -> Result<String, ScriptError> {
        let mut output = Vec::new();
        self.session.run_script("test.canton", script, &mut output)?;
        Ok(String::from_utf8(output).unwrap())
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
}

/// A console with one participant, called `participant1`.
pub(crate) fn console() -> Setup {
    console_with(&[(NodeKind::Participant, "participant1", Locality::Local)])
}

/// A console whose nodes are all the same fake.
pub(crate) fn console_with(nodes: &[(NodeKind, &str, Locality)]) -> Setup {
    let runtime = Runtime::new().unwrap();
    let log = Log::default();
    let fake = Fake { log: Arc::clone(&log), state: Arc::default() };
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = tonic::transport::Server::builder()
        .add_service(vault::vault_service_server::VaultServiceServer::new(fake.clone()))
        .add_service(topology::initialization_service_server::InitializationServiceServer::new(fake.clone()))
        .add_service(topology::topology_manager_write_service_server::TopologyManagerWriteServiceServer::new(
            fake.clone(),
        ))
        .add_service(topology::topology_manager_read_service_server::TopologyManagerReadServiceServer::new(
            fake.clone(),
        ))
        .add_service(health::status_service_server::StatusServiceServer::new(fake))
        .serve_with_incoming(TcpListenerStream::new(listener));
    runtime.spawn(server);
    let nodes =
        nodes.iter().map(|(kind, name, locality)| NodeRef::at(*kind, *name, *locality, &address).unwrap());
    let mut options = SessionOptions::new(nodes.collect(), runtime.handle().clone());
    options.max_steps = 100_000;
    let session = Session::new(options).unwrap();
    Setup { session, log, runtime }
}

type Answer<T> = Result<Response<T>, Status>;

impl Fake {
    fn record(&self, method: &str, request: impl std::fmt::Debug) {
        self.log.lock().unwrap().push(format!("{method} {request:?}"));
    }

    fn signing(&self, seed: &str, name: &str) -> crypto::SigningPublicKey {
        let public = crypto::SigningPublicKey {
            id: format!("1220{seed}"),
            format: crypto::CryptoKeyFormat::Der as i32,
            public_key: seed.as_bytes().to_vec(),
            scheme: crypto::SigningKeyScheme::EcDsaP256 as i32,
        };
        self.keep(crypto::public_key::Key::SigningPublicKey(public.clone()), name);
        public
    }

    fn encryption(&self, seed: &str, name: &str) -> crypto::EncryptionPublicKey {
        let public = crypto::EncryptionPublicKey {
            id: format!("1220{seed}"),
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
        format!("new{}", self.state.lock().unwrap().keys.len())
    }
}

fn no<T>() -> Answer<T> {
    Err(Status::unimplemented("not in this test"))
}

#[tonic::async_trait]
impl vault::vault_service_server::VaultService for Fake {
    async fn list_my_keys(
        &self,
        request: Request<vault::ListKeysRequest>,
    ) -> Answer<vault::ListMyKeysResponse> {
        let request = request.into_inner();
        self.record("ListMyKeys", &request);
        let keys = self.state.lock().unwrap().keys.clone();
        let private_keys_metadata = keys
            .into_iter()
            .filter(|key| key.name.contains(&request.filter_name))
            .map(|key| vault::PrivateKeyMetadata {
                public_key_with_name: Some(key),
                wrapper_key_id: String::new(),
            })
            .collect();
        Ok(Response::new(vault::ListMyKeysResponse { private_keys_metadata }))
    }
    async fn generate_signing_key(
        &self,
        request: Request<vault::GenerateSigningKeyRequest>,
    ) -> Answer<vault::GenerateSigningKeyResponse> {
        let request = request.into_inner();
        self.record("GenerateSigningKey", &request);
        let public_key = Some(self.signing(&self.next(), &request.name));
        Ok(Response::new(vault::GenerateSigningKeyResponse { public_key }))
    }
    async fn generate_encryption_key(
        &self,
        request: Request<vault::GenerateEncryptionKeyRequest>,
    ) -> Answer<vault::GenerateEncryptionKeyResponse> {
        let request = request.into_inner();
        self.record("GenerateEncryptionKey", &request);
        let public_key = Some(self.encryption(&self.next(), &request.name));
        Ok(Response::new(vault::GenerateEncryptionKeyResponse { public_key }))
    }
    async fn register_kms_signing_key(
        &self,
        request: Request<vault::RegisterKmsSigningKeyRequest>,
    ) -> Answer<vault::RegisterKmsSigningKeyResponse> {
        let request = request.into_inner();
        self.record("RegisterKmsSigningKey", &request);
        if request.kms_key_id == "missing" {
            return Err(Status::not_found("KMS key missing: NotFoundException"));
        }
        let public_key = Some(self.signing(&request.kms_key_id, &request.name));
        Ok(Response::new(vault::RegisterKmsSigningKeyResponse { public_key }))
    }
    async fn register_kms_encryption_key(
        &self,
        request: Request<vault::RegisterKmsEncryptionKeyRequest>,
    ) -> Answer<vault::RegisterKmsEncryptionKeyResponse> {
        let request = request.into_inner();
        self.record("RegisterKmsEncryptionKey", &request);
        let public_key = Some(self.encryption(&request.kms_key_id, &request.name));
        Ok(Response::new(vault::RegisterKmsEncryptionKeyResponse { public_key }))
    }
    async fn import_public_key(
        &self,
        request: Request<vault::ImportPublicKeyRequest>,
    ) -> Answer<vault::ImportPublicKeyResponse> {
        self.record("ImportPublicKey", request.into_inner());
        Ok(Response::new(vault::ImportPublicKeyResponse { fingerprint: "1220imported".to_owned() }))
    }
    async fn list_public_keys(
        &self,
        request: Request<vault::ListKeysRequest>,
    ) -> Answer<vault::ListKeysResponse> {
        self.record("ListPublicKeys", request.into_inner());
        Ok(Response::new(vault::ListKeysResponse { public_keys: self.state.lock().unwrap().keys.clone() }))
    }
    async fn rotate_wrapper_key(&self, _: Request<vault::RotateWrapperKeyRequest>) -> Answer<()> {
        no()
    }
    async fn get_wrapper_key_id(
        &self,
        _: Request<vault::GetWrapperKeyIdRequest>,
    ) -> Answer<vault::GetWrapperKeyIdResponse> {
        no()
    }
    async fn export_key_pair(
        &self,
        _: Request<vault::ExportKeyPairRequest>,
    ) -> Answer<vault::ExportKeyPairResponse> {
        no()
    }
    async fn import_key_pair(
        &self,
        _: Request<vault::ImportKeyPairRequest>,
    ) -> Answer<vault::ImportKeyPairResponse> {
        no()
    }
    async fn delete_key_pair(
        &self,
        request: Request<vault::DeleteKeyPairRequest>,
    ) -> Answer<vault::DeleteKeyPairResponse> {
        self.record("DeleteKeyPair", request.into_inner());
        Ok(Response::new(vault::DeleteKeyPairResponse {}))
    }
}

#[tonic::async_trait]
impl topology::initialization_service_server::InitializationService for Fake {
    async fn init_id(&self, request: Request<topology::InitIdRequest>) -> Answer<topology::InitIdResponse> {
        let request = request.into_inner();
        self.record("InitId", &request);
        let unique_identifier = format!("{}::{}", request.identifier, request.fingerprint);
        self.state.lock().unwrap().uid = Some(unique_identifier.clone());
        Ok(Response::new(topology::InitIdResponse { unique_identifier, instance: String::new() }))
    }
    async fn get_id(&self, _: Request<()>) -> Answer<topology::GetIdResponse> {
        let uid = self.state.lock().unwrap().uid.clone();
        Ok(Response::new(topology::GetIdResponse {
            initialized: uid.is_some(),
            unique_identifier: uid.unwrap_or_default(),
            instance: String::new(),
        }))
    }
    async fn current_time(&self, _: Request<()>) -> Answer<prost_types::Timestamp> {
        no()
    }
}

macro_rules! refused {
    ($($method:ident($request:ty) -> $response:ty;)*) => {
        // What `async_trait` makes of an async function: it does not see into macros.
        $(fn $method<'a, 'b>(&'a self, _: Request<$request>) -> Pin<Box<dyn Future<Output = Answer<$response>> + Send + 'b>>
        where
            'a: 'b,
            Self: 'b,
        {
            Box::pin(async { no() })
        })*
    };
}

#[tonic::async_trait]
impl topology::topology_manager_write_service_server::TopologyManagerWriteService for Fake {
    async fn authorize_namespace_delegation(
        &self,
        request: Request<topology::NamespaceDelegationAuthorization>,
    ) -> Answer<topology::AuthorizationSuccess> {
        self.record("AuthorizeNamespaceDelegation", request.into_inner());
        Ok(Response::new(topology::AuthorizationSuccess { serialized: vec![1, 2, 3] }))
    }
    async fn authorize_owner_to_key_mapping(
        &self,
        request: Request<topology::OwnerToKeyMappingAuthorization>,
    ) -> Answer<topology::AuthorizationSuccess> {
        let request = request.into_inner();
        self.record("AuthorizeOwnerToKeyMapping", &request);
        let mut state = self.state.lock().unwrap();
        let wanted = &request.fingerprint_of_key;
        let key = state.keys.iter().find_map(|key| match key.public_key.as_ref()?.key.as_ref()? {
            crypto::public_key::Key::SigningPublicKey(public) if public.id == *wanted => {
                key.public_key.clone()
            }
            crypto::public_key::Key::EncryptionPublicKey(public) if public.id == *wanted => {
                key.public_key.clone()
            }
            _ => None,
        });
        state.mappings.push(protocol::OwnerToKeyMapping { key_owner: request.key_owner, public_key: key });
        Ok(Response::new(topology::AuthorizationSuccess { serialized: vec![4, 5, 6] }))
    }
    async fn add_signed_topology_transaction(
        &self,
        request: Request<topology::SignedTopologyTransactionAddition>,
    ) -> Answer<topology::AdditionSuccess> {
        self.record("AddSignedTopologyTransaction", request.into_inner());
        Ok(Response::new(topology::AdditionSuccess {}))
    }
    async fn authorize_participant_domain_state(
        &self,
        request: Request<topology::ParticipantDomainStateAuthorization>,
    ) -> Answer<topology::AuthorizationSuccess> {
        self.record("AuthorizeParticipantDomainState", request.into_inner());
        Ok(Response::new(topology::AuthorizationSuccess::default()))
    }
    refused! {
        authorize_party_to_participant(topology::PartyToParticipantAuthorization) -> topology::AuthorizationSuccess;
        authorize_identifier_delegation(topology::IdentifierDelegationAuthorization) -> topology::AuthorizationSuccess;
        authorize_vetted_packages(topology::VettedPackagesAuthorization) -> topology::AuthorizationSuccess;
        authorize_check_only_packages(topology::CheckOnlyPackagesAuthorization) -> topology::AuthorizationSuccess;
        authorize_domain_parameters_change(topology::DomainParametersChangeAuthorization) -> topology::AuthorizationSuccess;
        authorize_mediator_domain_state(topology::MediatorDomainStateAuthorization) -> topology::AuthorizationSuccess;
    }
}

#[tonic::async_trait]
impl topology::topology_manager_read_service_server::TopologyManagerReadService for Fake {
    async fn list_owner_to_key_mapping(
        &self,
        request: Request<topology::ListOwnerToKeyMappingRequest>,
    ) -> Answer<topology::ListOwnerToKeyMappingResult> {
        self.record("ListOwnerToKeyMapping", request.into_inner());
        let mappings = self.state.lock().unwrap().mappings.clone();
        let results = mappings.into_iter().map(|item| topology::list_owner_to_key_mapping_result::Result {
            context: Some(topology::BaseResult {
                store: "Authorized".to_owned(),
                valid_from: Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 0 }),
                signed_by_fingerprint: "1220ns".to_owned(),
                ..topology::BaseResult::default()
            }),
            item: Some(item),
            key_fingerprint: "1220sig".to_owned(),
        });
        Ok(Response::new(topology::ListOwnerToKeyMappingResult { results: results.collect() }))
    }
    async fn list_namespace_delegation(
        &self,
        request: Request<topology::ListNamespaceDelegationRequest>,
    ) -> Answer<topology::ListNamespaceDelegationResult> {
        self.record("ListNamespaceDelegation", request.into_inner());
        Ok(Response::new(topology::ListNamespaceDelegationResult::default()))
    }
    refused! {
        list_available_stores(topology::ListAvailableStoresRequest) -> topology::ListAvailableStoresResult;
        list_party_to_participant(topology::ListPartyToParticipantRequest) -> topology::ListPartyToParticipantResult;
        list_identifier_delegation(topology::ListIdentifierDelegationRequest) -> topology::ListIdentifierDelegationResult;
        list_signed_legal_identity_claim(topology::ListSignedLegalIdentityClaimRequest) -> topology::ListSignedLegalIdentityClaimResult;
        list_participant_domain_state(topology::ListParticipantDomainStateRequest) -> topology::ListParticipantDomainStateResult;
        list_mediator_domain_state(topology::ListMediatorDomainStateRequest) -> topology::ListMediatorDomainStateResult;
        list_vetted_packages(topology::ListVettedPackagesRequest) -> topology::ListVettedPackagesResult;
        list_check_only_packages(topology::ListCheckOnlyPackagesRequest) -> topology::ListCheckOnlyPackagesResult;
        list_domain_parameters_changes(topology::ListDomainParametersChangesRequest) -> topology::ListDomainParametersChangesResult;
        list_all(topology::ListAllRequest) -> topology::ListAllResponse;
    }
}

#[tonic::async_trait]
impl health::status_service_server::StatusService for Fake {
    type HealthDumpStream = tokio_stream::Iter<std::vec::IntoIter<Result<health::HealthDumpChunk, Status>>>;

    async fn status(&self, _: Request<()>) -> Answer<health::NodeStatus> {
        let response = match &self.state.lock().unwrap().uid {
            None => health::node_status::Response::NotInitialized(health::node_status::NotInitialized {
                active: true,
            }),
            Some(uid) => health::node_status::Response::Success(health::node_status::Status {
                id: uid.clone(),
                uptime: Some(prost_types::Duration { seconds: 5, nanos: 0 }),
                ports: [("admin".to_owned(), 5002)].into(),
                active: true,
                ..health::node_status::Status::default()
            }),
        };
        Ok(Response::new(health::NodeStatus { response: Some(response) }))
    }
    async fn health_dump(&self, _: Request<health::HealthDumpRequest>) -> Answer<Self::HealthDumpStream> {
        let chunks = vec![
            Ok(health::HealthDumpChunk { chunk: b"PK".to_vec() }),
            Ok(health::HealthDumpChunk { chunk: b"dump".to_vec() }),
        ];
        Ok(Response::new(tokio_stream::iter(chunks)))
    }
    refused! {
        set_log_level(health::SetLogLevelRequest) -> health::SetLogLevelResponse;
        get_last_errors(health::GetLastErrorsRequest) -> health::GetLastErrorsResponse;
        get_error_trace(health::GetLastErrorTraceRequest) -> health::GetLastErrorTraceResponse;
    }
}
