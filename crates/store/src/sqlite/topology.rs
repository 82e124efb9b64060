//! The table of topology transactions.

use async_trait::async_trait;
use cantle_types::DomainId;
use jiff::{SignedDuration, Timestamp};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::{SqliteStore, rows};
use crate::{
    Conflict, NewTopologyTransaction, StoreError, StoredTopologyTransaction, TimeQuery, TopologyOp,
    TopologyQuery, TopologyStore, TopologyStoreId,
};

const TABLE: &str = "topology_transactions";
const MICROSECOND: SignedDuration = SignedDuration::from_micros(1);

type Row = (i64, i64, Option<i64>, String, String, String, String, String, Vec<u8>, String, Vec<u8>);

#[async_trait]
impl TopologyStore for SqliteStore {
    async fn topology_append(
        &self,
        store: &TopologyStoreId,
        transactions: Vec<NewTopologyTransaction>,
        now: Timestamp,
    ) -> Result<Vec<StoredTopologyTransaction>, StoreError> {
        const OPERATION: &str = "topology_append";
        let mut tx = self.begin(OPERATION).await?;
        let latest: Option<i64> =
            sqlx::query_scalar("SELECT max(sequenced) FROM topology_transactions WHERE store = ?1")
                .bind(store.to_string())
                .fetch_one(&mut *tx)
                .await
                .map_err(rows::failed(OPERATION))?;
        let mut next = now.as_microsecond();
        if let Some(latest) = latest {
            next = next.max(latest.saturating_add(1));
        }
        let mut stored = Vec::with_capacity(transactions.len());
        for transaction in transactions {
            let sequenced = rows::time(TABLE, "sequenced", next)?;
            let until = append(&mut tx, store, &transaction, sequenced).await?;
            stored.push(StoredTopologyTransaction {
                sequenced,
                valid_from: sequenced,
                valid_until: until,
                transaction,
            });
            next = sequenced.saturating_add(MICROSECOND).map_or(next, |next| next.as_microsecond());
        }
        tx.commit().await.map_err(rows::failed(OPERATION))?;
        Ok(stored)
    }

    async fn topology_list(
        &self,
        store: &TopologyStoreId,
        query: &TopologyQuery,
    ) -> Result<Vec<StoredTopologyTransaction>, StoreError> {
        let rows: Vec<Row> = select(store, query)
            .build_query_as()
            .fetch_all(self.readers())
            .await
            .map_err(rows::failed("topology_list"))?;
        rows.into_iter().map(parse).collect()
    }

    async fn topology_latest(&self, store: &TopologyStoreId) -> Result<Option<Timestamp>, StoreError> {
        let latest: Option<i64> =
            sqlx::query_scalar("SELECT max(sequenced) FROM topology_transactions WHERE store = ?1")
                .bind(store.to_string())
                .fetch_one(self.readers())
                .await
                .map_err(rows::failed("topology_latest"))?;
        latest.map(|latest| rows::time(TABLE, "sequenced", latest)).transpose()
    }

    async fn topology_stores(&self) -> Result<Vec<TopologyStoreId>, StoreError> {
        let names: Vec<String> = sqlx::query_scalar("SELECT DISTINCT store FROM topology_transactions")
            .fetch_all(self.readers())
            .await
            .map_err(rows::failed("topology_stores"))?;
        let mut stores = names.iter().map(|name| parse_store(name)).collect::<Result<Vec<_>, _>>()?;
        stores.sort();
        Ok(stores)
    }
}

/// Ends what the transaction ends, stores it, and returns its own end.
async fn append(
    connection: &mut SqliteConnection,
    store: &TopologyStoreId,
    transaction: &NewTopologyTransaction,
    sequenced: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    const OPERATION: &str = "topology_append";
    let at = sequenced.as_microsecond();
    if transaction.op != TopologyOp::Add {
        sqlx::query(
            "UPDATE topology_transactions SET valid_until = ?1 WHERE valid_until IS NULL \
             AND store = ?2 AND code = ?3 AND namespace = ?4 AND identifier = ?5 AND element_id = ?6",
        )
        .bind(at)
        .bind(store.to_string())
        .bind(transaction.code.as_str())
        .bind(transaction.namespace.as_str())
        .bind(transaction.identifier.as_str())
        .bind(transaction.element_id.as_str())
        .execute(&mut *connection)
        .await
        .map_err(rows::failed(OPERATION))?;
    }
    let until = (transaction.op == TopologyOp::Remove).then_some(sequenced);
    sqlx::query(
        "INSERT INTO topology_transactions (store, sequenced, valid_from, valid_until, op, code, namespace, \
         identifier, element_id, mapping_hash, signed_by, serialized) \
         VALUES (?1, ?2, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )
    .bind(store.to_string())
    .bind(at)
    .bind(until.map(|until| until.as_microsecond()))
    .bind(transaction.op.as_str())
    .bind(transaction.code.as_str())
    .bind(transaction.namespace.as_str())
    .bind(transaction.identifier.as_str())
    .bind(transaction.element_id.as_str())
    .bind(transaction.mapping_hash.as_slice())
    .bind(transaction.signed_by.as_str())
    .bind(transaction.serialized.as_slice())
    .execute(connection)
    .await
    .map_err(|error| {
        if rows::is_duplicate(&error) {
            Conflict::TopologyTransaction {
                store: store.clone(),
                code: transaction.code.clone(),
                element_id: transaction.element_id.clone(),
            }
            .into()
        } else {
            rows::failed(OPERATION)(error)
        }
    })?;
    Ok(until)
}

fn select(store: &TopologyStoreId, query: &TopologyQuery) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::new(
        "SELECT sequenced, valid_from, valid_until, op, code, namespace, identifier, element_id, mapping_hash, \
         signed_by, serialized FROM topology_transactions WHERE store = ",
    );
    sql.push_bind(store.to_string());
    match query.time {
        TimeQuery::Head => {
            sql.push(" AND valid_until IS NULL");
        }
        TimeQuery::Snapshot(at) => {
            let at = at.as_microsecond();
            sql.push(" AND valid_from < ").push_bind(at);
            sql.push(" AND (valid_until IS NULL OR valid_until >= ").push_bind(at);
            sql.push(")");
        }
        TimeQuery::Range { from, until } => {
            if let Some(from) = from {
                sql.push(" AND valid_from >= ").push_bind(from.as_microsecond());
            }
            if let Some(until) = until {
                sql.push(" AND valid_from <= ").push_bind(until.as_microsecond());
            }
        }
    }
    if let Some(op) = query.op {
        sql.push(" AND op = ").push_bind(op.as_str());
    }
    if let Some(code) = &query.code {
        sql.push(" AND code = ").push_bind(code.clone());
    }
    let prefixes = [
        ("namespace", &query.namespace_prefix),
        ("identifier", &query.identifier_prefix),
        ("signed_by", &query.signed_by_prefix),
    ];
    for (column, prefix) in prefixes {
        if !prefix.is_empty() {
            sql.push(" AND substr(").push(column).push(", 1, length(").push_bind(prefix.clone());
            sql.push(")) = ").push_bind(prefix.clone());
        }
    }
    sql.push(" ORDER BY sequenced");
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
