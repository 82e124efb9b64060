//! How a client behaves. The defaults are those of Canton 2.10.

use std::time::Duration;

use crate::time::TimeOptions;

/// How a client behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientOptions {
    /// The first pause after a lost connection.
    pub initial_retry_delay: Duration,
    /// The longest pause between two tries.
    pub max_retry_delay: Duration,
    /// After this long without a connection there is a warning.
    pub warn_disconnect_delay: Duration,
    /// How often the handshake is tried again before the client begins.
    pub handshake_retries: u32,
    /// The pause between these tries.
    pub handshake_retry_delay: Duration,
    /// How long a submission may take to be sequenced, where nothing else is said.
    pub max_sequencing_time_offset: Duration,
    /// How often what was done with is acknowledged.
    pub acknowledgement_interval: Duration,
    /// How often what was done with is stored. After a crash so much comes again.
    pub cursor_interval: Duration,
    /// The largest batch that is opened, in bytes.
    pub max_batch_size: usize,
    /// The largest submission in bytes, in place of the domain's parameter.
    pub override_max_request_size: Option<usize>,
    /// How far back the topology is kept in memory.
    pub topology_horizon: Duration,
    /// At most so many events are handled at once.
    pub max_events: usize,
    /// When the domain's time is asked for.
    pub time: TimeOptions,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            initial_retry_delay: Duration::from_millis(50),
            max_retry_delay: Duration::from_secs(30),
            warn_disconnect_delay: Duration::from_secs(5),
            handshake_retries: 50,
            handshake_retry_delay: Duration::from_secs(5),
            max_sequencing_time_offset: Duration::from_secs(300),
            acknowledgement_interval: Duration::from_secs(60),
            cursor_interval: Duration::from_secs(1),
            max_batch_size: 64 * 1024 * 1024,
            override_max_request_size: None,
            topology_horizon: cantle_topology::DEFAULT_HORIZON,
            max_events: 64,
            time: TimeOptions::default(),
        }
    }
}
