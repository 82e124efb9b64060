//! Bytes from anywhere are read or refused, and what is read is written back the same.

use std::sync::LazyLock;

use cantle_proto::protocol::v1::blindable_node::BlindedOrNot;
use cantle_proto::protocol::{v0, v1};
use cantle_proto::versioned;
use cantle_protocol::{
    AcknowledgeRequest, AcsCommitment, Batch, CompressedBatch, LightTransactionViewTree, ProtocolMessage,
    SequencedEvent, SignedContent, StaticDomainParameters, SubmissionRequest,
};
use cantle_types::ProtocolVersion;
use proptest::prelude::*;
use prost::Message;

use crate::recording::{LIMIT, batches, events, signed_submissions};
use crate::support::{Shape, transaction};

/// Every recorded envelope.
static ENVELOPES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let batches = batches();
    batches.iter().flat_map(|batch| batch.envelopes()).map(|envelope| envelope.content().to_vec()).collect()
});

static SUBMISSIONS: LazyLock<Vec<SignedContent<SubmissionRequest>>> = LazyLock::new(signed_submissions);

static EVENTS: LazyLock<Vec<SignedContent<SequencedEvent>>> =
    LazyLock::new(|| events().into_iter().map(|(event, _)| event).collect());

/// Light trees of our own, since nobody can decrypt the recorded ones.
static LIGHT_TREES: LazyLock<[Vec<Vec<u8>>; 2]> = LazyLock::new(|| {
    ProtocolVersion::ALL.map(|version| {
        let shape = Shape(vec![Shape::leaf(), Shape::leaf()]);
        let tree = transaction(&[shape, Shape::leaf()], version);
        tree.light_trees().unwrap().iter().map(LightTransactionViewTree::to_bytes).collect()
    })
});

/// A change to bytes: of one byte, a cut, or a part of other bytes in the middle.
#[derive(Debug, Clone)]
enum Change {
    Byte(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Splice(prop::sample::Index, Vec<u8>),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (any::<prop::sample::Index>(), 1_u8..).prop_map(|(place, bits)| Change::Byte(place, bits)),
        1 => any::<prop::sample::Index>().prop_map(Change::Cut),
        1 => (any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 1..6))
            .prop_map(|(place, bytes)| Change::Splice(place, bytes)),
    ]
}

fn apply(changes: &[Change], mut bytes: Vec<u8>) -> Vec<u8> {
    for change in changes {
        if bytes.is_empty() {
            break;
        }
        match change {
            Change::Byte(place, bits) => {
                let place = place.index(bytes.len());
                bytes[place] ^= bits;
            }
            Change::Cut(place) => bytes.truncate(place.index(bytes.len())),
            Change::Splice(place, part) => {
                let place = place.index(bytes.len());
                bytes.splice(place..place, part.iter().copied());
            }
        }
    }
    bytes
}

#[test]
fn a_chain_of_nested_nodes_is_refused_without_being_copied() {
    // 200 branches around a megabyte: 600 MB, if every level were copied.
    let blinded = v1::BlindableNode {
        blinded_or_not: Some(BlindedOrNot::BlindedHash(SUBMISSIONS[0].hash().evidence().to_vec().into())),
    };
    let unblinded =
        |bytes: Vec<u8>| v1::BlindableNode { blinded_or_not: Some(BlindedOrNot::Unblinded(bytes.into())) };
    let chain = (0..200).fold(vec![0; 1 << 20], |inner, _| {
        let element =
            v1::MerkleSeqElement { first: Some(unblinded(inner)), second: Some(blinded.clone()), data: None };
        versioned::wrap(&element.encode_to_vec(), 1)
    });
    let (data, _) = versioned::unwrap(&LIGHT_TREES[0][0]).unwrap();
    let mut message = v1::LightTransactionViewTree::decode(&data[..]).unwrap();
    let root_views = message.tree.as_mut().unwrap().root_views.as_mut().unwrap();
    root_views.root_or_empty = Some(unblinded(chain));
    let bytes = versioned::wrap(&message.encode_to_vec(), 1);
    let error = LightTransactionViewTree::from_bytes(bytes, ProtocolVersion::V5).unwrap_err();
    assert!(error.to_string().contains("96 levels"), "{error}");
}

#[test]
fn a_batch_of_countless_empty_envelopes_is_refused() {
    let empty = [0x0a, 0].repeat(200_000);
    let message = v0::CompressedBatch { algorithm: 0, compressed_batch: empty };
    assert!(CompressedBatch::from_proto(message).unwrap().decompress(LIMIT).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn changed_envelopes_are_read_or_refused(
        which: prop::sample::Index,
        changes in prop::collection::vec(change(), 0..4),
        newer: bool,
    ) {
        let bytes = apply(&changes, which.get(&ENVELOPES).clone());
        let version = if newer { ProtocolVersion::V7 } else { ProtocolVersion::V5 };
        if let Ok(message) = ProtocolMessage::from_bytes(bytes, version) {
            let written = message.to_bytes(version).unwrap();
            let again = ProtocolMessage::from_bytes(written.clone(), version).unwrap();
            prop_assert_eq!(&again, &message);
            prop_assert_eq!(again.to_bytes(version).unwrap(), written);
        }
    }

    #[test]
    fn changed_light_trees_are_read_or_refused(
        which: prop::sample::Index,
        changes in prop::collection::vec(change(), 1..4),
        newer: bool,
    ) {
        let version = ProtocolVersion::ALL[usize::from(newer)];
        let bytes = apply(&changes, which.get(&LIGHT_TREES[usize::from(newer)]).clone());
        if let Ok(tree) = LightTransactionViewTree::from_bytes(bytes, version) {
            let written = tree.to_bytes();
            prop_assert_eq!(LightTransactionViewTree::from_bytes(written, version).unwrap(), tree);
        }
    }

    #[test]
    fn changed_submissions_and_events_are_read_or_refused(
        which: prop::sample::Index,
        changes in prop::collection::vec(change(), 1..4),
    ) {
        let bytes = apply(&changes, which.get(&SUBMISSIONS).bytes().to_vec());
        if let Ok(signed) = SignedContent::<SubmissionRequest>::from_bytes(bytes.clone()) {
            prop_assert_eq!(signed.bytes(), &bytes[..]);
            // Opening the batch may fail, and must not do more.
            let _ = signed.content().batch().decompress(LIMIT).map(|batch: Batch| batch.compress());
        }
        let bytes = apply(&changes, which.get(&EVENTS).bytes().to_vec());
        if let Ok(signed) = SignedContent::<SequencedEvent>::from_bytes(bytes.clone()) {
            prop_assert_eq!(signed.bytes(), &bytes[..]);
        }
    }

    #[test]
    fn a_changed_byte_of_what_is_signed_breaks_the_signature(which: prop::sample::Index, place: prop::sample::Index, bit in 0_u32..8) {
        let original = which.get(&EVENTS);
        let mut bytes = original.bytes().to_vec();
        let place = place.index(bytes.len());
        bytes[place] ^= 1_u8 << bit;
        if let Ok(changed) = SignedContent::<SequencedEvent>::from_bytes(bytes) {
            let same = changed.content() == original.content() && changed.signature() == original.signature();
            prop_assert!(same || changed.hash() != original.hash() || changed.signature() != original.signature());
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>, version in 0..5) {
        let wrapped = versioned::wrap(&bytes, version);
        for bytes in [bytes, wrapped] {
            for version in ProtocolVersion::ALL {
                let _ = ProtocolMessage::from_bytes(bytes.clone(), version);
                let _ = LightTransactionViewTree::from_bytes(bytes.clone(), version);
            }
            let _ = SignedContent::<AcknowledgeRequest>::from_bytes(bytes.clone());
            let _ = AcsCommitment::from_bytes(bytes.clone());
            let _ = StaticDomainParameters::from_bytes(&bytes);
            let message = v0::CompressedBatch { algorithm: 1, compressed_batch: bytes };
            prop_assert!(CompressedBatch::from_proto(message).unwrap().decompress(LIMIT).is_err());
        }
    }
}
