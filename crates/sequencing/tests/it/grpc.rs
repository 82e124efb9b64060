//! The same over the wire.

use std::sync::Arc;
use std::time::Duration;

use cantle_protocol::{SequencerCounter, SubmissionKind, SubmissionRequest, TraceContext};
use cantle_sequencing::testing::{Call, Fault};
use cantle_sequencing::{
    ApiError, AuthErrorCode, Caller, ClientSetup, ConnectError, GrpcOptions, GrpcSequencer, SendOutcome,
    SequencerApi, SequencerClient, SequencerConnection, Submission, sequencer_info,
};
use cantle_types::{CantonTimestamp, Member, MemberCode, ProtocolVersion, UniqueIdentifier};
use tonic::Code;

use crate::grpc_server::{GrpcServer, versions};
use crate::support::{Recorder, Running, World, in_time, message};

fn connect(uris: &[&str]) -> Arc<GrpcSequencer> {
    let connection = SequencerConnection::from_uris("s", uris.iter().copied(), None).unwrap();
    let options = GrpcOptions { call_timeout: Duration::from_secs(10), ..GrpcOptions::default() };
    Arc::new(GrpcSequencer::new(connection, options).unwrap())
}

#[tokio::test]
async fn a_sequencer_says_all_before_authentication() {
    let world = World::new();
    let alice = world.member("alice").await;
    let server = GrpcServer::start(world.sequencer.clone());
    let api = connect(&[&server.uri()]);
    let info = sequencer_info(&*api, &versions()).await.unwrap();
    assert_eq!(info.identity.domain, world.domain.id);
    assert_eq!(
        info.identity.sequencer,
        world.domain.sequencer(),
        "an empty id is the domain's own sequencer"
    );
    assert_eq!(info.parameters, world.domain.parameters);
    assert_eq!(info.agreement, None);
    assert!(api.verify_active(&alice.member()).await.unwrap());
    assert!(!api.verify_active(&world.stranger("eve").await.member()).await.unwrap());
    for call in ["GetApiInfo", "GetDomainId", "Handshake", "GetDomainParameters", "GetServiceAgreement"] {
        let seen = server.seen(call);
        assert_eq!(seen.len(), 1, "{call}");
        assert!(
            seen[0].traceparent.is_some() && seen[0].member.is_none() && seen[0].token.is_none(),
            "{call}"
        );
    }
    let active = &server.seen("VerifyActive")[0];
    assert_eq!(active.member.as_deref(), Some(alice.member().as_str()));
    assert_eq!(active.traceparent, None);
    server.stop();
}

#[tokio::test]
async fn a_client_lives_over_the_wire() {
    let world = World::new();
    let alice = world.member("alice").await;
    let server = GrpcServer::start(world.sequencer.clone());
    let mut setup = world.setup(&alice);
    setup.client.api = connect(&[&server.uri()]);
    let running = world.start_with(setup, Recorder::default()).await;
    running.caught_up().await;
    let pending = running.client.send(Submission::new(message("hello", &[alice.member()]))).await.unwrap();
    assert!(matches!(in_time("the receipt", pending).await, SendOutcome::Sequenced { .. }));
    running.handler.heard("hello").await;
    for call in ["SubscribeVersioned", "SendAsyncVersioned"] {
        let seen = &server.seen(call)[0];
        assert_eq!(seen.member.as_deref(), Some(alice.member().as_str()), "{call}");
        assert_eq!(seen.domain.as_deref(), Some(world.domain.id.as_str()), "{call}");
        assert_eq!(seen.token, Some(20), "{call}");
        assert!(seen.traceparent.is_some(), "{call}");
    }
    assert!(server.seen("Authenticate")[0].traceparent.is_none());
    in_time("an acknowledgement", async {
        while world.sequencer.acknowledged().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    running.stopped().await;
    server.stop();
}

#[tokio::test]
async fn a_trace_goes_with_a_submission_to_its_events() {
    let world = World::new();
    let alice = world.member("alice").await;
    let server = GrpcServer::start(world.sequencer.clone());
    let mut setup = world.setup(&alice);
    setup.client.api = connect(&[&server.uri()]);
    let running = world.start_with(setup, Recorder::default()).await;
    running.caught_up().await;
    let trace = TraceContext::root().unwrap();
    let submission = Submission::new(message("traced", &[alice.member()])).in_trace(trace.clone());
    drop(running.client.send(submission).await.unwrap());
    running.handler.heard("traced").await;
    let seen = running.handler.seen();
    assert!(seen.iter().any(|seen| seen.trace.trace_id() == trace.trace_id()));
    running.stopped().await;
    server.stop();
}

#[tokio::test]
async fn a_client_goes_over_to_the_next_endpoint() {
    let world = World::new();
    let alice = world.member("alice").await;
    let (first, second) =
        (GrpcServer::start(world.sequencer.clone()), GrpcServer::start(world.sequencer.clone()));
    let mut setup = world.setup(&alice);
    setup.client.api = connect(&[&first.uri(), &second.uri()]);
    let running = world.start_with(setup, Recorder::default()).await;
    running.caught_up().await;
    assert!(second.seen("SubscribeVersioned").is_empty());
    first.stop();
    world.sequencer.deliver(&message("later", &[alice.member()]));
    running.handler.heard("later").await;
    assert!(!second.seen("SubscribeVersioned").is_empty());
    running.stopped().await;
    second.stop();
}

#[tokio::test]
async fn an_endpoint_that_breaks_connections_is_left_and_no_call_is_repeated() {
    let world = World::new();
    let alice = world.member("alice").await;
    let broken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = format!("http://{}", broken.local_addr().unwrap());
    // It takes every connection, hears what is said, and hangs up.
    let breaking = tokio::spawn(async move {
        while let Ok((mut stream, _)) = broken.accept().await {
            let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 1024]).await;
        }
    });
    let server = GrpcServer::start(world.sequencer.clone());
    let api = connect(&[&at, &server.uri()]);
    let lost = api.challenge(&alice.member(), &[]).await.unwrap_err();
    assert!(matches!(lost, ApiError::ConnectionLost { .. }), "{lost:?}");
    assert!(server.seen("Challenge").is_empty(), "it may have happened");
    let known = api.challenge(&alice.member(), &[ProtocolVersion::V7]).await;
    assert!(known.is_ok(), "{known:?}");
    breaking.abort();
    server.stop();
}

#[tokio::test]
async fn a_passive_sequencer_is_left_for_the_next() {
    let world = World::new();
    let alice = world.member("alice").await;
    let (first, second) =
        (GrpcServer::start(world.sequencer.clone()), GrpcServer::start(world.sequencer.clone()));
    let api = connect(&[&first.uri(), &second.uri()]);
    world.sequencer.fail(Call::Challenge, [Fault::Auth(AuthErrorCode::PassiveSequencer)]);
    // In band a passive sequencer gives its code alone, so that only a status of the call itself says it.
    let error = api.challenge(&alice.member(), &[]).await.unwrap_err();
    assert!(matches!(error, ApiError::Status { .. }), "{error:?}");
    world.sequencer.fail(Call::Subscribe, [Fault::Auth(AuthErrorCode::PassiveSequencer)]);
    let uid = alice.participant.uid().clone();
    let member = Member::new(MemberCode::Unauthenticated, uid);
    let caller = Caller { member, domain: world.domain.id.clone(), token: None };
    assert!(api.subscribe_unauthenticated(&caller, SequencerCounter::GENESIS).await.is_ok());
    let seen = |server: &GrpcServer| server.seen("SubscribeUnauthenticatedVersioned").len();
    assert_eq!((seen(&first), seen(&second)), (1, 1));
    first.stop();
    second.stop();
}

#[tokio::test]
async fn what_is_no_sequencer_is_told_from_one() {
    let world = World::new();
    let server = GrpcServer::start_as(world.sequencer.clone(), "admin-api");
    let error = sequencer_info(&*connect(&[&server.uri()]), &versions()).await.unwrap_err();
    assert!(matches!(error, ConnectError::NotASequencer { ref name } if name == "admin-api"));
    assert!(!error.retryable());
    server.stop();
}

#[tokio::test]
async fn nobody_there_is_an_error_that_may_pass() {
    let world = World::new();
    let server = GrpcServer::start(world.sequencer.clone());
    let uri = server.uri();
    server.stop();
    let api = connect(&[&uri]);
    let error = api.identity().await.unwrap_err();
    assert!(matches!(error, ApiError::Unreachable { .. }), "{error:?}");
    assert!(error.retryable() && !error.may_have_happened());
    let caller = Caller { member: world.domain.manager(), domain: world.domain.id.clone(), token: None };
    let Err(error) = api.subscribe(&caller, SequencerCounter::GENESIS).await else {
        panic!("nobody is there")
    };
    assert!(error.allows_resubscription(false));
}

#[tokio::test]
async fn statuses_come_with_their_codes() {
    let world = World::new();
    let alice = world.member("alice").await;
    let server = GrpcServer::start(world.sequencer.clone());
    let api = connect(&[&server.uri()]);
    let caller = Caller { member: alice.member(), domain: world.domain.id.clone(), token: None };
    let Err(error) = api.subscribe(&caller, SequencerCounter::GENESIS).await else {
        panic!("there is no token")
    };
    assert!(error.is_missing_token() && error.is_unauthenticated(), "{error:?}");
    world.sequencer.fail(Call::Challenge, [Fault::Status(Code::PermissionDenied, "disabled")]);
    let error = api.challenge(&alice.member(), &[]).await.unwrap_err();
    assert!(
        matches!(error, ApiError::Status { code: Code::PermissionDenied, ref message, .. } if message == "disabled")
    );
    server.stop();
}

#[tokio::test]
async fn a_broken_connection_is_told_from_a_refusal() {
    let world = World::new();
    let alice = world.member("alice").await;
    let server = GrpcServer::start(world.sequencer.clone());
    let api = connect(&[&server.uri()]);
    let member = Member::new(MemberCode::Unauthenticated, alice.participant.uid().clone());
    let caller = Caller { member, domain: world.domain.id.clone(), token: None };
    let mut events = api.subscribe_unauthenticated(&caller, SequencerCounter::GENESIS).await.unwrap();
    server.stop();
    let end = in_time("the end of the stream", futures::StreamExt::next(&mut events)).await;
    match end {
        Some(Err(error)) => assert!(error.allows_resubscription(false), "{error:?}"),
        Some(Ok(event)) => panic!("{event:?}"),
        None => {}
    }
}

#[tokio::test]
async fn a_stranger_speaks_to_the_domain_manager_and_hears_its_answer() {
    let world = World::new();
    let alice = world.stranger("alice").await;
    let server = GrpcServer::start(world.sequencer.clone());
    let api = connect(&[&server.uri()]);
    let uid =
        UniqueIdentifier::new("ab".repeat(20).parse().unwrap(), alice.participant.uid().namespace().clone());
    let stranger = Member::new(MemberCode::Unauthenticated, uid);
    let identity = api.identity().await.unwrap();
    let setup = ClientSetup { api, member: stranger.clone(), ..world.setup(&alice).client };
    assert_eq!(identity, setup.info.identity);
    let running = Running::start(SequencerClient::unauthenticated(setup), Recorder::default());
    let pending = running.client.send(Submission::new(message("let me in", &[world.domain.manager()])));
    let outcome = in_time("the receipt", pending.await.unwrap()).await;
    assert!(
        matches!(outcome, SendOutcome::Sequenced { counter, .. } if counter == SequencerCounter::GENESIS)
    );
    world.sequencer.deliver(&message("welcome", std::slice::from_ref(&stranger)));
    running.handler.heard("welcome").await;
    assert_eq!(running.handler.counters(), [0, 1]);
    let seen = &server.seen("SendAsyncUnauthenticatedVersioned")[0];
    assert_eq!(seen.member.as_deref(), Some(stranger.as_str()));
    assert_eq!((seen.token, seen.domain.as_deref()), (None, Some(world.domain.id.as_str())));
    running.stopped().await;
    server.stop();
}

#[tokio::test]
async fn a_refusal_in_band_is_read() {
    let world = World::new();
    let alice = world.member("alice").await;
    let server = GrpcServer::start(world.sequencer.clone());
    let api = connect(&[&server.uri()]);
    // Unsigned submissions are for strangers only.
    let caller = Caller { member: alice.member(), domain: world.domain.id.clone(), token: None };
    let request = SubmissionRequest::new(
        alice.member(),
        "x".parse().unwrap(),
        SubmissionKind::Other,
        message("x", &[alice.member()]).compress(),
        CantonTimestamp::MAX,
        None,
    );
    let error = api.send_unauthenticated(&caller, &request, &TraceContext::none()).await.unwrap_err();
    assert!(!error.retryable(), "{error:?}");
    server.stop();
}

#[tokio::test]
async fn a_malformed_status_is_an_error_and_no_panic() {
    let world = World::new();
    let alice = world.member("alice").await;
    let server = GrpcServer::start_malformed(world.sequencer.clone());
    let api = connect(&[&server.uri()]);
    let error = api.api_info().await.unwrap_err();
    assert!(matches!(error, ApiError::Answer { call: "GetApiInfo", .. }), "{error:?}");
    let caller = Caller { member: alice.member(), domain: world.domain.id.clone(), token: None };
    let Err(error) = api.subscribe(&caller, SequencerCounter::GENESIS).await else {
        panic!("it is malformed")
    };
    assert!(!error.allows_resubscription(true), "{error:?}");
    server.stop();
}
