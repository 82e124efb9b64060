//! The key checks of a restart.

use std::sync::Arc;
use std::time::Duration;

use cantle_kms::testing::Fault;
use cantle_kms::{KeyState, KmsError, Operation};
use cantle_store::CryptoProvider;
use cantle_vault::{KeyCheckError, KeyRole, KeyStatus};

use crate::support::{KmsNode, file, hash, inspection, jce, name, options};

#[tokio::test]
async fn one_describe_key_for_each_key_and_no_more() {
    let node = KmsNode::new().await;
    for number in 0..3 {
        node.vault.generate_signing_key(name(&number.to_string()), None, KeyRole::Other).await.unwrap();
    }
    let node = node.restarted().await;
    let checks = node.vault.check_keys().await.unwrap();
    assert!(checks.iter().all(|check| check.is_usable()));
    let names: Vec<_> = checks.iter().map(|check| check.info.name.clone().unwrap().to_string()).collect();
    assert_eq!(names, ["0", "1", "2"]);
    assert_eq!((node.requests(Operation::DescribeKey), node.counted.counts().total()), (3, 3));
}

#[tokio::test]
async fn each_key_has_its_own_outcome() {
    let node = KmsNode::new().await;
    let (disabled, fine) = (node.signing_key().key_id, node.encryption_key().key_id);
    node.vault.register_kms_signing_key(&disabled, None).await.unwrap();
    node.vault.register_kms_encryption_key(&fine, None).await.unwrap();
    node.fake.set_state(&disabled, KeyState::Disabled);
    let checks = node.vault.check_keys().await.unwrap();
    assert!(matches!(checks[0].outcome, Ok(KeyStatus::InKms(KeyState::Disabled))));
    assert!(!checks[0].is_usable() && checks[1].is_usable());
    node.fake.deny(Operation::DescribeKey);
    let checks = node.vault.check_keys().await.unwrap();
    let Err(KeyCheckError::Kms(error)) = &checks[0].outcome else { panic!("{:?}", checks[0]) };
    assert!(matches!(**error, KmsError::AccessDenied { .. }));
}

#[tokio::test]
async fn a_kms_that_hangs_is_not_waited_for_longer_than_configured() {
    let mut options = options(CryptoProvider::Kms);
    options.key_check_timeout = Duration::from_millis(50);
    let node = KmsNode::with(options).await;
    for _ in 0..40 {
        node.vault.generate_signing_key(None, None, KeyRole::Other).await.unwrap();
    }
    node.fake.block(Operation::DescribeKey);
    let checks =
        tokio::time::timeout(Duration::from_secs(5), node.vault.check_keys()).await.unwrap().unwrap();
    assert_eq!(checks.len(), 40);
    assert!(checks.iter().all(|check| matches!(check.outcome, Err(KeyCheckError::TimedOut { .. }))));
    node.fake.unblock(Operation::DescribeKey);
    assert!(node.vault.check_keys().await.unwrap().iter().all(|check| check.is_usable()));
}

#[tokio::test]
async fn software_keys_need_no_request() {
    let (vault, _store) = jce().await;
    vault.generate_signing_key(None, None, KeyRole::Other).await.unwrap();
    let checks = vault.check_keys().await.unwrap();
    assert_eq!(checks[0].outcome.as_ref().unwrap(), &KeyStatus::InStore);
    assert_eq!(checks[0].outcome.as_ref().unwrap().as_str(), "Enabled");
}

#[tokio::test]
async fn a_running_node_can_be_inspected_and_nothing_changes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.db");
    let node = KmsNode::on(Default::default(), file(&path).await, options(CryptoProvider::Kms)).await;
    node.vault.generate_signing_key(name("n"), None, KeyRole::Signing).await.unwrap();
    node.fake.deny(Operation::ListKeys);
    node.fake.fail_next(Operation::CreateKey, 1, Fault::AnswerLost);
    node.vault.generate_signing_key(name("lost"), None, KeyRole::Other).await.unwrap_err();
    let before = node.rows().await;

    let store = inspection(&path).await;
    let look = KmsNode::on(Arc::clone(&node.fake), store, options(CryptoProvider::Kms)).await;
    let checks = look.vault.check_keys().await.unwrap();
    assert_eq!(checks.len(), 1);
    assert!(checks[0].is_usable());
    look.vault.sign(&hash("a"), checks[0].info.fingerprint()).await.unwrap();
    look.vault.generate_signing_key(None, None, KeyRole::Other).await.unwrap_err();
    assert_eq!(look.requests(Operation::CreateKey), 0, "no key is made that could not be stored");
    assert_eq!(node.rows().await, before);
}
