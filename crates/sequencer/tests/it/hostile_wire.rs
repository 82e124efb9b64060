//! Hostile members on the public API itself: every refusal has Canton's code, and nobody else notices anything.

use std::time::Duration;

use cantle_crypto::{HashPurpose, Signature, digest};
use cantle_proto::connection::v30::{GetApiInfoRequest, api_info_service_client::ApiInfoServiceClient};
use cantle_proto::crypto::v0 as crypto;
use cantle_proto::domain::api::v0::{
    SendAsyncUnauthenticatedVersionedRequest, SendAsyncVersionedRequest, SubscriptionRequest, authentication,
    challenge, send_async_response, send_async_signed_response::error::Reason,
    sequencer_authentication_service_client::SequencerAuthenticationServiceClient,
    sequencer_connect_service_client::SequencerConnectServiceClient,
    sequencer_service_client::SequencerServiceClient,
};
use cantle_proto::protocol::v0;
use cantle_protocol::{MessageId, Signable, SignedContent, SubmissionRequest};
use cantle_sequencer::PublicServerOptions;
use cantle_sequencing::authentication_hash;
use cantle_types::{CantonTimestamp, Member};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use prost::Message;
use tonic::transport::Channel;
use tonic::{Code, Request};

use super::hostile::bomb;
use super::public_api::{call, event, serve, token};
use super::support::{Keyed, World, contents, request_of, signing_key, to};

fn kind(reason: &Reason) -> &'static str {
    match reason {
        Reason::RequestInvalid(_) => "request_invalid",
        Reason::RequestRefused(_) => "request_refused",
        Reason::Overloaded(_) => "overloaded",
        Reason::SenderUnknown(_) => "sender_unknown",
        Reason::UnknownRecipients(_) => "unknown_recipients",
        other => panic!("nobody is refused so here: {other:?}"),
    }
}

/// A submission as its parts on the wire, for what no honest library writes.
fn raw(sender: &str, envelopes: Vec<v0::Envelope>) -> Vec<u8> {
    let batch = v0::Batch { envelopes }.encode_to_vec();
    let message = v0::SubmissionRequest {
        sender: sender.to_owned(),
        message_id: MessageId::random().to_string(),
        is_request: false,
        batch: Some(v0::CompressedBatch { algorithm: 0, compressed_batch: batch }),
        max_sequencing_time: Some(prost_types::Timestamp { seconds: 4_000_000_000, nanos: 0 }),
        timestamp_of_signing_key: None,
    };
    cantle_proto::versioned::wrap(&message.encode_to_vec(), 0)
}

/// Signs what need not be a submission.
fn sign_raw(keyed: &Keyed, content: Vec<u8>) -> Vec<u8> {
    let hash = digest(HashPurpose::SubmissionRequestSignature, &content);
    let message = v0::SignedContent {
        content: Some(content),
        signatures: Some(keyed.key.sign_hash(&hash).unwrap().to_proto()),
        timestamp_of_signing_key: None,
    };
    cantle_proto::versioned::wrap(&message.encode_to_vec(), 0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_hostile_submission_is_refused_with_its_code_and_nobody_notices() {
    let mut world = World::new();
    world.dynamic.max_request_size = 1 << 20;
    let sequencer = world.running().await;
    let served = serve(&world, &sequencer, PublicServerOptions::default()).await;
    let channel = served.channel().await;
    let (one, two, now) = (world.one(), world.two(), world.now());
    let token = token(&channel, &world, one).await;
    let mut client = SequencerServiceClient::new(channel);

    let honest = || one.request(vec![to(b"x", &[&two.member])]);
    let signed_by = |signature| SignedContent::assemble(honest(), signature, Some(now)).bytes().to_vec();
    let of_sender = |keyed: &Keyed, request: SubmissionRequest| keyed.sign(request, now).bytes().to_vec();
    let foreign = signing_key().sign_hash(&honest().hash()).unwrap();
    let as_ours = Signature::new(foreign.bytes().to_vec(), one.key.fingerprint().clone());
    let nobody: Member = "UNM::0123456789012345678901234567890123456789::1220aa".parse().unwrap();
    let other_mediator: Member = "MED::other::1220aa".parse().unwrap();
    let stranger = Keyed::participant("stranger");
    let both = vec![to(b"a", &[&world.mediator.member]), to(b"b", &[&other_mediator])];
    let huge = vec![to(&vec![7; 2 << 20], &[&two.member])];
    let no_recipients = v0::Envelope { content: b"x".to_vec().into(), recipients: None };
    let bomb = SubmissionRequest::from_bytes(bomb(&one.member)).unwrap();
    let unknown_version = cantle_proto::versioned::wrap(b"whatever", 99);
    let hostile: Vec<(&str, &str, Vec<u8>)> = vec![
        ("nothing", "request_invalid", Vec::new()),
        ("noise", "request_invalid", vec![0xff; 1000]),
        ("an unknown version", "request_invalid", unknown_version.clone()),
        ("an unknown version within", "request_invalid", sign_raw(one, unknown_version)),
        ("no member as sender", "request_invalid", sign_raw(one, raw("one", Vec::new()))),
        ("no recipients", "request_invalid", sign_raw(one, raw(one.member.as_str(), vec![no_recipients]))),
        ("no content", "request_invalid", of_sender(one, one.request(vec![to(b"", &[&two.member])]))),
        ("too large when open", "request_invalid", of_sender(one, one.request(huge))),
        ("a bomb", "request_invalid", of_sender(one, bomb)),
        ("a foreign key", "request_refused", signed_by(foreign)),
        ("a foreign signature as its own", "request_refused", signed_by(as_ours)),
        (
            "a signature of another",
            "request_refused",
            signed_by(one.sign(one.request(vec![]), now).signature().clone()),
        ),
        ("another as sender", "request_refused", of_sender(one, two.request(Vec::new()))),
        ("another's own submission", "request_refused", of_sender(two, two.request(Vec::new()))),
        ("two mediators", "request_refused", of_sender(one, one.request(both))),
        ("to who has no name", "request_refused", of_sender(one, one.request(vec![to(b"x", &[&nobody])]))),
        ("a time yet to come", "request_refused", one.sign(honest(), CantonTimestamp::MAX).bytes().to_vec()),
        (
            "to a stranger",
            "unknown_recipients",
            of_sender(one, one.request(vec![to(b"x", &[&stranger.member])])),
        ),
    ];
    for (what, code, bytes) in hostile {
        let message = SendAsyncVersionedRequest { signed_submission_request: bytes };
        let answer =
            client.send_async_versioned(call(message, &world, &one.member, Some(&token))).await.unwrap();
        let error = answer.into_inner().error.unwrap_or_else(|| panic!("{what} was accepted"));
        assert_eq!(kind(&error.reason.unwrap()), code, "{what}");
    }

    let request = call(
        subscription(&two.member, 0),
        &world,
        &two.member,
        Some(&self::token(&served.channel().await, &world, two).await),
    );
    let mut stream = client.subscribe_versioned(request).await.unwrap().into_inner();
    assert_eq!(contents(&event(&mut stream).await.unwrap()), [b"welcome"]);
    let message = SendAsyncVersionedRequest { signed_submission_request: of_sender(one, honest()) };
    let answer = client.send_async_versioned(call(message, &world, &one.member, Some(&token))).await.unwrap();
    assert_eq!(answer.get_ref().encoded_len(), 0, "accepted");
    let next = event(&mut stream).await.unwrap_or_else(|status| panic!("{status:?}"));
    assert_eq!((next.counter().get(), contents(&next)), (1, vec![b"x".to_vec()]), "nothing came between");
}

fn subscription(member: &Member, counter: i64) -> SubscriptionRequest {
    SubscriptionRequest { member: member.to_string(), counter }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_sign_is_refused_in_band_too() {
    let world = World::new();
    let sequencer = world.running().await;
    let served = serve(&world, &sequencer, PublicServerOptions::default()).await;
    let mut client = SequencerServiceClient::new(served.channel().await);
    let nobody: Member = "UNM::0123456789012345678901234567890123456789::1220aa".parse().unwrap();
    let manager = &world.manager.member;
    let of = |group: &Member, named| {
        request_of(&nobody, vec![to(b"register", &[group])], CantonTimestamp::MAX, named).bytes().to_vec()
    };
    let hostile = [
        ("to a participant", of(&world.one().member, None), true),
        ("with a signing time", of(manager, Some(world.now())), true),
        ("as a participant", world.one().request(Vec::new()).bytes().to_vec(), true),
        ("noise", vec![0xff; 100], false),
    ];
    for (what, submission_request, refused) in hostile {
        let message = SendAsyncUnauthenticatedVersionedRequest { submission_request };
        let answer = client.send_async_unauthenticated_versioned(call(message, &world, &nobody, None)).await;
        let reason = answer.unwrap().into_inner().error.and_then(|error| error.reason);
        match reason.unwrap_or_else(|| panic!("{what} was accepted")) {
            send_async_response::error::Reason::RequestRefused(_) => assert!(refused, "{what}"),
            send_async_response::error::Reason::RequestInvalid(_) => assert!(!refused, "{what}"),
            other => panic!("{what}: {other:?}"),
        }
    }
    // Nor do they get anything by the other entrance, or hear what is for others.
    let message = SendAsyncVersionedRequest { signed_submission_request: of(manager, None) };
    let status =
        client.send_async_versioned(call(message, &world, &world.one().member, None)).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    for of_whom in [&world.one().member, manager] {
        let request = call(subscription(of_whom, 0), &world, &nobody, None);
        let status = client.subscribe_unauthenticated_versioned(request).await.unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied, "{of_whom}");
    }
}

async fn challenge_of(channel: &Channel, member: &str, versions: &[&str]) -> challenge::response::Value {
    let request = challenge::Request {
        member: member.to_owned(),
        member_protocol_versions: versions.iter().map(|version| (*version).to_owned()).collect(),
    };
    let mut client = SequencerAuthenticationServiceClient::new(channel.clone());
    client.challenge(request).await.unwrap().into_inner().value.unwrap()
}

async fn nonce_of(channel: &Channel, keyed: &Keyed) -> Vec<u8> {
    match challenge_of(channel, keyed.member.as_str(), &["5.0.0", "7.0.0"]).await {
        challenge::response::Value::Success(success) => success.nonce,
        challenge::response::Value::Failure(failure) => panic!("{failure:?}"),
    }
}

/// The code of the failure; 0 if the member is let in.
async fn authenticate(
    channel: &Channel,
    member: &Member,
    signature: Option<crypto::Signature>,
    nonce: &[u8],
) -> u32 {
    let request = authentication::Request { member: member.to_string(), signature, nonce: nonce.to_vec() };
    let mut client = SequencerAuthenticationServiceClient::new(channel.clone());
    match client.authenticate(request).await.unwrap().into_inner().value.unwrap() {
        authentication::response::Value::Success(_) => 0,
        authentication::response::Value::Failure(failure) => failure.code,
    }
}

const INVALID_ARGUMENT: u32 = 3;
const PERMISSION_DENIED: u32 = 7;
const FAILED_PRECONDITION: u32 = 9;
const INTERNAL: u32 = 13;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gets_a_nonce_that_could_do_nothing_with_it() {
    let world = World::new();
    let sequencer = world.running().await;
    let served = serve(&world, &sequencer, PublicServerOptions::default()).await;
    let channel = served.channel().await;
    let one = world.one().member.as_str();
    let both = ["5.0.0", "7.0.0"];
    let many = vec!["7.0.0"; 1_000];
    let stranger = Keyed::participant("stranger");
    let sequencer_id = world.sequencer_id();
    let cases: [(&str, &[&str], u32); 8] = [
        (one, &["5.0.0"], FAILED_PRECONDITION),
        (one, &["six"], FAILED_PRECONDITION),
        (one, &[], FAILED_PRECONDITION),
        (one, &many, INVALID_ARGUMENT),
        ("nobody", &both, INVALID_ARGUMENT),
        (stranger.member.as_str(), &both, PERMISSION_DENIED),
        ("MED::other::1220aa", &both, PERMISSION_DENIED),
        (sequencer_id.member().as_str(), &both, INVALID_ARGUMENT),
    ];
    for (member, versions, code) in cases {
        match challenge_of(&channel, member, versions).await {
            challenge::response::Value::Failure(failure) => {
                assert_eq!(failure.code, code, "{member}: {failure:?}");
            }
            challenge::response::Value::Success(_) => panic!("{member} with {} versions", versions.len()),
        }
    }
    // What is asked before authentication is short, or not read at all.
    let long = challenge::Request {
        member: one.to_owned(),
        member_protocol_versions: vec!["7.0.0".to_owned(); 10_000],
    };
    let mut client = SequencerAuthenticationServiceClient::new(channel.clone());
    assert_eq!(client.challenge(long).await.unwrap_err().code(), Code::OutOfRange);
    nonce_of(&channel, world.one()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nonce_is_signed_by_whom_it_was_given_to_once_and_in_time() {
    let world = World::new();
    let sequencer = world.running().await;
    let served = serve(&world, &sequencer, PublicServerOptions::default()).await;
    let channel = served.channel().await;
    let (one, two) = (world.one(), world.two());
    let sign = |keyed: &Keyed, nonce: &[u8]| {
        let hash = authentication_hash(nonce, &world.domain, None);
        Some(keyed.key.sign_hash(&hash).unwrap().to_proto())
    };
    let nonce = nonce_of(&channel, one).await;
    let empty = Signature::new(Vec::new(), one.key.fingerprint().clone()).to_proto();
    assert_ne!(authenticate(&channel, &one.member, Some(empty), &nonce).await, 0, "an empty signature");
    assert_eq!(authenticate(&channel, &one.member, None, &nonce).await, INVALID_ARGUMENT);
    assert_eq!(authenticate(&channel, &one.member, sign(two, &nonce), &nonce).await, INTERNAL);
    assert_eq!(authenticate(&channel, &two.member, sign(two, &nonce), &nonce).await, INTERNAL);
    assert_eq!(authenticate(&channel, &one.member, sign(one, b"made up"), b"made up").await, INTERNAL);
    let good = sign(one, &nonce);
    assert_eq!(
        authenticate(&channel, &one.member, good.clone(), &nonce).await,
        0,
        "none of these used it up"
    );
    assert_eq!(authenticate(&channel, &one.member, good, &nonce).await, INTERNAL, "replayed");
    let nonce = nonce_of(&channel, one).await;
    world.clock.advance(Duration::from_secs(62));
    assert_eq!(authenticate(&channel, &one.member, sign(one, &nonce), &nonce).await, INTERNAL, "too late");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handshakes_of_other_versions_fail_in_the_answer() {
    let world = World::new();
    let sequencer = world.running().await;
    let served = serve(&world, &sequencer, PublicServerOptions::default()).await;
    let mut client = SequencerConnectServiceClient::new(served.channel().await);
    for (versions, minimum) in
        [(vec!["5.0.0"], None), (vec![], None), (vec!["x"], None), (vec!["7.0.0"], Some("8.0.0"))]
    {
        let request = v0::handshake::Request {
            client_protocol_versions: versions.into_iter().map(str::to_owned).collect(),
            minimum_protocol_version: minimum.map(str::to_owned),
        };
        let answer = client.handshake(request.clone()).await.unwrap().into_inner();
        assert_eq!(answer.server_protocol_version, "7.0.0");
        assert!(
            matches!(answer.value, Some(v0::handshake::response::Value::Failure(_))),
            "{request:?}: {answer:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_with_too_much_metadata_are_turned_away_and_all_calls_are_counted() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    // Nothing else in these tests records; they may do so here.
    metrics::set_global_recorder(recorder).unwrap();
    let world = World::new();
    let sequencer = world.running().await;
    let options = PublicServerOptions { node: "counted".to_owned(), ..PublicServerOptions::default() };
    let served = serve(&world, &sequencer, options).await;
    let mut request = Request::new(GetApiInfoRequest {});
    request.metadata_mut().insert("padding", "x".repeat(9 << 10).parse().unwrap());
    let status = ApiInfoServiceClient::new(served.channel().await).get_api_info(request).await.unwrap_err();
    assert_ne!(status.code(), Code::Ok);
    let info = ApiInfoServiceClient::new(served.channel().await).get_api_info(GetApiInfoRequest {}).await;
    assert_eq!(info.unwrap().get_ref().name, "sequencer-public-api");
    let counted = || {
        snapshotter.snapshot().into_vec().into_iter().any(|(key, _, _, value)| {
            let labels: Vec<_> = key.key().labels().map(|label| label.value().to_owned()).collect();
            matches!(value, DebugValue::Counter(1))
                && labels
                    == [
                        "counted",
                        "com.digitalasset.canton.connection.v30.ApiInfoService",
                        "GetApiInfo",
                        "OK",
                    ]
        })
    };
    // It is counted when the answer has gone, which its receiver may be ahead of.
    super::support::in_time(async {
        while !counted() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
