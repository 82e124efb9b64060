//! Where in the topology a mapping stands: its kind, whom it concerns, and its element id.
//!
//! Two transactions with one path are about one element: a removal ends the additions of its path. The path says
//! nothing of the mapping's content.

use std::fmt;

use cantle_types::{Identifier, Namespace, TopologyElementId, UniqueIdentifier};

/// The kinds of mappings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MappingCode {
    /// `pas`: the state of a participant on a domain.
    ParticipantState,
    /// `nsd`: a key for a namespace.
    NamespaceDelegation,
    /// `idd`: a key for one identifier.
    IdentifierDelegation,
    /// `okm`: a key of a member.
    OwnerToKeyMapping,
    /// `ptp`: a party hosted by a participant.
    PartyToParticipant,
    /// `lic`: a legal identity.
    SignedLegalIdentityClaim,
    /// `pau`: packages that a participant vets.
    VettedPackages,
    /// `dmp`: the parameters of a domain.
    DomainParametersChange,
    /// `mds`: a mediator of a domain.
    MediatorDomainState,
    /// `pac`: packages that a participant only checks.
    CheckOnlyPackages,
}

impl MappingCode {
    /// Every kind, in the order of the numbers.
    pub const ALL: [Self; 10] = [
        Self::ParticipantState,
        Self::NamespaceDelegation,
        Self::IdentifierDelegation,
        Self::OwnerToKeyMapping,
        Self::PartyToParticipant,
        Self::SignedLegalIdentityClaim,
        Self::VettedPackages,
        Self::DomainParametersChange,
        Self::MediatorDomainState,
        Self::CheckOnlyPackages,
    ];

    /// The three letters.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ParticipantState => "pas",
            Self::NamespaceDelegation => "nsd",
            Self::IdentifierDelegation => "idd",
            Self::OwnerToKeyMapping => "okm",
            Self::PartyToParticipant => "ptp",
            Self::SignedLegalIdentityClaim => "lic",
            Self::VettedPackages => "pau",
            Self::DomainParametersChange => "dmp",
            Self::MediatorDomainState => "mds",
            Self::CheckOnlyPackages => "pac",
        }
    }

    /// The number, 1 to 10.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::ParticipantState => 1,
            Self::NamespaceDelegation => 2,
            Self::IdentifierDelegation => 3,
            Self::OwnerToKeyMapping => 4,
            Self::PartyToParticipant => 5,
            Self::SignedLegalIdentityClaim => 6,
            Self::VettedPackages => 7,
            Self::DomainParametersChange => 8,
            Self::MediatorDomainState => 9,
            Self::CheckOnlyPackages => 10,
        }
    }
}

impl fmt::Display for MappingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Whom a mapping concerns first, and in what respect: a path without its element id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// The kind of the mapping.
    pub code: MappingCode,
    /// The namespace.
    pub namespace: Namespace,
    /// The identifier in it; none for a delegation of the namespace as a whole.
    pub identifier: Option<Identifier>,
}

impl Subject {
    /// A subject with an identifier.
    #[must_use]
    pub fn of_uid(code: MappingCode, uid: &UniqueIdentifier) -> Self {
        Self { code, namespace: uid.namespace().clone(), identifier: Some(uid.identifier().clone()) }
    }

    /// The subject of a namespace's delegations.
    #[must_use]
    pub fn of_namespace(namespace: &Namespace) -> Self {
        Self { code: MappingCode::NamespaceDelegation, namespace: namespace.clone(), identifier: None }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.identifier {
            None => write!(f, "{}::{}", self.namespace, self.code),
            Some(identifier) => write!(f, "{}::uid::{identifier}::{}", self.namespace, self.code),
        }
    }
}

/// The identity of an element: `ns::nsd::element`, `ns::uid::identifier::code::element`, or, for the parameters of a
/// domain, which has but one set of them, `ns::uid::identifier::dmp`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UniquePath {
    /// Whom it concerns.
    pub subject: Subject,
    /// Which of the elements that concern it; none for domain parameters.
    pub element_id: Option<TopologyElementId>,
}

impl fmt::Display for UniquePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.element_id {
            None => write!(f, "{}", self.subject),
            Some(element_id) => write!(f, "{}::{element_id}", self.subject),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_letters_are_canton_s() {
        let codes = MappingCode::ALL.map(|code| (code.number(), code.as_str()));
        let expected = [
            (1, "pas"),
            (2, "nsd"),
            (3, "idd"),
            (4, "okm"),
            (5, "ptp"),
            (6, "lic"),
            (7, "pau"),
            (8, "dmp"),
            (9, "mds"),
            (10, "pac"),
        ];
        assert_eq!(codes, expected);
    }

    #[test]
    fn paths_are_written_as_canton_s() {
        let element_id = Some("element".parse().unwrap());
        let namespace: Namespace = "ns".parse().unwrap();
        let path = UniquePath { subject: Subject::of_namespace(&namespace), element_id: element_id.clone() };
        assert_eq!(path.to_string(), "ns::nsd::element");
        let uid = "alice::ns".parse().unwrap();
        let path = UniquePath { subject: Subject::of_uid(MappingCode::OwnerToKeyMapping, &uid), element_id };
        assert_eq!(path.to_string(), "ns::uid::alice::okm::element");
        let subject = Subject::of_uid(MappingCode::DomainParametersChange, &uid);
        assert_eq!(UniquePath { subject, element_id: None }.to_string(), "ns::uid::alice::dmp");
    }
}
