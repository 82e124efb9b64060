//! A sequencer that is not to be trusted: wrong counters, times, domains and signatures, and forks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cantle_crypto::{SigningKeyScheme, SigningPrivateKey};
use cantle_protocol::{Batch, EventContent, SequencedEvent, SequencerCounter, Signable as _, SignedContent};
use cantle_sequencing::{ClientError, EventError};
use cantle_types::CantonTimestamp;

use crate::support::{World, message};

type Event = SignedContent<SequencedEvent>;

/// Runs a member into an event that was altered, and says what it found.
async fn found(
    counter: i64,
    alter: impl Fn(&World, &SequencedEvent) -> Event + Send + Sync + 'static,
) -> EventError {
    let world = Arc::new(World::new());
    let alice = world.member("alice").await;
    for number in 0..3 {
        world.sequencer.deliver(&message(&format!("{number}"), &[alice.member()]));
    }
    world.sequencer.alter({
        let world = Arc::clone(&world);
        move |_, event| {
            if event.content().counter().get() == counter { alter(&world, event.content()) } else { event }
        }
    });
    let running = world.start(&alice).await;
    let handler = Arc::clone(&running.handler);
    let error = running.ended().await.unwrap_err();
    assert_eq!(
        handler.counters(),
        (0..counter).collect::<Vec<_>>(),
        "what came before was handled, and no more"
    );
    match error {
        ClientError::Event { source, .. } => *source,
        other => panic!("{other:?}"),
    }
}

fn is_fork(error: &ClientError) -> bool {
    matches!(error, ClientError::Event { source, .. } if matches!(**source, EventError::Fork { .. }))
}

fn again(event: &SequencedEvent, counter: i64, timestamp: CantonTimestamp) -> SequencedEvent {
    let counter = SequencerCounter::new(counter).unwrap();
    SequencedEvent::new(counter, timestamp, event.domain_id().clone(), event.content().clone())
}

#[tokio::test]
async fn a_counter_that_is_left_out_is_found() {
    let error =
        found(2, |world, event| world.sequencer.signed(again(event, 3, event.timestamp()), None)).await;
    assert!(
        matches!(error, EventError::Counter { expected, found } if (expected.get(), found.get()) == (2, 3))
    );
}

#[tokio::test]
async fn a_counter_that_comes_twice_is_found() {
    let error =
        found(2, |world, event| world.sequencer.signed(again(event, 1, event.timestamp()), None)).await;
    assert!(
        matches!(error, EventError::Counter { expected, found } if (expected.get(), found.get()) == (2, 1))
    );
}

#[tokio::test]
async fn a_first_counter_that_is_not_zero_is_found() {
    let error =
        found(0, |world, event| world.sequencer.signed(again(event, 1, event.timestamp()), None)).await;
    assert!(matches!(error, EventError::Counter { expected, .. } if expected == SequencerCounter::GENESIS));
}

#[tokio::test]
async fn a_time_that_does_not_rise_is_found() {
    let error = found(2, |world, event| {
        let before = event.timestamp().saturating_sub(Duration::from_secs(10));
        world.sequencer.signed(again(event, 2, before), None)
    })
    .await;
    assert!(matches!(error, EventError::Time { .. }));
}

#[tokio::test]
async fn another_domains_event_is_found() {
    let error = found(2, |world, event| {
        let other = "other::domain".parse().unwrap();
        let event = SequencedEvent::new(event.counter(), event.timestamp(), other, event.content().clone());
        world.sequencer.signed(event, None)
    })
    .await;
    assert!(matches!(error, EventError::Domain { .. }));
}

#[tokio::test]
async fn a_signature_by_a_foreign_key_is_found() {
    let error = found(2, |_, event| {
        let key = SigningPrivateKey::generate(SigningKeyScheme::EcDsaP256).unwrap();
        let signature = key.sign_hash(&event.hash()).unwrap();
        SignedContent::assemble(event.clone(), signature, None)
    })
    .await;
    assert!(matches!(error, EventError::Signature { .. }));
}

#[tokio::test]
async fn a_signature_by_another_member_of_the_domain_is_found() {
    let error = found(2, |world, event| {
        let signature = world.domain.mediator_key().sign_hash(&event.hash()).unwrap();
        SignedContent::assemble(event.clone(), signature, None)
    })
    .await;
    assert!(matches!(error, EventError::Signature { .. }));
}

#[tokio::test]
async fn a_signature_of_another_event_is_found() {
    let error = found(2, |world, event| {
        let other = again(event, 2, event.timestamp().successor().unwrap());
        let signature = world.sequencer.signed(event.clone(), None).signature().clone();
        SignedContent::assemble(other, signature, None)
    })
    .await;
    assert!(matches!(error, EventError::Signature { .. }));
}

#[tokio::test]
async fn a_signing_key_of_the_future_is_found() {
    let error = found(2, |world, event| {
        world.sequencer.signed(event.clone(), Some(event.timestamp().saturating_add(Duration::from_secs(1))))
    })
    .await;
    assert!(matches!(error, EventError::SigningKeyTime { .. }));
}

#[tokio::test]
async fn a_signing_key_of_the_past_is_looked_up_there() {
    // Before the domain's topology there was no key.
    let error = found(2, |world, event| {
        world
            .sequencer
            .signed(event.clone(), Some(event.timestamp().saturating_sub(Duration::from_secs(3600))))
    })
    .await;
    assert!(matches!(error, EventError::Signature { .. }), "{error:?}");
}

#[tokio::test]
async fn the_first_event_must_not_point_to_another_time() {
    let error = found(0, |world, event| {
        world.sequencer.signed(event.clone(), Some(event.timestamp().saturating_sub(Duration::from_secs(1))))
    })
    .await;
    assert!(matches!(error, EventError::SigningKeyTime { .. }));
}

#[tokio::test]
async fn a_fork_is_found_on_reconnection() {
    let world = World::new();
    let alice = world.member("alice").await;
    let running = world.start(&alice).await;
    running.caught_up().await;
    world.sequencer.deliver(&message("one", &[alice.member()]));
    running.handler.heard("one").await;
    let last = world.sequencer.events(&alice.member()).len() - 1;
    let other = message("two", &[alice.member()]).compress();
    let sequencer = world.sequencer.clone();
    world.sequencer.alter(move |_, event| {
        let content = event.content();
        if content.counter().get() != i64::try_from(last).unwrap() {
            return event;
        }
        let said = EventContent::Deliver { message_id: None, batch: other.clone() };
        let forked =
            SequencedEvent::new(content.counter(), content.timestamp(), content.domain_id().clone(), said);
        sequencer.signed(forked, None)
    });
    world.sequencer.disconnect(None);
    let error = running.ended().await.unwrap_err();
    assert!(is_fork(&error), "{error:?}");
}

#[tokio::test]
async fn a_fork_is_found_after_a_restart() {
    let world = World::new();
    let alice = world.member("alice").await;
    let running = world.start(&alice).await;
    running.caught_up().await;
    running.stopped().await;
    let sequencer = world.sequencer.clone();
    world.sequencer.alter(move |_, event| {
        let content = event.content();
        let said = EventContent::Deliver { message_id: None, batch: Batch::empty().compress() };
        let forked =
            SequencedEvent::new(content.counter(), content.timestamp(), content.domain_id().clone(), said);
        sequencer.signed(forked, None)
    });
    let error = world.start(&alice).await.ended().await.unwrap_err();
    assert!(is_fork(&error), "{error:?}");
}

#[tokio::test]
async fn the_same_event_signed_anew_is_no_fork() {
    let world = World::new();
    let alice = world.member("alice").await;
    let running = world.start(&alice).await;
    running.caught_up().await;
    let signed = Arc::new(AtomicBool::new(false));
    world.sequencer.alter({
        let (sequencer, signed) = (world.sequencer.clone(), Arc::clone(&signed));
        move |_, event| {
            signed.store(true, Ordering::Relaxed);
            sequencer.signed(event.into_content(), None)
        }
    });
    world.sequencer.disconnect(None);
    world.sequencer.deliver(&message("later", &[alice.member()]));
    running.handler.heard("later").await;
    assert!(signed.load(Ordering::Relaxed));
    running.stopped().await;
}
