//! The table of topology transactions.

use async_trait::async_trait;
use cantle_types::DomainId;
use jiff::{SignedDuration, Timestamp};

use super::{SqlStore, SqlWrite, Statement, rows};
use crate::{
    Conflict, NewTopologyTransaction, SequencedTopology, StoreError, StoredTopologyTransaction, TimeQuery,
    TopologyOp, TopologyQuery, TopologyStore, TopologyStoreId,
};

const TABLE: &str = "topology_transactions";
const MICROSECOND: SignedDuration = SignedDuration::from_micros(1);

type Row = (i64, i64, Option<i64>, String, String, String, String, String, Vec<u8>, String, Vec<u8>);

#[async_trait]
impl<S: SqlStore> TopologyStore for S {
    async fn topology_append(
        &self,
        store: &TopologyStoreId,
        transactions: Vec<NewTopologyTransaction>,
        now: Timestamp,
    ) -> Result<Vec<StoredTopologyTransaction>, StoreError> {
        let store = store.to_string();
        let mut tx = self.begin("topology_append").await?;
        let latest: Option<(Option<i64>,)> = tx.fetch_first(latest(&store)).await?;
        let mut next = now.as_microsecond();
        if let Some((Some(latest),)) = latest {
            next = next.max(latest.saturating_add(1));
        }
        let mut stored = Vec::with_capacity(transactions.len());
        for transaction in transactions {
            let sequenced = rows::time(TABLE, "sequenced", next)?;
            let until = append(&mut tx, &store, &transaction, sequenced, sequenced).await?;
            stored.push(StoredTopologyTransaction {
                sequenced,
                valid_from: sequenced,
                valid_until: until,
                transaction,
            });
            next = sequenced.saturating_add(MICROSECOND).map_or(next, |next| next.as_microsecond());
        }
        tx.commit().await?;
        Ok(stored)
    }

    async fn topology_append_sequenced(
        &self,
        domain: &DomainId,
        messages: &[SequencedTopology],
    ) -> Result<(), StoreError> {
        let mut tx = self.begin("topology_append_sequenced").await?;
        for message in messages {
            append_sequenced(&mut tx, domain, message).await?;
        }
        tx.commit().await
    }

    async fn topology_list(
        &self,
        store: &TopologyStoreId,
        query: &TopologyQuery,
    ) -> Result<Vec<StoredTopologyTransaction>, StoreError> {
        let store = store.to_string();
        let rows: Vec<Row> = self.read("topology_list", select(&store, query)).await?;
        rows.into_iter().map(parse).collect()
    }

    async fn topology_latest(&self, store: &TopologyStoreId) -> Result<Option<Timestamp>, StoreError> {
        let store = store.to_string();
        let row: Option<(Option<i64>,)> = self.read_first("topology_latest", latest(&store)).await?;
        row.and_then(|(latest,)| latest).map(|latest| rows::time(TABLE, "sequenced", latest)).transpose()
    }

    async fn topology_stores(&self) -> Result<Vec<TopologyStoreId>, StoreError> {
        let statement = Statement::new("SELECT DISTINCT store FROM topology_transactions");
        let names: Vec<(String,)> = self.read("topology_stores", statement).await?;
        let mut stores = names.iter().map(|(name,)| parse_store(name)).collect::<Result<Vec<_>, _>>()?;
        stores.sort();
        Ok(stores)
    }
}

fn latest(store: &str) -> Statement<'_> {
    Statement::new("SELECT max(sequenced) FROM topology_transactions WHERE store = $1").bind(store)
}

/// Stores a message of a domain, unless it is there.
pub(super) async fn append_sequenced(
    tx: &mut impl SqlWrite,
    domain: &DomainId,
    message: &SequencedTopology,
) -> Result<(), StoreError> {
    let store = domain.as_str();
    let latest: Option<(Option<i64>,)> = tx.fetch_first(latest(store)).await?;
    let at = message.sequenced.as_microsecond();
    if matches!(latest, Some((Some(latest),)) if latest >= at) {
        return Ok(());
    }
    for transaction in &message.transactions {
        append(tx, store, transaction, message.sequenced, message.effective).await?;
    }
    Ok(())
}

/// Ends what the transaction ends, stores it, and returns its own end.
async fn append(
    tx: &mut impl SqlWrite,
    store: &str,
    transaction: &NewTopologyTransaction,
    sequenced: Timestamp,
    effective: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    let from = effective.as_microsecond();
    if transaction.op != TopologyOp::Add {
        tx.execute(
            Statement::new(
                "UPDATE topology_transactions SET valid_until = $1 WHERE valid_until IS NULL \
                 AND store = $2 AND code = $3 AND namespace = $4 AND identifier = $5 AND element_id = $6",
            )
            .bind(from)
            .bind(store)
            .bind(transaction.code.as_str())
            .bind(transaction.namespace.as_str())
            .bind(transaction.identifier.as_str())
            .bind(transaction.element_id.as_str()),
        )
        .await?;
    }
    let until = (transaction.op == TopologyOp::Remove).then_some(effective);
    let inserted = tx
        .execute(
            Statement::new(
                "INSERT INTO topology_transactions (store, sequenced, valid_from, valid_until, op, code, \
                 namespace, identifier, element_id, mapping_hash, signed_by, serialized) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING",
            )
            .bind(store)
            .bind(sequenced.as_microsecond())
            .bind(from)
            .bind(until.map(|until| until.as_microsecond()))
            .bind(transaction.op.as_str())
            .bind(transaction.code.as_str())
            .bind(transaction.namespace.as_str())
            .bind(transaction.identifier.as_str())
            .bind(transaction.element_id.as_str())
            .bind(transaction.mapping_hash.as_slice())
            .bind(transaction.signed_by.as_str())
            .bind(transaction.serialized.as_slice()),
        )
        .await?;
    if inserted == 0 {
        return Err(Conflict::TopologyTransaction {
            store: parse_store(store)?,
            code: transaction.code.clone(),
            element_id: transaction.element_id.clone(),
        }
        .into());
    }
    Ok(until)
}

fn select<'a>(store: &'a str, query: &'a TopologyQuery) -> Statement<'a> {
    let mut sql = Statement::new(
        "SELECT sequenced, valid_from, valid_until, op, code, namespace, identifier, element_id, mapping_hash, \
         signed_by, serialized FROM topology_transactions",
    );
    sql.push_value(" WHERE store = ", store);
    match query.time {
        TimeQuery::Head => {
            sql.push(" AND valid_until IS NULL");
        }
        TimeQuery::Snapshot(at) => {
            let at = at.as_microsecond();
            sql.push_value(" AND valid_from < ", at);
            sql.push_value(" AND (valid_until IS NULL OR valid_until >= ", at).push(")");
        }
        TimeQuery::Range { from, until } => {
            if let Some(from) = from {
                sql.push_value(" AND valid_from >= ", from.as_microsecond());
            }
            if let Some(until) = until {
                sql.push_value(" AND valid_from <= ", until.as_microsecond());
            }
        }
    }
    if let Some(op) = query.op {
        sql.push_value(" AND op = ", op.as_str());
    }
    if let Some(code) = &query.code {
        sql.push_value(" AND code = ", code.as_str());
    }
    let prefixes = [
        (" AND substr(namespace, 1, length(", &query.namespace_prefix),
        (" AND substr(identifier, 1, length(", &query.identifier_prefix),
        (" AND substr(signed_by, 1, length(", &query.signed_by_prefix),
    ];
    for (start, prefix) in prefixes {
        if !prefix.is_empty() {
            sql.push_value(start, prefix.as_str()).push_value(")) = ", prefix.as_str());
        }
    }
    sql.push(" ORDER BY sequenced, position");
    sql
}

fn parse(row: Row) -> Result<StoredTopologyTransaction, StoreError> {
    let (
        sequenced,
        from,
        until,
        op,
        code,
        namespace,
        identifier,
        element_id,
        mapping_hash,
        signed_by,
        serialized,
    ) = row;
    let at = sequenced.to_string();
    Ok(StoredTopologyTransaction {
        sequenced: rows::time(TABLE, &at, sequenced)?,
        valid_from: rows::time(TABLE, &at, from)?,
        valid_until: until.map(|until| rows::time(TABLE, &at, until)).transpose()?,
        transaction: NewTopologyTransaction {
            op: rows::word(TABLE, &at, &op, TopologyOp::parse)?,
            namespace: rows::text(TABLE, &at, &namespace)?,
            signed_by: rows::text(TABLE, &at, &signed_by)?,
            code,
            identifier,
            element_id,
            mapping_hash,
            serialized,
        },
    })
}

fn parse_store(name: &str) -> Result<TopologyStoreId, StoreError> {
    if name == "Authorized" {
        return Ok(TopologyStoreId::Authorized);
    }
    rows::text::<DomainId>(TABLE, name, name).map(TopologyStoreId::Domain)
}
