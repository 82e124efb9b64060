//! Keeps a node's requests within bounds: so many at once, so many a second, so many that wait, and none for ever.
//!
//! Not a retry: what the service throttles all the same is the business of [`Retrying`](crate::Retrying), which stands
//! outside, so that each attempt takes its turn here.
//!
//! Invariants: a request that is given up before its turn has used nothing up; one that waits is in [`Waits`]; nothing
//! waits longer than [`LimitOptions::max_wait`].

mod pace;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{
    Kms, KmsAnswer, KmsError, KmsMetrics, KmsRequest, Operation, OverloadLimit, QuotaClass, Reply, Waits,
};
use pace::Pace;

/// Bounds on the requests of a node.
#[derive(Debug, Clone, PartialEq)]
pub struct LimitOptions {
    /// Requests a second by class; no bound for classes that are not here.
    pub rates: Vec<(QuotaClass, f64)>,
    /// Requests under way at once, each on a connection of its own. At least 1.
    pub max_concurrent: usize,
    /// Requests that wait for their turn; more are refused at once.
    pub max_waiting: usize,
    /// The longest wait for a turn.
    pub max_wait: Duration,
}

impl Default for LimitOptions {
    /// No bound on requests a second; 256 at once, 4,096 waiting, for at most 30 s.
    fn default() -> Self {
        Self { rates: Vec::new(), max_concurrent: 256, max_waiting: 4_096, max_wait: Duration::from_secs(30) }
    }
}

impl LimitOptions {
    /// The same with a share of each quota as its bound.
    #[must_use]
    pub fn with_share(mut self, share: f64, quota: impl Fn(QuotaClass) -> u32) -> Self {
        self.rates =
            QuotaClass::ALL.into_iter().map(|class| (class, share * f64::from(quota(class)))).collect();
        self
    }
}

/// Keeps the requests to another [`Kms`] within bounds. Clones share them.
#[derive(Debug, Clone)]
pub struct Limited {
    inner: Arc<dyn Kms>,
    bounds: Arc<Bounds>,
    waits: Waits,
    metrics: Option<KmsMetrics>,
}

#[derive(Debug)]
struct Bounds {
    paces: Vec<(QuotaClass, Pace)>,
    under_way: Semaphore,
    waiting: AtomicUsize,
    max_waiting: usize,
    max_wait: Duration,
}

impl Limited {
    /// Keeps what goes to `inner` within `options`. What waits is listed in `waits`.
    pub fn new(inner: Arc<dyn Kms>, options: &LimitOptions, waits: Waits) -> Self {
        let bounds = Bounds {
            paces: options.rates.iter().map(|(class, rate)| (*class, Pace::new(*rate))).collect(),
            under_way: Semaphore::new(options.max_concurrent.clamp(1, Semaphore::MAX_PERMITS)),
            waiting: AtomicUsize::new(0),
            max_waiting: options.max_waiting,
            max_wait: options.max_wait,
        };
        Self { inner, bounds: Arc::new(bounds), waits, metrics: None }
    }

    /// The same, with its waits measured and its refusals counted.
    #[must_use]
    pub fn metered(self, metrics: KmsMetrics) -> Self {
        Self { metrics: Some(metrics), ..self }
    }

    /// Waits for the turn of a request. It is under way until the answer is dropped.
    async fn turn(&self, request: KmsRequest<'_>) -> Result<SemaphorePermit<'_>, KmsError> {
        let operation = request.operation();
        if let Some(permit) = self.bounds.now(operation) {
            return Ok(permit);
        }
        let since = Instant::now();
        let got = self.wait(operation, since).await;
        if let Some(metrics) = &self.metrics {
            metrics.waited(operation, since.elapsed(), got.is_err());
        }
        got.map_err(|limit| KmsError::Overloaded { call: request.call(), limit })
    }

    async fn wait(&self, operation: Operation, since: Instant) -> Result<SemaphorePermit<'_>, OverloadLimit> {
        let _place = self.bounds.place().ok_or(OverloadLimit::Waiting(self.bounds.max_waiting))?;
        let _listed = self.waits.queue(operation, since);
        let turn = tokio::time::timeout(self.bounds.max_wait, self.bounds.turn(operation));
        turn.await.map_err(|_| OverloadLimit::Wait(self.bounds.max_wait))
    }
}

impl Bounds {
    fn pace(&self, operation: Operation) -> Option<&Pace> {
        let class = QuotaClass::of(operation)?;
        self.paces.iter().find(|(other, _)| *other == class).map(|(_, pace)| pace)
    }

    /// The turn, if it has come already.
    fn now(&self, operation: Operation) -> Option<SemaphorePermit<'_>> {
        let permit = self.under_way.try_acquire().ok()?;
        self.pace(operation).is_none_or(Pace::try_take).then_some(permit)
    }

    /// The first of its class waits with a permit, the others behind it: whoever has the turn goes at once, so that a
    /// burst that gathered while the service was silent keeps the pace as well.
    async fn turn(&self, operation: Operation) -> SemaphorePermit<'_> {
        let under_way = async { self.under_way.acquire().await.expect("it is never closed") };
        match self.pace(operation) {
            None => under_way.await,
            Some(pace) => pace.take_after(under_way).await,
        }
    }

    /// A place among those that wait, until it is dropped.
    fn place(&self) -> Option<Place<'_>> {
        let place = Place(&self.waiting);
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed);
        (waiting < self.max_waiting).then_some(place)
    }
}

struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl Kms for Limited {
    fn endpoint(&self) -> &str {
        self.inner.endpoint()
    }

    async fn ask(&self, request: KmsRequest<'_>) -> Result<Reply<KmsAnswer>, KmsError> {
        let _turn = self.turn(request).await?;
        self.inner.ask(request).await
    }
}

#[cfg(test)]
mod tests;
