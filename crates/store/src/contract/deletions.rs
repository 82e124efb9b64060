//! The deletions of KMS keys that are not over.

use super::samples::{metadata, signing_key, time};
use crate::{KeyDeletion, NodeStore, StoreError};

pub(super) async fn deletions_follow_what_is_asked_for(store: &dyn NodeStore) {
    let key = signing_key();
    let deletion = KeyDeletion {
        fingerprint: key.fingerprint().clone(),
        pending_window_days: 7,
        requested_at: time(1_700_000_000_000_001),
        deletes_at: None,
    };
    let unknown = store.deletion_begin(&deletion).await.expect_err("a key without KMS metadata is refused");
    assert!(matches!(unknown, StoreError::UnknownKey { .. }), "{unknown:?}");
    store.kms_key_insert(&key, None, &metadata(&key, "key-a")).await.expect("a new key is stored");
    let again = KeyDeletion { pending_window_days: 30, ..deletion.clone() };
    for asked in [&deletion, &again] {
        store.deletion_begin(asked).await.expect("a deletion can be written down, twice too");
    }
    assert_eq!(store.deletion_list().await.expect("deletions can be read"), std::slice::from_ref(&again));
    let deletes_at = time(1_702_592_000_000_000);
    store.deletion_scheduled(key.fingerprint(), deletes_at).await.expect("its time can be noted");
    let scheduled = KeyDeletion { deletes_at: Some(deletes_at), ..again };
    assert_eq!(store.deletion_list().await.expect("deletions can be read"), [scheduled]);
    for _ in 0..2 {
        store.deletion_end(key.fingerprint()).await.expect("a deletion can be ended, twice too");
        store
            .deletion_scheduled(key.fingerprint(), deletes_at)
            .await
            .expect("one that is over changes nothing");
    }
    assert!(store.deletion_list().await.expect("deletions can be read").is_empty());
}

pub(super) async fn a_deleted_key_has_no_deletion_left(store: &dyn NodeStore) {
    let key = signing_key();
    store.kms_key_insert(&key, None, &metadata(&key, "key-a")).await.expect("a new key is stored");
    let deletion = KeyDeletion {
        fingerprint: key.fingerprint().clone(),
        pending_window_days: 30,
        requested_at: time(1_700_000_000_000_001),
        deletes_at: Some(time(1_702_592_000_000_000)),
    };
    store.deletion_begin(&deletion).await.expect("a deletion can be written down");
    assert!(store.key_delete(key.fingerprint()).await.expect("the key can be deleted").kms);
    assert!(store.deletion_list().await.expect("deletions can be read").is_empty());
}
