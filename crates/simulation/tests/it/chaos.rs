//! What holds on a network that delays, falls silent and breaks, with nodes that are killed and clocks that are wrong:
//! one order for all, no event lost or doubled, one verdict for everybody. And it goes on when all is well again.
//!
//! What happens is drawn from a seed, which a failure names: `CANTLE_SIMULATION_SEED` runs that one again, and
//! `CANTLE_SIMULATION_CASES` runs more of them. How threads take turns is not drawn: the properties do not depend on it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cantle_participant::{PingError, PingSuccess};
use cantle_protocol::{ProtocolMessage, SequencedEvent, SignedContent, SignedProtocolContent, Verdict};
use cantle_simulation::{Cluster, ClusterOptions, Dice, Keys, Line, in_time};
use cantle_types::{CantonTimestamp, Member, ProtocolVersion};
use tokio::task::JoinHandle;

const VERSION: ProtocolVersion = ProtocolVersion::V7;
/// So many are run where nothing else is said.
const CASES: u64 = 3;
/// What happens in one of them.
const HAPPENINGS: usize = 24;
/// How long a ping may take.
const PING: Duration = Duration::from_secs(15);

#[derive(Debug, Clone, Copy)]
enum Happening {
    Ping {
        from: usize,
        to: usize,
    },
    Kill {
        node: Node,
        for_milliseconds: u64,
    },
    Cut {
        line: usize,
    },
    Silence {
        line: usize,
    },
    MendAll,
    Delay {
        milliseconds: u64,
    },
    /// The clock of the sequencer, or of a participant.
    Skew {
        clock: usize,
        milliseconds: i64,
    },
    Pause {
        milliseconds: u64,
    },
}

#[derive(Debug, Clone, Copy)]
enum Node {
    Participant(usize),
    Mediator,
    Manager,
    Sequencer,
}

fn draw(dice: &mut Dice) -> Happening {
    let mut up_to = |most: u64| dice.throw() % (most + 1);
    let index = |number: u64| usize::try_from(number).unwrap();
    match up_to(19) {
        0..=8 => Happening::Ping { from: index(up_to(1)), to: index(up_to(1)) },
        9..=11 => {
            let node = match up_to(4) {
                0 | 1 => Node::Participant(index(up_to(1))),
                2 => Node::Mediator,
                3 => Node::Manager,
                _ => Node::Sequencer,
            };
            Happening::Kill { node, for_milliseconds: up_to(200) }
        }
        12 => Happening::Cut { line: index(up_to(3)) },
        13 => Happening::Silence { line: index(up_to(3)) },
        14 | 15 => Happening::MendAll,
        16 => Happening::Delay { milliseconds: up_to(20) },
        17 => {
            let clock = index(up_to(2));
            // The sequencer's clock makes the time of the domain, which never goes back.
            let most = if clock == 0 { 1000 } else { 20_000 };
            let milliseconds = i64::try_from(up_to(2 * most)).unwrap() - i64::try_from(most).unwrap();
            Happening::Skew { clock, milliseconds }
        }
        _ => Happening::Pause { milliseconds: up_to(150) },
    }
}

/// A domain to which things happen.
struct Chaos {
    cluster: Cluster,
    pings: Vec<JoinHandle<Result<PingSuccess, PingError>>>,
}

impl Chaos {
    async fn start(seed: u64) -> Self {
        let options = ClusterOptions {
            seed,
            delay: Duration::from_millis(2),
            keys: Keys::Software,
            ..ClusterOptions::new(VERSION)
        };
        let options = options.with_timeouts(Duration::from_secs(4), Duration::from_secs(4));
        Self { cluster: Cluster::start(options).await, pings: Vec::new() }
    }

    fn line(&self, index: usize) -> &Line {
        match index {
            0 => &self.cluster.manager_line,
            1 => &self.cluster.mediator_line,
            other => &self.cluster.lines[other - 2],
        }
    }

    async fn happens(&mut self, happening: Happening) {
        let pause = |milliseconds| tokio::time::sleep(Duration::from_millis(milliseconds));
        match happening {
            Happening::Ping { from, to } => {
                let ping = self.cluster.ping(from, self.cluster.ping_of(to, PING));
                self.pings.push(ping);
            }
            Happening::Kill { node, for_milliseconds } => self.kill(node, pause(for_milliseconds)).await,
            Happening::Cut { line } => self.line(line).cut(),
            Happening::Silence { line } => self.line(line).silence(),
            Happening::MendAll => self.mend_all(),
            Happening::Delay { milliseconds } => {
                self.cluster.network.set_delay(Duration::from_millis(milliseconds));
            }
            Happening::Skew { clock, milliseconds } => {
                let place = match clock {
                    0 => self.cluster.sequencer.place(),
                    other => self.cluster.participants[other - 1].place(),
                };
                place.clock().set_ahead(milliseconds);
            }
            Happening::Pause { milliseconds } => pause(milliseconds).await,
        }
    }

    async fn kill(&mut self, node: Node, pause: tokio::time::Sleep) {
        let cluster = &mut self.cluster;
        match node {
            Node::Participant(index) => {
                cluster.participants[index].crash().await;
                pause.await;
                cluster.restart_participant(index).await;
            }
            Node::Mediator => {
                cluster.mediator.crash().await;
                pause.await;
                cluster.restart_mediator().await;
            }
            Node::Manager => {
                cluster.manager.crash().await;
                pause.await;
                cluster.restart_manager().await;
            }
            Node::Sequencer => {
                cluster.crash_sequencer().await;
                pause.await;
                cluster.restart_sequencer().await;
            }
        }
    }

    fn mend_all(&self) {
        (0..4).for_each(|line| self.line(line).mend());
    }

    /// All is well again: pings end one way or the other, and new ones succeed. Says how many did.
    async fn settle(&mut self) -> usize {
        self.mend_all();
        self.cluster.network.set_delay(Duration::ZERO);
        for host in &self.cluster.participants {
            host.place().clock().set_ahead(0);
        }
        let mut succeeded = 0;
        for ping in std::mem::take(&mut self.pings) {
            match in_time("the end of a ping", ping).await {
                Ok(Ok(_)) => succeeded += 1,
                // Its participant was killed, or it says what stood in its way.
                Err(_) => {}
                Ok(Err(error)) => assert!(!matches!(error, PingError::Duplicate { .. }), "{error}"),
            }
        }
        for (from, to) in [(0, 1), (1, 0)] {
            let again = async {
                loop {
                    let ping = self.cluster.ping(from, self.cluster.ping_of(to, PING));
                    match ping.await.unwrap() {
                        Ok(_) => return,
                        Err(error) => tracing::debug!(%error, "not yet"),
                    }
                }
            };
            in_time("a ping when all is well", again).await;
            succeeded += 1;
        }
        self.cluster.silence().await;
        succeeded
    }
}

/// All events that the sequencer has, by member.
pub(crate) async fn all_events(cluster: &Cluster) -> BTreeMap<Member, Vec<SequencedEvent>> {
    let known = cluster.events().await;
    let read = cluster.sequencer.run(|role| async move {
        let mut all = BTreeMap::new();
        for (member, count) in known.into_iter().filter(|(_, count)| *count > 0) {
            let mut subscription = role.sequencer().subscribe(&member, 0).unwrap();
            let mut events = Vec::new();
            for _ in 0..count {
                let event = subscription.next().await.unwrap();
                let signed: SignedContent<SequencedEvent> =
                    SignedContent::from_bytes(&*event.signed).unwrap();
                events.push(signed.into_content());
            }
            all.insert(member, events);
        }
        all
    });
    in_time("the events", read).await
}

/// Envelopes of an event: who gets them, and what they say.
pub(crate) fn envelopes(event: &SequencedEvent) -> Vec<(BTreeSet<Member>, Vec<u8>)> {
    let Some(batch) = event.batch() else { return Vec::new() };
    let batch = batch.decompress(64 << 20).unwrap();
    let read = |envelope: &cantle_protocol::Envelope| {
        (envelope.recipients().members().into_iter().cloned().collect(), envelope.content().to_vec())
    };
    batch.envelopes().iter().map(read).collect()
}

/// Every member has its events without gaps in the one order of times, and what goes to several goes to all of them.
fn assert_one_order(events: &BTreeMap<Member, Vec<SequencedEvent>>) {
    let mut at: BTreeMap<(CantonTimestamp, &Member), &SequencedEvent> = BTreeMap::new();
    for (member, events) in events {
        for (counter, event) in (0..).zip(events) {
            assert_eq!(event.counter().get(), counter, "{member}");
            assert!(at.insert((event.timestamp(), member), event).is_none(), "{member} has two at one time");
        }
        assert!(events.windows(2).all(|pair| pair[0].timestamp() < pair[1].timestamp()), "{member}");
    }
    for ((time, member), event) in &at {
        for (recipients, content) in envelopes(event) {
            assert!(recipients.contains(*member), "{member} was not meant");
            for other in recipients.iter().filter(|other| events.contains_key(*other)) {
                let got = at.get(&(*time, other)).unwrap_or_else(|| panic!("{other} has nothing at {time}"));
                assert!(
                    envelopes(got).iter().any(|(_, seen)| *seen == content),
                    "{other} has less at {time}"
                );
            }
        }
    }
    // A submission has one sender, who sees it once.
    let mut senders: BTreeMap<CantonTimestamp, &Member> = BTreeMap::new();
    for ((time, member), event) in &at {
        if event.message_id().is_some() {
            assert_eq!(senders.insert(*time, member), None, "two senders at {time}");
        }
    }
}

/// All that are told of a request are told the same, and only of what there was. Gives how many were approved.
fn assert_one_verdict(events: &BTreeMap<Member, Vec<SequencedEvent>>) -> usize {
    let mut requests = BTreeSet::new();
    let mut verdicts: BTreeMap<CantonTimestamp, Verdict> = BTreeMap::new();
    for (member, events) in events {
        for event in events {
            for (_, content) in envelopes(event) {
                match ProtocolMessage::from_bytes(content, VERSION).unwrap() {
                    ProtocolMessage::Informee(_) => {
                        requests.insert(event.timestamp());
                    }
                    ProtocolMessage::Signed(message) => {
                        let SignedProtocolContent::TransactionResult(result) = message.content() else {
                            continue;
                        };
                        let known =
                            verdicts.entry(result.request_id()).or_insert_with(|| result.verdict().clone());
                        assert_eq!(known, result.verdict(), "{member} is told something else");
                    }
                    _ => {}
                }
            }
        }
    }
    for request in verdicts.keys() {
        assert!(requests.contains(request), "a verdict on what was not asked");
    }
    verdicts.values().filter(|verdict| verdict.is_approve()).count()
}

async fn run(seed: u64) {
    let mut dice = Dice::new(seed);
    let happenings: Vec<_> = (0..HAPPENINGS).map(|_| draw(&mut dice)).collect();
    let mut chaos = Chaos::start(seed).await;
    for happening in &happenings {
        chaos.happens(*happening).await;
    }
    let succeeded = chaos.settle().await;
    let events = all_events(&chaos.cluster).await;
    assert_one_order(&events);
    let approved = assert_one_verdict(&events);
    let tried = happenings.iter().filter(|happening| matches!(happening, Happening::Ping { .. })).count();
    assert!(approved >= 2 * succeeded, "{approved} approved for {succeeded} pings that succeeded");
    // Those of the end may have been tried a few times.
    assert!(succeeded <= tried + 2, "{succeeded} of {tried}");
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable)
        .ok()
        .map(|value| value.parse().unwrap_or_else(|_| panic!("{variable} is no number")))
}

#[test]
fn order_events_and_verdicts_hold_whatever_happens() {
    let seeds = match number("CANTLE_SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..1 + number("CANTLE_SIMULATION_CASES").unwrap_or(CASES),
    };
    for seed in seeds {
        // Its own runtime, so that nothing of one case is left in the next.
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let case = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| runtime.block_on(run(seed))));
        if let Err(failure) = case {
            let mut dice = Dice::new(seed);
            let happened: Vec<_> = (0..HAPPENINGS).map(|_| draw(&mut dice)).collect();
            let said = failure.downcast_ref::<String>().map_or("", String::as_str);
            panic!("CANTLE_SIMULATION_SEED={seed}: {said}\n{happened:?}");
        }
    }
}
