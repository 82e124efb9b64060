//! A small cache of what may be kept for a while: session keys, of senders and of receivers.
//!
//! Invariants: it holds at most its capacity, the oldest goes first; nothing is given out after its time.

use std::borrow::Borrow;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cantle_types::Clock;
use jiff::{SignedDuration, Timestamp};

/// Values that expire, of which there are at most so many.
///
/// A capacity or a time of 0 keeps nothing. Putting a value in place of another costs a look at all keys: it is meant for
/// thousands of values, not for millions.
pub struct ExpiringCache<K, V> {
    clock: Arc<dyn Clock>,
    capacity: usize,
    lifetime: SignedDuration,
    entries: Mutex<Entries<K, V>>,
}

struct Entries<K, V> {
    values: HashMap<K, (V, Timestamp)>,
    /// The keys with the times at which they were put in, oldest first.
    order: VecDeque<(K, Timestamp)>,
}

impl<K: Eq + Hash + Clone, V: Clone> ExpiringCache<K, V> {
    /// An empty cache of at most `capacity` values, each for at most `lifetime`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, capacity: usize, lifetime: Duration) -> Self {
        let entries = Entries { values: HashMap::new(), order: VecDeque::new() };
        let lifetime = SignedDuration::try_from(lifetime).unwrap_or(SignedDuration::MAX);
        Self { clock, capacity, lifetime, entries: Mutex::new(entries) }
    }

    /// The value under `key`, if there is one and it is not too old.
    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let now = self.clock.now();
        let entries = self.entries();
        let (value, since) = entries.values.get(key)?;
        self.is_fresh(*since, now).then(|| value.clone())
    }

    /// Puts a value in, in place of the one before it.
    pub fn insert(&self, key: K, value: V) {
        let now = self.clock.now();
        let mut entries = self.entries();
        if entries.values.insert(key.clone(), (value, now)).is_some() {
            entries.order.retain(|(other, _)| *other != key);
        }
        entries.order.push_back((key, now));
        while let Some((_, since)) = entries.order.front() {
            if entries.values.len() <= self.capacity && self.is_fresh(*since, now) {
                break;
            }
            if let Some((oldest, _)) = entries.order.pop_front() {
                entries.values.remove(&oldest);
            }
        }
    }

    /// Forgets everything.
    pub fn clear(&self) {
        let mut entries = self.entries();
        entries.values.clear();
        entries.order.clear();
    }

    /// How many values there are, those included that are too old.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries().values.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn is_fresh(&self, since: Timestamp, now: Timestamp) -> bool {
        // A clock that was set back makes nothing older.
        now.duration_since(since) < self.lifetime
    }

    fn entries(&self) -> MutexGuard<'_, Entries<K, V>> {
        // The worst that a panic elsewhere can have left is an entry of which only one half is there.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, V> fmt::Debug for ExpiringCache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExpiringCache")
            .field("capacity", &self.capacity)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use cantle_types::ManualClock;
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn cache(capacity: usize, lifetime: Duration) -> (Arc<ManualClock>, ExpiringCache<u8, u32>) {
        let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
        let shared: Arc<dyn Clock> = clock.clone();
        (clock, ExpiringCache::new(shared, capacity, lifetime))
    }

    #[test]
    fn values_are_given_out_until_their_time() {
        let (clock, cache) = cache(10, SECOND);
        cache.insert(1, 10);
        clock.advance(Duration::from_millis(999));
        assert_eq!(cache.get(&1), Some(10));
        clock.advance(Duration::from_millis(1));
        assert_eq!(cache.get(&1), None);
        cache.insert(2, 20);
        assert_eq!(cache.len(), 1);
    }

    #[test]
    fn a_value_that_was_replaced_lives_on_from_then() {
        let (clock, cache) = cache(10, SECOND);
        cache.insert(1, 10);
        clock.advance(Duration::from_millis(600));
        cache.insert(1, 11);
        clock.advance(Duration::from_millis(600));
        cache.insert(2, 20);
        assert_eq!(cache.get(&1), Some(11));
        cache.clear();
        assert!(cache.is_empty());
    }

    #[test]
    fn the_oldest_goes_first() {
        let (_, cache) = cache(2, SECOND);
        for key in 0..4 {
            cache.insert(key, u32::from(key));
        }
        assert_eq!((cache.get(&0), cache.get(&1)), (None, None));
        assert_eq!((cache.get(&2), cache.get(&3)), (Some(2), Some(3)));
    }

    #[test]
    fn nothing_is_kept_without_capacity_or_time() {
        for (capacity, lifetime) in [(0, SECOND), (10, Duration::ZERO)] {
            let (_, cache) = cache(capacity, lifetime);
            cache.insert(1, 10);
            assert_eq!(cache.get(&1), None);
        }
    }

    proptest! {
        #[test]
        fn what_is_given_out_is_the_last_put_in(
            steps in prop::collection::vec((0_u8..5, 0_u64..700), 0..60),
            capacity in 1_usize..4,
        ) {
            let (clock, cache) = cache(capacity, SECOND);
            let mut model: Vec<(u8, u32, Timestamp)> = Vec::new();
            for (number, (key, pause)) in (0_u32..).zip(steps) {
                clock.advance(Duration::from_millis(pause));
                cache.insert(key, number);
                model.retain(|entry| entry.0 != key);
                model.push((key, number, clock.now()));
                prop_assert!(cache.len() <= capacity);
                for key in 0..5 {
                    let expected = model.iter().rev().take(capacity).find(|entry| entry.0 == key);
                    let expected = expected.filter(|entry| clock.now().duration_since(entry.2) < SignedDuration::from_secs(1));
                    prop_assert_eq!(cache.get(&key), expected.map(|entry| entry.1));
                }
            }
        }
    }
}
