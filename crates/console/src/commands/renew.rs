//! `topology.all.renew`: what one key has authorized is authorized by another, and the old authorization is withdrawn.
//!
//! Source: <https://docs.daml.com/2.10.0/canton/usermanual/security.html#key-rotation>.

use std::collections::HashSet;

use cantle_proto::crypto::v0 as crypto;
use cantle_proto::protocol::v0 as protocol;
use cantle_proto::topology::admin::v0 as wire;

use super::health::await_idle;
use super::topology_authorize::{ADD, REMOVE, write_client};
use super::topology_list::{head_state, read_client};
use super::topology_other::transactions;
use crate::command::Call;
use crate::failure::Failure;
use crate::value::transactions::{Read, Saying, read};
use crate::value::{Data, parameters};

/// How far a key reaches.
#[derive(Default)]
struct Reach {
    namespaces: HashSet<String>,
    identifiers: HashSet<String>,
    /// Whether it may delegate a namespace further.
    is_root: bool,
}

pub(super) fn renew(call: &Call<'_>) -> Result<Data, Failure> {
    let (old, new) = (call.fingerprint("filterAuthorizedKey")?, call.fingerprint("authorizeWith")?);
    if old == new {
        return Err(call.refuse("authorizeWith", "is the key that is to be replaced"));
    }
    let is_root = check(call, &old, &new)?;
    let existing = transactions(call, head_state("Authorized".to_owned()))?.filtered_by_key(&old);
    let read = existing.items().iter().filter_map(|item| read(&item.transaction));
    let work: Vec<Read> = read.filter(|read| !stays(&read.saying, &new)).collect();
    if !is_root && let Some(delegation) = work.iter().find_map(delegated_key) {
        return Err(call.refuse(
            "authorizeWith",
            format!("would have to delegate to the key {delegation}, which takes a root delegation of its own: authorize it with `isRootDelegation = true`"),
        ));
    }
    for Read { operation, saying, .. } in work {
        match saying {
            // A claim is signed by its own key, not by the one that authorizes it.
            Saying::LegalIdentityClaim(_) => {}
            Saying::DomainParametersChange(..) => {
                authorize(call, saying, protocol::TopologyChangeOp::Replace, &new)?
            }
            saying if operation == ADD => {
                authorize(call, saying.clone(), ADD, &new)?;
                authorize(call, saying, REMOVE, &old)?;
            }
            _ => {}
        }
    }
    await_idle(call, call.node.caller.deadline()).map(|()| Data::None)
}

/// What must stay as it is: the root certificate, which only its own key can sign, and what lets the new key act at all.
fn stays(saying: &Saying, new: &str) -> bool {
    let Saying::NamespaceDelegation(item) = saying else {
        return matches!(saying, Saying::IdentifierDelegation(item)
            if item.target_key.as_ref().is_some_and(|key| key.id == new));
    };
    let target = item.target_key.as_ref().map(|key| key.id.as_str()).unwrap_or_default();
    target == new || target == item.namespace
}

/// The key that a namespace is delegated to.
fn delegated_key(read: &Read) -> Option<String> {
    match &read.saying {
        Saying::NamespaceDelegation(item) => item.target_key.as_ref().map(|key| key.id.clone()),
        _ => None,
    }
}

/// The namespaces and the identifiers that a key may act for.
fn reach(call: &Call<'_>, key: &str) -> Result<Reach, Failure> {
    let query = || Some(head_state("Authorized".to_owned()));
    let namespaces = wire::ListNamespaceDelegationRequest { base_query: query(), ..Default::default() };
    let namespaces = call.ask(read_client(call).list_namespace_delegation(namespaces))?.results;
    let namespaces = namespaces.into_iter().filter(|found| found.target_key_fingerprint == key);
    let identifiers = wire::ListIdentifierDelegationRequest { base_query: query(), ..Default::default() };
    let identifiers = call.ask(read_client(call).list_identifier_delegation(identifiers))?.results;
    let identifiers = identifiers.into_iter().filter(|found| found.target_key_fingerprint == key);
    let mut reach = Reach::default();
    for item in namespaces.filter_map(|found| found.item) {
        reach.is_root |= item.is_root_delegation;
        reach.namespaces.insert(item.namespace);
    }
    reach.identifiers =
        identifiers.filter_map(|found| found.item).map(|item| item.unique_identifier).collect();
    Ok(reach)
}

/// The new key must reach at least what the old one does, or half of the work would fail in the middle. Whether it may delegate.
fn check(call: &Call<'_>, old: &str, new: &str) -> Result<bool, Failure> {
    let Reach { namespaces: old_spaces, identifiers: old_uids, .. } = reach(call, old)?;
    let Reach { namespaces: new_spaces, identifiers: new_uids, is_root } = reach(call, new)?;
    if let Some(space) = old_spaces.iter().find(|space| !new_spaces.contains(*space)) {
        return Err(call.refuse(
            "authorizeWith",
            format!("may not act for the namespace {space}: delegate to it with `topology.namespace_delegations.authorize(…)` first"),
        ));
    }
    let covered = |uid: &String| {
        new_uids.contains(uid) || uid.split_once("::").is_some_and(|(_, space)| new_spaces.contains(space))
    };
    if let Some(uid) = old_uids.iter().find(|uid| !covered(uid)) {
        return Err(call.refuse(
            "authorizeWith",
            format!("may not act for the identifier {uid}, nor for its namespace"),
        ));
    }
    Ok(is_root)
}

fn authorize(
    call: &Call<'_>,
    saying: Saying,
    change: protocol::TopologyChangeOp,
    signed_by: &str,
) -> Result<(), Failure> {
    // The same mapping is there, signed by the old key; removing what the old key signed is forced, as the new key has it again.
    let authorization = Some(wire::AuthorizationData {
        change: change as i32,
        signed_by: signed_by.to_owned(),
        replace_existing: false,
        force_change: change == REMOVE,
    });
    let mut client = write_client(call);
    let answer = match saying {
        Saying::NamespaceDelegation(item) => {
            let request = wire::NamespaceDelegationAuthorization {
                authorization,
                namespace: item.namespace,
                fingerprint_of_authorized_key: item.target_key.unwrap_or_default().id,
                is_root_delegation: item.is_root_delegation,
            };
            call.ask(client.authorize_namespace_delegation(request))
        }
        Saying::IdentifierDelegation(item) => {
            let request = wire::IdentifierDelegationAuthorization {
                authorization,
                identifier: item.unique_identifier,
                fingerprint_of_authorized_key: item.target_key.unwrap_or_default().id,
            };
            call.ask(client.authorize_identifier_delegation(request))
        }
        Saying::OwnerToKeyMapping(item) => {
            let (fingerprint_of_key, purpose) = match item.public_key.and_then(|key| key.key) {
                Some(crypto::public_key::Key::SigningPublicKey(key)) => {
                    (key.id, crypto::KeyPurpose::SigningKeyPurpose)
                }
                Some(crypto::public_key::Key::EncryptionPublicKey(key)) => {
                    (key.id, crypto::KeyPurpose::EncryptionKeyPurpose)
                }
                None => return Ok(()),
            };
            let request = wire::OwnerToKeyMappingAuthorization {
                authorization,
                key_owner: item.key_owner,
                fingerprint_of_key,
                key_purpose: purpose as i32,
            };
            call.ask(client.authorize_owner_to_key_mapping(request))
        }
        Saying::PartyToParticipant(item) => {
            let request = wire::PartyToParticipantAuthorization {
                authorization,
                side: item.side,
                party: item.party,
                participant: item.participant,
                permission: item.permission,
            };
            call.ask(client.authorize_party_to_participant(request))
        }
        Saying::ParticipantState(item) => {
            let request = wire::ParticipantDomainStateAuthorization {
                authorization,
                side: item.side,
                domain: item.domain,
                participant: item.participant,
                permission: item.permission,
                trust_level: item.trust_level,
            };
            call.ask(client.authorize_participant_domain_state(request))
        }
        Saying::MediatorDomainState(item) => {
            let request = wire::MediatorDomainStateAuthorization {
                authorization,
                side: item.side,
                domain: item.domain,
                mediator: item.mediator,
            };
            call.ask(client.authorize_mediator_domain_state(request))
        }
        Saying::VettedPackages(item) => {
            let request = wire::VettedPackagesAuthorization {
                authorization,
                participant: item.participant,
                package_ids: item.package_ids,
            };
            call.ask(client.authorize_vetted_packages(request))
        }
        Saying::CheckOnlyPackages(item) => {
            let request = wire::CheckOnlyPackagesAuthorization {
                authorization,
                participant: item.participant,
                package_ids: item.package_ids,
            };
            call.ask(client.authorize_check_only_packages(request))
        }
        Saying::DomainParametersChange(domain, new) => {
            use wire::domain_parameters_change_authorization::Parameters;
            // Only protocol version 7 and later have what is optional there.
            let parameters = match new.catch_up_parameters {
                None => Parameters::ParametersV1(parameters::to_v1(new)),
                Some(_) => Parameters::ParametersV2(new),
            };
            let request = wire::DomainParametersChangeAuthorization {
                authorization,
                domain,
                parameters: Some(parameters),
            };
            call.ask(client.authorize_domain_parameters_change(request))
        }
        Saying::LegalIdentityClaim(_) => return Ok(()),
    };
    answer.map(|_| ())
}
