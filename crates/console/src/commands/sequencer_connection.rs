//! Where sequencers are reached: what sequencers say of themselves, and what members of a domain are connected to.
//!
//! Source: <https://docs.daml.com/2.10.0/canton/usermanual/connectivity.html>.

use std::sync::Arc;

use crate::node::Channel;
use cantle_proto::domain::admin::v0 as wire;
use cantle_proto::domain::admin::v0::enterprise_sequencer_connection_service_client::EnterpriseSequencerConnectionServiceClient;

use super::MAX_ANSWER;
use super::health::status_of;
use crate::command::{Call, Kinds, Spec, Style, required};
use crate::failure::Failure;
use crate::node::{ApiSettings, Locality, Node};
use crate::value::Data;
use crate::value::connection::{Connection, Connections};

pub(super) const COMMANDS: &[Spec] = &[
    Spec {
        path: "sequencerConnection",
        kinds: Kinds::SEQUENCING,
        style: Style::Property,
        params: &[],
        run: |call| of_node(&call.node).map(Data::object),
        doc: "How members reach the sequencer.",
    },
    Spec {
        path: "sequencer_connection.get",
        kinds: Kinds::CONNECTING,
        style: Style::Command,
        params: &[],
        run: |call| Ok(Data::option(current(call)?.map(Data::object))),
        doc: "The sequencers that the node is connected to; None before it is initialized.",
    },
    Spec {
        path: "sequencer_connection.set",
        kinds: Kinds::CONNECTING,
        style: Style::Command,
        params: &[required("connection", "SequencerConnection, SequencerConnections or sequencer")],
        run: |call| {
            let connections = Connections::from_data(call.value("connection"))
                .map_err(|failure| call.refuse("connection", failure.to_string()))?;
            set(call, &connections)
        },
        doc: "Connects the node to other sequencers, at once.",
    },
    Spec {
        path: "sequencer_connection.modify",
        kinds: Kinds::CONNECTING,
        style: Style::Command,
        params: &[required("modifier", "SequencerConnection => SequencerConnection")],
        run: |call| {
            let before = existing(call)?.merged()?;
            let after = call.apply("modifier", &[Data::object(before)])?;
            let after = Connection::from_data(&after)
                .map_err(|failure| call.refuse("modifier", format!("gave a value that {failure}")))?;
            set(call, &Connections::single(after))
        },
        doc: "Changes the sequencer that the node is connected to, at once.",
    },
    Spec {
        path: "sequencer_connection.modifyConnections",
        kinds: Kinds::CONNECTING,
        style: Style::Command,
        params: &[required("modifier", "SequencerConnections => SequencerConnections")],
        run: |call| {
            let after = call.apply("modifier", &[Data::object(existing(call)?)])?;
            let after = Connections::from_data(&after)
                .map_err(|failure| call.refuse("modifier", format!("gave a value that {failure}")))?;
            set(call, &after)
        },
        doc: "Changes the sequencers that the node is connected to, at once.",
    },
];

fn client(call: &Call<'_>) -> EnterpriseSequencerConnectionServiceClient<Channel> {
    EnterpriseSequencerConnectionServiceClient::new(call.node.channel.clone())
        .max_decoding_message_size(MAX_ANSWER)
}

fn current(call: &Call<'_>) -> Result<Option<Connections>, Failure> {
    let answer = call.ask(client(call).get_connection(wire::GetConnectionRequest {}))?;
    Connections::from_wire(answer.sequencer_connections, answer.sequencer_trust_threshold)
}

fn existing(call: &Call<'_>) -> Result<Connections, Failure> {
    current(call)?.ok_or_else(|| {
        Failure::value(format!("{} has no sequencer connection yet: it is not initialized", call.node.name))
    })
}

fn set(call: &Call<'_>, connections: &Connections) -> Result<Data, Failure> {
    let (sequencer_connections, sequencer_trust_threshold) = connections.to_wire();
    let request = wire::SetConnectionRequest { sequencer_connections, sequencer_trust_threshold };
    call.ask(client(call).set_connection(request)).map(|()| Data::None)
}

/// How members reach a sequencer or domain: by its configuration, and where that leaves the port to the system by its status.
pub(crate) fn of_node(node: &Arc<Node>) -> Result<Connection, Failure> {
    let unknown = |why: &str| Failure::value(format!("{}: {why}", node.name));
    if !Kinds::SEQUENCING.contains(node.kind) {
        return Err(unknown("only sequencers and domains can be connected to"));
    }
    let configured = node.settings.public_api.clone();
    let api = match (configured, node.locality) {
        (Some(api), _) => api,
        // Another process's configuration is not known here: the public API is taken to be where the admin API is.
        (None, Locality::Remote) => ApiSettings::new(node.settings.admin_api.address.clone(), None),
        (None, Locality::Local) => ApiSettings::new("127.0.0.1", None),
    };
    let port = match api.port {
        Some(port) => port,
        None => {
            let status = status_of(node, "sequencerConnection")?;
            let ports = status.map(|status| status.ports).unwrap_or_default();
            let port = ["public", "public-api"].iter().find_map(|name| ports.get(*name));
            port.and_then(|port| u16::try_from(*port).ok()).ok_or_else(|| {
                unknown(
                    "the port of its public API is not known: set `public-api.port` in its configuration here, or write the connection by hand, `GrpcSequencerConnection.tryCreate(\"http://host:port\")`",
                )
            })?
        }
    };
    // What listens on every interface is reached on this machine by loopback.
    let address = match (api.address.as_str(), node.locality) {
        ("0.0.0.0" | "" | "::", Locality::Local) => "127.0.0.1",
        (address, _) => address,
    };
    let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
    let scheme = if api.tls { "https" } else { "http" };
    Connection::new(&format!("{scheme}://{host}:{port}"), api.trust)
}
