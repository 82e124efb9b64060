//! Public keys, KMS metadata and private keys.

use std::sync::Arc;

use cantle_crypto::{CryptoKeyFormat, EncryptionKeyScheme, EncryptionPublicKey, PublicKey};
use cantle_types::KeyName;

use super::samples::{encryption_pair, fingerprint, metadata, name, private, signing_key, signing_pair};
use crate::{
    Conflict, CryptoProvider, Deletion, Insertion, KeyOrigin, NodeStore, StoreError, StoredPrivateKey,
};

pub(super) async fn public_keys_keep_order_and_first_name(store: &dyn NodeStore) {
    let keys = [signing_key(), encryption_pair().public(), signing_key()];
    let named = name("first");
    let insertions = [
        store.public_key_insert(&keys[0], Some(&named)).await,
        store.public_key_insert(&keys[1], None).await,
        store.public_key_insert(&keys[2], Some(&KeyName::none())).await,
    ];
    for insertion in insertions {
        assert_eq!(insertion.expect("a new key is stored"), Insertion::Inserted);
    }
    let again =
        store.public_key_insert(&keys[0], Some(&name("second"))).await.expect("a known key is no error");
    assert_eq!(again, Insertion::Existing { name: Some(named.clone()) }, "the first name stays");
    let again =
        store.public_key_insert(&keys[1], Some(&name("late"))).await.expect("a known key is no error");
    assert_eq!(again, Insertion::Existing { name: Some(name("late")) }, "a missing name is filled in");

    let listed = store.public_key_list().await.expect("keys can be listed");
    let expected = [(&keys[0], Some(named)), (&keys[1], Some(name("late"))), (&keys[2], None)];
    assert_eq!(listed.len(), expected.len());
    for (stored, (key, name)) in listed.iter().zip(expected) {
        assert_eq!((&stored.key, &stored.name), (key, &name));
        let found = store.public_key_find(key.fingerprint()).await.expect("a key can be read");
        assert_eq!(found.map(|found| found.key).as_ref(), Some(key));
    }
    let unknown = store.public_key_find(&fingerprint("unknown")).await.expect("a missing key is no error");
    assert!(unknown.is_none());
}

pub(super) async fn public_key_of_other_scheme_conflicts(store: &dyn NodeStore) {
    let key = encryption_pair().public();
    store.public_key_insert(&key, None).await.expect("a new key is stored");
    let bytes = key.as_encryption().expect("the sample is an encryption key").bytes();
    let scheme = EncryptionKeyScheme::EciesP256HmacSha256Aes128Cbc;
    let other =
        EncryptionPublicKey::new(CryptoKeyFormat::Der, bytes, scheme).expect("the key is on that curve");
    let other = PublicKey::from(other);
    assert_eq!(other.fingerprint(), key.fingerprint(), "the fingerprint does not tell the scheme");
    let error = store.public_key_insert(&other, None).await.expect_err("another key of that fingerprint");
    assert!(matches!(error, StoreError::Conflict(Conflict::PublicKey { .. })), "{error:?}");
    let listed = store.public_key_list().await.expect("keys can be listed");
    assert_eq!(listed.into_iter().map(|stored| stored.key).collect::<Vec<_>>(), [key]);
}

pub(super) async fn renaming_needs_the_key(store: &dyn NodeStore) {
    let key = signing_key();
    let error = store.public_key_rename(key.fingerprint(), None).await.expect_err("there is no such key");
    assert!(matches!(error, StoreError::UnknownKey { .. }), "{error:?}");
    store.public_key_insert(&key, Some(&name("old"))).await.expect("a new key is stored");
    for new in [Some(name("new")), None] {
        store.public_key_rename(key.fingerprint(), new.as_ref()).await.expect("a key can be renamed");
        let found = store.public_key_find(key.fingerprint()).await.expect("a key can be read");
        assert_eq!(found.expect("the key is there").name, new);
    }
}

pub(super) async fn names_of_any_characters_survive(store: &dyn NodeStore) {
    for text in ["a'b\"c;--", "line\nbreak\ttab", "ü€😀", "%_\\", &"x".repeat(300)] {
        let key = signing_key();
        store.public_key_insert(&key, Some(&name(text))).await.expect("a new key is stored");
        let found = store.public_key_find(key.fingerprint()).await.expect("a key can be read");
        assert_eq!(found.expect("the key is there").name, Some(name(text)));
    }
}

pub(super) async fn kms_key_is_stored_whole_once(store: &dyn NodeStore) {
    let key = signing_key();
    let row = metadata(&key, "id-1");
    let first = store.kms_key_insert(&key, None, &row).await.expect("a new key is stored");
    assert_eq!(first, Insertion::Inserted);
    let mut other = metadata(&key, "id-2");
    other.created_at = super::samples::time(7);
    let again = store.kms_key_insert(&key, Some(&name("n")), &other).await.expect("a known key is no error");
    assert_eq!(again, Insertion::Existing { name: Some(name("n")) });
    let again = store.kms_key_insert(&key, Some(&name("m")), &row).await.expect("a known key is no error");
    assert_eq!(again, Insertion::Existing { name: Some(name("n")) });
    let found = store.kms_metadata_find(key.fingerprint()).await.expect("metadata can be read");
    assert_eq!(found.as_ref(), Some(&row), "the first metadata stays");
    assert_eq!(store.kms_metadata_list().await.expect("metadata can be listed"), [row]);
    assert_eq!(store.public_key_list().await.expect("keys can be listed").len(), 1);
}

pub(super) async fn kms_key_takes_over_an_imported_public_key(store: &dyn NodeStore) {
    let key = signing_key();
    store.public_key_insert(&key, Some(&name("imported"))).await.expect("a new key is stored");
    let insertion = store.kms_key_insert(&key, Some(&name("own")), &metadata(&key, "id-1")).await;
    assert_eq!(insertion.expect("the private part is new"), Insertion::Inserted);
    let found = store.public_key_find(key.fingerprint()).await.expect("a key can be read");
    assert_eq!(found.expect("the key is there").name, Some(name("own")));
}

pub(super) async fn kms_key_behind_two_public_keys_conflicts_and_stores_nothing(store: &dyn NodeStore) {
    let (first, second) = (signing_key(), signing_key());
    store.kms_key_insert(&first, None, &metadata(&first, "id-1")).await.expect("a new key is stored");
    let error = store
        .kms_key_insert(&second, None, &metadata(&second, "id-1"))
        .await
        .expect_err("one KMS key, two keys");
    assert!(matches!(error, StoreError::Conflict(Conflict::KmsKey { .. })), "{error:?}");
    assert_eq!(store.public_key_list().await.expect("keys can be listed").len(), 1);
    assert_eq!(store.kms_metadata_list().await.expect("metadata can be listed").len(), 1);
}

pub(super) async fn private_key_is_stored_whole_once(store: &dyn NodeStore) {
    for pair in [signing_pair(), encryption_pair()] {
        let (public, row) = (pair.public(), private(&pair));
        let first =
            store.private_key_insert(&public, Some(&name("n")), &row).await.expect("a new key is stored");
        assert_eq!(first, Insertion::Inserted);
        let again =
            store.private_key_insert(&public, Some(&name("m")), &row).await.expect("a known key is no error");
        assert_eq!(again, Insertion::Existing { name: Some(name("n")) });
        let found = store.private_key_find(public.fingerprint()).await.expect("a key can be read");
        let found = found.expect("the key is there");
        assert_eq!((&found.key, found.purpose), (&row.key, row.purpose));
        assert!(format!("{found:?}").contains("[REDACTED]"));
    }
    let listed = store.private_key_list().await.expect("keys can be listed");
    assert_eq!(listed.len(), 2);
}

pub(super) async fn private_keys_are_replaced_together_or_not_at_all(store: &dyn NodeStore) {
    let (first, second, unknown) = (signing_pair(), encryption_pair(), signing_pair());
    for pair in [&first, &second] {
        store.private_key_insert(&pair.public(), Some(&name("n")), &private(pair)).await.expect("a new key");
    }
    let sealed = |pair| StoredPrivateKey {
        key: vec![7; 64].into(),
        wrapper_key_id: Some("wrapper".to_owned()),
        ..private(pair)
    };
    let error = store
        .private_keys_replace(&[sealed(&first), sealed(&unknown)])
        .await
        .expect_err("one of them is not stored");
    assert!(matches!(&error, StoreError::UnknownKey { fingerprint } if fingerprint == unknown.fingerprint()));
    let find = async |pair: &cantle_crypto::KeyPair| {
        let found = store.private_key_find(pair.fingerprint()).await.expect("a key can be read");
        found.expect("the key is there")
    };
    assert_eq!(find(&first).await.key, first.to_versioned_bytes(), "nothing of a refused change is stored");
    store.private_keys_replace(&[sealed(&first), sealed(&second)]).await.expect("both are stored");
    for pair in [&first, &second] {
        let found = find(pair).await;
        assert_eq!(*found.key, vec![7; 64]);
        assert_eq!(found.wrapper_key_id.as_deref(), Some("wrapper"));
    }
    store.remains_erase().await.expect("what is left can be erased");
    store.private_keys_replace(&[private(&first)]).await.expect("a key can be stored in clear again");
    assert_eq!(find(&first).await.key, first.to_versioned_bytes());
    assert_eq!(find(&second).await.wrapper_key_id.as_deref(), Some("wrapper"));
    assert_eq!(store.public_key_list().await.expect("keys can be listed").len(), 2);
}

pub(super) async fn keys_move_to_a_kms_and_back(store: &dyn NodeStore) {
    let (used, unused) = (signing_pair(), signing_pair());
    for pair in [&used, &unused] {
        store.private_key_insert(&pair.public(), Some(&name("n")), &private(pair)).await.expect("a new key");
    }
    let taken = metadata(&used.public(), "id-1");
    let error = store
        .keys_move_to_kms(&[taken.clone(), metadata(&unused.public(), "id-1")], &[])
        .await
        .expect_err("one KMS key, two keys");
    assert!(matches!(error, StoreError::Conflict(Conflict::KmsKey { .. })), "{error:?}");
    assert_eq!(store.provider_find().await.expect("the provider can be read"), Some(CryptoProvider::Jce));
    assert_eq!(store.private_key_list().await.expect("keys can be listed").len(), 2);

    let moved = crate::KmsMetadata { origin: KeyOrigin::Imported, ..taken };
    store.keys_move_to_kms(std::slice::from_ref(&moved), &[]).await.expect("keys move");
    assert_eq!(store.provider_find().await.expect("the provider can be read"), Some(CryptoProvider::Kms));
    assert!(store.private_key_list().await.expect("keys can be listed").is_empty());
    let listed = store.kms_metadata_list().await.expect("metadata can be listed");
    assert_eq!(listed, std::slice::from_ref(&moved));
    assert_eq!(store.public_key_list().await.expect("keys can be listed").len(), 2, "public keys stay");
    let again = store.keys_move_to_kms(std::slice::from_ref(&moved), &[]).await.expect_err("they have moved");
    assert!(matches!(again, StoreError::Conflict(Conflict::Provider { .. })), "{again:?}");

    store.keys_move_to_store(&[private(&used)]).await.expect("keys move back");
    assert_eq!(store.provider_find().await.expect("the provider can be read"), Some(CryptoProvider::Jce));
    assert!(store.kms_metadata_list().await.expect("metadata can be listed").is_empty());
    let found = store.private_key_find(used.fingerprint()).await.expect("a key can be read");
    assert_eq!(found.expect("the key is there").key, used.to_versioned_bytes());
    let again = store.keys_move_to_store(&[]).await.expect_err("they have moved back");
    assert!(matches!(again, StoreError::Conflict(Conflict::Provider { .. })), "{again:?}");

    // One that is kept stays, and does not stand in the way back.
    store.private_key_insert(&unused.public(), None, &private(&unused)).await.expect("a key can be stored");
    store.keys_move_to_kms(&[moved], &[unused.fingerprint().clone()]).await.expect("keys move");
    let kept = store.private_key_list().await.expect("keys can be listed");
    assert_eq!(kept.iter().map(|entry| &entry.fingerprint).collect::<Vec<_>>(), [unused.fingerprint()]);
    store.keys_move_to_store(&[private(&used), private(&unused)]).await.expect("keys move back");
    assert_eq!(store.private_key_list().await.expect("keys can be listed").len(), 2);
}

pub(super) async fn first_key_claims_the_provider(store: &dyn NodeStore) {
    let foreign = signing_key();
    store.public_key_insert(&foreign, None).await.expect("a new key is stored");
    assert_eq!(
        store.provider_find().await.expect("the provider can be read"),
        None,
        "a public key claims nothing"
    );
    let pair = signing_pair();
    store.private_key_insert(&pair.public(), None, &private(&pair)).await.expect("a new key is stored");
    assert_eq!(store.provider_find().await.expect("the provider can be read"), Some(CryptoProvider::Jce));
    let key = signing_key();
    let error =
        store.kms_key_insert(&key, None, &metadata(&key, "id-1")).await.expect_err("the other provider");
    assert!(
        matches!(
            error,
            StoreError::Conflict(Conflict::Provider {
                recorded: CryptoProvider::Jce,
                wanted: CryptoProvider::Kms
            })
        ),
        "{error:?}"
    );
    let found = store.public_key_find(key.fingerprint()).await.expect("a key can be read");
    assert!(found.is_none(), "nothing of a refused key is stored");
}

pub(super) async fn deletion_removes_all_rows_of_one_key(store: &dyn NodeStore) {
    let (deleted, kept) = (signing_pair(), signing_pair());
    for pair in [&deleted, &kept] {
        store.private_key_insert(&pair.public(), None, &private(pair)).await.expect("a new key is stored");
    }
    let deletion = store.key_delete(deleted.fingerprint()).await.expect("a key can be deleted");
    assert_eq!(deletion, Deletion { public: true, private: true, kms: false });
    let again = store.key_delete(deleted.fingerprint()).await.expect("a missing key is no error");
    assert_eq!(again, Deletion::default());
    assert!(store.private_key_find(deleted.fingerprint()).await.expect("a key can be read").is_none());
    assert!(store.public_key_find(deleted.fingerprint()).await.expect("a key can be read").is_none());
    assert!(store.private_key_find(kept.fingerprint()).await.expect("a key can be read").is_some());
}

pub(super) async fn concurrent_insertions_store_one_key(store: Arc<dyn NodeStore>) {
    let key = signing_key();
    let tasks = (0..8).map(|number| {
        let (store, key) = (Arc::clone(&store), key.clone());
        tokio::spawn(async move {
            store.kms_key_insert(&key, Some(&name(&format!("n{number}"))), &metadata(&key, "id")).await
        })
    });
    let mut inserted = 0;
    for task in tasks.collect::<Vec<_>>() {
        let insertion = task.await.expect("the task ends").expect("the same key is no error");
        inserted += usize::from(insertion == Insertion::Inserted);
    }
    assert_eq!(inserted, 1);
    assert_eq!(store.kms_metadata_list().await.expect("metadata can be listed").len(), 1);
}
