//! A database that sequencers share: one writes, whatever happens to it, and what is forwarded is sequenced once.

use std::time::Duration;

use bytes::Bytes;
use cantle_store::{
    Conflict, EventPage, Forwarded, ForwardedKind, ForwardedOutcome, Lead, MemberNumber, NewSequencerMember,
    NodeIdentity, NodeKind, OpenError, PostgresGroup, PostgresOptions, PostgresStore, SequencerBatch,
    SequencerEvent, SequencerGroup, SequencerStore, StoreError,
};
use cantle_types::Member;
use jiff::Timestamp;

use super::{Cluster, database};

fn member() -> Member {
    "PAR::p::1220bb".parse().unwrap()
}

fn time(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap()
}

/// The event of a counter, at the time of that name; the first makes the member known.
fn batch(counter: i64) -> SequencerBatch {
    let number = MemberNumber(0);
    let new = NewSequencerMember { number, member: member(), registered: time(1) };
    let event = SequencerEvent {
        member: number,
        counter,
        sequenced: time(counter + 1),
        signed: Bytes::from_static(b"signed"),
        traceparent: None,
    };
    SequencerBatch {
        domain: "domain::1220aa".parse().unwrap(),
        latest: time(counter + 1),
        members: if counter == 0 { vec![new] } else { Vec::new() },
        events: vec![event],
        topology: Vec::new(),
        forwarded: Vec::new(),
    }
}

fn named(options: &PostgresOptions, name: &str) -> PostgresOptions {
    let node = NodeIdentity { kind: NodeKind::Sequencer, name: name.parse().unwrap() };
    PostgresOptions { node, ..options.clone() }
}

async fn group(options: &PostgresOptions, name: &str, silence: Duration) -> PostgresGroup {
    PostgresGroup::open_with(named(options, name), silence).await.unwrap()
}

async fn counters(group: &PostgresGroup) -> Vec<i64> {
    let all = EventPage { from: 0, events: 1000, bytes: u64::MAX };
    let events = group.sequencer_events(MemberNumber(0), all).await.unwrap();
    events.iter().map(|event| event.counter).collect()
}

/// Two that share a database, of which the first leads.
async fn two(name: &str, silence: Duration) -> (std::sync::Arc<Cluster>, PostgresGroup, PostgresGroup) {
    let (cluster, options) = database(name).await;
    let (one, two) = tokio::join!(group(&options, "one", silence), group(&options, "two", silence));
    assert_eq!(one.lead_take().await.unwrap(), Lead::Taken);
    assert_eq!(one.lead_take().await.unwrap(), Lead::Kept);
    (cluster, one, two)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL"]
async fn one_sequencer_of_several_appends_and_all_read() {
    let (_cluster, one, two) = two("group_one", PostgresGroup::SILENCE).await;
    let mut announced = two.announcements();
    one.sequencer_append(&batch(0)).await.unwrap();
    tokio::time::timeout(Duration::from_secs(20), announced.changed()).await.unwrap().unwrap();
    assert_eq!(counters(&two).await, [0]);
    assert_eq!(two.lead_take().await.unwrap(), Lead::Other);
    let refused = two.sequencer_append(&batch(1)).await.unwrap_err();
    assert!(matches!(refused, StoreError::TakenOver { .. }), "{refused:?}");
    two.sequencer_acknowledge(&[(MemberNumber(0), time(1))]).await.unwrap();

    one.lead_leave().await;
    assert_eq!(two.lead_take().await.unwrap(), Lead::Taken);
    let refused = one.sequencer_append(&batch(1)).await.unwrap_err();
    assert!(matches!(refused, StoreError::TakenOver { .. }), "{refused:?}");
    two.sequencer_append(&batch(1)).await.unwrap();
    assert_eq!(counters(&one).await, [0, 1]);
    one.close().await;
    two.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL"]
async fn a_leader_that_fell_silent_loses_the_lead_and_can_never_append() {
    // A silence of nothing: whoever leads has always been silent for too long.
    let (_cluster, one, two) = two("group_silent", Duration::ZERO).await;
    one.sequencer_append(&batch(0)).await.unwrap();
    let mut lead = Lead::Other;
    for _ in 0..20 {
        lead = two.lead_take().await.unwrap();
        if lead == Lead::Taken {
            break;
        }
    }
    assert_eq!(lead, Lead::Taken, "the session of the first was ended");
    for _ in 0..3 {
        one.sequencer_append(&batch(1)).await.unwrap_err();
    }
    two.sequencer_append(&batch(1)).await.unwrap();
    one.sequencer_append(&batch(2)).await.unwrap_err();
    assert_eq!(counters(&one).await, [0, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL"]
async fn what_is_forwarded_is_answered_with_its_events_or_taken_back() {
    let (_cluster, one, two) = two("group_forwarded", PostgresGroup::SILENCE).await;
    let forwarded = Forwarded {
        kind: ForwardedKind::Signed,
        caller: member(),
        content: Bytes::from_static(b"submission"),
        traceparent: Some("00-trace-01".to_owned()),
    };
    let mut announced = one.announcements();
    let first = two.forwarded_insert(&forwarded).await.unwrap();
    tokio::time::timeout(Duration::from_secs(20), announced.changed()).await.unwrap().unwrap();
    let second = two.forwarded_insert(&forwarded).await.unwrap();
    let third = two.forwarded_insert(&forwarded).await.unwrap();
    let open = one.forwarded_open(10).await.unwrap();
    assert_eq!(open, [first, second, third].map(|id| (id, forwarded.clone())));

    // Batches that fail answer nothing, one that does not answers all.
    let wrong = SequencerBatch { forwarded: vec![first], ..batch(7) };
    one.sequencer_append(&wrong).await.unwrap_err();
    assert_eq!(two.forwarded_outcome(first).await.unwrap(), None);
    one.sequencer_append(&SequencerBatch { forwarded: vec![first], ..batch(0) }).await.unwrap();
    let outcome = two.forwarded_outcome(first).await.unwrap().unwrap();
    assert_eq!(outcome.word, ForwardedOutcome::SEQUENCED);
    assert!(!two.forwarded_withdraw(first).await.unwrap(), "it was sequenced");

    assert!(two.forwarded_withdraw(second).await.unwrap());
    let error =
        one.sequencer_append(&SequencerBatch { forwarded: vec![second], ..batch(1) }).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict(Conflict::Sequenced { .. })), "{error:?}");

    let refused = ForwardedOutcome { word: "request refused".to_owned(), message: "no".to_owned() };
    one.forwarded_answer(third, &refused).await.unwrap();
    let other = ForwardedOutcome { message: "other".to_owned(), ..refused.clone() };
    one.forwarded_answer(third, &other).await.unwrap();
    assert_eq!(two.forwarded_outcome(third).await.unwrap(), Some(refused), "the first answer stands");
    two.forwarded_forget(third).await.unwrap();
    assert_eq!(two.forwarded_outcome(third).await.unwrap(), None);
    assert!(one.forwarded_open(10).await.unwrap().is_empty());
    one.forwarded_sweep(third).await.unwrap();
    assert_eq!(two.forwarded_outcome(first).await.unwrap(), None);
    assert_eq!(counters(&two).await, [0]);
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_database_is_shared_or_a_nodes_own() {
    let (_cluster, options) = database("group_owner").await;
    let shared = group(&options, "one", PostgresGroup::SILENCE).await;
    shared.schema("cantle_\"one").await.unwrap();
    shared.schema("cantle_\"one").await.unwrap();
    shared.close().await;
    let error = PostgresStore::open(named(&options, "one")).await.unwrap_err();
    assert!(matches!(error, OpenError::OtherNode { .. }), "{error:?}");
    let (_cluster, options) = database("group_own").await;
    PostgresStore::open(named(&options, "one")).await.unwrap().close().await;
    let error = PostgresGroup::open(named(&options, "one")).await.unwrap_err();
    assert!(matches!(error, OpenError::OtherNode { .. }), "{error:?}");
}
