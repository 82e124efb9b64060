//! The topology of a domain at one moment: who is on it, with which keys, and what they may do.
//!
//! A view is a value, cheap to clone and to keep. It counts what is active *and* authorized at that moment: a key whose
//! delegation was taken away says nothing any more, and says it again when the delegation comes back. What both sides
//! must agree to has effect when both do, and gives what the lower of both allows.
//! Source: <https://docs.daml.com/canton/usermanual/identity_management.html>

mod hosting;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use cantle_crypto::{EncryptionPublicKey, PublicKey, SigningPublicKey};
use cantle_types::{
    DomainId, DomainManagerId, Fingerprint, MediatorId, Member, MemberCode, ParticipantId, ProtocolVersion,
    SequencerId,
};

use crate::change::{ParticipantPermission, RequestSide, TrustLevel};
use crate::mapping::{PackageId, TopologyMapping};
use crate::parameters::DynamicDomainParameters;
use crate::path::{MappingCode, Subject};
use crate::state::{ActiveTransaction, TopologyState};

pub use hosting::PartyHosting;

/// What a participant may do, on a domain or for a party.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ParticipantAttributes {
    /// What it may do.
    pub permission: ParticipantPermission,
    /// How far the domain trusts it.
    pub trust_level: TrustLevel,
}

/// The topology of a domain at one moment.
#[derive(Debug, Clone)]
pub struct TopologyView(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    domain: DomainId,
    version: ProtocolVersion,
    state: TopologyState,
}

impl TopologyView {
    /// The view of a state as the topology of a domain that speaks a protocol version.
    #[must_use]
    pub fn new(domain: DomainId, version: ProtocolVersion, state: TopologyState) -> Self {
        Self(Arc::new(Inner { domain, version, state }))
    }

    /// The domain.
    #[must_use]
    pub fn domain(&self) -> &DomainId {
        &self.0.domain
    }

    /// The domain's protocol version.
    #[must_use]
    pub fn protocol_version(&self) -> ProtocolVersion {
        self.0.version
    }

    /// The transactions behind it.
    #[must_use]
    pub fn state(&self) -> &TopologyState {
        &self.0.state
    }

    /// The keys that a member signs with, in the order in which they were registered; a key that was registered again
    /// stands where it was last.
    #[must_use]
    pub fn signing_keys(&self, member: &Member) -> Vec<SigningPublicKey> {
        latest_last(self.keys(member).filter_map(PublicKey::as_signing), SigningPublicKey::fingerprint)
    }

    /// The signing key of a member that was registered last.
    #[must_use]
    pub fn signing_key(&self, member: &Member) -> Option<SigningPublicKey> {
        self.keys(member).filter_map(PublicKey::as_signing).next_back().cloned()
    }

    /// The keys that one encrypts to for a member, in the order of [`TopologyView::signing_keys`].
    #[must_use]
    pub fn encryption_keys(&self, member: &Member) -> Vec<EncryptionPublicKey> {
        latest_last(self.keys(member).filter_map(PublicKey::as_encryption), EncryptionPublicKey::fingerprint)
    }

    /// The key that one encrypts to for a member: the one registered last.
    #[must_use]
    pub fn encryption_key(&self, member: &Member) -> Option<EncryptionPublicKey> {
        self.keys(member).filter_map(PublicKey::as_encryption).next_back().cloned()
    }

    /// The members that have a key, whether they are active or not.
    #[must_use]
    pub fn members(&self) -> BTreeSet<Member> {
        let owners =
            self.authorized(MappingCode::OwnerToKeyMapping).filter_map(|active| match active.mapping() {
                TopologyMapping::OwnerToKeyMapping(mapping) => Some(mapping.owner.clone()),
                _ => None,
            });
        owners.collect()
    }

    /// Whether a member may take part: a participant with a permission from both sides, a mediator that both sides
    /// know, a sequencer or domain manager with a signing key. Never a member that has not authenticated itself.
    #[must_use]
    pub fn is_active(&self, member: &Member) -> bool {
        match member.code() {
            MemberCode::Participant => self.is_participant_active(&ParticipantId::new(member.uid().clone())),
            MemberCode::Mediator => self.is_mediator_active(&MediatorId::new(member.uid().clone())),
            MemberCode::Sequencer | MemberCode::DomainTopologyManager => self.signing_key(member).is_some(),
            MemberCode::Unauthenticated => false,
        }
    }

    /// Whether a participant may do anything on the domain.
    #[must_use]
    pub fn is_participant_active(&self, participant: &ParticipantId) -> bool {
        self.participant_attributes(participant).is_some_and(|attributes| attributes.permission.is_active())
    }

    /// What a participant may do on the domain, once both sides have said something: the lower of their permissions, and
    /// the trust that the domain has in it.
    #[must_use]
    pub fn participant_attributes(&self, participant: &ParticipantId) -> Option<ParticipantAttributes> {
        let subject = Subject::of_uid(MappingCode::ParticipantState, participant.uid());
        let mut sides = Sides::default();
        for active in self.authorized_of(&subject) {
            let TopologyMapping::ParticipantState(state) = active.mapping() else { continue };
            if state.domain() != self.domain() {
                continue;
            }
            let attributes =
                ParticipantAttributes { permission: state.permission(), trust_level: state.trust_level() };
            sides.add(state.side(), attributes, |one, other| ParticipantAttributes {
                permission: one.permission.lower_of(other.permission),
                trust_level: one.trust_level.min(other.trust_level),
            });
        }
        let (domain, own) = sides.both()?;
        let permission = domain.permission.lower_of(own.permission);
        Some(ParticipantAttributes { permission, trust_level: domain.trust_level })
    }

    /// The participants of which both sides have said something, with what they may do: perhaps nothing.
    #[must_use]
    pub fn participants(&self) -> Vec<(ParticipantId, ParticipantAttributes)> {
        let known: BTreeSet<&ParticipantId> = self
            .state()
            .of_code(MappingCode::ParticipantState)
            .filter_map(|active| match active.mapping() {
                TopologyMapping::ParticipantState(state) => Some(state.participant()),
                _ => None,
            })
            .collect();
        let attributes = |participant: &ParticipantId| {
            self.participant_attributes(participant).map(|attributes| (participant.clone(), attributes))
        };
        known.into_iter().filter_map(attributes).collect()
    }

    /// Whether the domain has said that it wants a participant, whatever the participant says.
    #[must_use]
    pub fn domain_trusts(&self, participant: &ParticipantId) -> bool {
        self.has_state(participant, RequestSide::From)
    }

    /// Whether a participant has said that it wants to be on the domain, whatever the domain says.
    #[must_use]
    pub fn is_trusted_by(&self, participant: &ParticipantId) -> bool {
        self.has_state(participant, RequestSide::To)
    }

    fn has_state(&self, participant: &ParticipantId, wanted: RequestSide) -> bool {
        let subject = Subject::of_uid(MappingCode::ParticipantState, participant.uid());
        self.authorized_of(&subject).any(|active| match active.mapping() {
            TopologyMapping::ParticipantState(state) => {
                state.domain() == self.domain()
                    && (state.side() == wanted || state.side() == RequestSide::Both)
                    && state.permission().is_active()
            }
            _ => false,
        })
    }

    /// Whether both sides know a mediator.
    #[must_use]
    pub fn is_mediator_active(&self, mediator: &MediatorId) -> bool {
        let subject = Subject::of_uid(MappingCode::MediatorDomainState, mediator.uid());
        let mut sides = Sides::default();
        for active in self.authorized_of(&subject) {
            if let TopologyMapping::MediatorDomainState(state) = active.mapping()
                && state.domain == *self.domain()
            {
                sides.add(state.side, (), |(), ()| ());
            }
        }
        sides.both().is_some()
    }

    /// The active mediators.
    #[must_use]
    pub fn mediators(&self) -> Vec<MediatorId> {
        let known: BTreeSet<MediatorId> = self
            .state()
            .of_code(MappingCode::MediatorDomainState)
            .filter_map(|active| match active.mapping() {
                TopologyMapping::MediatorDomainState(state) => Some(MediatorId::new(state.mediator.clone())),
                _ => None,
            })
            .collect();
        known.into_iter().filter(|mediator| self.is_mediator_active(mediator)).collect()
    }

    /// The parameters of the domain, if it has any yet.
    #[must_use]
    pub fn stated_parameters(&self) -> Option<&DynamicDomainParameters> {
        let subject = Subject::of_uid(MappingCode::DomainParametersChange, self.domain().uid());
        self.authorized_of(&subject).next_back().and_then(|active| match active.mapping() {
            TopologyMapping::DomainParametersChange(change) => Some(&change.parameters),
            _ => None,
        })
    }

    /// The parameters of the domain. As long as it has none, those of a new domain, but without a delay of changes.
    #[must_use]
    pub fn parameters(&self) -> DynamicDomainParameters {
        self.stated_parameters().cloned().unwrap_or_else(|| DynamicDomainParameters {
            topology_change_delay: Duration::ZERO,
            ..DynamicDomainParameters::defaults(self.protocol_version())
        })
    }

    /// How long after its sequencing a topology transaction becomes effective: nothing before there are parameters.
    #[must_use]
    pub fn topology_change_delay(&self) -> Duration {
        self.stated_parameters().map_or(Duration::ZERO, |parameters| parameters.topology_change_delay)
    }

    /// The packages that a participant vets.
    #[must_use]
    pub fn vetted_packages(&self, participant: &ParticipantId) -> BTreeSet<PackageId> {
        let subject = Subject::of_uid(MappingCode::VettedPackages, participant.uid());
        let vetted = self.authorized_of(&subject).filter_map(|active| match active.mapping() {
            TopologyMapping::VettedPackages(packages) => Some(packages.package_ids.iter().cloned()),
            _ => None,
        });
        vetted.flatten().collect()
    }

    /// Whether a legal identity stands behind a participant. The claim's own signature is not looked at.
    #[must_use]
    pub fn has_legal_identity(&self, participant: &ParticipantId) -> bool {
        let subject = Subject::of_uid(MappingCode::SignedLegalIdentityClaim, participant.uid());
        self.authorized_of(&subject).next().is_some()
    }

    /// Whether the domain can be used: it has parameters, an active mediator with a signing key, and signing keys of
    /// its topology manager and its sequencer.
    #[must_use]
    pub fn is_initialized(&self) -> bool {
        let uid = self.domain().uid();
        let has_key = |member: &Member| self.signing_key(member).is_some();
        self.stated_parameters().is_some()
            && has_key(DomainManagerId::new(uid.clone()).member())
            && has_key(SequencerId::new(uid.clone()).member())
            && self.mediators().iter().any(|mediator| has_key(mediator.member()))
    }

    fn keys(&self, member: &Member) -> impl DoubleEndedIterator<Item = &PublicKey> {
        let subject = Subject::of_uid(MappingCode::OwnerToKeyMapping, member.uid());
        self.authorized_of(&subject).filter_map(move |active| match active.mapping() {
            TopologyMapping::OwnerToKeyMapping(mapping) if mapping.owner == *member => Some(&mapping.key),
            _ => None,
        })
    }

    /// What is active of a kind and authorized at present.
    fn authorized(&self, code: MappingCode) -> impl Iterator<Item = &ActiveTransaction> {
        self.state().of_code(code).filter(|active| self.is_authorized(active))
    }

    /// What is active of a subject and authorized at present, oldest first.
    fn authorized_of<'a>(
        &'a self,
        subject: &Subject,
    ) -> impl DoubleEndedIterator<Item = &'a ActiveTransaction> + use<'a> {
        self.state().of_subject(subject).filter(|active| self.is_authorized(active))
    }

    fn is_authorized(&self, active: &ActiveTransaction) -> bool {
        self.state().is_authorized(active.transaction(), active.signed_by())
    }
}

/// What each side of a request says, where both may say several things.
#[derive(Debug)]
struct Sides<T> {
    from: Option<T>,
    to: Option<T>,
}

impl<T> Default for Sides<T> {
    fn default() -> Self {
        Self { from: None, to: None }
    }
}

impl<T: Copy> Sides<T> {
    fn add(&mut self, side: RequestSide, value: T, lower: impl Fn(T, T) -> T) {
        let mix = |known: Option<T>| Some(known.map_or(value, |known| lower(known, value)));
        if side != RequestSide::To {
            self.from = mix(self.from);
        }
        if side != RequestSide::From {
            self.to = mix(self.to);
        }
    }

    fn both(self) -> Option<(T, T)> {
        self.from.zip(self.to)
    }
}

/// Each key once, where it stands last.
fn latest_last<'a, K: Clone + 'a>(
    keys: impl DoubleEndedIterator<Item = &'a K>,
    fingerprint: impl Fn(&'a K) -> &'a Fingerprint,
) -> Vec<K> {
    let mut known = HashSet::new();
    let mut found: Vec<K> = keys.rev().filter(|&key| known.insert(fingerprint(key))).cloned().collect();
    found.reverse();
    found
}
