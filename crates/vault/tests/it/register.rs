//! Keys of the operator, registered by any name of them.

use cantle_crypto::SigningKeyScheme;
use cantle_kms::testing::{ACCOUNT, REGION};
use cantle_kms::{KeySpec, KeyUsage, KmsKeyId, Operation};
use cantle_store::{CryptoProvider, KeyOrigin, KeyStore};
use cantle_types::KeyPurpose;
use cantle_vault::{GenerateError, KeyRole};

use crate::support::{KmsNode, hash, name};

fn alias_arn(alias: &str) -> KmsKeyId {
    KmsKeyId::parse(&format!("arn:aws:kms:{REGION}:{ACCOUNT}:{alias}")).unwrap()
}

#[tokio::test]
async fn the_documented_registration_makes_a_usable_identity() {
    let node = KmsNode::new().await;
    let vault = &node.vault;
    let namespace =
        vault.register_kms_signing_key(&node.signing_key().key_id, name("p-namespace")).await.unwrap();
    let p384 = node.fake.add_key(KeySpec::EccNistP384, KeyUsage::SignVerify).key_id;
    let signing = vault.register_kms_signing_key(&p384, name("p-signing")).await.unwrap();
    let encryption =
        vault.register_kms_encryption_key(&node.encryption_key().key_id, name("p-encryption")).await.unwrap();
    assert_eq!(node.rows().await, (3, 3, 0, 0, Some(CryptoProvider::Kms)));
    for key in [&namespace, &signing] {
        let signature = vault.sign(&hash("a"), key.fingerprint()).await.unwrap();
        key.verify_hash(&hash("a"), &signature).unwrap();
    }
    let ciphertext = encryption.encrypt(b"secret").unwrap();
    let plaintext = vault.decrypt(&ciphertext, encryption.fingerprint()).await.unwrap();
    assert_eq!(plaintext.as_slice(), b"secret");
    let row = node.store.kms_metadata_find(signing.fingerprint()).await.unwrap().unwrap();
    assert_eq!((row.origin, row.key_spec.as_str()), (KeyOrigin::Registered, "ECC_NIST_P384"));
    let found =
        vault.find_by_name(&"p-namespace".parse().unwrap(), KeyPurpose::Signing).await.unwrap().unwrap();
    assert_eq!(found.fingerprint(), namespace.fingerprint());
}

#[tokio::test]
async fn a_key_registered_beforehand_is_what_generate_gives_under_its_name() {
    let node = KmsNode::new().await;
    node.fake.deny(Operation::CreateKey);
    let registered =
        node.vault.register_kms_signing_key(&node.signing_key().key_id, name("p-namespace")).await.unwrap();
    let given = node.vault.generate_signing_key(name("p-namespace"), None, KeyRole::Namespace).await.unwrap();
    assert_eq!(given.fingerprint(), registered.fingerprint());
    assert_eq!(node.rows().await, (1, 1, 0, 0, Some(CryptoProvider::Kms)));

    // Another name, or another scheme than that key's, is another key.
    let other = node.vault.generate_signing_key(name("p-signing"), None, KeyRole::Signing).await;
    assert!(matches!(other, Err(GenerateError::Kms { .. })), "{other:?}");
    let p384 = Some(SigningKeyScheme::EcDsaP384);
    let other = node.vault.generate_signing_key(name("p-namespace"), p384, KeyRole::Namespace).await;
    assert!(matches!(other, Err(GenerateError::Kms { .. })), "{other:?}");
    assert_eq!(node.rows().await.0, 1);
}

#[tokio::test]
async fn registration_asks_no_more_than_the_documented_actions() {
    let node = KmsNode::new().await;
    node.fake.deny(Operation::CreateKey);
    node.fake.deny_tag_resource();
    node.vault.register_kms_signing_key(&node.signing_key().key_id, None).await.unwrap();
    node.vault.register_kms_encryption_key(&node.encryption_key().key_id, None).await.unwrap();
    let counts = node.counted.counts();
    let of = |operation| counts.of(operation);
    assert_eq!(
        [
            of(Operation::DescribeKey),
            of(Operation::GetPublicKey),
            of(Operation::Sign),
            of(Operation::Decrypt)
        ],
        [2, 2, 1, 1]
    );
    assert_eq!(counts.total(), 6);
}

#[tokio::test]
async fn what_is_kept_is_never_an_alias() {
    let node = KmsNode::new().await;
    let keys: Vec<_> = (0..4).map(|_| node.signing_key()).collect();
    node.fake.set_alias("alias/by-name", &keys[2].key_id);
    node.fake.set_alias("alias/by-arn", &keys[3].key_id);
    let arn = |index: usize| keys[index].arn.clone().unwrap();
    let cases = [
        (keys[0].key_id.clone(), keys[0].key_id.clone()),
        (arn(1), arn(1)),
        (KmsKeyId::parse("alias/by-name").unwrap(), keys[2].key_id.clone()),
        (alias_arn("alias/by-arn"), arn(3)),
    ];
    for (given, kept) in cases {
        let key = node.vault.register_kms_signing_key(&given, None).await.unwrap();
        let row = node.store.kms_metadata_find(key.fingerprint()).await.unwrap().unwrap();
        assert_eq!(row.kms_key_id, kept.as_str(), "{given}");
        assert!(row.kms_key_arn.unwrap().starts_with("arn:aws:kms:"));
    }
}

#[tokio::test]
async fn repointing_an_alias_later_changes_nothing() {
    let node = KmsNode::new().await;
    let (first, second) = (node.signing_key().key_id, node.signing_key().key_id);
    node.fake.set_alias("alias/namespace", &first);
    let alias = KmsKeyId::parse("alias/namespace").unwrap();
    let key = node.vault.register_kms_signing_key(&alias, None).await.unwrap();
    node.fake.set_alias("alias/namespace", &second);
    let signature = node.vault.sign(&hash("a"), key.fingerprint()).await.unwrap();
    key.verify_hash(&hash("a"), &signature).unwrap();
    let other = node.vault.register_kms_signing_key(&alias, None).await.unwrap();
    assert_ne!(other.fingerprint(), key.fingerprint(), "registered anew it is the other key");
    assert_eq!(node.rows().await.1, 2);
}

#[tokio::test]
async fn one_kms_key_under_many_names_is_one_key() {
    let node = KmsNode::new().await;
    let metadata = node.signing_key();
    node.fake.set_alias("alias/a", &metadata.key_id);
    let names = [
        metadata.key_id.clone(),
        metadata.arn.clone().unwrap(),
        KmsKeyId::parse("alias/a").unwrap(),
        alias_arn("alias/a"),
    ];
    let mut prints = Vec::new();
    for (number, given) in names.iter().enumerate() {
        let key = node.vault.register_kms_signing_key(given, name(&format!("name-{number}"))).await.unwrap();
        prints.push(key.fingerprint().clone());
    }
    prints.dedup();
    assert_eq!(prints.len(), 1);
    assert_eq!(node.rows().await, (1, 1, 0, 0, Some(CryptoProvider::Kms)));
    let info = node.vault.private_key(&prints[0]).await.unwrap().unwrap();
    assert_eq!(info.name, name("name-0"), "the first name stays");
    assert_eq!(info.kms.unwrap().kms_key_id, metadata.key_id.as_str());
}

#[tokio::test]
async fn a_missing_name_is_filled_in_by_a_second_registration() {
    let node = KmsNode::new().await;
    let metadata = node.encryption_key();
    let key = node.vault.register_kms_encryption_key(&metadata.key_id, name("")).await.unwrap();
    node.vault.register_kms_encryption_key(&metadata.arn.unwrap(), name("late")).await.unwrap();
    let info = node.vault.private_key(key.fingerprint()).await.unwrap().unwrap();
    assert_eq!(info.name, name("late"));
}

#[tokio::test]
async fn a_generated_key_registered_again_stays_generated() {
    let node = KmsNode::new().await;
    let key = node.vault.generate_signing_key(name("n"), None, KeyRole::Signing).await.unwrap();
    let arn = node.fake.keys().remove(0).arn.unwrap();
    let again = node.vault.register_kms_signing_key(&arn, name("m")).await.unwrap();
    assert_eq!(again.fingerprint(), key.fingerprint());
    let row = node.store.kms_metadata_find(key.fingerprint()).await.unwrap().unwrap();
    assert_eq!(row.origin, KeyOrigin::Generated);
}

#[tokio::test]
async fn a_key_of_another_account_is_used_by_its_arn() {
    let node = KmsNode::new().await;
    let arn =
        node.fake.add_foreign_key(KeySpec::EccNistP256, KeyUsage::SignVerify, "999988887777").arn.unwrap();
    let key = node.vault.register_kms_signing_key(&arn, None).await.unwrap();
    let row = node.store.kms_metadata_find(key.fingerprint()).await.unwrap().unwrap();
    assert_eq!((row.kms_key_id.as_str(), row.kms_key_arn.as_deref()), (arn.as_str(), Some(arn.as_str())));
    node.vault.sign(&hash("a"), key.fingerprint()).await.unwrap();
}
