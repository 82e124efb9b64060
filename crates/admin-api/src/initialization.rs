//! `topology.admin.v0.InitializationService`: a node's unique identifier.
//!
//! Source: <https://docs.daml.com/canton/usermanual/identity_management.html>

use std::sync::Arc;

use cantle_proto::topology::admin::v0::{
    GetIdResponse, InitIdRequest, InitIdResponse, initialization_service_server::InitializationService,
};
use cantle_types::{Clock, Fingerprint, Identifier};
use tonic::{Request, Response, Status};

use crate::{
    NodeTopology,
    parse::{text, to_timestamp},
    status::{ToStatus, unsupported},
};

/// The service of one node.
#[derive(Debug)]
pub(crate) struct Initialization {
    topology: NodeTopology,
    clock: Arc<dyn Clock>,
}

impl Initialization {
    pub(crate) fn new(topology: NodeTopology, clock: Arc<dyn Clock>) -> Self {
        Self { topology, clock }
    }
}

#[tonic::async_trait]
impl InitializationService for Initialization {
    async fn init_id(&self, request: Request<InitIdRequest>) -> Result<Response<InitIdResponse>, Status> {
        let request = request.into_inner();
        let identifier: Identifier = text("identifier", &request.identifier)?;
        let fingerprint: Fingerprint = text("fingerprint", &request.fingerprint)?;
        let Some(manager) = self.topology.manager() else {
            return Err(unsupported(
                "an identity of its own: sequencers and mediators have their domain's, from its domain manager",
            ));
        };
        let uid = manager.init_id(identifier, &fingerprint).await.map_err(|error| error.to_status())?;
        Ok(Response::new(InitIdResponse { unique_identifier: uid.to_string(), instance: String::new() }))
    }

    async fn get_id(&self, _request: Request<()>) -> Result<Response<GetIdResponse>, Status> {
        let uid = self.topology.uid();
        Ok(Response::new(GetIdResponse {
            initialized: uid.is_some(),
            unique_identifier: uid.map(|uid| uid.to_string()).unwrap_or_default(),
            instance: String::new(),
        }))
    }

    async fn current_time(&self, _request: Request<()>) -> Result<Response<prost_types::Timestamp>, Status> {
        Ok(Response::new(to_timestamp(self.clock.now())))
    }
}
