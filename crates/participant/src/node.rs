//! The participant of a node: the domains that it is to be on, those that it is on, and its pings.
//!
//! A registered domain is connected to until somebody says otherwise: a connection that is lost comes back by itself, one
//! that could not be made is tried again. Invariants: an alias stands for one domain for ever; connecting twice is
//! connecting once.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex as StdMutex, PoisonError, Weak};
use std::time::Duration;

use cantle_identity::TopologyManager;
use cantle_proto::participant::admin::v0::DomainConnectionConfig;
use cantle_sequencing::{
    ApiError, AuthOptions, ClientHealth, ClientOptions, ConnectionError, GrpcOptions, GrpcSequencer,
    SequencerApi, SequencerConnection, SequencerInfo, ServiceAgreement, chain,
};
use cantle_store::{Conflict, DomainConnection, NodeStore, RoleSetting, StoreError};
use cantle_topology::TopologyView;
use cantle_types::{Clock, DomainAlias, DomainId, ParticipantId, ProtocolVersion};
use cantle_vault::Vault;
use futures::future::select_ok;
use prost::Message;
use thiserror::Error;
use tokio::sync::{Mutex, RwLock, watch};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::connect::{ConnectionFailure, Connector};
use crate::domain::{Domain, SessionKeyCache};
use crate::pings::{PingError, PingRequest, PingSuccess, Pings};
use crate::registration::OutboxStatus;

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How long a ping waits for a domain on which all parties are.
const KNOWN_WITHIN: Duration = Duration::from_secs(10);

/// How a participant works.
#[derive(Debug, Clone)]
pub struct ParticipantOptions {
    /// The oldest protocol version of a domain that it connects to.
    pub minimum_version: ProtocolVersion,
    /// How it follows domains.
    pub client: ClientOptions,
    /// How it authenticates.
    pub authentication: AuthOptions,
    /// How sequencers are called.
    pub grpc: GrpcOptions,
    /// The first pause before a connection that was not made, or ended for good, is made anew.
    pub retry_delay: Duration,
    /// How session keys are kept; `None`: a new one for each view.
    pub session_keys: Option<SessionKeyCache>,
}

/// Something about domains that was not done.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ParticipantError {
    /// It has no identity yet.
    #[error("the participant has no identity yet; initialize it first")]
    NoIdentity,
    /// The alias is taken.
    #[error("a domain is registered as {alias} already; domains.modify changes how it is reached")]
    AliasTaken {
        /// The alias.
        alias: DomainAlias,
    },
    /// The alias is not known.
    #[error("no domain is registered as {alias}; domains.list_registered lists them")]
    UnknownAlias {
        /// The alias.
        alias: DomainAlias,
    },
    /// The configuration of a connection is wrong.
    #[error("the connection to the domain is wrong")]
    Connection(#[from] ConnectionError),
    /// It names no alias that can be one.
    #[error("the connection has no alias that can be one")]
    Alias(#[from] cantle_types::IdentifierError),
    /// It asks for more than one sequencer at a time.
    #[error("a sequencer trust threshold of {threshold} is not supported; one sequencer is asked at a time")]
    Threshold {
        /// The threshold.
        threshold: u32,
    },
    /// The connection cannot be used.
    #[error("the connection to the domain cannot be used")]
    Api(#[from] ApiError),
    /// The domain was not connected to.
    #[error("domain {alias} was not connected to")]
    NotConnected {
        /// The alias.
        alias: DomainAlias,
        /// Why.
        #[source]
        source: Box<ConnectionFailure>,
    },
    /// The domain has no such agreement.
    #[error("the agreement of domain {alias} is {current:?}, not {wanted:?}")]
    OtherAgreement {
        /// The alias.
        alias: DomainAlias,
        /// What was accepted.
        wanted: String,
        /// What it is.
        current: Option<String>,
    },
    /// The store failed.
    #[error("the participant's store failed")]
    Store(#[from] StoreError),
    /// What is stored cannot be read.
    #[error("the stored connection to {alias} cannot be read")]
    Damaged {
        /// The alias.
        alias: DomainAlias,
    },
}

impl ParticipantError {
    /// Whether the same may succeed later without anyone changing anything.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            Self::NotConnected { source, .. } => source.retryable(),
            Self::Store(error) => error.retryable(),
            _ => false,
        }
    }
}

/// A domain that a participant is connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectedDomain {
    /// What it is called.
    pub alias: DomainAlias,
    /// Which one it is.
    pub domain: DomainId,
    /// Whether events come.
    pub healthy: bool,
    /// How much of the participant's topology the domain has not taken yet.
    pub outbox: OutboxStatus,
    /// Whether a change of the domain's topology was seen that is in effect only later.
    pub awaits_topology: bool,
}

/// The participant of a node. Clones are the same one.
#[derive(Clone)]
pub struct ParticipantNode(Arc<Inner>);

struct Inner {
    connector: Connector,
    grpc: GrpcOptions,
    pings: Arc<Pings>,
    connected: RwLock<BTreeMap<DomainAlias, Domain>>,
    /// One connection to a domain is made at a time, so that connecting twice is connecting once.
    connecting: StdMutex<BTreeMap<DomainAlias, Arc<Mutex<()>>>>,
    retry_delay: Duration,
    stop: CancellationToken,
}

impl ParticipantNode {
    /// A participant that is connected to nothing.
    #[must_use]
    pub fn new(
        options: ParticipantOptions,
        manager: TopologyManager,
        vault: Vault,
        store: Arc<dyn NodeStore>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let pings = Arc::new(Pings::default());
        let connector = Connector {
            manager,
            vault,
            store,
            clock,
            minimum_version: options.minimum_version,
            client: options.client,
            authentication: options.authentication,
            session_keys: options.session_keys,
            pings: Arc::clone(&pings),
        };
        let connected = RwLock::default();
        Self(Arc::new(Inner {
            connector,
            grpc: options.grpc,
            pings,
            connected,
            connecting: StdMutex::default(),
            retry_delay: options.retry_delay,
            stop: CancellationToken::new(),
        }))
    }

    /// Registers a domain, without connecting to it.
    ///
    /// # Errors
    /// [`ParticipantError`].
    pub async fn register(&self, config: &DomainConnectionConfig) -> Result<(), ParticipantError> {
        let (alias, _) = read(config)?;
        let connection =
            DomainConnection { alias: alias.clone(), domain: None, config: config.encode_to_vec() };
        match self.0.store().connection_insert(&connection).await {
            Err(StoreError::Conflict(Conflict::Connection { .. })) => {
                Err(ParticipantError::AliasTaken { alias })
            }
            inserted => Ok(inserted?),
        }
    }

    /// Changes how a domain is reached; used from the next connection on.
    ///
    /// # Errors
    /// [`ParticipantError`].
    pub async fn modify(&self, config: &DomainConnectionConfig) -> Result<(), ParticipantError> {
        let (alias, _) = read(config)?;
        self.registered(&alias).await?;
        Ok(self.0.store().connection_update(&alias, &config.encode_to_vec()).await?)
    }

    /// The registered domains, and whether each is connected.
    ///
    /// # Errors
    /// When the store fails, or holds what is no configuration.
    pub async fn list_registered(&self) -> Result<Vec<(DomainConnectionConfig, bool)>, ParticipantError> {
        let connected = self.0.connected.read().await;
        let stored = self.0.store().connection_list().await?;
        let listed = stored.into_iter().map(|stored| {
            let is_connected = connected.get(&stored.alias).is_some_and(|domain| !domain.is_stopped());
            Ok((config_of(&stored)?, is_connected))
        });
        listed.collect()
    }

    /// The domains that are connected.
    pub async fn list_connected(&self) -> Vec<ConnectedDomain> {
        let connected = self.0.connected.read().await;
        let domains = connected.values().filter(|domain| !domain.is_stopped());
        domains
            .map(|domain| ConnectedDomain {
                alias: domain.alias.clone(),
                domain: domain.id.clone(),
                healthy: domain.health().borrow().is_connected(),
                outbox: domain.outbox(),
                awaits_topology: domain.awaits_topology(),
            })
            .collect()
    }

    /// Connects to a registered domain; to one that is connected, nothing happens.
    ///
    /// # Errors
    /// [`ParticipantError`].
    pub async fn connect(&self, alias: &DomainAlias) -> Result<DomainId, ParticipantError> {
        let participant = self.participant()?;
        let one = self.0.connecting(alias);
        let _one = one.lock().await;
        if let Some(domain) = self.0.connected.read().await.get(alias)
            && !domain.is_stopped()
        {
            return Ok(domain.id.clone());
        }
        let stored = self.registered(alias).await?;
        let api = self.api(&stored)?;
        let known = stored.domain.as_ref();
        let domain = self.0.connector.connect(&participant, alias.clone(), known, api).await;
        let domain = domain.map_err(|source| not_connected(alias, source))?;
        let (id, health) = (domain.id.clone(), domain.health());
        let old = self.0.connected.write().await.insert(alias.clone(), domain);
        if let Some(old) = old {
            old.stop().await;
        }
        tracing::info!(%participant, %alias, domain = %id, "connected to a domain");
        self.keep(&participant, alias, health);
        Ok(id)
    }

    /// Connects, again and again while that can help.
    ///
    /// # Errors
    /// [`ParticipantError`], when no further try helps.
    pub async fn connect_persistently(&self, alias: &DomainAlias) -> Result<DomainId, ParticipantError> {
        let mut pause = self.0.retry_delay;
        loop {
            match self.connect(alias).await {
                Err(error) if error.retryable() => {
                    tracing::warn!(%alias, error = %chain(&error), ?pause, "a domain is not connected to yet");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                connected => return connected,
            }
        }
    }

    /// Makes a connection anew when it ends by itself, unless somebody else does, or nobody wants it any more.
    fn keep(
        &self,
        participant: &ParticipantId,
        alias: &DomainAlias,
        mut health: watch::Receiver<ClientHealth>,
    ) {
        let (inner, stop) = (Arc::downgrade(&self.0), self.0.stop.clone());
        let alias = alias.clone();
        let span = tracing::info_span!(parent: None, "domain", %participant, %alias);
        let kept = async move {
            // Without a client it has ended, too.
            let _ = health.wait_for(ClientHealth::is_stopped).await;
            drop(health);
            reconnect(&inner, &alias).await;
        };
        tokio::spawn(stop.run_until_cancelled_owned(kept).instrument(span));
    }

    /// Whether a connection ended by itself and stands for a domain that is still wanted.
    async fn is_lost(&self, alias: &DomainAlias) -> bool {
        self.0.connected.read().await.get(alias).is_some_and(Domain::is_stopped)
    }

    /// Ends the connection to a domain; one that is not connected stays so.
    ///
    /// # Errors
    /// When the alias is not known.
    pub async fn disconnect(&self, alias: &DomainAlias) -> Result<(), ParticipantError> {
        self.registered(alias).await?;
        let domain = self.0.connected.write().await.remove(alias);
        if let Some(domain) = domain {
            domain.stop().await;
        }
        Ok(())
    }

    /// The domains to connect to without being asked, by priority.
    ///
    /// # Errors
    /// When the store fails, or holds what is no configuration.
    pub async fn automatic(&self) -> Result<Vec<DomainAlias>, ParticipantError> {
        let mut found = Vec::new();
        for stored in self.0.store().connection_list().await? {
            let config = config_of(&stored)?;
            if !config.manual_connect {
                found.push((config.priority, stored.alias));
            }
        }
        found.sort_by_key(|(priority, _)| std::cmp::Reverse(*priority));
        Ok(found.into_iter().map(|(_, alias)| alias).collect())
    }

    /// The id of a registered domain, asked of its sequencer if it is not known.
    ///
    /// # Errors
    /// [`ParticipantError`].
    pub async fn domain_id(&self, alias: &DomainAlias) -> Result<DomainId, ParticipantError> {
        let stored = self.registered(alias).await?;
        match &stored.domain {
            Some(domain) => Ok(domain.clone()),
            None => Ok(self.info(&stored).await?.identity.domain),
        }
    }

    /// The agreement of a domain, and whether it was accepted.
    ///
    /// # Errors
    /// [`ParticipantError`].
    pub async fn agreement(
        &self,
        alias: &DomainAlias,
    ) -> Result<(DomainId, Option<ServiceAgreement>, bool), ParticipantError> {
        let info = self.info(&self.registered(alias).await?).await?;
        let accepted = match &info.agreement {
            Some(agreement) => self.0.connector.has_accepted(&info.identity.domain, &agreement.id).await?,
            None => true,
        };
        Ok((info.identity.domain, info.agreement, accepted))
    }

    /// Accepts the agreement of a domain.
    ///
    /// # Errors
    /// [`ParticipantError`], if that is not the agreement's id.
    pub async fn accept_agreement(&self, alias: &DomainAlias, id: &str) -> Result<(), ParticipantError> {
        let (domain, agreement, _) = self.agreement(alias).await?;
        let current = agreement.map(|agreement| agreement.id);
        if current.as_deref() != Some(id) {
            return Err(ParticipantError::OtherAgreement {
                alias: alias.clone(),
                wanted: id.to_owned(),
                current,
            });
        }
        let setting = RoleSetting::AcceptedAgreement(domain);
        Ok(self.0.store().setting_put(&setting, id.as_bytes()).await?)
    }

    /// Pings, over the first connected domain that has all parties.
    ///
    /// # Errors
    /// [`PingError`], which says how far the ping came.
    pub async fn ping(&self, request: PingRequest) -> Result<PingSuccess, PingError> {
        if request.responders.is_empty() {
            return Err(PingError::NoResponder);
        }
        let Ok(participant) = self.participant() else { return Err(PingError::Stopped) };
        let own = participant.admin_party();
        let parties: Vec<_> = request.responders.iter().chain(&request.validators).chain([&own]).collect();
        let connected: Vec<_> = {
            let connected = self.0.connected.read().await;
            let live = connected.values().filter(|domain| !domain.is_stopped());
            live.map(|domain| (Arc::clone(&domain.core), domain.id.clone())).collect()
        };
        let no_domain = |reason: String| {
            let parties: Vec<_> = request.responders.iter().map(ToString::to_string).collect();
            PingError::NoDomain { parties: parties.join(", "), reason }
        };
        if connected.is_empty() {
            return Err(no_domain("it is connected to none".to_owned()));
        }
        let missing = |view: &TopologyView| {
            parties.iter().find(|party| view.active_participants_of(party).is_empty()).copied()
        };
        let suitable = connected.iter().map(|(core, domain)| {
            let known = core.topology_until(|view| missing(view).is_none());
            Box::pin(async move { known.await.map(|()| (Arc::clone(core), domain.clone())) })
        });
        // Who has just connected is not known to all at once.
        let patience = request.timeout.min(KNOWN_WITHIN);
        let Ok(Ok(((core, domain), _))) = tokio::time::timeout(patience, select_ok(suitable)).await else {
            let reasons: Vec<_> = connected
                .iter()
                .map(|(core, domain)| {
                    let missing = core.client.topology().and_then(|topology| missing(&topology.latest()));
                    match missing {
                        Some(party) => format!("{domain}: no active participant hosts {party}"),
                        None => format!("{domain}: its topology has not taken effect"),
                    }
                })
                .collect();
            return Err(no_domain(reasons.join("; ")));
        };
        self.0.pings.ping(&core, &domain, own, request).await
    }

    /// Ends all connections.
    pub async fn stop(&self) {
        self.0.stop.cancel();
        let connected = std::mem::take(&mut *self.0.connected.write().await);
        for domain in connected.into_values() {
            domain.stop().await;
        }
    }

    fn participant(&self) -> Result<ParticipantId, ParticipantError> {
        self.0.connector.manager.uid().map(ParticipantId::new).ok_or(ParticipantError::NoIdentity)
    }

    async fn registered(&self, alias: &DomainAlias) -> Result<DomainConnection, ParticipantError> {
        let found = self.0.store().connection_find(alias).await?;
        found.ok_or_else(|| ParticipantError::UnknownAlias { alias: alias.clone() })
    }

    /// What the sequencer of a registered domain says of it.
    async fn info(&self, stored: &DomainConnection) -> Result<SequencerInfo, ParticipantError> {
        let api = self.api(stored)?;
        let info = self.0.connector.info(&stored.alias, stored.domain.as_ref(), &*api).await;
        info.map_err(|source| not_connected(&stored.alias, source))
    }

    fn api(&self, stored: &DomainConnection) -> Result<Arc<dyn SequencerApi>, ParticipantError> {
        let (_, connection) = read(&config_of(stored)?)?;
        Ok(Arc::new(GrpcSequencer::new(connection, self.0.grpc.clone())?))
    }
}

impl Inner {
    fn store(&self) -> &dyn NodeStore {
        &*self.connector.store
    }

    /// What whoever connects to a domain holds.
    fn connecting(&self, alias: &DomainAlias) -> Arc<Mutex<()>> {
        // Single insertions leave the map whole.
        let mut connecting = self.connecting.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(connecting.entry(alias.clone()).or_default())
    }
}

/// Connects again and again while the connection is lost and that can help.
async fn reconnect(inner: &Weak<Inner>, alias: &DomainAlias) {
    let Some(mut pause) = inner.upgrade().map(|inner| inner.retry_delay) else { return };
    loop {
        tokio::time::sleep(pause).await;
        let Some(node) = inner.upgrade().map(ParticipantNode) else { return };
        if !node.is_lost(alias).await {
            return;
        }
        match node.connect(alias).await {
            Ok(_) => return,
            Err(error) if error.retryable() => {
                tracing::warn!(error = %chain(&error), ?pause, "the domain is not connected to again yet");
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Err(error) => {
                tracing::error!(error = %chain(&error), "the domain is not connected to any more; call domains.reconnect when that is mended");
                return;
            }
        }
    }
}

fn not_connected(alias: &DomainAlias, source: ConnectionFailure) -> ParticipantError {
    ParticipantError::NotConnected { alias: alias.clone(), source: Box::new(source) }
}

fn config_of(stored: &DomainConnection) -> Result<DomainConnectionConfig, ParticipantError> {
    DomainConnectionConfig::decode(&*stored.config)
        .map_err(|_| ParticipantError::Damaged { alias: stored.alias.clone() })
}

/// The alias and the sequencers of a configuration.
fn read(config: &DomainConnectionConfig) -> Result<(DomainAlias, SequencerConnection), ParticipantError> {
    if config.sequencer_trust_threshold > 1 {
        return Err(ParticipantError::Threshold { threshold: config.sequencer_trust_threshold });
    }
    let connections = config.sequencer_connections.iter().map(SequencerConnection::from_proto);
    let connections = connections.collect::<Result<Vec<_>, _>>()?;
    Ok((config.domain_alias.parse()?, SequencerConnection::merged(&connections)?))
}

impl fmt::Debug for ParticipantNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParticipantNode")
            .field("participant", &self.0.connector.manager.uid())
            .finish_non_exhaustive()
    }
}
