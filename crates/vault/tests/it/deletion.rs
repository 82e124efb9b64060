//! The end of KMS keys that the node made, and of none else.

use std::time::Duration;

use cantle_kms::testing::Fault;
use cantle_kms::{KeyState, Operation};
use cantle_store::{CryptoProvider, KeyStore};
use cantle_types::KeyPurpose;
use cantle_vault::{DeleteError, KeyDeletionError, KeyFilter, KeyInUse, KeyRole};

use crate::support::{KmsNode, hash, jce, name};

const DAY: Duration = Duration::from_secs(86_400);

async fn node_with_key() -> (KmsNode, cantle_types::Fingerprint) {
    let node = KmsNode::new().await;
    let key = node.vault.generate_signing_key(name("n"), None, KeyRole::Signing).await.unwrap();
    (node, key.fingerprint().clone())
}

fn state(node: &KmsNode) -> KeyState {
    node.fake.keys()[0].state.clone()
}

#[tokio::test]
async fn a_key_that_the_node_made_is_scheduled_kept_until_it_is_gone_and_then_forgotten() {
    let (node, key) = node_with_key().await;
    let scheduled = node.vault.schedule_deletion(&key, 7, KeyInUse::No).await.unwrap();
    assert_eq!(
        (scheduled.kms_key_id.as_str(), state(&node)),
        (node.fake.keys()[0].key_id.as_str(), KeyState::PendingDeletion)
    );
    node.vault.sign(&hash("a"), &key).await.unwrap_err();
    assert!(node.vault.private_key(&key).await.unwrap().is_none(), "it signs nothing any more");
    let name = "n".parse().unwrap();
    assert!(node.vault.find_by_name(&name, KeyPurpose::Signing).await.unwrap().is_none());
    let listed = node.vault.private_keys(&KeyFilter::default()).await.unwrap();
    assert!(listed.len() == 1 && listed[0].deletion.is_some(), "but it is listed");
    let refused = node.vault.delete_key_pair(&key, KeyInUse::No).await.unwrap_err();
    assert!(matches!(refused, DeleteError::InUse { .. }), "{refused}");

    let node = node.restarted().await;
    node.vault.reconcile().await.unwrap();
    assert!(node.store.kms_metadata_find(&key).await.unwrap().is_some(), "kept while it can be wanted back");
    // Not found before its time is no end.
    node.fake.fail_next(Operation::DescribeKey, 1, Fault::NotFound);
    node.vault.reconcile().await.unwrap();
    assert!(node.store.kms_metadata_find(&key).await.unwrap().is_some());
    // The KMS's date is of the real clock, the node's is not.
    node.clock.set(jiff::Timestamp::now());
    node.clock.advance(8 * DAY);
    node.fake.remove(&node.fake.keys()[0].key_id);
    node.vault.reconcile().await.unwrap();
    assert!(node.store.kms_metadata_find(&key).await.unwrap().is_none());
    assert!(node.vault.private_keys(&KeyFilter::default()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_deletion_is_taken_back_and_the_key_signs_again() {
    let (node, key) = node_with_key().await;
    node.vault.schedule_deletion(&key, 30, KeyInUse::No).await.unwrap();
    let node = node.restarted().await;
    node.vault.cancel_deletion(&key).await.unwrap();
    assert_eq!(state(&node), KeyState::Enabled);
    node.vault.sign(&hash("a"), &key).await.unwrap();
    let error = node.vault.cancel_deletion(&key).await.unwrap_err();
    assert!(matches!(error, KeyDeletionError::NotScheduled { .. }), "{error}");
}

#[tokio::test]
async fn taking_back_goes_on_where_it_stopped() {
    let (node, key) = node_with_key().await;
    node.vault.schedule_deletion(&key, 30, KeyInUse::No).await.unwrap();
    node.fake.deny(Operation::EnableKey);
    let error = node.vault.cancel_deletion(&key).await.unwrap_err();
    assert!(matches!(error, KeyDeletionError::Kms(_)), "{error}");
    assert_eq!(state(&node), KeyState::Disabled);
    node.fake.allow_all();
    node.vault.cancel_deletion(&key).await.unwrap();
    assert_eq!(state(&node), KeyState::Enabled);
    assert!(node.vault.private_key(&key).await.unwrap().is_some());
}

#[tokio::test]
async fn keys_of_the_operator_and_keys_in_use_are_not_touched() {
    let (node, key) = node_with_key().await;
    let own = node.signing_key();
    let registered = node.vault.register_kms_signing_key(&own.key_id, None).await.unwrap();
    let ends = [Operation::ScheduleKeyDeletion, Operation::CancelKeyDeletion, Operation::EnableKey];
    let not_made = |error| assert!(matches!(error, KeyDeletionError::NotMade { .. }), "{error}");
    not_made(node.vault.schedule_deletion(registered.fingerprint(), 7, KeyInUse::No).await.unwrap_err());
    node.fake.set_state(&own.key_id, KeyState::PendingDeletion);
    not_made(node.vault.cancel_deletion(registered.fingerprint()).await.unwrap_err());
    let in_use = KeyInUse::Yes("it is this node's namespace".to_owned());
    let error = node.vault.schedule_deletion(&key, 7, in_use).await.unwrap_err();
    assert!(error.to_string().contains("it is this node's namespace"), "{error}");
    for days in [0, 6, 31, 263] {
        let error = node.vault.schedule_deletion(&key, days, KeyInUse::No).await.unwrap_err();
        assert!(matches!(error, KeyDeletionError::Window { .. }), "{days}: {error}");
    }
    let unknown =
        node.vault.schedule_deletion(&"1220ab".parse().unwrap(), 7, KeyInUse::No).await.unwrap_err();
    assert!(matches!(unknown, KeyDeletionError::Unknown { .. }), "{unknown}");
    assert_eq!(ends.map(|operation| node.requests(operation)), [0, 0, 0], "nothing was sent");
    node.vault.sign(&hash("a"), &key).await.unwrap();
    assert_eq!(node.rows().await.4, Some(CryptoProvider::Kms));
}

#[tokio::test]
async fn a_refused_deletion_leaves_the_key_as_it_was() {
    let (node, key) = node_with_key().await;
    node.fake.deny(Operation::ScheduleKeyDeletion);
    let error = node.vault.schedule_deletion(&key, 7, KeyInUse::No).await.unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("kms:ScheduleKeyDeletion"), "{source}");
    node.vault.sign(&hash("a"), &key).await.unwrap();
    assert!(node.vault.private_key(&key).await.unwrap().is_some());
}

#[tokio::test]
async fn a_deletion_whose_answer_was_lost_is_known_by_the_next_start_or_the_next_call() {
    let (node, key) = node_with_key().await;
    node.fake.fail_next(Operation::ScheduleKeyDeletion, 1, Fault::AnswerLost);
    node.vault.schedule_deletion(&key, 7, KeyInUse::No).await.unwrap_err();
    assert_eq!(state(&node), KeyState::PendingDeletion);
    let node = node.restarted().await;
    node.vault.reconcile().await.unwrap();
    let listed = node.vault.private_keys(&KeyFilter::default()).await.unwrap();
    assert!(listed[0].deletion.as_ref().unwrap().deletes_at.is_some());
    node.vault.schedule_deletion(&key, 7, KeyInUse::No).await.unwrap();
    node.vault.cancel_deletion(&key).await.unwrap();
    assert_eq!(state(&node), KeyState::Enabled);

    // The request never left: the next start sees it.
    node.fake.fail_next(Operation::ScheduleKeyDeletion, 1, Fault::Internal);
    node.vault.schedule_deletion(&key, 7, KeyInUse::No).await.unwrap_err();
    assert!(node.vault.private_key(&key).await.unwrap().is_none(), "as long as nobody knows");
    node.vault.reconcile().await.unwrap();
    assert!(node.vault.private_key(&key).await.unwrap().is_some());
}

#[tokio::test]
async fn keys_in_the_store_have_no_such_end() {
    let (vault, _) = jce().await;
    let key = vault.generate_signing_key(name("n"), None, KeyRole::Other).await.unwrap();
    let error = vault.schedule_deletion(key.fingerprint(), 7, KeyInUse::No).await.unwrap_err();
    assert!(matches!(error, KeyDeletionError::Unknown { .. }), "{error}");
}
