//! Own submissions, waited for from before they are sent until the mediator's verdict.
//!
//! A submission is known by its root hash, which is known before anybody else can answer. What goes wrong meanwhile and may
//! yet go right is remembered with it, for whoever gives up waiting. Invariant: whoever waits is told exactly once, even
//! when the participant stops.

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

impl Outcome {
    /// Why the request was not approved; nothing if it was.
    pub(crate) fn rejection(&self) -> Option<String> {
        match self {
            Self::Verdict(Verdict::Approve) => None,
            Self::Verdict(Verdict::ParticipantReject(reasons)) => {
                let reasons = reasons.iter().map(|reason| {
                    let parties: Vec<_> = reason.parties.iter().map(ToString::to_string).collect();
                    let reject = &reason.reject;
                    let (code, cause) = (&reject.error_code, &reject.cause_prefix);
                    format!("{code} for {}: {cause}{}", parties.join(", "), reject.details)
                });
                Some(reasons.collect::<Vec<_>>().join("; "))
            }
            Self::Verdict(Verdict::MediatorReject(reject)) => Some(reject.cause().to_owned()),
            Self::RolledBack(reason) => Some(reason.clone()),
        }
    }
}

/// A submission that was made; awaiting it gives its outcome.
#[derive(Debug)]
pub(crate) struct Submitted {
    root_hash: Hash,
    outcome: oneshot::Receiver<(Outcome, Option<String>)>,
}

impl Submitted {
    /// The outcome, and what went wrong here before it; nothing if the participant stopped.
    pub(crate) async fn outcome(self) -> Option<(Outcome, Option<String>)> {
        self.outcome.await.ok()
    }

    pub(crate) fn root_hash(&self) -> &Hash {
        &self.root_hash
    }
}

/// The submissions that are waited for.
#[derive(Debug, Default)]
pub(crate) struct Submissions(Mutex<HashMap<Hash, Waiting>>);

#[derive(Debug)]
struct Waiting {
    outcome: oneshot::Sender<(Outcome, Option<String>)>,
    trouble: Option<String>,
}

impl Submissions {
    /// Begins to wait, before the submission is sent.
    pub(crate) fn begin(&self, root_hash: Hash) -> Submitted {
        let (sender, outcome) = oneshot::channel();
        self.lock().insert(root_hash, Waiting { outcome: sender, trouble: None });
        Submitted { root_hash, outcome }
    }

    /// Nobody will answer: it was not sent.
    pub(crate) fn forget(&self, root_hash: &Hash) {
        self.lock().remove(root_hash);
    }

    /// Tells whoever waits.
    pub(crate) fn settle(&self, root_hash: &Hash, outcome: Outcome) {
        if let Some(waiting) = self.lock().remove(root_hash) {
            // Nobody may want to know any more.
            let _ = waiting.outcome.send((outcome, waiting.trouble));
        }
    }

    /// Something about a submission goes wrong, and may yet go right.
    pub(crate) fn note(&self, root_hash: &Hash, trouble: &str) {
        if let Some(waiting) = self.lock().get_mut(root_hash) {
            waiting.trouble = Some(trouble.to_owned());
        }
    }

    /// What went wrong last with a submission that is waited for.
    pub(crate) fn trouble(&self, root_hash: &Hash) -> Option<String> {
        self.lock().get(root_hash)?.trouble.clone()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Hash, Waiting>> {
        // Single insertions and removals leave the map whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
