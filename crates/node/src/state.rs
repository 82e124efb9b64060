//! What a node is doing, as those who wait for it see it.

use std::{fmt, sync::Arc};

use cantle_admin_api::{ComponentHealth, NodeHealth};
use cantle_store::NodeIdentity;
use cantle_types::UniqueIdentifier;
use tokio::sync::watch;

use crate::StartError;

/// Where a node is between its start and its end.
#[derive(Clone, Debug)]
pub enum NodeState {
    /// Its admin API is up; its identity is being made or its keys are being checked.
    Starting,
    /// It has no identity, and `init.auto-init = false`: the operator gives it one.
    WaitingForIdentity,
    /// It waits to be made part of a domain: a sequencer or mediator without identity, or a domain manager that has one
    /// and no sequencer yet.
    WaitingForDomain(Option<UniqueIdentifier>),
    /// It has its identity, and the KMS answered for each of its keys.
    Ready(UniqueIdentifier),
    /// It has its identity, but some of its keys cannot be used; they are checked again.
    KeysUnusable(UniqueIdentifier),
    /// It could not be initialized.
    Failed(StartError),
}

impl NodeState {
    /// Whether a script may be run: the node is ready, or waits for the operator.
    #[must_use]
    pub fn settled(&self) -> bool {
        matches!(
            self,
            Self::WaitingForIdentity | Self::WaitingForDomain(_) | Self::Ready(_) | Self::KeysUnusable(_)
        )
    }
}

/// Something that an operator wants to read as it happens.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NodeEvent {
    /// A service listens.
    Listening {
        /// The node.
        node: NodeIdentity,
        /// The service, by its configuration key: `admin-api`.
        service: &'static str,
        /// Where.
        address: std::net::SocketAddr,
    },
    /// The node's state changed.
    Changed {
        /// The node.
        node: NodeIdentity,
        /// What it is now.
        state: NodeState,
    },
}

/// Says how a node is, to all who want to know: its state, its health, and the events of the process.
#[derive(Clone)]
pub(crate) struct Reporter {
    node: NodeIdentity,
    state: watch::Sender<NodeState>,
    health: watch::Sender<NodeHealth>,
    events: Arc<dyn Fn(NodeEvent) + Send + Sync>,
}

impl Reporter {
    /// A node that starts.
    pub(crate) fn new(node: NodeIdentity, events: Arc<dyn Fn(NodeEvent) + Send + Sync>) -> Self {
        Self {
            node,
            state: watch::Sender::new(NodeState::Starting),
            health: watch::Sender::new(NodeHealth::default()),
            events,
        }
    }

    pub(crate) fn node(&self) -> &NodeIdentity {
        &self.node
    }

    pub(crate) fn state(&self) -> NodeState {
        self.state.borrow().clone()
    }

    pub(crate) fn watch_state(&self) -> watch::Receiver<NodeState> {
        self.state.subscribe()
    }

    pub(crate) fn watch_health(&self) -> watch::Receiver<NodeHealth> {
        self.health.subscribe()
    }

    /// Tells of a service that listens.
    pub(crate) fn listening(&self, service: &'static str, address: std::net::SocketAddr) {
        (self.events)(NodeEvent::Listening { node: self.node.clone(), service, address });
    }

    pub(crate) fn change(&self, state: NodeState) {
        self.state.send_replace(state.clone());
        (self.events)(NodeEvent::Changed { node: self.node.clone(), state });
    }

    /// Its keys can be used.
    pub(crate) fn serving(&self) {
        self.health.send_replace(NodeHealth { serving: true, components: vec![crypto_provider(None)] });
    }

    /// Its keys cannot be used, for the reason given.
    pub(crate) fn not_serving(&self, trouble: String) {
        let components = vec![crypto_provider(Some(trouble))];
        self.health.send_replace(NodeHealth { serving: false, components });
    }
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reporter").field("node", &self.node).finish_non_exhaustive()
    }
}

impl Reporter {
    /// Its keys can be used, but its domain cannot be reached.
    pub(crate) fn domain_trouble(&self, trouble: String) {
        let domain = ComponentHealth { name: "sequencer-client".to_owned(), trouble: Some(trouble) };
        self.health
            .send_replace(NodeHealth { serving: false, components: vec![crypto_provider(None), domain] });
    }
}

fn crypto_provider(trouble: Option<String>) -> ComponentHealth {
    ComponentHealth { name: "crypto-provider".to_owned(), trouble }
}

impl fmt::Display for NodeEvent {
    /// The lines of the contract: `ready: <kind> <name> <uid>`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listening { node, service, address } => {
                write!(f, "listening: {node} {service} {address}")
            }
            Self::Changed { node, state } => match state {
                NodeState::Starting => write!(f, "starting: {node}"),
                NodeState::WaitingForIdentity => write!(
                    f,
                    "waiting: {node} has no identity; register or generate its keys and call topology.init_id"
                ),
                NodeState::WaitingForDomain(None) => write!(
                    f,
                    "waiting: {node} is not initialized; its domain manager does that, with setup.bootstrap_domain"
                ),
                NodeState::WaitingForDomain(Some(uid)) => write!(
                    f,
                    "waiting: {node} {uid} has no sequencer yet; call setup.bootstrap_domain or setup.init"
                ),
                NodeState::Ready(uid) => write!(f, "ready: {node} {uid}"),
                NodeState::KeysUnusable(uid) => {
                    write!(f, "not ready: {node} {uid}: keys cannot be used; see the log")
                }
                NodeState::Failed(error) => write!(f, "failed: {node}: {error}"),
            },
        }
    }
}
