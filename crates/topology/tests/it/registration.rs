//! What a participant shows a domain: all that it needs, and nothing else.

use cantle_topology::{
    IdentifierDelegation, IsRootDelegation, NamespaceDelegation, ParticipantPermission, RequestSide,
    SignedTopologyTransaction, TopologyMapping, TopologyTimeline, joining_transactions,
};
use cantle_types::{DomainId, ParticipantId};

use crate::signed::{domain, key_of, namespace, participant, private, root, signed, state, uid};
use crate::support::VERSION;

fn delegation(target: u8, delegation: IsRootDelegation, signer: u8) -> SignedTopologyTransaction {
    let key = private(target).public().clone();
    let delegation = NamespaceDelegation::new(namespace(5), key, delegation);
    signed(TopologyMapping::NamespaceDelegation(delegation.unwrap()), signer)
}

fn identifier_delegation(identifier: &str, target: u8, signer: u8) -> SignedTopologyTransaction {
    let identifier = uid(identifier, 5);
    let target = private(target).public().clone();
    signed(TopologyMapping::IdentifierDelegation(IdentifierDelegation { identifier, target }), signer)
}

fn to(signer: u8) -> SignedTopologyTransaction {
    signed(state(RequestSide::To, &participant(5), ParticipantPermission::Submission), signer)
}

#[test]
fn the_chain_from_the_root_is_shown_and_nothing_else() {
    let shown = [
        signed(root(5), 5),
        delegation(10, IsRootDelegation::Yes, 5),
        delegation(11, IsRootDelegation::No, 10),
        identifier_delegation("participant", 12, 11),
        signed(key_of(participant(5), 20), 12),
        to(10),
    ];
    let other = ParticipantId::new(uid("other", 5));
    let hidden = [
        delegation(13, IsRootDelegation::Yes, 5),
        identifier_delegation("participant", 14, 5),
        identifier_delegation("other", 12, 5),
        signed(key_of(other.clone(), 21), 5),
        signed(key_of(participant(6), 21), 5),
        signed(state(RequestSide::To, &other, ParticipantPermission::Submission), 5),
        signed(root(6), 6),
    ];
    let active = [&shown[..2], &hidden[..4], &shown[2..], &hidden[4..]].concat();
    let found = joining_transactions(&active, &participant(5), &domain());
    assert_eq!(found, shown);
    assert!(TopologyTimeline::with_initial(domain(), VERSION, &found).is_ok());
}

#[test]
fn the_wish_to_be_on_another_domain_is_not_shown() {
    let elsewhere = DomainId::new(uid("elsewhere", 9));
    let active = [signed(root(5), 5), signed(key_of(participant(5), 20), 5), to(5)];
    assert_eq!(joining_transactions(&active, &participant(5), &elsewhere), active[..2]);
}

#[test]
fn what_dangles_is_not_shown() {
    let delegated = delegation(10, IsRootDelegation::No, 5);
    let key = signed(key_of(participant(5), 20), 10);
    let mut active = vec![signed(root(5), 5), delegated, key, to(5)];
    assert_eq!(joining_transactions(&active, &participant(5), &domain()), active);
    active.remove(1);
    assert_eq!(
        joining_transactions(&active, &participant(5), &domain()),
        [active[0].clone(), active[2].clone()]
    );
    active.remove(0);
    assert_eq!(joining_transactions(&active, &participant(5), &domain()), []);
}
