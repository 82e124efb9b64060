//! Asks for a multi-Region key by its name in one Region, whatever Region it was registered in.
//!
//! A replica has the primary's key id, material and public key, and an ARN with its own Region in it. A node whose
//! operator replicated its keys and changed its Region goes on with them so. Keys of one Region and aliases are asked for
//! as they are named.
//! Source: <https://docs.aws.amazon.com/kms/latest/developerguide/multi-region-keys-overview.html>.

use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;
use zeroize::Zeroizing;

use crate::{
    CallMode, CreateKey, EncryptionAlgorithm, ImportParameters, KeyMetadata, Kms, KmsError, KmsKeyId,
    KmsPublicKey, Reply, SigningAlgorithm, Upkeep, UpkeepAnswer,
};

/// Another [`Kms`] as one of a Region.
#[derive(Debug, Clone)]
pub struct Regional {
    inner: Arc<dyn Kms>,
    region: Arc<str>,
}

impl Regional {
    /// What `inner` is asked, it is asked in `region`.
    pub fn new(inner: Arc<dyn Kms>, region: &str) -> Self {
        Self { inner, region: Arc::from(region) }
    }

    fn here<'a>(&self, key: &'a KmsKeyId) -> Cow<'a, KmsKeyId> {
        match key.region() {
            Some(region) if *region != *self.region => {
                key.in_region(&self.region).map_or(Cow::Borrowed(key), Cow::Owned)
            }
            _ => Cow::Borrowed(key),
        }
    }
}

#[async_trait]
impl Kms for Regional {
    fn endpoint(&self) -> &str {
        self.inner.endpoint()
    }

    async fn create_key(&self, request: &CreateKey) -> Result<Reply<KeyMetadata>, KmsError> {
        self.inner.create_key(request).await
    }

    async fn describe_key(&self, key: &KmsKeyId) -> Result<Reply<KeyMetadata>, KmsError> {
        self.inner.describe_key(&self.here(key)).await
    }

    async fn public_key(&self, key: &KmsKeyId) -> Result<Reply<KmsPublicKey>, KmsError> {
        self.inner.public_key(&self.here(key)).await
    }

    async fn sign(
        &self,
        key: &KmsKeyId,
        message: &[u8],
        algorithm: SigningAlgorithm,
        mode: CallMode,
    ) -> Result<Reply<Vec<u8>>, KmsError> {
        self.inner.sign(&self.here(key), message, algorithm, mode).await
    }

    async fn decrypt(
        &self,
        key: &KmsKeyId,
        ciphertext: &[u8],
        algorithm: EncryptionAlgorithm,
        mode: CallMode,
    ) -> Result<Reply<Zeroizing<Vec<u8>>>, KmsError> {
        self.inner.decrypt(&self.here(key), ciphertext, algorithm, mode).await
    }

    async fn encrypt(
        &self,
        key: &KmsKeyId,
        plaintext: &[u8],
        algorithm: EncryptionAlgorithm,
        mode: CallMode,
    ) -> Result<Reply<Vec<u8>>, KmsError> {
        self.inner.encrypt(&self.here(key), plaintext, algorithm, mode).await
    }

    async fn parameters_for_import(&self, key: &KmsKeyId) -> Result<Reply<ImportParameters>, KmsError> {
        self.inner.parameters_for_import(&self.here(key)).await
    }

    async fn import_key_material(
        &self,
        key: &KmsKeyId,
        token: &[u8],
        wrapped: &[u8],
    ) -> Result<Reply<()>, KmsError> {
        self.inner.import_key_material(&self.here(key), token, wrapped).await
    }

    async fn upkeep(&self, request: &Upkeep) -> Result<Reply<UpkeepAnswer>, KmsError> {
        match request.key().map(|key| self.here(key)) {
            Some(Cow::Owned(here)) => self.inner.upkeep(&request.under(&here)).await,
            _ => self.inner.upkeep(request).await,
        }
    }
}
