//! Each rule of registration: refused there and then, in words that name key, rule and remedy, with nothing stored.

use cantle_crypto::SigningKeyScheme;
use cantle_kms::testing::Fault;
use cantle_kms::{KeySpec, KeyState, KeyUsage, KmsKeyId, Operation};
use cantle_store::CryptoProvider;
use cantle_types::KeyPurpose;
use cantle_vault::{RegisterError, Schemes};

use crate::support::{KmsNode, NO_ROWS, name, options};

async fn refused(node: &KmsNode, purpose: KeyPurpose, key: &KmsKeyId, words: &[&str]) -> RegisterError {
    let error = match purpose {
        KeyPurpose::Signing => {
            node.vault.register_kms_signing_key(key, name("n")).await.map(|_| ()).unwrap_err()
        }
        KeyPurpose::Encryption => {
            node.vault.register_kms_encryption_key(key, name("n")).await.map(|_| ()).unwrap_err()
        }
    };
    let text = error.to_string();
    for word in words.iter().chain([&key.as_str()]) {
        assert!(text.contains(word), "{word:?} is missing in: {text}");
    }
    assert!(!text.contains("  "), "{text}");
    assert_eq!(error.key(), key);
    assert_eq!(node.rows().await, NO_ROWS, "nothing is stored");
    error
}

#[tokio::test]
async fn states_other_than_enabled() {
    let node = KmsNode::new().await;
    let cases = [
        (KeyState::Disabled, vec!["disabled", "EnableKey"]),
        (KeyState::PendingDeletion, vec!["pending deletion", "CancelKeyDeletion"]),
        (KeyState::PendingReplicaDeletion, vec!["pending deletion"]),
        (KeyState::PendingImport, vec!["PendingImport", "Enabled"]),
        (KeyState::Unavailable, vec!["Unavailable", "Enabled"]),
    ];
    for (state, words) in cases {
        for (purpose, key) in [
            (KeyPurpose::Signing, node.signing_key().key_id),
            (KeyPurpose::Encryption, node.encryption_key().key_id),
        ] {
            node.fake.set_state(&key, state.clone());
            let error = refused(&node, purpose, &key, &words).await;
            let right = match &state {
                KeyState::Disabled => matches!(error, RegisterError::Disabled { .. }),
                KeyState::PendingDeletion | KeyState::PendingReplicaDeletion => {
                    matches!(error, RegisterError::PendingDeletion { .. })
                }
                _ => matches!(error, RegisterError::NotEnabled { .. }),
            };
            assert!(right, "{error:?}");
        }
    }
    assert_eq!(node.requests(Operation::Sign) + node.requests(Operation::Decrypt), 0);
}

#[tokio::test]
async fn wrong_purpose_names_the_right_command() {
    let node = KmsNode::new().await;
    let key = node.encryption_key().key_id;
    let words = ["ENCRYPT_DECRYPT", "SIGN_VERIFY", "register_kms_encryption_key"];
    let error = refused(&node, KeyPurpose::Signing, &key, &words).await;
    assert!(matches!(error, RegisterError::WrongUsage { usage: KeyUsage::EncryptDecrypt, .. }), "{error:?}");
    let key = node.signing_key().key_id;
    let words = ["ENCRYPT_DECRYPT", "SIGN_VERIFY", "register_kms_signing_key"];
    let error = refused(&node, KeyPurpose::Encryption, &key, &words).await;
    assert!(matches!(error, RegisterError::WrongUsage { usage: KeyUsage::SignVerify, .. }), "{error:?}");
}

#[tokio::test]
async fn wrong_spec_names_those_that_do() {
    let node = KmsNode::new().await;
    let signing = node.fake.add_key(KeySpec::Rsa2048, KeyUsage::SignVerify).key_id;
    let words = ["RSA_2048", "ECC_NIST_P256", "ECC_NIST_P384"];
    let error = refused(&node, KeyPurpose::Signing, &signing, &words).await;
    assert!(matches!(error, RegisterError::WrongSpec { spec: KeySpec::Rsa2048, .. }), "{error:?}");
    for spec in [KeySpec::Rsa3072, KeySpec::SymmetricDefault] {
        let encryption = node.encryption_key().key_id;
        node.altered.describe_as(&encryption, spec.clone());
        // As the KMS does for a symmetric key, which has no public key.
        node.fake.fail_next(Operation::GetPublicKey, 1, Fault::Internal);
        let error = refused(&node, KeyPurpose::Encryption, &encryption, &[spec.as_str(), "RSA_2048"]).await;
        assert!(matches!(error, RegisterError::WrongSpec { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_scheme_that_the_node_does_not_allow() {
    let mut options = options(CryptoProvider::Kms);
    let allowed = vec![SigningKeyScheme::EcDsaP256];
    options.signing = Schemes::new(CryptoProvider::Kms, None, Some(allowed)).unwrap();
    let node = KmsNode::with(options).await;
    let key = node.fake.add_key(KeySpec::EccNistP384, KeyUsage::SignVerify).key_id;
    let words = ["ECC_NIST_P384", "ec-dsa-p-384", "crypto.signing.allowed"];
    let error = refused(&node, KeyPurpose::Signing, &key, &words).await;
    assert!(matches!(error, RegisterError::SchemeNotAllowed { .. }), "{error:?}");
}

#[tokio::test]
async fn unknown_keys_by_every_name() {
    let node = KmsNode::new().await;
    let arn = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    for (text, own_account) in [
        ("1234abcd-12ab-34cd-56ef-1234567890ab", true),
        ("alias/unknown", true),
        (arn, false),
        ("arn:aws:kms:us-east-1:111122223333:alias/unknown", false),
    ] {
        let key = KmsKeyId::parse(text).unwrap();
        let error =
            refused(&node, KeyPurpose::Signing, &key, &["not found", "ARN", "crypto.kms.region"]).await;
        let right = match error {
            RegisterError::NotFoundInOwnAccount { .. } => own_account,
            RegisterError::NotFound { .. } => !own_account,
            _ => false,
        };
        assert!(right, "{text}");
    }
}

#[tokio::test]
async fn an_id_of_another_account_is_told_to_be_an_arn() {
    let node = KmsNode::new().await;
    let key = node.fake.add_foreign_key(KeySpec::EccNistP256, KeyUsage::SignVerify, "999988887777").key_id;
    let words = ["another account", "key ARN", "arn:aws:kms:REGION:ACCOUNT:key/ID"];
    let error = refused(&node, KeyPurpose::Signing, &key, &words).await;
    assert!(matches!(error, RegisterError::NotFoundInOwnAccount { .. }), "{error:?}");
}

#[tokio::test]
async fn each_missing_permission_is_named() {
    let cases = [
        (Operation::DescribeKey, KeyPurpose::Signing),
        (Operation::GetPublicKey, KeyPurpose::Signing),
        (Operation::Sign, KeyPurpose::Signing),
        (Operation::DescribeKey, KeyPurpose::Encryption),
        (Operation::GetPublicKey, KeyPurpose::Encryption),
        (Operation::Decrypt, KeyPurpose::Encryption),
    ];
    for (operation, purpose) in cases {
        let node = KmsNode::new().await;
        let key = match purpose {
            KeyPurpose::Signing => node.signing_key().key_id,
            KeyPurpose::Encryption => node.encryption_key().key_id,
        };
        node.fake.deny(operation);
        let denied = format!("{} is denied", operation.iam_action());
        let error = refused(&node, purpose, &key, &[&denied, "IAM policy", "key's policy"]).await;
        let RegisterError::AccessDenied { source, .. } = &error else { panic!("{error:?}") };
        assert_eq!(source.iam_action(), operation.iam_action());
        assert!(!error.retryable());
    }
}

#[tokio::test]
async fn a_kms_that_cannot_be_reached_is_told_apart() {
    let node = KmsNode::new().await;
    let key = node.signing_key().key_id;
    for (operation, fault, retryable) in [
        (Operation::DescribeKey, Fault::ConnectionRefused, true),
        (Operation::GetPublicKey, Fault::Throttled, true),
        (Operation::Sign, Fault::Timeout, true),
        (Operation::Sign, Fault::CredentialsExpired, true),
        (Operation::Sign, Fault::CredentialsMissing, false),
    ] {
        node.fake.fail_next(operation, 1, fault);
        let error = refused(&node, KeyPurpose::Signing, &key, &["was not registered"]).await;
        assert!(matches!(error, RegisterError::Kms { .. }), "{error:?}");
        assert_eq!(error.retryable(), retryable, "{fault:?}");
    }
    node.vault.register_kms_signing_key(&key, None).await.unwrap();
}

#[tokio::test]
async fn a_key_that_decrypts_something_else() {
    let node = KmsNode::new().await;
    let (key, other) = (node.encryption_key().key_id, node.encryption_key().key_id);
    node.altered.use_other(&key, &other);
    let error =
        refused(&node, KeyPurpose::Encryption, &key, &["does not decrypt", "RSAES_OAEP_SHA_256"]).await;
    assert!(matches!(error, RegisterError::WrongPlaintext { .. }), "{error:?}");
}

#[tokio::test]
async fn answers_that_contradict_each_other() {
    let node = KmsNode::new().await;
    let key = node.signing_key().key_id;
    node.altered.describe_as(&key, KeySpec::EccNistP384);
    let error = refused(&node, KeyPurpose::Signing, &key, &["cannot be used"]).await;
    assert!(matches!(error, RegisterError::PublicKey { .. }), "{error:?}");
}
