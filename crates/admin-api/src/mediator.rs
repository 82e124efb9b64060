//! The services of a mediator: its initialization for a domain, and its status.
//!
//! Source: <https://docs.daml.com/canton/usermanual/manage_domains.html>

use cantle_mediator::{MediatorError, MediatorNode, MediatorSetup};
use cantle_proto::{
    domain::admin::v0::{
        InitializeMediatorRequest, InitializeMediatorResponse, MediatorStatusRequest, MediatorStatusResponse,
        initialize_mediator_response::{Failure, Success, Value},
        mediator_initialization_service_server::MediatorInitializationService,
        mediator_status_response::{Kind, MediatorStatusResponseStatus},
        mediator_status_service_server::MediatorStatusService,
    },
    health::admin::v0::node_status::NotInitialized,
};
use cantle_protocol::StaticDomainParameters;
use cantle_types::{DomainId, MediatorId};
use tonic::{Request, Response, Status};

use crate::{
    connections::connections,
    health::Health,
    parse::{member_uid, text},
    status::{ToStatus, chain, invalid, missing},
};

/// The services of one mediator.
#[derive(Clone, Debug)]
pub(crate) struct MediatorAdmin {
    pub(crate) node: MediatorNode,
    pub(crate) health: Health,
}

fn setup(request: InitializeMediatorRequest) -> Result<MediatorSetup, Status> {
    let parameters = request.domain_parameters.ok_or_else(|| missing("domain_parameters"))?;
    let connection = request.sequencer_connection.ok_or_else(|| missing("sequencer_connection"))?;
    let signing_key = match request.signing_key_fingerprint.as_deref() {
        None | Some("") => None,
        Some(fingerprint) => Some(text("signing_key_fingerprint", fingerprint)?),
    };
    Ok(MediatorSetup {
        domain: DomainId::new(text("domain_id", &request.domain_id)?),
        mediator: MediatorId::new(member_uid("mediator_id", &request.mediator_id)?),
        parameters: StaticDomainParameters::from_proto_v0(&parameters)
            .map_err(|error| invalid("domain_parameters", &error))?,
        connections: connections(&[connection])?,
        signing_key,
    })
}

#[tonic::async_trait]
impl MediatorInitializationService for MediatorAdmin {
    async fn initialize(
        &self,
        request: Request<InitializeMediatorRequest>,
    ) -> Result<Response<InitializeMediatorResponse>, Status> {
        let value = match self.node.initialize(setup(request.into_inner())?).await {
            Ok(key) => Value::Success(Success { mediator_key: Some(key.to_proto()) }),
            Err(error @ MediatorError::AlreadyInitialized { .. }) => return Err(error.to_status()),
            Err(error) => Value::Failure(Failure { reason: chain(&error) }),
        };
        Ok(Response::new(InitializeMediatorResponse { value: Some(value) }))
    }
}

#[tonic::async_trait]
impl MediatorStatusService for MediatorAdmin {
    async fn mediator_status(
        &self,
        _request: Request<MediatorStatusRequest>,
    ) -> Result<Response<MediatorStatusResponse>, Status> {
        let own = self.node.identity().borrow().clone();
        let kind = match self.node.domain() {
            Some(domain) => Kind::Status(MediatorStatusResponseStatus {
                common_status: Some(self.health.v1(&own.unwrap_or_else(|| domain.uid().clone())).await),
                domain_id: domain.to_string(),
                protocol_version: self
                    .node
                    .protocol_version()
                    .await
                    .map_err(|error| error.to_status())?
                    .map_or(0, |version| version.number()),
            }),
            None => Kind::Unavailable(NotInitialized { active: true }),
        };
        Ok(Response::new(MediatorStatusResponse { kind: Some(kind) }))
    }
}
