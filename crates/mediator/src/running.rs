//! A mediator that is connected to a sequencer: events go into the state, results go out.
//!
//! Results are signed and sent by tasks of their own, so that no event waits for a signature. Until a result is seen
//! among the mediator's own events, or its time has passed, its request counts as open: after a restart the events since
//! then come again, lead to the same conclusions, and what was sent meanwhile is recognized by its message id.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use cantle_protocol::{
    Batch, HandshakeRequest, ParseError, ProtocolMessage, Recipients, RecipientsError, SequencerCounter,
    SignedProtocolContent, SignedProtocolMessage, StaticDomainParameters, TraceContext,
};
use cantle_sequencing::{
    AuthOptions, ClientHealth, ClientOptions, ClientSendError, ClientSetup, ConnectError, Delivery,
    DomainTopologyClient, EventHandler, HandlerError, MemberSetup, OpenClientError, SendOutcome,
    SequencerApi, SequencerClient, SequencerInfo, SnapshotError, Submission, SyncSignError, WantedTime,
    chain, sequencer_info,
};
use cantle_store::{NodeStore, StoreError};
use cantle_types::{CantonTimestamp, Clock, DomainId, MediatorId, ParticipantId, ProtocolVersion};
use cantle_vault::Vault;
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::alarm::Alarm;
use crate::conclusion::{Conclusion, ResultContent};
use crate::inbox::{Answer, Inbox, Request};
use crate::state::{Effect, MediatorState};

/// The first pause before results that were not sent are tried again.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Why a mediator did not start to work with a sequencer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// The sequencer does not suit.
    #[error("the sequencer cannot be used")]
    Connect(#[from] ConnectError),
    /// The sequencer is one of another domain.
    #[error("the sequencer is of domain {found}, and this mediator was initialized for {own}")]
    OtherDomain {
        /// This mediator's domain.
        own: DomainId,
        /// The sequencer's.
        found: DomainId,
    },
    /// The sequencer has other parameters.
    #[error("the sequencer has other static domain parameters than this mediator was initialized with")]
    OtherParameters,
    /// The client cannot be made.
    #[error("the events of the domain cannot be followed")]
    Client(#[from] OpenClientError),
    /// The store failed.
    #[error("the mediator's store failed")]
    Store(#[from] StoreError),
}

/// What a running mediator is made of.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    pub(crate) mediator: MediatorId,
    pub(crate) domain: DomainId,
    pub(crate) parameters: StaticDomainParameters,
    pub(crate) vault: Vault,
    pub(crate) store: Arc<dyn NodeStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) client: ClientOptions,
    pub(crate) authentication: AuthOptions,
}

/// The tasks of a connected mediator.
#[derive(Debug)]
pub(crate) struct Running {
    client: SequencerClient,
    handler: Arc<Handler>,
    stop: CancellationToken,
    follower: JoinHandle<()>,
}

impl Running {
    /// Connects to a sequencer of the domain and begins to work.
    pub(crate) async fn start(parts: Parts, api: Arc<dyn SequencerApi>) -> Result<Self, RunError> {
        let version = parts.parameters.protocol_version;
        let info = sequencer_info(&*api, &HandshakeRequest::new(vec![version], Some(version))).await?;
        let SequencerInfo { identity, parameters, .. } = &info;
        if identity.domain != parts.domain {
            return Err(RunError::OtherDomain { own: parts.domain, found: identity.domain.clone() });
        }
        if *parameters != parts.parameters {
            return Err(RunError::OtherParameters);
        }
        let setup = ClientSetup {
            api,
            info,
            member: parts.mediator.member().clone(),
            clock: parts.clock,
            versions: vec![version],
            options: parts.client,
        };
        let own =
            MemberSetup { vault: parts.vault, store: parts.store, authentication: parts.authentication };
        let client = SequencerClient::open(setup, own).await?;
        let handler = Arc::new(Handler {
            client: client.clone(),
            version,
            inner: Mutex::new(Inner::new(MediatorState::new(parts.mediator, parts.domain, version))),
        });
        let stop = CancellationToken::new();
        let follower = tokio::spawn({
            let (client, handler, stop) = (client.clone(), Arc::clone(&handler), stop.clone());
            async move {
                if let Err(error) = client.run(handler, stop).await {
                    tracing::error!(error = %chain(&error), "the mediator follows its domain no more");
                }
            }
            .in_current_span()
        });
        Ok(Self { client, handler, stop, follower })
    }

    pub(crate) fn health(&self) -> watch::Receiver<ClientHealth> {
        self.client.health()
    }

    /// Whether it has seen a change of the topology that is in effect only later.
    pub(crate) fn awaits_topology(&self) -> bool {
        self.client.topology().is_some_and(DomainTopologyClient::awaits_change)
    }

    pub(crate) fn open_requests(&self) -> usize {
        self.handler.inner().state.open_requests()
    }

    /// Stores what is done with and ends. Results that are not sent yet are sent after the next start.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        let _ = self.follower.await;
        let mut sending = std::mem::take(&mut self.handler.inner().sending);
        sending.shutdown().await;
    }
}

/// Takes the domain's events.
#[derive(Debug)]
struct Handler {
    client: SequencerClient,
    version: ProtocolVersion,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: MediatorState,
    /// The events that may still be needed: counters by time, in their order.
    events: VecDeque<(CantonTimestamp, SequencerCounter)>,
    /// Deadlines of open requests: the domain's time is asked for when they pass.
    deadlines: BTreeMap<CantonTimestamp, WantedTime>,
    /// Requests that are concluded and whose results were not seen.
    unseen: BTreeMap<CantonTimestamp, CantonTimestamp>,
    /// Conclusions of a replay, held back until it is known which were sent.
    held_back: Option<BTreeMap<CantonTimestamp, (Conclusion, TraceContext)>>,
    sending: JoinSet<()>,
}

impl Inner {
    fn new(state: MediatorState) -> Self {
        Self {
            state,
            events: VecDeque::new(),
            deadlines: BTreeMap::new(),
            unseen: BTreeMap::new(),
            held_back: Some(BTreeMap::new()),
            sending: JoinSet::new(),
        }
    }

    /// The results of a request were seen, or nobody waits for them any more.
    fn is_done(&mut self, request_id: CantonTimestamp) {
        self.unseen.remove(&request_id);
        if let Some(held_back) = &mut self.held_back {
            held_back.remove(&request_id);
        }
    }
}

#[async_trait]
impl EventHandler for Handler {
    async fn handle(&self, events: Vec<Delivery>) -> Result<(), HandlerError> {
        for delivery in events {
            self.take(delivery);
        }
        Ok(())
    }

    fn clean(&self, handled: SequencerCounter) -> Option<SequencerCounter> {
        let mut inner = self.inner();
        let oldest = inner.state.needed_from().into_iter().chain(inner.unseen.keys().next().copied()).min();
        let Some(oldest) = oldest else {
            inner.events.clear();
            return Some(handled);
        };
        let done = inner.events.partition_point(|(at, _)| *at < oldest);
        let clean = done.checked_sub(1).map(|last| inner.events[last].1);
        inner.events.drain(..done.saturating_sub(1));
        clean
    }

    async fn caught_up(&self, _at: CantonTimestamp) {
        let held_back = self.inner().held_back.take().unwrap_or_default();
        for (conclusion, trace) in held_back.into_values() {
            self.send(conclusion, trace);
        }
    }
}

impl Handler {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        // The state is changed by methods that do not panic.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, delivery: Delivery) {
        let (at, counter) = (delivery.timestamp(), delivery.counter());
        let mut effects = {
            let mut inner = self.inner();
            inner.events.push_back((at, counter));
            if let Some(id) = delivery.event.content().message_id().and_then(Conclusion::request_of) {
                inner.is_done(id);
            }
            let passed: Vec<_> =
                inner.unseen.iter().filter(|(_, end)| **end < at).map(|(id, _)| *id).collect();
            passed.into_iter().for_each(|id| inner.is_done(id));
            inner.state.time(at)
        };
        let mut inbox = Inbox::default();
        for envelope in delivery.envelopes {
            if let Ok(message) = envelope.message {
                inbox.take(message, envelope.recipients);
            }
        }
        effects.extend(self.sorted(at, inbox));
        for effect in effects {
            match effect {
                Effect::Conclude(conclusion) => self.conclude(conclusion, delivery.trace.clone()),
                Effect::Alarm { at, alarm } => {
                    tracing::warn!(mediator = %self.client.member(), %at, "{alarm}");
                }
            }
        }
    }

    /// An event holds one request or answers.
    fn sorted(&self, at: CantonTimestamp, inbox: Inbox) -> Vec<Effect> {
        let (requests, answers) = (inbox.informees.len(), inbox.answers.len());
        if requests > 1 || (inbox.has_request() && answers > 0) {
            return vec![Effect::Alarm { at, alarm: Alarm::MixedEvent { requests, answers } }];
        }
        if inbox.has_request() {
            let request = Request { informees: inbox.informees.into_iter().next(), roots: inbox.roots };
            return self.request(at, &request);
        }
        inbox
            .answers
            .into_iter()
            .flat_map(|(message, recipients)| self.answer(at, message, recipients))
            .collect()
    }

    fn request(&self, at: CantonTimestamp, request: &Request) -> Vec<Effect> {
        let Some(topology) = self.topology(at) else { return Vec::new() };
        let mut inner = self.inner();
        let effects = inner.state.request(at, request, &topology);
        if let Some(deadline) = inner.state.response_deadline(at) {
            let after = deadline.successor().unwrap_or(deadline);
            inner.deadlines.insert(at, self.client.time().want(after));
        }
        effects
    }

    fn answer(
        &self,
        at: CantonTimestamp,
        message: SignedProtocolMessage,
        recipients: Recipients,
    ) -> Vec<Effect> {
        let SignedProtocolContent::MediatorResponse(response) = message.content() else { return Vec::new() };
        let request_id = response.request_id();
        // What nobody waits for is not worth a signature check.
        let Some(topology) = self.topology(request_id).filter(|_| self.inner().state.knows(request_id))
        else {
            let alarm = Alarm::UnknownRequest { sender: response.sender().clone(), request_id };
            return vec![Effect::Alarm { at, alarm }];
        };
        let Some(crypto) = self.client.crypto() else { return Vec::new() };
        let sender = response.sender().member();
        if let Err(error) = crypto.verify(&topology, sender, &message.content().hash(), message.signature()) {
            tracing::warn!(mediator = %self.client.member(), %at, %request_id, error = %chain(&error), "an answer is not its sender's and is ignored");
            return Vec::new();
        }
        let answer = Answer { response: response.clone(), recipients };
        self.inner().state.answer(at, &answer, &topology)
    }

    /// The topology of a time that was seen.
    fn topology(&self, at: CantonTimestamp) -> Option<cantle_topology::TopologyView> {
        match self.client.topology()?.snapshot(at) {
            Ok(view) => Some(view),
            Err(error) => {
                log_unknown(at, &error);
                None
            }
        }
    }

    fn conclude(&self, conclusion: Conclusion, trace: TraceContext) {
        let request_id = conclusion.request_id;
        {
            let mut inner = self.inner();
            inner.deadlines.remove(&request_id);
            inner.unseen.insert(request_id, conclusion.decision_time);
            if let Some(held_back) = &mut inner.held_back {
                held_back.insert(request_id, (conclusion, trace));
                return;
            }
        }
        self.send(conclusion, trace);
    }

    /// Signs and sends results in a task of its own.
    fn send(&self, conclusion: Conclusion, trace: TraceContext) {
        let (client, version) = (self.client.clone(), self.version);
        let mut inner = self.inner();
        while inner.sending.try_join_next().is_some() {}
        inner.sending.spawn(send_in_time(client, version, conclusion, trace).in_current_span());
    }
}

/// Why results were not sent.
#[derive(Debug, Error)]
enum SendError {
    #[error("the topology of the request is not known")]
    Topology(#[from] SnapshotError),
    #[error("a result was not signed")]
    Sign(#[from] SyncSignError),
    #[error("a result cannot be written")]
    Message(#[from] ParseError),
    #[error("a result cannot be addressed")]
    Recipients(#[from] RecipientsError),
    #[error("the results were not sent")]
    Send(#[from] ClientSendError),
}

/// Sends results until they are sequenced, or come too late.
async fn send_in_time(
    client: SequencerClient,
    version: ProtocolVersion,
    conclusion: Conclusion,
    trace: TraceContext,
) {
    let request_id = conclusion.request_id;
    let mut pause = FIRST_PAUSE;
    loop {
        match send(&client, version, &conclusion, &trace).await {
            Ok(SendOutcome::Sequenced { .. } | SendOutcome::Unknown) => return,
            Ok(outcome @ SendOutcome::TimedOut { .. }) => {
                tracing::warn!(mediator = %client.member(), %request_id, ?outcome, "the results of a request came too late");
                return;
            }
            Ok(outcome) => {
                tracing::warn!(mediator = %client.member(), %request_id, ?outcome, "the results of a request were not delivered");
            }
            Err(error) => {
                tracing::warn!(mediator = %client.member(), %request_id, error = %chain(&error), "the results of a request are not sent yet");
            }
        }
        if client.time().latest().is_some_and(|now| now > conclusion.decision_time) {
            tracing::error!(mediator = %client.member(), %request_id, "the results of a request were not sent in time");
            return;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn send(
    client: &SequencerClient,
    version: ProtocolVersion,
    conclusion: &Conclusion,
    trace: &TraceContext,
) -> Result<SendOutcome, SendError> {
    let view = client.await_snapshot(conclusion.request_id).await?;
    let mut envelopes = Vec::with_capacity(conclusion.results.len());
    for (content, participants) in &conclusion.results {
        let message = signed(client, &view, content).await?;
        let recipients = alone(participants)?;
        envelopes.push(ProtocolMessage::Signed(Box::new(message)).to_envelope(recipients, version)?);
    }
    let submission = Submission::new(Batch::new(envelopes))
        .with_message_id(conclusion.message_id())
        .not_after(conclusion.decision_time)
        .signed_as_of(conclusion.request_id)
        .in_trace(trace.clone());
    Ok(client.send(submission).await?.await)
}

async fn signed(
    client: &SequencerClient,
    view: &cantle_topology::TopologyView,
    content: &ResultContent,
) -> Result<SignedProtocolMessage, SyncSignError> {
    let content = SignedProtocolContent::from(content.clone());
    let crypto = client.crypto().expect("a mediator is a member with keys");
    let signature = crypto.sign(view, &content.hash()).await?;
    Ok(SignedProtocolMessage::assemble(content, signature))
}

/// Each participant alone: nobody learns who else is concerned.
fn alone(participants: &BTreeSet<ParticipantId>) -> Result<Recipients, RecipientsError> {
    Recipients::groups(participants.iter().map(|participant| [participant.member().clone()]))
}

fn log_unknown(at: CantonTimestamp, error: &SnapshotError) {
    tracing::warn!(%at, error = %chain(error), "the topology of a request is not known");
}
