//! The task that works through a participant's events on a domain, one after the other.
//!
//! It validates requests, has them answered, and commits or rolls back when the mediator has concluded. What it commits
//! it tells to others. Invariants: the clean cursor stays before the oldest request that is open and the oldest contract
//! that can still be used; answers of a replay are held back until it is known which were sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cantle_crypto::Hash;
use cantle_protocol::{
    ContractId, SequencerCounter, SignedProtocolContent, SignedProtocolMessage, TraceContext, Verdict,
    ViewContent,
};
use cantle_sequencing::{SequencerClient, WantedTime, chain};
use cantle_topology::TopologyView;
use cantle_types::{CantonTimestamp, MediatorId, ParticipantId, ProtocolVersion};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::Instrument;

use super::contracts::{Contracts, Request};
use super::inbox::{Item, What};
use super::pending::{Outcome, Submissions};
use super::request::OpenedRequest;
use super::respond::Answers;
use super::validate::{Checked, CheckedRequest, Step, Validator};
use crate::ping::PingContract;

/// What the worker tells of what it committed.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// A contract of a ping was created.
    Created {
        /// The contract.
        contract: Box<cantle_protocol::Contract>,
        /// What it says.
        ping: Box<PingContract>,
        /// Whether it is known from a replay.
        replayed: bool,
    },
    /// A step of a ping was not approved.
    Refused {
        /// Which step.
        step: Step,
        /// Why.
        reason: String,
    },
    /// The replay is over.
    CaughtUp,
}

/// How far the worker is, for the clean cursor.
#[derive(Debug, Default)]
pub(crate) struct Progress(Mutex<Counters>);

#[derive(Debug, Default)]
struct Counters {
    /// The last event that was received.
    received: Option<SequencerCounter>,
    /// The last event that was worked through.
    worked: Option<SequencerCounter>,
    /// The oldest event that is still needed.
    needed: Option<SequencerCounter>,
}

impl Progress {
    pub(crate) fn received(&self, counter: SequencerCounter) {
        self.lock().received = Some(counter);
    }

    pub(crate) fn last(&self) -> SequencerCounter {
        self.lock().received.unwrap_or(SequencerCounter::GENESIS)
    }

    /// The last event with which all is done.
    pub(crate) fn clean(&self, handled: SequencerCounter) -> Option<SequencerCounter> {
        let counters = self.lock();
        let worked = counters.worked?.min(handled);
        match counters.needed {
            Some(needed) => SequencerCounter::new(needed.get() - 1).ok().map(|before| before.min(worked)),
            None => Some(worked),
        }
    }

    fn worked(&self, counter: SequencerCounter, needed: Option<SequencerCounter>) {
        let mut counters = self.lock();
        counters.worked = Some(counter);
        counters.needed = needed;
    }

    fn lock(&self) -> MutexGuard<'_, Counters> {
        // Single assignments leave it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request whose result is waited for.
#[derive(Debug)]
struct Open {
    request: Request,
    root_hash: Hash,
    mediator: MediatorId,
    content: Option<ViewContent>,
    step: Option<Step>,
    response_deadline: CantonTimestamp,
    decision_time: CantonTimestamp,
    /// Makes sure that the decision time is seen to pass.
    _until: WantedTime,
}

/// The worker of one connection.
#[derive(Debug)]
pub(crate) struct Worker {
    participant: ParticipantId,
    version: ProtocolVersion,
    client: SequencerClient,
    submissions: Arc<Submissions>,
    progress: Arc<Progress>,
    events: mpsc::UnboundedSender<Event>,
    contracts: Arc<Mutex<Contracts>>,
    open: BTreeMap<CantonTimestamp, Open>,
    /// Requests whose mediator has to say what is wrong with them, and until when it can.
    waiting: BTreeMap<CantonTimestamp, CantonTimestamp>,
    /// Answers of a replay.
    held_back: Option<BTreeMap<CantonTimestamp, Answers>>,
    sending: JoinSet<()>,
}

impl Worker {
    pub(crate) fn new(
        participant: ParticipantId,
        version: ProtocolVersion,
        client: SequencerClient,
        submissions: Arc<Submissions>,
        progress: Arc<Progress>,
        contracts: Arc<Mutex<Contracts>>,
        events: mpsc::UnboundedSender<Event>,
    ) -> Self {
        Self {
            participant,
            version,
            client,
            submissions,
            progress,
            events,
            contracts,
            open: BTreeMap::new(),
            waiting: BTreeMap::new(),
            held_back: Some(BTreeMap::new()),
            sending: JoinSet::new(),
        }
    }

    /// Works until no more events come.
    pub(crate) async fn run(mut self, mut items: mpsc::Receiver<Item>) {
        while let Some(item) = items.recv().await {
            self.work(item).await;
        }
        self.sending.shutdown().await;
    }

    async fn work(&mut self, item: Item) {
        let Item { at, counter, trace, what } = item;
        match what {
            What::Time => {}
            What::Request(opened) => match opened.await {
                Ok(opened) => self.request(at, counter, trace, opened),
                Err(error) => tracing::error!(%at, %error, "a request could not be opened"),
            },
            What::Results(results) => results.into_iter().for_each(|result| self.result(at, &result)),
            What::Answered(request_id) => {
                if let Some(held_back) = &mut self.held_back {
                    held_back.remove(&request_id);
                }
            }
            What::CaughtUp => self.caught_up(),
        }
        self.time(at);
        let contracts = lock(&self.contracts).needed_from();
        let open = self.open.values().map(|open| open.request.counter).min();
        self.progress.worked(counter, open.into_iter().chain(contracts).min());
    }

    fn request(
        &mut self,
        at: CantonTimestamp,
        counter: SequencerCounter,
        trace: TraceContext,
        opened: OpenedRequest,
    ) {
        let Some(topology) = self.topology(at) else { return };
        let Some(crypto) = self.client.crypto() else { return };
        let validator =
            Validator { participant: &self.participant, crypto, topology: &topology, request_id: at };
        let checked = validator.check(opened, &mut lock(&self.contracts));
        match checked {
            Checked::Ignored(reason) => {
                tracing::warn!(participant = %self.participant, %at, reason, "a request is ignored");
            }
            Checked::WaitForResult { root_hash, reason } => {
                tracing::warn!(participant = %self.participant, %at, reason, "a request is not answered");
                self.waiting.insert(at, deadlines(at, &topology).1);
                if let Some(root_hash) = root_hash {
                    // Without this participant's answer it comes to nothing, if it is its own.
                    self.submissions.settle(&root_hash, Outcome::RolledBack(reason));
                }
            }
            Checked::Open(request) => self.opened(at, counter, trace, *request, &topology),
        }
    }

    fn opened(
        &mut self,
        at: CantonTimestamp,
        counter: SequencerCounter,
        trace: TraceContext,
        request: CheckedRequest,
        topology: &TopologyView,
    ) {
        let CheckedRequest { root_hash, mediator, content, step, answers } = request;
        let (response_deadline, decision_time) = deadlines(at, topology);
        for answer in &answers {
            if let cantle_protocol::LocalVerdict::Reject(reject) = &answer.verdict {
                tracing::warn!(participant = %self.participant, request_id = %at, code = reject.error_code, "a request is rejected: {}{}", reject.cause_prefix, reject.details);
            }
        }
        let after = decision_time.successor().unwrap_or(decision_time);
        let tolerance = topology.parameters().ledger_time_record_time_tolerance;
        let open = Open {
            request: Request { at, counter, tolerance },
            root_hash,
            mediator: mediator.clone(),
            content,
            step,
            response_deadline,
            decision_time,
            _until: self.client.time().want(after),
        };
        self.open.insert(at, open);
        if answers.is_empty() {
            return;
        }
        let answers = Answers {
            participant: self.participant.clone(),
            version: self.version,
            request_id: at,
            root_hash,
            mediator,
            deadline: response_deadline,
            answers,
            trace,
        };
        match &mut self.held_back {
            Some(held_back) => {
                held_back.insert(at, answers);
            }
            None => self.answer(answers),
        }
    }

    fn answer(&mut self, answers: Answers) {
        while self.sending.try_join_next().is_some() {}
        let (client, submissions) = (self.client.clone(), Arc::clone(&self.submissions));
        self.sending.spawn(answers.send_in_time(client, submissions).in_current_span());
    }

    fn caught_up(&mut self) {
        for (_, answers) in self.held_back.take().unwrap_or_default() {
            self.answer(answers);
        }
        let _ = self.events.send(Event::CaughtUp);
    }

    fn result(&mut self, at: CantonTimestamp, message: &SignedProtocolMessage) {
        let (request_id, verdict) = match message.content() {
            SignedProtocolContent::TransactionResult(result) => {
                (result.request_id(), Some(result.verdict().clone()))
            }
            SignedProtocolContent::MalformedMediatorRequestResult(result) => (result.request_id(), None),
            _ => return,
        };
        let ignored = |reason: &str| {
            tracing::warn!(participant = %self.participant, %at, %request_id, reason, "a result is ignored");
        };
        let Some(open) = self.open.get(&request_id) else {
            if self.waiting.remove(&request_id).is_none() {
                ignored("its request is not known");
            }
            return;
        };
        if at > open.decision_time {
            return ignored("it came after the decision time");
        }
        let timed_out = verdict.as_ref().is_some_and(Verdict::is_timeout);
        if timed_out && at <= open.response_deadline {
            return ignored("it says that answers came too late, which they could not yet");
        }
        if let SignedProtocolContent::TransactionResult(result) = message.content()
            && result.root_hash() != open.root_hash
        {
            return ignored("it has another root hash");
        }
        let Some(topology) = self.topology(request_id) else { return };
        let Some(crypto) = self.client.crypto() else { return };
        let mediator = open.mediator.member();
        if let Err(error) = crypto.verify(&topology, mediator, &message.content().hash(), message.signature())
        {
            return ignored(&chain(&error));
        }
        let Some(open) = self.open.remove(&request_id) else { return };
        let outcome = match verdict {
            Some(verdict) => Outcome::Verdict(verdict),
            None => Outcome::RolledBack("the mediator could not read the request".to_owned()),
        };
        self.finish(request_id, &open, outcome);
    }

    /// Commits or rolls back, and tells whoever waits for it.
    fn finish(&self, request_id: CantonTimestamp, open: &Open, outcome: Outcome) {
        let refused = outcome.rejection();
        self.carry_out(request_id, open, refused.is_none());
        if let (Some(reason), Some(step)) = (refused, open.step.clone()) {
            // The other end lives as long as the connection.
            let _ = self.events.send(Event::Refused { step, reason });
        }
        self.submissions.settle(&open.root_hash, outcome);
    }

    fn carry_out(&self, request_id: CantonTimestamp, open: &Open, approved: bool) {
        let Some(content) = &open.content else {
            if approved {
                tracing::error!(participant = %self.participant, %request_id, "a request was approved that this participant found wrong; it is not committed here");
            }
            return;
        };
        let mut contracts = lock(&self.contracts);
        if !approved {
            contracts.roll_back(request_id, content);
            return;
        }
        contracts.commit(open.request, content);
        drop(contracts);
        for created in &content.created {
            // It was read when the request was checked.
            let Ok(ping) = PingContract::from_contract(&created.contract) else { continue };
            let event = Event::Created {
                contract: Box::new(created.contract.clone()),
                ping: Box::new(ping),
                replayed: self.held_back.is_some(),
            };
            // The other end lives as long as the connection.
            let _ = self.events.send(event);
        }
    }

    /// What has no result by its decision time is rolled back.
    fn time(&mut self, at: CantonTimestamp) {
        let late: Vec<_> =
            self.open.iter().filter(|(_, open)| open.decision_time < at).map(|(id, _)| *id).collect();
        for request_id in late {
            let Some(open) = self.open.remove(&request_id) else { continue };
            tracing::warn!(participant = %self.participant, %request_id, "a request had no result in time and is rolled back");
            let reason = format!("{} said nothing until {}", open.mediator, open.decision_time);
            self.finish(request_id, &open, Outcome::RolledBack(reason));
        }
        self.waiting.retain(|_, until| *until >= at);
        lock(&self.contracts).time(at);
    }

    fn topology(&self, at: CantonTimestamp) -> Option<TopologyView> {
        match self.client.topology()?.snapshot(at) {
            Ok(view) => Some(view),
            Err(error) => {
                tracing::warn!(%at, error = %chain(&error), "the topology of a request is not known");
                None
            }
        }
    }
}

/// Until when a request of a time can be answered, and until when it can be decided.
fn deadlines(at: CantonTimestamp, topology: &TopologyView) -> (CantonTimestamp, CantonTimestamp) {
    let parameters = topology.parameters();
    let response_deadline = at.saturating_add(parameters.participant_response_timeout);
    (response_deadline, response_deadline.saturating_add(parameters.mediator_reaction_timeout))
}

/// The contracts; whoever holds the lock does not wait for anything.
pub(crate) fn lock(contracts: &Mutex<Contracts>) -> MutexGuard<'_, Contracts> {
    contracts.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A contract that can be used at present.
pub(crate) fn active(contracts: &Mutex<Contracts>, id: &ContractId) -> Option<cantle_protocol::Contract> {
    lock(contracts).active(id).cloned()
}
