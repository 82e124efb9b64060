//! The sequencer in memory: what it keeps, how it orders, and how a test gets at it.

mod api;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cantle_protocol::{
    Batch, DeliverErrorReason, EventContent, MessageId, ProtocolMessage, SequencedEvent, SequencerCounter,
    Signable as _, SignedContent, SubmissionRequest, TraceContext,
};
use cantle_topology::{SignedTopologyTransaction, TopologyTimeline, TopologyView};
use cantle_types::{CantonTimestamp, Clock, Member};
use futures::{StreamExt, stream};
use tokio::sync::watch;

use super::{Call, Fault, TestDomain};
use crate::api::{Caller, EventStream, ReceivedEvent, SequencerApi};
use crate::error::{ApiError, AuthErrorCode};

const SIZE_LIMIT: usize = 10 * 1024 * 1024;
const TOKEN_LIFETIME: Duration = Duration::from_secs(3600);

/// What a test makes of an event on its way to a member.
type Alter = dyn Fn(&Member, SignedContent<SequencedEvent>) -> SignedContent<SequencedEvent> + Send + Sync;

/// A sequencer in memory. Clones are the same one.
#[derive(Clone)]
pub struct TestSequencer(Arc<Inner>);

struct Inner {
    domain: Arc<TestDomain>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

struct State {
    timeline: TopologyTimeline,
    latest: CantonTimestamp,
    events: HashMap<Member, Vec<ReceivedEvent>>,
    taken: HashMap<Member, usize>,
    /// Submissions that were accepted and are not sequenced yet, while they are held.
    held: VecDeque<(SubmissionRequest, TraceContext)>,
    holding: bool,
    faults: HashMap<Call, VecDeque<Fault>>,
    calls: BTreeMap<Call, usize>,
    nonces: HashSet<(Member, Vec<u8>)>,
    next_nonce: Option<Vec<u8>>,
    tokens: HashMap<Vec<u8>, Member>,
    acknowledged: Vec<(Member, CantonTimestamp)>,
    submissions: Vec<SubmissionRequest>,
    alter: Option<Arc<Alter>>,
    /// Counts the disconnections; a stream of an earlier count ends as the last one says.
    generation: u64,
    ending: Option<Fault>,
}

/// What a stream does next.
enum Step {
    Event(Box<ReceivedEvent>),
    End(Option<ApiError>),
    Wait,
}

impl TestSequencer {
    /// The sequencer of a domain, before the domain's topology is sequenced.
    #[must_use]
    pub fn new(domain: Arc<TestDomain>, clock: Arc<dyn Clock>) -> Self {
        let timeline = TopologyTimeline::new(domain.id.clone(), domain.parameters.protocol_version);
        let state = State {
            timeline,
            latest: CantonTimestamp::MIN,
            events: HashMap::new(),
            taken: HashMap::new(),
            held: VecDeque::new(),
            holding: false,
            faults: HashMap::new(),
            calls: BTreeMap::new(),
            nonces: HashSet::new(),
            next_nonce: None,
            tokens: HashMap::new(),
            acknowledged: Vec::new(),
            submissions: Vec::new(),
            alter: None,
            generation: 0,
            ending: None,
        };
        Self(Arc::new(Inner { domain, clock, state: Mutex::new(state), changed: watch::Sender::new(0) }))
    }

    /// As members see it.
    #[must_use]
    pub fn api(&self) -> Arc<dyn SequencerApi> {
        Arc::new(self.clone())
    }

    /// The domain.
    #[must_use]
    pub fn domain(&self) -> &TestDomain {
        &self.0.domain
    }

    /// Sequences a message of the domain's topology manager to some members, and takes it in itself.
    ///
    /// # Panics
    /// When the topology cannot be fed.
    pub fn publish_topology(
        &self,
        transactions: Vec<SignedTopologyTransaction>,
        to: &[Member],
    ) -> CantonTimestamp {
        let message = self.0.domain.topology_message(transactions.clone(), CantonTimestamp::MAX);
        let batch = self.0.domain.batch(&ProtocolMessage::DomainTopology(Box::new(message)), to);
        let at = self.deliver(&batch);
        let mut state = self.state();
        state.timeline.feed(at.to_timestamp(), &transactions).expect("times rise");
        at
    }

    /// Lets members have the topology of the domain and their own.
    pub fn onboard(&self, members: &[&super::TestMember]) -> CantonTimestamp {
        let domain = &self.0.domain;
        let mut transactions = domain.initial_topology();
        for member in members {
            let own = member.topology();
            // The participant's own consent comes after the domain's, as the domain's topology manager does it.
            transactions.extend(own[..3].iter().cloned());
            transactions.push(domain.trust(&member.participant));
            transactions.extend(own[3..].iter().cloned());
        }
        let to: Vec<_> = members.iter().map(|member| member.member()).collect();
        self.publish_topology(transactions, &to)
    }

    /// Sequences a batch of nobody in particular.
    pub fn deliver(&self, batch: &Batch) -> CantonTimestamp {
        let mut state = self.state();
        let at = self.next_time(&mut state);
        self.sequence(&mut state, at, batch, None, None, &TraceContext::none());
        drop(state);
        self.changed();
        at
    }

    /// Tells a sender that its submission was sequenced and not delivered.
    pub fn deliver_error(
        &self,
        to: &Member,
        message_id: MessageId,
        reason: DeliverErrorReason,
    ) -> CantonTimestamp {
        let mut state = self.state();
        let at = self.next_time(&mut state);
        let content = EventContent::DeliverError { message_id, reason };
        self.push(&mut state, to, at, content, None, TraceContext::none());
        drop(state);
        self.changed();
        at
    }

    /// The next calls of a kind fail so, one after the other.
    pub fn fail(&self, call: Call, faults: impl IntoIterator<Item = Fault>) {
        self.state().faults.entry(call).or_default().extend(faults);
    }

    /// How often a call was made.
    #[must_use]
    pub fn calls(&self, call: Call) -> usize {
        self.state().calls.get(&call).copied().unwrap_or(0)
    }

    /// Ends all subscriptions, with a fault or without a word.
    pub fn disconnect(&self, fault: Option<Fault>) {
        let mut state = self.state();
        state.generation += 1;
        state.ending = fault;
        drop(state);
        self.changed();
    }

    /// Accepts submissions from now on without sequencing them.
    pub fn hold(&self) {
        self.state().holding = true;
    }

    /// Sequences what was held, in an order of the test's choice.
    pub fn release(&self, order: impl FnOnce(&mut Vec<(SubmissionRequest, TraceContext)>)) {
        let mut state = self.state();
        state.holding = false;
        let mut held: Vec<_> = state.held.drain(..).collect();
        order(&mut held);
        for (request, trace) in held {
            self.sequence_submission(&mut state, &request, &trace);
        }
        drop(state);
        self.changed();
    }

    /// The next challenge is this one.
    pub fn challenge_with(&self, nonce: Vec<u8>) {
        self.state().next_nonce = Some(nonce);
    }

    /// Forgets all tokens.
    pub fn forget_tokens(&self) {
        self.state().tokens.clear();
    }

    /// Alters events on their way, until told otherwise.
    pub fn alter<F>(&self, alter: F)
    where
        F: Fn(&Member, SignedContent<SequencedEvent>) -> SignedContent<SequencedEvent>
            + Send
            + Sync
            + 'static,
    {
        self.state().alter = Some(Arc::new(alter));
    }

    /// Delivers events as they are again.
    pub fn stop_altering(&self) {
        self.state().alter = None;
    }

    /// What members have acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> Vec<(Member, CantonTimestamp)> {
        self.state().acknowledged.clone()
    }

    /// The submissions that were accepted, sequenced or not.
    #[must_use]
    pub fn submissions(&self) -> Vec<SubmissionRequest> {
        self.state().submissions.clone()
    }

    /// The events of a member.
    #[must_use]
    pub fn events(&self, member: &Member) -> Vec<ReceivedEvent> {
        self.state().events.get(member).cloned().unwrap_or_default()
    }

    /// How many events a member has taken from its subscriptions.
    #[must_use]
    pub fn taken(&self, member: &Member) -> usize {
        self.state().taken.get(member).copied().unwrap_or(0)
    }

    /// The topology with all that was sequenced.
    #[must_use]
    pub fn topology(&self) -> TopologyView {
        self.state().timeline.latest().clone()
    }

    /// An event signed by the sequencer.
    ///
    /// # Panics
    /// When it cannot be signed.
    #[must_use]
    pub fn signed(
        &self,
        event: SequencedEvent,
        key_time: Option<CantonTimestamp>,
    ) -> SignedContent<SequencedEvent> {
        let signature =
            self.0.domain.sequencer_key().sign_hash(&event.hash()).expect("a key in memory signs");
        SignedContent::assemble(event, signature, key_time)
    }

    /// The clock's time, or the first that is left after the latest event.
    fn next_time(&self, state: &mut State) -> CantonTimestamp {
        let now = CantonTimestamp::from(self.0.clock.now());
        let next = state.latest.successor().unwrap_or(CantonTimestamp::MAX);
        state.latest = now.max(next);
        state.latest
    }

    fn sequence_submission(&self, state: &mut State, request: &SubmissionRequest, trace: &TraceContext) {
        let at = self.next_time(state);
        if at > request.max_sequencing_time() {
            return;
        }
        let key_time = request.timestamp_of_signing_key();
        let sender = Some((request.sender(), request.message_id()));
        match request.batch().decompress(SIZE_LIMIT) {
            Ok(batch) => self.sequence(state, at, &batch, sender, key_time, trace),
            Err(error) => {
                let reason = DeliverErrorReason::BatchInvalid(error.to_string());
                let content = EventContent::DeliverError { message_id: request.message_id().clone(), reason };
                self.push(state, request.sender(), at, content, key_time, trace.clone());
            }
        }
    }

    fn sequence(
        &self,
        state: &mut State,
        at: CantonTimestamp,
        batch: &Batch,
        sender: Option<(&Member, &MessageId)>,
        key_time: Option<CantonTimestamp>,
        trace: &TraceContext,
    ) {
        let mut members = batch.members();
        members.extend(sender.map(|(sender, _)| sender));
        for member in members {
            let message_id = sender.filter(|(sender, _)| *sender == member).map(|(_, id)| id.clone());
            let batch = batch.for_member(member).compress();
            let content = EventContent::Deliver { message_id, batch };
            self.push(state, member, at, content, key_time, trace.clone());
        }
    }

    fn push(
        &self,
        state: &mut State,
        member: &Member,
        at: CantonTimestamp,
        content: EventContent,
        key_time: Option<CantonTimestamp>,
        trace: TraceContext,
    ) {
        let events = state.events.entry(member.clone()).or_default();
        let counter = i64::try_from(events.len()).ok().and_then(|number| SequencerCounter::new(number).ok());
        let counter = counter.expect("fewer events than fit into memory");
        let event = SequencedEvent::new(counter, at, self.0.domain.id.clone(), content);
        events.push(ReceivedEvent { event: self.signed(event, key_time), trace });
    }

    fn changed(&self) {
        self.0.changed.send_modify(|count| *count += 1);
    }

    /// Counts a call and gives the fault that it meets.
    fn called(&self, call: Call) -> Option<Fault> {
        let mut state = self.state();
        *state.calls.entry(call).or_default() += 1;
        state.faults.get_mut(&call).and_then(VecDeque::pop_front)
    }

    /// As [`TestSequencer::called`], where a fault means that nothing happens.
    fn called_or_failed(&self, call: Call) -> Result<(), ApiError> {
        self.called(call).map_or(Ok(()), |fault| Err(fault.error(call)))
    }

    fn check_token(&self, call: Call, caller: &Caller) -> Result<(), ApiError> {
        let known = caller.token.as_ref().and_then(|token| self.state().tokens.get(token.expose()).cloned());
        match known {
            Some(member) if member == caller.member => Ok(()),
            _ => Err(Fault::Auth(AuthErrorCode::MissingToken).error(call)),
        }
    }

    fn accept(&self, request: &SubmissionRequest, trace: &TraceContext) {
        let mut state = self.state();
        state.submissions.push(request.clone());
        if state.holding {
            state.held.push_back((request.clone(), trace.clone()));
            return;
        }
        self.sequence_submission(&mut state, request, trace);
        drop(state);
        self.changed();
    }

    fn stream(&self, member: Member, from: SequencerCounter) -> EventStream {
        let (generation, changed) = (self.state().generation, self.0.changed.subscribe());
        let start = Some((self.clone(), changed, usize::try_from(from.get()).unwrap_or(usize::MAX)));
        let events = stream::unfold(start, move |state| {
            let member = member.clone();
            async move {
                let (sequencer, mut changed, next) = state?;
                loop {
                    changed.borrow_and_update();
                    match sequencer.step(&member, next, generation) {
                        Step::Event(event) => {
                            return Some((Ok(*event), Some((sequencer, changed, next + 1))));
                        }
                        Step::End(Some(error)) => return Some((Err(error), None)),
                        Step::End(None) => return None,
                        Step::Wait => changed.changed().await.ok()?,
                    }
                }
            }
        });
        events.boxed()
    }

    fn step(&self, member: &Member, next: usize, generation: u64) -> Step {
        let mut state = self.state();
        if state.generation != generation {
            return Step::End(state.ending.as_ref().map(|fault| fault.error(Call::Subscribe)));
        }
        let Some(received) = state.events.get(member).and_then(|events| events.get(next)) else {
            return Step::Wait;
        };
        let mut received = received.clone();
        *state.taken.entry(member.clone()).or_default() += 1;
        if let Some(alter) = &state.alter {
            received.event = alter(member, received.event);
        }
        Step::Event(Box::new(received))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for TestSequencer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestSequencer").field("domain", &self.0.domain.id).finish_non_exhaustive()
    }
}
