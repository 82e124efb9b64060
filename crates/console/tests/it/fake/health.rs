//! How a fake node is.

use cantle_proto::domain::admin::v0 as domain;
use cantle_proto::health::admin::{v0 as health, v1};
use cantle_proto::participant::admin::v0 as participant;
use tonic::{Request, Response, Status};

use super::{Answer, Fake, refused};

#[tonic::async_trait]
impl health::status_service_server::StatusService for Fake {
    type HealthDumpStream = tokio_stream::Iter<std::vec::IntoIter<Result<health::HealthDumpChunk, Status>>>;

    async fn status(&self, _: Request<()>) -> Answer<health::NodeStatus> {
        let response = match self.is_initialized() {
            false => health::node_status::Response::NotInitialized(health::node_status::NotInitialized {
                active: true,
            }),
            true => health::node_status::Response::Success(health::node_status::Status {
                id: self.state.lock().unwrap().uid.clone().unwrap_or_default(),
                uptime: Some(prost_types::Duration { seconds: 5, nanos: 0 }),
                ports: [("admin".to_owned(), 5002), ("public".to_owned(), 5018)].into(),
                active: true,
                ..health::node_status::Status::default()
            }),
        };
        Ok(Response::new(health::NodeStatus { response: Some(response) }))
    }
    async fn health_dump(&self, _: Request<health::HealthDumpRequest>) -> Answer<Self::HealthDumpStream> {
        let chunks = vec![
            Ok(health::HealthDumpChunk { chunk: b"PK".to_vec() }),
            Ok(health::HealthDumpChunk { chunk: b"dump".to_vec() }),
        ];
        Ok(Response::new(tokio_stream::iter(chunks)))
    }
    async fn set_log_level(
        &self,
        request: Request<health::SetLogLevelRequest>,
    ) -> Answer<health::SetLogLevelResponse> {
        self.record("SetLogLevel", request.into_inner());
        Ok(Response::new(health::SetLogLevelResponse {}))
    }
    refused! {
        get_last_errors(health::GetLastErrorsRequest) -> health::GetLastErrorsResponse;
        get_error_trace(health::GetLastErrorTraceRequest) -> health::GetLastErrorTraceResponse;
    }
}

impl Fake {
    /// What all kinds say; or that they are not initialized.
    fn common(&self) -> Result<v1::Status, health::node_status::NotInitialized> {
        if !self.is_initialized() {
            return Err(health::node_status::NotInitialized { active: true });
        }
        use health::node_status::component_status::{Status as State, StatusData};
        let component = |name: &str, status: State| health::node_status::ComponentStatus {
            name: name.to_owned(),
            status: Some(status),
        };
        let slow = StatusData { description: Some("slow".to_owned()) };
        Ok(v1::Status {
            uid: self.state.lock().unwrap().uid.clone().unwrap_or_default(),
            uptime: Some(prost_types::Duration { seconds: 5, nanos: 0 }),
            ports: [("admin".to_owned(), 5002)].into(),
            active: true,
            topology_queues: Some(health::TopologyQueueStatus { manager: 0, dispatcher: 0, clients: 0 }),
            components: vec![
                component("db-storage", State::Ok(StatusData::default())),
                component("kms", State::Degraded(slow)),
            ],
            version: "0.1.0".to_owned(),
        })
    }
}

fn sequencer() -> Option<health::SequencerHealthStatus> {
    Some(health::SequencerHealthStatus { active: true, details: None })
}

#[tonic::async_trait]
impl participant::participant_status_service_server::ParticipantStatusService for Fake {
    async fn participant_status(
        &self,
        _: Request<participant::ParticipantStatusRequest>,
    ) -> Answer<participant::ParticipantStatusResponse> {
        use participant::participant_status_response::{Kind, ParticipantStatusResponseStatus};
        let kind = match self.common() {
            Ok(common) => Kind::Status(ParticipantStatusResponseStatus {
                common_status: Some(common),
                connected_domains: vec![participant::ConnectedDomain {
                    domain_id: "mydomain::1220dd".to_owned(),
                    healthy: true,
                }],
                active: true,
                supported_protocol_versions: vec![5, 7],
            }),
            Err(not) => Kind::Unavailable(not),
        };
        Ok(Response::new(participant::ParticipantStatusResponse { kind: Some(kind) }))
    }
}

#[tonic::async_trait]
impl domain::domain_status_service_server::DomainStatusService for Fake {
    async fn domain_status(
        &self,
        _: Request<domain::DomainStatusRequest>,
    ) -> Answer<domain::DomainStatusResponse> {
        use domain::domain_status_response::{DomainStatusResponseStatus, Kind};
        let kind = match self.common() {
            Ok(common) => Kind::Status(DomainStatusResponseStatus {
                common_status: Some(common),
                connected_participants_uid: vec!["participant1::1220ns".to_owned()],
                sequencer: sequencer(),
                protocol_version: 7,
            }),
            Err(not) => Kind::Unavailable(not),
        };
        Ok(Response::new(domain::DomainStatusResponse { kind: Some(kind) }))
    }
}

#[tonic::async_trait]
impl domain::domain_manager_status_service_server::DomainManagerStatusService for Fake {
    async fn domain_manager_status(
        &self,
        _: Request<domain::DomainManagerStatusRequest>,
    ) -> Answer<domain::DomainManagerStatusResponse> {
        use domain::domain_manager_status_response::{DomainManagerStatusResponseStatus, Kind};
        let kind = match self.common() {
            Ok(common) => Kind::Status(DomainManagerStatusResponseStatus {
                common_status: Some(common),
                protocol_version: 7,
            }),
            Err(not) => Kind::Unavailable(not),
        };
        Ok(Response::new(domain::DomainManagerStatusResponse { kind: Some(kind) }))
    }
}

#[tonic::async_trait]
impl domain::sequencer_status_service_server::SequencerStatusService for Fake {
    async fn sequencer_status(
        &self,
        _: Request<domain::SequencerStatusRequest>,
    ) -> Answer<domain::SequencerStatusResponse> {
        use domain::sequencer_status_response::{Kind, SequencerStatusResponseStatus};
        let kind = match self.common() {
            Ok(common) => Kind::Status(SequencerStatusResponseStatus {
                common_status: Some(common),
                connected_participants_uid: vec!["participant1::1220ns".to_owned()],
                connected_mediators_uid: vec!["mydomain::1220dd".to_owned()],
                sequencer: sequencer(),
                domain_id: "mydomain::1220dd".to_owned(),
                admin: Some(health::SequencerAdminStatus { accepts_admin_changes: true }),
                protocol_version: 7,
            }),
            Err(not) => Kind::Unavailable(not),
        };
        Ok(Response::new(domain::SequencerStatusResponse { kind: Some(kind) }))
    }
}

#[tonic::async_trait]
impl domain::mediator_status_service_server::MediatorStatusService for Fake {
    // As a node of another version, which has only the service that all kinds share.
    async fn mediator_status(
        &self,
        _: Request<domain::MediatorStatusRequest>,
    ) -> Answer<domain::MediatorStatusResponse> {
        Err(Status::unimplemented("no status of mediators"))
    }
}
