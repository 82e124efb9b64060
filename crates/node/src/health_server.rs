//! `<node>.monitoring.grpc-health-server`: a port for `grpc.health.v1` and server reflection alone, for those who
//! watch a node and are not to administrate it.
//!
//! The services are Canton's: the empty name and the node's kind say whether the node serves, `liveness` that the
//! process answers.

use std::{convert::Infallible, net::SocketAddr};

use cantle_admin_api::NodeHealth;
use cantle_store::{NodeIdentity, NodeKind};
use cantle_transport::{Listener, MeteredLayer, ServerSettings, server};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tonic_health::{ServingStatus, server::HealthReporter};
use tracing::error;

/// A bound port, not yet served.
#[derive(Debug)]
pub(crate) struct HealthServer {
    listener: Listener,
    settings: ServerSettings,
}

impl HealthServer {
    pub(crate) async fn bind(address: SocketAddr, settings: ServerSettings) -> std::io::Result<Self> {
        Ok(Self { listener: Listener::bind(address).await?, settings })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Serves until `stop`.
    pub(crate) fn spawn(
        self,
        node: NodeIdentity,
        health: watch::Receiver<NodeHealth>,
        stop: CancellationToken,
    ) -> Result<JoinHandle<()>, tonic_reflection::server::Error> {
        let (reporter, service) = tonic_health::server::health_reporter();
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .build_v1()?;
        let served = server(&self.settings, node.name.as_str())
            .layer(MeteredLayer::of(node.name.as_str()))
            .add_service(service)
            .add_service(reflection)
            .serve_with_incoming_shutdown(self.listener.incoming(None), stop.cancelled_owned());
        Ok(tokio::spawn(async move {
            tokio::select! {
                served = served => if let Err(failed) = served {
                    error!(%node, "the health server stopped: {failed}");
                },
                never = report(reporter, node.kind, health) => match never {},
            }
        }))
    }
}

async fn report(
    reporter: HealthReporter,
    kind: NodeKind,
    mut health: watch::Receiver<NodeHealth>,
) -> Infallible {
    reporter.set_service_status("liveness", ServingStatus::Serving).await;
    loop {
        let serving = health.borrow_and_update().serving;
        let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        reporter.set_service_status("", status).await;
        reporter.set_service_status(kind.as_str(), status).await;
        if health.changed().await.is_err() {
            // The node is gone; what it said last holds until the server stops too.
            return std::future::pending().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tonic_health::pb::{
        HealthCheckRequest, health_check_response::ServingStatus as Status, health_client::HealthClient,
    };

    use super::*;

    #[tokio::test]
    async fn the_node_is_told_from_the_process() {
        let server =
            HealthServer::bind("127.0.0.1:0".parse().unwrap(), ServerSettings::default()).await.unwrap();
        let port = server.address().port();
        let (sender, health) = watch::channel(NodeHealth::default());
        let node = NodeIdentity { kind: NodeKind::Participant, name: "participant1".parse().unwrap() };
        let stop = CancellationToken::new();
        let serving = server.spawn(node, health, stop.clone()).unwrap();
        let endpoint = cantle_transport::endpoint("127.0.0.1", port, None, None).unwrap();
        let mut client = HealthClient::new(cantle_transport::connect(&endpoint, None).await.unwrap());
        let mut until = async |service: &str, wanted: Status| {
            let request = HealthCheckRequest { service: service.to_owned() };
            let mut answers = client.watch(request).await.unwrap().into_inner();
            let reached = tokio::time::timeout(Duration::from_secs(30), async {
                while answers.message().await.unwrap().unwrap().status() != wanted {}
            });
            reached.await.unwrap_or_else(|_| panic!("{service} becomes {wanted:?}"));
        };
        until("liveness", Status::Serving).await;
        until("", Status::NotServing).await;
        until("participant", Status::NotServing).await;
        sender.send_replace(NodeHealth { serving: true, components: Vec::new() });
        until("", Status::Serving).await;
        until("participant", Status::Serving).await;
        stop.cancel();
        serving.await.unwrap();
    }
}
