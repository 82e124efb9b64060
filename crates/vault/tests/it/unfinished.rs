//! Creations that a crash or a lost answer interrupted: finished, adopted, or named.

use std::time::Duration;

use cantle_kms::testing::Fault;
use cantle_kms::{KeySpec, KeyState, KeyUsage, KmsKeyId, Operation};
use cantle_store::{CreationJournal, CryptoProvider, KeyCreation};
use cantle_types::KeyPurpose;
use cantle_vault::{CREATION_TAG, GenerateError, KeyRole, VaultError};
use jiff::Timestamp;

use crate::support::{KmsNode, hash, name, options};

const KMS: Option<CryptoProvider> = Some(CryptoProvider::Kms);

async fn make(node: &KmsNode) -> Result<cantle_crypto::SigningPublicKey, GenerateError> {
    node.vault.generate_signing_key(name("n"), None, KeyRole::Signing).await
}

/// A node that asked for a key without getting an answer, though the key was made; it may not list keys.
async fn after_a_lost_answer() -> (KmsNode, KmsKeyId, String) {
    let node = KmsNode::new().await;
    node.fake.deny(Operation::ListKeys);
    node.fake.fail_next(Operation::CreateKey, 1, Fault::Timeout);
    let error = make(&node).await.unwrap_err();
    assert_eq!(error.created(), None);
    assert_eq!(node.requests(Operation::CreateKey), 1, "a time-out is not simply retried");
    let journal = node.store.creation_list().await.unwrap();
    assert_eq!(journal.len(), 1, "the journal remembers that a key may exist");
    let id = journal[0].id.clone();
    assert!(
        error.to_string().contains(&format!("may have been made; it has the tag CantleCreation={id}")),
        "{error}"
    );
    let key = node.fake.keys().remove(0).key_id;
    assert!(node.fake.tags(&key).contains(&(CREATION_TAG.to_owned(), id.clone())));
    (node, key, id)
}

async fn kms_key_of(node: &KmsNode, key: &cantle_crypto::SigningPublicKey) -> String {
    node.vault.private_key(key.fingerprint()).await.unwrap().unwrap().kms.unwrap().kms_key_id
}

#[tokio::test]
async fn a_lost_answer_is_made_good_at_once_where_keys_may_be_listed() {
    for fault in [Fault::Timeout, Fault::AnswerLost] {
        let node = KmsNode::new().await;
        node.fake.fail_next(Operation::CreateKey, 1, fault);
        let key = make(&node).await.unwrap();
        node.vault.sign(&hash("a"), key.fingerprint()).await.unwrap();
        assert_eq!(node.fake.keys().len(), 1);
        assert_eq!(node.requests(Operation::CreateKey), 1, "{fault:?}");
        assert_eq!(node.rows().await, (1, 1, 0, 0, KMS));
    }
}

#[tokio::test]
async fn the_next_start_adopts_the_key_where_keys_may_be_listed() {
    let (node, key, _) = after_a_lost_answer().await;
    node.fake.allow_all();
    let node = node.restarted().await;
    node.vault.reconcile().await.unwrap();
    assert_eq!(node.rows().await, (1, 1, 0, 0, KMS));
    let found = node.vault.find_by_name(&"n".parse().unwrap(), KeyPurpose::Signing).await.unwrap().unwrap();
    assert_eq!(found.kms.unwrap().kms_key_id, key.as_str());
    assert_eq!(node.requests(Operation::CreateKey), 0, "nothing is made again");
}

#[tokio::test]
async fn the_next_attempt_adopts_the_key_too() {
    let (node, key, _) = after_a_lost_answer().await;
    node.fake.allow_all();
    let made = make(&node).await.unwrap();
    assert_eq!((kms_key_of(&node, &made).await.as_str(), node.fake.keys().len()), (key.as_str(), 1));
    assert!(node.vault.possible_orphans().await.unwrap().is_empty());
}

#[tokio::test]
async fn without_the_permission_to_list_a_new_key_is_made_and_the_orphan_named_until_it_is_forgotten() {
    for denied in [Operation::ListKeys, Operation::ListResourceTags] {
        let (node, orphan, id) = after_a_lost_answer().await;
        node.fake.allow_all();
        node.fake.deny(denied);
        let node = node.restarted().await;
        let made = make(&node).await.unwrap();
        assert_ne!(kms_key_of(&node, &made).await, orphan.as_str());
        let orphans = node.vault.possible_orphans().await.unwrap();
        assert_eq!(orphans.len(), 1, "{denied}");
        let KeyCreation { id: named, started_at, lost_at, kms_key_id, .. } = &orphans[0];
        assert_eq!((named, *started_at, kms_key_id), (&id, Timestamp::UNIX_EPOCH, &None));
        assert!(lost_at.is_some());
        let node = node.restarted().await;
        node.vault.reconcile().await.unwrap();
        assert_eq!(node.vault.possible_orphans().await.unwrap(), orphans, "it is named over restarts");
        assert_eq!(node.vault.forget_orphan(&id).await.unwrap(), orphans[0]);
        assert!(node.vault.possible_orphans().await.unwrap().is_empty());
        let again = node.vault.forget_orphan(&id).await.unwrap_err();
        assert!(matches!(again, VaultError::NoSuchOrphan { .. }), "{again:?}");
    }
}

#[tokio::test]
async fn a_key_that_lists_show_late_is_an_orphan_with_its_key_once_they_show_it() {
    let node = KmsNode::new().await;
    node.fake.list_late();
    node.fake.fail_next(Operation::CreateKey, 1, Fault::AnswerLost);
    make(&node).await.unwrap_err();
    let orphan = node.fake.keys().remove(0).key_id;
    make(&node).await.unwrap();
    assert_eq!(node.fake.keys().len(), 2, "waited for, and then another one is made");
    assert_eq!(node.vault.possible_orphans().await.unwrap()[0].kms_key_id, None);
    node.fake.list_all();
    let node = node.restarted().await;
    node.vault.reconcile().await.unwrap();
    let orphans = node.vault.possible_orphans().await.unwrap();
    assert_eq!(orphans[0].kms_key_id.as_deref(), Some(orphan.as_str()));
    let key = node.vault.register_kms_signing_key(&orphan, name("found")).await.unwrap();
    assert!(node.vault.possible_orphans().await.unwrap().is_empty(), "registered, it is no orphan");
    node.vault.sign(&hash("a"), key.fingerprint()).await.unwrap();
}

#[tokio::test]
async fn a_creation_that_never_reached_the_kms_is_forgotten_once_that_is_sure() {
    let node = KmsNode::new().await;
    node.fake.fail_next(Operation::CreateKey, 1, Fault::Internal);
    make(&node).await.unwrap_err();
    let node = node.restarted().await;
    node.vault.reconcile().await.unwrap();
    let orphans = node.vault.possible_orphans().await.unwrap();
    assert!(orphans.len() == 1 && orphans[0].lost_at.is_some(), "lists may be behind still: {orphans:?}");
    node.vault.reconcile().await.unwrap();
    assert_eq!(node.vault.possible_orphans().await.unwrap().len(), 1);
    node.clock.advance(Duration::from_secs(3600));
    node.vault.reconcile().await.unwrap();
    assert!(node.vault.possible_orphans().await.unwrap().is_empty());
    assert!(node.fake.keys().is_empty());
}

#[tokio::test]
async fn only_a_key_that_is_in_all_what_was_asked_for_is_adopted() {
    type Spoil = fn(&KmsNode, &KmsKeyId, &str);
    let spoils: [(&str, Spoil); 5] = [
        ("node", |node, key, _| node.fake.set_tag(key, "CantleNode", "participant2")),
        ("maker", |node, key, _| node.fake.set_tag(key, "CreatedBy", "somebody")),
        ("spec", |node, key, id| move_tags(node, key, id, KeySpec::EccNistP384, KeyUsage::SignVerify)),
        ("usage", |node, key, id| move_tags(node, key, id, KeySpec::Rsa2048, KeyUsage::EncryptDecrypt)),
        ("one", |node, key, id| {
            let second = node.fake.add_key(KeySpec::EccNistP256, KeyUsage::SignVerify).key_id;
            node.fake.tags(key).iter().for_each(|(name, value)| node.fake.set_tag(&second, name, value));
            node.fake.set_tag(&second, CREATION_TAG, id);
        }),
    ];
    for (what, spoil) in spoils {
        let (node, key, id) = after_a_lost_answer().await;
        node.fake.allow_all();
        spoil(&node, &key, &id);
        let before = node.fake.keys().len();
        let made = make(&node).await.unwrap();
        assert_eq!(node.fake.keys().len(), before + 1, "{what}: a new key is made");
        assert_ne!(kms_key_of(&node, &made).await, key.as_str(), "{what}");
        let orphans = node.vault.possible_orphans().await.unwrap();
        assert_eq!(orphans.iter().map(|orphan| &orphan.id).collect::<Vec<_>>(), [&id], "{what}");
    }
}

/// Another key gets the tags of the one that was made.
fn move_tags(node: &KmsNode, key: &KmsKeyId, id: &str, spec: KeySpec, usage: KeyUsage) {
    let other = node.fake.add_key(spec, usage).key_id;
    node.fake.tags(key).iter().for_each(|(name, value)| node.fake.set_tag(&other, name, value));
    node.fake.set_tag(key, CREATION_TAG, &format!("not-{id}"));
}

#[tokio::test]
async fn a_key_of_the_journal_that_is_not_visible_yet_after_a_restart_is_waited_for() {
    let node = KmsNode::new().await;
    node.fake.deny(Operation::GetPublicKey);
    let error = make(&node).await.unwrap_err();
    let created = error.created().unwrap().clone();
    node.fake.allow_all();
    node.fake.fail_next(Operation::DescribeKey, 2, Fault::NotFound);
    let node = node.restarted().await;
    node.vault.reconcile().await.unwrap();
    assert_eq!(node.rows().await, (1, 1, 0, 0, KMS));
    assert_eq!(node.fake.keys().len(), 1, "{created} is used");
}

#[tokio::test]
async fn what_became_of_a_key_is_asked_again_when_the_kms_did_not_say() {
    let (node, key, _) = after_a_lost_answer().await;
    node.fake.allow_all();
    node.fake.fail_next(Operation::ListKeys, 1, Fault::Throttled);
    node.vault.reconcile().await.unwrap();
    assert!(
        node.vault.possible_orphans().await.unwrap()[0].lost_at.is_none(),
        "nothing is given up for that"
    );
    node.fake.fail_next(Operation::ListKeys, 1, Fault::ConnectionRefused);
    make(&node).await.unwrap_err();
    assert_eq!(node.fake.keys().len(), 1, "no second key");
    let made = make(&node).await.unwrap();
    assert_eq!(kms_key_of(&node, &made).await, key.as_str());
}

#[tokio::test]
async fn an_orphan_that_the_operator_deletes_in_the_kms_is_forgotten() {
    let node = KmsNode::new().await;
    node.fake.deny(Operation::GetPublicKey);
    let error = make(&node).await.unwrap_err();
    let key = error.created().unwrap().clone();
    node.fake.set_state(&key, KeyState::Disabled);
    node.fake.allow_all();
    node.vault.reconcile().await.unwrap();
    let orphans = node.vault.possible_orphans().await.unwrap();
    assert_eq!(orphans[0].kms_key_id.as_deref(), Some(key.as_str()), "a disabled key costs");
    node.fake.set_state(&key, KeyState::PendingDeletion);
    node.vault.reconcile().await.unwrap();
    assert!(node.vault.possible_orphans().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_creation_under_way_is_no_orphan() {
    let node = KmsNode::with(options(CryptoProvider::Kms)).await;
    node.fake.block(Operation::CreateKey);
    let vault = node.vault.clone();
    let making =
        tokio::spawn(async move { vault.generate_signing_key(name("n"), None, KeyRole::Signing).await });
    crate::support::wait_until(|| async { node.store.creation_list().await.unwrap().len() == 1 }).await;
    assert!(node.vault.possible_orphans().await.unwrap().is_empty());
    let id = node.store.creation_list().await.unwrap()[0].id.clone();
    assert!(node.vault.forget_orphan(&id).await.is_err(), "nor can it be forgotten");
    node.fake.unblock(Operation::CreateKey);
    making.await.unwrap().unwrap();
}
