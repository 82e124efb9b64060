//! A member's client of its domain's sequencer: events come in, submissions go out.
//!
//! One client follows one subscription, from the member's clean cursor, in one task: each event is checked, its topology
//! taken, then handled. Submissions are made by whoever makes them, side by side; the events settle them. The client
//! reconnects by itself until it is told to stop or meets something that reconnecting does not help against.
//! Invariants: the handler sees every event in its order, at least once; the cursor is stored after what it stands for; a
//! submission is handed in at most once.
//! Source: Canton 2.10's sequencer client.

mod checks;
mod error;
mod health;
mod opening;
mod options;
mod outgoing;
mod pending;
mod retry;
mod submission;
mod subscription;

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use cantle_crypto::Hash;
use cantle_protocol::{HandshakeRequest, MessageId, SequencerCounter, SubmissionRequest};
use cantle_store::{ClientCursor, ClientStore, NodeStore};
use cantle_topology::TopologyView;
use cantle_types::{CantonTimestamp, Clock, DomainId, Member, ProtocolVersion};
use cantle_vault::Vault;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::api::{SequencerApi, SequencerIdentity};
use crate::auth::{AuthOptions, AuthSubject, Authenticator};
use crate::connect::SequencerInfo;
use crate::crypto::SyncCrypto;
use crate::handler::EventHandler;
use crate::time::DomainTimeTracker;
use crate::topology::{DomainTopologyClient, SnapshotError};

pub use checks::EventError;
pub use error::{ClientError, ClientSendError, OpenClientError};
pub use health::{ClientHealth, ConnectionState};
pub use options::ClientOptions;
pub use pending::{PendingSend, SendOutcome};
pub use submission::Submission;

use checks::KnownEvent;
use pending::PendingSends;

/// A member's client. Clones are the same one.
#[derive(Clone)]
pub struct SequencerClient(Arc<Inner>);

struct Inner {
    api: Arc<dyn SequencerApi>,
    member: Member,
    identity: SequencerIdentity,
    /// The domain's protocol version.
    version: ProtocolVersion,
    versions: HandshakeRequest,
    /// What a member that has authenticated itself has.
    side: Option<MemberSide>,
    clock: Arc<dyn Clock>,
    options: ClientOptions,
    pending: PendingSends,
    time: DomainTimeTracker,
    /// The ids under which the time was asked for.
    ticks: Mutex<HashSet<MessageId>>,
    /// The event with which all is done, as it is stored.
    clean: watch::Sender<Option<CantonTimestamp>>,
    health: watch::Sender<ClientHealth>,
    was_run: AtomicBool,
}

/// What a member has that knows the topology.
struct MemberSide {
    authenticator: Authenticator,
    crypto: SyncCrypto,
    topology: DomainTopologyClient,
    store: Arc<dyn ClientStore>,
    start: Option<KnownEvent>,
}

/// What every client is made of.
#[derive(Debug, Clone)]
pub struct ClientSetup {
    /// The sequencer.
    pub api: Arc<dyn SequencerApi>,
    /// What it says about its domain.
    pub info: SequencerInfo,
    /// Who the client is.
    pub member: Member,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// The protocol versions that this node speaks.
    pub versions: Vec<ProtocolVersion>,
    /// How the client behaves.
    pub options: ClientOptions,
}

/// What the client of a member with keys is made of besides.
#[derive(Debug, Clone)]
pub struct MemberSetup {
    /// Its keys.
    pub vault: Vault,
    /// Where its cursor and the domain's topology are.
    pub store: Arc<dyn NodeStore>,
    /// How it authenticates.
    pub authentication: AuthOptions,
}

impl SequencerClient {
    /// The client of a member that has keys in the domain's topology. Reads the store, and asks the sequencer nothing.
    ///
    /// # Errors
    /// [`OpenClientError`].
    pub async fn open(setup: ClientSetup, own: MemberSetup) -> Result<Self, OpenClientError> {
        let ClientSetup { api, info, member, clock, versions, options } = &setup;
        let MemberSetup { vault, store, authentication } = own;
        let domain = info.identity.domain.clone();
        let cursor = store.cursor_find(&domain, member).await?;
        let start = cursor.map(|cursor| known_event(member, &cursor)).transpose()?;
        let topology = DomainTopologyClient::open(
            member.clone(),
            domain.clone(),
            &info.parameters,
            Arc::clone(&store),
            Arc::clone(clock),
            start.as_ref().map(|start| start.timestamp),
            options.topology_horizon,
        )
        .await?;
        let subject = AuthSubject {
            member: member.clone(),
            domain,
            versions: versions.clone(),
            agreement: info.agreement.as_ref().map(|agreement| agreement.id.clone()),
        };
        let (api, clock) = (Arc::clone(api), Arc::clone(clock));
        let authenticator = Authenticator::new(api, vault.clone(), subject, clock, authentication);
        let crypto = SyncCrypto::new(member.clone(), vault, &info.parameters);
        Ok(Self::new(setup, Some(MemberSide { authenticator, crypto, topology, store, start })))
    }

    /// The client of a member `UNM::…` that has no keys in the topology yet: it reads its events from the first on, and
    /// they are not verified, since it knows no topology to verify them by.
    #[must_use]
    pub fn unauthenticated(setup: ClientSetup) -> Self {
        Self::new(setup, None)
    }

    fn new(setup: ClientSetup, side: Option<MemberSide>) -> Self {
        let ClientSetup { api, info, member, clock, versions, options } = setup;
        let minimum = versions.iter().min().copied();
        let start = side.as_ref().and_then(|side| side.start.as_ref()).map(|start| start.timestamp);
        Self(Arc::new(Inner {
            time: DomainTimeTracker::new(Arc::clone(&clock), options.time),
            api,
            member,
            identity: info.identity,
            version: info.parameters.protocol_version,
            versions: HandshakeRequest::new(versions, minimum),
            side,
            clock,
            options,
            pending: PendingSends::default(),
            ticks: Mutex::default(),
            clean: watch::Sender::new(start),
            health: watch::Sender::default(),
            was_run: AtomicBool::new(false),
        }))
    }

    /// Who the client is.
    #[must_use]
    pub fn member(&self) -> &Member {
        &self.0.member
    }

    /// The domain.
    #[must_use]
    pub fn domain(&self) -> &DomainId {
        &self.0.identity.domain
    }

    /// The domain's topology; nothing for a member that has not authenticated itself.
    #[must_use]
    pub fn topology(&self) -> Option<&DomainTopologyClient> {
        self.0.side.as_ref().map(|side| &side.topology)
    }

    /// The member's keys on the domain; nothing for a member that has not authenticated itself.
    #[must_use]
    pub fn crypto(&self) -> Option<&SyncCrypto> {
        self.0.side.as_ref().map(|side| &side.crypto)
    }

    /// The domain's time.
    #[must_use]
    pub fn time(&self) -> &DomainTimeTracker {
        &self.0.time
    }

    /// How the client is, now and whenever that changes.
    #[must_use]
    pub fn health(&self) -> watch::Receiver<ClientHealth> {
        self.0.health.subscribe()
    }

    /// The topology at a time, once it is known. The domain's time is asked for when nothing is heard.
    ///
    /// # Errors
    /// [`SnapshotError`], if the client stopped before that, or the time lies too far back.
    pub async fn await_snapshot(&self, at: CantonTimestamp) -> Result<TopologyView, SnapshotError> {
        let stopped = || SnapshotError::Stopped { at };
        let topology = self.topology().ok_or_else(stopped)?;
        match topology.snapshot(at) {
            Err(SnapshotError::NotKnownYet { .. }) => {}
            known => return known,
        }
        // Nothing takes effect earlier than the delay after it was sequenced, unless the delay is about to shrink.
        let delay = topology.approximate().view.topology_change_delay();
        for enough in [at.saturating_sub(delay), at] {
            tokio::select! {
                known = topology.await_snapshot(at) => return known,
                reached = self.0.time.await_time(enough) => reached.map_err(|_| stopped())?,
            };
        }
        topology.snapshot(at)
    }

    /// Hands in a submission. When it is accepted, the answer waits for what becomes of it; so it does when nobody knows
    /// whether it was accepted.
    ///
    /// # Errors
    /// [`ClientSendError`]: it will not be sequenced.
    pub async fn send(&self, submission: Submission) -> Result<PendingSend, ClientSendError> {
        let Submission { batch, kind, message_id, max_sequencing_time, timestamp_of_signing_key, trace } =
            submission;
        let inner = &*self.0;
        let max = max_sequencing_time.unwrap_or_else(|| {
            CantonTimestamp::from(inner.clock.now()).saturating_add(inner.options.max_sequencing_time_offset)
        });
        let request = SubmissionRequest::new(
            inner.member.clone(),
            message_id.clone(),
            kind,
            batch.compress(),
            max,
            timestamp_of_signing_key,
        );
        inner.check_size(&request)?;
        let Some(mut pending) = inner.pending.register(&message_id, max, &inner.time) else {
            return Err(ClientSendError::Duplicate { message_id });
        };
        match inner.hand_in(request, &trace).await {
            Err(ClientSendError::Send { message_id, source }) if source.may_have_happened() => {
                tracing::info!(
                    %message_id,
                    error = %crate::error::chain(&source),
                    "nobody knows whether a submission was accepted; its event or its time will tell"
                );
                pending.is_accepted = false;
                Ok(pending)
            }
            Err(error) => {
                inner.pending.forget(&message_id);
                Err(error)
            }
            Ok(()) => Ok(pending),
        }
    }

    /// Follows the domain until `stop`, or until something ends it for good. A client is run once.
    ///
    /// Whatever is cancelled by dropping this was handled or will come again.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn run(
        &self,
        handler: Arc<dyn EventHandler>,
        stop: CancellationToken,
    ) -> Result<(), ClientError> {
        let inner = &*self.0;
        if inner.was_run.swap(true, Ordering::Relaxed) {
            return Err(ClientError::RunTwice { member: inner.member.clone() });
        }
        let _end = EndOfRun(inner);
        let result = tokio::select! {
            result = subscription::follow(inner, &*handler, &stop) => result,
            never = inner.keep_asking_for_the_time() => match never {},
            never = inner.keep_acknowledging() => match never {},
        };
        let trouble = result.as_ref().err().map(|error| crate::error::chain(error));
        inner.health.send_modify(|health| health.connection = ConnectionState::Stopped { trouble });
        result
    }
}

/// Whoever waits for something of a client must not wait for ever when it ends, however that is.
struct EndOfRun<'a>(&'a Inner);

impl Drop for EndOfRun<'_> {
    fn drop(&mut self) {
        self.0.time.stop();
        self.0.pending.close();
        self.0.health.send_modify(|health| {
            if !matches!(health.connection, ConnectionState::Stopped { .. }) {
                health.connection = ConnectionState::Stopped { trouble: None };
            }
        });
    }
}

fn known_event(member: &Member, cursor: &ClientCursor) -> Result<KnownEvent, OpenClientError> {
    let counter = SequencerCounter::new(cursor.counter);
    let counter =
        counter.map_err(|_| OpenClientError::Cursor { member: member.clone(), counter: cursor.counter })?;
    let content = Hash::from_evidence(&cursor.event_hash)
        .map_err(|source| OpenClientError::CursorHash { member: member.clone(), source })?;
    Ok(KnownEvent { counter, timestamp: cursor.sequenced.into(), content })
}

impl fmt::Debug for SequencerClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SequencerClient")
            .field("member", &self.0.member)
            .field("domain", &self.0.identity.domain)
            .field("api", &self.0.api)
            .finish_non_exhaustive()
    }
}
