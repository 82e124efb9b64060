//! Goes to another Region of the KMS while one is out, and back.
//!
//! Replicas of a multi-Region key have the same material, so that a signature of either is the same key's. Keys are made
//! in the first Region alone: a key made elsewhere would have its primary there. Requests about keys of one Region, and
//! about aliases, which each Region has for itself, go to the first Region alone.
//!
//! Invariants: one request is sent to a Region at most once; each change of the Region is logged and counted; a Region that
//! is out is asked in the background until it answers, so that no request pays for trying.
//! Not a retry: when every Region fails, the first one's error goes to [`Retrying`](crate::Retrying).
//! Source: <https://docs.aws.amazon.com/kms/latest/developerguide/multi-region-keys-overview.html>.

mod regions;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tracing::warn;
use zeroize::Zeroizing;

use crate::{
    CallMode, CreateKey, CredentialsProblem, EncryptionAlgorithm, ImportParameters, KeyMetadata, Kms,
    KmsError, KmsKeyId, KmsMetrics, KmsPublicKey, Reply, SigningAlgorithm, Upkeep, UpkeepAnswer,
};
use regions::Regions;

/// The Region to be in, where keys are made.
const HOME: usize = 0;
/// How often a Region that is out is asked whether it is back.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// Several Regions of a KMS as one. Clones share what is known of them.
#[derive(Debug, Clone)]
pub struct FailingOver {
    regions: Arc<Regions>,
}

impl FailingOver {
    /// The first Region is the one to be in; the others are gone to in their order. Each [`Kms`] asks for keys in its own
    /// Region, as [`Regional`](crate::Regional) does. At least one.
    ///
    /// # Panics
    /// Without a Region.
    pub fn new(regions: Vec<(String, Arc<dyn Kms>)>, metrics: Option<KmsMetrics>) -> Self {
        Self::asking_again(regions, metrics, ASK_AGAIN)
    }

    fn asking_again(
        regions: Vec<(String, Arc<dyn Kms>)>,
        metrics: Option<KmsMetrics>,
        ask_again: Duration,
    ) -> Self {
        assert!(!regions.is_empty(), "there is at least one Region");
        Self { regions: Arc::new(Regions::new(regions, metrics, ask_again)) }
    }

    /// The Region that requests go to now.
    pub fn region(&self) -> &str {
        self.regions.name(self.regions.current())
    }

    fn tour(&self, key: Option<&KmsKeyId>) -> Tour<'_> {
        let everywhere = key.is_some_and(KmsKeyId::is_multi_region);
        let order = if everywhere { self.regions.order() } else { vec![HOME] };
        Tour { regions: &self.regions, order, at: 0, outage: None }
    }
}

/// One request on its way through the Regions.
struct Tour<'a> {
    regions: &'a Arc<Regions>,
    order: Vec<usize>,
    at: usize,
    /// What the first Region said that did not do its work.
    outage: Option<KmsError>,
}

impl<'a> Tour<'a> {
    fn kms(&self) -> &'a dyn Kms {
        self.regions.kms(self.order[self.at])
    }

    /// Goes to the next Region, or gives back the error if there is none to go to.
    fn go_on(&mut self, error: KmsError) -> Result<(), KmsError> {
        let region = self.order[self.at];
        // No replica there, or none that may be used: the outage at home is what has to end.
        let cannot_stand_in =
            region != HOME && matches!(error, KmsError::NotFound { .. } | KmsError::AccessDenied { .. });
        self.at += 1;
        let last = self.at == self.order.len();
        if is_outage(&error) {
            self.regions.is_out(region, &error);
            let outage = self.outage.take().unwrap_or(error);
            if last {
                return Err(outage);
            }
            self.outage = Some(outage);
        } else if cannot_stand_in {
            warn!("the Region {} cannot stand in: {error}", self.regions.name(region));
            if last {
                return Err(self.outage.take().unwrap_or(error));
            }
        } else {
            return Err(error);
        }
        Ok(())
    }
}

/// Whether a Region does not do its work: not for want of a permission, a key or a quota.
fn is_outage(error: &KmsError) -> bool {
    match error {
        KmsError::Network { .. }
        | KmsError::Timeout { .. }
        | KmsError::Internal { .. }
        | KmsError::KeyUnavailable { .. } => true,
        // A Region's STS gives the credentials of an assumed role there.
        KmsError::Credentials { problem, .. } => matches!(problem, CredentialsProblem::Unavailable),
        KmsError::Unexpected { status, .. } => matches!(status, Some(500..=599)),
        _ => false,
    }
}

#[async_trait]
impl Kms for FailingOver {
    fn endpoint(&self) -> &str {
        self.regions.kms(self.regions.current()).endpoint()
    }

    async fn create_key(&self, request: &CreateKey) -> Result<Reply<KeyMetadata>, KmsError> {
        let mut tour = self.tour(None);
        loop {
            match tour.kms().create_key(request).await {
                Ok(reply) => return Ok(reply),
                Err(error) => tour.go_on(error)?,
            }
        }
    }

    async fn describe_key(&self, key: &KmsKeyId) -> Result<Reply<KeyMetadata>, KmsError> {
        let mut tour = self.tour(Some(key));
        loop {
            match tour.kms().describe_key(key).await {
                Ok(reply) => return Ok(reply),
                Err(error) => tour.go_on(error)?,
            }
        }
    }

    async fn public_key(&self, key: &KmsKeyId) -> Result<Reply<KmsPublicKey>, KmsError> {
        let mut tour = self.tour(Some(key));
        loop {
            match tour.kms().public_key(key).await {
                Ok(reply) => return Ok(reply),
                Err(error) => tour.go_on(error)?,
            }
        }
    }

    async fn sign(
        &self,
        key: &KmsKeyId,
        message: &[u8],
        algorithm: SigningAlgorithm,
        mode: CallMode,
    ) -> Result<Reply<Vec<u8>>, KmsError> {
        let mut tour = self.tour(Some(key));
        loop {
            match tour.kms().sign(key, message, algorithm, mode).await {
                Ok(reply) => return Ok(reply),
                Err(error) => tour.go_on(error)?,
            }
        }
    }

    async fn decrypt(
        &self,
        key: &KmsKeyId,
        ciphertext: &[u8],
        algorithm: EncryptionAlgorithm,
        mode: CallMode,
    ) -> Result<Reply<Zeroizing<Vec<u8>>>, KmsError> {
        let mut tour = self.tour(Some(key));
        loop {
            match tour.kms().decrypt(key, ciphertext, algorithm, mode).await {
                Ok(reply) => return Ok(reply),
                Err(error) => tour.go_on(error)?,
            }
        }
    }

    async fn encrypt(
        &self,
        key: &KmsKeyId,
        plaintext: &[u8],
        algorithm: EncryptionAlgorithm,
        mode: CallMode,
    ) -> Result<Reply<Vec<u8>>, KmsError> {
        let mut tour = self.tour(Some(key));
        loop {
            match tour.kms().encrypt(key, plaintext, algorithm, mode).await {
                Ok(reply) => return Ok(reply),
                Err(error) => tour.go_on(error)?,
            }
        }
    }

    /// Of the first Region alone, as making keys is.
    async fn parameters_for_import(&self, key: &KmsKeyId) -> Result<Reply<ImportParameters>, KmsError> {
        let mut tour = self.tour(None);
        loop {
            match tour.kms().parameters_for_import(key).await {
                Ok(reply) => return Ok(reply),
                Err(error) => tour.go_on(error)?,
            }
        }
    }

    /// Of the first Region alone: the parameters are of that Region.
    async fn import_key_material(
        &self,
        key: &KmsKeyId,
        token: &[u8],
        wrapped: &[u8],
    ) -> Result<Reply<()>, KmsError> {
        let mut tour = self.tour(None);
        loop {
            match tour.kms().import_key_material(key, token, wrapped).await {
                Ok(reply) => return Ok(reply),
                Err(error) => tour.go_on(error)?,
            }
        }
    }

    /// Of the first Region alone, as making keys is.
    async fn upkeep(&self, request: &Upkeep) -> Result<Reply<UpkeepAnswer>, KmsError> {
        let mut tour = self.tour(None);
        loop {
            match tour.kms().upkeep(request).await {
                Ok(reply) => return Ok(reply),
                Err(error) => tour.go_on(error)?,
            }
        }
    }
}

#[cfg(test)]
mod tests;
