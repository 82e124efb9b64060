//! A topology transaction in words, for whoever is to sign it.

use std::fmt;

use cantle_crypto::{PublicKey, SigningPublicKey};
use cantle_topology::{
    PackageId, RequestSide, RequiredAuthorization, TopologyChangeOp, TopologyMapping, TopologyTransaction,
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
                write!(
                    f,
                    "a claim of who stands behind {}, signed by {} ({}); with this certificate:",
                    claim.uid(),
                    claim.signature().signed_by(),
                    claim.hash()
                )?;
                let certificate = String::from_utf8_lossy(claim.certificate());
                certificate.lines().try_for_each(|line| write!(f, "\n  {}", line.escape_debug()))
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
                write!(f, "{} vets {}", packages.participant, Named(&packages.package_ids))
            }
            TopologyMapping::CheckOnlyPackages(packages) => {
                write!(f, "{} only checks {}", packages.participant, Named(&packages.package_ids))
            }
            TopologyMapping::DomainParametersChange(change) => {
                write!(f, "the parameters of domain {}: {:#?}", change.domain, change.parameters)
            }
        }
    }
}

struct Named<'a>(&'a [PackageId]);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => f.write_str("no packages"),
            [_] => f.write_str("this package alone:"),
            more => write!(f, "these {} packages alone:", more.len()),
        }?;
        self.0.iter().try_for_each(|id| write!(f, "\n  {}", id.as_str()))
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

#[cfg(test)]
mod tests {
    use cantle_crypto::{HashPurpose, SigningKeyScheme, SigningPrivateKey, digest};
    use cantle_proto::{protocol::v0, versioned::wrap};
    use cantle_topology::{Packages, SignedLegalIdentityClaim};
    use cantle_types::ProtocolVersion;
    use prost::Message;

    use super::*;

    fn said(mapping: TopologyMapping) -> String {
        Words(&TopologyTransaction::add(mapping, ProtocolVersion::V7).unwrap()).to_string()
    }

    fn namespace() -> String {
        let key = SigningPrivateKey::generate(SigningKeyScheme::Ed25519).unwrap();
        key.fingerprint().to_string()
    }

    #[test]
    fn every_package_is_named() {
        let participant = format!("PAR::participant1::{}", namespace());
        let packages = |ids: &[&str]| Packages {
            participant: participant.parse().unwrap(),
            package_ids: ids.iter().map(|id| id.parse().unwrap()).collect(),
        };
        let words = said(TopologyMapping::VettedPackages(packages(&["abc1", "def2"])));
        let expected = format!("Adds: {participant} vets these 2 packages alone:\n  abc1\n  def2\n");
        assert!(words.starts_with(&expected), "{words}");
        let words = said(TopologyMapping::CheckOnlyPackages(packages(&[])));
        assert!(words.starts_with(&format!("Adds: {participant} only checks no packages\n")), "{words}");
    }

    #[test]
    fn a_claim_is_shown_with_its_certificate_and_moves_no_cursor() {
        let uid = format!("participant1::{}", namespace());
        let certificate = b"-----BEGIN CERTIFICATE-----\nAB\x1b[2K\n".to_vec();
        let claim = v0::LegalIdentityClaim {
            unique_identifier: uid.clone(),
            evidence: Some(v0::legal_identity_claim::Evidence::X509Cert(certificate)),
        };
        let claim = wrap(&claim.encode_to_vec(), 0);
        let key = SigningPrivateKey::generate(SigningKeyScheme::Ed25519).unwrap();
        let hash = digest(HashPurpose::LegalIdentityClaim, &claim);
        let mapping = SignedLegalIdentityClaim::from_parts(claim, key.sign_hash(&hash).unwrap());
        let words = said(TopologyMapping::SignedLegalIdentityClaim(mapping.unwrap()));
        assert!(words.contains(&uid) && words.contains(key.fingerprint().as_str()), "{words}");
        assert!(words.contains("\n  -----BEGIN CERTIFICATE-----\n  AB\\u{1b}[2K\n"), "{words}");
    }
}
