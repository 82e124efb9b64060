//! `canton.monitoring`: metrics, health and what is logged.
//!
//! Source: <https://docs.daml.com/2.10.0/canton/usermanual/monitoring.html>

use std::time::Duration;

use super::server::{address, finite};
use crate::cursor::Cursor;
use crate::schema::{
    FINITE, INT, JVM, Kind, NATURAL, POSITIVE, Section, Span, TUNING, Tagged, ignored, later, used,
};

const NOT_LOGGED: &str = "calls of the APIs are counted, see metrics, and not logged";

/// `canton.monitoring`
pub(crate) static MONITORING: Section = Section::new(&[
    ignored("deadlock-detection", Kind::Section(&DEADLOCK_DETECTION), JVM),
    used("health", Kind::Section(&HEALTH)),
    used("metrics", Kind::Section(&METRICS)),
    ignored("delay-logging-threshold", FINITE, TUNING),
    ignored("tracing", Kind::Section(&TRACING), "Cantle sends no spans"),
    later("log-message-payloads", Kind::Bool, NOT_LOGGED),
    ignored("log-query-cost", Kind::Section(&QUERY_COST), TUNING),
    ignored("log-slow-futures", Kind::Bool, JVM),
    ignored("health-dump-metric-frequency", FINITE, TUNING),
    used("logging", Kind::Section(&LOGGING)),
    later("dump-num-rolling-log-files", NATURAL, "a dump has the last lines of the log"),
]);

static DEADLOCK_DETECTION: Section =
    Section::new(&[used("enabled", Kind::Bool), used("interval", FINITE), used("warn-interval", FINITE)]);

static HEALTH: Section = Section::new(&[
    used("server", Kind::Section(&HEALTH_SERVER)).required(),
    used("check", Kind::Tagged(&CHECK)).required(),
]);

static HEALTH_SERVER: Section =
    Section::new(&[used("address", Kind::Text), used("port", Kind::Port).required()]);

static CHECK: Tagged =
    Tagged::new(&[("always-healthy", &NOTHING), ("ping", &PING), ("is-active", &IS_ACTIVE)]);

static NOTHING: Section = Section::new(&[]);
static PING: Section = Section::new(&[
    used("participant", Kind::Text).required(),
    used("interval", FINITE).required(),
    used("timeout", FINITE),
]);
static IS_ACTIVE: Section = Section::new(&[used("node", Kind::Text)])
    .moved(&[crate::schema::Moved { from: &["participant"], to: &["node"] }]);

static METRICS: Section = Section::new(&[
    used("reporters", Kind::List(&Kind::Tagged(&REPORTER))),
    ignored("report-jvm-metrics", Kind::Bool, JVM),
    ignored(
        "histograms",
        Kind::List(&Kind::Section(&HISTOGRAM)),
        "Cantle's histograms have fixed boundaries",
    ),
]);

static HISTOGRAM: Section = Section::new(&[
    used("name", Kind::Text),
    used("name-regex", Kind::Text),
    used("bucket-boundaries", Kind::List(&Kind::Double)),
    used("aggregation", Kind::Any),
    used("view-key", Kind::Text),
]);

static REPORTER: Tagged =
    Tagged::new(&[("prometheus", &PROMETHEUS), ("jmx", &JMX), ("csv", &CSV), ("graphite", &GRAPHITE)]);

static PROMETHEUS: Section = Section::new(&[
    used("address", Kind::Text),
    used("port", Kind::Port),
    ignored("filters", FILTERS, "a scraper filters"),
]);
static JMX: Section = Section::new(&[used("filters", FILTERS)]);
static CSV: Section = Section::new(&[
    used("directory", Kind::File).required(),
    used("interval", FINITE),
    used("filters", FILTERS),
]);
static GRAPHITE: Section = Section::new(&[
    used("address", Kind::Text),
    used("port", Kind::Port),
    used("prefix", Kind::Tagged(&PREFIX)),
    used("interval", FINITE),
    used("filters", FILTERS),
]);

const FILTERS: Kind = Kind::List(&Kind::Section(&FILTER));
static FILTER: Section = Section::new(&[
    used("starts-with", Kind::Text),
    used("contains", Kind::Text),
    used("ends-with", Kind::Text),
]);
static PREFIX: Tagged =
    Tagged::new(&[("no-prefix", &NOTHING), ("hostname", &NOTHING), ("static", &STATIC_PREFIX)]);
static STATIC_PREFIX: Section = Section::new(&[used("prefix", Kind::Text).required()]);

static TRACING: Section = Section::new(&[
    used("propagation", Kind::Choice(&["enabled", "disabled"])),
    used("tracer", Kind::Section(&TRACER)),
]);
static TRACER: Section = Section::new(&[
    used("exporter", Kind::Tagged(&EXPORTER)),
    used("sampler", Kind::Tagged(&SAMPLER)),
    used("batch-span-processor", Kind::Section(&SPAN_PROCESSOR)),
]);
static EXPORTER: Tagged =
    Tagged::new(&[("disabled", &NOTHING), ("jaeger", &ENDPOINT), ("zipkin", &ENDPOINT), ("otlp", &OTLP)]);
static ENDPOINT: Section = Section::new(&[used("address", Kind::Text), used("port", Kind::Port)]);
static OTLP: Section = Section::new(&[
    used("address", Kind::Text),
    used("port", Kind::Port),
    used("trust-collection-path", Kind::Text),
    used("additional-headers", Kind::Map(&Kind::Text)),
    used("timeout", FINITE),
]);
static SAMPLER: Tagged =
    Tagged::new(&[("always-on", &SAMPLED), ("always-off", &SAMPLED), ("trace-id-ratio", &RATIO)]);
static SAMPLED: Section = Section::new(&[used("parent-based", Kind::Bool)]);
static RATIO: Section =
    Section::new(&[used("ratio", Kind::Double).required(), used("parent-based", Kind::Bool)]);
static SPAN_PROCESSOR: Section = Section::new(&[used("batch-size", INT), used("schedule-delay", FINITE)]);

static QUERY_COST: Section = Section::new(&[
    used("every", FINITE).required(),
    used("reset-on-output", Kind::Bool),
    used("log-operations", Kind::Bool),
    used("sort-by", Kind::Choice(&["count", "mean", "total", "std-dev"])),
    used("log-lines", POSITIVE),
]);

static LOGGING: Section = Section::new(&[
    used("api", Kind::Section(&API)),
    later("event-details", Kind::Bool, "sequenced events are not logged in detail"),
    used("log-config-on-startup", Kind::Bool),
    later("log-config-with-defaults", Kind::Bool, "docs/configure.md has the defaults"),
    ignored("jvm-gc", Kind::Section(&JVM_GC), JVM),
]);
static API: Section = Section::new(&[
    later("message-payloads", Kind::Bool, NOT_LOGGED),
    later("max-method-length", INT, NOT_LOGGED),
    later("max-message-lines", INT, NOT_LOGGED),
    later("max-string-length", INT, NOT_LOGGED),
    later("max-metadata-size", INT, NOT_LOGGED),
    ignored("warn-beyond-load", INT, TUNING),
]);
static JVM_GC: Section = Section::new(&[
    used("enabled", Kind::Bool),
    used("debug-level", Kind::Bool),
    used("filter", Kind::Text),
    used("details", Kind::Bool),
]);

/// Metrics, health and what is logged.
#[derive(Debug, Clone)]
pub struct MonitoringConfig {
    /// Where Prometheus reads the metrics.
    pub prometheus: Vec<PrometheusConfig>,
    /// The health of the process over HTTP.
    pub health: Option<HealthConfig>,
    /// What is logged.
    pub logging: LoggingConfig,
    /// How many older log files a health dump has. Default 0.
    pub dump_log_files: u32,
}

/// Where Prometheus reads the metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrometheusConfig {
    /// The host name or IP address to listen on. Default `localhost`.
    pub address: String,
    /// The port; `None`: the system chooses. Default 9100.
    pub port: Option<u16>,
}

/// The health of the process over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthConfig {
    /// The host name or IP address to listen on. Default `0.0.0.0`.
    pub address: String,
    /// The port; `None`: the system chooses.
    pub port: Option<u16>,
    /// What makes the process healthy.
    pub check: HealthCheck,
}

/// What makes a process healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HealthCheck {
    /// That it answers.
    AlwaysHealthy,
    /// That a participant pings itself.
    Ping {
        /// The participant.
        participant: String,
        /// How often.
        interval: Duration,
        /// How long a ping may take. Default 10 s.
        timeout: Duration,
    },
    /// That a node is active; without a name the first one.
    IsActive {
        /// The node.
        node: Option<String>,
    },
}

/// What is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoggingConfig {
    /// Whether messages of the APIs are logged with their contents. Default no.
    pub message_payloads: bool,
    /// The longest method name. Default 30.
    pub max_method_length: u32,
    /// The most lines of a message. Default 20.
    pub max_message_lines: u32,
    /// The longest string in a message. Default 250.
    pub max_string_length: u32,
    /// The most bytes of metadata. Default 200.
    pub max_metadata_size: u32,
    /// Whether sequenced events are logged in detail. Default no.
    pub event_details: bool,
    /// Whether the configuration is logged at the start, without secrets. Default yes.
    pub log_config_on_startup: bool,
    /// Whether defaults are logged with it. Default no.
    pub log_config_with_defaults: bool,
}

pub(crate) fn monitoring(monitoring: &Cursor<'_>) -> MonitoringConfig {
    MonitoringConfig {
        prometheus: reporters(&monitoring.at("metrics").at("reporters")),
        health: health(&monitoring.at("health")),
        logging: logging(monitoring),
        dump_log_files: monitoring.at("dump-num-rolling-log-files").int().unwrap_or(0),
    }
}

fn reporters(reporters: &Cursor<'_>) -> Vec<PrometheusConfig> {
    let mut prometheus = Vec::new();
    for reporter in reporters.items().unwrap_or_default() {
        match reporter.tag(&REPORTER) {
            Some("prometheus") => {
                let port = reporter.at("port");
                prometheus.push(PrometheusConfig {
                    address: address(&reporter, "localhost"),
                    port: if port.is_set() { port.port() } else { Some(9100) },
                });
            }
            Some("jmx") => reporter.ignore(JVM),
            Some(_) => reporter.ignore("metrics are read in the form of Prometheus alone"),
            None => {}
        }
    }
    prometheus
}

fn health(health: &Cursor<'_>) -> Option<HealthConfig> {
    let health = health.set()?;
    let (server, check) = (health.at("server"), health.at("check"));
    let check = match check.tag(&CHECK)? {
        "always-healthy" => HealthCheck::AlwaysHealthy,
        "ping" => HealthCheck::Ping {
            participant: check.at("participant").string()?,
            interval: check.at("interval").duration(Span::Finite)?,
            timeout: finite(&check, "timeout", Duration::from_secs(10)),
        },
        _ => HealthCheck::IsActive { node: check.at("node").string() },
    };
    Some(HealthConfig { address: address(&server, "0.0.0.0"), port: server.at("port").port(), check })
}

fn logging(monitoring: &Cursor<'_>) -> LoggingConfig {
    let logging = monitoring.at("logging");
    let api = logging.at("api");
    let (former, present) = (monitoring.at("log-message-payloads"), api.at("message-payloads"));
    if let (Some(a), Some(b)) = (former.bool(), present.bool())
        && a != b
    {
        former.contradiction(
            "it differs from canton.monitoring.logging.api.message-payloads",
            "set that one alone, this key is deprecated",
        );
    } else if former.is_set() {
        former.warn("this key is deprecated, write `logging.api.message-payloads`");
    }
    LoggingConfig {
        message_payloads: present.bool().or_else(|| former.bool()).unwrap_or(false),
        max_method_length: api.at("max-method-length").int().unwrap_or(30),
        max_message_lines: api.at("max-message-lines").int().unwrap_or(20),
        max_string_length: api.at("max-string-length").int().unwrap_or(250),
        max_metadata_size: api.at("max-metadata-size").int().unwrap_or(200),
        event_details: logging.at("event-details").bool().unwrap_or(false),
        log_config_on_startup: logging.at("log-config-on-startup").bool().unwrap_or(true),
        log_config_with_defaults: logging.at("log-config-with-defaults").bool().unwrap_or(false),
    }
}
