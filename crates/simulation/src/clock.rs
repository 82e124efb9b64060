//! The system's clock, wrong by as much as a test wants.

use std::sync::atomic::{AtomicI64, Ordering};

use cantle_types::Clock;
use jiff::{SignedDuration, Timestamp};

/// A clock that runs as the system's does, ahead of it or behind.
#[derive(Debug, Default)]
pub struct SkewedClock(AtomicI64);

impl SkewedClock {
    /// By how many milliseconds it is ahead; behind, if that is negative.
    pub fn set_ahead(&self, milliseconds: i64) {
        self.0.store(milliseconds, Ordering::Relaxed);
    }
}

impl Clock for SkewedClock {
    fn now(&self) -> Timestamp {
        let ahead = SignedDuration::from_millis(self.0.load(Ordering::Relaxed));
        Timestamp::now().checked_add(ahead).unwrap_or(Timestamp::MAX)
    }
}
