//! A node with its store, its KMS and its vault.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use cantle_crypto::{Hash, HashPurpose, digest};
use cantle_kms::testing::FakeKms;
use cantle_kms::{
    Counted, CreationPoll, KeyMetadata, KeySpec, KeyUsage, Kms, KmsAnswer, KmsError, KmsKeyId, KmsRequest,
    Operation, Reply,
};
use cantle_store::{
    Access, CryptoProvider, MigrateOnStart, NodeIdentity, NodeKind, NodeStore, SqliteLocation, SqliteOptions,
    SqliteStore,
};
use cantle_types::{KeyName, ManualClock};
use cantle_vault::{Vault, VaultBackend, VaultError, VaultOptions};
use jiff::Timestamp;

pub(crate) fn node() -> NodeIdentity {
    NodeIdentity { kind: NodeKind::Participant, name: "participant1".parse().unwrap() }
}

pub(crate) fn name(text: &str) -> Option<KeyName> {
    Some(text.parse().unwrap())
}

pub(crate) fn hash(text: &str) -> Hash {
    digest(HashPurpose::TopologyTransactionSignature, text.as_bytes())
}

pub(crate) fn options(provider: CryptoProvider) -> VaultOptions {
    let mut options = VaultOptions::new(node(), provider);
    options.create_key_check = CreationPoll {
        initial_delay: Duration::from_micros(10),
        max_delay: Duration::from_micros(20),
        max_retries: 3,
    };
    options.search_patience = Duration::ZERO;
    options
}

pub(crate) async fn memory() -> SqliteStore {
    store(SqliteLocation::Memory).await
}

pub(crate) async fn file(path: &Path) -> SqliteStore {
    store(SqliteLocation::File(path.to_owned())).await
}

pub(crate) async fn inspection(path: &Path) -> SqliteStore {
    let options = SqliteOptions {
        location: SqliteLocation::File(path.to_owned()),
        node: node(),
        migrate: MigrateOnStart::No,
        access: Access::ReadOnly,
    };
    SqliteStore::open(options).await.unwrap()
}

async fn store(location: SqliteLocation) -> SqliteStore {
    let options =
        SqliteOptions { location, node: node(), migrate: MigrateOnStart::No, access: Access::ReadWrite };
    SqliteStore::open(options).await.unwrap()
}

pub(crate) async fn open(
    store: &SqliteStore,
    backend: VaultBackend,
    options: VaultOptions,
) -> Result<Vault, VaultError> {
    let store: Arc<dyn NodeStore> = Arc::new(store.clone());
    Vault::open(store, backend, options, Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH))).await
}

pub(crate) async fn jce() -> (Vault, SqliteStore) {
    let store = memory().await;
    (open(&store, VaultBackend::Jce, options(CryptoProvider::Jce)).await.unwrap(), store)
}

/// A node with provider kms.
pub(crate) struct KmsNode {
    pub(crate) fake: Arc<FakeKms>,
    pub(crate) altered: Arc<Altered>,
    pub(crate) counted: Arc<Counted>,
    pub(crate) store: SqliteStore,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) vault: Vault,
}

impl KmsNode {
    pub(crate) async fn new() -> Self {
        Self::with(options(CryptoProvider::Kms)).await
    }

    pub(crate) async fn with(options: VaultOptions) -> Self {
        Self::on(Arc::new(FakeKms::new()), memory().await, options).await
    }

    pub(crate) async fn on(fake: Arc<FakeKms>, store: SqliteStore, options: VaultOptions) -> Self {
        let altered =
            Arc::new(Altered { inner: Arc::clone(&fake), uses: Mutex::default(), specs: Mutex::default() });
        let counted = Arc::new(Counted::new(Arc::clone(&altered) as Arc<dyn Kms>));
        let backend = VaultBackend::Kms(Arc::clone(&counted) as Arc<dyn Kms>);
        let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
        let vault = Vault::open(Arc::new(store.clone()), backend, options, clock.clone()).await.unwrap();
        Self { fake, altered, counted, store, clock, vault }
    }

    /// The same node, stopped and started again.
    pub(crate) async fn restarted(self) -> Self {
        let options = self.vault.options().clone();
        Self::on(self.fake, self.store, options).await
    }

    pub(crate) fn requests(&self, operation: Operation) -> u64 {
        self.counted.counts().of(operation)
    }

    pub(crate) fn signing_key(&self) -> KeyMetadata {
        self.fake.add_key(KeySpec::EccNistP256, KeyUsage::SignVerify)
    }

    pub(crate) fn encryption_key(&self) -> KeyMetadata {
        self.fake.add_key(KeySpec::Rsa2048, KeyUsage::EncryptDecrypt)
    }

    pub(crate) async fn rows(&self) -> Rows {
        rows(&self.store).await
    }
}

/// How many rows a store has: public keys, KMS metadata, private keys, creations; and the provider.
pub(crate) type Rows = (usize, usize, usize, usize, Option<CryptoProvider>);

pub(crate) async fn rows(store: &dyn NodeStore) -> Rows {
    (
        store.public_key_list().await.unwrap().len(),
        store.kms_metadata_list().await.unwrap().len(),
        store.private_key_list().await.unwrap().len(),
        store.creation_list().await.unwrap().len(),
        store.provider_find().await.unwrap(),
    )
}

pub(crate) const NO_ROWS: Rows = (0, 0, 0, 0, None);

/// A KMS that uses another key than the one asked for, or says another spec, where a test wants it.
#[derive(Debug)]
pub(crate) struct Altered {
    inner: Arc<FakeKms>,
    uses: Mutex<HashMap<KmsKeyId, KmsKeyId>>,
    specs: Mutex<HashMap<KmsKeyId, KeySpec>>,
}

impl Altered {
    /// Sign and Decrypt use `other` when asked for `key`.
    pub(crate) fn use_other(&self, key: &KmsKeyId, other: &KmsKeyId) {
        self.uses.lock().unwrap().insert(key.clone(), other.clone());
    }

    /// DescribeKey says this spec of `key`.
    pub(crate) fn describe_as(&self, key: &KmsKeyId, spec: KeySpec) {
        self.specs.lock().unwrap().insert(key.clone(), spec);
    }

    fn used(&self, key: &KmsKeyId) -> KmsKeyId {
        self.uses.lock().unwrap().get(key).unwrap_or(key).clone()
    }
}

#[async_trait]
impl Kms for Altered {
    fn endpoint(&self) -> &str {
        self.inner.endpoint()
    }

    async fn ask(&self, request: KmsRequest<'_>) -> Result<Reply<KmsAnswer>, KmsError> {
        match request {
            KmsRequest::Sign { key, .. } | KmsRequest::Decrypt { key, .. } => {
                let used = self.used(key);
                self.inner.ask(request.under(&used)).await
            }
            KmsRequest::DescribeKey { key } => {
                let mut reply = self.inner.ask(request).await?;
                if let KmsAnswer::Metadata(metadata) = &mut reply.value
                    && let Some(spec) = self.specs.lock().unwrap().get(key)
                {
                    metadata.spec = spec.clone();
                }
                Ok(reply)
            }
            _ => self.inner.ask(request).await,
        }
    }
}

/// Waits for a condition, at most ten seconds.
pub(crate) async fn wait_until<F: Future<Output = bool>>(condition: impl Fn() -> F) {
    let waited = tokio::time::timeout(Duration::from_secs(10), async {
        while !condition().await {
            tokio::task::yield_now().await;
        }
    });
    waited.await.expect("the condition comes true");
}
