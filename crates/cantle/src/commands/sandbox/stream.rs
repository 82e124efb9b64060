//! What a page that is open is sent: everything once, then what happens and how things become.
//!
//! Server-sent events, each with JSON: `snapshot` (everything, first and whenever the page missed something), `request`
//! and `ping` as they happen, `state` when something of it changed, `stopped` as the last word.
//! Source: <https://html.spec.whatwg.org/multipage/server-sent-events.html>

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::response::sse;
use futures::{Stream, stream};
use serde::Serialize;
use tokio::{
    sync::{OwnedSemaphorePermit, broadcast},
    time::{Interval, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{
    hub::Event,
    look::{Look, State},
};

/// How often a change of the state is looked for: often enough to seem immediate, seldom enough to be read.
const PACE: Duration = Duration::from_millis(400);
/// A page that lost its connection comes back after this time.
const RETRY: Duration = Duration::from_secs(1);

/// A page that is open.
struct Watcher {
    look: Arc<Look>,
    events: broadcast::Receiver<Event>,
    ticks: Interval,
    last: Option<State>,
    stop: CancellationToken,
    next: Next,
    _place: OwnedSemaphorePermit,
}

/// What a page is to be sent.
#[derive(Clone, Copy)]
enum Next {
    Everything,
    Changes,
    Nothing,
}

/// The events for one page, until it goes away or the sandbox stops.
pub(super) fn events(
    look: Arc<Look>,
    stop: CancellationToken,
    place: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<sse::Event, Infallible>> {
    let mut ticks = interval(PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Watched before everything is told: what happens in between is told twice and not never.
    let events = look.hub.watch();
    let watcher = Watcher { look, events, ticks, last: None, stop, next: Next::Everything, _place: place };
    stream::unfold(watcher, async |mut watcher| {
        let event = watcher.next().await?;
        Some((Ok(event), watcher))
    })
}

impl Watcher {
    async fn next(&mut self) -> Option<sse::Event> {
        match self.next {
            Next::Everything => {
                self.next = Next::Changes;
                return Some(event("snapshot", &self.look.snapshot().await).retry(RETRY));
            }
            Next::Changes => {}
            Next::Nothing => return None,
        }
        loop {
            tokio::select! {
                () = self.stop.cancelled() => {
                    self.next = Next::Nothing;
                    return Some(sse::Event::default().event("stopped").data("{}"));
                }
                happened = self.events.recv() => return match happened {
                    Ok(Event::Request(request)) => Some(event("request", &*request)),
                    Ok(Event::Ping(ping)) => Some(event("ping", &*ping)),
                    Err(broadcast::error::RecvError::Lagged(_)) => {
                        self.events = self.events.resubscribe();
                        Some(event("snapshot", &self.look.snapshot().await))
                    }
                    Err(broadcast::error::RecvError::Closed) => None,
                },
                _ = self.ticks.tick() => {
                    let state = self.look.state().await;
                    if self.last.as_ref() != Some(&state) {
                        let changed = event("state", &state);
                        self.last = Some(state);
                        return Some(changed);
                    }
                }
            }
        }
    }
}

fn event(name: &str, what: &impl Serialize) -> sse::Event {
    let json = serde_json::to_string(what).expect("names are strings and numbers finite");
    sse::Event::default().event(name).data(json)
}
