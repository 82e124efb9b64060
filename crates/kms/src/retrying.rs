//! Repeats requests that failed for a passing reason. The only place that repeats: backends send each request once.
//!
//! Invariant: CreateKey is repeated only if the failed attempt surely made no key; nothing is repeated in silence. A
//! request that the node itself refused for want of room ([`KmsError::Overloaded`]) is not repeated: that would only
//! make the queue longer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tracing::warn;

use crate::waits::Waiting;
use crate::{Kms, KmsAnswer, KmsError, KmsMetrics, KmsRequest, Operation, Reply, Waits, backoff};

/// Exponential back-off: how often and how long to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The wait before the first retry; it doubles with each further one. Half of a wait is random.
    pub initial_delay: Duration,
    /// The longest wait.
    pub max_delay: Duration,
    /// How many retries; none given means no limit.
    pub max_retries: Option<u32>,
}

/// How often and how long to try again, by what went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryOptions {
    /// Lost connections and answers, time-outs, failures inside the service: Canton's `crypto.kms.retries.failures`.
    pub failures: Backoff,
    /// Throttling, which has a budget of its own: an account whose quota is used up is told so, and a request that was
    /// throttled has not spent what it may need for a lost connection. `crypto.kms.retries.throttling`, ours.
    pub throttling: Backoff,
    /// No retry starts when it would end later than this after the first attempt began.
    pub deadline: Option<Duration>,
}

impl Default for RetryOptions {
    /// Failures: 500 ms, 10 s, without limit, as Canton. Throttling: 200 ms, 10 s, 20 times, about two minutes.
    fn default() -> Self {
        Self {
            failures: Backoff {
                initial_delay: Duration::from_millis(500),
                max_delay: Duration::from_secs(10),
                max_retries: None,
            },
            throttling: Backoff {
                initial_delay: Duration::from_millis(200),
                max_delay: Duration::from_secs(10),
                max_retries: Some(20),
            },
            deadline: None,
        }
    }
}

/// Repeats requests to another [`Kms`] while [`KmsError::retryable`] says that it may help.
///
/// Each retry is logged at WARN with its number, its delay and the error. CreateKey is repeated only if
/// [`KmsError::surely_not_executed`] holds too. Dropping the future ends the retries, and so does [`Waits::end`].
#[derive(Debug, Clone)]
pub struct Retrying {
    inner: Arc<dyn Kms>,
    options: RetryOptions,
    metrics: Option<KmsMetrics>,
    waits: Waits,
}

impl Retrying {
    /// Repeats what goes to `inner`.
    pub fn new(inner: Arc<dyn Kms>, options: RetryOptions) -> Self {
        Self { inner, options, metrics: None, waits: Waits::default() }
    }

    /// The same, with its retries counted.
    #[must_use]
    pub fn metered(self, metrics: KmsMetrics) -> Self {
        Self { metrics: Some(metrics), ..self }
    }

    /// The same, with what is being repeated in a list that exists already.
    #[must_use]
    pub fn listing(self, waits: Waits) -> Self {
        Self { waits, ..self }
    }

    /// The requests that are being repeated.
    pub fn waits(&self) -> Waits {
        self.waits.clone()
    }

    fn attempts(&self) -> Attempts<'_> {
        Attempts {
            options: &self.options,
            metrics: self.metrics.as_ref(),
            waits: &self.waits,
            waiting: None,
            started: Instant::now(),
            retries: 0,
            throttled: 0,
        }
    }
}

/// The attempts of one request.
struct Attempts<'a> {
    options: &'a RetryOptions,
    metrics: Option<&'a KmsMetrics>,
    waits: &'a Waits,
    waiting: Option<Waiting>,
    started: Instant,
    /// All retries, and those of them that came after throttling.
    retries: u32,
    throttled: u32,
}

impl Attempts<'_> {
    /// Waits before the next attempt, or gives the error back if there is none to come.
    async fn wait_after(&mut self, error: KmsError) -> Result<(), KmsError> {
        let Some(delay) = self.next_delay(&error) else {
            if self.retries > 0 {
                warn!(
                    operation = error.operation().as_str(),
                    retries = self.retries,
                    "giving up after {} retries: {error}",
                    self.retries
                );
            }
            return Err(error);
        };
        self.retries = self.retries.saturating_add(1);
        if is_throttling(&error) {
            self.throttled = self.throttled.saturating_add(1);
        }
        if let Some(metrics) = self.metrics {
            metrics.retried(&error);
        }
        match &self.waiting {
            Some(waiting) => waiting.again(&error),
            None => self.waiting = Some(self.waits.enter(self.started, &error)),
        }
        let (backoff, number) = self.budget(&error);
        let limit = match backoff.max_retries {
            Some(max) => format!("of at most {max}"),
            None => "without limit".to_owned(),
        };
        warn!(
            operation = error.operation().as_str(),
            retry = number,
            delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
            "retry {number} {limit} in {} ms: {error}",
            delay.as_millis()
        );
        if self.waits.pause(delay).await { Ok(()) } else { Err(error) }
    }

    fn next_delay(&self, error: &KmsError) -> Option<Duration> {
        let (backoff, number) = self.budget(error);
        let may_repeat = error.retryable()
            && !matches!(error, KmsError::Overloaded { .. })
            && (error.operation() != Operation::CreateKey || error.surely_not_executed())
            && backoff.max_retries.is_none_or(|max| number < max);
        if !may_repeat {
            return None;
        }
        let delay = backoff::delay(backoff.initial_delay, backoff.max_delay, number);
        match self.options.deadline {
            Some(deadline) if self.started.elapsed() + delay >= deadline => None,
            _ => Some(delay),
        }
    }

    /// What an error may use up, and how much of it is used.
    fn budget(&self, error: &KmsError) -> (&Backoff, u32) {
        if is_throttling(error) {
            (&self.options.throttling, self.throttled)
        } else {
            (&self.options.failures, self.retries.saturating_sub(self.throttled))
        }
    }
}

/// Whether the service asked for fewer requests a second.
const fn is_throttling(error: &KmsError) -> bool {
    matches!(error, KmsError::Throttled { .. } | KmsError::Unexpected { status: Some(429), .. })
}

#[async_trait]
impl Kms for Retrying {
    fn endpoint(&self) -> &str {
        self.inner.endpoint()
    }

    async fn ask(&self, request: KmsRequest<'_>) -> Result<Reply<KmsAnswer>, KmsError> {
        let mut attempts = self.attempts();
        loop {
            match self.inner.ask(request).await {
                Ok(reply) => return Ok(reply),
                Err(error) => attempts.wait_after(error).await?,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeKms, Fault};
    use crate::{CallMode, Counted, CreateKey, KeySpec, KmsKeyId, LimitOptions, Limited, SigningAlgorithm};

    const QUICK: Backoff = Backoff {
        initial_delay: Duration::from_micros(10),
        max_delay: Duration::from_micros(50),
        max_retries: Some(3),
    };
    const FOREVER: Backoff = Backoff { max_retries: None, ..QUICK };
    const FAST: RetryOptions = RetryOptions { failures: QUICK, throttling: QUICK, deadline: None };

    struct Stack {
        fake: Arc<FakeKms>,
        counted: Counted,
        kms: Retrying,
    }

    fn stack(options: RetryOptions) -> Stack {
        let fake = Arc::new(FakeKms::new());
        let counted = Counted::new(fake.clone());
        let kms = Retrying::new(Arc::new(counted.clone()), options);
        Stack { fake, counted, kms }
    }

    async fn signing_key(stack: &Stack) -> KmsKeyId {
        stack.fake.create_key(&CreateKey::signing(KeySpec::EccNistP256)).await.unwrap().value.key_id
    }

    #[tokio::test]
    async fn passing_errors_are_retried_until_they_pass() {
        for fault in
            [Fault::Throttled, Fault::Internal, Fault::Timeout, Fault::AnswerLost, Fault::ConnectionRefused]
        {
            let stack = stack(FAST);
            let key = signing_key(&stack).await;
            stack.fake.fail_next(Operation::Sign, 3, fault);
            stack.kms.sign(&key, b"x", SigningAlgorithm::EcdsaSha256, CallMode::Execute).await.unwrap();
            assert_eq!(stack.counted.counts().of(Operation::Sign), 4, "{fault:?}");
        }
    }

    #[tokio::test]
    async fn retries_are_bounded() {
        let stack = stack(FAST);
        let key = signing_key(&stack).await;
        stack.fake.fail_next(Operation::Sign, 100, Fault::Throttled);
        let error =
            stack.kms.sign(&key, b"x", SigningAlgorithm::EcdsaSha256, CallMode::Execute).await.unwrap_err();
        assert!(matches!(error, KmsError::Throttled { .. }));
        assert_eq!(stack.counted.counts().of(Operation::Sign), 4);
    }

    #[tokio::test]
    async fn throttling_and_failures_have_budgets_of_their_own() {
        let stack = stack(FAST);
        let key = signing_key(&stack).await;
        // Three of each are within both budgets, six of one are not.
        stack.fake.fail_next(Operation::Sign, 3, Fault::Throttled);
        stack.fake.fail_next(Operation::Sign, 3, Fault::Timeout);
        stack.kms.sign(&key, b"x", SigningAlgorithm::EcdsaSha256, CallMode::Execute).await.unwrap();
        assert_eq!(stack.counted.counts().of(Operation::Sign), 7);
        let forever = self::stack(RetryOptions { failures: FOREVER, ..FAST });
        let key = signing_key(&forever).await;
        forever.fake.fail_next(Operation::Sign, 50, Fault::Timeout);
        forever.fake.fail_next(Operation::Sign, 100, Fault::Throttled);
        let error =
            forever.kms.sign(&key, b"x", SigningAlgorithm::EcdsaSha256, CallMode::Execute).await.unwrap_err();
        assert!(matches!(error, KmsError::Throttled { .. }), "{error}");
        assert_eq!(forever.counted.counts().of(Operation::Sign), 54);
    }

    #[tokio::test]
    async fn a_request_without_room_is_not_repeated() {
        let fake = Arc::new(FakeKms::new());
        fake.block(Operation::DescribeKey);
        let options =
            LimitOptions { max_concurrent: 1, max_wait: Duration::from_millis(5), ..LimitOptions::default() };
        let limited = Arc::new(Limited::new(fake.clone(), &options, Waits::default()));
        let kms = Retrying::new(limited, RetryOptions { failures: FOREVER, ..FAST });
        let key = KmsKeyId::parse("alias/x").unwrap();
        let (one, other) = tokio::join!(
            tokio::time::timeout(Duration::from_secs(1), kms.describe_key(&key)),
            tokio::time::timeout(Duration::from_secs(1), kms.describe_key(&key)),
        );
        assert!(one.is_err(), "the first is under way");
        assert!(matches!(other, Ok(Err(KmsError::Overloaded { .. }))), "{other:?}");
    }

    #[tokio::test]
    async fn the_deadline_ends_retries_without_limit() {
        let stack =
            stack(RetryOptions { throttling: FOREVER, deadline: Some(Duration::from_millis(20)), ..FAST });
        stack.fake.fail_next(Operation::CreateKey, usize::MAX, Fault::Throttled);
        let request = CreateKey::signing(KeySpec::EccNistP256);
        let error = stack.kms.create_key(&request).await.unwrap_err();
        assert!(matches!(error, KmsError::Throttled { .. }));
        assert!(stack.counted.counts().of(Operation::CreateKey) > 1);
    }

    #[tokio::test]
    async fn what_is_repeated_is_listed_until_it_ends() {
        let stack = stack(RetryOptions { throttling: FOREVER, ..FAST });
        let key = signing_key(&stack).await;
        stack.fake.fail_next(Operation::DescribeKey, usize::MAX, Fault::Throttled);
        let waits = stack.kms.waits();
        let kms = stack.kms.clone();
        let asking = tokio::spawn(async move { kms.describe_key(&key).await });
        let listed = tokio::time::timeout(Duration::from_secs(30), async {
            loop {
                match waits.list().first() {
                    Some(wait) if wait.retries > 1 => return wait.clone(),
                    _ => tokio::task::yield_now().await,
                }
            }
        });
        let wait = listed.await.unwrap();
        assert_eq!((wait.operation, wait.code.as_str()), (Operation::DescribeKey, "ThrottlingException"));
        assert!(wait.to_string().starts_with("DescribeKey repeated "), "{wait}");
        stack.fake.fail_next(Operation::DescribeKey, 0, Fault::Throttled);
        asking.abort();
        assert!(asking.await.unwrap_err().is_cancelled());
        assert!(waits.list().is_empty());
    }

    #[tokio::test]
    async fn the_end_of_the_node_ends_retries_with_their_last_failure() {
        let hours = Backoff {
            initial_delay: Duration::from_secs(7200),
            max_delay: Duration::from_secs(7200),
            max_retries: None,
        };
        let stack = stack(RetryOptions { failures: hours, ..FAST });
        stack.fake.fail_next(Operation::CreateKey, usize::MAX, Fault::ConnectionRefused);
        let (waits, kms) = (stack.kms.waits(), stack.kms.clone());
        let asking =
            tokio::spawn(async move { kms.create_key(&CreateKey::signing(KeySpec::EccNistP256)).await });
        let ended = tokio::time::timeout(Duration::from_secs(30), async {
            while waits.list().is_empty() {
                tokio::task::yield_now().await;
            }
            waits.end();
            asking.await.unwrap()
        });
        let error = ended.await.unwrap().unwrap_err();
        assert!(matches!(error, KmsError::Network { .. }), "{error:?}");
        assert_eq!(stack.counted.counts().of(Operation::CreateKey), 1);
    }

    #[tokio::test]
    async fn lasting_errors_are_not_retried() {
        let stack = stack(FAST);
        let key = KmsKeyId::parse("alias/unknown").unwrap();
        stack.kms.describe_key(&key).await.unwrap_err();
        stack.fake.fail_next(Operation::GetPublicKey, 9, Fault::CredentialsMissing);
        stack.kms.public_key(&key).await.unwrap_err();
        assert_eq!(stack.counted.counts().total(), 2);
    }

    #[tokio::test]
    async fn create_key_is_not_retried_when_a_key_may_exist() {
        for fault in [Fault::Timeout, Fault::AnswerLost, Fault::Internal] {
            let stack = stack(FAST);
            stack.fake.fail_next(Operation::CreateKey, 1, fault);
            let request = CreateKey::signing(KeySpec::EccNistP256);
            stack.kms.create_key(&request).await.unwrap_err();
            assert_eq!(stack.counted.counts().of(Operation::CreateKey), 1, "{fault:?}");
        }
    }

    #[tokio::test]
    async fn create_key_is_retried_when_no_key_was_made() {
        for fault in [Fault::Throttled, Fault::ConnectionRefused, Fault::CredentialsUnavailable] {
            let stack = stack(FAST);
            stack.fake.fail_next(Operation::CreateKey, 2, fault);
            let request = CreateKey::signing(KeySpec::EccNistP256);
            stack.kms.create_key(&request).await.unwrap();
            assert_eq!(stack.counted.counts().of(Operation::CreateKey), 3, "{fault:?}");
            assert_eq!(stack.fake.keys().len(), 1, "{fault:?}");
        }
    }
}
