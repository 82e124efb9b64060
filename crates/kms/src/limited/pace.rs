//! So many a second, in the order of coming, with a burst of a tenth of a second.
//!
//! Invariant: in any stretch of time no more than its length times the rate, and one burst, are let through.

use std::future::Future;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// How much of a second may come at once.
const BURST: Duration = Duration::from_millis(100);

/// The pace of one class of requests.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    /// When the next one would be due if none came early. Whoever waits holds it, and the others queue behind.
    due: Mutex<Instant>,
}

impl Pace {
    pub(super) fn new(per_second: f64) -> Self {
        let interval = Duration::try_from_secs_f64(1.0 / per_second.max(f64::MIN_POSITIVE));
        // A rate of nothing is one a day; the configuration has no such rate.
        let interval = interval.unwrap_or(Duration::MAX).min(Duration::from_secs(86_400));
        Self { interval, due: Mutex::new(Instant::now()) }
    }

    /// Takes a turn, if nobody waits and it has come.
    pub(super) fn try_take(&self) -> bool {
        let Ok(mut due) = self.due.try_lock() else { return false };
        let now = Instant::now();
        if early(*due) > now {
            return false;
        }
        *due = (*due).max(now) + self.interval;
        true
    }

    /// Takes a turn when its time has come, after `ready`. Given up before, it has taken nothing.
    pub(super) async fn take_after<T>(&self, ready: impl Future<Output = T>) -> T {
        let mut due = self.due.lock().await;
        let ready = ready.await;
        tokio::time::sleep_until(early(*due)).await;
        *due = (*due).max(Instant::now()) + self.interval;
        ready
    }
}

/// From when on it may come early.
fn early(due: Instant) -> Instant {
    due.checked_sub(BURST).unwrap_or(due)
}
