//! Bytes from anywhere are read or refused, and what is read is written back the same.

use cantle_proto::protocol::{v0, v1};
use cantle_proto::versioned;
use cantle_topology::{
    ParseError, SignedTopologyTransaction, StoredTransaction, TopologySnapshot, TopologyTransaction,
};
use proptest::prelude::*;
use prost::Message;

use crate::support::{VERSION, add, delegation, owner_to_key, participant};
use cantle_topology::IsRootDelegation;

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
