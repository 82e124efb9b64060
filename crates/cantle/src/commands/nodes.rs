//! Nodes in this process, as `daemon`, `console`, `run` and `demo` start them.

use std::{error::Error, sync::Arc};

use cantle_config::{Config, Loaded, Secrets, resolved_json};
use cantle_node::{
    Diagnostics, DumpFile, LastError, LogLevel, NodeEvent, Nodes, NodesOptions, StaticCredentials,
};
use tracing::{info, warn};

use crate::{
    cli::Global,
    failure::Failure,
    logging::{self, LevelControl, Recent},
    output::tell,
};

/// Starts the configured nodes, says on stderr what happens, and waits until each is ready or waits for the operator.
pub(crate) async fn start(loaded: &Loaded, global: &Global, level: LevelControl) -> Result<Nodes, Failure> {
    let config = &loaded.config;
    let resolved = resolved_json(&loaded.document, Secrets::Redact);
    if config.monitoring.logging.log_config_on_startup {
        info!("the configuration, without its secrets: {}", on_one_line(&resolved));
    }
    for warning in &config.warnings {
        warn!("{warning}");
    }
    for ignored in &config.ignored {
        info!("{ignored}");
    }
    config.startable().map_err(|gaps| Failure::Usage(gaps.to_string()))?;
    let diagnostics = Process { recent: level.recent.clone(), resolved };
    let mut options = NodesOptions::new(global.data_dir(), Arc::new(Level(level)));
    options.diagnostics = Arc::new(diagnostics);
    options.events = Arc::new(|event| tell!("{event}"));
    Nodes::start(config, options).await.map_err(Failure::running)
}

/// JSON without its line breaks, for the log.
fn on_one_line(json: &str) -> String {
    serde_json::from_str::<serde_json::Value>(json)
        .map_or_else(|_| json.to_owned(), |value| value.to_string())
}

/// Starts nodes with credentials of their own; `events` is told what happens.
pub(crate) async fn start_with(
    config: &Config,
    global: &Global,
    level: LevelControl,
    credentials: StaticCredentials,
    events: impl Fn(NodeEvent) + Send + Sync + 'static,
) -> Result<Nodes, Failure> {
    let mut options = NodesOptions::new(global.data_dir(), Arc::new(Level(level)));
    options.kms.credentials = Some(credentials);
    options.events = Arc::new(events);
    Nodes::start(config, options).await.map_err(Failure::running)
}

#[derive(Debug)]
struct Level(LevelControl);

impl LogLevel for Level {
    fn set(&self, level: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(self.0.set(level)?)
    }
}

/// What this process knows of its troubles.
#[derive(Debug)]
struct Process {
    recent: Recent,
    /// The configuration as JSON, without its secrets.
    resolved: String,
}

impl Diagnostics for Process {
    fn last_errors(&self) -> Vec<LastError> {
        let error = |error: logging::LastError| LastError { trace_id: error.trace, message: error.message };
        self.recent.errors().into_iter().map(error).collect()
    }

    fn error_trace(&self, trace_id: &str) -> Option<Vec<String>> {
        self.recent.lines_of(trace_id)
    }

    fn files(&self) -> Vec<DumpFile> {
        let file = |name: &str, text: String| DumpFile { name: name.to_owned(), content: text.into_bytes() };
        let mut log = self.recent.lines().join("\n");
        log.push('\n');
        vec![file("configuration.json", self.resolved.clone()), file("log.txt", log)]
    }
}
