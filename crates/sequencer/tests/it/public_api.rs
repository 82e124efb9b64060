//! The public API over a network, called as Canton 2.10's participants call it.

use std::net::SocketAddr;
use std::time::Duration;

use cantle_proto::connection::v30::{GetApiInfoRequest, api_info_service_client::ApiInfoServiceClient};
use cantle_proto::domain::api::v0::{
    GetServiceAgreementRequest, SendAsyncUnauthenticatedVersionedRequest, SendAsyncVersionedRequest,
    SubscriptionRequest, VersionedSubscriptionResponse, authentication, challenge,
    send_async_signed_response::error::Reason,
    sequencer_authentication_service_client::SequencerAuthenticationServiceClient,
    sequencer_connect::{get_domain_id, get_domain_parameters, verify_active},
    sequencer_connect_service_client::SequencerConnectServiceClient,
    sequencer_service_client::SequencerServiceClient,
};
use cantle_proto::protocol::v0::handshake;
use cantle_protocol::{SequencedEvent, SignedContent};
use cantle_sequencer::{PublicServer, PublicServerOptions, Sequencer};
use cantle_sequencing::authentication_hash;
use cantle_topology::{ParticipantPermission, RequestSide};
use cantle_types::{CantonTimestamp, Member};
use prost::Message;
use tokio::sync::oneshot;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};

use super::support::{Keyed, World, contents, in_time, request_of, to};

/// A served sequencer; dropped, it stops.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

pub(crate) async fn serve(world: &World, sequencer: &Sequencer, options: PublicServerOptions) -> Served {
    let server = PublicServer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = server.address();
    let (stop, stopped) = oneshot::channel();
    let (sequencer, clock) = (sequencer.clone(), world.clock.clone());
    tokio::spawn(async move {
        let stopped = async {
            let _ = stopped.await;
        };
        server.serve(sequencer, clock, options, stopped).await.unwrap();
    });
    Served { address, _stop: stop }
}

impl Served {
    pub(crate) async fn channel(&self) -> Channel {
        Channel::from_shared(format!("http://{}", self.address)).unwrap().connect().await.unwrap()
    }
}

/// A call on behalf of a member.
pub(crate) fn call<T>(message: T, world: &World, member: &Member, token: Option<&[u8]>) -> Request<T> {
    let mut request = Request::new(message);
    let metadata = request.metadata_mut();
    metadata.insert("memberid", member.as_str().parse().unwrap());
    metadata.insert("domainid", world.domain.as_str().parse().unwrap());
    metadata
        .insert("traceparent", "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01".parse().unwrap());
    if let Some(token) = token {
        metadata.insert_bin("authtoken-bin", MetadataValue::from_bytes(token));
    }
    request
}

pub(crate) async fn token(channel: &Channel, world: &World, keyed: &Keyed) -> Vec<u8> {
    let mut client = SequencerAuthenticationServiceClient::new(channel.clone());
    let request = challenge::Request {
        member: keyed.member.to_string(),
        member_protocol_versions: vec!["5.0.0".to_owned(), "7.0.0".to_owned()],
    };
    let answer = client.challenge(request).await.unwrap().into_inner().value.unwrap();
    let challenge::response::Value::Success(success) = answer else { panic!("{answer:?}") };
    assert_eq!(success.domain_version, "7.0.0");
    let signature = keyed.key.sign_hash(&authentication_hash(&success.nonce, &world.domain, None)).unwrap();
    let request = authentication::Request {
        member: keyed.member.to_string(),
        signature: Some(signature.to_proto()),
        nonce: success.nonce,
    };
    let answer = client.authenticate(request).await.unwrap().into_inner().value.unwrap();
    let authentication::response::Value::Success(success) = answer else { panic!("{answer:?}") };
    success.token
}

pub(crate) async fn event(
    stream: &mut Streaming<VersionedSubscriptionResponse>,
) -> Result<SequencedEvent, Status> {
    let response = in_time(stream.message()).await?.expect("the stream goes on");
    assert!(
        response
            .trace_context
            .unwrap()
            .traceparent
            .unwrap()
            .starts_with("00-0123456789abcdef0123456789abcdef-")
    );
    assert_eq!(response.traffic_state, None);
    let signed: SignedContent<SequencedEvent> =
        SignedContent::from_bytes(response.signed_sequenced_event).unwrap();
    Ok(signed.into_content())
}

fn code_in(metadata: &MetadataMap) -> Option<&str> {
    metadata.get("autherrorcode").map(|code| code.to_str().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_are_answered_as_recorded() {
    let world = World::new();
    let sequencer = world.running().await;
    let served = serve(&world, &sequencer, PublicServerOptions::default()).await;
    let channel = served.channel().await;
    let info = ApiInfoServiceClient::new(channel.clone()).get_api_info(GetApiInfoRequest {}).await.unwrap();
    assert_eq!(info.get_ref().name, "sequencer-public-api");
    assert_eq!(info.get_ref().encoded_len(), 22);

    let mut connect = SequencerConnectServiceClient::new(channel);
    let identity = connect.get_domain_id(get_domain_id::Request {}).await.unwrap().into_inner();
    assert_eq!(identity.domain_id, world.domain.as_str());
    assert_eq!(identity.sequencer_id, format!("SEQ::{}", world.domain));
    let request = handshake::Request {
        client_protocol_versions: vec!["5.0.0".to_owned(), "7.0.0".to_owned()],
        minimum_protocol_version: Some("5.0.0".to_owned()),
    };
    let answer = connect.handshake(request).await.unwrap().into_inner();
    assert_eq!(hex::encode(answer.encode_to_vec()), "0a05372e302e301200");
    let parameters =
        connect.get_domain_parameters(get_domain_parameters::Request {}).await.unwrap().into_inner();
    assert_eq!(parameters.encoded_len(), 27);
    let agreement = connect.get_service_agreement(GetServiceAgreementRequest {}).await.unwrap();
    assert_eq!(agreement.get_ref().encoded_len(), 0);

    let stranger = Keyed::participant("stranger");
    for (member, bytes) in [(&stranger.member, "0a00"), (&world.one().member, "0a020801")] {
        let mut request = Request::new(verify_active::Request {});
        request.metadata_mut().insert("memberid", member.as_str().parse().unwrap());
        let answer = connect.verify_active(request).await.unwrap().into_inner();
        assert_eq!(hex::encode(answer.encode_to_vec()), bytes);
    }
    let answer = connect.verify_active(verify_active::Request {}).await.unwrap().into_inner();
    assert!(matches!(answer.value, Some(verify_active::response::Value::Failure(_))), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newcomer_registers_and_hears_from_the_manager() {
    let world = World::new();
    let sequencer = world.running().await;
    let served = serve(&world, &sequencer, PublicServerOptions::default()).await;
    let mut client = SequencerServiceClient::new(served.channel().await);
    let nobody: Member = "UNM::0123456789012345678901234567890123456789::1220aa".parse().unwrap();
    let subscription = SubscriptionRequest { member: nobody.to_string(), counter: 0 };
    let request = call(subscription, &world, &nobody, None);
    let mut stream = client.subscribe_unauthenticated_versioned(request).await.unwrap().into_inner();
    let manager = &world.manager.member;
    let submission = request_of(&nobody, vec![to(b"register", &[manager])], CantonTimestamp::MAX, None);
    let message =
        SendAsyncUnauthenticatedVersionedRequest { submission_request: submission.bytes().to_vec() };
    let answer =
        client.send_async_unauthenticated_versioned(call(message, &world, &nobody, None)).await.unwrap();
    assert_eq!(answer.get_ref().encoded_len(), 0, "accepted");
    let receipt = event(&mut stream).await.unwrap();
    assert_eq!(receipt.message_id(), Some(submission.message_id()));
    world.send(&sequencer, &world.manager, vec![to(b"answer", &[&nobody])]).await.unwrap();
    let answer = event(&mut stream).await.unwrap();
    assert_eq!((answer.counter().get(), contents(&answer)), (1, vec![b"answer".to_vec()]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_with_a_token_sends_subscribes_and_acknowledges() {
    let world = World::new();
    let sequencer = world.running().await;
    let served = serve(&world, &sequencer, PublicServerOptions::default()).await;
    let channel = served.channel().await;
    let (one, two) = (world.one(), world.two());
    let token = token(&channel, &world, one).await;
    let mut client = SequencerServiceClient::new(channel);
    let subscription = SubscriptionRequest { member: one.member.to_string(), counter: 0 };
    let request = call(subscription, &world, &one.member, Some(&token));
    let mut stream = client.subscribe_versioned(request).await.unwrap().into_inner();
    assert_eq!(event(&mut stream).await.unwrap().counter().get(), 0);
    let send = |submission: &SignedContent<cantle_protocol::SubmissionRequest>| {
        let message = SendAsyncVersionedRequest { signed_submission_request: submission.bytes().to_vec() };
        call(message, &world, &one.member, Some(&token))
    };
    let submission = one.sign(one.request(vec![to(b"x", &[&two.member])]), world.now());
    let answer = client.send_async_versioned(send(&submission)).await.unwrap();
    assert_eq!(answer.get_ref().encoded_len(), 0, "accepted");
    let receipt = event(&mut stream).await.unwrap();
    assert_eq!(receipt.message_id(), Some(submission.content().message_id()));

    let stranger = Keyed::participant("stranger");
    let to_stranger = one.sign(one.request(vec![to(b"x", &[&stranger.member])]), world.now());
    let answer = client.send_async_versioned(send(&to_stranger)).await.unwrap().into_inner();
    assert!(matches!(answer.error.unwrap().reason, Some(Reason::UnknownRecipients(_))));
    let of_two = two.sign(two.request(Vec::new()), world.now());
    let answer = client.send_async_versioned(send(&of_two)).await.unwrap().into_inner();
    assert!(matches!(answer.error.unwrap().reason, Some(Reason::RequestRefused(_))));
    let garbage = SendAsyncVersionedRequest { signed_submission_request: vec![0xff; 100] };
    let answer = client.send_async_versioned(call(garbage, &world, &one.member, Some(&token))).await.unwrap();
    assert!(matches!(answer.into_inner().error.unwrap().reason, Some(Reason::RequestInvalid(_))));

    let acknowledgement = one.acknowledgement(receipt.timestamp(), world.now());
    let request = call(acknowledgement.to_proto(), &world, &one.member, Some(&token));
    client.acknowledge_signed(request).await.unwrap();
    let status = sequencer.status().await.unwrap();
    let of_one = status.members.iter().find(|status| status.member == one.member).unwrap();
    assert_eq!(of_one.acknowledged, Some(receipt.timestamp().to_timestamp()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_without_proof_of_the_caller_are_unauthenticated() {
    let world = World::new();
    let sequencer = world.running().await;
    let served = serve(&world, &sequencer, PublicServerOptions::default()).await;
    let channel = served.channel().await;
    let (one, two) = (world.one(), world.two());
    let token = token(&channel, &world, one).await;
    let mut client = SequencerServiceClient::new(channel);
    let message = || SubscriptionRequest { member: one.member.to_string(), counter: 0 };
    let mut other_domain = call(message(), &world, &one.member, Some(&token));
    other_domain.metadata_mut().insert("domainid", "other::1220aa".parse().unwrap());
    let cases = [
        (Request::new(message()), None),
        (call(message(), &world, &one.member, None), None),
        (call(message(), &world, &one.member, Some(&[0; 20])), Some("MissingToken")),
        (call(message(), &world, &two.member, Some(&token)), Some("MissingToken")),
        (other_domain, Some("NonMatchingDomainId")),
    ];
    for (request, code) in cases {
        let status = client.subscribe_versioned(request).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
        assert_eq!(code_in(status.metadata()), code);
    }
    let of_two = SubscriptionRequest { member: two.member.to_string(), counter: 0 };
    let status =
        client.subscribe_versioned(call(of_two, &world, &one.member, Some(&token))).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    let beyond = SubscriptionRequest { counter: 100, ..message() };
    let status =
        client.subscribe_versioned(call(beyond, &world, &one.member, Some(&token))).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange);
    let older = client.subscribe(call(message(), &world, &one.member, Some(&token))).await.unwrap_err();
    assert_eq!(older.code(), Code::Unimplemented);
    world.clock.advance(Duration::from_secs(3601));
    let status =
        client.subscribe_versioned(call(message(), &world, &one.member, Some(&token))).await.unwrap_err();
    assert_eq!(code_in(status.metadata()), Some("MissingToken"), "the hour is over");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deactivated_participant_is_thrown_out() {
    let world = World::new();
    let sequencer = world.running().await;
    let served = serve(&world, &sequencer, PublicServerOptions::default()).await;
    let channel = served.channel().await;
    let one = world.one();
    let token = token(&channel, &world, one).await;
    let mut client = SequencerServiceClient::new(channel);
    let message = || SubscriptionRequest { member: one.member.to_string(), counter: 0 };
    let request = call(message(), &world, &one.member, Some(&token));
    let mut stream = client.subscribe_versioned(request).await.unwrap().into_inner();
    event(&mut stream).await.unwrap();
    let disabled = world.state(one, RequestSide::From, ParticipantPermission::Disabled);
    let topology = world.topology_message(vec![disabled]);
    world.send(&sequencer, &world.manager, vec![to(&topology, &[&world.manager.member])]).await.unwrap();
    let status = event(&mut stream).await.unwrap_err();
    assert_eq!(
        (status.code(), code_in(status.metadata())),
        (Code::PermissionDenied, Some("ParticipantDisabled"))
    );
    let status =
        client.subscribe_versioned(call(message(), &world, &one.member, Some(&token))).await.unwrap_err();
    assert_eq!(code_in(status.metadata()), Some("MissingToken"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_beyond_the_bound_is_not_decoded() {
    let mut world = World::new();
    world.options.max_message_size = 100_000;
    let sequencer = world.running().await;
    let served = serve(&world, &sequencer, PublicServerOptions::default()).await;
    let channel = served.channel().await;
    let token = token(&channel, &world, world.one()).await;
    let mut client = SequencerServiceClient::new(channel);
    let message = SendAsyncVersionedRequest { signed_submission_request: vec![0; 200_000] };
    let status = client
        .send_async_versioned(call(message, &world, &world.one().member, Some(&token)))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "{status:?}");
    world.send(&sequencer, world.one(), Vec::new()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_beyond_the_bound_wait_for_a_place() {
    let world = World::new();
    let sequencer = world.running().await;
    let options = PublicServerOptions { max_connections: 1, ..PublicServerOptions::default() };
    let served = serve(&world, &sequencer, options).await;
    let first = served.channel().await;
    ApiInfoServiceClient::new(first.clone()).get_api_info(GetApiInfoRequest {}).await.unwrap();
    let second = tokio::spawn({
        let address = served.address;
        async move {
            let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect_lazy();
            ApiInfoServiceClient::new(channel).get_api_info(GetApiInfoRequest {}).await.unwrap();
        }
    });
    drop(first);
    in_time(second).await.unwrap();
}
