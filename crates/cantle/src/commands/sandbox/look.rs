//! How things are: nodes, keys and connections, and with what happened the whole that the page shows.
//!
//! Nodes are asked at most once a second and only while somebody looks. The KMS is asked nothing: a key's state is read from
//! the server in this process, so that looking changes no count.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use cantle_kms_server::KeyView;
use cantle_node::{NodeHandle, NodeKind, NodeState};
use cantle_proto::{
    cantle::admin::v1::NodeKey,
    participant::admin::v0::{
        ListConnectedDomainsRequest, domain_connectivity_service_client::DomainConnectivityServiceClient,
    },
};
use serde::Serialize;
use tokio::{
    sync::{Mutex, broadcast::error::RecvError},
    task::JoinSet,
};
use tonic::transport::Channel;

use super::hub::{Hub, Ping, Recent, Request, Total, us};
use crate::{
    commands::{
        playground::{self, ACCOUNT, Playground, REGION},
        remote::Target,
    },
    failure::Failure,
};

/// Connections are asked for no more often than this.
const EVERY: Duration = Duration::from_secs(1);
/// Keys change seldom: new ones are asked for at once, all of them this often.
const KEYS_EVERY: Duration = Duration::from_secs(10);
/// How long a node may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// A node.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Node {
    kind: &'static str,
    name: String,
    uid: Option<String>,
    state: &'static str,
    /// Whether it serves.
    healthy: bool,
    /// What is wrong with it.
    troubles: Vec<String>,
    admin_api: String,
    public_api: Option<String>,
}

/// A node's key.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Key {
    node: String,
    purpose: String,
    name: String,
    fingerprint: String,
    kms_key_id: String,
    kms_key_arn: String,
    key_spec: String,
    /// AWS's `KeyState`; `Deleted` when there is no such key any more.
    state: String,
    /// Signatures and decryptions that succeeded.
    uses: u64,
    last_used_us: Option<u64>,
    last_operation: Option<String>,
}

/// A participant on a domain.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Connection {
    participant: String,
    domain: String,
    domain_id: String,
    healthy: bool,
}

/// How things are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct State {
    nodes: Vec<Node>,
    keys: Vec<Key>,
    connections: Vec<Connection>,
    totals: Vec<Total>,
    usd: f64,
}

/// All there is to show.
#[derive(Debug, Serialize)]
pub(super) struct Snapshot {
    version: &'static str,
    started_us: u64,
    now_us: u64,
    kms_endpoint: String,
    account: &'static str,
    region: &'static str,
    #[serde(flatten)]
    state: State,
    pings: Vec<Arc<Ping>>,
    requests: Vec<Arc<Request>>,
}

/// Looks at the nodes of a playground.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) hub: Arc<Hub>,
    started: SystemTime,
    kms_endpoint: String,
    kms_keys: KeyView,
    nodes: Vec<Watched>,
    found: Mutex<Found>,
    /// Ends with this.
    _feeds: JoinSet<()>,
}

#[derive(Debug)]
struct Watched {
    handle: NodeHandle,
    admin: Channel,
}

/// What was asked for last.
#[derive(Debug, Default)]
struct Found {
    at: Option<Instant>,
    keys_at: Option<Instant>,
    keys_made: u64,
    /// By node, in the order of the nodes.
    each: Vec<OfNode>,
}

#[derive(Clone, Debug, Default)]
struct OfNode {
    keys: Vec<NodeKey>,
    connections: Vec<Connection>,
    trouble: Option<String>,
}

impl Look {
    pub(super) fn new(playground: &Playground, hub: Arc<Hub>) -> Result<Self, Failure> {
        let mut nodes = Vec::new();
        let mut feeds = JoinSet::new();
        for handle in playground.nodes.handles() {
            let target = Target::at(&handle.admin_address.to_string())?;
            let admin = cantle_transport::channel(&target.endpoint, None);
            feeds.spawn(follow(handle.clone(), Arc::clone(&hub)));
            nodes.push(Watched { handle, admin });
        }
        let found = Found { each: vec![OfNode::default(); nodes.len()], ..Found::default() };
        Ok(Self {
            hub,
            started: SystemTime::now(),
            kms_endpoint: playground.kms.endpoint(),
            kms_keys: playground.kms.keys(),
            nodes,
            found: Mutex::new(found),
            _feeds: feeds,
        })
    }

    /// The names of the participants.
    pub(super) fn participants(&self) -> impl Iterator<Item = &str> {
        let participants = self.nodes.iter().filter(|node| node.is_participant());
        participants.map(|node| node.handle.node.name.as_str())
    }

    /// Pings one participant from another; nothing if there is none of that name.
    pub(super) async fn ping(&self, from: &str, to: &str) -> Option<Result<u64, Failure>> {
        let participant = |name: &str| {
            let mut participants = self.nodes.iter().filter(|node| node.is_participant());
            participants.find(|node| node.handle.node.name.as_str() == name).map(|node| &node.handle)
        };
        Some(playground::ping(participant(from)?, participant(to)?).await)
    }

    /// How things are now, as far as it was asked for within the last second.
    pub(super) async fn state(&self) -> State {
        let mut found = self.found.lock().await;
        self.ask(&mut found).await;
        let totals = self.hub.totals();
        let nodes = self.nodes.iter().zip(&found.each);
        State {
            nodes: nodes.clone().map(|(node, found)| node.shown(found)).collect(),
            keys: nodes.clone().flat_map(|(node, found)| self.keys(node, &found.keys)).collect(),
            connections: nodes.flat_map(|(_, found)| found.connections.clone()).collect(),
            usd: totals.iter().map(|total| total.usd).sum(),
            totals,
        }
    }

    /// All there is to show.
    pub(super) async fn snapshot(&self) -> Snapshot {
        let state = self.state().await;
        let Recent { requests, pings } = self.hub.recent();
        Snapshot {
            version: env!("CARGO_PKG_VERSION"),
            started_us: us(self.started),
            now_us: us(SystemTime::now()),
            kms_endpoint: self.kms_endpoint.clone(),
            account: ACCOUNT,
            region: REGION,
            state,
            pings,
            requests,
        }
    }

    async fn ask(&self, found: &mut Found) {
        if found.at.is_some_and(|at| at.elapsed() < EVERY) {
            return;
        }
        let keys_made = self.hub.keys_made();
        let keys_due =
            keys_made != found.keys_made || found.keys_at.is_none_or(|at| at.elapsed() >= KEYS_EVERY);
        let asked = self.nodes.iter().zip(&mut found.each).map(|(node, of_node)| async move {
            let answered = tokio::time::timeout(PATIENCE, node.ask(of_node, keys_due)).await;
            of_node.trouble = match answered {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(format!("it cannot be asked: {error:#}")),
                Err(_) => Some("it does not answer".to_owned()),
            };
        });
        futures::future::join_all(asked).await;
        found.at = Some(Instant::now());
        if keys_due {
            found.keys_made = keys_made;
            found.keys_at = found.at;
        }
    }

    fn keys(&self, node: &Watched, keys: &[NodeKey]) -> Vec<Key> {
        let shown = keys.iter().map(|key| {
            let used = self.hub.use_of(&key.kms_key_arn);
            let state = self.kms_keys.key(&key.kms_key_arn).map_or("Deleted", |facts| facts.state);
            Key {
                node: node.handle.node.name.to_string(),
                purpose: key.purpose.clone(),
                name: key.name.clone(),
                fingerprint: key.fingerprint.clone(),
                kms_key_id: key.kms_key_id.clone(),
                kms_key_arn: key.kms_key_arn.clone(),
                key_spec: key.key_spec.clone(),
                state: state.to_owned(),
                uses: used.count,
                last_used_us: used.last_us,
                last_operation: used.last_operation,
            }
        });
        shown.collect()
    }
}

impl Watched {
    fn is_participant(&self) -> bool {
        self.handle.node.kind == NodeKind::Participant
    }

    /// Brings what is known of the node up to date.
    async fn ask(&self, found: &mut OfNode, keys_due: bool) -> anyhow::Result<()> {
        if keys_due {
            found.keys = self.handle.keys().await?;
        }
        if self.is_participant() {
            let mut domains = DomainConnectivityServiceClient::new(self.admin.clone());
            let connected =
                domains.list_connected_domains(ListConnectedDomainsRequest {}).await?.into_inner();
            let connected = connected.connected_domains.into_iter().map(|domain| Connection {
                participant: self.handle.node.name.to_string(),
                domain: domain.domain_alias,
                domain_id: domain.domain_id,
                healthy: domain.healthy,
            });
            found.connections = connected.collect();
        }
        Ok(())
    }

    fn shown(&self, found: &OfNode) -> Node {
        let NodeHandle { node, admin_address, public_address, .. } = &self.handle;
        let (state, uid) = match &*self.handle.state.borrow() {
            NodeState::Starting => ("starting", None),
            NodeState::WaitingForIdentity => ("waiting for its identity", None),
            NodeState::WaitingForDomain(uid) => {
                ("waiting for its domain", uid.as_ref().map(ToString::to_string))
            }
            NodeState::Ready(uid) => ("ready", Some(uid.to_string())),
            NodeState::KeysUnusable(uid) => ("keys cannot be used", Some(uid.to_string())),
            NodeState::Failed(_) => ("failed", None),
        };
        let health = self.handle.health.borrow();
        let troubles = health.components.iter().filter_map(|component| {
            component.trouble.as_ref().map(|trouble| format!("{}: {trouble}", component.name))
        });
        Node {
            kind: node.kind.as_str(),
            name: node.name.to_string(),
            uid,
            state,
            healthy: health.serving && found.trouble.is_none(),
            troubles: troubles.chain(found.trouble.clone()).collect(),
            admin_api: admin_address.to_string(),
            public_api: public_address.map(|address| address.to_string()),
        }
    }
}

/// Tells the hub of a participant's pings, whoever asks for them.
async fn follow(handle: NodeHandle, hub: Arc<Hub>) {
    let mut pings = handle.pings.watch();
    loop {
        match pings.recv().await {
            Ok(event) => hub.ping(handle.node.name.as_str(), event),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}
