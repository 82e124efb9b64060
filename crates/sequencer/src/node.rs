//! A node that is a sequencer, or waits to be made one.
//!
//! Invariant: a node serves one domain for ever; started again it goes on with what it has stored.

use std::sync::Arc;

use cantle_crypto::SigningPublicKey;
use cantle_sequencing::ServiceAgreement;
use cantle_store::{NodeStore, SequencerGroup, StoreError};
use cantle_topology::SignedTopologyTransaction;
use cantle_types::{Clock, DomainId, Member, NodeName, SequencerId, UniqueIdentifier};
use cantle_vault::Vault;
use jiff::Timestamp;
use tokio::sync::{Mutex, watch};

use crate::error::{BootstrapError, OpenError};
use crate::initialize::{
    Initialization, InitializeError, initialize, record_initialization, stored_initialization,
};
use crate::options::SequencerOptions;
use crate::sequencer::{Sequencer, SequencerSetup};

/// What a node is made of before it knows its domain.
#[derive(Debug, Clone)]
pub struct SequencerNodeSetup {
    /// The node's name; its key is named after it.
    pub name: NodeName,
    /// Its keys.
    pub vault: Vault,
    /// Where everything is kept that is the node's alone.
    pub store: Arc<dyn NodeStore>,
    /// Where events and topology are kept that it shares with other sequencers of its domain; in `store` without it.
    pub shared: Option<SharedDatabase>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What participants must accept before they may authenticate.
    pub agreement: Option<ServiceAgreement>,
    /// Limits and times.
    pub options: SequencerOptions,
}

/// A database that several sequencers of a domain share.
#[derive(Debug, Clone)]
pub struct SharedDatabase {
    /// Its content.
    pub store: Arc<dyn NodeStore>,
    /// Who of them writes.
    pub group: Arc<dyn SequencerGroup>,
    /// Its name, drawn when it was made: the same for all who share it.
    pub id: String,
}

/// What a snapshot of a sequencer says of the domain's events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotHeads {
    /// Its time.
    pub latest: Timestamp,
    /// The counter of each member's last event until then.
    pub heads: Vec<(Member, i64)>,
}

impl SnapshotHeads {
    /// Whether a database has what the snapshot tells of.
    async fn check(&self, store: &dyn NodeStore, domain: &DomainId) -> Result<(), SequencerNodeError> {
        let other = |what: String| Err(SequencerNodeError::OtherSnapshot { what });
        match stored_initialization(store).await? {
            None => return other("it holds no domain yet".to_owned()),
            Some(stored) if stored.domain != *domain => {
                return other(format!("it holds the domain {}", stored.domain));
            }
            Some(_) => {}
        }
        match store.sequencer_latest().await? {
            Some(latest) if latest >= self.latest => {}
            _ => return other(format!("it has no events up to {}", self.latest)),
        }
        let members = store.sequencer_members().await?;
        let events = |member: &Member| {
            members.iter().find(|known| known.member == *member).map_or(0, |known| known.next_counter)
        };
        match self.heads.iter().find(|(member, head)| *head >= events(member)) {
            Some((member, head)) => other(format!("it has no event {head} of {member}")),
            None => Ok(()),
        }
    }
}

/// Why a node is not a sequencer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SequencerNodeError {
    /// It could not be made one.
    #[error(transparent)]
    Initialize(#[from] InitializeError),
    /// It could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The topology that it was to begin with was not taken.
    #[error("the topology of the domain was not taken")]
    Bootstrap(#[from] BootstrapError),
    /// It has not been made one yet.
    #[error("this node has not been made the sequencer of a domain yet")]
    NotInitialized,
    /// It has a database of its own, and was to go on with the events of another sequencer.
    #[error(
        "this sequencer has a database of its own: only sequencers that share one can be initialized from a snapshot; \
         set sequencer.high-availability.enabled = true, with the database of the domain's other sequencers as \
         sequencer.storage, and start the node again"
    )]
    OwnDatabase,
    /// The snapshot is of another database than the one that it shares.
    #[error(
        "the snapshot is not of the database that this sequencer shares: {what}; name the database of the sequencer \
         that the snapshot is from as sequencer.storage, and start the node again"
    )]
    OtherSnapshot {
        /// What does not fit.
        what: String,
    },
    /// The store failed.
    #[error("the sequencers' database cannot be read")]
    Store(#[from] StoreError),
    /// It has been stopped.
    #[error("this node stops")]
    Stopped,
}

/// A sequencer node. Clones are the same one.
#[derive(Debug, Clone)]
pub struct SequencerNode(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    setup: SequencerNodeSetup,
    /// One of those who start and stop it at a time.
    turn: Mutex<Turn>,
    running: watch::Sender<Option<Sequencer>>,
    identity: watch::Sender<Option<UniqueIdentifier>>,
}

#[derive(Debug, PartialEq, Eq)]
enum Turn {
    Open,
    Stopped,
}

impl SequencerNode {
    /// The node as it is stored; [`SequencerNode::resume`] starts it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn open(setup: SequencerNodeSetup) -> Result<Self, StoreError> {
        let stored = stored_initialization(&*setup.store).await?;
        let identity = stored.map(|stored| stored.domain.uid().clone());
        let (running, identity) = (watch::Sender::new(None), watch::Sender::new(identity));
        Ok(Self(Arc::new(Inner { setup, turn: Mutex::new(Turn::Open), running, identity })))
    }

    /// The unique identifier of its domain, once it has one.
    #[must_use]
    pub fn identity(&self) -> watch::Receiver<Option<UniqueIdentifier>> {
        self.0.identity.subscribe()
    }

    /// Its domain, once it has one.
    #[must_use]
    pub fn domain(&self) -> Option<DomainId> {
        self.0.identity.borrow().clone().map(DomainId::new)
    }

    /// The sequencer, as long as it runs.
    #[must_use]
    pub fn sequencer(&self) -> Option<Sequencer> {
        self.0.running.borrow().clone()
    }

    /// The sequencer, now and whenever it is started or stopped.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Option<Sequencer>> {
        self.0.running.subscribe()
    }

    /// Makes the node the sequencer of a domain and starts it, and returns the key that is to be registered for it. A
    /// topology that comes along is the domain's beginning.
    ///
    /// May be repeated.
    ///
    /// # Errors
    /// [`SequencerNodeError`].
    pub async fn initialize(
        &self,
        wanted: &Initialization,
        topology: &[SignedTopologyTransaction],
    ) -> Result<SigningPublicKey, SequencerNodeError> {
        let turn = self.0.turn.lock().await;
        if *turn == Turn::Stopped {
            return Err(SequencerNodeError::Stopped);
        }
        let SequencerNodeSetup { store, shared, vault, name, .. } = &self.0.setup;
        if let Some(shared) = shared {
            // That of another domain is found out before anything is made here.
            record_initialization(&*shared.store, wanted).await?;
        }
        let key = initialize(&**store, vault, name, wanted).await?;
        let sequencer = self.start(wanted).await?;
        if !topology.is_empty() {
            match sequencer.bootstrap(topology).await {
                Ok(()) | Err(BootstrapError::Begun) => {}
                Err(error) => return Err(error.into()),
            }
        }
        drop(turn);
        Ok(key)
    }

    /// As [`SequencerNode::initialize`], for a domain that runs already: the events are those of the database that the
    /// node shares with the sequencer from which the snapshot is.
    ///
    /// # Errors
    /// [`SequencerNodeError::OwnDatabase`], [`SequencerNodeError::OtherSnapshot`], or as [`SequencerNode::initialize`];
    /// nothing has changed in the first two.
    pub async fn initialize_from_snapshot(
        &self,
        wanted: &Initialization,
        snapshot: &SnapshotHeads,
    ) -> Result<SigningPublicKey, SequencerNodeError> {
        let shared = self.0.setup.shared.as_ref().ok_or(SequencerNodeError::OwnDatabase)?;
        snapshot.check(&*shared.store, &wanted.domain).await?;
        self.initialize(wanted, &[]).await
    }

    /// Starts the sequencer if the node has been made one, unless it runs.
    ///
    /// # Errors
    /// [`SequencerNodeError`].
    pub async fn resume(&self) -> Result<Sequencer, SequencerNodeError> {
        let turn = self.0.turn.lock().await;
        if *turn == Turn::Stopped {
            return Err(SequencerNodeError::Stopped);
        }
        let stored = stored_initialization(&*self.0.setup.store).await.map_err(OpenError::Store)?;
        let stored = stored.ok_or(SequencerNodeError::NotInitialized)?;
        let sequencer = self.start(&stored).await?;
        drop(turn);
        Ok(sequencer)
    }

    /// The name of the database that it shares with other sequencers of its domain, if it does.
    #[must_use]
    pub fn shared_database(&self) -> Option<&str> {
        self.0.setup.shared.as_ref().map(|shared| shared.id.as_str())
    }

    /// Begins the domain with a topology.
    ///
    /// # Errors
    /// [`SequencerNodeError::NotInitialized`], or as [`Sequencer::bootstrap`].
    pub async fn bootstrap(&self, topology: &[SignedTopologyTransaction]) -> Result<(), SequencerNodeError> {
        let sequencer = self.sequencer().ok_or(SequencerNodeError::NotInitialized)?;
        Ok(sequencer.bootstrap(topology).await?)
    }

    /// Stops the sequencer for good.
    pub async fn stop(&self) {
        let mut turn = self.0.turn.lock().await;
        *turn = Turn::Stopped;
        let running = self.0.running.send_replace(None);
        if let Some(sequencer) = running {
            sequencer.close().await;
        }
    }

    /// The running sequencer of the domain; opened if it does not run.
    async fn start(&self, initialization: &Initialization) -> Result<Sequencer, OpenError> {
        if let Some(running) = self.sequencer() {
            return Ok(running);
        }
        let SequencerNodeSetup { vault, store, shared, clock, agreement, options, .. } = &self.0.setup;
        let Initialization { domain, parameters } = initialization;
        let sequencer = Sequencer::open(SequencerSetup {
            domain: domain.clone(),
            sequencer: SequencerId::new(domain.uid().clone()),
            parameters: parameters.clone(),
            agreement: agreement.clone(),
            vault: vault.clone(),
            store: Arc::clone(shared.as_ref().map_or(store, |shared| &shared.store)),
            group: shared.as_ref().map(|shared| Arc::clone(&shared.group)),
            clock: Arc::clone(clock),
            options: options.clone(),
        })
        .await?;
        self.0.running.send_replace(Some(sequencer.clone()));
        self.0.identity.send_replace(Some(domain.uid().clone()));
        Ok(sequencer)
    }
}
