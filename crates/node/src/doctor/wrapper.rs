//! The wrapper key of a node whose private keys are in its own store, or some of them still.

use cantle_kms::{CallMode, EncryptionAlgorithm, KeySpec, KeyState, KeyUsage, Kms, KmsError, KmsKeyId};

use super::finding::{Check, Finding};
use crate::stored_keys::SealedKey;

/// What is encrypted on trial.
const TRIAL: &[u8] = b"cantle doctor";

/// Whether a wrapper key can be used: its state and kind, and both directions, each as a dry run.
pub(super) async fn examine(kms: &dyn Kms, node: &str, wrapper_key_id: &str) -> Vec<Finding> {
    let key = match KmsKeyId::parse(wrapper_key_id) {
        Ok(key) => key,
        Err(error) => {
            let remedy = "Correct crypto.private-key-store.encryption.wrapper-key-id";
            return vec![Finding::fail(node, Check::Key, error.to_string(), remedy).about(wrapper_key_id)];
        }
    };
    let mut findings = look(kms, node, &key).await;
    for finding in &mut findings {
        finding.key = Some(wrapper_key_id.to_owned());
    }
    findings
}

/// Whether the private keys that a node with provider kms still has can be decrypted, each as a dry run.
pub(super) async fn examine_kept(kms: &dyn Kms, node: &str, kept: &[SealedKey]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for SealedKey { fingerprint, wrapper_key_id, sealed } in kept {
        let finding = match KmsKeyId::parse(wrapper_key_id) {
            Ok(key) => {
                match kms.decrypt(&key, sealed, EncryptionAlgorithm::SymmetricDefault, CallMode::DryRun).await
                {
                    Ok(_) => Finding::ok(
                        node,
                        Check::Key,
                        format!(
                            "the private key {fingerprint}, which the database has, can be decrypted with the wrapper key {key}"
                        ),
                    ),
                    Err(error @ KmsError::AccessDenied { .. }) => {
                        Finding::of(node, Check::Permission, &error)
                    }
                    Err(error) => Finding::of(node, Check::KeyState, &error),
                }
            }
            Err(error) => {
                let text = format!("the wrapper key of the private key {fingerprint} has no key id: {error}");
                Finding::fail(node, Check::Key, text, "Restore the database from a backup")
            }
        };
        findings.push(finding.about(wrapper_key_id));
    }
    findings
}

async fn look(kms: &dyn Kms, node: &str, key: &KmsKeyId) -> Vec<Finding> {
    let named = format!("the wrapper key {key}");
    let mut findings = Vec::new();
    match kms.describe_key(key).await {
        Ok(reply) if reply.value.state != KeyState::Enabled => {
            let text = format!("{named} is {}: the private keys cannot be read", reply.value.state);
            let remedy = format!(
                "Enable it: aws kms enable-key --key-id {key}, after aws kms cancel-key-deletion if it is pending deletion"
            );
            return vec![Finding::fail(node, Check::KeyState, text, remedy)];
        }
        Ok(reply)
            if reply.value.spec != KeySpec::SymmetricDefault
                || reply.value.usage != KeyUsage::EncryptDecrypt =>
        {
            let text = format!("{named} has KeySpec {} and KeyUsage {}", reply.value.spec, reply.value.usage);
            let remedy = "A wrapper key is SYMMETRIC_DEFAULT for ENCRYPT_DECRYPT: name such a key";
            return vec![Finding::fail(node, Check::KeySpec, text, remedy)];
        }
        Ok(_) => {}
        Err(error @ KmsError::AccessDenied { .. }) => {
            findings.push(Finding::of(node, Check::Permission, &error))
        }
        Err(error) => return vec![Finding::of(node, Check::KeyState, &error)],
    }
    let algorithm = EncryptionAlgorithm::SymmetricDefault;
    // What is to be decrypted on trial has to be encrypted in earnest; it protects nothing.
    match kms.encrypt(key, TRIAL, algorithm, CallMode::Execute).await {
        Ok(sealed) => {
            if let Err(error) = kms.decrypt(key, &sealed.value, algorithm, CallMode::DryRun).await {
                findings.push(Finding::of(node, Check::Permission, &error));
            }
        }
        Err(error) => findings.push(Finding::of(node, Check::Permission, &error)),
    }
    if findings.is_empty() {
        let text = format!(
            "{named}: Enabled, SYMMETRIC_DEFAULT, ENCRYPT_DECRYPT, kms:Encrypt and kms:Decrypt allowed"
        );
        findings.push(Finding::ok(node, Check::Key, text));
    }
    findings
}
