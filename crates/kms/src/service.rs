//! The trait itself. Not here: retries, audit and counting, which wrap it, and every backend.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::request::expect;
use crate::{
    CreateKey, EncryptionAlgorithm, ImportParameters, KeyMetadata, KmsAnswer, KmsError, KmsKeyId,
    KmsPublicKey, KmsRequest, Page, SigningAlgorithm,
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

    /// Sends one request. All that a backend or a wrapper has to do; callers use the methods below, which are not for
    /// implementors.
    ///
    /// # Errors
    /// [`KmsError::UnsupportedOperation`] from a backend that does not have the operation. Every backend has
    /// CreateKey, DescribeKey, GetPublicKey, Sign and Decrypt; the others are optional.
    async fn ask(&self, request: KmsRequest<'_>) -> Result<Reply<KmsAnswer>, KmsError>;

    /// Makes a key (`kms:CreateKey`, and `kms:TagResource` if there are tags). Never idempotent.
    async fn create_key(&self, request: &CreateKey) -> Result<Reply<KeyMetadata>, KmsError> {
        let request = KmsRequest::CreateKey(request);
        expect(request, self.ask(request).await?, metadata)
    }

    /// Reads a key's state, spec and usage (`kms:DescribeKey`). Answers for disabled keys and for those pending
    /// deletion too.
    async fn describe_key(&self, key: &KmsKeyId) -> Result<Reply<KeyMetadata>, KmsError> {
        let request = KmsRequest::DescribeKey { key };
        expect(request, self.ask(request).await?, metadata)
    }

    /// Reads a key's public half (`kms:GetPublicKey`). Costs like a signature and never changes: cache it.
    async fn public_key(&self, key: &KmsKeyId) -> Result<Reply<KmsPublicKey>, KmsError> {
        let request = KmsRequest::GetPublicKey { key };
        expect(request, self.ask(request).await?, |answer| match answer {
            KmsAnswer::PublicKey(public_key) => Some(public_key),
            _ => None,
        })
    }

    /// Signs `message` (`kms:Sign`): 1 to 4096 bytes, given RAW, hashed by the service. The answer is a DER
    /// `ECDSA-Sig-Value`, or empty for a [`CallMode::DryRun`] that would have succeeded.
    async fn sign(
        &self,
        key: &KmsKeyId,
        message: &[u8],
        algorithm: SigningAlgorithm,
        mode: CallMode,
    ) -> Result<Reply<Vec<u8>>, KmsError> {
        let request = KmsRequest::Sign { key, message, algorithm, mode };
        expect(request, self.ask(request).await?, |answer| match answer {
            KmsAnswer::Signature(signature) => Some(signature),
            _ => None,
        })
    }

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
    ) -> Result<Reply<Zeroizing<Vec<u8>>>, KmsError> {
        let request = KmsRequest::Decrypt { key, ciphertext, algorithm, mode };
        expect(request, self.ask(request).await?, |answer| match answer {
            KmsAnswer::Plaintext(plaintext) => Some(plaintext),
            _ => None,
        })
    }

    /// Encrypts `plaintext` (`kms:Encrypt`): 1 to 4096 bytes under a SYMMETRIC_DEFAULT key. A [`CallMode::DryRun`]
    /// answers empty. Optional.
    ///
    /// # Security
    /// The plaintext is sent to the service over TLS; a backend cannot wipe all copies that its HTTP client makes.
    async fn encrypt(
        &self,
        key: &KmsKeyId,
        plaintext: &[u8],
        algorithm: EncryptionAlgorithm,
        mode: CallMode,
    ) -> Result<Reply<Vec<u8>>, KmsError> {
        let request = KmsRequest::Encrypt { key, plaintext, algorithm, mode };
        expect(request, self.ask(request).await?, |answer| match answer {
            KmsAnswer::Ciphertext(ciphertext) => Some(ciphertext),
            _ => None,
        })
    }

    /// Gives what material for a key made with [`OriginType::External`](crate::OriginType::External) is wrapped with
    /// (`kms:GetParametersForImport`): RSA_AES_KEY_WRAP_SHA_256 under an RSA_4096 key. Optional.
    async fn parameters_for_import(&self, key: &KmsKeyId) -> Result<Reply<ImportParameters>, KmsError> {
        let request = KmsRequest::GetParametersForImport { key };
        expect(request, self.ask(request).await?, |answer| match answer {
            KmsAnswer::ImportParameters(parameters) => Some(parameters),
            _ => None,
        })
    }

    /// Imports key material that was wrapped with those parameters (`kms:ImportKeyMaterial`), to stay until somebody
    /// deletes it. The key is enabled then. Optional.
    async fn import_key_material(
        &self,
        key: &KmsKeyId,
        token: &[u8],
        wrapped: &[u8],
    ) -> Result<Reply<()>, KmsError> {
        let request = KmsRequest::ImportKeyMaterial { key, token, wrapped };
        expect(request, self.ask(request).await?, done)
    }

    /// A page of the account's keys in the Region (`kms:ListKeys`), at most 1000; `marker` is where the page before
    /// ended. Optional. Serves to find a key whose making was interrupted.
    /// Source: <https://docs.aws.amazon.com/kms/latest/APIReference/API_ListKeys.html>.
    async fn list_keys(&self, marker: Option<&str>) -> Result<Reply<Page<KmsKeyId>>, KmsError> {
        let request = KmsRequest::ListKeys { marker };
        expect(request, self.ask(request).await?, |answer| match answer {
            KmsAnswer::Keys(page) => Some(page),
            _ => None,
        })
    }

    /// A page of a key's tags (`kms:ListResourceTags`): names and values. Optional.
    /// Source: <https://docs.aws.amazon.com/kms/latest/APIReference/API_ListResourceTags.html>.
    async fn list_resource_tags(
        &self,
        key: &KmsKeyId,
        marker: Option<&str>,
    ) -> Result<Reply<Page<(String, String)>>, KmsError> {
        let request = KmsRequest::ListResourceTags { key, marker };
        expect(request, self.ask(request).await?, |answer| match answer {
            KmsAnswer::Tags(page) => Some(page),
            _ => None,
        })
    }

    /// Has a key deleted after a waiting period within [`PENDING_WINDOW_DAYS`](crate::PENDING_WINDOW_DAYS), during which
    /// it cannot be used (`kms:ScheduleKeyDeletion`); answers when it will be gone. Optional.
    /// Source: <https://docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html>.
    async fn schedule_key_deletion(
        &self,
        key: &KmsKeyId,
        pending_window_days: u8,
    ) -> Result<Reply<Option<Timestamp>>, KmsError> {
        let request = KmsRequest::ScheduleKeyDeletion { key, pending_window_days };
        expect(request, self.ask(request).await?, |answer| match answer {
            KmsAnswer::DeletionDate(date) => Some(date),
            _ => None,
        })
    }

    /// Takes a deletion back (`kms:CancelKeyDeletion`); the key is disabled then. Optional.
    async fn cancel_key_deletion(&self, key: &KmsKeyId) -> Result<Reply<()>, KmsError> {
        let request = KmsRequest::CancelKeyDeletion { key };
        expect(request, self.ask(request).await?, done)
    }

    /// Switches a key on (`kms:EnableKey`). Optional.
    async fn enable_key(&self, key: &KmsKeyId) -> Result<Reply<()>, KmsError> {
        let request = KmsRequest::EnableKey { key };
        expect(request, self.ask(request).await?, done)
    }
}

fn metadata(answer: KmsAnswer) -> Option<KeyMetadata> {
    match answer {
        KmsAnswer::Metadata(metadata) => Some(metadata),
        _ => None,
    }
}

fn done(answer: KmsAnswer) -> Option<()> {
    matches!(answer, KmsAnswer::Done).then_some(())
}

#[async_trait]
impl<K: Kms + ?Sized> Kms for Arc<K> {
    fn endpoint(&self) -> &str {
        (**self).endpoint()
    }

    async fn ask(&self, request: KmsRequest<'_>) -> Result<Reply<KmsAnswer>, KmsError> {
        (**self).ask(request).await
    }
}
