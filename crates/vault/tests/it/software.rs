//! Provider jce: keys in the node's store.

use cantle_crypto::{EncryptionKeyScheme, SigningKeyScheme};
use cantle_store::CryptoProvider;
use cantle_vault::{DecryptError, GenerateError, KeyInUse, KeyRole, Schemes, SignError, VaultBackend};

use crate::support::{file, hash, jce, memory, name, open, options, rows};

#[tokio::test]
async fn every_scheme_signs_and_decrypts_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.db");
    let store = file(&path).await;
    let vault = open(&store, VaultBackend::Jce, options(CryptoProvider::Jce)).await.unwrap();
    let mut signing = Vec::new();
    for scheme in SigningKeyScheme::ALL {
        signing.push(vault.generate_signing_key(name("s"), Some(*scheme), KeyRole::Signing).await.unwrap());
    }
    let mut encryption = Vec::new();
    for scheme in EncryptionKeyScheme::ALL {
        encryption
            .push(vault.generate_encryption_key(None, Some(*scheme), KeyRole::Encryption).await.unwrap());
    }
    store.close().await;

    let store = file(&path).await;
    let vault = open(&store, VaultBackend::Jce, options(CryptoProvider::Jce)).await.unwrap();
    for key in &signing {
        let signature = vault.sign(&hash("a"), key.fingerprint()).await.unwrap();
        key.verify_hash(&hash("a"), &signature).unwrap();
    }
    for key in &encryption {
        let plaintext = vault.decrypt(&key.encrypt(b"secret").unwrap(), key.fingerprint()).await.unwrap();
        assert_eq!(plaintext.as_slice(), b"secret");
        let error = vault.decrypt(b"nonsense", key.fingerprint()).await.unwrap_err();
        assert!(matches!(error, DecryptError::Ciphertext { .. }), "{error:?}");
    }
    assert_eq!(rows(&store).await, (6, 0, 6, 0, Some(CryptoProvider::Jce)));
}

#[tokio::test]
async fn defaults_are_ed25519_and_ecies_gcm() {
    let (vault, _store) = jce().await;
    let signing = vault.generate_signing_key(None, None, KeyRole::Namespace).await.unwrap();
    let encryption = vault.generate_encryption_key(None, None, KeyRole::Encryption).await.unwrap();
    assert_eq!(signing.scheme(), SigningKeyScheme::Ed25519);
    assert_eq!(encryption.scheme(), EncryptionKeyScheme::EciesP256HkdfHmacSha256Aes128Gcm);
}

#[tokio::test]
async fn schemes_that_are_not_allowed_are_neither_made_nor_imported() {
    let (free, _) = jce().await;
    let key =
        free.generate_signing_key(None, Some(SigningKeyScheme::EcDsaP256), KeyRole::Other).await.unwrap();
    let bytes = free.export_key_pair(key.fingerprint()).await.unwrap();

    let store = memory().await;
    let mut strict = options(CryptoProvider::Jce);
    strict.signing = Schemes::new(CryptoProvider::Jce, None, Some(vec![SigningKeyScheme::Ed25519])).unwrap();
    let vault = open(&store, VaultBackend::Jce, strict).await.unwrap();
    let error = vault
        .generate_signing_key(None, Some(SigningKeyScheme::EcDsaP256), KeyRole::Other)
        .await
        .unwrap_err();
    assert!(matches!(error, GenerateError::Scheme(_)), "{error:?}");
    assert!(error.to_string().contains("crypto.signing.allowed"), "{error}");
    vault.import_key_pair(&bytes, None).await.unwrap_err();
    assert_eq!(rows(&store).await, crate::support::NO_ROWS);
}

#[tokio::test]
async fn a_deleted_software_key_signs_no_more() {
    let (vault, store) = jce().await;
    let key = vault.generate_signing_key(None, None, KeyRole::Signing).await.unwrap();
    vault.sign(&hash("a"), key.fingerprint()).await.unwrap();
    let deleted = vault.delete_key_pair(key.fingerprint(), KeyInUse::No).await.unwrap();
    assert_eq!(deleted.kms_key_id, None);
    let error = vault.sign(&hash("a"), key.fingerprint()).await.unwrap_err();
    assert!(matches!(error, SignError::Key(_)), "{error:?}");
    assert_eq!(rows(&store).await, (0, 0, 0, 0, Some(CryptoProvider::Jce)), "the provider stays claimed");
}
