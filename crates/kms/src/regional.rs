//! Asks for a multi-Region key by its name in one Region, whatever Region it was registered in.
//!
//! A replica has the primary's key id, material and public key, and an ARN with its own Region in it. A node whose
//! operator replicated its keys and changed its Region goes on with them so. Keys of one Region and aliases are asked for
//! as they are named.
//! Source: <https://docs.aws.amazon.com/kms/latest/developerguide/multi-region-keys-overview.html>.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{Kms, KmsAnswer, KmsError, KmsKeyId, KmsRequest, Reply};

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

    /// The key's name in this Region, if it is named in another one and has one here.
    fn here(&self, key: &KmsKeyId) -> Option<KmsKeyId> {
        key.region().filter(|region| **region != *self.region)?;
        key.in_region(&self.region)
    }
}

#[async_trait]
impl Kms for Regional {
    fn endpoint(&self) -> &str {
        self.inner.endpoint()
    }

    async fn ask(&self, request: KmsRequest<'_>) -> Result<Reply<KmsAnswer>, KmsError> {
        match request.key().and_then(|key| self.here(key)) {
            Some(here) => self.inner.ask(request.under(&here)).await,
            None => self.inner.ask(request).await,
        }
    }
}
