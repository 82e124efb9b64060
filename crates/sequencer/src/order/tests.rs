//! Any submissions, at any times, from a clock that goes any way: the order is one.

use std::collections::HashMap;

use cantle_protocol::StaticDomainParameters;
use cantle_types::{DomainId, ProtocolVersion};
use proptest::prelude::*;

use super::*;

fn member(index: usize) -> Member {
    let code = if index == 0 { "DOM" } else { "PAR" };
    format!("{code}::m{index}::1220aa").parse().unwrap()
}

fn topology() -> Topology {
    let domain: DomainId = "domain::1220aa".parse().unwrap();
    Topology::new(domain, StaticDomainParameters::all_schemes(ProtocolVersion::V7), Vec::new(), None)
}

fn time(micros: i64) -> CantonTimestamp {
    CantonTimestamp::from_micros(micros).unwrap()
}

fn prepared(sender: usize, recipients: &[usize], max: i64, named: Option<i64>) -> Prepared {
    Prepared {
        sender: member(sender),
        message_id: MessageId::random(),
        max_sequencing_time: time(max),
        timestamp_of_signing_key: named.map(time),
        shares: recipients.iter().map(|index| (member(*index), nothing())).collect(),
        topology: Vec::new(),
        trace: TraceContext::none(),
        forwarded: None,
    }
}

/// Sender, recipients, clock, maximum sequencing time, named time.
type Step = (usize, Vec<usize>, i64, i64, Option<i64>);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (
        0..5_usize,
        proptest::collection::btree_set(0..5_usize, 0..5).prop_map(|set| set.into_iter().collect()),
        0..1000_i64,
        0..2000_i64,
        proptest::option::of(0..2000_i64),
    );
    proptest::collection::vec(step, 1..60)
}

proptest! {
    #[test]
    fn times_rise_counters_are_whole_and_each_sender_has_one_event(steps in steps()) {
        let topology = topology();
        let mut order = Order::new(None, &[]);
        let mut known: HashMap<Member, i64> = HashMap::new();
        let mut latest = CantonTimestamp::MIN;
        for (sender, recipients, clock, max, named) in steps {
            let submission = prepared(sender, &recipients, max, named);
            let introduces = sender == 0;
            let all_known = std::iter::once(sender)
                .chain(recipients.iter().copied())
                .all(|index| known.contains_key(&member(index)));
            let (id, before) = (submission.message_id.clone(), order.latest());
            let sequenced = order.sequence(submission, time(clock), &topology);
            let may = if introduces { known.contains_key(&member(0)) } else { all_known };
            if !may {
                prop_assert!(matches!(sequenced, Err(OrderError::Refused(_))), "{:?}", sequenced);
                prop_assert_eq!(order.latest(), before);
                if introduces {
                    // The sequencer introduces the domain manager itself.
                    known.insert(member(0), 0);
                    order.members.insert(member(0), Counted { number: MemberNumber(1000), next: 0 });
                }
                continue;
            }
            let time_given = order.latest();
            prop_assert!(time_given > latest && time_given >= time(clock));
            latest = time_given;
            let unit = match sequenced.unwrap() {
                Sequenced::Expired => {
                    prop_assert!(time_given > time(max));
                    continue;
                }
                Sequenced::Unit(unit) => unit,
            };
            prop_assert_eq!(unit.time, time_given);
            prop_assert!(unit.time <= time(max));
            for new in &unit.members {
                prop_assert!(known.insert(new.member.clone(), 0).is_none());
            }
            let mut of_sender = 0;
            for event in &unit.events {
                let counter = known.get_mut(&event.member).unwrap();
                prop_assert_eq!(event.counter, *counter);
                *counter += 1;
                let (told, is_sender) = match &event.content {
                    EventContent::Deliver { message_id, .. } => (message_id.clone(), event.member == member(sender)),
                    EventContent::DeliverError { message_id, .. } => (Some(message_id.clone()), event.member == member(sender)),
                };
                prop_assert_eq!(told.as_ref(), is_sender.then_some(&id));
                of_sender += usize::from(is_sender);
            }
            prop_assert_eq!(of_sender, 1);
            let future = named.is_some_and(|named| time(named) > unit.time);
            let others = recipients.iter().filter(|index| **index != sender).count();
            prop_assert_eq!(unit.events.len(), 1 + if future { 0 } else { others });
        }
    }
}

#[test]
fn an_order_goes_on_where_the_store_ended() {
    let stored = SequencerMember {
        number: MemberNumber(7),
        member: member(0),
        registered: time(1).to_timestamp(),
        acknowledged: None,
        next_counter: 3,
    };
    let topology = topology();
    let mut order = Order::new(Some(time(500)), &[stored]);
    let sequenced = order.sequence(prepared(0, &[1], 10_000, None), time(10), &topology).unwrap();
    let Sequenced::Unit(unit) = sequenced else { panic!("{sequenced:?}") };
    assert_eq!(unit.time, time(501), "the clock lags behind");
    assert_eq!(unit.members.iter().map(|new| new.number.0).collect::<Vec<_>>(), [8]);
    let counters: Vec<_> = unit.events.iter().map(|event| (event.number.0, event.counter)).collect();
    assert_eq!(counters, [(8, 0), (7, 3)]);
}
