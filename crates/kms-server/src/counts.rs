//! Request counts: by operation, by outcome, by key.

use std::collections::BTreeMap;

use parking_lot::Mutex;

/// Keys counted at most, so that a million keys do not fill the memory with counters.
const MAX_KEYS: usize = 100_000;

/// How often something was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestCounts {
    /// By operation and outcome: `Success`, or the name of AWS's exception.
    pub outcomes: BTreeMap<String, BTreeMap<String, u64>>,
    /// By key ARN and operation; only requests that got as far as a key.
    pub keys: BTreeMap<String, BTreeMap<String, u64>>,
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    counts: Mutex<RequestCounts>,
}

impl Counts {
    pub(crate) fn count(&self, operation: &str, outcome: &str, keys: &[String]) {
        let mut counts = self.counts.lock();
        bump(&mut counts.outcomes, operation, outcome);
        for key in keys {
            if counts.keys.len() < MAX_KEYS || counts.keys.contains_key(key) {
                bump(&mut counts.keys, key, operation);
            }
        }
    }

    pub(crate) fn snapshot(&self) -> RequestCounts {
        self.counts.lock().clone()
    }

    pub(crate) fn reset(&self) {
        *self.counts.lock() = RequestCounts::default();
    }

    pub(crate) fn by_operation(&self) -> BTreeMap<String, u64> {
        let counts = self.counts.lock();
        counts
            .outcomes
            .iter()
            .map(|(operation, outcomes)| (operation.clone(), outcomes.values().sum()))
            .collect()
    }
}

fn bump(counts: &mut BTreeMap<String, BTreeMap<String, u64>>, outer: &str, inner: &str) {
    if let Some(count) = counts.get_mut(outer).and_then(|inside| inside.get_mut(inner)) {
        *count += 1;
        return;
    }
    *counts.entry(outer.to_owned()).or_default().entry(inner.to_owned()).or_default() += 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_by_operation() {
        let counts = Counts::default();
        counts.count("Sign", "Success", &["k".to_owned()]);
        counts.count("Sign", "DisabledException", &["k".to_owned()]);
        counts.count("ListKeys", "Success", &[]);
        assert_eq!(counts.by_operation()["Sign"], 2);
        let snapshot = counts.snapshot();
        assert_eq!(snapshot.outcomes["Sign"]["DisabledException"], 1);
        assert_eq!(snapshot.keys["k"]["Sign"], 2);
        counts.reset();
        assert!(counts.by_operation().is_empty());
    }
}
