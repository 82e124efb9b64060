//! `sequencer-client` and `time-tracker`: how a member keeps its connection to the sequencers.
//!
//! Source: <https://docs.daml.com/2.10.0/canton/usermanual/connectivity.html>

use std::time::Duration;

use super::server::finite;
use crate::cursor::Cursor;
use crate::schema::{FINITE, Kind, NATURAL, POSITIVE, Section, TUNING, ignored, later, refused, used};

/// `sequencer-client`
pub(crate) static SEQUENCER_CLIENT: Section = Section::new(&[
    ignored("event-inbox-size", POSITIVE, TUNING),
    used("startup-connection-retry-delay", FINITE),
    used("initial-connection-retry-delay", FINITE),
    used("warn-disconnect-delay", FINITE),
    used("max-connection-retry-delay", FINITE),
    used("handshake-retry-attempts", NATURAL),
    used("handshake-retry-delay", FINITE),
    used("default-max-sequencing-time-offset", FINITE),
    used("acknowledgement-interval", FINITE),
    used("keep-alive-client", Kind::Section(&KEEP_ALIVE_CLIENT)),
    used("auth-token", Kind::Section(&AUTH_TOKEN)),
    ignored("optimistic-sequenced-event-validation", Kind::Bool, TUNING),
    refused("skip-sequenced-event-validation", Kind::Bool, "every sequenced event is validated; remove it"),
    used("override-max-request-size", Kind::Bytes),
    ignored("maximum-in-flight-event-batches", POSITIVE, TUNING),
]);

static AUTH_TOKEN: Section = Section::new(&[
    used("refresh-auth-token-before-expiry", FINITE),
    used("retries", NATURAL),
    used("pause-retries", FINITE),
]);

/// `keep-alive-client`
pub(crate) static KEEP_ALIVE_CLIENT: Section = Section::new(&[
    used("time", FINITE),
    used("timeout", FINITE),
    used("keep-alive-without-calls", Kind::Bool),
    later("idle-timeout", FINITE, "a connection that is not used stays open"),
]);

/// `time-tracker`
pub(crate) static TIME_TRACKER: Section = Section::new(&[
    used("observation-latency", FINITE),
    used("patience-duration", FINITE),
    used("min-observation-duration", FINITE),
    used("time-request", Kind::Section(&TIME_REQUEST)),
]);

static TIME_REQUEST: Section = Section::new(&[
    used("initial-retry-delay", FINITE),
    used("max-retry-delay", FINITE),
    used("max-sequencing-delay", FINITE),
]);

/// How a member keeps its connection to the sequencers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequencerClientConfig {
    /// Pause after a failed first connection. Default 1 s.
    pub startup_connection_retry_delay: Duration,
    /// First pause after a lost connection. Default 50 ms.
    pub initial_connection_retry_delay: Duration,
    /// After this long without a connection there is a warning. Default 5 s.
    pub warn_disconnect_delay: Duration,
    /// Longest pause between attempts. Default 30 s.
    pub max_connection_retry_delay: Duration,
    /// How often a handshake is tried. Default 50.
    pub handshake_retry_attempts: u32,
    /// Pause between handshakes. Default 5 s.
    pub handshake_retry_delay: Duration,
    /// How far ahead of the sequencing time a request may be sequenced. Default 5 min.
    pub default_max_sequencing_time_offset: Duration,
    /// How often what was read is acknowledged. Default 1 min.
    pub acknowledgement_interval: Duration,
    /// Keep-alive of connections; `None` switches it off.
    pub keep_alive: Option<KeepAliveClient>,
    /// A token is renewed this long before it expires. Default 20 s.
    pub refresh_token_before_expiry: Duration,
    /// How often getting a token is tried. Default 20.
    pub token_retries: u32,
    /// Pause between these. Default 500 ms.
    pub token_retry_pause: Duration,
    /// The longest request in bytes, in place of the domain's parameter.
    pub override_max_request_size: Option<usize>,
}

/// How a client keeps connections alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepAliveClient {
    /// After this time without activity the server is asked. Default 40 s.
    pub time: Duration,
    /// It has this long to answer. Default 20 s.
    pub timeout: Duration,
    /// Whether it is asked without a call under way. Default no.
    pub keep_alive_without_calls: bool,
    /// A connection without calls is closed after this time. Default 30 min.
    pub idle_timeout: Duration,
}

/// How a member of a domain learns the domain's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeTrackerConfig {
    /// What an event takes from the sequencer to here. Default 250 ms.
    pub observation_latency: Duration,
    /// How long to wait for an event before asking for the time. Default 500 ms.
    pub patience: Duration,
    /// The time is asked for at least this often. Default 24 h.
    pub min_observation: Duration,
    /// First pause between two askings. Default 200 ms.
    pub initial_retry_delay: Duration,
    /// Longest pause. Default 5 s.
    pub max_retry_delay: Duration,
    /// How long an asking may take to be sequenced. Default 10 s.
    pub max_sequencing_delay: Duration,
}

impl Default for KeepAliveClient {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(40),
            timeout: Duration::from_secs(20),
            keep_alive_without_calls: false,
            idle_timeout: Duration::from_secs(30 * 60),
        }
    }
}

pub(crate) fn sequencer_client(client: &Cursor<'_>) -> SequencerClientConfig {
    let seconds = Duration::from_secs;
    let token = client.at("auth-token");
    SequencerClientConfig {
        startup_connection_retry_delay: finite(client, "startup-connection-retry-delay", seconds(1)),
        initial_connection_retry_delay: finite(
            client,
            "initial-connection-retry-delay",
            Duration::from_millis(50),
        ),
        warn_disconnect_delay: finite(client, "warn-disconnect-delay", seconds(5)),
        max_connection_retry_delay: finite(client, "max-connection-retry-delay", seconds(30)),
        handshake_retry_attempts: client.at("handshake-retry-attempts").int().unwrap_or(50),
        handshake_retry_delay: finite(client, "handshake-retry-delay", seconds(5)),
        default_max_sequencing_time_offset: finite(
            client,
            "default-max-sequencing-time-offset",
            seconds(300),
        ),
        acknowledgement_interval: finite(client, "acknowledgement-interval", seconds(60)),
        keep_alive: keep_alive_client(&client.at("keep-alive-client")),
        refresh_token_before_expiry: finite(&token, "refresh-auth-token-before-expiry", seconds(20)),
        token_retries: token.at("retries").int().unwrap_or(20),
        token_retry_pause: finite(&token, "pause-retries", Duration::from_millis(500)),
        override_max_request_size: client.at("override-max-request-size").bytes(),
    }
}

pub(crate) fn keep_alive_client(section: &Cursor<'_>) -> Option<KeepAliveClient> {
    if section.is_null() {
        return None;
    }
    let default = KeepAliveClient::default();
    Some(KeepAliveClient {
        time: finite(section, "time", default.time),
        timeout: finite(section, "timeout", default.timeout),
        keep_alive_without_calls: section
            .at("keep-alive-without-calls")
            .bool()
            .unwrap_or(default.keep_alive_without_calls),
        idle_timeout: finite(section, "idle-timeout", default.idle_timeout),
    })
}

pub(crate) fn time_tracker(tracker: &Cursor<'_>) -> TimeTrackerConfig {
    let request = tracker.at("time-request");
    TimeTrackerConfig {
        observation_latency: finite(tracker, "observation-latency", Duration::from_millis(250)),
        patience: finite(tracker, "patience-duration", Duration::from_millis(500)),
        min_observation: finite(tracker, "min-observation-duration", Duration::from_secs(24 * 3600)),
        initial_retry_delay: finite(&request, "initial-retry-delay", Duration::from_millis(200)),
        max_retry_delay: finite(&request, "max-retry-delay", Duration::from_secs(5)),
        max_sequencing_delay: finite(&request, "max-sequencing-delay", Duration::from_secs(10)),
    }
}
