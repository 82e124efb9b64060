//! The audit log: a line before each request, a line after each answer, in Canton's documented form.
//!
//! Invariant: a line is complete in the event's message, has no payload, and its request and answer share a random id.
//! Not a place for retries: put it inside [`Retrying`](crate::Retrying), so that each attempt has its lines.
//! Source: the sample in Canton's manual, "Auditability" under
//! <https://docs.daml.com/canton/usermanual/kms/kms_aws_setup.html>.

use std::fmt::{self, Display};
use std::sync::Arc;

use async_trait::async_trait;
use tracing::{info, warn};
use zeroize::Zeroizing;

use crate::{
    CallMode, CreateKey, EncryptionAlgorithm, ImportParameters, KeyMetadata, Kms, KmsError, KmsKeyId,
    KmsPublicKey, Reply, SigningAlgorithm, Upkeep, UpkeepAnswer,
};

/// The `tracing` target of all audit events.
pub const AUDIT_TARGET: &str = "cantle::kms::audit";

const PUBLIC_KEY: &str = "** Public key text placeholder **";
const MESSAGE: &str = "** Sign message text placeholder **";
const SIGNATURE: &str = "** Signature message text placeholder **";
const CIPHERTEXT: &str = "** Ciphertext placeholder **";
const PLAINTEXT: &str = "** Redacted plaintext placeholder **";
const TOKEN: &str = "** Import token placeholder **";
const METADATA: &str = "** Rest of metadata placeholder **";

/// Logs every request and answer of another [`Kms`] at INFO, failures at WARN, under [`AUDIT_TARGET`].
#[derive(Debug, Clone)]
pub struct Audited {
    inner: Arc<dyn Kms>,
}

impl Audited {
    /// Logs what `inner` does.
    pub fn new(inner: Arc<dyn Kms>) -> Self {
        Self { inner }
    }

    fn send(&self, request: impl Display) -> Sent {
        let id = SpanId::random();
        info!(target: AUDIT_TARGET, "Sending request [{id}]: {request} to {}", self.inner.endpoint());
        Sent { id, answered: false }
    }
}

/// A request under way. Dropped without an answer, it says so: a caller that gives up leaves a line too.
struct Sent {
    id: SpanId,
    answered: bool,
}

impl Sent {
    fn answered<T>(mut self, result: &Result<Reply<T>, KmsError>, show: impl FnOnce(&Reply<T>) -> String) {
        self.answered = true;
        let id = self.id;
        match result {
            Ok(reply) => info!(
                target: AUDIT_TARGET,
                "Received response [{id}]: [Aws-Id: {}] - {}",
                reply.request_id.as_deref().unwrap_or("none"),
                show(reply)
            ),
            Err(error) => match error.request_id() {
                Some(aws_id) => {
                    warn!(
                        target: AUDIT_TARGET,
                        "Request [{id}] failed. Response: [Aws-Id: {aws_id}] - {}: {error}",
                        error.code()
                    );
                }
                None => warn!(target: AUDIT_TARGET, "Request [{id}] failed. {}: {error}", error.code()),
            },
        }
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        if !self.answered {
            warn!(target: AUDIT_TARGET, "Request [{}] failed. The caller gave up before an answer came.", self.id);
        }
    }
}

/// Eight random bytes in hexadecimal, which tie the lines of a request together.
#[derive(Debug, Clone, Copy)]
struct SpanId(u64);

impl SpanId {
    fn random() -> Self {
        Self(getrandom::u64().unwrap_or(0))
    }
}

impl Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The key as the service names it, or as it was asked for.
fn answered_key<'a, T>(reply: &'a Reply<T>, asked: &'a KmsKeyId) -> &'a KmsKeyId {
    reply.key.as_ref().unwrap_or(asked)
}

const fn dry_run(mode: CallMode) -> &'static str {
    match mode {
        CallMode::Execute => "",
        CallMode::DryRun => ", DryRun=true",
    }
}

#[async_trait]
impl Kms for Audited {
    fn endpoint(&self) -> &str {
        self.inner.endpoint()
    }

    async fn create_key(&self, request: &CreateKey) -> Result<Reply<KeyMetadata>, KmsError> {
        let sent = self
            .send(format_args!("CreateKeyRequest(KeyPurpose={}, KeyScheme={})", request.usage, request.spec));
        let result = self.inner.create_key(request).await;
        sent.answered(&result, |reply| {
            let KeyMetadata { key_id, usage, spec, .. } = &reply.value;
            format!("CreateKeyResponse(KeyId={key_id}, KeyPurpose={usage}, KeyScheme={spec})")
        });
        result
    }

    async fn describe_key(&self, key: &KmsKeyId) -> Result<Reply<KeyMetadata>, KmsError> {
        let sent = self.send(format_args!("RetrieveMetadataRequest(KeyId={key})"));
        let result = self.inner.describe_key(key).await;
        sent.answered(&result, |reply| {
            let KeyMetadata { key_id, spec, state, .. } = &reply.value;
            format!(
                "RetrieveMetadataResponse(KeyId={key_id}, Metadata[KeyScheme: {spec}, State: {state}, {METADATA}])"
            )
        });
        result
    }

    async fn public_key(&self, key: &KmsKeyId) -> Result<Reply<KmsPublicKey>, KmsError> {
        let sent = self.send(format_args!("GetPublicKeyRequest(KeyId={key})"));
        let result = self.inner.public_key(key).await;
        sent.answered(&result, |reply| {
            let KmsPublicKey { key_id, spec, .. } = &reply.value;
            format!("GetPublicKeyResponse(KeyId={key_id}, PublicKey={PUBLIC_KEY}, KeyScheme={spec})")
        });
        result
    }

    async fn sign(
        &self,
        key: &KmsKeyId,
        message: &[u8],
        algorithm: SigningAlgorithm,
        mode: CallMode,
    ) -> Result<Reply<Vec<u8>>, KmsError> {
        let sent = self.send(format_args!(
            "SignRequest(KeyId={key}, Message={MESSAGE}, MessageType=RAW, SigningAlgorithm={algorithm}{})",
            dry_run(mode)
        ));
        let result = self.inner.sign(key, message, algorithm, mode).await;
        sent.answered(&result, |reply| {
            let key = answered_key(reply, key);
            format!("SignResponse(KeyId={key}, Signature={SIGNATURE}, SigningAlgorithm={algorithm})")
        });
        result
    }

    async fn decrypt(
        &self,
        key: &KmsKeyId,
        ciphertext: &[u8],
        algorithm: EncryptionAlgorithm,
        mode: CallMode,
    ) -> Result<Reply<Zeroizing<Vec<u8>>>, KmsError> {
        let sent = self.send(format_args!(
            "DecryptRequest(CiphertextBlob={CIPHERTEXT}, KeyId={key}, EncryptionAlgorithm={algorithm}{})",
            dry_run(mode)
        ));
        let result = self.inner.decrypt(key, ciphertext, algorithm, mode).await;
        sent.answered(&result, |reply| {
            let key = answered_key(reply, key);
            format!("DecryptResponse(Plaintext={PLAINTEXT}, KeyId={key}, EncryptionAlgorithm={algorithm})")
        });
        result
    }

    async fn encrypt(
        &self,
        key: &KmsKeyId,
        plaintext: &[u8],
        algorithm: EncryptionAlgorithm,
        mode: CallMode,
    ) -> Result<Reply<Vec<u8>>, KmsError> {
        let sent = self.send(format_args!(
            "EncryptRequest(Plaintext={PLAINTEXT}, KeyId={key}, EncryptionAlgorithm={algorithm}{})",
            dry_run(mode)
        ));
        let result = self.inner.encrypt(key, plaintext, algorithm, mode).await;
        sent.answered(&result, |reply| {
            let key = answered_key(reply, key);
            format!(
                "EncryptResponse(CiphertextBlob={CIPHERTEXT}, KeyId={key}, EncryptionAlgorithm={algorithm})"
            )
        });
        result
    }

    async fn parameters_for_import(&self, key: &KmsKeyId) -> Result<Reply<ImportParameters>, KmsError> {
        let sent = self.send(format_args!("GetParametersForImportRequest(KeyId={key})"));
        let result = self.inner.parameters_for_import(key).await;
        sent.answered(&result, |reply| {
            let key = answered_key(reply, key);
            format!(
                "GetParametersForImportResponse(KeyId={key}, PublicKey={PUBLIC_KEY}, ImportToken={TOKEN})"
            )
        });
        result
    }

    async fn import_key_material(
        &self,
        key: &KmsKeyId,
        token: &[u8],
        wrapped: &[u8],
    ) -> Result<Reply<()>, KmsError> {
        let sent = self.send(format_args!(
            "ImportKeyMaterialRequest(KeyId={key}, EncryptedKeyMaterial={CIPHERTEXT}, ImportToken={TOKEN})"
        ));
        let result = self.inner.import_key_material(key, token, wrapped).await;
        sent.answered(&result, |reply| {
            let key = answered_key(reply, key);
            format!("ImportKeyMaterialResponse(KeyId={key})")
        });
        result
    }

    async fn upkeep(&self, request: &Upkeep) -> Result<Reply<UpkeepAnswer>, KmsError> {
        let operation = request.operation();
        let key = request.key().map_or_else(String::new, |key| format!("KeyId={key}"));
        let window = match request {
            Upkeep::ScheduleKeyDeletion { pending_window_days, .. } => {
                format!(", PendingWindowInDays={pending_window_days}")
            }
            _ => String::new(),
        };
        let sent = self.send(format_args!("{operation}Request({key}{window})"));
        let result = self.inner.upkeep(request).await;
        sent.answered(&result, |reply| {
            let answer = match &reply.value {
                UpkeepAnswer::Keys(page) => format!("{} keys", page.items.len()),
                UpkeepAnswer::Tags(page) => format!("{key}, {} tags", page.items.len()),
                UpkeepAnswer::DeletionDate(Some(date)) => format!("{key}, DeletionDate={date}"),
                UpkeepAnswer::DeletionDate(None) | UpkeepAnswer::Done => key.clone(),
            };
            format!("{operation}Response({answer})")
        });
        result
    }
}

#[cfg(test)]
mod tests;
