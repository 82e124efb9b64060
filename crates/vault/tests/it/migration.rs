//! Private keys of provider jce, imported into a KMS: proved, resumed from anywhere, switched at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use cantle_crypto::{EncryptionKeyScheme, HashPurpose, PublicKey, SigningKeyScheme, digest};
use cantle_kms::testing::{FakeKms, Fault};
use cantle_kms::{
    KeySpec, KeyState, KeyUsage, Kms, KmsAnswer, KmsError, KmsRequest, Operation, OriginType, Reply,
};
use cantle_store::{CreationJournal, CryptoProvider, KeyOrigin, KeyStore, KmsMetadata, SqliteStore};
use cantle_types::Fingerprint;
use cantle_vault::{
    Ed25519Keys, KeyMove, KeyRole, MigrationError, PlannedKey, Vault, VaultBackend, VaultError,
};

use crate::support::{hash, memory, name, open, options, rows};

/// A KMS that answers no more after so many requests: what was asked may have been done, and nobody hears of it.
#[derive(Debug)]
struct Dying {
    inner: Arc<FakeKms>,
    left: AtomicUsize,
    /// Whether the request at which it dies is carried out.
    carried_out: bool,
}

impl Dying {
    fn is_dead(&self) -> bool {
        self.left.load(Ordering::SeqCst) == 0
    }
}

#[async_trait]
impl Kms for Dying {
    fn endpoint(&self) -> &str {
        self.inner.endpoint()
    }

    async fn ask(&self, request: KmsRequest<'_>) -> Result<Reply<KmsAnswer>, KmsError> {
        if self.left.load(Ordering::SeqCst) == 0 {
            return std::future::pending().await;
        }
        if self.left.fetch_sub(1, Ordering::SeqCst) > 1 {
            return self.inner.ask(request).await;
        }
        if self.carried_out {
            let _ = self.inner.ask(request).await;
        }
        std::future::pending().await
    }
}

/// A node of provider jce with keys of these schemes.
async fn node(signing: &[SigningKeyScheme], encryption: &[EncryptionKeyScheme]) -> SqliteStore {
    let store = memory().await;
    let vault = open(&store, VaultBackend::Jce, options(CryptoProvider::Jce)).await.unwrap();
    for scheme in signing {
        vault.generate_signing_key(name("s"), Some(*scheme), KeyRole::Signing).await.unwrap();
    }
    for scheme in encryption {
        vault.generate_encryption_key(name("e"), Some(*scheme), KeyRole::Encryption).await.unwrap();
    }
    store
}

async fn migrating(store: &SqliteStore, kms: Arc<dyn Kms>) -> Vault {
    open(store, VaultBackend::JceWrapped(kms), options(CryptoProvider::Kms)).await.unwrap()
}

async fn plan(vault: &Vault) -> Vec<PlannedKey> {
    vault.plan_migration(|_| None, Ed25519Keys::Imported).await.unwrap()
}

async fn import_all(vault: &Vault) -> Result<Vec<KmsMetadata>, MigrationError> {
    let mut moved = Vec::new();
    for key in plan(vault).await {
        if let KeyMove::Import(_) = key.step {
            moved.push(vault.import_into_kms(&key, KeyRole::Signing, None, |_, _| {}).await?);
        }
    }
    Ok(moved)
}

/// The node after the switch, with its keys in the KMS.
async fn use_all(store: &SqliteStore, kms: &Arc<FakeKms>, expected: usize) {
    let backend = VaultBackend::Kms(Arc::clone(kms) as Arc<dyn Kms>);
    let vault = open(store, backend, options(CryptoProvider::Kms)).await.unwrap();
    let infos = vault.private_keys(&cantle_vault::KeyFilter::default()).await.unwrap();
    assert_eq!(infos.len(), expected);
    for info in infos {
        assert_eq!(info.kms.as_ref().unwrap().origin, KeyOrigin::Imported);
        match &info.public {
            PublicKey::Signing(public) => {
                let signature = vault.sign(&hash("a"), info.fingerprint()).await.unwrap();
                public.verify_hash(&hash("a"), &signature).unwrap();
            }
            PublicKey::Encryption(public) => {
                let ciphertext = public.encrypt(b"secret").unwrap();
                let plaintext = vault.decrypt(&ciphertext, info.fingerprint()).await.unwrap();
                assert_eq!(plaintext.as_slice(), b"secret");
            }
        }
    }
}

#[tokio::test]
async fn keys_of_every_scheme_that_a_kms_holds_move_with_their_fingerprints() {
    let store = node(SigningKeyScheme::ALL, &[EncryptionKeyScheme::Rsa2048OaepSha256]).await;
    let before: Vec<Fingerprint> = fingerprints(&store).await;
    let kms = Arc::new(FakeKms::new());
    let vault = migrating(&store, Arc::clone(&kms) as Arc<dyn Kms>).await;
    let archived = vault.archive_keys().await.unwrap();
    assert_eq!(archived.len(), 4);
    let moved = import_all(&vault).await.unwrap();
    assert_eq!(rows(&store).await, (4, 0, 4, 4, Some(CryptoProvider::Jce)), "nothing is switched yet");
    let specs: Vec<_> = kms.keys().into_iter().map(|key| (key.spec, key.state, key.origin)).collect();
    let external = |spec| (spec, KeyState::Enabled, OriginType::External);
    assert_eq!(
        specs,
        [KeySpec::EccNistEdwards25519, KeySpec::EccNistP256, KeySpec::EccNistP384, KeySpec::Rsa2048]
            .map(external)
    );
    let tags = kms.tags(&kms.keys()[0].key_id);
    assert!(
        tags.iter().any(|(key, value)| key == "CantleCreation" && value.starts_with("import-1220")),
        "{tags:?}"
    );

    vault.switch_to_kms(&moved, &[]).await.unwrap();
    assert_eq!(rows(&store).await, (4, 4, 0, 0, Some(CryptoProvider::Kms)));
    assert_eq!(fingerprints(&store).await, before);
    use_all(&store, &kms, 4).await;
    let error = open(&store, VaultBackend::Jce, options(CryptoProvider::Jce)).await.unwrap_err();
    let VaultError::ProviderMismatch { .. } = &error else { panic!("{error:?}") };
    assert!(error.to_string().contains("cantle migrate from-kms"), "{error}");
}

async fn fingerprints(store: &SqliteStore) -> Vec<Fingerprint> {
    let keys = store.public_key_list().await.unwrap();
    keys.into_iter().map(|stored| stored.key.fingerprint().clone()).collect()
}

#[tokio::test]
async fn what_a_kms_cannot_hold_is_archived_or_kept_to_decrypt_until_it_is_deleted() {
    let ecies = EncryptionKeyScheme::EciesP256HkdfHmacSha256Aes128Gcm;
    let store = node(&[SigningKeyScheme::EcDsaP256], &[ecies, ecies]).await;
    let vault = migrating(&store, Arc::new(FakeKms::new())).await;
    let needed = fingerprints(&store).await[1].clone();
    let by = |fingerprint: &Fingerprint| (*fingerprint == needed).then(|| "it is mapped".to_owned());
    let planned = vault.plan_migration(by, Ed25519Keys::Imported).await.unwrap();
    let steps: Vec<_> = planned.into_iter().map(|key| key.step).collect();
    let expected =
        [KeyMove::Import(KeySpec::EccNistP256), KeyMove::Rotate("it is mapped".to_owned()), KeyMove::Archive];
    assert_eq!(steps, expected);
    let planned = plan(&vault).await;
    let refused = vault.import_into_kms(&planned[1], KeyRole::Encryption, None, |_, _| {}).await.unwrap_err();
    assert!(matches!(refused, MigrationError::NotImportable { .. }), "{refused:?}");

    let kms = Arc::new(FakeKms::new());
    let vault = migrating(&store, Arc::clone(&kms) as Arc<dyn Kms>).await;
    let moved = import_all(&vault).await.unwrap();
    vault.switch_to_kms(&moved, std::slice::from_ref(&needed)).await.unwrap();
    let backend = VaultBackend::Kms(kms as Arc<dyn Kms>);
    let vault = open(&store, backend, options(CryptoProvider::Kms)).await.unwrap();
    let info = vault.private_key(&needed).await.unwrap().unwrap();
    assert_eq!((info.provider, info.kms.is_none()), (CryptoProvider::Jce, true));
    let PublicKey::Encryption(public) = &info.public else { panic!("{info:?}") };
    let ciphertext = public.encrypt(b"secret").unwrap();
    assert_eq!(vault.decrypt(&ciphertext, &needed).await.unwrap().as_slice(), b"secret");
    vault.delete_key_pair(&needed, cantle_vault::KeyInUse::No).await.unwrap();
    assert!(vault.decrypt(&ciphertext, &needed).await.is_err());
    assert!(store.private_key_list().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_migration_that_dies_at_any_request_is_taken_up_and_makes_no_key_twice() {
    for carried_out in [false, true] {
        for dies_at in 1.. {
            let store = node(&[SigningKeyScheme::EcDsaP256, SigningKeyScheme::Ed25519], &[]).await;
            let kms = Arc::new(FakeKms::new());
            let dying =
                Arc::new(Dying { inner: Arc::clone(&kms), left: AtomicUsize::new(dies_at), carried_out });
            let vault = migrating(&store, Arc::clone(&dying) as Arc<dyn Kms>).await;
            {
                let attempt = import_all(&vault);
                tokio::pin!(attempt);
                let done = futures_poll(&dying, attempt.as_mut()).await;
                if done {
                    assert!(dies_at > 10, "every request was died at");
                    break;
                }
            }
            assert_eq!(rows(&store).await.4, Some(CryptoProvider::Jce), "the node is as it was");
            drop(vault);
            let vault = migrating(&store, Arc::clone(&kms) as Arc<dyn Kms>).await;
            let moved = import_all(&vault).await.unwrap();
            vault.switch_to_kms(&moved, &[]).await.unwrap();
            use_all(&store, &kms, 2).await;
            // Only an answer of CreateKey that nobody heard leaves a key, and the journal tells of it.
            let (made, told) = (kms.keys().len(), store.creation_list().await.unwrap().len());
            assert!(
                made <= 3 && made - 2 <= told + 1,
                "{made} keys, {told} in the journal, died at {dies_at}"
            );
        }
    }
}

/// Runs a migration until it is done or its KMS is dead.
async fn futures_poll<T>(
    dying: &Dying,
    mut attempt: std::pin::Pin<&mut impl Future<Output = Result<T, MigrationError>>>,
) -> bool {
    std::future::poll_fn(|context| match attempt.as_mut().poll(context) {
        std::task::Poll::Ready(result) => {
            result.map(drop).unwrap();
            std::task::Poll::Ready(true)
        }
        std::task::Poll::Pending if dying.is_dead() => std::task::Poll::Ready(false),
        std::task::Poll::Pending => std::task::Poll::Pending,
    })
    .await
}

#[tokio::test]
async fn refusals_of_the_kms_name_key_and_step_and_change_nothing() {
    let store = node(&[SigningKeyScheme::EcDsaP256], &[]).await;
    let kms = Arc::new(FakeKms::new());
    let vault = migrating(&store, Arc::clone(&kms) as Arc<dyn Kms>).await;
    let fingerprint = fingerprints(&store).await[0].to_string();
    for operation in [
        Operation::CreateKey,
        Operation::GetParametersForImport,
        Operation::ImportKeyMaterial,
        Operation::DescribeKey,
        Operation::GetPublicKey,
        Operation::Sign,
    ] {
        kms.deny(operation);
        let error = import_all(&vault).await.unwrap_err();
        let text = format!("{error}: {:?}", error);
        assert!(text.contains(&fingerprint), "{operation}: {text}");
        assert!(text.contains(operation.as_str()), "{operation}: {text}");
        kms.allow_all();
        assert_eq!(rows(&store).await.4, Some(CryptoProvider::Jce));
        assert_eq!(rows(&store).await.2, 1, "{operation}: the private key is still there");
    }
    let moved = import_all(&vault).await.unwrap();
    assert_eq!(kms.keys().len(), 1, "one key was made, and used again after each refusal");
    vault.switch_to_kms(&moved, &[]).await.unwrap();
    use_all(&store, &kms, 1).await;
}

#[tokio::test]
async fn an_import_that_the_kms_fails_is_done_by_the_next_attempt_with_the_same_kms_key() {
    let store = node(&[], &[EncryptionKeyScheme::Rsa2048OaepSha256]).await;
    let kms = Arc::new(FakeKms::new());
    let vault = migrating(&store, Arc::clone(&kms) as Arc<dyn Kms>).await;
    for fault in [Fault::Internal, Fault::AnswerLost] {
        kms.fail_next(Operation::ImportKeyMaterial, 1, fault);
        let error = import_all(&vault).await.unwrap_err();
        assert!(matches!(error, MigrationError::Kms { .. }), "{fault:?}: {error:?}");
    }
    // The one whose answer was lost was carried out: the next attempt finds an enabled key.
    let moved = import_all(&vault).await.unwrap();
    assert_eq!(kms.keys().len(), 1);
    vault.switch_to_kms(&moved, &[]).await.unwrap();
    use_all(&store, &kms, 1).await;
}

#[tokio::test]
async fn a_kms_key_with_other_material_is_not_taken() {
    let store = node(&[SigningKeyScheme::EcDsaP256], &[]).await;
    let kms = Arc::new(FakeKms::new());
    let vault = migrating(&store, Arc::clone(&kms) as Arc<dyn Kms>).await;
    import_all(&vault).await.unwrap();
    // The journal names another key now, as after somebody's mistake.
    let creation = store.creation_list().await.unwrap().remove(0);
    let other = kms.add_key(KeySpec::EccNistP256, KeyUsage::SignVerify).key_id;
    store.creation_made(&creation.id, other.as_str()).await.unwrap();
    let error = import_all(&vault).await.unwrap_err();
    assert!(matches!(error, MigrationError::NotThatKey { .. }), "{error:?}");
    // A key that is pending deletion is given up, and another one is made.
    kms.set_state(&other, KeyState::PendingDeletion);
    let moved = import_all(&vault).await.unwrap();
    assert_eq!(kms.keys().len(), 3);
    vault.switch_to_kms(&moved, &[]).await.unwrap();
    use_all(&store, &kms, 1).await;
}

#[tokio::test]
async fn an_ed25519_key_that_the_kms_cannot_hold_signs_until_it_is_ended() {
    let store = node(&[SigningKeyScheme::Ed25519, SigningKeyScheme::Ed25519], &[]).await;
    let needed = fingerprints(&store).await[0].clone();
    let kms = Arc::new(FakeKms::new());
    let vault = migrating(&store, Arc::clone(&kms) as Arc<dyn Kms>).await;
    let by = |fingerprint: &Fingerprint| (*fingerprint == needed).then(|| "it is mapped".to_owned());
    let planned = vault.plan_migration(by, Ed25519Keys::Replaced).await.unwrap();
    let steps: Vec<_> = planned.into_iter().map(|key| key.step).collect();
    assert_eq!(steps, [KeyMove::Rotate("it is mapped".to_owned()), KeyMove::Archive]);
    vault.switch_to_kms(&[], std::slice::from_ref(&needed)).await.unwrap();
    let backend = VaultBackend::Kms(kms as Arc<dyn Kms>);
    let vault = open(&store, backend, options(CryptoProvider::Kms)).await.unwrap();
    let hash = digest(HashPurpose::TopologyTransactionSignature, b"what is signed");
    let signature = vault.sign(&hash, &needed).await.unwrap();
    let public = vault.public_key(&needed).await.unwrap().unwrap().key;
    let PublicKey::Signing(public) = public else { panic!("{public:?}") };
    public.verify_hash(&hash, &signature).unwrap();
    vault.end_kept(&needed).await.unwrap();
    assert!(vault.sign(&hash, &needed).await.is_err());
    assert_eq!(store.private_key_list().await.unwrap(), []);
}
