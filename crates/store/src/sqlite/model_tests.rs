//! Topology against a model: whatever is appended, what is valid when is what a plain list says.

use std::path::Path;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::{
    NewTopologyTransaction, NodeKind, TimeQuery, TopologyOp, TopologyQuery, TopologyStore, TopologyStoreId,
};

#[derive(Debug, Clone)]
struct Modelled {
    from: i64,
    until: Option<i64>,
    transaction: NewTopologyTransaction,
}

#[derive(Debug, Default)]
struct Model(Vec<Modelled>);

impl Model {
    /// Appends all or nothing.
    fn append(&mut self, batch: &[NewTopologyTransaction], now: i64) -> bool {
        let mut rows = self.0.clone();
        for transaction in batch {
            let from = rows.last().map_or(now, |last| now.max(last.from + 1));
            if transaction.op != TopologyOp::Replace && rows.iter().any(|row| row.transaction == *transaction)
            {
                return false;
            }
            if transaction.op != TopologyOp::Add {
                for row in &mut rows {
                    if row.until.is_none() && row.transaction.element_id == transaction.element_id {
                        row.until = Some(from);
                    }
                }
            }
            let until = (transaction.op == TopologyOp::Remove).then_some(from);
            rows.push(Modelled { from, until, transaction: transaction.clone() });
        }
        self.0 = rows;
        true
    }

    fn valid_at(&self, time: Option<i64>) -> Vec<i64> {
        let valid = |row: &&Modelled| match time {
            None => row.until.is_none(),
            Some(time) => row.from < time && row.until.is_none_or(|until| time <= until),
        };
        self.0.iter().filter(valid).map(|row| row.from).collect()
    }
}

fn transactions() -> impl Strategy<Value = NewTopologyTransaction> {
    let op = prop_oneof![Just(TopologyOp::Add), Just(TopologyOp::Remove), Just(TopologyOp::Replace)];
    (op, 0..3_u8, 0..2_u8).prop_map(|(op, element, mapping)| NewTopologyTransaction {
        op,
        code: "okm".to_owned(),
        namespace: "ns".parse().unwrap(),
        identifier: String::new(),
        element_id: element.to_string(),
        mapping_hash: vec![mapping],
        signed_by: "key".parse().unwrap(),
        serialized: vec![element, mapping],
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn topology_is_valid_when_a_plain_list_says_so(
        batches in proptest::collection::vec((proptest::collection::vec(transactions(), 1..4), 0..30_i64), 1..12),
        looks in proptest::collection::vec(0..60_i64, 4),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = SqliteStore::open(SqliteOptions {
                location: SqliteLocation::Memory,
                node: NodeIdentity { kind: NodeKind::Participant, name: "participant1".parse().unwrap() },
                migrate: MigrateOnStart::No,
                access: Access::ReadWrite,
            })
            .await
            .unwrap();
            let time = |at| Timestamp::from_microsecond(at).unwrap();
            let authorized = TopologyStoreId::Authorized;
            let mut model = Model::default();
            for (batch, now) in &batches {
                let stored = store.topology_append(&authorized, batch.clone(), time(*now)).await;
                prop_assert_eq!(stored.is_ok(), model.append(batch, *now), "{:?}", stored);
            }
            let queries = looks.iter().map(|&at| (TimeQuery::Snapshot(time(at)), Some(at)));
            for (query, at) in queries.chain([(TimeQuery::Head, None)]) {
                let query = TopologyQuery { time: query, ..TopologyQuery::default() };
                let listed = store.topology_list(&authorized, &query).await.unwrap();
                let found: Vec<_> = listed.iter().map(|stored| stored.valid_from.as_microsecond()).collect();
                prop_assert_eq!(found, model.valid_at(at));
            }
            Ok(())
        })?;
    }

    #[test]
    fn any_file_is_refused_or_opened_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), header in any::<bool>()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.db");
        let mut content = if header { b"SQLite format 3\0".to_vec() } else { Vec::new() };
        content.extend(&bytes);
        std::fs::write(&path, &content).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let opened = runtime.block_on(open(&path));
        // An empty file is a new database, and SQLite says of one with a single byte that it is empty; nothing else of this
        // is one. Source: unixFileSize in <https://sqlite.org/src/file/src/os_unix.c>.
        prop_assert_eq!(opened.is_ok(), content.len() <= 1, "{:?}", opened);
    }
}

async fn open(path: &Path) -> Result<SqliteStore, OpenError> {
    SqliteStore::open(SqliteOptions {
        location: SqliteLocation::File(path.to_owned()),
        node: NodeIdentity { kind: NodeKind::Participant, name: "participant1".parse().unwrap() },
        migrate: MigrateOnStart::No,
        access: Access::ReadWrite,
    })
    .await
}
