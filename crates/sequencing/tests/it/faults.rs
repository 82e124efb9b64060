//! Lost connections: the events go on where they stopped.

use cantle_sequencing::testing::{Call, Fault};
use cantle_sequencing::{AuthErrorCode, ClientError, SendOutcome, Submission};
use tonic::Code;

use crate::support::{World, in_time, message};

#[tokio::test]
async fn events_go_on_after_any_loss_of_the_connection() {
    let world = World::new();
    let alice = world.member("alice").await;
    let running = world.start(&alice).await;
    running.caught_up().await;
    let ends = [
        None,
        Some(Fault::AnswerLost),
        Some(Fault::Status(Code::Unavailable, "later")),
        Some(Fault::Status(Code::Internal, "oops")),
        Some(Fault::Auth(AuthErrorCode::MissingToken)),
    ];
    for (number, end) in ends.into_iter().enumerate() {
        world.sequencer.disconnect(end);
        let text = format!("after {number}");
        world.sequencer.deliver(&message(&text, &[alice.member()]));
        running.handler.heard(&text).await;
    }
    let counters = running.stopped().await.counters();
    let expected: Vec<i64> = (0..i64::try_from(counters.len()).unwrap()).collect();
    assert_eq!(counters, expected, "each event once, in its order");
}

#[tokio::test]
async fn a_refused_subscription_ends_the_client() {
    for code in [Code::PermissionDenied, Code::FailedPrecondition, Code::InvalidArgument] {
        let world = World::new();
        let alice = world.member("alice").await;
        let running = world.start(&alice).await;
        running.caught_up().await;
        world.sequencer.disconnect(Some(Fault::Status(code, "by request")));
        let error = running.ended().await.unwrap_err();
        assert!(matches!(error, ClientError::Refused { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn an_unreachable_sequencer_is_tried_until_it_is_there() {
    let world = World::new();
    let alice = world.member("alice").await;
    for call in [Call::Handshake, Call::Challenge, Call::Authenticate, Call::Subscribe] {
        world.sequencer.fail(call, vec![Fault::Unreachable; 5]);
    }
    let running = world.start(&alice).await;
    running.handler.received(1).await;
    assert!(world.sequencer.calls(Call::Subscribe) > 5);
    running.stopped().await;
}

#[tokio::test]
async fn a_client_stops_while_it_cannot_reach_anyone() {
    let world = World::new();
    let alice = world.member("alice").await;
    world.sequencer.fail(Call::Subscribe, vec![Fault::Unreachable; 100_000]);
    let running = world.start(&alice).await;
    let mut health = running.client.health();
    let lost = health.wait_for(|health| {
        matches!(health.connection, cantle_sequencing::ConnectionState::Disconnected { .. })
    });
    in_time("the news", lost).await.unwrap();
    running.stopped().await;
}

#[tokio::test]
async fn a_forgotten_token_is_replaced_without_anyone_noticing() {
    let world = World::new();
    let alice = world.member("alice").await;
    let running = world.start(&alice).await;
    running.caught_up().await;
    let before = world.sequencer.calls(Call::Authenticate);
    world.sequencer.forget_tokens();
    let pending = running.client.send(Submission::new(message("x", &[alice.member()]))).await.unwrap();
    assert!(matches!(in_time("the receipt", pending).await, SendOutcome::Sequenced { .. }));
    assert_eq!(world.sequencer.calls(Call::Authenticate), before + 1);
    running.stopped().await;
}

#[tokio::test]
async fn a_domain_of_another_protocol_version_is_not_followed() {
    let world = World::new();
    let alice = world.member("alice").await;
    let mut setup = world.setup(&alice);
    setup.client.versions = vec![cantle_types::ProtocolVersion::V5];
    let running = world.start_with(setup, Default::default()).await;
    let error = running.ended().await.unwrap_err();
    assert!(matches!(error, ClientError::Handshake { .. }), "{error:?}");
}
