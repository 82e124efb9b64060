//! Measures requests: how many, how they ended, how long they took. Put it inside [`Retrying`](crate::Retrying), so that
//! each attempt that is sent is measured; retries are counted there.
//!
//! What is measured goes to the process's recorder of the crate `metrics`; without one it goes nowhere. The names are
//! those of docs/metrics.md. Labels are the node, the operation, the outcome and AWS's error code: a closed set, and
//! nothing of a request's content.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use metrics::{SharedString, counter, gauge, histogram};

use crate::{Kms, KmsAnswer, KmsError, KmsRequest, Operation, Outcome, Reply};

/// The longest error code that becomes a label; AWS's longest is half of it.
const LONGEST_CODE: usize = 64;

/// The measurements of one node's KMS.
#[derive(Debug, Clone)]
pub struct KmsMetrics {
    node: SharedString,
}

impl KmsMetrics {
    /// Measurements that carry this node's name.
    pub fn of(node: impl Into<String>) -> Self {
        Self { node: SharedString::from(node.into()) }
    }

    /// A request that ended.
    fn ended(&self, operation: Operation, outcome: Outcome, error: Option<&KmsError>, took: Duration) {
        let operation = operation.as_str();
        counter!(
            "cantle_kms_requests_total",
            "node" => self.node.clone(),
            "operation" => operation,
            "outcome" => outcome.as_str(),
            "error" => error.map_or_else(String::new, code),
        )
        .increment(1);
        histogram!(
            "cantle_kms_request_duration_seconds",
            "node" => self.node.clone(),
            "operation" => operation,
        )
        .record(took.as_secs_f64());
    }

    /// A request that waited for its turn, and whether it was given up.
    pub(crate) fn waited(&self, operation: Operation, took: Duration, refused: bool) {
        let operation = operation.as_str();
        histogram!(
            "cantle_kms_queue_duration_seconds",
            "node" => self.node.clone(),
            "operation" => operation,
        )
        .record(took.as_secs_f64());
        if refused {
            counter!(
                "cantle_kms_overloaded_total",
                "node" => self.node.clone(),
                "operation" => operation,
            )
            .increment(1);
        }
    }

    /// Whether a Region is out.
    pub(crate) fn region_out(&self, region: &str, out: bool) {
        gauge!("cantle_kms_region_out", "node" => self.node.clone(), "region" => region.to_owned())
            .set(if out { 1.0 } else { 0.0 });
    }

    /// Requests go to another Region from now on.
    pub(crate) fn region_changed(&self, from: &str, to: &str) {
        counter!(
            "cantle_kms_region_changes_total",
            "node" => self.node.clone(),
            "from" => from.to_owned(),
            "to" => to.to_owned(),
        )
        .increment(1);
    }

    /// A request that will be sent again.
    pub(crate) fn retried(&self, error: &KmsError) {
        counter!(
            "cantle_kms_retries_total",
            "node" => self.node.clone(),
            "operation" => error.operation().as_str(),
            "error" => code(error),
        )
        .increment(1);
    }
}

/// A service that is not AWS could answer anything as its code; what does not look like one is `other`.
fn code(error: &KmsError) -> String {
    let code = error.code();
    let looks_like_one = !code.is_empty()
        && code.len() <= LONGEST_CODE
        && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if looks_like_one { code.to_owned() } else { "other".to_owned() }
}

/// Measures the requests to another [`Kms`].
#[derive(Debug, Clone)]
pub struct Metered {
    inner: Arc<dyn Kms>,
    metrics: KmsMetrics,
}

impl Metered {
    /// Measures what goes to `inner`.
    pub fn new(inner: Arc<dyn Kms>, metrics: KmsMetrics) -> Self {
        Self { inner, metrics }
    }

    fn start(&self, operation: Operation) -> Pending<'_> {
        Pending { metrics: &self.metrics, operation, started: Instant::now(), ended: false }
    }
}

/// A request under way. Dropped without an end it was abandoned, and nobody knows what became of it.
struct Pending<'a> {
    metrics: &'a KmsMetrics,
    operation: Operation,
    started: Instant,
    ended: bool,
}

impl Pending<'_> {
    fn end<T>(mut self, result: Result<T, KmsError>) -> Result<T, KmsError> {
        self.ended = true;
        let error = result.as_ref().err();
        self.metrics.ended(self.operation, Outcome::of(error), error, self.started.elapsed());
        result
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.metrics.ended(self.operation, Outcome::Unknown, None, self.started.elapsed());
        }
    }
}

#[async_trait]
impl Kms for Metered {
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
    use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

    use super::*;
    use crate::testing::{FakeKms, Fault};
    use crate::{Backoff, CreateKey, KeySpec, KmsKeyId, RetryOptions, Retrying};

    /// Every counter as `name{label=value,…}` with its count.
    fn counts(snapshotter: &Snapshotter) -> Vec<(String, u64)> {
        let mut counts: Vec<_> = snapshotter
            .snapshot()
            .into_vec()
            .into_iter()
            .filter_map(|(key, _, _, value)| {
                let DebugValue::Counter(count) = value else { return None };
                let labels: Vec<_> =
                    key.key().labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
                Some((format!("{}{{{}}}", key.key().name(), labels.join(",")), count))
            })
            .collect();
        counts.sort();
        counts
    }

    #[test]
    fn requests_and_retries_are_counted_by_operation_outcome_and_error() {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        metrics::with_local_recorder(&recorder, || {
            runtime.block_on(async {
                let fake = Arc::new(FakeKms::new());
                let metrics = KmsMetrics::of("participant1");
                let metered = Arc::new(Metered::new(fake.clone(), metrics.clone()));
                let fast = Backoff {
                    initial_delay: Duration::from_micros(10),
                    max_delay: Duration::from_micros(50),
                    max_retries: Some(3),
                };
                let options = RetryOptions { failures: fast, throttling: fast, deadline: None };
                let kms = Retrying::new(metered, options).metered(metrics);
                let key =
                    kms.create_key(&CreateKey::signing(KeySpec::EccNistP256)).await.unwrap().value.key_id;
                fake.fail_next(Operation::DescribeKey, 2, Fault::Throttled);
                kms.describe_key(&key).await.unwrap();
                kms.describe_key(&KmsKeyId::parse("alias/none").unwrap()).await.unwrap_err();
            });
        });
        let labels = |operation, outcome, error| {
            format!(
                "cantle_kms_requests_total{{node=participant1,operation={operation},outcome={outcome},error={error}}}"
            )
        };
        let expected = [
            (labels("CreateKey", "answered", ""), 1),
            (labels("DescribeKey", "answered", ""), 1),
            (labels("DescribeKey", "refused", "NotFoundException"), 1),
            (labels("DescribeKey", "refused", "ThrottlingException"), 2),
            (
                "cantle_kms_retries_total{node=participant1,operation=DescribeKey,error=ThrottlingException}"
                    .to_owned(),
                2,
            ),
        ];
        assert_eq!(counts(&snapshotter), expected);
    }

    #[test]
    fn an_abandoned_request_counts_as_unknown() {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        metrics::with_local_recorder(&recorder, || {
            runtime.block_on(async {
                let fake = Arc::new(FakeKms::new());
                fake.block(Operation::CreateKey);
                let kms = Metered::new(fake, KmsMetrics::of("n"));
                let request = CreateKey::signing(KeySpec::EccNistP256);
                let abandoned = tokio::time::timeout(Duration::ZERO, kms.create_key(&request)).await;
                assert!(abandoned.is_err());
            });
        });
        let expected =
            "cantle_kms_requests_total{node=n,operation=CreateKey,outcome=unknown,error=}".to_owned();
        assert_eq!(counts(&snapshotter), [(expected, 1)]);
    }
}
