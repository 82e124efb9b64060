//! What the services are given: the node's parts, and how it is.

use std::{collections::BTreeMap, error::Error, fmt::Debug, sync::Arc};

use cantle_domain_manager::DomainManagerNode;
use cantle_mediator::MediatorNode;
use cantle_participant::ParticipantNode;
use cantle_sequencer::SequencerNode;
use cantle_store::NodeIdentity;
use cantle_types::Clock;
use cantle_vault::Vault;
use tokio::sync::watch;

use crate::{EmbeddedDomain, NodeTopology, PingFeed};

/// Everything that the admin API of one node needs.
#[derive(Clone, Debug)]
pub struct AdminHandles {
    /// The node's kind and name.
    pub node: NodeIdentity,
    /// Its keys.
    pub vault: Vault,
    /// Its topology and identity.
    pub topology: NodeTopology,
    /// What it is besides.
    pub role: RoleHandles,
    /// Told of a participant's pings.
    pub pings: PingFeed,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The ports it listens on, by service.
    pub ports: BTreeMap<String, u16>,
    /// How it is; the node changes it.
    pub health: watch::Receiver<NodeHealth>,
    /// The process's log level.
    pub log_level: Arc<dyn LogLevel>,
    /// What the process knows of its troubles.
    pub diagnostics: Arc<dyn Diagnostics>,
}

/// The role of a node, by kind.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RoleHandles {
    /// A participant.
    Participant(ParticipantNode),
    /// A sync domain with its sequencer and mediator in one node.
    Domain(EmbeddedDomain),
    /// The manager of a distributed domain.
    DomainManager(DomainManagerNode),
    /// A sequencer.
    Sequencer(SequencerNode),
    /// A mediator.
    Mediator(MediatorNode),
}

/// How a node is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeHealth {
    /// Whether it serves: it has its identity and its keys can be used.
    pub serving: bool,
    /// Its parts.
    pub components: Vec<ComponentHealth>,
}

/// How a part of a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentHealth {
    /// The part: `crypto-provider`, `storage`, ….
    pub name: String,
    /// What is wrong with it, or nothing.
    pub trouble: Option<String>,
    /// What else there is to say of it.
    pub detail: Option<String>,
}

/// The log level of the process, which the binary owns.
pub trait LogLevel: Send + Sync + Debug {
    /// Sets the least severe level that is logged from now on.
    ///
    /// # Errors
    /// When there is no such level.
    fn set(&self, level: &str) -> Result<(), Box<dyn Error + Send + Sync>>;
}

/// What a process can say of itself when something is wrong. Nothing of it may hold a secret.
pub trait Diagnostics: Send + Sync + Debug {
    /// The last warnings and errors of the log, the oldest first.
    fn last_errors(&self) -> Vec<LastError>;

    /// The lines that belong to one of them, or nothing if there is none of that trace.
    fn error_trace(&self, trace_id: &str) -> Option<Vec<String>>;

    /// What a health dump has besides the node's status: the configuration, metrics, the log.
    fn files(&self) -> Vec<DumpFile>;
}

/// A warning or an error of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastError {
    /// The trace that it belongs to.
    pub trace_id: String,
    /// What it says.
    pub message: String,
}

/// A file of a health dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpFile {
    /// Its name in the archive.
    pub name: String,
    /// What is in it.
    pub content: Vec<u8>,
}

/// A process that knows nothing of itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoDiagnostics;

impl Diagnostics for NoDiagnostics {
    fn last_errors(&self) -> Vec<LastError> {
        Vec::new()
    }

    fn error_trace(&self, _trace_id: &str) -> Option<Vec<String>> {
        None
    }

    fn files(&self) -> Vec<DumpFile> {
        Vec::new()
    }
}
