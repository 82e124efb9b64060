//! The services of a domain manager: its initialization with a sequencer, its static parameters, its status.
//!
//! Source: <https://docs.daml.com/canton/usermanual/manage_domains.html>

use cantle_domain_manager::{DomainManagerNode, Phase};
use cantle_identity::TopologyManager;
use cantle_proto::{
    domain::admin::v0::{
        DomainInitRequest, DomainManagerStatusRequest, DomainManagerStatusResponse,
        ServiceAgreementAcceptances,
        domain_initialization_service_server::DomainInitializationService,
        domain_manager_status_response::{DomainManagerStatusResponseStatus, Kind},
        domain_manager_status_service_server::DomainManagerStatusService,
        domain_service_server::DomainService,
        get_domain_parameters,
    },
    health::admin::v0::node_status::NotInitialized,
    protocol::v0,
};
use cantle_topology::{DynamicDomainParameters, TopologyState, TopologyView};
use cantle_types::DomainId;
use tonic::{Request, Response, Status};

use crate::{
    connections::connections,
    handles::RoleHandles,
    health::Health,
    status::{ToStatus, missing},
};

/// The services of one domain manager, or of an embedded domain.
#[derive(Clone, Debug)]
pub(crate) struct DomainManagerAdmin {
    pub(crate) node: DomainManagerNode,
    pub(crate) topology: TopologyManager,
    pub(crate) health: Health,
}

impl DomainManagerAdmin {
    /// What the domain's topology says at present.
    fn dynamic_parameters(&self) -> DynamicDomainParameters {
        let version = self.topology.protocol_version();
        match self.topology.uid() {
            Some(uid) => {
                let state = TopologyState::clone(&self.topology.state());
                TopologyView::new(DomainId::new(uid), version, state).parameters()
            }
            None => DynamicDomainParameters::defaults(version),
        }
    }
}

#[tonic::async_trait]
impl DomainInitializationService for DomainManagerAdmin {
    async fn init(&self, request: Request<DomainInitRequest>) -> Result<Response<()>, Status> {
        let config = request.into_inner().config.ok_or_else(|| missing("config"))?;
        let connection = config.sequencer_connection.ok_or_else(|| missing("config.sequencerConnection"))?;
        let connections = connections(&[connection])?;
        self.node.init(connections).await.map_err(|error| error.to_status())?;
        Ok(Response::new(()))
    }
}

#[tonic::async_trait]
impl DomainService for DomainManagerAdmin {
    async fn list_service_agreement_acceptances(
        &self,
        _request: Request<()>,
    ) -> Result<Response<ServiceAgreementAcceptances>, Status> {
        // A signature by which a participant authenticates itself is its acceptance, and an embedded domain's sequencer
        // keeps it. A domain manager by itself has no agreement, its sequencers have.
        let acceptances = match &self.health.role {
            RoleHandles::Domain(domain) => {
                domain.sequencer.sequencer().map(|sequencer| sequencer.acceptances())
            }
            _ => None,
        };
        Ok(Response::new(ServiceAgreementAcceptances { acceptances: acceptances.unwrap_or_default() }))
    }

    async fn get_domain_parameters(
        &self,
        _request: Request<()>,
    ) -> Result<Response<v0::StaticDomainParameters>, Status> {
        let parameters = self.node.static_parameters().await.map_err(|error| error.to_status())?;
        Ok(Response::new(parameters.to_proto_v0(&self.dynamic_parameters())))
    }

    async fn get_domain_parameters_versioned(
        &self,
        _request: Request<get_domain_parameters::Request>,
    ) -> Result<Response<get_domain_parameters::Response>, Status> {
        use get_domain_parameters::response::Parameters;
        let parameters = self.node.static_parameters().await.map_err(|error| error.to_status())?;
        Ok(Response::new(get_domain_parameters::Response {
            parameters: Some(Parameters::ParametersV1(parameters.to_proto())),
        }))
    }
}

#[tonic::async_trait]
impl DomainManagerStatusService for DomainManagerAdmin {
    async fn domain_manager_status(
        &self,
        _request: Request<DomainManagerStatusRequest>,
    ) -> Result<Response<DomainManagerStatusResponse>, Status> {
        let phase = *self.node.phase().borrow();
        let kind = match self.topology.uid() {
            Some(uid) if phase == Phase::Connected => Kind::Status(DomainManagerStatusResponseStatus {
                common_status: Some(self.health.v1(&uid).await),
                protocol_version: self.topology.protocol_version().number(),
            }),
            _ => Kind::Unavailable(NotInitialized { active: true }),
        };
        Ok(Response::new(DomainManagerStatusResponse { kind: Some(kind) }))
    }
}
