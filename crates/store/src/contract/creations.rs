//! The journal of KMS key creations.

use cantle_types::KeyPurpose;

use super::samples::{metadata, name, private, signing_key, signing_pair, time};
use crate::{KeyCreation, NodeStore, StoredPrivateKey};

fn creation(id: &str) -> KeyCreation {
    KeyCreation {
        id: id.to_owned(),
        purpose: KeyPurpose::Signing,
        key_spec: "ECC_NIST_P256".to_owned(),
        name: Some(name("participant1-namespace")),
        kms_key_id: None,
        started_at: time(1_700_000_000_000_001),
        lost_at: None,
    }
}

pub(super) async fn journal_follows_a_creation(store: &dyn NodeStore) {
    let (first, second) = (creation("a"), KeyCreation { name: None, ..creation("b") });
    for creation in [&first, &second, &first] {
        store.creation_begin(creation).await.expect("a creation can be written down, twice too");
    }
    assert_eq!(
        store.creation_list().await.expect("the journal can be read"),
        [first.clone(), second.clone()]
    );
    store.creation_made("a", "key-1").await.expect("a key can be noted");
    store.creation_made("unknown", "key-2").await.expect("an unknown id changes nothing");
    let made = KeyCreation { kms_key_id: Some("key-1".to_owned()), ..first };
    assert_eq!(store.creation_list().await.expect("the journal can be read"), [made.clone(), second]);
    for at in [time(1_700_000_000_000_002), time(1_700_000_000_000_003)] {
        store.creation_lost("a", at).await.expect("a creation can be given up, twice too");
    }
    store.creation_lost("unknown", time(1)).await.expect("an unknown id changes nothing");
    let made = KeyCreation { lost_at: Some(time(1_700_000_000_000_002)), ..made };
    for id in ["b", "b", "unknown"] {
        store.creation_end(id).await.expect("an ended creation can be ended");
    }
    assert_eq!(store.creation_list().await.expect("the journal can be read"), [made]);
}

pub(super) async fn storing_the_key_ends_its_creation(store: &dyn NodeStore) {
    for id in ["a", "b"] {
        store.creation_begin(&creation(id)).await.expect("a creation can be written down");
        store.creation_made(id, &format!("key-{id}")).await.expect("a key can be noted");
    }
    let key = signing_key();
    store.kms_key_insert(&key, None, &metadata(&key, "key-a")).await.expect("a new key is stored");
    let left = store.creation_list().await.expect("the journal can be read");
    assert_eq!(left.iter().map(|creation| creation.id.as_str()).collect::<Vec<_>>(), ["b"]);
}

pub(super) async fn using_a_wrapper_key_ends_its_creation(store: &dyn NodeStore) {
    for id in ["a", "b", "c"] {
        store.creation_begin(&creation(id)).await.expect("a creation can be written down");
        store.creation_made(id, &format!("key-{id}")).await.expect("a key can be noted");
    }
    let pair = signing_pair();
    let wrapped = |key: &str| StoredPrivateKey { wrapper_key_id: Some(key.to_owned()), ..private(&pair) };
    store.private_key_insert(&pair.public(), None, &wrapped("key-a")).await.expect("a new key is stored");
    store.private_keys_replace(&[wrapped("key-c")]).await.expect("a stored key is replaced");
    let left = store.creation_list().await.expect("the journal can be read");
    assert_eq!(left.iter().map(|creation| creation.id.as_str()).collect::<Vec<_>>(), ["b"]);
}
