//! One key: its state, spec and usage, its public key, and whether the node may use it.

use std::sync::Arc;

use cantle_crypto::PublicKey;
use cantle_kms::{
    CallMode, EncryptionAlgorithm, KeyMetadata, KeySpec, KeyState, KeyUsage, Kms, KmsError, KmsKeyId,
    Operation, SigningAlgorithm,
};
use cantle_types::KeyPurpose;

use super::finding::{Check, Finding, Severity};
use crate::stored_keys::StoredKey;

/// What is signed and encrypted on trial.
const TRIAL: &[u8] = b"cantle doctor";

/// Everything about a key: one finding if all is well, else one for each thing that is not.
pub(super) async fn examine(kms: &dyn Kms, node: &str, stored: &StoredKey) -> Vec<Finding> {
    let text = &stored.kms.kms_key_id;
    let key = match KmsKeyId::parse(text) {
        Ok(key) => key,
        Err(error) => {
            let remedy = "Restore the node's database from a backup";
            return vec![Finding::fail(node, Check::Database, error.to_string(), remedy).about(text)];
        }
    };
    let look = Look { kms, node, stored, key: &key, named: format!("{} ({key})", stored.named()) };
    let mut findings = look.findings().await;
    for finding in &mut findings {
        finding.key = Some(text.clone());
    }
    findings
}

/// Whether a key is there in the Regions to fail over to.
pub(super) async fn replicas(
    regions: &[(String, Arc<dyn Kms>)],
    home: &str,
    node: &str,
    stored: &StoredKey,
) -> Vec<Finding> {
    let Ok(key) = KmsKeyId::parse(&stored.kms.kms_key_id) else { return Vec::new() };
    let named = format!("{} ({key})", stored.named());
    if !regions.is_empty() && !key.is_multi_region() {
        let text =
            format!("{named} is no multi-Region key, and failover-regions is set: the node does not start");
        let remedy = "Remove failover-regions, or replace the key by a replicated multi-Region key first";
        return vec![Finding::fail(node, Check::Replica, text, remedy).about(key.as_str())];
    }
    let mut findings = Vec::new();
    for (region, kms) in regions {
        let finding = match kms.describe_key(&key).await {
            Ok(reply) if reply.value.state == KeyState::Enabled => {
                Finding::ok(node, Check::Replica, format!("{named} is there and Enabled in {region}"))
            }
            Ok(reply) => Finding::warn(
                node,
                Check::Replica,
                format!("{named} is {} in {region}", reply.value.state),
                format!("Bring the replica to Enabled (aws kms enable-key --region {region})"),
            ),
            Err(KmsError::NotFound { .. }) => Finding::warn(
                node,
                Check::Replica,
                format!("{named} has no replica in {region}, which cannot stand in for {home}"),
                format!(
                    "Replicate it, with its tags: aws kms replicate-key --region {home} --replica-region {region} \
                     --key-id {}",
                    key.key_id().unwrap_or_default()
                ),
            ),
            Err(error) => {
                let mut finding = Finding::of(node, Check::Replica, &error);
                finding.severity = Severity::Warn;
                finding.text = format!("{} in {region}: {}", stored.named(), finding.text);
                finding
            }
        };
        findings.push(finding.about(key.as_str()));
    }
    findings
}

struct Look<'a> {
    kms: &'a dyn Kms,
    node: &'a str,
    stored: &'a StoredKey,
    key: &'a KmsKeyId,
    named: String,
}

impl Look<'_> {
    async fn findings(&self) -> Vec<Finding> {
        let described = match self.kms.describe_key(self.key).await {
            Ok(reply) => Some(reply.value),
            // The rest may be allowed all the same, and says more.
            Err(error @ KmsError::AccessDenied { .. }) => {
                let mut findings = vec![self.of(Check::Permission, &error)];
                findings.extend(self.use_it().await);
                return findings;
            }
            Err(error) => return vec![self.of(Check::KeyState, &error)],
        };
        let mut findings = Vec::new();
        if let Some(metadata) = &described {
            findings.extend(self.state(metadata));
            findings.extend(self.spec(&metadata.spec, &metadata.usage));
        }
        // A key that is not enabled neither signs nor tells its public key.
        if findings.is_empty() {
            findings.extend(self.use_it().await);
        }
        if findings.is_empty() {
            let (usage, spec) = (usage(self.stored.kms.purpose), &self.stored.kms.key_spec);
            findings.push(Finding::ok(
                self.node,
                Check::Key,
                format!(
                    "{}: Enabled, {spec}, {usage}, public key as registered, {} allowed",
                    self.named,
                    self.operation().iam_action()
                ),
            ));
        }
        findings
    }

    fn state(&self, metadata: &KeyMetadata) -> Option<Finding> {
        let (text, remedy) = match &metadata.state {
            KeyState::Enabled => return None,
            KeyState::Disabled => {
                ("is Disabled", format!("Enable it: aws kms enable-key --key-id {}", self.key))
            }
            KeyState::PendingDeletion | KeyState::PendingReplicaDeletion => (
                "will be deleted, and whatever it stands for is lost then",
                format!(
                    "Take it back: aws kms cancel-key-deletion --key-id {0}, then aws kms enable-key --key-id {0}",
                    self.key
                ),
            ),
            state => ("cannot be used", format!("Its state is {state}; bring it to Enabled")),
        };
        Some(Finding::fail(self.node, Check::KeyState, format!("{} {text}", self.named), remedy))
    }

    fn spec(&self, spec: &KeySpec, usage_now: &KeyUsage) -> Option<Finding> {
        let (wanted, wanted_usage) = (&self.stored.kms.key_spec, usage(self.stored.kms.purpose));
        let told = |name: &str| !name.is_empty();
        let differs = (told(spec.as_str()) && spec.as_str() != wanted)
            || (told(usage_now.as_str()) && *usage_now != wanted_usage);
        differs.then(|| {
            let text = format!(
                "{} has KeySpec {spec} and KeyUsage {usage_now}, and was {wanted} and {wanted_usage} when the node came \
                 to it",
                self.named
            );
            self.fail(Check::KeySpec, text, "Check that the endpoint, Region and account are those of the node's keys")
        })
    }

    /// The public key and the permission to use the private one.
    async fn use_it(&self) -> Vec<Finding> {
        let (public, used) = tokio::join!(self.kms.public_key(self.key), self.try_out());
        let mut findings = Vec::new();
        match public {
            Ok(reply) if self.stored.public_der().is_some_and(|der| reply.value.der == der) => {}
            Ok(_) => findings.push(self.fail(
                Check::PublicKey,
                format!("{} has another public key in the KMS than is registered", self.named),
                "Check that the endpoint, Region and account are those of the node's keys; what this key signs will be \
                 refused",
            )),
            Err(error) => findings.push(self.of(check_of(&error), &error)),
        }
        match used {
            Ok(()) => {}
            Err(Trial::Kms(error)) => findings.push(self.of(check_of(&error), &error)),
            Err(Trial::Encryption(error)) => findings.push(self.fail(
                Check::PublicKey,
                format!("{}: nothing can be encrypted with its registered public key: {error}", self.named),
                "Restore the node's database from a backup",
            )),
        }
        findings
    }

    async fn try_out(&self) -> Result<(), Trial> {
        match &self.stored.public {
            PublicKey::Signing(_) => {
                let spec = KeySpec::from_name(&self.stored.kms.key_spec);
                let algorithm = spec.signing_algorithm().unwrap_or(SigningAlgorithm::EcdsaSha256);
                let signed = self.kms.sign(self.key, TRIAL, algorithm, CallMode::DryRun).await;
                signed.map(drop).map_err(Trial::Kms)
            }
            PublicKey::Encryption(public) => {
                let ciphertext = public.encrypt(TRIAL).map_err(Trial::Encryption)?;
                let algorithm = EncryptionAlgorithm::RsaesOaepSha256;
                let decrypted = self.kms.decrypt(self.key, &ciphertext, algorithm, CallMode::DryRun).await;
                decrypted.map(drop).map_err(Trial::Kms)
            }
        }
    }

    fn operation(&self) -> Operation {
        match self.stored.kms.purpose {
            KeyPurpose::Signing => Operation::Sign,
            KeyPurpose::Encryption => Operation::Decrypt,
        }
    }

    fn of(&self, check: Check, error: &KmsError) -> Finding {
        let mut finding = Finding::of(self.node, check, error);
        finding.text = format!("{}: {}", self.stored.named(), finding.text);
        finding
    }

    fn fail(&self, check: Check, text: String, remedy: &str) -> Finding {
        Finding::fail(self.node, check, text, remedy)
    }
}

/// Why a key could not be tried out.
enum Trial {
    Kms(KmsError),
    Encryption(cantle_crypto::EncryptError),
}

fn usage(purpose: KeyPurpose) -> KeyUsage {
    match purpose {
        KeyPurpose::Signing => KeyUsage::SignVerify,
        KeyPurpose::Encryption => KeyUsage::EncryptDecrypt,
    }
}

/// What a refusal is about.
fn check_of(error: &KmsError) -> Check {
    match error {
        KmsError::AccessDenied { .. } => Check::Permission,
        KmsError::InvalidKeyUsage { .. } => Check::KeySpec,
        KmsError::InvalidCiphertext { .. } | KmsError::IncorrectKey { .. } => Check::PublicKey,
        KmsError::Disabled { .. } | KmsError::InvalidState { .. } | KmsError::NotFound { .. } => {
            Check::KeyState
        }
        _ => Check::Endpoint,
    }
}

#[cfg(test)]
mod tests {
    use cantle_crypto::{CryptoKeyFormat, SigningKeyScheme, SigningPublicKey};
    use cantle_kms::testing::FakeKms;
    use cantle_store::{KeyOrigin, KmsMetadata};

    use super::*;

    /// A registered signing key whose public part is that of `public`.
    async fn stored(fake: &FakeKms, key: &KeyMetadata, public: &KeyMetadata) -> StoredKey {
        let der = fake.public_key(&public.key_id).await.unwrap().value.der;
        let public = SigningPublicKey::new(CryptoKeyFormat::Der, der, SigningKeyScheme::EcDsaP256).unwrap();
        StoredKey {
            kms: KmsMetadata {
                fingerprint: public.fingerprint().clone(),
                kms_key_id: key.key_id.to_string(),
                kms_key_arn: key.arn.as_ref().map(ToString::to_string),
                purpose: KeyPurpose::Signing,
                key_spec: "ECC_NIST_P256".to_owned(),
                origin: KeyOrigin::Registered,
                created_at: jiff::Timestamp::UNIX_EPOCH,
            },
            public: PublicKey::Signing(public),
            name: Some("participant1-signing".parse().unwrap()),
        }
    }

    async fn found(fake: &FakeKms, stored: &StoredKey) -> Vec<(Severity, Check)> {
        let findings = examine(fake, "participant participant1", stored).await;
        assert!(findings.iter().all(|finding| finding.to_string().contains("participant1-signing")));
        findings.iter().map(|finding| (finding.severity, finding.check)).collect()
    }

    #[tokio::test]
    async fn an_exchanged_key_is_found() {
        let fake = FakeKms::new();
        let (own, other) = (
            fake.add_key(KeySpec::EccNistP256, KeyUsage::SignVerify),
            fake.add_key(KeySpec::EccNistP256, KeyUsage::SignVerify),
        );
        let right = stored(&fake, &own, &own).await;
        assert_eq!(found(&fake, &right).await, [(Severity::Ok, Check::Key)]);
        let exchanged = stored(&fake, &other, &own).await;
        assert_eq!(found(&fake, &exchanged).await, [(Severity::Fail, Check::PublicKey)]);
        let larger = fake.add_key(KeySpec::EccNistP384, KeyUsage::SignVerify);
        let of_another_spec = stored(&fake, &larger, &own).await;
        assert_eq!(found(&fake, &of_another_spec).await, [(Severity::Fail, Check::KeySpec)]);
    }

    #[tokio::test]
    async fn each_missing_permission_is_found() {
        for operation in [Operation::DescribeKey, Operation::GetPublicKey, Operation::Sign] {
            let fake = FakeKms::new();
            let key = fake.add_key(KeySpec::EccNistP256, KeyUsage::SignVerify);
            let stored = stored(&fake, &key, &key).await;
            fake.deny(operation);
            assert_eq!(found(&fake, &stored).await, [(Severity::Fail, Check::Permission)], "{operation}");
            fake.allow_all();
            assert_eq!(found(&fake, &stored).await, [(Severity::Ok, Check::Key)], "{operation}");
        }
    }

    #[tokio::test]
    async fn a_key_that_is_not_enabled_is_found_with_its_remedy() {
        let fake = FakeKms::new();
        let key = fake.add_key(KeySpec::EccNistP256, KeyUsage::SignVerify);
        let stored = stored(&fake, &key, &key).await;
        for (state, remedy) in
            [(KeyState::Disabled, "enable-key"), (KeyState::PendingDeletion, "cancel-key-deletion")]
        {
            fake.set_state(&key.key_id, state);
            let findings = examine(&fake, "n", &stored).await;
            assert_eq!(findings.len(), 1, "{findings:?}");
            assert!(findings[0].remedy.as_ref().unwrap().contains(remedy), "{}", findings[0]);
        }
    }
}
