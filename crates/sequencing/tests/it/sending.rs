//! Submissions and what becomes of them.

use std::time::Duration;

use cantle_protocol::{DeliverErrorReason, MessageId};
use cantle_sequencing::testing::{Call, Fault};
use cantle_sequencing::{ClientSendError, RefusalReason, SendError, SendOutcome, Submission};
use cantle_types::CantonTimestamp;
use tonic::Code;

use crate::support::{World, in_time, message};

#[tokio::test]
async fn a_submission_reaches_its_recipients_and_its_sender_a_receipt() {
    let world = World::new();
    let (alice, bob) = (world.stranger("alice").await, world.stranger("bob").await);
    world.sequencer.onboard(&[&alice, &bob]);
    let (sender, receiver) = (world.start(&alice).await, world.start(&bob).await);
    sender.handler.received(1).await;
    let pending = sender.client.send(Submission::new(message("hello", &[bob.member()]))).await.unwrap();
    assert!(pending.is_accepted());
    let id = pending.message_id().clone();
    let SendOutcome::Sequenced { timestamp, counter } = in_time("the receipt", pending).await else {
        panic!("it is sequenced")
    };
    receiver.handler.heard("hello").await;
    let seen = receiver.handler.seen();
    let delivered = seen.iter().find(|seen| seen.texts == ["hello"]).unwrap();
    assert_eq!((delivered.timestamp, &delivered.message_id), (timestamp, &None));
    let place = usize::try_from(counter.get()).unwrap();
    sender.handler.received(place + 1).await;
    let receipt = &sender.handler.seen()[place];
    assert_eq!((receipt.envelopes, receipt.message_id.as_ref()), (0, Some(&id)));
    sender.stopped().await;
    receiver.stopped().await;
}

#[tokio::test]
async fn a_submission_is_signed_by_the_topology_last_seen() {
    let world = World::new();
    let alice = world.member("alice").await;
    let running = world.start(&alice).await;
    running.caught_up().await;
    let seen = running.client.time().latest().unwrap();
    let approximate = running.client.topology().unwrap().approximate();
    assert_eq!(Some(approximate.at), seen.successor());
    let pending = running.client.send(Submission::new(message("x", &[alice.member()]))).await.unwrap();
    assert!(matches!(in_time("the receipt", pending).await, SendOutcome::Sequenced { .. }));
    running.stopped().await;
}

#[tokio::test]
async fn what_is_not_sequenced_in_time_times_out_though_nobody_else_speaks() {
    let world = World::new();
    let alice = world.member("alice").await;
    let running = world.start(&alice).await;
    running.caught_up().await;
    // The call is lost on its way, and nobody knows.
    world.sequencer.fail(Call::Send, [Fault::CallLost]);
    let max = CantonTimestamp::from(world.clock.now()).saturating_add(Duration::from_millis(50));
    let submission = Submission::new(message("x", &[alice.member()])).not_after(max);
    let pending = running.client.send(submission).await.unwrap();
    let outcome = in_time("the time-out", pending).await;
    assert!(matches!(outcome, SendOutcome::TimedOut { timestamp } if timestamp > max), "{outcome:?}");
    running.stopped().await;
}

#[tokio::test]
async fn a_lost_answer_is_settled_by_the_receipt() {
    let world = World::new();
    let alice = world.member("alice").await;
    let running = world.start(&alice).await;
    running.caught_up().await;
    world.sequencer.fail(Call::Send, [Fault::AnswerLost]);
    let before = world.sequencer.submissions().len();
    let pending = running.client.send(Submission::new(message("x", &[alice.member()]))).await.unwrap();
    assert!(!pending.is_accepted());
    assert!(matches!(in_time("the receipt", pending).await, SendOutcome::Sequenced { .. }));
    assert_eq!(world.sequencer.submissions().len(), before + 1, "it is sent once");
    running.stopped().await;
}

#[tokio::test]
async fn what_the_sequencer_does_not_take_is_an_error_and_can_be_sent_again() {
    let world = World::new();
    let alice = world.member("alice").await;
    let running = world.start(&alice).await;
    running.caught_up().await;
    world.sequencer.fail(
        Call::Send,
        [
            Fault::Unreachable,
            Fault::Status(Code::Unavailable, "no"),
            Fault::Status(Code::PermissionDenied, "no"),
        ],
    );
    let submission = Submission::new(message("x", &[alice.member()]));
    for retryable in [true, true, false] {
        let error = running.client.send(submission.clone()).await.unwrap_err();
        assert!(matches!(error, ClientSendError::Send { .. }), "{error:?}");
        assert_eq!(error.retryable(), retryable, "{error:?}");
    }
    let pending = running.client.send(submission).await.unwrap();
    assert!(matches!(in_time("the receipt", pending).await, SendOutcome::Sequenced { .. }));
    running.stopped().await;
}

#[tokio::test]
async fn one_id_is_not_used_twice_at_a_time() {
    let world = World::new();
    let alice = world.member("alice").await;
    let running = world.start(&alice).await;
    running.caught_up().await;
    world.sequencer.hold();
    let submission = Submission::new(message("x", &[alice.member()]));
    let pending = running.client.send(submission.clone()).await.unwrap();
    let error = running.client.send(submission).await.unwrap_err();
    assert!(
        matches!(error, ClientSendError::Duplicate { message_id } if message_id == *pending.message_id())
    );
    world.sequencer.release(|_| {});
    assert!(matches!(in_time("the receipt", pending).await, SendOutcome::Sequenced { .. }));
    running.stopped().await;
}

#[tokio::test]
async fn a_deliver_error_says_why() {
    let world = World::new();
    let alice = world.member("alice").await;
    let running = world.start(&alice).await;
    running.caught_up().await;
    world.sequencer.hold();
    let id: MessageId = "mine".parse().unwrap();
    let submission = Submission::new(message("x", &[alice.member()])).with_message_id(id.clone());
    let pending = running.client.send(submission).await.unwrap();
    let reason = DeliverErrorReason::BatchRefused("by request".into());
    world.sequencer.deliver_error(&alice.member(), id, reason.clone());
    let outcome = in_time("the error", pending).await;
    assert!(matches!(outcome, SendOutcome::DeliverError { reason: said, .. } if said == reason));
    running.stopped().await;
}

#[tokio::test]
async fn too_large_a_submission_is_not_sent() {
    let world = World::new();
    let alice = world.member("alice").await;
    let mut setup = world.setup(&alice);
    setup.client.options.override_max_request_size = Some(50);
    let running = world.start_with(setup, Default::default()).await;
    running.handler.received(1).await;
    let error = running.client.send(Submission::new(message("x", &[alice.member()]))).await.unwrap_err();
    assert!(matches!(error, ClientSendError::TooLarge { max: 50, .. }), "{error:?}");
    let sent = world.sequencer.submissions();
    assert!(sent.iter().all(cantle_protocol::TimeProof::is_request));
    running.stopped().await;
}

#[tokio::test]
async fn whoever_waits_when_the_client_stops_is_told() {
    let world = World::new();
    let alice = world.member("alice").await;
    let running = world.start(&alice).await;
    running.caught_up().await;
    world.sequencer.hold();
    let client = running.client.clone();
    let pending = client.send(Submission::new(message("x", &[alice.member()]))).await.unwrap();
    let far = CantonTimestamp::from(world.clock.now()).saturating_add(Duration::from_secs(3600));
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.time().await_time(far).await }
    });
    running.stopped().await;
    assert_eq!(in_time("the outcome", pending).await, SendOutcome::Unknown);
    assert!(in_time("the end", waiting).await.unwrap().is_err());
    assert!(client.await_snapshot(far).await.is_err());
}

#[tokio::test]
async fn a_foreign_sender_is_refused_in_band() {
    let world = World::new();
    let (alice, eve) = (world.member("alice").await, world.member("eve").await);
    // Eve's client has Alice's keys and says that it is Eve.
    let mut setup = world.setup(&eve);
    setup.own.vault = alice.vault.clone();
    let running = world.start_with(setup, Default::default()).await;
    let error = running.client.send(Submission::new(message("x", &[alice.member()]))).await.unwrap_err();
    match error {
        ClientSendError::Send { source, .. } => {
            let SendError::Refused(refusal) = *source else { panic!("{source:?}") };
            assert_eq!(refusal.reason, RefusalReason::RequestRefused);
        }
        ClientSendError::Authentication(_) | ClientSendError::Sign { .. } => {}
        other => panic!("{other:?}"),
    }
    running.killed().await;
}
