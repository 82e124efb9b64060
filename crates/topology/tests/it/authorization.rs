//! Who may sign what: case by case, and against a model that knows nothing of graphs.

use std::collections::BTreeSet;

use cantle_topology::{
    AuthorizationGraph, DelegationLevel, IsRootDelegation, MediatorDomainState, NamespaceDelegation,
    ParticipantPermission, PartyToParticipant, RequestSide, TopologyMapping, TopologyTransaction,
};
use cantle_types::{DomainId, ParticipantId, PartyId};
use proptest::prelude::*;

use crate::support::{
    add, delegation, identifier_delegation, key, namespace, owner_to_key, participant, state_of, uid,
};

const YES: IsRootDelegation = IsRootDelegation::Yes;
const NO: IsRootDelegation = IsRootDelegation::No;

fn authorized(state: &cantle_topology::TopologyState, mapping: TopologyMapping, signer: u8) -> bool {
    state.is_authorized(&add(mapping), key(signer).fingerprint())
}

#[test]
fn nothing_is_authorized_without_a_root_certificate() {
    let (state, _) = state_of(&[(delegation(1, 2, YES), 1)]);
    assert!(!authorized(&state, owner_to_key(participant("p", 1), 9), 1));
    assert!(!authorized(&state, owner_to_key(participant("p", 1), 9), 2));
    assert!(authorized(&state, delegation(1, 1, YES), 1));
}

#[test]
fn a_root_certificate_is_signed_by_its_own_key_only() {
    let (state, _) = state_of(&[]);
    assert!(authorized(&state, delegation(1, 1, YES), 1));
    assert!(!authorized(&state, delegation(1, 1, YES), 2));
    let (state, transactions) = state_of(&[(delegation(1, 1, YES), 1), (delegation(1, 2, YES), 1)]);
    assert!(authorized(&state, delegation(1, 1, YES), 2));
    let removal = transactions[0].reverse().unwrap();
    assert!(state.is_authorized(&removal, key(1).fingerprint()));
    assert!(!state.is_authorized(&removal, key(3).fingerprint()));
}

#[test]
fn only_root_delegations_delegate_further() {
    let (state, _) =
        state_of(&[(delegation(1, 1, YES), 1), (delegation(1, 2, YES), 1), (delegation(1, 3, NO), 2)]);
    assert!(authorized(&state, delegation(1, 4, NO), 2));
    assert!(!authorized(&state, delegation(1, 4, NO), 3));
    assert!(authorized(&state, identifier_delegation("p", 1, 4), 3));
    assert!(authorized(&state, owner_to_key(participant("p", 1), 9), 3));
    assert!(!authorized(&state, owner_to_key(participant("p", 2), 9), 3));
}

#[test]
fn a_key_that_lost_its_root_delegation_passes_none_on() {
    let (mut state, transactions) = state_of(&[
        (delegation(1, 1, YES), 1),
        (delegation(1, 2, YES), 1),
        (delegation(1, 3, YES), 2),
        (delegation(1, 2, NO), 1),
    ]);
    state.apply(&transactions[1].reverse().unwrap(), key(1).fingerprint());
    assert!(authorized(&state, owner_to_key(participant("p", 1), 9), 2));
    assert!(!authorized(&state, owner_to_key(participant("p", 1), 9), 3));
}

#[test]
fn an_identifier_delegation_is_for_that_identifier_only() {
    let (mut state, transactions) = state_of(&[
        (delegation(1, 1, YES), 1),
        (delegation(1, 2, NO), 1),
        (identifier_delegation("p", 1, 5), 2),
    ]);
    assert!(authorized(&state, owner_to_key(participant("p", 1), 9), 5));
    assert!(!authorized(&state, owner_to_key(participant("q", 1), 9), 5));
    assert!(!authorized(&state, identifier_delegation("p", 1, 6), 5));
    state.apply(&transactions[1].reverse().unwrap(), key(1).fingerprint());
    assert!(!authorized(&state, owner_to_key(participant("p", 1), 9), 5));
}

#[test]
fn both_sides_need_one_key_for_both() {
    let party = |side| {
        let participant = ParticipantId::new(uid("p", 2));
        let party = PartyId::new(uid("alice", 1));
        TopologyMapping::PartyToParticipant(
            PartyToParticipant::new(side, party, participant, ParticipantPermission::Submission).unwrap(),
        )
    };
    let (state, _) = state_of(&[
        (delegation(1, 1, YES), 1),
        (delegation(2, 2, YES), 2),
        (identifier_delegation("alice", 1, 7), 1),
        (identifier_delegation("p", 2, 7), 2),
    ]);
    for (side, signers) in
        [(RequestSide::From, &[1, 7][..]), (RequestSide::To, &[2, 7]), (RequestSide::Both, &[7])]
    {
        for signer in [1, 2, 7] {
            assert_eq!(authorized(&state, party(side), signer), signers.contains(&signer), "{side} {signer}");
        }
    }
    assert_eq!(state.signing_keys_for(&party(RequestSide::Both)), [key(7).fingerprint().clone()]);
    let mediator = TopologyMapping::MediatorDomainState(MediatorDomainState {
        side: RequestSide::From,
        domain: DomainId::new(uid("domain", 1)),
        mediator: uid("mediator", 2),
    });
    assert!(authorized(&state, mediator.clone(), 1));
    assert!(!authorized(&state, mediator, 2));
}

#[test]
fn the_latest_delegation_is_chosen_first() {
    let fingerprints =
        |keys: &[u8]| keys.iter().map(|&number| key(number).fingerprint().clone()).collect::<Vec<_>>();
    let (mut state, transactions) = state_of(&[
        (delegation(1, 1, YES), 1),
        (delegation(1, 2, YES), 1),
        (delegation(1, 3, NO), 2),
        (identifier_delegation("p", 1, 4), 1),
    ]);
    let keys = state.signing_keys_for(&owner_to_key(participant("p", 1), 9));
    assert_eq!(keys, fingerprints(&[4, 3, 2, 1]));
    assert_eq!(state.signing_keys_for(&delegation(1, 9, NO)), fingerprints(&[2, 1]));
    assert_eq!(state.signing_keys_for(&identifier_delegation("p", 1, 9)), fingerprints(&[2, 1]));
    assert_eq!(state.signing_keys_for(&delegation(1, 1, YES)), fingerprints(&[1, 2]));
    assert_eq!(state.signing_keys_for(&delegation(8, 8, YES)), fingerprints(&[8]));
    assert_eq!(state.signing_keys_for(&owner_to_key(participant("p", 8), 9)), []);
    state.apply(&transactions[1].reverse().unwrap(), key(1).fingerprint());
    let keys = state.signing_keys_for(&owner_to_key(participant("p", 1), 9));
    assert_eq!(keys, fingerprints(&[4, 1]));
}

/// A delegation of the namespace of key 0: who signs, whom it is for, and whether it is a root delegation.
type Delegation = (u8, u8, bool);

fn delegations() -> impl Strategy<Value = Vec<Delegation>> {
    proptest::collection::vec((0_u8..6, 0_u8..6, any::<bool>()), 0..14)
        .prop_map(|list| list.into_iter().map(|(from, to, root)| (from, to, root || to == 0)).collect())
}

/// What each of six keys may do, by repeating the rule until nothing changes any more.
fn model(delegations: &[Delegation]) -> [Option<DelegationLevel>; 6] {
    let mut may: BTreeSet<(u8, bool)> = BTreeSet::new();
    if delegations.contains(&(0, 0, true)) {
        may.insert((0, true));
    }
    loop {
        let before = may.len();
        for &(from, to, root) in delegations {
            if may.contains(&(from, true)) || (may.contains(&(from, false)) && !root) {
                may.insert((to, root));
            }
        }
        if may.len() == before {
            break;
        }
    }
    std::array::from_fn(|number| {
        let number = u8::try_from(number).unwrap();
        if may.contains(&(number, true)) {
            Some(DelegationLevel::Root)
        } else {
            may.contains(&(number, false)).then_some(DelegationLevel::Standard)
        }
    })
}

fn mapping_of((_, to, root): Delegation) -> NamespaceDelegation {
    NamespaceDelegation::new(namespace(0), key(to), root.into()).unwrap()
}

proptest! {
    #[test]
    fn the_graph_reaches_what_the_model_reaches(
        list in delegations(),
        removed in proptest::collection::vec(any::<bool>(), 14),
    ) {
        let mut graph = AuthorizationGraph::new(namespace(0));
        for (number, &delegation) in (0..).zip(&list) {
            graph.insert(number, key(delegation.0).fingerprint(), &mapping_of(delegation));
        }
        let levels = |graph: &AuthorizationGraph| {
            std::array::from_fn(|number| graph.level(key(u8::try_from(number).unwrap()).fingerprint()))
        };
        prop_assert_eq!(levels(&graph), model(&list));
        for (number, _) in (0..).zip(&removed).filter(|(_, removed)| **removed) {
            graph.remove(number);
        }
        let left: Vec<_> =
            list.iter().zip(&removed).filter(|(_, removed)| !**removed).map(|(&delegation, _)| delegation).collect();
        prop_assert_eq!(levels(&graph), model(&left));
    }

    #[test]
    fn the_state_authorizes_what_the_model_allows(list in delegations(), identifier_key in 6_u8..8, by in 0_u8..6) {
        let mut mappings: Vec<_> = list
            .iter()
            .map(|&delegation| (TopologyMapping::NamespaceDelegation(mapping_of(delegation)), delegation.0))
            .collect();
        mappings.push((identifier_delegation("p", 0, identifier_key), by));
        let (state, _) = state_of(&mappings);
        let levels = model(&list);
        for signer in 0..8_u8 {
            let level = levels.get(usize::from(signer)).copied().flatten();
            let by_identifier = signer == identifier_key && levels[usize::from(by)].is_some();
            prop_assert_eq!(
                authorized(&state, owner_to_key(participant("p", 0), 9), signer),
                level.is_some() || by_identifier
            );
            prop_assert_eq!(authorized(&state, owner_to_key(participant("q", 0), 9), signer), level.is_some());
            prop_assert_eq!(authorized(&state, identifier_delegation("q", 0, 9), signer), level.is_some());
            let root = level == Some(DelegationLevel::Root);
            prop_assert_eq!(authorized(&state, delegation(0, 9, NO), signer), root);
        }
        for mapping in [owner_to_key(participant("p", 0), 9), delegation(0, 9, YES), identifier_delegation("q", 0, 9)] {
            for chosen in state.signing_keys_for(&mapping) {
                prop_assert!(state.is_authorized(&add(mapping.clone()), &chosen));
            }
        }
    }

    #[test]
    fn taking_back_everything_leaves_no_one_authorized(list in delegations()) {
        let mappings: Vec<_> = list
            .iter()
            .map(|&delegation| (TopologyMapping::NamespaceDelegation(mapping_of(delegation)), delegation.0))
            .collect();
        let (mut state, transactions): (_, Vec<TopologyTransaction>) = state_of(&mappings);
        for transaction in &transactions {
            state.apply(&transaction.reverse().unwrap(), key(0).fingerprint());
        }
        prop_assert!(state.is_empty());
        prop_assert!(state.graph(&namespace(0)).is_none());
        for signer in 0..6 {
            prop_assert!(!authorized(&state, owner_to_key(participant("p", 0), 9), signer));
        }
    }
}
