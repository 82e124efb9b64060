//! Which keys may act for one namespace.
//!
//! Trust starts at the root certificate, which the namespace's own key signs, and flows along the delegations from
//! the key that signed to the key that is delegated to. A key without a root delegation cannot pass on one.
//! Delegations may form circles or hang in the air; neither gives a right. Signatures are not looked at here.

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use cantle_types::{Fingerprint, Namespace};

use crate::mapping::NamespaceDelegation;

/// What a key may do for a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DelegationLevel {
    /// Sign for the identifiers of the namespace.
    Standard,
    /// Delegate the namespace further, too.
    Root,
}

impl DelegationLevel {
    fn of(delegation: &NamespaceDelegation) -> Self {
        if delegation.is_root_delegation() { Self::Root } else { Self::Standard }
    }
}

/// The delegations of one namespace, and the keys that they lead to from its root.
#[derive(Debug, Clone)]
pub struct AuthorizationGraph {
    namespace: Namespace,
    edges: BTreeMap<u64, Edge>,
    /// Computed when it is asked for after a change.
    reached: OnceLock<HashMap<Fingerprint, Reached>>,
}

#[derive(Debug, Clone)]
struct Edge {
    from: Fingerprint,
    to: Fingerprint,
    level: DelegationLevel,
}

#[derive(Debug, Clone, Copy)]
struct Reached {
    level: DelegationLevel,
    /// The number of the latest delegation to the key that has effect.
    latest: u64,
}

impl AuthorizationGraph {
    /// The graph of a namespace without delegations, in which no key may do anything.
    #[must_use]
    pub fn new(namespace: Namespace) -> Self {
        Self { namespace, edges: BTreeMap::new(), reached: OnceLock::new() }
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Adds a delegation of this namespace under a number of its own; a higher number is a later delegation.
    /// One of another namespace is not added.
    pub fn insert(&mut self, number: u64, signed_by: &Fingerprint, delegation: &NamespaceDelegation) {
        if delegation.namespace() != &self.namespace {
            return;
        }
        let edge = Edge {
            from: signed_by.clone(),
            to: delegation.target().fingerprint().clone(),
            level: DelegationLevel::of(delegation),
        };
        self.edges.insert(number, edge);
        self.reached = OnceLock::new();
    }

    /// Takes the delegation of a number away, if it is there.
    pub fn remove(&mut self, number: u64) {
        if self.edges.remove(&number).is_some() {
            self.reached = OnceLock::new();
        }
    }

    /// What a key may do; nothing if no chain of delegations leads to it.
    #[must_use]
    pub fn level(&self, key: &Fingerprint) -> Option<DelegationLevel> {
        self.reached().get(key).map(|reached| reached.level)
    }

    /// Whether a key may do what a level allows.
    #[must_use]
    pub fn allows(&self, key: &Fingerprint, needed: DelegationLevel) -> bool {
        self.level(key).is_some_and(|level| level >= needed)
    }

    /// The keys that may do what a level allows, each with the number of the latest delegation to it.
    pub fn keys(&self, needed: DelegationLevel) -> impl Iterator<Item = (&Fingerprint, u64)> {
        let may = move |(_, reached): &(_, &Reached)| reached.level >= needed;
        self.reached().iter().filter(may).map(|(key, reached)| (key, reached.latest))
    }

    /// Whether the namespace has no delegation at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.edges.is_empty()
    }

    fn reached(&self) -> &HashMap<Fingerprint, Reached> {
        self.reached.get_or_init(|| self.compute())
    }

    fn compute(&self) -> HashMap<Fingerprint, Reached> {
        let root = self.namespace.fingerprint();
        let is_root =
            |edge: &Edge| edge.from == *root && edge.to == *root && edge.level == DelegationLevel::Root;
        let mut levels: HashMap<&Fingerprint, DelegationLevel> = HashMap::new();
        let mut waiting = Vec::new();
        if self.edges.values().any(is_root) {
            levels.insert(root, DelegationLevel::Root);
            waiting.push(root);
        }
        let mut outgoing: HashMap<&Fingerprint, Vec<&Edge>> = HashMap::new();
        for edge in self.edges.values() {
            outgoing.entry(&edge.from).or_default().push(edge);
        }
        // A key waits again only when its level has risen, which it does at most twice.
        while let Some(key) = waiting.pop() {
            let Some(&level) = levels.get(key) else { continue };
            for edge in outgoing.get(key).into_iter().flatten().filter(|edge| edge.level <= level) {
                if levels.get(&edge.to).is_none_or(|&known| known < edge.level) {
                    levels.insert(&edge.to, edge.level);
                    waiting.push(&edge.to);
                }
            }
        }
        let mut reached: HashMap<Fingerprint, Reached> = HashMap::new();
        for (&number, edge) in &self.edges {
            let Some(&level) = levels.get(&edge.to) else { continue };
            if levels.get(&edge.from).is_some_and(|&signer| edge.level <= signer) {
                // Numbers rise, so that the last one stays.
                reached.insert(edge.to.clone(), Reached { level, latest: number });
            }
        }
        reached
    }
}
