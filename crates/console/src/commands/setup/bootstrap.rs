//! `setup.bootstrap_domain`: what the separate consoles' procedure does, in one command.
//!
//! Sequencers are initialized and mediators get their keys side by side; the manager authorizes these keys; the first sequencer takes
//! the topology as the domain's first message; then mediators and manager connect. Every step may have been done already.

use std::sync::Arc;

use cantle_proto::crypto::admin::v0 as vault;
use cantle_proto::crypto::v0 as crypto;
use cantle_types::{Member, MemberCode, UniqueIdentifier};

use super::shared::check_shared;
use super::{accept_existing, add_mediator_state, authorize_key, init};
use crate::command::{Call, Kinds};
use crate::commands::health::{status_of, wait_until};
use crate::commands::identity::{find_identity, identity};
use crate::commands::initialization::{bootstrap_topology, init_request, sequencer_client};
use crate::commands::keys_secret::{client as vault_client, signing_key_name, signing_key_of};
use crate::commands::mediator::client as mediator_client;
use crate::commands::mediator::initialize_request;
use crate::commands::sequencer_connection_of;
use crate::commands::service::static_parameters;
use crate::commands::topology_list::head_state;
use crate::commands::topology_other::transactions;
use crate::failure::Failure;
use crate::node::{Node, Pending};
use crate::value::connection::{Connection, Connections};
use crate::value::{Data, KeyRecord};

pub(super) fn bootstrap_domain(call: &Call<'_>) -> Result<Data, Failure> {
    let sequencers = call.nodes("sequencers", Kinds::SEQUENCER)?;
    let mediators = call.nodes("mediators", Kinds::MEDIATOR)?;
    if sequencers.is_empty() || mediators.is_empty() {
        let name = if sequencers.is_empty() { "sequencers" } else { "mediators" };
        return Err(call.refuse(name, "is empty: a domain needs at least one of each"));
    }
    check_shared(call, "sequencers", &sequencers)?;
    wait_until(call, call.node.caller.deadline(), "to have an identity", || {
        Ok(find_identity(call)?.is_some())
    })?;
    let domain = identity(call)?;
    let parameters = static_parameters(call)?;

    let keys = keys_of_all(call, &domain, &parameters.wire(), &sequencers, &mediators)?;
    let (sequencer_keys, mediator_keys) = keys.split_at(sequencers.len());
    let owner = Member::new(MemberCode::Sequencer, domain.clone());
    for (node, key) in sequencers.iter().zip(sequencer_keys) {
        authorize_key(call, key, &signing_key_name(node), &owner)?;
    }
    let ids = mediator_ids(&domain, &mediators)?;
    for ((node, key), id) in mediators.iter().zip(mediator_keys).zip(&ids) {
        let owner = Member::new(MemberCode::Mediator, id.clone());
        authorize_key(call, key, &signing_key_name(node), &owner)?;
        add_mediator_state(call, &domain, id)?;
    }

    let topology = transactions(call, head_state("Authorized".to_owned()))?;
    // Sequencers that share a database are founded by the first of them.
    if let Some(first) = sequencers.first() {
        accept_existing(bootstrap_topology(&call.at(first), topology.wire()))?;
    }

    let connections = sequencers.iter().map(sequencer_connection_of).collect::<Result<Vec<_>, _>>()?;
    let connection = Connection::merged(&connections)?;
    initialize_mediators(call, &domain, &parameters.wire(), &connection, &mediators, &ids)?;
    if !is_initialized(&call.node, call)? {
        init(call, &Connections::single(connection))?;
    }
    for node in mediators.iter().chain([&call.node]) {
        wait_until(&call.at(node), node.caller.deadline(), "to be initialized", || {
            is_initialized(node, call)
        })?;
    }
    Ok(Data::None)
}

pub(super) fn is_initialized(node: &Arc<Node>, call: &Call<'_>) -> Result<bool, Failure> {
    Ok(status_of(node, call.spec.path)?.is_some())
}

/// The first mediator has the domain's own identifier, as the manual has it; further ones are called after their nodes.
fn mediator_ids(
    domain: &UniqueIdentifier,
    mediators: &[Arc<Node>],
) -> Result<Vec<UniqueIdentifier>, Failure> {
    let mut ids = vec![domain.clone()];
    for node in mediators.iter().skip(1) {
        ids.push(own_id(domain, node)?);
    }
    Ok(ids)
}

/// The identifier of a further mediator.
pub(super) fn own_id(domain: &UniqueIdentifier, node: &Node) -> Result<UniqueIdentifier, Failure> {
    let identifier = node.name.parse().map_err(|error| {
        Failure::value(format!("the name of {} is no identifier of a mediator: {error}", node.name))
    })?;
    Ok(UniqueIdentifier::new(identifier, domain.namespace().clone()))
}

/// The signing key of every sequencer, then of every mediator: those that lack one make it, all at once.
fn keys_of_all(
    call: &Call<'_>,
    domain: &UniqueIdentifier,
    parameters: &cantle_proto::protocol::v1::StaticDomainParameters,
    sequencers: &[Arc<Node>],
    mediators: &[Arc<Node>],
) -> Result<Vec<KeyRecord>, Failure> {
    let mut known: Vec<Option<KeyRecord>> = Vec::new();
    let mut requests: Vec<(Arc<Node>, Pending<Option<crypto::SigningPublicKey>>)> = Vec::new();
    for node in sequencers {
        if is_initialized(node, call)? {
            known.push(signing_key_of(&call.at(node))?);
            continue;
        }
        known.push(None);
        let (mut client, request) =
            (sequencer_client(node), init_request(domain, parameters.clone(), None, None));
        let pending =
            async move { client.init_v1(request).await.map(|answer| answer.into_inner().public_key) };
        requests.push((Arc::clone(node), Box::pin(pending)));
    }
    for node in mediators {
        let key = signing_key_of(&call.at(node))?;
        if key.is_none() {
            let (mut client, name) = (vault_client(node), signing_key_name(node));
            let request = vault::GenerateSigningKeyRequest { key_scheme: 0, name };
            let pending = async move {
                client.generate_signing_key(request).await.map(|answer| answer.into_inner().public_key)
            };
            requests.push((Arc::clone(node), Box::pin(pending)));
        }
        known.push(key);
    }
    let mut made = call.node.ask_all(call.spec.path, requests)?.into_iter();
    let nodes = sequencers.iter().chain(mediators);
    let keys = nodes.zip(known).map(|(node, known)| {
        let key = known.or_else(|| {
            let key = made.next()??;
            Some(KeyRecord::new(crypto::public_key::Key::SigningPublicKey(key)))
        });
        key.ok_or_else(|| Failure::value(format!("{} gave no signing key", node.name)))
    });
    keys.collect()
}

/// Initializes the mediators that are not, all at once.
fn initialize_mediators(
    call: &Call<'_>,
    domain: &UniqueIdentifier,
    parameters: &cantle_proto::protocol::v1::StaticDomainParameters,
    connection: &Connection,
    mediators: &[Arc<Node>],
    ids: &[UniqueIdentifier],
) -> Result<(), Failure> {
    let mut requests: Vec<(Arc<Node>, Pending<_>)> = Vec::new();
    for (node, id) in mediators.iter().zip(ids) {
        if is_initialized(node, call)? {
            continue;
        }
        let mut client = mediator_client(node);
        let request =
            initialize_request(domain, id, parameters.clone(), connection.to_wire(), None, String::new());
        let pending = async move { client.initialize(request).await.map(tonic::Response::into_inner) };
        requests.push((Arc::clone(node), Box::pin(pending)));
    }
    for answer in call.node.ask_all(call.spec.path, requests)? {
        crate::commands::mediator::answered(answer)?;
    }
    Ok(())
}
