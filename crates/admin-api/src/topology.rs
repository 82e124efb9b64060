//! Where a node's services find its identity and its topology: a manager of its own, or the domain it belongs to.

use cantle_identity::{TopologyLists, TopologyManager};
use cantle_types::UniqueIdentifier;
use tokio::sync::watch;

/// A node's identity and topology.
#[derive(Clone, Debug)]
pub enum NodeTopology {
    /// A participant, a domain or a domain manager: it has a namespace, and says itself what is in it.
    Managed(TopologyManager),
    /// A sequencer or a mediator: it has the identity of its domain once it is initialized.
    OfDomain {
        /// The domain's unique identifier.
        identity: watch::Receiver<Option<UniqueIdentifier>>,
        /// What it knows of the domain.
        lists: TopologyLists,
    },
}

impl NodeTopology {
    /// The node's unique identifier, once it has one.
    #[must_use]
    pub fn uid(&self) -> Option<UniqueIdentifier> {
        match self {
            Self::Managed(manager) => manager.uid(),
            Self::OfDomain { identity, .. } => identity.borrow().clone(),
        }
    }

    /// The topology stores, to be listed.
    #[must_use]
    pub fn lists(&self) -> TopologyLists {
        match self {
            Self::Managed(manager) => manager.lists(),
            Self::OfDomain { lists, .. } => lists.clone(),
        }
    }

    /// The node's topology manager, if it has one.
    #[must_use]
    pub fn manager(&self) -> Option<&TopologyManager> {
        match self {
            Self::Managed(manager) => Some(manager),
            Self::OfDomain { .. } => None,
        }
    }
}

impl From<TopologyManager> for NodeTopology {
    fn from(manager: TopologyManager) -> Self {
        Self::Managed(manager)
    }
}
