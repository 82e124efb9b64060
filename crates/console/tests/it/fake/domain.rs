//! The administration of fake domains, domain managers, sequencers and mediators.

use cantle_proto::cantle::admin::v1::{DescribeNodeRequest, DescribeNodeResponse, node_service_server};
use cantle_proto::crypto::v0 as crypto;
use cantle_proto::domain::admin::{v0 as wire, v1};
use cantle_proto::domain::api::v0 as api;
use cantle_proto::protocol::v1::StaticDomainParameters;
use tonic::{Request, Response, Status};

use super::{Answer, Fake, refused};

fn parameters() -> StaticDomainParameters {
    StaticDomainParameters {
        unique_contract_keys: true,
        required_signing_key_schemes: vec![1, 2, 3],
        required_encryption_key_schemes: vec![3],
        required_symmetric_key_schemes: vec![1],
        required_hash_algorithms: vec![1],
        required_crypto_key_formats: vec![2, 3],
        protocol_version: 7,
    }
}

#[tonic::async_trait]
impl wire::domain_initialization_service_server::DomainInitializationService for Fake {
    async fn init(&self, request: Request<wire::DomainInitRequest>) -> Answer<()> {
        self.record("Init", request.into_inner());
        self.state.lock().unwrap().is_founded = true;
        Ok(Response::new(()))
    }
}

#[tonic::async_trait]
impl wire::domain_service_server::DomainService for Fake {
    async fn get_domain_parameters_versioned(
        &self,
        _: Request<wire::get_domain_parameters::Request>,
    ) -> Answer<wire::get_domain_parameters::Response> {
        let parameters = wire::get_domain_parameters::response::Parameters::ParametersV1(parameters());
        Ok(Response::new(wire::get_domain_parameters::Response { parameters: Some(parameters) }))
    }
    refused! {
        list_service_agreement_acceptances(()) -> wire::ServiceAgreementAcceptances;
        get_domain_parameters(()) -> cantle_proto::protocol::v0::StaticDomainParameters;
    }
}

#[tonic::async_trait]
impl wire::sequencer_initialization_service_server::SequencerInitializationService for Fake {
    async fn init_v1(&self, request: Request<v1::InitRequest>) -> Answer<wire::InitResponse> {
        let request = request.into_inner();
        let version = request.domain_parameters.unwrap_or_default().protocol_version;
        let topology = request.topology_snapshot.unwrap_or_default().items.len();
        self.record("InitV1", (request.domain_id, version, topology, request.snapshot.is_some()));
        let name = format!("{}-signing", self.name.as_deref().unwrap_or_default());
        let known = self.state.lock().unwrap().keys.iter().find(|key| key.name == name).cloned();
        let known = known.and_then(|key| key.public_key?.key);
        let public_key = match known {
            Some(crypto::public_key::Key::SigningPublicKey(key)) => key,
            _ => self.signing(&self.next(), &name),
        };
        self.state.lock().unwrap().is_founded = true;
        let answer = wire::InitResponse {
            key_id: "sequencer-id".to_owned(),
            public_key: Some(public_key),
            replicated: false,
        };
        Ok(Response::new(answer))
    }
    refused! {
        init(wire::InitRequest) -> wire::InitResponse;
    }
}

#[tonic::async_trait]
impl wire::topology_bootstrap_service_server::TopologyBootstrapService for Fake {
    async fn bootstrap(&self, request: Request<wire::TopologyBootstrapRequest>) -> Answer<()> {
        let items = request.into_inner().initial_topology_snapshot.unwrap_or_default().items;
        self.record("Bootstrap", format!("{} transactions", items.len()));
        let mut state = self.state.lock().unwrap();
        if !state.transactions.is_empty() {
            return Err(Status::already_exists("the domain has its first message"));
        }
        state.transactions = items.into_iter().map(|item| item.transaction).collect();
        Ok(Response::new(()))
    }
}

#[tonic::async_trait]
impl wire::mediator_initialization_service_server::MediatorInitializationService for Fake {
    async fn initialize(
        &self,
        request: Request<wire::InitializeMediatorRequest>,
    ) -> Answer<wire::InitializeMediatorResponse> {
        use wire::initialize_mediator_response::{Success, Value};
        let request = request.into_inner();
        let topology = request.current_identity_state.map(|topology| topology.items.len());
        let version = request.domain_parameters.unwrap_or_default().protocol_version;
        self.record(
            "Initialize",
            (request.domain_id, request.mediator_id, version, request.sequencer_connection, topology),
        );
        let mut state = self.state.lock().unwrap();
        state.is_founded = true;
        let key = state.keys.last().cloned().and_then(|key| key.public_key?.key);
        let Some(crypto::public_key::Key::SigningPublicKey(key)) = key else {
            return Err(Status::failed_precondition("no key"));
        };
        let value = Some(Value::Success(Success { mediator_key: Some(key) }));
        Ok(Response::new(wire::InitializeMediatorResponse { value }))
    }
}

#[tonic::async_trait]
impl wire::enterprise_sequencer_connection_service_server::EnterpriseSequencerConnectionService for Fake {
    async fn get_connection(
        &self,
        _: Request<wire::GetConnectionRequest>,
    ) -> Answer<wire::GetConnectionResponse> {
        let known = self.state.lock().unwrap().connection.clone().unwrap_or_default();
        Ok(Response::new(wire::GetConnectionResponse {
            sequencer_connections: known.sequencer_connections,
            sequencer_trust_threshold: known.sequencer_trust_threshold,
        }))
    }
    async fn set_connection(&self, request: Request<wire::SetConnectionRequest>) -> Answer<()> {
        let request = request.into_inner();
        self.record("SetConnection", &request);
        self.state.lock().unwrap().connection = Some(request);
        Ok(Response::new(()))
    }
}

#[tonic::async_trait]
impl wire::sequencer_administration_service_server::SequencerAdministrationService for Fake {
    async fn pruning_status(&self, _: Request<()>) -> Answer<wire::SequencerPruningStatus> {
        let at = |seconds: i64| Some(prost_types::Timestamp { seconds, nanos: 0 });
        let member = wire::SequencerMemberStatus {
            member: "MED::mydomain::1220dd".to_owned(),
            registered_at: at(1_700_000_000),
            last_acknowledged: None,
            enabled: true,
        };
        Ok(Response::new(wire::SequencerPruningStatus {
            now: at(1_700_000_060),
            earliest_event_timestamp: at(1_700_000_000),
            members: vec![member],
        }))
    }
}

#[tonic::async_trait]
impl wire::enterprise_sequencer_administration_service_server::EnterpriseSequencerAdministrationService
    for Fake
{
    async fn snapshot(&self, request: Request<wire::snapshot::Request>) -> Answer<wire::snapshot::Response> {
        let request = request.into_inner();
        self.record("Snapshot", request);
        use wire::snapshot::response::Value;
        let is_past = request.timestamp.as_ref().is_some_and(|time| time.seconds < 1_700_000_060);
        let value = if is_past {
            let state = wire::SequencerSnapshot {
                latest_timestamp: request.timestamp,
                head_member_counters: [("MED::mydomain::1220dd".to_owned(), 7)].into(),
                status: None,
                additional: None,
            };
            Value::Success(wire::snapshot::Success { state: Some(state) })
        } else {
            Value::Failure(wire::snapshot::Failure { reason: "it is too early".to_owned() })
        };
        Ok(Response::new(wire::snapshot::Response { value: Some(value) }))
    }

    async fn disable_member(&self, request: Request<wire::DisableMemberRequest>) -> Answer<()> {
        self.record("DisableMember", request.into_inner());
        Ok(Response::new(()))
    }
}

#[tonic::async_trait]
impl api::domain_time_service_server::DomainTimeService for Fake {
    async fn fetch_time(&self, request: Request<api::FetchTimeRequest>) -> Answer<api::FetchTimeResponse> {
        self.record("FetchTime", request.into_inner());
        let timestamp = Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 1_000 });
        Ok(Response::new(api::FetchTimeResponse { timestamp }))
    }
    async fn await_time(&self, request: Request<api::AwaitTimeRequest>) -> Answer<()> {
        self.record("AwaitTime", request.into_inner());
        Ok(Response::new(()))
    }
}

#[tonic::async_trait]
impl node_service_server::NodeService for Fake {
    async fn describe_node(&self, _: Request<DescribeNodeRequest>) -> Answer<DescribeNodeResponse> {
        let sequencer_database = self.state.lock().unwrap().database.clone();
        Ok(Response::new(DescribeNodeResponse { sequencer_database, ..DescribeNodeResponse::default() }))
    }
}
