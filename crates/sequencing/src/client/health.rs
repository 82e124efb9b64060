//! How a client is, for whoever looks after it.

use cantle_types::CantonTimestamp;

/// How a client is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientHealth {
    /// Whether there is a subscription.
    pub connection: ConnectionState,
    /// The time of the last event that was handled.
    pub last_event: Option<CantonTimestamp>,
    /// Whether all that was sequenced before the client began has been handled.
    pub caught_up: bool,
}

impl ClientHealth {
    /// Whether events can come and submissions go.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connection == ConnectionState::Connected
    }

    /// Whether the client ended for good: another one has to be begun.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        matches!(self.connection, ConnectionState::Stopped { .. })
    }
}

/// Whether there is a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ConnectionState {
    /// Not yet.
    #[default]
    Connecting,
    /// There is one.
    Connected,
    /// It was lost and is being made again.
    Disconnected {
        /// What happened last.
        trouble: String,
    },
    /// It ended for good.
    Stopped {
        /// What ended it; nothing if that was wanted.
        trouble: Option<String>,
    },
}
