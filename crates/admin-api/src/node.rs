//! `cantle.admin.v1.NodeService`: who a node is. Ours, not Canton's.

use cantle_proto::cantle::admin::v1::{
    DescribeNodeRequest, DescribeNodeResponse, node_service_server::NodeService,
};
use cantle_store::NodeIdentity;
use tonic::{Request, Response, Status};

use crate::NodeTopology;

/// The service of one node.
#[derive(Debug)]
pub(crate) struct Node {
    node: NodeIdentity,
    topology: NodeTopology,
    sequencer_database: String,
}

impl Node {
    pub(crate) fn new(node: NodeIdentity, topology: NodeTopology, sequencer_database: String) -> Self {
        Self { node, topology, sequencer_database }
    }
}

#[tonic::async_trait]
impl NodeService for Node {
    async fn describe_node(
        &self,
        _request: Request<DescribeNodeRequest>,
    ) -> Result<Response<DescribeNodeResponse>, Status> {
        Ok(Response::new(DescribeNodeResponse {
            kind: self.node.kind.to_string(),
            name: self.node.name.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            unique_identifier: self.topology.uid().map(|uid| uid.to_string()).unwrap_or_default(),
            sequencer_database: self.sequencer_database.clone(),
        }))
    }
}
