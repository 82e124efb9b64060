//! Own submissions, waited for from before they are sent until the mediator's verdict.
//!
//! A submission is known by its root hash, which is known before anybody else can answer. Invariant: whoever waits is told
//! exactly once, even when the participant stops.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cantle_crypto::Hash;
use cantle_protocol::Verdict;
use tokio::sync::oneshot;

/// What became of a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    /// The mediator concluded.
    Verdict(Verdict),
    /// This participant found its own request wrong, or rolled it back for want of a result.
    RolledBack(String),
}

/// A submission that was made; awaiting it gives its outcome.
#[derive(Debug)]
pub(crate) struct Submitted {
    root_hash: Hash,
    outcome: oneshot::Receiver<Outcome>,
}

impl Submitted {
    /// The outcome; nothing if the participant stopped.
    pub(crate) async fn outcome(self) -> Option<Outcome> {
        self.outcome.await.ok()
    }

    pub(crate) fn root_hash(&self) -> &Hash {
        &self.root_hash
    }
}

/// The submissions that are waited for.
#[derive(Debug, Default)]
pub(crate) struct Submissions(Mutex<HashMap<Hash, oneshot::Sender<Outcome>>>);

impl Submissions {
    /// Begins to wait, before the submission is sent.
    pub(crate) fn begin(&self, root_hash: Hash) -> Submitted {
        let (sender, outcome) = oneshot::channel();
        self.lock().insert(root_hash, sender);
        Submitted { root_hash, outcome }
    }

    /// Nobody will answer: it was not sent.
    pub(crate) fn forget(&self, root_hash: &Hash) {
        self.lock().remove(root_hash);
    }

    /// Tells whoever waits.
    pub(crate) fn settle(&self, root_hash: &Hash, outcome: Outcome) {
        if let Some(sender) = self.lock().remove(root_hash) {
            // Nobody may want to know any more.
            let _ = sender.send(outcome);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Hash, oneshot::Sender<Outcome>>> {
        // Single insertions and removals leave the map whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
