//! A sync domain: a sequencer, a domain manager, a mediator and participants, each on its machine.

use std::collections::BTreeSet;
use std::time::Duration;

use cantle_crypto::SigningPublicKey;
use cantle_domain_manager::{DomainRoles, initialize};
use cantle_identity::ListQuery;
use cantle_mediator::MediatorSetup;
use cantle_participant::{PingError, PingRequest, PingSuccess, SessionKeyCache};
use cantle_proto::participant::admin::v0::DomainConnectionConfig;
use cantle_sequencer::Initialization;
use cantle_sequencing::SequencerConnection;
use cantle_store::NodeKind;
use cantle_topology::{
    ChangeOptions, DynamicDomainParameters, MediatorDomainState, OwnerToKeyMapping, RequestSide,
    TopologyChangeOp, TopologyMapping,
};
use cantle_types::{
    DomainAlias, DomainId, MediatorId, Member, MemberCode, ParticipantId, PartyId, ProtocolVersion,
};
use futures::future::join_all;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::host::{Host, Place};
use crate::in_time;
use crate::members::{Manager, Mediator, Participant, Sequencer};
use crate::network::{Line, Network};

/// Where the nodes have their keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// Each node in a key management service of its own.
    Kms,
    /// In their stores.
    Software,
}

/// What a cluster is like.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// What chance comes from.
    pub seed: u64,
    /// The longest delay of the network in each direction.
    pub delay: Duration,
    /// The domain's protocol version.
    pub version: ProtocolVersion,
    /// Where the nodes have their keys.
    pub keys: Keys,
    /// How many participants there are.
    pub participants: usize,
    /// The domain's dynamic parameters.
    pub parameters: DynamicDomainParameters,
    /// How participants keep session keys.
    pub session_keys: Option<SessionKeyCache>,
}

impl ClusterOptions {
    /// Two participants with Canton's parameters and keys in a KMS, on a network without delay. Session keys are kept for
    /// longer than any test.
    #[must_use]
    pub fn new(version: ProtocolVersion) -> Self {
        Self {
            seed: 0,
            delay: Duration::ZERO,
            version,
            keys: Keys::Kms,
            participants: 2,
            parameters: DynamicDomainParameters::defaults(version),
            session_keys: Some(SessionKeyCache {
                lifetime: Duration::from_secs(600),
                ..SessionKeyCache::default()
            }),
        }
    }

    /// The same with other times for answers and verdicts.
    #[must_use]
    pub fn with_timeouts(mut self, response: Duration, reaction: Duration) -> Self {
        self.parameters.participant_response_timeout = response;
        self.parameters.mediator_reaction_timeout = reaction;
        self
    }
}

/// A domain whose members run.
#[derive(Debug)]
pub struct Cluster {
    options: ClusterOptions,
    /// The network.
    pub network: Network,
    /// The domain.
    pub domain: DomainId,
    /// The sequencer. [`Cluster::restart_sequencer`] starts it again.
    pub sequencer: Host<Sequencer>,
    /// The domain manager.
    pub manager: Host<Manager>,
    /// The manager's line.
    pub manager_line: Line,
    /// The mediator.
    pub mediator: Host<Mediator>,
    /// The mediator's line.
    pub mediator_line: Line,
    /// The participants.
    pub participants: Vec<Host<Participant>>,
    /// Their lines.
    pub lines: Vec<Line>,
    ids: Vec<ParticipantId>,
    _folder: TempDir,
}

impl Cluster {
    /// Founds a domain, and connects the participants to it.
    ///
    /// # Panics
    /// When that does not succeed in time.
    pub async fn start(options: ClusterOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = |kind, name: &str| Place::new(kind, name, folder.path(), options.keys);
        let network = Network::new(options.seed, options.delay);
        let mut sequencer = Host::new(place(NodeKind::Sequencer, "sequencer1"));
        let mut manager = Host::new(place(NodeKind::DomainManager, "manager"));
        let mut mediator = Host::new(place(NodeKind::Mediator, "mediator1"));
        let (manager_line, mediator_line) = (network.line().await, network.line().await);
        let version = options.version;
        sequencer.start(Sequencer::open).await;
        manager.start(move |place| Manager::open(place, version)).await;
        mediator.start(Mediator::open).await;
        let parameters = options.parameters.clone();
        let founded =
            found(&sequencer, &manager, &mediator, parameters, &manager_line, &mediator_line, &network);
        let domain = in_time("the founding of the domain", founded).await;

        let (mut participants, mut lines) = (Vec::new(), Vec::new());
        for number in 1..=options.participants {
            let mut host = Host::new(place(NodeKind::Participant, &format!("participant{number}")));
            let session_keys = options.session_keys;
            host.start(move |place| Participant::open(place, version, session_keys)).await;
            participants.push(host);
            lines.push(network.line().await);
        }
        let joined = participants.iter().zip(&lines).map(|(host, line)| join(host, line));
        let ids = in_time("the onboarding of the participants", join_all(joined)).await;
        Self {
            options,
            network,
            domain,
            sequencer,
            manager,
            manager_line,
            mediator,
            mediator_line,
            participants,
            lines,
            ids,
            _folder: folder,
        }
    }

    /// Who a participant is.
    #[must_use]
    pub fn participant(&self, index: usize) -> &ParticipantId {
        &self.ids[index]
    }

    /// The party that pings a participant, and is pinged.
    #[must_use]
    pub fn party(&self, index: usize) -> PartyId {
        self.ids[index].admin_party()
    }

    /// A ping of a participant, to be changed.
    #[must_use]
    pub fn ping_of(&self, index: usize, timeout: Duration) -> PingRequest {
        PingRequest {
            responders: BTreeSet::from([self.party(index)]),
            validators: BTreeSet::new(),
            id: None,
            workflow_id: None,
            timeout,
        }
    }

    /// Has a participant ping.
    pub fn ping(&self, from: usize, request: PingRequest) -> JoinHandle<Result<PingSuccess, PingError>> {
        self.participants[from].spawn(|role| async move { role.node.ping(request).await })
    }

    /// Has a participant ping another one, which must succeed in time.
    ///
    /// # Panics
    /// When it does not.
    pub async fn must_ping(&self, from: usize, to: usize) -> PingSuccess {
        let request = self.ping_of(to, crate::DEADLINE);
        self.ping(from, request).await.unwrap().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Starts the sequencer again.
    pub async fn restart_sequencer(&mut self) {
        self.sequencer.start(Sequencer::open).await;
        let address = self.sequencer.run(|role| async move {
            role.node.resume().await.unwrap();
            role.serve().await
        });
        self.network.lead_to(Some(address.await));
    }

    /// Ends the sequencer.
    pub async fn crash_sequencer(&mut self) {
        self.network.lead_to(None);
        self.sequencer.crash().await;
    }

    /// Starts the domain manager again; it connects when it can.
    pub async fn restart_manager(&mut self) {
        let version = self.options.version;
        self.manager.start(move |place| Manager::open(place, version)).await;
        drop(self.manager.spawn(Manager::resume));
    }

    /// Starts the mediator again; it connects when it can.
    pub async fn restart_mediator(&mut self) {
        self.mediator.start(Mediator::open).await;
        drop(self.mediator.spawn(Mediator::resume));
    }

    /// Starts a participant again; it connects when it can.
    pub async fn restart_participant(&mut self, index: usize) {
        let (version, session_keys) = (self.options.version, self.options.session_keys);
        let host = &mut self.participants[index];
        host.start(move |place| Participant::open(place, version, session_keys)).await;
        drop(host.spawn(|role| async move { role.node.connect_persistently(&alias()).await.map(drop) }));
    }

    /// Waits until all is over that was under way: nothing is sequenced for a while.
    ///
    /// # Panics
    /// When that does not happen in time.
    pub async fn silence(&self) {
        const A_WHILE: Duration = Duration::from_millis(300);
        let silent = async {
            let mut known = self.events().await;
            loop {
                tokio::time::sleep(A_WHILE).await;
                let now = self.events().await;
                if now == known {
                    return;
                }
                known = now;
            }
        };
        in_time("silence", silent).await;
    }

    /// How many events the sequencer has of each member.
    ///
    /// # Panics
    /// When its store fails.
    pub async fn events(&self) -> std::collections::BTreeMap<Member, i64> {
        let status = self.sequencer.run(|role| async move { role.sequencer().status().await.unwrap() }).await;
        status.members.into_iter().map(|status| (status.member, status.events)).collect()
    }
}

/// What the participants call the domain.
#[must_use]
pub fn alias() -> DomainAlias {
    "domain".parse().unwrap()
}

fn connection(line: &Line) -> SequencerConnection {
    SequencerConnection::from_uris("sequencer1", [line.uri().as_str()], None).unwrap()
}

/// What `setup.bootstrap_domain` does.
async fn found(
    sequencer: &Host<Sequencer>,
    manager: &Host<Manager>,
    mediator: &Host<Mediator>,
    parameters: DynamicDomainParameters,
    manager_line: &Line,
    mediator_line: &Line,
    network: &Network,
) -> DomainId {
    let name = manager.place().identity().name.clone();
    let domain = manager.run(|role| async move {
        let identifier = "domain".parse().unwrap();
        let uid =
            initialize(&role.vault, &role.topology, &name, identifier, DomainRoles::Manager, parameters);
        DomainId::new(uid.await.unwrap())
    });
    let domain = domain.await;
    let parameters = manager.run(|role| async move { role.node.static_parameters().await.unwrap() }).await;
    let wanted = Initialization { domain: domain.clone(), parameters: parameters.clone() };
    let key = sequencer.run(|role| async move { role.node.initialize(&wanted, &[]).await.unwrap() }).await;
    authorize(manager, key_of(MemberCode::Sequencer, &domain, key)).await;
    let setup = MediatorSetup {
        domain: domain.clone(),
        mediator: MediatorId::new(domain.uid().clone()),
        parameters,
        connections: vec![connection(mediator_line)],
        signing_key: None,
    };
    let key = mediator.run(|role| async move { role.node.initialize(setup).await.unwrap() }).await;
    authorize(manager, key_of(MemberCode::Mediator, &domain, key)).await;
    let state = MediatorDomainState {
        side: RequestSide::Both,
        domain: domain.clone(),
        mediator: domain.uid().clone(),
    };
    authorize(manager, TopologyMapping::MediatorDomainState(state)).await;
    let query = ListQuery { state_only: true, ..ListQuery::default() };
    let topology =
        manager.run(|role| async move { role.topology.lists().authorized(query).await.unwrap() }).await;
    let address = sequencer.run(|role| async move {
        role.node.bootstrap(&topology).await.unwrap();
        role.serve().await
    });
    network.lead_to(Some(address.await));
    mediator.run(Mediator::resume).await;
    let connections = vec![connection(manager_line)];
    manager.run(|role| async move { role.node.init(connections).await.unwrap() }).await;
    domain
}

fn key_of(code: MemberCode, domain: &DomainId, key: SigningPublicKey) -> TopologyMapping {
    let owner = Member::new(code, domain.uid().clone());
    TopologyMapping::OwnerToKeyMapping(OwnerToKeyMapping { owner, key: key.into() })
}

async fn authorize(manager: &Host<Manager>, mapping: TopologyMapping) {
    let done = manager.run(|role| async move {
        role.topology
            .authorize(TopologyChangeOp::Add, mapping, None, ChangeOptions::default())
            .await
            .map(drop)
    });
    done.await.unwrap();
}

/// Gives a participant its identity and connects it.
async fn join(host: &Host<Participant>, line: &Line) -> ParticipantId {
    let name = host.place().identity().name.clone();
    let config = DomainConnectionConfig {
        domain_alias: alias().to_string(),
        sequencer_connections: vec![connection(line).to_proto()],
        ..DomainConnectionConfig::default()
    };
    let joined = host.run(|role| async move {
        let identifier = name.as_str().parse().unwrap();
        cantle_participant::initialize(&role.vault, &role.topology, &name, identifier).await.unwrap();
        role.node.register(&config).await.unwrap();
        role.node.connect_persistently(&alias()).await.unwrap();
        role.id()
    });
    joined.await
}
