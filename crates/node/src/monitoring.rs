//! `canton.monitoring`: the process's metrics and health over HTTP.
//!
//! `GET /metrics` at each reporter of type `prometheus`. `GET /health` at `health.server` answers 200 and `healthy`, or
//! 500 and what is wrong, by `health.check`:
//!
//! - `always-healthy`: the process answers;
//! - `is-active`: the node (the first one, if none is named) has its identity and its keys can be used;
//! - `ping`: the last ping of a participant to itself succeeded; one is sent every `interval`.
//!
//! Source: <https://docs.daml.com/2.10.0/canton/usermanual/monitoring.html>.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use cantle_admin_api::NodeHealth;
use cantle_config::{HealthCheck, HealthConfig, MonitoringConfig};
use cantle_proto::{
    participant::admin::v0::{PingRequest, ping_response, ping_service_client::PingServiceClient},
    topology::admin::v0::initialization_service_client::InitializationServiceClient,
};
use cantle_store::{NodeIdentity, NodeKind};
use cantle_transport::AuthorizedChannel;
use hyper::StatusCode;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{
    net::{TcpListener, lookup_host},
    sync::watch,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{
    error::MonitoringError,
    http::{self, Page, Pages},
    metrics,
};

/// The media type of Prometheus's text form.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A node as its health is looked at.
#[derive(Debug, Clone)]
pub(crate) struct Monitored {
    pub(crate) node: NodeIdentity,
    pub(crate) health: watch::Receiver<NodeHealth>,
    /// To its admin API.
    pub(crate) admin: AuthorizedChannel,
}

/// What listens for the process.
#[derive(Debug, Default)]
pub(crate) struct Monitoring {
    /// Each service, by its configuration key, and where it listens.
    pub(crate) listening: Vec<(&'static str, SocketAddr)>,
    pub(crate) tasks: Vec<JoinHandle<()>>,
}

/// Binds every port of the section and serves until `stop`.
pub(crate) async fn start(
    config: &MonitoringConfig,
    nodes: &[Monitored],
    stop: &CancellationToken,
) -> Result<Monitoring, MonitoringError> {
    let recorder = metrics::recorder();
    let mut monitoring = Monitoring::default();
    monitoring.tasks.push(metrics::spawn_upkeep(recorder.clone(), stop.clone()));
    for reporter in &config.prometheus {
        let listener = bind("monitoring.metrics", &reporter.address, reporter.port).await?;
        let pages = Arc::new(Exposition(recorder.clone()));
        monitoring.serve("prometheus", listener, pages, stop)?;
    }
    if let Some(health) = &config.health {
        let listener = bind("monitoring.health", &health.address, health.port).await?;
        let check = checked(health, nodes, &mut monitoring.tasks, stop)?;
        monitoring.serve("health", listener, Arc::new(Health(check)), stop)?;
    }
    Ok(monitoring)
}

impl Monitoring {
    fn serve(
        &mut self,
        service: &'static str,
        listener: TcpListener,
        pages: Arc<dyn Pages>,
        stop: &CancellationToken,
    ) -> Result<(), MonitoringError> {
        let address = listener.local_addr().map_err(|source| MonitoringError {
            key: service,
            address: String::new(),
            source,
        })?;
        self.listening.push((service, address));
        self.tasks.push(tokio::spawn(http::serve(listener, pages, stop.clone())));
        Ok(())
    }
}

async fn bind(key: &'static str, address: &str, port: Option<u16>) -> Result<TcpListener, MonitoringError> {
    let bound = async {
        let mut last = std::io::ErrorKind::AddrNotAvailable.into();
        for address in lookup_host((address, port.unwrap_or(0))).await? {
            match TcpListener::bind(address).await {
                Ok(listener) => return Ok(listener),
                Err(error) => last = error,
            }
        }
        Err(last)
    };
    let address = format!("{address}:{}", port.unwrap_or(0));
    bound.await.map_err(|source| MonitoringError { key, address, source })
}

/// The metrics as Prometheus reads them.
struct Exposition(PrometheusHandle);

#[async_trait]
impl Pages for Exposition {
    async fn page(&self, path: &str) -> Option<Page> {
        matches!(path, "/metrics" | "/").then(|| Page {
            status: StatusCode::OK,
            content_type: EXPOSITION,
            body: self.0.render(),
        })
    }
}

/// Whether the process is healthy: nothing, or what is wrong.
type Verdict = Option<String>;

/// What the verdict is asked of.
enum Check {
    Always,
    Active(watch::Receiver<NodeHealth>),
    Ping(watch::Receiver<Verdict>),
}

struct Health(Check);

#[async_trait]
impl Pages for Health {
    async fn page(&self, path: &str) -> Option<Page> {
        if path != "/health" {
            return None;
        }
        let verdict = match &self.0 {
            Check::Always => None,
            Check::Active(health) => trouble(&health.borrow()),
            Check::Ping(verdict) => verdict.borrow().clone(),
        };
        Some(match verdict {
            None => Page::text(StatusCode::OK, "healthy"),
            Some(trouble) => Page::text(StatusCode::INTERNAL_SERVER_ERROR, trouble),
        })
    }
}

fn trouble(health: &NodeHealth) -> Verdict {
    if health.serving {
        return None;
    }
    let troubles: Vec<&str> =
        health.components.iter().filter_map(|component| component.trouble.as_deref()).collect();
    Some(if troubles.is_empty() { "the node is not initialized".to_owned() } else { troubles.join("; ") })
}

fn checked(
    config: &HealthConfig,
    nodes: &[Monitored],
    tasks: &mut Vec<JoinHandle<()>>,
    stop: &CancellationToken,
) -> Result<Check, MonitoringError> {
    let unknown = |name: &str| MonitoringError {
        key: "monitoring.health.check",
        address: name.to_owned(),
        source: std::io::Error::new(std::io::ErrorKind::NotFound, "there is no such node in this process"),
    };
    Ok(match &config.check {
        HealthCheck::AlwaysHealthy => Check::Always,
        HealthCheck::IsActive { node } => {
            let named = |monitored: &&Monitored| {
                node.as_ref().is_none_or(|name| monitored.node.name.as_str() == name.as_str())
            };
            let found = nodes.iter().find(named);
            let found = found.ok_or_else(|| unknown(node.as_deref().unwrap_or("the first node")))?;
            Check::Active(found.health.clone())
        }
        HealthCheck::Ping { participant, interval, timeout } => {
            let found = nodes.iter().find(|monitored| {
                monitored.node.kind == NodeKind::Participant && monitored.node.name.as_str() == participant
            });
            let found = found.ok_or_else(|| unknown(participant))?;
            let (verdict, seen) = watch::channel(Some("no ping was sent yet".to_owned()));
            let pinging = ping_for_ever(found.admin.clone(), *interval, *timeout, verdict);
            let stop = stop.clone();
            tasks.push(tokio::spawn(async move {
                tokio::select! {
                    () = pinging => {}
                    () = stop.cancelled() => {}
                }
            }));
            Check::Ping(seen)
        }
    })
}

/// The shortest pause between two pings; less would be a flood of transactions.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

async fn ping_for_ever(
    admin: AuthorizedChannel,
    interval: Duration,
    timeout: Duration,
    verdict: watch::Sender<Verdict>,
) {
    let mut ticks = tokio::time::interval(interval.max(SHORTEST_INTERVAL));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // The participant ends the ping itself; that it does not answer at all is not to hold this up.
        let patience = timeout.saturating_add(Duration::from_secs(5));
        let pinged = tokio::time::timeout(patience, ping(admin.clone(), timeout)).await;
        let trouble = match pinged {
            Ok(Ok(())) => None,
            Ok(Err(trouble)) => Some(trouble),
            Err(_) => Some("the participant does not answer".to_owned()),
        };
        if let Some(trouble) = &trouble
            && *verdict.borrow() != Some(trouble.clone())
        {
            tracing::warn!("the ping of the health check failed: {trouble}");
        }
        verdict.send_replace(trouble);
    }
}

/// One ping of a participant to itself.
async fn ping(admin: AuthorizedChannel, timeout: Duration) -> Result<(), String> {
    let failed = |status: tonic::Status| format!("ping failed: {}", status.message());
    let id = InitializationServiceClient::new(admin.clone()).get_id(()).await.map_err(failed)?.into_inner();
    if !id.initialized {
        return Err("participant has not been initialized".to_owned());
    }
    let request = PingRequest {
        target_parties: vec![id.unique_identifier],
        timeout_milliseconds: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
        ..PingRequest::default()
    };
    let answer = PingServiceClient::new(admin).ping(request).await.map_err(failed)?.into_inner();
    match answer.response {
        Some(ping_response::Response::Success(_)) => Ok(()),
        Some(ping_response::Response::Failure(_)) | None => Err("ping failure".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use cantle_admin_api::ComponentHealth;
    use cantle_transport::Bearer;

    use super::*;

    fn monitored(name: &str) -> (watch::Sender<NodeHealth>, Monitored) {
        let (sender, health) = watch::channel(NodeHealth::default());
        let node = NodeIdentity { kind: NodeKind::Participant, name: name.parse().unwrap() };
        let nowhere = tonic::transport::Endpoint::from_static("http://127.0.0.1:1").connect_lazy();
        (sender, Monitored { node, health, admin: Bearer::default().over(nowhere) })
    }

    async fn health(check: HealthCheck, nodes: &[Monitored]) -> (Health, CancellationToken) {
        let stop = CancellationToken::new();
        let config = HealthConfig { address: "localhost".to_owned(), port: None, check };
        (Health(checked(&config, nodes, &mut Vec::new(), &stop).unwrap()), stop)
    }

    async fn page(health: &Health) -> (u16, String) {
        let page = health.page("/health").await.unwrap();
        (page.status.as_u16(), page.body)
    }

    #[tokio::test]
    async fn is_active_follows_the_node() {
        let (sender, node) = monitored("participant1");
        let (_other, other) = monitored("participant2");
        for name in [None, Some("participant1".to_owned())] {
            sender.send_replace(NodeHealth::default());
            let nodes = [node.clone(), other.clone()];
            let (health, _stop) = health(HealthCheck::IsActive { node: name }, &nodes).await;
            assert_eq!(page(&health).await, (500, "the node is not initialized".to_owned()));
            sender.send_replace(NodeHealth { serving: true, components: Vec::new() });
            assert_eq!(page(&health).await, (200, "healthy".to_owned()));
            let trouble = ComponentHealth {
                name: "crypto-provider".to_owned(),
                trouble: Some("the KMS does not answer".to_owned()),
                detail: None,
            };
            sender.send_replace(NodeHealth { serving: false, components: vec![trouble] });
            assert_eq!(page(&health).await, (500, "the KMS does not answer".to_owned()));
            assert!(health.page("/").await.is_none());
        }
    }

    #[tokio::test]
    async fn a_node_that_is_not_there_is_an_error() {
        let (_sender, node) = monitored("participant1");
        let check = HealthCheck::IsActive { node: Some("participant9".to_owned()) };
        let config = HealthConfig { address: "localhost".to_owned(), port: None, check };
        let refused = checked(&config, &[node], &mut Vec::new(), &CancellationToken::new());
        assert!(refused.is_err_and(|error| error.to_string().contains("participant9")));
    }

    #[tokio::test]
    async fn a_ping_that_finds_nobody_is_no_health() {
        let (_sender, node) = monitored("participant1");
        let check = HealthCheck::Ping {
            participant: "participant1".to_owned(),
            interval: Duration::from_secs(3600),
            timeout: Duration::from_millis(100),
        };
        let (health, _stop) = health(check, &[node]).await;
        let Check::Ping(verdict) = &health.0 else { panic!("it pings") };
        let mut verdict = verdict.clone();
        let failed =
            verdict.wait_for(|verdict| verdict.as_ref().is_some_and(|text| text.starts_with("ping failed")));
        tokio::time::timeout(Duration::from_secs(30), failed).await.unwrap().unwrap();
        assert_eq!(page(&health).await.0, 500);
    }

    #[tokio::test]
    async fn each_reporter_and_the_health_server_listen() {
        let config = MonitoringConfig {
            prometheus: vec![cantle_config::PrometheusConfig { address: "localhost".to_owned(), port: None }],
            health: Some(HealthConfig {
                address: "127.0.0.1".to_owned(),
                port: None,
                check: HealthCheck::AlwaysHealthy,
            }),
            ..cantle_config::Config::load(&cantle_config::LoadOptions::default()).unwrap().config.monitoring
        };
        let stop = CancellationToken::new();
        let monitoring = start(&config, &[], &stop).await.unwrap();
        let services: Vec<_> = monitoring.listening.iter().map(|(service, _)| *service).collect();
        assert_eq!(services, ["prometheus", "health"]);
        let taken = cantle_config::PrometheusConfig {
            address: "127.0.0.1".to_owned(),
            port: Some(monitoring.listening[1].1.port()),
        };
        let again = MonitoringConfig { prometheus: vec![taken], ..config };
        let refused = start(&again, &[], &stop).await.unwrap_err().to_string();
        assert!(refused.contains("monitoring.metrics"), "{refused}");
        stop.cancel();
        for task in monitoring.tasks {
            task.await.unwrap();
        }
    }
}
