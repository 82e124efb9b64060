//! The KMS as a creation sees it: with the journal in the way of CreateKey.

use std::sync::Arc;

use async_trait::async_trait;
use cantle_kms::{
    CallMode, CreateKey, EncryptionAlgorithm, ImportParameters, KeyMetadata, Kms, KmsError, KmsKeyId,
    KmsPublicKey, Reply, SigningAlgorithm,
};
use cantle_store::{KeyCreation, NodeStore};
use zeroize::Zeroizing;

/// The KMS, with the journal in the way of CreateKey: a key that is made is written down before anything else happens,
/// and one that was made before is not made again.
#[derive(Debug)]
pub(crate) struct Journaled {
    pub(crate) kms: Arc<dyn Kms>,
    pub(crate) store: Arc<dyn NodeStore>,
    pub(crate) creation: KeyCreation,
}

#[async_trait]
impl Kms for Journaled {
    fn endpoint(&self) -> &str {
        self.kms.endpoint()
    }

    async fn create_key(&self, request: &CreateKey) -> Result<Reply<KeyMetadata>, KmsError> {
        if let Some(key) = self.creation.kms_key_id.as_deref().and_then(|key| KmsKeyId::parse(key).ok()) {
            return self.kms.describe_key(&key).await;
        }
        let reply = self.kms.create_key(request).await?;
        let key = &reply.value.key_id;
        if let Err(error) = self.store.creation_made(&self.creation.id, key.as_str()).await {
            // The key is still in hand; only a crash before it is stored would lose it.
            tracing::warn!(kms_key_id = %key, %error, "the new KMS key could not be written to the journal");
        }
        Ok(reply)
    }

    async fn describe_key(&self, key: &KmsKeyId) -> Result<Reply<KeyMetadata>, KmsError> {
        self.kms.describe_key(key).await
    }

    async fn public_key(&self, key: &KmsKeyId) -> Result<Reply<KmsPublicKey>, KmsError> {
        self.kms.public_key(key).await
    }

    async fn sign(
        &self,
        key: &KmsKeyId,
        message: &[u8],
        algorithm: SigningAlgorithm,
        mode: CallMode,
    ) -> Result<Reply<Vec<u8>>, KmsError> {
        self.kms.sign(key, message, algorithm, mode).await
    }

    async fn decrypt(
        &self,
        key: &KmsKeyId,
        ciphertext: &[u8],
        algorithm: EncryptionAlgorithm,
        mode: CallMode,
    ) -> Result<Reply<Zeroizing<Vec<u8>>>, KmsError> {
        self.kms.decrypt(key, ciphertext, algorithm, mode).await
    }

    async fn encrypt(
        &self,
        key: &KmsKeyId,
        plaintext: &[u8],
        algorithm: EncryptionAlgorithm,
        mode: CallMode,
    ) -> Result<Reply<Vec<u8>>, KmsError> {
        self.kms.encrypt(key, plaintext, algorithm, mode).await
    }

    async fn parameters_for_import(&self, key: &KmsKeyId) -> Result<Reply<ImportParameters>, KmsError> {
        self.kms.parameters_for_import(key).await
    }

    async fn import_key_material(
        &self,
        key: &KmsKeyId,
        token: &[u8],
        wrapped: &[u8],
    ) -> Result<Reply<()>, KmsError> {
        self.kms.import_key_material(key, token, wrapped).await
    }
}
