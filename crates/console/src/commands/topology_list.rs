//! `topology.*.list`: what topology transactions say, with Canton's filters.

use crate::node::Channel;
use cantle_proto::protocol::v0 as protocol;
use cantle_proto::topology::admin::v0 as wire;
use cantle_proto::topology::admin::v0::topology_manager_read_service_client::TopologyManagerReadServiceClient;

use super::MAX_ANSWER;
use crate::command::{Call, Default, Kinds, Param, Spec, Style, optional, required};
use crate::failure::Failure;
use crate::value::time::time_data;
use crate::value::{Data, Record, fingerprint, mapping, time};

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
                query(call)?,
            )?;
            Ok(participant_state_results(states.into_iter()))
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
        path: "topology.signed_legal_identity_claims.list",
        kinds: Kinds::ALL,
        style: Style::Command,
        params: &[
            FILTER_STORE,
            USE_STATE_STORE,
            TIME_QUERY,
            FILTER_OPERATION,
            filter("filterUid"),
            FILTER_SIGNING_KEY,
            PROTOCOL_VERSION,
        ],
        run: legal_identity_claims,
        doc: "The legal identity claims about identifiers.",
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

/// The query of the lists that filter by the key that signed.
pub(super) fn query(call: &Call<'_>) -> Result<wire::BaseQuery, Failure> {
    base_query(call, call.optional_text("filterSigningKey")?)
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
            time::from_data(data).map(Some).map_err(|failure| call.refuse("timeQuery", failure.to_string()))
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
    Data::object(Record::new(
        "BaseResult",
        vec![
            ("domain", Data::text(context.store.as_str())),
            ("store", Data::text(context.store)),
            ("sequenced", time_data(context.sequenced)),
            ("validFrom", time_data(context.valid_from)),
            ("validUntil", time_data(context.valid_until)),
            ("operation", mapping::operation(context.operation)),
            ("serialized", Data::bytes(context.serialized)),
            ("signedBy", fingerprint(&context.signed_by_fingerprint)),
        ],
    ))
}

/// Keeps what has the target key that was asked for: a filter that the API does not have.
fn targets(call: &Call<'_>, key: &str) -> Result<bool, Failure> {
    let wanted = call.optional_fingerprint("filterTargetKey")?;
    Ok(wanted.is_empty() || wanted == key)
}

fn namespace_delegations(call: &Call<'_>) -> Result<Data, Failure> {
    let request = wire::ListNamespaceDelegationRequest {
        base_query: Some(query(call)?),
        filter_namespace: call.optional_text("filterNamespace")?,
    };
    let answer = call.ask(read_client(call).list_namespace_delegation(request))?;
    let mut items = Vec::new();
    for found in answer.results {
        if targets(call, &found.target_key_fingerprint)? {
            let item = found.item.map(mapping::namespace_delegation);
            let target = ("targetKey", fingerprint(&found.target_key_fingerprint));
            items.push(result("ListNamespaceDelegationResult", found.context, item, Some(target)));
        }
    }
    Ok(Data::list(items))
}

fn identifier_delegations(call: &Call<'_>) -> Result<Data, Failure> {
    let request = wire::ListIdentifierDelegationRequest {
        base_query: Some(query(call)?),
        filter_uid: call.optional_text("filterUid")?,
    };
    let answer = call.ask(read_client(call).list_identifier_delegation(request))?;
    let mut items = Vec::new();
    for found in answer.results {
        if targets(call, &found.target_key_fingerprint)? {
            let item = found.item.map(mapping::identifier_delegation);
            let target = ("targetKey", fingerprint(&found.target_key_fingerprint));
            items.push(result("ListIdentifierDelegationResult", found.context, item, Some(target)));
        }
    }
    Ok(Data::list(items))
}

fn list_owner_to_key(call: &Call<'_>) -> Result<Data, Failure> {
    let purpose = call.optional_constant("filterKeyPurpose", "KeyPurpose")?.map(|purpose| {
        let value = if purpose == "Signing" { 1 } else { 2 };
        wire::list_owner_to_key_mapping_request::FilterKeyPurpose { value }
    });
    let request = wire::ListOwnerToKeyMappingRequest {
        base_query: Some(query(call)?),
        filter_key_owner_type: call.optional_text("filterKeyOwnerType")?,
        filter_key_owner_uid: call.optional_text("filterKeyOwnerUid")?,
        filter_key_purpose: purpose,
    };
    let answer = call.ask(read_client(call).list_owner_to_key_mapping(request))?;
    let items = answer.results.into_iter().map(|found| {
        let item = found.item.map(mapping::owner_to_key_mapping);
        let key = ("key", fingerprint(&found.key_fingerprint));
        result("ListOwnerToKeyMappingResult", found.context, item, Some(key))
    });
    Ok(Data::list(items.collect()))
}

/// The mappings in the node's own store, in force now.
pub(super) fn owner_to_key_mappings(
    call: &Call<'_>,
) -> Result<Vec<wire::list_owner_to_key_mapping_result::Result>, Failure> {
    owner_to_key_mappings_in(call, head_state("Authorized".to_owned()))
}

/// The mappings that a query finds.
pub(super) fn owner_to_key_mappings_in(
    call: &Call<'_>,
    query: wire::BaseQuery,
) -> Result<Vec<wire::list_owner_to_key_mapping_result::Result>, Failure> {
    let request = wire::ListOwnerToKeyMappingRequest {
        base_query: Some(query),
        ..wire::ListOwnerToKeyMappingRequest::default()
    };
    Ok(call.ask(read_client(call).list_owner_to_key_mapping(request))?.results)
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
        base_query: Some(query(call)?),
        filter_party: call.optional_text("filterParty")?,
        filter_participant: call.optional_text("filterParticipant")?,
        filter_request_side: number("filterRequestSide", "RequestSide")?
            .map(|value| FilterRequestSide { value }),
        filter_permission: number("filterPermission", "ParticipantPermission")?
            .map(|value| FilterPermission { value }),
    };
    let answer = call.ask(read_client(call).list_party_to_participant(request))?;
    let items = answer.results.into_iter().map(|found| {
        let item = found.item.map(mapping::party_to_participant);
        result("ListPartyToParticipantResult", found.context, item, None)
    });
    Ok(Data::list(items.collect()))
}

/// The states of participants that a query finds.
pub(super) fn participant_states(
    call: &Call<'_>,
    filter_domain: String,
    filter_participant: String,
    query: wire::BaseQuery,
) -> Result<Vec<wire::list_participant_domain_state_result::Result>, Failure> {
    let base_query = Some(query);
    let request = wire::ListParticipantDomainStateRequest { base_query, filter_domain, filter_participant };
    Ok(call.ask(read_client(call).list_participant_domain_state(request))?.results)
}

/// The states of participants as lists give them.
pub(super) fn participant_state_results(
    states: impl Iterator<Item = wire::list_participant_domain_state_result::Result>,
) -> Data {
    let results = states.map(|state| {
        let item = state.item.map(mapping::participant_state);
        result("ListParticipantDomainStateResult", state.context, item, None)
    });
    Data::list(results.collect())
}

fn is_active(call: &Call<'_>) -> Result<Data, Failure> {
    let (domain, participant) = (call.uid("domainId")?.to_string(), call.uid("participantId")?.to_string());
    is_active_on(call, &domain, &participant).map(Data::Bool)
}

/// Whether both sides let a participant use a domain, as the node sees that domain; a state that disables it wins.
pub(super) fn is_active_on(call: &Call<'_>, domain: &str, participant: &str) -> Result<bool, Failure> {
    let query = head_state(domain.to_owned());
    let states = participant_states(call, domain.to_owned(), participant.to_owned(), query)?;
    let (mut from, mut to) = (false, false);
    for state in states.into_iter().filter_map(|found| found.item) {
        if state.domain != domain || state.participant != participant {
            continue;
        }
        if state.permission == protocol::ParticipantPermission::Disabled as i32 {
            return Ok(false);
        }
        let side = protocol::RequestSide::try_from(state.side);
        from |= matches!(side, Ok(protocol::RequestSide::From | protocol::RequestSide::Both));
        to |= matches!(side, Ok(protocol::RequestSide::To | protocol::RequestSide::Both));
    }
    Ok(from && to)
}

fn mediator_states(call: &Call<'_>) -> Result<Data, Failure> {
    let request = wire::ListMediatorDomainStateRequest {
        base_query: Some(query(call)?),
        filter_domain: call.optional_text("filterDomain")?,
        filter_mediator: call.optional_text("filterMediator")?,
    };
    let answer = call.ask(read_client(call).list_mediator_domain_state(request))?;
    let items = answer.results.into_iter().map(|found| {
        let item = found.item.map(mapping::mediator_domain_state);
        result("ListMediatorDomainStateResult", found.context, item, None)
    });
    Ok(Data::list(items.collect()))
}

fn vetted_packages(call: &Call<'_>) -> Result<Data, Failure> {
    let request = wire::ListVettedPackagesRequest {
        base_query: Some(query(call)?),
        filter_participant: call.optional_text("filterParticipant")?,
    };
    let answer = call.ask(read_client(call).list_vetted_packages(request))?;
    let items = answer.results.into_iter().map(|found| {
        let item = found.item.map(mapping::vetted_packages);
        result("ListVettedPackagesResult", found.context, item, None)
    });
    Ok(Data::list(items.collect()))
}

fn check_only_packages(call: &Call<'_>) -> Result<Data, Failure> {
    let request = wire::ListCheckOnlyPackagesRequest {
        base_query: Some(query(call)?),
        filter_participant: call.optional_text("filterParticipant")?,
    };
    let answer = call.ask(read_client(call).list_check_only_packages(request))?;
    let items = answer.results.into_iter().map(|found| {
        let item = found.item.map(mapping::check_only_packages);
        result("ListCheckOnlyPackagesResult", found.context, item, None)
    });
    Ok(Data::list(items.collect()))
}

fn legal_identity_claims(call: &Call<'_>) -> Result<Data, Failure> {
    let request = wire::ListSignedLegalIdentityClaimRequest {
        base_query: Some(query(call)?),
        filter_uid: call.optional_text("filterUid")?,
    };
    let answer = call.ask(read_client(call).list_signed_legal_identity_claim(request))?;
    let items = answer.results.into_iter().map(|found| {
        let item = found.item.map(mapping::signed_legal_identity_claim);
        result("ListSignedLegalIdentityClaimResult", found.context, item, None)
    });
    Ok(Data::list(items.collect()))
}
