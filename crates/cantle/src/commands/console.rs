//! `cantle console` and `cantle run`: scripts and an interactive console, over the nodes' admin APIs.
//!
//! The nodes of the configuration run in this process; with `--remote` there are only those that run elsewhere.

use std::{io::IsTerminal, path::Path, time::Duration};

use cantle_config::Config;
use cantle_console::{Locality, NodeKind, NodeRef, ReplOptions, Session, SessionOptions, repl};
use cantle_node::Nodes;
use cantle_transport::endpoint;
use tokio::{runtime::Handle, task::spawn_blocking};

use crate::{
    cli::{Console, Global, Remote, Run},
    commands::{
        check, nodes,
        remote::{self, Target},
        settings,
    },
    failure::Failure,
    logging::LevelControl,
    signals::Stop,
};

/// A timeout that is switched off.
const ENDLESS: Duration = Duration::from_secs(365 * 24 * 3600);

/// A script that was read, before anything was started for it.
#[derive(Debug)]
pub(crate) struct Script {
    name: String,
    text: String,
}

impl Script {
    /// A script of this program's own.
    pub(crate) fn new(name: &str, text: &str) -> Self {
        Self { name: name.to_owned(), text: text.to_owned() }
    }
}

/// Reads a script.
pub(crate) fn read_script(path: Option<&Path>) -> Result<Option<Script>, Failure> {
    let Some(path) = path else { return Ok(None) };
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(Script { name, text })),
        Err(error) => Err(Failure::Usage(format!("error: the script {name} cannot be read: {error}"))),
    }
}

/// `cantle run`.
pub(crate) async fn script(arguments: &Run, global: &Global, level: LevelControl) -> Result<(), Failure> {
    let script = read_script(Some(&arguments.script))?;
    with_nodes(&arguments.remote, global, level, |options, mut stop| async move {
        let Some(script) = script else { return Ok(()) };
        tokio::select! {
            ended = run_script(script, options) => ended,
            () = stop.requested() => Ok(()),
        }
    })
    .await
}

/// `cantle console`.
pub(crate) async fn interactive(
    arguments: &Console,
    global: &Global,
    level: LevelControl,
) -> Result<(), Failure> {
    let script = read_script(arguments.bootstrap.bootstrap.as_deref())?;
    let mut options = ReplOptions::default();
    options.no_tty = global.no_tty;
    if !global.no_tty {
        options.history = Some(global.data_dir().join(".console-history"));
    }
    // At a terminal Ctrl-C ends what runs, not the console; `exit` and Ctrl-D end that.
    let at_terminal = !global.no_tty && std::io::stdin().is_terminal();
    with_nodes(&arguments.remote, global, level, |session, mut stop| async move {
        let mut session = Session::new(session).map_err(Failure::running)?;
        let cancel = session.cancel_handle();
        let prompt = blocking(move || {
            if let Some(Script { name, text }) = script {
                session.run_script(&name, &text, &mut std::io::stdout()).map_err(script_failed)?;
            }
            repl(&mut session, &options).map_err(|error| Failure::Script(error.to_string()))
        });
        let stopped = async {
            if at_terminal { stop.terminated(|| cancel.cancel()).await } else { stop.requested().await }
        };
        tokio::select! {
            ended = prompt => ended,
            () = stopped => Ok(()),
        }
    })
    .await
}

/// Runs a script to its end.
pub(crate) async fn run_script(script: Script, options: SessionOptions) -> Result<(), Failure> {
    run_script_to(script, options, std::io::stdout()).await
}

/// Runs a script whose results are of no interest.
pub(crate) async fn run_script_quietly(script: Script, options: SessionOptions) -> Result<(), Failure> {
    run_script_to(script, options, std::io::sink()).await
}

async fn run_script_to(
    script: Script,
    options: SessionOptions,
    mut output: impl std::io::Write + Send + 'static,
) -> Result<(), Failure> {
    let mut session = Session::new(options).map_err(Failure::running)?;
    let cancel = CancelOnDrop(session.cancel_handle());
    let ended =
        blocking(move || session.run_script(&script.name, &script.text, &mut output).map_err(script_failed))
            .await;
    drop(cancel);
    ended
}

/// A console over the running nodes of this process and the configuration's nodes elsewhere.
pub(crate) fn session_options(running: &Nodes, config: &Config) -> Result<SessionOptions, Failure> {
    let mut options = SessionOptions::new(local_nodes(running, config)?, Handle::current());
    let timeouts = &config.parameters.console_timeouts;
    options.deadline = timeouts.bounded.unwrap_or(ENDLESS);
    options.ping_timeout = timeouts.ping.unwrap_or(ENDLESS);
    Ok(options)
}

fn local_nodes(running: &Nodes, config: &Config) -> Result<Vec<NodeRef>, Failure> {
    let mut refs = Vec::new();
    for handle in running.handles() {
        let kind = node_kind(handle.node.kind.as_str());
        let name = handle.node.name.as_str();
        let settings = settings::of_local(config, kind, name)?;
        let (address, tls) = (handle.admin_address, handle.admin_tls.clone());
        let admin = endpoint(&address.ip().to_string(), address.port(), tls.as_ref(), None);
        let admin = admin.map_err(Failure::running)?;
        let local = NodeRef::new(kind, name, Locality::Local, admin, tls).with_settings(settings);
        refs.push(local.with_bearer(handle.admin_bearer.clone()));
    }
    refs.extend(configured_remotes(config)?);
    Ok(refs)
}

fn configured_remotes(config: &Config) -> Result<Vec<NodeRef>, Failure> {
    let kinds = [
        (NodeKind::Participant, &config.remote_participants),
        (NodeKind::Domain, &config.remote_domains),
        (NodeKind::DomainManager, &config.remote_domain_managers),
        (NodeKind::Sequencer, &config.remote_sequencers),
        (NodeKind::Mediator, &config.remote_mediators),
    ];
    let mut refs = Vec::new();
    for (kind, nodes) in kinds {
        for (name, node) in nodes {
            let Target { endpoint, tls, bearer, .. } = Target::of_remote(node)?;
            let remote = NodeRef::new(kind, name.as_str(), Locality::Remote, endpoint, tls);
            refs.push(remote.with_bearer(bearer).with_settings(settings::of_remote(node)?));
        }
    }
    Ok(refs)
}

/// Starts the configured nodes, or finds those elsewhere, and gives them to `work`, which ends at a signal.
async fn with_nodes<W, F>(
    arguments: &Remote,
    global: &Global,
    level: LevelControl,
    work: W,
) -> Result<(), Failure>
where
    W: FnOnce(SessionOptions, Stop) -> F,
    F: Future<Output = Result<(), Failure>>,
{
    let mut stop = Stop::listen().map_err(Failure::running)?;
    if !arguments.remote.is_empty() {
        let refs = tokio::select! {
            refs = remote_nodes(arguments) => refs?,
            () = stop.requested() => return Ok(()),
        };
        return work(SessionOptions::new(refs, Handle::current()), stop).await;
    }
    let loaded = check::load_whole(global)?;
    let config = &loaded.config;
    if config.is_empty() {
        return Err(Failure::Usage(
            "error: no node is configured; name a configuration file with -c, or running nodes with --remote HOST:PORT"
                .to_owned(),
        ));
    }
    let running = tokio::select! {
        running = nodes::start(&loaded, global, level) => running?,
        () = stop.requested() => return Ok(()),
    };
    let options = tokio::select! {
        options = settled(&running, config) => options.map(Some),
        () = stop.requested() => Ok(None),
    };
    let ended = match options {
        Ok(Some(options)) => work(options, stop).await,
        Ok(None) => Ok(()),
        Err(failure) => Err(failure),
    };
    running.shutdown().await;
    ended
}

/// A console, once each node is ready or waits for the operator.
async fn settled(running: &Nodes, config: &Config) -> Result<SessionOptions, Failure> {
    running.settled().await.map_err(Failure::running)?;
    session_options(running, config)
}

async fn remote_nodes(arguments: &Remote) -> Result<Vec<NodeRef>, Failure> {
    let mut refs = Vec::new();
    for target in remote::named(arguments)? {
        let node = remote::describe(remote::connect(&target).await?, &target.address).await?;
        let Target { address, endpoint, tls, bearer } = target;
        let remote = NodeRef::new(node_kind(&node.kind), node.name, Locality::Remote, endpoint, tls);
        refs.push(remote.with_bearer(bearer).with_settings(settings::of_address(&address)));
    }
    Ok(refs)
}

/// What another program calls itself is taken for a participant: its commands are those that all nodes have.
fn node_kind(kind: &str) -> NodeKind {
    // Scripts write an underscore where everything else has a dash.
    let kind = kind.replace('-', "_");
    NodeKind::ALL.into_iter().find(|known| known.as_str() == kind).unwrap_or(NodeKind::Participant)
}

fn script_failed(error: cantle_console::ScriptError) -> Failure {
    Failure::Script(error.to_string())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    match spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(error) => Err(Failure::running(error)),
    }
}

/// Ends a script whose caller went away, at a signal.
struct CancelOnDrop(cantle_console::CancelHandle);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
