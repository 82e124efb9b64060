//! Keys made in the KMS, and what remains when that goes wrong.

use cantle_crypto::{EncryptionKeyScheme, SigningKeyScheme};
use cantle_kms::testing::Fault;
use cantle_kms::{KeySpec, KeyState, KeyUsage, MultiRegion, Operation};
use cantle_store::{CryptoProvider, KeyOrigin, KeyStore};
use cantle_types::KeyPurpose;
use cantle_vault::{GenerateError, KeyFilter, KeyRole, SchemeError, Schemes};

use crate::support::{KmsNode, NO_ROWS, file, hash, name, options, rows, wait_until};

#[tokio::test]
async fn keys_have_the_documented_specs_names_and_tags() {
    let mut options = options(CryptoProvider::Kms);
    options.custom_tags = vec![("environment".into(), "test".into()), ("CreatedBy".into(), "me".into())];
    options.multi_region = MultiRegion::Yes;
    let node = KmsNode::with(options).await;
    let vault = &node.vault;
    let (namespace, signing, encryption) = tokio::join!(
        vault.generate_signing_key(name("participant1-namespace"), None, KeyRole::Namespace),
        vault.generate_signing_key(
            name("participant1-signing"),
            Some(SigningKeyScheme::EcDsaP384),
            KeyRole::Signing
        ),
        vault.generate_encryption_key(name("participant1-encryption"), None, KeyRole::Encryption),
    );
    let made = [
        (namespace.unwrap().fingerprint().clone(), "namespace", KeySpec::EccNistP256, KeyUsage::SignVerify),
        (signing.unwrap().fingerprint().clone(), "signing", KeySpec::EccNistP384, KeyUsage::SignVerify),
        (encryption.unwrap().fingerprint().clone(), "encryption", KeySpec::Rsa2048, KeyUsage::EncryptDecrypt),
    ];
    assert_eq!(node.fake.keys().len(), 3);
    for (fingerprint, role, spec, usage) in made {
        let info = vault.private_key(&fingerprint).await.unwrap().unwrap();
        let row = info.kms.unwrap();
        let key = node.fake.keys().into_iter().find(|key| key.key_id.as_str() == row.kms_key_id).unwrap();
        assert_eq!((&key.spec, &key.usage, key.multi_region), (&spec, &usage, true));
        assert_eq!(key.description, format!("participant1-{role}"));
        assert_eq!(row.kms_key_arn.as_deref(), key.arn.as_ref().map(AsRef::as_ref));
        assert_eq!((row.origin, row.key_spec.as_str()), (KeyOrigin::Generated, spec.as_str()));
        let tags = node.fake.tags(&key.key_id);
        let value = |name: &str| {
            tags.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(value("environment"), ["test"]);
        assert_eq!(value("CreatedBy"), ["Cantle"]);
        assert_eq!(value("CantleNode"), ["participant1"]);
        assert_eq!(value("CantleNodeKind"), ["participant"]);
        assert_eq!(value("CantlePurpose"), [role]);
    }
    assert_eq!(node.rows().await, (3, 3, 0, 0, Some(CryptoProvider::Kms)));
}

#[tokio::test]
async fn a_key_takes_three_requests_and_is_found_by_name() {
    let node = KmsNode::new().await;
    let key = node.vault.generate_signing_key(name("n"), None, KeyRole::Other).await.unwrap();
    let counts = node.counted.counts();
    let requests =
        [Operation::CreateKey, Operation::DescribeKey, Operation::GetPublicKey].map(|of| counts.of(of));
    assert_eq!((requests, counts.total()), ([1, 1, 1], 3));
    let found = node.vault.find_by_name(&"n".parse().unwrap(), KeyPurpose::Signing).await.unwrap().unwrap();
    assert_eq!(found.fingerprint(), key.fingerprint());
    let other = node.vault.find_by_name(&"n".parse().unwrap(), KeyPurpose::Encryption).await.unwrap();
    assert!(other.is_none(), "another purpose is another key");
}

#[tokio::test]
async fn a_new_key_that_is_not_visible_yet_is_waited_for() {
    let node = KmsNode::new().await;
    node.fake.hide_new_keys(3);
    node.vault.generate_signing_key(None, None, KeyRole::Signing).await.unwrap();
    assert_eq!(node.fake.keys().len(), 1);
}

#[tokio::test]
async fn schemes_without_kms_keys_or_not_allowed_are_refused_before_any_request() {
    let mut options = options(CryptoProvider::Kms);
    let allowed = vec![SigningKeyScheme::Ed25519, SigningKeyScheme::EcDsaP256];
    options.signing = Schemes::new(CryptoProvider::Kms, None, Some(allowed)).unwrap();
    let node = KmsNode::with(options).await;
    let sign = |scheme| node.vault.generate_signing_key(None, Some(scheme), KeyRole::Other);
    let error = sign(SigningKeyScheme::Ed25519).await.unwrap_err();
    assert!(matches!(error, GenerateError::Scheme(SchemeError::Unsupported { .. })), "{error:?}");
    let error = sign(SigningKeyScheme::EcDsaP384).await.unwrap_err();
    assert!(matches!(error, GenerateError::Scheme(SchemeError::NotAllowed { .. })), "{error:?}");
    let scheme = EncryptionKeyScheme::EciesP256HkdfHmacSha256Aes128Gcm;
    let error = node.vault.generate_encryption_key(None, Some(scheme), KeyRole::Other).await.unwrap_err();
    assert!(error.to_string().contains("rsa-2048-oaep-sha-256"), "{error}");
    assert_eq!(node.counted.counts().total(), 0);
    assert_eq!(node.rows().await, NO_ROWS);
}

#[tokio::test]
async fn a_refused_creation_leaves_nothing_behind() {
    let node = KmsNode::new().await;
    node.fake.deny_tag_resource();
    let error = node.vault.generate_signing_key(name("n"), None, KeyRole::Signing).await.unwrap_err();
    assert!(error.to_string().contains("kms:TagResource"), "{error}");
    assert_eq!(error.created(), None);
    node.fake.allow_all();
    node.fake.deny(Operation::CreateKey);
    let error = node.vault.generate_signing_key(name("n"), None, KeyRole::Signing).await.unwrap_err();
    assert!(error.to_string().contains("kms:CreateKey"), "{error}");
    assert_eq!(node.rows().await, NO_ROWS);
}

#[tokio::test]
async fn a_key_that_could_not_be_read_is_used_by_the_next_attempt_after_a_restart() {
    let node = KmsNode::new().await;
    node.fake.deny(Operation::GetPublicKey);
    let error = node.vault.generate_signing_key(name("n"), None, KeyRole::Signing).await.unwrap_err();
    let created = error.created().cloned().expect("the key was made");
    assert!(error.to_string().contains(created.as_str()), "{error}");
    assert_eq!(node.rows().await, (0, 0, 0, 1, None));

    let node = node.restarted().await;
    node.fake.allow_all();
    let other = node.vault.generate_signing_key(name("other"), None, KeyRole::Signing).await.unwrap();
    assert_eq!(node.fake.keys().len(), 2, "another name is another key");
    let key = node.vault.generate_signing_key(name("n"), None, KeyRole::Signing).await.unwrap();
    assert_ne!(key.fingerprint(), other.fingerprint());
    assert_eq!(node.fake.keys().len(), 2, "no second key for that name");
    let row = node.store.kms_metadata_find(key.fingerprint()).await.unwrap().unwrap();
    assert_eq!(row.kms_key_id, created.as_str());
    assert_eq!(node.rows().await, (2, 2, 0, 0, Some(CryptoProvider::Kms)));
}

#[tokio::test]
async fn an_unfinished_key_that_is_gone_is_not_used() {
    // A disabled key still costs: it stays named.
    for (state, left) in [(KeyState::Disabled, 1), (KeyState::PendingDeletion, 0)] {
        let node = KmsNode::new().await;
        node.fake.deny(Operation::GetPublicKey);
        let error = node.vault.generate_signing_key(name("n"), None, KeyRole::Signing).await.unwrap_err();
        node.fake.set_state(error.created().unwrap(), state);
        node.fake.allow_all();
        node.vault.generate_signing_key(name("n"), None, KeyRole::Signing).await.unwrap();
        assert_eq!(node.fake.keys().len(), 2);
        assert_eq!(node.rows().await, (1, 1, 0, left, Some(CryptoProvider::Kms)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_goes_away_does_not_lose_the_key() {
    let node = KmsNode::new().await;
    node.fake.block(Operation::GetPublicKey);
    let vault = node.vault.clone();
    let caller =
        tokio::spawn(async move { vault.generate_signing_key(name("n"), None, KeyRole::Signing).await });
    wait_until(|| async { node.requests(Operation::CreateKey) == 1 && !node.fake.keys().is_empty() }).await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    node.fake.unblock(Operation::GetPublicKey);
    wait_until(|| async { node.rows().await == (1, 1, 0, 0, Some(CryptoProvider::Kms)) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_cannot_be_stored_is_named_and_used_after_the_store_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.db");
    let node = KmsNode::on(Default::default(), file(&path).await, options(CryptoProvider::Kms)).await;
    node.fake.block(Operation::GetPublicKey);
    let vault = node.vault.clone();
    let caller =
        tokio::spawn(async move { vault.generate_signing_key(name("n"), None, KeyRole::Signing).await });
    let journaled = || async {
        let journal = cantle_store::CreationJournal::creation_list(&node.store).await.unwrap();
        journal.first().is_some_and(|creation| creation.kms_key_id.is_some())
    };
    wait_until(journaled).await;
    node.store.close().await;
    node.fake.unblock(Operation::GetPublicKey);
    let error = caller.await.unwrap().unwrap_err();
    assert!(matches!(error, GenerateError::NotStored { .. }), "{error:?}");
    let created = error.created().unwrap();
    assert!(error.to_string().contains(created.as_str()), "{error}");

    let store = file(&path).await;
    assert_eq!(rows(&store).await, (0, 0, 0, 1, None));
    let node = KmsNode::on(node.fake, store, options(CryptoProvider::Kms)).await;
    let key = node.vault.generate_signing_key(name("n"), None, KeyRole::Signing).await.unwrap();
    assert_eq!(node.fake.keys().len(), 1);
    node.vault.sign(&hash("a"), key.fingerprint()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_one_name_made_side_by_side_are_different_keys() {
    let node = KmsNode::new().await;
    let make = || node.vault.generate_signing_key(name("n"), None, KeyRole::Other);
    let (first, second, third) = tokio::join!(make(), make(), make());
    let mut prints = [first, second, third].map(|key| key.unwrap().fingerprint().clone());
    let oldest = node.vault.private_keys(&KeyFilter::default()).await.unwrap()[0].fingerprint().clone();
    prints.sort();
    assert!(prints[0] != prints[1] && prints[1] != prints[2]);
    let found = node.vault.find_by_name(&"n".parse().unwrap(), KeyPurpose::Signing).await.unwrap().unwrap();
    assert_eq!(found.fingerprint(), &oldest);
}

#[tokio::test]
async fn an_encryption_key_that_was_made_is_tried_out_before_it_is_stored() {
    let node = KmsNode::new().await;
    node.fake.fail_next(Operation::Decrypt, 2, Fault::NotFound);
    node.vault.generate_encryption_key(name("n"), None, KeyRole::Encryption).await.unwrap();
    assert_eq!(node.requests(Operation::Decrypt), 3, "waited for, then tried once");

    node.fake.deny(Operation::Decrypt);
    let error = node.vault.generate_encryption_key(name("m"), None, KeyRole::Encryption).await.unwrap_err();
    let GenerateError::NotTried { kms_key_id, .. } = &error else { panic!("{error:?}") };
    node.fake.allow_all();
    let key = node.vault.generate_encryption_key(name("m"), None, KeyRole::Encryption).await.unwrap();
    let row = node.store.kms_metadata_find(key.fingerprint()).await.unwrap().unwrap();
    assert_eq!((row.kms_key_id.as_str(), node.fake.keys().len()), (kms_key_id.as_str(), 2), "the same key");
}

#[tokio::test]
async fn an_encryption_key_that_does_not_decrypt_is_not_stored_and_stays_named() {
    let node = KmsNode::new().await;
    let other = node.encryption_key().key_id;
    node.fake.block(Operation::Decrypt);
    let vault = node.vault.clone();
    let making =
        tokio::spawn(
            async move { vault.generate_encryption_key(name("n"), None, KeyRole::Encryption).await },
        );
    wait_until(|| async { node.fake.keys().len() == 2 }).await;
    let made = node.fake.keys()[1].key_id.clone();
    node.altered.use_other(&made, &other);
    // A request that is blocked already goes to the key it was sent to; the next one does not.
    node.fake.fail_next(Operation::Decrypt, 1, Fault::NotFound);
    node.fake.unblock(Operation::Decrypt);
    let error = making.await.unwrap().unwrap_err();
    assert!(matches!(error, GenerateError::WrongPlaintext { .. }), "{error:?}");
    assert_eq!(node.rows().await, (0, 0, 0, 1, None));
    let orphans = node.vault.possible_orphans().await.unwrap();
    assert_eq!(orphans[0].kms_key_id.as_deref(), Some(made.as_str()));
    assert!(orphans[0].lost_at.is_some());
}
