//! Bytes from anywhere are read or refused, and what is read is written back the same.

use std::collections::HashSet;
use std::sync::LazyLock;

use cantle_proto::protocol::{v0, v1};
use cantle_proto::versioned;
use cantle_topology::{
    IsRootDelegation, ParseError, SignedTopologyTransaction, StoredTransaction, TopologySnapshot,
    TopologyTimeline, TopologyTransaction, required_authorizations,
};
use cantle_types::{DomainId, ProtocolVersion};
use proptest::prelude::*;
use prost::Message;

use crate::mappings::{every_kind, transaction};
use crate::signed::sign;
use crate::support::{VERSION, add, delegation, owner_to_key, participant, uid};

const RECORDED: &str = include_str!("../fixtures/canton-2.10-recorded-transactions.txt");

fn recorded() -> Vec<Vec<u8>> {
    let lines = RECORDED.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| hex::decode(line.split_once(' ').unwrap().1).unwrap()).collect()
}

fn with_update(change: impl FnOnce(&mut v1::TopologyStateUpdate)) -> Result<TopologyTransaction, ParseError> {
    let transaction = add(delegation(1, 2, IsRootDelegation::No));
    let transaction = transaction.at_version(cantle_types::ProtocolVersion::V5).unwrap();
    let (data, version) = versioned::unwrap(transaction.bytes()).unwrap();
    let mut message = v1::TopologyTransaction::decode(&data[..]).unwrap();
    let Some(v1::topology_transaction::Transaction::StateUpdate(update)) = &mut message.transaction else {
        panic!("a state update");
    };
    change(update);
    TopologyTransaction::from_bytes(&versioned::wrap(&message.encode_to_vec(), version))
}

#[test]
fn unsupported_versions_are_refused() {
    let transaction = add(delegation(1, 2, IsRootDelegation::No));
    let (data, _) = versioned::unwrap(transaction.bytes()).unwrap();
    for version in [0, 2, 4, -1] {
        let error = TopologyTransaction::from_bytes(&versioned::wrap(&data, version)).unwrap_err();
        assert!(matches!(error, ParseError::Version { version: found, .. } if found == version));
    }
}

#[test]
fn unknown_operations_and_empty_mappings_are_refused() {
    assert!(matches!(with_update(|update| update.operation = 9), Err(ParseError::Number { number: 9, .. })));
    assert!(matches!(with_update(|update| update.operation = 2), Err(ParseError::Mapping(_))));
    assert!(matches!(with_update(|update| update.mapping = None), Err(ParseError::Missing { .. })));
    assert!(matches!(with_update(|update| update.id = "x".repeat(256)), Err(ParseError::Identifier { .. })));
    assert!(with_update(|_| ()).is_ok());
}

#[test]
fn a_root_delegation_to_the_own_key_cannot_be_hidden() {
    let result = with_update(|update| {
        use v1::topology_state_update::Mapping;
        let Some(Mapping::NamespaceDelegation(delegation)) = &mut update.mapping else {
            panic!("a delegation")
        };
        delegation.namespace = delegation.target_key.as_ref().unwrap().id.clone();
    });
    assert!(matches!(result, Err(ParseError::Mapping(_))));
}

#[test]
fn unknown_fields_stay_in_the_bytes() {
    let transaction = add(owner_to_key(participant("p", 1), 2));
    let (mut data, version) = versioned::unwrap(transaction.bytes()).unwrap();
    data.extend_from_slice(&[0xf8, 0x07, 0x01]);
    let bytes = versioned::wrap(&data, version);
    let read = TopologyTransaction::from_bytes(&bytes).unwrap();
    assert_eq!(read.bytes(), bytes);
    assert_eq!(read.mapping(), transaction.mapping());
    assert_ne!(read.hash(), transaction.hash());
}

#[test]
fn snapshots_are_read_back() {
    let time = |text: &str| text.parse().unwrap();
    let items: Vec<_> = recorded()
        .iter()
        .map(|bytes| StoredTransaction {
            sequenced: time("2024-01-01T00:00:00.000001Z"),
            valid_from: time("2024-01-01T00:00:00.250001Z"),
            valid_until: Some(time("1969-12-31T23:59:59.5Z")),
            transaction: SignedTopologyTransaction::from_bytes(bytes).unwrap(),
        })
        .collect();
    let snapshot = TopologySnapshot { items };
    assert_eq!(TopologySnapshot::from_bytes(&snapshot.to_bytes()).unwrap(), snapshot);
    let mut item = snapshot.items[0].to_proto();
    item.sequenced = None;
    assert_eq!(StoredTransaction::from_proto(&item).unwrap().sequenced, snapshot.items[0].valid_from);
    item.valid_from = Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 });
    assert!(matches!(StoredTransaction::from_proto(&item), Err(ParseError::Time { .. })));
    let empty = TopologySnapshot::from_proto(&v0::TopologyTransactions { items: Vec::new() }).unwrap();
    assert_eq!(empty, TopologySnapshot::default());
    assert_eq!(VERSION.number(), 7);
}

/// Every kind of mapping at every version that can say it, signed, and the messages around them.
static CORPUS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut corpus = recorded();
    let kinds = every_kind().into_iter().map(|(mapping, _)| mapping);
    for mapping in kinds {
        for version in [ProtocolVersion::V5, ProtocolVersion::V7] {
            if mapping.check_version(version).is_ok() {
                corpus.push(sign(transaction(mapping.clone(), version), 1).to_bytes());
            }
        }
    }
    corpus
});

/// The transactions in it, as they are signed.
static ORIGINALS: LazyLock<HashSet<Vec<u8>>> = LazyLock::new(|| {
    let signed = CORPUS.iter().map(|bytes| SignedTopologyTransaction::from_bytes(bytes).unwrap());
    signed.map(|signed| signed.transaction().bytes().to_vec()).collect()
});

/// What an attacker does to bytes that he has seen.
#[derive(Debug, Clone)]
enum Mutation {
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index, u8),
    Splice(prop::sample::Index, prop::sample::Index, prop::sample::Index),
}

fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let mutation = prop_oneof![
        4 => (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, bits)| Mutation::Flip(at, bits)),
        1 => any::<prop::sample::Index>().prop_map(Mutation::Cut),
        2 => (any::<prop::sample::Index>(), proptest::collection::vec(any::<u8>(), 1..12))
            .prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        2 => (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, count)| Mutation::Remove(at, count)),
        1 => any::<(prop::sample::Index, prop::sample::Index, prop::sample::Index)>().prop_map(|(other, at, from)| Mutation::Splice(other, at, from)),
    ];
    proptest::collection::vec(mutation, 1..5)
}

fn mutate(bytes: &mut Vec<u8>, mutations: &[Mutation]) {
    for mutation in mutations {
        let end = bytes.len();
        match mutation {
            Mutation::Flip(at, bits) if end > 0 => bytes[at.index(end)] ^= bits,
            Mutation::Flip(..) => {}
            Mutation::Cut(at) => bytes.truncate(at.index(end + 1)),
            Mutation::Insert(at, more) => {
                let at = at.index(end + 1);
                bytes.splice(at..at, more.iter().copied());
            }
            Mutation::Remove(at, count) => {
                let at = at.index(end + 1);
                bytes.drain(at..end.min(at + usize::from(*count)));
            }
            Mutation::Splice(other, at, from) => {
                let other = other.get(&CORPUS);
                bytes.truncate(at.index(end + 1));
                bytes.extend_from_slice(&other[from.index(other.len())..]);
            }
        }
    }
}

/// Wraps bytes as the innermost of the three layers, so that mutations reach it without breaking the outer ones.
fn inside(signed: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let (data, version) = versioned::unwrap(signed).unwrap();
    let mut message = v0::SignedTopologyTransaction::decode(&data[..]).unwrap();
    let (mut data, inner_version) = versioned::unwrap(&message.transaction).unwrap();
    change(&mut data);
    message.transaction = versioned::wrap(&data, inner_version);
    versioned::wrap(&message.encode_to_vec(), version)
}

/// Whatever was read can be asked everything, and has no effect that its signature does not give it.
fn survives(bytes: &[u8]) -> Result<(), TestCaseError> {
    let Ok(read) = SignedTopologyTransaction::from_bytes(bytes) else { return Ok(()) };
    prop_assert_eq!(read.bytes(), bytes);
    let transaction = read.transaction();
    let path = transaction.unique_path().to_string();
    prop_assert!(!path.is_empty());
    let _ = required_authorizations(transaction.mapping());
    for version in [ProtocolVersion::V5, ProtocolVersion::V7] {
        if let Ok(converted) = transaction.at_version(version) {
            prop_assert_eq!(converted.op(), transaction.op());
            let again = TopologyTransaction::from_bytes(converted.bytes());
            prop_assert!(again.is_ok(), "{:?}", again);
        }
    }
    prop_assert!(ORIGINALS.contains(transaction.bytes()) || read.verify().is_err());
    let domain = DomainId::new(uid("d", 2));
    let mut timeline = TopologyTimeline::new(domain, transaction.version());
    let fed = timeline.feed(jiff::Timestamp::UNIX_EPOCH, &[read]).unwrap();
    prop_assert!(fed.outcomes[0].is_accepted() != timeline.latest().state().is_empty());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn mutated_transactions_are_refused_or_harmless(
        which: prop::sample::Index,
        mutations in mutations(),
        deep: bool,
    ) {
        let mut bytes = which.get(&CORPUS).clone();
        if deep {
            bytes = inside(&bytes, |data| mutate(data, &mutations));
        } else {
            mutate(&mut bytes, &mutations);
        }
        survives(&bytes)?;
    }

    #[test]
    fn mutated_snapshots_are_refused_or_read(mutations in mutations(), items in 0..4_usize) {
        let time = jiff::Timestamp::UNIX_EPOCH;
        let items = CORPUS.iter().take(items).map(|bytes| StoredTransaction {
            sequenced: time,
            valid_from: time,
            valid_until: None,
            transaction: SignedTopologyTransaction::from_bytes(bytes).unwrap(),
        });
        let mut bytes = TopologySnapshot { items: items.collect() }.to_bytes();
        mutate(&mut bytes, &mutations);
        if let Ok(read) = TopologySnapshot::from_bytes(&bytes) {
            prop_assert_eq!(&TopologySnapshot::from_bytes(&read.to_bytes()).unwrap(), &read);
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>, version in 0..4) {
        let wrapped = versioned::wrap(&bytes, version);
        if let Ok(transaction) = TopologyTransaction::from_bytes(&wrapped) {
            prop_assert_eq!(transaction.bytes(), &wrapped);
        }
        prop_assert!(SignedTopologyTransaction::from_bytes(&bytes).is_err() || !bytes.is_empty());
    }

    #[test]
    fn a_changed_byte_is_refused_or_does_not_verify(which: prop::sample::Index, place: prop::sample::Index, bit in 0_u32..8) {
        let recorded = recorded();
        let mut bytes = which.get(&recorded).clone();
        let place = place.index(bytes.len());
        let original = SignedTopologyTransaction::from_bytes(&bytes).unwrap();
        bytes[place] ^= 1_u8 << bit;
        if let Ok(changed) = SignedTopologyTransaction::from_bytes(&bytes) {
            // What the signature covers is unchanged, or it does not hold.
            let same = changed.transaction() == original.transaction() && changed.signature() == original.signature();
            prop_assert!(same || changed.verify().is_err());
            prop_assert_eq!(changed.bytes(), bytes);
        }
    }
}
