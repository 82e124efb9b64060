//! A domain with its keys, and members that sign what they send.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cantle_crypto::{PublicKey, SigningKeyScheme, SigningPrivateKey};
use cantle_protocol::{
    AcknowledgeRequest, Batch, DomainTopologyTransactionMessage, Envelope, EventContent, MessageId,
    Recipients, SequencedEvent, Signable, SignedContent, StaticDomainParameters, SubmissionKind,
    SubmissionRequest, TraceContext,
};
use cantle_sequencer::{
    Initialization, Sequencer, SequencerOptions, SequencerSetup, SubmitError, Subscription, initialize,
};
use cantle_sequencing::{RefusalReason, SendRefusal};
use cantle_store::{
    Access, CryptoProvider, MigrateOnStart, NodeIdentity, NodeKind, PostgresGroup, SequencerGroup,
    SqliteLocation, SqliteOptions, SqliteStore,
};
use cantle_topology::{
    DomainParametersChange, DynamicDomainParameters, MediatorDomainState, NamespaceDelegation,
    OwnerToKeyMapping, ParticipantPermission, ParticipantState, RequestSide, SignedTopologyTransaction,
    TopologyMapping, TopologyTransaction, TrustLevel,
};
use cantle_types::{
    CantonTimestamp, DomainId, ManualClock, Member, MemberCode, Namespace, NodeName, ParticipantId,
    ProtocolVersion, SequencerId, UniqueIdentifier,
};
use cantle_vault::{Vault, VaultBackend, VaultOptions};

pub(crate) const VERSION: ProtocolVersion = ProtocolVersion::V7;
/// No test waits longer for anything.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Waits, but not for ever.
pub(crate) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("it comes in time")
}

pub(crate) fn time(micros: i64) -> CantonTimestamp {
    CantonTimestamp::from_micros(micros).unwrap()
}

/// The time at which tests begin.
pub(crate) fn start() -> CantonTimestamp {
    time(1_700_000_000_000_000)
}

/// A member with its signing key, and the key of its namespace.
#[derive(Debug)]
pub(crate) struct Keyed {
    pub(crate) member: Member,
    pub(crate) key: SigningPrivateKey,
    pub(crate) namespace: Arc<SigningPrivateKey>,
}

impl Keyed {
    fn in_namespace(code: MemberCode, name: &str, namespace: Arc<SigningPrivateKey>) -> Self {
        let uid = UniqueIdentifier::new(name.parse().unwrap(), namespace_of(&namespace));
        Self { member: Member::new(code, uid), key: signing_key(), namespace }
    }

    pub(crate) fn participant(name: &str) -> Self {
        Self::in_namespace(MemberCode::Participant, name, Arc::new(signing_key()))
    }

    pub(crate) fn id(&self) -> ParticipantId {
        self.member.clone().try_into().unwrap()
    }

    /// A submission of these envelopes that may be sequenced for a long time yet.
    pub(crate) fn request(&self, envelopes: Vec<Envelope>) -> SubmissionRequest {
        self.request_with(envelopes, CantonTimestamp::MAX, None)
    }

    pub(crate) fn request_with(
        &self,
        envelopes: Vec<Envelope>,
        max_sequencing_time: CantonTimestamp,
        timestamp_of_signing_key: Option<CantonTimestamp>,
    ) -> SubmissionRequest {
        request_of(&self.member, envelopes, max_sequencing_time, timestamp_of_signing_key)
    }

    /// Signs as of a time.
    pub(crate) fn sign<T: Signable>(&self, content: T, at: CantonTimestamp) -> SignedContent<T> {
        let signature = self.key.sign_hash(&content.hash()).unwrap();
        SignedContent::assemble(content, signature, Some(at))
    }

    pub(crate) fn acknowledgement(
        &self,
        up_to: CantonTimestamp,
        at: CantonTimestamp,
    ) -> SignedContent<AcknowledgeRequest> {
        self.sign(AcknowledgeRequest::new(self.member.clone(), up_to), at)
    }
}

pub(crate) fn request_of(
    sender: &Member,
    envelopes: Vec<Envelope>,
    max_sequencing_time: CantonTimestamp,
    timestamp_of_signing_key: Option<CantonTimestamp>,
) -> SubmissionRequest {
    SubmissionRequest::new(
        sender.clone(),
        MessageId::random(),
        SubmissionKind::Other,
        Batch::new(envelopes).compress(),
        max_sequencing_time,
        timestamp_of_signing_key,
    )
}

pub(crate) fn signing_key() -> SigningPrivateKey {
    SigningPrivateKey::generate(SigningKeyScheme::Ed25519).unwrap()
}

fn namespace_of(key: &SigningPrivateKey) -> Namespace {
    Namespace::new(key.fingerprint().clone())
}

/// An envelope with this content to one group.
pub(crate) fn to(content: &[u8], group: &[&Member]) -> Envelope {
    let group = group.iter().map(|member| (*member).clone());
    Envelope::new(content.to_vec(), Recipients::group(group).unwrap())
}

/// A domain: its manager, its mediator, some participants, and its sequencer.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) domain: DomainId,
    pub(crate) manager: Keyed,
    pub(crate) mediator: Keyed,
    pub(crate) participants: Vec<Keyed>,
    pub(crate) options: SequencerOptions,
    pub(crate) dynamic: DynamicDomainParameters,
    location: SqliteLocation,
}

impl World {
    /// A domain whose sequencer keeps everything in memory.
    pub(crate) fn new() -> Self {
        Self::at(SqliteLocation::Memory)
    }

    /// A domain whose sequencer keeps everything in a file.
    pub(crate) fn in_file(path: &Path) -> Self {
        Self::at(SqliteLocation::File(path.to_owned()))
    }

    fn at(location: SqliteLocation) -> Self {
        let namespace = Arc::new(signing_key());
        let of_domain = |code, name| Keyed::in_namespace(code, name, Arc::clone(&namespace));
        let manager = of_domain(MemberCode::DomainTopologyManager, "domain");
        Self {
            clock: Arc::new(ManualClock::new(start().to_timestamp())),
            domain: DomainId::new(manager.member.uid().clone()),
            mediator: of_domain(MemberCode::Mediator, "mediator1"),
            manager,
            participants: vec![Keyed::participant("one"), Keyed::participant("two")],
            options: SequencerOptions::default(),
            dynamic: DynamicDomainParameters::defaults(VERSION),
            location,
        }
    }

    pub(crate) fn sequencer_id(&self) -> SequencerId {
        SequencerId::new(self.domain.uid().clone())
    }

    pub(crate) fn one(&self) -> &Keyed {
        &self.participants[0]
    }

    pub(crate) fn two(&self) -> &Keyed {
        &self.participants[1]
    }

    pub(crate) fn now(&self) -> CantonTimestamp {
        cantle_types::Clock::now(&*self.clock).into()
    }

    pub(crate) async fn store(&self) -> Arc<SqliteStore> {
        let options = SqliteOptions {
            location: self.location.clone(),
            node: NodeIdentity { kind: NodeKind::Sequencer, name: node_name() },
            migrate: MigrateOnStart::No,
            access: Access::ReadWrite,
        };
        Arc::new(SqliteStore::open(options).await.unwrap())
    }

    /// The sequencer over a store, without a topology unless the store has one.
    pub(crate) async fn open(&self, store: Arc<SqliteStore>) -> (Sequencer, cantle_crypto::SigningPublicKey) {
        self.open_sharing(store, None).await
    }

    /// As [`World::open`], with the events in a database that it shares with others.
    pub(crate) async fn open_sharing(
        &self,
        store: Arc<SqliteStore>,
        shared: Option<PostgresGroup>,
    ) -> (Sequencer, cantle_crypto::SigningPublicKey) {
        let options = VaultOptions::new(
            NodeIdentity { kind: NodeKind::Sequencer, name: node_name() },
            CryptoProvider::Jce,
        );
        let clock = Arc::clone(&self.clock);
        let vault = Vault::open(store.clone(), VaultBackend::Jce, options, clock.clone()).await.unwrap();
        let parameters = StaticDomainParameters::all_schemes(VERSION);
        let wanted = Initialization { domain: self.domain.clone(), parameters: parameters.clone() };
        let key = initialize(&*store, &vault, &node_name(), &wanted).await.unwrap();
        let setup = SequencerSetup {
            group: shared.clone().map(|shared| Arc::new(shared) as Arc<dyn SequencerGroup>),
            domain: self.domain.clone(),
            sequencer: self.sequencer_id(),
            parameters,
            agreement: None,
            vault,
            store: match shared {
                Some(shared) => Arc::new(shared),
                None => store,
            },
            clock,
            options: self.options.clone(),
        };
        (Sequencer::open(setup).await.unwrap(), key)
    }

    /// The sequencer of a domain that is under way: everybody is on it and known.
    pub(crate) async fn running(&self) -> Sequencer {
        let (sequencer, key) = self.open(self.store().await).await;
        let mut topology = self.initial_topology(&key);
        topology.extend(self.participants.iter().flat_map(|participant| self.onboarding(participant)));
        self.begin(&sequencer, &topology).await;
        self.introduce(&sequencer).await;
        sequencer
    }

    /// Begins the domain, and waits until its topology counts.
    pub(crate) async fn begin(&self, sequencer: &Sequencer, topology: &[SignedTopologyTransaction]) {
        sequencer.bootstrap(topology).await.unwrap();
        self.clock.advance(Duration::from_secs(1));
    }

    /// The domain manager writes to everybody.
    pub(crate) async fn introduce(&self, sequencer: &Sequencer) {
        let members = self.participants.iter().chain([&self.mediator]);
        let envelopes = members.map(|member| to(b"welcome", &[&member.member])).collect();
        self.send(sequencer, &self.manager, envelopes).await.unwrap();
    }

    pub(crate) fn signed(
        &self,
        key: &SigningPrivateKey,
        mapping: TopologyMapping,
    ) -> SignedTopologyTransaction {
        let transaction = match mapping {
            TopologyMapping::DomainParametersChange(change) => TopologyTransaction::replace(change, VERSION),
            mapping => TopologyTransaction::add(mapping, VERSION),
        };
        signed_transaction(key, transaction.unwrap())
    }

    /// What a domain begins with.
    pub(crate) fn initial_topology(
        &self,
        sequencer: &cantle_crypto::SigningPublicKey,
    ) -> Vec<SignedTopologyTransaction> {
        let namespace = &self.manager.namespace;
        let owner = |owner: &Member, key: &cantle_crypto::SigningPublicKey| {
            TopologyMapping::OwnerToKeyMapping(OwnerToKeyMapping {
                owner: owner.clone(),
                key: PublicKey::Signing(key.clone()),
            })
        };
        let mappings = [
            TopologyMapping::NamespaceDelegation(NamespaceDelegation::root(namespace.public().clone())),
            owner(&self.manager.member, self.manager.key.public()),
            owner(self.sequencer_id().member(), sequencer),
            owner(&self.mediator.member, self.mediator.key.public()),
            TopologyMapping::MediatorDomainState(MediatorDomainState {
                side: RequestSide::Both,
                domain: self.domain.clone(),
                mediator: self.mediator.member.uid().clone(),
            }),
            TopologyMapping::DomainParametersChange(DomainParametersChange {
                domain: self.domain.clone(),
                parameters: self.dynamic.clone(),
            }),
        ];
        mappings.into_iter().map(|mapping| self.signed(namespace, mapping)).collect()
    }

    /// What brings a participant onto the domain.
    pub(crate) fn onboarding(&self, participant: &Keyed) -> Vec<SignedTopologyTransaction> {
        let own = &participant.namespace;
        let key = PublicKey::Signing(participant.key.public().clone());
        let root = NamespaceDelegation::root(own.public().clone());
        vec![
            self.signed(own, TopologyMapping::NamespaceDelegation(root)),
            self.signed(
                own,
                TopologyMapping::OwnerToKeyMapping(OwnerToKeyMapping {
                    owner: participant.member.clone(),
                    key,
                }),
            ),
            self.state(participant, RequestSide::From, ParticipantPermission::Submission),
            self.state(participant, RequestSide::To, ParticipantPermission::Submission),
        ]
    }

    /// What one side says of a participant on the domain.
    pub(crate) fn state(
        &self,
        participant: &Keyed,
        side: RequestSide,
        permission: ParticipantPermission,
    ) -> SignedTopologyTransaction {
        let state = ParticipantState::new(
            side,
            self.domain.clone(),
            participant.id(),
            permission,
            TrustLevel::Ordinary,
        );
        let key = if side == RequestSide::To { &participant.namespace } else { &self.manager.namespace };
        self.signed(key, TopologyMapping::ParticipantState(state.unwrap()))
    }

    /// The domain manager's message with these transactions.
    pub(crate) fn topology_message(&self, transactions: Vec<SignedTopologyTransaction>) -> Vec<u8> {
        self.topology_message_by(&self.manager.key, transactions)
    }

    pub(crate) fn topology_message_by(
        &self,
        key: &SigningPrivateKey,
        transactions: Vec<SignedTopologyTransaction>,
    ) -> Vec<u8> {
        let until = CantonTimestamp::MAX;
        let hash = DomainTopologyTransactionMessage::hash_of(&self.domain, until, &transactions, VERSION);
        let signature = key.sign_hash(&hash).unwrap();
        let domain = self.domain.clone();
        let message =
            DomainTopologyTransactionMessage::assemble(domain, until, transactions, signature, VERSION);
        cantle_protocol::ProtocolMessage::DomainTopology(Box::new(message)).to_bytes(VERSION).unwrap()
    }

    /// Sends envelopes as a member, signed by it now.
    pub(crate) async fn send(
        &self,
        sequencer: &Sequencer,
        sender: &Keyed,
        envelopes: Vec<Envelope>,
    ) -> Result<MessageId, SubmitError> {
        self.send_request(sequencer, sender, sender.request(envelopes)).await
    }

    pub(crate) async fn send_request(
        &self,
        sequencer: &Sequencer,
        sender: &Keyed,
        request: SubmissionRequest,
    ) -> Result<MessageId, SubmitError> {
        let id = request.message_id().clone();
        let signed = sender.sign(request, self.now());
        in_time(sequencer.submit(&sender.member, &signed, &trace())).await.map(|()| id)
    }
}

pub(crate) fn signed_transaction(
    key: &SigningPrivateKey,
    transaction: TopologyTransaction,
) -> SignedTopologyTransaction {
    let signature = key.sign_hash(&transaction.hash()).unwrap();
    SignedTopologyTransaction::assemble(transaction, key.public().clone(), signature)
}

pub(crate) fn node_name() -> NodeName {
    "sequencer1".parse().unwrap()
}

pub(crate) fn trace() -> TraceContext {
    TraceContext::from_traceparent("00-0123456789abcdef0123456789abcdef-0123456789abcdef-01")
}

/// Why a submission was refused.
pub(crate) fn refusal(result: Result<MessageId, SubmitError>) -> SendRefusal {
    match result {
        Err(SubmitError::Refused(refusal)) => refusal,
        other => panic!("{other:?} is no refusal"),
    }
}

pub(crate) fn reason(result: Result<MessageId, SubmitError>) -> RefusalReason {
    refusal(result).reason
}

/// The next event of a subscription, with its signature.
pub(crate) async fn next(subscription: &mut Subscription) -> SignedContent<SequencedEvent> {
    let event = in_time(subscription.next()).await.unwrap();
    let signed: SignedContent<SequencedEvent> = SignedContent::from_bytes(&*event.signed).unwrap();
    assert_eq!(signed.content().counter().get(), event.counter);
    assert_eq!(signed.content().timestamp().to_timestamp(), event.sequenced);
    signed
}

/// All events that a member has.
pub(crate) async fn events(sequencer: &Sequencer, member: &Member) -> Vec<SignedContent<SequencedEvent>> {
    let status = sequencer.status().await.unwrap();
    let count =
        status.members.iter().find(|status| status.member == *member).map_or(0, |status| status.events);
    let mut subscription = sequencer.subscribe(member, 0).unwrap();
    let mut events = Vec::new();
    for _ in 0..count {
        events.push(next(&mut subscription).await);
    }
    events
}

/// The last event that a member has.
pub(crate) async fn last(sequencer: &Sequencer, member: &Member) -> SignedContent<SequencedEvent> {
    events(sequencer, member).await.pop().expect("the member has an event")
}

/// The contents of an event's envelopes.
pub(crate) fn contents(event: &SequencedEvent) -> Vec<Vec<u8>> {
    let EventContent::Deliver { batch, .. } = event.content() else { panic!("{event:?} delivers nothing") };
    let batch = batch.decompress(usize::MAX / 2).unwrap();
    batch.envelopes().iter().map(|envelope| envelope.content().to_vec()).collect()
}
