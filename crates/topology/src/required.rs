//! Whose signature a mapping needs, apart from who holds it at the moment.
//!
//! One signature must satisfy all that is required: for both sides of a request, both identifiers.

use cantle_types::{Namespace, UniqueIdentifier};

use crate::change::RequestSide;
use crate::mapping::TopologyMapping;

/// Whose signature is required.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequiredAuthorization {
    /// That of a key of a namespace.
    Namespace {
        /// The namespace.
        namespace: Namespace,
        /// Whether the key needs a root delegation.
        root: bool,
    },
    /// That of a key valid for every one of these.
    Uids(Vec<UniqueIdentifier>),
}

/// Whose signature every change to a mapping requires, but the addition of a root certificate, which only needs that of
/// the namespace's own key.
#[must_use]
pub fn required_authorizations(mapping: &TopologyMapping) -> RequiredAuthorization {
    let sided = |side, from: &UniqueIdentifier, to: &UniqueIdentifier| {
        RequiredAuthorization::Uids(match side {
            RequestSide::From => vec![from.clone()],
            RequestSide::To => vec![to.clone()],
            RequestSide::Both => vec![from.clone(), to.clone()],
        })
    };
    let of = |uid: &UniqueIdentifier| RequiredAuthorization::Uids(vec![uid.clone()]);
    match mapping {
        TopologyMapping::NamespaceDelegation(delegation) => {
            RequiredAuthorization::Namespace { namespace: delegation.namespace().clone(), root: true }
        }
        TopologyMapping::IdentifierDelegation(delegation) => {
            let namespace = delegation.identifier.namespace().clone();
            RequiredAuthorization::Namespace { namespace, root: false }
        }
        TopologyMapping::OwnerToKeyMapping(mapping) => of(mapping.owner.uid()),
        TopologyMapping::PartyToParticipant(mapping) => {
            sided(mapping.side(), mapping.party().uid(), mapping.participant().uid())
        }
        TopologyMapping::SignedLegalIdentityClaim(claim) => of(claim.uid()),
        TopologyMapping::ParticipantState(state) => {
            sided(state.side(), state.domain().uid(), state.participant().uid())
        }
        TopologyMapping::MediatorDomainState(state) => sided(state.side, state.domain.uid(), &state.mediator),
        TopologyMapping::VettedPackages(packages) | TopologyMapping::CheckOnlyPackages(packages) => {
            of(packages.participant.uid())
        }
        TopologyMapping::DomainParametersChange(change) => of(change.domain.uid()),
    }
}
