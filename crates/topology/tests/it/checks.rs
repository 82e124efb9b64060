//! Changes that are welcome and changes that are refused, with Canton's error codes.

use std::time::Duration;

use cantle_crypto::{SigningKeyScheme, SigningPrivateKey};
use cantle_topology::{
    ChangeOptions, DomainParametersChange, DynamicDomainParameters, ErrorClass, Force, IsRootDelegation,
    MappingError, NamespaceDelegation, ParticipantPermission, ParticipantState, PartyToParticipant, Replace,
    RequestSide, SignedTopologyTransaction, TopologyChangeOp, TopologyError, TopologyMapping, TopologyState,
    TopologyTransaction, TrustLevel,
};
use cantle_types::{DomainId, ParticipantId, PartyId, ProtocolVersion, TopologyElementId};

use crate::support::{
    VERSION, add, delegation, identifier_delegation, key, namespace, owner_to_key, participant, state_of, uid,
};

const YES: IsRootDelegation = IsRootDelegation::Yes;

fn check(
    state: &TopologyState,
    transaction: &TopologyTransaction,
    signer: u8,
    force: Force,
) -> Result<(), TopologyError> {
    let key = key(signer);
    state.check_change(transaction, key.fingerprint(), force)?;
    state.check_authorization(transaction, key.fingerprint())
}

fn code(result: Result<(), TopologyError>) -> &'static str {
    result.unwrap_err().code()
}

#[test]
fn the_same_transaction_is_not_added_twice() {
    let (state, transactions) = state_of(&[(delegation(1, 1, YES), 1)]);
    assert_eq!(code(check(&state, &transactions[0], 1, Force::No)), "DUPLICATE_TOPOLOGY_TRANSACTION");
}

#[test]
fn a_removed_transaction_does_not_come_back() {
    let (mut state, transactions) = state_of(&[(delegation(1, 1, YES), 1), (delegation(1, 2, YES), 1)]);
    state.apply(&transactions[1].reverse().unwrap(), key(1).fingerprint());
    assert_eq!(code(check(&state, &transactions[1], 1, Force::No)), "DUPLICATE_TOPOLOGY_TRANSACTION");
    check(&state, &add(delegation(1, 2, YES)), 1, Force::No).unwrap();
}

#[test]
fn the_same_mapping_is_not_added_twice_by_one_key() {
    let (state, _) = state_of(&[(delegation(1, 1, YES), 1), (delegation(1, 2, YES), 1)]);
    let again = add(delegation(1, 2, YES));
    let error = check(&state, &again, 1, Force::Yes).unwrap_err();
    assert_eq!(
        (error.code(), error.class()),
        ("TOPOLOGY_MAPPING_ALREADY_EXISTS", ErrorClass::ResourceExists)
    );
    check(&state, &again, 2, Force::No).unwrap();
    let elsewhere = again.at_version(ProtocolVersion::V5).unwrap();
    check(&state, &elsewhere, 1, Force::No).unwrap();
}

#[test]
fn only_what_is_active_is_removed() {
    let (mut state, transactions) = state_of(&[(delegation(1, 1, YES), 1), (delegation(1, 2, YES), 1)]);
    let removal = transactions[1].reverse().unwrap();
    check(&state, &removal, 1, Force::No).unwrap();
    let unknown = TopologyTransaction::new(
        TopologyChangeOp::Remove,
        TopologyElementId::random(),
        delegation(1, 2, YES),
        VERSION,
    );
    assert_eq!(code(check(&state, &unknown.unwrap(), 1, Force::Yes)), "NO_CORRESPONDING_ACTIVE_TX_TO_REVOKE");
    let other_mapping = TopologyTransaction::new(
        TopologyChangeOp::Remove,
        transactions[1].element_id().clone(),
        delegation(1, 3, YES),
        VERSION,
    );
    let other_mapping = check(&state, &other_mapping.unwrap(), 1, Force::Yes);
    assert_eq!(code(other_mapping), "NO_CORRESPONDING_ACTIVE_TX_TO_REVOKE");
    state.apply(&removal, key(1).fingerprint());
    assert_eq!(code(check(&state, &removal, 1, Force::Yes)), "DUPLICATE_TOPOLOGY_TRANSACTION");
    assert_eq!(code(check(&state, &removal, 2, Force::Yes)), "NO_CORRESPONDING_ACTIVE_TX_TO_REVOKE");
}

#[test]
fn a_removal_takes_the_element_id_of_the_active_transaction() {
    let (state, transactions) = state_of(&[(delegation(1, 1, YES), 1)]);
    let removal = state.removal_of(&delegation(1, 1, YES)).unwrap();
    assert_eq!(removal.element_id(), transactions[0].element_id());
    assert_eq!(removal.op(), TopologyChangeOp::Remove);
    let error = state.removal_of(&delegation(1, 2, YES)).unwrap_err();
    assert_eq!(
        (error.code(), error.class()),
        ("NO_CORRESPONDING_ACTIVE_TX_TO_REVOKE", ErrorClass::InvalidState)
    );
}

#[test]
fn the_last_key_of_a_purpose_is_removed_by_force_only() {
    let owner = participant("p", 1);
    let (mut state, transactions) = state_of(&[
        (delegation(1, 1, YES), 1),
        (owner_to_key(owner.clone(), 2), 1),
        (owner_to_key(owner, 3), 1),
        (owner_to_key(participant("q", 1), 4), 1),
    ]);
    let first = transactions[1].reverse().unwrap();
    check(&state, &first, 1, Force::No).unwrap();
    state.apply(&first, key(1).fingerprint());
    let last = transactions[2].reverse().unwrap();
    let error = check(&state, &last, 1, Force::No).unwrap_err();
    assert_eq!((error.code(), error.class()), ("REMOVING_LAST_KEY_MUST_BE_FORCED", ErrorClass::InvalidState));
    check(&state, &last, 1, Force::Yes).unwrap();
}

#[test]
fn what_would_dangle_is_removed_by_force_only() {
    let (mut state, transactions) = state_of(&[
        (delegation(1, 1, YES), 1),
        (delegation(1, 2, YES), 1),
        (identifier_delegation("p", 1, 3), 2),
        (owner_to_key(participant("p", 1), 9), 3),
    ]);
    for removed in [0, 1, 2] {
        let removal = transactions[removed].reverse().unwrap();
        let error = check(&state, &removal, 1, Force::No).unwrap_err();
        assert_eq!(error.code(), "REMOVING_KEY_DANGLING_TRANSACTIONS_MUST_BE_FORCED");
        check(&state, &removal, 1, Force::Yes).unwrap();
    }
    // Signed again by the root, nothing depends on the delegations any more.
    state.apply(&transactions[3].reverse().unwrap(), key(3).fingerprint());
    state.apply(&add(owner_to_key(participant("p", 1), 9)), key(1).fingerprint());
    check(&state, &transactions[2].reverse().unwrap(), 1, Force::No).unwrap();
}

#[test]
fn an_unauthorized_removal_is_not_said_to_be_dangerous() {
    let (state, transactions) = state_of(&[(delegation(1, 1, YES), 1), (delegation(1, 2, YES), 1)]);
    let removal = transactions[0].reverse().unwrap();
    let error = check(&state, &removal, 7, Force::No).unwrap_err();
    assert_eq!(error.code(), "UNAUTHORIZED_TOPOLOGY_TRANSACTION");
    assert_eq!(error.class(), ErrorClass::SecurityAlert);
}

#[test]
fn signatures_are_verified_before_all_else() {
    let private = SigningPrivateKey::generate(SigningKeyScheme::EcDsaP256).unwrap();
    let public = private.public().clone();
    let mapping = TopologyMapping::NamespaceDelegation(NamespaceDelegation::root(public.clone()));
    let transaction = add(mapping);
    let signature = private.sign(&transaction.hash().evidence()).unwrap();
    let signed = SignedTopologyTransaction::assemble(transaction.clone(), public.clone(), signature.clone());
    let accepted = TopologyState::new().check(&signed, ChangeOptions::default()).unwrap();
    assert_eq!(accepted.removals, []);
    let other = transaction.at_version(ProtocolVersion::V5).unwrap();
    let forged = SignedTopologyTransaction::assemble(other, public, signature);
    let error = TopologyState::new().check(&forged, ChangeOptions::default()).unwrap_err();
    assert_eq!(error.code(), "INVALID_TOPOLOGY_TX_SIGNATURE_ERROR");
}

fn party(permission: ParticipantPermission, side: RequestSide) -> TopologyMapping {
    let (party, participant) = (PartyId::new(uid("alice", 1)), ParticipantId::new(uid("p", 1)));
    TopologyMapping::PartyToParticipant(
        PartyToParticipant::new(side, party, participant, permission).unwrap(),
    )
}

#[test]
fn replacing_ends_the_same_pair_with_another_permission() {
    let (state, transactions) = state_of(&[
        (delegation(1, 1, YES), 1),
        (party(ParticipantPermission::Submission, RequestSide::Both), 1),
        (party(ParticipantPermission::Submission, RequestSide::From), 1),
        (owner_to_key(participant("p", 1), 9), 1),
    ]);
    let newer = add(party(ParticipantPermission::Observation, RequestSide::Both));
    assert_eq!(state.replaced_by(&newer, Replace::No).unwrap(), []);
    let removals = state.replaced_by(&newer, Replace::Yes).unwrap();
    assert_eq!(removals, [transactions[1].reverse().unwrap()]);
    let other = add(owner_to_key(participant("p", 1), 8));
    assert_eq!(state.replaced_by(&other, Replace::Yes).unwrap(), []);
}

fn tolerance(seconds: u64) -> TopologyTransaction {
    let parameters = DynamicDomainParameters {
        ledger_time_record_time_tolerance: Duration::from_secs(seconds),
        ..DynamicDomainParameters::defaults(VERSION)
    };
    let change = DomainParametersChange { domain: DomainId::new(uid("domain", 1)), parameters };
    TopologyTransaction::replace(change, VERSION).unwrap()
}

#[test]
fn domain_parameters_take_the_place_of_older_ones() {
    let (mut state, _) = state_of(&[(delegation(1, 1, YES), 1)]);
    for seconds in [60, 30, 20] {
        let change = tolerance(seconds);
        check(&state, &change, 1, Force::No).unwrap();
        state.apply(&change, key(1).fingerprint());
        assert_eq!(state.len(), 2);
    }
    check(&state, &tolerance(20), 1, Force::No).unwrap();
    let error = check(&state, &tolerance(21), 1, Force::No);
    assert_eq!(code(error), "INCREASE_OF_LEDGER_TIME_RECORD_TIME_TOLERANCE");
    check(&state, &tolerance(21), 1, Force::Yes).unwrap();
    assert_eq!(code(check(&state, &tolerance(20), 2, Force::No)), "UNAUTHORIZED_TOPOLOGY_TRANSACTION");
}

#[test]
fn what_must_not_exist_is_not_made() {
    let own_key = NamespaceDelegation::new(namespace(1), key(1), IsRootDelegation::No);
    assert!(matches!(own_key, Err(MappingError::OwnKeyWithoutRoot { .. })));
    let own_party = PartyToParticipant::new(
        RequestSide::Both,
        PartyId::new(uid("p", 1)),
        ParticipantId::new(uid("p", 1)),
        ParticipantPermission::Submission,
    );
    assert!(matches!(own_party, Err(MappingError::PartyIsParticipant { .. })));
    for permission in [ParticipantPermission::Observation, ParticipantPermission::Disabled] {
        let (domain, participant) = (DomainId::new(uid("d", 1)), ParticipantId::new(uid("p", 1)));
        let vip = ParticipantState::new(RequestSide::From, domain, participant, permission, TrustLevel::Vip);
        assert!(matches!(vip, Err(MappingError::VipWithoutConfirmation { .. })));
    }
    let replaced = TopologyTransaction::new(
        TopologyChangeOp::Replace,
        TopologyElementId::random(),
        delegation(1, 1, YES),
        VERSION,
    );
    assert!(matches!(replaced, Err(MappingError::IncompatibleOperation { .. })));
    let added = TopologyTransaction::add(tolerance(60).mapping().clone(), VERSION);
    assert!(matches!(added, Err(MappingError::IncompatibleOperation { .. })));
    assert!(tolerance(60).reverse().is_err());
}

#[test]
fn a_history_is_replayed_to_the_same_state() {
    let private = SigningPrivateKey::generate(SigningKeyScheme::Ed25519).unwrap();
    let public = private.public().clone();
    let sign = |transaction: TopologyTransaction| {
        let signature = private.sign(&transaction.hash().evidence()).unwrap();
        SignedTopologyTransaction::assemble(transaction, public.clone(), signature)
    };
    let root = TopologyMapping::NamespaceDelegation(NamespaceDelegation::root(public.clone()));
    let first = sign(add(root.clone()));
    let history = [first.clone(), sign(first.transaction().reverse().unwrap()), sign(add(root))];
    let state = TopologyState::replay(&history);
    assert_eq!(state.len(), 1);
    assert_eq!(state.active().next().unwrap().transaction(), history[2].transaction());
    assert!(history.iter().all(|signed| state.has_seen(signed.transaction(), public.fingerprint())));
}

#[test]
fn the_uses_of_a_key_are_found() {
    let (mut state, transactions) = state_of(&[
        (delegation(1, 1, YES), 1),
        (delegation(1, 2, YES), 1),
        (identifier_delegation("p", 1, 2), 1),
        (owner_to_key(participant("p", 1), 2), 2),
        (owner_to_key(participant("p", 1), 3), 2),
    ]);
    let uses = |state: &TopologyState, number| {
        state
            .uses_of_key(key(number).fingerprint())
            .map(|active| active.transaction().clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(uses(&state, 2), transactions[1..4]);
    state.apply(&transactions[1].reverse().unwrap(), key(1).fingerprint());
    assert_eq!(uses(&state, 2), transactions[2..4]);
    assert_eq!(uses(&state, 9), []);
}
