//! `cantle demo` and `cantle sandbox`: everything on loopback in a temporary folder.
//!
//! An embedded AWS KMS that checks signatures and allows its caller the six documented actions alone, a distributed sync
//! domain (a domain manager, a sequencer and a mediator) and two participants, all with `crypto.provider = kms` and the
//! default automatic initialization. The domain is bootstrapped and the participants are connected by the console commands
//! that an operator would use.

mod price;

use std::collections::BTreeMap;

use cantle_config::{Config, LoadOptions};
use cantle_kms_server::{Caller, Credentials, PolicyDocument, Server, ServerOptions};
use cantle_node::{NodeHandle, NodeState, Nodes, StaticCredentials};
use cantle_proto::{
    cantle::admin::v1::{ListKeysRequest, key_service_client::KeyServiceClient},
    participant::admin::v0::{PingRequest, ping_response, ping_service_client::PingServiceClient},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    cli::Global,
    commands::{
        console::{self, Script},
        keys::{self, OwnedKey},
        nodes, remote,
    },
    failure::Failure,
    logging::LevelControl,
    signals::Stop,
};

/// The account that the demo's KMS plays.
const ACCOUNT: &str = "111122223333";
/// AWS's documentation uses this key id for examples; the secret is drawn anew each time.
const ACCESS_KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
/// What the manual says suffices.
const ACTIONS: &[&str] =
    &["kms:CreateKey", "kms:TagResource", "kms:Decrypt", "kms:Sign", "kms:DescribeKey", "kms:GetPublicKey"];

/// How long the ping may take.
const PING_TIMEOUT_MS: u64 = 30_000;

/// What runs: dropped, it is gone, the folder too.
struct Running {
    kms: Server,
    nodes: Nodes,
    _folder: TempDir,
}

/// Shows everything once.
pub(crate) async fn run(global: &Global, level: LevelControl) -> Result<(), Failure> {
    let running = start(global, level).await?;
    let shown = show(&running, global).await;
    running.stop().await;
    shown
}

/// Stays up until stopped.
pub(crate) async fn sandbox(global: &Global, level: LevelControl) -> Result<(), Failure> {
    let mut stop = Stop::listen().map_err(Failure::running)?;
    let running = start(global, level).await?;
    println!("kms-server {}", running.kms.endpoint());
    println!("\n# a configuration for `cantle console -c`\n{}", remote_config(&running.nodes.handles()));
    println!("sandbox is up; Ctrl-C stops it and removes everything");
    stop.requested().await;
    running.stop().await;
    Ok(())
}

async fn start(global: &Global, level: LevelControl) -> Result<Running, Failure> {
    let folder = tempfile::Builder::new().prefix("cantle-").tempdir().map_err(Failure::running)?;
    let secret = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
    eprintln!("starting AWS KMS on loopback");
    let kms = Server::start(kms_options(&secret)?).await.map_err(Failure::running)?;
    eprintln!(
        "starting manager, sequencer1, mediator1, participant1 and participant2 with their keys in {}",
        kms.endpoint()
    );
    let config = config(&kms.endpoint())?;
    let global = global.in_folder(folder.path());
    let credentials = StaticCredentials::new(ACCESS_KEY_ID, secret);
    let nodes = nodes::start_quietly(&config, &global, level, credentials).await?;
    let nodes = nodes::settle(nodes).await?;
    let running = Running { kms, nodes, _folder: folder };
    match connect(&running.nodes, &config).await {
        Ok(()) => Ok(running),
        Err(failure) => {
            running.stop().await;
            Err(failure)
        }
    }
}

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

async fn connect(nodes: &Nodes, config: &Config) -> Result<(), Failure> {
    for (what, text) in
        [("bootstrapping the sync domain", BOOTSTRAP), ("connecting the participants", CONNECT)]
    {
        eprintln!("{what}");
        let script = Script::new(what, text);
        console::run_script_quietly(script, console::session_options(nodes, config)?).await?;
    }
    Ok(())
}

impl Running {
    async fn stop(self) {
        self.nodes.shutdown().await;
        self.kms.shutdown().await;
    }
}

fn kms_options(secret: &str) -> Result<ServerOptions, Failure> {
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
    Ok(options)
}

/// The nodes of the demo, by the key of their kind.
const NODES: &[(&str, &str)] = &[
    ("domain-managers", "manager"),
    ("sequencers", "sequencer1"),
    ("mediators", "mediator1"),
    ("participants", "participant1"),
    ("participants", "participant2"),
];

/// The documented configuration for each node, at the demo's KMS.
fn config(endpoint: &str) -> Result<Config, Failure> {
    let mut options = LoadOptions::default()
        .setting("canton.domain-managers.manager.init.domain-parameters.protocol-version", "7");
    for (kind, name) in NODES {
        let crypto = format!("canton.{kind}.{name}.crypto");
        options = options
            .setting(format!("{crypto}.provider"), "kms")
            .setting(format!("{crypto}.kms.type"), "aws")
            .setting(format!("{crypto}.kms.region"), "us-east-1")
            .setting(format!("{crypto}.kms.endpoint-override"), endpoint);
    }
    let loaded = Config::load(&options).map_err(Failure::running)?;
    Ok(loaded.config)
}

/// Pings `participant2` from `participant1`.
async fn ping(nodes: &Nodes) -> Result<u64, Failure> {
    let handles = nodes.handles();
    let handle = |name: &str| {
        let found = handles.iter().find(|handle| handle.node.name.as_str() == name);
        found.ok_or_else(|| Failure::Running(anyhow::anyhow!("{name} does not run")))
    };
    let address = handle("participant1")?.admin_address.to_string();
    let request = PingRequest {
        target_parties: vec![uid(handle("participant2")?)?],
        timeout_milliseconds: PING_TIMEOUT_MS,
        ..PingRequest::default()
    };
    let answer = PingServiceClient::new(remote::connect(&remote::Target::at(&address)?).await?)
        .ping(request)
        .await
        .map_err(|status| remote::failed(&address, &status))?;
    match answer.into_inner().response {
        Some(ping_response::Response::Success(success)) => Ok(success.ping_time),
        _ => Err(Failure::Running(anyhow::anyhow!("participant2 did not answer the ping"))),
    }
}

async fn show(running: &Running, global: &Global) -> Result<(), Failure> {
    eprintln!("participant1 pings participant2");
    let ping_ms = ping(&running.nodes).await?;
    let mut nodes = Vec::new();
    for handle in running.nodes.handles() {
        nodes.push((handle.clone(), node_keys(&handle).await?));
    }
    let requests = running.kms.request_counts();
    let usd =
        price::of_requests(&running.kms.request_counts_in_detail(), nodes.iter().flat_map(|(_, keys)| keys));
    if global.json {
        println!("{}", document(&nodes, ping_ms, &requests, usd)?);
        return Ok(());
    }
    for (handle, keys) in &nodes {
        println!("{} {}", handle.node, uid(handle)?);
        println!("{}\n", keys::table(keys));
    }
    println!("participant1 pinged participant2 in {ping_ms} ms\n");
    println!("{}", price::table(&requests));
    println!("price at AWS: {usd:.6} USD for these requests, and 1 USD a month for each key\n");
    println!("demo ok");
    Ok(())
}

async fn node_keys(handle: &NodeHandle) -> Result<Vec<OwnedKey>, Failure> {
    let address = handle.admin_address.to_string();
    let answer = KeyServiceClient::new(remote::connect(&remote::Target::at(&address)?).await?)
        .list_keys(ListKeysRequest {})
        .await
        .map_err(|status| remote::failed(&address, &status))?;
    let keys = answer.into_inner().keys.into_iter();
    Ok(keys.map(|key| OwnedKey { node: handle.node.name.to_string(), key }).collect())
}

fn uid(handle: &NodeHandle) -> Result<String, Failure> {
    match &*handle.state.borrow() {
        NodeState::Ready(uid) => Ok(uid.to_string()),
        other => Err(Failure::Running(anyhow::anyhow!("{} is not ready: {other:?}", handle.node))),
    }
}

/// The contract's document.
fn document(
    nodes: &[(NodeHandle, Vec<OwnedKey>)],
    ping_ms: u64,
    requests: &BTreeMap<String, u64>,
    usd: f64,
) -> Result<Value, Failure> {
    let nodes = nodes
        .iter()
        .map(|(handle, keys)| {
            Ok(json!({
                "kind": handle.node.kind.as_str(),
                "name": handle.node.name.as_str(),
                "uid": uid(handle)?,
                "keys": keys.iter().map(keys::json).collect::<Vec<_>>(),
            }))
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    Ok(json!({"nodes": nodes, "ping_ms": ping_ms, "kms_requests": requests, "usd": usd}))
}

/// What a console needs to reach the nodes.
fn remote_config(handles: &[NodeHandle]) -> String {
    handles
        .iter()
        .map(|handle| {
            let NodeHandle { node, admin_address, .. } = handle;
            format!(
                "canton.remote-{}s.{} {{ admin-api {{ address = {}, port = {} }} }}\n",
                node.kind,
                node.name,
                admin_address.ip(),
                admin_address.port()
            )
        })
        .collect()
}
