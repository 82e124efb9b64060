//! Answers of participants and verdicts of mediators at both protocol versions, and what must not pass for one.

use cantle_crypto::{Hash, HashPurpose, SigningKeyScheme, SigningPrivateKey, digest};
use cantle_proto::protocol::v1;
use cantle_proto::versioned;
use cantle_protocol::{
    AcknowledgeRequest, AcsCommitment, LocalReject, LocalVerdict, MalformedMediatorRequestResult,
    MediatorReject, MediatorResponse, MerkleSeqIndex, ParseError, ProtocolMessage, RejectionReason, Signable,
    SignedContent, SignedMessage, SignedProtocolContent, SignedProtocolMessage, TransactionResultMessage,
    Verdict, ViewPosition, ViewType,
};
use cantle_types::ProtocolVersion;
use prost::Message;

use crate::support::{domain, participant, parties, time};

fn root_hash() -> Hash {
    digest(HashPurpose::MerkleTreeInnerNode, b"root")
}

fn response(verdict: LocalVerdict, names: &[&str], whole: bool) -> Result<MediatorResponse, ParseError> {
    let position = (!whole).then(|| ViewPosition::root(MerkleSeqIndex::only()));
    let hash = (!whole).then(root_hash);
    MediatorResponse::new(time(5), participant("p"), verdict, hash, parties(names), domain(), position)
}

fn verdicts(version: ProtocolVersion) -> [Verdict; 3] {
    let reject = LocalReject::locked_contracts(vec!["00".to_owned()]);
    let reason = RejectionReason { parties: parties(&["a", "b"]), reject };
    [
        Verdict::Approve,
        Verdict::ParticipantReject(vec![reason]),
        Verdict::MediatorReject(MediatorReject::timed_out("nobody answered", version)),
    ]
}

#[test]
fn responses_are_read_back() {
    let reject = LocalVerdict::Reject(LocalReject::locked_contracts(vec!["00".to_owned()]));
    let malformed = LocalVerdict::Reject(LocalReject::malformed_payload("unreadable".to_owned()));
    for response in [
        response(LocalVerdict::Approve, &["a"], false),
        response(reject, &["a", "b"], false),
        response(malformed, &[], true),
    ] {
        let response = response.unwrap();
        let read = MediatorResponse::from_bytes(response.bytes().to_vec()).unwrap();
        assert_eq!(read, response);
        assert_eq!(read.verdict(), response.verdict());
        assert_eq!(read.confirming_parties(), response.confirming_parties());
        assert_eq!(read.view_position(), response.view_position());
        assert_eq!(read.root_hash(), response.root_hash());
        assert_eq!((read.request_id(), read.sender()), (time(5), &participant("p")));
    }
}

#[test]
fn responses_that_contradict_themselves_are_refused() {
    let malformed = LocalVerdict::Reject(LocalReject::malformed_payload(String::new()));
    for (verdict, names, whole) in [
        (LocalVerdict::Approve, &[][..], false),
        (LocalVerdict::Approve, &["a"], true),
        (malformed, &["a"], false),
    ] {
        assert!(matches!(response(verdict, names, whole), Err(ParseError::Rule { .. })));
    }
}

#[test]
fn results_are_read_back_at_both_versions() {
    for version in ProtocolVersion::ALL {
        for verdict in verdicts(version) {
            let result =
                TransactionResultMessage::new(time(5), verdict, root_hash(), domain(), version).unwrap();
            let read = TransactionResultMessage::from_bytes(result.bytes().to_vec(), version).unwrap();
            assert_eq!(read, result);
            assert_eq!(read.verdict(), result.verdict());
            assert_eq!((read.request_id(), read.root_hash()), (time(5), root_hash()));
            let other = ProtocolVersion::ALL.into_iter().find(|&other| other != version).unwrap();
            assert!(TransactionResultMessage::from_bytes(result.bytes().to_vec(), other).is_err());
        }
    }
}

#[test]
fn verdicts_of_another_version_or_without_a_reason_are_refused() {
    let new =
        |verdict, version| TransactionResultMessage::new(time(5), verdict, root_hash(), domain(), version);
    let [_, _, five] = verdicts(ProtocolVersion::V5);
    assert!(new(five.clone(), ProtocolVersion::V7).is_err());
    assert!(five.is_timeout());
    assert!(new(Verdict::ParticipantReject(Vec::new()), ProtocolVersion::V7).is_err());
}

#[test]
fn rejections_of_malformed_requests_are_read_back() {
    for version in ProtocolVersion::ALL {
        let reject = MediatorReject::malformed_message("unreadable", version);
        let result = MalformedMediatorRequestResult::new(
            time(5),
            domain(),
            ViewType::Transaction,
            reject.clone(),
            version,
        );
        let result = result.unwrap();
        let read = MalformedMediatorRequestResult::from_bytes(result.bytes().to_vec(), version).unwrap();
        assert_eq!(read, result);
        assert_eq!((read.rejection(), read.view_type()), (&reject, ViewType::Transaction));
        assert_eq!(read.hash(), digest(HashPurpose::MalformedMediatorRequestResult, read.bytes()));
    }
}

#[test]
fn signed_messages_are_signed_for_their_purpose() {
    let key = SigningPrivateKey::generate(SigningKeyScheme::Ed25519).unwrap();
    let version = ProtocolVersion::V7;
    let reject = MediatorReject::malformed_message("unreadable", version);
    let commitment =
        AcsCommitment::new(domain(), participant("p"), participant("q"), time(0), time(60_000_000), vec![1]);
    let [_, verdict, _] = verdicts(version);
    let contents = [
        SignedProtocolContent::from(response(LocalVerdict::Approve, &["a"], false).unwrap()),
        TransactionResultMessage::new(time(5), verdict, root_hash(), domain(), version).unwrap().into(),
        MalformedMediatorRequestResult::new(time(5), domain(), ViewType::TransferIn, reject, version)
            .unwrap()
            .into(),
        commitment.unwrap().into(),
    ];
    for content in contents {
        let signature = key.sign_hash(&content.hash()).unwrap();
        let signed = SignedProtocolMessage::assemble(content, signature.clone());
        signed.verify(key.public()).unwrap();
        let message = ProtocolMessage::Signed(Box::new(signed));
        let read = ProtocolMessage::from_bytes(message.to_bytes(version).unwrap(), version).unwrap();
        assert_eq!(read, message);
        assert_eq!(read.domain_id(), &domain());
        let ProtocolMessage::Signed(read) = read else { panic!("a signed message") };
        read.verify(key.public()).unwrap();
        let other = SignedProtocolMessage::assemble(
            response(LocalVerdict::Approve, &["a", "b"], false).unwrap().into(),
            signature,
        );
        assert!(other.verify(key.public()).is_err());
    }
}

#[test]
fn periods_of_commitments_are_whole_seconds_and_not_empty() {
    let new = |from, to| {
        AcsCommitment::new(domain(), participant("p"), participant("q"), time(from), time(to), vec![1])
    };
    assert!(new(0, 1_000_000).is_ok());
    assert!(new(1_000_000, 1_000_000).is_err());
    assert!(new(0, 1_500_000).is_err());
    let commitment = new(0, 5_000_000).unwrap();
    let read = AcsCommitment::from_bytes(SignedMessage::bytes(&commitment).to_vec()).unwrap();
    assert_eq!(read, commitment);
    assert_eq!((read.sender(), read.counter_participant()), (&participant("p"), &participant("q")));
    assert_eq!((read.from_exclusive(), read.to_inclusive()), (time(0), time(5_000_000)));
    assert_eq!(read.commitment(), [1]);
}

#[test]
fn acknowledgements_are_signed_and_read_back() {
    let key = SigningPrivateKey::generate(SigningKeyScheme::EcDsaP256).unwrap();
    let request = AcknowledgeRequest::new(participant("p").into(), time(7));
    let signature = key.sign_hash(&request.hash()).unwrap();
    let signed = SignedContent::assemble(request.clone(), signature, None);
    let read = SignedContent::<AcknowledgeRequest>::from_bytes(signed.bytes().to_vec()).unwrap();
    read.verify(key.public()).unwrap();
    assert_eq!(read.content(), &request);
    assert_eq!((read.content().member(), read.content().timestamp()), (participant("p").member(), time(7)));
    assert_eq!(read.hash(), digest(HashPurpose::AcknowledgementSignature, request.bytes()));
}

#[test]
fn an_empty_verdict_is_refused() {
    let bytes = response(LocalVerdict::Approve, &["a"], false).unwrap().bytes().to_vec();
    let (data, version) = versioned::unwrap(&bytes).unwrap();
    let mut message = cantle_proto::protocol::v2::MediatorResponse::decode(&data[..]).unwrap();
    message.local_verdict = Some(v1::LocalVerdict { some_local_verdict: None });
    let bytes = versioned::wrap(&message.encode_to_vec(), version);
    assert!(matches!(MediatorResponse::from_bytes(bytes), Err(ParseError::Missing { .. })));
}
