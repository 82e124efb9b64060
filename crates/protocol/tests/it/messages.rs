//! The messages in the envelopes of the recording.

use std::collections::HashSet;

use cantle_crypto::{HashPurpose, Signature, digest};
use cantle_proto::domain::api::v0::{authentication, challenge};
use cantle_proto::protocol::v0::handshake;
use cantle_protocol::{
    HandshakeRequest, HandshakeResponse, LocalVerdict, Nonce, ProtocolMessage, RegistrationState,
    SignedProtocolContent, StaticDomainParameters, ViewKeys, ViewType,
};
use cantle_types::{MemberCode, ProtocolVersion};
use prost::Message;

use crate::recording::{batches, events, keys, lines, signed_submissions, signing_key};

const VERSION: ProtocolVersion = ProtocolVersion::V5;

/// Every message, as often as it was sent or delivered.
fn messages() -> Vec<ProtocolMessage> {
    let batches = batches();
    let envelopes = batches.iter().flat_map(|batch| batch.envelopes());
    envelopes
        .map(|envelope| ProtocolMessage::from_bytes(envelope.shared_content(), VERSION).unwrap())
        .collect()
}

#[test]
fn every_message_is_written_again_to_the_same_bytes() {
    let mut kinds = HashSet::new();
    for batch in batches() {
        for envelope in batch.envelopes() {
            let message = ProtocolMessage::from_bytes(envelope.shared_content(), VERSION).unwrap();
            assert_eq!(hex::encode(message.to_bytes(VERSION).unwrap()), hex::encode(envelope.content()));
            let again = message.to_envelope(envelope.recipients().clone(), VERSION).unwrap();
            assert_eq!(&again, envelope);
            kinds.insert(std::mem::discriminant(&message));
        }
    }
    assert_eq!(kinds.len(), 7);
}

#[test]
fn a_message_of_one_protocol_version_is_none_of_the_other() {
    for batch in batches() {
        for envelope in batch.envelopes() {
            assert!(ProtocolMessage::from_bytes(envelope.shared_content(), ProtocolVersion::V7).is_err());
        }
    }
}

#[test]
fn root_hashes_are_those_of_the_root_hash_messages() {
    let mut told = HashSet::new();
    let mut computed = HashSet::new();
    for message in messages() {
        match message {
            ProtocolMessage::RootHash(message) => {
                assert_eq!(message.view_type, ViewType::Transaction);
                assert!(message.payload.is_empty());
                told.insert(message.root_hash);
            }
            ProtocolMessage::Informee(message) => {
                let views = message.tree().views();
                let [(position, common_data)] = &views[..] else { panic!("one view each") };
                assert!(position.is_root());
                let parameters = common_data.parameters();
                let [quorum] = parameters.quorums() else { panic!("one quorum each") };
                assert!(usize::try_from(quorum.threshold).unwrap() <= quorum.confirmers.len());
                assert!((1..=2).contains(&parameters.informees().len()));
                assert_eq!(message.tree().common_metadata().mediator().code(), MemberCode::Mediator);
                computed.insert(message.root_hash());
            }
            _ => {}
        }
    }
    assert!(computed.len() >= 2);
    assert!(computed.is_subset(&told));
}

#[test]
fn signatures_of_domain_topology_messages_hold() {
    let keys = keys();
    let mut count = 0;
    for message in messages() {
        if let ProtocolMessage::DomainTopology(message) = message {
            let (owner, key) = signing_key(&keys, message.signature().signed_by());
            assert_eq!(owner.code(), MemberCode::DomainTopologyManager);
            message.verify(&key).unwrap();
            assert!(!message.transactions().is_empty());
            count += 1;
        }
    }
    assert_eq!(count, 13);
}

#[test]
fn signatures_of_responses_and_results_hold() {
    let keys = keys();
    let requests: HashSet<_> = messages()
        .iter()
        .filter_map(|message| match message {
            ProtocolMessage::RootHash(message) => Some(message.root_hash),
            _ => None,
        })
        .collect();
    let (mut responses, mut results) = (0, 0);
    for message in messages() {
        let ProtocolMessage::Signed(message) = message else { continue };
        let (owner, key) = signing_key(&keys, message.signature().signed_by());
        message.verify(&key).unwrap();
        match message.content() {
            SignedProtocolContent::MediatorResponse(response) => {
                assert_eq!(&owner, response.sender().member());
                assert_eq!(response.verdict(), &LocalVerdict::Approve);
                assert!(requests.contains(&response.root_hash().unwrap()));
                assert!(response.view_position().unwrap().is_root());
                responses += 1;
            }
            SignedProtocolContent::TransactionResult(result) => {
                assert_eq!(owner.code(), MemberCode::Mediator);
                assert!(result.verdict().is_approve());
                assert!(requests.contains(&result.root_hash()));
                results += 1;
            }
            other => panic!("no such message was recorded: {other:?}"),
        }
        let forged = digest(HashPurpose::SignedProtocolMessageSignature, b"");
        assert!(key.verify_hash(&forged, message.signature()).is_err());
    }
    assert!(responses >= 3 && results >= 3, "{responses} responses, {results} results");
}

#[test]
fn submitters_sign_the_bare_root_hash() {
    let keys = keys();
    let mut count = 0;
    for batch in batches() {
        let parsed: Vec<_> = batch
            .envelopes()
            .iter()
            .map(|envelope| ProtocolMessage::from_bytes(envelope.shared_content(), VERSION).unwrap())
            .collect();
        let root_hash = parsed.iter().find_map(|message| match message {
            ProtocolMessage::RootHash(message) => Some(message.root_hash),
            _ => None,
        });
        for message in &parsed {
            let ProtocolMessage::EncryptedView(view) = message else { continue };
            let signature = view.submitter_signature().unwrap();
            let (owner, key) = signing_key(&keys, signature.signed_by());
            assert_eq!(owner.code(), MemberCode::Participant);
            key.verify_hash(&root_hash.unwrap(), signature).unwrap();
            let ViewKeys::Seed(lookups) = view.keys() else { panic!("a view of protocol version 5") };
            assert!(lookups.iter().all(|lookup| keys[&lookup.fingerprint].1.as_encryption().is_some()));
            assert!(view.lookup(|fingerprint| keys.contains_key(fingerprint)).is_some());
            count += 1;
        }
    }
    assert!(count >= 4, "{count} views");
}

#[test]
fn registrations_are_answered_for_each_transaction() {
    let messages = messages();
    let mut answers = 0;
    for message in &messages {
        let ProtocolMessage::RegisterTopologyResponse(response) = message else { continue };
        let request = messages.iter().find_map(|message| match message {
            ProtocolMessage::RegisterTopologyRequest(request)
                if request.request_id == response.request_id =>
            {
                Some(request)
            }
            _ => None,
        });
        let request = request.unwrap();
        assert_eq!(request.transactions.len(), response.results.len());
        assert_eq!(request.requested_by, response.requested_by);
        assert_eq!(request.participant, response.participant);
        assert!(response.results.iter().all(|result| result.state == RegistrationState::Accepted));
        assert!(response.results.iter().all(|result| result.state.is_settled()));
        answers += 1;
    }
    assert_eq!(answers, 4);
}

#[test]
fn members_sign_the_nonce_they_were_given() {
    let keys = keys();
    let domain = events()[0].0.content().domain_id().clone();
    let (mut given, mut signed) = (Vec::new(), 0);
    for line in lines() {
        match (line.method.as_str(), line.dir.as_str()) {
            ("Challenge", "resp") => {
                let response = challenge::Response::decode(&line.bytes[..]).unwrap();
                let Some(challenge::response::Value::Success(success)) = response.value else {
                    panic!("a challenge")
                };
                given.push(Nonce::from_bytes(&success.nonce).unwrap());
            }
            ("Authenticate", "req") => {
                let request = authentication::Request::decode(&line.bytes[..]).unwrap();
                let nonce = Nonce::from_bytes(&request.nonce).unwrap();
                assert!(given.contains(&nonce));
                let signature = Signature::from_proto(&request.signature.unwrap()).unwrap();
                let (owner, key) = signing_key(&keys, signature.signed_by());
                assert_eq!(owner.as_str(), request.member);
                key.verify_hash(&nonce.hash(&domain, None), &signature).unwrap();
                assert!(key.verify_hash(&nonce.hash(&domain, Some("agreement")), &signature).is_err());
                signed += 1;
            }
            _ => {}
        }
    }
    assert_eq!(signed, 2);
}

#[test]
fn handshakes_and_parameters_are_answered_as_recorded() {
    let (mut handshakes, mut parameters) = (0, 0);
    let mut request = None;
    for line in lines() {
        match (line.method.as_str(), line.dir.as_str()) {
            ("Handshake", "req") => request = Some(handshake::Request::decode(&line.bytes[..]).unwrap()),
            ("Handshake", "resp") => {
                let answer = HandshakeResponse::to_request(VERSION, request.as_ref().unwrap()).to_proto();
                assert_eq!(hex::encode(answer.encode_to_vec()), hex::encode(&line.bytes));
                let ours = HandshakeRequest::new(ProtocolVersion::ALL.to_vec(), Some(VERSION));
                assert_eq!(Some(ours.to_proto()), request);
                assert_eq!(ours.check(answer), Ok(VERSION));
                handshakes += 1;
            }
            ("GetDomainParameters", "resp") => {
                use cantle_proto::domain::api::v0::sequencer_connect::get_domain_parameters as api;
                let response = api::Response::decode(&line.bytes[..]).unwrap();
                let Some(api::response::Parameters::ParametersV1(message)) = response.parameters else {
                    panic!("parameters of protocol version 5")
                };
                let read = StaticDomainParameters::from_proto(&message).unwrap();
                assert_eq!(read, StaticDomainParameters::all_schemes(VERSION));
                assert_eq!(read.to_proto(), message);
                parameters += 1;
            }
            _ => {}
        }
    }
    assert_eq!((handshakes, parameters), (8, 4));
}

#[test]
fn message_ids_of_requests_and_verdicts_come_back_to_their_senders() {
    let sent: HashSet<_> =
        signed_submissions().iter().map(|signed| signed.content().message_id().clone()).collect();
    let events = events();
    let received: HashSet<_> =
        events.iter().filter_map(|(event, _)| event.content().message_id().cloned()).collect();
    assert!(sent.is_subset(&received));
}
