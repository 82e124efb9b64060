//! The services of a participant: the domains that it is on, its pings, its status.
//!
//! Source: <https://docs.daml.com/canton/usermanual/connectivity.html>

use std::{collections::BTreeSet, time::Duration};

use cantle_participant::{ParticipantNode, PingRequest as Ping};
use cantle_proto::participant::admin::v0::{
    AcceptAgreementRequest, AcceptAgreementResponse, Agreement, ConnectDomainRequest, ConnectDomainResponse,
    DisconnectDomainRequest, DisconnectDomainResponse, GetAgreementRequest, GetAgreementResponse,
    GetDomainIdRequest, GetDomainIdResponse, ListConfiguredDomainsRequest, ListConfiguredDomainsResponse,
    ListConnectedDomainsRequest, ListConnectedDomainsResponse, ModifyDomainRequest, ModifyDomainResponse,
    PingRequest, PingResponse, PingSuccess, ReconnectDomainsRequest, ReconnectDomainsResponse,
    RegisterDomainRequest, RegisterDomainResponse,
    domain_connectivity_service_server::DomainConnectivityService, list_configured_domains_response,
    list_connected_domains_response, ping_response::Response as PingAnswer, ping_service_server::PingService,
};
use cantle_types::{DomainAlias, PartyId};
use tonic::{Request, Response, Status};

use crate::{
    PingFeed, PingState,
    parse::text,
    status::{ToStatus, missing, unsupported},
};

/// How long a ping may take when the request says nothing.
const PING_WITHIN: Duration = Duration::from_secs(30);

/// The services of one participant.
#[derive(Clone, Debug)]
pub(crate) struct ParticipantAdmin {
    pub(crate) node: ParticipantNode,
    /// Told of each ping.
    pub(crate) pings: PingFeed,
}

fn alias(alias: &str) -> Result<DomainAlias, Status> {
    text("domain_alias", alias)
}

#[tonic::async_trait]
impl DomainConnectivityService for ParticipantAdmin {
    async fn reconnect_domains(
        &self,
        request: Request<ReconnectDomainsRequest>,
    ) -> Result<Response<ReconnectDomainsResponse>, Status> {
        let ignore = request.into_inner().ignore_failures;
        for alias in self.node.automatic().await.map_err(|error| error.to_status())? {
            match self.node.connect(&alias).await {
                Err(error) if !ignore => return Err(error.to_status()),
                _ => {}
            }
        }
        Ok(Response::new(ReconnectDomainsResponse {}))
    }

    async fn register_domain(
        &self,
        request: Request<RegisterDomainRequest>,
    ) -> Result<Response<RegisterDomainResponse>, Status> {
        let config = request.into_inner().add.ok_or_else(|| missing("add"))?;
        self.node.register(&config).await.map_err(|error| error.to_status())?;
        if !config.manual_connect {
            // The domain stays registered if this fails: it can be connected to later.
            let alias = alias(&config.domain_alias)?;
            self.node.connect(&alias).await.map_err(|error| error.to_status())?;
        }
        Ok(Response::new(RegisterDomainResponse {}))
    }

    async fn modify_domain(
        &self,
        request: Request<ModifyDomainRequest>,
    ) -> Result<Response<ModifyDomainResponse>, Status> {
        let config = request.into_inner().modify.ok_or_else(|| missing("modify"))?;
        self.node.modify(&config).await.map_err(|error| error.to_status())?;
        Ok(Response::new(ModifyDomainResponse {}))
    }

    async fn connect_domain(
        &self,
        request: Request<ConnectDomainRequest>,
    ) -> Result<Response<ConnectDomainResponse>, Status> {
        let ConnectDomainRequest { domain_alias, retry } = request.into_inner();
        let alias = alias(&domain_alias)?;
        match self.node.connect(&alias).await {
            Ok(_) => Ok(Response::new(ConnectDomainResponse { connected_successfully: true })),
            Err(error) if retry && error.retryable() => {
                let participant = self.node.clone();
                // It goes on until it succeeds, or nothing helps, which it logs.
                tokio::spawn(async move {
                    if let Err(error) = participant.connect_persistently(&alias).await {
                        tracing::error!(%alias, error = crate::status::chain(&error), "a domain is not connected to");
                    }
                });
                Ok(Response::new(ConnectDomainResponse { connected_successfully: false }))
            }
            Err(error) => Err(error.to_status()),
        }
    }

    async fn disconnect_domain(
        &self,
        request: Request<DisconnectDomainRequest>,
    ) -> Result<Response<DisconnectDomainResponse>, Status> {
        let alias = alias(&request.into_inner().domain_alias)?;
        self.node.disconnect(&alias).await.map_err(|error| error.to_status())?;
        Ok(Response::new(DisconnectDomainResponse {}))
    }

    async fn list_connected_domains(
        &self,
        _request: Request<ListConnectedDomainsRequest>,
    ) -> Result<Response<ListConnectedDomainsResponse>, Status> {
        let connected = self.node.list_connected().await.into_iter();
        let connected_domains = connected.map(|domain| list_connected_domains_response::Result {
            domain_alias: domain.alias.to_string(),
            domain_id: domain.domain.to_string(),
            healthy: domain.healthy,
        });
        Ok(Response::new(ListConnectedDomainsResponse { connected_domains: connected_domains.collect() }))
    }

    async fn list_configured_domains(
        &self,
        _request: Request<ListConfiguredDomainsRequest>,
    ) -> Result<Response<ListConfiguredDomainsResponse>, Status> {
        let registered = self.node.list_registered().await.map_err(|error| error.to_status())?.into_iter();
        let results = registered.map(|(config, connected)| list_configured_domains_response::Result {
            config: Some(config),
            connected,
        });
        Ok(Response::new(ListConfiguredDomainsResponse { results: results.collect() }))
    }

    async fn get_agreement(
        &self,
        request: Request<GetAgreementRequest>,
    ) -> Result<Response<GetAgreementResponse>, Status> {
        let alias = alias(&request.into_inner().domain_alias)?;
        let (domain, agreement, accepted) =
            self.node.agreement(&alias).await.map_err(|error| error.to_status())?;
        Ok(Response::new(GetAgreementResponse {
            domain_id: domain.to_string(),
            agreement: agreement.map(|agreement| Agreement { id: agreement.id, text: agreement.legal_text }),
            accepted,
        }))
    }

    async fn accept_agreement(
        &self,
        request: Request<AcceptAgreementRequest>,
    ) -> Result<Response<AcceptAgreementResponse>, Status> {
        let AcceptAgreementRequest { domain_alias, agreement_id } = request.into_inner();
        let alias = alias(&domain_alias)?;
        self.node.accept_agreement(&alias, &agreement_id).await.map_err(|error| error.to_status())?;
        Ok(Response::new(AcceptAgreementResponse {}))
    }

    async fn get_domain_id(
        &self,
        request: Request<GetDomainIdRequest>,
    ) -> Result<Response<GetDomainIdResponse>, Status> {
        let alias = alias(&request.into_inner().domain_alias)?;
        let domain = self.node.domain_id(&alias).await.map_err(|error| error.to_status())?;
        Ok(Response::new(GetDomainIdResponse { domain_id: domain.to_string() }))
    }
}

#[tonic::async_trait]
impl PingService for ParticipantAdmin {
    async fn ping(&self, request: Request<PingRequest>) -> Result<Response<PingResponse>, Status> {
        let request = request.into_inner();
        if request.levels > 0 {
            return Err(unsupported("a ping of several levels (a bong); leave levels at 0"));
        }
        let parties = |field: &str, parties: &[String]| {
            parties.iter().map(|party| text::<PartyId>(field, party)).collect::<Result<BTreeSet<_>, _>>()
        };
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        let timeout = match request.timeout_milliseconds {
            0 => PING_WITHIN,
            milliseconds => Duration::from_millis(milliseconds),
        };
        let ping = Ping {
            responders: parties("target_parties", &request.target_parties)?,
            validators: parties("validators", &request.validators)?,
            id: some(request.id),
            workflow_id: some(request.workflow_id),
            timeout,
        };
        let under_way = self.pings.begin(request.target_parties);
        let success = match self.node.ping(ping).await {
            Ok(success) => success,
            Err(error) => {
                let status = error.to_status();
                under_way.end(PingState::Failed { reason: status.message().to_owned() });
                return Err(status);
            }
        };
        under_way.end(PingState::Succeeded { time: success.time });
        Ok(Response::new(PingResponse {
            response: Some(PingAnswer::Success(PingSuccess {
                ping_time: u64::try_from(success.time.as_millis()).unwrap_or(u64::MAX),
                responder: success.responder.to_string(),
            })),
        }))
    }
}
