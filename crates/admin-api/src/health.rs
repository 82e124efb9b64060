//! `health.admin.v0.StatusService` and `participant.admin.v0.ParticipantStatusService`: how a node is.
//!
//! Not `grpc.health.v1`, which the server adds and the node sets.

use std::{collections::BTreeMap, sync::Arc};

use cantle_domain_manager::{DomainManagerNode, Phase};
use cantle_proto::{
    health::admin::{
        v0::{
            DomainStatusInfo, GetLastErrorTraceRequest, GetLastErrorTraceResponse, GetLastErrorsRequest,
            GetLastErrorsResponse, HealthDumpChunk, HealthDumpRequest, MediatorNodeStatus, NodeStatus,
            ParticipantStatusInfo, SequencerAdminStatus, SequencerNodeStatus, SetLogLevelRequest,
            SetLogLevelResponse, TopologyQueueStatus, get_last_errors_response as wire,
            node_status::{
                self, ComponentStatus, NotInitialized,
                component_status::{Status as Component, StatusData},
            },
            participant_status_info,
            status_service_server::StatusService,
        },
        v1,
    },
    participant::admin::v0::{
        ConnectedDomain, ParticipantStatusRequest, ParticipantStatusResponse, participant_status_response,
        participant_status_service_server::ParticipantStatusService,
    },
};
use cantle_sequencer::Sequencer;
use cantle_store::NodeIdentity;
use cantle_types::{Clock, ProtocolVersion, UniqueIdentifier};
use jiff::Timestamp;
use prost::Message;
use tokio::sync::{Mutex, watch};
use tokio_stream::Iter;
use tonic::{Request, Response, Status};

use crate::{
    NodeTopology, dump,
    handles::{ComponentHealth, Diagnostics, LastError, LogLevel, NodeHealth, RoleHandles},
    sequencer::{connected, sequencer_health},
};

/// Both services of one node.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    pub(crate) topology: NodeTopology,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) started: Timestamp,
    pub(crate) ports: BTreeMap<String, u16>,
    pub(crate) health: watch::Receiver<NodeHealth>,
    pub(crate) level: Arc<dyn LogLevel>,
    pub(crate) role: RoleHandles,
    pub(crate) diagnostics: Arc<dyn Diagnostics>,
    pub(crate) node: NodeIdentity,
    /// Held while a dump is made: one at a time.
    pub(crate) dumping: Arc<Mutex<()>>,
}

impl Health {
    fn uptime(&self) -> prost_types::Duration {
        let up = self.clock.now().duration_since(self.started);
        prost_types::Duration { seconds: up.as_secs(), nanos: up.subsec_nanos() }
    }

    fn ports(&self) -> std::collections::HashMap<String, i32> {
        self.ports.iter().map(|(name, port)| (name.clone(), i32::from(*port))).collect()
    }

    fn components(&self) -> Vec<ComponentStatus> {
        let component = |health: &ComponentHealth| {
            let both = [&health.trouble, &health.detail];
            let said: Vec<&str> = both.into_iter().flatten().map(String::as_str).collect();
            let data = StatusData { description: (!said.is_empty()).then(|| said.join("; ")) };
            let status = if health.trouble.is_none() { Component::Ok(data) } else { Component::Failed(data) };
            ComponentStatus { name: health.name.clone(), status: Some(status) }
        };
        self.health.borrow().components.iter().map(component).collect()
    }

    /// The node's unique identifier once it can do what it is for: a domain manager needs a sequencer too.
    fn initialized(&self) -> Option<UniqueIdentifier> {
        let uid = self.topology.uid()?;
        match &self.role {
            RoleHandles::DomainManager(node) if *node.phase().borrow() != Phase::Connected => None,
            RoleHandles::Domain(domain) => domain.sequencer.sequencer().map(|_| uid),
            RoleHandles::Sequencer(node) => node.sequencer().map(|_| uid),
            _ => Some(uid),
        }
    }

    /// What only a node of its kind says: a message of its own, as bytes.
    async fn extra(&self, uid: &UniqueIdentifier) -> Vec<u8> {
        match &self.role {
            RoleHandles::Participant(node) => {
                let connected = node.list_connected().await.into_iter();
                let connected_domains = connected.map(|domain| participant_status_info::ConnectedDomain {
                    domain: domain.domain.to_string(),
                    healthy: domain.healthy,
                });
                ParticipantStatusInfo { connected_domains: connected_domains.collect(), active: true }
                    .encode_to_vec()
            }
            RoleHandles::Domain(domain) => match domain.sequencer.sequencer() {
                Some(sequencer) => DomainStatusInfo {
                    connected_participants: connected(&sequencer).0,
                    sequencer: Some(sequencer_health(&sequencer)),
                }
                .encode_to_vec(),
                None => Vec::new(),
            },
            RoleHandles::DomainManager(_) => Vec::new(),
            RoleHandles::Sequencer(node) => match node.sequencer() {
                Some(sequencer) => {
                    let (connected_participants, connected_mediators) = connected(&sequencer);
                    SequencerNodeStatus {
                        connected_participants,
                        connected_mediators,
                        sequencer: Some(sequencer_health(&sequencer)),
                        domain_id: uid.to_string(),
                        admin: Some(SequencerAdminStatus { accepts_admin_changes: true }),
                    }
                    .encode_to_vec()
                }
                None => Vec::new(),
            },
            RoleHandles::Mediator(node) => {
                let domain_id = node.domain().map(|domain| domain.to_string()).unwrap_or_default();
                MediatorNodeStatus { domain_id }.encode_to_vec()
            }
        }
    }

    async fn connected_domains(&self) -> Vec<ConnectedDomain> {
        let RoleHandles::Participant(node) = &self.role else { return Vec::new() };
        let connected = node.list_connected().await.into_iter();
        connected
            .map(|domain| ConnectedDomain { domain_id: domain.domain.to_string(), healthy: domain.healthy })
            .collect()
    }

    /// What of the topology is under way: not yet told to a domain, or told and not yet in effect.
    async fn queues(&self) -> TopologyQueueStatus {
        let (dispatcher, clients) = match &self.role {
            RoleHandles::Participant(node) => {
                let (last, connected) = (self.last_change(), node.list_connected().await);
                let waiting = connected.iter().map(|domain| {
                    // What was authorized a moment ago is not counted by the outbox yet.
                    domain.outbox.pending.max(usize::from(last > domain.outbox.looked))
                });
                (waiting.sum(), connected.iter().filter(|domain| domain.awaits_topology).count())
            }
            RoleHandles::DomainManager(node) => {
                (self.not_dispatched(node), usize::from(node.awaits_topology().await))
            }
            RoleHandles::Domain(domain) => {
                (self.not_dispatched(&domain.manager), coming(domain.sequencer.sequencer().as_ref()))
            }
            RoleHandles::Sequencer(node) => (0, coming(node.sequencer().as_ref())),
            RoleHandles::Mediator(node) => (0, usize::from(node.awaits_topology().await)),
        };
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        TopologyQueueStatus { manager: 0, dispatcher: count(dispatcher), clients: count(clients) }
    }

    /// When the node last changed its own topology, since it was started.
    fn last_change(&self) -> Option<Timestamp> {
        self.topology.manager().and_then(|manager| *manager.changes().borrow())
    }

    fn not_dispatched(&self, node: &DomainManagerNode) -> usize {
        if *node.phase().borrow() != Phase::Connected {
            return 0;
        }
        let last = self.last_change();
        let status = *node.dispatch_status().borrow();
        status.pending.max(usize::from(last > status.dispatched))
    }

    async fn node_status(&self) -> NodeStatus {
        let response = match self.initialized() {
            None => node_status::Response::NotInitialized(NotInitialized { active: true }),
            Some(uid) => node_status::Response::Success(node_status::Status {
                id: uid.to_string(),
                uptime: Some(self.uptime()),
                ports: self.ports(),
                extra: self.extra(&uid).await,
                active: true,
                topology_queues: Some(self.queues().await),
                components: self.components(),
            }),
        };
        NodeStatus { response: Some(response) }
    }

    pub(crate) async fn v1(&self, uid: &UniqueIdentifier) -> v1::Status {
        v1::Status {
            uid: uid.to_string(),
            uptime: Some(self.uptime()),
            ports: self.ports(),
            active: true,
            topology_queues: Some(self.queues().await),
            components: self.components(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// Changes that the sequencer has sequenced and that are not in effect yet.
fn coming(sequencer: Option<&Sequencer>) -> usize {
    usize::from(sequencer.is_some_and(Sequencer::awaits_topology))
}

#[tonic::async_trait]
impl StatusService for Health {
    async fn status(&self, _request: Request<()>) -> Result<Response<NodeStatus>, Status> {
        Ok(Response::new(self.node_status().await))
    }

    type HealthDumpStream = Iter<std::vec::IntoIter<Result<HealthDumpChunk, Status>>>;

    async fn health_dump(
        &self,
        request: Request<HealthDumpRequest>,
    ) -> Result<Response<Self::HealthDumpStream>, Status> {
        let Ok(_alone) = self.dumping.try_lock() else {
            return Err(Status::resource_exhausted(
                "DUMP_IN_PROGRESS: a health dump of this node is being made",
            ));
        };
        let files = dump::files(&self.node, &self.node_status().await, &*self.diagnostics);
        let archive = tokio::task::spawn_blocking(move || dump::archive(&files)).await;
        let archive = match archive {
            Ok(Ok(archive)) => archive,
            Ok(Err(error)) => return Err(Status::internal(format!("DUMP_FAILED: {error}"))),
            Err(error) => return Err(Status::internal(format!("DUMP_FAILED: {error}"))),
        };
        let chunks: Vec<_> =
            dump::chunks(&archive, request.into_inner().chunk_size).into_iter().map(Ok).collect();
        Ok(Response::new(tokio_stream::iter(chunks)))
    }

    async fn set_log_level(
        &self,
        request: Request<SetLogLevelRequest>,
    ) -> Result<Response<SetLogLevelResponse>, Status> {
        self.level.set(&request.into_inner().level).map_err(|error| {
            Status::invalid_argument(format!("INVALID_ARGUMENT: {}", crate::status::chain(&*error)))
        })?;
        Ok(Response::new(SetLogLevelResponse {}))
    }

    async fn get_last_errors(
        &self,
        _request: Request<GetLastErrorsRequest>,
    ) -> Result<Response<GetLastErrorsResponse>, Status> {
        let errors = self.diagnostics.last_errors().into_iter();
        let errors = errors.map(|LastError { trace_id, message }| wire::Error { trace_id, message });
        Ok(Response::new(GetLastErrorsResponse { errors: errors.collect() }))
    }

    async fn get_error_trace(
        &self,
        request: Request<GetLastErrorTraceRequest>,
    ) -> Result<Response<GetLastErrorTraceResponse>, Status> {
        let trace_id = request.into_inner().trace_id;
        let messages = self.diagnostics.error_trace(&trace_id).ok_or_else(|| {
            Status::failed_precondition(
                "UNKNOWN_TRACE: none of the last errors has this trace; see health.last_errors",
            )
        })?;
        Ok(Response::new(GetLastErrorTraceResponse { messages }))
    }
}

#[tonic::async_trait]
impl ParticipantStatusService for Health {
    async fn participant_status(
        &self,
        _request: Request<ParticipantStatusRequest>,
    ) -> Result<Response<ParticipantStatusResponse>, Status> {
        use participant_status_response::{Kind, ParticipantStatusResponseStatus};
        let kind = match self.topology.uid() {
            None => Kind::Unavailable(NotInitialized { active: true }),
            Some(uid) => Kind::Status(ParticipantStatusResponseStatus {
                common_status: Some(self.v1(&uid).await),
                connected_domains: self.connected_domains().await,
                active: true,
                supported_protocol_versions: ProtocolVersion::ALL.map(ProtocolVersion::number).to_vec(),
            }),
        };
        Ok(Response::new(ParticipantStatusResponse { kind: Some(kind) }))
    }
}
