//! Answers that do not count: each is left out with an alarm, and the request goes on.
//!
//! Source: canton-2.10.md, section 12.6.

use cantle_mediator::{Alarm, Answer, MediatorState, Request};
use cantle_protocol::{LocalReject, LocalVerdict, MediatorResponse, Recipients, Verdict, ViewPosition};
use cantle_types::{DomainId, ProtocolVersion};

use super::support::{Owner, World, after, alarm, first, positions, start, verdict};

fn world() -> World {
    World::new(ProtocolVersion::V7)
}

fn two_signatories(world: &World) -> Request {
    world.draft(vec![world.signatories(&["a", "b"], &["c"])]).finish()
}

/// An answer is left out, and afterwards the request is confirmed as if it had not been there.
fn assert_left_out(world: &World, request: &Request, wrong: &Answer, expected: fn(&Alarm) -> bool) {
    let mut state = world.open(request);
    let effects = state.answer(after(1), wrong, &world.topology);
    assert!(expected(alarm(&effects)), "{effects:?}");
    assert_confirmed(world, request, &mut state);
}

fn assert_confirmed(world: &World, request: &Request, state: &mut MediatorState) {
    let one = state.answer(after(2), &world.approval(1, request, &["a"]), &world.topology);
    assert_eq!(one, []);
    let two = state.answer(after(3), &world.approval(2, request, &["b"]), &world.topology);
    let (approved, told) = verdict(&two);
    assert_eq!(*approved, Verdict::Approve);
    assert_eq!(told.len(), 3, "everybody who is concerned is told");
}

fn with_response(
    world: &World,
    request: &Request,
    change: impl FnOnce(&MediatorResponse) -> MediatorResponse,
) -> Answer {
    let honest = world.approval(1, request, &["a"]);
    Answer { response: change(&honest.response), ..honest }
}

#[test]
fn an_answer_for_another_domain() {
    let world = world();
    let request = two_signatories(&world);
    let other = with_response(&world, &request, |honest| {
        MediatorResponse::new(
            honest.request_id(),
            honest.sender().clone(),
            honest.verdict().clone(),
            honest.root_hash(),
            honest.confirming_parties().clone(),
            DomainId::new(Owner::new("other").uid),
            honest.view_position().cloned(),
        )
        .unwrap()
    });
    assert_left_out(&world, &request, &other, |alarm| matches!(alarm, Alarm::OtherDomain { .. }));
}

#[test]
fn an_answer_after_its_deadline() {
    let world = world();
    let request = two_signatories(&world);
    let mut state = world.open(&request);
    let late = after(30).successor().unwrap();
    let effects = state.answer(late, &world.approval(1, &request, &["a"]), &world.topology);
    assert!(matches!(alarm(&effects), Alarm::Late { .. }));
    let in_time = state.answer(after(30), &world.approval(1, &request, &["a"]), &world.topology);
    assert_eq!(in_time, []);
}

#[test]
fn an_answer_to_no_request() {
    let world = world();
    let request = two_signatories(&world);
    let other = with_response(&world, &request, |honest| {
        MediatorResponse::new(
            after(1),
            honest.sender().clone(),
            honest.verdict().clone(),
            honest.root_hash(),
            honest.confirming_parties().clone(),
            honest.domain_id().clone(),
            honest.view_position().cloned(),
        )
        .unwrap()
    });
    assert_left_out(&world, &request, &other, |alarm| matches!(alarm, Alarm::UnknownRequest { .. }));
}

#[test]
fn an_answer_that_others_see() {
    let world = world();
    let request = two_signatories(&world);
    let mediator = world.mediator.member().clone();
    let other = world.participant(2).member().clone();
    for recipients in [
        Recipients::group([mediator.clone(), other.clone()]).unwrap(),
        Recipients::groups([[mediator], [other]]).unwrap(),
    ] {
        let shown = Answer { recipients, ..world.approval(1, &request, &["a"]) };
        assert_left_out(&world, &request, &shown, |alarm| matches!(alarm, Alarm::Recipients { .. }));
    }
}

#[test]
fn an_answer_with_another_root_hash() {
    let world = world();
    let (request, other) = (two_signatories(&world), two_signatories(&world));
    let answer = world.answer(1, &other, LocalVerdict::Approve, &["a"], Some(first(&request)));
    assert_left_out(&world, &request, &answer, |alarm| matches!(alarm, Alarm::RootHash { .. }));
}

#[test]
fn an_answer_about_a_view_that_is_not_there() {
    let world = world();
    let request = two_signatories(&world);
    let two_views =
        world.draft(vec![world.signatories(&["a"], &[]), world.signatories(&["b"], &[])]).finish();
    let elsewhere: ViewPosition = positions(&two_views)[1].clone();
    let answer = world.answer(1, &request, LocalVerdict::Approve, &["a"], Some(elsewhere));
    assert_left_out(&world, &request, &answer, |alarm| matches!(alarm, Alarm::UnknownView { .. }));
}

#[test]
fn an_answer_for_parties_of_others_is_left_out_as_a_whole() {
    let world = world();
    let request = two_signatories(&world);
    for parties in [&["b"][..], &["a", "b"], &["a", "c"], &["a", "nowhere"]] {
        for answer in [world.approval(1, &request, parties), world.rejection(1, &request, parties)] {
            assert_left_out(&world, &request, &answer, |alarm| matches!(alarm, Alarm::NotAuthorized { .. }));
        }
    }
    // Who only watches does not confirm.
    let answer = world.approval(3, &request, &["c"]);
    assert_left_out(&world, &request, &answer, |alarm| matches!(alarm, Alarm::NotAuthorized { .. }));
}

#[test]
fn an_approval_of_no_view_cannot_be_written() {
    let world = world();
    let request = two_signatories(&world);
    let honest = world.approval(1, &request, &["a"]).response;
    let reject = LocalVerdict::Reject(super::support::locked("1"));
    for verdict in [LocalVerdict::Approve, reject] {
        let without = MediatorResponse::new(
            start(),
            honest.sender().clone(),
            verdict,
            honest.root_hash(),
            honest.confirming_parties().clone(),
            world.domain.clone(),
            None,
        );
        assert!(without.is_err(), "{without:?}");
    }
}

#[test]
fn an_answer_to_what_is_concluded_changes_nothing() {
    let world = world();
    let request = two_signatories(&world);
    let mut state = world.open(&request);
    assert_confirmed(&world, &request, &mut state);
    for answer in [world.rejection(1, &request, &["a"]), world.approval(2, &request, &["b"])] {
        assert_eq!(state.answer(after(4), &answer, &world.topology), []);
    }
    assert!(state.knows(start()));
    state.time(after(61));
    assert!(!state.knows(start()), "nobody is interested after the decision time");
}

#[test]
fn what_is_malformed_is_rejected_for_all_whom_the_sender_hosts() {
    let world = world();
    let views = vec![world.signatories(&["b"], &[]), world.signatories(&["a", "both"], &["b"])];
    let request = world.draft(views).finish();
    let malformed = LocalReject::malformed_request("a reason".to_owned());
    let mut state = world.open(&request);
    let answer = world.answer(1, &request, LocalVerdict::Reject(malformed.clone()), &[], None);
    let effects = state.answer(after(1), &answer, &world.topology);
    let (rejected, told) = verdict(&effects);
    let Verdict::ParticipantReject(reasons) = rejected else { panic!("{rejected:?}") };
    let [reason] = &reasons[..] else { panic!("{reasons:?}") };
    assert_eq!((&reason.parties, &reason.reject), (&world.parties(&["a", "both"]), &malformed));
    assert_eq!(told.len(), 2);
    // Said of one view, it is said for that view.
    let mut state = world.open(&request);
    let answer =
        world.answer(1, &request, LocalVerdict::Reject(malformed), &[], Some(positions(&request)[0].clone()));
    assert_eq!(state.answer(after(1), &answer, &world.topology), [], "it hosts nobody of that view");
    assert_eq!(state.open_requests(), 1);
}
