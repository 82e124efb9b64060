//! The sequencer's limits and times.
//!
//! Every queue and table that a member can fill has a bound here; beyond it the member is told to wait, and nothing
//! grows.

use std::time::Duration;

/// How a sequencer is set up. The defaults of the times are Canton's.
#[derive(Debug, Clone, PartialEq)]
pub struct SequencerOptions {
    /// Submissions that are on their way to disk at once.
    pub max_in_flight: usize,
    /// Those of one member.
    pub max_in_flight_per_member: usize,
    /// Their bytes, compressed.
    pub max_in_flight_bytes: usize,
    /// Events that one write to the store holds, unless a single submission has more.
    pub max_batch_events: usize,
    /// The largest message that is decoded, before the domain's own limit is looked at.
    pub max_message_size: usize,
    /// Open subscriptions.
    pub max_subscriptions: usize,
    /// Those of members that have not authenticated themselves, all together.
    pub max_unauthenticated_subscriptions: usize,
    /// Open subscriptions of one member; the oldest one ends for a new one.
    pub max_subscriptions_per_member: usize,
    /// Events of a member that are kept in memory for its subscriptions.
    pub recent_events: usize,
    /// Their bytes.
    pub recent_bytes: usize,
    /// Events that are read from the store at once for a subscription that lags behind.
    pub page_events: u32,
    /// Their bytes.
    pub page_bytes: u64,
    /// How long a nonce can be used.
    pub nonce_expiration: Duration,
    /// How long a token can be used.
    pub token_expiration: Duration,
    /// Tokens of one member; the oldest one ends for a new one.
    pub max_tokens_per_member: usize,
    /// How many seconds' worth of requests a participant may send at once.
    pub burst_seconds: f64,
    /// Submissions a second that members which have not authenticated themselves may send, all together.
    pub unauthenticated_rate: f64,
    /// How many of these may come at once.
    pub unauthenticated_burst: f64,
    /// The first pause before the store is tried again.
    pub retry_initial: Duration,
    /// The longest such pause.
    pub retry_max: Duration,
}

impl Default for SequencerOptions {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self {
            max_in_flight: 4096,
            max_in_flight_per_member: 1024,
            max_in_flight_bytes: 64 * MIB,
            max_batch_events: 1024,
            max_message_size: 16 * MIB,
            max_subscriptions: 10_000,
            max_unauthenticated_subscriptions: 1_000,
            max_subscriptions_per_member: 4,
            recent_events: 256,
            recent_bytes: 256 * 1024,
            page_events: 256,
            page_bytes: 1024 * 1024,
            nonce_expiration: Duration::from_secs(60),
            token_expiration: Duration::from_secs(3600),
            max_tokens_per_member: 16,
            burst_seconds: 0.5,
            unauthenticated_rate: 50.0,
            unauthenticated_burst: 100.0,
            retry_initial: Duration::from_millis(50),
            retry_max: Duration::from_secs(10),
        }
    }
}
