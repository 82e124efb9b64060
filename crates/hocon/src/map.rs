//! A map that iterates in the order of `java.util.HashMap`.
//!
//! Which of two errors a document has is found first, and how far a cycle is followed before it is seen, depends on
//! the order in which Lightbend's library walks the keys of an object. So the order is kept: by bucket of the table
//! size the map has grown to, and by insertion within a bucket. (Java turns crowded buckets of large tables into
//! trees; that is not followed.)

use std::collections::HashMap;
use std::rc::Rc;

use crate::java;

const DEFAULT_TABLE: u32 = 16;
/// How many keys of one bucket are searched one by one.
const CROWDED: usize = 8;

#[derive(Clone, Debug)]
struct Entry<V> {
    hash: u32,
    key: Rc<str>,
    value: V,
}

/// A map being built.
#[derive(Debug)]
pub(crate) struct MapBuilder<V> {
    entries: Vec<Entry<V>>,
    index: HashMap<Rc<str>, usize>,
    table: u32,
}

impl<V> MapBuilder<V> {
    /// As `new HashMap()`.
    pub(crate) fn new() -> Self {
        Self { entries: Vec::new(), index: HashMap::new(), table: DEFAULT_TABLE }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&V> {
        let place = *self.index.get(key)?;
        self.entries.get(place).map(|entry| &entry.value)
    }

    /// Puts a value, in the place of the one it replaces.
    pub(crate) fn put(&mut self, key: Rc<str>, value: V) {
        self.put_hashed(java::map_hash(&key), key, value);
    }

    fn put_hashed(&mut self, hash: u32, key: Rc<str>, value: V) {
        if let Some(entry) = self.index.get(&key).and_then(|place| self.entries.get_mut(*place)) {
            entry.value = value;
            return;
        }
        self.index.insert(Rc::clone(&key), self.entries.len());
        self.entries.push(Entry { hash, key, value });
        while self.entries.len() as u64 * 4 > u64::from(self.table) * 3 {
            self.table = self.table.saturating_mul(2);
        }
    }

    pub(crate) fn finish(mut self) -> Map<V> {
        let mask = self.table.wrapping_sub(1);
        self.entries.sort_by_key(|entry| entry.hash & mask);
        let crowded = self.entries.windows(CROWDED).any(|run| match run {
            [first, .., last] => first.hash & mask == last.hash & mask,
            _ => false,
        });
        let index = crowded.then(|| {
            self.entries.iter().enumerate().map(|(place, entry)| (Rc::clone(&entry.key), place)).collect()
        });
        Map { entries: self.entries, index, mask }
    }
}

/// A finished map.
#[derive(Clone, Debug)]
pub(crate) struct Map<V> {
    /// In the order of iteration.
    entries: Vec<Entry<V>>,
    /// Where the keys are, if a bucket is crowded.
    index: Option<HashMap<Rc<str>, usize>>,
    mask: u32,
}

impl<V> Map<V> {
    /// As `Collections.emptyMap()`.
    pub(crate) fn empty() -> Self {
        MapBuilder::new().finish()
    }

    /// As `Collections.singletonMap`.
    pub(crate) fn of(key: Rc<str>, value: V) -> Self {
        let entry = Entry { hash: java::map_hash(&key), key, value };
        Self { entries: vec![entry], index: None, mask: DEFAULT_TABLE - 1 }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn get(&self, key: &str) -> Option<&V> {
        if let Some(index) = &self.index {
            return self.entries.get(*index.get(key)?).map(|entry| &entry.value);
        }
        let bucket = java::map_hash(key) & self.mask;
        let start = self.entries.partition_point(|entry| entry.hash & self.mask < bucket);
        self.entries
            .iter()
            .skip(start)
            .take_while(|entry| entry.hash & self.mask == bucket)
            .find(|entry| &*entry.key == key)
            .map(|entry| &entry.value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Rc<str>, &V)> {
        self.entries.iter().map(|entry| (&entry.key, &entry.value))
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.iter().map(|entry| &entry.value)
    }
}

impl<V: Clone> Map<V> {
    /// A copy to change, as `new HashMap(map)`: the table is sized for what is in it.
    pub(crate) fn copy(&self) -> MapBuilder<V> {
        let wanted = self.entries.len() * 4 / 3 + 1;
        let fitted = u32::try_from(wanted.next_power_of_two()).unwrap_or(1 << 31);
        let table = if self.is_empty() { DEFAULT_TABLE } else { fitted };
        let mut copy = MapBuilder { entries: Vec::new(), index: HashMap::new(), table };
        for entry in &self.entries {
            copy.put_hashed(entry.hash, Rc::clone(&entry.key), entry.value.clone());
        }
        copy
    }

    /// This map without a key. Removal does not shrink the table.
    pub(crate) fn without(&self, key: &str) -> Self {
        let mut rest =
            MapBuilder { entries: Vec::new(), index: HashMap::new(), table: self.mask.wrapping_add(1) };
        for entry in self.entries.iter().filter(|entry| &*entry.key != key) {
            rest.put_hashed(entry.hash, Rc::clone(&entry.key), entry.value.clone());
        }
        rest.finish()
    }
}
