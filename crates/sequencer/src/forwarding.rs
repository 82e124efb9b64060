//! What members hand to a sequencer that does not write: put before the one that does, over the database of both.
//!
//! The one that writes checks it as what it is handed itself, and answers it in the transaction of its events. So it is
//! sequenced once, whoever stops in between; or the sender is told that it was not.
//! Invariant: what was taken back is not sequenced, and what is answered as sequenced is stored.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use cantle_protocol::{SignedContent, SubmissionRequest, TraceContext};
use cantle_sequencing::{RefusalReason, SendRefusal, chain};
use cantle_store::{Forwarded, ForwardedId, ForwardedKind, ForwardedOutcome, SequencerGroup, StoreError};
use cantle_topology::SignedTopologyTransaction;
use tokio::time::{Instant, timeout};

use crate::checks::refuse;
use crate::error::{BootstrapError, SubmitError};
use crate::sequencer::{Inner, Stored};

/// How long the sender of a submission waits for a sequencer that writes.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long to rely on being told of an answer, and of a submission.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// How much is looked at at once.
const OPEN: u32 = 256;
/// How often what other sequencers have noted is read, and answers are forgotten that nobody fetched.
const REFRESH: Duration = Duration::from_secs(1);
const SWEEP: u32 = 60;

const BEGUN: &str = "begun";
const NOTHING: &str = "nothing";
const REASONS: [RefusalReason; 9] = [
    RefusalReason::RequestInvalid,
    RefusalReason::RequestRefused,
    RefusalReason::Overloaded,
    RefusalReason::SenderUnknown,
    RefusalReason::ShuttingDown,
    RefusalReason::Unavailable,
    RefusalReason::UnknownRecipients,
    RefusalReason::Internal,
    RefusalReason::Generic,
];

/// How a forwarded submission ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// Answered.
    Answered(ForwardedOutcome),
    /// Taken back: nobody wrote.
    TakenBack,
    /// Nobody can tell.
    Lost,
}

/// Puts it before the sequencer that writes, and waits for the answer.
pub(crate) async fn hand_over(group: &dyn SequencerGroup, forwarded: &Forwarded) -> Ended {
    let mut announced = group.announcements();
    let id = match group.forwarded_insert(forwarded).await {
        Ok(id) => id,
        Err(error) => {
            tracing::warn!(caller = %forwarded.caller, error = %chain(&error), "a submission could not be forwarded");
            return Ended::Lost;
        }
    };
    let until = Instant::now() + PATIENCE;
    loop {
        let _ = timeout(LOOK_AGAIN, announced.changed()).await;
        let waited = Instant::now() >= until;
        match answer(group, id, waited).await {
            Ok(Some(ended)) => return ended,
            Ok(None) => {}
            Err(error) => {
                tracing::debug!(error = %chain(&error), "the answer to a forwarded submission cannot be read");
                if waited {
                    return Ended::Lost;
                }
            }
        }
    }
}

async fn answer(
    group: &dyn SequencerGroup,
    id: ForwardedId,
    waited: bool,
) -> Result<Option<Ended>, StoreError> {
    if let Some(outcome) = group.forwarded_outcome(id).await? {
        if let Err(error) = group.forwarded_forget(id).await {
            tracing::debug!(error = %chain(&error), "an answer is left to be swept away");
        }
        return Ok(Some(Ended::Answered(outcome)));
    }
    // One that is not taken back has its answer, which the next look finds.
    Ok((waited && group.forwarded_withdraw(id).await?).then_some(Ended::TakenBack))
}

/// What the sender of a submission is told.
pub(crate) fn submitted(ended: Ended) -> Result<(), SubmitError> {
    let outcome = match ended {
        Ended::Lost => return Err(SubmitError::Lost),
        Ended::TakenBack => {
            let what = "No sequencer of the domain can write events just now";
            return Err(refuse(RefusalReason::Unavailable, what).into());
        }
        Ended::Answered(outcome) => outcome,
    };
    if outcome.word == ForwardedOutcome::SEQUENCED {
        return Ok(());
    }
    let reason = REASONS.into_iter().find(|reason| reason.to_string() == outcome.word);
    Err(refuse(reason.unwrap_or(RefusalReason::Generic), &outcome.message).into())
}

/// What whoever founds the domain is told.
pub(crate) fn bootstrapped(ended: &Ended) -> Result<(), BootstrapError> {
    match ended {
        Ended::Answered(outcome) if outcome.word == ForwardedOutcome::SEQUENCED => Ok(()),
        Ended::Answered(outcome) if outcome.word == BEGUN => Err(BootstrapError::Begun),
        Ended::Answered(outcome) if outcome.word == NOTHING => Err(BootstrapError::Nothing),
        Ended::Answered(_) | Ended::TakenBack => Err(BootstrapError::Unavailable),
        Ended::Lost => Err(BootstrapError::Lost),
    }
}

/// Topology as it is forwarded: each transaction after its length.
pub(crate) fn topology_bytes(transactions: &[SignedTopologyTransaction]) -> Bytes {
    let mut bytes = Vec::new();
    for transaction in transactions {
        let transaction = transaction.to_bytes();
        let length = u64::try_from(transaction.len()).unwrap_or(u64::MAX);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&transaction);
    }
    bytes.into()
}

fn read_topology(mut bytes: &[u8]) -> Option<Vec<SignedTopologyTransaction>> {
    let mut transactions = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<8>() {
        let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
        let (transaction, rest) = rest.split_at_checked(length)?;
        transactions.push(SignedTopologyTransaction::from_bytes(transaction).ok()?);
        bytes = rest;
    }
    bytes.is_empty().then_some(transactions)
}

/// Those under way, and those of them that have ended since the last look.
///
/// A look at the database may still show what ended while it was on its way: it is forgotten only before the next one.
#[derive(Debug, Default)]
struct UnderWay(Mutex<(HashSet<ForwardedId>, Vec<ForwardedId>)>);

impl UnderWay {
    /// Whether it was not under way.
    fn begin(&self, id: ForwardedId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.insert(id)
    }

    fn end(&self, id: ForwardedId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.push(id);
    }

    fn forget_ended(&self) {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for id in std::mem::take(&mut table.1) {
            table.0.remove(&id);
        }
    }
}

/// Sequences what others forward, as long as this one writes.
pub(crate) async fn serve(inner: Weak<Inner>, group: Arc<dyn SequencerGroup>) {
    let under_way = Arc::new(UnderWay::default());
    let mut announced = group.announcements();
    loop {
        let stop = {
            let Some(inner) = inner.upgrade() else { return };
            if inner.leads() {
                begin_open(&inner, &group, &under_way).await;
            }
            inner.stop.clone()
        };
        tokio::select! {
            _ = timeout(LOOK_AGAIN, announced.changed()) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Begins with all that are open and not under way.
async fn begin_open(inner: &Arc<Inner>, group: &Arc<dyn SequencerGroup>, under_way: &Arc<UnderWay>) {
    under_way.forget_ended();
    let open = group.forwarded_open(OPEN).await.unwrap_or_else(|error| {
        tracing::debug!(error = %chain(&error), "what is forwarded cannot be read");
        Vec::new()
    });
    for (id, forwarded) in open {
        if under_way.begin(id) {
            let (inner, group, under_way) = (Arc::clone(inner), Arc::clone(group), Arc::clone(under_way));
            tokio::spawn(async move {
                sequence(&inner, &*group, id, forwarded).await;
                under_way.end(id);
            });
        }
    }
}

/// Sequences one, and answers it unless its events did.
async fn sequence(inner: &Inner, group: &dyn SequencerGroup, id: ForwardedId, forwarded: Forwarded) {
    let Forwarded { kind, caller, content, traceparent } = forwarded;
    let trace = traceparent.as_deref().map(TraceContext::from_traceparent).unwrap_or_default();
    let unreadable = |error: &dyn std::error::Error| -> SubmitError {
        refuse(RefusalReason::RequestInvalid, &chain(error)).into()
    };
    let outcome = match kind {
        ForwardedKind::Signed => match SignedContent::<SubmissionRequest>::from_bytes(&*content) {
            Ok(submission) => outcome_of(inner.submit(&caller, &submission, &trace, Some(id)).await),
            Err(error) => outcome_of(Err(unreadable(&error))),
        },
        ForwardedKind::Unsigned => match SubmissionRequest::from_bytes(&*content) {
            Ok(submission) => {
                outcome_of(inner.submit_unauthenticated(&caller, &submission, &trace, Some(id)).await)
            }
            Err(error) => outcome_of(Err(unreadable(&error))),
        },
        ForwardedKind::Topology => match read_topology(&content) {
            Some(transactions) => founding_outcome(inner.bootstrap(&transactions, Some(id)).await),
            None => Some((NOTHING.to_owned(), String::new())),
        },
    };
    // Whoever writes next looks at what this one could not do.
    let Some((word, message)) = outcome.filter(|_| inner.leads()) else { return };
    if let Err(error) = group.forwarded_answer(id, &ForwardedOutcome { word, message }).await {
        tracing::debug!(error = %chain(&error), "a forwarded submission was not answered");
    }
}

fn outcome_of(result: Result<Stored, SubmitError>) -> Option<(String, String)> {
    match result {
        Ok(Stored::WithEvents) | Err(SubmitError::Lost) => None,
        Ok(Stored::Nothing) => Some((ForwardedOutcome::SEQUENCED.to_owned(), String::new())),
        Err(SubmitError::Refused(SendRefusal { reason, message })) => Some((reason.to_string(), message)),
    }
}

fn founding_outcome(result: Result<(), BootstrapError>) -> Option<(String, String)> {
    match result {
        Ok(()) | Err(BootstrapError::Lost) => None,
        Err(BootstrapError::Begun) => Some((BEGUN.to_owned(), String::new())),
        Err(BootstrapError::Nothing) => Some((NOTHING.to_owned(), String::new())),
        Err(error) => Some((RefusalReason::Unavailable.to_string(), chain(&error))),
    }
}

/// Reads from time to time what other sequencers have noted, and forgets answers that nobody fetched.
pub(crate) async fn refresh(inner: Weak<Inner>, group: Arc<dyn SequencerGroup>) {
    let mut rounds = 0_u32;
    let mut last: Option<ForwardedId> = None;
    loop {
        let stop = {
            let Some(inner) = inner.upgrade() else { return };
            for read in [inner.disabled.refresh().await, inner.agreements.refresh().await] {
                if let Err(error) = read {
                    tracing::debug!(error = %chain(&error), "what other sequencers noted cannot be read");
                }
            }
            rounds += 1;
            if rounds.is_multiple_of(SWEEP) && inner.leads() {
                // What was open a minute ago and has been answered since, nobody waits for any more.
                if let Some(until) = last.take()
                    && let Err(error) = group.forwarded_sweep(until).await
                {
                    tracing::debug!(error = %chain(&error), "old answers are not swept away");
                }
                last = group.forwarded_last().await.ok().flatten();
            }
            inner.stop.clone()
        };
        tokio::select! {
            () = tokio::time::sleep(REFRESH) => {}
            () = stop.cancelled() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_comes_back_as_it_went() {
        for reason in REASONS {
            let refused: Result<Stored, SubmitError> = Err(refuse(reason, "why").into());
            let (word, message) = outcome_of(refused).unwrap();
            let told = submitted(Ended::Answered(ForwardedOutcome { word, message }));
            let Err(SubmitError::Refused(told)) = told else { panic!("{reason}: {told:?}") };
            assert_eq!((told.reason, told.message.as_str()), (reason, "why"));
        }
        let taken_back = submitted(Ended::TakenBack);
        assert!(matches!(taken_back, Err(SubmitError::Refused(refusal)) if refusal.retryable()));
        assert!(matches!(submitted(Ended::Lost), Err(SubmitError::Lost)));
    }

    #[test]
    fn what_is_no_topology_is_not_read() {
        assert_eq!(read_topology(&topology_bytes(&[])).map(|read| read.len()), Some(0));
        for wrong in [&[0_u8; 3][..], &[0xff; 8], &[0, 0, 0, 0, 0, 0, 0, 2, 1], &[0, 0, 0, 0, 0, 0, 0, 1, 7]]
        {
            assert!(read_topology(wrong).is_none(), "{wrong:?}");
        }
    }
}
