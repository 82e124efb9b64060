//! What the services are given: the node's parts, and how it is.

use std::{collections::BTreeMap, error::Error, fmt::Debug, sync::Arc};

use cantle_domain_manager::DomainManagerNode;
use cantle_mediator::MediatorNode;
use cantle_store::NodeIdentity;
use cantle_types::Clock;
use cantle_vault::Vault;
use tokio::sync::watch;

use crate::NodeTopology;

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
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The ports it listens on, by service.
    pub ports: BTreeMap<String, u16>,
    /// How it is; the node changes it.
    pub health: watch::Receiver<NodeHealth>,
    /// The process's log level.
    pub log_level: Arc<dyn LogLevel>,
}

/// The role of a node, by kind.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RoleHandles {
    /// A participant.
    Participant,
    /// The manager of a distributed domain.
    DomainManager(DomainManagerNode),
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
}

/// The log level of the process, which the binary owns.
pub trait LogLevel: Send + Sync + Debug {
    /// Sets the least severe level that is logged from now on.
    ///
    /// # Errors
    /// When there is no such level.
    fn set(&self, level: &str) -> Result<(), Box<dyn Error + Send + Sync>>;
}
