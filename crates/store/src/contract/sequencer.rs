//! A sequencer's members and events.

use bytes::Bytes;
use cantle_types::{DomainId, Member};

use super::samples::{time, transaction};
use crate::TopologyOp::{Add, Remove};
use crate::{
    Conflict, EventPage, MemberNumber, NewSequencerMember, NodeStore, SequencedTopology, SequencerBatch,
    SequencerEvent, StoreError, TimeQuery, TopologyQuery, TopologyStoreId,
};

const EVERYTHING: EventPage = EventPage { from: 0, events: 10_000, bytes: u64::MAX };

fn domain() -> DomainId {
    "domain::1220aa".parse().expect("the sample is a domain id")
}

fn member(number: i64) -> NewSequencerMember {
    let member: Member = format!("PAR::p{number}::1220bb").parse().expect("the sample is a member");
    NewSequencerMember { number: MemberNumber(number), member, registered: time(number) }
}

fn event(member: i64, counter: i64, at: i64) -> SequencerEvent {
    SequencerEvent {
        member: MemberNumber(member),
        counter,
        sequenced: time(at),
        signed: Bytes::from(vec![u8::try_from(counter % 251).expect("less than 256"); 100]),
        traceparent: (counter % 2 == 0).then(|| format!("00-trace-{counter}-01")),
    }
}

fn batch(latest: i64, events: Vec<SequencerEvent>) -> SequencerBatch {
    SequencerBatch {
        domain: domain(),
        latest: time(latest),
        members: Vec::new(),
        events,
        topology: Vec::new(),
        forwarded: Vec::new(),
    }
}

async fn append(store: &dyn NodeStore, batch: SequencerBatch) {
    store.sequencer_append(&batch).await.expect("a batch that follows can be appended");
}

async fn read(store: &dyn NodeStore, member: i64, page: EventPage) -> Vec<SequencerEvent> {
    store.sequencer_events(MemberNumber(member), page).await.expect("events can be read")
}

async fn counters(store: &dyn NodeStore, member: i64, page: EventPage) -> Vec<i64> {
    read(store, member, page).await.iter().map(|event| event.counter).collect()
}

pub(super) async fn events_come_back_by_member_and_counter(store: &dyn NodeStore) {
    assert_eq!(store.sequencer_latest().await.expect("the time can be read"), None);
    assert!(store.sequencer_members().await.expect("members can be read").is_empty());
    assert_eq!(store.sequencer_earliest().await.expect("the time can be read"), None);
    // More than one statement's rows, of two members in turn.
    let events: Vec<_> = (0..150).map(|index| event(index % 2, index / 2, 100 + index)).collect();
    append(store, SequencerBatch { members: vec![member(0), member(1)], ..batch(300, events.clone()) }).await;
    append(store, batch(301, vec![event(1, 75, 301)])).await;
    append(store, SequencerBatch { members: vec![member(2)], ..batch(400, Vec::new()) }).await;

    let of_first: Vec<_> = events.iter().filter(|event| event.member.0 == 0).cloned().collect();
    assert_eq!(read(store, 0, EVERYTHING).await, of_first);
    assert_eq!(counters(store, 1, EventPage { from: 73, ..EVERYTHING }).await, [73, 74, 75]);
    assert_eq!(counters(store, 1, EventPage { from: 10, events: 2, ..EVERYTHING }).await, [10, 11]);
    assert_eq!(counters(store, 1, EventPage { from: 10, bytes: 350, ..EVERYTHING }).await, [10, 11, 12]);
    assert_eq!(counters(store, 1, EventPage { from: 10, bytes: 1, ..EVERYTHING }).await, [10]);
    assert!(counters(store, 1, EventPage { from: 76, ..EVERYTHING }).await.is_empty());
    assert!(counters(store, 2, EVERYTHING).await.is_empty());

    let members = store.sequencer_members().await.expect("members can be read");
    assert_eq!(members.iter().map(|member| member.next_counter).collect::<Vec<_>>(), [75, 76, 0]);
    assert_eq!(members[2].member, member(2).member);
    assert_eq!((members[2].registered, members[2].acknowledged), (time(2), None));
    assert_eq!(store.sequencer_latest().await.expect("the time can be read"), Some(time(400)));
    assert_eq!(store.sequencer_earliest().await.expect("the time can be read"), Some(time(100)));
}

pub(super) async fn what_does_not_follow_is_refused_whole(store: &dyn NodeStore) {
    let two = vec![event(0, 0, 10), event(0, 1, 11)];
    append(store, SequencerBatch { members: vec![member(0), member(1)], ..batch(11, two) }).await;
    let left_out = batch(20, vec![event(1, 0, 20), event(0, 3, 20)]);
    let repeated = batch(20, vec![event(1, 0, 20), event(0, 1, 20)]);
    let not_from_zero = batch(20, vec![event(1, 1, 20)]);
    let of_nobody = batch(20, vec![event(1, 0, 20), event(7, 0, 20)]);
    let old = batch(11, vec![event(1, 0, 11)]);
    let number_taken = SequencerBatch {
        members: vec![NewSequencerMember { member: member(9).member, ..member(1) }],
        ..batch(20, Vec::new())
    };
    let member_taken = SequencerBatch {
        members: vec![NewSequencerMember { number: MemberNumber(9), ..member(1) }],
        ..batch(20, Vec::new())
    };
    for wrong in [left_out, repeated, not_from_zero, of_nobody, old, number_taken, member_taken] {
        let error = store.sequencer_append(&wrong).await.expect_err("it does not follow");
        assert!(matches!(error, StoreError::Conflict(Conflict::Sequenced { .. })), "{wrong:?}: {error:?}");
        assert!(!error.retryable());
        assert!(counters(store, 1, EVERYTHING).await.is_empty(), "nothing of {wrong:?} is stored");
        assert_eq!(store.sequencer_latest().await.expect("the time can be read"), Some(time(11)));
    }
    append(store, batch(20, vec![event(0, 2, 20), event(1, 0, 20)])).await;
    assert_eq!(counters(store, 0, EVERYTHING).await, [0, 1, 2]);
}

pub(super) async fn topology_is_stored_with_its_events(store: &dyn NodeStore) {
    let message = |sequenced, effective, transactions| SequencedTopology {
        sequenced: time(sequenced),
        effective: time(effective),
        transactions,
    };
    let added = vec![transaction(Add, "okm", "a", b"m"), transaction(Add, "okm", "b", b"m")];
    let first = message(10, 260, added.clone());
    append(
        store,
        SequencerBatch {
            members: vec![member(0)],
            topology: vec![first.clone()],
            ..batch(10, vec![event(0, 0, 10)])
        },
    )
    .await;
    // The domain's members in the same node see the message too; it is there already.
    store.topology_append_sequenced(&domain(), &[first]).await.expect("a known message is left out");
    // Again with a new signature, and a removal, in one message.
    let second = message(20, 270, vec![added[1].clone(), transaction(Remove, "okm", "a", b"m")]);
    store.topology_append_sequenced(&domain(), &[second]).await.expect("a message can be appended");

    let query = |time| TopologyQuery { time, ..TopologyQuery::default() };
    let list = |time| {
        let id = TopologyStoreId::Domain(domain());
        async move { store.topology_list(&id, &query(time)).await.expect("transactions can be listed") }
    };
    let history = list(TimeQuery::HISTORY).await;
    let times: Vec<_> = history
        .iter()
        .map(|stored| {
            let micros = |time: jiff::Timestamp| time.as_microsecond();
            (micros(stored.sequenced), micros(stored.valid_from), stored.valid_until.map(micros))
        })
        .collect();
    assert_eq!(times, [(10, 260, Some(270)), (10, 260, None), (20, 270, None), (20, 270, Some(270))]);
    let elements = history.iter().map(|stored| stored.transaction.element_id.as_str());
    assert_eq!(elements.collect::<Vec<_>>(), ["a", "b", "b", "a"], "order within a message is kept");
    assert!(list(TimeQuery::Snapshot(time(260))).await.is_empty());
    assert_eq!(list(TimeQuery::Snapshot(time(261))).await.len(), 2);
    assert_eq!(list(TimeQuery::Snapshot(time(271))).await.len(), 2, "b, twice");
}

pub(super) async fn acknowledgements_never_go_back(store: &dyn NodeStore) {
    append(store, SequencerBatch { members: vec![member(0), member(1)], ..batch(1, Vec::new()) }).await;
    let (first, unknown) = (MemberNumber(0), MemberNumber(5));
    for times in [vec![(first, time(30)), (unknown, time(1))], vec![(first, time(20))], Vec::new()] {
        store.sequencer_acknowledge(&times).await.expect("times can be noted");
    }
    let members = store.sequencer_members().await.expect("members can be read");
    assert_eq!(members.iter().map(|member| member.acknowledged).collect::<Vec<_>>(), [Some(time(30)), None]);
}
