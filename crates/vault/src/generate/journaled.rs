//! The KMS as a creation sees it: with the journal in the way of CreateKey.

use std::sync::Arc;

use async_trait::async_trait;
use cantle_kms::{Kms, KmsAnswer, KmsError, KmsKeyId, KmsRequest, Reply};
use cantle_store::{KeyCreation, NodeStore};

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

    async fn ask(&self, request: KmsRequest<'_>) -> Result<Reply<KmsAnswer>, KmsError> {
        let KmsRequest::CreateKey(_) = request else { return self.kms.ask(request).await };
        if let Some(key) = self.creation.kms_key_id.as_deref().and_then(|key| KmsKeyId::parse(key).ok()) {
            return self.kms.ask(KmsRequest::DescribeKey { key: &key }).await;
        }
        let reply = self.kms.ask(request).await?;
        if let KmsAnswer::Metadata(made) = &reply.value
            && let Err(error) = self.store.creation_made(&self.creation.id, made.key_id.as_str()).await
        {
            // The key is still in hand; only a crash before it is stored would lose it.
            tracing::warn!(kms_key_id = %made.key_id, %error, "the new KMS key could not be written to the journal");
        }
        Ok(reply)
    }
}
