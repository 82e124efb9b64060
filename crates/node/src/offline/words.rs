//! A topology transaction in words, for whoever is to sign it.

use std::fmt;

use cantle_crypto::{PublicKey, SigningPublicKey};
use cantle_topology::{
    RequestSide, RequiredAuthorization, TopologyChangeOp, TopologyMapping, TopologyTransaction,
    required_authorizations,
};
use cantle_types::Namespace;

/// Says what a transaction does, whose signature it needs, and what its hash is; a line each.
#[derive(Debug, Clone, Copy)]
pub struct Words<'a>(pub &'a TopologyTransaction);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transaction = self.0;
        let mapping = transaction.mapping();
        let what = match transaction.op() {
            TopologyChangeOp::Add => "Adds",
            TopologyChangeOp::Remove => "Takes back",
            TopologyChangeOp::Replace => "Sets",
        };
        writeln!(f, "{what}: {}", Mapping(mapping))?;
        let mut namespaces = needed(mapping).into_iter().map(|namespace| namespace.as_str().to_owned());
        let first = namespaces.next().unwrap_or_default();
        let others: String = namespaces.map(|namespace| format!(" and of {namespace}")).collect();
        match mapping {
            TopologyMapping::NamespaceDelegation(root) if root.is_for_own_key() => {
                writeln!(f, "needs:    that key")?;
            }
            _ => {
                writeln!(f, "needs:    the namespace key of {first}{others}, or a key that may sign for it")?
            }
        }
        writeln!(
            f,
            "element:  {} at protocol version {}",
            transaction.element_id().as_str(),
            transaction.version()
        )?;
        write!(f, "hash:     {}", transaction.hash())
    }
}

/// The namespaces whose key must sign, each once.
pub(super) fn needed(mapping: &TopologyMapping) -> Vec<Namespace> {
    let mut needed = match required_authorizations(mapping) {
        RequiredAuthorization::Namespace { namespace, .. } => vec![namespace],
        RequiredAuthorization::Uids(uids) => uids.iter().map(|uid| uid.namespace().clone()).collect(),
    };
    needed.dedup();
    needed
}

struct Mapping<'a>(&'a TopologyMapping);

impl fmt::Display for Mapping<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            TopologyMapping::NamespaceDelegation(delegation) if delegation.is_for_own_key() => {
                write!(
                    f,
                    "the root certificate of namespace {}: it is governed by its own key {}",
                    delegation.namespace().as_str(),
                    Key(delegation.target())
                )
            }
            TopologyMapping::NamespaceDelegation(delegation) => {
                let further = if delegation.is_root_delegation() {
                    "in every way, delegations of the namespace included"
                } else {
                    "in every way but to delegate it"
                };
                write!(
                    f,
                    "a namespace delegation: the key {} may sign for namespace {} {further}",
                    Key(delegation.target()),
                    delegation.namespace().as_str()
                )
            }
            TopologyMapping::IdentifierDelegation(delegation) => write!(
                f,
                "an identifier delegation: the key {} may sign for {}, and for nobody else of its namespace",
                Key(&delegation.target),
                delegation.identifier
            ),
            TopologyMapping::OwnerToKeyMapping(mapping) => {
                let (does, scheme) = match &mapping.key {
                    PublicKey::Signing(key) => ("signs with", key.scheme().name()),
                    PublicKey::Encryption(key) => ("is sent what is encrypted for", key.scheme().name()),
                };
                write!(f, "{} {does} the key {} ({scheme})", mapping.owner, mapping.key.fingerprint())
            }
            TopologyMapping::PartyToParticipant(mapping) => write!(
                f,
                "{} hosts the party {} with the permission {} ({})",
                mapping.participant(),
                mapping.party(),
                mapping.permission(),
                side(mapping.side(), "the party", "the participant")
            ),
            TopologyMapping::SignedLegalIdentityClaim(claim) => {
                write!(f, "a claim of who stands behind {}", claim.uid())
            }
            TopologyMapping::ParticipantState(state) => write!(
                f,
                "{} is on domain {} with the permission {} and the trust level {} ({})",
                state.participant(),
                state.domain(),
                state.permission(),
                state.trust_level(),
                side(state.side(), "the domain", "the participant")
            ),
            TopologyMapping::MediatorDomainState(state) => write!(
                f,
                "mediator {} is on domain {} ({})",
                state.mediator,
                state.domain,
                side(state.side, "the domain", "the mediator")
            ),
            TopologyMapping::VettedPackages(packages) => {
                write!(f, "{} vets {} packages", packages.participant, packages.package_ids.len())
            }
            TopologyMapping::CheckOnlyPackages(packages) => {
                write!(f, "{} only checks {} packages", packages.participant, packages.package_ids.len())
            }
            TopologyMapping::DomainParametersChange(change) => {
                write!(f, "the parameters of domain {}: {:#?}", change.domain, change.parameters)
            }
        }
    }
}

struct Key<'a>(&'a SigningPublicKey);

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0.fingerprint(), self.0.scheme().name())
    }
}

fn side(side: RequestSide, from: &str, to: &str) -> String {
    match side {
        RequestSide::From => format!("{from} agrees"),
        RequestSide::To => format!("{to} agrees"),
        RequestSide::Both => format!("{from} and {to} agree"),
    }
}
