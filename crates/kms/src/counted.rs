//! Counts requests by operation and outcome. Put it inside [`Retrying`](crate::Retrying) to count what is billed:
//! every attempt that is sent. Counts start at zero with the wrapper and never go back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

use crate::{Kms, KmsAnswer, KmsError, KmsRequest, Operation, Reply};

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Carried out and answered.
    Answered,
    /// The service said no, or the request never left.
    Refused,
    /// Nobody knows: a time-out, a lost answer, a failure inside the service.
    Unknown,
}

impl Outcome {
    /// How a request ended that failed with `error`, or did not fail.
    pub(crate) fn of(error: Option<&KmsError>) -> Self {
        match error {
            None => Self::Answered,
            Some(error) if error.surely_not_executed() => Self::Refused,
            Some(_) => Self::Unknown,
        }
    }

    /// All outcomes.
    pub const ALL: [Self; 3] = [Self::Answered, Self::Refused, Self::Unknown];

    /// A word for it, for metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

/// How many requests of one operation ended one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestCount {
    /// The operation.
    pub operation: Operation,
    /// How they ended.
    pub outcome: Outcome,
    /// How many.
    pub requests: u64,
}

/// All counts at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestCounts([[u64; 3]; Operation::COUNT]);

impl RequestCounts {
    /// Requests of an operation, however they ended.
    pub fn of(&self, operation: Operation) -> u64 {
        self.0[operation as usize].iter().sum()
    }

    /// Requests of an operation that ended in one way.
    pub const fn of_outcome(&self, operation: Operation, outcome: Outcome) -> u64 {
        self.0[operation as usize][outcome as usize]
    }

    /// All requests.
    pub fn total(&self) -> u64 {
        Operation::ALL.into_iter().map(|operation| self.of(operation)).sum()
    }

    /// Every count, zeros included.
    pub fn iter(&self) -> impl Iterator<Item = RequestCount> + '_ {
        Operation::ALL.into_iter().flat_map(move |operation| {
            Outcome::ALL.into_iter().map(move |outcome| RequestCount {
                operation,
                outcome,
                requests: self.of_outcome(operation, outcome),
            })
        })
    }
}

/// Counts the requests to another [`Kms`]. Clones share their counts.
#[derive(Debug, Clone)]
pub struct Counted {
    inner: Arc<dyn Kms>,
    counts: Arc<[[AtomicU64; 3]; Operation::COUNT]>,
}

impl Counted {
    /// Counts from zero what goes to `inner`.
    pub fn new(inner: Arc<dyn Kms>) -> Self {
        Self { inner, counts: Arc::default() }
    }

    /// Counts what goes to `inner` together with what this counts.
    #[must_use]
    pub fn together_with(&self, inner: Arc<dyn Kms>) -> Self {
        Self { inner, counts: self.counts.clone() }
    }

    /// The counts now. A request counts when it ends; one that its caller abandons counts as unknown.
    pub fn counts(&self) -> RequestCounts {
        let mut counts = RequestCounts::default();
        for (row, atomics) in counts.0.iter_mut().zip(self.counts.iter()) {
            for (count, atomic) in row.iter_mut().zip(atomics) {
                *count = atomic.load(Ordering::Relaxed);
            }
        }
        counts
    }

    fn start(&self, operation: Operation) -> Pending<'_> {
        Pending { row: &self.counts[operation as usize], outcome: Outcome::Unknown }
    }
}

/// A request under way, counted when it is dropped.
struct Pending<'a> {
    row: &'a [AtomicU64; 3],
    outcome: Outcome,
}

impl Pending<'_> {
    fn end<T>(mut self, result: Result<T, KmsError>) -> Result<T, KmsError> {
        self.outcome = Outcome::of(result.as_ref().err());
        result
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.row[self.outcome as usize].fetch_add(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl Kms for Counted {
    fn endpoint(&self) -> &str {
        self.inner.endpoint()
    }

    async fn ask(&self, request: KmsRequest<'_>) -> Result<Reply<KmsAnswer>, KmsError> {
        let pending = self.start(request.operation());
        pending.end(self.inner.ask(request).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KeySpec;
    use crate::testing::{FakeKms, Fault};
    use crate::{CreateKey, KmsKeyId};

    #[tokio::test]
    async fn counts_by_operation_and_outcome() {
        let fake = Arc::new(FakeKms::new());
        let kms = Counted::new(fake.clone());
        let request = CreateKey::signing(KeySpec::EccNistP256);
        let key = kms.create_key(&request).await.unwrap().value.key_id;
        kms.describe_key(&key).await.unwrap();
        kms.describe_key(&KmsKeyId::parse("alias/none").unwrap()).await.unwrap_err();
        fake.fail_next(Operation::CreateKey, 1, Fault::AnswerLost);
        kms.create_key(&request).await.unwrap_err();
        let counts = kms.clone().counts();
        assert_eq!(counts.of_outcome(Operation::CreateKey, Outcome::Answered), 1);
        assert_eq!(counts.of_outcome(Operation::CreateKey, Outcome::Unknown), 1);
        assert_eq!(counts.of_outcome(Operation::DescribeKey, Outcome::Refused), 1);
        assert_eq!(counts.of(Operation::DescribeKey), 2);
        assert_eq!((counts.of(Operation::Sign), counts.total()), (0, 4));
        assert_eq!(counts.iter().map(|count| count.requests).sum::<u64>(), 4);
    }

    #[tokio::test]
    async fn an_abandoned_request_counts_as_unknown() {
        let fake = Arc::new(FakeKms::new());
        fake.block(Operation::CreateKey);
        let kms = Counted::new(fake);
        let request = CreateKey::signing(KeySpec::EccNistP256);
        let mut call = kms.create_key(&request);
        assert!(futures_poll_once(&mut call).await);
        drop(call);
        assert_eq!(kms.counts().of_outcome(Operation::CreateKey, Outcome::Unknown), 1);
    }

    /// Polls once; true if it is still pending.
    async fn futures_poll_once<F: Future + Unpin>(future: &mut F) -> bool {
        std::future::poll_fn(|cx| {
            std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_pending())
        })
        .await
    }
}
