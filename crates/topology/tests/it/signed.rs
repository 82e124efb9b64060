//! Transactions that are really signed, and a small domain to be on.

use std::sync::LazyLock;

use cantle_crypto::{CryptoKeyFormat, PublicKey, SigningKeyScheme, SigningPrivateKey};
use cantle_topology::{
    DomainParametersChange, DynamicDomainParameters, MediatorDomainState, NamespaceDelegation,
    OwnerToKeyMapping, ParticipantPermission, ParticipantState, RequestSide, SignedTopologyTransaction,
    TopologyMapping, TopologyTransaction, TrustLevel,
};
use cantle_types::{
    DomainId, DomainManagerId, MediatorId, Member, Namespace, ParticipantId, SequencerId, UniqueIdentifier,
};
use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::support::VERSION;

/// The keys of these tests by number; always the same ones.
pub(crate) fn private(number: u8) -> SigningPrivateKey {
    static KEYS: LazyLock<Vec<SigningPrivateKey>> = LazyLock::new(|| {
        let key = |number| {
            let seed = Zeroizing::new(vec![number; 32]);
            SigningPrivateKey::from_bytes(SigningKeyScheme::Ed25519, CryptoKeyFormat::Raw, seed).unwrap()
        };
        (0..=u8::MAX).map(key).collect()
    });
    KEYS[usize::from(number)].clone()
}

pub(crate) fn sign(transaction: TopologyTransaction, number: u8) -> SignedTopologyTransaction {
    let key = private(number);
    let signature = key.sign_hash(&transaction.hash()).unwrap();
    SignedTopologyTransaction::assemble(transaction, key.public().clone(), signature)
}

pub(crate) fn signed(mapping: TopologyMapping, number: u8) -> SignedTopologyTransaction {
    sign(TopologyTransaction::add(mapping, VERSION).unwrap(), number)
}

pub(crate) fn removal(added: &SignedTopologyTransaction, number: u8) -> SignedTopologyTransaction {
    sign(added.transaction().reverse().unwrap(), number)
}

pub(crate) fn namespace(root: u8) -> Namespace {
    Namespace::new(private(root).fingerprint().clone())
}

pub(crate) fn uid(identifier: &str, root: u8) -> UniqueIdentifier {
    UniqueIdentifier::new(identifier.parse().unwrap(), namespace(root))
}

pub(crate) fn root(number: u8) -> TopologyMapping {
    TopologyMapping::NamespaceDelegation(NamespaceDelegation::root(private(number).public().clone()))
}

pub(crate) fn key_of(owner: impl Into<Member>, number: u8) -> TopologyMapping {
    let key = PublicKey::Signing(private(number).public().clone());
    TopologyMapping::OwnerToKeyMapping(OwnerToKeyMapping { owner: owner.into(), key })
}

/// The number of the key that spans the namespace of the domain.
pub(crate) const DOMAIN: u8 = 1;

pub(crate) fn domain() -> DomainId {
    DomainId::new(uid("domain", DOMAIN))
}

pub(crate) fn mediator() -> MediatorId {
    MediatorId::new(domain().0)
}

/// A participant in the namespace that a key spans.
pub(crate) fn participant(root: u8) -> ParticipantId {
    ParticipantId::new(uid("participant", root))
}

pub(crate) fn state(
    side: RequestSide,
    of: &ParticipantId,
    permission: ParticipantPermission,
) -> TopologyMapping {
    let state = ParticipantState::new(side, domain(), of.clone(), permission, TrustLevel::Ordinary);
    TopologyMapping::ParticipantState(state.unwrap())
}

pub(crate) fn mediator_state(side: RequestSide, mediator: &MediatorId) -> TopologyMapping {
    TopologyMapping::MediatorDomainState(MediatorDomainState {
        side,
        domain: domain(),
        mediator: mediator.uid().clone(),
    })
}

pub(crate) fn parameters(parameters: DynamicDomainParameters) -> SignedTopologyTransaction {
    let change = DomainParametersChange { domain: domain(), parameters };
    sign(TopologyTransaction::replace(change, VERSION).unwrap(), DOMAIN)
}

pub(crate) fn with_delay(millis: u64) -> SignedTopologyTransaction {
    parameters(DynamicDomainParameters {
        topology_change_delay: std::time::Duration::from_millis(millis),
        ..DynamicDomainParameters::defaults(VERSION)
    })
}

/// What a new domain says of itself: keys 2 to 4 are those of manager, sequencer and mediator.
pub(crate) fn bootstrap() -> Vec<SignedTopologyTransaction> {
    let uid = domain().0;
    vec![
        signed(root(DOMAIN), DOMAIN),
        signed(key_of(DomainManagerId::new(uid.clone()), 2), DOMAIN),
        signed(key_of(SequencerId::new(uid.clone()), 3), DOMAIN),
        signed(key_of(MediatorId::new(uid), 4), DOMAIN),
        signed(mediator_state(RequestSide::Both, &mediator()), DOMAIN),
        with_delay(250),
    ]
}

/// What a participant says of itself, and what the domain answers. Its signing key is that of its namespace.
pub(crate) fn onboarding(root_key: u8) -> Vec<SignedTopologyTransaction> {
    let participant = participant(root_key);
    vec![
        signed(root(root_key), root_key),
        signed(key_of(participant.clone(), root_key), root_key),
        signed(state(RequestSide::From, &participant, ParticipantPermission::Submission), DOMAIN),
        signed(state(RequestSide::To, &participant, ParticipantPermission::Submission), root_key),
    ]
}

/// So many milliseconds after the beginning of these tests' time.
pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(1_700_000_000_000 + millis).unwrap()
}

pub(crate) fn micro_after(time: Timestamp) -> Timestamp {
    time.checked_add(jiff::SignedDuration::from_micros(1)).unwrap()
}
