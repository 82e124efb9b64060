//! What `cantle demo` and `cantle sandbox` run: everything on loopback in a temporary folder.
//!
//! An embedded AWS KMS that checks signatures and allows its caller the six documented actions alone, a distributed sync
//! domain (a domain manager, a sequencer and a mediator) and two participants, all with `crypto.provider = kms` and the
//! default automatic initialization. The domain is bootstrapped and the participants are connected by the console commands
//! that an operator would use.
//!
//! Invariant: whatever ends it, a signal while it starts too, the folder is removed.

pub(crate) mod price;
mod progress;

use std::time::Duration;

use cantle_config::{Config, LoadOptions};
use cantle_kms_server::{Caller, Credentials, Observer, PolicyDocument, Server, ServerOptions};
use cantle_node::{NodeEvent, NodeHandle, NodeState, Nodes, StaticCredentials};
use cantle_proto::{
    cantle::admin::v1::{ListKeysRequest, NodeKey, key_service_client::KeyServiceClient},
    participant::admin::v0::{PingRequest, ping_response, ping_service_client::PingServiceClient},
};
use serde_json::json;
use tempfile::TempDir;
use tracing::warn;

use self::progress::Progress;
use crate::{
    cli::Global,
    commands::{
        console::{self, Script},
        nodes, remote,
    },
    failure::Failure,
    logging::LevelControl,
    output::tell,
    signals::Stop,
};

/// The account that the KMS plays.
pub(crate) const ACCOUNT: &str = "111122223333";
/// The Region that it plays.
pub(crate) const REGION: &str = "us-east-1";
/// AWS's documentation uses this key id for examples; the secret is drawn anew each time.
const ACCESS_KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
/// What the manual says suffices.
const ACTIONS: &[&str] =
    &["kms:CreateKey", "kms:TagResource", "kms:Decrypt", "kms:Sign", "kms:DescribeKey", "kms:GetPublicKey"];
/// How long a ping may take.
const PING_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the end may take; a process is asked to be gone within ten seconds.
const END: Duration = Duration::from_secs(8);

/// The nodes, by the key of their kind.
const NODES: &[(&str, &str)] = &[
    ("domain-managers", "manager"),
    ("sequencers", "sequencer1"),
    ("mediators", "mediator1"),
    ("participants", "participant1"),
    ("participants", "participant2"),
];

/// What an operator types to make a domain of the nodes, and to connect the participants to it.
const BOOTSTRAP: &str = "\
manager.setup.bootstrap_domain(Seq(sequencer1), Seq(mediator1))
manager.health.wait_for_initialized()
mediator1.health.wait_for_initialized()
";
const CONNECT: &str = "\
participant1.domains.connect_local(sequencer1)
participant2.domains.connect_local(sequencer1)
";

/// What runs.
#[derive(Debug)]
pub(crate) struct Playground {
    pub(crate) kms: Server,
    pub(crate) nodes: Nodes,
    pub(crate) folder: TempDir,
    config: Config,
    progress: Progress,
}

/// Starts everything, does `work` with it, and takes it down. A signal ends it at any time, which is no failure.
pub(crate) async fn run(
    global: &Global,
    level: LevelControl,
    observer: Option<Observer>,
    work: impl AsyncFnOnce(&Playground, &mut Stop) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut stop = Stop::listen().map_err(Failure::running)?;
    if !global.config.is_empty() || !global.overrides.is_empty() {
        tell!("note: this runs a configuration of its own; -c and -C have no effect");
    }
    // Not cut off by a signal: it is short, and what has begun must be ended in order.
    let playground = Playground::start(global, level, observer).await?;
    let ready = tokio::select! {
        ready = playground.found_domain() => ready.map(Some),
        () = stop.requested() => Ok(None),
    };
    let ended = match ready {
        Ok(Some(())) => work(&playground, &mut stop).await,
        Ok(None) => Ok(()),
        Err(failure) => Err(failure),
    };
    playground.stop().await;
    ended
}

impl Playground {
    /// Starts the KMS and the nodes, which may not have their keys yet.
    async fn start(
        global: &Global,
        level: LevelControl,
        observer: Option<Observer>,
    ) -> Result<Self, Failure> {
        let progress = Progress::begin();
        let folder = tempfile::Builder::new().prefix("cantle-").tempdir().map_err(Failure::running)?;
        let secret = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        let kms = Server::start(kms_options(&secret, observer)?).await.map_err(Failure::running)?;
        let endpoint = kms.endpoint();
        progress.say(format_args!("AWS KMS on loopback answers at {endpoint}"));
        let names: Vec<_> = NODES.iter().map(|(_, name)| *name).collect();
        progress.say(format_args!("starting {}, which make their keys in it", names.join(", ")));
        let config = config(&endpoint, global)?;
        let global = global.in_folder(folder.path());
        let credentials = StaticCredentials::new(ACCESS_KEY_ID, secret);
        let events = move |event: NodeEvent| progress.node(&event);
        let nodes = nodes::start_with(&config, &global, level, credentials, events).await?;
        Ok(Self { kms, nodes, folder, config, progress })
    }

    /// Waits for the nodes' identities, and makes a sync domain of them with both participants on it.
    async fn found_domain(&self) -> Result<(), Failure> {
        self.nodes.settled().await.map_err(Failure::running)?;
        for (what, text) in
            [("bootstrapping the sync domain", BOOTSTRAP), ("connecting the participants to it", CONNECT)]
        {
            self.progress.say(what);
            let script = Script::new(what, text);
            console::run_script_quietly(script, console::session_options(&self.nodes, &self.config)?).await?;
        }
        Ok(())
    }

    async fn stop(self) {
        let Self { kms, nodes, folder, .. } = self;
        let ended = async {
            nodes.shutdown().await;
            kms.shutdown().await;
        };
        if tokio::time::timeout(END, ended).await.is_err() {
            warn!("not everything ended within {END:?}; what is left ends with the process");
        }
        let path = folder.path().to_owned();
        if let Err(error) = folder.close() {
            warn!("{} cannot be removed: {error}", path.display());
        }
    }

    /// Says what happens now.
    pub(crate) fn say(&self, what: &str) {
        self.progress.say(what);
    }

    /// A node by its name.
    pub(crate) fn handle(&self, name: &str) -> Result<NodeHandle, Failure> {
        let mut handles = self.nodes.handles().into_iter();
        let found = handles.find(|handle| handle.node.name.as_str() == name);
        found.ok_or_else(|| Failure::Running(anyhow::anyhow!("{name} does not run")))
    }
}

/// Pings one participant from another, and gives the milliseconds that it took.
pub(crate) async fn ping(from: &NodeHandle, to: &NodeHandle) -> Result<u64, Failure> {
    let address = from.admin_address.to_string();
    let request = PingRequest {
        target_parties: vec![uid(to)?],
        timeout_milliseconds: u64::try_from(PING_TIMEOUT.as_millis()).unwrap_or(u64::MAX),
        ..PingRequest::default()
    };
    let answer = PingServiceClient::new(remote::connect(&remote::Target::at(&address)?).await?)
        .ping(request)
        .await
        .map_err(|status| remote::failed(from.node.name.as_str(), &status))?;
    match answer.into_inner().response {
        Some(ping_response::Response::Success(success)) => Ok(success.ping_time),
        _ => Err(Failure::Running(anyhow::anyhow!("{} did not answer the ping", to.node.name))),
    }
}

/// The keys of a node with their state, over its admin API.
pub(crate) async fn node_keys(handle: &NodeHandle) -> Result<Vec<NodeKey>, Failure> {
    let address = handle.admin_address.to_string();
    let answer = KeyServiceClient::new(remote::connect(&remote::Target::at(&address)?).await?)
        .list_keys(ListKeysRequest {})
        .await
        .map_err(|status| remote::failed(&address, &status))?;
    Ok(answer.into_inner().keys)
}

/// The unique identifier of a node that has one.
pub(crate) fn uid(handle: &NodeHandle) -> Result<String, Failure> {
    match &*handle.state.borrow() {
        NodeState::Ready(uid) | NodeState::KeysUnusable(uid) => Ok(uid.to_string()),
        other => Err(Failure::Running(anyhow::anyhow!("{} is not ready: {other:?}", handle.node))),
    }
}

fn kms_options(secret: &str, observer: Option<Observer>) -> Result<ServerOptions, Failure> {
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": ACTIONS, "Resource": "*"}],
    });
    let caller = Caller::new(ACCESS_KEY_ID, secret)
        .account(ACCOUNT)
        .principal_arn(format!("arn:aws:iam::{ACCOUNT}:user/cantle-demo"))
        .policies([PolicyDocument::from_value(&policy).map_err(Failure::running)?]);
    let mut options = ServerOptions::default();
    options.account = ACCOUNT.to_owned();
    options.credentials = Credentials::new([caller], []);
    options.observer = observer;
    Ok(options)
}

/// The documented configuration for each node, at the KMS on loopback; with an audit log when a file is named for it.
fn config(endpoint: &str, global: &Global) -> Result<Config, Failure> {
    let audit_logging = global.kms_log_file_name.is_some().to_string();
    let mut options = LoadOptions::default()
        .setting("canton.domain-managers.manager.init.domain-parameters.protocol-version", "7");
    for (kind, name) in NODES {
        let crypto = format!("canton.{kind}.{name}.crypto");
        options = options
            .setting(format!("{crypto}.provider"), "kms")
            .setting(format!("{crypto}.kms.type"), "aws")
            .setting(format!("{crypto}.kms.region"), REGION)
            .setting(format!("{crypto}.kms.audit-logging"), &audit_logging)
            .setting(format!("{crypto}.kms.endpoint-override"), endpoint);
    }
    let loaded = Config::load(&options).map_err(Failure::running)?;
    Ok(loaded.config)
}
