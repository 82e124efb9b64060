//! The topology that the sequencer orders by: what it has sequenced itself.
//!
//! Members are asked for at the time of an event, and mostly the topology of that time is the one that was asked for
//! last. What has been looked up in it is kept with it.
//! Invariant: a topology message of the domain manager changes it in the order of sequencing, and nothing else does.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cantle_crypto::{SigningKeyScheme, SigningPublicKey};
use cantle_protocol::{DomainTopologyTransactionMessage, StaticDomainParameters};
use cantle_sequencing::topology_row;
use cantle_store::SequencedTopology;
use cantle_topology::{
    DynamicDomainParameters, Fed, Outcome, SignedTopologyTransaction, StoredTransaction, TimelineError,
    TopologyTimeline, TopologyView,
};
use cantle_types::{CantonTimestamp, DomainId, DomainManagerId, Member};
use jiff::Timestamp;

/// So many topologies of different times are kept with what was looked up in them.
const MOMENTS: usize = 32;
/// So many members' keys are kept with one of them.
const KEYS: usize = 10_000;

/// The domain's topology over time.
#[derive(Debug)]
pub(crate) struct Topology {
    domain: DomainId,
    parameters: StaticDomainParameters,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    timeline: TopologyTimeline,
    /// By the last time that the topology is in force; the last one has no end yet.
    moments: BTreeMap<Option<Timestamp>, Arc<Moment>>,
}

/// The topology of a span of time.
#[derive(Debug)]
pub(crate) struct Moment {
    view: TopologyView,
    /// They are copied out of a view, and asked for with each submission.
    parameters: DynamicDomainParameters,
    keys: Mutex<HashMap<Member, Arc<[SigningPublicKey]>>>,
}

impl Moment {
    fn new(view: TopologyView) -> Self {
        let parameters = view.parameters();
        Self { view, parameters, keys: Mutex::default() }
    }

    /// The topology.
    pub(crate) fn view(&self) -> &TopologyView {
        &self.view
    }

    /// The domain's parameters.
    pub(crate) fn parameters(&self) -> &DynamicDomainParameters {
        &self.parameters
    }

    /// How much older than an event the time of its signing key may be: Canton's `sequencerSigningTolerance`.
    pub(crate) fn signing_tolerance(&self) -> Duration {
        let Self { parameters, .. } = self;
        let timeouts =
            parameters.participant_response_timeout.saturating_add(parameters.mediator_reaction_timeout);
        timeouts.saturating_mul(2)
    }

    /// A member's signing keys.
    pub(crate) fn signing_keys(&self, member: &Member) -> Arc<[SigningPublicKey]> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = keys.get(member) {
            return Arc::clone(found);
        }
        let found: Arc<[_]> = self.view.signing_keys(member).into();
        if keys.len() < KEYS {
            keys.insert(member.clone(), Arc::clone(&found));
        }
        found
    }
}

impl Topology {
    /// The topology that the store has, up to the latest time that the sequencer gave.
    pub(crate) fn new(
        domain: DomainId,
        parameters: StaticDomainParameters,
        stored: Vec<StoredTransaction>,
        latest: Option<CantonTimestamp>,
    ) -> Self {
        let timeline = restored(&domain, &parameters, stored, latest);
        Self { domain, parameters, state: Mutex::new(State { timeline, moments: BTreeMap::new() }) }
    }

    /// Forgets what was not stored.
    pub(crate) fn reset(&self, stored: Vec<StoredTransaction>, latest: Option<CantonTimestamp>) {
        let timeline = restored(&self.domain, &self.parameters, stored, latest);
        *self.state() = State { timeline, moments: BTreeMap::new() };
    }

    /// The domain's static parameters.
    pub(crate) fn parameters(&self) -> &StaticDomainParameters {
        &self.parameters
    }

    /// The topology at a time, as far as it is known.
    ///
    /// # Errors
    /// When the time lies too far back.
    pub(crate) fn at(&self, time: CantonTimestamp) -> Result<Arc<Moment>, TimelineError> {
        let time = time.to_timestamp();
        let mut state = self.state();
        let until = state.timeline.next_change_after(time);
        if let Some(moment) = state.moments.get(&until) {
            return Ok(Arc::clone(moment));
        }
        let moment = Arc::new(Moment::new(state.timeline.view(time)?));
        if state.moments.len() >= MOMENTS {
            state.moments.clear();
        }
        state.moments.insert(until, Arc::clone(&moment));
        Ok(moment)
    }

    /// The time now: that of the clock, or just after the last that was given if the clock lags behind.
    pub(crate) fn present(&self, clock: Timestamp) -> CantonTimestamp {
        let clock = CantonTimestamp::from(clock);
        let given = self.state().timeline.time().map(CantonTimestamp::from);
        given.and_then(CantonTimestamp::successor).map_or(clock, |next| next.max(clock))
    }

    /// When the last change that was sequenced became or becomes effective.
    pub(crate) fn last_effective(&self) -> Option<CantonTimestamp> {
        self.state().timeline.last_effective().map(CantonTimestamp::from)
    }

    /// The topology with all that was sequenced, also what is not effective yet.
    pub(crate) fn latest(&self) -> TopologyView {
        self.state().timeline.latest().clone()
    }

    /// The sequencer gave a time without a change of the topology.
    pub(crate) fn observe(&self, time: CantonTimestamp) {
        self.state().timeline.observe(time.to_timestamp());
    }

    /// Takes the topology messages of a submission that is sequenced at a time; returns what is to be stored, if anything
    /// has changed.
    pub(crate) fn take(
        &self,
        time: CantonTimestamp,
        messages: &[DomainTopologyTransactionMessage],
    ) -> Result<Option<SequencedTopology>, TimelineError> {
        let mut state = self.state();
        let mut transactions: Vec<SignedTopologyTransaction> = Vec::new();
        for message in messages {
            match self.verify(&state.timeline, time, message) {
                Ok(()) => transactions.extend_from_slice(message.transactions()),
                Err(fault) => {
                    tracing::warn!(domain = %self.domain, %time, fault, "a topology message was not followed");
                }
            }
        }
        state.feed(time, &transactions)
    }

    /// Takes transactions that whoever runs the sequencer gives it, with which the domain begins.
    pub(crate) fn seed(
        &self,
        time: CantonTimestamp,
        transactions: &[SignedTopologyTransaction],
    ) -> Result<Option<SequencedTopology>, TimelineError> {
        self.state().feed(time, transactions)
    }

    /// Whether a message is the domain manager's, and of this time. The first one brings the manager's keys itself: they
    /// are authorized by the namespace whose name the domain bears.
    fn verify(
        &self,
        timeline: &TopologyTimeline,
        time: CantonTimestamp,
        message: &DomainTopologyTransactionMessage,
    ) -> Result<(), &'static str> {
        if message.domain_id() != &self.domain {
            return Err("it is of another domain");
        }
        if time > message.not_sequenced_after() {
            return Err("its time is over");
        }
        let at = time.to_timestamp();
        let view = if timeline.latest().state().is_empty() {
            let mut first = timeline.clone();
            first.feed(at, message.transactions()).map_err(|_| "it is out of order")?;
            first.latest().clone()
        } else {
            timeline.view(at).map_err(|_| "it is out of order")?
        };
        let manager = DomainManagerId::new(self.domain.uid().clone());
        let signed_by = message.signature().signed_by();
        let keys = view.signing_keys(manager.member());
        let Some(key) = keys.iter().find(|key| key.fingerprint() == signed_by) else {
            return Err("it is signed by no key of the domain manager");
        };
        if !self.allows(key.scheme()) {
            return Err("its signature is of a scheme that the domain does not allow");
        }
        message.verify(key).map_err(|_| "its signature does not hold")
    }

    /// Whether members may sign by that scheme.
    pub(crate) fn allows(&self, scheme: SigningKeyScheme) -> bool {
        self.parameters.required_signing_key_schemes.contains(&scheme)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn feed(
        &mut self,
        time: CantonTimestamp,
        transactions: &[SignedTopologyTransaction],
    ) -> Result<Option<SequencedTopology>, TimelineError> {
        if transactions.is_empty() {
            self.timeline.observe(time.to_timestamp());
            return Ok(None);
        }
        let fed = self.timeline.feed(time.to_timestamp(), transactions)?;
        report_rejected(&fed, transactions);
        let rows: Vec<_> = fed.accepted(transactions).map(topology_row).collect();
        if rows.is_empty() {
            return Ok(None);
        }
        // The topology that had no end has one now.
        self.moments.remove(&None);
        Ok(Some(SequencedTopology { sequenced: fed.sequenced, effective: fed.effective, transactions: rows }))
    }
}

fn restored(
    domain: &DomainId,
    parameters: &StaticDomainParameters,
    stored: Vec<StoredTransaction>,
    latest: Option<CantonTimestamp>,
) -> TopologyTimeline {
    let horizon = cantle_topology::DEFAULT_HORIZON;
    let from = latest.map_or(CantonTimestamp::MIN, |latest| latest.saturating_sub(horizon)).to_timestamp();
    let version = parameters.protocol_version;
    let mut timeline = TopologyTimeline::restore(domain.clone(), version, stored, from, horizon);
    if let Some(latest) = latest {
        timeline.observe(latest.to_timestamp());
    }
    timeline
}

fn report_rejected(fed: &Fed, transactions: &[SignedTopologyTransaction]) {
    for (signed, outcome) in transactions.iter().zip(&fed.outcomes) {
        if let Outcome::Rejected(error) = outcome {
            let path = signed.transaction().unique_path();
            tracing::warn!(%path, %error, "a topology transaction of the domain has no effect");
        }
    }
}
