//! Signing and decrypting with keys in the KMS.

use cantle_kms::testing::Fault;
use cantle_kms::{KeyState, KmsError, Operation};
use cantle_vault::{DecryptError, KeyRole, KeyUseError, SignError};

use crate::support::{KmsNode, hash, name};

#[tokio::test]
async fn a_signature_is_one_request_and_no_store_read_after_the_first() {
    let node = KmsNode::new().await;
    let key = node.vault.generate_signing_key(name("n"), None, KeyRole::Signing).await.unwrap();
    node.vault.sign(&hash("a"), key.fingerprint()).await.unwrap();
    let before = node.counted.counts().total();
    node.store.close().await;
    for text in ["b", "c"] {
        let signature = node.vault.sign(&hash(text), key.fingerprint()).await.unwrap();
        assert_eq!(signature.signed_by(), key.fingerprint());
        key.verify_hash(&hash(text), &signature).unwrap();
    }
    assert_eq!(node.counted.counts().total(), before + 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_sign_side_by_side() {
    let node = KmsNode::new().await;
    let key = node.vault.generate_signing_key(None, None, KeyRole::Signing).await.unwrap();
    let tasks: Vec<_> = (0..64)
        .map(|number| {
            let (vault, key) = (node.vault.clone(), key.clone());
            tokio::spawn(async move {
                let hash = hash(&number.to_string());
                let signature = vault.sign(&hash, key.fingerprint()).await.unwrap();
                key.verify_hash(&hash, &signature).unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(node.requests(Operation::Sign), 64);
}

#[tokio::test]
async fn a_signature_by_another_key_never_leaves() {
    let node = KmsNode::new().await;
    let (registered, other) = (node.signing_key().key_id, node.signing_key().key_id);
    let key = node.vault.register_kms_signing_key(&registered, None).await.unwrap();
    node.altered.use_other(&registered, &other);
    let error = node.vault.sign(&hash("a"), key.fingerprint()).await.unwrap_err();
    let SignError::SignatureMismatch { fingerprint, kms_key_id, .. } = &error else { panic!("{error:?}") };
    assert_eq!((fingerprint, kms_key_id), (key.fingerprint(), &registered));
    assert!(!error.retryable());
}

#[tokio::test]
async fn unknown_and_foreign_keys_do_not_sign() {
    let node = KmsNode::new().await;
    let unknown = "1220abcd".parse().unwrap();
    let error = node.vault.sign(&hash("a"), &unknown).await.unwrap_err();
    assert!(matches!(error, SignError::Key(KeyUseError::Unknown { .. })), "{error:?}");
    let foreign = KmsNode::new().await;
    let key = foreign.vault.generate_signing_key(None, None, KeyRole::Signing).await.unwrap();
    node.vault.import_public_key(key.clone().into(), name("theirs")).await.unwrap();
    let error = node.vault.sign(&hash("a"), key.fingerprint()).await.unwrap_err();
    assert!(matches!(error, SignError::Key(KeyUseError::Unknown { .. })), "{error:?}");
    assert_eq!(node.counted.counts().total(), 0);
}

#[tokio::test]
async fn keys_serve_only_their_purpose() {
    let node = KmsNode::new().await;
    let signing = node.vault.generate_signing_key(None, None, KeyRole::Signing).await.unwrap();
    let encryption = node.vault.generate_encryption_key(None, None, KeyRole::Encryption).await.unwrap();
    for used_before in [false, true] {
        let error = node.vault.sign(&hash("a"), encryption.fingerprint()).await.unwrap_err();
        assert!(matches!(error, SignError::Key(KeyUseError::WrongPurpose { .. })), "{error:?}");
        let error = node.vault.decrypt(&[0; 256], signing.fingerprint()).await.unwrap_err();
        assert!(matches!(error, DecryptError::Key(KeyUseError::WrongPurpose { .. })), "{error:?}");
        if !used_before {
            node.vault.sign(&hash("a"), signing.fingerprint()).await.unwrap();
            let ciphertext = encryption.encrypt(b"x").unwrap();
            node.vault.decrypt(&ciphertext, encryption.fingerprint()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn errors_of_the_kms_keep_their_kind() {
    let node = KmsNode::new().await;
    let kms_key = node.signing_key().key_id;
    let key = node.vault.register_kms_signing_key(&kms_key, None).await.unwrap();
    node.fake.fail_next(Operation::Sign, 1, Fault::Throttled);
    assert!(node.vault.sign(&hash("a"), key.fingerprint()).await.unwrap_err().retryable());
    node.fake.set_state(&kms_key, KeyState::Disabled);
    let error = node.vault.sign(&hash("a"), key.fingerprint()).await.unwrap_err();
    let SignError::Kms { source, .. } = &error else { panic!("{error:?}") };
    assert!(matches!(**source, KmsError::Disabled { .. }) && !error.retryable());
}

#[tokio::test]
async fn ciphertexts_with_and_without_prefix_decrypt_and_others_do_not() {
    let node = KmsNode::new().await;
    let key = node.vault.generate_encryption_key(None, None, KeyRole::Encryption).await.unwrap();
    let decrypt = |bytes: Vec<u8>| {
        let (vault, key) = (&node.vault, &key);
        async move { vault.decrypt(&bytes, key.fingerprint()).await }
    };
    let longest = [7; 190];
    let ciphertext = key.encrypt(&longest).unwrap();
    assert_eq!(decrypt(ciphertext.clone()).await.unwrap().as_slice(), longest);
    let prefixed = [&[1, 2, 3, 4, 5], ciphertext.as_slice()].concat();
    assert_eq!(decrypt(prefixed).await.unwrap().as_slice(), longest);

    let asked = node.requests(Operation::Decrypt);
    for length in [0, 1, 255, 257, 261, 4096] {
        let error = decrypt(vec![0; length]).await.unwrap_err();
        assert!(matches!(error, DecryptError::Length { .. }), "{length}: {error:?}");
    }
    assert_eq!(node.requests(Operation::Decrypt), asked, "the KMS is not asked");

    let mut changed = ciphertext;
    changed[128] ^= 1;
    let error = decrypt(changed).await.unwrap_err();
    assert!(matches!(error, DecryptError::Ciphertext { .. }), "{error:?}");
}
