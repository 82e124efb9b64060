//! Messages recorded between Canton 2.10 nodes are read and written back unchanged, down to the innermost.

use cantle_proto::protocol::v0::signed_protocol_message::SomeSignedProtocolMessage;
use cantle_proto::protocol::v1::blindable_node::BlindedOrNot;
use cantle_proto::protocol::v1::{BlindableNode, MerkleSeqElement};
use cantle_proto::protocol::v2::envelope_content::SomeEnvelopeContent;
use cantle_proto::{connection, domain, participant, protocol, topology, versioned};
use prost::Message;

const MESSAGE_COUNT: usize = 59;
const MESSAGES: &str = include_str!("../fixtures/canton-2.10-messages.txt");

/// Decodes and encodes; every field must have been understood.
fn same<T: Message + Default>(bytes: &[u8]) -> T {
    let message = T::decode(bytes).unwrap();
    assert_eq!(hex::encode(message.encode_to_vec()), hex::encode(bytes), "{}", std::any::type_name::<T>());
    message
}

fn unwrapped(bytes: &[u8], expected: i32) -> Vec<u8> {
    let (data, version) = versioned::unwrap(bytes).unwrap();
    assert_eq!(version, expected);
    assert_eq!(versioned::wrap(&data, version), bytes);
    data
}

fn check(kind: &str, bytes: &[u8]) {
    use domain::api::v0::{self as api, sequencer_connect as connect};
    use participant::admin::v0 as admin;
    match kind {
        "/connection.v30.ApiInfoService/GetApiInfo resp" => {
            let response = same::<connection::v30::GetApiInfoResponse>(bytes);
            assert!(["sequencer-public-api", "admin-api"].contains(&response.name.as_str()));
        }
        "/domain.api.v0.SequencerConnectService/GetDomainId resp" => {
            let response = same::<connect::get_domain_id::Response>(bytes);
            assert_eq!(response.sequencer_id, format!("SEQ::{}", response.domain_id));
        }
        "/domain.api.v0.SequencerConnectService/Handshake req" => {
            let request = same::<protocol::v0::handshake::Request>(bytes);
            assert_eq!(request.client_protocol_versions, ["5.0.0", "7.0.0"]);
        }
        "/domain.api.v0.SequencerConnectService/Handshake resp" => {
            assert!(same::<protocol::v0::handshake::Response>(bytes).value.is_some());
        }
        "/domain.api.v0.SequencerConnectService/GetDomainParameters resp" => {
            assert!(same::<connect::get_domain_parameters::Response>(bytes).parameters.is_some());
        }
        "/domain.api.v0.SequencerConnectService/VerifyActive resp" => {
            assert!(same::<connect::verify_active::Response>(bytes).value.is_some());
        }
        "/domain.api.v0.SequencerService/SubscribeUnauthenticatedVersioned req"
        | "/domain.api.v0.SequencerService/SubscribeVersioned req" => {
            assert_eq!(same::<api::SubscriptionRequest>(bytes).counter, 0);
        }
        "/domain.api.v0.SequencerService/SubscribeUnauthenticatedVersioned resp"
        | "/domain.api.v0.SequencerService/SubscribeVersioned resp" => {
            let response = same::<api::VersionedSubscriptionResponse>(bytes);
            check("protocol.v0.SignedContent", &unwrapped(&response.signed_sequenced_event, 0));
        }
        "/domain.api.v0.SequencerService/SendAsyncVersioned req" => {
            let request = same::<api::SendAsyncVersionedRequest>(bytes);
            check("protocol.v0.SignedContent", &unwrapped(&request.signed_submission_request, 0));
        }
        "/domain.api.v0.SequencerService/SendAsyncUnauthenticatedVersioned req" => {
            let request = same::<api::SendAsyncUnauthenticatedVersionedRequest>(bytes);
            check("protocol.v0.SubmissionRequest", &unwrapped(&request.submission_request, 0));
        }
        "/domain.api.v0.SequencerAuthenticationService/Challenge req" => {
            assert!(same::<api::challenge::Request>(bytes).member.starts_with("PAR::"));
        }
        "/domain.api.v0.SequencerAuthenticationService/Challenge resp" => {
            assert!(same::<api::challenge::Response>(bytes).value.is_some());
        }
        "/domain.api.v0.SequencerAuthenticationService/Authenticate req" => {
            assert_eq!(same::<api::authentication::Request>(bytes).nonce.len(), 20);
        }
        "/domain.api.v0.SequencerAuthenticationService/Authenticate resp" => {
            assert!(same::<api::authentication::Response>(bytes).value.is_some());
        }
        "/topology.admin.v0.InitializationService/GetId resp" => {
            assert!(same::<topology::admin::v0::GetIdResponse>(bytes).initialized);
        }
        "/participant.admin.v0.DomainConnectivityService/RegisterDomain req" => {
            assert!(same::<admin::RegisterDomainRequest>(bytes).add.is_some());
        }
        "/participant.admin.v0.DomainConnectivityService/ModifyDomain req" => {
            assert!(same::<admin::ModifyDomainRequest>(bytes).modify.is_some());
        }
        "/participant.admin.v0.DomainConnectivityService/GetAgreement req" => {
            same::<admin::GetAgreementRequest>(bytes);
        }
        "/participant.admin.v0.DomainConnectivityService/GetAgreement resp" => {
            same::<admin::GetAgreementResponse>(bytes);
        }
        "/participant.admin.v0.DomainConnectivityService/ConnectDomain req" => {
            same::<admin::ConnectDomainRequest>(bytes);
        }
        "/participant.admin.v0.DomainConnectivityService/ConnectDomain resp" => {
            assert!(same::<admin::ConnectDomainResponse>(bytes).connected_successfully);
        }
        "/participant.admin.v0.DomainConnectivityService/ListConfiguredDomains resp" => {
            assert_eq!(same::<admin::ListConfiguredDomainsResponse>(bytes).results.len(), 1);
        }
        "/participant.admin.v0.ParticipantStatusService/ParticipantStatus resp" => {
            // Maps are written in an order of their own.
            let response = admin::ParticipantStatusResponse::decode(bytes).unwrap();
            assert_eq!(response.encoded_len(), bytes.len());
        }
        "/participant.admin.v0.PingService/ping req" => {
            same::<admin::PingRequest>(bytes);
        }
        "protocol.v0.SignedContent" => {
            let content = same::<protocol::v0::SignedContent>(bytes);
            assert!(content.signatures.is_some());
            unwrapped(&content.content.unwrap(), 0);
        }
        "protocol.v0.SubmissionRequest" => {
            assert!(same::<protocol::v0::SubmissionRequest>(bytes).batch.is_some());
        }
        "protocol.v0.SequencedEvent" => {
            assert!(same::<protocol::v0::SequencedEvent>(bytes).timestamp.is_some());
        }
        "protocol.v0.Batch" => {
            for envelope in same::<protocol::v0::Batch>(bytes).envelopes {
                assert!(envelope.recipients.is_some());
                check_envelope(&unwrapped(&envelope.content, 2));
            }
        }
        unknown => panic!("a recorded message of unknown kind {unknown}"),
    }
}

fn check_envelope(bytes: &[u8]) {
    let content = same::<protocol::v2::EnvelopeContent>(bytes).some_envelope_content.unwrap();
    match content {
        SomeEnvelopeContent::InformeeMessage(message) => {
            assert_eq!(message.protocol_version, 5);
            let tree = message.full_informee_tree.unwrap().tree.unwrap();
            let root: BlindableNode = tree.root_views.unwrap().root_or_empty.unwrap();
            let Some(BlindedOrNot::Unblinded(element)) = root.blinded_or_not else {
                panic!("a blinded root view")
            };
            assert!(same::<MerkleSeqElement>(&unwrapped(&element, 1)).data.is_some());
        }
        SomeEnvelopeContent::SignedMessage(message) => match message.some_signed_protocol_message.unwrap() {
            SomeSignedProtocolMessage::MediatorResponse(bytes) => {
                same::<protocol::v2::MediatorResponse>(&unwrapped(&bytes, 2));
            }
            SomeSignedProtocolMessage::TransactionResult(bytes) => {
                same::<protocol::v2::TransactionResultMessage>(&unwrapped(&bytes, 2));
            }
            other => panic!("a signed message of unknown kind {other:?}"),
        },
        SomeEnvelopeContent::DomainTopologyTransactionMessage(message) => {
            message.transactions.iter().for_each(|transaction| check_topology_transaction(transaction));
        }
        SomeEnvelopeContent::RegisterTopologyTransactionRequest(message) => {
            message
                .signed_topology_transactions
                .iter()
                .for_each(|transaction| check_topology_transaction(transaction));
        }
        SomeEnvelopeContent::RegisterTopologyTransactionResponse(message) => {
            use protocol::v1::register_topology_transaction_response::result::State;
            assert!(message.results.iter().all(|result| result.state() == State::Accepted));
        }
        SomeEnvelopeContent::RootHashMessage(message) => assert_eq!(message.root_hash.len(), 34),
        SomeEnvelopeContent::EncryptedViewMessage(message) => assert!(!message.randomness.is_empty()),
        other => panic!("an envelope of unknown kind {other:?}"),
    }
}

fn check_topology_transaction(bytes: &[u8]) {
    let signed = same::<protocol::v0::SignedTopologyTransaction>(&unwrapped(bytes, 0));
    assert!(
        same::<protocol::v1::TopologyTransaction>(&unwrapped(&signed.transaction, 1)).transaction.is_some()
    );
}

#[test]
fn recorded_messages_are_written_back_unchanged() {
    let mut messages = 0;
    for line in MESSAGES.lines().filter(|line| !line.starts_with('#')) {
        let (kind, bytes) = line.rsplit_once(' ').unwrap();
        check(kind, &hex::decode(bytes).unwrap());
        messages += 1;
    }
    assert_eq!(messages, MESSAGE_COUNT);
}
