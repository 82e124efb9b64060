//! Every topology transaction that Canton nodes sent is read, written back unchanged, and its signature holds.

use std::collections::HashSet;

use cantle_topology::{SignedTopologyTransaction, TopologyState, TopologyTransaction};
use cantle_types::ProtocolVersion;

const RECORDED: &str = include_str!("../fixtures/canton-2.10-recorded-transactions.txt");

/// How often each occurred, and its bytes, in the order in which they were sent first.
fn recorded() -> Vec<(usize, Vec<u8>)> {
    let lines = RECORDED.lines().filter(|line| !line.starts_with('#'));
    let parsed = lines.map(|line| {
        let (count, bytes) = line.split_once(' ').unwrap();
        (count.parse().unwrap(), hex::decode(bytes).unwrap())
    });
    parsed.collect()
}

#[test]
fn recorded_signatures_hold() {
    let mut valid = 0;
    for (count, bytes) in recorded() {
        let signed = SignedTopologyTransaction::from_bytes(&bytes).unwrap();
        signed.verify().unwrap();
        valid += count;
    }
    assert_eq!(valid, 64);
}

#[test]
fn recorded_transactions_are_written_back_unchanged() {
    for (_, bytes) in recorded() {
        let signed = SignedTopologyTransaction::from_bytes(&bytes).unwrap();
        assert_eq!(signed.bytes(), bytes);
        let read = signed.transaction();
        assert_eq!(read.version(), ProtocolVersion::V5);
        let written = TopologyTransaction::new(
            read.op(),
            read.element_id().clone(),
            read.mapping().clone(),
            read.version(),
        );
        assert_eq!(written.unwrap().bytes(), read.bytes());
        let assembled = SignedTopologyTransaction::assemble(
            read.clone(),
            signed.key().clone(),
            signed.signature().clone(),
        );
        assert_eq!(assembled.bytes(), bytes);
    }
}

#[test]
fn changed_recorded_transactions_do_not_verify() {
    let (_, bytes) = recorded().swap_remove(0);
    let signed = SignedTopologyTransaction::from_bytes(&bytes).unwrap();
    let other = signed.transaction().at_version(ProtocolVersion::V7).unwrap();
    let forged = SignedTopologyTransaction::assemble(other, signed.key().clone(), signed.signature().clone());
    assert!(forged.verify().is_err());
}

#[test]
fn recorded_topology_is_authorized_as_it_came() {
    // The participants register delegation and keys first; the domain sends its own later, root certificates first.
    let signed: Vec<_> =
        recorded().iter().map(|(_, bytes)| SignedTopologyTransaction::from_bytes(bytes).unwrap()).collect();
    let mut state = TopologyState::new();
    let mut kinds = HashSet::new();
    for transaction in &signed {
        let key = transaction.key().fingerprint();
        state.check_authorization(transaction.transaction(), key).unwrap();
        state.apply(transaction.transaction(), key);
        kinds.insert(transaction.transaction().mapping().code());
    }
    assert_eq!(state.len(), signed.len());
    assert_eq!(kinds.len(), 6);
}

#[test]
fn recorded_transactions_are_said_at_the_other_version_and_back() {
    for (_, bytes) in recorded() {
        let signed = SignedTopologyTransaction::from_bytes(&bytes).unwrap();
        let newer = signed.transaction().at_version(ProtocolVersion::V7).unwrap();
        assert_ne!(newer.hash(), signed.transaction().hash());
        let read = TopologyTransaction::from_bytes(newer.bytes()).unwrap();
        assert_eq!(read.version(), ProtocolVersion::V7);
        assert_eq!(read.mapping(), signed.transaction().mapping());
        assert_eq!(read.at_version(ProtocolVersion::V5).unwrap().bytes(), signed.transaction().bytes());
    }
}
