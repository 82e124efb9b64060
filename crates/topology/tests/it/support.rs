//! Keys and mappings to make topologies of.

use cantle_crypto::{CryptoKeyFormat, PublicKey, SigningKeyScheme, SigningPublicKey};
use cantle_topology::{
    IdentifierDelegation, IsRootDelegation, NamespaceDelegation, OwnerToKeyMapping, TopologyMapping,
    TopologyState, TopologyTransaction,
};
use cantle_types::{Member, MemberCode, Namespace, ProtocolVersion, UniqueIdentifier};

pub(crate) const VERSION: ProtocolVersion = ProtocolVersion::V7;

/// A key that nobody has the private part of.
pub(crate) fn key(number: u8) -> SigningPublicKey {
    SigningPublicKey::new(CryptoKeyFormat::Raw, [number; 32], SigningKeyScheme::Ed25519).unwrap()
}

pub(crate) fn namespace(root: u8) -> Namespace {
    Namespace::new(key(root).fingerprint().clone())
}

pub(crate) fn uid(identifier: &str, root: u8) -> UniqueIdentifier {
    UniqueIdentifier::new(identifier.parse().unwrap(), namespace(root))
}

pub(crate) fn participant(identifier: &str, root: u8) -> Member {
    Member::new(MemberCode::Participant, uid(identifier, root))
}

pub(crate) fn delegation(root: u8, target: u8, delegation: IsRootDelegation) -> TopologyMapping {
    let delegation = NamespaceDelegation::new(namespace(root), key(target), delegation);
    TopologyMapping::NamespaceDelegation(delegation.unwrap())
}

pub(crate) fn identifier_delegation(identifier: &str, root: u8, target: u8) -> TopologyMapping {
    let identifier = uid(identifier, root);
    TopologyMapping::IdentifierDelegation(IdentifierDelegation { identifier, target: key(target) })
}

pub(crate) fn owner_to_key(owner: Member, number: u8) -> TopologyMapping {
    TopologyMapping::OwnerToKeyMapping(OwnerToKeyMapping { owner, key: PublicKey::Signing(key(number)) })
}

pub(crate) fn add(mapping: TopologyMapping) -> TopologyTransaction {
    TopologyTransaction::add(mapping, VERSION).unwrap()
}

/// A state with these mappings, each signed by the key beside it, and the transactions that were made for them.
pub(crate) fn state_of(mappings: &[(TopologyMapping, u8)]) -> (TopologyState, Vec<TopologyTransaction>) {
    let mut state = TopologyState::new();
    let transactions: Vec<_> = mappings.iter().map(|(mapping, _)| add(mapping.clone())).collect();
    for (transaction, (_, signer)) in transactions.iter().zip(mappings) {
        state.apply(transaction, key(*signer).fingerprint());
    }
    (state, transactions)
}
