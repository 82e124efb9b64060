//! What happened: KMS requests and pings, the last of them in full and all of them counted.
//!
//! Told by the KMS server and the participants, in the order in which things end. Bounded: a sandbox that is left alone for
//! a week keeps as much as one that was started an hour ago.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use cantle_kms_server::{ObservedRequest, Observer};
use cantle_node::{PingEvent, PingState};
use serde::Serialize;
use tokio::sync::broadcast;

use crate::commands::playground::price;

/// What is kept in full.
const REQUESTS: usize = 300;
/// Nodes look at their keys all the time; these must not push out what is of interest.
const CHECKS: usize = 50;
const PINGS: usize = 50;
/// Keys that are remembered; a sandbox has ten.
const KEYS: usize = 10_000;
/// What a watcher may be behind before it is given everything again.
const BEHIND: usize = 1024;

/// A KMS request that was answered.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Request {
    /// 1 for the first.
    pub(super) serial: u64,
    /// When it arrived, in microseconds since 1970.
    pub(super) at_us: u64,
    /// How long the KMS took.
    pub(super) micros: u64,
    pub(super) operation: String,
    /// The node whose key it is about.
    pub(super) node: Option<String>,
    /// The key's name.
    pub(super) key: Option<String>,
    pub(super) key_arn: Option<String>,
    /// `Success`, or AWS's exception.
    pub(super) outcome: String,
}

/// A ping, as far as it has come.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Ping {
    pub(super) id: String,
    /// When it began, in microseconds since 1970.
    pub(super) at_us: u64,
    pub(super) from: String,
    pub(super) to: Vec<String>,
    /// `running`, `success` or `failed`.
    pub(super) state: &'static str,
    /// How long it took, once it is over.
    pub(super) ms: Option<u64>,
    /// Where it stopped, if it failed.
    pub(super) detail: Option<String>,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Request(Arc<Request>),
    Ping(Arc<Ping>),
}

/// How a key was used.
#[derive(Clone, Debug, Default)]
pub(super) struct Use {
    /// Signatures and decryptions that succeeded.
    pub(super) count: u64,
    pub(super) last_us: Option<u64>,
    pub(super) last_operation: Option<String>,
}

/// How often an operation was asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Total {
    pub(super) operation: String,
    pub(super) count: u64,
    /// Those of them that did not succeed.
    pub(super) failed: u64,
    pub(super) usd: f64,
}

/// The last of what happened, the oldest first.
#[derive(Debug)]
pub(super) struct Recent {
    pub(super) requests: Vec<Arc<Request>>,
    pub(super) pings: Vec<Arc<Ping>>,
}

/// Everything that is known of what happened.
#[derive(Debug)]
pub(super) struct Hub {
    seen: Mutex<Seen>,
    events: broadcast::Sender<Event>,
}

#[derive(Debug, Default)]
struct Seen {
    serial: u64,
    requests: VecDeque<Arc<Request>>,
    checks: VecDeque<Arc<Request>>,
    pings: VecDeque<Arc<Ping>>,
    uses: HashMap<String, Use>,
    totals: BTreeMap<String, Total>,
    keys_made: u64,
}

impl Default for Hub {
    fn default() -> Self {
        Self { seen: Mutex::default(), events: broadcast::Sender::new(BEHIND) }
    }
}

impl Hub {
    /// For the KMS server.
    pub(super) fn observer(self: &Arc<Self>) -> Observer {
        let hub = Arc::clone(self);
        Observer::new(move |request| hub.request(request))
    }

    /// What happens from now on.
    pub(super) fn watch(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // A panic leaves counts at worst one behind.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn request(&self, observed: ObservedRequest) {
        let key = observed.keys.first();
        let mut seen = self.seen();
        seen.serial += 1;
        let request = Arc::new(Request {
            serial: seen.serial,
            at_us: us(observed.at),
            micros: u64::try_from(observed.took.as_micros()).unwrap_or(u64::MAX),
            operation: observed.operation,
            node: key.and_then(|key| key.tag("CantleNode")).map(str::to_owned),
            key: key.map(|key| key.description.clone()).filter(|name| !name.is_empty()),
            key_arn: key.map(|key| key.arn.clone()),
            outcome: observed.outcome,
        });
        seen.count(&request, key.map(|key| key.spec));
        let (kept, most) = match request.operation.as_str() {
            "DescribeKey" => (&mut seen.checks, CHECKS),
            _ => (&mut seen.requests, REQUESTS),
        };
        keep(kept, most, Arc::clone(&request));
        // In order of their numbers, so within the lock; nobody may be watching.
        let _ = self.events.send(Event::Request(request));
    }

    /// Something became of a participant's ping.
    pub(super) fn ping(&self, participant: &str, event: PingEvent) {
        let mut seen = self.seen();
        let id = format!("{participant}-{}", event.number);
        let known = seen.pings.iter().position(|ping| ping.id == id);
        let mut ping = match known.and_then(|at| seen.pings.remove(at)) {
            Some(ping) => Arc::unwrap_or_clone(ping),
            None => Ping {
                id,
                at_us: us(SystemTime::now()),
                from: participant.to_owned(),
                to: event.responders.iter().map(|party| short(party).to_owned()).collect(),
                state: "running",
                ms: None,
                detail: None,
            },
        };
        match event.state {
            PingState::Succeeded { time } => {
                ping.state = "success";
                ping.ms = Some(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
            }
            PingState::Failed { reason } => {
                ping.state = "failed";
                ping.ms = Some(us(SystemTime::now()).saturating_sub(ping.at_us) / 1000);
                ping.detail = Some(reason);
            }
            _ => {}
        }
        let ping = Arc::new(ping);
        match known {
            Some(at) => seen.pings.insert(at, Arc::clone(&ping)),
            None => keep(&mut seen.pings, PINGS, Arc::clone(&ping)),
        }
        let _ = self.events.send(Event::Ping(ping));
    }

    /// The last of what happened.
    pub(super) fn recent(&self) -> Recent {
        let seen = self.seen();
        let mut requests: Vec<_> = seen.requests.iter().chain(&seen.checks).cloned().collect();
        requests.sort_by_key(|request| request.serial);
        Recent { requests, pings: seen.pings.iter().cloned().collect() }
    }

    /// How a key was used.
    pub(super) fn use_of(&self, arn: &str) -> Use {
        self.seen().uses.get(arn).cloned().unwrap_or_default()
    }

    /// How often each operation was asked for.
    pub(super) fn totals(&self) -> Vec<Total> {
        self.seen().totals.values().cloned().collect()
    }

    /// How many keys were made so far.
    pub(super) fn keys_made(&self) -> u64 {
        self.seen().keys_made
    }
}

impl Seen {
    fn count(&mut self, request: &Request, spec: Option<&str>) {
        let operation = &request.operation;
        let succeeded = request.outcome == "Success";
        let total = self.totals.entry(operation.clone()).or_default();
        total.operation.clone_from(operation);
        total.count += 1;
        total.failed += u64::from(!succeeded);
        total.usd += price::of_one(operation, spec);
        self.keys_made += u64::from(succeeded && operation == "CreateKey");
        let Some(arn) = &request.key_arn else { return };
        let used = succeeded && matches!(operation.as_str(), "Sign" | "Decrypt");
        if used && (self.uses.len() < KEYS || self.uses.contains_key(arn)) {
            let key = self.uses.entry(arn.clone()).or_default();
            key.count += 1;
            key.last_us = Some(request.at_us);
            key.last_operation = Some(operation.clone());
        }
    }
}

fn keep<T>(kept: &mut VecDeque<T>, most: usize, new: T) {
    if kept.len() >= most {
        kept.pop_front();
    }
    kept.push_back(new);
}

/// A party or node as people call it: what stands before the fingerprint.
fn short(identifier: &str) -> &str {
    identifier.split("::").next().unwrap_or(identifier)
}

/// Microseconds since 1970.
pub(super) fn us(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cantle_kms_server::KeyFacts;

    use super::*;

    fn request(operation: &str, outcome: &str) -> ObservedRequest {
        let key = KeyFacts {
            key_id: "k".to_owned(),
            arn: "arn:aws:kms:us-east-1:111122223333:key/k".to_owned(),
            state: "Enabled",
            spec: "ECC_NIST_P256",
            usage: "SIGN_VERIFY",
            description: "participant1-signing".to_owned(),
            tags: vec![("CantleNode".to_owned(), "participant1".to_owned())],
        };
        ObservedRequest {
            request_id: String::new(),
            operation: operation.to_owned(),
            keys: vec![key],
            caller: None,
            outcome: outcome.to_owned(),
            at: UNIX_EPOCH + Duration::from_micros(7),
            took: Duration::from_micros(5),
        }
    }

    fn event(number: u64, state: PingState) -> PingEvent {
        PingEvent { number, responders: vec!["participant2::1220ab".to_owned()], state }
    }

    #[test]
    fn looks_at_keys_push_nothing_else_out_and_all_is_bounded() {
        let hub = Hub::default();
        hub.request(request("CreateKey", "Success"));
        for _ in 0..1000 {
            hub.request(request("DescribeKey", "Success"));
        }
        let kept = hub.recent().requests;
        assert_eq!((kept.len(), kept[0].operation.as_str()), (CHECKS + 1, "CreateKey"));
        for _ in 0..1000 {
            hub.request(request("Sign", "Success"));
        }
        let kept = hub.recent().requests;
        assert_eq!(kept.len(), CHECKS + REQUESTS);
        assert!(kept.is_sorted_by_key(|request| request.serial));
        let counts: Vec<_> = hub.totals().into_iter().map(|total| (total.operation, total.count)).collect();
        let all = [("CreateKey", 1), ("DescribeKey", 1000), ("Sign", 1000)];
        assert_eq!(counts, all.map(|(operation, count)| (operation.to_owned(), count)));
    }

    #[test]
    fn a_use_is_a_signature_or_decryption_that_succeeded() {
        let hub = Hub::default();
        for (operation, outcome) in
            [("DescribeKey", "Success"), ("Sign", "Success"), ("Sign", "DisabledException")]
        {
            hub.request(request(operation, outcome));
        }
        let used = hub.use_of("arn:aws:kms:us-east-1:111122223333:key/k");
        assert_eq!((used.count, used.last_us, used.last_operation.as_deref()), (1, Some(7), Some("Sign")));
        let signs = hub.totals().pop().unwrap();
        assert_eq!((signs.count, signs.failed), (2, 1));
        let last = hub.recent().requests.pop().unwrap();
        assert_eq!(
            (last.node.as_deref(), last.key.as_deref()),
            (Some("participant1"), Some("participant1-signing"))
        );
        assert_eq!(hub.use_of("another").count, 0);
    }

    #[tokio::test]
    async fn a_ping_is_one_entry_from_its_begin_to_its_end() {
        let hub = Hub::default();
        let mut told = hub.watch();
        hub.ping("participant1", event(1, PingState::Began));
        hub.ping("participant2", event(1, PingState::Began));
        hub.ping("participant1", event(1, PingState::Succeeded { time: Duration::from_millis(9) }));
        let reason = "no pong within 30s".to_owned();
        hub.ping("participant2", event(1, PingState::Failed { reason: reason.clone() }));
        let pings = hub.recent().pings;
        let states: Vec<_> =
            pings.iter().map(|ping| (ping.from.as_str(), ping.state, &ping.detail)).collect();
        assert_eq!(states, [("participant1", "success", &None), ("participant2", "failed", &Some(reason))]);
        assert_eq!((pings[0].ms, &pings[0].to), (Some(9), &vec!["participant2".to_owned()]));
        for state in ["running", "running", "success", "failed"] {
            let Ok(Event::Ping(ping)) = told.recv().await else { panic!("no ping was told") };
            assert_eq!(ping.state, state);
        }
    }
}
