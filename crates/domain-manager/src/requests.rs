//! Participants' requests to take their topology transactions, answered one after the other.
//!
//! A request is decided on by `onboarding`, what is taken goes through the topology manager like everything else, and the
//! answer goes to whoever asked. Until the answer is seen among the manager's own events the request counts as open: after
//! a restart it comes again, and is decided anew with the same outcome for what was taken before.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use cantle_identity::{ChangeError, TopologyManager};
use cantle_protocol::{
    Batch, MessageId, ProtocolMessage, Recipients, RegisterTopologyTransactionRequest,
    RegisterTopologyTransactionResponse, RegistrationResult, RegistrationState, SequencerCounter,
    TraceContext,
};
use cantle_sequencing::{Delivery, EventHandler, HandlerError, SequencerClient, Submission, chain};
use cantle_topology::{ChangeOptions, TopologyChangeOp, TopologyMapping};
use cantle_types::{CantonTimestamp, DomainId, Member, MemberCode, ParticipantId};
use tokio::sync::{mpsc, watch};

use crate::onboarding::{Decision, OnboardingPolicy, Step, decide, result_of};

/// Requests that wait. Whoever hands in more is answered later: events are held back meanwhile.
const QUEUE: usize = 256;
/// What answers are called, before the counter of the request.
const ANSWER: &str = "dom:registration:";

/// A request and the event that brought it.
#[derive(Debug)]
pub(crate) struct Asked {
    counter: SequencerCounter,
    request: RegisterTopologyTransactionRequest,
    trace: TraceContext,
}

/// Takes requests out of the manager's events.
#[derive(Debug)]
pub(crate) struct RequestHandler {
    domain: DomainId,
    manager: Member,
    queue: mpsc::Sender<Asked>,
    open: Arc<OpenRequests>,
    caught_up: watch::Sender<bool>,
}

/// The requests that are not known to be answered.
#[derive(Debug, Default)]
pub(crate) struct OpenRequests(Mutex<BTreeMap<SequencerCounter, Answer>>);

/// How far a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// Its answer was not seen.
    Missing,
    /// Its answer was seen, in an event after it.
    Seen,
}

impl OpenRequests {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<SequencerCounter, Answer>> {
        // Single insertions and removals leave the map whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, counter: SequencerCounter) {
        self.lock().insert(counter, Answer::Missing);
    }

    /// The answer to a request was seen.
    fn answered(&self, counter: SequencerCounter) {
        if let Some(answer) = self.lock().get_mut(&counter) {
            *answer = Answer::Seen;
        }
    }

    fn is_answered(&self, counter: SequencerCounter) -> bool {
        self.lock().get(&counter) == Some(&Answer::Seen)
    }

    fn end(&self, counter: SequencerCounter) {
        self.lock().remove(&counter);
    }

    fn oldest(&self) -> Option<SequencerCounter> {
        self.lock().keys().next().copied()
    }
}

/// The two ends of the way that requests take, and what both know.
pub(crate) fn channel(
    domain: DomainId,
    manager: Member,
) -> (RequestHandler, mpsc::Receiver<Asked>, Arc<OpenRequests>, watch::Receiver<bool>) {
    let (queue, asked) = mpsc::channel(QUEUE);
    let open = Arc::new(OpenRequests::default());
    let (caught_up, is_caught_up) = watch::channel(false);
    let handler = RequestHandler { domain, manager, queue, open: Arc::clone(&open), caught_up };
    (handler, asked, open, is_caught_up)
}

#[async_trait]
impl EventHandler for RequestHandler {
    async fn handle(&self, events: Vec<Delivery>) -> Result<(), HandlerError> {
        for delivery in events {
            let counter = delivery.counter();
            if let Some(request) = delivery.event.content().message_id().and_then(request_of_answer) {
                self.open.answered(request);
            }
            for envelope in delivery.envelopes {
                let Ok(ProtocolMessage::RegisterTopologyRequest(request)) = envelope.message else {
                    continue;
                };
                if request.domain_id != self.domain {
                    tracing::warn!(manager = %self.manager, domain = %request.domain_id, "a request for another domain was left out");
                    continue;
                }
                self.open.begin(counter);
                let asked = Asked { counter, request: *request, trace: delivery.trace.clone() };
                // The other end lives as long as the domain manager runs.
                if self.queue.send(asked).await.is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn clean(&self, handled: SequencerCounter) -> Option<SequencerCounter> {
        match self.open.oldest() {
            None => Some(handled),
            Some(oldest) => SequencerCounter::new(oldest.get() - 1).ok(),
        }
    }

    async fn caught_up(&self, _at: CantonTimestamp) {
        self.caught_up.send_replace(true);
    }
}

/// The counter of the request that a message id answers.
fn request_of_answer(id: &MessageId) -> Option<SequencerCounter> {
    SequencerCounter::new(id.as_str().strip_prefix(ANSWER)?.parse().ok()?).ok()
}

/// Decides on requests and answers them.
#[derive(Debug)]
pub(crate) struct Registrar {
    pub(crate) manager: TopologyManager,
    pub(crate) client: SequencerClient,
    pub(crate) policy: OnboardingPolicy,
    pub(crate) open: Arc<OpenRequests>,
}

impl Registrar {
    /// Answers requests, for ever; none before it is known which were answered already.
    pub(crate) async fn run(self, mut asked: mpsc::Receiver<Asked>, mut caught_up: watch::Receiver<bool>) {
        if caught_up.wait_for(|caught_up| *caught_up).await.is_err() {
            return;
        }
        while let Some(Asked { counter, request, trace }) = asked.recv().await {
            if !self.open.is_answered(counter) {
                match self.register(&request).await {
                    Ok(results) => self.answer(counter, request, results, trace).await,
                    Err(error) => {
                        tracing::error!(participant = %request.participant, error = %chain(&error), "topology transactions were not added and the request is not answered; the participant will ask again");
                    }
                }
            }
            self.open.end(counter);
        }
    }

    /// Takes what is to be taken, and says what became of each transaction.
    ///
    /// # Errors
    /// A trouble of the domain's own that may pass: an answer would be final for the participant, silence is not.
    async fn register(
        &self,
        request: &RegisterTopologyTransactionRequest,
    ) -> Result<Vec<RegistrationResult>, ChangeError> {
        let participant = &request.participant;
        let Decision { steps, mut results } = decide(&self.policy, &self.manager.state(), request);
        if let Some(refused) = results.iter().find(|result| !result.state.is_settled()) {
            tracing::warn!(%participant, requested_by = %request.requested_by, reason = refused.error_message, "topology transactions are not taken");
        }
        let mut steps = steps.into_iter();
        while let Some(step) = steps.next() {
            let done = match &step {
                Step::Add(index) => self.manager.add(request.transactions[*index].clone()).await,
                Step::Trust(mapping) => self.trust(participant, mapping.clone()).await,
            };
            let Err(error) = done else { continue };
            if error.retryable() {
                return Err(error);
            }
            tracing::warn!(%participant, error = %chain(&error), "a topology transaction was not added");
            let said = match &error {
                ChangeError::Topology(error) => result_of(error),
                error => RegistrationResult { state: RegistrationState::Failed, error_message: chain(error) },
            };
            if let Step::Add(index) = step {
                let settled = said.state.is_settled();
                results[index] = said.clone();
                if settled {
                    continue;
                }
            }
            // What follows rests on this.
            for step in steps {
                if let Step::Add(index) = step {
                    results[index] = RegistrationResult {
                        state: RegistrationState::Failed,
                        error_message: format!("what it rests on was not added: {}", said.error_message),
                    };
                }
            }
            break;
        }
        Ok(results)
    }

    /// The domain's side of the participant's state, signed with the domain's namespace key.
    async fn trust(&self, participant: &ParticipantId, mapping: TopologyMapping) -> Result<(), ChangeError> {
        self.manager.authorize(TopologyChangeOp::Add, mapping, None, ChangeOptions::default()).await?;
        tracing::info!(%participant, "a participant joins the domain");
        Ok(())
    }

    /// Sends the answer until it is accepted, or nobody can receive it any more.
    async fn answer(
        &self,
        counter: SequencerCounter,
        request: RegisterTopologyTransactionRequest,
        results: Vec<RegistrationResult>,
        trace: TraceContext,
    ) {
        let recipient = request.requested_by.clone();
        let response = RegisterTopologyTransactionResponse {
            requested_by: request.requested_by,
            participant: request.participant,
            request_id: request.request_id,
            results,
            domain_id: request.domain_id,
        };
        let message = ProtocolMessage::RegisterTopologyResponse(Box::new(response));
        let envelope =
            match message.to_envelope(Recipients::only(recipient.clone()), self.manager.protocol_version()) {
                Ok(envelope) => envelope,
                Err(error) => {
                    tracing::error!(%recipient, error = %chain(&error), "an answer cannot be written");
                    return;
                }
            };
        let Ok(id) = format!("{ANSWER}{}", counter.get()).parse::<MessageId>() else { return };
        let submission = Submission::new(Batch::new(vec![envelope])).with_message_id(id).in_trace(trace);
        match self.client.send(submission).await {
            Ok(pending) => drop(pending),
            // A member that has not authenticated itself is gone once it does not listen.
            Err(error) if recipient.code() == MemberCode::Unauthenticated => {
                tracing::info!(%recipient, error = %chain(&error), "an answer found nobody");
            }
            Err(error) => {
                tracing::warn!(%recipient, error = %chain(&error), "an answer was not sent; the participant will ask again");
            }
        }
    }
}
