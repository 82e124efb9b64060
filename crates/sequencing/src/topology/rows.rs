//! A domain's topology between memory and store.

use cantle_store::{
    BackendError, NewTopologyTransaction, StoreError, TimeQuery, TopologyOp, TopologyQuery, TopologyStore,
    TopologyStoreId,
};
use cantle_topology::{SignedTopologyTransaction, StoredTransaction, TopologyChangeOp};
use cantle_types::DomainId;

/// A transaction with what the store finds it by.
#[must_use]
pub fn topology_row(signed: &SignedTopologyTransaction) -> NewTopologyTransaction {
    let transaction = signed.transaction();
    let subject = transaction.mapping().subject();
    NewTopologyTransaction {
        op: match transaction.op() {
            TopologyChangeOp::Add => TopologyOp::Add,
            TopologyChangeOp::Remove => TopologyOp::Remove,
            TopologyChangeOp::Replace => TopologyOp::Replace,
        },
        code: subject.code.to_string(),
        namespace: subject.namespace.fingerprint().clone(),
        identifier: subject.identifier.map(|identifier| identifier.to_string()).unwrap_or_default(),
        element_id: transaction.element_id().to_string(),
        mapping_hash: transaction.hash().evidence().to_vec(),
        signed_by: signed.key().fingerprint().clone(),
        serialized: signed.to_bytes(),
    }
}

/// All that a domain sequenced and this node stored, in its order.
///
/// # Errors
/// When the store fails, or holds what is no transaction.
pub async fn stored_topology(
    store: &dyn TopologyStore,
    domain: &DomainId,
) -> Result<Vec<StoredTransaction>, StoreError> {
    let query = TopologyQuery { time: TimeQuery::HISTORY, ..TopologyQuery::default() };
    let rows = store.topology_list(&TopologyStoreId::Domain(domain.clone()), &query).await?;
    let parse = |row: cantle_store::StoredTopologyTransaction| {
        let transaction = SignedTopologyTransaction::from_bytes(&row.transaction.serialized);
        let transaction = transaction.map_err(|source| StoreError::Corrupt {
            table: "topology_transactions",
            row: format!("{} of {domain}", row.transaction.element_id),
            source: BackendError::new(source),
        })?;
        let (sequenced, valid_from, valid_until) = (row.sequenced, row.valid_from, row.valid_until);
        Ok(StoredTransaction { sequenced, valid_from, valid_until, transaction })
    };
    rows.into_iter().map(parse).collect()
}
