use std::sync::Arc;

use cantle_protocol::Batch;
use cantle_types::SystemClock;

use super::*;
use crate::time::TimeOptions;

struct Sends {
    sends: PendingSends,
    time: DomainTimeTracker,
}

impl Sends {
    fn new() -> Self {
        let time = DomainTimeTracker::new(Arc::new(SystemClock), TimeOptions::default());
        Self { sends: PendingSends::default(), time }
    }

    fn register(&self, id: &str, max: i64) -> Option<PendingSend> {
        self.sends.register(&id.parse().unwrap(), time(max), &self.time)
    }
}

fn time(micros: i64) -> CantonTimestamp {
    CantonTimestamp::from_micros(micros).unwrap()
}

fn id(text: &str) -> MessageId {
    text.parse().unwrap()
}

fn counter() -> SequencerCounter {
    SequencerCounter::new(7).unwrap()
}

fn event(at: i64, content: EventContent) -> SequencedEvent {
    SequencedEvent::new(counter(), time(at), "d::ns".parse().unwrap(), content)
}

fn delivery(at: i64, of: Option<&str>) -> SequencedEvent {
    event(at, EventContent::Deliver { message_id: of.map(id), batch: Batch::empty().compress() })
}

#[tokio::test]
async fn its_own_event_settles_a_submission() {
    let sends = Sends::new();
    let pending = sends.register("a", 100).unwrap();
    sends.sends.observe(&delivery(50, None));
    sends.sends.observe(&delivery(60, Some("a")));
    sends.sends.observe(&delivery(101, None));
    assert_eq!(pending.await, SendOutcome::Sequenced { timestamp: time(60), counter: counter() });
}

#[tokio::test]
async fn a_deliver_error_settles_a_submission() {
    let sends = Sends::new();
    let pending = sends.register("a", 100).unwrap();
    let reason = DeliverErrorReason::BatchRefused("no".into());
    sends
        .sends
        .observe(&event(60, EventContent::DeliverError { message_id: id("a"), reason: reason.clone() }));
    assert_eq!(pending.await, SendOutcome::DeliverError { timestamp: time(60), reason });
}

#[tokio::test]
async fn only_a_later_time_than_the_maximum_settles_a_submission() {
    let sends = Sends::new();
    let pending = sends.register("a", 100).unwrap();
    let later = sends.register("b", 101).unwrap();
    sends.sends.observe(&delivery(100, None));
    assert!(sends.register("a", 100).is_none(), "the time itself is still in time");
    sends.sends.observe(&delivery(101, None));
    assert_eq!(pending.await, SendOutcome::TimedOut { timestamp: time(101) });
    sends.sends.observe(&delivery(101, Some("b")));
    assert!(matches!(later.await, SendOutcome::Sequenced { .. }));
}

#[tokio::test]
async fn what_is_not_settled_at_the_end_is_unknown() {
    let sends = Sends::new();
    let pending = sends.register("a", 100).unwrap();
    sends.sends.close();
    assert_eq!(pending.await, SendOutcome::Unknown);
    assert_eq!(sends.register("b", 100).unwrap().await, SendOutcome::Unknown);
}

#[test]
fn an_id_is_used_once_at_a_time() {
    let sends = Sends::new();
    let _pending = sends.register("a", 100).unwrap();
    assert!(sends.register("a", 200).is_none());
    sends.sends.forget(&id("a"));
    assert!(sends.register("a", 200).is_some());
}
