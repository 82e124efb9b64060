//! Where log lines go: to stderr or a file, and the audit log of KMS requests to a file of its own.
//!
//! Lines are written as they come, unbuffered, so that a crash loses none. The libraries under us that
//! would log request bodies (the AWS SDK, HTTP) are held at warnings whatever level is asked for.

mod recent;

use std::{
    fs::{File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::Mutex,
};

use thiserror::Error;
use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{LevelFilter, filter_fn},
    fmt,
    layer::SubscriberExt,
    reload,
    util::SubscriberInitExt,
};

pub(crate) use self::recent::{LastError, Recent};
use crate::cli::{Global, LogLevel};

/// The target of audit lines; they are written by `cantle-kms`.
const AUDIT: &str = "cantle::kms::audit";

/// Libraries that may print what they send.
const QUIET: &[&str] = &[
    "aws_config",
    "aws_credential_types",
    "aws_runtime",
    "aws_sdk_kms",
    "aws_sdk_sso",
    "aws_sdk_ssooidc",
    "aws_sdk_sts",
    "aws_sigv4",
    "aws_smithy_http_client",
    "aws_smithy_runtime",
    "aws_smithy_runtime_api",
    "h2",
    "hyper",
    "hyper_rustls",
    "hyper_util",
    "rustls",
    "sqlx",
    "tonic",
    "tower",
];

/// A log that cannot be set up.
#[derive(Debug, Error)]
pub(crate) enum LoggingError {
    /// The file of `--log-file-name` or `--kms-log-file-name`.
    #[error("cannot write the log file {path}; name one in a folder that this user may write to")]
    Open {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A level that does not exist.
    #[error("{level:?} is no log level; use error, warn, info, debug, trace or off")]
    Level { level: String },
    /// The logger is gone, which happens only at the very end.
    #[error("the log level can no longer be changed: the process is ending")]
    Ended,
}

/// Changes the level while the process runs, and has the last lines.
#[derive(Clone, Debug)]
pub(crate) struct LevelControl {
    handle: reload::Handle<EnvFilter, Registry>,
    /// The last lines, as they are logged.
    pub(crate) recent: Recent,
}

impl LevelControl {
    /// Sets the least severe level that is logged from now on.
    pub(crate) fn set(&self, level: &str) -> Result<(), LoggingError> {
        let known = ["error", "warn", "info", "debug", "trace", "off"];
        let lower = level.to_ascii_lowercase();
        if !known.contains(&lower.as_str()) {
            return Err(LoggingError::Level { level: level.to_owned() });
        }
        self.handle.reload(filter(&lower)).map_err(|_ended| LoggingError::Ended)
    }
}

/// Sets up the process's log once.
pub(crate) fn start(global: &Global) -> Result<LevelControl, LoggingError> {
    let (level, handle) = reload::Layer::new(filter(global.log_level().as_str()));
    let audit_apart = global.kms_log_file_name.is_some();
    let general = filter_fn(move |metadata| !(audit_apart && is_audit(metadata)));

    let audit = match &global.kms_log_file_name {
        Some(path) => Some(
            fmt::layer()
                .with_ansi(false)
                .with_writer(Mutex::new(append(path)?))
                .with_filter(filter_fn(is_audit)),
        ),
        None => None,
    };
    let file = match &global.log_file_name {
        Some(path) => Some(
            fmt::layer().with_ansi(false).with_writer(Mutex::new(append(path)?)).with_filter(general.clone()),
        ),
        None => None,
    };
    let on_stderr = if file.is_some() { LevelFilter::WARN } else { LevelFilter::TRACE };
    let stderr = fmt::layer()
        .with_ansi(!global.no_tty && io::IsTerminal::is_terminal(&io::stderr()))
        .with_writer(io::stderr)
        .with_filter(general)
        .with_filter(on_stderr);

    let recent = Recent::default();
    let kept = recent.clone().with_filter(filter_fn(|metadata| !is_audit(metadata)));
    tracing_subscriber::registry().with(level).with(audit).with(file).with(kept).with(stderr).init();
    Ok(LevelControl { handle, recent })
}

/// The audit log is written from INFO on also when the rest is quieter, unless logging is off.
fn filter(level: &str) -> EnvFilter {
    let mut filter = EnvFilter::new(level);
    let audit = if level == LogLevel::Off.as_str() { "off" } else { "info" };
    for (target, level) in QUIET.iter().map(|target| (*target, "warn")).chain([(AUDIT, audit)]) {
        let directive = format!("{target}={level}");
        filter =
            filter.add_directive(directive.parse().expect("a target of ours and a level is a directive"));
    }
    filter
}

fn is_audit(metadata: &Metadata<'_>) -> bool {
    metadata.target() == AUDIT && *metadata.level() <= Level::INFO
}

fn append(path: &Path) -> Result<File, LoggingError> {
    let open = |source| LoggingError::Open { path: path.to_owned(), source };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(open)?;
    }
    OpenOptions::new().create(true).append(true).open(path).map_err(open)
}
