//! The clients' side of a recorded conversation, call by call, against this domain: participants of Canton 2.10 connect, are
//! onboarded and ping. Each call is made again in the recorded order, with keys and names of our own, and gets an answer of
//! the recorded shape.
//!
//! Known differences: what a participant registers again is answered DUPLICATE here, ACCEPTED there; topology may come in
//! messages of another size.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cantle_crypto::{
    EncryptionKeyScheme, EncryptionPrivateKey, Hash, PublicKey, SigningKeyScheme, SigningPrivateKey,
};
use cantle_proto::connection::v30::api_info_service_client::ApiInfoServiceClient;
use cantle_proto::domain::api::v0::{
    SendAsyncUnauthenticatedVersionedRequest, SendAsyncVersionedRequest, SubscriptionRequest,
    VersionedSubscriptionResponse, authentication, challenge,
    sequencer_authentication_service_client::SequencerAuthenticationServiceClient,
    sequencer_connect::verify_active, sequencer_connect_service_client::SequencerConnectServiceClient,
    sequencer_service_client::SequencerServiceClient,
};
use cantle_protocol::{
    Batch, CommonMetadata, ConfirmationPolicy, Contract, ContractId, CreatedContract, DeduplicationPeriod,
    EncryptedViewMessage, Envelope, GenTransactionTree, InformeeMessage, LocalVerdict, MediatorResponse,
    MerkleSeq, MessageId, ParticipantMetadata, ProtocolMessage, Recipients,
    RegisterTopologyTransactionRequest, RootHashMessage, SaltSeed, SequencedEvent, Signable, SignedContent,
    SignedMessage, SignedProtocolContent, SignedProtocolMessage, SubmissionKind, SubmissionRequest,
    SubmitterMetadata, TimeProof, TopologyRequestId, ViewAction, ViewCommonData, ViewConfirmationParameters,
    ViewContent, ViewNode, ViewParticipantData, ViewPosition, ViewSeed, ViewType,
};
use cantle_sequencing::authentication_hash;
use cantle_simulation::{Cluster, ClusterOptions, Keys, in_time};
use cantle_topology::{
    NamespaceDelegation, OwnerToKeyMapping, Packages, ParticipantPermission, ParticipantState, RequestSide,
    SignedTopologyTransaction, TopologyMapping, TopologyTransaction, TrustLevel,
};
use cantle_types::{
    CantonTimestamp, DomainId, DomainManagerId, MediatorId, Member, MemberCode, Namespace, ParticipantId,
    ProtocolVersion, UniqueIdentifier,
};
use prost::Message;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Request, Streaming};
use uuid::Uuid;

const CONVERSATION: &str = include_str!("../../../protocol/tests/fixtures/canton-2.10-conversation.jsonl");
const VERSION: ProtocolVersion = ProtocolVersion::V5;

/// One recorded line that has a message.
struct Line {
    call: u64,
    /// Without the service.
    method: String,
    dir: String,
    bytes: Vec<u8>,
    /// The member on whose behalf the call is made, if it says so.
    member: Option<String>,
}

fn lines() -> Vec<Line> {
    let mut members: HashMap<u64, String> = HashMap::new();
    let mut lines = Vec::new();
    for line in CONVERSATION.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let call = line["call"].as_u64().unwrap();
        for pair in line["metadata"].as_array().into_iter().flatten() {
            if pair[0] == "memberid" {
                members.insert(call, pair[1].as_str().unwrap().to_owned());
            }
        }
        let Some(message) = line["message"].as_str() else { continue };
        lines.push(Line {
            call,
            method: line["method"].as_str().unwrap().rsplit('/').next().unwrap().to_owned(),
            dir: line["dir"].as_str().unwrap().to_owned(),
            bytes: BASE64_STANDARD.decode(message).unwrap(),
            member: members.get(&call).cloned(),
        });
    }
    lines
}

fn kinds(batch: Option<Batch>) -> Vec<&'static str> {
    let batch = batch.unwrap_or_else(Batch::empty);
    let kind = |envelope: &Envelope| match ProtocolMessage::from_bytes(envelope.shared_content(), VERSION)
        .unwrap()
    {
        ProtocolMessage::Informee(_) => "informee tree",
        ProtocolMessage::RootHash(_) => "root hash",
        ProtocolMessage::EncryptedView(_) => "view",
        ProtocolMessage::DomainTopology(_) => "topology",
        ProtocolMessage::RegisterTopologyRequest(_) => "registration",
        ProtocolMessage::RegisterTopologyResponse(_) => "registered",
        ProtocolMessage::Signed(message) => match message.content() {
            SignedProtocolContent::MediatorResponse(_) => "response",
            SignedProtocolContent::TransactionResult(_) => "result",
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    batch.envelopes().iter().map(kind).collect()
}

fn opened(batch: &cantle_protocol::CompressedBatch) -> Batch {
    batch.decompress(10 << 20).unwrap()
}

/// What can be compared of an event.
#[derive(Debug, PartialEq, Eq)]
struct Shape {
    is_own: bool,
    names_a_time: bool,
    kinds: Vec<&'static str>,
}

type Event = SignedContent<SequencedEvent>;

fn shape(event: &Event) -> Shape {
    Shape {
        is_own: event.content().message_id().is_some(),
        names_a_time: event.timestamp_of_signing_key().is_some(),
        kinds: kinds(event.content().batch().map(opened)),
    }
}

fn event_of(bytes: &[u8]) -> Event {
    let response = VersionedSubscriptionResponse::decode(bytes).unwrap();
    assert!(response.trace_context.unwrap().traceparent.is_some());
    assert_eq!(response.traffic_state, None);
    SignedContent::from_bytes(response.signed_sequenced_event).unwrap()
}

/// One who plays a recorded participant.
struct Player {
    id: ParticipantId,
    namespace: SigningPrivateKey,
    signing: SigningPrivateKey,
    encryption: EncryptionPrivateKey,
    before: Member,
    token: Option<Vec<u8>>,
    nonce: Vec<u8>,
    stream: Option<Streaming<VersionedSubscriptionResponse>>,
    /// Events that were read and not asked for yet.
    waiting: Vec<Event>,
    last_time: CantonTimestamp,
    /// The request that has to be answered.
    open: Option<(CantonTimestamp, Hash, ViewPosition)>,
}

impl Player {
    fn new(name: &str) -> Self {
        let namespace = SigningPrivateKey::generate(SigningKeyScheme::EcDsaP256).unwrap();
        let of = Namespace::new(namespace.fingerprint().clone());
        let id = ParticipantId::new(UniqueIdentifier::new(name.parse().unwrap(), of.clone()));
        let nobody = UniqueIdentifier::new("ab".repeat(20).parse().unwrap(), of);
        Self {
            id,
            signing: SigningPrivateKey::generate(SigningKeyScheme::EcDsaP256).unwrap(),
            encryption: EncryptionPrivateKey::generate(EncryptionKeyScheme::Rsa2048OaepSha256).unwrap(),
            namespace,
            before: Member::new(MemberCode::Unauthenticated, nobody),
            token: None,
            nonce: Vec::new(),
            stream: None,
            waiting: Vec::new(),
            last_time: CantonTimestamp::MIN,
            open: None,
        }
    }

    fn say(&self, mapping: TopologyMapping) -> SignedTopologyTransaction {
        let transaction = TopologyTransaction::add(mapping, VERSION).unwrap();
        let signature = self.namespace.sign_hash(&transaction.hash()).unwrap();
        SignedTopologyTransaction::assemble(transaction, self.namespace.public().clone(), signature)
    }

    /// The same mappings as in a recorded registration.
    fn registration(
        &self,
        domain: &DomainId,
        recorded: &RegisterTopologyTransactionRequest,
    ) -> Vec<SignedTopologyTransaction> {
        let owned = |key| {
            TopologyMapping::OwnerToKeyMapping(OwnerToKeyMapping { owner: self.id.member().clone(), key })
        };
        let mapping = |signed: &SignedTopologyTransaction| match signed.transaction().mapping() {
            TopologyMapping::NamespaceDelegation(_) => TopologyMapping::NamespaceDelegation(
                NamespaceDelegation::root(self.namespace.public().clone()),
            ),
            TopologyMapping::OwnerToKeyMapping(mapping) if mapping.key.as_signing().is_some() => {
                owned(PublicKey::Signing(self.signing.public().clone()))
            }
            TopologyMapping::OwnerToKeyMapping(_) => {
                owned(PublicKey::Encryption(self.encryption.public().clone()))
            }
            TopologyMapping::ParticipantState(_) => TopologyMapping::ParticipantState(
                ParticipantState::new(
                    RequestSide::To,
                    domain.clone(),
                    self.id.clone(),
                    ParticipantPermission::Submission,
                    TrustLevel::Ordinary,
                )
                .unwrap(),
            ),
            TopologyMapping::VettedPackages(_) => TopologyMapping::VettedPackages(Packages {
                participant: self.id.clone(),
                package_ids: vec!["main".parse().unwrap()],
            }),
            other => panic!("nobody registered that: {other:?}"),
        };
        recorded.transactions.iter().map(|signed| self.say(mapping(signed))).collect()
    }

    fn sign<T: Signable>(&self, content: T) -> SignedContent<T> {
        let signature = self.signing.sign_hash(&content.hash()).unwrap();
        SignedContent::assemble(content, signature, Some(self.last_time))
    }

    /// The next event that is meant.
    async fn event(&mut self, what: &str, is_meant: impl Fn(&Event) -> bool) -> Event {
        if let Some(index) = self.waiting.iter().position(&is_meant) {
            return self.waiting.remove(index);
        }
        loop {
            let stream = self.stream.as_mut().unwrap();
            let response = in_time(what, stream.message()).await.unwrap().expect("the stream goes on");
            let event = event_of(&response.encode_to_vec());
            self.last_time = event.content().timestamp();
            if is_meant(&event) {
                return event;
            }
            self.waiting.push(event);
        }
    }

    async fn receipt(&mut self, id: &MessageId) -> Event {
        self.event("the receipt", |event| event.content().message_id() == Some(id)).await
    }

    async fn of_kind(&mut self, kind: &'static str) -> Event {
        self.event(kind, |event| kinds(event.content().batch().map(opened)).contains(&kind)).await
    }
}

/// The conversation while it is played again.
struct Replay {
    domain: DomainId,
    channel: Channel,
    players: HashMap<String, Player>,
}

impl Replay {
    fn mediator(&self) -> Member {
        MediatorId::new(self.domain.uid().clone()).into()
    }

    fn player(&mut self, line: &Line) -> &mut Player {
        let name = player_of(line);
        self.players.get_mut(name).unwrap()
    }

    fn call<T>(&self, line: &Line, message: T) -> Request<T> {
        let player = &self.players[player_of(line)];
        let recorded = line.member.as_deref().unwrap();
        let member = if recorded.starts_with("UNM") { &player.before } else { player.id.member() };
        let mut request = Request::new(message);
        let metadata = request.metadata_mut();
        metadata.insert("memberid", member.as_str().parse().unwrap());
        metadata.insert("domainid", self.domain.as_str().parse().unwrap());
        metadata.insert(
            "traceparent",
            "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01".parse().unwrap(),
        );
        if let Some(token) = player.token.as_ref().filter(|_| !recorded.starts_with("UNM")) {
            metadata.insert_bin("authtoken-bin", MetadataValue::from_bytes(token));
        }
        request
    }

    /// What a participant sends in place of a recorded batch.
    fn batch(&mut self, line: &Line, recorded: &Batch, sender: &Member) -> Batch {
        let (domain, mediator) = (self.domain.clone(), self.mediator());
        let player = self.player(line);
        let first = recorded.envelopes().first();
        let first = first.map(|first| ProtocolMessage::from_bytes(first.shared_content(), VERSION).unwrap());
        match first {
            None => Batch::empty(),
            Some(ProtocolMessage::RegisterTopologyRequest(request)) => {
                let ours = RegisterTopologyTransactionRequest {
                    requested_by: sender.clone(),
                    participant: player.id.clone(),
                    request_id: TopologyRequestId::random(),
                    transactions: player.registration(&domain, &request),
                    domain_id: domain.clone(),
                };
                let manager = Recipients::only(DomainManagerId::new(domain.uid().clone()).into());
                let message = ProtocolMessage::RegisterTopologyRequest(Box::new(ours));
                Batch::new(vec![message.to_envelope(manager, VERSION).unwrap()])
            }
            Some(ProtocolMessage::Informee(_)) => self_ping(player, &domain, &mediator),
            Some(ProtocolMessage::Signed(_)) => {
                let (at, root_hash, position) = player.open.clone().expect("a request is answered");
                let response = MediatorResponse::new(
                    at,
                    player.id.clone(),
                    LocalVerdict::Approve,
                    Some(root_hash),
                    BTreeSet::from([player.id.admin_party()]),
                    domain,
                    Some(position),
                );
                let response = response.unwrap();
                let signature = player.signing.sign_hash(&response.hash()).unwrap();
                let message = SignedProtocolMessage::assemble(response.into(), signature);
                let message = ProtocolMessage::Signed(Box::new(message));
                Batch::new(vec![message.to_envelope(Recipients::only(mediator), VERSION).unwrap()])
            }
            Some(other) => panic!("nobody sent that: {other:?}"),
        }
    }
}

fn player_of(line: &Line) -> &'static str {
    let recorded = line.member.as_deref().expect("a call on somebody's behalf");
    // An unauthenticated member bears its participant's namespace.
    let of_one = CONVERSATION
        .lines()
        .find_map(|line| line.split("PAR::participant1::").nth(1)?.get(..68))
        .expect("participant1 was recorded");
    if recorded.ends_with(of_one) { "participant1" } else { "participant2" }
}

/// A transaction of one view whose only informee is the participant's own party.
fn self_ping(player: &mut Player, domain: &DomainId, mediator: &Member) -> Batch {
    let party = BTreeSet::from([player.id.admin_party()]);
    let now = player.last_time;
    let mut salts = SaltSeed::random().unwrap();
    let submitter = SubmitterMetadata::new(
        &salts.next_salt(),
        party.clone(),
        "replay".to_owned(),
        "command".to_owned(),
        player.id.clone(),
        None,
        DeduplicationPeriod::Duration(Duration::ZERO),
        now.saturating_add(Duration::from_secs(60)),
    );
    let policy = ConfirmationPolicy::Signatory;
    let common =
        CommonMetadata::new(&salts.next_salt(), policy, domain.clone(), Uuid::new_v4(), mediator.clone());
    let times = ParticipantMetadata::new(&salts.next_salt(), now, now, None);
    let parameters = ViewConfirmationParameters::signatory(&party, &BTreeSet::new()).unwrap();
    let data = ViewCommonData::new(&salts.next_salt(), parameters, VERSION).unwrap();
    let salt = salts.next_salt();
    let contract_id = ContractId::created(&salt, 0);
    let contract = Contract {
        id: contract_id.clone(),
        instance: b"an instance".to_vec(),
        signatories: party,
        observers: BTreeSet::new(),
        created_at: now,
    };
    let content = ViewContent {
        inputs: Vec::new(),
        created: vec![CreatedContract { contract, consumed_in_core: false }],
        action: ViewAction::Create { contract_id },
    };
    let content = ViewParticipantData::new(&salt, content, VERSION).unwrap();
    let view = ViewNode::new(data, content, MerkleSeq::new(Vec::new()));
    let tree =
        GenTransactionTree::new(submitter.unwrap(), common.unwrap(), times.unwrap(), vec![view]).unwrap();
    let signature = player.signing.sign_hash(&tree.root_hash()).unwrap();
    let lights = tree.light_trees().unwrap();
    let keys = [player.encryption.public().clone()];
    let view =
        EncryptedViewMessage::with_seed(&lights[0], &ViewSeed::random().unwrap(), &keys, Some(signature));
    let informee = InformeeMessage::new(tree.informee_tree().unwrap(), VERSION);
    let position = informee.tree().views()[0].0.clone();
    player.open = Some((CantonTimestamp::MIN, tree.root_hash(), position));
    let root = RootHashMessage {
        root_hash: tree.root_hash(),
        domain_id: domain.clone(),
        view_type: ViewType::Transaction,
        payload: Vec::new(),
    };
    let own = player.id.member().clone();
    let messages = [
        (ProtocolMessage::Informee(Box::new(informee)), Recipients::only(mediator.clone())),
        (ProtocolMessage::RootHash(root), Recipients::group([mediator.clone(), own.clone()]).unwrap()),
        (ProtocolMessage::EncryptedView(Box::new(view.unwrap())), Recipients::only(own)),
    ];
    Batch::new(messages.into_iter().map(|(message, to)| message.to_envelope(to, VERSION).unwrap()).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_recorded_calls_get_answers_of_the_recorded_shape() {
    let options = ClusterOptions { participants: 0, keys: Keys::Software, ..ClusterOptions::new(VERSION) };
    let cluster = Cluster::start(options).await;
    let line = cluster.network.line().await;
    let channel = Channel::from_shared(line.uri()).unwrap().connect().await.unwrap();
    let players = ["participant1", "participant2"].map(|name| (name.to_owned(), Player::new(name)));
    let mut replay = Replay { domain: cluster.domain.clone(), channel, players: players.into() };
    let recorded = lines();
    let mut made: HashMap<&str, usize> = HashMap::new();
    for line in recorded.iter().filter(|line| line.dir == "req") {
        let answers: Vec<_> =
            recorded.iter().filter(|other| other.call == line.call && other.dir == "resp").collect();
        again(&mut replay, &recorded, line, &answers).await;
        *made.entry(line.method.as_str()).or_default() += 1;
    }
    let once = [
        "SubscribeUnauthenticatedVersioned",
        "SendAsyncUnauthenticatedVersioned",
        "SubscribeVersioned",
        "Challenge",
        "Authenticate",
    ];
    assert!(once.iter().all(|method| made[method] == 2), "each for two participants: {made:?}");
    assert!(made["SendAsyncVersioned"] >= 10, "{made:?}");
    assert_eq!(made.len(), 12, "{made:?}");
}

/// Makes one recorded call again, and compares the answers.
async fn again(replay: &mut Replay, recorded: &[Line], line: &Line, answers: &[&Line]) {
    let mut connect = SequencerConnectServiceClient::new(replay.channel.clone());
    let mut service = SequencerServiceClient::new(replay.channel.clone());
    let mut authentication = SequencerAuthenticationServiceClient::new(replay.channel.clone());
    let answer = || answers[0].bytes.clone();
    match line.method.as_str() {
        "GetApiInfo" => {
            let request = Message::decode(&line.bytes[..]).unwrap();
            let ours =
                ApiInfoServiceClient::new(replay.channel.clone()).get_api_info(Request::new(request)).await;
            assert_eq!(ours.unwrap().into_inner().encode_to_vec(), answer());
        }
        "Handshake" => {
            let request = Message::decode(&line.bytes[..]).unwrap();
            let ours = connect.handshake(Request::new(request)).await.unwrap();
            assert_eq!(ours.into_inner().encode_to_vec(), answer());
        }
        "GetDomainParameters" => {
            let request = Message::decode(&line.bytes[..]).unwrap();
            let ours = connect.get_domain_parameters(Request::new(request)).await.unwrap();
            assert_eq!(hex::encode(ours.into_inner().encode_to_vec()), hex::encode(answer()));
        }
        "GetServiceAgreement" => {
            let request = Message::decode(&line.bytes[..]).unwrap();
            let ours = connect.get_service_agreement(Request::new(request)).await.unwrap();
            assert_eq!(ours.into_inner().encode_to_vec(), answer());
        }
        "GetDomainId" => {
            use cantle_proto::domain::api::v0::sequencer_connect::get_domain_id;
            let theirs = get_domain_id::Response::decode(&answer()[..]).unwrap();
            assert_eq!(theirs.sequencer_id, format!("SEQ::{}", theirs.domain_id));
            let ours = connect.get_domain_id(get_domain_id::Request {}).await.unwrap().into_inner();
            assert_eq!(ours.domain_id, replay.domain.as_str());
            assert_eq!(ours.sequencer_id, format!("SEQ::{}", ours.domain_id));
        }
        "VerifyActive" => {
            // Whether it is active by now is a matter of time; in the end it is as recorded.
            let is_before = replay.player(line).token.is_none() && answer() == b"\x0a\x00";
            let asked = async {
                loop {
                    let mut request = Request::new(verify_active::Request {});
                    let member = replay.players[player_of(line)].id.to_string();
                    request.metadata_mut().insert("memberid", member.parse().unwrap());
                    let ours = connect.verify_active(request).await.unwrap().into_inner().encode_to_vec();
                    if ours == answer() || (is_before && ours == b"\x0a\x02\x08\x01") {
                        return;
                    }
                }
            };
            in_time("the recorded activity", asked).await;
        }
        "SubscribeUnauthenticatedVersioned" | "SubscribeVersioned" => {
            let theirs = SubscriptionRequest::decode(&line.bytes[..]).unwrap();
            let is_before = line.method == "SubscribeUnauthenticatedVersioned";
            let player = replay.player(line);
            let member = if is_before { player.before.to_string() } else { player.id.to_string() };
            let request = replay.call(line, SubscriptionRequest { member, counter: theirs.counter });
            let stream = match is_before {
                true => service.subscribe_unauthenticated_versioned(request).await,
                false => service.subscribe_versioned(request).await,
            };
            let player = replay.player(line);
            player.stream = Some(stream.unwrap().into_inner());
            player.waiting.clear();
            if !is_before {
                let ours = player
                    .event("the topology of the domain", |event| event.content().counter().get() == 0)
                    .await;
                assert_eq!(shape(&ours), shape(&event_of(&answer())));
            }
        }
        "SendAsyncUnauthenticatedVersioned" => {
            let theirs = SendAsyncUnauthenticatedVersionedRequest::decode(&line.bytes[..]).unwrap();
            let theirs = SubmissionRequest::from_bytes(theirs.submission_request).unwrap();
            let sender = replay.player(line).before.clone();
            let batch = replay.batch(line, &opened(theirs.batch()), &sender);
            let submission = submission(sender, &theirs, batch);
            let message =
                SendAsyncUnauthenticatedVersionedRequest { submission_request: submission.bytes().to_vec() };
            let request = replay.call(line, message);
            let ours = service.send_async_unauthenticated_versioned(request).await.unwrap();
            assert_eq!(ours.into_inner().encode_to_vec(), answer());
            followed_as_recorded(replay.player(line), recorded, theirs.message_id(), submission.message_id())
                .await;
            let event = replay.player(line).of_kind("registered").await;
            assert_eq!(registered(&event), (4, true));
        }
        "Challenge" => {
            let theirs = challenge::Request::decode(&line.bytes[..]).unwrap();
            let name = if theirs.member.contains("participant1") { "participant1" } else { "participant2" };
            let player = replay.players.get_mut(name).unwrap();
            let request = challenge::Request { member: player.id.to_string(), ..theirs };
            let success = |response: challenge::Response| match response.value.unwrap() {
                challenge::response::Value::Success(success) => success,
                challenge::response::Value::Failure(failure) => panic!("{failure:?}"),
            };
            let ours = success(authentication.challenge(request).await.unwrap().into_inner());
            let theirs = success(challenge::Response::decode(&answer()[..]).unwrap());
            assert_eq!(
                (&ours.domain_version, ours.nonce.len()),
                (&theirs.domain_version, theirs.nonce.len())
            );
            assert_eq!(ours.fingerprints, [player.signing.fingerprint().to_string()]);
            assert_eq!(ours.fingerprints.len(), theirs.fingerprints.len());
            player.nonce = ours.nonce;
        }
        "Authenticate" => {
            let theirs = authentication::Request::decode(&line.bytes[..]).unwrap();
            let name = if theirs.member.contains("participant1") { "participant1" } else { "participant2" };
            let domain = replay.domain.clone();
            let player = replay.players.get_mut(name).unwrap();
            let signature =
                player.signing.sign_hash(&authentication_hash(&player.nonce, &domain, None)).unwrap();
            let request = authentication::Request {
                member: player.id.to_string(),
                signature: Some(signature.to_proto()),
                nonce: player.nonce.clone(),
            };
            let success = |response: authentication::Response| match response.value.unwrap() {
                authentication::response::Value::Success(success) => success,
                authentication::response::Value::Failure(failure) => panic!("{failure:?}"),
            };
            let ours = success(authentication.authenticate(request).await.unwrap().into_inner());
            let theirs = success(authentication::Response::decode(&answer()[..]).unwrap());
            assert_eq!(ours.token.len(), theirs.token.len());
            assert!(ours.expires_at.is_some() && theirs.expires_at.is_some());
            player.token = Some(ours.token);
        }
        "SendAsyncVersioned" => {
            let theirs = SendAsyncVersionedRequest::decode(&line.bytes[..]).unwrap();
            let theirs: SignedContent<SubmissionRequest> =
                SignedContent::from_bytes(theirs.signed_submission_request).unwrap();
            let theirs = theirs.into_content();
            let sender = replay.player(line).id.member().clone();
            let batch = replay.batch(line, &opened(theirs.batch()), &sender);
            let ours = match TimeProof::is_request(&theirs) {
                true => TimeProof::request(sender),
                false => submission(sender, &theirs, batch),
            };
            let signed = replay.player(line).sign(ours.clone());
            let message = SendAsyncVersionedRequest { signed_submission_request: signed.bytes().to_vec() };
            let answered = service.send_async_versioned(replay.call(line, message)).await.unwrap();
            assert_eq!(answered.into_inner().encode_to_vec(), answer());
            let player = replay.player(line);
            let own = followed_as_recorded(player, recorded, theirs.message_id(), ours.message_id()).await;
            match kinds(Some(opened(theirs.batch())))[..] {
                ["registration"] => {
                    let event = player.of_kind("registered").await;
                    assert_eq!(registered(&event), (4, true));
                }
                ["informee tree", ..] => player.open.as_mut().unwrap().0 = own.content().timestamp(),
                ["response"] => {
                    let (request, ..) = player.open.take().unwrap();
                    let event = player.of_kind("result").await;
                    assert_eq!(event.timestamp_of_signing_key(), Some(request));
                    assert_eq!(
                        shape(&event),
                        Shape { is_own: false, names_a_time: true, kinds: vec!["result"] }
                    );
                    let batch = opened(event.content().batch().unwrap());
                    let message =
                        ProtocolMessage::from_bytes(batch.envelopes()[0].shared_content(), VERSION).unwrap();
                    let ProtocolMessage::Signed(message) = message else { panic!("{message:?}") };
                    let SignedProtocolContent::TransactionResult(result) = message.content() else {
                        panic!()
                    };
                    assert!(result.verdict().is_approve() && result.request_id() == request);
                }
                _ => {}
            }
        }
        other => panic!("nobody called {other}"),
    }
}

fn submission(sender: Member, recorded: &SubmissionRequest, batch: Batch) -> SubmissionRequest {
    let kind = if recorded.is_request() { SubmissionKind::Request } else { SubmissionKind::Other };
    let time = recorded.timestamp_of_signing_key();
    assert_eq!(kinds(Some(batch.clone())), kinds(Some(opened(recorded.batch()))), "the same is sent");
    SubmissionRequest::new(sender, MessageId::random(), kind, batch.compress(), CantonTimestamp::MAX, time)
}

/// The sender's own event is like the one that was recorded.
async fn followed_as_recorded(
    player: &mut Player,
    recorded: &[Line],
    theirs: &MessageId,
    ours: &MessageId,
) -> Event {
    let events = recorded.iter().filter(|line| line.dir == "resp" && line.method.starts_with("Subscribe"));
    let mut events = events.map(|line| event_of(&line.bytes));
    let theirs =
        events.find(|event| event.content().message_id() == Some(theirs)).expect("a recorded receipt");
    let own = player.receipt(ours).await;
    assert_eq!(shape(&own), shape(&theirs));
    own
}

/// How many transactions were answered, and whether all were taken.
fn registered(event: &Event) -> (usize, bool) {
    let batch = opened(event.content().batch().unwrap());
    let message = ProtocolMessage::from_bytes(batch.envelopes()[0].shared_content(), VERSION).unwrap();
    let ProtocolMessage::RegisterTopologyResponse(response) = message else { panic!("{message:?}") };
    (response.results.len(), response.results.iter().all(|result| result.state.is_settled()))
}
