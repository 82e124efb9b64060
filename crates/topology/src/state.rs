//! The active transactions of one topology, in the order in which they came, and who may therefore sign what.
//!
//! The state follows what it is told: [`TopologyState::apply`] asks nothing, so that a stored history builds the state
//! that it built before. Whether a change is welcome is asked beforehand, in `check.rs`. An active transaction
//! is not for ever authorized: it dangles when a delegation that it needs is removed.
//! Clones share what they have in common: cloning costs the same however large the state, and a change to one clone costs
//! about the logarithm of its size and does not show in another.

mod authorize;
mod index;

use cantle_crypto::Hash;
use cantle_types::{Fingerprint, Namespace};
use rpds::{HashTrieMapSync, HashTrieSetSync, RedBlackTreeMapSync};

use crate::change::TopologyChangeOp;
use crate::graph::AuthorizationGraph;
use crate::mapping::TopologyMapping;
use crate::path::{MappingCode, Subject, UniquePath};
use crate::signed::SignedTopologyTransaction;
use crate::transaction::TopologyTransaction;

use index::Index;

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

/// The active transactions of one topology.
#[derive(Debug, Clone)]
pub struct TopologyState {
    next: u64,
    active: RedBlackTreeMapSync<u64, ActiveTransaction>,
    index: Index,
    graphs: HashTrieMapSync<Namespace, AuthorizationGraph>,
    seen: HashTrieSetSync<(Hash, Fingerprint)>,
}

impl TopologyState {
    /// The state without any transaction.
    #[must_use]
    pub fn new() -> Self {
        Self {
            next: 0,
            active: RedBlackTreeMapSync::new_sync(),
            index: Index::new(),
            graphs: HashTrieMapSync::new_sync(),
            seen: HashTrieSetSync::new_sync(),
        }
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
        self.seen.insert_mut((transaction.hash(), signed_by.clone()));
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
        self.active.size()
    }

    /// Whether no transaction is active.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.active.is_empty()
    }

    /// The active transactions of a kind, ordered by whom they concern, the oldest of one subject not always first.
    pub fn of_code(&self, code: MappingCode) -> impl Iterator<Item = &ActiveTransaction> {
        self.numbered(self.index.of_code(code))
    }

    /// The active transactions of a subject, oldest first.
    pub fn of_subject<'a>(
        &'a self,
        subject: &Subject,
    ) -> impl DoubleEndedIterator<Item = &'a ActiveTransaction> + use<'a> {
        self.numbered(self.index.of_subject(subject).into_iter())
    }

    /// The active transactions with exactly this mapping, oldest first.
    pub fn of_mapping(
        &self,
        mapping: &TopologyMapping,
    ) -> impl DoubleEndedIterator<Item = &ActiveTransaction> {
        self.numbered(self.index.like(mapping)).filter(move |active| active.mapping() == mapping)
    }

    /// The active transactions of a path, oldest first.
    pub fn of_path<'a>(
        &'a self,
        path: &UniquePath,
    ) -> impl DoubleEndedIterator<Item = &'a ActiveTransaction> + use<'a> {
        self.numbered(self.index.of_path(path))
    }

    /// The active transactions that give a key to someone or let it act, oldest first. Looks at all that is active.
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

    fn numbered(
        &self,
        numbers: impl DoubleEndedIterator<Item = u64>,
    ) -> impl DoubleEndedIterator<Item = &ActiveTransaction> {
        numbers.filter_map(|number| self.active.get(&number))
    }

    fn activate(&mut self, transaction: &TopologyTransaction, signed_by: &Fingerprint) {
        let number = self.next;
        self.next += 1;
        if let TopologyMapping::NamespaceDelegation(delegation) = transaction.mapping() {
            let namespace = delegation.namespace();
            match self.graphs.get_mut(namespace) {
                Some(graph) => graph.insert(number, signed_by, delegation),
                None => {
                    let mut graph = AuthorizationGraph::new(namespace.clone());
                    graph.insert(number, signed_by, delegation);
                    self.graphs.insert_mut(namespace.clone(), graph);
                }
            }
        }
        self.index.insert(number, transaction);
        let active = ActiveTransaction { transaction: transaction.clone(), signed_by: signed_by.clone() };
        self.active.insert_mut(number, active);
    }

    fn end(&mut self, path: &UniquePath) {
        for number in self.index.take_path(path) {
            let Some(ended) = self.active.get(&number).cloned() else { continue };
            self.active.remove_mut(&number);
            self.index.remove(number, ended.mapping());
            if path.subject.code == MappingCode::NamespaceDelegation {
                self.end_delegation(&path.subject.namespace, number);
            }
        }
    }

    fn end_delegation(&mut self, namespace: &Namespace, number: u64) {
        let Some(graph) = self.graphs.get_mut(namespace) else { return };
        graph.remove(number);
        if graph.is_empty() {
            self.graphs.remove_mut(namespace);
        }
    }
}

impl Default for TopologyState {
    fn default() -> Self {
        Self::new()
    }
}
