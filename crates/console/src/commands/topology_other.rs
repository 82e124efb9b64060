//! `topology`: stores, snapshots, loading of transactions, and waiting for the queues.

use cantle_proto::protocol::v0 as protocol;
use cantle_proto::topology::admin::v0 as wire;
use prost::Message;

use super::argument::time_data;
use super::health::{node_status, wait_until};
use super::topology_authorize::write_client;
use super::topology_list::{
    FILTER_OPERATION, FILTER_STORE, PROTOCOL_VERSION, TIME_QUERY, USE_STATE_STORE, base_query, read_client,
};
use crate::command::{Call, Default, Kinds, Spec, Style, optional, required};
use crate::failure::Failure;
use crate::value::keys::write_function;
use crate::value::{Data, Record};

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
            FILTER_STORE,
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
        run: |call| {
            wait_until(call, call.duration("timeout")?, "to have no topology transactions under way", || {
                is_idle(call)
            })
        },
        doc: "Waits until no topology transaction is under way.",
    },
];

fn is_idle(call: &Call<'_>) -> Result<bool, Failure> {
    let Some(status) = node_status(call)? else { return Ok(true) };
    Ok(status
        .topology_queues
        .is_none_or(|queues| queues.manager == 0 && queues.dispatcher == 0 && queues.clients == 0))
}

fn list_all(call: &Call<'_>) -> Result<Data, Failure> {
    let base_query = Some(base_query(call, call.optional_fingerprint("filterAuthorizedKey")?)?);
    let answer = call.ask(read_client(call).list_all(wire::ListAllRequest { base_query }))?;
    Ok(snapshot(answer.result.unwrap_or_default()))
}

/// A snapshot of transactions.
fn snapshot(transactions: protocol::TopologyTransactions) -> Data {
    let file = cantle_proto::versioned::wrap(&transactions.encode_to_vec(), 0);
    let items: Vec<Data> = transactions
        .items
        .into_iter()
        .map(|item| {
            Data::object(Record::new(
                "StoredTopologyTransaction",
                vec![
                    ("sequenced", time_data(item.sequenced)),
                    ("validFrom", time_data(item.valid_from)),
                    ("validUntil", time_data(item.valid_until)),
                    ("transaction", Data::bytes(item.transaction)),
                ],
            ))
        })
        .collect();
    let text = format!("{} topology transactions", items.len());
    let fields = vec![
        ("result", Data::list(items)),
        ("writeToFile", Data::object(write_function(file.clone().into()))),
        ("toByteString", Data::bytes(file)),
    ];
    Data::object(Record::shown("StoredTopologyTransactions", text, fields))
}
