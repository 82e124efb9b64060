//! A node's keys stay with the provider they were made with.

use std::sync::Arc;

use cantle_kms::testing::FakeKms;
use cantle_store::CryptoProvider;
use cantle_vault::{KeyRole, RegisterError, VaultBackend, VaultError};

use crate::support::{KmsNode, memory, open, options, rows};

#[tokio::test]
async fn other_provider_is_refused_and_nothing_changes() {
    for (first, second) in
        [(CryptoProvider::Jce, CryptoProvider::Kms), (CryptoProvider::Kms, CryptoProvider::Jce)]
    {
        let store = memory().await;
        let backend = |provider| match provider {
            CryptoProvider::Kms => VaultBackend::Kms(Arc::new(FakeKms::new())),
            CryptoProvider::Jce => VaultBackend::Jce,
        };
        let vault = open(&store, backend(first), options(first)).await.unwrap();
        vault.generate_signing_key(None, None, KeyRole::Namespace).await.unwrap();
        let before = rows(&store).await;
        let error = open(&store, backend(second), options(second)).await.unwrap_err();
        let VaultError::ProviderMismatch { recorded, configured } = &error else { panic!("{error:?}") };
        assert_eq!((*recorded, *configured), (first, second));
        let text = error.to_string();
        for word in ["needs a migration", "Nothing was changed", &format!("crypto.provider = {first}")] {
            assert!(text.contains(word), "{word}: {text}");
        }
        assert_eq!(rows(&store).await, before);
        open(&store, backend(first), options(first)).await.unwrap();
    }
}

#[tokio::test]
async fn provider_is_free_until_the_first_key() {
    let store = memory().await;
    open(&store, VaultBackend::Jce, options(CryptoProvider::Jce)).await.unwrap();
    let kms = VaultBackend::Kms(Arc::new(FakeKms::new()));
    open(&store, kms, options(CryptoProvider::Kms)).await.unwrap();
    assert_eq!(rows(&store).await.4, None);
}

#[tokio::test]
async fn kms_keys_cannot_be_registered_on_a_jce_node() {
    let (vault, store) = crate::support::jce().await;
    let key = KmsNode::new().await.signing_key().key_id;
    let error = vault.register_kms_signing_key(&key, None).await.unwrap_err();
    assert!(matches!(error, RegisterError::NotKms { provider: CryptoProvider::Jce, .. }), "{error:?}");
    assert!(error.to_string().contains("crypto.provider = kms"), "{error}");
    assert_eq!(rows(&store).await, crate::support::NO_ROWS);
}
