//! When a request is concluded, and how.
//!
//! Source: canton-2.10.md, section 12.7.

use std::collections::BTreeSet;

use cantle_mediator::Effect;
use cantle_protocol::{LocalVerdict, Verdict};
use cantle_topology::TrustLevel;
use cantle_types::ProtocolVersion;
use proptest::prelude::*;

use super::support::{World, after, concluded, locked, positions, start, verdict};

#[test]
fn all_signatories_approve() {
    for world in ProtocolVersion::ALL.map(World::new) {
        let request = world.draft(vec![world.signatories(&["a", "b"], &["c"])]).finish();
        let mut state = world.open(&request);
        assert_eq!(state.answer(after(1), &world.approval(2, &request, &["b"]), &world.topology), []);
        let again = state.answer(after(2), &world.approval(2, &request, &["b"]), &world.topology);
        assert_eq!(again, [], "who has answered is not counted again");
        let effects = state.answer(after(3), &world.approval(1, &request, &["a"]), &world.topology);
        let (approved, told) = verdict(&effects);
        assert_eq!(*approved, Verdict::Approve);
        let everybody: BTreeSet<_> = [1, 2, 3].map(|number| world.participant(number)).into();
        assert_eq!(*told, everybody);
        let conclusion = concluded(&effects);
        assert_eq!((conclusion.request_id, conclusion.decision_time), (start(), after(60)));
        assert_eq!(state.open_requests(), 0);
    }
}

#[test]
fn a_rejection_that_cannot_be_made_up_for_ends_it_at_once() {
    let world = World::new(ProtocolVersion::V7);
    let views = vec![world.signatories(&["a", "b"], &[]), world.signatories(&["v"], &[])];
    let request = world.draft(views).finish();
    let mut state = world.open(&request);
    let effects = state.answer(after(1), &world.rejection(2, &request, &["b"]), &world.topology);
    let Verdict::ParticipantReject(reasons) = verdict(&effects).0 else { panic!("{effects:?}") };
    let [reason] = &reasons[..] else { panic!("{reasons:?}") };
    assert_eq!(reason.parties, world.parties(&["b"]));
    assert_eq!(reason.reject, locked("by p2"), "word for word");
    assert_eq!(verdict(&effects).1.len(), 3, "also those of the view that nobody answered for");
}

#[test]
fn weights_reach_a_threshold_or_cannot_any_more() {
    for world in ProtocolVersion::ALL.map(World::new) {
        let view = world.view(TrustLevel::Ordinary, vec![world.quorum(&[("a", 2), ("b", 2), ("v", 1)], 3)]);
        let request = world.draft(vec![view]).finish();
        let mut state = world.open(&request);
        assert_eq!(state.answer(after(1), &world.approval(4, &request, &["v"]), &world.topology), []);
        let effects = state.answer(after(2), &world.approval(1, &request, &["a"]), &world.topology);
        assert_eq!(*verdict(&effects).0, Verdict::Approve, "one of three is not waited for");

        let mut state = world.open(&request);
        assert_eq!(
            state.answer(after(1), &world.rejection(1, &request, &["a"]), &world.topology),
            [],
            "the others suffice"
        );
        let effects = state.answer(after(2), &world.rejection(4, &request, &["v"]), &world.topology);
        let Verdict::ParticipantReject(reasons) = verdict(&effects).0 else { panic!("{effects:?}") };
        let said: Vec<_> = reasons.iter().map(|reason| reason.reject.clone()).collect();
        assert_eq!(said, [locked("by p4"), locked("by p1")], "the newest first");
    }
}

#[test]
fn the_first_answer_of_a_party_counts_whoever_hosts_it() {
    let world = World::new(ProtocolVersion::V7);
    let request = world.draft(vec![world.signatories(&["both", "b"], &[])]).finish();
    let mut state = world.open(&request);
    assert_eq!(state.answer(after(1), &world.approval(1, &request, &["both"]), &world.topology), []);
    let second = state.answer(after(2), &world.rejection(2, &request, &["both"]), &world.topology);
    assert_eq!(second, []);
    let effects = state.answer(after(3), &world.approval(2, &request, &["b"]), &world.topology);
    assert_eq!(*verdict(&effects).0, Verdict::Approve);
}

#[test]
fn every_quorum_of_every_view_is_wanted() {
    let world = World::new(ProtocolVersion::V7);
    let quorums = vec![world.quorum(&[("a", 1), ("b", 1)], 1), world.quorum(&[("b", 1), ("v", 1)], 1)];
    let views = vec![world.view(TrustLevel::Ordinary, quorums), world.signatories(&["a"], &[])];
    let request = world.draft(views).finish();
    let at = positions(&request);
    let approve = |number, party: &str, view: usize| {
        world.answer(number, &request, LocalVerdict::Approve, &[party], Some(at[view].clone()))
    };
    let mut state = world.open(&request);
    assert_eq!(state.answer(after(1), &approve(1, "a", 0), &world.topology), [], "one quorum of two");
    assert_eq!(state.answer(after(2), &approve(4, "v", 0), &world.topology), [], "one view of two");
    let effects = state.answer(after(3), &approve(1, "a", 1), &world.topology);
    assert_eq!(*verdict(&effects).0, Verdict::Approve);
}

#[test]
fn what_is_not_answered_times_out_just_after_its_deadline() {
    for world in ProtocolVersion::ALL.map(World::new) {
        let views = vec![world.signatories(&["a", "b"], &["c"]), world.signatories(&["v"], &[])];
        let request = world.draft(views).finish();
        let mut state = world.open(&request);
        assert_eq!(state.answer(after(1), &world.approval(1, &request, &["a"]), &world.topology), []);
        assert_eq!(state.time(after(30)), []);
        let effects = state.time(after(30).successor().unwrap());
        let (rejected, told) = verdict(&effects);
        assert!(rejected.is_timeout());
        let Verdict::MediatorReject(reject) = rejected else { panic!("{rejected:?}") };
        assert_eq!(reject.error_category().unwrap().0, 2);
        let mut missing = [world.party("b").to_string(), world.party("v").to_string()];
        missing.sort();
        assert!(reject.cause().contains(&missing.join(", ")), "{}", reject.cause());
        assert!(!reject.cause().contains(world.party("a").as_str()));
        assert_eq!(told.len(), 4);
        assert_eq!(state.time(after(100)), [], "once");
        let late = state.answer(after(29), &world.approval(2, &request, &["b"]), &world.topology);
        assert!(matches!(late[..], [Effect::Alarm { .. }] | []), "{late:?}");
    }
}

#[test]
fn many_requests_are_open_beside_each_other() {
    let world = World::new(ProtocolVersion::V7);
    let mut state = world.state();
    for second in 0..20 {
        let request = world.draft(vec![world.signatories(&["a"], &[])]).finish();
        assert_eq!(state.request(after(second), &request, &world.topology), []);
    }
    assert_eq!(state.open_requests(), 20);
    let effects = state.time(after(39).successor().unwrap());
    let ended: Vec<_> = effects
        .iter()
        .map(|effect| match effect {
            Effect::Conclude(conclusion) => conclusion.request_id,
            Effect::Alarm { alarm, .. } => panic!("{alarm}"),
        })
        .collect();
    assert_eq!(ended, (0..10).map(after).collect::<Vec<_>>(), "the oldest, in their order");
}

/// An answer of one of the parties of [`weighted`].
#[derive(Debug, Clone, Copy)]
struct Said {
    party: usize,
    approves: bool,
}

const NAMES: [(&str, usize); 4] = [("a", 1), ("both", 2), ("b", 2), ("v", 4)];

proptest! {
    /// However answers come and are repeated: what is approved had its weight, what is rejected could not get it any more,
    /// and what is neither is still open.
    #[test]
    fn verdicts_follow_from_the_first_answers(
        weights in prop::array::uniform4(1..5_u32),
        share in 0.01..1.0_f64,
        said in prop::collection::vec((0..4_usize, any::<bool>()).prop_map(|(party, approves)| Said { party, approves }), 0..10),
    ) {
        let world = World::new(ProtocolVersion::V7);
        let total: u32 = weights.iter().sum();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a small number")]
        let threshold = (f64::from(total) * share).ceil() as u32;
        let named: Vec<_> = NAMES.iter().zip(weights).map(|((name, _), weight)| (*name, weight)).collect();
        let view = world.view(TrustLevel::Ordinary, vec![world.quorum(&named, threshold)]);
        let request = world.draft(vec![view]).finish();
        let mut state = world.open(&request);
        let mut first: [Option<bool>; 4] = [None; 4];
        for (Said { party, approves }, second) in said.into_iter().zip(1..) {
            first[party].get_or_insert(approves);
            let (name, host) = NAMES[party];
            let answer = if approves { world.approval(host, &request, &[name]) } else { world.rejection(host, &request, &[name]) };
            let effects = state.answer(after(second), &answer, &world.topology);
            let weight_of = |wanted: &[Option<bool>]| -> u32 {
                first.iter().zip(weights).filter(|(answer, _)| wanted.contains(answer)).map(|(_, weight)| weight).sum()
            };
            let (approved, possible) = (weight_of(&[Some(true)]), weight_of(&[Some(true), None]));
            if effects.is_empty() {
                prop_assert!(approved < threshold && possible >= threshold, "it should be concluded: {first:?}");
                continue;
            }
            match verdict(&effects).0 {
                Verdict::Approve => prop_assert!(approved >= threshold, "{first:?}"),
                Verdict::ParticipantReject(_) => prop_assert!(possible < threshold, "{first:?}"),
                Verdict::MediatorReject(_) => prop_assert!(false, "nobody asked the mediator"),
            }
            break;
        }
    }
}
