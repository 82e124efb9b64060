//! Nodes that run elsewhere, reached over their admin API.

use std::time::Duration;

use cantle_proto::{
    cantle::admin::v1::{DescribeNodeRequest, node_service_client::NodeServiceClient},
    topology::admin::v0::initialization_service_client::InitializationServiceClient,
};
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};

use crate::failure::Failure;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// Who answers at an address.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    /// `participant`, ….
    pub(crate) kind: String,
    /// Its name.
    pub(crate) name: String,
    /// Its unique identifier, or nothing.
    pub(crate) uid: String,
    /// The version of Cantle, or nothing if it is another program.
    pub(crate) version: String,
}

/// Connects to the admin API at `HOST:PORT`.
pub(crate) async fn connect(address: &str) -> Result<Channel, Failure> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|_| Failure::Usage(format!("error: {address:?} is no HOST:PORT")))?;
    endpoint.connect_timeout(CONNECT).connect().await.map_err(|error| {
        Failure::Running(
            anyhow::Error::from(error)
                .context(format!("no admin API answers at {address}; is the node running?")),
        )
    })
}

/// Asks who it is. Another program's participant does not know this question; its identity has a name.
pub(crate) async fn describe(channel: Channel, address: &str) -> Result<Described, Failure> {
    match NodeServiceClient::new(channel.clone()).describe_node(DescribeNodeRequest {}).await {
        Ok(answer) => {
            let answer = answer.into_inner();
            Ok(Described {
                kind: answer.kind,
                name: answer.name,
                uid: answer.unique_identifier,
                version: answer.version,
            })
        }
        Err(status) if status.code() == Code::Unimplemented => {
            let id = InitializationServiceClient::new(channel).get_id(()).await;
            let uid = id.map_err(|status| failed(address, &status))?.into_inner().unique_identifier;
            let name =
                uid.split("::").next().filter(|name| !name.is_empty()).unwrap_or("participant").to_owned();
            Ok(Described { kind: "participant".to_owned(), name, uid, version: String::new() })
        }
        Err(status) => Err(failed(address, &status)),
    }
}

/// A call that the node refused.
pub(crate) fn failed(address: &str, status: &Status) -> Failure {
    Failure::Running(anyhow::anyhow!("{address} answered {:?}: {}", status.code(), status.message()))
}
