//! The suite that every [`Kms`] must pass: what the trait's doc promises and can be seen from outside.
//!
//! Not a test of speed, permissions or key states, for which the trait has no means. It makes seven keys and leaves
//! them behind: at AWS they cost money until they are deleted. Their description is "cantle contract suite".

mod crypto;
mod material;

use std::fmt;
use std::sync::Arc;

use crate::{
    CallMode, CreateKey, CreatedKey, CreationPoll, EncryptionAlgorithm, KeySpec, KeyState, KeyUsage, Kms,
    KmsError, KmsKeyId, MultiRegion, Operation, SigningAlgorithm, create_and_wait,
};

/// The description of the keys that the suite makes.
pub const DESCRIPTION: &str = "cantle contract suite";

const OAEP: EncryptionAlgorithm = EncryptionAlgorithm::RsaesOaepSha256;

/// What was checked, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContractReport {
    checks: Vec<&'static str>,
    keys: Vec<KmsKeyId>,
}

impl ContractReport {
    /// The behaviours that hold.
    pub fn checks(&self) -> &[&'static str] {
        &self.checks
    }

    /// The keys that were made and are left behind.
    pub fn keys(&self) -> &[KmsKeyId] {
        &self.keys
    }
}

impl fmt::Display for ContractReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in &self.checks {
            writeln!(f, "ok: {check}")?;
        }
        write!(f, "{} keys left behind", self.keys.len())
    }
}

/// Runs the whole suite.
///
/// # Panics
/// At the first behaviour that does not hold, naming it.
pub async fn check(kms: Arc<dyn Kms>) -> ContractReport {
    let mut suite = Suite { kms, report: ContractReport::default() };
    let keys = suite.keys_are_made_as_asked().await;
    suite.keys_are_described(&keys).await;
    suite.public_keys_are_read(&keys).await;
    suite.signatures_verify(&keys).await;
    suite.messages_are_bounded(&keys).await;
    suite.ciphertexts_are_decrypted(&keys).await;
    suite.damaged_ciphertexts_are_refused(&keys).await;
    suite.wrong_usage_is_refused(&keys).await;
    suite.unknown_keys_are_not_found().await;
    suite.dry_runs_do_nothing(&keys).await;
    suite.calls_run_side_by_side(&keys).await;
    suite.a_dropped_call_does_no_harm(&keys).await;
    suite.multi_region_keys_are_named_so().await;
    suite.impossible_keys_are_refused().await;
    suite.wrapper_keys_encrypt_and_decrypt(&keys).await;
    suite.key_material_is_imported(&keys).await;
    suite.report
}

struct Keys {
    p256: CreatedKey,
    p384: CreatedKey,
    rsa: CreatedKey,
}

impl Keys {
    fn all(&self) -> [&CreatedKey; 3] {
        [&self.p256, &self.p384, &self.rsa]
    }
}

struct Suite {
    kms: Arc<dyn Kms>,
    report: ContractReport,
}

impl Suite {
    fn holds(&mut self, check: &'static str) {
        self.report.checks.push(check);
    }

    async fn make(&mut self, request: &CreateKey) -> CreatedKey {
        let created = create_and_wait(&*self.kms, request, &CreationPoll::default())
            .await
            .unwrap_or_else(|error| panic!("contract: CreateKey of {} must succeed: {error}", request.spec));
        self.report.keys.push(created.metadata.key_id.clone());
        created
    }

    async fn keys_are_made_as_asked(&mut self) -> Keys {
        let p256 = self.make(&described(CreateKey::signing(KeySpec::EccNistP256))).await;
        let p384 = self.make(&described(CreateKey::signing(KeySpec::EccNistP384))).await;
        let rsa = self.make(&described(CreateKey::encryption(KeySpec::Rsa2048))).await;
        let keys = Keys { p256, p384, rsa };
        let asked = [
            (KeySpec::EccNistP256, KeyUsage::SignVerify),
            (KeySpec::EccNistP384, KeyUsage::SignVerify),
            (KeySpec::Rsa2048, KeyUsage::EncryptDecrypt),
        ];
        for (key, (spec, usage)) in keys.all().into_iter().zip(asked) {
            let metadata = &key.metadata;
            assert_eq!(metadata.spec, spec, "contract: a key has the spec asked for");
            assert_eq!(metadata.usage, usage, "contract: a key has the usage asked for");
            assert_eq!(metadata.state, KeyState::Enabled, "contract: a new key is enabled");
            assert_eq!(metadata.description, DESCRIPTION, "contract: a key keeps its description");
            assert!(!metadata.multi_region, "contract: a key is of one Region unless asked otherwise");
            assert!(!metadata.key_id.is_arn() && !metadata.key_id.is_alias(), "contract: KeyId is a bare id");
        }
        assert_ne!(
            keys.p256.metadata.key_id, keys.p384.metadata.key_id,
            "contract: each CreateKey makes a new key"
        );
        self.holds("CreateKey makes keys of the spec, usage and description asked for");
        keys
    }

    async fn keys_are_described(&mut self, keys: &Keys) {
        for key in keys.all() {
            let by_id = self.kms.describe_key(&key.metadata.key_id).await;
            let by_id = by_id.unwrap_or_else(|error| panic!("contract: DescribeKey by id: {error}")).value;
            assert_eq!(by_id, key.metadata, "contract: DescribeKey answers the same each time");
            let arn = by_id.arn.clone().expect("contract: DescribeKey answers the key's ARN");
            let by_arn = self.kms.describe_key(&arn).await;
            let by_arn = by_arn.unwrap_or_else(|error| panic!("contract: DescribeKey by ARN: {error}")).value;
            assert_eq!(by_arn, by_id, "contract: DescribeKey by ARN answers what it answers by id");
        }
        self.holds("DescribeKey answers by id and by ARN");
    }

    async fn public_keys_are_read(&mut self, keys: &Keys) {
        for key in keys.all() {
            let arn = key.metadata.arn.clone().expect("contract: DescribeKey answers the key's ARN");
            let by_arn = self.kms.public_key(&arn).await;
            let by_arn =
                by_arn.unwrap_or_else(|error| panic!("contract: GetPublicKey by ARN: {error}")).value;
            assert_eq!(by_arn.der, key.public_key.der, "contract: a public key never changes");
            assert_eq!(by_arn.spec, key.metadata.spec, "contract: GetPublicKey answers the key's spec");
            assert_eq!(by_arn.usage, key.metadata.usage, "contract: GetPublicKey answers the key's usage");
            assert!(
                crypto::is_public_key(&by_arn.spec, &by_arn.der),
                "contract: GetPublicKey answers a DER SubjectPublicKeyInfo of {}",
                by_arn.spec
            );
        }
        self.holds("GetPublicKey answers a SubjectPublicKeyInfo with spec and usage");
    }

    async fn signatures_verify(&mut self, keys: &Keys) {
        let cases =
            [(&keys.p256, SigningAlgorithm::EcdsaSha256), (&keys.p384, SigningAlgorithm::EcdsaSha384)];
        for (key, algorithm) in cases {
            for length in [1, 32, 34, 48, 4096] {
                let message = vec![0x5a; length];
                let signature = self.signature(key, &message, algorithm).await;
                let der = &key.public_key.der;
                assert!(
                    crypto::verifies(algorithm, der, &message, &signature),
                    "contract: a RAW signature over {length} bytes verifies with {algorithm}"
                );
                let other = vec![0xa5; length];
                assert!(
                    !crypto::verifies(algorithm, der, &other, &signature),
                    "contract: a signature verifies for its own message only"
                );
            }
        }
        self.holds("Sign answers DER signatures over the RAW message, P-256 and P-384");
    }

    async fn signature(&self, key: &CreatedKey, message: &[u8], algorithm: SigningAlgorithm) -> Vec<u8> {
        let reply = self.kms.sign(&key.metadata.key_id, message, algorithm, CallMode::Execute).await;
        reply.unwrap_or_else(|error| panic!("contract: Sign of {} bytes: {error}", message.len())).value
    }

    async fn messages_are_bounded(&mut self, keys: &Keys) {
        for length in [0, 4097] {
            let message = vec![0; length];
            let key = &keys.p256.metadata.key_id;
            let result = self.kms.sign(key, &message, SigningAlgorithm::EcdsaSha256, CallMode::Execute).await;
            let error = refused(result, "Sign of a message that is too short or too long");
            assert!(
                matches!(error, KmsError::Validation { .. }),
                "contract: Sign of {length} bytes is a ValidationException, not: {error}"
            );
        }
        self.holds("Sign refuses messages of 0 and of 4097 bytes");
    }

    async fn ciphertexts_are_decrypted(&mut self, keys: &Keys) {
        for length in [1, 16, 190] {
            let plaintext = vec![0x42; length];
            let ciphertext = crypto::encrypt(&keys.rsa.public_key.der, &plaintext);
            let key = &keys.rsa.metadata.key_id;
            let reply = self.kms.decrypt(key, &ciphertext, OAEP, CallMode::Execute).await;
            let reply = reply
                .unwrap_or_else(|error| panic!("contract: Decrypt of a ciphertext made elsewhere: {error}"));
            assert_eq!(*reply.value, plaintext, "contract: Decrypt answers the plaintext of {length} bytes");
        }
        self.holds("Decrypt opens RSAES_OAEP_SHA_256 ciphertexts made in software");
    }

    async fn damaged_ciphertexts_are_refused(&mut self, keys: &Keys) {
        let mut ciphertext = crypto::encrypt(&keys.rsa.public_key.der, b"secret");
        ciphertext[100] ^= 1;
        let result = self.kms.decrypt(&keys.rsa.metadata.key_id, &ciphertext, OAEP, CallMode::Execute).await;
        let error = refused(result, "Decrypt of a damaged ciphertext");
        assert!(
            matches!(error, KmsError::InvalidCiphertext { .. }),
            "contract: Decrypt of a damaged ciphertext is an InvalidCiphertextException, not: {error}"
        );
        self.holds("Decrypt refuses a damaged ciphertext");
    }

    async fn wrong_usage_is_refused(&mut self, keys: &Keys) {
        let rsa = &keys.rsa.metadata.key_id;
        let p256 = &keys.p256.metadata.key_id;
        let ciphertext = [7; 256];
        let sha256 = SigningAlgorithm::EcdsaSha256;
        let errors = [
            refused(self.kms.sign(rsa, b"x", sha256, CallMode::Execute).await, "Sign with an encryption key"),
            refused(
                self.kms.sign(p256, b"x", SigningAlgorithm::EcdsaSha384, CallMode::Execute).await,
                "Sign with an algorithm of another curve",
            ),
            refused(
                self.kms.decrypt(p256, &ciphertext, OAEP, CallMode::Execute).await,
                "Decrypt with a signing key",
            ),
        ];
        for error in errors {
            assert!(
                matches!(error, KmsError::InvalidKeyUsage { .. }),
                "contract: a wrong usage is an InvalidKeyUsageException, not: {error}"
            );
        }
        self.holds("Sign and Decrypt refuse keys of another usage or curve");
    }

    async fn unknown_keys_are_not_found(&mut self) {
        for name in ["00000000-0000-4000-8000-00000000dead", "alias/cantle-contract-suite-unknown"] {
            let key = KmsKeyId::parse(name).expect("well-formed");
            let describe = refused(self.kms.describe_key(&key).await, "DescribeKey of an unknown key");
            let read = refused(self.kms.public_key(&key).await, "GetPublicKey of an unknown key");
            let sign = refused(
                self.kms.sign(&key, b"x", SigningAlgorithm::EcdsaSha256, CallMode::Execute).await,
                "Sign with an unknown key",
            );
            let decrypt = refused(
                self.kms.decrypt(&key, &[7; 256], OAEP, CallMode::Execute).await,
                "Decrypt with an unknown key",
            );
            let operations =
                [Operation::DescribeKey, Operation::GetPublicKey, Operation::Sign, Operation::Decrypt];
            for (error, operation) in [describe, read, sign, decrypt].into_iter().zip(operations) {
                assert!(
                    matches!(error, KmsError::NotFound { .. }),
                    "contract: {operation} of an unknown key is a NotFoundException, not: {error}"
                );
                assert_eq!(error.operation(), operation, "contract: an error names its operation");
                assert_eq!(error.key(), Some(&key), "contract: an error names the key as the caller did");
                assert!(!error.retryable(), "contract: an unknown key is not worth a retry");
            }
        }
        self.holds("Unknown keys and aliases are NotFound, and the error names operation and key");
    }

    async fn dry_runs_do_nothing(&mut self, keys: &Keys) {
        let sha256 = SigningAlgorithm::EcdsaSha256;
        let reply = self.kms.sign(&keys.p256.metadata.key_id, b"x", sha256, CallMode::DryRun).await;
        let reply =
            reply.unwrap_or_else(|error| panic!("contract: a permitted DryRun of Sign is Ok: {error}"));
        assert!(reply.value.is_empty(), "contract: a DryRun of Sign answers no signature");
        let ciphertext = crypto::encrypt(&keys.rsa.public_key.der, b"x");
        let rsa = &keys.rsa.metadata.key_id;
        let reply = self.kms.decrypt(rsa, &ciphertext, OAEP, CallMode::DryRun).await;
        let reply =
            reply.unwrap_or_else(|error| panic!("contract: a permitted DryRun of Decrypt is Ok: {error}"));
        assert!(reply.value.is_empty(), "contract: a DryRun of Decrypt answers no plaintext");
        let error =
            refused(self.kms.sign(rsa, b"x", sha256, CallMode::DryRun).await, "DryRun of a wrong usage");
        assert!(
            matches!(error, KmsError::InvalidKeyUsage { .. }),
            "contract: a DryRun fails as the call would, not: {error}"
        );
        self.holds("DryRun answers empty where the call would succeed, and fails where it would not");
    }

    async fn calls_run_side_by_side(&mut self, keys: &Keys) {
        let calls: Vec<_> = (0..16u8)
            .map(|number| {
                let (kms, key) = (self.kms.clone(), keys.p256.metadata.key_id.clone());
                tokio::spawn(async move {
                    kms.sign(&key, &[number; 40], SigningAlgorithm::EcdsaSha256, CallMode::Execute).await
                })
            })
            .collect();
        for (number, call) in (0..16u8).zip(calls) {
            let reply = call.await.expect("contract: a call does not panic");
            let signature =
                reply.unwrap_or_else(|error| panic!("contract: Sign side by side: {error}")).value;
            let der = &keys.p256.public_key.der;
            assert!(
                crypto::verifies(SigningAlgorithm::EcdsaSha256, der, &[number; 40], &signature),
                "contract: calls side by side do not mix up their answers"
            );
        }
        self.holds("Calls run side by side");
    }

    async fn a_dropped_call_does_no_harm(&mut self, keys: &Keys) {
        let key = &keys.p256.metadata.key_id;
        for _ in 0..4 {
            let mut call = self.kms.sign(key, b"dropped", SigningAlgorithm::EcdsaSha256, CallMode::Execute);
            std::future::poll_fn(|cx| {
                let _ = call.as_mut().poll(cx);
                std::task::Poll::Ready(())
            })
            .await;
            drop(call);
        }
        let signature = self.signature(&keys.p256, b"after", SigningAlgorithm::EcdsaSha256).await;
        assert!(
            crypto::verifies(SigningAlgorithm::EcdsaSha256, &keys.p256.public_key.der, b"after", &signature),
            "contract: a call after dropped ones is answered"
        );
        self.holds("A dropped call leaves the service usable");
    }

    async fn multi_region_keys_are_named_so(&mut self) {
        let request =
            CreateKey { multi_region: MultiRegion::Yes, ..CreateKey::signing(KeySpec::EccNistP256) };
        let metadata = self.make(&described(request)).await.metadata;
        assert!(metadata.multi_region, "contract: MultiRegion is answered");
        assert!(metadata.key_id.is_multi_region(), "contract: a multi-Region key's id starts with mrk-");
        self.holds("A multi-Region key has an mrk- id");
    }

    async fn impossible_keys_are_refused(&mut self) {
        let request = described(CreateKey::encryption(KeySpec::EccNistP256));
        let error = refused(self.kms.create_key(&request).await, "CreateKey of an ECC encryption key");
        assert!(
            matches!(error, KmsError::Validation { .. }) && error.surely_not_executed(),
            "contract: ECC with ENCRYPT_DECRYPT is a ValidationException, not: {error}"
        );
        assert_eq!(error.operation(), Operation::CreateKey, "contract: an error names its operation");
        self.holds("CreateKey refuses a usage that the spec does not have");
    }
}

fn described(request: CreateKey) -> CreateKey {
    CreateKey {
        description: DESCRIPTION.to_owned(),
        tags: vec![("CreatedBy".to_owned(), DESCRIPTION.to_owned())],
        ..request
    }
}

fn refused<T>(result: Result<T, KmsError>, what: &str) -> KmsError {
    match result {
        Ok(_) => panic!("contract: {what} must be refused"),
        Err(error) => error,
    }
}
