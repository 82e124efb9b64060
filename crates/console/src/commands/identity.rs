//! Who a node is: `name`, `uid`, `id`, and `topology.init_id`.

use cantle_proto::topology::admin::v0 as wire;
use cantle_proto::topology::admin::v0::initialization_service_client::InitializationServiceClient;
use cantle_types::{MemberCode, UniqueIdentifier};

use crate::command::{Call, Kinds, Spec, Style, node_of, required};
use crate::failure::Failure;
use crate::node::NodeKind;
use crate::value::{Data, domain_id, ids, member_id, participant_id, uid_data};

pub(super) const COMMANDS: &[Spec] = &[
    Spec {
        path: "name",
        kinds: Kinds::ALL,
        style: Style::Property,
        params: &[],
        run: |call| Ok(Data::text(call.node.name.as_str())),
        doc: "The name of the node in the configuration.",
    },
    Spec {
        path: "kind",
        kinds: Kinds::ALL,
        style: Style::Property,
        params: &[],
        run: |call| Ok(Data::text(call.node.kind.as_str())),
        doc: "What the node is.",
    },
    Spec {
        path: "id",
        kinds: Kinds::ALL,
        style: Style::Property,
        params: &[],
        run: |call| identity(call).map(|uid| id_of(call.node.kind, &uid)),
        doc: "The identity of the node; an error before it has one.",
    },
    Spec {
        path: "uid",
        kinds: Kinds::ALL,
        style: Style::Property,
        params: &[],
        run: |call| identity(call).map(|uid| uid_data(&uid)),
        doc: "The unique identifier of the node; an error before it has one.",
    },
    Spec {
        path: "adminParty",
        kinds: Kinds::PARTICIPANT,
        style: Style::Property,
        params: &[],
        run: |call| identity(call).map(|uid| ids::party_id(&uid)),
        doc: "The party of the participant's administrator.",
    },
    Spec {
        path: "start",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[],
        run: |_| Ok(Data::None),
        doc: "Does nothing: the nodes of the configuration are started before scripts run.",
    },
    Spec {
        path: "topology.init_id",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[required("identifier", "Identifier"), required("fingerprint", "Fingerprint")],
        run: init_id,
        doc: "Gives the node its identity, once: an identifier in the namespace of a key.",
    },
];

/// The id that a node of this kind has.
fn id_of(kind: NodeKind, uid: &UniqueIdentifier) -> Data {
    match kind {
        NodeKind::Participant => participant_id(uid),
        NodeKind::Domain | NodeKind::DomainManager => domain_id(uid),
        NodeKind::Sequencer => member_id("SequencerId", MemberCode::Sequencer, uid),
        NodeKind::Mediator => member_id("MediatorId", MemberCode::Mediator, uid),
    }
}

/// The node's unique identifier, if it has one.
pub(super) fn find_identity(call: &Call<'_>) -> Result<Option<UniqueIdentifier>, Failure> {
    let mut client = InitializationServiceClient::new(call.node.channel.clone());
    let answer = call.ask(client.get_id(()))?;
    if !answer.initialized {
        return Ok(None);
    }
    answer.unique_identifier.parse().map(Some).map_err(|error| {
        Failure::value(format!(
            "{}: the node gave \"{}\" as its identity: {error}",
            call.node.name, answer.unique_identifier
        ))
    })
}

/// The node's unique identifier.
pub(super) fn identity(call: &Call<'_>) -> Result<UniqueIdentifier, Failure> {
    find_identity(call)?.ok_or_else(|| {
        Failure::value(format!(
            "{} has no identity yet: give it one with `{0}.topology.init_id(identifier, fingerprint)`",
            call.node.name
        ))
    })
}

/// The unique identifier that an argument is, or that of the node that it is.
pub(super) fn identity_of(call: &Call<'_>, name: &str, kinds: Kinds) -> Result<UniqueIdentifier, Failure> {
    if node_of(call.value(name)).is_some() {
        let node = call.node(name, kinds)?;
        return identity(&call.at(&node));
    }
    call.uid(name)
}

/// Several of them.
pub(super) fn identities_of(
    call: &Call<'_>,
    name: &str,
    kinds: Kinds,
) -> Result<Vec<UniqueIdentifier>, Failure> {
    let one = |data: &Data| match node_of(data) {
        Some(node) if kinds.contains(node.kind) => identity(&call.at(&node)),
        Some(node) => {
            Err(call.refuse(name, format!("has {}, which is {}", node.name, node.kind.described())))
        }
        None => ids::unique_identifier(data).map_err(|failure| call.refuse(name, failure.to_string())),
    };
    call.items(name).iter().map(one).collect()
}

fn init_id(call: &Call<'_>) -> Result<Data, Failure> {
    let identifier = call.text("identifier")?;
    let request = wire::InitIdRequest {
        identifier,
        fingerprint: call.fingerprint("fingerprint")?,
        instance: String::new(),
    };
    let mut client = InitializationServiceClient::new(call.node.channel.clone());
    let answer = call.ask(client.init_id(request))?;
    let uid: UniqueIdentifier = answer.unique_identifier.parse().map_err(|error| {
        Failure::value(format!(
            "{}: the node gave \"{}\" as its identity: {error}",
            call.node.name, answer.unique_identifier
        ))
    })?;
    Ok(uid_data(&uid))
}
