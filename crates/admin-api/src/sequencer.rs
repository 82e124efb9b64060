//! The services of a sequencer: its initialization for a domain, the domain's first topology, its status.
//!
//! Source: <https://docs.daml.com/canton/usermanual/manage_domains.html>

use cantle_proto::{
    domain::admin::{
        v0::{
            DisableMemberRequest, InitRequest, InitResponse, SequencerMemberStatus, SequencerPruningStatus,
            SequencerSnapshot, SequencerStatusRequest, SequencerStatusResponse, TopologyBootstrapRequest,
            enterprise_sequencer_administration_service_server::EnterpriseSequencerAdministrationService,
            sequencer_administration_service_server::SequencerAdministrationService,
            sequencer_initialization_service_server::SequencerInitializationService,
            sequencer_status_response::{Kind, SequencerStatusResponseStatus},
            sequencer_status_service_server::SequencerStatusService,
            sequencer_version_service_server::SequencerVersionService,
            snapshot,
            topology_bootstrap_service_server::TopologyBootstrapService,
        },
        v1,
    },
    health::admin::v0::{SequencerAdminStatus, SequencerHealthStatus, node_status::NotInitialized},
    protocol::v0::{TopologyTransactions, handshake},
};
use cantle_protocol::{HandshakeResponse, StaticDomainParameters};
use cantle_sequencer::{
    Initialization, Sequencer, SequencerNode, SequencerStatus, SnapshotError, SnapshotHeads,
};
use cantle_topology::{SignedTopologyTransaction, TopologySnapshot};
use cantle_types::{DomainId, Member, MemberCode};
use tonic::{Request, Response, Status};

use crate::{
    health::Health,
    parse::{text, timestamp, to_timestamp},
    status::{ToStatus, chain, invalid, missing},
};

/// The services of one sequencer.
#[derive(Clone, Debug)]
pub(crate) struct SequencerAdmin {
    pub(crate) node: SequencerNode,
    pub(crate) health: Health,
}

/// What Canton answers as the id of a sequencer's key.
const KEY_ID: &str = "sequencer-id";

impl SequencerAdmin {
    async fn init(
        &self,
        domain: &str,
        parameters: StaticDomainParameters,
        topology: Option<&TopologyTransactions>,
        from_snapshot: Option<SequencerSnapshot>,
    ) -> Result<Response<InitResponse>, Status> {
        let wanted = Initialization { domain: DomainId::new(text("domain_id", domain)?), parameters };
        let topology = transactions("topology_snapshot", topology)?;
        let initialized = match from_snapshot {
            None => self.node.initialize(&wanted, &topology).await,
            // The domain's topology is in the database that both share.
            Some(snapshot) => self.node.initialize_from_snapshot(&wanted, &heads(snapshot)?).await,
        };
        let key = initialized.map_err(|error| error.to_status())?;
        Ok(Response::new(InitResponse {
            key_id: KEY_ID.to_owned(),
            public_key: Some(key.to_proto()),
            replicated: self.node.shared_database().is_some(),
        }))
    }

    fn running(&self) -> Result<Sequencer, Status> {
        self.node.sequencer().ok_or_else(|| {
            Status::failed_precondition(
                "SEQUENCER_NOT_INITIALIZED: the sequencer is not initialized; its domain manager does that, with \
                 setup.bootstrap_domain",
            )
        })
    }
}

/// What a snapshot says of the events at its time.
fn heads(snapshot: SequencerSnapshot) -> Result<SnapshotHeads, Status> {
    let latest = snapshot.latest_timestamp.ok_or_else(|| missing("snapshot.latest_timestamp"))?;
    let heads = snapshot.head_member_counters.into_iter().map(|(member, head)| {
        let member: Member = text("snapshot.head_member_counters", &member)?;
        Ok((member, head))
    });
    Ok(SnapshotHeads {
        latest: timestamp("snapshot.latest_timestamp", &latest)?,
        heads: heads.collect::<Result<_, Status>>()?,
    })
}

/// The transactions of a snapshot, in their order.
fn transactions(
    field: &str,
    snapshot: Option<&TopologyTransactions>,
) -> Result<Vec<SignedTopologyTransaction>, Status> {
    let Some(snapshot) = snapshot else { return Ok(Vec::new()) };
    let snapshot = TopologySnapshot::from_proto(snapshot).map_err(|error| invalid(field, &error))?;
    Ok(snapshot.items.into_iter().map(|item| item.transaction).collect())
}

#[tonic::async_trait]
impl SequencerInitializationService for SequencerAdmin {
    async fn init(&self, request: Request<InitRequest>) -> Result<Response<InitResponse>, Status> {
        let request = request.into_inner();
        let parameters = request.domain_parameters.ok_or_else(|| missing("domain_parameters"))?;
        let parameters = StaticDomainParameters::from_proto_v0(&parameters)
            .map_err(|error| invalid("domain_parameters", &error))?;
        SequencerAdmin::init(
            self,
            &request.domain_id,
            parameters,
            request.topology_snapshot.as_ref(),
            request.snapshot,
        )
        .await
    }

    async fn init_v1(&self, request: Request<v1::InitRequest>) -> Result<Response<InitResponse>, Status> {
        let request = request.into_inner();
        let parameters = request.domain_parameters.ok_or_else(|| missing("domain_parameters"))?;
        let parameters = StaticDomainParameters::from_proto(&parameters)
            .map_err(|error| invalid("domain_parameters", &error))?;
        SequencerAdmin::init(
            self,
            &request.domain_id,
            parameters,
            request.topology_snapshot.as_ref(),
            request.snapshot,
        )
        .await
    }
}

#[tonic::async_trait]
impl TopologyBootstrapService for SequencerAdmin {
    async fn bootstrap(&self, request: Request<TopologyBootstrapRequest>) -> Result<Response<()>, Status> {
        let field = "initial_topology_snapshot";
        let snapshot = request.into_inner().initial_topology_snapshot.ok_or_else(|| missing(field))?;
        let topology = transactions(field, Some(&snapshot))?;
        self.node.bootstrap(&topology).await.map_err(|error| error.to_status())?;
        Ok(Response::new(()))
    }
}

#[tonic::async_trait]
impl SequencerAdministrationService for SequencerAdmin {
    async fn pruning_status(
        &self,
        _request: Request<()>,
    ) -> Result<Response<SequencerPruningStatus>, Status> {
        let status = self.running()?.status().await.map_err(|error| error.to_status())?;
        Ok(Response::new(pruning_status(status)))
    }
}

fn pruning_status(status: SequencerStatus) -> SequencerPruningStatus {
    let members = status.members.into_iter().map(|member| SequencerMemberStatus {
        enabled: member.enabled,
        member: member.member.to_string(),
        registered_at: Some(to_timestamp(member.registered)),
        last_acknowledged: member.acknowledged.map(to_timestamp),
    });
    SequencerPruningStatus {
        now: Some(to_timestamp(status.now)),
        earliest_event_timestamp: status.earliest_event.map(to_timestamp),
        members: members.collect(),
    }
}

#[tonic::async_trait]
impl EnterpriseSequencerAdministrationService for SequencerAdmin {
    async fn snapshot(
        &self,
        request: Request<snapshot::Request>,
    ) -> Result<Response<snapshot::Response>, Status> {
        use snapshot::response::Value;
        let at = request.into_inner().timestamp.ok_or_else(|| missing("timestamp"))?;
        let at = timestamp("timestamp", &at)?;
        let value = match self.running()?.snapshot(at).await {
            Ok(found) => Value::Success(snapshot::Success {
                state: Some(SequencerSnapshot {
                    latest_timestamp: Some(to_timestamp(found.latest)),
                    head_member_counters: found
                        .heads
                        .into_iter()
                        .map(|(member, head)| (member.to_string(), head))
                        .collect(),
                    status: Some(pruning_status(found.status)),
                    additional: None,
                }),
            }),
            Err(SnapshotError::Store(error)) => return Err(error.to_status()),
            Err(error) => Value::Failure(snapshot::Failure { reason: chain(&error) }),
        };
        Ok(Response::new(snapshot::Response { value: Some(value) }))
    }

    async fn disable_member(&self, request: Request<DisableMemberRequest>) -> Result<Response<()>, Status> {
        let member: Member = text("member", &request.into_inner().member)?;
        self.running()?.disable_member(&member).await.map_err(|error| error.to_status())?;
        Ok(Response::new(()))
    }
}

#[tonic::async_trait]
impl SequencerVersionService for SequencerAdmin {
    async fn handshake(
        &self,
        request: Request<handshake::Request>,
    ) -> Result<Response<handshake::Response>, Status> {
        let version = self.running()?.parameters().protocol_version;
        let answer = HandshakeResponse::to_request(version, &request.into_inner());
        Ok(Response::new(answer.to_proto()))
    }
}

/// Who is connected, by kind: participants and mediators.
pub(crate) fn connected(sequencer: &Sequencer) -> (Vec<String>, Vec<String>) {
    let members = sequencer.connected();
    let of = |code| {
        let found = members.iter().filter(|member| member.code() == code);
        found.map(|member| member.uid().to_string()).collect()
    };
    (of(MemberCode::Participant), of(MemberCode::Mediator))
}

/// How the sequencer is.
pub(crate) fn sequencer_health(sequencer: &Sequencer) -> SequencerHealthStatus {
    let health = sequencer.health().borrow().clone();
    let follows = health.follows.then(|| "another sequencer of the domain writes its events".to_owned());
    SequencerHealthStatus { active: health.trouble.is_none(), details: health.trouble.or(follows) }
}

#[tonic::async_trait]
impl SequencerStatusService for SequencerAdmin {
    async fn sequencer_status(
        &self,
        _request: Request<SequencerStatusRequest>,
    ) -> Result<Response<SequencerStatusResponse>, Status> {
        let kind = match self.node.sequencer() {
            Some(sequencer) => {
                let (participants, mediators) = connected(&sequencer);
                Kind::Status(SequencerStatusResponseStatus {
                    common_status: Some(self.health.v1(sequencer.domain().uid()).await),
                    connected_participants_uid: participants,
                    connected_mediators_uid: mediators,
                    sequencer: Some(sequencer_health(&sequencer)),
                    domain_id: sequencer.domain().to_string(),
                    admin: Some(SequencerAdminStatus { accepts_admin_changes: true }),
                    protocol_version: sequencer.parameters().protocol_version.number(),
                })
            }
            None => Kind::Unavailable(NotInitialized { active: true }),
        };
        Ok(Response::new(SequencerStatusResponse { kind: Some(kind) }))
    }
}
