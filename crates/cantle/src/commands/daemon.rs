//! `cantle daemon`: the configured nodes until stopped.

use tracing::error;

use crate::{
    cli::{Bootstrap, Global},
    commands::{check, console, nodes},
    failure::Failure,
    logging::LevelControl,
    signals::Stop,
};

pub(crate) async fn run(bootstrap: &Bootstrap, global: &Global, level: LevelControl) -> Result<(), Failure> {
    let mut stop = Stop::listen().map_err(Failure::running)?;
    let loaded = check::load_whole(global)?;
    let config = &loaded.config;
    if config.nodes().next().is_none() {
        return Err(Failure::Usage(
            "error: no node is configured; name a configuration file with -c, such as docs/samples/participant-kms.conf"
                .to_owned(),
        ));
    }
    let script = console::read_script(bootstrap.bootstrap.as_deref())?;
    // A node may wait for its database before it is up.
    let running = tokio::select! {
        running = nodes::start(&loaded, global, level) => running?,
        () = stop.requested() => return Ok(()),
    };
    let ended = tokio::select! {
        () = stop.requested() => Ok(()),
        ended = live(&running, config, script) => ended,
    };
    running.shutdown().await;
    ended
}

/// Runs the bootstrap script, then lives until a node fails.
async fn live(
    running: &cantle_node::Nodes,
    config: &cantle_config::Config,
    script: Option<console::Script>,
) -> Result<(), Failure> {
    running.settled().await.map_err(Failure::running)?;
    if let Some(script) = script {
        console::run_script(script, console::session_options(running, config)?).await?;
    }
    let failed = running.failure().await;
    if config.parameters.exit_on_fatal_failures {
        return Err(Failure::running(failed));
    }
    error!("{failed}; the process goes on, as parameters.exit-on-fatal-failures is off");
    std::future::pending().await
}
