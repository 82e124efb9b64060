//! What an operator does with a sequencer: members that are disabled for good, and its state as of a time.

use std::time::Duration;

use cantle_sequencer::{AuthFailure, DisableError, SnapshotError, SubscriptionEnd};
use cantle_sequencing::RefusalReason;

use super::support::{Keyed, World, events, in_time, next, reason, to};

fn versions() -> Vec<String> {
    vec!["7.0.0".to_owned()]
}

#[tokio::test]
async fn a_disabled_member_can_do_nothing_any_more_and_is_disabled_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::in_file(&folder.path().join("sequencer.db"));
    let sequencer = world.running().await;
    let (one, two) = (world.one(), world.two());
    let mut open = sequencer.subscribe(&one.member, 0).unwrap();
    next(&mut open).await;
    assert!(sequencer.status().await.unwrap().members.iter().all(|member| member.enabled));

    sequencer.disable_member(&one.member).await.unwrap();
    assert!(matches!(in_time(open.next()).await, Err(SubscriptionEnd::Deactivated)));
    drop(open);
    assert!(matches!(sequencer.subscribe(&one.member, 0), Err(SubscriptionEnd::Deactivated)));
    let refused = world.send(&sequencer, one, vec![to(b"still here", &[&two.member])]).await;
    assert_eq!(reason(refused), RefusalReason::RequestRefused);
    let failure = sequencer.challenge(&one.member, &versions()).unwrap_err();
    assert_eq!(failure, AuthFailure::ParticipantDisabled(one.member.clone()));
    // The others go on.
    world.send(&sequencer, two, vec![to(b"hello", &[&two.member])]).await.unwrap();
    sequencer.challenge(&two.member, &versions()).unwrap();
    // Again is as good.
    sequencer.disable_member(&one.member).await.unwrap();
    sequencer.close().await;
    drop(sequencer);

    let (sequencer, _) = world.open(world.store().await).await;
    sequencer.challenge(&one.member, &versions()).unwrap_err();
    let status = sequencer.status().await.unwrap();
    let disabled = status.members.iter().filter(|member| !member.enabled).map(|member| &member.member);
    assert_eq!(disabled.collect::<Vec<_>>(), [&one.member]);
}

#[tokio::test]
async fn a_stranger_and_the_manager_cannot_be_disabled() {
    let world = World::new();
    let sequencer = world.running().await;
    let stranger = Keyed::participant("stranger").member;
    let unknown = sequencer.disable_member(&stranger).await;
    assert!(matches!(unknown, Err(DisableError::Unknown(member)) if member == stranger));
    let manager = sequencer.disable_member(&world.manager.member).await;
    assert!(matches!(manager, Err(DisableError::Manager(_))));
    world.send(&sequencer, &world.manager, vec![to(b"hello", &[&world.one().member])]).await.unwrap();
}

#[tokio::test]
async fn a_snapshot_has_the_last_counter_of_each_member_at_its_time() {
    let world = World::new();
    let sequencer = world.running().await;
    let (one, two) = (world.one(), world.two());
    for number in 0..5 {
        world.clock.advance(Duration::from_secs(1));
        let receiver = if number % 2 == 0 { one } else { two };
        world.send(&sequencer, two, vec![to(b"hello", &[&receiver.member])]).await.unwrap();
    }
    let of_two = events(&sequencer, &two.member).await;
    let of_one = events(&sequencer, &one.member).await;
    for event in &of_two {
        let at = event.content().timestamp().to_timestamp();
        let snapshot = sequencer.snapshot(at).await.unwrap();
        assert_eq!(snapshot.latest, at);
        let head = |keyed: &Keyed| {
            snapshot.heads.iter().find(|(member, _)| *member == keyed.member).map(|(_, head)| *head)
        };
        assert_eq!(head(two), Some(event.content().counter().get()));
        let mut expected = of_one.iter().filter(|event| event.content().timestamp().to_timestamp() <= at);
        assert_eq!(head(one), expected.next_back().map(|event| event.content().counter().get()));
    }
    let late = world.now().to_timestamp().checked_add(Duration::from_secs(60)).unwrap();
    assert!(matches!(sequencer.snapshot(late).await, Err(SnapshotError::TooLate { .. })));
    let before =
        of_one[0].content().timestamp().to_timestamp().checked_sub(Duration::from_micros(1)).unwrap();
    let snapshot = sequencer.snapshot(before).await.unwrap();
    assert!(snapshot.heads.iter().all(|(member, _)| *member != one.member));
}
