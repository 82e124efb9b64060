//! What the process measures, in the form that Prometheus reads.
//!
//! One recorder for the process, installed by its first nodes, whether somebody reads it or not: a health dump has it
//! too. The names, their labels and what they mean are in docs/metrics.md, and a test compares the two.

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use cantle_admin_api::{Diagnostics, DumpFile, LastError};
use cantle_store::NodeIdentity;
use metrics::{Unit, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::state::NodeState;

/// Upper bounds of the histograms in seconds: from a local signature to a KMS that is nearly given up.
const BOUNDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0];
/// How often the recorder tidies up.
const UPKEEP: Duration = Duration::from_secs(5);

/// The kinds of metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Every metric there is: its name, its kind and what it says.
const METRICS: &[(&str, Kind, &str)] = &[
    ("cantle_kms_requests_total", Kind::Counter, "Requests that were sent to the KMS, each attempt"),
    ("cantle_kms_request_duration_seconds", Kind::Histogram, "How long an attempt took"),
    ("cantle_kms_retries_total", Kind::Counter, "Requests to the KMS that were sent again"),
    ("cantle_kms_queue_duration_seconds", Kind::Histogram, "How long a request waited that had to"),
    ("cantle_kms_overloaded_total", Kind::Counter, "Requests that were not sent, for want of room"),
    ("cantle_kms_region_out", Kind::Gauge, "1 while a Region of crypto.kms.failover-regions is out, else 0"),
    ("cantle_kms_region_changes_total", Kind::Counter, "Changes of the Region that requests go to"),
    ("cantle_kms_reachable", Kind::Gauge, "1 if the last look at each key of the node was answered, else 0"),
    (
        "cantle_kms_possible_orphans",
        Kind::Gauge,
        "KMS keys that exist, or may, and that the node does not have: their creation was interrupted",
    ),
    ("cantle_keys", Kind::Gauge, "Private keys of the node by purpose and state"),
    ("cantle_node_initialized", Kind::Gauge, "1 if the node has its identity, else 0"),
    ("cantle_node_serving", Kind::Gauge, "1 if the node serves, as grpc.health.v1 says, else 0"),
    ("cantle_grpc_requests_total", Kind::Counter, "Calls that were answered"),
    ("cantle_grpc_request_duration_seconds", Kind::Histogram, "How long a call took, with its answer"),
    ("cantle_db_operations_total", Kind::Counter, "Reads and writes of the node's database"),
    ("cantle_db_operation_duration_seconds", Kind::Histogram, "How long a read or write took"),
];

/// The process's recorder; installed when it is first asked for.
pub(crate) fn recorder() -> PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER
        .get_or_init(|| {
            let recorder = PrometheusBuilder::new()
                .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BOUNDS)
                .expect("there are bounds")
                .build_recorder();
            let handle = recorder.handle();
            if metrics::set_global_recorder(recorder).is_err() {
                warn!("this process measures with a recorder of its own, so Cantle's metrics are there and not here");
            }
            for (name, kind, text) in METRICS {
                let unit = if name.ends_with("_seconds") { Unit::Seconds } else { Unit::Count };
                match kind {
                    Kind::Counter => describe_counter!(*name, unit, *text),
                    Kind::Gauge => describe_gauge!(*name, unit, *text),
                    Kind::Histogram => describe_histogram!(*name, unit, *text),
                }
            }
            handle
        })
        .clone()
}

/// Tidies the recorder up until `stop`.
pub(crate) fn spawn_upkeep(recorder: PrometheusHandle, stop: CancellationToken) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(UPKEEP);
        loop {
            tokio::select! {
                _ = ticks.tick() => recorder.run_upkeep(),
                () = stop.cancelled() => return,
            }
        }
    })
}

/// Keeps the gauges of a node until it ends.
pub(crate) async fn follow(
    node: NodeIdentity,
    mut state: watch::Receiver<NodeState>,
    mut serving: watch::Receiver<cantle_admin_api::NodeHealth>,
) {
    let name = node.name.to_string();
    let kind = node.kind.as_str();
    loop {
        let has_identity = state.borrow_and_update().has_identity();
        gauge!("cantle_node_initialized", "node" => name.clone(), "kind" => kind).set(one_if(has_identity));
        let serves = serving.borrow_and_update().serving;
        gauge!("cantle_node_serving", "node" => name.clone(), "kind" => kind).set(one_if(serves));
        tokio::select! {
            changed = state.changed() => if changed.is_err() { return },
            changed = serving.changed() => if changed.is_err() { return },
        }
    }
}

/// What the binary says of the process, and its metrics.
#[derive(Debug)]
pub(crate) struct WithMetrics {
    inner: Arc<dyn Diagnostics>,
    recorder: PrometheusHandle,
}

impl WithMetrics {
    pub(crate) fn new(inner: Arc<dyn Diagnostics>) -> Self {
        Self { inner, recorder: recorder() }
    }
}

impl Diagnostics for WithMetrics {
    fn last_errors(&self) -> Vec<LastError> {
        self.inner.last_errors()
    }

    fn error_trace(&self, trace_id: &str) -> Option<Vec<String>> {
        self.inner.error_trace(trace_id)
    }

    fn files(&self) -> Vec<DumpFile> {
        let mut files = self.inner.files();
        files.push(DumpFile { name: "metrics.txt".to_owned(), content: self.recorder.render().into_bytes() });
        files
    }
}

/// How many KMS keys may be left without an owner.
pub(crate) fn possible_orphans(node: &str, orphans: usize) {
    let orphans = u32::try_from(orphans).unwrap_or(u32::MAX);
    gauge!("cantle_kms_possible_orphans", "node" => node.to_owned()).set(f64::from(orphans));
}

pub(crate) fn one_if(holds: bool) -> f64 {
    if holds { 1.0 } else { 0.0 }
}

/// The gauges of a node's keys: how many there are of each purpose in each state.
#[derive(Debug)]
pub(crate) struct KeyGauges {
    node: String,
    /// What was shown once is shown as 0 when it is there no more.
    shown: Mutex<Vec<(&'static str, String)>>,
}

impl KeyGauges {
    pub(crate) fn of(node: &NodeIdentity) -> Self {
        Self { node: node.name.to_string(), shown: Mutex::default() }
    }

    pub(crate) fn show(&self, keys: &[(&'static str, String)]) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            if !shown.contains(key) {
                shown.push(key.clone());
            }
        }
        for (purpose, state) in shown.iter() {
            let count = keys.iter().filter(|(of, is)| of == purpose && is == state).count();
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            gauge!("cantle_keys", "node" => self.node.clone(), "purpose" => *purpose, "state" => state.clone())
                .set(f64::from(count));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_has_every_metric_and_no_other() {
        let text =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md")).unwrap();
        let documented: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("| `cantle_"))
            .filter_map(|line| line.split('`').next())
            .collect();
        let known: Vec<&str> = METRICS.iter().filter_map(|(name, ..)| name.strip_prefix("cantle_")).collect();
        assert_eq!(documented, known);
    }

    #[test]
    fn keys_that_are_gone_are_shown_as_none() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            let node = NodeIdentity {
                kind: cantle_store::NodeKind::Participant,
                name: "participant1".parse().unwrap(),
            };
            let gauges = KeyGauges::of(&node);
            gauges.show(&[("signing", "Enabled".to_owned()), ("signing", "Enabled".to_owned())]);
            gauges.show(&[("signing", "Enabled".to_owned()), ("signing", "Disabled".to_owned())]);
            let text = handle.render();
            for line in [
                r#"cantle_keys{node="participant1",purpose="signing",state="Enabled"} 1"#,
                r#"cantle_keys{node="participant1",purpose="signing",state="Disabled"} 1"#,
            ] {
                assert!(text.contains(line), "no {line} in {text}");
            }
            gauges.show(&[]);
            assert!(!handle.render().contains("} 1"), "{}", handle.render());
        });
    }
}
