//! The Regions and which of them are out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tracing::{Instrument, Span, warn};

use super::HOME;
use crate::{Kms, KmsError, KmsKeyId, KmsMetrics};

/// What is asked for in a Region that is out if the request named no key: any answer will do.
const NO_KEY: &str = "alias/cantle";

#[derive(Debug)]
pub(super) struct Regions {
    regions: Vec<Region>,
    metrics: Option<KmsMetrics>,
    ask_again: Duration,
    /// Held while a Region's state changes, so that each change is told once and in order.
    changing: Mutex<()>,
}

#[derive(Debug)]
struct Region {
    name: String,
    kms: Arc<dyn Kms>,
    out: AtomicBool,
}

impl Regions {
    pub(super) fn new(
        regions: Vec<(String, Arc<dyn Kms>)>,
        metrics: Option<KmsMetrics>,
        ask_again: Duration,
    ) -> Self {
        let regions: Vec<Region> = regions
            .into_iter()
            .map(|(name, kms)| Region { name, kms, out: AtomicBool::new(false) })
            .collect();
        if let Some(metrics) = &metrics {
            regions.iter().for_each(|region| metrics.region_out(&region.name, false));
        }
        Self { regions, metrics, ask_again, changing: Mutex::default() }
    }

    pub(super) fn name(&self, region: usize) -> &str {
        &self.regions[region].name
    }

    pub(super) fn kms(&self, region: usize) -> &dyn Kms {
        &*self.regions[region].kms
    }

    /// The first Region that is not out; home if every one is.
    pub(super) fn current(&self) -> usize {
        self.in_order().next().unwrap_or(HOME)
    }

    /// Those that are not out, in their order, and home at the latest in the end.
    pub(super) fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = self.in_order().collect();
        if order.first() != Some(&HOME) {
            order.push(HOME);
        }
        order
    }

    fn in_order(&self) -> impl Iterator<Item = usize> {
        (0..self.regions.len()).filter(|region| !self.regions[*region].out.load(Ordering::Relaxed))
    }

    /// A Region does not do its work: the next one stands in, and this one is asked until it does.
    pub(super) fn is_out(self: &Arc<Self>, region: usize, error: &KmsError) {
        if !self.change(region, true, || format!("is out: {error}")) {
            return;
        }
        let key = error.key().cloned().or_else(|| KmsKeyId::parse(NO_KEY).ok());
        if let Some(key) = key {
            let watch = ask_until_back(Arc::downgrade(self), region, key, self.ask_again);
            tokio::spawn(watch.instrument(Span::current()));
        }
    }

    /// Whether this was a change.
    fn change(&self, region: usize, out: bool, why: impl FnOnce() -> String) -> bool {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.current();
        let changed = &self.regions[region];
        if changed.out.swap(out, Ordering::Relaxed) == out {
            return false;
        }
        let now = self.current();
        let to = if self.regions[now].out.load(Ordering::Relaxed) {
            "and no Region is left, so that requests are repeated there".to_owned()
        } else {
            format!("and requests go to {}", self.name(now))
        };
        let why = why();
        warn!("the Region {} of the KMS {}; {to}", changed.name, why.trim_end_matches('.'));
        if let Some(metrics) = &self.metrics {
            metrics.region_out(&changed.name, out);
            if now != before {
                metrics.region_changed(self.name(before), self.name(now));
            }
        }
        true
    }
}

/// Ends when the Region answers, or nobody uses it any more.
async fn ask_until_back(regions: Weak<Regions>, region: usize, key: KmsKeyId, pause: Duration) {
    loop {
        tokio::time::sleep(pause).await;
        let Some(regions) = regions.upgrade() else { return };
        let answer = regions.kms(region).describe_key(&key).await;
        let out = answer.as_ref().is_err_and(|error| super::is_outage(error) || !answered(error));
        if !out {
            regions.change(region, false, || "answers again".to_owned());
            return;
        }
    }
}

/// Whether the error came from the service: one that was not sent says nothing.
fn answered(error: &KmsError) -> bool {
    !matches!(error, KmsError::Overloaded { .. } | KmsError::Credentials { .. })
}
