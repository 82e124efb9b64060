//! The trait itself. Not here: retries, audit and counting, which wrap it, and every backend.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use zeroize::Zeroizing;

use crate::{
    CreateKey, EncryptionAlgorithm, FailedCall, ImportParameters, KeyMetadata, KmsError, KmsKeyId,
    KmsPublicKey, Operation, SigningAlgorithm, Upkeep, UpkeepAnswer,
};

/// Whether a call is carried out or only checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CallMode {
    /// Carried out.
    #[default]
    Execute,
    /// Checked only: the answer says whether it would have succeeded.
    DryRun,
}

/// An answer, with what the service said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply<T> {
    /// The answer.
    pub value: T,
    /// AWS's request id, which CloudTrail shows as `requestID`. None where the service gave none.
    pub request_id: Option<String>,
    /// The key that the service answered for: at AWS its key ARN, whatever name was asked for.
    pub key: Option<KmsKeyId>,
}

impl<T> Reply<T> {
    /// An answer without request id and key.
    pub const fn new(value: T) -> Self {
        Self { value, request_id: None, key: None }
    }

    /// The same with AWS's request id.
    #[must_use]
    pub fn with_request_id(mut self, request_id: Option<&str>) -> Self {
        self.request_id = request_id.map(str::to_owned);
        self
    }

    /// The same with the key that the service answered for.
    #[must_use]
    pub fn with_key(mut self, key: Option<KmsKeyId>) -> Self {
        self.key = key;
        self
    }

    /// Another value with the same circumstances.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Reply<U> {
        Reply { value: f(self.value), request_id: self.request_id, key: self.key }
    }
}

/// A key management service.
///
/// # Contract
/// - **Names of keys.** Every method takes a key by id, key ARN, alias name or alias ARN. A key in another account
///   is reached by ARN only. An alias is resolved by the service at each call and may be re-pointed by its owner:
///   what is kept for long is the ARN that the answers carry.
/// - **Idempotence.** `describe_key`, `public_key`, `sign`, `encrypt`, `decrypt` and `parameters_for_import` change
///   nothing and may be repeated at will, and `import_key_material` with the same material.
///   `create_key` makes a new key, billed monthly, at every call that reaches the service, and AWS has no token to
///   tell two calls apart: after a time-out or a lost answer a key may exist that nobody knows.
/// - **What may be retried.** Exactly what [`KmsError::retryable`] says; `create_key` only if
///   [`KmsError::surely_not_executed`] holds as well. A backend sends each call once: repeating is the business of
///   [`Retrying`](crate::Retrying).
/// - **Eventual consistency.** A key just made may be NotFound for seconds, to some calls and not to others;
///   [`create_and_wait`](crate::create_and_wait) waits for it.
/// - **Cancel safety.** A dropped future leaves the backend usable. The request may or may not have been carried
///   out; for `create_key` that is a key that nobody knows.
/// - **Concurrency.** Calls run side by side; there is no order among them.
/// - **Secrets.** A backend logs no message, ciphertext, plaintext or credential, and puts none in an error.
///
/// [`contract::check`](crate::contract::check) tests all of this that can be tested from outside.
#[async_trait]
pub trait Kms: Send + Sync + Debug {
    /// Where requests go, for the audit log: a URL with its trailing slash, without credentials.
    fn endpoint(&self) -> &str;

    /// Makes a key (`kms:CreateKey`, and `kms:TagResource` if there are tags). Never idempotent.
    async fn create_key(&self, request: &CreateKey) -> Result<Reply<KeyMetadata>, KmsError>;

    /// Reads a key's state, spec and usage (`kms:DescribeKey`). Answers for disabled keys and for those pending
    /// deletion too.
    async fn describe_key(&self, key: &KmsKeyId) -> Result<Reply<KeyMetadata>, KmsError>;

    /// Reads a key's public half (`kms:GetPublicKey`). Costs like a signature and never changes: cache it.
    async fn public_key(&self, key: &KmsKeyId) -> Result<Reply<KmsPublicKey>, KmsError>;

    /// Signs `message` (`kms:Sign`): 1 to 4096 bytes, given RAW, hashed by the service. The answer is a DER
    /// `ECDSA-Sig-Value`, or empty for a [`CallMode::DryRun`] that would have succeeded.
    async fn sign(
        &self,
        key: &KmsKeyId,
        message: &[u8],
        algorithm: SigningAlgorithm,
        mode: CallMode,
    ) -> Result<Reply<Vec<u8>>, KmsError>;

    /// Decrypts `ciphertext` (`kms:Decrypt`): 256 bytes for an RSA_2048 key, whose plaintext has at most 190; what
    /// [`Kms::encrypt`] gave, at most 6144 bytes, for a SYMMETRIC_DEFAULT key. A
    /// [`CallMode::DryRun`] checks permission, state and usage and answers empty; whether it looks at the ciphertext
    /// is the service's choice.
    async fn decrypt(
        &self,
        key: &KmsKeyId,
        ciphertext: &[u8],
        algorithm: EncryptionAlgorithm,
        mode: CallMode,
    ) -> Result<Reply<Zeroizing<Vec<u8>>>, KmsError>;

    /// Lists keys or their tags, or ends a key and takes that back. Optional, for the service and for the caller's
    /// permissions alike: a backend that leaves it out answers [`KmsError::UnsupportedOperation`]. What wraps another
    /// [`Kms`] passes it on.
    async fn upkeep(&self, request: &Upkeep) -> Result<Reply<UpkeepAnswer>, KmsError> {
        Err(request.unsupported())
    }

    /// Encrypts `plaintext` (`kms:Encrypt`): 1 to 4096 bytes under a SYMMETRIC_DEFAULT key. A [`CallMode::DryRun`]
    /// answers empty.
    ///
    /// # Security
    /// The plaintext is sent to the service over TLS; a backend cannot wipe all copies that its HTTP client makes.
    ///
    /// # Errors
    /// [`KmsError::UnsupportedOperation`] from a backend without it.
    async fn encrypt(
        &self,
        key: &KmsKeyId,
        _plaintext: &[u8],
        _algorithm: EncryptionAlgorithm,
        _mode: CallMode,
    ) -> Result<Reply<Vec<u8>>, KmsError> {
        Err(unsupported(Operation::Encrypt, key))
    }

    /// Gives what material for a key made with [`OriginType::External`](crate::OriginType::External) is wrapped with
    /// (`kms:GetParametersForImport`): RSA_AES_KEY_WRAP_SHA_256 under an RSA_4096 key.
    ///
    /// # Errors
    /// [`KmsError::UnsupportedOperation`] from a backend without it.
    async fn parameters_for_import(&self, key: &KmsKeyId) -> Result<Reply<ImportParameters>, KmsError> {
        Err(unsupported(Operation::GetParametersForImport, key))
    }

    /// Imports key material that was wrapped with those parameters (`kms:ImportKeyMaterial`), to stay until somebody
    /// deletes it. The key is enabled then.
    ///
    /// # Errors
    /// [`KmsError::UnsupportedOperation`] from a backend without it.
    async fn import_key_material(
        &self,
        key: &KmsKeyId,
        _token: &[u8],
        _wrapped: &[u8],
    ) -> Result<Reply<()>, KmsError> {
        Err(unsupported(Operation::ImportKeyMaterial, key))
    }
}

fn unsupported(operation: Operation, key: &KmsKeyId) -> KmsError {
    let message = "this key management service does not have the operation".into();
    KmsError::UnsupportedOperation { call: FailedCall::new(operation, Some(key)), message }
}

#[async_trait]
impl<K: Kms + ?Sized> Kms for Arc<K> {
    fn endpoint(&self) -> &str {
        (**self).endpoint()
    }

    async fn create_key(&self, request: &CreateKey) -> Result<Reply<KeyMetadata>, KmsError> {
        (**self).create_key(request).await
    }

    async fn describe_key(&self, key: &KmsKeyId) -> Result<Reply<KeyMetadata>, KmsError> {
        (**self).describe_key(key).await
    }

    async fn public_key(&self, key: &KmsKeyId) -> Result<Reply<KmsPublicKey>, KmsError> {
        (**self).public_key(key).await
    }

    async fn sign(
        &self,
        key: &KmsKeyId,
        message: &[u8],
        algorithm: SigningAlgorithm,
        mode: CallMode,
    ) -> Result<Reply<Vec<u8>>, KmsError> {
        (**self).sign(key, message, algorithm, mode).await
    }

    async fn decrypt(
        &self,
        key: &KmsKeyId,
        ciphertext: &[u8],
        algorithm: EncryptionAlgorithm,
        mode: CallMode,
    ) -> Result<Reply<Zeroizing<Vec<u8>>>, KmsError> {
        (**self).decrypt(key, ciphertext, algorithm, mode).await
    }

    async fn encrypt(
        &self,
        key: &KmsKeyId,
        plaintext: &[u8],
        algorithm: EncryptionAlgorithm,
        mode: CallMode,
    ) -> Result<Reply<Vec<u8>>, KmsError> {
        (**self).encrypt(key, plaintext, algorithm, mode).await
    }

    async fn parameters_for_import(&self, key: &KmsKeyId) -> Result<Reply<ImportParameters>, KmsError> {
        (**self).parameters_for_import(key).await
    }

    async fn import_key_material(
        &self,
        key: &KmsKeyId,
        token: &[u8],
        wrapped: &[u8],
    ) -> Result<Reply<()>, KmsError> {
        (**self).import_key_material(key, token, wrapped).await
    }

    async fn upkeep(&self, request: &Upkeep) -> Result<Reply<UpkeepAnswer>, KmsError> {
        (**self).upkeep(request).await
    }
}
