//! `service` and `participants` of a domain or its manager: the domain's parameters, its agreement, and who may join.
//!
//! Source: <https://docs.daml.com/2.10.0/canton/usermanual/manage_domains.html>.

use std::time::{Duration, Instant};

use cantle_proto::domain::admin::v0 as wire;
use cantle_proto::domain::admin::v0::domain_service_client::DomainServiceClient;
use cantle_proto::protocol::v0 as protocol;
use cantle_proto::protocol::v2::DynamicDomainParameters;
use cantle_proto::topology::admin::v0 as topology;

use super::MAX_ANSWER;
use super::everywhere::synchronize_topology;
use super::health::{PAUSE, synchronize};
use super::identity::{identity, identity_of};
use super::topology_authorize::{ADD, change_parameters, changing, permission, trust_level, write_client};
use super::topology_list::{
    head_state, is_active_on, participant_state_results, participant_states, read_client,
};
use super::topology_parameters::wire_of;
use crate::command::{Call, Default, Kinds, Param, Spec, Style, optional, required};
use crate::failure::Failure;
use crate::value::parameters::StaticParameters;
use crate::value::time::time_data;
use crate::value::{Data, Record, duration, ids, parameters};

const FORCE: Param = optional("force", "bool", Default::False);

/// Canton advises against requests smaller than this: topology would not fit any more.
const LEAST_REQUEST_SIZE: i64 = 30_000;

pub(super) const COMMANDS: &[Spec] = &[
    Spec {
        path: "participants.list",
        kinds: Kinds::GOVERNING,
        style: Style::Command,
        params: &[],
        run: |call| {
            let query = head_state("Authorized".to_owned());
            let states = participant_states(call, String::new(), String::new(), query)?;
            let states = states.into_iter().filter(|found| {
                found.item.as_ref().is_some_and(|item| item.side != protocol::RequestSide::To as i32)
            });
            Ok(participant_state_results(states))
        },
        doc: "The participants that the domain has permissioned.",
    },
    Spec {
        path: "participants.set_state",
        kinds: Kinds::GOVERNING,
        style: Style::Command,
        params: &[
            required("participant", "ParticipantId"),
            required("permission", "ParticipantPermission"),
            optional("trustLevel", "TrustLevel", Default::Constant("TrustLevel", "Ordinary")),
            optional("synchronize", "Option(Duration)", Default::Bounded),
        ],
        run: set_state,
        doc: "Permissions a participant on the domain, or disables it.",
    },
    Spec {
        path: "participants.active",
        kinds: Kinds::GOVERNING,
        style: Style::Command,
        params: &[required("participantId", "ParticipantId")],
        run: |call| {
            let domain = identity(call)?.to_string();
            let participant = identity_of(call, "participantId", Kinds::PARTICIPANT)?.to_string();
            is_active_on(call, &domain, &participant).map(Data::Bool)
        },
        doc: "Whether a participant can use the domain.",
    },
    Spec {
        path: "service.list_accepted_agreements",
        kinds: Kinds::GOVERNING,
        style: Style::Command,
        params: &[],
        run: agreements,
        doc: "Which participants accepted the service agreement, and when.",
    },
    Spec {
        path: "service.get_static_domain_parameters",
        kinds: Kinds::GOVERNING,
        style: Style::Property,
        params: &[],
        run: |call| static_parameters(call).map(Data::object),
        doc: "The parameters that the domain was founded with.",
    },
    Spec {
        path: "service.get_dynamic_domain_parameters",
        kinds: Kinds::GOVERNING,
        style: Style::Property,
        params: &[],
        run: |call| current(call).map(parameters::dynamic),
        doc: "The parameters of the domain that can be changed.",
    },
    Spec {
        path: "service.get_reconciliation_interval",
        kinds: Kinds::GOVERNING,
        style: Style::Property,
        params: &[],
        run: |call| Ok(duration::from_wire(current(call)?.reconciliation_interval)),
        doc: "How often participants compare their contracts.",
    },
    Spec {
        path: "service.get_max_rate_per_participant",
        kinds: Kinds::GOVERNING,
        style: Style::Property,
        params: &[],
        run: |call| Ok(Data::Int(i64::from(current(call)?.max_rate_per_participant))),
        doc: "How many requests a participant may send a second.",
    },
    Spec {
        path: "service.get_max_request_size",
        kinds: Kinds::GOVERNING,
        style: Style::Property,
        params: &[],
        run: |call| Ok(Data::Int(i64::from(current(call)?.max_request_size))),
        doc: "The largest request in bytes.",
    },
    Spec {
        path: "service.get_mediator_deduplication_timeout",
        kinds: Kinds::GOVERNING,
        style: Style::Property,
        params: &[],
        run: |call| Ok(duration::from_wire(current(call)?.mediator_deduplication_timeout)),
        doc: "How long a mediator remembers requests, so that none counts twice.",
    },
    Spec {
        path: "service.set_dynamic_domain_parameters",
        kinds: Kinds::GOVERNING,
        style: Style::Command,
        params: &[required("dynamicDomainParameters", "DynamicDomainParameters"), FORCE],
        run: |call| {
            let new = parameters::dynamic_to_wire(call.value("dynamicDomainParameters"))
                .map_err(|failure| call.refuse("dynamicDomainParameters", failure.to_string()))?;
            set(call, new, call.truth("force")?)
        },
        doc: "Replaces the parameters of the domain; those that weaken it need force.",
    },
    Spec {
        path: "service.update_dynamic_domain_parameters",
        kinds: Kinds::GOVERNING,
        style: Style::Command,
        params: &[required("modifier", "DynamicDomainParameters => DynamicDomainParameters"), FORCE],
        run: update,
        doc: "Changes some parameters: update_dynamic_domain_parameters(_.update(maxRequestSize = 20000000)).",
    },
    Spec {
        path: "service.update_dynamic_parameters",
        kinds: Kinds::GOVERNING,
        style: Style::Command,
        params: &[required("modifier", "DynamicDomainParameters => DynamicDomainParameters"), FORCE],
        run: update,
        doc: "The former name of update_dynamic_domain_parameters.",
    },
    Spec {
        path: "service.set_reconciliation_interval",
        kinds: Kinds::GOVERNING,
        style: Style::Command,
        params: &[required("newReconciliationInterval", "Duration")],
        run: |call| {
            let interval = wire_duration(call, "newReconciliationInterval")?;
            change(call, |parameters| parameters.reconciliation_interval = Some(interval))
        },
        doc: "Changes how often participants compare their contracts.",
    },
    Spec {
        path: "service.set_max_rate_per_participant",
        kinds: Kinds::GOVERNING,
        style: Style::Command,
        params: &[required("maxRatePerParticipant", "int")],
        run: |call| {
            let rate = call.small("maxRatePerParticipant")?;
            change(call, |parameters| parameters.max_rate_per_participant = rate)
        },
        doc: "Changes how many requests a participant may send a second.",
    },
    Spec {
        path: "service.set_max_request_size",
        kinds: Kinds::GOVERNING,
        style: Style::Command,
        params: &[required("maxRequestSize", "int"), FORCE],
        run: set_max_request_size,
        doc: "Changes the largest request in bytes; below 30000 it needs force.",
    },
    Spec {
        path: "service.set_max_inbound_message_size",
        kinds: Kinds::GOVERNING,
        style: Style::Command,
        params: &[required("maxRequestSize", "int"), FORCE],
        run: set_max_request_size,
        doc: "The former name of set_max_request_size.",
    },
    Spec {
        path: "service.set_mediator_deduplication_timeout",
        kinds: Kinds::GOVERNING,
        style: Style::Command,
        params: &[required("newMediatorDeduplicationTimeout", "Duration")],
        run: |call| {
            let timeout = wire_duration(call, "newMediatorDeduplicationTimeout")?;
            change(call, |parameters| parameters.mediator_deduplication_timeout = Some(timeout))
        },
        doc: "Changes how long a mediator remembers requests.",
    },
    Spec {
        path: "service.set_ledger_time_record_time_tolerance",
        kinds: Kinds::GOVERNING,
        style: Style::Command,
        params: &[required("newLedgerTimeRecordTimeTolerance", "Duration"), FORCE],
        run: set_tolerance,
        doc: "Changes how far ledger time may be off; without force it waits until that is safe.",
    },
];

fn client(call: &Call<'_>) -> DomainServiceClient<crate::node::Channel> {
    DomainServiceClient::new(call.node.channel.clone()).max_decoding_message_size(MAX_ANSWER)
}

/// What the domain was founded with.
pub(super) fn static_parameters(call: &Call<'_>) -> Result<StaticParameters, Failure> {
    use wire::get_domain_parameters::response::Parameters;
    let request = wire::get_domain_parameters::Request {};
    match call.ask(client(call).get_domain_parameters_versioned(request))?.parameters {
        Some(Parameters::ParametersV1(parameters)) => Ok(StaticParameters::new(parameters)),
        _ => Err(Failure::value(format!(
            "{}: the domain's static parameters are not those of protocol version 5 or 7",
            call.node.name
        ))),
    }
}

fn set_state(call: &Call<'_>) -> Result<Data, Failure> {
    let authorization = topology::AuthorizationData { replace_existing: true, ..changing(call, ADD)? };
    let request = topology::ParticipantDomainStateAuthorization {
        authorization: Some(authorization),
        side: protocol::RequestSide::From as i32,
        domain: identity(call)?.to_string(),
        participant: identity_of(call, "participant", Kinds::PARTICIPANT)?.to_string(),
        permission: permission(call)? as i32,
        trust_level: trust_level(call)? as i32,
    };
    call.ask(write_client(call).authorize_participant_domain_state(request))?;
    synchronize(call).map(|()| Data::None)
}

fn agreements(call: &Call<'_>) -> Result<Data, Failure> {
    let answer = call.ask(client(call).list_service_agreement_acceptances(()))?;
    let acceptances = answer.acceptances.into_iter().map(|acceptance| {
        let fields = vec![
            ("agreementId", Data::text(acceptance.agreement_id)),
            ("participantId", ids::member_data(&acceptance.participant_id)),
            ("timestamp", time_data(acceptance.timestamp)),
        ];
        Data::object(Record::new("ServiceAgreementAcceptance", fields))
    });
    Ok(Data::list(acceptances.collect()))
}

/// The changes of the parameters in a store, in the order they came into force.
fn changes(
    call: &Call<'_>,
    base_query: topology::BaseQuery,
) -> Result<Vec<(topology::BaseResult, DynamicDomainParameters)>, Failure> {
    let request = topology::ListDomainParametersChangesRequest { base_query: Some(base_query) };
    let answer = call.ask(read_client(call).list_domain_parameters_changes(request))?;
    let results = answer.results.into_iter();
    let mut changes: Vec<_> = results
        .filter_map(|found| Some((found.context.unwrap_or_default(), wire_of(found.parameters?))))
        .collect();
    changes.sort_by_key(|(context, _)| context.valid_from.map(|from| (from.seconds, from.nanos)));
    Ok(changes)
}

fn current(call: &Call<'_>) -> Result<DynamicDomainParameters, Failure> {
    let latest = changes(call, head_state("Authorized".to_owned()))?.pop();
    latest.map(|(_, parameters)| parameters).ok_or_else(|| {
        Failure::value(format!(
            "{} has no dynamic domain parameters yet: authorize them with `{0}.topology.domain_parameters_changes.authorize(…)`",
            call.node.name
        ))
    })
}

fn set(call: &Call<'_>, new: DynamicDomainParameters, force: bool) -> Result<Data, Failure> {
    let version = i64::from(static_parameters(call)?.protocol_version());
    change_parameters(call, identity(call)?.to_string(), new, version, force)?;
    let caller = &call.node.caller;
    synchronize_topology(call.spec.path, caller, caller.deadline()).map(|()| Data::None)
}

fn change(call: &Call<'_>, change: impl FnOnce(&mut DynamicDomainParameters)) -> Result<Data, Failure> {
    let mut parameters = current(call)?;
    change(&mut parameters);
    set(call, parameters, false)
}

fn update(call: &Call<'_>) -> Result<Data, Failure> {
    let after = call.apply("modifier", &[parameters::dynamic(current(call)?)])?;
    let after = parameters::dynamic_to_wire(&after)
        .map_err(|failure| call.refuse("modifier", format!("gave a value that {failure}")))?;
    set(call, after, call.truth("force")?)
}

fn wire_duration(call: &Call<'_>, name: &str) -> Result<prost_types::Duration, Failure> {
    duration::to_wire(call.value(name)).map_err(|failure| call.refuse(name, failure.to_string()))
}

fn set_max_request_size(call: &Call<'_>) -> Result<Data, Failure> {
    let size = call.number("maxRequestSize")?;
    if size < LEAST_REQUEST_SIZE && !call.truth("force")? {
        return Err(call.refuse(
            "maxRequestSize",
            format!("is below {LEAST_REQUEST_SIZE}, where topology does not fit any more: write `force = true` to set it all the same"),
        ));
    }
    let size = call.small("maxRequestSize")?;
    change(call, |parameters| parameters.max_request_size = size)
}

fn nanos(duration: Option<prost_types::Duration>) -> i128 {
    duration.map_or(0, |duration| i128::from(duration.seconds) * 1_000_000_000 + i128::from(duration.nanos))
}

fn instant(time: Option<prost_types::Timestamp>) -> Option<i128> {
    time.map(|time| i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos))
}

/// A mediator that forgets a request while it could still be sent again would let it count twice. So a longer tolerance is safe only
/// once no parameters with a shorter memory than twice the tolerance have been in force for that long.
fn set_tolerance(call: &Call<'_>) -> Result<Data, Failure> {
    let tolerance = wire_duration(call, "newLedgerTimeRecordTimeTolerance")?;
    let needed = nanos(Some(tolerance)) * 2;
    let change_now = |force: bool| {
        let mut parameters = current(call)?;
        parameters.ledger_time_record_time_tolerance = Some(tolerance);
        set(call, parameters, force)
    };
    if call.truth("force")? {
        return change_now(true);
    }
    let before = current(call)?;
    if nanos(before.mediator_deduplication_timeout) < needed {
        return Err(call.refuse(
            "newLedgerTimeRecordTimeTolerance",
            "is more than half of the mediator's deduplication timeout: raise that first with `service.set_mediator_deduplication_timeout(…)`",
        ));
    }
    let domain = identity(call)?.to_string();
    let deadline = Instant::now()
        + Duration::from_nanos(u64::try_from(needed).unwrap_or(u64::MAX))
        + call.node.caller.deadline();
    loop {
        // A change that changes nothing: its time is a time that the domain has reached.
        set(call, current(call)?, true)?;
        let all = topology::BaseQuery {
            use_state_store: false,
            time_query: Some(topology::base_query::TimeQuery::Range(
                topology::base_query::TimeRange::default(),
            )),
            ..head_state(domain.clone())
        };
        let all = changes(call, all)?;
        let now = all.iter().filter_map(|(context, _)| instant(context.valid_from)).max();
        let wait = all
            .iter()
            .filter(|(_, parameters)| nanos(parameters.mediator_deduplication_timeout) < needed)
            .map(|(context, _)| match (instant(context.valid_until), now) {
                (Some(until), Some(now)) => needed - (now - until),
                _ => needed,
            })
            .max()
            .unwrap_or(0);
        if wait <= 0 {
            return change_now(true);
        }
        let wait = Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX)).max(PAUSE);
        if Instant::now() + wait >= deadline {
            return Err(Failure::value(format!(
                "{}: {}: it would not be safe for another {} s",
                call.node.name,
                call.spec.path,
                wait.as_secs()
            )));
        }
        call.node.caller.wait(call.spec.path, wait, std::future::pending::<()>())?;
    }
}
