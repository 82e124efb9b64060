//! An in-memory [`Kms`] with software keys, for tests of what stands above the trait. Never for real keys: they live
//! in memory and are gone with it.
//!
//! It keeps the contract (see [`contract`](crate::contract)) and fails on request, in each way the service can.

mod material;
mod store;
mod upkeep;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::encoding::AsDer;
use tokio::sync::Notify;
use zeroize::Zeroizing;

use crate::{
    CallMode, CreateKey, CredentialsProblem, EncryptionAlgorithm, FailedCall, ImportParameters, KeyMetadata,
    KeySpec, KeyState, KeyUsage, Kms, KmsError, KmsKeyId, KmsPublicKey, NetworkProblem, Operation, Reply,
    SigningAlgorithm, Upkeep, UpkeepAnswer,
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

    /// Delay, block, permission and faults, in this order. Carries `work` out unless one of them says no.
    async fn serve<T>(
        &self,
        operation: Operation,
        key: Option<&KmsKeyId>,
        work: impl FnOnce(&mut Store, &FailedCall) -> Result<Reply<T>, KmsError> + Send,
    ) -> Result<Reply<T>, KmsError> {
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
        let call = FailedCall::new(operation, key);
        let fault = store.take_fault(operation);
        if let Some(fault) = fault.filter(|fault| !fault.is_carried_out()) {
            return Err(fault.error(call));
        }
        let answered = call.clone().with_request_id(Some(&request_id));
        store.check_allowed(operation.iam_action(), &answered)?;
        let result = work(&mut store, &answered);
        match fault {
            Some(fault) => Err(fault.error(call)),
            None => result.map(|reply| reply.with_request_id(Some(&request_id))),
        }
    }
}

#[async_trait]
impl Kms for FakeKms {
    fn endpoint(&self) -> &str {
        ENDPOINT
    }

    async fn create_key(&self, request: &CreateKey) -> Result<Reply<KeyMetadata>, KmsError> {
        self.serve(Operation::CreateKey, None, |store, call| {
            if !request.tags.is_empty() {
                store.check_allowed("kms:TagResource", call)?;
            }
            let metadata = store
                .add(request, ACCOUNT)
                .map_err(|message| KmsError::Validation { call: call.clone(), message: message.into() })?;
            let hidden = store.hidden_looks;
            if let Some(key) = store.keys.last_mut() {
                key.hidden_looks = hidden;
            }
            Ok(Reply::new(metadata))
        })
        .await
    }

    async fn describe_key(&self, key: &KmsKeyId) -> Result<Reply<KeyMetadata>, KmsError> {
        self.serve(Operation::DescribeKey, Some(key), |store, call| {
            let key = store.look_up(key, call)?;
            let metadata = key.metadata.clone();
            Ok(Reply::new(metadata).with_key(key.metadata.arn.clone()))
        })
        .await
    }

    async fn public_key(&self, key: &KmsKeyId) -> Result<Reply<KmsPublicKey>, KmsError> {
        self.serve(Operation::GetPublicKey, Some(key), |store, call| {
            let key = store.look_up(key, call)?;
            key.check_enabled(call)?;
            if let Material::Symmetric(_) = key.material {
                let message = "a symmetric key has no public key".into();
                return Err(KmsError::UnsupportedOperation { call: call.clone(), message });
            }
            let public_key = KmsPublicKey {
                key_id: key.name().clone(),
                spec: key.metadata.spec.clone(),
                usage: key.metadata.usage.clone(),
                der: key.material.public_der(),
            };
            Ok(Reply::new(public_key).with_key(key.metadata.arn.clone()))
        })
        .await
    }

    async fn sign(
        &self,
        key: &KmsKeyId,
        message: &[u8],
        algorithm: SigningAlgorithm,
        mode: CallMode,
    ) -> Result<Reply<Vec<u8>>, KmsError> {
        self.serve(Operation::Sign, Some(key), |store, call| {
            if !(1..=4096).contains(&message.len()) {
                let message =
                    "1 validation error detected: 'message' must have length between 1 and 4096".into();
                return Err(KmsError::Validation { call: call.clone(), message });
            }
            let key = store.look_up(key, call)?;
            key.check_enabled(call)?;
            let fits = key.metadata.spec.signing_algorithm() == Some(algorithm);
            let signature = match &key.material {
                Material::Ecdsa(pair) if fits => match mode {
                    CallMode::DryRun => Vec::new(),
                    CallMode::Execute => material::sign(pair, message),
                },
                Material::Ed25519(pair) if fits => match mode {
                    CallMode::DryRun => Vec::new(),
                    CallMode::Execute => pair.sign(message).as_ref().to_vec(),
                },
                _ => return Err(key.wrong_usage(call, algorithm.as_str())),
            };
            Ok(Reply::new(signature).with_key(key.metadata.arn.clone()))
        })
        .await
    }

    async fn decrypt(
        &self,
        key: &KmsKeyId,
        ciphertext: &[u8],
        algorithm: EncryptionAlgorithm,
        mode: CallMode,
    ) -> Result<Reply<Zeroizing<Vec<u8>>>, KmsError> {
        self.serve(Operation::Decrypt, Some(key), |store, call| {
            let key = store.look_up(key, call)?;
            key.check_enabled(call)?;
            let fits = key.metadata.usage == KeyUsage::EncryptDecrypt;
            let opened = match (&key.material, algorithm) {
                (Material::Rsa(_), EncryptionAlgorithm::RsaesOaepSha256)
                    if fits && mode == CallMode::DryRun =>
                {
                    Some(Zeroizing::default())
                }
                (Material::Rsa(private), EncryptionAlgorithm::RsaesOaepSha256) if fits => {
                    material::decrypt(private, ciphertext)
                }
                (Material::Symmetric(secret), EncryptionAlgorithm::SymmetricDefault) => {
                    let opened = material::open(secret, key.name().as_str(), ciphertext);
                    opened.map(|text| if mode == CallMode::DryRun { Zeroizing::default() } else { text })
                }
                _ => return Err(key.wrong_usage(call, algorithm.as_str())),
            };
            let plaintext = opened
                .ok_or_else(|| KmsError::InvalidCiphertext { call: call.clone(), message: "".into() })?;
            Ok(Reply::new(plaintext).with_key(key.metadata.arn.clone()))
        })
        .await
    }

    async fn encrypt(
        &self,
        key: &KmsKeyId,
        plaintext: &[u8],
        algorithm: EncryptionAlgorithm,
        mode: CallMode,
    ) -> Result<Reply<Vec<u8>>, KmsError> {
        self.serve(Operation::Encrypt, Some(key), |store, call| {
            if !(1..=4096).contains(&plaintext.len()) {
                let message =
                    "1 validation error detected: 'plaintext' must have length between 1 and 4096".into();
                return Err(KmsError::Validation { call: call.clone(), message });
            }
            let key = store.look_up(key, call)?;
            key.check_enabled(call)?;
            let ciphertext = match (&key.material, algorithm) {
                (Material::Symmetric(secret), EncryptionAlgorithm::SymmetricDefault) => match mode {
                    CallMode::DryRun => Vec::new(),
                    CallMode::Execute => material::seal(secret, key.name().as_str(), plaintext),
                },
                _ => return Err(key.wrong_usage(call, algorithm.as_str())),
            };
            Ok(Reply::new(ciphertext).with_key(key.metadata.arn.clone()))
        })
        .await
    }

    async fn parameters_for_import(&self, key: &KmsKeyId) -> Result<Reply<ImportParameters>, KmsError> {
        self.serve(Operation::GetParametersForImport, Some(key), |store, call| {
            let found = store.look_up(key, call)?;
            found.check_external(call)?;
            let (token, arn) = (found.name().as_str().as_bytes().to_vec(), found.metadata.arn.clone());
            let der = store.wrapping_key().public_key().as_der();
            let wrapping_key = der.expect("a generated key has an encoding").as_ref().to_vec();
            Ok(Reply::new(ImportParameters { wrapping_key, token }).with_key(arn))
        })
        .await
    }

    async fn import_key_material(
        &self,
        key: &KmsKeyId,
        token: &[u8],
        wrapped: &[u8],
    ) -> Result<Reply<()>, KmsError> {
        self.serve(Operation::ImportKeyMaterial, Some(key), |store, call| {
            let found = store.look_up(key, call)?;
            found.check_external(call)?;
            let refused = |name: &str| KmsError::Unexpected {
                call: call.clone(),
                name: Some(name.to_owned()),
                status: Some(400),
                message: "".into(),
            };
            if token != found.name().as_str().as_bytes() {
                return Err(refused("InvalidImportTokenException"));
            }
            let spec = found.metadata.spec.clone();
            let before = found.material.public_der();
            let opened = material::unwrap(store.wrapping_key(), wrapped)
                .ok_or_else(|| KmsError::InvalidCiphertext { call: call.clone(), message: "".into() })?;
            let imported = Material::import(&spec, &opened)
                .filter(|new| before.is_empty() || before == new.public_der())
                .ok_or_else(|| refused("IncorrectKeyMaterialException"))?;
            let arn = store.import(key, imported);
            Ok(Reply::new(()).with_key(arn))
        })
        .await
    }

    async fn upkeep(&self, request: &Upkeep) -> Result<Reply<UpkeepAnswer>, KmsError> {
        self.serve(request.operation(), request.key(), |store, call| {
            store.upkeep(request, call).map(Reply::new)
        })
        .await
    }
}

#[cfg(test)]
mod tests;
