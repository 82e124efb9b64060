//! What a node is doing, as those who wait for it see it.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use cantle_admin_api::{ComponentHealth, NodeHealth};
use cantle_kms::Wait;
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
    /// Whether the node has its identity.
    pub(crate) fn has_identity(&self) -> bool {
        matches!(self, Self::WaitingForDomain(Some(_)) | Self::Ready(_) | Self::KeysUnusable(_))
    }

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
    /// A service of the process itself listens.
    Monitoring {
        /// The service: `prometheus` or `health`.
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
    condition: Arc<Mutex<Condition>>,
    events: Arc<dyn Fn(NodeEvent) + Send + Sync>,
}

impl Reporter {
    /// A node that starts.
    pub(crate) fn new(node: NodeIdentity, events: Arc<dyn Fn(NodeEvent) + Send + Sync>) -> Self {
        Self {
            node,
            state: watch::Sender::new(NodeState::Starting),
            health: watch::Sender::new(NodeHealth::default()),
            condition: Arc::default(),
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

    /// Waits until the node is ready for the first time; nothing if that can no longer be.
    pub(crate) async fn until_ready(&self) -> Option<UniqueIdentifier> {
        let mut state = self.state.subscribe();
        let reached =
            state.wait_for(|state| matches!(state, NodeState::Ready(_) | NodeState::Failed(_))).await;
        match reached.as_deref() {
            Ok(NodeState::Ready(uid)) => Some(uid.clone()),
            _ => None,
        }
    }

    /// Its keys can be used, and its domain, where it has one, can be reached.
    pub(crate) fn serving(&self) {
        self.condition(|condition| {
            *condition =
                Condition { initialized: true, keys: None, domain: None, ..std::mem::take(condition) };
        });
    }

    /// Its keys cannot be used, for the reason given.
    pub(crate) fn not_serving(&self, trouble: String) {
        self.condition(|condition| condition.keys = Some(trouble));
    }

    /// Its database cannot be read or written to, for the reason given; nothing: it can.
    pub(crate) fn storage(&self, trouble: Option<String>) {
        if trouble.is_some()
            || self.condition.lock().unwrap_or_else(PoisonError::into_inner).storage.is_some()
        {
            self.condition(|condition| condition.storage = trouble);
        }
    }

    /// Its domain cannot be reached.
    pub(crate) fn domain_trouble(&self, trouble: String) {
        self.condition(|condition| condition.domain = Some(trouble));
    }

    /// The keys of a node that was ready cannot be used any more, for the reason given.
    pub(crate) fn keys_unusable(&self, uid: &UniqueIdentifier, trouble: String) {
        self.not_serving(trouble);
        if matches!(self.state(), NodeState::Ready(_)) {
            self.change(NodeState::KeysUnusable(uid.clone()));
        }
    }

    /// They can be used again.
    pub(crate) fn keys_usable(&self, uid: &UniqueIdentifier) {
        self.condition(|condition| condition.keys = None);
        if matches!(self.state(), NodeState::KeysUnusable(_)) {
            self.change(NodeState::Ready(uid.clone()));
        }
    }

    /// How each of its keys is: by name, what is wrong, and what else there is to say.
    pub(crate) fn keys(&self, keys: impl IntoIterator<Item = (String, Option<String>, Option<String>)>) {
        let keys = keys.into_iter().take(MOST_KEYS);
        let keys = keys.map(|(name, trouble, detail)| component(format!("key {name}"), trouble, detail));
        let keys = keys.collect();
        self.condition(|condition| condition.each_key = keys);
    }

    /// What it waits for: requests that are being repeated.
    pub(crate) fn waits(&self, waits: &[Wait]) {
        let mut shown: Vec<_> = waits.iter().take(MOST_WAITS).map(Wait::to_string).collect();
        if let Some(more) = waits.len().checked_sub(MOST_WAITS).filter(|more| *more > 0) {
            shown.push(format!("and {more} more"));
        }
        let waits = (!shown.is_empty()).then(|| shown.join("; "));
        self.condition(|condition| condition.waits = waits);
    }

    /// Changes what is known and tells of it.
    fn condition(&self, change: impl FnOnce(&mut Condition)) {
        // Whole after every change, so a panic elsewhere has not spoilt it.
        let mut condition = self.condition.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut condition);
        self.health.send_replace(condition.health());
    }
}

/// A status with more keys, or more waits, would be of no use to anybody.
const MOST_KEYS: usize = 100;
const MOST_WAITS: usize = 20;

/// What is known of how a node is, each part from somebody else.
#[derive(Debug, Default)]
struct Condition {
    initialized: bool,
    keys: Option<String>,
    storage: Option<String>,
    domain: Option<String>,
    each_key: Vec<ComponentHealth>,
    waits: Option<String>,
}

impl Condition {
    fn health(&self) -> NodeHealth {
        let mut components = vec![component("crypto-provider".to_owned(), self.keys.clone(), None)];
        if let Some(trouble) = &self.storage {
            components.push(component("storage".to_owned(), Some(trouble.clone()), None));
        }
        if let Some(trouble) = &self.domain {
            components.push(component("sequencer-client".to_owned(), Some(trouble.clone()), None));
        }
        components.extend(self.each_key.iter().cloned());
        if let Some(waits) = &self.waits {
            components.push(component("kms-requests".to_owned(), None, Some(waits.clone())));
        }
        let troubles = [&self.keys, &self.storage, &self.domain];
        let serving = self.initialized && troubles.into_iter().all(Option::is_none);
        NodeHealth { serving, components }
    }
}

fn component(name: String, trouble: Option<String>, detail: Option<String>) -> ComponentHealth {
    ComponentHealth { name, trouble, detail }
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reporter").field("node", &self.node).finish_non_exhaustive()
    }
}

impl fmt::Display for NodeEvent {
    /// The lines of the contract: `ready: <kind> <name> <uid>`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listening { node, service, address } => {
                write!(f, "listening: {node} {service} {address}")
            }
            Self::Monitoring { service, address } => write!(f, "listening: monitoring {service} {address}"),
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
