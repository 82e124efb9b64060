//! What all requests share: the state, the callers, the clock, the counters.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{
    audit::Audit,
    auth::{callers::Callers, sigv4::Verifier},
    counts::Counts,
    faults::Faults,
    keys::spare::Spare,
    limits::Limits,
    server::{Authentication, Latency},
    state::{
        key::{Key, Status},
        store::Store,
    },
    watch::Observer,
};

/// The server's time: the system's, which tests may move forward.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    ahead_ms: AtomicI64,
}

impl Clock {
    /// The time of signatures: never moved.
    pub(crate) fn real_ms() -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    /// The time keys live in.
    pub(crate) fn now_ms(&self) -> i64 {
        Self::real_ms().saturating_add(self.ahead_ms.load(Ordering::Relaxed))
    }

    pub(crate) fn advance(&self, by: Duration) {
        let by_ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        // 200 years are enough, and keep every sum of times in range.
        self.ahead_ms.fetch_add(by_ms.min(6_311_520_000_000), Ordering::Relaxed);
    }
}

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) store: Store,
    pub(crate) callers: Callers,
    pub(crate) verifier: Verifier,
    pub(crate) spare: Spare,
    pub(crate) clock: Clock,
    pub(crate) default_region: String,
    /// The Regions played; empty: every Region.
    pub(crate) regions: Vec<String>,
    pub(crate) authentication: Authentication,
    pub(crate) latency: Latency,
    pub(crate) replication_delay: Duration,
    pub(crate) limits: Limits,
    pub(crate) faults: Faults,
    pub(crate) counts: Counts,
    pub(crate) audit: Option<Audit>,
    pub(crate) observer: Option<Observer>,
}

impl Service {
    /// Deletes a key whose waiting period is over; true if it was.
    pub(crate) fn purge_if_gone(&self, key: &Arc<Key>, now_ms: i64) -> bool {
        if !key.is_gone(now_ms) {
            return false;
        }
        let purged = self.store.write(|transaction| {
            let Ok(current) = transaction.key(&key.home, &key.id) else { return Ok(()) };
            if !current.is_gone(now_ms) {
                return Ok(());
            }
            transaction.remove_key(&current);
            let Some(set) = current.multi_region() else { return Ok(()) };
            // The related keys no longer list it; a primary that waited for its last replica now begins to wait.
            let mut set = set.clone();
            set.replicas.retain(|region| **region != *current.home.region);
            for region in
                set.replicas.iter().chain([&set.primary]).filter(|region| ***region != *current.home.region)
            {
                let partition = self.store.partition(&current.home.account, region);
                let Ok(related) = transaction.key(&partition.home, &current.id) else { continue };
                let mut related = (*related).clone();
                related.extra_mut().multi_region = Some(set.clone());
                if let (Status::PendingReplicaDeletion { window_days }, true) =
                    (related.status, set.replicas.is_empty())
                {
                    let at_ms = now_ms + i64::from(window_days) * 86_400_000;
                    related.status = Status::PendingDeletion { at_ms, window_days };
                }
                transaction.put_key(related);
            }
            Ok(())
        });
        if let Err(error) = purged {
            tracing::warn!(code = error.code, "a key past its waiting period could not be deleted");
        }
        true
    }

    /// Rotates a key whose day has come; gives back the key as it is then.
    pub(crate) fn rotate_if_due(&self, key: Arc<Key>, now_ms: i64) -> Arc<Key> {
        if !crate::ops::rotation::rotate_if_due(self, &key, now_ms) {
            return key;
        }
        let rotated = self.store.partition(&key.home.account, &key.home.region).key(&key.id);
        rotated.unwrap_or(key)
    }

    /// How often each operation was called, whatever the outcome.
    pub(crate) fn request_counts(&self) -> BTreeMap<String, u64> {
        self.counts.by_operation()
    }
}
