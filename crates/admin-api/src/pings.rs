//! The pings that a participant is asked for over its admin API, for those who watch as it happens.
//!
//! A feed and not a record: what nobody watches is forgotten. Every ping that begins ends, one whose caller went away too.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::broadcast;

/// Events that a watcher may be behind before it misses some.
const BEHIND: usize = 1024;

/// Something that became of a ping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PingEvent {
    /// The participant's number of the ping, from 1.
    pub number: u64,
    /// The parties that may respond.
    pub responders: Vec<String>,
    /// What became of it.
    pub state: PingState,
}

/// Where a ping is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PingState {
    /// It began.
    Began,
    /// The pong came.
    Succeeded {
        /// From the request to the pong.
        time: Duration,
    },
    /// It will not come.
    Failed {
        /// Where it stopped and why.
        reason: String,
    },
}

/// The pings of one participant.
#[derive(Clone, Debug)]
pub struct PingFeed {
    events: broadcast::Sender<PingEvent>,
    last: Arc<AtomicU64>,
}

impl Default for PingFeed {
    fn default() -> Self {
        Self { events: broadcast::Sender::new(BEHIND), last: Arc::default() }
    }
}

impl PingFeed {
    /// What happens from now on.
    #[must_use]
    pub fn watch(&self) -> broadcast::Receiver<PingEvent> {
        self.events.subscribe()
    }

    /// A ping begins.
    pub(crate) fn begin(&self, responders: Vec<String>) -> UnderWay<'_> {
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let ping = UnderWay { feed: self, number, responders, ended: false };
        ping.tell(PingState::Began);
        ping
    }
}

/// A ping that has begun and not ended.
#[derive(Debug)]
pub(crate) struct UnderWay<'a> {
    feed: &'a PingFeed,
    number: u64,
    responders: Vec<String>,
    ended: bool,
}

impl UnderWay<'_> {
    /// It is over.
    pub(crate) fn end(mut self, state: PingState) {
        self.ended = true;
        self.tell(state);
    }

    fn tell(&self, state: PingState) {
        // Nobody may be watching.
        let _ = self.feed.events.send(PingEvent {
            number: self.number,
            responders: self.responders.clone(),
            state,
        });
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.tell(PingState::Failed { reason: "whoever asked for it did not wait".to_owned() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ping_that_nobody_waits_for_ends_too() {
        let feed = PingFeed::default();
        drop(feed.begin(vec!["unseen".to_owned()]));
        let mut seen = feed.watch();
        let answered = feed.begin(vec!["a::b".to_owned()]);
        answered.end(PingState::Succeeded { time: Duration::from_millis(5) });
        drop(feed.begin(vec!["c::d".to_owned()]));
        let states: Vec<_> =
            std::iter::from_fn(|| seen.try_recv().ok()).map(|event| (event.number, event.state)).collect();
        assert_eq!(states.len(), 4, "{states:?}");
        assert_eq!(states[0], (2, PingState::Began));
        assert_eq!(states[1], (2, PingState::Succeeded { time: Duration::from_millis(5) }));
        assert!(matches!(&states[3], (3, PingState::Failed { .. })), "{states:?}");
    }
}
