//! The topology of one domain as one of its members follows it.
//!
//! It grows by the messages of the domain's topology manager that come with the member's events. Each is verified, each
//! transaction in it judged again; what is accepted is stored before it counts. What is asked of it is a topology at a
//! time: that is known once every message is seen that could still change it.
//! Invariants: a message that is not the domain's changes nothing; what counts is on disk; a topology of a known time does
//! not change any more.
//! Source: Canton 2.10's `DomainTopologyTransactionMessage` and its validation.

mod error;
mod rows;

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use cantle_crypto::SigningKeyScheme;
use cantle_protocol::{DomainTopologyTransactionMessage, StaticDomainParameters};
use cantle_store::{NodeStore, SequencedTopology, StoreError};
use cantle_topology::{Fed, Outcome, SignedTopologyTransaction, TopologyTimeline, TopologyView};
use cantle_types::{CantonTimestamp, Clock, DomainId, DomainManagerId, Member, MemberCode, ParticipantId};
use tokio::sync::watch;

pub use error::{MessageError, SnapshotError, TopologyFeedError};
pub use rows::{stored_topology, topology_row};

/// The topology of a domain. Clones are the same one.
#[derive(Debug, Clone)]
pub struct DomainTopologyClient(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    member: Member,
    domain: DomainId,
    signing: Vec<SigningKeyScheme>,
    store: Arc<dyn NodeStore>,
    clock: Arc<dyn Clock>,
    timeline: RwLock<TopologyTimeline>,
    head: watch::Sender<TopologyHead>,
}

/// How far a member has followed a domain's topology.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TopologyHead {
    /// The last time of the domain that was seen.
    pub observed: Option<CantonTimestamp>,
    /// The topology of every time up to this one is known for good.
    pub known_until: Option<CantonTimestamp>,
    /// When the last change that is known becomes effective: it counts for every time after this one.
    pub last_effective: Option<CantonTimestamp>,
}

/// A topology and the time that it is of.
#[derive(Debug, Clone)]
pub struct TopologySnapshot {
    /// The time.
    pub at: CantonTimestamp,
    /// The topology.
    pub view: TopologyView,
}

impl DomainTopologyClient {
    /// The topology that this node has stored of a domain, empty at first, for a member that reads on after `observed`.
    ///
    /// Topologies older than `horizon` before that are not kept in memory.
    ///
    /// # Errors
    /// When the store fails, or holds what is no topology.
    pub async fn open(
        member: Member,
        domain: DomainId,
        parameters: &StaticDomainParameters,
        store: Arc<dyn NodeStore>,
        clock: Arc<dyn Clock>,
        observed: Option<CantonTimestamp>,
        horizon: Duration,
    ) -> Result<Self, StoreError> {
        let stored = stored_topology(&*store, &domain).await?;
        let from = observed.unwrap_or(CantonTimestamp::MIN).saturating_sub(horizon).to_timestamp();
        let version = parameters.protocol_version;
        let mut timeline = TopologyTimeline::restore(domain.clone(), version, stored, from, horizon);
        if let Some(observed) = observed {
            timeline.observe(observed.to_timestamp());
        }
        let head = watch::Sender::new(head_of(&timeline));
        let signing = parameters.required_signing_key_schemes.clone();
        let timeline = RwLock::new(timeline);
        Ok(Self(Arc::new(Inner { member, domain, signing, store, clock, timeline, head })))
    }

    /// The domain.
    #[must_use]
    pub fn domain(&self) -> &DomainId {
        &self.0.domain
    }

    /// How far it is known, now and whenever that changes.
    #[must_use]
    pub fn head(&self) -> watch::Receiver<TopologyHead> {
        self.0.head.subscribe()
    }

    /// The topology at a time that is known.
    ///
    /// # Errors
    /// [`SnapshotError`], if it is not known yet, or not any more.
    pub fn snapshot(&self, at: CantonTimestamp) -> Result<TopologyView, SnapshotError> {
        let timeline = self.timeline();
        let known_until = timeline.known_until().map(CantonTimestamp::from);
        if known_until.is_none_or(|known| known < at) {
            return Err(SnapshotError::NotKnownYet { at, known_until });
        }
        Ok(timeline.view(at.to_timestamp())?)
    }

    /// The topology at a time, once it is known. Who waits here alone does not make it come:
    /// [`crate::SequencerClient::await_snapshot`] does.
    ///
    /// # Errors
    /// [`SnapshotError`], if it is not known any more.
    pub async fn await_snapshot(&self, at: CantonTimestamp) -> Result<TopologyView, SnapshotError> {
        let mut head = self.head();
        // The sender lives as long as this client.
        let _ = head.wait_for(|head| head.known_until.is_some_and(|known| known >= at)).await;
        self.snapshot(at)
    }

    /// The topology just after the last time of the domain that was seen: what to sign by. A change that was seen, and
    /// is in effect by now as far as this node's clock tells, counts: in a quiet domain nothing else would say so.
    #[must_use]
    pub fn approximate(&self) -> TopologySnapshot {
        let timeline = self.timeline();
        let now = CantonTimestamp::from(self.0.clock.now());
        let observed = timeline.time().map_or(CantonTimestamp::MIN, CantonTimestamp::from);
        let effective = timeline.last_effective().map(CantonTimestamp::from);
        let known =
            effective.filter(|effective| *effective < now).map_or(observed, |last| last.max(observed));
        let at = known.successor().unwrap_or(known);
        // What was just seen lies within any horizon.
        let view = timeline.view(at.to_timestamp()).unwrap_or_else(|_| timeline.latest().clone());
        TopologySnapshot { at, view }
    }

    /// Whether a change was seen that is in effect only later.
    #[must_use]
    pub fn awaits_change(&self) -> bool {
        let now = CantonTimestamp::from(self.0.clock.now());
        self.timeline().last_effective().is_some_and(|effective| CantonTimestamp::from(effective) >= now)
    }

    /// The topology with all that was sequenced, also what is not effective yet.
    #[must_use]
    pub fn latest(&self) -> TopologyView {
        self.timeline().latest().clone()
    }

    /// The topology at a time as far as the events before it tell: what an event of that time is checked by.
    pub(crate) fn within_stream(&self, at: CantonTimestamp) -> Result<TopologyView, SnapshotError> {
        Ok(self.timeline().view(at.to_timestamp())?)
    }

    /// Takes the topology messages of an event. What was taken before is left alone.
    ///
    /// A message that is not the domain's is logged and left out; so is a transaction that has no effect.
    pub(crate) async fn take(
        &self,
        at: CantonTimestamp,
        messages: &[&DomainTopologyTransactionMessage],
    ) -> Result<(), TopologyFeedError> {
        let mut timeline = self.timeline().clone();
        let sequenced = at.to_timestamp();
        if timeline.time().is_some_and(|known| sequenced <= known) {
            return Ok(());
        }
        let mut transactions: Vec<SignedTopologyTransaction> = Vec::new();
        for message in messages {
            match self.verify(&timeline, at, message) {
                Ok(()) => transactions.extend_from_slice(message.transactions()),
                Err(error) => {
                    tracing::warn!(domain = %self.0.domain, %at, error = %crate::error::chain(&error), "a topology message was left out");
                }
            }
        }
        if transactions.is_empty() {
            return Ok(());
        }
        let fed = timeline.feed(sequenced, &transactions)?;
        report_rejected(&self.0.domain, &fed, &transactions);
        let rows: Vec<_> = fed.accepted(&transactions).map(topology_row).collect();
        if !rows.is_empty() {
            let change =
                SequencedTopology { sequenced: fed.sequenced, effective: fed.effective, transactions: rows };
            self.0.store.topology_append_sequenced(&self.0.domain, &[change]).await?;
        }
        self.replace(timeline);
        Ok(())
    }

    /// The domain's time has come so far.
    pub(crate) fn observe(&self, at: CantonTimestamp) {
        let head = {
            let mut timeline = self.0.timeline.write().unwrap_or_else(PoisonError::into_inner);
            timeline.observe(at.to_timestamp());
            head_of(&timeline)
        };
        self.0.head.send_if_modified(|known| std::mem::replace(known, head) != head);
    }

    fn replace(&self, timeline: TopologyTimeline) {
        let head = head_of(&timeline);
        *self.0.timeline.write().unwrap_or_else(PoisonError::into_inner) = timeline;
        self.0.head.send_replace(head);
    }

    /// Whether a message is the domain's, meant for this domain and this time.
    ///
    /// The keys are those of the topology at that time. The first message brings them itself: what its transactions say
    /// is authorized by the domain's namespace, whose name the domain bears.
    fn verify(
        &self,
        timeline: &TopologyTimeline,
        at: CantonTimestamp,
        message: &DomainTopologyTransactionMessage,
    ) -> Result<(), MessageError> {
        if message.domain_id() != &self.0.domain {
            return Err(MessageError::Domain { found: message.domain_id().clone() });
        }
        let not_sequenced_after = message.not_sequenced_after();
        if at > not_sequenced_after {
            return Err(MessageError::TooLate { not_sequenced_after });
        }
        let view = if timeline.latest().state().is_empty() {
            self.first_view(timeline, at, message)?
        } else {
            timeline.view(at.to_timestamp())?
        };
        let manager = DomainManagerId::new(self.0.domain.uid().clone());
        let keys = view.signing_keys(manager.member());
        let signed_by = message.signature().signed_by();
        let Some(key) = keys.iter().find(|key| key.fingerprint() == signed_by) else {
            return Err(MessageError::UnknownKey { signed_by: signed_by.clone() });
        };
        if !self.0.signing.contains(&key.scheme()) {
            return Err(MessageError::Scheme { signed_by: signed_by.clone(), scheme: key.scheme() });
        }
        message.verify(key).map_err(MessageError::Signature)
    }

    /// The topology that the first message brings. Another participant's first message will not do.
    fn first_view(
        &self,
        timeline: &TopologyTimeline,
        at: CantonTimestamp,
        message: &DomainTopologyTransactionMessage,
    ) -> Result<TopologyView, MessageError> {
        let mut first = timeline.clone();
        first.feed(at.to_timestamp(), message.transactions())?;
        let view = first.latest().clone();
        let member = &self.0.member;
        if member.code() == MemberCode::Participant
            && !view.domain_trusts(&ParticipantId::new(member.uid().clone()))
        {
            return Err(MessageError::NotForThisParticipant { member: member.clone() });
        }
        Ok(view)
    }

    fn timeline(&self) -> RwLockReadGuard<'_, TopologyTimeline> {
        // It is replaced as a whole, and observing a time does not panic.
        self.0.timeline.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn head_of(timeline: &TopologyTimeline) -> TopologyHead {
    TopologyHead {
        observed: timeline.time().map(CantonTimestamp::from),
        known_until: timeline.known_until().map(CantonTimestamp::from),
        last_effective: timeline.last_effective().map(CantonTimestamp::from),
    }
}

fn report_rejected(domain: &DomainId, fed: &Fed, transactions: &[SignedTopologyTransaction]) {
    for (signed, outcome) in transactions.iter().zip(&fed.outcomes) {
        if let Outcome::Rejected(error) = outcome {
            let path = signed.transaction().unique_path();
            tracing::warn!(%domain, %path, error = %crate::error::chain(error), "a topology transaction of the domain has no effect");
        }
    }
}
