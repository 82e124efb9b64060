//! Listing, names, and taking keys in and out.

use cantle_types::KeyPurpose;
use cantle_vault::{
    DeleteError, ExportError, ImportError, KeyFilter, KeyInUse, KeyRole, SignError, VaultError,
};

use crate::support::{KmsNode, NO_ROWS, hash, jce, name, rows};

#[tokio::test]
async fn private_keys_are_those_with_a_private_part_in_order() {
    let node = KmsNode::new().await;
    let vault = &node.vault;
    let mut own = Vec::new();
    for number in 0..3 {
        let key =
            vault.generate_signing_key(name(&format!("own-{number}")), None, KeyRole::Other).await.unwrap();
        own.push(key.fingerprint().clone());
    }
    let encryption = vault.generate_encryption_key(name("own-e"), None, KeyRole::Encryption).await.unwrap();
    let foreign = KmsNode::new().await.vault.generate_signing_key(None, None, KeyRole::Other).await.unwrap();
    let imported = vault.import_public_key(foreign.clone().into(), name("theirs")).await.unwrap();
    assert_eq!(&imported, foreign.fingerprint());

    let listed = |filter: KeyFilter| async move {
        let keys = vault.private_keys(&filter).await.unwrap();
        keys.iter().map(|info| info.fingerprint().clone()).collect::<Vec<_>>()
    };
    assert_eq!(listed(KeyFilter::purpose(KeyPurpose::Signing)).await, own);
    assert_eq!(listed(KeyFilter::purpose(KeyPurpose::Encryption)).await, [encryption.fingerprint().clone()]);
    assert_eq!(listed(KeyFilter { name_substring: "own-1".into(), ..KeyFilter::default() }).await, own[1..2]);
    let by_print = KeyFilter { fingerprint_prefix: own[2].as_str()[..20].into(), ..KeyFilter::default() };
    assert_eq!(listed(by_print).await, own[2..]);
    let public = vault.public_keys(&KeyFilter::default()).await.unwrap();
    assert_eq!(public.len(), 5);
    let unknown = vault.private_key(&imported).await.unwrap();
    assert!(unknown.is_none(), "a public key alone is not a private one");
    assert_eq!(vault.public_key(&imported).await.unwrap().unwrap().name, name("theirs"));
}

#[tokio::test]
async fn a_name_with_only_public_keys_is_an_error_and_own_keys_come_first() {
    let node = KmsNode::new().await;
    let foreign = KmsNode::new().await.vault.generate_signing_key(None, None, KeyRole::Other).await.unwrap();
    node.vault.import_public_key(foreign.clone().into(), name("n")).await.unwrap();
    let wanted = "n".parse().unwrap();
    let error = node.vault.find_by_name(&wanted, KeyPurpose::Signing).await.unwrap_err();
    assert!(
        matches!(&error, VaultError::PrivateKeyMissing { fingerprint, .. } if fingerprint == foreign.fingerprint()),
        "{error:?}"
    );
    let own = node.vault.generate_signing_key(name("n"), None, KeyRole::Signing).await.unwrap();
    let found = node.vault.find_by_name(&wanted, KeyPurpose::Signing).await.unwrap().unwrap();
    assert_eq!(found.fingerprint(), own.fingerprint());
    let nameless = cantle_types::KeyName::none();
    assert!(node.vault.find_by_name(&nameless, KeyPurpose::Signing).await.unwrap().is_none());
}

#[tokio::test]
async fn deleting_removes_local_rows_and_never_the_kms_key() {
    let node = KmsNode::new().await;
    let key = node.vault.generate_signing_key(name("n"), None, KeyRole::Signing).await.unwrap();
    let fingerprint = key.fingerprint();
    node.vault.sign(&hash("a"), fingerprint).await.unwrap();
    let before = node.fake.keys();
    let requests = node.counted.counts().total();

    let in_use = KeyInUse::Yes("the node's namespace".to_owned());
    let error = node.vault.delete_key_pair(fingerprint, in_use).await.unwrap_err();
    assert!(matches!(error, DeleteError::InUse { .. }), "{error:?}");
    assert!(error.to_string().contains("the node's namespace"), "{error}");
    assert_eq!(node.rows().await.1, 1);

    let deleted = node.vault.delete_key_pair(fingerprint, KeyInUse::No).await.unwrap();
    assert_eq!(deleted.kms_key_id.as_deref(), Some(before[0].key_id.as_str()));
    assert!(deleted.to_string().contains("was not deleted"), "{deleted}");
    assert_eq!(node.counted.counts().total(), requests, "the KMS is not asked");
    assert_eq!(node.fake.keys(), before);
    assert_eq!(node.rows().await.0, 0);
    let error = node.vault.sign(&hash("a"), fingerprint).await.unwrap_err();
    assert!(matches!(error, SignError::Key(_)), "a deleted key is forgotten at once: {error:?}");
    let again = node.vault.delete_key_pair(fingerprint, KeyInUse::No).await.unwrap_err();
    assert!(matches!(again, DeleteError::Unknown { .. }), "{again:?}");

    let registered = node.vault.register_kms_signing_key(&before[0].key_id, None).await.unwrap();
    assert_eq!(registered.fingerprint(), fingerprint);
}

#[tokio::test]
async fn key_pairs_stay_in_the_kms() {
    let node = KmsNode::new().await;
    let key = node.vault.generate_signing_key(None, None, KeyRole::Signing).await.unwrap();
    let error = node.vault.export_key_pair(key.fingerprint()).await.unwrap_err();
    assert!(matches!(error, ExportError::Unsupported { .. }), "{error:?}");
    let (vault, _store) = jce().await;
    let soft = vault.generate_signing_key(None, None, KeyRole::Signing).await.unwrap();
    let bytes = vault.export_key_pair(soft.fingerprint()).await.unwrap();
    let before = node.rows().await;
    let error = node.vault.import_key_pair(&bytes, None).await.unwrap_err();
    assert!(matches!(error, ImportError::Unsupported { .. }), "{error:?}");
    assert!(error.to_string().contains("ImportKeyMaterial"), "{error}");
    assert_eq!(node.rows().await, before);
}

#[tokio::test]
async fn key_pairs_move_between_jce_nodes() {
    let ((from, _), (to, store)) = (jce().await, jce().await);
    let signing = from.generate_signing_key(name("s"), None, KeyRole::Signing).await.unwrap();
    let encryption = from.generate_encryption_key(None, None, KeyRole::Encryption).await.unwrap();
    for fingerprint in [signing.fingerprint(), encryption.fingerprint()] {
        let bytes = from.export_key_pair(fingerprint).await.unwrap();
        assert_eq!(&to.import_key_pair(&bytes, name("moved")).await.unwrap(), fingerprint);
        assert_eq!(&to.import_key_pair(&bytes, name("again")).await.unwrap(), fingerprint);
    }
    assert_eq!(rows(&store).await.2, 2);
    let signature = to.sign(&hash("a"), signing.fingerprint()).await.unwrap();
    signing.verify_hash(&hash("a"), &signature).unwrap();
    let plaintext = to.decrypt(&encryption.encrypt(b"x").unwrap(), encryption.fingerprint()).await.unwrap();
    assert_eq!(plaintext.as_slice(), b"x");
    assert_eq!(to.private_keys(&KeyFilter::default()).await.unwrap()[0].name, name("moved"));
}

#[tokio::test]
async fn bytes_that_are_no_key_pair_are_refused() {
    let (vault, store) = jce().await;
    for bytes in [&[][..], &[0xff; 40], b"\x0a\x02\x08\x01"] {
        let error = vault.import_key_pair(bytes, None).await.unwrap_err();
        assert!(matches!(error, ImportError::Unreadable(_)), "{error:?}");
    }
    assert_eq!(rows(&store).await, NO_ROWS);
}
