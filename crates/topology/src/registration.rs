//! What a participant shows a domain that does not know it yet.
//!
//! Its keys, its legal identity, its wish to be there, and every delegation on a chain that authorizes one of these: a
//! set that authorizes itself. What else the participant said stays with it until it is on the domain.
//! Source: <https://docs.daml.com/canton/usermanual/identity_management.html>

use std::collections::HashMap;

use cantle_types::{DomainId, Fingerprint, Namespace, ParticipantId, UniqueIdentifier};

use crate::change::RequestSide;
use crate::mapping::TopologyMapping;
use crate::required::{RequiredAuthorization, required_authorizations};
use crate::signed::SignedTopologyTransaction;
use crate::state::TopologyState;

/// Of a participant's active transactions, those that a domain must be shown when the participant joins it, in their
/// order. What is not authorized is left out.
#[must_use]
pub fn joining_transactions(
    active: &[SignedTopologyTransaction],
    participant: &ParticipantId,
    domain: &DomainId,
) -> Vec<SignedTopologyTransaction> {
    let state = TopologyState::replay(active);
    let authorized = |signed: &SignedTopologyTransaction| {
        state.is_authorized(signed.transaction(), signed.key().fingerprint())
    };
    let delegations = Delegations::of(active);
    let mut chosen = vec![false; active.len()];
    let is_shown = |signed: &SignedTopologyTransaction| {
        is_about(signed.transaction().mapping(), participant, domain) && authorized(signed)
    };
    let mut waiting: Vec<usize> = (0..active.len()).filter(|&index| is_shown(&active[index])).collect();
    while let Some(index) = waiting.pop() {
        if std::mem::replace(&mut chosen[index], true) {
            continue;
        }
        let rests_on = delegations.that_authorize(&active[index]);
        waiting.extend(rests_on.into_iter().filter(|&delegation| authorized(&active[delegation])));
    }
    let shown = active.iter().zip(chosen).filter(|(_, chosen)| *chosen);
    shown.map(|(signed, _)| signed.clone()).collect()
}

/// Whether a mapping is one that the domain asks for.
fn is_about(mapping: &TopologyMapping, participant: &ParticipantId, domain: &DomainId) -> bool {
    match mapping {
        TopologyMapping::OwnerToKeyMapping(mapping) => mapping.owner == *participant.member(),
        TopologyMapping::SignedLegalIdentityClaim(claim) => claim.uid() == participant.uid(),
        TopologyMapping::ParticipantState(state) => {
            state.participant() == participant
                && state.domain() == domain
                && state.side() != RequestSide::From
        }
        _ => false,
    }
}

/// The delegations among some transactions, by whom they let act for what.
struct Delegations<'a> {
    of_namespace: HashMap<(&'a Namespace, &'a Fingerprint), Vec<usize>>,
    of_identifier: HashMap<(&'a UniqueIdentifier, &'a Fingerprint), Vec<usize>>,
}

impl<'a> Delegations<'a> {
    fn of(active: &'a [SignedTopologyTransaction]) -> Self {
        let mut found = Self { of_namespace: HashMap::new(), of_identifier: HashMap::new() };
        for (index, signed) in active.iter().enumerate() {
            match signed.transaction().mapping() {
                TopologyMapping::NamespaceDelegation(delegation) => {
                    let key = (delegation.namespace(), delegation.target().fingerprint());
                    found.of_namespace.entry(key).or_default().push(index);
                }
                TopologyMapping::IdentifierDelegation(delegation) => {
                    let key = (&delegation.identifier, delegation.target.fingerprint());
                    found.of_identifier.entry(key).or_default().push(index);
                }
                _ => {}
            }
        }
        found
    }

    /// The delegations to the signer of a transaction, for what the transaction needs.
    fn that_authorize(&self, signed: &SignedTopologyTransaction) -> Vec<usize> {
        let signer = signed.key().fingerprint();
        match required_authorizations(signed.transaction().mapping()) {
            RequiredAuthorization::Namespace { namespace, .. } => {
                self.of_namespace.get(&(&namespace, signer)).cloned().unwrap_or_default()
            }
            RequiredAuthorization::Uids(uids) => {
                let of_uid = |uid: &UniqueIdentifier| {
                    let of_namespace = self.of_namespace.get(&(uid.namespace(), signer));
                    let of_identifier = self.of_identifier.get(&(uid, signer));
                    of_namespace.into_iter().chain(of_identifier).flatten().copied().collect::<Vec<_>>()
                };
                uids.iter().flat_map(of_uid).collect()
            }
        }
    }
}
