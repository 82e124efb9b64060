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

use crate::{CallMode, CreateKey, KeyMetadata, Kms, KmsAnswer, KmsError, KmsPublicKey, KmsRequest, Reply};

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

    fn send(&self, request: Line<'_>) -> Sent {
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
    fn answered(mut self, result: &Result<Reply<KmsAnswer>, KmsError>, request: KmsRequest<'_>) {
        self.answered = true;
        let id = self.id;
        match result {
            Ok(reply) => info!(
                target: AUDIT_TARGET,
                "Received response [{id}]: [Aws-Id: {}] - {}",
                reply.request_id.as_deref().unwrap_or("none"),
                answer_line(request, reply)
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

/// A request as its line has it.
struct Line<'a>(KmsRequest<'a>);

impl Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            KmsRequest::CreateKey(CreateKey { usage, spec, .. }) => {
                write!(f, "CreateKeyRequest(KeyPurpose={usage}, KeyScheme={spec})")
            }
            KmsRequest::DescribeKey { key } => write!(f, "RetrieveMetadataRequest(KeyId={key})"),
            KmsRequest::Sign { key, algorithm, mode, .. } => write!(
                f,
                "SignRequest(KeyId={key}, Message={MESSAGE}, MessageType=RAW, SigningAlgorithm={algorithm}{})",
                dry_run(mode)
            ),
            KmsRequest::Decrypt { key, algorithm, mode, .. } => write!(
                f,
                "DecryptRequest(CiphertextBlob={CIPHERTEXT}, KeyId={key}, EncryptionAlgorithm={algorithm}{})",
                dry_run(mode)
            ),
            KmsRequest::Encrypt { key, algorithm, mode, .. } => write!(
                f,
                "EncryptRequest(Plaintext={PLAINTEXT}, KeyId={key}, EncryptionAlgorithm={algorithm}{})",
                dry_run(mode)
            ),
            KmsRequest::ImportKeyMaterial { key, .. } => write!(
                f,
                "ImportKeyMaterialRequest(KeyId={key}, EncryptedKeyMaterial={CIPHERTEXT}, ImportToken={TOKEN})"
            ),
            KmsRequest::ListKeys { .. } => write!(f, "ListKeysRequest()"),
            KmsRequest::ScheduleKeyDeletion { key, pending_window_days } => write!(
                f,
                "ScheduleKeyDeletionRequest(KeyId={key}, PendingWindowInDays={pending_window_days})"
            ),
            KmsRequest::GetPublicKey { key }
            | KmsRequest::GetParametersForImport { key }
            | KmsRequest::ListResourceTags { key, .. }
            | KmsRequest::CancelKeyDeletion { key }
            | KmsRequest::EnableKey { key } => write!(f, "{}Request(KeyId={key})", self.0.operation()),
        }
    }
}

/// The answer to a request as its line has it.
fn answer_line(request: KmsRequest<'_>, reply: &Reply<KmsAnswer>) -> String {
    let operation = request.operation();
    // The key as the service names it, or as it was asked for.
    let named =
        reply.key.as_ref().or_else(|| request.key()).map_or_else(String::new, |key| format!("KeyId={key}"));
    let asked = request.key().map_or_else(String::new, |key| format!("KeyId={key}"));
    match (&reply.value, request) {
        (KmsAnswer::Metadata(KeyMetadata { key_id, usage, spec, .. }), KmsRequest::CreateKey(_)) => {
            format!("CreateKeyResponse(KeyId={key_id}, KeyPurpose={usage}, KeyScheme={spec})")
        }
        (KmsAnswer::Metadata(KeyMetadata { key_id, spec, state, .. }), _) => format!(
            "RetrieveMetadataResponse(KeyId={key_id}, Metadata[KeyScheme: {spec}, State: {state}, {METADATA}])"
        ),
        (KmsAnswer::PublicKey(KmsPublicKey { key_id, spec, .. }), _) => {
            format!("GetPublicKeyResponse(KeyId={key_id}, PublicKey={PUBLIC_KEY}, KeyScheme={spec})")
        }
        (KmsAnswer::Signature(_), KmsRequest::Sign { algorithm, .. }) => {
            format!("SignResponse({named}, Signature={SIGNATURE}, SigningAlgorithm={algorithm})")
        }
        (KmsAnswer::Plaintext(_), KmsRequest::Decrypt { algorithm, .. }) => {
            format!("DecryptResponse(Plaintext={PLAINTEXT}, {named}, EncryptionAlgorithm={algorithm})")
        }
        (KmsAnswer::Ciphertext(_), KmsRequest::Encrypt { algorithm, .. }) => {
            format!("EncryptResponse(CiphertextBlob={CIPHERTEXT}, {named}, EncryptionAlgorithm={algorithm})")
        }
        (KmsAnswer::ImportParameters(_), _) => {
            format!("GetParametersForImportResponse({named}, PublicKey={PUBLIC_KEY}, ImportToken={TOKEN})")
        }
        (KmsAnswer::Keys(page), _) => format!("ListKeysResponse({} keys)", page.items.len()),
        (KmsAnswer::Tags(page), _) => format!("ListResourceTagsResponse({asked}, {} tags)", page.items.len()),
        (KmsAnswer::DeletionDate(Some(date)), _) => {
            format!("ScheduleKeyDeletionResponse({asked}, DeletionDate={date})")
        }
        (KmsAnswer::Done, KmsRequest::ImportKeyMaterial { .. }) => format!("{operation}Response({named})"),
        (_, _) => format!("{operation}Response({asked})"),
    }
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

    async fn ask(&self, request: KmsRequest<'_>) -> Result<Reply<KmsAnswer>, KmsError> {
        let sent = self.send(Line(request));
        let result = self.inner.ask(request).await;
        sent.answered(&result, request);
        result
    }
}

#[cfg(test)]
mod tests;
