//! `topology.*.authorize`: topology transactions that the node signs and adds.
//!
//! The node answers when the transaction is in its own store; `synchronize` then waits, as Canton does, until no node of the
//! console has topology transactions under way.

use crate::node::Channel;
use cantle_proto::crypto::v0 as crypto;
use cantle_proto::protocol::v0 as protocol;
use cantle_proto::topology::admin::v0 as wire;
use cantle_proto::topology::admin::v0::topology_manager_write_service_client::TopologyManagerWriteServiceClient;
use cantle_types::{Member, ParticipantId};

use super::MAX_ANSWER;
use super::health::synchronize;
use crate::command::{Call, Default, Kinds, Param, Spec, Style, optional, required};
use crate::failure::Failure;
use crate::value::{Data, parameters};

const OPS: Param = required("ops", "TopologyChangeOp");
const SIGNED_BY: Param = optional("signedBy", "Option(Fingerprint)", Default::None);
const SYNCHRONIZE: Param = optional("synchronize", "Option(Duration)", Default::Bounded);
const FORCE: Param = optional("force", "bool", Default::False);
const REPLACE: Param = optional("replaceExisting", "bool", Default::True);
const SIDE: Param = required("side", "RequestSide");
const PERMISSION: Param =
    optional("permission", "ParticipantPermission", Default::Constant("ParticipantPermission", "Submission"));

pub(super) const COMMANDS: &[Spec] = &[
    Spec {
        path: "topology.namespace_delegations.authorize",
        kinds: Kinds::WITH_TOPOLOGY,
        style: Style::Command,
        params: &[
            OPS,
            required("namespace", "Fingerprint"),
            required("authorizedKey", "Fingerprint"),
            optional("isRootDelegation", "bool", Default::False),
            SIGNED_BY,
            SYNCHRONIZE,
            FORCE,
        ],
        run: |call| {
            let request = wire::NamespaceDelegationAuthorization {
                authorization: Some(authorization(call)?),
                namespace: call.fingerprint("namespace")?,
                fingerprint_of_authorized_key: call.fingerprint("authorizedKey")?,
                is_root_delegation: call.truth("isRootDelegation")?,
            };
            done(call, call.ask(write_client(call).authorize_namespace_delegation(request)))
        },
        doc: "Lets a key act for a namespace; the first one is the namespace's root certificate.",
    },
    Spec {
        path: "topology.identifier_delegations.authorize",
        kinds: Kinds::WITH_TOPOLOGY,
        style: Style::Command,
        params: &[
            OPS,
            required("identifier", "UniqueIdentifier"),
            required("authorizedKey", "Fingerprint"),
            SIGNED_BY,
            SYNCHRONIZE,
        ],
        run: |call| {
            let request = wire::IdentifierDelegationAuthorization {
                authorization: Some(authorization(call)?),
                identifier: call.uid("identifier")?.to_string(),
                fingerprint_of_authorized_key: call.fingerprint("authorizedKey")?,
            };
            done(call, call.ask(write_client(call).authorize_identifier_delegation(request)))
        },
        doc: "Lets a key act for one identifier.",
    },
    Spec {
        path: "topology.owner_to_key_mappings.authorize",
        kinds: Kinds::WITH_TOPOLOGY,
        style: Style::Command,
        params: &[
            OPS,
            required("keyOwner", "KeyOwner"),
            required("key", "Fingerprint"),
            required("purpose", "KeyPurpose"),
            SIGNED_BY,
            SYNCHRONIZE,
            FORCE,
        ],
        run: |call| {
            let purpose = match call.constant("purpose", "KeyPurpose")? {
                "Signing" => crypto::KeyPurpose::SigningKeyPurpose,
                _ => crypto::KeyPurpose::EncryptionKeyPurpose,
            };
            let request = wire::OwnerToKeyMappingAuthorization {
                authorization: Some(authorization(call)?),
                key_owner: call.member("keyOwner")?.to_string(),
                fingerprint_of_key: call.fingerprint("key")?,
                key_purpose: purpose as i32,
            };
            done(call, call.ask(write_client(call).authorize_owner_to_key_mapping(request)))
        },
        doc: "Gives a member a key.",
    },
    Spec {
        path: "topology.party_to_participant_mappings.authorize",
        kinds: Kinds::WITH_TOPOLOGY,
        style: Style::Command,
        params: &[
            OPS,
            required("party", "PartyId"),
            required("participant", "ParticipantId"),
            optional("side", "RequestSide", Default::Constant("RequestSide", "Both")),
            PERMISSION,
            SIGNED_BY,
            SYNCHRONIZE,
            REPLACE,
            FORCE,
        ],
        run: |call| {
            let request = wire::PartyToParticipantAuthorization {
                authorization: Some(authorization(call)?),
                side: side(call)? as i32,
                party: call.uid("party")?.to_string(),
                participant: ParticipantId::new(call.uid("participant")?).to_string(),
                permission: permission(call)? as i32,
            };
            done(call, call.ask(write_client(call).authorize_party_to_participant(request)))
        },
        doc: "Lets a participant act for a party.",
    },
    Spec {
        path: "topology.participant_domain_states.authorize",
        kinds: Kinds::WITH_TOPOLOGY,
        style: Style::Command,
        params: &[
            OPS,
            required("domain", "DomainId"),
            required("participant", "ParticipantId"),
            SIDE,
            PERMISSION,
            optional("trustLevel", "TrustLevel", Default::Constant("TrustLevel", "Ordinary")),
            SIGNED_BY,
            SYNCHRONIZE,
            REPLACE,
        ],
        run: |call| {
            let request = wire::ParticipantDomainStateAuthorization {
                authorization: Some(authorization(call)?),
                side: side(call)? as i32,
                domain: call.uid("domain")?.to_string(),
                participant: call.uid("participant")?.to_string(),
                permission: permission(call)? as i32,
                trust_level: trust_level(call)? as i32,
            };
            done(call, call.ask(write_client(call).authorize_participant_domain_state(request)))
        },
        doc: "Lets a participant use a domain, from the domain's or the participant's side.",
    },
    Spec {
        path: "topology.mediator_domain_states.authorize",
        kinds: Kinds::WITH_TOPOLOGY,
        style: Style::Command,
        params: &[
            OPS,
            required("domain", "DomainId"),
            required("mediator", "MediatorId"),
            SIDE,
            SIGNED_BY,
            SYNCHRONIZE,
            REPLACE,
        ],
        run: |call| {
            let request = wire::MediatorDomainStateAuthorization {
                authorization: Some(authorization(call)?),
                side: side(call)? as i32,
                domain: call.uid("domain")?.to_string(),
                mediator: call.uid("mediator")?.to_string(),
            };
            done(call, call.ask(write_client(call).authorize_mediator_domain_state(request)))
        },
        doc: "Lets a mediator serve a domain.",
    },
    Spec {
        path: "topology.domain_parameters_changes.authorize",
        kinds: Kinds::GOVERNING,
        style: Style::Command,
        params: &[
            required("domainId", "DomainId"),
            required("newParameters", "DynamicDomainParameters"),
            required("protocolVersion", "ProtocolVersion"),
            SIGNED_BY,
            SYNCHRONIZE,
            FORCE,
        ],
        run: |call| {
            let version = parameters::protocol_version(call.value("protocolVersion"))
                .map_err(|failure| call.refuse("protocolVersion", failure.to_string()))?;
            let new = parameters::dynamic_to_wire(call.value("newParameters"))
                .map_err(|failure| call.refuse("newParameters", failure.to_string()))?;
            change_parameters(call, call.uid("domainId")?.to_string(), new, version, call.truth("force")?)
        },
        doc: "Changes a domain's dynamic parameters.",
    },
    Spec {
        path: "topology.vetted_packages.authorize",
        kinds: Kinds::WITH_TOPOLOGY,
        style: Style::Command,
        params: &[
            OPS,
            required("participant", "ParticipantId"),
            required("packageIds", "Seq(text)"),
            SIGNED_BY,
            SYNCHRONIZE,
            FORCE,
        ],
        run: |call| {
            let request = wire::VettedPackagesAuthorization {
                authorization: Some(authorization(call)?),
                participant: call.uid("participant")?.to_string(),
                package_ids: call.texts("packageIds")?,
            };
            done(call, call.ask(write_client(call).authorize_vetted_packages(request)))
        },
        doc: "Says which packages a participant has vetted.",
    },
    Spec {
        path: "topology.check_only_packages.authorize",
        kinds: Kinds::WITH_TOPOLOGY,
        style: Style::Command,
        params: &[
            OPS,
            required("participant", "ParticipantId"),
            required("packageIds", "Seq(text)"),
            SIGNED_BY,
            SYNCHRONIZE,
            FORCE,
        ],
        run: |call| {
            let request = wire::CheckOnlyPackagesAuthorization {
                authorization: Some(authorization(call)?),
                participant: call.uid("participant")?.to_string(),
                package_ids: call.texts("packageIds")?,
            };
            done(call, call.ask(write_client(call).authorize_check_only_packages(request)))
        },
        doc: "Says which packages a participant may check, but not use.",
    },
];

pub(super) const ADD: protocol::TopologyChangeOp = protocol::TopologyChangeOp::Add;
pub(super) const REMOVE: protocol::TopologyChangeOp = protocol::TopologyChangeOp::Remove;

pub(super) fn write_client(call: &Call<'_>) -> TopologyManagerWriteServiceClient<Channel> {
    TopologyManagerWriteServiceClient::new(call.node.channel.clone()).max_decoding_message_size(MAX_ANSWER)
}

/// The transaction, once it has spread as far as was asked for.
pub(super) fn done(
    call: &Call<'_>,
    answer: Result<wire::AuthorizationSuccess, Failure>,
) -> Result<Data, Failure> {
    let serialized = answer?.serialized;
    if call.has("synchronize") {
        synchronize(call)?;
    }
    Ok(Data::bytes(serialized))
}

/// What all authorizations share.
pub(super) fn authorization(call: &Call<'_>) -> Result<wire::AuthorizationData, Failure> {
    let change = match call.constant("ops", "TopologyChangeOp")? {
        "Add" => ADD,
        "Remove" => REMOVE,
        _ => return Err(call.refuse("ops", "must be TopologyChangeOp.Add or TopologyChangeOp.Remove")),
    };
    changing(call, change)
}

/// The same for a change that the command itself decides.
pub(super) fn changing(
    call: &Call<'_>,
    change: protocol::TopologyChangeOp,
) -> Result<wire::AuthorizationData, Failure> {
    if call.has("synchronize") {
        call.wait_for("synchronize")?;
    }
    Ok(wire::AuthorizationData {
        change: change as i32,
        signed_by: if call.has("signedBy") { call.optional_fingerprint("signedBy")? } else { String::new() },
        replace_existing: call.has("replaceExisting") && call.truth("replaceExisting")?,
        force_change: call.has("force") && call.truth("force")?,
    })
}

fn side(call: &Call<'_>) -> Result<protocol::RequestSide, Failure> {
    Ok(match call.constant("side", "RequestSide")? {
        "Both" => protocol::RequestSide::Both,
        "From" => protocol::RequestSide::From,
        _ => protocol::RequestSide::To,
    })
}

pub(super) fn trust_level(call: &Call<'_>) -> Result<protocol::TrustLevel, Failure> {
    Ok(match call.constant("trustLevel", "TrustLevel")? {
        "Ordinary" => protocol::TrustLevel::Ordinary,
        _ => protocol::TrustLevel::Vip,
    })
}

pub(super) fn permission(call: &Call<'_>) -> Result<protocol::ParticipantPermission, Failure> {
    Ok(match call.constant("permission", "ParticipantPermission")? {
        "Submission" => protocol::ParticipantPermission::Submission,
        "Confirmation" => protocol::ParticipantPermission::Confirmation,
        "Observation" => protocol::ParticipantPermission::Observation,
        _ => protocol::ParticipantPermission::Disabled,
    })
}

/// Changes a domain's dynamic parameters, in the form of the protocol version.
pub(super) fn change_parameters(
    call: &Call<'_>,
    domain: String,
    new: cantle_proto::protocol::v2::DynamicDomainParameters,
    protocol_version: i64,
    force: bool,
) -> Result<Data, Failure> {
    use wire::domain_parameters_change_authorization::Parameters;
    let parameters = if protocol_version < 6 {
        Parameters::ParametersV1(parameters::to_v1(new))
    } else {
        Parameters::ParametersV2(new)
    };
    let authorization = wire::AuthorizationData {
        force_change: force,
        ..changing(call, protocol::TopologyChangeOp::Replace)?
    };
    let request = wire::DomainParametersChangeAuthorization {
        authorization: Some(authorization),
        domain,
        parameters: Some(parameters),
    };
    done(call, call.ask(write_client(call).authorize_domain_parameters_change(request)))
}

/// One change of an owner's keys, signed by a key that the node chooses.
pub(super) fn authorize_owner_to_key(
    call: &Call<'_>,
    change: protocol::TopologyChangeOp,
    owner: &Member,
    fingerprint_of_key: String,
    purpose: crypto::KeyPurpose,
) -> Result<(), Failure> {
    let authorization =
        wire::AuthorizationData { change: change as i32, ..wire::AuthorizationData::default() };
    let request = wire::OwnerToKeyMappingAuthorization {
        authorization: Some(authorization),
        key_owner: owner.to_string(),
        fingerprint_of_key,
        key_purpose: purpose as i32,
    };
    call.ask(write_client(call).authorize_owner_to_key_mapping(request)).map(|_| ())
}
