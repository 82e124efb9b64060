//! The mediator of a node through its life: initialized for a domain, connected, stopped, resumed.
//!
//! Invariant: what it was initialized with stays. The unique identifier, the domain's or one in its namespace, is stored last: a
//! mediator that has one has its key and knows how to reach its domain; one that was interrupted is initialized again.

use std::fmt;
use std::sync::{Arc, PoisonError};

use cantle_crypto::{PublicKey, SigningPublicKey};
use cantle_proto::domain::admin::v0 as admin;
use cantle_protocol::StaticDomainParameters;
use cantle_sequencing::{
    ApiError, AuthOptions, ClientHealth, ClientOptions, ConnectionError, CryptoHandshakeError, GrpcOptions,
    GrpcSequencer, SequencerApi, SequencerConnection, check_crypto,
};
use cantle_store::{NodeStore, RoleSetting, StoreError};
use cantle_types::{Clock, DomainId, Fingerprint, MediatorId, ProtocolVersion, UniqueIdentifier};
use cantle_vault::{KeyRole, NamedKeyError, Vault, VaultError};
use prost::Message;
use thiserror::Error;
use tokio::sync::{Mutex, watch};

use crate::running::{Parts, RunError, Running};

/// How a mediator works.
#[derive(Debug, Clone, Default)]
pub struct MediatorOptions {
    /// How it follows the domain.
    pub client: ClientOptions,
    /// How it authenticates.
    pub authentication: AuthOptions,
    /// How sequencers are called.
    pub grpc: GrpcOptions,
}

/// What a mediator is initialized with.
#[derive(Debug, Clone)]
pub struct MediatorSetup {
    /// The domain.
    pub domain: DomainId,
    /// Who the mediator is.
    pub mediator: MediatorId,
    /// The domain's static parameters.
    pub parameters: StaticDomainParameters,
    /// How the domain's sequencers are reached.
    pub connections: Vec<SequencerConnection>,
    /// The key to sign with; without one, the key named `<node>-signing`, which is made if it is not there.
    pub signing_key: Option<Fingerprint>,
}

/// A mediator that could not do what it was told.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MediatorError {
    /// It belongs to a domain already.
    #[error(
        "the mediator was initialized for domain {domain} before; a mediator belongs to one domain for ever"
    )]
    AlreadyInitialized {
        /// Its domain.
        domain: DomainId,
    },
    /// It belongs to no domain yet.
    #[error("the mediator is not initialized; its domain manager does that, with setup.bootstrap_domain")]
    NotInitialized,
    /// The mediator's id is not in the domain's namespace.
    #[error("mediator {mediator} is not one of domain {domain}, which has another namespace")]
    ForeignMediator {
        /// The mediator.
        mediator: MediatorId,
        /// The domain.
        domain: DomainId,
    },
    /// Its keys do not suit the domain.
    #[error(transparent)]
    Crypto(#[from] CryptoHandshakeError),
    /// Its key could be neither found nor made.
    #[error(transparent)]
    Key(#[from] NamedKeyError),
    /// The named key is not one of this mediator.
    #[error("{fingerprint} is no signing key of this mediator; name one of keys.secret.list, or none")]
    UnknownKey {
        /// The key.
        fingerprint: Fingerprint,
    },
    /// The keys could not be looked up.
    #[error("the mediator's keys could not be looked up")]
    Vault(#[from] VaultError),
    /// A connection cannot be one.
    #[error("the sequencer connection is wrong")]
    Connection(#[from] ConnectionError),
    /// A connection cannot be used.
    #[error("the sequencer connection cannot be used")]
    Api(#[from] ApiError),
    /// The connection was refused.
    #[error("the mediator did not connect to its sequencer")]
    Run(#[from] RunError),
    /// The store failed.
    #[error("the mediator's store failed")]
    Store(#[from] StoreError),
    /// What is stored cannot be read.
    #[error("the stored {what} cannot be read")]
    Damaged {
        /// What.
        what: &'static str,
    },
}

/// The mediator of a node. Clones are the same one.
#[derive(Clone)]
pub struct MediatorNode(Arc<Inner>);

struct Inner {
    options: MediatorOptions,
    vault: Vault,
    store: Arc<dyn NodeStore>,
    clock: Arc<dyn Clock>,
    identity: watch::Sender<Option<UniqueIdentifier>>,
    domain: std::sync::Mutex<Option<DomainId>>,
    running: Mutex<Option<Running>>,
}

impl MediatorNode {
    /// The mediator that a store holds, which may not be initialized. It does not work yet.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn open(
        options: MediatorOptions,
        vault: Vault,
        store: Arc<dyn NodeStore>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let identity = store.uid_find().await?;
        let named = store.setting_find(&RoleSetting::MediatorDomain).await?;
        let named = named.and_then(|text| String::from_utf8(text).ok()?.parse().ok()).map(DomainId::new);
        // The first mediator of a domain has the domain's own identifier.
        let domain = named.or_else(|| identity.clone().map(DomainId::new));
        let domain = std::sync::Mutex::new(domain);
        let identity = watch::Sender::new(identity);
        Ok(Self(Arc::new(Inner {
            options,
            vault,
            store,
            clock,
            identity,
            domain,
            running: Mutex::default(),
        })))
    }

    /// The mediator's unique identifier, once it is initialized: the domain's own, or another one in its namespace.
    #[must_use]
    pub fn identity(&self) -> watch::Receiver<Option<UniqueIdentifier>> {
        self.0.identity.subscribe()
    }

    /// The domain, once the mediator is initialized.
    #[must_use]
    pub fn domain(&self) -> Option<DomainId> {
        if self.0.identity.borrow().is_none() {
            return None;
        }
        let domain = self.0.domain.lock().unwrap_or_else(PoisonError::into_inner).clone();
        domain.or_else(|| self.0.identity.borrow().clone().map(DomainId::new))
    }

    /// The domain's protocol version, once the mediator is initialized.
    ///
    /// # Errors
    /// When the store fails, or what it holds is damaged.
    pub async fn protocol_version(&self) -> Result<Option<ProtocolVersion>, MediatorError> {
        match self.domain() {
            Some(domain) => Ok(Some(self.parameters(&domain).await?.protocol_version)),
            None => Ok(None),
        }
    }

    /// Whether it has seen a change of its domain's topology that is in effect only later.
    pub async fn awaits_topology(&self) -> bool {
        self.0.running.lock().await.as_ref().is_some_and(Running::awaits_topology)
    }

    /// How its connection is, while it has one.
    pub async fn health(&self) -> Option<watch::Receiver<ClientHealth>> {
        self.0.running.lock().await.as_ref().map(Running::health)
    }

    /// How many requests are open.
    pub async fn open_requests(&self) -> usize {
        self.0.running.lock().await.as_ref().map_or(0, Running::open_requests)
    }

    /// Initializes the mediator for a domain, and gives the key that it signs with. It does not connect yet:
    /// the domain must know that key first. The same again is no error.
    ///
    /// # Errors
    /// [`MediatorError`]. What was made so far is found and used by the next attempt.
    pub async fn initialize(&self, setup: MediatorSetup) -> Result<SigningPublicKey, MediatorError> {
        let running = self.0.running.lock().await;
        if let Some(domain) = self.domain()
            && (domain != setup.domain || self.0.identity.borrow().as_ref() != Some(setup.mediator.uid()))
        {
            return Err(MediatorError::AlreadyInitialized { domain });
        }
        // Its keys are the domain's to authorize.
        if setup.mediator.uid().namespace() != setup.domain.uid().namespace() {
            return Err(MediatorError::ForeignMediator { mediator: setup.mediator, domain: setup.domain });
        }
        check_crypto(&setup.parameters, self.0.vault.options())?;
        SequencerConnection::merged(&setup.connections)?;
        let key = self.key(setup.signing_key.as_ref()).await?;
        let store = &self.0.store;
        let parameters = RoleSetting::StaticDomainParameters(setup.domain.clone());
        store.setting_put(&parameters, &setup.parameters.to_bytes()).await?;
        self.0.keep(&setup.domain, &setup.connections).await?;
        store.setting_put(&RoleSetting::MediatorDomain, setup.domain.to_string().as_bytes()).await?;
        store.uid_insert(setup.mediator.uid()).await?;
        *self.0.domain.lock().unwrap_or_else(PoisonError::into_inner) = Some(setup.domain.clone());
        self.0.identity.send_replace(Some(setup.mediator.uid().clone()));
        drop(running);
        Ok(key)
    }

    /// Connects, if it is initialized and does not work, or does not work any more.
    ///
    /// # Errors
    /// [`MediatorError`]; may be repeated.
    pub async fn resume(&self) -> Result<(), MediatorError> {
        let domain = self.domain().ok_or(MediatorError::NotInitialized)?;
        let mut running = self.0.running.lock().await;
        clear(&mut running).await;
        if running.is_none() {
            let connection = SequencerConnection::merged(&self.connections().await?)?;
            let api = GrpcSequencer::new(connection, self.0.options.grpc.clone())?;
            *running = Some(self.run(&domain, Arc::new(api)).await?);
        }
        Ok(())
    }

    /// Begins to work with the sequencer in the same process, as the mediator of an embedded domain.
    ///
    /// # Errors
    /// [`MediatorError`].
    pub async fn start_with(
        &self,
        domain: &DomainId,
        parameters: &StaticDomainParameters,
        api: Arc<dyn SequencerApi>,
    ) -> Result<(), MediatorError> {
        let mut running = self.0.running.lock().await;
        clear(&mut running).await;
        if running.is_none() {
            let setting = RoleSetting::StaticDomainParameters(domain.clone());
            self.0.store.setting_claim(&setting, &parameters.to_bytes()).await?;
            *running = Some(self.run(domain, api).await?);
        }
        Ok(())
    }

    /// How the sequencers are reached; nothing before the mediator is initialized.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn connections(&self) -> Result<Vec<SequencerConnection>, MediatorError> {
        let Some(domain) = self.domain() else { return Ok(Vec::new()) };
        let stored = self.0.store.setting_find(&RoleSetting::SequencerConnections(domain)).await?;
        let Some(stored) = stored else { return Ok(Vec::new()) };
        let damaged = MediatorError::Damaged { what: "sequencer connections" };
        let Ok(message) = admin::SetConnectionRequest::decode(&*stored) else { return Err(damaged) };
        let connections = message.sequencer_connections.iter().map(SequencerConnection::from_proto);
        Ok(connections.collect::<Result<_, _>>()?)
    }

    /// Changes how the sequencers are reached, and connects anew.
    ///
    /// # Errors
    /// [`MediatorError`]; the former connections stay then.
    pub async fn set_connections(&self, connections: Vec<SequencerConnection>) -> Result<(), MediatorError> {
        let domain = self.domain().ok_or(MediatorError::NotInitialized)?;
        let connection = SequencerConnection::merged(&connections)?;
        let api = GrpcSequencer::new(connection, self.0.options.grpc.clone())?;
        let mut running = self.0.running.lock().await;
        // One mediator follows the domain at a time.
        if let Some(old) = running.take() {
            old.stop().await;
        }
        *running = Some(self.run(&domain, Arc::new(api)).await?);
        Ok(self.0.keep(&domain, &connections).await?)
    }

    /// Stores what is done with and stops working.
    pub async fn stop(&self) {
        if let Some(running) = self.0.running.lock().await.take() {
            running.stop().await;
        }
    }

    async fn key(&self, named: Option<&Fingerprint>) -> Result<SigningPublicKey, MediatorError> {
        let vault = &self.0.vault;
        let Some(fingerprint) = named else {
            return Ok(vault
                .named_signing_key(&vault.options().node.name, "signing", KeyRole::Signing)
                .await?);
        };
        match vault.private_key(fingerprint).await?.map(|info| info.public) {
            Some(PublicKey::Signing(key)) => Ok(key),
            _ => Err(MediatorError::UnknownKey { fingerprint: fingerprint.clone() }),
        }
    }

    async fn parameters(&self, domain: &DomainId) -> Result<StaticDomainParameters, MediatorError> {
        let setting = RoleSetting::StaticDomainParameters(domain.clone());
        let damaged = || MediatorError::Damaged { what: "static domain parameters" };
        let stored = self.0.store.setting_find(&setting).await?.ok_or_else(damaged)?;
        StaticDomainParameters::from_bytes(&stored).map_err(|_| damaged())
    }

    async fn run(&self, domain: &DomainId, api: Arc<dyn SequencerApi>) -> Result<Running, MediatorError> {
        let own = self.0.identity.borrow().clone().unwrap_or_else(|| domain.uid().clone());
        let parts = Parts {
            mediator: MediatorId::new(own),
            domain: domain.clone(),
            parameters: self.parameters(domain).await?,
            vault: self.0.vault.clone(),
            store: Arc::clone(&self.0.store),
            clock: Arc::clone(&self.0.clock),
            client: self.0.options.client,
            authentication: self.0.options.authentication,
        };
        Ok(Running::start(parts, api).await?)
    }
}

/// Takes away what ended by itself, so that it is begun again.
async fn clear(running: &mut Option<Running>) {
    if let Some(ended) = running.take_if(|running| running.health().borrow().is_stopped()) {
        ended.stop().await;
    }
}

impl Inner {
    async fn keep(&self, domain: &DomainId, connections: &[SequencerConnection]) -> Result<(), StoreError> {
        let message = admin::SetConnectionRequest {
            sequencer_connections: connections.iter().map(SequencerConnection::to_proto).collect(),
            sequencer_trust_threshold: 1,
        };
        let setting = RoleSetting::SequencerConnections(domain.clone());
        self.store.setting_put(&setting, &message.encode_to_vec()).await
    }
}

impl fmt::Debug for MediatorNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediatorNode").field("domain", &self.domain()).finish_non_exhaustive()
    }
}
