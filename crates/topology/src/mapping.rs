//! What a topology transaction is about: ten kinds of mappings.
//!
//! Constructors and readers enforce what Canton enforces at construction; fields that take part in a rule are
//! therefore private. Which version of the protocol can say a mapping, and in which bytes, is in `wire.rs`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use cantle_crypto::{Hash, HashPurpose, PublicKey, Signature, SigningPublicKey, digest};
use cantle_types::{
    DomainId, Fingerprint, Member, Namespace, ParticipantId, PartyId, ProtocolVersion, UniqueIdentifier,
};

use crate::change::{ParticipantPermission, RequestSide, TopologyChangeOp, TrustLevel};
use crate::error::MappingError;
use crate::parameters::DomainParametersChange;
use crate::path::{MappingCode, Subject, UniquePath};

/// A mapping of the topology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopologyMapping {
    /// A key may act for a namespace.
    NamespaceDelegation(NamespaceDelegation),
    /// A key may act for one identifier.
    IdentifierDelegation(IdentifierDelegation),
    /// A member has a key.
    OwnerToKeyMapping(OwnerToKeyMapping),
    /// A participant hosts a party.
    PartyToParticipant(PartyToParticipant),
    /// A legal identity stands behind an identifier.
    SignedLegalIdentityClaim(SignedLegalIdentityClaim),
    /// A participant is on a domain.
    ParticipantState(ParticipantState),
    /// A mediator is on a domain.
    MediatorDomainState(MediatorDomainState),
    /// A participant vets packages.
    VettedPackages(Packages),
    /// A participant only checks packages; from protocol version 7 on.
    CheckOnlyPackages(Packages),
    /// A domain has parameters.
    DomainParametersChange(DomainParametersChange),
}

impl TopologyMapping {
    /// The kind.
    #[must_use]
    pub fn code(&self) -> MappingCode {
        match self {
            Self::NamespaceDelegation(_) => MappingCode::NamespaceDelegation,
            Self::IdentifierDelegation(_) => MappingCode::IdentifierDelegation,
            Self::OwnerToKeyMapping(_) => MappingCode::OwnerToKeyMapping,
            Self::PartyToParticipant(_) => MappingCode::PartyToParticipant,
            Self::SignedLegalIdentityClaim(_) => MappingCode::SignedLegalIdentityClaim,
            Self::ParticipantState(_) => MappingCode::ParticipantState,
            Self::MediatorDomainState(_) => MappingCode::MediatorDomainState,
            Self::VettedPackages(_) => MappingCode::VettedPackages,
            Self::CheckOnlyPackages(_) => MappingCode::CheckOnlyPackages,
            Self::DomainParametersChange(_) => MappingCode::DomainParametersChange,
        }
    }

    /// Whom it concerns first.
    #[must_use]
    pub fn subject(&self) -> Subject {
        let uid = match self {
            Self::NamespaceDelegation(mapping) => return Subject::of_namespace(mapping.namespace()),
            Self::IdentifierDelegation(mapping) => &mapping.identifier,
            Self::OwnerToKeyMapping(mapping) => mapping.owner.uid(),
            Self::PartyToParticipant(mapping) => mapping.party().uid(),
            Self::SignedLegalIdentityClaim(mapping) => mapping.uid(),
            Self::ParticipantState(mapping) => mapping.participant().uid(),
            Self::MediatorDomainState(mapping) => &mapping.mediator,
            Self::VettedPackages(mapping) | Self::CheckOnlyPackages(mapping) => mapping.participant.uid(),
            Self::DomainParametersChange(mapping) => mapping.domain.uid(),
        };
        Subject::of_uid(self.code(), uid)
    }

    /// The path of an element with this mapping.
    #[must_use]
    pub fn unique_path(&self, element_id: &cantle_types::TopologyElementId) -> UniquePath {
        let element_id = (!self.is_governance()).then(|| element_id.clone());
        UniquePath { subject: self.subject(), element_id }
    }

    /// The key that it gives to someone or lets act, if it is about a key.
    #[must_use]
    pub fn key(&self) -> Option<&Fingerprint> {
        match self {
            Self::NamespaceDelegation(mapping) => Some(mapping.target().fingerprint()),
            Self::IdentifierDelegation(mapping) => Some(mapping.target.fingerprint()),
            Self::OwnerToKeyMapping(mapping) => Some(mapping.key.fingerprint()),
            _ => None,
        }
    }

    /// Whether it governs a domain, and so is replaced instead of added and removed.
    #[must_use]
    pub fn is_governance(&self) -> bool {
        matches!(self, Self::DomainParametersChange(_))
    }

    /// The one domain on which it makes sense, if there is but one.
    #[must_use]
    pub fn restricted_to_domain(&self) -> Option<&DomainId> {
        match self {
            Self::ParticipantState(mapping) => Some(mapping.domain()),
            Self::MediatorDomainState(mapping) => Some(&mapping.domain),
            _ => None,
        }
    }

    /// Whether `newer` says the same of the same pair, possibly with another permission: what replacing means.
    #[must_use]
    pub fn is_replaced_by(&self, newer: &Self) -> bool {
        match (self, newer) {
            (Self::ParticipantState(old), Self::ParticipantState(new)) => {
                (old.side, &old.domain, &old.participant) == (new.side, &new.domain, &new.participant)
            }
            (Self::MediatorDomainState(old), Self::MediatorDomainState(new)) => {
                (old.side, &old.domain, &old.mediator) == (new.side, &new.domain, &new.mediator)
            }
            (Self::PartyToParticipant(old), Self::PartyToParticipant(new)) => {
                (old.side, &old.party, &old.participant) == (new.side, &new.party, &new.participant)
            }
            _ => false,
        }
    }

    /// Whether a protocol version can say it.
    ///
    /// # Errors
    /// [`MappingError::NotInProtocolVersion`].
    pub fn check_version(&self, version: ProtocolVersion) -> Result<(), MappingError> {
        match (self, version) {
            (Self::CheckOnlyPackages(_), ProtocolVersion::V5) => {
                Err(MappingError::NotInProtocolVersion { code: self.code(), version })
            }
            _ => Ok(()),
        }
    }

    /// Whether an operation goes with it.
    ///
    /// # Errors
    /// [`MappingError::IncompatibleOperation`].
    pub fn check_operation(&self, op: TopologyChangeOp) -> Result<(), MappingError> {
        if self.is_governance() == (op == TopologyChangeOp::Replace) {
            Ok(())
        } else {
            Err(MappingError::IncompatibleOperation { code: self.code(), op })
        }
    }
}

/// `nsd`: a key may act for a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceDelegation {
    namespace: Namespace,
    target: SigningPublicKey,
    is_root_delegation: bool,
}

impl NamespaceDelegation {
    /// Delegates `namespace` to `target`; a root delegation lets it delegate further.
    ///
    /// # Errors
    /// When the target is the namespace's own key and this is not a root delegation.
    pub fn new(
        namespace: Namespace,
        target: SigningPublicKey,
        delegation: IsRootDelegation,
    ) -> Result<Self, MappingError> {
        let is_root_delegation = delegation == IsRootDelegation::Yes;
        if !is_root_delegation && namespace.fingerprint() == target.fingerprint() {
            return Err(MappingError::OwnKeyWithoutRoot { namespace });
        }
        Ok(Self { namespace, target, is_root_delegation })
    }

    /// The root certificate of the namespace that a key spans.
    #[must_use]
    pub fn root(key: SigningPublicKey) -> Self {
        Self { namespace: Namespace::new(key.fingerprint().clone()), target: key, is_root_delegation: true }
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The key that may act.
    #[must_use]
    pub fn target(&self) -> &SigningPublicKey {
        &self.target
    }

    /// Whether the key may delegate the namespace further.
    #[must_use]
    pub fn is_root_delegation(&self) -> bool {
        self.is_root_delegation
    }

    /// Whether it is for the namespace's own key: the root certificate, if that key signs it.
    #[must_use]
    pub fn is_for_own_key(&self) -> bool {
        self.namespace.fingerprint() == self.target.fingerprint()
    }
}

/// Whether a delegation lets its target delegate further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IsRootDelegation {
    /// It does.
    Yes,
    /// It does not.
    No,
}

impl From<bool> for IsRootDelegation {
    fn from(root: bool) -> Self {
        if root { Self::Yes } else { Self::No }
    }
}

/// `idd`: a key may act for one identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentifierDelegation {
    /// The identifier.
    pub identifier: UniqueIdentifier,
    /// The key that may act.
    pub target: SigningPublicKey,
}

/// `okm`: a member has a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerToKeyMapping {
    /// The member.
    pub owner: Member,
    /// The key.
    pub key: PublicKey,
}

/// `ptp`: a participant hosts a party.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartyToParticipant {
    side: RequestSide,
    party: PartyId,
    participant: ParticipantId,
    permission: ParticipantPermission,
}

impl PartyToParticipant {
    /// Maps a party to a participant.
    ///
    /// # Errors
    /// When both have one unique identifier: that party is the participant's own, without a mapping.
    pub fn new(
        side: RequestSide,
        party: PartyId,
        participant: ParticipantId,
        permission: ParticipantPermission,
    ) -> Result<Self, MappingError> {
        if party.uid() == participant.uid() {
            return Err(MappingError::PartyIsParticipant { uid: party.uid().clone() });
        }
        Ok(Self { side, party, participant, permission })
    }

    /// Who agrees.
    #[must_use]
    pub fn side(&self) -> RequestSide {
        self.side
    }

    /// The party.
    #[must_use]
    pub fn party(&self) -> &PartyId {
        &self.party
    }

    /// The participant.
    #[must_use]
    pub fn participant(&self) -> &ParticipantId {
        &self.participant
    }

    /// What the participant may do for the party.
    #[must_use]
    pub fn permission(&self) -> ParticipantPermission {
        self.permission
    }
}

/// `pas`: a participant is on a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParticipantState {
    side: RequestSide,
    domain: DomainId,
    participant: ParticipantId,
    permission: ParticipantPermission,
    trust_level: TrustLevel,
}

impl ParticipantState {
    /// Says what a participant may do on a domain.
    ///
    /// # Errors
    /// When the participant is to be VIP and may not confirm.
    pub fn new(
        side: RequestSide,
        domain: DomainId,
        participant: ParticipantId,
        permission: ParticipantPermission,
        trust_level: TrustLevel,
    ) -> Result<Self, MappingError> {
        if trust_level == TrustLevel::Vip && !permission.can_confirm() {
            let participant = participant.uid().clone();
            return Err(MappingError::VipWithoutConfirmation { participant, permission });
        }
        Ok(Self { side, domain, participant, permission, trust_level })
    }

    /// Who agrees.
    #[must_use]
    pub fn side(&self) -> RequestSide {
        self.side
    }

    /// The domain.
    #[must_use]
    pub fn domain(&self) -> &DomainId {
        &self.domain
    }

    /// The participant.
    #[must_use]
    pub fn participant(&self) -> &ParticipantId {
        &self.participant
    }

    /// What the participant may do.
    #[must_use]
    pub fn permission(&self) -> ParticipantPermission {
        self.permission
    }

    /// How far it is trusted.
    #[must_use]
    pub fn trust_level(&self) -> TrustLevel {
        self.trust_level
    }
}

/// `mds`: a mediator is on a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediatorDomainState {
    /// Who agrees.
    pub side: RequestSide,
    /// The domain.
    pub domain: DomainId,
    /// The mediator.
    pub mediator: UniqueIdentifier,
}

/// `pau` and `pac`: what a participant says of packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packages {
    /// The participant.
    pub participant: ParticipantId,
    /// The packages, in the order in which they were named.
    pub package_ids: Vec<PackageId>,
}

/// The id of a Daml package: 1 to 64 ASCII letters, digits, `-`, `_` and spaces. Of a real one, the hash in hex.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageId(Arc<str>);

impl PackageId {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PackageId {
    type Err = MappingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const MAX: usize = 64;
        const SHOWN: usize = 80;
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ' ');
        if (1..=MAX).contains(&text.len()) && text.chars().all(legal) {
            Ok(Self(text.into()))
        } else {
            Err(MappingError::PackageId { text: text.chars().take(SHOWN).collect() })
        }
    }
}

impl fmt::Display for PackageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// `lic`: a legal identity stands behind an identifier, says the key of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedLegalIdentityClaim {
    pub(crate) uid: UniqueIdentifier,
    pub(crate) claim: Vec<u8>,
    pub(crate) certificate: Vec<u8>,
    pub(crate) signature: Signature,
}

impl SignedLegalIdentityClaim {
    /// The identifier that the claim is about.
    #[must_use]
    pub fn uid(&self) -> &UniqueIdentifier {
        &self.uid
    }

    /// The claim as it was signed: a wrapped `LegalIdentityClaim`.
    #[must_use]
    pub fn claim(&self) -> &[u8] {
        &self.claim
    }

    /// The X.509 certificate of the claim, in PEM, as it came.
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// What the certificate's key signed.
    #[must_use]
    pub fn hash(&self) -> Hash {
        digest(HashPurpose::LegalIdentityClaim, &self.claim)
    }

    /// The signature, not verified.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.signature
    }
}
