//! What the tables keep, and what they refuse.

use std::time::Duration;

use cantle_store::{
    CryptoProvider, KeyStore, NewTopologyTransaction, PostgresStore, SettingsStore, StoreError, TimeQuery,
    TopologyOp, TopologyQuery, TopologyStore, TopologyStoreId,
};
use jiff::Timestamp;

use super::{database, insert_private, open, pair};

async fn append_topology(store: &PostgresStore, op: TopologyOp) {
    let transaction = NewTopologyTransaction {
        op,
        code: "okm".to_owned(),
        namespace: "ns".parse().unwrap(),
        identifier: "id".to_owned(),
        element_id: "a".to_owned(),
        mapping_hash: vec![1],
        signed_by: "key".parse().unwrap(),
        serialized: vec![2; 100],
    };
    let now = Timestamp::UNIX_EPOCH;
    store.topology_append(&TopologyStoreId::Authorized, vec![transaction], now).await.unwrap();
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn everything_is_there_after_reopening() {
    let (_cluster, options) = database("reopened").await;
    let pair = pair();
    let store = open(&options).await;
    insert_private(&store, &pair).await;
    store.uid_insert(&"participant1::abc".parse().unwrap()).await.unwrap();
    store.close().await;
    let error = store.public_key_list().await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { operation: "public_key_list", .. }), "{error:?}");
    let store = open(&options).await;
    let found = store.private_key_find(pair.fingerprint()).await.unwrap().unwrap();
    assert_eq!(found.key, pair.to_versioned_bytes());
    assert_eq!(store.uid_find().await.unwrap().unwrap().as_str(), "participant1::abc");
    assert_eq!(store.provider_find().await.unwrap(), Some(CryptoProvider::Jce));
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn topology_rows_cannot_be_rewritten() {
    let (cluster, options) = database("history").await;
    let store = open(&options).await;
    append_topology(&store, TopologyOp::Add).await;
    append_topology(&store, TopologyOp::Remove).await;
    let mut admin = cluster.admin("history").await;
    for sql in [
        "DELETE FROM topology_transactions",
        "TRUNCATE topology_transactions",
        r"UPDATE topology_transactions SET serialized = '\x00'",
        "UPDATE topology_transactions SET valid_until = NULL",
    ] {
        let error = sqlx::query(sql).execute(&mut admin).await.unwrap_err();
        assert!(error.to_string().contains("append-only"), "{sql}: {error}");
    }
    let query = TopologyQuery { time: TimeQuery::HISTORY, ..TopologyQuery::default() };
    assert_eq!(store.topology_list(&TopologyStoreId::Authorized, &query).await.unwrap().len(), 2);
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn damaged_rows_are_reported_not_skipped() {
    let (cluster, options) = database("damaged").await;
    let store = open(&options).await;
    let pair = pair();
    insert_private(&store, &pair).await;
    let damage = r"UPDATE public_keys SET key = '\x0a02ffff'; UPDATE node SET uid = 'no separator'";
    cluster.run("damaged", damage).await;
    let error = store.public_key_find(pair.fingerprint()).await.unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt { table: "public_keys", .. }), "{error:?}");
    assert!(error.to_string().contains(pair.fingerprint().as_str()), "{error}");
    assert!(matches!(store.uid_find().await, Err(StoreError::Corrupt { table: "node", .. })));
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_zero_character_is_refused_for_good() {
    let (_cluster, options) = database("zero").await;
    let store = open(&options).await;
    let key = pair().public();
    let error = store.public_key_insert(&key, Some(&"a\0b".parse().unwrap())).await.unwrap_err();
    assert!(matches!(&error, StoreError::Refused { operation: "public_key_insert", .. }), "{error:?}");
    assert!(!error.retryable());
    assert!(store.public_key_list().await.unwrap().is_empty());
    store.public_key_insert(&key, None).await.unwrap();
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn writes_are_durable_where_the_server_would_not_wait() {
    let (cluster, options) = database("durable").await;
    open(&options).await.close().await;
    let check = "ALTER DATABASE durable SET synchronous_commit = off; \
                 CREATE FUNCTION check_durable() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 IF current_setting('synchronous_commit') = 'off' THEN RAISE EXCEPTION 'not durable'; END IF; \
                 RETURN NEW; END $$; \
                 CREATE TRIGGER check_durable BEFORE INSERT ON public_keys \
                 FOR EACH ROW EXECUTE FUNCTION check_durable()";
    cluster.run("durable", check).await;
    let store = open(&options).await;
    store.public_key_insert(&pair().public(), None).await.unwrap();
    assert_eq!(store.public_key_list().await.unwrap().len(), 1);
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_dropped_call_happened_whole_or_not_at_all() {
    let (_cluster, options) = database("dropped").await;
    let store = open(&options).await;
    let mut finished = 0;
    for microseconds in (0..3_000).step_by(100) {
        let pair = pair();
        let call = insert_private(&store, &pair);
        let ended = tokio::time::timeout(Duration::from_micros(microseconds), call).await;
        finished += usize::from(ended.is_ok());
    }
    // One more, so that what was dropped before is over.
    insert_private(&store, &pair()).await;
    let public = store.public_key_list().await.unwrap();
    let private = store.private_key_list().await.unwrap();
    let fingerprints: Vec<_> = public.iter().map(|stored| stored.key.fingerprint().clone()).collect();
    assert_eq!(private.iter().map(|entry| entry.fingerprint.clone()).collect::<Vec<_>>(), fingerprints);
    assert!(public.len() > finished);
}
