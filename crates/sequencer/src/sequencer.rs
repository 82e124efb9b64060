//! The sequencer: what its public API and the members in its own process call.

mod intake;
mod sharing;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use cantle_crypto::{Signature, SigningPublicKey};
use cantle_protocol::{
    AcknowledgeRequest, SignedContent, StaticDomainParameters, SubmissionRequest, TraceContext,
};
use cantle_sequencing::{Challenge, IssuedToken, ServiceAgreement};
use cantle_store::{Forwarded, ForwardedKind, NodeStore, SequencerGroup};
use cantle_topology::{SignedTopologyTransaction, TopologyView};
use cantle_types::{CantonTimestamp, Clock, DomainId, DomainManagerId, Member, ParticipantId, SequencerId};
use cantle_vault::Vault;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) use self::intake::Stored;
use crate::administration::Disabled;
use crate::agreements::Agreements;
use crate::auth::{AuthFailure, Gate};
use crate::checks::check_signature;
use crate::error::{AcknowledgeError, BootstrapError, OpenError, SubmitError};
use crate::feed::{Feeds, Reader};
use crate::forwarding;
use crate::in_flight::{InFlight, Limits};
use crate::initialize::introduce;
use crate::options::SequencerOptions;
use crate::pipeline::{Line, SequencerHealth, Writer};
use crate::rate::Rates;
use crate::session::Sessions;
use crate::signer::Signer;
use crate::subscription::{Subscription, SubscriptionEnd};
use crate::topology::Topology;

/// What a sequencer is made of.
#[derive(Debug, Clone)]
pub struct SequencerSetup {
    /// The domain.
    pub domain: DomainId,
    /// The member that signs the events.
    pub sequencer: SequencerId,
    /// The domain's static parameters.
    pub parameters: StaticDomainParameters,
    /// What participants must accept before they may authenticate.
    pub agreement: Option<ServiceAgreement>,
    /// The sequencer's keys.
    pub vault: Vault,
    /// Where events and topology are kept.
    pub store: Arc<dyn NodeStore>,
    /// The sequencers that share that store, where several do.
    pub group: Option<Arc<dyn SequencerGroup>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Limits and times.
    pub options: SequencerOptions,
}

/// The sequencer of a domain. Clones are the same one.
///
/// It orders, stores and delivers until it is closed; dropping it stops it too, and loses nothing that was acknowledged.
#[derive(Clone)]
pub struct Sequencer(Arc<Inner>);

pub(crate) struct Inner {
    domain: DomainId,
    sequencer: SequencerId,
    manager: DomainManagerId,
    clock: Arc<dyn Clock>,
    store: Arc<dyn NodeStore>,
    group: Option<Arc<dyn SequencerGroup>>,
    options: Arc<SequencerOptions>,
    topology: Arc<Topology>,
    gate: Gate,
    pub(crate) disabled: Arc<Disabled>,
    pub(crate) agreements: Agreements,
    signer: Arc<Signer>,
    line: Arc<Line>,
    feeds: Arc<Feeds>,
    sessions: Sessions,
    in_flight: InFlight,
    rates: Mutex<Rates>,
    health: watch::Receiver<SequencerHealth>,
    pub(crate) stop: CancellationToken,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Sequencer {
    /// Opens the sequencer over what its store holds, and starts to work.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(setup: SequencerSetup) -> Result<Self, OpenError> {
        let SequencerSetup { domain, sequencer, parameters, agreement, vault, store, group, clock, options } =
            setup;
        let options = Arc::new(options);
        let manager = DomainManagerId::new(domain.uid().clone());
        if group.is_none() {
            introduce(&*store, &domain, manager.member(), clock.now().into()).await?;
        }
        let topology = Arc::new(Topology::new(domain.clone(), parameters, Vec::new(), None));
        let disabled = Arc::new(Disabled::open(Arc::clone(&store), &domain).await?);
        let agreements = Agreements::open(Arc::clone(&store), &domain).await?;
        let gate = Gate::new(
            domain.clone(),
            Arc::clone(&disabled),
            Arc::clone(&topology),
            agreement,
            Arc::clone(&clock),
            Arc::clone(&options),
        )?;
        let feeds = Arc::new(Feeds::default());
        let (health, health_seen) = watch::channel(SequencerHealth::default());
        let (changed, changed_seen) = watch::channel(0);
        let stop = CancellationToken::new();
        let signer =
            Arc::new(Signer { domain: domain.clone(), sequencer: sequencer.member().clone(), vault });
        let writer = Writer {
            domain: domain.clone(),
            manager: manager.member().clone(),
            clock: Arc::clone(&clock),
            signer: Arc::clone(&signer),
            group: group.clone(),
            store: Arc::clone(&store),
            topology: Arc::clone(&topology),
            feeds: Arc::clone(&feeds),
            options: Arc::clone(&options),
            health,
            changed,
            stop: stop.clone(),
        };
        let (line, writing) = writer.start().await?;
        let inner = Arc::new(Inner {
            sessions: Sessions::new(&options),
            in_flight: InFlight::new(Limits {
                count: options.max_in_flight,
                bytes: options.max_in_flight_bytes,
                of_member: options.max_in_flight_per_member,
            }),
            domain,
            sequencer,
            manager,
            clock,
            store,
            group,
            options,
            topology,
            gate,
            disabled,
            agreements,
            signer,
            line,
            feeds,
            rates: Mutex::default(),
            health: health_seen,
            stop,
            tasks: Mutex::new(vec![writing]),
        });
        let watching = tokio::spawn(end_deactivated(Arc::downgrade(&inner), changed_seen));
        let mut tasks = vec![watching];
        if let Some(group) = &inner.group {
            tasks.push(tokio::spawn(forwarding::serve(Arc::downgrade(&inner), Arc::clone(group))));
            tasks.push(tokio::spawn(forwarding::refresh(Arc::downgrade(&inner), Arc::clone(group))));
        }
        inner.tasks.lock().unwrap_or_else(PoisonError::into_inner).append(&mut tasks);
        Ok(Self(inner))
    }

    /// The domain.
    #[must_use]
    pub fn domain(&self) -> &DomainId {
        &self.0.domain
    }

    /// The member that signs the events.
    #[must_use]
    pub fn id(&self) -> &SequencerId {
        &self.0.sequencer
    }

    /// The domain's static parameters.
    #[must_use]
    pub fn parameters(&self) -> &StaticDomainParameters {
        self.0.topology.parameters()
    }

    /// What participants must accept before they may authenticate, if anything.
    #[must_use]
    pub fn agreement(&self) -> Option<&ServiceAgreement> {
        self.0.gate.agreement()
    }

    /// The limits and times.
    #[must_use]
    pub fn options(&self) -> &SequencerOptions {
        &self.0.options
    }

    /// The topology in force now.
    #[must_use]
    pub fn topology(&self) -> TopologyView {
        let now = self.0.now();
        self.0.topology.at(now).map_or_else(|_| self.0.topology.latest(), |moment| moment.view().clone())
    }

    /// How it is, now and whenever that changes.
    #[must_use]
    pub fn health(&self) -> watch::Receiver<SequencerHealth> {
        self.0.health.clone()
    }

    /// Whether a participant is active on the domain; `None` if the member is no participant.
    #[must_use]
    pub fn verify_active(&self, member: &Member) -> Option<bool> {
        let participant = ParticipantId::try_from(member.clone()).ok()?;
        Some(self.topology().is_participant_active(&participant))
    }

    /// A nonce for a member to sign.
    ///
    /// # Errors
    /// [`AuthFailure`].
    pub fn challenge(&self, member: &Member, versions: &[String]) -> Result<Challenge, AuthFailure> {
        self.0.gate.challenge(member, versions)
    }

    /// A token for a signed nonce.
    ///
    /// # Errors
    /// [`AuthFailure`]. The nonce is used up only by success.
    pub fn authenticate(
        &self,
        member: &Member,
        signature: &Signature,
        nonce: &[u8],
    ) -> Result<IssuedToken, AuthFailure> {
        self.0.gate.authenticate(member, signature, nonce)
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.0.gate
    }

    /// Takes the signed submission of a member that has authenticated itself.
    ///
    /// Returns when it has been stored, or dropped because its time was over. A dropped call may have been sequenced.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn submit(
        &self,
        caller: &Member,
        submission: &SignedContent<SubmissionRequest>,
        trace: &TraceContext,
    ) -> Result<(), SubmitError> {
        self.0
            .here_or_there(self.0.submit(caller, submission, trace, None), || Forwarded {
                kind: ForwardedKind::Signed,
                caller: caller.clone(),
                content: submission.bytes().to_vec().into(),
                traceparent: trace.traceparent(),
            })
            .await
    }

    /// Takes the submission of a member that cannot sign yet: to the domain manager alone.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn submit_unauthenticated(
        &self,
        caller: &Member,
        submission: &SubmissionRequest,
        trace: &TraceContext,
    ) -> Result<(), SubmitError> {
        self.0
            .here_or_there(self.0.submit_unauthenticated(caller, submission, trace, None), || Forwarded {
                kind: ForwardedKind::Unsigned,
                caller: caller.clone(),
                content: submission.bytes().to_vec().into(),
                traceparent: trace.traceparent(),
            })
            .await
    }

    /// Opens a subscription to a member's events from a counter on. Who calls was checked before.
    ///
    /// # Errors
    /// [`SubscriptionEnd`], if the member has not got so far or may have no subscription.
    pub fn subscribe(&self, member: &Member, from: i64) -> Result<Subscription, SubscriptionEnd> {
        let inner = &self.0;
        if inner.disabled.contains(member) {
            return Err(SubscriptionEnd::Deactivated);
        }
        let session = inner.sessions.open(member)?;
        let feed = inner.feeds.of(member);
        let Some(reader) = Reader::new(feed, from) else {
            inner.feeds.forget_unused(member);
            return Err(SubscriptionEnd::Beyond { member: member.clone(), counter: from });
        };
        tracing::debug!(%member, from, "a member subscribes");
        Ok(Subscription::new(reader, session, Arc::clone(&inner.store), Arc::clone(&inner.options)))
    }

    /// Notes up to when a member has done with its events.
    ///
    /// # Errors
    /// [`AcknowledgeError`].
    pub async fn acknowledge(
        &self,
        caller: &Member,
        acknowledgement: &SignedContent<AcknowledgeRequest>,
    ) -> Result<(), AcknowledgeError> {
        let request = acknowledgement.content();
        if request.member() != caller {
            let reason = format!("{caller} cannot acknowledge for {}", request.member());
            return Err(AcknowledgeError::Refused { reason });
        }
        check_signature(&self.0.topology, self.0.now(), caller, acknowledgement)
            .map_err(|reason| AcknowledgeError::Refused { reason })?;
        let Some((latest, number)) = self.0.counted(caller).await? else {
            return Err(AcknowledgeError::Invalid { reason: format!("{caller} has no events") });
        };
        let time = request.timestamp();
        if time > latest {
            return Err(AcknowledgeError::Invalid {
                reason: format!("{time} is after the latest event at {latest}"),
            });
        }
        Ok(self.0.store.sequencer_acknowledge(&[(number, time.to_timestamp())]).await?)
    }

    /// Begins the domain with a topology that whoever runs the sequencer gives it; verified as any.
    ///
    /// # Errors
    /// [`BootstrapError::Begun`] if the domain is initialized: from then on its manager alone changes it.
    pub async fn bootstrap(&self, transactions: &[SignedTopologyTransaction]) -> Result<(), BootstrapError> {
        match self.0.bootstrap_there(transactions).await {
            Some(answered) => answered,
            None => self.0.bootstrap(transactions, None).await,
        }
    }

    /// Who is subscribed.
    #[must_use]
    pub fn connected(&self) -> Vec<Member> {
        let mut members = self.0.sessions.members();
        members.sort();
        members
    }

    /// Whether a change of the topology was sequenced that is not in effect yet.
    #[must_use]
    pub fn awaits_topology(&self) -> bool {
        self.0.topology.last_effective().is_some_and(|last| last >= self.0.now())
    }

    pub(crate) fn store(&self) -> &Arc<dyn NodeStore> {
        &self.0.store
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    pub(crate) fn disabled(&self) -> &Disabled {
        &self.0.disabled
    }

    pub(crate) fn agreements(&self) -> &Agreements {
        &self.0.agreements
    }

    /// Ends what a member has open, and takes its tokens away.
    pub(crate) fn end_member(&self, member: &Member) {
        self.0.gate.revoke(member);
        self.0.sessions.end(member, &SubscriptionEnd::Deactivated);
    }

    /// The keys of the sequencer that are in force.
    #[must_use]
    pub fn signing_keys(&self) -> Vec<SigningPublicKey> {
        self.topology().signing_keys(self.0.sequencer.member())
    }

    /// Takes nothing more, writes what is in line, ends all subscriptions, and returns when that is done.
    pub async fn close(&self) {
        self.0.sessions.close();
        self.0.stop.cancel();
        let tasks = std::mem::take(&mut *self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            if let Err(error) = task.await
                && error.is_panic()
            {
                tracing::error!(domain = %self.0.domain, %error, "a task of the sequencer panicked");
            }
        }
        if let Some(group) = &self.0.group {
            group.lead_leave().await;
        }
    }
}

impl Inner {
    fn now(&self) -> CantonTimestamp {
        self.topology.present(self.clock.now())
    }

    /// Ends what deactivated members have open. Who runs in this process has no token and is left alone.
    fn end_deactivated(&self) {
        for member in self.gate.members() {
            if let Err(failure) = self.gate.check_active(&member)
                && failure.code() == tonic::Code::PermissionDenied
            {
                tracing::info!(%member, "a member is not active any more");
                self.gate.revoke(&member);
                self.sessions.end(&member, &SubscriptionEnd::Deactivated);
            }
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl fmt::Debug for Sequencer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sequencer")
            .field("domain", &self.0.domain)
            .field("sequencer", &self.0.sequencer)
            .finish_non_exhaustive()
    }
}

/// Looks at the members whenever the topology has changed.
async fn end_deactivated(inner: std::sync::Weak<Inner>, mut changed: watch::Receiver<u64>) {
    while changed.changed().await.is_ok() {
        match inner.upgrade() {
            Some(inner) if !inner.stop.is_cancelled() => inner.end_deactivated(),
            _ => return,
        }
    }
}
