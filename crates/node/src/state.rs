//! What a node is doing, as those who wait for it see it.

use std::fmt;

use cantle_store::NodeIdentity;
use cantle_types::UniqueIdentifier;

use crate::StartError;

/// Where a node is between its start and its end.
#[derive(Clone, Debug)]
pub enum NodeState {
    /// Its admin API is up; its identity is being made or its keys are being checked.
    Starting,
    /// It has no identity, and `init.auto-init = false`: the operator gives it one.
    WaitingForIdentity,
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
        matches!(self, Self::WaitingForIdentity | Self::Ready(_) | Self::KeysUnusable(_))
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
                NodeState::Ready(uid) => write!(f, "ready: {node} {uid}"),
                NodeState::KeysUnusable(uid) => {
                    write!(f, "not ready: {node} {uid}: keys cannot be used; see the log")
                }
                NodeState::Failed(error) => write!(f, "failed: {node}: {error}"),
            },
        }
    }
}
