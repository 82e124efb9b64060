//! What Canton 2.10's own code answers on inputs chosen for this project.

use cantle_crypto::{Hash, Signature};
use cantle_protocol::{DomainTopologyTransactionMessage, Nonce, ProtocolMessage};
use cantle_topology::SignedTopologyTransaction;
use cantle_types::{CantonTimestamp, DomainId, ProtocolVersion};
use serde_json::Value;

const VECTORS: &str = include_str!("../fixtures/canton-2.10-vectors.json");

fn vectors() -> Value {
    serde_json::from_str(VECTORS).unwrap()
}

fn bytes(name: &str) -> Vec<u8> {
    let vectors = vectors();
    let found =
        vectors["messages_and_hashes"].as_array().unwrap().iter().find(|vector| vector["name"] == name);
    hex::decode(found.unwrap()["hex"].as_str().unwrap()).unwrap()
}

fn domain() -> DomainId {
    vectors()["inputs"]["domain_uid"].as_str().unwrap().parse().unwrap()
}

#[test]
fn the_nonce_is_hashed_as_canton_does() {
    let nonce = hex::decode(vectors()["inputs"]["nonce"].as_str().unwrap()).unwrap();
    let hash = Nonce::from_bytes(&nonce).unwrap().hash(&domain(), None);
    assert_eq!(hash, Hash::from_evidence(&bytes("auth nonce")).unwrap());
}

#[test]
fn a_domain_topology_message_is_hashed_as_canton_does() {
    let transaction = SignedTopologyTransaction::from_bytes(&bytes("Signed NSD pv5")).unwrap();
    let time = vectors()["inputs"]["dttm_timestamp_micros"].as_i64().unwrap();
    let time = CantonTimestamp::from_micros(time).unwrap();
    let hash = |version| {
        DomainTopologyTransactionMessage::hash_of(
            &domain(),
            time,
            std::slice::from_ref(&transaction),
            version,
        )
    };
    let expected = Hash::from_evidence(&bytes("DTTM pv5 with tx of pv5")).unwrap();
    assert_eq!(hash(ProtocolVersion::V5), expected);
    // No vector says what protocol version 7 hashes; it is something else.
    assert_ne!(hash(ProtocolVersion::V7), expected);
}

#[test]
fn a_domain_topology_message_holds_transactions_of_its_version_only() {
    let transaction = SignedTopologyTransaction::from_bytes(&bytes("Signed NSD pv5")).unwrap();
    let signature = Signature::from_bytes(&bytes("Signature v0")).unwrap();
    let time = CantonTimestamp::from_micros(1).unwrap();
    for (version, accepted) in [(ProtocolVersion::V5, true), (ProtocolVersion::V7, false)] {
        let message = DomainTopologyTransactionMessage::assemble(
            domain(),
            time,
            vec![transaction.clone()],
            signature.clone(),
            version,
        );
        let bytes = ProtocolMessage::DomainTopology(Box::new(message)).to_bytes(version).unwrap();
        assert_eq!(ProtocolMessage::from_bytes(bytes, version).is_ok(), accepted);
    }
}
