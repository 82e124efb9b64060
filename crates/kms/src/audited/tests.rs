use std::sync::Mutex;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::*;
use crate::testing::{FakeKms, Fault};
use crate::{EncryptionAlgorithm, KeySpec, KmsKeyId, Operation, SigningAlgorithm};

/// Keeps level and message of every audit event.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<(Level, String)>>>);

impl Recorder {
    fn take(&self) -> Vec<(Level, String)> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        assert_eq!(field.name(), "message", "an audit event has no other field");
        self.0 = format!("{value:?}");
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == AUDIT_TARGET
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        self.0.lock().unwrap().push((*event.metadata().level(), message.0));
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Stage {
    fake: Arc<FakeKms>,
    kms: Audited,
    lines: Recorder,
    _guard: tracing::subscriber::DefaultGuard,
}

fn stage() -> Stage {
    let lines = Recorder::default();
    let guard = tracing::subscriber::set_default(lines.clone());
    let fake = Arc::new(FakeKms::new());
    let kms = Audited::new(fake.clone());
    Stage { fake, kms, lines, _guard: guard }
}

/// The id in brackets, after checking that it is 16 hexadecimal digits.
fn id(line: &str) -> &str {
    let id = line.split(['[', ']']).nth(1).unwrap();
    assert!(id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{line}");
    id
}

/// Request and answer of the last call, with the id and Aws-Id replaced.
fn pair(lines: &Recorder) -> (String, String) {
    let lines = lines.take();
    let [(Level::INFO, request), (Level::INFO, answer)] = lines.as_slice() else {
        panic!("not two lines at INFO: {lines:?}")
    };
    assert_eq!(id(request), id(answer));
    let aws_id = answer.split("[Aws-Id: ").nth(1).unwrap().split(']').next().unwrap();
    (request.replace(id(request), "ID"), answer.replace(id(answer), "ID").replace(aws_id, "AWS"))
}

const KEY: &str = "00000000-0000-4000-8000-000000000001";
const ARN: &str = "arn:aws:kms:us-east-1:111122223333:key/00000000-0000-4000-8000-000000000001";
const TO: &str = "to https://kms.us-east-1.amazonaws.com/";

#[tokio::test]
async fn sign_is_logged_in_the_documented_form() {
    let stage = stage();
    let key = stage.fake.add_key(KeySpec::EccNistP256, crate::KeyUsage::SignVerify).key_id;
    stage.kms.sign(&key, b"m", SigningAlgorithm::EcdsaSha256, CallMode::Execute).await.unwrap();
    let (request, answer) = pair(&stage.lines);
    assert_eq!(
        request,
        format!(
            "Sending request [ID]: SignRequest(KeyId={KEY}, Message=** Sign message text placeholder **, \
             MessageType=RAW, SigningAlgorithm=ECDSA_SHA_256) {TO}"
        )
    );
    assert_eq!(
        answer,
        format!(
            "Received response [ID]: [Aws-Id: AWS] - SignResponse(KeyId={ARN}, Signature=** Signature message text \
             placeholder **, SigningAlgorithm=ECDSA_SHA_256)"
        )
    );
}

#[tokio::test]
async fn decrypt_is_logged_in_the_documented_form() {
    let stage = stage();
    let key = stage.fake.add_key(KeySpec::Rsa2048, crate::KeyUsage::EncryptDecrypt).key_id;
    let oaep = EncryptionAlgorithm::RsaesOaepSha256;
    stage.kms.decrypt(&key, &[0; 256], oaep, CallMode::DryRun).await.unwrap();
    let (request, answer) = pair(&stage.lines);
    assert_eq!(
        request,
        format!(
            "Sending request [ID]: DecryptRequest(CiphertextBlob=** Ciphertext placeholder **, KeyId={KEY}, \
             EncryptionAlgorithm=RSAES_OAEP_SHA_256, DryRun=true) {TO}"
        )
    );
    assert_eq!(
        answer,
        format!(
            "Received response [ID]: [Aws-Id: AWS] - DecryptResponse(Plaintext=** Redacted plaintext placeholder **, \
             KeyId={ARN}, EncryptionAlgorithm=RSAES_OAEP_SHA_256)"
        )
    );
}

#[tokio::test]
async fn the_other_operations_are_logged_with_their_fields() {
    let stage = stage();
    let key = stage.kms.create_key(&CreateKey::signing(KeySpec::EccNistP384)).await.unwrap().value.key_id;
    let (request, answer) = pair(&stage.lines);
    assert_eq!(
        request,
        format!(
            "Sending request [ID]: CreateKeyRequest(KeyPurpose=SIGN_VERIFY, KeyScheme=ECC_NIST_P384) {TO}"
        )
    );
    assert!(answer.ends_with(&format!(
        "- CreateKeyResponse(KeyId={KEY}, KeyPurpose=SIGN_VERIFY, KeyScheme=ECC_NIST_P384)"
    )));

    stage.kms.describe_key(&key).await.unwrap();
    let (request, answer) = pair(&stage.lines);
    assert_eq!(request, format!("Sending request [ID]: RetrieveMetadataRequest(KeyId={KEY}) {TO}"));
    assert!(answer.ends_with(&format!(
        "- RetrieveMetadataResponse(KeyId={KEY}, Metadata[KeyScheme: ECC_NIST_P384, State: Enabled, ** Rest of \
         metadata placeholder **])"
    )));

    stage.kms.public_key(&key).await.unwrap();
    let (request, answer) = pair(&stage.lines);
    assert_eq!(request, format!("Sending request [ID]: GetPublicKeyRequest(KeyId={KEY}) {TO}"));
    assert!(answer.ends_with(&format!(
        "- GetPublicKeyResponse(KeyId={ARN}, PublicKey=** Public key text placeholder **, KeyScheme=ECC_NIST_P384)"
    )));
}

#[tokio::test]
async fn a_failure_is_one_line_at_warn() {
    let stage = stage();
    let key = KmsKeyId::parse("alias/unknown").unwrap();
    stage.kms.describe_key(&key).await.unwrap_err();
    let lines = stage.lines.take();
    let (level, line) = &lines[1];
    assert_eq!((lines.len(), *level), (2, Level::WARN));
    assert_eq!(id(&lines[0].1), id(line));
    assert!(line.contains("] failed. Response: [Aws-Id: ") && line.contains("NotFoundException"), "{line}");
    stage.fake.fail_next(Operation::DescribeKey, 1, Fault::ConnectionRefused);
    stage.kms.describe_key(&key).await.unwrap_err();
    let line = &stage.lines.take()[1].1;
    assert!(line.contains("] failed. ConnectionFailed: DescribeKey with KMS key alias/unknown"), "{line}");
}

#[tokio::test]
async fn an_abandoned_request_leaves_a_line() {
    let stage = stage();
    stage.fake.block(Operation::DescribeKey);
    let key = KmsKeyId::parse("alias/unknown").unwrap();
    let mut call = stage.kms.describe_key(&key);
    std::future::poll_fn(|cx| std::task::Poll::Ready(call.as_mut().poll(cx).is_pending())).await;
    drop(call);
    let lines = stage.lines.take();
    assert!(lines[1].0 == Level::WARN && lines[1].1.contains("gave up"), "{lines:?}");
}

#[tokio::test]
async fn payloads_are_never_logged() {
    let stage = stage();
    let signing = stage.fake.add_key(KeySpec::EccNistP256, crate::KeyUsage::SignVerify).key_id;
    let algorithm = SigningAlgorithm::EcdsaSha256;
    let signature =
        stage.kms.sign(&signing, b"payload-marker", algorithm, CallMode::Execute).await.unwrap().value;
    stage.kms.sign(&signing, &[b'p'; 5000], algorithm, CallMode::Execute).await.unwrap_err();
    for (_, line) in stage.lines.take() {
        assert!(!line.contains("payload-marker") && !line.contains(&hex::encode(&signature)), "{line}");
        assert!(!line.contains("pppp") && !line.contains('\n'), "{line}");
    }
}
