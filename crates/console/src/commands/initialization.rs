//! `initialization` of a sequencer.
//!
//! Source: <https://docs.daml.com/2.10.0/canton/usermanual/manage_domain_entities.html>.

use crate::node::Channel;
use cantle_proto::crypto::v0 as crypto;
use cantle_proto::domain::admin::v0 as wire;
use cantle_proto::domain::admin::v0::sequencer_initialization_service_client::SequencerInitializationServiceClient;
use cantle_proto::domain::admin::v0::topology_bootstrap_service_client::TopologyBootstrapServiceClient;
use cantle_proto::domain::admin::v1;
use cantle_proto::protocol::v0 as protocol;
use cantle_proto::protocol::v1::StaticDomainParameters;
use cantle_types::UniqueIdentifier;

use super::MAX_ANSWER;
use crate::command::{Call, Kinds, Spec, Style, required};
use crate::failure::Failure;
use crate::node::Node;
use crate::value::parameters::StaticParameters;
use crate::value::snapshot::Snapshot;
use crate::value::transactions::Transactions;
use crate::value::{Data, Record, public_key};

pub(super) const COMMANDS: &[Spec] = &[
    Spec {
        path: "initialization.initialize_from_beginning",
        kinds: Kinds::SEQUENCER,
        style: Style::Command,
        params: &[required("domainId", "DomainId"), required("domainParameters", "StaticDomainParameters")],
        run: |call| {
            let parameters = static_parameters(call, "domainParameters")?;
            init(call, init_request(&call.uid("domainId")?, parameters, None, None))
        },
        doc: "Initializes the sequencer at the beginning of a domain; gives its key.",
    },
    Spec {
        path: "initialization.initialize_from_snapshot",
        kinds: Kinds::SEQUENCER,
        style: Style::Command,
        params: &[
            required("domainId", "DomainId"),
            required("topologySnapshot", "StoredTopologyTransactions"),
            required("sequencerSnapshot", "SequencerSnapshot"),
            required("domainParameters", "StaticDomainParameters"),
        ],
        run: |call| {
            let topology = topology(call, "topologySnapshot")?;
            let snapshot = call.value("sequencerSnapshot").downcast::<Snapshot>().map(Snapshot::wire);
            let snapshot = snapshot.ok_or_else(|| {
                call.refuse(
                    "sequencerSnapshot",
                    "must be a SequencerSnapshot, such as `SequencerSnapshot.tryReadFromFile(…)` gives",
                )
            })?;
            let parameters = static_parameters(call, "domainParameters")?;
            init(call, init_request(&call.uid("domainId")?, parameters, Some(topology), Some(snapshot)))
        },
        doc: "Initializes the sequencer in a domain that runs already, from another one's state; gives its key.",
    },
    Spec {
        path: "initialization.bootstrap_topology",
        kinds: Kinds::SEQUENCER,
        style: Style::Command,
        params: &[required("topologySnapshot", "StoredTopologyTransactions")],
        run: |call| bootstrap_topology(call, topology(call, "topologySnapshot")?).map(|()| Data::None),
        doc: "Sequences a domain's first topology as its first message.",
    },
];

pub(super) fn sequencer_client(node: &Node) -> SequencerInitializationServiceClient<Channel> {
    SequencerInitializationServiceClient::new(node.channel.clone()).max_decoding_message_size(MAX_ANSWER)
}

pub(super) fn init_request(
    domain: &UniqueIdentifier,
    parameters: StaticDomainParameters,
    topology_snapshot: Option<protocol::TopologyTransactions>,
    snapshot: Option<wire::SequencerSnapshot>,
) -> v1::InitRequest {
    v1::InitRequest {
        domain_id: domain.to_string(),
        topology_snapshot: Some(topology_snapshot.unwrap_or_default()),
        domain_parameters: Some(parameters),
        snapshot,
    }
}

fn init(call: &Call<'_>, request: v1::InitRequest) -> Result<Data, Failure> {
    let answer = call.ask(sequencer_client(&call.node).init_v1(request))?;
    let key = answer.public_key.map(crypto::public_key::Key::SigningPublicKey).map(public_key);
    let key = key.ok_or_else(|| Failure::value(format!("{} gave no key", call.node.name)))?;
    let fields = vec![
        ("keyId", Data::text(answer.key_id)),
        ("publicKey", key),
        ("replicated", Data::Bool(answer.replicated)),
    ];
    Ok(Data::object(Record::new("InitializeSequencerResponse", fields)))
}

pub(super) fn bootstrap_topology(
    call: &Call<'_>,
    topology: protocol::TopologyTransactions,
) -> Result<(), Failure> {
    let mut client = TopologyBootstrapServiceClient::new(call.node.channel.clone());
    let request = wire::TopologyBootstrapRequest { initial_topology_snapshot: Some(topology) };
    call.ask(client.bootstrap(request))
}

/// A domain's static parameters among the arguments.
pub(super) fn static_parameters(call: &Call<'_>, name: &str) -> Result<StaticDomainParameters, Failure> {
    let parameters = call.value(name).downcast::<StaticParameters>().map(StaticParameters::wire);
    parameters.ok_or_else(|| {
        call.refuse(
            name,
            format!(
                "must be StaticDomainParameters, such as `service.get_static_domain_parameters` gives, found: {}",
                call.value(name).kind()
            ),
        )
    })
}

/// Topology transactions among the arguments.
pub(super) fn topology(call: &Call<'_>, name: &str) -> Result<protocol::TopologyTransactions, Failure> {
    Transactions::from_data(call.value(name))
        .map(|transactions| transactions.wire())
        .map_err(|failure| call.refuse(name, failure.to_string()))
}
