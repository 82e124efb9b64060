//! `domain.admin.v0.EnterpriseSequencerConnectionService`: how a domain manager or mediator reaches its sequencers.

use cantle_domain_manager::DomainManagerNode;
use cantle_mediator::MediatorNode;
use cantle_proto::domain::{
    admin::v0::{
        GetConnectionRequest, GetConnectionResponse, SetConnectionRequest,
        enterprise_sequencer_connection_service_server::EnterpriseSequencerConnectionService,
    },
    api::v0,
};
use cantle_sequencing::SequencerConnection;
use tonic::{Request, Response, Status};

use crate::status::{ToStatus, invalid, unsupported};

/// The service of one node.
#[derive(Debug)]
pub(crate) enum Connections {
    /// Of a domain manager.
    DomainManager(DomainManagerNode),
    /// Of a mediator.
    Mediator(MediatorNode),
}

/// Reads the connections of a request.
pub(crate) fn connections(messages: &[v0::SequencerConnection]) -> Result<Vec<SequencerConnection>, Status> {
    let read = |message| {
        SequencerConnection::from_proto(message).map_err(|error| invalid("sequencer_connections", &error))
    };
    messages.iter().map(read).collect()
}

#[tonic::async_trait]
impl EnterpriseSequencerConnectionService for Connections {
    async fn get_connection(
        &self,
        _request: Request<GetConnectionRequest>,
    ) -> Result<Response<GetConnectionResponse>, Status> {
        let connections = match self {
            Self::DomainManager(node) => node.connections().await.map_err(|error| error.to_status())?,
            Self::Mediator(node) => node.connections().await.map_err(|error| error.to_status())?,
        };
        Ok(Response::new(GetConnectionResponse {
            sequencer_trust_threshold: u32::from(!connections.is_empty()),
            sequencer_connections: connections.iter().map(SequencerConnection::to_proto).collect(),
        }))
    }

    async fn set_connection(&self, request: Request<SetConnectionRequest>) -> Result<Response<()>, Status> {
        let request = request.into_inner();
        if request.sequencer_trust_threshold > 1 {
            return Err(unsupported("a sequencer trust threshold above 1: one sequencer is asked at a time"));
        }
        let connections = connections(&request.sequencer_connections)?;
        match self {
            Self::DomainManager(node) => {
                node.set_connections(connections).await.map_err(|error| error.to_status())?;
            }
            Self::Mediator(node) => {
                node.set_connections(connections).await.map_err(|error| error.to_status())?;
            }
        }
        Ok(Response::new(()))
    }
}
