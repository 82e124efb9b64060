//! Requests at their arrival: which are refused, how, and who is told.
//!
//! Source: canton-2.10.md, sections 12.5 and 12.7.

use std::collections::BTreeSet;
use std::time::Duration;

use cantle_mediator::{Alarm, Effect, MediatorState, Request, ResultContent};
use cantle_protocol::{ConfirmationPolicy, Recipients, RecipientsTree, RootHashMessage, Verdict, ViewType};
use cantle_topology::{TopologyState, TopologyView, TrustLevel};
use cantle_types::{MediatorId, Member, ProtocolVersion};

use super::support::{Owner, World, after, alarm, concluded, start, verdict};

const INVALID: (&str, u32) = ("MEDIATOR_INVALID_MESSAGE", 9);
const MALFORMED: (&str, u32) = ("MEDIATOR_RECEIVED_MALFORMED_MESSAGE", 5);

/// A request is refused at once with a code, and those are told who are named by its root hash messages.
fn assert_refused(world: &World, request: &Request, (code, category): (&str, u32), reason: &str) {
    let mut state = world.state();
    let effects = state.request(start(), request, &world.topology);
    let (rejected, told) = verdict(&effects);
    let Verdict::MediatorReject(reject) = rejected else { panic!("{rejected:?}") };
    assert_eq!((&*reject.error_code(), reject.error_category().unwrap().0), (code, category), "{reason}");
    assert!(reject.cause().contains(reason), "{:?} does not say {reason:?}", reject.cause());
    let named: BTreeSet<_> = request.roots.iter().flat_map(|(_, recipients)| recipients.members()).collect();
    for participant in told {
        assert!(named.contains(participant.member()), "{participant} was not named");
    }
    assert_eq!(told.len(), named.iter().filter(|member| member.as_str().starts_with("PAR")).count());
    assert_eq!(concluded(&effects).request_id, start());
    assert_eq!(state.open_requests(), 0);
    assert_eq!(state.time(after(1000)), [], "it is concluded once");
}

fn worlds() -> [World; 2] {
    ProtocolVersion::ALL.map(World::new)
}

#[test]
fn an_honest_request_is_open_until_its_deadline() {
    for world in worlds() {
        let request = world.draft(vec![world.signatories(&["a", "b"], &["c"])]).finish();
        let state = world.open(&request);
        assert_eq!(state.open_requests(), 1);
        assert_eq!(state.response_deadline(start()), Some(after(30)));
        assert_eq!(state.needed_from(), Some(start()));
    }
}

#[test]
fn informees_must_be_hosted() {
    for world in worlds() {
        let request = world.draft(vec![world.signatories(&["a"], &["nowhere"])]).finish();
        assert_refused(&world, &request, INVALID, "no active participant hosts nowhere::1220ab");
    }
}

#[test]
fn the_mediator_that_is_named_must_be_this_one() {
    for world in worlds() {
        let mut draft = world.draft(vec![world.signatories(&["a"], &[])]);
        draft.mediator = MediatorId::new(Owner::new("other").uid).into();
        assert_refused(&world, &draft.finish(), MALFORMED, "names the mediator MED::other");
    }
}

/// The root hash message of an honest request, addressed by `change`.
fn readdressed(world: &World, change: impl Fn(&Member, [Member; 3]) -> Recipients) -> Request {
    let mut request = world.draft(vec![world.signatories(&["a", "b"], &[])]).finish();
    let of = |number| world.participant(number).member().clone();
    request.roots[0].1 = change(world.mediator.member(), [of(1), of(2), of(3)]);
    request
}

#[test]
fn each_concerned_participant_gets_one_root_hash_with_the_mediator_alone() {
    for world in worlds() {
        let pair = |mediator: &Member, of: &Member| [mediator.clone(), of.clone()];
        let missing =
            readdressed(&world, |mediator, [one, _, _]| Recipients::groups([pair(mediator, &one)]).unwrap());
        let missing_text = format!("no root hash message went to {}", world.participant(2));
        assert_refused(&world, &missing, MALFORMED, &missing_text);
        let superfluous = readdressed(&world, |mediator, all| {
            Recipients::groups(all.iter().map(|of| pair(mediator, of))).unwrap()
        });
        assert_refused(&world, &superfluous, MALFORMED, "who is not concerned");
        let together = readdressed(&world, |mediator, [one, two, _]| {
            Recipients::group([mediator.clone(), one, two]).unwrap()
        });
        assert_refused(&world, &together, MALFORMED, "does not go to the mediator and one participant");
        let alone = readdressed(&world, |_, [one, two, _]| Recipients::groups([[one], [two]]).unwrap());
        assert_refused(&world, &alone, MALFORMED, "does not go to the mediator and one participant");
        let nested = readdressed(&world, |mediator, [one, two, _]| {
            let below = RecipientsTree::new(pair(mediator, &two), Vec::new()).unwrap();
            Recipients::new(vec![RecipientsTree::new(pair(mediator, &one), vec![below]).unwrap()]).unwrap()
        });
        assert_refused(&world, &nested, MALFORMED, "does not go to the mediator and one participant");
    }
}

#[test]
fn root_hash_messages_say_the_same_and_the_truth() {
    for world in worlds() {
        let honest = world.draft(vec![world.signatories(&["a", "b"], &[])]).finish();
        let (root, recipients) = honest.roots[0].clone();
        let with = |roots: Vec<RootHashMessage>| {
            let trees = recipients.trees().iter().map(|tree| Recipients::new(vec![tree.clone()]).unwrap());
            Request { informees: honest.informees.clone(), roots: roots.into_iter().zip(trees).collect() }
        };
        assert_eq!(
            world.open(&with(vec![root.clone(), root.clone()])).open_requests(),
            1,
            "one for each will do"
        );
        let payload = RootHashMessage { payload: vec![1], ..root.clone() };
        assert_refused(&world, &with(vec![root.clone(), payload]), MALFORMED, "different payloads");
        let other = world.draft(vec![world.signatories(&["a"], &[])]).finish().roots[0].0.root_hash;
        let other = RootHashMessage { root_hash: other, ..root.clone() };
        assert_refused(&world, &with(vec![other, root.clone()]), MALFORMED, "another root hash");
        let twice = Request {
            roots: vec![honest.roots[0].clone(), honest.roots[0].clone()],
            informees: honest.informees.clone(),
        };
        let mut state = world.state();
        let effects = state.request(start(), &twice, &world.topology);
        let (rejected, told) = verdict(&effects);
        assert!(matches!(rejected, Verdict::MediatorReject(reject) if reject.cause().contains("several")));
        assert_eq!(told.len(), 2);
    }
}

#[test]
fn what_is_no_transaction_is_rejected_as_what_it_says_it_is() {
    for world in worlds() {
        let mut request = world.draft(vec![world.signatories(&["a"], &[])]).finish();
        request.roots[0].0.view_type = ViewType::TransferOut;
        let unreadable = Request { informees: None, roots: request.roots.clone() };
        for request in [request, unreadable] {
            let mut state = world.state();
            let effects = state.request(start(), &request, &world.topology);
            let [(ResultContent::Malformed(result), told)] = &concluded(&effects).results[..] else {
                panic!("{effects:?}")
            };
            assert_eq!(result.view_type(), ViewType::TransferOut);
            assert_eq!(result.request_id(), start());
            assert_eq!(&*result.rejection().error_code(), MALFORMED.0);
            assert_eq!(told, &BTreeSet::from([world.participant(1)]));
        }
    }
}

#[test]
fn nobody_is_told_if_nobody_is_named() {
    for world in worlds() {
        let mut request = world.draft(vec![world.signatories(&["a"], &[])]).finish();
        request.roots.clear();
        let effects = world.state().request(start(), &request, &world.topology);
        assert!(matches!(alarm(&effects), Alarm::Request { .. }));
    }
}

#[test]
fn a_threshold_of_nothing_is_refused() {
    for world in worlds() {
        let view = world.view(TrustLevel::Ordinary, vec![world.quorum(&[("a", 1)], 0)]);
        let request = world.draft(vec![view]).finish();
        assert_refused(&world, &request, MALFORMED, "the least that its policy wants");
        // With another view that is in order it is no better.
        let nothing = world.view(TrustLevel::Ordinary, vec![world.quorum(&[("b", 1)], 0)]);
        let request = world.draft(vec![world.signatories(&["a"], &[]), nothing]).finish();
        assert_refused(&world, &request, MALFORMED, "the least that its policy wants");
    }
}

#[test]
fn a_vip_policy_wants_more_than_ordinary_parties_reach() {
    for world in worlds() {
        let informees = [("a", TrustLevel::Ordinary), ("b", TrustLevel::Ordinary), ("v", TrustLevel::Vip)];
        let informees = informees.map(|(name, trust)| (world.party(name), trust));
        let with = |threshold| {
            let quorum = world.quorum(&[("a", 1), ("b", 1), ("v", 3)], threshold);
            let view =
                cantle_protocol::ViewConfirmationParameters::new(informees.clone().into(), vec![quorum]);
            let mut draft = world.draft(vec![view.unwrap()]);
            draft.policy = ConfirmationPolicy::Vip;
            draft.finish()
        };
        assert_refused(&world, &with(2), MALFORMED, "the least that its policy wants");
        assert_eq!(world.open(&with(3)).open_requests(), 1);
    }
}

#[test]
fn a_threshold_that_nobody_can_reach_is_refused() {
    for world in worlds() {
        let watching = world.draft(vec![world.signatories(&["a", "c"], &[])]).finish();
        let text = format!("no participant may confirm for {}", world.party("c"));
        assert_refused(&world, &watching, MALFORMED, &text);
        let untrusted = world.view(TrustLevel::Vip, vec![world.quorum(&[("a", 1), ("v", 1)], 2)]);
        let untrusted = world.draft(vec![untrusted]).finish();
        let text = format!("no participant may confirm for {}", world.party("a"));
        assert_refused(&world, &untrusted, MALFORMED, &text);
        let too_high = world.view(TrustLevel::Ordinary, vec![world.quorum(&[("a", 1), ("b", 2)], 4)]);
        assert_refused(
            &world,
            &world.draft(vec![too_high]).finish(),
            MALFORMED,
            "cannot reach its threshold 4",
        );
        let reachable = world.view(TrustLevel::Ordinary, vec![world.quorum(&[("a", 1), ("c", 1)], 1)]);
        assert_eq!(world.open(&world.draft(vec![reachable]).finish()).open_requests(), 1);
    }
}

#[test]
fn one_of_several_quorums_must_satisfy_the_policy_and_all_be_reachable() {
    let world = World::new(ProtocolVersion::V7);
    let view = |quorums| world.draft(vec![world.view(TrustLevel::Ordinary, quorums)]).finish();
    let (reachable, nothing) = (world.quorum(&[("a", 1)], 1), world.quorum(&[("b", 1)], 0));
    assert_eq!(world.open(&view(vec![reachable.clone(), nothing])).open_requests(), 1);
    let not = world.quorum(&[("c", 1)], 1);
    assert_refused(&world, &view(vec![reachable, not]), MALFORMED, "cannot reach its threshold");
}

#[test]
fn an_id_is_used_once_until_it_is_forgotten() {
    for world in worlds() {
        let with = |uuid| {
            let mut draft = world.draft(vec![world.signatories(&["a"], &[])]);
            draft.uuid = uuid;
            draft.finish()
        };
        let uuid = uuid::Uuid::new_v4();
        let mut state = world.open(&with(uuid));
        let forgotten = {
            let timeout = world.topology.parameters().mediator_deduplication_timeout;
            start().saturating_add(timeout)
        };
        let effects = state.request(after(1), &with(uuid), &world.topology);
        let (rejected, _) = verdict(&effects);
        assert!(matches!(rejected, Verdict::MediatorReject(reject) if reject.error_code() == MALFORMED.0));
        assert_eq!(state.open_requests(), 1, "the first goes on");
        // A request that is refused for another reason has used its id all the same.
        let refused = uuid::Uuid::new_v4();
        let mut draft = world.draft(vec![world.signatories(&["a"], &["nowhere"])]);
        draft.uuid = refused;
        state.request(after(2), &draft.finish(), &world.topology);
        let effects = state.request(after(3), &with(refused), &world.topology);
        assert!(matches!(verdict(&effects).0, Verdict::MediatorReject(_)));

        assert_eq!(state.time(forgotten).len(), 1, "the first has timed out");
        let effects = state.request(forgotten, &with(uuid), &world.topology);
        assert!(matches!(verdict(&effects).0, Verdict::MediatorReject(_)), "not yet");
        let later = forgotten.saturating_add(Duration::from_secs(10));
        state.time(later);
        assert_eq!(state.request(later, &with(uuid), &world.topology), []);
    }
}

#[test]
fn a_mediator_that_is_not_on_the_domain_says_nothing() {
    for world in worlds() {
        let request = world.draft(vec![world.signatories(&["a"], &[])]).finish();
        let nobody = TopologyView::new(world.domain.clone(), world.version, TopologyState::new());
        let mut state: MediatorState = world.state();
        for request in [request.clone(), Request { informees: None, ..request }] {
            let effects: Vec<Effect> = state.request(start(), &request, &nobody);
            assert!(matches!(alarm(&effects), Alarm::MediatorNotActive { .. }));
        }
        assert_eq!(state.open_requests(), 0);
    }
}
