//! Who is let in, and what becomes of what participants ask to register.

use RegistrationState::{Accepted, Duplicate, Failed, Obsolete, Rejected};
use cantle_crypto::{
    EncryptionKeyScheme, EncryptionPrivateKey, PublicKey, Signature, SigningKeyScheme, SigningPrivateKey,
};
use cantle_domain_manager::{
    Admission, Decision, OnboardingPolicy, ParticipantCertificate, Step, decide, founding_mappings,
};
use cantle_proto::{protocol::v0, versioned};
use cantle_protocol::{RegisterTopologyTransactionRequest, RegistrationState, TopologyRequestId};
use cantle_topology::{
    DynamicDomainParameters, IsRootDelegation, NamespaceDelegation, OwnerToKeyMapping, Packages,
    ParticipantPermission, ParticipantState, PartyToParticipant, RequestSide, SignedLegalIdentityClaim,
    SignedTopologyTransaction, TopologyMapping, TopologyState, TopologyTransaction, TrustLevel,
};
use cantle_types::{
    DomainId, DomainManagerId, MediatorId, Member, MemberCode, Namespace, ParticipantId, PartyId,
    ProtocolVersion, UniqueIdentifier,
};
use prost::Message;

const VERSION: ProtocolVersion = ProtocolVersion::V7;

/// Somebody with a namespace and its key.
struct Owner {
    key: SigningPrivateKey,
    uid: UniqueIdentifier,
}

impl Owner {
    fn new(identifier: &str) -> Self {
        let key = SigningPrivateKey::generate(SigningKeyScheme::Ed25519).unwrap();
        let namespace = Namespace::new(key.fingerprint().clone());
        Self { uid: UniqueIdentifier::new(identifier.parse().unwrap(), namespace), key }
    }

    fn root(&self) -> TopologyMapping {
        TopologyMapping::NamespaceDelegation(NamespaceDelegation::root(self.key.public().clone()))
    }

    fn sign(&self, transaction: TopologyTransaction) -> SignedTopologyTransaction {
        let signature = self.key.sign_hash(&transaction.hash()).unwrap();
        SignedTopologyTransaction::assemble(transaction, self.key.public().clone(), signature)
    }

    fn add(&self, mapping: TopologyMapping) -> SignedTopologyTransaction {
        let transaction = match mapping {
            TopologyMapping::DomainParametersChange(change) => TopologyTransaction::replace(change, VERSION),
            mapping => TopologyTransaction::add(mapping, VERSION),
        };
        self.sign(transaction.unwrap())
    }

    fn remove(&self, added: &SignedTopologyTransaction) -> SignedTopologyTransaction {
        self.sign(added.transaction().reverse().unwrap())
    }

    fn delegation(&self, target: &Owner, delegation: IsRootDelegation) -> TopologyMapping {
        let (namespace, target) = (self.uid.namespace().clone(), target.key.public().clone());
        let delegation = NamespaceDelegation::new(namespace, target, delegation);
        TopologyMapping::NamespaceDelegation(delegation.unwrap())
    }
}

/// A domain that has been founded, and a participant that wants to be on it.
struct World {
    policy: OnboardingPolicy,
    domain: Owner,
    authorized: TopologyState,
    participant: Owner,
    encryption: PublicKey,
}

impl World {
    fn new() -> Self {
        let (domain, participant) = (Owner::new("domain"), Owner::new("participant"));
        let id = DomainId::new(domain.uid.clone());
        let manager = SigningPrivateKey::generate(SigningKeyScheme::Ed25519).unwrap().public().clone();
        let parameters = DynamicDomainParameters::defaults(VERSION);
        let founding = founding_mappings(&id, domain.key.public().clone(), manager, parameters);
        let founding: Vec<_> = founding.into_iter().map(|mapping| domain.add(mapping)).collect();
        let encryption =
            EncryptionPrivateKey::generate(EncryptionKeyScheme::EciesP256HkdfHmacSha256Aes128Gcm);
        Self {
            policy: OnboardingPolicy {
                domain: id,
                version: VERSION,
                admission: Admission::Open,
                certificate: ParticipantCertificate::Optional,
            },
            domain,
            authorized: TopologyState::replay(&founding),
            participant,
            encryption: PublicKey::Encryption(encryption.unwrap().public().clone()),
        }
    }

    fn id(&self) -> ParticipantId {
        ParticipantId::new(self.participant.uid.clone())
    }

    fn state(&self, side: RequestSide, permission: ParticipantPermission) -> TopologyMapping {
        let (domain, participant) = (self.policy.domain.clone(), self.id());
        let state = ParticipantState::new(side, domain, participant, permission, TrustLevel::Ordinary);
        TopologyMapping::ParticipantState(state.unwrap())
    }

    fn key_of(&self, owner: impl Into<Member>, key: PublicKey) -> TopologyMapping {
        TopologyMapping::OwnerToKeyMapping(OwnerToKeyMapping { owner: owner.into(), key })
    }

    /// Root certificate, both keys and the wish to be on the domain.
    fn shown(&self) -> Vec<SignedTopologyTransaction> {
        let owner = &self.participant;
        vec![
            owner.add(owner.root()),
            owner.add(self.key_of(self.id(), owner.key.public().clone().into())),
            owner.add(self.key_of(self.id(), self.encryption.clone())),
            owner.add(self.state(RequestSide::To, ParticipantPermission::Submission)),
        ]
    }

    fn claim(&self) -> SignedTopologyTransaction {
        let claim = v0::LegalIdentityClaim {
            unique_identifier: self.participant.uid.to_string(),
            evidence: Some(v0::legal_identity_claim::Evidence::X509Cert(b"a certificate".to_vec())),
        };
        let signature = Signature::new(vec![1], self.participant.key.fingerprint().clone());
        let claim =
            SignedLegalIdentityClaim::from_parts(versioned::wrap(&claim.encode_to_vec(), 0), signature);
        self.participant.add(TopologyMapping::SignedLegalIdentityClaim(claim.unwrap()))
    }

    fn unknown(&self) -> Member {
        let identifier = "ab".repeat(20).parse().unwrap();
        let uid = UniqueIdentifier::new(identifier, self.participant.uid.namespace().clone());
        Member::new(MemberCode::Unauthenticated, uid)
    }

    fn request(
        &self,
        requested_by: Member,
        transactions: &[SignedTopologyTransaction],
    ) -> RegisterTopologyTransactionRequest {
        RegisterTopologyTransactionRequest {
            requested_by,
            participant: self.id(),
            request_id: TopologyRequestId::random(),
            transactions: transactions.to_vec(),
            domain_id: self.policy.domain.clone(),
        }
    }

    fn onboard(&self, transactions: &[SignedTopologyTransaction]) -> Decision {
        decide(&self.policy, &self.authorized, &self.request(self.unknown(), transactions))
    }

    fn change(&self, transactions: &[SignedTopologyTransaction]) -> Decision {
        decide(&self.policy, &self.authorized, &self.request(self.id().into(), transactions))
    }

    /// Does what was decided.
    fn carry_out(&mut self, decision: &Decision, transactions: &[SignedTopologyTransaction]) {
        for step in &decision.steps {
            let signed = match step {
                Step::Add(index) => transactions[*index].clone(),
                Step::Trust(mapping) => self.domain.add(mapping.clone()),
            };
            self.authorized.check_requested(&signed).unwrap();
            self.authorized.apply(signed.transaction(), signed.key().fingerprint());
        }
    }

    fn apply(&mut self, signed: &SignedTopologyTransaction) {
        self.authorized.apply(signed.transaction(), signed.key().fingerprint());
    }

    /// The participant is on the domain.
    fn onboarded() -> Self {
        let mut world = Self::new();
        let shown = world.shown();
        let decision = world.onboard(&shown);
        world.carry_out(&decision, &shown);
        world
    }
}

fn states(decision: &Decision) -> Vec<RegistrationState> {
    decision.results.iter().map(|result| result.state).collect()
}

/// A request that is refused as a whole, with a reason on each transaction.
fn assert_refused(decision: &Decision, state: RegistrationState, reason: &str) {
    assert_eq!(decision.steps, []);
    assert!(!decision.results.is_empty());
    for result in &decision.results {
        assert_eq!(result.state, state, "{result:?}");
        assert!(result.error_message.contains(reason), "{:?} lacks {reason:?}", result.error_message);
    }
}

#[test]
fn an_open_domain_lets_a_participant_in_with_its_keys_first() {
    let mut world = World::new();
    let shown = world.shown();
    let decision = world.onboard(&shown);
    assert_eq!(states(&decision), [Accepted; 4]);
    assert!(decision.results.iter().all(|result| result.error_message.is_empty()));
    let trust = Step::Trust(world.state(RequestSide::From, ParticipantPermission::Submission));
    assert_eq!(decision.steps, [Step::Add(0), Step::Add(1), Step::Add(2), trust, Step::Add(3)]);
    world.carry_out(&decision, &shown);
    let again = world.onboard(&shown);
    assert_eq!((states(&again), again.steps), (vec![Duplicate; 4], vec![]));
}

#[test]
fn transactions_may_come_in_any_order() {
    let mut world = World::new();
    let delegate = Owner::new("unused");
    let mut shown = world.shown();
    shown.push(world.participant.add(world.participant.delegation(&delegate, IsRootDelegation::No)));
    let by_delegate =
        TopologyTransaction::add(world.key_of(world.id(), delegate.key.public().clone().into()), VERSION);
    shown.push(delegate.sign(by_delegate.unwrap()));
    shown.reverse();
    let decision = world.onboard(&shown);
    assert_eq!(states(&decision), [Accepted; 6]);
    world.carry_out(&decision, &shown);
}

#[test]
fn a_permissioned_domain_lets_in_whom_it_expects() {
    let mut world = World::new();
    world.policy.admission = Admission::Permissioned;
    let shown = world.shown();
    assert_refused(&world.onboard(&shown), Rejected, "not on the allow-list");
    let expected = world.domain.add(world.state(RequestSide::From, ParticipantPermission::Observation));
    world.apply(&expected);
    let decision = world.onboard(&shown);
    assert_eq!(states(&decision), [Accepted; 4]);
    assert_eq!(decision.steps, [0, 1, 2, 3].map(Step::Add));
}

#[test]
fn whom_the_domain_has_disabled_stays_out() {
    let mut world = World::new();
    let disabled = world.domain.add(world.state(RequestSide::From, ParticipantPermission::Disabled));
    world.apply(&disabled);
    assert_refused(&world.onboard(&world.shown()), Rejected, "disabled");
}

#[test]
fn both_keys_are_needed() {
    let world = World::new();
    for missing in [1, 2] {
        let mut shown = world.shown();
        shown.remove(missing);
        assert_refused(&world.onboard(&shown), Failed, "a signing key and an encryption key");
    }
}

#[test]
fn the_wish_to_be_on_the_domain_is_needed() {
    let world = World::new();
    let mut shown = world.shown();
    shown.pop();
    assert_refused(&world.onboard(&shown), Failed, "does not say that it wants to be on the domain");
    shown.push(world.participant.add(world.state(RequestSide::To, ParticipantPermission::Disabled)));
    assert_refused(&world.onboard(&shown), Failed, "does not say that it wants to be on the domain");
    assert!(world.onboard(&[]).results.is_empty());
}

#[test]
fn a_certificate_is_needed_where_one_is_required() {
    let mut world = World::new();
    world.policy.certificate = ParticipantCertificate::Required;
    let mut shown = world.shown();
    assert_refused(&world.onboard(&shown), Rejected, "legal identity");
    shown.push(world.claim());
    assert_eq!(states(&world.onboard(&shown)), [Accepted; 5]);
}

#[test]
fn what_is_shown_authorizes_itself() {
    let world = World::new();
    let mut shown = world.shown();
    shown.remove(0);
    assert_refused(&world.onboard(&shown), Failed, "not authorized");
}

#[test]
fn nothing_but_what_is_needed_is_shown() {
    let world = World::new();
    let owner = &world.participant;
    let packages = Packages { participant: world.id(), package_ids: vec!["main".parse().unwrap()] };
    let party = PartyId::new(UniqueIdentifier::new("alice".parse().unwrap(), owner.uid.namespace().clone()));
    let hosted =
        PartyToParticipant::new(RequestSide::Both, party, world.id(), ParticipantPermission::Submission);
    for mapping in
        [TopologyMapping::VettedPackages(packages), TopologyMapping::PartyToParticipant(hosted.unwrap())]
    {
        let shown = [world.shown(), vec![owner.add(mapping)]].concat();
        assert_refused(&world.onboard(&shown), Failed, "before it is known");
    }
    let other = UniqueIdentifier::new("other".parse().unwrap(), owner.uid.namespace().clone());
    let of_other = world.key_of(ParticipantId::new(other), owner.key.public().clone().into());
    let shown = [world.shown(), vec![owner.add(of_other)]].concat();
    assert_refused(&world.onboard(&shown), Failed, "alone");
    let stranger = Owner::new("stranger");
    let shown = [world.shown(), vec![stranger.add(stranger.root())]].concat();
    assert_refused(&world.onboard(&shown), Failed, "alone");
}

#[test]
fn a_newcomer_removes_nothing() {
    let world = World::new();
    let shown = world.shown();
    let shown = [shown.clone(), vec![world.participant.remove(&shown[1])]].concat();
    let decision = world.onboard(&shown);
    assert_eq!(decision.steps, []);
    assert_eq!(states(&decision), [Failed; 5]);
}

#[test]
fn a_forged_transaction_fails_and_takes_what_rests_on_it_along() {
    let world = World::new();
    let mut shown = world.shown();
    let forged = world.participant.key.sign(b"something else").unwrap();
    shown[2] = SignedTopologyTransaction::assemble(
        shown[2].transaction().clone(),
        world.participant.key.public().clone(),
        forged,
    );
    let decision = world.onboard(&shown);
    assert_eq!((states(&decision), decision.steps.len()), (vec![Failed; 4], 0));
    assert!(decision.results[2].error_message.contains("does not hold"), "{:?}", decision.results[2]);
    assert!(decision.results[0].error_message.contains("an encryption key"), "{:?}", decision.results[0]);
}

#[test]
fn transactions_of_another_version_or_domain_fail() {
    let world = World::onboarded();
    let older = TopologyTransaction::add(world.participant.root(), ProtocolVersion::V5).unwrap();
    let decision = world.change(&[world.participant.sign(older)]);
    assert_eq!((states(&decision), decision.steps.len()), (vec![Failed], 0));
    assert!(decision.results[0].error_message.contains("protocol version"), "{:?}", decision.results);
    let mut request = world.request(world.id().into(), &world.shown());
    request.domain_id = DomainId::new(Owner::new("elsewhere").uid);
    assert_refused(&decide(&world.policy, &world.authorized, &request), Rejected, "the request is for");
}

#[test]
fn nobody_asks_for_another() {
    let world = World::onboarded();
    let stranger = ParticipantId::new(Owner::new("stranger").uid);
    let manager = DomainManagerId::new(world.domain.uid.clone());
    let mediator = MediatorId::new(world.domain.uid.clone());
    for member in [stranger.into(), manager.into(), mediator.into()] {
        let request = world.request(member, &world.shown());
        assert_refused(&decide(&world.policy, &world.authorized, &request), Rejected, "cannot ask for");
    }
}

#[test]
fn only_an_active_participant_changes_something() {
    let mut world = World::onboarded();
    let key = SigningPrivateKey::generate(SigningKeyScheme::Ed25519).unwrap().public().clone();
    let key = world.participant.add(world.key_of(world.id(), key.into()));
    let decision = world.change(std::slice::from_ref(&key));
    assert_eq!((states(&decision), decision.steps), (vec![Accepted], vec![Step::Add(0)]));
    let disabled = world.domain.add(world.state(RequestSide::From, ParticipantPermission::Disabled));
    world.apply(&disabled);
    assert_refused(&world.change(&[key]), Rejected, "is not active");
}

#[test]
fn later_changes_are_judged_one_by_one_in_their_order() {
    let world = World::onboarded();
    let owner = &world.participant;
    let packages = Packages { participant: world.id(), package_ids: vec!["main".parse().unwrap()] };
    let vetted = owner.add(TopologyMapping::VettedPackages(packages));
    let known = world.authorized.active().count();
    let stranger = Owner::new("stranger");
    let sent = [
        vetted.clone(),
        vetted.clone(),
        owner.remove(&vetted),
        owner.remove(&vetted),
        owner.remove(&stranger.add(owner.delegation(&stranger, IsRootDelegation::No))),
        stranger.add(world.state(RequestSide::To, ParticipantPermission::Submission)),
    ];
    let decision = world.change(&sent);
    assert_eq!(states(&decision), [Accepted, Duplicate, Accepted, Duplicate, Obsolete, Failed]);
    assert_eq!(decision.steps, [Step::Add(0), Step::Add(2)]);
    assert_eq!(world.authorized.active().count(), known);
}

#[test]
fn a_mapping_may_be_registered_under_another_element_id() {
    let world = World::onboarded();
    let again = world.participant.add(world.key_of(world.id(), world.encryption.clone()));
    assert_eq!(states(&world.change(&[again])), [Accepted]);
}

#[test]
fn the_keys_of_the_domain_are_not_for_participants() {
    // A participant in the domain's own namespace, with the domain's own name.
    let mut world = World::new();
    world.participant = Owner { key: world.domain.key.clone(), uid: world.domain.uid.clone() };
    let shown = world.shown();
    let decision = world.onboard(&shown);
    world.carry_out(&decision, &shown);
    let key = SigningPrivateKey::generate(SigningKeyScheme::Ed25519).unwrap().public().clone();
    let key_of = |owner: Member| world.participant.add(world.key_of(owner, key.clone().into()));
    let uid = &world.domain.uid;
    let sent = [
        key_of(MediatorId::new(uid.clone()).into()),
        key_of(DomainManagerId::new(uid.clone()).into()),
        key_of(ParticipantId::new(uid.clone()).into()),
    ];
    assert_eq!(states(&world.change(&sent)), [Failed, Failed, Accepted]);
}
