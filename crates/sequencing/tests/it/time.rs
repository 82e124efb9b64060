//! The domain's time: asked for when nothing is heard, and not otherwise.

use std::sync::Arc;
use std::time::Duration;

use cantle_sequencing::testing::{Call, Fault};
use cantle_types::CantonTimestamp;

use crate::support::{World, in_time, message};

fn asked(world: &World) -> usize {
    world
        .sequencer
        .submissions()
        .iter()
        .filter(|request| cantle_protocol::TimeProof::is_request(request))
        .count()
}

#[tokio::test]
async fn a_time_that_is_waited_for_is_asked_for() {
    let world = World::new();
    let alice = world.member("alice").await;
    let running = world.start(&alice).await;
    running.caught_up().await;
    let wanted = running.client.time().latest().unwrap().saturating_add(Duration::from_millis(30));
    let reached = in_time("the time", running.client.time().await_time(wanted)).await.unwrap();
    assert!(reached >= wanted);
    running.stopped().await;
}

#[tokio::test]
async fn a_time_that_has_come_is_not_asked_for() {
    let world = World::new();
    let alice = world.member("alice").await;
    let running = world.start(&alice).await;
    running.caught_up().await;
    let (latest, before) = (running.client.time().latest().unwrap(), asked(&world));
    assert_eq!(running.client.time().await_time(latest).await, Ok(latest));
    assert_eq!(asked(&world), before);
    running.stopped().await;
}

#[tokio::test]
async fn any_event_tells_the_time() {
    let world = World::new();
    let alice = world.member("alice").await;
    let mut setup = world.setup(&alice);
    setup.client.options.time.patience = Duration::from_secs(3600);
    let running = world.start_with(setup, Default::default()).await;
    running.caught_up().await;
    let before = asked(&world);
    let wanted = running.client.time().latest().unwrap().successor().unwrap();
    let time = running.client.time().clone();
    let waiting = tokio::spawn(async move { time.await_time(wanted).await });
    let at = world.sequencer.deliver(&message("x", &[alice.member()]));
    assert_eq!(in_time("the time", waiting).await.unwrap(), Ok(at));
    assert_eq!(asked(&world), before);
    running.stopped().await;
}

#[tokio::test]
async fn a_fresh_time_is_asked_for_at_once() {
    let world = World::new();
    let alice = world.member("alice").await;
    let mut setup = world.setup(&alice);
    setup.client.options.time.patience = Duration::from_secs(3600);
    let running = world.start_with(setup, Default::default()).await;
    running.caught_up().await;
    let latest = running.client.time().latest().unwrap();
    let fetched = in_time("the time", running.client.time().fetch_time(Duration::ZERO)).await.unwrap();
    assert!(fetched > latest);
    let again =
        in_time("the time", running.client.time().fetch_time(Duration::from_secs(3600))).await.unwrap();
    assert_eq!(again, fetched);
    running.stopped().await;
}

#[tokio::test]
async fn a_question_that_is_lost_is_asked_again() {
    let world = World::new();
    let alice = world.member("alice").await;
    let mut setup = world.setup(&alice);
    setup.client.options.time.max_sequencing_delay = Duration::from_millis(20);
    let running = world.start_with(setup, Default::default()).await;
    running.caught_up().await;
    world.sequencer.fail(Call::Send, [Fault::Unreachable, Fault::CallLost, Fault::CallLost]);
    let latest = running.client.time().latest().unwrap();
    let fetched = in_time("the time", running.client.time().fetch_time(Duration::ZERO)).await.unwrap();
    assert!(fetched > latest);
    running.stopped().await;
}

#[tokio::test]
async fn many_who_wait_ask_once() {
    let world = World::new();
    let alice = world.member("alice").await;
    let running = world.start(&alice).await;
    running.caught_up().await;
    world.sequencer.hold();
    let before = asked(&world);
    let wanted = CantonTimestamp::from(world.clock.now());
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let time = running.client.time().clone();
            tokio::spawn(async move { time.await_time(wanted).await })
        })
        .collect();
    in_time("the question", async {
        while asked(&world) == before {
            tokio::task::yield_now().await;
        }
    })
    .await;
    world.sequencer.release(|_| {});
    for waiting in waiting {
        assert!(in_time("the time", waiting).await.unwrap().is_ok());
    }
    // One more may have gone out when the first answer was late.
    assert!(asked(&world) - before <= 2);
    running.stopped().await;
}

#[tokio::test]
async fn a_clock_that_is_wrong_does_not_matter() {
    // The member's clock is an hour ahead of the sequencer's.
    let world = World::new();
    let alice = world.member("alice").await;
    let mut setup = world.setup(&alice);
    let now = world.clock.now().checked_add(Duration::from_secs(3600)).unwrap();
    setup.client.clock = Arc::new(cantle_types::ManualClock::new(now));
    let running = world.start_with(setup, Default::default()).await;
    running.caught_up().await;
    let wanted = running.client.time().latest().unwrap().saturating_add(Duration::from_millis(100));
    let before = asked(&world);
    let reached = in_time("the time", running.client.time().await_time(wanted)).await.unwrap();
    assert!(reached >= wanted);
    assert!(asked(&world) - before < 5, "it did not ask without end");
    running.stopped().await;
}
