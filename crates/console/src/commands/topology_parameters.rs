//! Changes of domains' dynamic parameters, as lists give them.

use cantle_proto::topology::admin::v0 as wire;
use wire::list_domain_parameters_changes_result::result::Parameters;

use super::topology_list::{head_state, query, read_client, result};
use crate::command::Call;
use crate::failure::Failure;
use crate::value::{Data, Record, parameters};

/// The changes in the stores that are asked for, or in that of one domain.
pub(super) fn list(call: &Call<'_>, domain: Option<String>) -> Result<Vec<Data>, Failure> {
    let query = match domain {
        Some(domain) => head_state(domain),
        None => query(call)?,
    };
    let request = wire::ListDomainParametersChangesRequest { base_query: Some(query) };
    let answer = call.ask(read_client(call).list_domain_parameters_changes(request))?;
    let results = answer.results.into_iter().map(|found| {
        result(
            "ListDomainParametersChangeResult",
            found.context,
            found.parameters.map(|found| parameters::dynamic(wire_of(found))),
            None,
        )
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

/// A change's parameters, whatever version they are in.
pub(super) fn wire_of(parameters: Parameters) -> cantle_proto::protocol::v2::DynamicDomainParameters {
    match parameters {
        Parameters::V0(value) => parameters::from_v0(value),
        Parameters::V1(value) => parameters::from_v1(value),
        Parameters::V2(value) => value,
    }
}
