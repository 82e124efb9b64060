//! The node's unique identifier: given once, waited for, and kept.

use std::time::Duration;

use cantle_crypto::{EncryptionKeyScheme, PublicKey};
use cantle_identity::{ErrorClass, InitIdError};
use cantle_vault::KeyRole;
use tokio::time::timeout;

use crate::support::{Node, foreign_key, uid};

const DEADLINE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn an_identity_is_given_once() {
    let node = Node::participant().await;
    let key = node.signing_key().await;
    assert_eq!(node.manager.uid(), None);
    let given = node.manager.init_id("node".parse().unwrap(), key.fingerprint()).await.unwrap();
    assert_eq!(given, uid("node", &key));
    assert_eq!(node.manager.uid(), Some(given.clone()));
    for identifier in ["node", "other"] {
        let error = node.manager.init_id(identifier.parse().unwrap(), key.fingerprint()).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::ResourceExists);
        assert!(matches!(error, InitIdError::AlreadyInitialized { uid } if uid == given));
    }
    assert_eq!(node.restarted().await.uid(), Some(given));
}

#[tokio::test]
async fn the_namespace_needs_a_known_signing_key() {
    let node = Node::participant().await;
    let encryption = node
        .vault
        .generate_encryption_key(None, Some(EncryptionKeyScheme::Rsa2048OaepSha256), KeyRole::Encryption)
        .await
        .unwrap();
    for fingerprint in [foreign_key(1).fingerprint(), encryption.fingerprint()] {
        let error = node.manager.init_id("node".parse().unwrap(), fingerprint).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::InvalidArgument);
    }
    assert_eq!(node.manager.uid(), None);
    // Its private part may be elsewhere.
    node.vault.import_public_key(PublicKey::Signing(foreign_key(1)), None).await.unwrap();
    node.manager.init_id("node".parse().unwrap(), foreign_key(1).fingerprint()).await.unwrap();
}

#[tokio::test]
async fn whoever_waits_for_the_identity_gets_it() {
    let node = Node::participant().await;
    let key = node.signing_key().await;
    let waiting = {
        let manager = node.manager.clone();
        tokio::spawn(async move { manager.wait_for_identity().await })
    };
    node.manager.init_id("node".parse().unwrap(), key.fingerprint()).await.unwrap();
    assert_eq!(timeout(DEADLINE, waiting).await.unwrap().unwrap(), uid("node", &key));
    assert_eq!(timeout(DEADLINE, node.manager.wait_for_identity()).await.unwrap(), uid("node", &key));
}

#[tokio::test]
async fn of_many_who_give_an_identity_one_succeeds() {
    let node = Node::participant().await;
    let key = node.signing_key().await;
    let calls = (0..8).map(|number| {
        let (manager, fingerprint) = (node.manager.clone(), key.fingerprint().clone());
        tokio::spawn(async move {
            manager.init_id(format!("node{}", number / 2).parse().unwrap(), &fingerprint).await
        })
    });
    let results = futures::future::join_all(calls).await;
    let given: Vec<_> = results.into_iter().filter_map(|result| result.unwrap().ok()).collect();
    assert_eq!(given.len(), 1);
    assert_eq!(node.manager.uid(), Some(given[0].clone()));
    assert_eq!(node.store.uid_find().await.unwrap(), Some(given[0].clone()));
}
