//! Provider jce with a wrapper key: what is stored, how it changes, and what is refused.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cantle_crypto::{EncryptionKeyScheme, SigningKeyScheme};
use cantle_kms::testing::{FakeKms, Fault};
use cantle_kms::{KeySpec, KeyState, KeyUsage, KmsKeyId, Operation};
use cantle_store::{CreationJournal, CryptoProvider, KeyStore, RoleSetting, RoleStore, SqliteStore};
use cantle_types::Fingerprint;
use cantle_vault::{KeyFilter, KeyRole, Vault, VaultBackend, WrapperKeyError, Wrapping};

use crate::support::{file, hash, name, open, options};

const NEW: Wrapping = Wrapping::Encrypted(None);

/// Whether an error is the one that is expected.
type Expected = fn(&WrapperKeyError) -> bool;

/// A node's database and KMS, between its starts.
struct Place {
    folder: tempfile::TempDir,
    kms: Arc<FakeKms>,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), kms: Arc::new(FakeKms::new()) }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("node.db")
    }

    /// Starts the node with a wrapper key, or with none where nothing is wanted.
    async fn start(&self, wanted: Option<Wrapping>) -> Result<(Vault, SqliteStore), WrapperKeyError> {
        let store = file(&self.path()).await;
        let kms = Arc::clone(&self.kms);
        let backend = if wanted.is_some() { VaultBackend::JceWrapped(kms) } else { VaultBackend::Jce };
        let vault = open(&store, backend, options(CryptoProvider::Jce)).await.unwrap();
        match vault.prepare_private_keys(wanted).await {
            Ok(()) => Ok((vault, store)),
            Err(error) => {
                store.close().await;
                Err(error)
            }
        }
    }

    async fn with_clear_keys(&self) -> Vec<(Fingerprint, Vec<u8>)> {
        let (vault, store) = self.start(None).await.unwrap();
        for scheme in SigningKeyScheme::ALL {
            vault.generate_signing_key(name("s"), Some(*scheme), KeyRole::Signing).await.unwrap();
        }
        for scheme in EncryptionKeyScheme::ALL {
            vault.generate_encryption_key(None, Some(*scheme), KeyRole::Encryption).await.unwrap();
        }
        let secrets = secrets(&vault).await;
        store.close().await;
        secrets
    }

    fn wrapper_key(&self) -> KmsKeyId {
        self.kms.add_key(KeySpec::SymmetricDefault, KeyUsage::EncryptDecrypt).key_id
    }
}

/// Each private key with its secret bytes, which must not be found anywhere.
async fn secrets(vault: &Vault) -> Vec<(Fingerprint, Vec<u8>)> {
    let mut secrets = Vec::new();
    for info in vault.private_keys(&KeyFilter::default()).await.unwrap() {
        let exported = vault.export_key_pair(info.fingerprint()).await.unwrap();
        let pair = cantle_crypto::KeyPair::from_versioned_bytes(&exported).unwrap();
        let secret = match &pair {
            cantle_crypto::KeyPair::Signing(key) => key.secret_bytes(),
            cantle_crypto::KeyPair::Encryption(key) => key.secret_bytes(),
        };
        // Around the private number PKCS#8 is alike for all keys, or public.
        let private = match secret.len() {
            32 => 4..28,
            ..300 => 40..64,
            _ => 600..624,
        };
        secrets.push((info.fingerprint().clone(), secret[private].to_vec()));
    }
    secrets
}

/// How many of the secrets are in any file of a folder.
fn found(folder: &Path, secrets: &[(Fingerprint, Vec<u8>)]) -> usize {
    let files: Vec<Vec<u8>> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
        .collect();
    let is_in =
        |secret: &[u8]| files.iter().any(|file| file.windows(secret.len()).any(|part| part == secret));
    secrets.iter().filter(|(_, secret)| is_in(secret)).count()
}

async fn wrappers(vault: &Vault) -> Vec<Option<String>> {
    let infos = vault.private_keys(&KeyFilter::default()).await.unwrap();
    infos.into_iter().map(|info| info.wrapper_key_id).collect()
}

#[tokio::test]
async fn clear_keys_are_encrypted_at_the_next_start_and_no_file_has_them_any_more() {
    let place = Place::new();
    let secrets = place.with_clear_keys().await;
    assert_eq!(secrets.len(), 6);
    assert_eq!(found(place.folder.path(), &secrets), 6, "the search finds what is in clear");

    let (vault, store) = place.start(Some(NEW)).await.unwrap();
    assert_eq!(found(place.folder.path(), &secrets), 0, "while the node runs");
    let key = vault.wrapper_key_id().await.unwrap();
    assert_eq!(wrappers(&vault).await, vec![Some(key.to_string()); 6]);
    let made = place.kms.keys().remove(0);
    assert_eq!((&made.key_id, made.description.as_str()), (&key, "participant1-wrapper"));
    let tags = place.kms.tags(&key);
    assert!(tags.contains(&("CantlePurpose".to_owned(), "wrapper".to_owned())), "{tags:?}");
    assert!(store.creation_list().await.unwrap().is_empty(), "the key is known by its use");
    let later = vault.generate_signing_key(name("later"), None, KeyRole::Signing).await.unwrap();
    let bytes = vault.export_key_pair(later.fingerprint()).await.unwrap();
    vault.import_key_pair(&bytes, None).await.unwrap();
    store.close().await;

    let (vault, store) = place.start(Some(NEW)).await.unwrap();
    let all = crate::wrapping::secrets(&vault).await;
    assert_eq!(all.len(), 7);
    for (fingerprint, _) in &all {
        let info = vault.private_key(fingerprint).await.unwrap().unwrap();
        match &info.public {
            cantle_crypto::PublicKey::Signing(public) => {
                let signature = vault.sign(&hash("a"), fingerprint).await.unwrap();
                public.verify_hash(&hash("a"), &signature).unwrap();
            }
            cantle_crypto::PublicKey::Encryption(public) => {
                let ciphertext = public.encrypt(b"secret").unwrap();
                assert_eq!(vault.decrypt(&ciphertext, fingerprint).await.unwrap().as_slice(), b"secret");
            }
        }
    }
    assert_eq!(found(place.folder.path(), &all), 0);
    store.close().await;
    assert_eq!(found(place.folder.path(), &all), 0, "and after it has stopped");
    assert_eq!(place.kms.keys().len(), 1, "no second wrapper key was made");
}

#[tokio::test]
async fn what_an_earlier_start_left_in_the_files_is_erased_by_the_next() {
    let place = Place::new();
    let secrets = place.with_clear_keys().await;
    let (_, store) = place.start(Some(NEW)).await.unwrap();
    // As after a crash between the encryption and the erasing.
    store.setting_put(&RoleSetting::PrivateKeyRemains, b"clear").await.unwrap();
    store.close().await;
    let (_, store) = place.start(Some(NEW)).await.unwrap();
    assert_eq!(store.setting_find(&RoleSetting::PrivateKeyRemains).await.unwrap().unwrap(), b"");
    assert_eq!(found(place.folder.path(), &secrets), 0);
    store.close().await;
}

#[tokio::test]
async fn a_wrapper_key_is_named_by_id_arn_or_alias_and_kept_by_id() {
    let place = Place::new();
    let key = place.wrapper_key();
    place.kms.set_alias("alias/wrapper", &key);
    let alias = KmsKeyId::parse("alias/wrapper").unwrap();
    let (vault, store) = place.start(Some(Wrapping::Encrypted(Some(alias.clone())))).await.unwrap();
    vault.generate_signing_key(None, None, KeyRole::Signing).await.unwrap();
    assert_eq!(vault.wrapper_key_id().await.unwrap(), key);
    store.close().await;
    // The alias points elsewhere now: the key in the store counts.
    let other = place.wrapper_key();
    place.kms.set_alias("alias/wrapper", &other);
    let (vault, store) = place.start(Some(Wrapping::Encrypted(Some(alias.clone())))).await.unwrap();
    assert_eq!(vault.wrapper_key_id().await.unwrap(), key);
    assert_eq!(vault.rotate_wrapper_key(Some(alias)).await.unwrap(), other);
    assert_eq!(wrappers(&vault).await, [Some(other.to_string())]);
    store.close().await;
}

#[tokio::test]
async fn rotation_encrypts_all_keys_anew_and_survives_the_old_key() {
    let place = Place::new();
    let secrets = place.with_clear_keys().await;
    let (vault, store) = place.start(Some(NEW)).await.unwrap();
    let old = vault.wrapper_key_id().await.unwrap();
    let error = vault.rotate_wrapper_key(Some(old.clone())).await.unwrap_err();
    assert!(matches!(error, WrapperKeyError::AlreadyInUse { .. }), "{error}");
    let new = vault.rotate_wrapper_key(None).await.unwrap();
    assert_ne!(new, old);
    assert_eq!(vault.wrapper_key_id().await.unwrap(), new);
    assert_eq!(wrappers(&vault).await, vec![Some(new.to_string()); 6]);
    assert!(store.creation_list().await.unwrap().is_empty());
    store.close().await;
    place.kms.set_state(&old, KeyState::PendingDeletion);
    let (vault, store) = place.start(Some(NEW)).await.unwrap();
    assert_eq!(crate::wrapping::secrets(&vault).await, secrets, "the keys are the same");
    store.close().await;
}

#[tokio::test]
async fn a_rotation_that_fails_leaves_all_keys_with_the_old_wrapper_key() {
    let place = Place::new();
    place.with_clear_keys().await;
    let (vault, store) = place.start(Some(NEW)).await.unwrap();
    let old = vault.wrapper_key_id().await.unwrap();
    let next = place.wrapper_key();
    let signing = place.kms.add_key(KeySpec::EccNistP256, KeyUsage::SignVerify).key_id;
    let disabled = place.wrapper_key();
    place.kms.set_state(&disabled, KeyState::Disabled);
    let missing = KmsKeyId::parse("alias/missing").unwrap();
    let cases: [(&KmsKeyId, Expected); 3] = [
        (&signing, |error| matches!(error, WrapperKeyError::WrongKind { .. })),
        (&disabled, |error| matches!(error, WrapperKeyError::NotEnabled { .. })),
        (&missing, |error| matches!(error, WrapperKeyError::NotFound { .. })),
    ];
    for (key, is_expected) in cases {
        let error = vault.rotate_wrapper_key(Some(key.clone())).await.unwrap_err();
        assert!(is_expected(&error), "{error:?}");
    }
    // The trial succeeds, then the KMS fails in the middle of the keys.
    for operation in [Operation::Encrypt, Operation::Decrypt] {
        place.kms.deny(operation);
        let error = vault.rotate_wrapper_key(Some(next.clone())).await.unwrap_err();
        assert!(matches!(error, WrapperKeyError::Kms { .. }), "{error:?}");
        place.kms.allow_all();
        assert_eq!(wrappers(&vault).await, vec![Some(old.to_string()); 6]);
        assert_eq!(vault.wrapper_key_id().await.unwrap(), old);
    }
    place.kms.deny(Operation::CreateKey);
    vault.rotate_wrapper_key(None).await.unwrap_err();
    assert!(store.creation_list().await.unwrap().is_empty(), "what was surely not made is forgotten");
    store.close().await;
}

#[tokio::test]
async fn reverted_stores_the_keys_in_clear_again() {
    let place = Place::new();
    let secrets = place.with_clear_keys().await;
    let (_, store) = place.start(Some(NEW)).await.unwrap();
    store.close().await;
    let error = place.start(None).await.unwrap_err();
    let WrapperKeyError::NotConfigured { keys: 6, .. } = &error else { panic!("{error:?}") };
    assert!(error.to_string().contains("reverted = true"), "{error}");

    let (vault, store) = place.start(Some(Wrapping::Reverted)).await.unwrap();
    assert_eq!(wrappers(&vault).await, vec![None; 6]);
    assert!(matches!(vault.wrapper_key_id().await, Err(WrapperKeyError::NotEncrypted)));
    store.close().await;
    let (vault, store) = place.start(None).await.unwrap();
    assert_eq!(crate::wrapping::secrets(&vault).await, secrets);
    store.close().await;
}

#[tokio::test]
async fn a_start_that_cannot_use_the_wrapper_key_changes_nothing() {
    let place = Place::new();
    let secrets = place.with_clear_keys().await;
    for operation in [Operation::CreateKey, Operation::Encrypt, Operation::Decrypt] {
        place.kms.deny(operation);
        place.start(Some(NEW)).await.unwrap_err();
        place.kms.allow_all();
        assert_eq!(
            found(place.folder.path(), &secrets),
            6,
            "{operation}: the keys are still there, in clear"
        );
    }
    assert_eq!(place.kms.keys().len(), 1, "the wrapper key that was made is used, not another one");
    let (vault, store) = place.start(Some(NEW)).await.unwrap();
    let key = vault.wrapper_key_id().await.unwrap();
    assert_eq!(place.kms.keys()[0].key_id, key);
    store.close().await;
    place.kms.set_state(&key, KeyState::Disabled);
    let error = place.start(Some(NEW)).await.unwrap_err();
    assert!(matches!(error, WrapperKeyError::NotEnabled { .. }), "{error:?}");
}

#[tokio::test]
async fn a_wrapper_key_whose_answer_was_lost_is_found_by_its_tag_at_once_or_at_the_next_start() {
    let place = Place::new();
    place.kms.fail_next(Operation::CreateKey, 1, Fault::AnswerLost);
    let (vault, store) = place.start(Some(NEW)).await.unwrap();
    assert_eq!(place.kms.keys().len(), 1);
    assert_eq!(vault.wrapper_key_id().await.unwrap(), place.kms.keys()[0].key_id);
    store.close().await;

    let place = Place::new();
    place.kms.deny(Operation::ListKeys);
    place.kms.fail_next(Operation::CreateKey, 1, Fault::AnswerLost);
    place.start(Some(NEW)).await.unwrap_err();
    place.kms.allow_all();
    let (vault, store) = place.start(Some(NEW)).await.unwrap();
    vault.generate_signing_key(None, None, KeyRole::Signing).await.unwrap();
    assert_eq!(place.kms.keys().len(), 1, "it is adopted, none is made again");
    assert!(store.creation_list().await.unwrap().is_empty());
    store.close().await;
}

#[tokio::test]
async fn a_lost_wrapper_key_is_named_where_keys_may_not_be_listed_and_found_later() {
    let place = Place::new();
    place.kms.deny(Operation::ListKeys);
    place.kms.fail_next(Operation::CreateKey, 1, Fault::AnswerLost);
    let error = place.start(Some(NEW)).await.unwrap_err();
    assert!(error.to_string().contains("CantleCreation="), "{error}");
    let orphan = place.kms.keys().remove(0).key_id;
    let (vault, store) = place.start(Some(NEW)).await.unwrap();
    vault.generate_signing_key(None, None, KeyRole::Signing).await.unwrap();
    assert_eq!(place.kms.keys().len(), 2);
    let orphans = vault.possible_orphans().await.unwrap();
    assert!(orphans.len() == 1 && orphans[0].lost_at.is_some(), "{orphans:?}");
    place.kms.allow_all();
    vault.reconcile().await.unwrap();
    let orphans = vault.possible_orphans().await.unwrap();
    assert_eq!(orphans[0].kms_key_id.as_deref(), Some(orphan.as_str()));
    place.kms.set_state(&orphan, KeyState::PendingDeletion);
    vault.reconcile().await.unwrap();
    assert!(vault.possible_orphans().await.unwrap().is_empty());
    store.close().await;
}

#[tokio::test]
async fn a_wrapper_key_made_for_a_rotation_that_did_not_happen_is_a_possible_orphan() {
    let place = Place::new();
    place.with_clear_keys().await;
    let (vault, store) = place.start(Some(NEW)).await.unwrap();
    let current = vault.wrapper_key_id().await.unwrap();
    place.kms.deny(Operation::Encrypt);
    vault.rotate_wrapper_key(None).await.unwrap_err();
    place.kms.allow_all();
    store.close().await;
    let (vault, store) = place.start(Some(NEW)).await.unwrap();
    vault.reconcile().await.unwrap();
    assert_eq!(vault.wrapper_key_id().await.unwrap(), current);
    let orphans = vault.possible_orphans().await.unwrap();
    assert!(orphans.len() == 1 && orphans[0].lost_at.is_some(), "{orphans:?}");
    assert!(orphans[0].kms_key_id.is_some(), "{orphans:?}");
    store.close().await;
}

#[tokio::test]
async fn a_ciphertext_of_another_key_is_not_taken_for_this_one() {
    let place = Place::new();
    let (vault, store) = place.start(Some(NEW)).await.unwrap();
    let first = vault.generate_signing_key(None, None, KeyRole::Signing).await.unwrap();
    let second = vault.generate_signing_key(None, None, KeyRole::Signing).await.unwrap();
    let mut swapped = store.private_key_find(first.fingerprint()).await.unwrap().unwrap();
    swapped.fingerprint = second.fingerprint().clone();
    store.private_keys_replace(&[swapped]).await.unwrap();
    let error = vault.sign(&hash("a"), second.fingerprint()).await.unwrap_err();
    assert!(error.to_string().contains("is not that key"), "{error}");
    vault.sign(&hash("a"), first.fingerprint()).await.unwrap();
    store.close().await;
}
