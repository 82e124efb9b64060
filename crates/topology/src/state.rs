//! The active transactions of one topology, in the order in which they came, and who may therefore sign what.
//!
//! The state follows what it is told: [`TopologyState::apply`] asks nothing, so that a stored history builds the state
//! that it built before. Whether a change is welcome is asked beforehand, in `check.rs`. An active transaction
//! is not for ever authorized: it dangles when a delegation that it needs is removed.

use std::collections::{BTreeMap, HashMap, HashSet};

use cantle_crypto::Hash;
use cantle_types::{Fingerprint, Namespace, UniqueIdentifier};

use crate::change::TopologyChangeOp;
use crate::graph::{AuthorizationGraph, DelegationLevel};
use crate::mapping::TopologyMapping;
use crate::path::{MappingCode, Subject, UniquePath};
use crate::required::{RequiredAuthorization, required_authorizations};
use crate::signed::SignedTopologyTransaction;
use crate::transaction::TopologyTransaction;

/// An addition or replacement that is not taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveTransaction {
    transaction: TopologyTransaction,
    signed_by: Fingerprint,
}

impl ActiveTransaction {
    /// The transaction.
    #[must_use]
    pub fn transaction(&self) -> &TopologyTransaction {
        &self.transaction
    }

    /// Its mapping.
    #[must_use]
    pub fn mapping(&self) -> &TopologyMapping {
        self.transaction.mapping()
    }

    /// The key that signed it.
    #[must_use]
    pub fn signed_by(&self) -> &Fingerprint {
        &self.signed_by
    }
}

/// The active transactions of one topology. Clones are cheap enough to try changes on.
#[derive(Debug, Clone, Default)]
pub struct TopologyState {
    next: u64,
    active: BTreeMap<u64, ActiveTransaction>,
    by_subject: HashMap<Subject, Vec<u64>>,
    graphs: HashMap<Namespace, AuthorizationGraph>,
    seen: HashSet<(Hash, Fingerprint)>,
}

impl TopologyState {
    /// The state without any transaction.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The state that a history of transactions leads to. Nothing is verified.
    pub fn replay<'a>(history: impl IntoIterator<Item = &'a SignedTopologyTransaction>) -> Self {
        let mut state = Self::new();
        for signed in history {
            state.apply(signed.transaction(), signed.key().fingerprint());
        }
        state
    }

    /// Lets a transaction have its effect. Nothing is verified.
    pub fn apply(&mut self, transaction: &TopologyTransaction, signed_by: &Fingerprint) {
        self.seen.insert((transaction.hash(), signed_by.clone()));
        match transaction.op() {
            TopologyChangeOp::Add => self.activate(transaction, signed_by),
            TopologyChangeOp::Remove => self.end(&transaction.unique_path()),
            TopologyChangeOp::Replace => {
                self.end(&transaction.unique_path());
                self.activate(transaction, signed_by);
            }
        }
    }

    /// The active transactions, oldest first.
    pub fn active(&self) -> impl DoubleEndedIterator<Item = &ActiveTransaction> {
        self.active.values()
    }

    /// How many transactions are active.
    #[must_use]
    pub fn len(&self) -> usize {
        self.active.len()
    }

    /// Whether no transaction is active.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.active.is_empty()
    }

    /// The active transactions of a subject, oldest first.
    pub fn of_subject<'a>(
        &'a self,
        subject: &Subject,
    ) -> impl DoubleEndedIterator<Item = &'a ActiveTransaction> + use<'a> {
        let numbers = self.by_subject.get(subject).map_or(&[][..], Vec::as_slice);
        numbers.iter().filter_map(|number| self.active.get(number))
    }

    /// The active transactions with exactly this mapping, oldest first.
    pub fn of_mapping(
        &self,
        mapping: &TopologyMapping,
    ) -> impl DoubleEndedIterator<Item = &ActiveTransaction> {
        self.of_subject(&mapping.subject()).filter(move |active| active.mapping() == mapping)
    }

    /// The active transactions of a path, oldest first.
    pub fn of_path(&self, path: &UniquePath) -> impl DoubleEndedIterator<Item = &ActiveTransaction> {
        self.of_subject(&path.subject).filter(move |active| active.transaction.unique_path() == *path)
    }

    /// The active transactions that give a key to someone or let it act, oldest first.
    pub fn uses_of_key(&self, key: &Fingerprint) -> impl DoubleEndedIterator<Item = &ActiveTransaction> {
        self.active().filter(move |active| active.mapping().key() == Some(key))
    }

    /// Whether the same transaction, signed by the same key, was applied before, whatever came after.
    #[must_use]
    pub fn has_seen(&self, transaction: &TopologyTransaction, signed_by: &Fingerprint) -> bool {
        self.seen.contains(&(transaction.hash(), signed_by.clone()))
    }

    /// The delegations of a namespace, if there are any.
    #[must_use]
    pub fn graph(&self, namespace: &Namespace) -> Option<&AuthorizationGraph> {
        self.graphs.get(namespace)
    }

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
        self.valid_keys(uid).any(|(valid, _)| valid == key)
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
        let numbers = self.by_subject.get(&subject).map_or(&[][..], Vec::as_slice);
        let of_identifier = numbers.iter().filter_map(move |number| {
            let active = self.active.get(number)?;
            let TopologyMapping::IdentifierDelegation(delegation) = active.mapping() else { return None };
            let effective = graph?.allows(&active.signed_by, DelegationLevel::Standard);
            effective.then(|| (delegation.target.fingerprint(), *number))
        });
        of_namespace.chain(of_identifier)
    }

    fn activate(&mut self, transaction: &TopologyTransaction, signed_by: &Fingerprint) {
        let number = self.next;
        self.next += 1;
        if let TopologyMapping::NamespaceDelegation(delegation) = transaction.mapping() {
            let namespace = delegation.namespace();
            let graph = self.graphs.entry(namespace.clone());
            graph
                .or_insert_with(|| AuthorizationGraph::new(namespace.clone()))
                .insert(number, signed_by, delegation);
        }
        self.by_subject.entry(transaction.mapping().subject()).or_default().push(number);
        let active = ActiveTransaction { transaction: transaction.clone(), signed_by: signed_by.clone() };
        self.active.insert(number, active);
    }

    fn end(&mut self, path: &UniquePath) {
        let Some(numbers) = self.by_subject.get_mut(&path.subject) else { return };
        let active = &mut self.active;
        let is_at_path =
            |number: &u64| active.get(number).is_some_and(|found| found.transaction.unique_path() == *path);
        let (ended, remaining): (Vec<u64>, Vec<u64>) = numbers.iter().partition(|number| is_at_path(number));
        if remaining.is_empty() {
            self.by_subject.remove(&path.subject);
        } else {
            *numbers = remaining;
        }
        for number in ended {
            active.remove(&number);
            if path.subject.code == MappingCode::NamespaceDelegation
                && let Some(graph) = self.graphs.get_mut(&path.subject.namespace)
            {
                graph.remove(number);
                if graph.is_empty() {
                    self.graphs.remove(&path.subject.namespace);
                }
            }
        }
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
