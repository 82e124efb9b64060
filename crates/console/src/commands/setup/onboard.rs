//! Mediators that come to a running domain, and leave it.

use cantle_proto::protocol::v0 as protocol;
use cantle_proto::topology::admin::v0 as topology;
use cantle_types::{Member, MemberCode, UniqueIdentifier};

use super::bootstrap::{is_initialized, own_id};
use super::{add_mediator_state, authorize_key, authorize_mediator_state, wait_for_key};
use crate::command::{Call, Kinds};
use crate::commands::health::{await_idle, wait_until};
use crate::commands::identity::identity;
use crate::commands::keys_secret::{signing_key_name, signing_key_or_new};
use crate::commands::mediator::{answered, client, initialize_request};
use crate::commands::service::static_parameters;
use crate::commands::topology_authorize::REMOVE;
use crate::commands::topology_list::{head_state, read_client};
use crate::commands::topology_other::transactions;
use crate::failure::Failure;
use crate::value::Data;
use crate::value::connection::Connection;

/// The mediators that serve the domain now.
fn serving(call: &Call<'_>, domain: &UniqueIdentifier) -> Result<Vec<String>, Failure> {
    let request = topology::ListMediatorDomainStateRequest {
        base_query: Some(head_state("Authorized".to_owned())),
        filter_domain: domain.to_string(),
        filter_mediator: String::new(),
    };
    let answer = call.ask(read_client(call).list_mediator_domain_state(request))?;
    let items = answer.results.into_iter().filter_map(|found| found.item);
    Ok(items.filter(|item| item.domain == domain.to_string()).map(|item| item.mediator).collect())
}

pub(super) fn onboard_mediator(call: &Call<'_>) -> Result<Data, Failure> {
    let mediator = call.node("mediator", Kinds::MEDIATOR)?;
    let connection = Connection::merged_from(&call.items("sequencers"))
        .map_err(|failure| call.refuse("sequencers", failure.to_string()))?;
    if is_initialized(&mediator, call)? {
        return Err(call.refuse("mediator", format!("{} is initialized already", mediator.name)));
    }
    let domain = identity(call)?;
    let parameters = static_parameters(call)?;
    // The domain's own identifier goes to the first mediator; nobody else may take it.
    let id = if serving(call, &domain)?.is_empty() { domain.clone() } else { own_id(&domain, &mediator)? };
    let owner = Member::new(MemberCode::Mediator, id.clone());
    let there = call.at(&mediator);
    let key = signing_key_or_new(&there)?;
    authorize_key(call, &key, &signing_key_name(&mediator), &owner)?;
    add_mediator_state(call, &domain, &id)?;
    wait_for_key(call, &owner, key.fingerprint())?;
    let topology = transactions(call, head_state(domain.to_string()))?;
    let request = initialize_request(
        &domain,
        &id,
        parameters.wire(),
        connection.to_wire(),
        Some(topology.wire()),
        key.fingerprint().to_owned(),
    );
    answered(there.ask(client(&mediator).initialize(request))?)?;
    wait_until(&there, mediator.caller.deadline(), "to be initialized", || is_initialized(&mediator, call))
}

/// Adds or removes the state of a mediator.
pub(super) fn set_mediator(
    call: &Call<'_>,
    change: protocol::TopologyChangeOp,
    domain: &UniqueIdentifier,
    mediator: &UniqueIdentifier,
    force: bool,
) -> Result<(), Failure> {
    let authorization = topology::AuthorizationData {
        change: change as i32,
        force_change: force,
        ..topology::AuthorizationData::default()
    };
    authorize_mediator_state(call, domain, mediator, authorization)
}

pub(super) fn offboard_mediator(call: &Call<'_>) -> Result<Data, Failure> {
    let (mediator, force) = (call.uid("mediatorId")?, call.truth("force")?);
    let domain = identity(call)?;
    let serving = serving(call, &domain)?;
    if !serving.contains(&mediator.to_string()) {
        return Err(call.refuse(
            "mediatorId",
            format!("does not serve the domain; those that do: {}", serving.join(", ")),
        ));
    }
    if serving.len() == 1 && !force {
        return Err(call.refuse(
            "mediatorId",
            "is the domain's last mediator, without one nothing goes on: write `force = true` if that is meant",
        ));
    }
    set_mediator(call, REMOVE, &domain, &mediator, force)?;
    await_idle(call, call.node.caller.deadline()).map(|()| Data::None)
}
