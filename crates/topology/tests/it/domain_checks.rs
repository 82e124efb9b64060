//! What a domain's topology manager refuses besides what every manager does.

use cantle_crypto::{EncryptionKeyScheme, EncryptionPrivateKey, PublicKey};
use cantle_topology::{
    ErrorClass, OwnerToKeyMapping, ParticipantPermission, RequestSide, SignedTopologyTransaction,
    TopologyError, TopologyMapping, TopologyState, TopologyTransaction,
};
use cantle_types::{DomainId, DomainManagerId, MediatorId, ProtocolVersion, SequencerId};

use crate::signed::{
    DOMAIN, bootstrap, domain, key_of, participant, removal, root, signed, state, uid, with_delay,
};
use crate::support::VERSION;
use ParticipantPermission::{Disabled, Submission};
use RequestSide::{Both, From, To};

fn check(said: &[SignedTopologyTransaction], mapping: TopologyMapping) -> Result<(), TopologyError> {
    let state = TopologyState::replay(said);
    state.check_for_domain(&TopologyTransaction::add(mapping, VERSION).unwrap(), &domain(), VERSION)
}

fn code(result: Result<(), TopologyError>) -> &'static str {
    let error = result.unwrap_err();
    assert_eq!(error.class(), ErrorClass::InvalidState);
    error.code()
}

fn keys() -> [SignedTopologyTransaction; 2] {
    let encryption = EncryptionPrivateKey::generate(EncryptionKeyScheme::EciesP256HkdfHmacSha256Aes128Gcm);
    let key = PublicKey::Encryption(encryption.unwrap().public().clone());
    let mapping = OwnerToKeyMapping { owner: participant(5).into(), key };
    [signed(key_of(participant(5), 5), 5), signed(TopologyMapping::OwnerToKeyMapping(mapping), 5)]
}

#[test]
fn keys_of_another_domain_are_not_kept() {
    let elsewhere = uid("elsewhere", DOMAIN);
    let manager = key_of(DomainManagerId::new(elsewhere.clone()), 9);
    for mapping in [manager, key_of(SequencerId::new(elsewhere.clone()), 9)] {
        assert_eq!(code(check(&bootstrap(), mapping)), "ALIEN_DOMAIN_ENTITIES");
    }
    assert_eq!(check(&bootstrap(), key_of(MediatorId::new(elsewhere), 9)), Ok(()));
    assert_eq!(check(&bootstrap(), key_of(participant(5), 9)), Ok(()));
    assert_eq!(check(&bootstrap(), key_of(SequencerId::new(domain().0), 9)), Ok(()));
}

#[test]
fn transactions_are_for_this_domain_and_version() {
    let state = TopologyState::replay(&bootstrap());
    let elsewhere = DomainId::new(uid("elsewhere", DOMAIN));
    let wish = signed(crate::signed::state(To, &participant(5), Submission), 5);
    for transaction in [wish.transaction().clone(), wish.transaction().reverse().unwrap()] {
        let refused = state.check_for_domain(&transaction, &elsewhere, VERSION);
        assert_eq!(code(refused), "WRONG_DOMAIN");
    }
    let refused = state.check_for_domain(wish.transaction(), &domain(), ProtocolVersion::V5);
    assert_eq!(code(refused), "WRONG_PROTOCOL_VERSION");
    assert_eq!(state.check_for_domain(with_delay(1).transaction(), &domain(), VERSION), Ok(()));
}

#[test]
fn a_participant_is_enabled_with_keys_only() {
    let own = participant(5);
    let [signing, encryption] = keys();
    let to = signed(state(To, &own, Submission), 5);
    let from = || state(From, &own, Submission);
    let root = signed(root(5), 5);
    let refused = |said: &[&SignedTopologyTransaction]| {
        let said: Vec<_> = said.iter().map(|signed| (*signed).clone()).collect();
        match check(&said, from()) {
            Err(TopologyError::ParticipantNotInitialized { missing, .. }) => Some(missing),
            other => {
                assert_eq!(other, Ok(()));
                None
            }
        }
    };
    assert_eq!(refused(&[&root]), None, "the participant does not want to be there yet");
    assert_eq!(refused(&[&root, &to]), Some("a signing key and an encryption key"));
    assert_eq!(refused(&[&root, &to, &signing]), Some("an encryption key"));
    assert_eq!(refused(&[&root, &to, &encryption]), Some("a signing key"));
    assert_eq!(refused(&[&root, &to, &signing, &encryption]), None);
    assert_eq!(refused(&[&root, &to, &signing, &encryption, &removal(&signing, 5)]), Some("a signing key"));
    assert_eq!(check(&[root, to], state(From, &own, Disabled)), Ok(()));
}

#[test]
fn both_sides_of_a_participant_are_said_apart() {
    let refused = check(&bootstrap(), state(Both, &participant(5), Submission));
    assert_eq!(code(refused), "INVALID_TOPOLOGY_MAPPING");
}

#[test]
fn what_is_requested_may_be_dangerous_and_there_already() {
    let mut said = bootstrap();
    let state = TopologyState::replay(&said);
    let last_key = removal(&said[1], DOMAIN);
    assert_eq!(state.check_requested(&last_key), Ok(()));
    let again = signed(said[1].transaction().mapping().clone(), DOMAIN);
    assert_eq!(state.check_requested(&again), Ok(()));
    assert!(state.check(&again, cantle_topology::ChangeOptions::default()).is_err());
    let refused = state.check_requested(&said[1]);
    assert_eq!(refused.unwrap_err().code(), "DUPLICATE_TOPOLOGY_TRANSACTION");
    said.push(last_key.clone());
    let refused = TopologyState::replay(&said).check_requested(&removal(&again, DOMAIN));
    assert_eq!(refused.unwrap_err().code(), "NO_CORRESPONDING_ACTIVE_TX_TO_REVOKE");
    let refused = state.check_requested(&signed(root(6), 5));
    assert_eq!(refused.unwrap_err().code(), "UNAUTHORIZED_TOPOLOGY_TRANSACTION");
}
