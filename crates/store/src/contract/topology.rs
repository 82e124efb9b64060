//! Topology transactions.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::samples::{fingerprint, time, transaction};
use crate::TopologyOp::{Add, Remove, Replace};
use crate::{
    Conflict, NewTopologyTransaction, NodeStore, StoreError, StoredTopologyTransaction, TimeQuery,
    TopologyQuery, TopologyStoreId,
};

const AUTHORIZED: TopologyStoreId = TopologyStoreId::Authorized;

async fn append(
    store: &dyn NodeStore,
    transactions: Vec<NewTopologyTransaction>,
    now: i64,
) -> Vec<StoredTopologyTransaction> {
    store.topology_append(&AUTHORIZED, transactions, time(now)).await.expect("transactions can be appended")
}

async fn list(store: &dyn NodeStore, query: &TopologyQuery) -> Vec<StoredTopologyTransaction> {
    store.topology_list(&AUTHORIZED, query).await.expect("transactions can be listed")
}

async fn elements(store: &dyn NodeStore, query: TopologyQuery) -> Vec<String> {
    list(store, &query).await.into_iter().map(|stored| stored.transaction.element_id).collect()
}

fn at(time: TimeQuery) -> TopologyQuery {
    TopologyQuery { time, ..TopologyQuery::default() }
}

pub(super) async fn times_increase_and_come_back(store: &dyn NodeStore) {
    assert_eq!(store.topology_latest(&AUTHORIZED).await.expect("the time can be read"), None);
    let batch = |element: &str| transaction(Add, "okm", element, b"m");
    let first = append(store, vec![batch("a"), batch("b"), batch("c")], 1_000_000).await;
    // The clock stands still, then goes back.
    let second = append(store, vec![batch("d")], 1_000_000).await;
    let third = append(store, vec![batch("e")], 5).await;
    let fourth = append(store, vec![batch("f")], 2_000_000).await;
    let all = [first, second, third, fourth].concat();
    let times: Vec<_> = all.iter().map(|stored| stored.sequenced.as_microsecond()).collect();
    assert_eq!(times, [1_000_000, 1_000_001, 1_000_002, 1_000_003, 1_000_004, 2_000_000]);
    assert!(all.iter().all(|stored| stored.valid_from == stored.sequenced && stored.valid_until.is_none()));
    assert_eq!(list(store, &TopologyQuery::default()).await, all);
    assert_eq!(
        store.topology_latest(&AUTHORIZED).await.expect("the time can be read"),
        Some(time(2_000_000))
    );
    assert!(append(store, Vec::new(), 3_000_000).await.is_empty());
}

pub(super) async fn removal_ends_all_of_its_path(store: &dyn NodeStore) {
    let by_other =
        NewTopologyTransaction { signed_by: fingerprint("key2"), ..transaction(Add, "nsd", "a", b"m") };
    append(store, vec![transaction(Add, "nsd", "a", b"m"), by_other, transaction(Add, "nsd", "b", b"m")], 10)
        .await;
    let removal = append(store, vec![transaction(Remove, "nsd", "a", b"m")], 20).await;
    assert_eq!(removal[0].valid_until, Some(time(20)), "a removal is never valid");
    assert_eq!(elements(store, TopologyQuery::default()).await, ["b"]);
    let history = list(store, &at(TimeQuery::HISTORY)).await;
    let ends: Vec<_> = history.iter().map(|stored| stored.valid_until).collect();
    assert_eq!(ends, [Some(time(20)), Some(time(20)), None, Some(time(20))]);
    assert_eq!(elements(store, at(TimeQuery::Snapshot(time(20)))).await, ["a", "a", "b"]);
    assert_eq!(elements(store, at(TimeQuery::Snapshot(time(21)))).await, ["b"]);
}

pub(super) async fn replacement_ends_its_predecessor(store: &dyn NodeStore) {
    let parameters = |mapping| transaction(Replace, "dmp", "domain", mapping);
    for (mapping, now) in [(b"one", 10), (b"two", 20), (b"one", 30)] {
        append(store, vec![parameters(mapping)], now).await;
    }
    let valid = list(store, &TopologyQuery::default()).await;
    assert_eq!(valid.len(), 1, "the same parameters may come back, and one set is valid");
    assert_eq!(valid[0].sequenced, time(30));
    assert_eq!(list(store, &at(TimeQuery::Snapshot(time(15)))).await[0].transaction.mapping_hash, b"one");
    assert_eq!(list(store, &at(TimeQuery::Snapshot(time(25)))).await[0].transaction.mapping_hash, b"two");
}

pub(super) async fn nothing_is_appended_when_one_conflicts(store: &dyn NodeStore) {
    let before = append(store, vec![transaction(Add, "okm", "a", b"m")], 10).await;
    let batch = vec![
        transaction(Remove, "okm", "a", b"m"),
        transaction(Add, "okm", "b", b"m"),
        transaction(Add, "okm", "a", b"m"),
    ];
    let error =
        store.topology_append(&AUTHORIZED, batch, time(20)).await.expect_err("the last one was added before");
    let StoreError::Conflict(Conflict::TopologyTransaction { element_id, code, .. }) = &error else {
        panic!("{error:?}")
    };
    assert_eq!((element_id.as_str(), code.as_str()), ("a", "okm"));
    assert_eq!(list(store, &at(TimeQuery::HISTORY)).await, before, "neither additions nor ends are stored");
}

pub(super) async fn a_removed_addition_cannot_come_back(store: &dyn NodeStore) {
    append(store, vec![transaction(Add, "idd", "a", b"m"), transaction(Remove, "idd", "a", b"m")], 10).await;
    let again = store.topology_append(&AUTHORIZED, vec![transaction(Add, "idd", "a", b"m")], time(20)).await;
    assert!(matches!(again, Err(StoreError::Conflict(Conflict::TopologyTransaction { .. }))), "{again:?}");
    assert!(elements(store, TopologyQuery::default()).await.is_empty());
    append(store, vec![transaction(Add, "idd", "new-element", b"m")], 30).await;
    assert_eq!(elements(store, TopologyQuery::default()).await, ["new-element"]);
}

pub(super) async fn queries_filter_and_look_back(store: &dyn NodeStore) {
    let sample = |element: &str, namespace: &str, identifier: &str, code: &str| NewTopologyTransaction {
        namespace: fingerprint(namespace),
        identifier: identifier.to_owned(),
        ..transaction(Add, code, element, b"m")
    };
    let batch = vec![
        sample("a", "1220aa", "", "nsd"),
        sample("b", "1220ab", "alice", "okm"),
        NewTopologyTransaction { signed_by: fingerprint("key2"), ..sample("c", "1220bb", "al_ce", "okm") },
        transaction(Remove, "okm", "gone", b"m"),
    ];
    append(store, batch, 100).await;
    let query = TopologyQuery::default;
    let cases = [
        (query(), "abc"),
        (TopologyQuery { code: Some("okm".into()), ..query() }, "bc"),
        (TopologyQuery { namespace_prefix: "1220a".into(), ..query() }, "ab"),
        (TopologyQuery { identifier_prefix: "al".into(), ..query() }, "bc"),
        (TopologyQuery { identifier_prefix: "al_".into(), ..query() }, "c"),
        (TopologyQuery { identifier_prefix: "alice-and-more".into(), ..query() }, ""),
        (TopologyQuery { signed_by_prefix: "key2".into(), ..query() }, "c"),
        (TopologyQuery { op: Some(Remove), ..query() }, ""),
        (TopologyQuery { op: Some(Add), code: Some("nsd".into()), ..query() }, "a"),
        (at(TimeQuery::Snapshot(time(100))), ""),
        (at(TimeQuery::Snapshot(time(102))), "ab"),
        (at(TimeQuery::Range { from: Some(time(101)), until: Some(time(102)) }), "bc"),
        (at(TimeQuery::Range { from: None, until: Some(time(100)) }), "a"),
    ];
    for (query, expected) in cases {
        let found = elements(store, query.clone()).await.concat();
        assert_eq!(found, expected, "{query:?}");
    }
    let removals = TopologyQuery { op: Some(Remove), ..at(TimeQuery::HISTORY) };
    assert_eq!(elements(store, removals).await, ["gone"]);
}

pub(super) async fn stores_do_not_mix(store: &dyn NodeStore) {
    let domain = TopologyStoreId::Domain("domain::1220aa".parse().expect("the sample is a domain id"));
    let sample = vec![transaction(Add, "okm", "a", b"m")];
    store
        .topology_append(&domain, sample.clone(), time(50))
        .await
        .expect("a domain's store can be appended to");
    append(store, sample, 10).await;
    let removal = vec![transaction(Remove, "okm", "a", b"m")];
    append(store, removal, 20).await;
    assert!(elements(store, TopologyQuery::default()).await.is_empty());
    let query = TopologyQuery::default();
    assert_eq!(store.topology_list(&domain, &query).await.expect("transactions can be listed").len(), 1);
    let stores = store.topology_stores().await.expect("stores can be listed");
    assert_eq!(stores, [AUTHORIZED, domain]);
}

pub(super) async fn concurrent_appends_get_distinct_times(store: Arc<dyn NodeStore>) {
    let tasks: Vec<_> = (0..16)
        .map(|number| {
            let store = Arc::clone(&store);
            let sample = vec![transaction(Add, "okm", &format!("e{number}"), b"m")];
            tokio::spawn(async move { store.topology_append(&AUTHORIZED, sample, time(7)).await })
        })
        .collect();
    let mut times = BTreeSet::new();
    for task in tasks {
        let stored = task.await.expect("the task ends").expect("transactions can be appended");
        times.insert(stored[0].sequenced.as_microsecond());
    }
    assert_eq!(times, (7..23).collect());
}
