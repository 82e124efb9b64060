//! Who may sign what in a state.

use std::collections::HashSet;

use cantle_types::{Fingerprint, UniqueIdentifier};

use super::TopologyState;
use crate::change::TopologyChangeOp;
use crate::graph::DelegationLevel;
use crate::mapping::TopologyMapping;
use crate::path::{MappingCode, Subject};
use crate::required::{RequiredAuthorization, required_authorizations};
use crate::transaction::TopologyTransaction;

impl TopologyState {
    /// Whether a key may, at present, sign a transaction.
    #[must_use]
    pub fn is_authorized(&self, transaction: &TopologyTransaction, signed_by: &Fingerprint) -> bool {
        if is_root_certificate(transaction, signed_by) {
            return true;
        }
        match required_authorizations(transaction.mapping()) {
            RequiredAuthorization::Namespace { namespace, root } => {
                let needed = if root { DelegationLevel::Root } else { DelegationLevel::Standard };
                self.graph(&namespace).is_some_and(|graph| graph.allows(signed_by, needed))
            }
            RequiredAuthorization::Uids(uids) => uids.iter().all(|uid| self.is_valid_for(uid, signed_by)),
        }
    }

    /// Whether a key may, at present, sign for an identifier: by the delegations of its namespace, or by one for just
    /// this identifier whose signer may act for the namespace.
    #[must_use]
    pub fn is_valid_for(&self, uid: &UniqueIdentifier, key: &Fingerprint) -> bool {
        let Some(graph) = self.graph(uid.namespace()) else { return false };
        if graph.allows(key, DelegationLevel::Standard) {
            return true;
        }
        let subject = Subject::of_uid(MappingCode::IdentifierDelegation, uid);
        let mut delegations = self.numbered(self.index.of_key(subject, key));
        delegations.any(|active| graph.allows(active.signed_by(), DelegationLevel::Standard))
    }

    /// The keys that a new transaction with a mapping may be signed with, the most recently delegated one first.
    ///
    /// For a root certificate that is the namespace's own key before all others. A delegation, be it of a namespace or
    /// of an identifier, is signed with a key that has a root delegation, although one without would do for the latter.
    #[must_use]
    pub fn signing_keys_for(&self, mapping: &TopologyMapping) -> Vec<Fingerprint> {
        let mut keys: Vec<(Fingerprint, u64)> = match required_authorizations(mapping) {
            RequiredAuthorization::Namespace { namespace, .. } => {
                let graph = self.graph(&namespace).into_iter();
                let keys = graph.flat_map(|graph| graph.keys(DelegationLevel::Root));
                keys.map(|(key, latest)| (key.clone(), latest)).collect()
            }
            RequiredAuthorization::Uids(uids) => self.keys_for_all(&uids),
        };
        if let TopologyMapping::NamespaceDelegation(delegation) = mapping
            && delegation.is_for_own_key()
        {
            keys.push((delegation.target().fingerprint().clone(), u64::MAX));
        }
        keys.sort_by(|(key, latest), (other_key, other)| other.cmp(latest).then_with(|| key.cmp(other_key)));
        let mut known = HashSet::new();
        keys.into_iter().map(|(key, _)| key).filter(|key| known.insert(key.clone())).collect()
    }

    /// The keys valid for every one of the identifiers.
    fn keys_for_all(&self, uids: &[UniqueIdentifier]) -> Vec<(Fingerprint, u64)> {
        let Some((first, others)) = uids.split_first() else { return Vec::new() };
        let valid_for_others = |key: &Fingerprint| others.iter().all(|uid| self.is_valid_for(uid, key));
        let keys = self.valid_keys(first).filter(|(key, _)| valid_for_others(key));
        keys.map(|(key, latest)| (key.clone(), latest)).collect()
    }

    /// The keys valid for an identifier, each with the number of the delegation that makes it so. A key may come twice.
    fn valid_keys(&self, uid: &UniqueIdentifier) -> impl Iterator<Item = (&Fingerprint, u64)> {
        let graph = self.graph(uid.namespace());
        let of_namespace = graph.into_iter().flat_map(|graph| graph.keys(DelegationLevel::Standard));
        let subject = Subject::of_uid(MappingCode::IdentifierDelegation, uid);
        let of_identifier = self.index.of_subject(&subject).into_iter().filter_map(move |number| {
            let active = self.active.get(&number)?;
            let TopologyMapping::IdentifierDelegation(delegation) = active.mapping() else { return None };
            let effective = graph?.allows(active.signed_by(), DelegationLevel::Standard);
            effective.then(|| (delegation.target.fingerprint(), number))
        });
        of_namespace.chain(of_identifier)
    }
}

/// Whether a transaction is the root certificate of a namespace, which its own key signs.
fn is_root_certificate(transaction: &TopologyTransaction, signed_by: &Fingerprint) -> bool {
    match transaction.mapping() {
        TopologyMapping::NamespaceDelegation(delegation) => {
            transaction.op() == TopologyChangeOp::Add
                && delegation.is_for_own_key()
                && delegation.is_root_delegation()
                && delegation.target().fingerprint() == signed_by
        }
        _ => false,
    }
}
