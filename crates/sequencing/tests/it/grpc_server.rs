//! A small public API over gRPC, the test's own, in front of the sequencer in memory.
//!
//! It checks the metadata as a Canton sequencer does, and remembers it.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cantle_crypto::Signature;
use cantle_proto::connection::v30::api_info_service_server::{ApiInfoService, ApiInfoServiceServer};
use cantle_proto::connection::v30::{GetApiInfoRequest, GetApiInfoResponse};
use cantle_proto::domain::api::v0::sequencer_authentication_service_server::{
    SequencerAuthenticationService, SequencerAuthenticationServiceServer,
};
use cantle_proto::domain::api::v0::sequencer_connect::{get_domain_id, get_domain_parameters, verify_active};
use cantle_proto::domain::api::v0::sequencer_connect_service_server::{
    SequencerConnectService, SequencerConnectServiceServer,
};
use cantle_proto::domain::api::v0::sequencer_service_server::{SequencerService, SequencerServiceServer};
use cantle_proto::domain::api::v0::{
    AcknowledgeRequest, GetServiceAgreementRequest, GetServiceAgreementResponse, SendAsyncResponse,
    SendAsyncSignedResponse, SendAsyncUnauthenticatedVersionedRequest, SendAsyncVersionedRequest,
    SubscriptionRequest, SubscriptionResponse, VersionedSubscriptionResponse, authentication, challenge,
    send_async_signed_response,
};
use cantle_proto::protocol::v0::{
    SignedContent as SignedContentProto, SubmissionRequest as SubmissionProto, handshake,
};
use cantle_protocol::{
    HandshakeRequest, HandshakeResponse, SequencerCounter, SignedContent, SubmissionRequest, TraceContext,
};
use cantle_sequencing::testing::TestSequencer;
use cantle_sequencing::{ApiError, AuthToken, Caller, EventStream, SendError, SequencerApi};
use cantle_types::{Member, ProtocolVersion};
use futures::{Stream, StreamExt};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::metadata::MetadataMap;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

type Events = Pin<Box<dyn Stream<Item = Result<VersionedSubscriptionResponse, Status>> + Send>>;
type Answer = tonic::codegen::http::Response<tonic::body::Body>;
type OldEvents = Pin<Box<dyn Stream<Item = Result<SubscriptionResponse, Status>> + Send>>;

/// What a call came with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metadata {
    pub(crate) call: &'static str,
    pub(crate) member: Option<String>,
    pub(crate) domain: Option<String>,
    pub(crate) token: Option<usize>,
    pub(crate) traceparent: Option<String>,
}

#[derive(Clone)]
struct Api {
    sequencer: TestSequencer,
    seen: Arc<Mutex<Vec<Metadata>>>,
    name: &'static str,
}

/// A server on a runtime of its own, so that with it all its connections break.
pub(crate) struct GrpcServer {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Metadata>>>,
    runtime: Option<Runtime>,
}

impl GrpcServer {
    pub(crate) fn start(sequencer: TestSequencer) -> Self {
        Self::start_as(sequencer, cantle_sequencing::API_NAME)
    }

    /// A server that answers everything with a status of which a part is no base64.
    pub(crate) fn start_malformed(sequencer: TestSequencer) -> Self {
        let spoil = |mut response: Answer| {
            let headers = response.headers_mut();
            headers.insert("grpc-status", "13".parse().unwrap());
            headers.insert("grpc-status-details-bin", "?!".parse().unwrap());
            response
        };
        Self::serve(sequencer, cantle_sequencing::API_NAME, tower::util::MapResponseLayer::new(spoil))
    }

    pub(crate) fn start_as(sequencer: TestSequencer, name: &'static str) -> Self {
        let same = |response: Answer| response;
        Self::serve(sequencer, name, tower::util::MapResponseLayer::new(same))
    }

    fn serve<F>(sequencer: TestSequencer, name: &'static str, layer: tower::util::MapResponseLayer<F>) -> Self
    where
        F: Fn(Answer) -> Answer + Clone + Send + Sync + 'static,
    {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let api = Api { sequencer, seen: Arc::clone(&seen), name };
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            let server = Server::builder()
                .layer(layer)
                .add_service(ApiInfoServiceServer::new(api.clone()))
                .add_service(SequencerConnectServiceServer::new(api.clone()))
                .add_service(SequencerAuthenticationServiceServer::new(api.clone()))
                .add_service(SequencerServiceServer::new(api));
            server.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap();
        });
        Self { address, seen, runtime: Some(runtime) }
    }

    pub(crate) fn uri(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What calls of a kind came with.
    pub(crate) fn seen(&self, call: &str) -> Vec<Metadata> {
        self.seen.lock().unwrap().iter().filter(|metadata| metadata.call == call).cloned().collect()
    }

    /// Stops it and breaks all connections.
    pub(crate) fn stop(mut self) {
        self.break_off();
    }

    fn break_off(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // A runtime is not to be waited for on another one's thread.
            let ended = std::thread::spawn(move || runtime.shutdown_timeout(Duration::from_secs(10)));
            ended.join().unwrap();
        }
    }
}

impl Drop for GrpcServer {
    fn drop(&mut self) {
        self.break_off();
    }
}

impl Api {
    fn see(&self, call: &'static str, metadata: &MetadataMap) -> Metadata {
        let text = |key: &str| metadata.get(key).map(|value| value.to_str().unwrap().to_owned());
        let token = metadata.get_bin("authtoken-bin").map(|value| value.to_bytes().unwrap().len());
        let seen = Metadata {
            call,
            member: text("memberid"),
            domain: text("domainid"),
            token,
            traceparent: text("traceparent"),
        };
        self.seen.lock().unwrap().push(seen.clone());
        seen
    }

    fn caller(&self, call: &'static str, metadata: &MetadataMap) -> Result<(Caller, TraceContext), Status> {
        let seen = self.see(call, metadata);
        let member: Member =
            seen.member.ok_or_else(|| Status::unauthenticated("no member"))?.parse().unwrap();
        if seen.domain.as_deref() != Some(self.sequencer.domain().id.as_str()) {
            return Err(Status::unauthenticated("not this domain"));
        }
        let token =
            metadata.get_bin("authtoken-bin").map(|value| AuthToken::new(value.to_bytes().unwrap().to_vec()));
        let trace =
            seen.traceparent.as_deref().map_or_else(TraceContext::none, TraceContext::from_traceparent);
        Ok((Caller { member, domain: self.sequencer.domain().id.clone(), token }, trace))
    }
}

fn status(error: &ApiError) -> Status {
    match error {
        ApiError::Status { code, message, auth, .. } => {
            let mut status = Status::new(*code, message);
            if let Some(auth) = auth {
                status.metadata_mut().insert("autherrorcode", auth.as_str().parse().unwrap());
            }
            status
        }
        other => Status::unavailable(other.to_string()),
    }
}

fn versioned(events: EventStream) -> Events {
    let events = events.map(|received| match received {
        Ok(received) => Ok(VersionedSubscriptionResponse {
            signed_sequenced_event: received.event.bytes().to_vec(),
            trace_context: Some(received.trace.to_proto()),
            traffic_state: None,
        }),
        Err(error) => Err(status(&error)),
    });
    Box::pin(events)
}

#[tonic::async_trait]
impl ApiInfoService for Api {
    async fn get_api_info(
        &self,
        request: Request<GetApiInfoRequest>,
    ) -> Result<Response<GetApiInfoResponse>, Status> {
        self.see("GetApiInfo", request.metadata());
        Ok(Response::new(GetApiInfoResponse { name: self.name.to_owned() }))
    }
}

#[tonic::async_trait]
impl SequencerConnectService for Api {
    async fn handshake(
        &self,
        request: Request<handshake::Request>,
    ) -> Result<Response<handshake::Response>, Status> {
        self.see("Handshake", request.metadata());
        let version = self.sequencer.domain().parameters.protocol_version;
        Ok(Response::new(HandshakeResponse::to_request(version, request.get_ref()).to_proto()))
    }

    async fn get_domain_id(
        &self,
        request: Request<get_domain_id::Request>,
    ) -> Result<Response<get_domain_id::Response>, Status> {
        self.see("GetDomainId", request.metadata());
        let domain_id = self.sequencer.domain().id.to_string();
        Ok(Response::new(get_domain_id::Response { domain_id, sequencer_id: String::new() }))
    }

    async fn get_domain_parameters(
        &self,
        request: Request<get_domain_parameters::Request>,
    ) -> Result<Response<get_domain_parameters::Response>, Status> {
        self.see("GetDomainParameters", request.metadata());
        let parameters = self.sequencer.domain().parameters.to_proto();
        let parameters = get_domain_parameters::response::Parameters::ParametersV1(parameters);
        Ok(Response::new(get_domain_parameters::Response { parameters: Some(parameters) }))
    }

    async fn verify_active(
        &self,
        request: Request<verify_active::Request>,
    ) -> Result<Response<verify_active::Response>, Status> {
        let seen = self.see("VerifyActive", request.metadata());
        let member: Member = seen.member.unwrap().parse().unwrap();
        let is_active = self.sequencer.verify_active(&member).await.map_err(|error| status(&error))?;
        let value = verify_active::response::Value::Success(verify_active::Success { is_active });
        Ok(Response::new(verify_active::Response { value: Some(value) }))
    }

    async fn get_service_agreement(
        &self,
        request: Request<GetServiceAgreementRequest>,
    ) -> Result<Response<GetServiceAgreementResponse>, Status> {
        self.see("GetServiceAgreement", request.metadata());
        Ok(Response::new(GetServiceAgreementResponse { agreement: None }))
    }
}

#[tonic::async_trait]
impl SequencerAuthenticationService for Api {
    async fn challenge(
        &self,
        request: Request<challenge::Request>,
    ) -> Result<Response<challenge::Response>, Status> {
        self.see("Challenge", request.metadata());
        let request = request.into_inner();
        let versions: Vec<_> = request
            .member_protocol_versions
            .iter()
            .map(|version| ProtocolVersion::from_semantic(version).unwrap())
            .collect();
        let member = request.member.parse().unwrap();
        let value = match self.sequencer.challenge(&member, &versions).await {
            Ok(challenge) => challenge::response::Value::Success(challenge::Success {
                domain_version: self.sequencer.domain().parameters.protocol_version.semantic().to_owned(),
                nonce: challenge.nonce,
                fingerprints: challenge.fingerprints.iter().map(ToString::to_string).collect(),
            }),
            Err(error) => challenge::response::Value::Failure(challenge::Failure {
                code: u32::try_from(i32::from(status(&error).code())).unwrap(),
                reason: status(&error).message().to_owned(),
            }),
        };
        Ok(Response::new(challenge::Response { value: Some(value) }))
    }

    async fn authenticate(
        &self,
        request: Request<authentication::Request>,
    ) -> Result<Response<authentication::Response>, Status> {
        self.see("Authenticate", request.metadata());
        let request = request.into_inner();
        let member = request.member.parse().unwrap();
        let signature = Signature::from_proto(&request.signature.unwrap()).unwrap();
        let issued = self.sequencer.authenticate(&member, &signature, &request.nonce).await;
        let value = match issued {
            Ok(issued) => authentication::response::Value::Success(authentication::Success {
                token: issued.token.expose().to_vec(),
                expires_at: Some(prost_types::Timestamp {
                    seconds: issued.expires.as_second(),
                    nanos: issued.expires.subsec_nanosecond(),
                }),
            }),
            Err(error) => authentication::response::Value::Failure(authentication::Failure {
                code: u32::try_from(i32::from(status(&error).code())).unwrap(),
                reason: status(&error).message().to_owned(),
            }),
        };
        Ok(Response::new(authentication::Response { value: Some(value) }))
    }
}

#[tonic::async_trait]
impl SequencerService for Api {
    type SubscribeStream = OldEvents;
    type SubscribeVersionedStream = Events;
    type SubscribeUnauthenticatedStream = OldEvents;
    type SubscribeUnauthenticatedVersionedStream = Events;

    async fn send_async(&self, _: Request<SubmissionProto>) -> Result<Response<SendAsyncResponse>, Status> {
        Err(Status::unimplemented("a member of 2.10 does not call this"))
    }

    async fn send_async_signed(
        &self,
        _: Request<SignedContentProto>,
    ) -> Result<Response<SendAsyncSignedResponse>, Status> {
        Err(Status::unimplemented("a member of 2.10 does not call this"))
    }

    async fn send_async_unauthenticated(
        &self,
        _: Request<SubmissionProto>,
    ) -> Result<Response<SendAsyncResponse>, Status> {
        Err(Status::unimplemented("a member of 2.10 does not call this"))
    }

    async fn send_async_versioned(
        &self,
        request: Request<SendAsyncVersionedRequest>,
    ) -> Result<Response<SendAsyncSignedResponse>, Status> {
        use send_async_signed_response::error::Reason;
        let (caller, trace) = self.caller("SendAsyncVersioned", request.metadata())?;
        let submission = SignedContent::from_bytes(request.into_inner().signed_submission_request);
        let submission: SignedContent<SubmissionRequest> = submission.unwrap();
        match self.sequencer.send(&caller, &submission, &trace).await {
            Ok(()) => Ok(Response::new(SendAsyncSignedResponse { error: None })),
            Err(SendError::Api(error)) => Err(status(&error)),
            Err(refused) => {
                let reason = Some(Reason::RequestRefused(refused.to_string()));
                let error = Some(send_async_signed_response::Error { reason });
                Ok(Response::new(SendAsyncSignedResponse { error }))
            }
        }
    }

    async fn send_async_unauthenticated_versioned(
        &self,
        request: Request<SendAsyncUnauthenticatedVersionedRequest>,
    ) -> Result<Response<SendAsyncResponse>, Status> {
        let (caller, trace) = self.caller("SendAsyncUnauthenticatedVersioned", request.metadata())?;
        let submission = SubmissionRequest::from_bytes(request.into_inner().submission_request).unwrap();
        match self.sequencer.send_unauthenticated(&caller, &submission, &trace).await {
            Ok(()) => Ok(Response::new(SendAsyncResponse { error: None })),
            Err(error) => Err(Status::internal(error.to_string())),
        }
    }

    async fn subscribe(&self, _: Request<SubscriptionRequest>) -> Result<Response<OldEvents>, Status> {
        Err(Status::unimplemented("a member of 2.10 does not call this"))
    }

    async fn subscribe_versioned(
        &self,
        request: Request<SubscriptionRequest>,
    ) -> Result<Response<Events>, Status> {
        let (caller, _) = self.caller("SubscribeVersioned", request.metadata())?;
        let from = SequencerCounter::new(request.get_ref().counter).unwrap();
        let events = self.sequencer.subscribe(&caller, from).await.map_err(|error| status(&error))?;
        Ok(Response::new(versioned(events)))
    }

    async fn subscribe_unauthenticated(
        &self,
        _: Request<SubscriptionRequest>,
    ) -> Result<Response<OldEvents>, Status> {
        Err(Status::unimplemented("a member of 2.10 does not call this"))
    }

    async fn subscribe_unauthenticated_versioned(
        &self,
        request: Request<SubscriptionRequest>,
    ) -> Result<Response<Events>, Status> {
        let (caller, _) = self.caller("SubscribeUnauthenticatedVersioned", request.metadata())?;
        let from = SequencerCounter::new(request.get_ref().counter).unwrap();
        let events = self.sequencer.subscribe_unauthenticated(&caller, from).await;
        Ok(Response::new(versioned(events.map_err(|error| status(&error))?)))
    }

    async fn acknowledge(&self, _: Request<AcknowledgeRequest>) -> Result<Response<()>, Status> {
        Err(Status::unimplemented("a member of 2.10 does not call this"))
    }

    async fn acknowledge_signed(&self, request: Request<SignedContentProto>) -> Result<Response<()>, Status> {
        let (caller, _) = self.caller("AcknowledgeSigned", request.metadata())?;
        let acknowledgement = SignedContent::from_proto(request.into_inner()).unwrap();
        let done = self.sequencer.acknowledge(&caller, &acknowledgement).await;
        done.map(Response::new).map_err(|error| status(&error))
    }
}

/// The handshake of a member that speaks both versions.
pub(crate) fn versions() -> HandshakeRequest {
    HandshakeRequest::new(ProtocolVersion::ALL.to_vec(), Some(ProtocolVersion::V5))
}
