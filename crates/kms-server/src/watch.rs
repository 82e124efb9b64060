//! What the process that runs the server may see of it: requests as they are answered, and keys as they are.
//!
//! For displays and tests. Seeing is no request: nothing is counted, and no permission is asked for. Never in it:
//! messages, plaintexts, ciphertexts, signatures, secrets.

use std::{
    fmt,
    sync::{Arc, Weak},
    time::{Duration, Instant, SystemTime},
};

use crate::{
    service::Service,
    state::key::{Key, KeyId},
};

/// A request that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedRequest {
    /// AWS's id of the request, as the caller was told.
    pub request_id: String,
    /// The operation, by AWS's name.
    pub operation: String,
    /// The keys that it turned out to be about, as they are now; a key that it made, too.
    pub keys: Vec<KeyFacts>,
    /// The ARN of the caller, once it was known.
    pub caller: Option<String>,
    /// `Success`, or the name of AWS's exception.
    pub outcome: String,
    /// When it arrived.
    pub at: SystemTime,
    /// From its arrival to its answer, a played latency included.
    pub took: Duration,
}

type Told = dyn Fn(ObservedRequest) + Send + Sync;

/// Told of every request, in the order of the answers; must return at once, as the answer waits for it.
#[derive(Clone)]
pub struct Observer(Arc<Told>);

impl Observer {
    /// An observer that calls `told`.
    pub fn new(told: impl Fn(ObservedRequest) + Send + Sync + 'static) -> Self {
        Self(Arc::new(told))
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Observer").finish_non_exhaustive()
    }
}

/// What became of a request, as far as it may be seen.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) outcome: String,
    pub(crate) keys: Vec<String>,
    pub(crate) caller: Option<String>,
}

impl Facts {
    /// An outcome, and nothing else that is known.
    pub(crate) fn only(outcome: &str) -> Self {
        Self { outcome: outcome.to_owned(), ..Self::default() }
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct Arrived {
    at: SystemTime,
    since: Instant,
}

impl Arrived {
    pub(crate) fn now() -> Self {
        Self { at: SystemTime::now(), since: Instant::now() }
    }

    /// Tells the observer, if there is one, of the end.
    pub(crate) fn answered(&self, service: &Arc<Service>, operation: &str, request_id: &str, facts: Facts) {
        let Some(Observer(told)) = &service.observer else { return };
        let Facts { outcome, keys, caller } = facts;
        let view = KeyView::of(service);
        told(ObservedRequest {
            request_id: request_id.to_owned(),
            operation: operation.to_owned(),
            keys: keys.iter().filter_map(|arn| view.key(arn)).collect(),
            caller,
            outcome,
            at: self.at,
            took: self.since.elapsed(),
        });
    }
}

/// A key as it is, in DescribeKey's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFacts {
    /// `KeyId`.
    pub key_id: String,
    /// `Arn`.
    pub arn: String,
    /// `KeyState`.
    pub state: &'static str,
    /// `KeySpec`.
    pub spec: &'static str,
    /// `KeyUsage`.
    pub usage: &'static str,
    /// `Description`.
    pub description: String,
    /// ListResourceTags' key and value of each tag.
    pub tags: Vec<(String, String)>,
}

impl KeyFacts {
    /// The value of a tag.
    #[must_use]
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }
}

/// The keys of a running server, for the process that runs it. Does not keep the server.
#[derive(Debug, Clone)]
pub struct KeyView(Weak<Service>);

impl KeyView {
    pub(crate) fn of(service: &Arc<Service>) -> Self {
        Self(Arc::downgrade(service))
    }

    /// The key of an ARN; nothing if there is none, or none any more, or no server any more.
    #[must_use]
    pub fn key(&self, arn: &str) -> Option<KeyFacts> {
        let mut parts = arn.strip_prefix("arn:")?.splitn(5, ':').skip(2);
        let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
        let id = KeyId::parse(resource.strip_prefix("key/")?)?;
        let service = self.0.upgrade()?;
        let key = service.store.partition(account, region).key(&id)?;
        let now_ms = service.clock.now_ms();
        (!key.is_gone(now_ms)).then(|| facts(&key, now_ms))
    }
}

fn facts(key: &Key, now_ms: i64) -> KeyFacts {
    let tags = key.tags.to_vec().into_iter();
    KeyFacts {
        key_id: key.id.to_string(),
        arn: key.arn(),
        state: key.status_at(now_ms).as_str(),
        spec: key.spec.as_str(),
        usage: key.usage.as_str(),
        description: key.description.to_string(),
        tags: tags.map(|tag| (tag.key.into_string(), tag.value.into_string())).collect(),
    }
}
