//! `canton.parameters`: of the whole process.
//!
//! Source: <https://docs.daml.com/2.10.0/canton/usermanual/static_conf.html>

use std::path::PathBuf;
use std::time::Duration;

use super::server::finite;
use super::tls::TLS_CLIENT;
use crate::cursor::Cursor;
use crate::schema::{
    DAML, ENDLESS, FINITE, JVM, Kind, POSITIVE, Section, TUNING, Tagged, ignored, later, used,
};

const LONG_COMMANDS: &str = "a command that may take long has an argument `timeout`";

/// `canton.parameters`
pub(crate) static PARAMETERS: Section = Section::new(&[
    used("clock", Kind::Tagged(&CLOCK)),
    ignored("enable-additional-consistency-checks", Kind::Bool, "only tests of Canton use it"),
    used("manual-start", Kind::Bool),
    used("startup-parallelism", POSITIVE),
    used("non-standard-config", Kind::Bool),
    used("dev-version-support", Kind::Bool),
    used("beta-version-support", Kind::Bool),
    used("ports-file", Kind::File),
    used("timeouts", Kind::Section(&TIMEOUTS)),
    later("retention-period-defaults", Kind::Section(&RETENTION), "nothing is pruned in this version"),
    used("console", Kind::Section(&CONSOLE)),
    used("exit-on-fatal-failures", Kind::Bool),
    ignored("startup-memory-check-config", Kind::Choice(&["warn", "ignore", "crash"]), JVM),
]);

static CLOCK: Tagged = Tagged::new(&[("wall-clock", &WALL_CLOCK)]).refusing(&[
    ("sim-clock", "it is for tests of Canton; write type = wall-clock"),
    ("remote-clock", "it is for tests of Canton; write type = wall-clock"),
]);
static WALL_CLOCK: Section = Section::new(&[ignored("skew", FINITE, "only tests of Canton use it")]);

static TIMEOUTS: Section = Section::new(&[
    used("console", Kind::Section(&CONSOLE_TIMEOUTS)),
    used("processing", Kind::Section(&PROCESSING_TIMEOUTS)),
]);
static CONSOLE_TIMEOUTS: Section = Section::new(&[
    used("bounded", ENDLESS),
    later("unbounded", ENDLESS, LONG_COMMANDS),
    ignored("ledger-command", ENDLESS, DAML),
    used("ping", ENDLESS),
    later("testing-bong", ENDLESS, "there is no bong"),
]);
static PROCESSING_TIMEOUTS: Section = Section::new(&[
    ignored("unbounded", ENDLESS, TUNING),
    ignored("io", ENDLESS, TUNING),
    ignored("default", ENDLESS, TUNING),
    used("network", ENDLESS),
    ignored("shutdown-processing", ENDLESS, "a node has ten seconds to stop"),
    ignored("shutdown-network", ENDLESS, "a node has ten seconds to stop"),
    ignored("shutdown-short", ENDLESS, "a node has ten seconds to stop"),
    ignored("closing", ENDLESS, "a node has ten seconds to stop"),
    ignored("inspection", ENDLESS, TUNING),
    ignored("storage-max-retry-interval", ENDLESS, TUNING),
    ignored("verify-active", ENDLESS, TUNING),
    ignored("active-init", ENDLESS, TUNING),
    ignored("slow-future-warn", ENDLESS, JVM),
    ignored("active-init-retry-delay", ENDLESS, TUNING),
    used("sequencer-info", ENDLESS),
    ignored("topology-dispatching", ENDLESS, TUNING),
    ignored("topology-synchronization", ENDLESS, TUNING),
]);
static RETENTION: Section = Section::new(&[
    used("sequencer", FINITE),
    used("mediator", FINITE),
    used("unauthenticated-members", FINITE),
]);
static CONSOLE: Section = Section::new(&[
    ignored("cache-dir", Kind::File, JVM),
    later("working-dir", Kind::File, "files of a script count from the working directory of the process"),
    later("colors", Kind::Bool, "the flag --no-tty takes the colours away"),
    ignored("verbose", Kind::Bool, JVM),
    later("default-limit", POSITIVE, "commands that list say how much they give"),
]);

/// What a connection to an admin API looks like; `remote-clock` has one too.
pub(crate) static CLIENT: Section = Section::new(&[
    used("address", Kind::Text),
    used("port", Kind::Port).required(),
    used("tls", Kind::Section(&TLS_CLIENT)),
    used("keep-alive-client", Kind::Section(&super::sequencer_client::KEEP_ALIVE_CLIENT)),
]);

/// Parameters of the whole process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters {
    /// Whether settings that take away a safety are allowed. Default no.
    pub non_standard_config: bool,
    /// Whether the nodes wait for a command to start. Default no.
    pub manual_start: bool,
    /// How many nodes start side by side; `None`: as many as there are processors.
    pub startup_parallelism: Option<u32>,
    /// A file that the chosen ports are written to.
    pub ports_file: Option<PathBuf>,
    /// How long commands of the console may take; `None` is without an end.
    pub console_timeouts: ConsoleTimeouts,
    /// How long a call over the network may take. Default 2 min.
    pub network_timeout: Option<Duration>,
    /// How long asking a sequencer for itself may take. Default 30 s.
    pub sequencer_info_timeout: Option<Duration>,
    /// How long data is kept when something is pruned.
    pub retention: RetentionDefaults,
    /// The console.
    pub console: ConsoleConfig,
    /// Whether the process ends when a node cannot go on. Default yes.
    pub exit_on_fatal_failures: bool,
}

/// How long commands of the console may take; `None` is without an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsoleTimeouts {
    /// Commands that should be quick. Default 1 min.
    pub bounded: Option<Duration>,
    /// Commands that may take as long as they need. Default without an end.
    pub unbounded: Option<Duration>,
    /// Commands of the ledger. Default 1 min.
    pub ledger_command: Option<Duration>,
    /// A ping. Default 20 s.
    pub ping: Option<Duration>,
    /// A bong. Default 1 min.
    pub testing_bong: Option<Duration>,
}

/// How long data is kept when something is pruned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionDefaults {
    /// By a sequencer. Default 7 days.
    pub sequencer: Duration,
    /// By a mediator. Default 7 days.
    pub mediator: Duration,
    /// Of members that never authenticated. Default 1 hour.
    pub unauthenticated_members: Duration,
}

/// The console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsoleConfig {
    /// Where its files are; `None` is the working directory.
    pub working_dir: Option<PathBuf>,
    /// Whether it writes in colours. Default yes.
    pub colors: bool,
    /// How many rows listing commands give. Default 1000.
    pub default_limit: u32,
}

pub(crate) fn parameters(parameters: &Cursor<'_>) -> Parameters {
    let timeouts = parameters.at("timeouts");
    let (console, processing) = (timeouts.at("console"), timeouts.at("processing"));
    let or_seconds = |section: &Cursor<'_>, key: &str, default: u64| {
        section.at(key).timeout().unwrap_or_else(|| Some(Duration::from_secs(default)))
    };
    let retention = parameters.at("retention-period-defaults");
    const DAY: u64 = 24 * 3600;
    for key in ["dev-version-support", "beta-version-support"] {
        if parameters.at(key).bool() == Some(true) {
            parameters
                .at(key)
                .warn("protocol versions 5 and 7 are stable, there are no others here; remove it");
        }
    }
    let manual_start = parameters.at("manual-start");
    if manual_start.bool() == Some(true) {
        manual_start.gap("nodes that wait for a command to start", "remove it, nodes start by themselves");
    }
    Parameters {
        non_standard_config: parameters.at("non-standard-config").bool().unwrap_or(false),
        manual_start: manual_start.bool().unwrap_or(false),
        startup_parallelism: parameters.at("startup-parallelism").int(),
        ports_file: parameters.at("ports-file").file(),
        console_timeouts: ConsoleTimeouts {
            bounded: or_seconds(&console, "bounded", 60),
            unbounded: console.at("unbounded").timeout().flatten(),
            ledger_command: or_seconds(&console, "ledger-command", 60),
            ping: or_seconds(&console, "ping", 20),
            testing_bong: or_seconds(&console, "testing-bong", 60),
        },
        network_timeout: or_seconds(&processing, "network", 120),
        sequencer_info_timeout: or_seconds(&processing, "sequencer-info", 30),
        retention: RetentionDefaults {
            sequencer: finite(&retention, "sequencer", Duration::from_secs(7 * DAY)),
            mediator: finite(&retention, "mediator", Duration::from_secs(7 * DAY)),
            unauthenticated_members: finite(&retention, "unauthenticated-members", Duration::from_secs(3600)),
        },
        console: ConsoleConfig {
            working_dir: parameters.at("console").at("working-dir").file(),
            colors: parameters.at("console").at("colors").bool().unwrap_or(true),
            default_limit: parameters.at("console").at("default-limit").int().unwrap_or(1000),
        },
        exit_on_fatal_failures: parameters.at("exit-on-fatal-failures").bool().unwrap_or(true),
    }
}
