//! Pings under way: who waits for which pong, and what this participant does when a contract of a ping appears.
//!
//! A responder answers every ping that names its party, as long as the contract is active; an initiator is done when it has
//! seen the pong, and ends it. A ping that the sequencer does not take just now is sent again while its time lasts; a step
//! that fails later is taken again while its contract can be used. A ping that does not succeed says how far it came.
//! Source: Canton 2.10's `PingService`.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cantle_crypto::Hash;
use cantle_protocol::Contract;
use cantle_sequencing::chain;
use cantle_topology::TopologyView;
use cantle_types::{DomainId, Member, ParticipantId, PartyId};
use thiserror::Error;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::domain::Core;
use crate::ping::{Command, ContractState, PingContract};
use crate::transaction::{Event, Submitted, active};

/// Answers that are being made at once.
const REACTIONS: usize = 256;
/// How often an answer that did not come to pass is made again, as long as its contract can be used.
const REPEATS: u32 = 7;
/// How long after the first time; twice as long after each.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// How long after a ping was not sent it is sent again; twice as long after each time, since each takes two signatures.
const SHORT_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// What a ping asks for.
#[derive(Debug, Clone)]
pub struct PingRequest {
    /// Who may respond; at least one party.
    pub responders: BTreeSet<PartyId>,
    /// Who is told besides.
    pub validators: BTreeSet<PartyId>,
    /// What the ping is called; a random id without one.
    pub id: Option<String>,
    /// The workflow that it belongs to.
    pub workflow_id: Option<String>,
    /// How long it may take.
    pub timeout: Duration,
}

/// A ping that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PingSuccess {
    /// From the call to the pong.
    pub time: Duration,
    /// Who responded.
    pub responder: PartyId,
    /// On which domain.
    pub domain: DomainId,
}

/// A ping that did not succeed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PingError {
    /// There is nobody to ping.
    #[error("a ping needs at least one party to respond")]
    NoResponder,
    /// Another ping of that id is under way.
    #[error("a ping {id} is under way already")]
    Duplicate {
        /// The id.
        id: String,
    },
    /// There is no domain on which all parties are.
    #[error("no connected domain has this participant and {parties}: {reason}")]
    NoDomain {
        /// The parties.
        parties: String,
        /// What is wrong with each domain.
        reason: String,
    },
    /// The first transaction did not get to the mediator.
    #[error("the ping did not leave this participant: {reason}")]
    NotSent {
        /// Why.
        reason: String,
    },
    /// The first transaction was not confirmed.
    #[error("the ping was not confirmed on {domain}: {reason}")]
    NotConfirmed {
        /// The domain.
        domain: DomainId,
        /// Why.
        reason: String,
    },
    /// It took too long.
    #[error("no pong within {timeout:?} on {domain}: {stage}")]
    TimedOut {
        /// The domain.
        domain: DomainId,
        /// How long was waited.
        timeout: Duration,
        /// How far it came, and who is asked for next.
        stage: String,
    },
    /// The participant stopped.
    #[error("the connection to the domain ended while the ping was under way")]
    Stopped,
}

/// How far a ping came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Submitting,
    /// The first transaction has this root hash.
    Sequenced(Hash),
    Confirmed,
}

impl Stage {
    /// How far it came, and whose keys are asked for next.
    fn text(self, core: &Core, responders: &BTreeSet<PartyId>) -> String {
        const FIRST: &str = "the first transaction (create Ping) was";
        let view = core.client.topology().map(|topology| topology.latest());
        let own = KeysOf::member(view.as_ref(), core.client.member());
        match self {
            Self::Submitting => format!(
                "{FIRST} not sequenced; is the sequencer reachable, and can this participant's signing key {} be used?",
                own.signing
            ),
            Self::Sequenced(_) => format!(
                "{FIRST} sequenced and not concluded; is the mediator running, and can this participant's encryption key {} \
                 and signing key {} be used?",
                own.encryption, own.signing
            ),
            Self::Confirmed => {
                let who: Vec<_> = responders.iter().map(ToString::to_string).collect();
                let hosts = view.iter().flat_map(|view| {
                    responders.iter().flat_map(move |party| view.active_participants_of(party).into_keys())
                });
                let keys: BTreeSet<_> = hosts
                    .map(|host| {
                        let KeysOf { signing, encryption } = KeysOf::member(view.as_ref(), host.member());
                        format!("{host} has encryption key {encryption} and signing key {signing}")
                    })
                    .collect();
                let keys: Vec<_> = keys.into_iter().collect();
                format!(
                    "{FIRST} confirmed, and there is no response of {}; is it connected to the domain, and can its keys be \
                     used? {}",
                    who.join(", "),
                    keys.join("; ")
                )
            }
        }
    }
}

/// The names of the keys that a member uses, by the topology.
struct KeysOf {
    signing: String,
    encryption: String,
}

impl KeysOf {
    fn member(view: Option<&TopologyView>, member: &Member) -> Self {
        let named = |name: Option<String>| name.unwrap_or_else(|| "(the topology has none)".to_owned());
        let signing = view.and_then(|view| Some(view.signing_key(member)?.fingerprint().to_string()));
        let encryption = view.and_then(|view| Some(view.encryption_key(member)?.fingerprint().to_string()));
        Self { signing: named(signing), encryption: named(encryption) }
    }
}

/// The pings of a participant that wait for their pongs.
#[derive(Debug, Default)]
pub(crate) struct Pings(Mutex<HashMap<String, Pinged>>);

#[derive(Debug)]
struct Pinged {
    pong: oneshot::Sender<PartyId>,
    /// What went wrong last, which may yet go right.
    trouble: Option<String>,
}

/// Ends the waiting when it is dropped.
struct Waiting<'a> {
    pings: &'a Pings,
    id: String,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.pings.lock().remove(&self.id);
    }
}

impl Pings {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Pinged>> {
        // Single insertions and removals leave the map whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pings on a domain, and waits for the pong.
    pub(crate) async fn ping(
        &self,
        core: &Core,
        domain: &DomainId,
        initiator: PartyId,
        request: PingRequest,
    ) -> Result<PingSuccess, PingError> {
        let start = Instant::now();
        let PingRequest { responders, validators, id, workflow_id, timeout } = request;
        let id = id.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        let (pong, ponged) = oneshot::channel();
        {
            let mut waiting = self.lock();
            if waiting.contains_key(&id) {
                return Err(PingError::Duplicate { id });
            }
            waiting.insert(id.clone(), Pinged { pong, trouble: None });
        }
        let _waiting = Waiting { pings: self, id: id.clone() };
        let state = ContractState::Ping { responders: responders.clone(), validators };
        let command = Command::Create(PingContract { id: id.clone(), initiator, state });
        let stage = Mutex::new(Stage::Submitting);
        let succeed = async {
            let submitted = self.hand_in(core, &command, &id, workflow_id.as_deref()).await?;
            reached(&stage, Stage::Sequenced(*submitted.root_hash()));
            let (outcome, trouble) = submitted.outcome().await.ok_or(PingError::Stopped)?;
            if let Some(mut reason) = outcome.rejection() {
                if let Some(trouble) = trouble {
                    reason = format!("{reason}; this participant did not answer: {trouble}");
                }
                return Err(PingError::NotConfirmed { domain: domain.clone(), reason });
            }
            reached(&stage, Stage::Confirmed);
            ponged.await.map_err(|_| PingError::Stopped)
        };
        match tokio::time::timeout(timeout, succeed).await {
            Ok(responder) => {
                Ok(PingSuccess { time: start.elapsed(), responder: responder?, domain: domain.clone() })
            }
            Err(_) => {
                let stage = stage.into_inner().unwrap_or_else(PoisonError::into_inner);
                let trouble = match stage {
                    Stage::Sequenced(root_hash) => core.submissions.trouble(&root_hash),
                    Stage::Submitting | Stage::Confirmed => {
                        self.lock().get(&id).and_then(|pinged| pinged.trouble.clone())
                    }
                };
                let trouble = trouble.map(|trouble| format!(" Last trouble: {trouble}")).unwrap_or_default();
                let stage = format!("{}{trouble}", stage.text(core, &responders));
                Err(PingError::TimedOut { domain: domain.clone(), timeout, stage })
            }
        }
    }

    /// Hands in the first transaction; again and again while the sequencer does not take it for a reason that passes.
    async fn hand_in(
        &self,
        core: &Core,
        command: &Command,
        id: &str,
        workflow_id: Option<&str>,
    ) -> Result<Submitted, PingError> {
        let note = |trouble| {
            if let Some(pinged) = self.lock().get_mut(id) {
                pinged.trouble = trouble;
            }
        };
        let mut pause = SHORT_PAUSE;
        loop {
            let error = match core.submit(command, id, workflow_id).await {
                Ok(submitted) => {
                    note(None);
                    return Ok(submitted);
                }
                Err(error) => error,
            };
            let reason = chain(&error);
            if !error.passes() {
                return Err(PingError::NotSent { reason });
            }
            tracing::info!(ping = id, "a ping is not sent yet: {reason}");
            note(Some(reason));
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
    }

    /// Answers pings and pongs of one domain, until there are no more events.
    pub(crate) async fn react(
        self: Arc<Self>,
        core: Arc<Core>,
        participant: ParticipantId,
        mut events: mpsc::UnboundedReceiver<Event>,
    ) {
        let own = participant.admin_party();
        let mut replayed = Vec::new();
        let at_once = Arc::new(Semaphore::new(REACTIONS));
        let mut reactions = JoinSet::new();
        while let Some(event) = events.recv().await {
            let created = match event {
                Event::Created { contract, ping, replayed: true, .. } => {
                    replayed.push((contract, ping));
                    continue;
                }
                Event::Created { contract, ping, .. } => vec![(contract, ping)],
                Event::Refused { step, reason } => {
                    if let Some(pinged) = self.lock().get_mut(&step.ping) {
                        pinged.trouble =
                            Some(format!("what {} submitted was rejected: {reason}", step.submitter));
                    }
                    continue;
                }
                // What a replay brought and is still active was not answered before.
                Event::CaughtUp => std::mem::take(&mut replayed),
            };
            for (contract, ping) in created {
                let Some(reaction) = self.reaction(&own, &contract, *ping) else { continue };
                while reactions.try_join_next().is_some() {}
                let (core, at_once) = (Arc::clone(&core), Arc::clone(&at_once));
                reactions.spawn(carry_out(core, at_once, *contract, reaction).in_current_span());
            }
        }
        reactions.shutdown().await;
    }

    /// What this participant does about a contract, if anything.
    fn reaction(&self, own: &PartyId, contract: &Contract, ping: PingContract) -> Option<(String, Command)> {
        match ping.state {
            ContractState::Ping { responders, .. } if responders.contains(own) => {
                let command = Command::Respond { ping: contract.clone(), responder: own.clone() };
                Some((format!("{}-respond", ping.id), command))
            }
            ContractState::Pong { responder } if ping.initiator == *own => {
                if let Some(pinged) = self.lock().remove(&ping.id) {
                    // Whoever waited may have gone.
                    let _ = pinged.pong.send(responder);
                }
                Some((format!("{}-ack", ping.id), Command::Ack { pong: contract.clone() }))
            }
            ContractState::Ping { .. } | ContractState::Pong { .. } => None,
        }
    }
}

fn reached(stage: &Mutex<Stage>, now: Stage) {
    *stage.lock().unwrap_or_else(PoisonError::into_inner) = now;
}

/// Takes a step of a ping; again if it fails for a reason that may pass.
async fn carry_out(
    core: Arc<Core>,
    at_once: Arc<Semaphore>,
    contract: Contract,
    (command_id, command): (String, Command),
) {
    let mut pause = FIRST_PAUSE;
    for repeats_left in (0..=REPEATS).rev() {
        {
            // Nobody closes it.
            let _turn = at_once.acquire().await;
            if active(&core.contracts, &contract.id).is_none() {
                return;
            }
            let Err(reason) = step(&core, &command, &command_id).await else { return };
            tracing::warn!(command_id, repeats_left, "a step of a ping was not taken: {reason}");
        }
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2);
    }
}

/// Takes a step once. Why it was not taken, if it was not; nothing if the participant stopped.
async fn step(core: &Core, command: &Command, command_id: &str) -> Result<(), String> {
    let submitted = core.submit(command, command_id, None).await.map_err(|error| chain(&error))?;
    match submitted.outcome().await.and_then(|(outcome, _)| outcome.rejection()) {
        None => Ok(()),
        Some(reason) => Err(reason),
    }
}
