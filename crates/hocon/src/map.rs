//! A map that iterates in the order of `java.util.HashMap`.
//!
//! Which of two errors a document has is found first, and how far a cycle is followed before it is seen, depends on
//! the order in which Lightbend's library walks the keys of an object. So the order is kept: by bucket of the table
//! the map has, and by insertion within a bucket. (Java turns crowded buckets of large tables into trees; that is not
//! followed.)
//!
//! A finished map shares its entries with the maps that were made from it by changing a value or two, so that a
//! large object in which a substitution is resolved is not copied for it.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::java;

/// How many keys are searched one by one.
const FEW: usize = 8;

/// The table `new HashMap()` has grown to with a number of keys, less one.
fn grown_mask(keys: usize) -> u32 {
    let mut table = 16_u32;
    while keys as u64 * 4 > u64::from(table) * 3 {
        table = table.saturating_mul(2);
    }
    table.wrapping_sub(1)
}

/// The table `new HashMap(map)` makes for a number of keys, less one.
fn fitted_mask(keys: usize) -> u32 {
    if keys == 0 {
        return grown_mask(0);
    }
    u32::try_from((keys * 4 / 3 + 1).next_power_of_two()).map_or(u32::MAX >> 1, |table| table.wrapping_sub(1))
}

/// How Java comes by a changed map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remade {
    /// All that stays is put into `new HashMap()`.
    Grown,
    /// It is copied by `new HashMap(map)`, and the copy is changed.
    Copied,
}

#[derive(Debug)]
struct Entry<V> {
    hash: u32,
    key: Rc<str>,
    value: V,
}

/// A map being built.
#[derive(Debug)]
pub(crate) struct MapBuilder<V> {
    /// With their rank: the order of insertion.
    entries: Vec<(i64, Entry<V>)>,
    /// Where the keys are, once they are more than a few.
    index: HashMap<Rc<str>, usize>,
    first: i64,
    next: i64,
}

impl<V> MapBuilder<V> {
    pub(crate) fn new() -> Self {
        Self { entries: Vec::new(), index: HashMap::new(), first: 0, next: 0 }
    }

    pub(crate) fn of(key: Rc<str>, value: V) -> Self {
        let mut map = Self::new();
        map.put(key, value);
        map
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    fn place(&self, key: &str) -> Option<usize> {
        if self.index.is_empty() {
            return self.entries.iter().position(|(_, entry)| &*entry.key == key);
        }
        self.index.get(key).copied()
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut V> {
        let place = self.place(key)?;
        self.entries.get_mut(place).map(|(_, entry)| &mut entry.value)
    }

    fn push(&mut self, rank: i64, key: Rc<str>, value: V) {
        if !self.index.is_empty() {
            self.index.insert(Rc::clone(&key), self.entries.len());
        }
        self.entries.push((rank, Entry { hash: java::map_hash(&key), key, value }));
        if self.index.is_empty() && self.entries.len() > FEW {
            let keys = self.entries.iter().enumerate();
            self.index = keys.map(|(place, (_, entry))| (Rc::clone(&entry.key), place)).collect();
        }
    }

    /// Puts a value, in the place of the one it replaces.
    pub(crate) fn put(&mut self, key: Rc<str>, value: V) {
        if let Some(slot) = self.get_mut(&key) {
            *slot = value;
            return;
        }
        let rank = self.next;
        self.next += 1;
        self.push(rank, key, value);
    }

    /// Puts values before all others, in their order; `merge` lays one over the value that its key has.
    pub(crate) fn put_first<E>(
        &mut self,
        values: impl ExactSizeIterator<Item = (Rc<str>, V)>,
        mut merge: impl FnMut(V, &mut V) -> Result<(), E>,
    ) -> Result<(), E> {
        self.first = self.first.saturating_sub_unsigned(values.len() as u64);
        for (rank, (key, value)) in (self.first..).zip(values) {
            match self.place(&key).and_then(|place| self.entries.get_mut(place)) {
                Some((old, entry)) => {
                    merge(value, &mut entry.value)?;
                    *old = rank;
                }
                None => self.push(rank, key, value),
            }
        }
        Ok(())
    }

    fn sorted(mut self) -> (Vec<Entry<V>>, u32) {
        let mask = grown_mask(self.entries.len());
        if self.entries.len() > 1 {
            self.entries.sort_by_key(|(rank, entry)| (entry.hash & mask, *rank));
        }
        (self.entries.into_iter().map(|(_, entry)| entry).collect(), mask)
    }

    /// The keys and values in the order of iteration.
    pub(crate) fn into_entries(self) -> impl ExactSizeIterator<Item = (Rc<str>, V)> {
        self.sorted().0.into_iter().map(|entry| (entry.key, entry.value))
    }

    /// The finished map, with its values changed to what it keeps.
    pub(crate) fn finish_with<W, E>(self, mut change: impl FnMut(V) -> Result<W, E>) -> Result<Map<W>, E> {
        let (entries, mask) = self.sorted();
        let changed = entries
            .into_iter()
            .map(|Entry { hash, key, value }| change(value).map(|value| Entry { hash, key, value }));
        Ok(Map::new(changed.collect::<Result<_, E>>()?, mask))
    }

    pub(crate) fn finish(self) -> Map<V> {
        let (entries, mask) = self.sorted();
        Map::new(entries, mask)
    }
}

#[derive(Debug)]
struct Base<V> {
    /// Sorted by bucket of the table of this mask.
    entries: Vec<Entry<V>>,
    mask: u32,
    /// Where the keys are, if a bucket is crowded.
    index: Option<HashMap<Rc<str>, usize>>,
}

/// A finished map.
#[derive(Debug)]
pub(crate) struct Map<V> {
    base: Rc<Base<V>>,
    changes: Option<Box<Changes<V>>>,
}

/// How a map differs from its base.
#[derive(Clone, Debug)]
struct Changes<V> {
    /// Values in place of others, by place; without a value, the key is gone. Few.
    values: Vec<(usize, Option<V>)>,
    /// The masks of the tables that the entries went through since, as far as they count for the order: the last one
    /// first, each smaller than the next.
    masks: Vec<u32>,
    /// The places in the order of iteration.
    order: OnceCell<Rc<[usize]>>,
}

impl<V> Clone for Map<V>
where
    V: Clone,
{
    fn clone(&self) -> Self {
        Self { base: Rc::clone(&self.base), changes: self.changes.clone() }
    }
}

impl<V> Map<V> {
    /// As `Collections.emptyMap()`.
    pub(crate) fn empty() -> Self {
        MapBuilder::new().finish()
    }

    fn new(entries: Vec<Entry<V>>, mask: u32) -> Self {
        let crowded = entries.windows(FEW).any(|run| match run {
            [first, .., last] => first.hash & mask == last.hash & mask,
            _ => false,
        });
        let index = crowded.then(|| {
            entries.iter().enumerate().map(|(place, entry)| (Rc::clone(&entry.key), place)).collect()
        });
        Self { base: Rc::new(Base { entries, mask, index }), changes: None }
    }

    pub(crate) fn len(&self) -> usize {
        let gone =
            self.changes.iter().flat_map(|changes| &changes.values).filter(|(_, value)| value.is_none());
        self.base.entries.len() - gone.count()
    }

    fn place(&self, key: &str) -> Option<usize> {
        let Base { entries, mask, index } = &*self.base;
        if let Some(index) = index {
            return index.get(key).copied();
        }
        let is_it = |entry: &Entry<V>| &*entry.key == key;
        if entries.len() <= FEW {
            return entries.iter().position(is_it);
        }
        let bucket = java::map_hash(key) & mask;
        let start = entries.partition_point(|entry| entry.hash & mask < bucket);
        let mut in_bucket = entries.iter().skip(start).take_while(|entry| entry.hash & mask == bucket);
        in_bucket.position(is_it).map(|place| start + place)
    }

    fn at(&self, place: usize) -> Option<&V> {
        let changed = self.changes.as_ref().and_then(|changes| {
            changes.values.iter().find(|(changed, _)| *changed == place).map(|(_, value)| value)
        });
        match changed {
            Some(value) => value.as_ref(),
            None => self.base.entries.get(place).map(|entry| &entry.value),
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&V> {
        self.at(self.place(key)?)
    }

    /// The places in the order of iteration, if that is not the one of the base.
    fn order(&self) -> Option<&[usize]> {
        let changes = self.changes.as_ref().filter(|changes| !changes.masks.is_empty())?;
        Some(changes.order.get_or_init(|| {
            let mut order: Vec<usize> = (0..self.base.entries.len()).collect();
            let hash = |place: &usize| self.base.entries.get(*place).map_or(0, |entry| entry.hash);
            for mask in changes.masks.iter().rev() {
                order.sort_by_key(|place| hash(place) & mask);
            }
            order.into()
        }))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Rc<str>, &V)> {
        let order = self.order();
        (0..self.base.entries.len()).filter_map(move |nth| {
            let place = match order {
                Some(order) => *order.get(nth)?,
                None => nth,
            };
            Some((&self.base.entries.get(place)?.key, self.at(place)?))
        })
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }
}

impl<V: Clone> Map<V> {
    /// This map with another value under a key that it has, or without the key.
    pub(crate) fn with(&self, key: &str, value: Option<V>, remade: Remade) -> Self {
        let Some(place) = self.place(key) else { return self.clone() };
        let mask = match remade {
            Remade::Copied => fitted_mask(self.len()),
            Remade::Grown => grown_mask(self.len() - usize::from(value.is_none())),
        };
        let none = || Changes { values: Vec::new(), masks: Vec::new(), order: OnceCell::new() };
        let mut changes = self.changes.as_deref().cloned().unwrap_or_else(none);
        match changes.values.iter_mut().find(|(changed, _)| *changed == place) {
            Some((_, changed)) => *changed = value,
            None => changes.values.push((place, value)),
        }
        let current = changes.masks.first().copied().unwrap_or(self.base.mask);
        if mask != current {
            // Keys that share a bucket of a larger table share the one of a smaller table too.
            changes.masks.retain(|earlier| *earlier > mask);
            if !changes.masks.is_empty() || mask != self.base.mask {
                changes.masks.insert(0, mask);
            }
            changes.order = OnceCell::new();
        }
        let map = Self { base: Rc::clone(&self.base), changes: Some(Box::new(changes)) };
        if map.changes.as_ref().is_some_and(|changes| changes.values.len() > FEW) {
            map.flat(mask)
        } else {
            map
        }
    }

    /// The same map with entries of its own.
    fn flat(&self, mask: u32) -> Self {
        let entries = self.iter().map(|(key, value)| Entry {
            hash: java::map_hash(key),
            key: Rc::clone(key),
            value: value.clone(),
        });
        Self::new(entries.collect(), mask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(keys: impl IntoIterator<Item = &'static str>) -> Map<usize> {
        let mut map = MapBuilder::new();
        for (value, key) in keys.into_iter().enumerate() {
            map.put(key.into(), value);
        }
        map.finish()
    }

    fn keys(map: &Map<usize>) -> String {
        map.iter().map(|(key, _)| &**key).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn keys_come_by_bucket_then_by_insertion() {
        // "Aa" and "BB" have the same hash; "a" is 97, "q" is 113: the same bucket of sixteen.
        assert_eq!(keys(&built(["q", "b", "a", "BB", "Aa"])), "BB Aa q a b");
        assert_eq!(keys(&built(["a", "q"])), "a q");
    }

    #[test]
    fn values_put_first_come_before_others_of_their_bucket() {
        let mut map = MapBuilder::of("q".into(), 1);
        map.put("b".into(), 2);
        let upper = [(Rc::from("a"), 10), (Rc::from("b"), 20)].into_iter();
        let merged: Result<(), ()> = map.put_first(upper, |over, below| {
            *below += over;
            Ok(())
        });
        assert_eq!(merged, Ok(()));
        let map = map.finish();
        assert_eq!(keys(&map), "a q b");
        assert_eq!(map.get("b"), Some(&22));
    }

    #[test]
    fn a_changed_map_shares_what_did_not_change() {
        let map = built(["a", "b", "c"]);
        let changed = map.with("b", Some(7), Remade::Grown);
        assert!(Rc::ptr_eq(&map.base, &changed.base));
        assert_eq!((map.get("b"), changed.get("b"), changed.get("c")), (Some(&1), Some(&7), Some(&2)));
        let without = changed.with("a", None, Remade::Grown);
        assert_eq!((without.len(), without.get("a"), keys(&without).as_str()), (2, None, "b c"));
        assert_eq!(without.with("x", Some(1), Remade::Grown).len(), 2);
    }

    #[test]
    fn many_changes_make_entries_of_their_own() {
        let names: Vec<&'static str> = vec!["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        let map = built(names.clone());
        let changed = names.iter().fold(map.clone(), |map, key| map.with(key, Some(0), Remade::Grown));
        assert!(!Rc::ptr_eq(&map.base, &changed.base));
        assert!(changed.values().all(|value| *value == 0));
        assert_eq!(keys(&changed), keys(&map));
    }

    #[test]
    fn a_copy_has_the_table_that_fits_it() {
        // Of three keys the copy has a table of four or eight, not of sixteen: 'i' is 105, 'a' is 97.
        let map = built(["i", "b", "a"]);
        assert_eq!(keys(&map), "a b i");
        let copied = map.with("b", Some(7), Remade::Copied);
        assert_eq!(keys(&copied), "a i b");
        assert_eq!(keys(&copied.with("b", Some(8), Remade::Grown)), "a b i");
    }

    #[test]
    fn every_key_of_a_large_map_is_found() {
        let mut map = MapBuilder::new();
        for value in 0..1000_usize {
            map.put(format!("key{value}").into(), value);
            map.put(format!("key{}", value / 2).into(), value / 2);
        }
        let map = map.finish();
        assert_eq!(map.len(), 1000);
        assert!((0..1000).all(|value| map.get(&format!("key{value}")) == Some(&value)));
        assert_eq!(map.get("key1000"), None);
    }
}
