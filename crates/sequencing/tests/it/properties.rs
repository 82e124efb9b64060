//! Whatever happens on the way, members see the same events in the same order, each once.

use std::collections::BTreeMap;

use cantle_sequencing::testing::{Call, Fault, TestMember};
use cantle_sequencing::{AuthErrorCode, SendOutcome, Submission};
use cantle_types::CantonTimestamp;
use proptest::prelude::*;
use tonic::Code;

use crate::support::{Running, World, in_time, message};

/// What happens in a random run.
#[derive(Debug, Clone)]
enum Happening {
    /// A member says something to all.
    Says { who: usize },
    /// The next answers to submissions are lost, or they themselves.
    Lost { answers: bool },
    /// All connections break.
    Breaks { how: u8 },
    /// All tokens are forgotten.
    Forgotten,
    /// What is said meanwhile is sequenced in another order.
    Reordered { first: usize, second: usize, rotation: usize },
    /// A member is killed and started again.
    Killed { who: usize },
    /// A member is stopped and started again.
    Restarted { who: usize },
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => (0..3_usize).prop_map(|who| Happening::Says { who }),
        1 => any::<bool>().prop_map(|answers| Happening::Lost { answers }),
        2 => (0..4_u8).prop_map(|how| Happening::Breaks { how }),
        1 => Just(Happening::Forgotten),
        2 => (0..3_usize, 0..3_usize, 0..4_usize)
            .prop_map(|(first, second, rotation)| Happening::Reordered { first, second, rotation }),
        1 => (0..3_usize).prop_map(|who| Happening::Killed { who }),
        1 => (0..3_usize).prop_map(|who| Happening::Restarted { who }),
    ]
}

struct Run {
    world: World,
    members: Vec<TestMember>,
    running: Vec<Option<Running>>,
    /// What each member has heard over all its lives, by time.
    seen: Vec<BTreeMap<CantonTimestamp, Vec<String>>>,
    said: usize,
}

impl Run {
    async fn new() -> Self {
        let world = World::new();
        let members =
            vec![world.stranger("alice").await, world.stranger("bob").await, world.stranger("carol").await];
        world.sequencer.onboard(&members.iter().collect::<Vec<_>>());
        let mut running = Vec::new();
        for member in &members {
            running.push(Some(world.start(member).await));
        }
        for running in running.iter().flatten() {
            running.caught_up().await;
        }
        Self { world, members, running, seen: vec![BTreeMap::new(); 3], said: 0 }
    }

    fn running(&self, who: usize) -> &Running {
        self.running[who].as_ref().unwrap()
    }

    async fn say(&mut self, who: usize) {
        self.said += 1;
        let to: Vec<_> = self.members.iter().map(TestMember::member).collect();
        let submission = Submission::new(message(&format!("{}", self.said), &to));
        // One that cannot be handed in is not sequenced; that is checked below.
        let sent = self.running(who).client.send(submission).await;
        drop(sent);
    }

    async fn happens(&mut self, happening: Happening) {
        match happening {
            Happening::Says { who } => self.say(who).await,
            Happening::Lost { answers } => {
                let fault = if answers { Fault::AnswerLost } else { Fault::CallLost };
                self.world.sequencer.fail(Call::Send, [fault]);
            }
            Happening::Breaks { how } => {
                let fault = match how {
                    0 => None,
                    1 => Some(Fault::AnswerLost),
                    2 => Some(Fault::Status(Code::Unavailable, "later")),
                    _ => Some(Fault::Auth(AuthErrorCode::MissingToken)),
                };
                self.world.sequencer.disconnect(fault);
            }
            Happening::Forgotten => self.world.sequencer.forget_tokens(),
            Happening::Reordered { first, second, rotation } => {
                self.world.sequencer.hold();
                self.say(first).await;
                self.say(second).await;
                self.world.sequencer.release(|held| {
                    let length = held.len().max(1);
                    let rotation = rotation % length;
                    held.rotate_left(rotation);
                });
            }
            Happening::Killed { who } => {
                let handler = self.running[who].take().unwrap().killed().await;
                self.note(who, &handler);
                self.running[who] = Some(self.world.start(&self.members[who]).await);
            }
            Happening::Restarted { who } => {
                let handler = self.running[who].take().unwrap().stopped().await;
                self.note(who, &handler);
                self.running[who] = Some(self.world.start(&self.members[who]).await);
            }
        }
    }

    /// Adds what one life of a member has seen. What it sees again must be what it saw.
    fn note(&mut self, who: usize, handler: &crate::support::Recorder) {
        let mut counters = handler.counters();
        let rising: Vec<i64> = counters.clone();
        counters.sort_unstable();
        counters.dedup();
        assert_eq!(counters, rising, "each event once in one life, in its order");
        for seen in handler.seen() {
            let before = self.seen[who].insert(seen.timestamp, seen.texts.clone());
            assert!(before.is_none_or(|before| before == seen.texts), "an event does not change");
        }
    }

    async fn end(mut self) {
        // A last word that all hear.
        let to: Vec<_> = self.members.iter().map(TestMember::member).collect();
        self.world.sequencer.deliver(&message("end", &to));
        for who in 0..3 {
            let running = self.running[who].take().unwrap();
            running.handler.heard("end").await;
            let handler = running.stopped().await;
            self.note(who, &handler);
        }
        for (member, seen) in self.members.iter().zip(&self.seen) {
            let events = self.world.sequencer.events(&member.member());
            assert!(seen.len() <= events.len());
            let known = events.iter().filter(|event| seen.contains_key(&event.event.content().timestamp()));
            let until = *seen.last_key_value().unwrap().0;
            let due = events.iter().filter(|event| event.event.content().timestamp() <= until).count();
            assert_eq!(known.count(), due, "no event is left out");
        }
        let heard =
            |seen: &BTreeMap<_, Vec<String>>| -> Vec<String> { seen.values().flatten().cloned().collect() };
        let first = heard(&self.seen[0]);
        for other in &self.seen[1..] {
            assert_eq!(heard(other), first, "all hear the same in the same order");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn members_see_the_same_whatever_happens(happenings in prop::collection::vec(happening(), 1..16)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut run = Run::new().await;
            for happening in happenings {
                run.happens(happening).await;
            }
            run.end().await;
        });
    }
}

#[tokio::test]
async fn every_submission_is_settled_as_the_events_tell() {
    let world = World::new();
    let alice = world.member("alice").await;
    let running = world.start(&alice).await;
    running.caught_up().await;
    let faults = [Fault::AnswerLost, Fault::CallLost, Fault::AnswerLost, Fault::CallLost];
    world.sequencer.fail(Call::Send, faults);
    let mut sends = Vec::new();
    for number in 0..20 {
        let max =
            CantonTimestamp::from(world.clock.now()).saturating_add(std::time::Duration::from_millis(300));
        let batch = message(&format!("{number}"), &[alice.member()]);
        sends.push(running.client.send(Submission::new(batch).not_after(max)).await.unwrap());
    }
    world.sequencer.disconnect(None);
    for pending in sends {
        let id = pending.message_id().clone();
        let outcome = in_time("the outcome", pending).await;
        let events = world.sequencer.events(&alice.member());
        let sequenced = events.iter().any(|event| event.event.content().message_id() == Some(&id));
        assert_eq!(matches!(outcome, SendOutcome::Sequenced { .. }), sequenced, "{outcome:?}");
        assert_eq!(matches!(outcome, SendOutcome::TimedOut { .. }), !sequenced, "{outcome:?}");
    }
    running.stopped().await;
}
