//! A domain whose participants host parties in every way, and requests to its mediator.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cantle_crypto::{KeyPair, PublicKey, SigningKeyScheme, SigningPrivateKey};
use cantle_mediator::{
    Alarm, Answer, Conclusion, Effect, MediatorNode, MediatorOptions, MediatorState, Request, ResultContent,
};
use cantle_protocol::{
    Batch, CommonMetadata, ConfirmationPolicy, Contract, ContractId, CreatedContract, DeduplicationPeriod,
    Envelope, GenTransactionTree, InformeeMessage, LocalReject, LocalVerdict, MediatorResponse, MerkleSeq,
    ParticipantMetadata, ProtocolMessage, Quorum, Recipients, RootHashMessage, SaltSeed, SignedMessage,
    SignedProtocolMessage, SubmissionRequest, SubmitterMetadata, Verdict, ViewAction, ViewCommonData,
    ViewConfirmationParameters, ViewContent, ViewNode, ViewParticipantData, ViewPosition, ViewType,
};
use cantle_sequencing::testing::{TestDomain, TestMember, TestSequencer};
use cantle_simulation::Machine;
use cantle_store::{
    Access, CryptoProvider, MigrateOnStart, NodeIdentity, NodeKind, NodeStore, SqliteLocation, SqliteOptions,
    SqliteStore,
};
use cantle_topology::{
    DomainParametersChange, DynamicDomainParameters, MediatorDomainState, NamespaceDelegation,
    OwnerToKeyMapping, ParticipantPermission, ParticipantState, PartyToParticipant, RequestSide,
    SignedTopologyTransaction, TopologyMapping, TopologyState, TopologyTransaction, TopologyView, TrustLevel,
};
use cantle_types::{
    CantonTimestamp, DomainId, ManualClock, MediatorId, Member, Namespace, ParticipantId, PartyId,
    ProtocolVersion, UniqueIdentifier,
};
use cantle_vault::{Vault, VaultBackend, VaultOptions};
use uuid::Uuid;

/// When requests come.
pub(crate) fn start() -> CantonTimestamp {
    CantonTimestamp::from_micros(1_700_000_000_000_000).unwrap()
}

pub(crate) fn after(seconds: u64) -> CantonTimestamp {
    start().saturating_add(Duration::from_secs(seconds))
}

/// Somebody with a namespace and its key.
pub(crate) struct Owner {
    pub(crate) key: SigningPrivateKey,
    pub(crate) uid: UniqueIdentifier,
}

impl Owner {
    pub(crate) fn new(identifier: &str) -> Self {
        let key = SigningPrivateKey::generate(SigningKeyScheme::Ed25519).unwrap();
        let namespace = Namespace::new(key.fingerprint().clone());
        Self { uid: UniqueIdentifier::new(identifier.parse().unwrap(), namespace), key }
    }

    fn say(&self, mapping: TopologyMapping, version: ProtocolVersion) -> SignedTopologyTransaction {
        let transaction = match mapping {
            TopologyMapping::DomainParametersChange(change) => TopologyTransaction::replace(change, version),
            mapping => TopologyTransaction::add(mapping, version),
        };
        let transaction = transaction.unwrap();
        let signature = self.key.sign_hash(&transaction.hash()).unwrap();
        SignedTopologyTransaction::assemble(transaction, self.key.public().clone(), signature)
    }

    fn root(&self) -> TopologyMapping {
        TopologyMapping::NamespaceDelegation(NamespaceDelegation::root(self.key.public().clone()))
    }
}

/// A domain with four participants. Parties: `a` and `both` are the first's, `both` the second's too, `b` the second's;
/// the third only watches `c`; the fourth is trusted as a VIP and hosts `v`. `nowhere` is hosted by nobody.
pub(crate) struct World {
    pub(crate) domain: DomainId,
    pub(crate) mediator: MediatorId,
    pub(crate) version: ProtocolVersion,
    pub(crate) topology: TopologyView,
    participants: Vec<Owner>,
}

impl World {
    pub(crate) fn new(version: ProtocolVersion) -> Self {
        use ParticipantPermission::{Observation, Submission};
        let owner = Owner::new("domain");
        let domain = DomainId::new(owner.uid.clone());
        let participants: Vec<_> = (1..=4).map(|number| Owner::new(&format!("p{number}"))).collect();
        let mut history = vec![
            owner.say(owner.root(), version),
            owner.say(
                TopologyMapping::DomainParametersChange(DomainParametersChange {
                    domain: domain.clone(),
                    parameters: DynamicDomainParameters::defaults(version),
                }),
                version,
            ),
            owner.say(
                TopologyMapping::MediatorDomainState(MediatorDomainState {
                    side: RequestSide::Both,
                    domain: domain.clone(),
                    mediator: domain.uid().clone(),
                }),
                version,
            ),
        ];
        for (participant, trust) in participants.iter().zip([
            TrustLevel::Ordinary,
            TrustLevel::Ordinary,
            TrustLevel::Ordinary,
            TrustLevel::Vip,
        ]) {
            let id = ParticipantId::new(participant.uid.clone());
            let state = |side, trust| {
                let state = ParticipantState::new(side, domain.clone(), id.clone(), Submission, trust);
                TopologyMapping::ParticipantState(state.unwrap())
            };
            let key = PublicKey::Signing(participant.key.public().clone());
            let key =
                TopologyMapping::OwnerToKeyMapping(OwnerToKeyMapping { owner: id.member().clone(), key });
            history.push(participant.say(participant.root(), version));
            history.push(participant.say(key, version));
            history.push(owner.say(state(RequestSide::From, trust), version));
            history.push(participant.say(state(RequestSide::To, TrustLevel::Ordinary), version));
        }
        for (party, owner, hosts, permission) in [
            ("a", 0, &[0][..], Submission),
            ("both", 0, &[0, 1][..], Submission),
            ("b", 1, &[1][..], Submission),
            ("c", 2, &[2][..], Observation),
            ("v", 3, &[3][..], Submission),
        ] {
            let owner = &participants[owner];
            let party = party_of(&owner.uid, party);
            for &host in hosts {
                let host = &participants[host];
                for (side, by) in [(RequestSide::From, owner), (RequestSide::To, host)] {
                    let id = ParticipantId::new(host.uid.clone());
                    let hosted = PartyToParticipant::new(side, party.clone(), id, permission).unwrap();
                    history.push(by.say(TopologyMapping::PartyToParticipant(hosted), version));
                }
            }
        }
        let topology = TopologyView::new(domain.clone(), version, TopologyState::replay(&history));
        let mediator = MediatorId::new(domain.uid().clone());
        Self { domain, mediator, version, topology, participants }
    }

    pub(crate) fn participant(&self, number: usize) -> ParticipantId {
        ParticipantId::new(self.participants[number - 1].uid.clone())
    }

    pub(crate) fn party(&self, name: &str) -> PartyId {
        let owner = match name {
            "a" | "both" => 0,
            "b" => 1,
            "c" => 2,
            "v" => 3,
            _ => return format!("{name}::1220ab").parse().unwrap(),
        };
        party_of(&self.participants[owner].uid, name)
    }

    pub(crate) fn parties(&self, names: &[&str]) -> BTreeSet<PartyId> {
        names.iter().map(|name| self.party(name)).collect()
    }

    pub(crate) fn state(&self) -> MediatorState {
        MediatorState::new(self.mediator.clone(), self.domain.clone(), self.version)
    }

    /// A view that all of some parties must confirm, of which others are told.
    pub(crate) fn signatories(&self, confirmers: &[&str], others: &[&str]) -> ViewConfirmationParameters {
        ViewConfirmationParameters::signatory(&self.parties(confirmers), &self.parties(others)).unwrap()
    }

    /// A view with one quorum of parties with weights.
    pub(crate) fn quorum(&self, weights: &[(&str, u32)], threshold: u32) -> Quorum {
        let confirmers = weights.iter().map(|(name, weight)| (self.party(name), *weight)).collect();
        Quorum { confirmers, threshold }
    }

    pub(crate) fn view(&self, trust: TrustLevel, quorums: Vec<Quorum>) -> ViewConfirmationParameters {
        let informees: BTreeMap<_, _> = quorums
            .iter()
            .flat_map(|quorum| quorum.confirmers.keys())
            .map(|party| (party.clone(), trust))
            .collect();
        ViewConfirmationParameters::new(informees, quorums).unwrap()
    }

    /// A request with these views, which the participants that are concerned are told of.
    pub(crate) fn draft(&self, views: Vec<ViewConfirmationParameters>) -> Draft<'_> {
        Draft::new(&self.topology, self.participant(1), views)
    }

    /// An answer for parties about the first view, or for none about all.
    pub(crate) fn answer(
        &self,
        number: usize,
        request: &Request,
        verdict: LocalVerdict,
        parties: &[&str],
        position: Option<ViewPosition>,
    ) -> Answer {
        let root_hash = request.informees.as_ref().map(InformeeMessage::root_hash);
        let response = MediatorResponse::new(
            start(),
            self.participant(number),
            verdict,
            root_hash,
            self.parties(parties),
            self.domain.clone(),
            position,
        );
        Answer { response: response.unwrap(), recipients: Recipients::only(self.mediator.member().clone()) }
    }

    pub(crate) fn approval(&self, number: usize, request: &Request, parties: &[&str]) -> Answer {
        self.answer(number, request, LocalVerdict::Approve, parties, Some(first(request)))
    }

    pub(crate) fn rejection(&self, number: usize, request: &Request, parties: &[&str]) -> Answer {
        let verdict = LocalVerdict::Reject(locked(&format!("by p{number}")));
        self.answer(number, request, verdict, parties, Some(first(request)))
    }

    /// A mediator with one open request, which came at [`start`].
    pub(crate) fn open(&self, request: &Request) -> MediatorState {
        let mut state = self.state();
        let effects = state.request(start(), request, &self.topology);
        assert_eq!(effects, [], "the request is refused");
        state
    }
}

fn party_of(uid: &UniqueIdentifier, name: &str) -> PartyId {
    PartyId::new(UniqueIdentifier::new(name.parse().unwrap(), uid.namespace().clone()))
}

/// A rejection as one view's contracts bring it.
pub(crate) fn locked(contract: &str) -> LocalReject {
    LocalReject::locked_contracts(vec![contract.to_owned()])
}

/// Where the first view is.
pub(crate) fn first(request: &Request) -> ViewPosition {
    positions(request)[0].clone()
}

pub(crate) fn positions(request: &Request) -> Vec<ViewPosition> {
    let views = request.informees.as_ref().unwrap().tree().views();
    views.into_iter().map(|(position, _)| position).collect()
}

/// A request in the making.
pub(crate) struct Draft<'a> {
    topology: &'a TopologyView,
    submitter: ParticipantId,
    pub(crate) uuid: Uuid,
    pub(crate) mediator: Member,
    pub(crate) policy: ConfirmationPolicy,
    views: Vec<ViewConfirmationParameters>,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(
        topology: &'a TopologyView,
        submitter: ParticipantId,
        views: Vec<ViewConfirmationParameters>,
    ) -> Self {
        let mediator = MediatorId::new(topology.domain().uid().clone()).into();
        let policy = ConfirmationPolicy::Signatory;
        Self { topology, submitter, uuid: Uuid::new_v4(), mediator, policy, views }
    }

    pub(crate) fn finish(self) -> Request {
        let Self { topology, submitter, uuid, mediator, policy, views } = self;
        let (domain, version) = (topology.domain().clone(), topology.protocol_version());
        let actors = BTreeSet::from([submitter.admin_party()]);
        let mut salts = SaltSeed::random().unwrap();
        let metadata = SubmitterMetadata::new(
            &salts.next_salt(),
            actors.clone(),
            "application".to_owned(),
            "command".to_owned(),
            submitter,
            None,
            DeduplicationPeriod::Duration(Duration::ZERO),
            after(60),
        );
        let common = CommonMetadata::new(&salts.next_salt(), policy, domain.clone(), uuid, mediator);
        let times = ParticipantMetadata::new(&salts.next_salt(), start(), start(), None);
        let mut concerned = BTreeSet::new();
        let mut nodes = Vec::new();
        for parameters in views {
            let hosts = parameters
                .informees()
                .keys()
                .flat_map(|party| topology.active_participants_of(party).into_keys());
            concerned.extend(hosts);
            let data = ViewCommonData::new(&salts.next_salt(), parameters, version).unwrap();
            let salt = salts.next_salt();
            let contract_id = ContractId::created(&salt, 0);
            let contract = Contract {
                id: contract_id.clone(),
                instance: b"an instance".to_vec(),
                signatories: actors.clone(),
                observers: BTreeSet::new(),
                created_at: start(),
            };
            let content = ViewContent {
                inputs: Vec::new(),
                created: vec![CreatedContract { contract, consumed_in_core: false }],
                action: ViewAction::Create { contract_id },
            };
            let content = ViewParticipantData::new(&salt, content, version).unwrap();
            nodes.push(ViewNode::new(data, content, MerkleSeq::new(Vec::new())));
        }
        let tree =
            GenTransactionTree::new(metadata.unwrap(), common.unwrap(), times.unwrap(), nodes).unwrap();
        let root = RootHashMessage {
            root_hash: tree.root_hash(),
            domain_id: domain.clone(),
            view_type: ViewType::Transaction,
            payload: Vec::new(),
        };
        let mediator: Member = MediatorId::new(domain.uid().clone()).into();
        let pairs = concerned.iter().map(|participant| [mediator.clone(), participant.member().clone()]);
        let roots =
            if concerned.is_empty() { Vec::new() } else { vec![(root, Recipients::groups(pairs).unwrap())] };
        Request { informees: Some(InformeeMessage::new(tree.informee_tree().unwrap(), version)), roots }
    }
}

/// The one conclusion among effects; there may be alarms beside it.
pub(crate) fn concluded(effects: &[Effect]) -> &Conclusion {
    let conclusions: Vec<_> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Conclude(conclusion) => Some(conclusion),
            Effect::Alarm { .. } => None,
        })
        .collect();
    let [conclusion] = conclusions[..] else { panic!("{effects:?}") };
    conclusion
}

/// The verdict of the one conclusion, and who is told.
pub(crate) fn verdict(effects: &[Effect]) -> (&Verdict, &BTreeSet<ParticipantId>) {
    let [(ResultContent::Transaction(result), told)] = &concluded(effects).results[..] else {
        panic!("{effects:?}")
    };
    (result.verdict(), told)
}

/// The one alarm, beside which there is nothing.
pub(crate) fn alarm(effects: &[Effect]) -> &Alarm {
    let [Effect::Alarm { alarm, .. }] = effects else { panic!("{effects:?}") };
    alarm
}

/// A domain with a sequencer in memory, two participants whose keys are at hand, and a mediator node that can be killed.
pub(crate) struct Domain {
    pub(crate) test: Arc<TestDomain>,
    pub(crate) sequencer: TestSequencer,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) alice: TestMember,
    pub(crate) bob: TestMember,
    folder: tempfile::TempDir,
    running: Option<(Machine, MediatorNode)>,
}

impl Domain {
    /// A domain whose mediator works.
    pub(crate) async fn new(version: ProtocolVersion) -> Self {
        let clock = Arc::new(ManualClock::new(start().to_timestamp()));
        let test = Arc::new(TestDomain::new(version));
        let sequencer = TestSequencer::new(Arc::clone(&test), clock.clone());
        let alice = TestMember::new("alice", &test, clock.clone()).await;
        let bob = TestMember::new("bob", &test, clock.clone()).await;
        let mut topology = test.initial_topology();
        for member in [&alice, &bob] {
            let own = member.topology();
            topology.extend(own[..3].iter().cloned());
            topology.push(test.trust(&member.participant));
            topology.extend(own[3..].iter().cloned());
        }
        sequencer.publish_topology(topology, &[alice.member(), bob.member(), test.mediator().into()]);
        clock.advance(Duration::from_secs(1));
        let folder = tempfile::tempdir().unwrap();
        let mut domain = Self { test, sequencer, clock, alice, bob, folder, running: None };
        domain.start(true).await;
        domain
    }

    async fn start(&mut self, first: bool) {
        let machine = Machine::start("mediator1");
        let (path, test, clock) =
            (self.folder.path().join("mediator1.db"), Arc::clone(&self.test), self.clock.clone());
        let api = self.sequencer.api();
        let node = machine.run(async move {
            let identity = NodeIdentity { kind: NodeKind::Mediator, name: "mediator1".parse().unwrap() };
            let options = SqliteOptions {
                location: SqliteLocation::File(path),
                node: identity.clone(),
                migrate: MigrateOnStart::No,
                access: Access::ReadWrite,
            };
            let store: Arc<dyn NodeStore> = Arc::new(SqliteStore::open(options).await.unwrap());
            let options = VaultOptions::new(identity, CryptoProvider::Jce);
            let vault =
                Vault::open(Arc::clone(&store), VaultBackend::Jce, options, clock.clone()).await.unwrap();
            if first {
                let pair: KeyPair = test.mediator_key().clone().into();
                vault.import_key_pair(&pair.to_versioned_bytes(), None).await.unwrap();
            }
            let mut options = MediatorOptions::default();
            options.client.cursor_interval = Duration::from_millis(5);
            let node = MediatorNode::open(options, vault, store, clock).await.unwrap();
            node.start_with(&test.id, &test.parameters, api).await.unwrap();
            node
        });
        let node = node.await;
        self.running = Some((machine, node));
    }

    /// Ends the mediator wherever it stands, and starts it again.
    pub(crate) async fn restart(&mut self) {
        self.kill().await;
        self.start(false).await;
    }

    pub(crate) async fn kill(&mut self) {
        if let Some((machine, node)) = self.running.take() {
            drop(node);
            machine.crash().await;
        }
    }

    pub(crate) async fn is_open(&self, count: usize) {
        let (_, node) = self.running.as_ref().unwrap();
        until("the mediator to have taken all requests", async || node.open_requests().await == count).await;
    }

    /// Waits until it has all that was sequenced before it began: until then it holds its verdicts back.
    pub(crate) async fn is_caught_up(&self) {
        let (_, node) = self.running.as_ref().unwrap();
        until("the mediator to have caught up", async || match node.health().await {
            Some(health) => health.borrow().caught_up,
            None => false,
        })
        .await;
    }

    /// A request of alice that some must confirm.
    pub(crate) fn request(&self, confirmers: &[&TestMember]) -> Request {
        let parties = confirmers.iter().map(|member| member.participant.admin_party()).collect();
        let view = ViewConfirmationParameters::signatory(&parties, &BTreeSet::new()).unwrap();
        Draft::new(&self.sequencer.topology(), self.alice.participant.clone(), vec![view]).finish()
    }

    /// Sequences requests in one event; says when.
    pub(crate) fn deliver(&self, requests: &[&Request], more: Vec<Envelope>) -> CantonTimestamp {
        let version = self.test.parameters.protocol_version;
        let mut envelopes = more;
        for request in requests {
            if let Some(message) = &request.informees {
                let message = ProtocolMessage::Informee(Box::new(message.clone()));
                let mediator = Recipients::only(self.test.mediator().into());
                envelopes.push(message.to_envelope(mediator, version).unwrap());
            }
            for (root, recipients) in &request.roots {
                envelopes.push(
                    ProtocolMessage::RootHash(root.clone()).to_envelope(recipients.clone(), version).unwrap(),
                );
            }
        }
        self.sequencer.deliver(&Batch::new(envelopes))
    }

    /// An approval of a request that came at a time, signed by some member's key.
    pub(crate) async fn approval(
        &self,
        at: CantonTimestamp,
        request: &Request,
        of: &TestMember,
        signed_by: &TestMember,
    ) -> Envelope {
        let response = MediatorResponse::new(
            at,
            of.participant.clone(),
            LocalVerdict::Approve,
            Some(request.informees.as_ref().unwrap().root_hash()),
            BTreeSet::from([of.participant.admin_party()]),
            self.test.id.clone(),
            Some(first(request)),
        );
        let response = response.unwrap();
        let key = self.sequencer.topology().signing_key(&signed_by.member()).unwrap();
        let signature = signed_by.vault.sign(&response.hash(), key.fingerprint()).await.unwrap();
        let message = SignedProtocolMessage::assemble(response.into(), signature);
        let mediator = Recipients::only(self.test.mediator().into());
        let version = self.test.parameters.protocol_version;
        ProtocolMessage::Signed(Box::new(message)).to_envelope(mediator, version).unwrap()
    }

    /// Alice and bob approve.
    pub(crate) async fn approve(&self, at: CantonTimestamp, request: &Request, by: &[&TestMember]) {
        for member in by {
            let envelope = self.approval(at, request, member, member).await;
            self.sequencer.deliver(&Batch::new(vec![envelope]));
        }
    }

    /// The results that alice has got, in their order.
    pub(crate) fn results(&self) -> Vec<SignedProtocolMessage> {
        let version = self.test.parameters.protocol_version;
        let mut results = Vec::new();
        for received in self.sequencer.events(&self.alice.member()) {
            let Some(batch) = received.event.content().batch() else { continue };
            let batch = batch.decompress(1 << 20).unwrap();
            for envelope in batch.envelopes() {
                match ProtocolMessage::from_bytes(envelope.shared_content(), version).unwrap() {
                    ProtocolMessage::Signed(message) => results.push(*message),
                    _ => continue,
                }
            }
        }
        results
    }

    /// Waits for so many results, and returns the last one.
    pub(crate) async fn result(&self, count: usize) -> SignedProtocolMessage {
        until("the result", async || self.results().len() >= count).await;
        let mut results = self.results();
        assert_eq!(results.len(), count);
        results.pop().unwrap()
    }

    /// The submissions by which the mediator told a verdict.
    pub(crate) fn verdicts_of(&self, at: CantonTimestamp) -> Vec<SubmissionRequest> {
        let id = format!("mmid:verdict:{}", at.micros());
        let mut submissions = self.sequencer.submissions();
        submissions.retain(|submission| submission.message_id().as_str() == id);
        submissions
    }
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let held = async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    };
    cantle_simulation::in_time(what, held).await;
}
