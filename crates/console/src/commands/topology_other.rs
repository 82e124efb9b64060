//! `topology`: stores, snapshots, loading of transactions, and waiting for the queues.

use cantle_proto::topology::admin::v0 as wire;

use super::health::{await_idle, is_idle};
use super::topology_authorize::write_client;
use super::topology_list::{
    FILTER_OPERATION, PROTOCOL_VERSION, TIME_QUERY, USE_STATE_STORE, base_query, read_client,
};
use crate::command::{Call, Default, Kinds, Spec, Style, optional, required};
use crate::failure::Failure;
use crate::value::Data;
use crate::value::transactions::Transactions;

pub(super) const COMMANDS: &[Spec] = &[
    Spec {
        path: "topology.load_transaction",
        kinds: Kinds::WITH_TOPOLOGY,
        style: Style::Command,
        params: &[required("bytes", "bytes or filename")],
        run: |call| {
            let request =
                wire::SignedTopologyTransactionAddition { serialized: call.bytes_or_file("bytes")? };
            call.ask(write_client(call).add_signed_topology_transaction(request)).map(|_| Data::None)
        },
        doc: "Adds a signed topology transaction to the node's own store.",
    },
    Spec {
        path: "topology.stores.list",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[],
        run: |call| {
            let answer =
                call.ask(read_client(call).list_available_stores(wire::ListAvailableStoresRequest {}))?;
            Ok(Data::list(answer.store_ids.into_iter().map(Data::text).collect()))
        },
        doc: "The topology stores of the node.",
    },
    Spec {
        path: "topology.all.list",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[
            optional("filterStore", "text", Default::Text("Authorized")),
            USE_STATE_STORE,
            TIME_QUERY,
            FILTER_OPERATION,
            optional("filterAuthorizedKey", "Option(Fingerprint)", Default::None),
            PROTOCOL_VERSION,
        ],
        run: list_all,
        doc: "All topology transactions of a store, as a snapshot that can be written to a file.",
    },
    Spec {
        path: "topology.all.renew",
        kinds: Kinds::WITH_TOPOLOGY,
        style: Style::Command,
        params: &[required("filterAuthorizedKey", "Fingerprint"), required("authorizeWith", "Fingerprint")],
        run: super::renew::renew,
        doc: "Authorizes anew, with another key, everything that one key has authorized, and withdraws the old authorizations.",
    },
    Spec {
        path: "topology.synchronisation.is_idle",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[],
        run: |call| is_idle(call).map(Data::Bool),
        doc: "Whether no topology transaction is under way.",
    },
    Spec {
        path: "topology.synchronisation.await_idle",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[optional("timeout", "Duration", Default::Bounded)],
        run: |call| await_idle(call, call.duration("timeout")?).map(|()| Data::None),
        doc: "Waits until no topology transaction is under way.",
    },
];

fn list_all(call: &Call<'_>) -> Result<Data, Failure> {
    Ok(Data::object(
        transactions(call, base_query(call, String::new())?)?
            .filtered_by_key(&call.optional_fingerprint("filterAuthorizedKey")?),
    ))
}

/// The transactions that a query finds.
pub(super) fn transactions(call: &Call<'_>, query: wire::BaseQuery) -> Result<Transactions, Failure> {
    let request = wire::ListAllRequest { base_query: Some(query) };
    let answer = call.ask(read_client(call).list_all(request))?;
    Ok(Transactions::new(answer.result.unwrap_or_default()))
}
