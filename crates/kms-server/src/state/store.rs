//! The keys and aliases of every account and Region, and the way to change them.
//!
//! Reads take a shared lock of one partition and leave with an `Arc`. Writes are one at a time over the whole store:
//! a [`Transaction`] sees the current state, gathers changes, and [`Store::write`] logs and applies them together.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use parking_lot::{Mutex, RwLock};
use zeroize::Zeroizing;

use super::{
    change::{Alias, Change},
    key::{Home, Key, KeyId, Material, Place},
    log::{Frame, HEADER, Log, Replay, StateError, replace},
};
use crate::{
    error::KmsError,
    keys::{
        cache::ParsedKeys,
        material::{Parsed, SecretBytes, random_bytes},
        spec::KeySpec,
    },
};

/// One account's keys in one Region.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) home: Arc<Home>,
    contents: RwLock<Contents>,
}

#[derive(Debug, Default)]
struct Contents {
    keys: BTreeMap<KeyId, Arc<Key>>,
    aliases: BTreeMap<Box<str>, Alias>,
    names: HashMap<KeyId, Vec<Box<str>>>,
    hidden_until: HashMap<KeyId, Instant>,
}

impl Partition {
    fn new(home: Home) -> Self {
        Self { home: Arc::new(home), contents: RwLock::default() }
    }

    /// A key, unless its creation has not spread yet.
    pub(crate) fn key(&self, id: &KeyId) -> Option<Arc<Key>> {
        let contents = self.contents.read();
        if !contents.hidden_until.is_empty()
            && contents.hidden_until.get(id).is_some_and(|until| *until > Instant::now())
        {
            return None;
        }
        contents.keys.get(id).cloned()
    }

    /// An alias by its name, `alias/` included.
    pub(crate) fn alias(&self, name: &str) -> Option<Alias> {
        self.contents.read().aliases.get(name).cloned()
    }

    /// The aliases of a key.
    pub(crate) fn alias_names(&self, id: &KeyId) -> Vec<Box<str>> {
        self.contents.read().names.get(id).cloned().unwrap_or_default()
    }

    /// Up to `limit` keys behind `after`, in the order of their ids.
    pub(crate) fn keys_after(&self, after: Option<KeyId>, limit: usize) -> Vec<Arc<Key>> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        self.contents
            .read()
            .keys
            .range((from, Unbounded))
            .take(limit)
            .map(|(_, key)| Arc::clone(key))
            .collect()
    }

    /// Up to `limit` aliases behind `after`, in the order of their names; of one key if asked.
    pub(crate) fn aliases_after(
        &self,
        after: &str,
        of: Option<&KeyId>,
        limit: usize,
    ) -> Vec<(Box<str>, Alias)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let contents = self.contents.read();
        contents
            .aliases
            .range::<str, _>((Excluded(after), Unbounded))
            .filter(|(_, alias)| of.is_none_or(|id| alias.target == *id))
            .take(limit)
            .map(|(name, alias)| (name.clone(), alias.clone()))
            .collect()
    }

    /// Hides a new key for a while: AWS's eventual consistency.
    pub(crate) fn hide_until(&self, id: KeyId, until: Instant) {
        let mut contents = self.contents.write();
        let now = Instant::now();
        contents.hidden_until.retain(|_, until| *until > now);
        contents.hidden_until.insert(id, until);
    }

    fn put_alias(&self, name: &str, alias: Alias) {
        let mut contents = self.contents.write();
        let target = alias.target;
        if let Some(old) = contents.aliases.insert(name.into(), alias) {
            contents.forget_name(&old.target, name);
        }
        contents.names.entry(target).or_default().push(name.into());
    }

    fn remove_alias(&self, name: &str) {
        let mut contents = self.contents.write();
        if let Some(old) = contents.aliases.remove(name) {
            contents.forget_name(&old.target, name);
        }
    }
}

impl Contents {
    fn forget_name(&mut self, id: &KeyId, name: &str) {
        if let Some(names) = self.names.get_mut(id) {
            names.retain(|known| known.as_ref() != name);
            if names.is_empty() {
                self.names.remove(id);
            }
        }
    }
}

type Partitions = HashMap<Arc<str>, HashMap<Arc<str>, Arc<Partition>>>;

/// Everything the server remembers.
#[derive(Debug)]
pub(crate) struct Store {
    partitions: RwLock<Partitions>,
    parsed: ParsedKeys,
    writing: Mutex<()>,
    next_material: AtomicU64,
    secret: SecretBytes,
    log: Option<Log>,
}

impl Store {
    /// A store in memory.
    pub(crate) fn in_memory() -> Option<Self> {
        Some(Self {
            partitions: RwLock::default(),
            parsed: ParsedKeys::default(),
            writing: Mutex::new(()),
            next_material: AtomicU64::new(1),
            secret: random_bytes(32)?,
            log: None,
        })
    }

    /// A store in a file.
    pub(crate) fn open(path: &Path) -> Result<Self, StateError> {
        let mut loading = Loading::default();
        let mut log = Log::open(path, &mut loading)?;
        if loading.wasteful() {
            log.close();
            let frames = loading.frames(&log);
            drop(log);
            replace(path, frames.into_iter())?;
            loading = Loading::default();
            log = Log::open(path, &mut loading)?;
        }
        let secret = match loading.secret.take() {
            Some(secret) => secret,
            None => {
                let random = |_| StateError::Io {
                    path: path.to_owned(),
                    source: std::io::Error::other("no random source"),
                };
                let secret = random_bytes(32).ok_or(()).map_err(random)?;
                let mut frame = Frame::default();
                let encoded = frame.push(&Change::ServerSecret(&secret)).ok();
                encoded.and_then(|_| log.append(&frame)).ok_or(()).map_err(random)?;
                secret
            }
        };
        Ok(Self {
            partitions: RwLock::new(loading.partitions),
            parsed: ParsedKeys::default(),
            writing: Mutex::new(()),
            next_material: AtomicU64::new(loading.highest + 1),
            secret,
            log: Some(log),
        })
    }

    /// The secret that seals import tokens.
    pub(crate) fn secret(&self) -> &[u8] {
        &self.secret
    }

    /// The partition of an account and a Region. One that holds nothing is not kept: a name alone costs no memory.
    pub(crate) fn partition(&self, account: &str, region: &str) -> Arc<Partition> {
        let found = self.partitions.read().get(account).and_then(|regions| regions.get(region)).cloned();
        found.unwrap_or_else(|| Arc::new(Partition::new(Home::new(account, region))))
    }

    /// The partition of an account and a Region, kept from now on.
    fn kept_partition(&self, home: &Home) -> Arc<Partition> {
        let mut partitions = self.partitions.write();
        let regions = partitions.entry(Arc::clone(&home.account)).or_default();
        let made = || Arc::new(Partition::new(home.clone()));
        Arc::clone(regions.entry(Arc::clone(&home.region)).or_insert_with(made))
    }

    /// The secret bytes of a material.
    pub(crate) fn material_bytes(&self, material: &Material) -> Option<SecretBytes> {
        match &material.place {
            Place::Unknown => None,
            Place::Memory(bytes) => Some((**bytes).clone()),
            Place::File { offset, length } => self.log.as_ref()?.read(*offset, *length),
        }
    }

    /// A material, ready for use.
    pub(crate) fn parsed(&self, spec: KeySpec, material: &Material) -> Result<Arc<Parsed>, KmsError> {
        self.parsed.parsed(material.number, spec, || self.material_bytes(material)).map_err(|error| {
            tracing::error!(%error, "key material cannot be read");
            KmsError::internal("The key material cannot be read.")
        })
    }

    /// Puts another key in the place of a material's.
    #[cfg(test)]
    pub(crate) fn put_parsed(&self, material: &Material, parsed: Parsed) {
        self.parsed.put(material.number, parsed);
    }

    /// The log position that an answer given now depends on.
    pub(crate) fn position(&self) -> u64 {
        self.log.as_ref().map_or(0, Log::appended)
    }

    /// Waits until that position is on the disk; false if it never will be.
    pub(crate) async fn durable(&self, position: u64) -> bool {
        match &self.log {
            Some(log) => log.durable(position).await,
            None => true,
        }
    }

    /// Stops the log's writer when all is written.
    pub(crate) fn close(&self) {
        if let Some(log) = &self.log {
            log.close();
        }
    }

    /// Runs a change. What the closure gathered is logged and applied together, or nothing is if it refuses.
    pub(crate) fn write<T>(
        &self,
        change: impl FnOnce(&mut Transaction<'_>) -> Result<T, KmsError>,
    ) -> Result<T, KmsError> {
        let _one_at_a_time = self.writing.lock();
        let mut transaction = Transaction { store: self, steps: Vec::new() };
        let outcome = change(&mut transaction)?;
        let mut steps = std::mem::take(&mut transaction.steps);
        if !steps.is_empty() {
            self.log_steps(&mut steps)?;
            for step in steps {
                self.apply(step);
            }
        }
        Ok(outcome)
    }

    fn log_steps(&self, steps: &mut [Step]) -> Result<(), KmsError> {
        let Some(log) = &self.log else { return Ok(()) };
        let failed = || KmsError::internal("The state file cannot be written.");
        let mut frame = Frame::default();
        let mut ends = Vec::with_capacity(steps.len());
        for step in steps.iter() {
            ends.push(frame.push(&step.change()).map_err(|_| failed())? as u64);
        }
        let start = log.append(&frame).ok_or_else(failed)?;
        // Material that is in the file now need not be in memory as well.
        let mut places = HashMap::new();
        for (step, end) in steps.iter().zip(ends) {
            if let Step::Material(number, bytes) = step {
                let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                places.insert(*number, Place::File { offset: start + end - u64::from(length), length });
            }
        }
        if !places.is_empty() {
            for step in steps.iter_mut() {
                if let Step::PutKey(key) = step {
                    resolve_places(key, |number| places.get(&number).cloned());
                }
            }
        }
        Ok(())
    }

    fn apply(&self, step: Step) {
        match step {
            Step::Material(..) | Step::ForgetMaterial(_) => {}
            Step::PutKey(key) => {
                let partition = self.kept_partition(&key.home);
                partition.contents.write().keys.insert(key.id, Arc::new(*key));
            }
            Step::RemoveKey(home, id) => {
                self.kept_partition(&home).contents.write().keys.remove(&id);
            }
            Step::PutAlias(home, name, alias) => {
                self.kept_partition(&home).put_alias(&name, alias);
            }
            Step::RemoveAlias(home, name) => self.kept_partition(&home).remove_alias(&name),
        }
    }
}

fn resolve_places(key: &mut Key, place: impl Fn(u64) -> Option<Place>) {
    let history = key.extra.iter_mut().flat_map(|extra| &mut extra.history).map(|entry| &mut entry.material);
    for material in key.material.iter_mut().chain(history) {
        if let Some(place) = place(material.number) {
            material.place = place;
        }
    }
}

#[derive(Debug)]
enum Step {
    Material(u64, Arc<SecretBytes>),
    ForgetMaterial(u64),
    PutKey(Box<Key>),
    RemoveKey(Arc<Home>, KeyId),
    PutAlias(Arc<Home>, Box<str>, Alias),
    RemoveAlias(Arc<Home>, Box<str>),
}

impl Step {
    fn change(&self) -> Change<'_> {
        match self {
            Self::Material(number, bytes) => Change::Material(*number, bytes),
            Self::ForgetMaterial(number) => Change::ForgetMaterial(*number),
            Self::PutKey(key) => {
                Change::PutKey { account: &key.home.account, region: &key.home.region, key: key.clone() }
            }
            Self::RemoveKey(home, id) => {
                Change::RemoveKey { account: &home.account, region: &home.region, id: *id }
            }
            Self::PutAlias(home, name, alias) => {
                Change::PutAlias { account: &home.account, region: &home.region, name, alias: alias.clone() }
            }
            Self::RemoveAlias(home, name) => {
                Change::RemoveAlias { account: &home.account, region: &home.region, name }
            }
        }
    }
}

/// Changes being gathered. Reads see the state before the transaction.
#[derive(Debug)]
pub(crate) struct Transaction<'a> {
    store: &'a Store,
    steps: Vec<Step>,
}

impl Transaction<'_> {
    /// The key as it is now; other requests may have changed it since the caller looked.
    pub(crate) fn key(&self, home: &Home, id: &KeyId) -> Result<Arc<Key>, KmsError> {
        let partition = self.store.partition(&home.account, &home.region);
        let found = partition.contents.read().keys.get(id).cloned();
        found.ok_or_else(|| KmsError::not_found(format!("Key '{}' does not exist", home.key_arn(id))))
    }

    pub(crate) fn alias(&self, home: &Home, name: &str) -> Option<Alias> {
        self.store.partition(&home.account, &home.region).alias(name)
    }

    /// Numbers new secret bytes. They are in memory until the file has them.
    pub(crate) fn add_material(&mut self, bytes: SecretBytes) -> Material {
        let number = self.store.next_material.fetch_add(1, Ordering::Relaxed);
        let bytes = Arc::new(bytes);
        self.steps.push(Step::Material(number, Arc::clone(&bytes)));
        Material { number, place: Place::Memory(bytes) }
    }

    pub(crate) fn forget_material(&mut self, number: u64) {
        self.steps.push(Step::ForgetMaterial(number));
    }

    pub(crate) fn put_key(&mut self, key: Key) {
        self.steps.push(Step::PutKey(Box::new(key)));
    }

    /// Deletes a key and its aliases.
    pub(crate) fn remove_key(&mut self, key: &Key) {
        let partition = self.store.partition(&key.home.account, &key.home.region);
        for name in partition.alias_names(&key.id) {
            self.remove_alias(&key.home, &name);
        }
        self.steps.push(Step::RemoveKey(Arc::clone(&key.home), key.id));
    }

    pub(crate) fn put_alias(&mut self, home: &Arc<Home>, name: &str, alias: Alias) {
        self.steps.push(Step::PutAlias(Arc::clone(home), name.into(), alias));
    }

    pub(crate) fn remove_alias(&mut self, home: &Arc<Home>, name: &str) {
        self.steps.push(Step::RemoveAlias(Arc::clone(home), name.into()));
    }
}

/// What is read from a file.
#[derive(Debug, Default)]
struct Loading {
    partitions: Partitions,
    /// Offset and length by number: the numbers are dense.
    places: Vec<(u64, u32)>,
    secret: Option<SecretBytes>,
    highest: u64,
    changes: u64,
    end: u64,
    last: Option<Arc<Partition>>,
}

impl Loading {
    fn place(&mut self, number: u64, place: (u64, u32)) {
        // More keys than this no machine holds: such a number is no number of ours.
        let Some(index) = usize::try_from(number).ok().filter(|index| *index < 1 << 28) else { return };
        if index >= self.places.len() {
            self.places.resize(index + 1, (0, 0));
        }
        self.places[index] = place;
    }

    fn partition(&mut self, account: &str, region: &str) -> Arc<Partition> {
        if let Some(last) = &self.last
            && last.home.account.as_ref() == account
            && last.home.region.as_ref() == region
        {
            return Arc::clone(last);
        }
        let known = self.partitions.get(account).and_then(|regions| regions.get(region));
        let partition = if let Some(partition) = known {
            Arc::clone(partition)
        } else {
            let partition = Arc::new(Partition::new(Home::new(account, region)));
            let home = &partition.home;
            let regions = self.partitions.entry(Arc::clone(&home.account)).or_default();
            regions.insert(Arc::clone(&home.region), Arc::clone(&partition));
            partition
        };
        self.last = Some(Arc::clone(&partition));
        partition
    }

    fn each_partition(&self) -> impl Iterator<Item = &Arc<Partition>> {
        self.partitions.values().flat_map(HashMap::values)
    }

    /// Whether most of the file says what is no longer so.
    fn wasteful(&self) -> bool {
        let live: usize = self
            .each_partition()
            .map(|partition| {
                let contents = partition.contents.read();
                contents.keys.len() * 2 + contents.aliases.len()
            })
            .sum();
        self.end > HEADER + (1 << 20) && self.changes > 3 * (live as u64 + 1)
    }

    /// The frames of a file that says the same without the waste.
    fn frames(&self, log: &Log) -> Vec<Frame> {
        let mut frames = Vec::new();
        let mut frame = Frame::default();
        if let Some(secret) = &self.secret {
            drop(frame.push(&Change::ServerSecret(secret)));
        }
        frames.push(frame);
        let mut written = std::collections::HashSet::new();
        for partition in self.each_partition() {
            let (account, region) = (&*partition.home.account, &*partition.home.region);
            let contents = partition.contents.read();
            for key in contents.keys.values() {
                let mut frame = Frame::default();
                let history = key.extra.iter().flat_map(|extra| &extra.history).map(|entry| &entry.material);
                for material in key.material.iter().chain(history) {
                    if let Place::File { offset, length } = material.place
                        && written.insert(material.number)
                        && let Some(bytes) = log.read(offset, length)
                    {
                        drop(frame.push(&Change::Material(material.number, &bytes)));
                    }
                }
                drop(frame.push(&Change::PutKey { account, region, key: Box::new((**key).clone()) }));
                frames.push(frame);
            }
            for (name, alias) in &contents.aliases {
                let mut frame = Frame::default();
                drop(frame.push(&Change::PutAlias { account, region, name, alias: alias.clone() }));
                frames.push(frame);
            }
        }
        frames
    }
}

impl Replay for Loading {
    fn apply(&mut self, change: Change<'_>, end: u64) -> Result<(), StateError> {
        self.changes += 1;
        self.end = end;
        match change {
            Change::ServerSecret(secret) => self.secret = Some(Zeroizing::new(secret.to_vec())),
            Change::Material(number, bytes) => {
                let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                self.highest = self.highest.max(number);
                self.place(number, (end - u64::from(length), length));
            }
            Change::ForgetMaterial(number) => {
                self.place(number, (0, 0));
            }
            Change::PutKey { account, region, mut key } => {
                let partition = self.partition(account, region);
                resolve_places(&mut key, |number| {
                    let (offset, length) = *self.places.get(usize::try_from(number).ok()?)?;
                    (length > 0).then_some(Place::File { offset, length })
                });
                key.home = Arc::clone(&partition.home);
                partition.contents.write().keys.insert(key.id, Arc::new(*key));
            }
            Change::RemoveKey { account, region, id } => {
                self.partition(account, region).contents.write().keys.remove(&id);
            }
            Change::PutAlias { account, region, name, alias } => {
                self.partition(account, region).put_alias(name, alias);
            }
            Change::RemoveAlias { account, region, name } => {
                self.partition(account, region).remove_alias(name);
            }
        }
        Ok(())
    }
}
