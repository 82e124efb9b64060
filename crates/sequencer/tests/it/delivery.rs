//! Subscriptions: from any counter, fast and slow ones side by side, and how they end.

use cantle_sequencer::SubscriptionEnd;

use super::support::{World, in_time, next, to};

#[tokio::test]
async fn a_subscription_begins_at_any_counter_and_waits_for_what_is_to_come() {
    let world = World::new();
    let sequencer = world.running().await;
    let (one, two) = (world.one(), &world.two().member);
    for _ in 0..5 {
        world.send(&sequencer, one, vec![to(b"x", &[two])]).await.unwrap();
    }
    for from in 0..=6 {
        let mut subscription = sequencer.subscribe(two, from).unwrap();
        for counter in from..6 {
            assert_eq!(next(&mut subscription).await.content().counter().get(), counter);
        }
        if from == 6 {
            let (event, sent) =
                tokio::join!(next(&mut subscription), world.send(&sequencer, one, vec![to(b"y", &[two])]));
            sent.unwrap();
            assert_eq!(event.content().counter().get(), 6);
        }
    }
    let end = sequencer.subscribe(two, 8).unwrap_err();
    assert!(matches!(end, SubscriptionEnd::Beyond { counter: 8, .. }), "{end:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_subscriber_reads_from_the_store_and_slows_nobody() {
    let mut world = World::new();
    world.options.recent_events = 4;
    world.options.page_events = 3;
    let sequencer = world.running().await;
    let (one, two) = (world.one(), &world.two().member);
    let mut slow = sequencer.subscribe(two, 0).unwrap();
    let mut fast = sequencer.subscribe(two, 0).unwrap();
    assert_eq!(next(&mut fast).await.content().counter().get(), 0);
    for counter in 1..50 {
        world.send(&sequencer, one, vec![to(b"x", &[two])]).await.unwrap();
        assert_eq!(next(&mut fast).await.content().counter().get(), counter);
    }
    for counter in 0..50 {
        assert_eq!(next(&mut slow).await.content().counter().get(), counter);
    }
}

#[tokio::test]
async fn both_read_the_same_bytes() {
    let mut world = World::new();
    world.options.recent_events = 1;
    let sequencer = world.running().await;
    let (one, two) = (world.one(), &world.two().member);
    let mut live = sequencer.subscribe(two, 1).unwrap();
    let mut seen = Vec::new();
    for _ in 0..3 {
        world.send(&sequencer, one, vec![to(b"x", &[two])]).await.unwrap();
        seen.push(next(&mut live).await.bytes().to_vec());
    }
    let mut stored = sequencer.subscribe(two, 1).unwrap();
    for bytes in seen {
        assert_eq!(next(&mut stored).await.bytes(), bytes);
    }
}

#[tokio::test]
async fn a_member_has_a_few_subscriptions_and_the_oldest_makes_room() {
    let mut world = World::new();
    world.options.max_subscriptions_per_member = 2;
    let sequencer = world.running().await;
    let one = &world.one().member;
    let mut all: Vec<_> = (0..3).map(|_| sequencer.subscribe(one, 1).unwrap()).collect();
    let end = in_time(all[0].next()).await.unwrap_err();
    assert!(matches!(end, SubscriptionEnd::Replaced), "{end:?}");
    world.send(&sequencer, world.one(), Vec::new()).await.unwrap();
    for subscription in &mut all[1..] {
        assert_eq!(next(subscription).await.content().counter().get(), 1);
    }
    assert_eq!(sequencer.connected(), std::slice::from_ref(one));
}

#[tokio::test]
async fn closing_ends_subscriptions_and_refuses_what_comes_later() {
    let world = World::new();
    let sequencer = world.running().await;
    let mut subscription = sequencer.subscribe(&world.one().member, 1).unwrap();
    let (end, ()) = tokio::join!(in_time(subscription.next()), sequencer.close());
    assert!(matches!(end, Err(SubscriptionEnd::Stopping)), "{end:?}");
    let refused = super::support::reason(world.send(&sequencer, world.one(), Vec::new()).await);
    assert_eq!(refused, cantle_sequencing::RefusalReason::ShuttingDown);
    assert!(matches!(sequencer.subscribe(&world.one().member, 0), Err(SubscriptionEnd::Stopping)));
}
