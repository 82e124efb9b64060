//! An in-memory [`Kms`] with software keys, for tests of what stands above the trait. Never for real keys: they live
//! in memory and are gone with it.
//!
//! It keeps the contract (see [`contract`](crate::contract)) and fails on request, in each way the service can.

mod answer;
mod material;
mod store;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::{
    CreateKey, CredentialsProblem, FailedCall, KeyMetadata, KeySpec, KeyState, KeyUsage, Kms, KmsAnswer,
    KmsError, KmsKeyId, KmsRequest, NetworkProblem, Operation, Reply,
};
use material::Material;
use store::Store;

/// The account that owns the keys of a [`FakeKms`].
pub const ACCOUNT: &str = "111122223333";
/// The Region of the keys of a [`FakeKms`].
pub const REGION: &str = "us-east-1";
/// The endpoint that a [`FakeKms`] names.
pub const ENDPOINT: &str = "https://kms.us-east-1.amazonaws.com/";

/// A way to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// ThrottlingException; not carried out.
    Throttled,
    /// KMSInternalException; not carried out, but the caller cannot know.
    Internal,
    /// No answer in time; carried out.
    Timeout,
    /// The connection breaks before the answer; carried out.
    AnswerLost,
    /// Nobody listens; not carried out.
    ConnectionRefused,
    /// No credentials in the chain; not carried out.
    CredentialsMissing,
    /// The credentials' source gives none just now; not carried out.
    CredentialsUnavailable,
    /// Expired credentials; not carried out.
    CredentialsExpired,
    /// NotFoundException; not carried out.
    NotFound,
}

impl Fault {
    /// Whether the request takes effect before it fails.
    const fn is_carried_out(self) -> bool {
        matches!(self, Self::Timeout | Self::AnswerLost)
    }

    fn error(self, call: FailedCall) -> KmsError {
        let credentials =
            |call, problem| KmsError::Credentials { call, problem, message: "by request".into() };
        let network = |call, problem, kind: std::io::ErrorKind| KmsError::Network {
            call,
            endpoint: ENDPOINT.to_owned(),
            problem,
            source: Box::new(std::io::Error::from(kind)),
        };
        match self {
            Self::Throttled => KmsError::Throttled { call, message: "Rate exceeded".into() },
            Self::Internal => KmsError::Internal {
                call,
                name: "KMSInternalException".to_owned(),
                message: "by request".into(),
            },
            Self::Timeout => KmsError::Timeout { call, endpoint: ENDPOINT.to_owned(), after: None },
            Self::AnswerLost => {
                network(call, NetworkProblem::AnswerLost, std::io::ErrorKind::ConnectionReset)
            }
            Self::ConnectionRefused => {
                network(call, NetworkProblem::ConnectionRefused, std::io::ErrorKind::ConnectionRefused)
            }
            Self::CredentialsMissing => credentials(call, CredentialsProblem::Missing),
            Self::CredentialsUnavailable => credentials(call, CredentialsProblem::Unavailable),
            Self::CredentialsExpired => credentials(call, CredentialsProblem::Expired),
            Self::NotFound => KmsError::NotFound { call, message: "by request".into() },
        }
    }
}

/// An in-memory [`Kms`] of one account and Region.
#[derive(Debug, Default)]
pub struct FakeKms {
    store: Mutex<Store>,
    changed: Notify,
}

impl FakeKms {
    /// An empty service that allows everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a key without a request, as its owner would have done beforehand. Answers its metadata.
    pub fn add_key(&self, spec: KeySpec, usage: KeyUsage) -> KeyMetadata {
        let request = CreateKey { usage, ..CreateKey::signing(spec) };
        self.store().add(&request, ACCOUNT).expect("a key spec and usage that go together")
    }

    /// Makes a key in another account (12 digits), which only its ARN reaches. Answers its metadata.
    pub fn add_foreign_key(&self, spec: KeySpec, usage: KeyUsage, account: &str) -> KeyMetadata {
        let request = CreateKey { usage, ..CreateKey::signing(spec) };
        self.store().add(&request, account).expect("a key spec and usage that go together")
    }

    /// Points `alias` (`alias/…`) at a key, anew if it exists.
    pub fn set_alias(&self, alias: &str, key: &KmsKeyId) {
        let mut store = self.store();
        let index = store.find(key).expect("the key exists");
        store.aliases.insert(alias.to_owned(), index);
    }

    /// Puts a key into a state.
    pub fn set_state(&self, key: &KmsKeyId, state: KeyState) {
        let mut store = self.store();
        let index = store.find(key).expect("the key exists");
        store.keys[index].metadata.state = state;
    }

    /// Refuses an operation with AccessDenied from now on.
    pub fn deny(&self, operation: Operation) {
        self.store().denied.insert(operation.iam_action());
    }

    /// Refuses CreateKey with tags, for want of `kms:TagResource`.
    pub fn deny_tag_resource(&self) {
        self.store().denied.insert("kms:TagResource");
    }

    /// Allows everything again.
    pub fn allow_all(&self) {
        self.store().denied.clear();
    }

    /// Makes the next `times` requests of an operation fail. Later calls of this come after earlier ones.
    pub fn fail_next(&self, operation: Operation, times: usize, fault: Fault) {
        self.store().faults.push_back((operation, times, fault));
    }

    /// Takes back what [`Self::fail_next`] asked for.
    pub fn clear_faults(&self) {
        self.store().faults.clear();
    }

    /// Makes keys created from now on NotFound to their first `looks` requests, as eventual consistency does.
    pub fn hide_new_keys(&self, looks: u32) {
        self.store().hidden_looks = looks;
    }

    /// Refuses to show a key's tags, as a policy may.
    pub fn hide_tags(&self, key: &KmsKeyId) {
        let mut store = self.store();
        let index = store.find(key).expect("the key exists");
        store.keys[index].tags_hidden = true;
    }

    /// Leaves keys created from now on out of lists, as eventual consistency does, until [`Self::list_all`].
    pub fn list_late(&self) {
        self.store().lists_late = true;
    }

    /// Lists all keys again.
    pub fn list_all(&self) {
        let mut store = self.store();
        store.lists_late = false;
        store.keys.iter_mut().for_each(|key| key.unlisted = false);
    }

    /// Changes a tag of a key, or adds it.
    pub fn set_tag(&self, key: &KmsKeyId, name: &str, value: &str) {
        let mut store = self.store();
        let index = store.find(key).expect("the key exists");
        let tags = &mut store.keys[index].tags;
        tags.retain(|(known, _)| known != name);
        tags.push((name.to_owned(), value.to_owned()));
    }

    /// Takes a key away for good, as the end of a deletion's waiting period does.
    pub fn remove(&self, key: &KmsKeyId) {
        let mut store = self.store();
        let index = store.find(key).expect("the key exists");
        store.keys.remove(index);
        // Positions have moved.
        store.aliases.clear();
    }

    /// Makes each request take this long.
    pub fn set_delay(&self, delay: Duration) {
        self.store().delay = delay;
    }

    /// Lets requests of an operation hang until [`Self::unblock`].
    pub fn block(&self, operation: Operation) {
        self.store().blocked.insert(operation);
    }

    /// Lets hanging requests go on.
    pub fn unblock(&self, operation: Operation) {
        self.store().blocked.remove(&operation);
        self.changed.notify_waiters();
    }

    /// All keys, in the order of their making.
    pub fn keys(&self) -> Vec<KeyMetadata> {
        self.store().keys.iter().map(|key| key.metadata.clone()).collect()
    }

    /// The tags that a key was made with.
    pub fn tags(&self, key: &KmsKeyId) -> Vec<(String, String)> {
        let store = self.store();
        store.find(key).map(|index| store.keys[index].tags.clone()).unwrap_or_default()
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Kms for FakeKms {
    fn endpoint(&self) -> &str {
        ENDPOINT
    }

    async fn ask(&self, request: KmsRequest<'_>) -> Result<Reply<KmsAnswer>, KmsError> {
        // Delay, block, permission and faults, in this order.
        let operation = request.operation();
        let delay = self.store().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        loop {
            let changed = self.changed.notified();
            if !self.store().blocked.contains(&operation) {
                break;
            }
            changed.await;
        }
        let mut store = self.store();
        let request_id = store.next_request_id();
        let call = request.call();
        let fault = store.take_fault(operation);
        if let Some(fault) = fault.filter(|fault| !fault.is_carried_out()) {
            return Err(fault.error(call));
        }
        let answered = call.clone().with_request_id(Some(&request_id));
        store.check_allowed(operation.iam_action(), &answered)?;
        let result = store.answer(request, &answered);
        match fault {
            Some(fault) => Err(fault.error(call)),
            None => result.map(|reply| reply.with_request_id(Some(&request_id))),
        }
    }
}

#[cfg(test)]
mod tests;
