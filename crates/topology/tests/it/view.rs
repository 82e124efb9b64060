//! What a view says of members, parties and the domain, mapping by mapping.

use std::collections::BTreeSet;

use cantle_crypto::{EncryptionKeyScheme, EncryptionPrivateKey, EncryptionPublicKey, PublicKey};
use cantle_topology::{
    IsRootDelegation, NamespaceDelegation, OwnerToKeyMapping, Packages, ParticipantAttributes,
    ParticipantPermission, ParticipantState, PartyToParticipant, RequestSide, SignedTopologyTransaction,
    TopologyMapping, TopologyState, TopologyView, TrustLevel,
};
use cantle_types::{
    DomainManagerId, MediatorId, Member, MemberCode, ParticipantId, PartyId, ProtocolVersion, SequencerId,
};

use crate::signed::{
    DOMAIN, bootstrap, domain, key_of, mediator, mediator_state, namespace, onboarding, participant, private,
    removal, root, signed, state, uid,
};
use crate::support::VERSION;
use ParticipantPermission::{Confirmation, Disabled, Observation, Submission};
use RequestSide::{Both, From, To};

fn view_of<'a>(transactions: impl IntoIterator<Item = &'a SignedTopologyTransaction>) -> TopologyView {
    TopologyView::new(domain(), VERSION, TopologyState::replay(transactions))
}

/// The view with two participants, 5 and 6, and what else is said.
fn with(transactions: &[SignedTopologyTransaction]) -> TopologyView {
    view_of(&[bootstrap(), onboarding(5), onboarding(6), transactions.to_vec()].concat())
}

fn trusted(side: RequestSide, of: &ParticipantId, permission: ParticipantPermission) -> TopologyMapping {
    let state = ParticipantState::new(side, domain(), of.clone(), permission, TrustLevel::Vip);
    TopologyMapping::ParticipantState(state.unwrap())
}

fn party(side: RequestSide, party: &PartyId, at: u8, permission: ParticipantPermission) -> TopologyMapping {
    let mapping = PartyToParticipant::new(side, party.clone(), participant(at), permission);
    TopologyMapping::PartyToParticipant(mapping.unwrap())
}

fn fingerprints(view: &TopologyView, member: &Member) -> Vec<String> {
    view.signing_keys(member).iter().map(|key| key.fingerprint().to_string()).collect()
}

fn numbered(keys: &[u8]) -> Vec<String> {
    keys.iter().map(|&number| private(number).fingerprint().to_string()).collect()
}

#[test]
fn keys_stand_in_the_order_in_which_they_were_registered_last() {
    let member = participant(5).member().clone();
    let mut transactions = vec![signed(root(5), 5)];
    for number in [20, 21, 22, 20] {
        transactions.push(signed(key_of(member.clone(), number), 5));
    }
    let view = view_of(&transactions);
    assert_eq!(fingerprints(&view, &member), numbered(&[21, 22, 20]));
    assert_eq!(view.signing_key(&member).unwrap().fingerprint(), private(20).fingerprint());
    transactions.push(removal(&transactions[4], 5));
    let view = view_of(&transactions);
    assert_eq!(fingerprints(&view, &member), numbered(&[20, 21, 22]));
    assert_eq!(view.signing_key(&member).unwrap().fingerprint(), private(22).fingerprint());
}

#[test]
fn keys_of_members_with_one_identifier_are_told_apart() {
    let view = view_of(&bootstrap());
    let uid = domain().0;
    let members = [
        (DomainManagerId::new(uid.clone()).into(), 2),
        (SequencerId::new(uid.clone()).into(), 3),
        (MediatorId::new(uid.clone()).into(), 4),
    ];
    for (member, number) in &members {
        assert_eq!(fingerprints(&view, member), numbered(&[*number]), "{member}");
        assert!(view.is_active(member));
    }
    let stranger = Member::new(MemberCode::Participant, uid.clone());
    assert_eq!(fingerprints(&view, &stranger), numbered(&[]));
    assert!(!view.is_active(&stranger));
    assert!(!view.is_active(&Member::new(MemberCode::Unauthenticated, uid)));
    assert_eq!(view.members(), members.into_iter().map(|(member, _)| member).collect());
}

#[test]
fn keys_to_encrypt_to_are_told_apart_from_those_to_sign_with() {
    let member = participant(5).member().clone();
    let keys: Vec<_> = (0..2)
        .map(|_| EncryptionPrivateKey::generate(EncryptionKeyScheme::Rsa2048OaepSha256).unwrap())
        .map(|key| key.public().clone())
        .collect();
    let mapping = |key: &EncryptionPublicKey| {
        let key = PublicKey::Encryption(key.clone());
        TopologyMapping::OwnerToKeyMapping(OwnerToKeyMapping { owner: member.clone(), key })
    };
    let view = with(&[signed(mapping(&keys[0]), 5), signed(mapping(&keys[1]), 5)]);
    assert_eq!(view.encryption_keys(&member), keys);
    assert_eq!(view.encryption_key(&member).as_ref(), Some(&keys[1]));
    assert_eq!(fingerprints(&view, &member), numbered(&[5]));
    assert_eq!(view.encryption_key(mediator().member()), None);
}

#[test]
fn a_key_that_lost_its_delegation_does_not_count_until_that_is_back() {
    let member = participant(5).member().clone();
    let delegation = |target: u8| {
        let key = private(target).public().clone();
        let delegation = NamespaceDelegation::new(namespace(5), key, IsRootDelegation::No);
        signed(TopologyMapping::NamespaceDelegation(delegation.unwrap()), 5)
    };
    let delegated = delegation(30);
    let mut transactions =
        vec![signed(root(5), 5), delegated.clone(), signed(key_of(member.clone(), 31), 30)];
    assert_eq!(fingerprints(&view_of(&transactions), &member), numbered(&[31]));
    transactions.push(removal(&delegated, 5));
    assert_eq!(fingerprints(&view_of(&transactions), &member), numbered(&[]));
    transactions.push(delegation(30));
    assert_eq!(fingerprints(&view_of(&transactions), &member), numbered(&[31]));
}

#[test]
fn a_participant_is_active_when_both_sides_say_so() {
    let own = participant(7);
    let key = [signed(root(7), 7)];
    let attributes = |states: &[(RequestSide, ParticipantPermission)]| {
        let states: Vec<_> = states
            .iter()
            .map(|&(side, permission)| {
                let signer = if side == To { 7 } else { DOMAIN };
                signed(state(side, &own, permission), signer)
            })
            .collect();
        with(&[&key[..], &states].concat()).participant_attributes(&own).map(|found| found.permission)
    };
    assert_eq!(attributes(&[]), None);
    assert_eq!(attributes(&[(From, Submission)]), None);
    assert_eq!(attributes(&[(To, Submission)]), None);
    assert_eq!(attributes(&[(From, Submission), (To, Confirmation)]), Some(Confirmation));
    assert_eq!(attributes(&[(From, Observation), (To, Confirmation)]), Some(Observation));
    assert_eq!(attributes(&[(From, Submission), (From, Disabled), (To, Submission)]), Some(Disabled));
    // One signature for both sides needs a key that may sign for both: the domain's may not for the participant.
    assert_eq!(attributes(&[(Both, Submission)]), None);
    let same = ParticipantId::new(uid("same", DOMAIN));
    let view = with(&[signed(state(Both, &same, Submission), DOMAIN)]);
    assert!(view.is_participant_active(&same));
}

#[test]
fn a_disabled_participant_is_listed_and_not_active() {
    let view = with(&[signed(state(From, &participant(5), Disabled), DOMAIN)]);
    assert!(!view.is_active(participant(5).member()));
    let listed: Vec<_> =
        view.participants().into_iter().map(|(participant, found)| (participant, found.permission)).collect();
    let mut expected = vec![(participant(5), Disabled), (participant(6), Submission)];
    expected.sort();
    assert_eq!(listed, expected);
}

#[test]
fn trust_is_what_the_domain_says() {
    let own = participant(7);
    let states = |from: TopologyMapping, to: TopologyMapping| {
        let view = with(&[signed(root(7), 7), signed(from, DOMAIN), signed(to, 7)]);
        view.participant_attributes(&own).unwrap()
    };
    let vip = ParticipantAttributes { permission: Confirmation, trust_level: TrustLevel::Vip };
    assert_eq!(states(trusted(From, &own, Submission), state(To, &own, Confirmation)), vip);
    let ordinary = ParticipantAttributes { permission: Submission, trust_level: TrustLevel::Ordinary };
    assert_eq!(states(state(From, &own, Submission), trusted(To, &own, Submission)), ordinary);
}

#[test]
fn each_side_s_wish_is_seen_alone() {
    let own = participant(7);
    let view = with(&[signed(state(From, &own, Submission), DOMAIN)]);
    assert!(view.domain_trusts(&own));
    assert!(!view.is_trusted_by(&own));
    let view = with(&[signed(root(7), 7), signed(state(To, &own, Submission), 7)]);
    assert!(!view.domain_trusts(&own));
    assert!(view.is_trusted_by(&own));
    let view = with(&[signed(state(From, &own, Disabled), DOMAIN)]);
    assert!(!view.domain_trusts(&own));
}

#[test]
fn a_mediator_is_active_when_both_sides_say_so() {
    let other = MediatorId::new(uid("mediator", 7));
    let own = signed(root(7), 7);
    let from = signed(mediator_state(From, &other), DOMAIN);
    let to = signed(mediator_state(To, &other), 7);
    for (transactions, active) in [
        (vec![own.clone()], false),
        (vec![own.clone(), from.clone()], false),
        (vec![own.clone(), to.clone()], false),
        (vec![own.clone(), from.clone(), to.clone()], true),
        (vec![own, from.clone(), to, removal(&from, DOMAIN)], false),
    ] {
        let view = with(&transactions);
        assert_eq!(view.is_active(other.member()), active);
        assert_eq!(view.mediators().contains(&other), active);
        assert!(view.mediators().contains(&mediator()));
    }
}

#[test]
fn a_party_is_hosted_as_far_as_all_agree() {
    let alice = PartyId::new(uid("alice", 5));
    let permission = |transactions: &[SignedTopologyTransaction], at: u8| {
        with(transactions).hosting(&alice, &participant(at)).map(|found| found.permission)
    };
    let both = signed(party(Both, &alice, 5, Submission), 5);
    assert_eq!(permission(&[], 5), None);
    assert_eq!(permission(std::slice::from_ref(&both), 5), Some(Submission));
    let from = signed(party(From, &alice, 6, Submission), 5);
    assert_eq!(permission(std::slice::from_ref(&from), 6), None);
    let to = signed(party(To, &alice, 6, Observation), 6);
    assert_eq!(permission(&[from.clone(), to.clone()], 6), Some(Observation));
    let lowered = signed(state(From, &participant(6), Disabled), DOMAIN);
    assert_eq!(permission(&[from.clone(), to.clone(), lowered], 6), None);
    let lowered = signed(state(To, &participant(5), Confirmation), 5);
    assert_eq!(permission(&[both.clone(), lowered], 5), Some(Confirmation));
    let view = with(&[both, from, to]);
    let hosts: Vec<_> = view.active_participants_of(&alice).into_keys().collect();
    assert_eq!(hosts.into_iter().collect::<BTreeSet<_>>(), [participant(5), participant(6)].into());
    assert_eq!(view.parties_of(&participant(6)), [alice.clone(), participant(6).admin_party()].into());
    let all = [alice, participant(5).admin_party(), participant(6).admin_party()];
    assert_eq!(view.parties(), all.into());
}

#[test]
fn a_participant_hosts_its_own_party_as_long_as_it_is_active() {
    let own = participant(5).admin_party();
    let hosting = with(&[]).active_participants_of(&own);
    assert_eq!(hosting.keys().collect::<Vec<_>>(), [&participant(5)]);
    assert_eq!(hosting[&participant(5)].permission, Submission);
    assert!(view_of(&bootstrap()).active_participants_of(&own).is_empty());
    let disabled = with(&[signed(state(From, &participant(5), Disabled), DOMAIN)]);
    assert!(disabled.active_participants_of(&own).is_empty());
    assert!(!disabled.parties().contains(&own));
}

#[test]
fn vetted_packages_are_those_of_all_mappings() {
    let packages = |ids: &[&str]| {
        let package_ids = ids.iter().map(|id| id.parse().unwrap()).collect();
        let packages = Packages { participant: participant(5), package_ids };
        signed(TopologyMapping::VettedPackages(packages), 5)
    };
    let (first, second) = (packages(&["a", "b"]), packages(&["b", "c"]));
    let vetted = |transactions: &[SignedTopologyTransaction]| {
        let vetted = with(transactions).vetted_packages(&participant(5));
        vetted.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(vetted(&[first.clone(), second.clone()]), "a b c");
    assert_eq!(vetted(&[first.clone(), second, removal(&first, 5)]), "b c");
    assert!(with(&[first]).vetted_packages(&participant(6)).is_empty());
}

#[test]
fn a_domain_is_initialized_when_nothing_is_missing() {
    let bootstrap = bootstrap();
    assert!(view_of(&bootstrap).is_initialized());
    for missing in 0..bootstrap.len() {
        let mut rest = bootstrap.clone();
        rest.remove(missing);
        assert!(!view_of(&rest).is_initialized(), "without {:?}", bootstrap[missing]);
    }
}

#[test]
fn a_domain_without_parameters_has_defaults_and_no_delay() {
    let view = view_of(&[]);
    assert_eq!(view.stated_parameters(), None);
    assert!(view.parameters().topology_change_delay.is_zero());
    assert_eq!(view.parameters().max_request_size, 10_485_760);
    assert_eq!(view.protocol_version(), ProtocolVersion::V7);
    let view = view_of(&bootstrap());
    assert_eq!(view.parameters().topology_change_delay.as_millis(), 250);
    assert_eq!(view.stated_parameters(), Some(&view.parameters()));
}

#[test]
fn clones_of_a_state_go_their_own_ways() {
    let mut one = TopologyState::replay(&bootstrap());
    let before = one.clone();
    let other = onboarding(5);
    for transaction in &other {
        one.apply(transaction.transaction(), transaction.key().fingerprint());
    }
    assert_eq!(before.len(), bootstrap().len());
    assert_eq!(one.len(), bootstrap().len() + other.len());
    assert!(before.graph(&namespace(5)).is_none());
    assert!(one.graph(&namespace(5)).is_some());
    assert!(!before.has_seen(other[0].transaction(), other[0].key().fingerprint()));
}
