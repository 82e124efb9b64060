//! A key management service in memory that counts what is asked of each key.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use cantle_kms::testing::FakeKms;
use cantle_kms::{KeyMetadata, Kms, KmsAnswer, KmsError, KmsKeyId, KmsRequest, Operation, Reply};

/// How often a key was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyUse {
    /// Sign requests.
    pub sign: usize,
    /// Decrypt requests.
    pub decrypt: usize,
}

/// One node's key management service.
#[derive(Debug)]
pub struct CountedKeys {
    service: FakeKms,
    uses: Mutex<BTreeMap<KmsKeyId, KeyUse>>,
    /// Signatures that are left before signing is refused.
    left: AtomicU64,
}

impl Default for CountedKeys {
    fn default() -> Self {
        Self { service: FakeKms::new(), uses: Mutex::default(), left: AtomicU64::new(u64::MAX) }
    }
}

impl CountedKeys {
    /// Lets so many more signatures be made and refuses those after them, until all is allowed again.
    pub fn allow_signatures(&self, left: u64) {
        self.left.store(left, Ordering::SeqCst);
    }

    /// Allows everything again.
    pub fn allow_all(&self) {
        self.left.store(u64::MAX, Ordering::SeqCst);
        self.service.allow_all();
    }

    /// The service itself, to make it fail.
    #[must_use]
    pub fn service(&self) -> &FakeKms {
        &self.service
    }

    /// How often each key was used since the last time that this was asked, by what it is for (the tag `CantlePurpose`).
    /// Keys that were not used are there too.
    #[must_use]
    pub fn take_uses(&self) -> BTreeMap<String, KeyUse> {
        let mut uses = std::mem::take(&mut *self.lock());
        let mut by_purpose: BTreeMap<String, KeyUse> = BTreeMap::new();
        for metadata in self.service.keys() {
            let used = by_purpose.entry(self.purpose(&metadata)).or_default();
            let names = [Some(metadata.key_id), metadata.arn];
            for of_name in names.into_iter().flatten().filter_map(|name| uses.remove(&name)) {
                used.sign += of_name.sign;
                used.decrypt += of_name.decrypt;
            }
        }
        assert!(uses.is_empty(), "keys were used that are not there: {uses:?}");
        by_purpose
    }

    /// The key that is for something.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn key_for(&self, purpose: &str) -> KmsKeyId {
        let of = |metadata: &KeyMetadata| self.purpose(metadata) == purpose;
        self.service.keys().into_iter().find(of).expect("a key of that purpose").key_id
    }

    fn purpose(&self, metadata: &KeyMetadata) -> String {
        let tags = self.service.tags(&metadata.key_id);
        tags.into_iter().find(|(name, _)| name == "CantlePurpose").map(|(_, value)| value).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<KmsKeyId, KeyUse>> {
        // Single insertions leave the map whole.
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As a vault's backend.
    #[must_use]
    pub fn as_kms(self: &Arc<Self>) -> Arc<dyn Kms> {
        Arc::clone(self) as Arc<dyn Kms>
    }
}

#[async_trait]
impl Kms for CountedKeys {
    fn endpoint(&self) -> &str {
        self.service.endpoint()
    }

    async fn ask(&self, request: KmsRequest<'_>) -> Result<Reply<KmsAnswer>, KmsError> {
        match request {
            KmsRequest::Sign { key, .. } => {
                let one_less = |left: u64| if left == u64::MAX { Some(left) } else { left.checked_sub(1) };
                if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_err() {
                    self.service.deny(Operation::Sign);
                }
                self.lock().entry(key.clone()).or_default().sign += 1;
            }
            KmsRequest::Decrypt { key, .. } => self.lock().entry(key.clone()).or_default().decrypt += 1,
            _ => {}
        }
        self.service.ask(request).await
    }
}
