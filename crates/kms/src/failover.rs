//! Goes to another Region of the KMS while one is out, and back.
//!
//! Replicas of a multi-Region key have the same material, so that a signature of either is the same key's. Keys are made,
//! looked for, imported and ended in the first Region alone: a key made elsewhere would have its primary there. Requests about keys of one Region, and
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

use crate::{
    CredentialsProblem, Kms, KmsAnswer, KmsError, KmsKeyId, KmsMetrics, KmsRequest, Operation, Reply,
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

    fn tour(&self, request: KmsRequest<'_>) -> Tour<'_> {
        let everywhere =
            is_replicated(request.operation()) && request.key().is_some_and(KmsKeyId::is_multi_region);
        let order = if everywhere { self.regions.order() } else { vec![HOME] };
        Tour { regions: &self.regions, order, at: 0, outage: None }
    }
}

/// Whether a replica of the key serves as well: for what is done with it, not for what is done to it.
const fn is_replicated(operation: Operation) -> bool {
    match operation {
        Operation::DescribeKey
        | Operation::GetPublicKey
        | Operation::Sign
        | Operation::Decrypt
        | Operation::Encrypt => true,
        // Import parameters are of the Region that gave them.
        Operation::CreateKey
        | Operation::GetParametersForImport
        | Operation::ImportKeyMaterial
        | Operation::ListKeys
        | Operation::ListResourceTags
        | Operation::ScheduleKeyDeletion
        | Operation::CancelKeyDeletion
        | Operation::EnableKey => false,
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

    async fn ask(&self, request: KmsRequest<'_>) -> Result<Reply<KmsAnswer>, KmsError> {
        let mut tour = self.tour(request);
        loop {
            match tour.kms().ask(request).await {
                Ok(reply) => return Ok(reply),
                Err(error) => tour.go_on(error)?,
            }
        }
    }
}

#[cfg(test)]
mod tests;
