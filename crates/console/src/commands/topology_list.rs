//! `topology.*.list`: what topology transactions say, with Canton's filters.

use cantle_proto::protocol::v0 as protocol;
use cantle_proto::topology::admin::v0 as wire;
use cantle_proto::topology::admin::v0::topology_manager_read_service_client::TopologyManagerReadServiceClient;
use tonic::transport::Channel;

use super::MAX_ANSWER;
use super::argument::{time_data, timestamp};
use crate::command::{Call, Default, Kinds, Param, Spec, Style, optional, required};
use crate::failure::Failure;
use crate::value::{Data, Record, enum_constant, fingerprint, ids, namespace, public_key};

pub(super) const FILTER_STORE: Param = optional("filterStore", "text", Default::EmptyText);
pub(super) const USE_STATE_STORE: Param = optional("useStateStore", "bool", Default::True);
pub(super) const TIME_QUERY: Param =
    optional("timeQuery", "TimeQuery", Default::Constant("TimeQuery", "HeadState"));
pub(super) const FILTER_OPERATION: Param = optional("operation", "Option(TopologyChangeOp)", Default::None);
const FILTER_SIGNING_KEY: Param = optional("filterSigningKey", "text", Default::EmptyText);
const FILTER_TARGET_KEY: Param = optional("filterTargetKey", "Option(Fingerprint)", Default::None);
pub(super) const PROTOCOL_VERSION: Param = optional("protocolVersion", "Option(text)", Default::None);

const fn filter(name: &'static str) -> Param {
    optional(name, "text", Default::EmptyText)
}

pub(super) const COMMANDS: &[Spec] = &[
    Spec {
        path: "topology.namespace_delegations.list",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[
            FILTER_STORE,
            USE_STATE_STORE,
            TIME_QUERY,
            FILTER_OPERATION,
            filter("filterNamespace"),
            FILTER_SIGNING_KEY,
            FILTER_TARGET_KEY,
            PROTOCOL_VERSION,
        ],
        run: namespace_delegations,
        doc: "Which keys may act for namespaces.",
    },
    Spec {
        path: "topology.identifier_delegations.list",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[
            FILTER_STORE,
            USE_STATE_STORE,
            TIME_QUERY,
            FILTER_OPERATION,
            filter("filterUid"),
            FILTER_SIGNING_KEY,
            FILTER_TARGET_KEY,
            PROTOCOL_VERSION,
        ],
        run: identifier_delegations,
        doc: "Which keys may act for single identifiers.",
    },
    Spec {
        path: "topology.owner_to_key_mappings.list",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[
            FILTER_STORE,
            USE_STATE_STORE,
            TIME_QUERY,
            FILTER_OPERATION,
            optional("filterKeyOwnerType", "Option(text)", Default::None),
            filter("filterKeyOwnerUid"),
            optional("filterKeyPurpose", "Option(KeyPurpose)", Default::None),
            FILTER_SIGNING_KEY,
            PROTOCOL_VERSION,
        ],
        run: list_owner_to_key,
        doc: "Which keys members have.",
    },
    Spec {
        path: "topology.party_to_participant_mappings.list",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[
            FILTER_STORE,
            USE_STATE_STORE,
            TIME_QUERY,
            FILTER_OPERATION,
            filter("filterParty"),
            filter("filterParticipant"),
            optional("filterRequestSide", "Option(RequestSide)", Default::None),
            optional("filterPermission", "Option(ParticipantPermission)", Default::None),
            FILTER_SIGNING_KEY,
            PROTOCOL_VERSION,
        ],
        run: party_to_participant,
        doc: "Which participants act for parties.",
    },
    Spec {
        path: "topology.participant_domain_states.list",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[
            FILTER_STORE,
            USE_STATE_STORE,
            TIME_QUERY,
            FILTER_OPERATION,
            filter("filterDomain"),
            filter("filterParticipant"),
            FILTER_SIGNING_KEY,
            PROTOCOL_VERSION,
        ],
        run: |call| {
            let states = participant_states(
                call,
                call.optional_text("filterDomain")?,
                call.optional_text("filterParticipant")?,
            )?;
            Ok(Data::list(
                states
                    .into_iter()
                    .map(|state| {
                        result(
                            "ListParticipantDomainStateResult",
                            state.context,
                            state.item.map(state_data),
                            None,
                        )
                    })
                    .collect(),
            ))
        },
        doc: "Which participants may use domains.",
    },
    Spec {
        path: "topology.participant_domain_states.active",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[required("domainId", "DomainId"), required("participantId", "ParticipantId")],
        run: is_active,
        doc: "Whether a participant may use a domain: both sides have agreed.",
    },
    Spec {
        path: "topology.mediator_domain_states.list",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[
            FILTER_STORE,
            USE_STATE_STORE,
            TIME_QUERY,
            FILTER_OPERATION,
            filter("filterDomain"),
            filter("filterMediator"),
            FILTER_SIGNING_KEY,
            PROTOCOL_VERSION,
        ],
        run: mediator_states,
        doc: "Which mediators serve domains.",
    },
    Spec {
        path: "topology.vetted_packages.list",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[
            FILTER_STORE,
            USE_STATE_STORE,
            TIME_QUERY,
            FILTER_OPERATION,
            filter("filterParticipant"),
            FILTER_SIGNING_KEY,
            PROTOCOL_VERSION,
        ],
        run: vetted_packages,
        doc: "Which packages participants have vetted.",
    },
    Spec {
        path: "topology.check_only_packages.list",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[
            FILTER_STORE,
            USE_STATE_STORE,
            TIME_QUERY,
            FILTER_OPERATION,
            filter("filterParticipant"),
            FILTER_SIGNING_KEY,
            PROTOCOL_VERSION,
        ],
        run: check_only_packages,
        doc: "Which packages participants may check only.",
    },
    Spec {
        path: "topology.domain_parameters_changes.list",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[
            FILTER_STORE,
            USE_STATE_STORE,
            TIME_QUERY,
            FILTER_OPERATION,
            FILTER_SIGNING_KEY,
            PROTOCOL_VERSION,
        ],
        run: |call| Ok(Data::list(super::topology_parameters::list(call, None)?)),
        doc: "The changes of domains' parameters.",
    },
    Spec {
        path: "topology.domain_parameters_changes.get_latest",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[required("domainId", "DomainId")],
        run: super::topology_parameters::latest,
        doc: "The current parameters of a domain.",
    },
];

pub(super) fn read_client(call: &Call<'_>) -> TopologyManagerReadServiceClient<Channel> {
    TopologyManagerReadServiceClient::new(call.node.channel.clone()).max_decoding_message_size(MAX_ANSWER)
}

fn has(call: &Call<'_>, name: &str) -> bool {
    call.spec.params.iter().any(|param| param.name == name)
}

/// The part of a query that all lists share.
pub(super) fn base_query(call: &Call<'_>, filter_signed_key: String) -> Result<wire::BaseQuery, Failure> {
    let operation = call.optional_constant("operation", "TopologyChangeOp")?;
    let change = match operation {
        None | Some("Add") => protocol::TopologyChangeOp::Add,
        Some("Remove") => protocol::TopologyChangeOp::Remove,
        Some(_) => protocol::TopologyChangeOp::Replace,
    };
    Ok(wire::BaseQuery {
        filter_store: call.optional_text("filterStore")?,
        use_state_store: call.truth("useStateStore")?,
        operation: change as i32,
        filter_operation: operation.is_some(),
        filter_signed_key,
        protocol_version: Some(call.optional_text("protocolVersion")?).filter(|version| !version.is_empty()),
        time_query: Some(time_query(call)?),
    })
}

fn query(call: &Call<'_>) -> Result<Option<wire::BaseQuery>, Failure> {
    if !has(call, "filterStore") {
        return Ok(Some(head_state(String::new())));
    }
    base_query(call, call.optional_text("filterSigningKey")?).map(Some)
}

/// The current state of a store.
pub(super) fn head_state(filter_store: String) -> wire::BaseQuery {
    wire::BaseQuery {
        filter_store,
        use_state_store: true,
        time_query: Some(wire::base_query::TimeQuery::HeadState(())),
        ..wire::BaseQuery::default()
    }
}

fn time_query(call: &Call<'_>) -> Result<wire::base_query::TimeQuery, Failure> {
    use wire::base_query::{TimeQuery, TimeRange};
    let data = call.value("timeQuery");
    let time = |data: Option<&Data>| match data {
        None | Some(Data::None) => Ok(None),
        Some(data) => {
            let text = ids::text_of(data).unwrap_or_default();
            timestamp(&text).map(Some).map_err(|cause| call.refuse("timeQuery", cause))
        }
    };
    if let Some(record) = data.downcast::<Record>() {
        match record.type_name() {
            "Snapshot" => {
                if let Some(at) = time(record.field("asOf"))? {
                    return Ok(TimeQuery::Snapshot(at));
                }
            }
            "Range" => {
                return Ok(TimeQuery::Range(TimeRange {
                    from: time(record.field("from"))?,
                    until: time(record.field("until"))?,
                }));
            }
            _ => {}
        }
    }
    call.constant("timeQuery", "TimeQuery").map(|_| TimeQuery::HeadState(()))
}

/// One result of a list.
pub(super) fn result(
    kind: &'static str,
    context: Option<wire::BaseResult>,
    item: Option<Data>,
    more: Option<(&'static str, Data)>,
) -> Data {
    let mut fields =
        vec![("context", context.map_or(Data::None, context_data)), ("item", item.unwrap_or(Data::None))];
    fields.extend(more);
    Data::object(Record::new(kind, fields))
}

fn context_data(context: wire::BaseResult) -> Data {
    let operation = match protocol::TopologyChangeOp::try_from(context.operation) {
        Ok(protocol::TopologyChangeOp::Remove) => "Remove",
        Ok(protocol::TopologyChangeOp::Replace) => "Replace",
        _ => "Add",
    };
    Data::object(Record::new(
        "BaseResult",
        vec![
            ("domain", Data::text(context.store.as_str())),
            ("store", Data::text(context.store)),
            ("sequenced", time_data(context.sequenced)),
            ("validFrom", time_data(context.valid_from)),
            ("validUntil", time_data(context.valid_until)),
            ("operation", enum_constant("TopologyChangeOp", operation)),
            ("serialized", Data::bytes(context.serialized)),
            ("signedBy", fingerprint(&context.signed_by_fingerprint)),
        ],
    ))
}

fn key_data(key: Option<cantle_proto::crypto::v0::SigningPublicKey>) -> Data {
    key.map_or(Data::None, |key| public_key(cantle_proto::crypto::v0::public_key::Key::SigningPublicKey(key)))
}

/// Keeps what has the target key that was asked for: a filter that the API does not have.
fn targets(call: &Call<'_>, key: &str) -> Result<bool, Failure> {
    let wanted = call.optional_fingerprint("filterTargetKey")?;
    Ok(wanted.is_empty() || wanted == key)
}

fn namespace_delegations(call: &Call<'_>) -> Result<Data, Failure> {
    let request = wire::ListNamespaceDelegationRequest {
        base_query: query(call)?,
        filter_namespace: call.optional_text("filterNamespace")?,
    };
    let answer = call.ask(read_client(call).list_namespace_delegation(request))?;
    let mut items = Vec::new();
    for found in answer.results {
        if targets(call, &found.target_key_fingerprint)? {
            let item = found.item.map(|item| {
                let fields = vec![
                    ("namespace", namespace(&item.namespace)),
                    ("target", key_data(item.target_key)),
                    ("isRootDelegation", Data::Bool(item.is_root_delegation)),
                ];
                Data::object(Record::new("NamespaceDelegation", fields))
            });
            let target = ("targetKey", fingerprint(&found.target_key_fingerprint));
            items.push(result("ListNamespaceDelegationResult", found.context, item, Some(target)));
        }
    }
    Ok(Data::list(items))
}

fn identifier_delegations(call: &Call<'_>) -> Result<Data, Failure> {
    let request = wire::ListIdentifierDelegationRequest {
        base_query: query(call)?,
        filter_uid: call.optional_text("filterUid")?,
    };
    let answer = call.ask(read_client(call).list_identifier_delegation(request))?;
    let mut items = Vec::new();
    for found in answer.results {
        if targets(call, &found.target_key_fingerprint)? {
            let item = found.item.map(|item| {
                let fields = vec![
                    ("identifier", uid_text(&item.unique_identifier)),
                    ("target", key_data(item.target_key)),
                ];
                Data::object(Record::new("IdentifierDelegation", fields))
            });
            let target = ("targetKey", fingerprint(&found.target_key_fingerprint));
            items.push(result("ListIdentifierDelegationResult", found.context, item, Some(target)));
        }
    }
    Ok(Data::list(items))
}

/// An identifier if the text is one, else the text.
fn uid_text(text: &str) -> Data {
    text.parse().map_or_else(|_| Data::text(text), |uid| crate::value::uid_data(&uid))
}

fn list_owner_to_key(call: &Call<'_>) -> Result<Data, Failure> {
    let purpose = call.optional_constant("filterKeyPurpose", "KeyPurpose")?.map(|purpose| {
        let value = if purpose == "Signing" { 1 } else { 2 };
        wire::list_owner_to_key_mapping_request::FilterKeyPurpose { value }
    });
    let request = wire::ListOwnerToKeyMappingRequest {
        base_query: query(call)?,
        filter_key_owner_type: call.optional_text("filterKeyOwnerType")?,
        filter_key_owner_uid: call.optional_text("filterKeyOwnerUid")?,
        filter_key_purpose: purpose,
    };
    let answer = call.ask(read_client(call).list_owner_to_key_mapping(request))?;
    let items = answer.results.into_iter().map(|found| {
        let item = found.item.map(|item| {
            let key = item.public_key.and_then(|key| key.key).map_or(Data::None, public_key);
            Data::object(Record::new(
                "OwnerToKeyMapping",
                vec![("owner", Data::text(item.key_owner)), ("key", key)],
            ))
        });
        let key = ("key", fingerprint(&found.key_fingerprint));
        result("ListOwnerToKeyMappingResult", found.context, item, Some(key))
    });
    Ok(Data::list(items.collect()))
}

/// The mappings in the node's own store, in force now.
pub(super) fn owner_to_key_mappings(
    call: &Call<'_>,
) -> Result<Vec<wire::list_owner_to_key_mapping_result::Result>, Failure> {
    let base_query = Some(head_state("Authorized".to_owned()));
    let request =
        wire::ListOwnerToKeyMappingRequest { base_query, ..wire::ListOwnerToKeyMappingRequest::default() };
    Ok(call.ask(read_client(call).list_owner_to_key_mapping(request))?.results)
}

fn side_data(side: i32) -> Data {
    let side = match protocol::RequestSide::try_from(side) {
        Ok(protocol::RequestSide::Both) => "Both",
        Ok(protocol::RequestSide::From) => "From",
        _ => "To",
    };
    enum_constant("RequestSide", side)
}

fn permission_data(permission: i32) -> Data {
    let permission = match protocol::ParticipantPermission::try_from(permission) {
        Ok(protocol::ParticipantPermission::Submission) => "Submission",
        Ok(protocol::ParticipantPermission::Confirmation) => "Confirmation",
        Ok(protocol::ParticipantPermission::Observation) => "Observation",
        _ => "Disabled",
    };
    enum_constant("ParticipantPermission", permission)
}

fn party_to_participant(call: &Call<'_>) -> Result<Data, Failure> {
    use wire::list_party_to_participant_request::{FilterPermission, FilterRequestSide};
    let number = |name: &str, enumeration: &'static str| -> Result<Option<i32>, Failure> {
        let constant = call.optional_constant(name, enumeration)?;
        let index = constant.and_then(|constant| {
            crate::value::constants(enumeration).iter().position(|known| *known == constant)
        });
        Ok(index.and_then(|index| i32::try_from(index + 1).ok()))
    };
    let request = wire::ListPartyToParticipantRequest {
        base_query: query(call)?,
        filter_party: call.optional_text("filterParty")?,
        filter_participant: call.optional_text("filterParticipant")?,
        filter_request_side: number("filterRequestSide", "RequestSide")?
            .map(|value| FilterRequestSide { value }),
        filter_permission: number("filterPermission", "ParticipantPermission")?
            .map(|value| FilterPermission { value }),
    };
    let answer = call.ask(read_client(call).list_party_to_participant(request))?;
    let items = answer.results.into_iter().map(|found| {
        let item = found.item.map(|item| {
            let fields = vec![
                ("side", side_data(item.side)),
                ("party", uid_text(&item.party)),
                ("participant", Data::text(item.participant)),
                ("permission", permission_data(item.permission)),
            ];
            Data::object(Record::new("PartyToParticipant", fields))
        });
        result("ListPartyToParticipantResult", found.context, item, None)
    });
    Ok(Data::list(items.collect()))
}

fn state_data(item: protocol::ParticipantState) -> Data {
    let trust = if item.trust_level == protocol::TrustLevel::Vip as i32 { "Vip" } else { "Ordinary" };
    let fields = vec![
        ("side", side_data(item.side)),
        ("domain", uid_text(&item.domain)),
        ("participant", uid_text(&item.participant)),
        ("permission", permission_data(item.permission)),
        ("trustLevel", enum_constant("TrustLevel", trust)),
    ];
    Data::object(Record::new("ParticipantState", fields))
}

fn participant_states(
    call: &Call<'_>,
    filter_domain: String,
    filter_participant: String,
) -> Result<Vec<wire::list_participant_domain_state_result::Result>, Failure> {
    let base_query = query(call)?;
    let request = wire::ListParticipantDomainStateRequest { base_query, filter_domain, filter_participant };
    Ok(call.ask(read_client(call).list_participant_domain_state(request))?.results)
}

fn is_active(call: &Call<'_>) -> Result<Data, Failure> {
    let (domain, participant) = (call.uid("domainId")?.to_string(), call.uid("participantId")?.to_string());
    let base_query = Some(head_state(domain.clone()));
    let request = wire::ListParticipantDomainStateRequest {
        base_query,
        filter_domain: domain.clone(),
        filter_participant: participant.clone(),
    };
    let answer = call.ask(read_client(call).list_participant_domain_state(request))?;
    let (mut from, mut to) = (false, false);
    for state in answer.results.into_iter().filter_map(|found| found.item) {
        let disabled = state.permission == protocol::ParticipantPermission::Disabled as i32;
        if state.domain != domain || state.participant != participant || disabled {
            continue;
        }
        let side = protocol::RequestSide::try_from(state.side);
        from |= matches!(side, Ok(protocol::RequestSide::From | protocol::RequestSide::Both));
        to |= matches!(side, Ok(protocol::RequestSide::To | protocol::RequestSide::Both));
    }
    Ok(Data::Bool(from && to))
}

fn mediator_states(call: &Call<'_>) -> Result<Data, Failure> {
    let request = wire::ListMediatorDomainStateRequest {
        base_query: query(call)?,
        filter_domain: call.optional_text("filterDomain")?,
        filter_mediator: call.optional_text("filterMediator")?,
    };
    let answer = call.ask(read_client(call).list_mediator_domain_state(request))?;
    let items = answer.results.into_iter().map(|found| {
        let item = found.item.map(|item| {
            let fields = vec![
                ("side", side_data(item.side)),
                ("domain", uid_text(&item.domain)),
                ("mediator", uid_text(&item.mediator)),
            ];
            Data::object(Record::new("MediatorDomainState", fields))
        });
        result("ListMediatorDomainStateResult", found.context, item, None)
    });
    Ok(Data::list(items.collect()))
}

fn packages(kind: &'static str, participant: &str, package_ids: Vec<String>) -> Data {
    let ids = package_ids.into_iter().map(Data::text).collect();
    Data::object(Record::new(
        kind,
        vec![("participant", uid_text(participant)), ("packageIds", Data::list(ids))],
    ))
}

fn vetted_packages(call: &Call<'_>) -> Result<Data, Failure> {
    let request = wire::ListVettedPackagesRequest {
        base_query: query(call)?,
        filter_participant: call.optional_text("filterParticipant")?,
    };
    let answer = call.ask(read_client(call).list_vetted_packages(request))?;
    let items = answer.results.into_iter().map(|found| {
        let item = found.item.map(|item| packages("VettedPackages", &item.participant, item.package_ids));
        result("ListVettedPackagesResult", found.context, item, None)
    });
    Ok(Data::list(items.collect()))
}

fn check_only_packages(call: &Call<'_>) -> Result<Data, Failure> {
    let request = wire::ListCheckOnlyPackagesRequest {
        base_query: query(call)?,
        filter_participant: call.optional_text("filterParticipant")?,
    };
    let answer = call.ask(read_client(call).list_check_only_packages(request))?;
    let items = answer.results.into_iter().map(|found| {
        let item = found.item.map(|item| packages("CheckOnlyPackages", &item.participant, item.package_ids));
        result("ListCheckOnlyPackagesResult", found.context, item, None)
    });
    Ok(Data::list(items.collect()))
}
