//! Where the time comes from.
//!
//! Everything that needs the time is given a [`Clock`]; only [`SystemClock`] asks the system. No timers:
//! waiting is the business of the async runtime.
//! Invariant: a [`ManualClock`] moves only when it is told to.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

/// A source of the time of day.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The time now. It may go back when the system's clock is set.
    fn now(&self) -> Timestamp;
}

/// The clock of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that stands still until it is moved, for tests and simulations.
#[derive(Debug)]
pub struct ManualClock(Mutex<Timestamp>);

impl ManualClock {
    /// A clock that shows `start`.
    #[must_use]
    pub fn new(start: Timestamp) -> Self {
        Self(Mutex::new(start))
    }

    /// Shows `time` from now on, forwards or backwards.
    pub fn set(&self, time: Timestamp) {
        *self.time() = time;
    }

    /// Moves forward, at most to the last representable time.
    pub fn advance(&self, by: Duration) {
        let mut time = self.time();
        *time = time.checked_add(by).unwrap_or(Timestamp::MAX);
    }

    fn time(&self) -> MutexGuard<'_, Timestamp> {
        // A timestamp is whole at any moment, so a panic elsewhere cannot have spoilt it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.time()
    }
}
