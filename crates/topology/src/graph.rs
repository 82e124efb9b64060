//! Which keys may act for one namespace.
//!
//! Trust starts at the root certificate, which the namespace's own key signs, and flows along the delegations from
//! the key that signed to the key that is delegated to. A key without a root delegation cannot pass on one.
//! Delegations may form circles or hang in the air; neither gives a right. Signatures are not looked at here.
//! A new delegation costs what it makes possible; only after one that had effect is taken away is all worked out again,
//! and not before somebody asks. Clones share what they have in common.

use std::sync::OnceLock;

use cantle_types::{Fingerprint, Namespace};
use rpds::{HashTrieMapSync, RedBlackTreeMapSync};

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
    edges: RedBlackTreeMapSync<u64, Edge>,
    /// The numbers of the delegations that a key signed, in rising order.
    outgoing: HashTrieMapSync<Fingerprint, Vec<u64>>,
    /// Kept up to date by additions; computed when it is asked for after a removal.
    reached: OnceLock<ReachedKeys>,
}

type ReachedKeys = HashTrieMapSync<Fingerprint, Reached>;

#[derive(Debug, Clone)]
struct Edge {
    from: Fingerprint,
    to: Fingerprint,
    level: DelegationLevel,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reached {
    level: DelegationLevel,
    /// The number of the latest delegation to the key that has effect.
    latest: u64,
}

impl AuthorizationGraph {
    /// The graph of a namespace without delegations, in which no key may do anything.
    #[must_use]
    pub fn new(namespace: Namespace) -> Self {
        Self {
            namespace,
            edges: RedBlackTreeMapSync::new_sync(),
            outgoing: HashTrieMapSync::new_sync(),
            reached: OnceLock::from(ReachedKeys::new_sync()),
        }
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Adds a delegation of this namespace under a number of its own; a higher number is a later delegation.
    /// One of another namespace, or with a number that is taken, is not added.
    pub fn insert(&mut self, number: u64, signed_by: &Fingerprint, delegation: &NamespaceDelegation) {
        if delegation.namespace() != &self.namespace || self.edges.contains_key(&number) {
            return;
        }
        let edge = Edge {
            from: signed_by.clone(),
            to: delegation.target().fingerprint().clone(),
            level: DelegationLevel::of(delegation),
        };
        match self.outgoing.get_mut(&edge.from) {
            Some(numbers) => {
                let place = numbers.partition_point(|known| *known < number);
                numbers.insert(place, number);
            }
            None => self.outgoing.insert_mut(edge.from.clone(), vec![number]),
        }
        self.edges.insert_mut(number, edge);
        // What waits for a computation anyway needs no update.
        if let Some(mut reached) = self.reached.take() {
            self.follow(&mut reached, number);
            self.reached = OnceLock::from(reached);
        }
    }

    /// Takes the delegation of a number away, if it is there.
    pub fn remove(&mut self, number: u64) {
        let Some(edge) = self.edges.get(&number).cloned() else { return };
        self.edges.remove_mut(&number);
        if let Some(numbers) = self.outgoing.get_mut(&edge.from) {
            numbers.retain(|other| *other != number);
            if numbers.is_empty() {
                self.outgoing.remove_mut(&edge.from);
            }
        }
        let had_effect = self.reached.get().is_some_and(|reached| self.has_effect(reached, &edge));
        if had_effect {
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

    fn reached(&self) -> &ReachedKeys {
        self.reached.get_or_init(|| self.compute())
    }

    fn compute(&self) -> ReachedKeys {
        let mut reached = ReachedKeys::new_sync();
        for (&number, edge) in &self.edges {
            if self.is_root_certificate(edge) {
                self.follow(&mut reached, number);
            }
        }
        reached
    }

    /// Lets a delegation have its effect, and after it those that it gives effect to.
    fn follow(&self, reached: &mut ReachedKeys, number: u64) {
        let mut waiting = vec![number];
        while let Some(number) = waiting.pop() {
            let Some(edge) = self.edges.get(&number) else { continue };
            if !self.has_effect(reached, edge) {
                continue;
            }
            let before = reached.get(&edge.to).copied();
            let level = before.map_or(edge.level, |before| before.level.max(edge.level));
            let latest = before.map_or(number, |before| before.latest.max(number));
            reached.insert_mut(edge.to.clone(), Reached { level, latest });
            // A level rises at most twice, so each delegation waits at most three times.
            if before.is_none_or(|before| before.level < level) {
                waiting.extend(self.outgoing.get(&edge.to).into_iter().flatten().copied());
            }
        }
    }

    /// Whether the signer of a delegation may make it.
    fn has_effect(&self, reached: &ReachedKeys, edge: &Edge) -> bool {
        self.is_root_certificate(edge)
            || reached.get(&edge.from).is_some_and(|signer| signer.level >= edge.level)
    }

    fn is_root_certificate(&self, edge: &Edge) -> bool {
        let root = self.namespace.fingerprint();
        edge.from == *root && edge.to == *root && edge.level == DelegationLevel::Root
    }
}
