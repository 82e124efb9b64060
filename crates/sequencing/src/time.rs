//! The time of a domain as one member sees it, and asking for it when nothing is heard.
//!
//! The time of a domain moves with its events. A member that waits for a time and hears nothing submits an empty batch,
//! whose receipt proves the time. It asks no earlier than the time can have come, and only after some patience, since
//! some other event may arrive.
//! Invariants: time does not go back; there is at most one asking under way.
//! Source: `DomainTimeTracker` of Canton 2.10, whose defaults these are.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::chain;
use cantle_types::{CantonTimestamp, Clock};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

/// When a member asks for the time. The defaults are those of Canton 2.10.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeOptions {
    /// What an event takes from the sequencer to here.
    pub observation_latency: Duration,
    /// How long to wait for some event before asking.
    pub patience: Duration,
    /// The time is asked for at least this often.
    pub min_observation: Duration,
    /// The first pause before an asking that failed is repeated.
    pub initial_retry_delay: Duration,
    /// The longest such pause.
    pub max_retry_delay: Duration,
    /// How long an asking may remain without an answer before it is repeated.
    pub max_sequencing_delay: Duration,
}

impl Default for TimeOptions {
    fn default() -> Self {
        Self {
            observation_latency: Duration::from_millis(250),
            patience: Duration::from_millis(500),
            min_observation: Duration::from_secs(24 * 3600),
            initial_retry_delay: Duration::from_millis(200),
            max_retry_delay: Duration::from_secs(5),
            max_sequencing_delay: Duration::from_secs(10),
        }
    }
}

/// The domain will not reach the time as long as nobody follows it: the client stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection to the domain was closed")]
pub struct TimeStopped;

/// The time of a domain. Clones are the same one.
#[derive(Debug, Clone)]
pub struct DomainTimeTracker(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Arc<dyn Clock>,
    options: TimeOptions,
    state: Mutex<State>,
    /// The state has changed in a way that the next asking may depend on.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    latest: Option<CantonTimestamp>,
    heard: Option<Instant>,
    /// The time that the domain was seen to have just now, and when that was.
    anchor: Option<(CantonTimestamp, Instant)>,
    /// Times that somebody needs to see, and how many do.
    wanted: BTreeMap<CantonTimestamp, usize>,
    waiting: BTreeMap<CantonTimestamp, Vec<oneshot::Sender<CantonTimestamp>>>,
    /// The time is wanted at once.
    now: bool,
    /// How many askings have been answered.
    proofs: u64,
    stopped: bool,
}

/// How the event by which the time moved came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Observed {
    /// Others or this member sent something at some time.
    Event,
    /// This tracker asked just now.
    TimeProof,
}

impl DomainTimeTracker {
    /// The time of a domain of which nothing is known.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, options: TimeOptions) -> Self {
        Self(Arc::new(Inner { clock, options, state: Mutex::default(), changed: Notify::new() }))
    }

    /// The latest time seen.
    #[must_use]
    pub fn latest(&self) -> Option<CantonTimestamp> {
        self.state().latest
    }

    /// Waits until the domain has reached a time, asking for it when nothing is heard. Gives the time that it has then.
    ///
    /// # Errors
    /// [`TimeStopped`].
    pub async fn await_time(&self, time: CantonTimestamp) -> Result<CantonTimestamp, TimeStopped> {
        let reached = {
            let mut state = self.state();
            match state.latest {
                Some(latest) if latest >= time => return Ok(latest),
                _ if state.stopped => return Err(TimeStopped),
                _ => state.wait_for(time),
            }
        };
        let _wanted = self.want(time);
        reached.await.map_err(|_| TimeStopped)
    }

    /// Makes sure that some event at or after a time will be seen, as long as the answer is kept.
    #[must_use = "the time is wanted only as long as this is kept"]
    pub fn want(&self, time: CantonTimestamp) -> WantedTime {
        let mut state = self.state();
        if state.latest.is_some_and(|latest| latest >= time) || state.stopped {
            return WantedTime { tracker: self.clone(), time: None };
        }
        let is_first = state.wanted.keys().next().is_none_or(|first| time < *first);
        *state.wanted.entry(time).or_default() += 1;
        drop(state);
        if is_first {
            self.0.changed.notify_one();
        }
        WantedTime { tracker: self.clone(), time: Some(time) }
    }

    /// The domain's time, not older than `freshness`: the latest seen if that was heard since, otherwise asked for.
    ///
    /// # Errors
    /// [`TimeStopped`].
    pub async fn fetch_time(&self, freshness: Duration) -> Result<CantonTimestamp, TimeStopped> {
        let reached = {
            let mut state = self.state();
            if let (Some(latest), Some(heard)) = (state.latest, state.heard)
                && heard.elapsed() <= freshness
                && !freshness.is_zero()
            {
                return Ok(latest);
            }
            if state.stopped {
                return Err(TimeStopped);
            }
            state.now = true;
            // Any event that is still to come is later than the latest.
            let next = state.latest.and_then(CantonTimestamp::successor).unwrap_or(CantonTimestamp::MIN);
            state.wait_for(next)
        };
        self.0.changed.notify_one();
        reached.await.map_err(|_| TimeStopped)
    }

    /// Asks for the time at once, whatever is heard.
    pub(crate) fn ask_now(&self) {
        self.state().now = true;
        self.0.changed.notify_one();
    }

    /// An event was seen.
    pub(crate) fn observe(&self, time: CantonTimestamp, how: Observed) {
        let mut state = self.state();
        let now = Instant::now();
        state.heard = Some(now);
        if how == Observed::TimeProof {
            state.proofs += 1;
            state.now = false;
        }
        if state.latest.is_some_and(|latest| time <= latest) {
            return;
        }
        state.latest = Some(time);
        // Until the first answer to a question of our own an event may be an old one, read again.
        if how == Observed::TimeProof || state.anchor.is_some() {
            state.anchor = Some((time, now));
        }
        let reached = match time.successor() {
            Some(next) => {
                let later = state.waiting.split_off(&next);
                state.wanted = state.wanted.split_off(&next);
                std::mem::replace(&mut state.waiting, later)
            }
            None => std::mem::take(&mut state.waiting),
        };
        drop(state);
        for waiting in reached.into_values().flatten() {
            // Whoever waited may have gone.
            let _ = waiting.send(time);
        }
        if how == Observed::TimeProof {
            self.0.changed.notify_one();
        }
    }

    /// Nobody follows the domain any more: whoever waits is told.
    pub(crate) fn stop(&self) {
        let mut state = self.state();
        state.stopped = true;
        state.waiting.clear();
        state.wanted.clear();
        state.now = false;
    }

    /// Asks for the time when it is due, for ever. `ask` submits a time proof request.
    pub(crate) async fn keep_asking<E, F>(&self, ask: impl Fn() -> F) -> Infallible
    where
        E: std::error::Error + Send + Sync + 'static,
        F: Future<Output = Result<(), E>>,
    {
        loop {
            self.wait_until_due().await;
            let before = self.state().proofs;
            let mut pause = self.0.options.initial_retry_delay;
            while self.due_at() <= Instant::now() {
                match ask().await {
                    Ok(()) => {
                        if self.answered(before).await {
                            break;
                        }
                        tracing::debug!("the domain's time was asked for and is asked for again");
                    }
                    Err(error) => {
                        tracing::debug!(error = %chain(&error), "the domain's time cannot be asked for yet");
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(self.0.options.max_retry_delay);
                    }
                }
            }
        }
    }

    /// Whether an asking is answered in time.
    async fn answered(&self, before: u64) -> bool {
        let answered = async {
            while self.state().proofs == before {
                self.0.changed.notified().await;
            }
        };
        tokio::time::timeout(self.0.options.max_sequencing_delay, answered).await.is_ok()
    }

    async fn wait_until_due(&self) {
        loop {
            let due = self.due_at();
            if due <= Instant::now() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep_until(due) => {}
                () = self.0.changed.notified() => {}
            }
        }
    }

    /// When the time must be asked for, if nothing is heard until then.
    fn due_at(&self) -> Instant {
        let options = &self.0.options;
        let state = self.state();
        let now = Instant::now();
        if state.now {
            return now;
        }
        let heard = state.heard.unwrap_or(now);
        let regular = heard + options.min_observation;
        let Some(wanted) = state.wanted.keys().next() else { return regular };
        let comes = match state.anchor {
            // What has passed here since has passed there: the clocks need not agree.
            Some((time, at)) => at + wanted.saturating_since(time),
            None => {
                let clock = CantonTimestamp::from(self.0.clock.now());
                let overdue = clock.saturating_since(*wanted).min(options.observation_latency);
                now.checked_sub(overdue).unwrap_or(now) + wanted.saturating_since(clock)
            }
        };
        let patient = state.heard.map_or(now, |heard| heard + options.patience);
        (comes + options.observation_latency).max(patient).min(regular)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change of the state is whole before anything can panic.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wait_for(&mut self, time: CantonTimestamp) -> oneshot::Receiver<CantonTimestamp> {
        let (reached, receiver) = oneshot::channel();
        let waiting = self.waiting.entry(time).or_default();
        // Those who went before the time came would otherwise remain until then.
        waiting.retain(|waiting| !waiting.is_closed());
        waiting.push(reached);
        receiver
    }
}

/// A time that somebody needs to see; dropped, it is not asked for on his account.
#[derive(Debug)]
pub struct WantedTime {
    tracker: DomainTimeTracker,
    time: Option<CantonTimestamp>,
}

impl Drop for WantedTime {
    fn drop(&mut self) {
        let Some(time) = self.time else { return };
        if let Entry::Occupied(mut wanted) = self.tracker.state().wanted.entry(time) {
            *wanted.get_mut() -= 1;
            if *wanted.get() == 0 {
                wanted.remove();
            }
        }
    }
}
