//! Lists of what is stored, by time, operation, kind, key and version.

use cantle_identity::{ListQuery, Listed};
use cantle_store::{TimeQuery, TopologyStoreId};
use cantle_topology::{MappingCode, TopologyChangeOp, TopologySnapshot};
use cantle_types::ProtocolVersion;

use crate::support::{Node, PLAIN, delegation, foreign_key};

fn ops(listed: &[Listed]) -> Vec<TopologyChangeOp> {
    listed.iter().map(|listed| listed.stored.transaction.transaction().op()).collect()
}

#[tokio::test]
async fn the_authorized_store_is_always_there() {
    let node = Node::participant().await;
    assert_eq!(node.manager.lists().stores().await.unwrap(), [TopologyStoreId::Authorized]);
    assert_eq!(node.manager.lists().list(&ListQuery::default()).await.unwrap(), []);
}

#[tokio::test]
async fn lists_are_filtered() {
    use TopologyChangeOp::{Add, Remove};
    let (node, key) = Node::participant().await.with_namespace().await;
    let mapping = delegation(&key, &foreign_key(1));
    node.clock.advance(std::time::Duration::from_secs(1));
    node.manager.authorize(Add, mapping.clone(), None, PLAIN).await.unwrap();
    let before = node.manager.lists().list(&ListQuery::default()).await.unwrap();
    node.clock.advance(std::time::Duration::from_secs(1));
    node.manager.authorize(Remove, mapping, None, PLAIN).await.unwrap();

    let list = |query: ListQuery| {
        let manager = node.manager.clone();
        async move { manager.lists().list(&query).await.unwrap() }
    };
    let history = ListQuery { time: TimeQuery::HISTORY, ..ListQuery::default() };
    assert_eq!(ops(&list(ListQuery::default()).await), [Add]);
    let all = list(history.clone()).await;
    assert_eq!(ops(&all), [Add, Add, Remove]);
    assert_eq!(all[1].stored.valid_until, Some(all[2].stored.valid_from));
    assert!(all.iter().all(|listed| listed.store == TopologyStoreId::Authorized));
    assert_eq!(ops(&list(ListQuery { state_only: true, ..history.clone() }).await), [Add, Add]);
    assert_eq!(ops(&list(ListQuery { op: Some(Remove), ..history.clone() }).await), [Remove]);
    let at = TimeQuery::Snapshot(all[2].stored.valid_from);
    let snapshot = list(ListQuery { time: at, ..ListQuery::default() }).await;
    assert_eq!(ops(&snapshot), [Add, Add]);
    let transactions =
        |listed: &[Listed]| listed.iter().map(|listed| listed.stored.transaction.clone()).collect::<Vec<_>>();
    assert_eq!(transactions(&snapshot), transactions(&before));

    for (code, count) in [(MappingCode::NamespaceDelegation, 3), (MappingCode::OwnerToKeyMapping, 0)] {
        assert_eq!(list(ListQuery { code: Some(code), ..history.clone() }).await.len(), count);
    }
    let prefix = key.fingerprint().as_str()[..12].to_owned();
    for (signed_by_prefix, count) in [(prefix, 3), ("nobody".to_owned(), 0)] {
        assert_eq!(list(ListQuery { signed_by_prefix, ..history.clone() }).await.len(), count);
    }
    for (store_prefix, count) in [("", 3), ("Auth", 3), ("domain::", 0)] {
        let store_prefix = store_prefix.to_owned();
        assert_eq!(list(ListQuery { store_prefix, ..history.clone() }).await.len(), count);
    }
    for (version, count) in [(ProtocolVersion::V7, 3), (ProtocolVersion::V5, 0)] {
        let protocol_version = Some(version);
        assert_eq!(list(ListQuery { protocol_version, ..history.clone() }).await.len(), count);
    }
}

#[tokio::test]
async fn a_list_makes_a_snapshot_file() {
    let (node, _) = Node::participant().await.with_namespace().await;
    let listed = node.manager.lists().list(&ListQuery::default()).await.unwrap();
    let snapshot = TopologySnapshot { items: listed.into_iter().map(|listed| listed.stored).collect() };
    let read = TopologySnapshot::from_bytes(&snapshot.to_bytes()).unwrap();
    assert_eq!(read, snapshot);
    read.items[0].transaction.verify().unwrap();
}
