//! What the active transactions of a state are found by. Holds their numbers, not themselves.
//!
//! Two ways lead to a transaction: whom it concerns and what its mapping speaks of besides, and its path. A place or a path
//! holds few numbers in any sane topology; an insane one costs time proportional to what it put there itself.

use cantle_types::{DomainId, Fingerprint, ParticipantId};
use rpds::{HashTrieMapSync, RedBlackTreeMapSync};

use crate::mapping::TopologyMapping;
use crate::path::{MappingCode, Subject, UniquePath};
use crate::transaction::TopologyTransaction;

/// Numbers of active transactions, in rising order.
type Numbers = Vec<u64>;

/// Where a mapping is looked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    subject: Subject,
    other: Other,
}

/// What a mapping speaks of besides its subject. The first variant is below all others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Other {
    Nothing,
    Key(Fingerprint),
    Participant(ParticipantId),
    Domain(DomainId),
}

impl Place {
    fn of(mapping: &TopologyMapping) -> Self {
        let other = match mapping {
            TopologyMapping::NamespaceDelegation(mapping) => {
                Other::Key(mapping.target().fingerprint().clone())
            }
            TopologyMapping::IdentifierDelegation(mapping) => {
                Other::Key(mapping.target.fingerprint().clone())
            }
            TopologyMapping::OwnerToKeyMapping(mapping) => Other::Key(mapping.key.fingerprint().clone()),
            TopologyMapping::PartyToParticipant(mapping) => Other::Participant(mapping.participant().clone()),
            TopologyMapping::ParticipantState(mapping) => Other::Domain(mapping.domain().clone()),
            TopologyMapping::MediatorDomainState(mapping) => Other::Domain(mapping.domain.clone()),
            TopologyMapping::SignedLegalIdentityClaim(_)
            | TopologyMapping::VettedPackages(_)
            | TopologyMapping::CheckOnlyPackages(_)
            | TopologyMapping::DomainParametersChange(_) => Other::Nothing,
        };
        Self { subject: mapping.subject(), other }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Index {
    by_place: RedBlackTreeMapSync<MappingCode, RedBlackTreeMapSync<Place, Numbers>>,
    by_path: HashTrieMapSync<UniquePath, Numbers>,
}

impl Index {
    pub(super) fn new() -> Self {
        Self { by_place: RedBlackTreeMapSync::new_sync(), by_path: HashTrieMapSync::new_sync() }
    }

    /// Adds a number that is above all others.
    pub(super) fn insert(&mut self, number: u64, transaction: &TopologyTransaction) {
        let path = transaction.unique_path();
        match self.by_path.get_mut(&path) {
            Some(numbers) => numbers.push(number),
            None => self.by_path.insert_mut(path, vec![number]),
        }
        let place = Place::of(transaction.mapping());
        let code = place.subject.code;
        if !self.by_place.contains_key(&code) {
            self.by_place.insert_mut(code, RedBlackTreeMapSync::new_sync());
        }
        let Some(places) = self.by_place.get_mut(&code) else { return };
        match places.get_mut(&place) {
            Some(numbers) => numbers.push(number),
            None => places.insert_mut(place, vec![number]),
        }
    }

    /// Takes a path out and returns its numbers; their places are still to be [removed](Self::remove).
    pub(super) fn take_path(&mut self, path: &UniquePath) -> Numbers {
        let numbers = self.by_path.get(path).cloned().unwrap_or_default();
        self.by_path.remove_mut(path);
        numbers
    }

    /// Takes a number out of its place.
    pub(super) fn remove(&mut self, number: u64, mapping: &TopologyMapping) {
        let place = Place::of(mapping);
        let Some(places) = self.by_place.get_mut(&place.subject.code) else { return };
        let Some(numbers) = places.get_mut(&place) else { return };
        numbers.retain(|other| *other != number);
        if numbers.is_empty() {
            places.remove_mut(&place);
        }
    }

    pub(super) fn of_path(&self, path: &UniquePath) -> impl DoubleEndedIterator<Item = u64> + use<'_> {
        self.by_path.get(path).into_iter().flatten().copied()
    }

    /// The numbers of a kind, by place.
    pub(super) fn of_code(&self, code: MappingCode) -> impl DoubleEndedIterator<Item = u64> {
        let places = self.by_place.get(&code).into_iter();
        places.flat_map(|places| places.values()).flatten().copied()
    }

    /// The numbers of a subject, in rising order.
    pub(super) fn of_subject(&self, subject: &Subject) -> Numbers {
        let Some(places) = self.by_place.get(&subject.code) else { return Numbers::new() };
        let first = Place { subject: subject.clone(), other: Other::Nothing };
        let of_subject = places.range(first..).take_while(|(place, _)| place.subject == *subject);
        let mut numbers: Numbers = of_subject.flat_map(|(_, numbers)| numbers).copied().collect();
        numbers.sort_unstable();
        numbers
    }

    /// The numbers of mappings that concern and speak of the same as this one, in rising order.
    pub(super) fn like(&self, mapping: &TopologyMapping) -> impl DoubleEndedIterator<Item = u64> + use<'_> {
        let place = Place::of(mapping);
        let places = self.by_place.get(&place.subject.code);
        places.and_then(|places| places.get(&place)).into_iter().flatten().copied()
    }

    /// The numbers of the mappings of a subject that are about one key, in rising order.
    pub(super) fn of_key(
        &self,
        subject: Subject,
        key: &Fingerprint,
    ) -> impl DoubleEndedIterator<Item = u64> + use<'_> {
        let places = self.by_place.get(&subject.code);
        let place = Place { subject, other: Other::Key(key.clone()) };
        places.and_then(|places| places.get(&place)).into_iter().flatten().copied()
    }
}
