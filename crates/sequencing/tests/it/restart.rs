//! What a client does again after it was stopped or killed.

use cantle_sequencing::SequencerClient;

use crate::support::{Recorder, World, in_time, message};

#[tokio::test]
async fn a_stopped_client_goes_on_after_its_last_event() {
    let world = World::new();
    let alice = world.member("alice").await;
    let running = world.start(&alice).await;
    world.sequencer.deliver(&message("one", &[alice.member()]));
    running.handler.heard("one").await;
    running.caught_up().await;
    let before = running.stopped().await.counters();
    world.sequencer.deliver(&message("two", &[alice.member()]));
    let running = world.start(&alice).await;
    running.handler.heard("two").await;
    let after = running.stopped().await.counters();
    assert_eq!(after[0], before.last().unwrap() + 1, "nothing comes twice and nothing is left out");
}

#[tokio::test]
async fn a_killed_client_repeats_at_most_what_it_had_not_stored() {
    let world = World::new();
    let alice = world.member("alice").await;
    let running = world.start(&alice).await;
    running.caught_up().await;
    let member = alice.member();
    for text in ["one", "two", "three"] {
        world.sequencer.deliver(&message(text, std::slice::from_ref(&member)));
    }
    running.handler.heard("three").await;
    let before = running.killed().await.counters();
    let stored = alice.store.cursor_find(&world.domain.id, &member).await.unwrap();
    let running = world.start(&alice).await;
    world.sequencer.deliver(&message("four", &[alice.member()]));
    running.handler.heard("four").await;
    let after = running.stopped().await.counters();
    let first = stored.map_or(0, |cursor| cursor.counter + 1);
    assert_eq!(after[0], first);
    assert!(first <= before.last().unwrap() + 1);
}

#[tokio::test]
async fn what_the_handler_has_not_done_with_comes_again() {
    let world = World::new();
    let alice = world.member("alice").await;
    let running = world.start_with(world.setup(&alice), Recorder::with_open(1)).await;
    running.caught_up().await;
    world.sequencer.deliver(&message("two", &[alice.member()]));
    running.handler.heard("two").await;
    running.stopped().await;
    let again = world.start(&alice).await;
    again.handler.heard("two").await;
    assert_eq!(again.handler.counters()[0], 1);
    again.stopped().await;
}

#[tokio::test]
async fn what_is_done_with_later_is_stored_then() {
    let world = World::new();
    let alice = world.member("alice").await;
    let running = world.start_with(world.setup(&alice), Recorder::with_open(1)).await;
    running.caught_up().await;
    let cursor = || alice.store.cursor_find(&world.domain.id, running.client.member());
    in_time("the cursor before the open event", async {
        while cursor().await.unwrap().is_none_or(|cursor| cursor.counter != 0) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    running.handler.close();
    in_time("the cursor after it", async {
        while cursor().await.unwrap().is_none_or(|cursor| cursor.counter < 1) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    running.stopped().await;
}

#[tokio::test]
async fn a_client_says_once_that_it_has_caught_up_and_after_all_that_was_before() {
    let world = World::new();
    let alice = world.member("alice").await;
    for number in 0..200 {
        world.sequencer.deliver(&message(&format!("{number}"), &[alice.member()]));
    }
    let before = world.sequencer.events(&alice.member()).len();
    let running = world.start(&alice).await;
    running.caught_up().await;
    world.sequencer.deliver(&message("later", &[alice.member()]));
    running.handler.heard("later").await;
    let handler = running.stopped().await;
    let caught_up = handler.caught_up();
    assert_eq!(caught_up.len(), 1);
    let then = handler.seen().iter().filter(|seen| seen.timestamp <= caught_up[0]).count();
    assert!(then > before);
}

#[tokio::test]
async fn the_clean_time_is_acknowledged_at_the_start_and_when_it_moves() {
    let world = World::new();
    let alice = world.member("alice").await;
    let running = world.start(&alice).await;
    running.caught_up().await;
    let acknowledged = |least: usize| {
        let sequencer = world.sequencer.clone();
        async move {
            while sequencer.acknowledged().len() < least {
                tokio::task::yield_now().await;
            }
        }
    };
    in_time("an acknowledgement", acknowledged(1)).await;
    running.stopped().await;
    let cursor = alice.store.cursor_find(&world.domain.id, &alice.member()).await.unwrap().unwrap();
    let before = world.sequencer.acknowledged().len();
    let running = world.start(&alice).await;
    in_time("an acknowledgement", acknowledged(before + 1)).await;
    let (member, time) = world.sequencer.acknowledged()[before].clone();
    assert_eq!((member, time.to_timestamp()), (alice.member(), cursor.sequenced));
    running.stopped().await;
}

#[tokio::test]
async fn a_client_is_run_once() {
    let world = World::new();
    let alice = world.member("alice").await;
    let running = world.start(&alice).await;
    running.caught_up().await;
    let client: SequencerClient = running.client.clone();
    running.stopped().await;
    let again = client.run(std::sync::Arc::new(Recorder::default()), Default::default()).await;
    assert!(again.is_err());
}

#[tokio::test]
async fn a_handler_that_gives_up_ends_the_client() {
    let world = World::new();
    let alice = world.member("alice").await;
    let running = world.start_with(world.setup(&alice), Recorder::failing()).await;
    let health = running.client.health();
    let error = running.ended().await.unwrap_err();
    assert!(matches!(error, cantle_sequencing::ClientError::Handler { .. }));
    let connection = health.borrow().connection.clone();
    assert!(matches!(connection, cantle_sequencing::ConnectionState::Stopped { trouble: Some(_) }));
}
