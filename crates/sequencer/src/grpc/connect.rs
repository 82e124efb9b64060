//! `SequencerConnectService`, `DomainService` and `ApiInfoService`: what anyone may ask before it is known.

use cantle_proto::connection::v30::{
    GetApiInfoRequest, GetApiInfoResponse, api_info_service_server::ApiInfoService,
};
use cantle_proto::domain::api::v0::{
    GetServiceAgreementRequest, GetServiceAgreementResponse,
    domain_service_server::DomainService,
    sequencer_connect::{
        get_domain_id, get_domain_parameters,
        verify_active::{self, response::Value},
    },
    sequencer_connect_service_server::SequencerConnectService,
};
use cantle_proto::protocol::v0::{ServiceAgreement, handshake};
use cantle_protocol::HandshakeResponse;
use cantle_sequencing::API_NAME;
use tonic::{Request, Response, Status};

use super::caller::member;
use crate::sequencer::Sequencer;

/// The services of one sequencer.
#[derive(Debug, Clone)]
pub(super) struct Connect(pub(super) Sequencer);

impl Connect {
    fn agreement(&self) -> GetServiceAgreementResponse {
        let agreement = self.0.agreement().map(|agreement| ServiceAgreement {
            id: agreement.id.clone(),
            legal_text: agreement.legal_text.clone(),
        });
        GetServiceAgreementResponse { agreement }
    }
}

#[tonic::async_trait]
impl ApiInfoService for Connect {
    async fn get_api_info(
        &self,
        _request: Request<GetApiInfoRequest>,
    ) -> Result<Response<GetApiInfoResponse>, Status> {
        Ok(Response::new(GetApiInfoResponse { name: API_NAME.to_owned() }))
    }
}

#[tonic::async_trait]
impl DomainService for Connect {
    async fn get_service_agreement(
        &self,
        _request: Request<GetServiceAgreementRequest>,
    ) -> Result<Response<GetServiceAgreementResponse>, Status> {
        Ok(Response::new(self.agreement()))
    }
}

#[tonic::async_trait]
impl SequencerConnectService for Connect {
    async fn handshake(
        &self,
        request: Request<handshake::Request>,
    ) -> Result<Response<handshake::Response>, Status> {
        let version = self.0.parameters().protocol_version;
        Ok(Response::new(HandshakeResponse::to_request(version, request.get_ref()).to_proto()))
    }

    async fn get_domain_id(
        &self,
        _request: Request<get_domain_id::Request>,
    ) -> Result<Response<get_domain_id::Response>, Status> {
        Ok(Response::new(get_domain_id::Response {
            domain_id: self.0.domain().to_string(),
            sequencer_id: self.0.id().to_string(),
        }))
    }

    async fn get_domain_parameters(
        &self,
        _request: Request<get_domain_parameters::Request>,
    ) -> Result<Response<get_domain_parameters::Response>, Status> {
        use get_domain_parameters::response::Parameters;
        let parameters = Some(Parameters::ParametersV1(self.0.parameters().to_proto()));
        Ok(Response::new(get_domain_parameters::Response { parameters }))
    }

    async fn verify_active(
        &self,
        request: Request<verify_active::Request>,
    ) -> Result<Response<verify_active::Response>, Status> {
        let value = match member(request.metadata()) {
            Ok(member) => match self.0.verify_active(&member) {
                Some(is_active) => Value::Success(verify_active::Success { is_active }),
                None => failure(format!("Expecting participantId ; found {member}")),
            },
            Err(error) => failure(format!("Unable to find participant id: {error}")),
        };
        Ok(Response::new(verify_active::Response { value: Some(value) }))
    }

    async fn get_service_agreement(
        &self,
        _request: Request<GetServiceAgreementRequest>,
    ) -> Result<Response<GetServiceAgreementResponse>, Status> {
        Ok(Response::new(self.agreement()))
    }
}

fn failure(reason: String) -> Value {
    Value::Failure(verify_active::Failure { reason })
}
