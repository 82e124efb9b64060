//! A domain, its sequencer, members with running clients, and handlers that remember.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use cantle_protocol::{
    Batch, MessageId, ProtocolMessage, Recipients, RegisterTopologyTransactionRequest, SequencerCounter,
    TraceContext,
};
use cantle_sequencing::testing::{TestDomain, TestMember, TestSequencer};
use cantle_sequencing::{
    ClientError, ClientOptions, ClientSetup, Delivery, EventHandler, HandlerError, MemberSetup,
    SequencerClient, TimeOptions,
};
use cantle_types::{
    CantonTimestamp, Clock, DomainId, Member, MemberCode, ParticipantId, ProtocolVersion, SystemClock,
    UniqueIdentifier,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Nothing that a test waits for takes longer.
const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(DEADLINE, future).await;
    done.unwrap_or_else(|_| panic!("{what} did not happen in time"))
}

/// A domain with its sequencer.
pub(crate) struct World {
    pub(crate) domain: Arc<TestDomain>,
    pub(crate) sequencer: TestSequencer,
    pub(crate) clock: Arc<dyn Clock>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }

    pub(crate) fn with_clock(clock: Arc<dyn Clock>) -> Self {
        let domain = Arc::new(TestDomain::new(ProtocolVersion::V7));
        let sequencer = TestSequencer::new(Arc::clone(&domain), Arc::clone(&clock));
        Self { domain, sequencer, clock }
    }

    /// A participant that the domain does not know yet.
    pub(crate) async fn stranger(&self, name: &str) -> TestMember {
        TestMember::new(name, &self.domain, Arc::clone(&self.clock)).await
    }

    /// A participant whose first event is the domain's topology.
    pub(crate) async fn member(&self, name: &str) -> TestMember {
        let member = self.stranger(name).await;
        self.sequencer.onboard(&[&member]);
        member
    }

    pub(crate) fn setup(&self, member: &TestMember) -> Setup {
        let (client, own) = member.setup(&self.domain, self.sequencer.api(), Arc::clone(&self.clock));
        let mut setup = Setup { client, own };
        setup.client.options = quick();
        setup.own.authentication.pause = Duration::from_millis(1);
        setup
    }

    pub(crate) async fn start(&self, member: &TestMember) -> Running {
        self.start_with(self.setup(member), Recorder::default()).await
    }

    pub(crate) async fn start_with(&self, setup: Setup, handler: Recorder) -> Running {
        let client = SequencerClient::open(setup.client, setup.own).await.unwrap();
        Running::start(client, handler)
    }
}

/// What a member's client is made of.
pub(crate) struct Setup {
    pub(crate) client: ClientSetup,
    pub(crate) own: MemberSetup,
}

/// A client's options with pauses that no test notices.
pub(crate) fn quick() -> ClientOptions {
    ClientOptions {
        initial_retry_delay: Duration::from_millis(1),
        max_retry_delay: Duration::from_millis(5),
        handshake_retry_delay: Duration::from_millis(1),
        cursor_interval: Duration::from_millis(5),
        acknowledgement_interval: Duration::from_millis(5),
        time: TimeOptions {
            observation_latency: Duration::from_millis(5),
            patience: Duration::from_millis(5),
            initial_retry_delay: Duration::from_millis(1),
            max_retry_delay: Duration::from_millis(5),
            max_sequencing_delay: Duration::from_millis(200),
            ..TimeOptions::default()
        },
        ..ClientOptions::default()
    }
}

/// A client that runs.
pub(crate) struct Running {
    pub(crate) client: SequencerClient,
    pub(crate) handler: Arc<Recorder>,
    pub(crate) stop: CancellationToken,
    task: JoinHandle<Result<(), ClientError>>,
}

impl Running {
    pub(crate) fn start(client: SequencerClient, handler: Recorder) -> Self {
        let (handler, stop) = (Arc::new(handler), CancellationToken::new());
        let task = tokio::spawn({
            let (client, handler, stop) = (client.clone(), Arc::clone(&handler), stop.clone());
            async move { client.run(handler, stop).await }
        });
        Self { client, handler, stop, task }
    }

    /// Waits until it ends by itself.
    pub(crate) async fn ended(self) -> Result<(), ClientError> {
        in_time("the end of the client", self.task).await.unwrap()
    }

    /// Stops it as a node does.
    pub(crate) async fn stopped(self) -> Arc<Recorder> {
        self.stop.cancel();
        let handler = Arc::clone(&self.handler);
        self.ended().await.unwrap();
        handler
    }

    /// Ends it as a crash does: nothing more is done.
    pub(crate) async fn killed(self) -> Arc<Recorder> {
        self.task.abort();
        let _ = self.task.await;
        self.handler
    }

    pub(crate) async fn caught_up(&self) {
        let mut health = self.client.health();
        in_time("catching up", health.wait_for(|health| health.caught_up)).await.unwrap();
    }
}

/// A handler that remembers what it was given.
pub(crate) struct Recorder {
    state: Mutex<Recorded>,
    count: watch::Sender<usize>,
}

/// An event that was handled.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) counter: i64,
    pub(crate) timestamp: CantonTimestamp,
    pub(crate) message_id: Option<MessageId>,
    pub(crate) trace: TraceContext,
    pub(crate) envelopes: usize,
    /// What was said in it, see [`message`].
    pub(crate) texts: Vec<String>,
}

impl Seen {
    fn of(delivery: &Delivery) -> Self {
        let texts = delivery.envelopes.iter().filter_map(|envelope| text_of(envelope.message.as_ref().ok()?));
        Self {
            counter: delivery.counter().get(),
            timestamp: delivery.timestamp(),
            message_id: delivery.event.content().message_id().cloned(),
            trace: delivery.trace.clone(),
            envelopes: delivery.envelopes.len(),
            texts: texts.collect(),
        }
    }
}

#[derive(Default)]
struct Recorded {
    seen: Vec<Seen>,
    caught_up: Vec<CantonTimestamp>,
    /// The counter that is not done with, if some is not.
    open: Option<SequencerCounter>,
    fails: bool,
}

impl Default for Recorder {
    fn default() -> Self {
        Self { state: Mutex::default(), count: watch::Sender::new(0) }
    }
}

impl Recorder {
    /// A handler that is not done with this event.
    pub(crate) fn with_open(counter: i64) -> Self {
        let recorder = Self::default();
        recorder.state.lock().unwrap().open = Some(SequencerCounter::new(counter).unwrap());
        recorder
    }

    /// A handler that gives up at once.
    pub(crate) fn failing() -> Self {
        let recorder = Self::default();
        recorder.state.lock().unwrap().fails = true;
        recorder
    }

    pub(crate) fn close(&self) {
        self.state.lock().unwrap().open = None;
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }

    pub(crate) fn counters(&self) -> Vec<i64> {
        self.seen().iter().map(|seen| seen.counter).collect()
    }

    pub(crate) fn caught_up(&self) -> Vec<CantonTimestamp> {
        self.state.lock().unwrap().caught_up.clone()
    }

    pub(crate) async fn received(&self, count: usize) {
        let mut counts = self.count.subscribe();
        in_time("the delivery", counts.wait_for(|received| *received >= count)).await.unwrap();
    }

    /// Waits until something was said.
    pub(crate) async fn heard(&self, text: &str) {
        let mut counts = self.count.subscribe();
        let heard = |_: &usize| self.seen().iter().any(|seen| seen.texts.iter().any(|heard| heard == text));
        in_time("the delivery of a message", counts.wait_for(heard)).await.unwrap();
    }
}

#[async_trait]
impl EventHandler for Recorder {
    async fn handle(&self, events: Vec<Delivery>) -> Result<(), HandlerError> {
        let count = {
            let mut state = self.state.lock().unwrap();
            if state.fails {
                return Err(HandlerError::new("by request"));
            }
            state.seen.extend(events.iter().map(Seen::of));
            state.seen.len()
        };
        self.count.send_replace(count);
        Ok(())
    }

    fn clean(&self, handled: SequencerCounter) -> Option<SequencerCounter> {
        match self.state.lock().unwrap().open {
            Some(open) if open <= handled => SequencerCounter::new(open.get() - 1).ok(),
            _ => Some(handled),
        }
    }

    async fn caught_up(&self, at: CantonTimestamp) {
        self.state.lock().unwrap().caught_up.push(at);
    }
}

/// A message that says `text` to some members, each in a group of its own. To the client it is one like any other.
pub(crate) fn message(text: &str, to: &[Member]) -> Batch {
    let uid: UniqueIdentifier = "somebody::namespace".parse().unwrap();
    let request = RegisterTopologyTransactionRequest {
        requested_by: Member::new(MemberCode::Participant, uid.clone()),
        participant: ParticipantId::new(uid.clone()),
        request_id: text.parse().unwrap(),
        transactions: Vec::new(),
        domain_id: DomainId::new(uid),
    };
    let recipients = Recipients::groups(to.iter().map(|member| [member.clone()])).unwrap();
    let message = ProtocolMessage::RegisterTopologyRequest(Box::new(request));
    Batch::new(vec![message.to_envelope(recipients, ProtocolVersion::V7).unwrap()])
}

/// What [`message`] says.
pub(crate) fn text_of(message: &ProtocolMessage) -> Option<String> {
    match message {
        ProtocolMessage::RegisterTopologyRequest(request) => Some(request.request_id.to_string()),
        _ => None,
    }
}
