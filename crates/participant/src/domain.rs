//! A participant that is connected to a domain: its client, its tasks, and what can be done there.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cantle_protocol::ExpiringCache;
use cantle_sequencing::{
    ClientHealth, ClientSendError, DomainTopologyClient, SendOutcome, SequencerClient, Submission,
    SyncCrypto, chain,
};
use cantle_topology::TopologyView;
use cantle_types::{CantonTimestamp, Clock, DomainAlias, DomainId, ParticipantId, ProtocolVersion};
use thiserror::Error;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::ping::Command;
use crate::pings::Pings;
use crate::registration::{OutboxStatus, Teller, outbox};
use crate::transaction::{
    BuildError, Builder, Contracts, Opener, Progress, Submissions, Submitted, TransactionHandler, Worker,
};

/// Events that wait to be worked through.
const QUEUE: usize = 1024;

/// How long is waited for a request of which nobody knows whether it was accepted.
const LOST_AFTER: Duration = Duration::from_secs(3);

/// How session keys are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionKeyCache {
    /// How many of each kind.
    pub capacity: usize,
    /// How long.
    pub lifetime: Duration,
}

impl Default for SessionKeyCache {
    fn default() -> Self {
        Self { capacity: 10_000, lifetime: Duration::from_secs(10) }
    }
}

/// Why a request was not sequenced.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum SubmitError {
    /// It was not built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// It was not sent.
    #[error("the request was not sent")]
    Send(#[from] ClientSendError),
    /// It was not sequenced.
    #[error("the request was not sequenced: {0:?}")]
    NotSequenced(SendOutcome),
    /// Nobody knows whether it was accepted, and it is not sequenced yet.
    #[error(
        "the connection to the sequencer was lost when the request was sent, and it was not sequenced within {LOST_AFTER:?}"
    )]
    Lost,
    /// The participant is not connected any more.
    #[error("the connection to the domain is gone")]
    Gone,
}

impl SubmitError {
    /// Whether another request may be sequenced without anyone changing anything.
    pub(crate) fn passes(&self) -> bool {
        match self {
            Self::Send(error) => error.retryable(),
            Self::Lost => true,
            Self::NotSequenced(outcome) => matches!(outcome, SendOutcome::TimedOut { .. }),
            Self::Build(_) | Self::Gone => false,
        }
    }
}

/// A connection to a domain. Dropped, it ends.
#[derive(Debug)]
pub(crate) struct Domain {
    pub(crate) alias: DomainAlias,
    pub(crate) id: DomainId,
    pub(crate) core: Arc<Core>,
    outbox: watch::Receiver<OutboxStatus>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

/// What submissions need.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) client: SequencerClient,
    pub(crate) contracts: Arc<Mutex<Contracts>>,
    builder: Builder,
    pub(crate) submissions: Arc<Submissions>,
}

impl Core {
    /// Waits until the topology to submit by is such. What was sequenced takes effect only as the domain's time passes,
    /// which is asked for when nothing is heard.
    pub(crate) async fn topology_until(
        &self,
        suits: impl Fn(&TopologyView) -> bool,
    ) -> Result<(), SubmitError> {
        let topology = self.client.topology().ok_or(SubmitError::Gone)?;
        let mut head = topology.head();
        loop {
            let last_effective = head.borrow_and_update().last_effective;
            if suits(&topology.approximate().view) {
                return Ok(());
            }
            let coming = last_effective.filter(|_| suits(&topology.latest()));
            tokio::select! {
                changed = head.changed() => changed.map_err(|_| SubmitError::Gone)?,
                reached = passed(&self.client, coming) => reached?,
            }
        }
    }

    /// Builds and sends a request, and waits until it is sequenced. Two signatures.
    ///
    /// One that is [lost](SubmitError::Lost) may be sequenced all the same. Whoever sends it again must be content with two:
    /// a second ping of that id, or a second use of a contract, which is refused.
    pub(crate) async fn submit(
        &self,
        command: &Command,
        command_id: &str,
        workflow_id: Option<&str>,
    ) -> Result<Submitted, SubmitError> {
        let topology = self.client.topology().ok_or(SubmitError::Gone)?.approximate().view;
        let built = self.builder.build(command, command_id, workflow_id, &topology).await?;
        let submitted = self.submissions.begin(built.root_hash);
        let submission = Submission::new(built.batch).as_request().not_after(built.max_sequencing_time);
        match self.sequence(submission).await {
            Ok(()) => Ok(submitted),
            Err(error) => {
                self.submissions.forget(submitted.root_hash());
                Err(error)
            }
        }
    }

    async fn sequence(&self, submission: Submission) -> Result<(), SubmitError> {
        let pending = self.client.send(submission).await?;
        let outcome = if pending.is_accepted() {
            pending.await
        } else {
            tokio::time::timeout(LOST_AFTER, pending).await.map_err(|_| SubmitError::Lost)?
        };
        match outcome {
            SendOutcome::Sequenced { .. } => Ok(()),
            outcome => Err(SubmitError::NotSequenced(outcome)),
        }
    }
}

/// Waits until the domain's time has passed `at`, a moment longer so that its events are taken; without one, for ever.
async fn passed(client: &SequencerClient, at: Option<CantonTimestamp>) -> Result<(), SubmitError> {
    const MOMENT: Duration = Duration::from_millis(20);
    let Some(at) = at else { return std::future::pending().await };
    client.time().await_time(at).await.map_err(|_| SubmitError::Gone)?;
    tokio::time::sleep(MOMENT).await;
    Ok(())
}

/// Whether a topology lets this participant act on the domain.
pub(crate) fn may_act(view: &TopologyView, participant: &ParticipantId) -> bool {
    view.is_participant_active(participant) && view.signing_key(participant.member()).is_some()
}

/// What a connection is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) alias: DomainAlias,
    pub(crate) client: SequencerClient,
    pub(crate) teller: Teller,
    pub(crate) session_keys: Option<SessionKeyCache>,
    pub(crate) pings: Arc<Pings>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Domain {
    /// Begins to follow the domain.
    pub(crate) fn start(parts: Parts) -> Self {
        let Parts { alias, client, teller, session_keys, pings, clock } = parts;
        let (participant, version): (ParticipantId, ProtocolVersion) =
            (teller.participant.clone(), teller.version);
        let crypto: SyncCrypto = client.crypto().expect("a participant is a member with keys").clone();
        let cache = session_keys.map(|cache| (cache.capacity, cache.lifetime));
        let builder = Builder::new(participant.clone(), version, crypto.clone(), Arc::clone(&clock), cache);
        let opener = Arc::new(Opener {
            crypto,
            version,
            session_keys: cache
                .map(|(capacity, lifetime)| ExpiringCache::new(Arc::clone(&clock), capacity, lifetime)),
        });
        let submissions = Arc::new(Submissions::default());
        let contracts = Arc::new(Mutex::new(Contracts::default()));
        let progress = Arc::new(Progress::default());
        let (queue, items) = mpsc::channel(QUEUE);
        let (events, created) = mpsc::unbounded_channel();
        let (registrations, _) = broadcast::channel(64);
        let (outbox_status, outbox_seen) = watch::channel(OutboxStatus::default());
        let core = Arc::new(Core {
            client: client.clone(),
            contracts: Arc::clone(&contracts),
            builder,
            submissions: Arc::clone(&submissions),
        });
        let handler = Arc::new(TransactionHandler {
            client: client.clone(),
            opener,
            queue,
            progress: Arc::clone(&progress),
            registrations: registrations.clone(),
        });
        let worker = Worker::new(
            participant.clone(),
            version,
            client.clone(),
            submissions,
            progress,
            contracts,
            events,
        );
        let stop = CancellationToken::new();
        let id = teller.domain.clone();
        let mut tasks = JoinSet::new();
        // Whoever asked for the connection is gone long before it.
        let span = tracing::info_span!(parent: None, "domain", %participant, %alias);
        let (follower, until) = (client.clone(), stop.clone());
        tasks.spawn(
            async move {
                if let Err(error) = follower.run(handler, until).await {
                    tracing::error!(error = %chain(&error), "the participant follows the domain no more");
                }
            }
            .instrument(span.clone()),
        );
        tasks.spawn(worker.run(items).instrument(span.clone()));
        tasks.spawn(
            pings.react(Arc::clone(&core), teller.participant.clone(), created).instrument(span.clone()),
        );
        let known = Arc::clone(&core);
        tasks.spawn(
            async move {
                // Until then the domain would not know who speaks.
                let participant = teller.participant.clone();
                if known.topology_until(|view| may_act(view, &participant)).await.is_ok() {
                    outbox(teller, client, registrations, outbox_status).await;
                }
            }
            .instrument(span),
        );
        Self { alias, id, core, outbox: outbox_seen, stop, tasks }
    }

    pub(crate) fn health(&self) -> watch::Receiver<ClientHealth> {
        self.core.client.health()
    }

    pub(crate) fn outbox(&self) -> OutboxStatus {
        self.outbox.borrow().clone()
    }

    pub(crate) fn awaits_topology(&self) -> bool {
        self.core.client.topology().is_some_and(DomainTopologyClient::awaits_change)
    }

    /// Whether the connection ended by itself.
    pub(crate) fn is_stopped(&self) -> bool {
        self.core.client.health().borrow().is_stopped()
    }

    /// Stores what is done with and ends.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        let _ = self.tasks.join_next().await;
        self.tasks.shutdown().await;
    }
}
