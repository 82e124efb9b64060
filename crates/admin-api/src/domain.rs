//! The status of an embedded domain: `domain.admin.v0.DomainStatusService`.

use cantle_domain_manager::DomainManagerNode;
use cantle_proto::{
    domain::admin::v0::{
        DomainStatusRequest, DomainStatusResponse,
        domain_status_response::{DomainStatusResponseStatus, Kind},
        domain_status_service_server::DomainStatusService,
    },
    health::admin::v0::node_status::NotInitialized,
};
use cantle_sequencer::SequencerNode;
use tonic::{Request, Response, Status};

use crate::{
    health::Health,
    sequencer::{connected, sequencer_health},
};

/// An embedded domain, as its services see it.
#[derive(Clone, Debug)]
pub struct EmbeddedDomain {
    /// Its manager.
    pub manager: DomainManagerNode,
    /// Its sequencer.
    pub sequencer: SequencerNode,
}

/// The service of one embedded domain.
#[derive(Clone, Debug)]
pub(crate) struct DomainAdmin {
    pub(crate) domain: EmbeddedDomain,
    pub(crate) health: Health,
}

#[tonic::async_trait]
impl DomainStatusService for DomainAdmin {
    async fn domain_status(
        &self,
        _request: Request<DomainStatusRequest>,
    ) -> Result<Response<DomainStatusResponse>, Status> {
        let kind = match self.domain.sequencer.sequencer() {
            Some(sequencer) => Kind::Status(DomainStatusResponseStatus {
                common_status: Some(self.health.v1(sequencer.domain().uid()).await),
                connected_participants_uid: connected(&sequencer).0,
                sequencer: Some(sequencer_health(&sequencer)),
                protocol_version: sequencer.parameters().protocol_version.number(),
            }),
            None => Kind::Unavailable(NotInitialized { active: true }),
        };
        Ok(Response::new(DomainStatusResponse { kind: Some(kind) }))
    }
}
