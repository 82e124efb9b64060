//! The requests of a node that wait: to be repeated, or for their turn. What they are, since when, and why.
//!
//! Nothing repeats in silence: besides the line in the log, whoever asks a node how it is sees what it waits for. When
//! the node ends, nothing is repeated any more.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use crate::{KmsError, Operation};

/// The requests that wait. Clones are the same list.
#[derive(Debug, Clone, Default)]
pub struct Waits(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    listed: Mutex<Listed>,
    ended: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Listed {
    next: u64,
    waits: BTreeMap<u64, Wait>,
}

/// A request that failed for a passing reason and is, or will be, sent again; or one whose turn has not come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// The operation.
    pub operation: Operation,
    /// How often it was repeated; 0 for one that waits for its turn.
    pub retries: u32,
    /// When it was first sent, or began to wait.
    pub since: Instant,
    /// AWS's code of the last failure; empty for one that waits for its turn.
    pub code: String,
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, retries, since, code } = self;
        if *retries == 0 {
            return write!(f, "{operation} waits for its turn since {} s", since.elapsed().as_secs());
        }
        let times = if *retries == 1 { "once" } else { &*format!("{retries} times") };
        write!(f, "{operation} repeated {times} in {} s ({code})", since.elapsed().as_secs())
    }
}

impl Waits {
    /// The requests that wait now, the oldest first.
    pub fn list(&self) -> Vec<Wait> {
        self.listed().waits.values().cloned().collect()
    }

    /// Lets nothing be repeated any more: who waits for the next attempt gets the failure of the last one, at once.
    pub fn end(&self) {
        self.0.ended.send_replace(true);
    }

    /// Waits for so long; `false` if the end came before.
    pub(crate) async fn pause(&self, delay: Duration) -> bool {
        let mut ended = self.0.ended.subscribe();
        tokio::select! {
            // The sender lives as long as `self`.
            _ = ended.wait_for(|ended| *ended) => false,
            () = tokio::time::sleep(delay) => true,
        }
    }

    /// Lists a request that is repeated, until the answer is dropped.
    pub(crate) fn enter(&self, since: Instant, error: &KmsError) -> Waiting {
        self.list_until_dropped(Wait {
            operation: error.operation(),
            retries: 1,
            since,
            code: error.code().to_owned(),
        })
    }

    /// Lists a request whose turn has not come, until the answer is dropped.
    pub(crate) fn queue(&self, operation: Operation, since: Instant) -> Waiting {
        self.list_until_dropped(Wait { operation, retries: 0, since, code: String::new() })
    }

    fn list_until_dropped(&self, wait: Wait) -> Waiting {
        let mut listed = self.listed();
        let number = listed.next;
        listed.next += 1;
        listed.waits.insert(number, wait);
        drop(listed);
        Waiting { waits: self.clone(), number }
    }

    fn listed(&self) -> MutexGuard<'_, Listed> {
        // Whole after every step, so a panic elsewhere has not spoilt it.
        self.0.listed.lock().unwrap_or_else(PoisonError::into_inner)
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
