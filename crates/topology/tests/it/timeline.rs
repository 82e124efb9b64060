//! When a transaction counts, and which one does not.

use std::time::Duration;

use cantle_crypto::{SigningKeyScheme, SigningPrivateKey};
use cantle_topology::{
    NamespaceDelegation, Outcome, ParticipantPermission, RequestSide, SignedTopologyTransaction,
    StoredTransaction, TimelineError, TopologyError, TopologyMapping, TopologyTimeline, TopologyTransaction,
    TopologyView,
};
use cantle_types::{DomainId, ParticipantId, ProtocolVersion};

use crate::signed::{
    DOMAIN, at, bootstrap, domain, key_of, mediator, micro_after, onboarding, participant, private, removal,
    root, sign, signed, state, uid, with_delay,
};
use crate::support::VERSION;

/// A domain that was bootstrapped at `at(0)`.
fn timeline() -> TopologyTimeline {
    let mut timeline = TopologyTimeline::new(domain(), VERSION);
    let fed = timeline.feed(at(0), &bootstrap()).unwrap();
    assert!(fed.outcomes.iter().all(Outcome::is_accepted), "{fed:?}");
    timeline
}

fn outcome(timeline: &mut TopologyTimeline, millis: i64, transaction: &SignedTopologyTransaction) -> Outcome {
    timeline.feed(at(millis), std::slice::from_ref(transaction)).unwrap().outcomes.remove(0)
}

fn active(view: &TopologyView) -> Vec<TopologyTransaction> {
    view.state().active().map(|active| active.transaction().clone()).collect()
}

#[test]
fn a_transaction_counts_after_its_effective_time_and_not_at_it() {
    let mut timeline = timeline();
    let fed = timeline.feed(at(1000), &onboarding(5)).unwrap();
    assert_eq!((fed.sequenced, fed.effective), (at(1000), at(1250)));
    let is_active = |millis| timeline.view(millis).unwrap().is_participant_active(&participant(5));
    assert!(!is_active(at(1000)));
    assert!(!is_active(at(1250)));
    assert!(is_active(micro_after(at(1250))));
    assert!(timeline.latest().is_participant_active(&participant(5)));
}

#[test]
fn nothing_is_delayed_before_the_domain_has_parameters() {
    let mut timeline = TopologyTimeline::new(domain(), VERSION);
    assert!(timeline.view(at(0)).unwrap().state().is_empty());
    assert_eq!(timeline.known_until(), None);
    let fed = timeline.feed(at(0), &bootstrap()).unwrap();
    assert_eq!(fed.effective, at(0));
    assert!(!timeline.view(at(0)).unwrap().is_initialized());
    assert!(timeline.view(micro_after(at(0))).unwrap().is_initialized());
    assert_eq!(timeline.view(micro_after(at(0))).unwrap().mediators(), [mediator()]);
}

#[test]
fn a_new_delay_is_in_force_when_it_is_effective() {
    let mut timeline = timeline();
    let effective = |timeline: &mut TopologyTimeline, millis, transaction| {
        timeline.feed(at(millis), &[transaction]).unwrap().effective
    };
    assert_eq!(effective(&mut timeline, 1000, with_delay(500)), at(1250));
    assert_eq!(effective(&mut timeline, 1250, signed(root(5), 5)), at(1500));
    assert_eq!(effective(&mut timeline, 1251, signed(root(6), 6)), at(1751));
}

#[test]
fn effective_times_rise_when_the_delay_is_lowered() {
    let mut timeline = timeline();
    timeline.feed(at(1000), &[with_delay(0)]).unwrap();
    timeline.feed(at(1249), &[signed(root(5), 5)]).unwrap();
    // The delay is 0 now, but what was sequenced before is effective at 1499.
    let fed = timeline.feed(at(1300), &[signed(root(6), 6)]).unwrap();
    assert_eq!(fed.effective, micro_after(at(1499)));
    assert_eq!(timeline.feed(at(2000), &[signed(root(7), 7)]).unwrap().effective, at(2000));
    let order: Vec<_> = std::iter::successors(timeline.next_change_after(at(0)), |change| {
        timeline.next_change_after(micro_after(*change))
    })
    .collect();
    assert_eq!(order, [at(0), at(1250), at(1499), micro_after(at(1499)), at(2000)]);
}

#[test]
fn what_is_known_ends_where_a_later_message_could_reach() {
    let mut timeline = timeline();
    timeline.observe(at(1000));
    assert_eq!(timeline.known_until(), Some(at(1250)));
    timeline.feed(at(2000), &[with_delay(100)]).unwrap();
    // From 2250 on the delay is 100, so a message of that time reaches 2350.
    assert_eq!(timeline.known_until(), Some(at(2250)));
    timeline.observe(at(2200));
    assert_eq!(timeline.known_until(), Some(at(2350)));
    timeline.observe(at(2250));
    assert_eq!(timeline.known_until(), Some(at(2350)));
    timeline.observe(at(2000));
    assert_eq!((timeline.time(), timeline.known_until()), (Some(at(2250)), Some(at(2350))));
}

#[test]
fn a_message_of_the_past_is_refused() {
    let mut timeline = timeline();
    timeline.observe(at(1000));
    let before = timeline.clone();
    for millis in [0, 1000] {
        let error = timeline.feed(at(millis), &onboarding(5)).unwrap_err();
        assert_eq!(error, TimelineError::OutOfOrder { sequenced: at(millis), known: at(1000) });
    }
    assert_eq!(active(timeline.latest()), active(before.latest()));
    assert!(timeline.feed(micro_after(at(1000)), &onboarding(5)).is_ok());
}

#[test]
fn a_preview_changes_nothing() {
    let timeline = timeline();
    let fed = timeline.preview(at(1000), &onboarding(5)).unwrap();
    assert!(fed.outcomes.iter().all(Outcome::is_accepted));
    assert!(!timeline.latest().is_participant_active(&participant(5)));
    assert_eq!(timeline.time(), Some(at(0)));
}

#[test]
fn transactions_of_one_message_rest_on_each_other_in_their_order() {
    let mut timeline = timeline();
    let mut transactions = onboarding(5);
    transactions.swap(0, 1);
    let fed = timeline.feed(at(1000), &transactions).unwrap();
    assert!(matches!(&fed.outcomes[0], Outcome::Rejected(TopologyError::Unauthorized { signed_by, .. })
        if signed_by == private(5).fingerprint()));
    assert!(fed.outcomes[1..].iter().all(Outcome::is_accepted));
    let accepted: Vec<_> = fed.accepted(&transactions).collect();
    assert_eq!(accepted, transactions[1..].iter().collect::<Vec<_>>());
    assert_eq!(timeline.latest().signing_keys(participant(5).member()), []);
    // What was rejected may come again.
    assert_eq!(outcome(&mut timeline, 2000, &transactions[0]), Outcome::Accepted);
    assert_eq!(timeline.latest().signing_keys(participant(5).member()).len(), 1);
}

#[test]
fn a_transaction_that_was_signed_again_is_a_duplicate() {
    let mut timeline = timeline();
    let key = SigningPrivateKey::generate(SigningKeyScheme::EcDsaP256).unwrap();
    let delegation = NamespaceDelegation::root(key.public().clone());
    let transaction =
        TopologyTransaction::add(TopologyMapping::NamespaceDelegation(delegation), VERSION).unwrap();
    let sign = || {
        let signature = key.sign_hash(&transaction.hash()).unwrap();
        SignedTopologyTransaction::assemble(transaction.clone(), key.public().clone(), signature)
    };
    let (first, second) = (sign(), sign());
    assert_ne!(first, second);
    assert_eq!(outcome(&mut timeline, 1000, &first), Outcome::Accepted);
    let before = active(timeline.latest());
    for (millis, again) in [(2000, &first), (2001, &second)] {
        assert_eq!(outcome(&mut timeline, millis, again), Outcome::Duplicate);
    }
    assert_eq!(active(timeline.latest()), before);
    assert_eq!(timeline.last_effective(), Some(at(1250)));
}

#[test]
fn parameters_may_return_to_what_they_were() {
    let mut timeline = timeline();
    let (old, new) = (with_delay(250), with_delay(100));
    assert_eq!(outcome(&mut timeline, 1000, &old), Outcome::Duplicate);
    assert_eq!(outcome(&mut timeline, 2000, &new), Outcome::Accepted);
    assert_eq!(outcome(&mut timeline, 3000, &old), Outcome::Accepted);
    assert_eq!(timeline.latest().topology_change_delay(), Duration::from_millis(250));
}

#[test]
fn what_was_removed_does_not_come_back() {
    let mut timeline = timeline();
    let key = signed(key_of(mediator(), 9), DOMAIN);
    let removed = removal(&key, DOMAIN);
    assert!(matches!(
        outcome(&mut timeline, 1000, &removed),
        Outcome::Rejected(TopologyError::NoCorrespondingActiveTransaction { .. })
    ));
    assert_eq!(outcome(&mut timeline, 2000, &key), Outcome::Accepted);
    assert_eq!(outcome(&mut timeline, 3000, &removed), Outcome::Accepted);
    assert_eq!(outcome(&mut timeline, 4000, &removed), Outcome::Duplicate);
    assert!(matches!(
        outcome(&mut timeline, 5000, &key),
        Outcome::Rejected(TopologyError::DuplicateTransaction { .. })
    ));
    assert_eq!(timeline.latest().signing_keys(mediator().member()).len(), 1);
}

#[test]
fn a_forged_signature_is_rejected_also_of_what_is_known() {
    let mut timeline = timeline();
    let known = &bootstrap_of(&timeline)[0];
    let other = signed(root(5), 5);
    for transaction in [known.clone(), other.transaction().clone()] {
        let key = if transaction == *known { private(DOMAIN) } else { private(5) };
        let forged = SignedTopologyTransaction::assemble(
            transaction,
            key.public().clone(),
            key.sign(b"something else").unwrap(),
        );
        let millis = if forged.transaction() == known { 1000 } else { 2000 };
        assert!(matches!(
            outcome(&mut timeline, millis, &forged),
            Outcome::Rejected(TopologyError::InvalidSignature { .. })
        ));
    }
}

fn bootstrap_of(timeline: &TopologyTimeline) -> Vec<TopologyTransaction> {
    active(timeline.latest())
}

#[test]
fn transactions_for_another_domain_or_version_are_rejected() {
    let mut timeline = timeline();
    timeline.feed(at(1000), &onboarding(5)).unwrap();
    let elsewhere = DomainId::new(uid("elsewhere", DOMAIN));
    let other = cantle_topology::ParticipantState::new(
        RequestSide::To,
        elsewhere.clone(),
        participant(5),
        ParticipantPermission::Submission,
        cantle_topology::TrustLevel::Ordinary,
    );
    let other = signed(TopologyMapping::ParticipantState(other.unwrap()), 5);
    assert!(matches!(
        outcome(&mut timeline, 2000, &other),
        Outcome::Rejected(TopologyError::WrongDomain { found, expected })
            if found == elsewhere && expected == domain()
    ));
    let older = TopologyTransaction::add(root(6), ProtocolVersion::V5).unwrap();
    assert!(matches!(
        outcome(&mut timeline, 3000, &sign(older, 6)),
        Outcome::Rejected(TopologyError::WrongProtocolVersion { found: ProtocolVersion::V5, .. })
    ));
}

#[test]
fn a_participant_cannot_speak_for_the_domain() {
    let mut timeline = timeline();
    timeline.feed(at(1000), &onboarding(5)).unwrap();
    let other = ParticipantId::new(uid("other", 5));
    let forbidden = [
        state(RequestSide::From, &other, ParticipantPermission::Submission),
        state(RequestSide::Both, &other, ParticipantPermission::Submission),
        key_of(mediator(), 5),
    ];
    for (millis, mapping) in (2000..).zip(forbidden) {
        assert!(matches!(
            outcome(&mut timeline, millis, &signed(mapping, 5)),
            Outcome::Rejected(TopologyError::Unauthorized { .. })
        ));
    }
    let own = state(RequestSide::To, &other, ParticipantPermission::Submission);
    assert_eq!(outcome(&mut timeline, 3000, &signed(own, 5)), Outcome::Accepted);
    assert!(!timeline.latest().is_participant_active(&other));
}

#[test]
fn the_past_is_forgotten_beyond_the_horizon_but_what_it_led_to_is_not() {
    let mut timeline = timeline().with_horizon(Duration::from_secs(10));
    timeline.feed(at(1000), &onboarding(5)).unwrap();
    timeline.feed(at(5000), &onboarding(6)).unwrap();
    assert!(timeline.view(at(0)).is_ok());
    timeline.observe(at(11_251));
    assert_eq!(
        timeline.view(at(1250)).unwrap_err(),
        TimelineError::Forgotten { at: at(1250), remembered_after: at(1250) }
    );
    let view = timeline.view(micro_after(at(1250))).unwrap();
    assert!(view.is_participant_active(&participant(5)));
    assert!(!view.is_participant_active(&participant(6)));
    assert_eq!(timeline.next_change_after(at(0)), Some(at(5250)));
}

/// What a node would have stored of the messages, and the timeline that they led to.
fn stored() -> (Vec<StoredTransaction>, TopologyTimeline) {
    let mut timeline = TopologyTimeline::new(domain(), VERSION);
    let mut stored = Vec::new();
    let key = signed(key_of(mediator(), 9), DOMAIN);
    let messages = [
        (0, bootstrap()),
        (1000, onboarding(5)),
        (2000, vec![key.clone(), signed(root(7), 8)]),
        (3000, [onboarding(6), vec![removal(&key, DOMAIN)]].concat()),
        (3100, vec![with_delay(100)]),
    ];
    for (millis, transactions) in messages {
        let fed = timeline.feed(at(millis), &transactions).unwrap();
        stored.extend(fed.accepted(&transactions).map(|signed| StoredTransaction {
            sequenced: fed.sequenced,
            valid_from: fed.effective,
            valid_until: None,
            transaction: signed.clone(),
        }));
    }
    (stored, timeline)
}

#[test]
fn a_stored_history_leads_to_the_same_timeline() {
    let (stored, mut fed) = stored();
    let from = at(1250);
    let mut restored =
        TopologyTimeline::restore(domain(), VERSION, stored.clone(), from, Duration::from_secs(60));
    assert_eq!(restored.time(), fed.time());
    assert_eq!(restored.known_until(), fed.known_until());
    for millis in [0, 1249, 1250, 1251, 2250, 2251, 3250, 3251, 3350, 3351, 9000] {
        let (one, other) = (restored.view(at(millis)), fed.view(at(millis)));
        match one {
            Ok(one) => assert_eq!(active(&one), active(&other.unwrap()), "{millis}"),
            Err(error) => {
                assert_eq!(error, TimelineError::Forgotten { at: at(millis), remembered_after: at(0) });
                assert_eq!(millis, 0);
            }
        }
    }
    for timeline in [&mut restored, &mut fed] {
        // The same key again, though it was removed before the restart.
        let replayed = &stored.iter().find(|item| item.sequenced == at(2000)).unwrap().transaction;
        assert!(matches!(outcome(timeline, 4000, replayed), Outcome::Rejected(_)));
        let next = timeline.feed(at(5000), &onboarding(10)).unwrap();
        assert_eq!(next.effective, at(5100));
        assert!(timeline.latest().is_participant_active(&participant(10)));
    }
}

#[test]
fn only_the_end_is_remembered_of_a_history_that_lies_before() {
    let (stored, fed) = stored();
    let restored = TopologyTimeline::restore(domain(), VERSION, stored, at(9000), Duration::from_secs(60));
    assert_eq!(active(restored.latest()), active(fed.latest()));
    assert_eq!(active(&restored.view(at(9000)).unwrap()), active(fed.latest()));
    assert!(matches!(restored.view(at(3000)), Err(TimelineError::Forgotten { .. })));
    let empty = TopologyTimeline::restore(domain(), VERSION, [], at(9000), Duration::from_secs(60));
    assert!(empty.view(at(0)).unwrap().state().is_empty());
    assert_eq!((empty.time(), empty.last_effective()), (None, None));
}

#[test]
fn an_initial_topology_may_stand_in_any_order() {
    let mut transactions = [bootstrap(), onboarding(5)].concat();
    transactions.reverse();
    transactions.push(transactions[0].clone());
    let mut timeline = TopologyTimeline::with_initial(domain(), VERSION, &transactions).unwrap();
    let view = timeline.view(at(0)).unwrap();
    assert!(view.is_initialized());
    assert!(view.is_participant_active(&participant(5)));
    assert_eq!(timeline.feed(at(1000), &onboarding(6)).unwrap().effective, at(1250));
}

#[test]
fn an_initial_topology_holds_no_removal() {
    let transactions = bootstrap();
    let transactions = [transactions.clone(), vec![removal(&transactions[1], DOMAIN)]].concat();
    assert!(matches!(
        TopologyTimeline::with_initial(domain(), VERSION, &transactions),
        Err(TimelineError::InitialRemoval { path }) if path == transactions[1].transaction().unique_path()
    ));
}

#[test]
fn a_long_chain_of_delegations_is_followed_from_its_far_end() {
    let delegation = |from: u8| {
        let target = private(from + 1).public().clone();
        let delegation = NamespaceDelegation::new(crate::signed::namespace(1), target, true.into());
        signed(TopologyMapping::NamespaceDelegation(delegation.unwrap()), from)
    };
    let mut transactions: Vec<_> =
        std::iter::once(signed(root(1), 1)).chain((1..250).map(delegation)).collect();
    transactions.push(signed(key_of(mediator(), 4), 250));
    transactions.reverse();
    let timeline = TopologyTimeline::with_initial(domain(), VERSION, &transactions).unwrap();
    assert_eq!(timeline.latest().state().len(), 251);
    transactions.remove(125);
    assert!(TopologyTimeline::with_initial(domain(), VERSION, &transactions).is_err());
}

#[test]
fn an_initial_topology_must_authorize_itself() {
    let mut transactions = [bootstrap(), onboarding(5)].concat();
    transactions.remove(6);
    assert!(matches!(
        TopologyTimeline::with_initial(domain(), VERSION, &transactions),
        Err(TimelineError::Initial(TopologyError::Unauthorized { .. }))
    ));
}
