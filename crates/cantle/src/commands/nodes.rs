//! Nodes in this process, as `daemon`, `console`, `run` and `demo` start them.

use std::{error::Error, sync::Arc};

use cantle_config::Config;
use cantle_node::{LogLevel, Nodes, NodesOptions, StaticCredentials};
use tracing::{info, warn};

use crate::{cli::Global, failure::Failure, logging::LevelControl};

/// Starts the configured nodes, says on stderr what happens, and waits until each is ready or waits for the operator.
pub(crate) async fn start(config: &Config, global: &Global, level: LevelControl) -> Result<Nodes, Failure> {
    for warning in &config.warnings {
        warn!("{warning}");
    }
    for ignored in &config.ignored {
        info!("{ignored}");
    }
    config.startable().map_err(|gaps| Failure::Usage(gaps.to_string()))?;
    let mut options = NodesOptions::new(global.data_dir(), Arc::new(Level(level)));
    options.events = Arc::new(|event| eprintln!("{event}"));
    Nodes::start(config, options).await.map_err(Failure::running)
}

/// Starts nodes for the demo: silent, with credentials of its own KMS.
pub(crate) async fn start_quietly(
    config: &Config,
    global: &Global,
    level: LevelControl,
    credentials: StaticCredentials,
) -> Result<Nodes, Failure> {
    let mut options = NodesOptions::new(global.data_dir(), Arc::new(Level(level)));
    options.credentials = Some(credentials);
    Nodes::start(config, options).await.map_err(Failure::running)
}

/// Waits until each node is ready or waits for the operator; stops all if one fails.
pub(crate) async fn settle(nodes: Nodes) -> Result<Nodes, Failure> {
    match nodes.settled().await {
        Ok(()) => Ok(nodes),
        Err(error) => {
            nodes.shutdown().await;
            Err(Failure::running(error))
        }
    }
}

#[derive(Debug)]
struct Level(LevelControl);

impl LogLevel for Level {
    fn set(&self, level: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(self.0.set(level)?)
    }
}
