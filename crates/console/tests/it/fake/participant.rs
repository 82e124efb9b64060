//! The domains of a fake participant: every domain can be connected to, unless the test closes them.

use cantle_proto::participant::admin::v0 as wire;
use tonic::{Request, Response, Status};

use super::{Answer, Fake};

#[tonic::async_trait]
impl wire::domain_connectivity_service_server::DomainConnectivityService for Fake {
    async fn reconnect_domains(
        &self,
        request: Request<wire::ReconnectDomainsRequest>,
    ) -> Answer<wire::ReconnectDomainsResponse> {
        self.record("ReconnectDomains", request.into_inner());
        for (config, connected) in &mut self.state.lock().unwrap().registered {
            *connected |= !config.manual_connect;
        }
        Ok(Response::new(wire::ReconnectDomainsResponse {}))
    }
    async fn register_domain(
        &self,
        request: Request<wire::RegisterDomainRequest>,
    ) -> Answer<wire::RegisterDomainResponse> {
        let request = request.into_inner();
        self.record("RegisterDomain", &request);
        let add = request.add.ok_or_else(|| Status::invalid_argument("no domain"))?;
        self.state.lock().unwrap().registered.push((add, false));
        Ok(Response::new(wire::RegisterDomainResponse {}))
    }
    async fn modify_domain(
        &self,
        request: Request<wire::ModifyDomainRequest>,
    ) -> Answer<wire::ModifyDomainResponse> {
        let request = request.into_inner();
        self.record("ModifyDomain", &request);
        let new = request.modify.ok_or_else(|| Status::invalid_argument("no domain"))?;
        let mut state = self.state.lock().unwrap();
        let known = state.registered.iter_mut().find(|(config, _)| config.domain_alias == new.domain_alias);
        known.ok_or_else(|| Status::not_found("no such domain"))?.0 = new;
        Ok(Response::new(wire::ModifyDomainResponse {}))
    }
    async fn connect_domain(
        &self,
        request: Request<wire::ConnectDomainRequest>,
    ) -> Answer<wire::ConnectDomainResponse> {
        let request = request.into_inner();
        self.record("ConnectDomain", &request);
        let mut state = self.state.lock().unwrap();
        let connected_successfully = !state.is_closed;
        let known =
            state.registered.iter_mut().find(|(config, _)| config.domain_alias == request.domain_alias);
        known.ok_or_else(|| Status::not_found("no such domain"))?.1 = connected_successfully;
        Ok(Response::new(wire::ConnectDomainResponse { connected_successfully }))
    }
    async fn disconnect_domain(
        &self,
        request: Request<wire::DisconnectDomainRequest>,
    ) -> Answer<wire::DisconnectDomainResponse> {
        let request = request.into_inner();
        self.record("DisconnectDomain", &request);
        for (config, connected) in &mut self.state.lock().unwrap().registered {
            *connected &= config.domain_alias != request.domain_alias;
        }
        Ok(Response::new(wire::DisconnectDomainResponse {}))
    }
    async fn list_connected_domains(
        &self,
        _: Request<wire::ListConnectedDomainsRequest>,
    ) -> Answer<wire::ListConnectedDomainsResponse> {
        let registered = self.state.lock().unwrap().registered.clone();
        let connected = registered.into_iter().filter(|(_, connected)| *connected);
        let connected = connected.map(|(config, _)| wire::list_connected_domains_response::Result {
            domain_alias: config.domain_alias,
            domain_id: "mydomain::1220dd".to_owned(),
            healthy: true,
        });
        Ok(Response::new(wire::ListConnectedDomainsResponse { connected_domains: connected.collect() }))
    }
    async fn list_configured_domains(
        &self,
        _: Request<wire::ListConfiguredDomainsRequest>,
    ) -> Answer<wire::ListConfiguredDomainsResponse> {
        let registered = self.state.lock().unwrap().registered.clone();
        let results = registered.into_iter().map(|(config, connected)| {
            wire::list_configured_domains_response::Result { config: Some(config), connected }
        });
        Ok(Response::new(wire::ListConfiguredDomainsResponse { results: results.collect() }))
    }
    async fn get_agreement(
        &self,
        request: Request<wire::GetAgreementRequest>,
    ) -> Answer<wire::GetAgreementResponse> {
        self.record("GetAgreement", request.into_inner());
        let agreement = self.state.lock().unwrap().agreement.clone();
        let accepted = agreement.as_ref().is_some_and(|(_, accepted)| *accepted);
        Ok(Response::new(wire::GetAgreementResponse {
            domain_id: "mydomain::1220dd".to_owned(),
            agreement: agreement.map(|(agreement, _)| agreement),
            accepted,
        }))
    }
    async fn accept_agreement(
        &self,
        request: Request<wire::AcceptAgreementRequest>,
    ) -> Answer<wire::AcceptAgreementResponse> {
        self.record("AcceptAgreement", request.into_inner());
        if let Some((_, accepted)) = &mut self.state.lock().unwrap().agreement {
            *accepted = true;
        }
        Ok(Response::new(wire::AcceptAgreementResponse {}))
    }
    async fn get_domain_id(&self, _: Request<wire::GetDomainIdRequest>) -> Answer<wire::GetDomainIdResponse> {
        Ok(Response::new(wire::GetDomainIdResponse { domain_id: "mydomain::1220dd".to_owned() }))
    }
}

#[tonic::async_trait]
impl wire::ping_service_server::PingService for Fake {
    async fn ping(&self, request: Request<wire::PingRequest>) -> Answer<wire::PingResponse> {
        let request = request.into_inner();
        self.record("Ping", &request);
        let response = if request.target_parties.iter().any(|party| party.starts_with("nobody")) {
            wire::ping_response::Response::Failure(wire::PingFailure {})
        } else {
            let responder = request.target_parties.first().cloned().unwrap_or_default();
            wire::ping_response::Response::Success(wire::PingSuccess { ping_time: 413, responder })
        };
        Ok(Response::new(wire::PingResponse { response: Some(response) }))
    }
}

#[tonic::async_trait]
impl wire::party_name_management_service_server::PartyNameManagementService for Fake {
    async fn set_party_display_name(
        &self,
        request: Request<wire::SetPartyDisplayNameRequest>,
    ) -> Answer<wire::SetPartyDisplayNameResponse> {
        self.record("SetPartyDisplayName", request.into_inner());
        Ok(Response::new(wire::SetPartyDisplayNameResponse {}))
    }
}
