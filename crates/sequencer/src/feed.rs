//! Delivery: what each member's subscriptions are woken by, and the last of its events.
//!
//! A subscription reads on from its own counter: from memory as long as it keeps up, from the store when it does not.
//! So a slow subscriber costs a place in a table and nothing that grows.
//! Invariant: an event is published only once it is stored.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cantle_store::{EventPage, MemberNumber, SequencerEvent, SequencerStore};
use cantle_types::Member;
use tokio::sync::watch;

use crate::options::SequencerOptions;
use crate::session::Session;
use crate::subscription::SubscriptionEnd;

/// All members' events as they become known.
#[derive(Debug, Default)]
pub(crate) struct Feeds {
    feeds: Mutex<HashMap<Member, Arc<Feed>>>,
}

/// One member's.
#[derive(Debug)]
pub(crate) struct Feed {
    recent: Mutex<Recent>,
    /// How many events the member has.
    published: watch::Sender<i64>,
}

#[derive(Debug, Default)]
struct Recent {
    number: Option<MemberNumber>,
    events: VecDeque<Arc<SequencerEvent>>,
    bytes: usize,
}

impl Feeds {
    /// A member's feed; it may have no events yet.
    pub(crate) fn of(&self, member: &Member) -> Arc<Feed> {
        let mut feeds = self.lock();
        if let Some(feed) = feeds.get(member) {
            return Arc::clone(feed);
        }
        let feed = Arc::new(Feed { recent: Mutex::default(), published: watch::Sender::new(0) });
        feeds.insert(member.clone(), Arc::clone(&feed));
        feed
    }

    /// A member has so many events in the store.
    pub(crate) fn stored(&self, member: &Member, number: MemberNumber, events: i64) {
        let feed = self.of(member);
        {
            let mut recent = feed.recent();
            recent.number = Some(number);
            recent.events.clear();
            recent.bytes = 0;
        }
        feed.published.send_if_modified(|published| std::mem::replace(published, events) != events);
    }

    /// A member has at least so many events in the store, which another sequencer wrote.
    pub(crate) fn raise(&self, member: &Member, number: MemberNumber, events: i64) {
        let feed = self.of(member);
        feed.recent().number = Some(number);
        feed.published.send_if_modified(|published| {
            let more = *published < events;
            *published = (*published).max(events);
            more
        });
    }

    /// Forgets a member that has no events and no subscription.
    pub(crate) fn forget_unused(&self, member: &Member) {
        let mut feeds = self.lock();
        let unused = |feed: &Arc<Feed>| {
            Arc::strong_count(feed) == 1 && *feed.published.borrow() == 0 && feed.recent().number.is_none()
        };
        if feeds.get(member).is_some_and(unused) {
            feeds.remove(member);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Member, Arc<Feed>>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feed {
    /// The member has a new event, which is stored.
    pub(crate) fn publish(&self, event: Arc<SequencerEvent>, options: &SequencerOptions) {
        let next = event.counter + 1;
        {
            let mut recent = self.recent();
            recent.number = Some(event.member);
            // Whoever subscribes later reads from the store.
            if self.published.receiver_count() > 0 {
                recent.bytes += event.signed.len();
                recent.events.push_back(event);
            } else {
                recent.events.clear();
                recent.bytes = 0;
            }
            while recent.events.len() > options.recent_events || recent.bytes > options.recent_bytes {
                match recent.events.pop_front() {
                    Some(oldest) => recent.bytes -= oldest.signed.len(),
                    None => break,
                }
            }
        }
        self.published.send_replace(next);
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The event of a counter if it is in memory, or the member's number to read it by.
    fn find(&self, counter: i64) -> (Option<Arc<SequencerEvent>>, Option<MemberNumber>) {
        let recent = self.recent();
        let first = recent.events.front().map(|event| event.counter);
        let index = first.and_then(|first| usize::try_from(counter.checked_sub(first)?).ok());
        (index.and_then(|index| recent.events.get(index).cloned()), recent.number)
    }
}

/// Reads a member's events on from a counter, for ever.
#[derive(Debug)]
pub(crate) struct Reader {
    feed: Arc<Feed>,
    published: watch::Receiver<i64>,
    next: i64,
    page: VecDeque<Arc<SequencerEvent>>,
}

impl Reader {
    /// Reads on from `next`. `None`: the member has not got so far.
    pub(crate) fn new(feed: Arc<Feed>, next: i64) -> Option<Self> {
        let published = feed.published.subscribe();
        let reached = *published.borrow() >= next;
        reached.then(|| Self { feed, published, next, page: VecDeque::new() })
    }

    /// The next event, once there is one. A dropped call has taken none.
    pub(crate) async fn next(
        &mut self,
        store: &dyn SequencerStore,
        options: &SequencerOptions,
        session: &mut Session,
    ) -> Result<Arc<SequencerEvent>, SubscriptionEnd> {
        loop {
            session.check()?;
            if let Some(event) = self.page.pop_front() {
                self.next = event.counter + 1;
                return Ok(event);
            }
            if *self.published.borrow_and_update() <= self.next {
                tokio::select! {
                    // The sender lives as long as the feed that is held here.
                    _ = self.published.changed() => {}
                    end = session.ended() => return Err(end),
                }
                continue;
            }
            match self.feed.find(self.next) {
                (Some(event), _) => self.page.push_back(event),
                (None, Some(number)) => {
                    let page =
                        EventPage { from: self.next, events: options.page_events, bytes: options.page_bytes };
                    let events = store.sequencer_events(number, page).await;
                    let events = events.map_err(|error| SubscriptionEnd::Store(Arc::new(error)))?;
                    if events.first().is_none_or(|event| event.counter != self.next) {
                        return Err(SubscriptionEnd::Missing { counter: self.next });
                    }
                    self.page.extend(events.into_iter().map(Arc::new));
                }
                (None, None) => return Err(SubscriptionEnd::Missing { counter: self.next }),
            }
        }
    }
}
