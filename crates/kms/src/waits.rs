//! The requests of a node that are being repeated: what they are, since when, and why.
//!
//! Nothing repeats in silence: besides the line in the log, whoever asks a node how it is sees what it waits for.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use crate::{KmsError, Operation};

/// The requests that are being repeated. Clones are the same list.
#[derive(Debug, Clone, Default)]
pub struct Waits(Arc<Mutex<Listed>>);

#[derive(Debug, Default)]
struct Listed {
    next: u64,
    waits: BTreeMap<u64, Wait>,
}

/// A request that failed for a passing reason and is, or will be, sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// The operation.
    pub operation: Operation,
    /// How often it was repeated.
    pub retries: u32,
    /// When it was first sent.
    pub since: Instant,
    /// AWS's code of the last failure.
    pub code: String,
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, retries, since, code } = self;
        let times = if *retries == 1 { "once" } else { &*format!("{retries} times") };
        write!(f, "{operation} repeated {times} in {} s ({code})", since.elapsed().as_secs())
    }
}

impl Waits {
    /// The requests that are being repeated now, the oldest first.
    pub fn list(&self) -> Vec<Wait> {
        self.listed().waits.values().cloned().collect()
    }

    /// Lists a request until the answer is dropped.
    pub(crate) fn enter(&self, since: Instant, error: &KmsError) -> Waiting {
        let wait = Wait { operation: error.operation(), retries: 1, since, code: error.code().to_owned() };
        let mut listed = self.listed();
        let number = listed.next;
        listed.next += 1;
        listed.waits.insert(number, wait);
        drop(listed);
        Waiting { waits: self.clone(), number }
    }

    fn listed(&self) -> MutexGuard<'_, Listed> {
        // Whole after every step, so a panic elsewhere has not spoilt it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A listed request; it leaves the list when this is dropped.
#[derive(Debug)]
pub(crate) struct Waiting {
    waits: Waits,
    number: u64,
}

impl Waiting {
    /// It failed once more.
    pub(crate) fn again(&self, error: &KmsError) {
        if let Some(wait) = self.waits.listed().waits.get_mut(&self.number) {
            wait.retries = wait.retries.saturating_add(1);
            error.code().clone_into(&mut wait.code);
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.waits.listed().waits.remove(&self.number);
    }
}
