//! Changes of domains' dynamic parameters, as lists give them.

use cantle_proto::topology::admin::v0 as wire;
use wire::list_domain_parameters_changes_result::result::Parameters;

use super::topology_list::{base_query, head_state, read_client, result};
use crate::command::Call;
use crate::failure::Failure;
use crate::value::{Data, Record};

/// The changes in the stores that are asked for, or in that of one domain.
pub(super) fn list(call: &Call<'_>, domain: Option<String>) -> Result<Vec<Data>, Failure> {
    let query = match domain {
        Some(domain) => head_state(domain),
        None => base_query(call, call.optional_text("filterSigningKey")?)?,
    };
    let request = wire::ListDomainParametersChangesRequest { base_query: Some(query) };
    let answer = call.ask(read_client(call).list_domain_parameters_changes(request))?;
    let results = answer.results.into_iter().map(|found| {
        result("ListDomainParametersChangeResult", found.context, found.parameters.map(parameters), None)
    });
    Ok(results.collect())
}

/// The parameters of a domain that hold now.
pub(super) fn latest(call: &Call<'_>) -> Result<Data, Failure> {
    let domain = call.uid("domainId")?.to_string();
    let changes = list(call, Some(domain))?;
    let item = changes
        .last()
        .and_then(|change| change.downcast::<Record>())
        .and_then(|change| change.field("item").cloned());
    item.ok_or_else(|| {
        call.refuse("domainId", format!("is not a domain whose parameters {} knows", call.node.name))
    })
}

fn duration(value: Option<prost_types::Duration>) -> Data {
    let Some(value) = value else { return Data::None };
    let millis = value.seconds.saturating_mul(1000).saturating_add(i64::from(value.nanos / 1_000_000));
    Data::object(Record::shown("Duration", format!("{millis} ms"), vec![("millis", Data::Int(millis))]))
}

fn parameters(parameters: Parameters) -> Data {
    let fields = match parameters {
        Parameters::V0(value) => vec![
            ("participantResponseTimeout", duration(value.participant_response_timeout)),
            ("mediatorReactionTimeout", duration(value.mediator_reaction_timeout)),
            ("transferExclusivityTimeout", duration(value.transfer_exclusivity_timeout)),
            ("topologyChangeDelay", duration(value.topology_change_delay)),
            ("ledgerTimeRecordTimeTolerance", duration(value.ledger_time_record_time_tolerance)),
        ],
        Parameters::V1(value) => vec![
            ("participantResponseTimeout", duration(value.participant_response_timeout)),
            ("mediatorReactionTimeout", duration(value.mediator_reaction_timeout)),
            ("transferExclusivityTimeout", duration(value.transfer_exclusivity_timeout)),
            ("topologyChangeDelay", duration(value.topology_change_delay)),
            ("ledgerTimeRecordTimeTolerance", duration(value.ledger_time_record_time_tolerance)),
            ("reconciliationInterval", duration(value.reconciliation_interval)),
            ("mediatorDeduplicationTimeout", duration(value.mediator_deduplication_timeout)),
            ("maxRatePerParticipant", Data::Int(i64::from(value.max_rate_per_participant))),
            ("maxRequestSize", Data::Int(i64::from(value.max_request_size))),
        ],
        Parameters::V2(value) => vec![
            ("participantResponseTimeout", duration(value.participant_response_timeout)),
            ("mediatorReactionTimeout", duration(value.mediator_reaction_timeout)),
            ("transferExclusivityTimeout", duration(value.transfer_exclusivity_timeout)),
            ("topologyChangeDelay", duration(value.topology_change_delay)),
            ("ledgerTimeRecordTimeTolerance", duration(value.ledger_time_record_time_tolerance)),
            ("reconciliationInterval", duration(value.reconciliation_interval)),
            ("mediatorDeduplicationTimeout", duration(value.mediator_deduplication_timeout)),
            ("maxRatePerParticipant", Data::Int(i64::from(value.max_rate_per_participant))),
            ("maxRequestSize", Data::Int(i64::from(value.max_request_size))),
        ],
    };
    Data::object(Record::new("DynamicDomainParameters", fields))
}
