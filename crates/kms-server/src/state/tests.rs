//! What survives: every prefix of the log, torn frames, damage, compaction.

use std::{path::Path, sync::Arc};

use proptest::prelude::*;

use super::{
    change::Alias,
    key::{Home, Key, KeyId, Status, Tag},
    log::StateError,
    store::Store,
};
use crate::{
    error::KmsError,
    keys::{
        material::random_bytes,
        spec::{KeySpec, KeyUsage, Origin},
    },
};

fn home() -> Arc<Home> {
    Arc::new(Home::new("111122223333", "us-east-1"))
}

fn create(store: &Store, description: &str) -> KeyId {
    let key = Key {
        id: KeyId::random(false),
        spec: KeySpec::SymmetricDefault,
        usage: KeyUsage::EncryptDecrypt,
        origin: Origin::AwsKms,
        status: Status::Enabled,
        created_ms: 1,
        description: description.into(),
        tags: vec![Tag { key: "a".into(), value: "b".into() }].into(),
        material: None,
        policy: None,
        extra: None,
        home: home(),
    };
    let id = key.id;
    store
        .write(|transaction| {
            let mut key = key;
            key.material = Some(transaction.add_material(random_bytes(32).unwrap()));
            transaction.put_key(key);
            let alias = Alias { target: id, created_ms: 1, updated_ms: 1 };
            transaction.put_alias(&home(), &format!("alias/{description}"), alias);
            Ok(())
        })
        .unwrap();
    id
}

fn describe(store: &Store, id: &KeyId, description: &str) {
    store
        .write(|transaction| {
            let mut key = (*transaction.key(&home(), id)?).clone();
            key.description = description.into();
            transaction.put_key(key);
            Ok(())
        })
        .unwrap();
}

/// Keys by description, with their secrets; and the aliases.
fn contents(store: &Store) -> Vec<(String, Vec<u8>, Vec<Box<str>>)> {
    let partition = store.partition("111122223333", "us-east-1");
    let mut contents: Vec<_> = partition
        .keys_after(None, usize::MAX)
        .iter()
        .map(|key| {
            let secret = store.material_bytes(key.material.as_ref().unwrap()).unwrap();
            (key.description.to_string(), secret.to_vec(), partition.alias_names(&key.id))
        })
        .collect();
    contents.sort();
    contents
}

fn length(path: &Path) -> usize {
    usize::try_from(std::fs::metadata(path).unwrap().len()).unwrap()
}

#[tokio::test]
async fn every_cut_of_the_log_leaves_what_was_answered_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let store = Store::open(&path).unwrap();
    assert!(store.durable(store.position()).await);
    // After each answered change: how long the file was and what it said.
    let mut answered = vec![(length(&path), contents(&store))];
    for number in 0..3 {
        let id = create(&store, &format!("key{number}"));
        assert!(store.durable(store.position()).await);
        answered.push((length(&path), contents(&store)));
        describe(&store, &id, &format!("renamed{number}"));
        assert!(store.durable(store.position()).await);
        answered.push((length(&path), contents(&store)));
    }
    drop(store);
    let whole = std::fs::read(&path).unwrap();
    let cut_path = folder.path().join("cut");
    for cut in 0..=whole.len() {
        std::fs::write(&cut_path, &whole[..cut]).unwrap();
        let reopened = Store::open(&cut_path).unwrap();
        let expected = answered.iter().rev().find(|(length, _)| *length <= cut);
        let expected = expected.map_or(&[][..], |(_, contents)| contents);
        assert_eq!(contents(&reopened), expected, "cut at {cut}");
        // What is written behind a cut is found again.
        if cut % 97 == 0 {
            create(&reopened, "after");
            reopened.close();
            drop(reopened);
            assert_eq!(contents(&Store::open(&cut_path).unwrap()).len(), expected.len() + 1);
        }
    }
}

#[tokio::test]
async fn zeroes_at_the_end_are_cut_off_and_damage_inside_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let store = Store::open(&path).unwrap();
    create(&store, "one");
    create(&store, "two");
    assert!(store.durable(store.position()).await);
    let expected = contents(&store);
    drop(store);
    let mut whole = std::fs::read(&path).unwrap();
    let sound = whole.len();
    whole.extend([0; 4096]);
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(contents(&Store::open(&path).unwrap()), expected);
    assert_eq!(length(&path), sound);
    whole.truncate(sound);
    whole[100] ^= 1;
    std::fs::write(&path, &whole).unwrap();
    assert!(matches!(Store::open(&path), Err(StateError::Damaged { .. })));
    std::fs::write(&path, b"something else entirely").unwrap();
    assert!(matches!(Store::open(&path), Err(StateError::NotAStateFile { .. })));
}

#[test]
fn a_file_serves_one_store_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let _first = Store::open(&path).unwrap();
    assert!(matches!(Store::open(&path), Err(StateError::InUse { .. })));
}

#[test]
fn waste_is_removed_at_the_next_opening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let store = Store::open(&path).unwrap();
    let id = create(&store, "one");
    let long = "x".repeat(8000);
    for number in 0..300 {
        describe(&store, &id, &format!("{number}{long}"));
    }
    let expected = contents(&store);
    let secret = store.secret().to_vec();
    drop(store);
    assert!(length(&path) > 1 << 20);
    let reopened = Store::open(&path).unwrap();
    assert_eq!(contents(&reopened), expected);
    assert_eq!(reopened.secret(), secret);
    drop(reopened);
    assert!(length(&path) < 20_000, "{}", length(&path));
    assert_eq!(contents(&Store::open(&path).unwrap()), expected);
}

#[test]
fn a_refused_change_changes_nothing() {
    let store = Store::in_memory().unwrap();
    let id = create(&store, "one");
    let refused = store.write(|transaction| {
        let mut key = (*transaction.key(&home(), &id)?).clone();
        key.description = "changed".into();
        transaction.put_key(key);
        Err::<(), _>(KmsError::validation("no"))
    });
    assert!(refused.is_err());
    assert_eq!(contents(&store)[0].0, "one");
}

#[test]
fn deleting_a_key_takes_its_aliases_along() {
    let store = Store::in_memory().unwrap();
    let id = create(&store, "one");
    store
        .write(|transaction| {
            let key = transaction.key(&home(), &id)?;
            transaction.remove_key(&key);
            Ok(())
        })
        .unwrap();
    let partition = store.partition("111122223333", "us-east-1");
    assert!(partition.key(&id).is_none());
    assert!(partition.alias("alias/one").is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_open_or_are_refused_without_a_panic(tail in proptest::collection::vec(any::<u8>(), 0..300)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        drop(Store::open(&path).unwrap());
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend(tail);
        std::fs::write(&path, &bytes).unwrap();
        drop(Store::open(&path));
    }
}
