//! A look at the service itself: whether it answers, whom it takes the caller for, and what its clock says.
//!
//! One DescribeKey of a key that is not there: it needs no permission and changes nothing. A refusal for want of
//! permission is as good an answer as "not found": both come after the signature was accepted.
//! Source: <https://docs.aws.amazon.com/kms/latest/APIReference/API_DescribeKey.html>.

use std::time::{Duration, Instant, SystemTime};

use aws_sdk_kms::error::SdkError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use cantle_kms::{FailedCall, KmsError, KmsKeyId, Operation};

use crate::AwsKms;
use crate::errors::from_sdk;

/// What the service said.
#[derive(Debug)]
#[non_exhaustive]
pub struct Probe {
    /// Why there is no such key, or why the question came to nothing. None if there is one.
    pub error: Option<KmsError>,
    /// The service's clock when it answered, to the second, if it said.
    pub server_time: Option<SystemTime>,
    /// This machine's clock half-way between question and answer.
    pub local_time: SystemTime,
    /// How long the answer took.
    pub took: Duration,
}

impl Probe {
    /// Whether the service took the caller for somebody it knows.
    #[must_use]
    pub fn is_authenticated(&self) -> bool {
        matches!(&self.error, None | Some(KmsError::NotFound { .. } | KmsError::AccessDenied { .. }))
    }

    /// Whom the service takes the caller for, where its refusal says so.
    #[must_use]
    pub fn caller(&self) -> Option<&str> {
        let Some(KmsError::AccessDenied { message, .. }) = &self.error else { return None };
        let (_, rest) = message.as_str().split_once("User: ")?;
        rest.split_whitespace().next()
    }
}

impl AwsKms {
    /// Asks for a key that should not be there, once.
    pub async fn probe(&self, key: &KmsKeyId) -> Probe {
        let call = FailedCall::new(Operation::DescribeKey, Some(key));
        let asked_at = SystemTime::now();
        let asked = Instant::now();
        let answer = self.client.describe_key().key_id(key.as_str()).send().await;
        let took = asked.elapsed();
        let server_time = match &answer {
            Ok(_) => None,
            Err(SdkError::ServiceError(error)) => date(error.raw()),
            Err(SdkError::ResponseError(error)) => date(error.raw()),
            Err(_) => None,
        };
        let error = answer.err().map(|error| from_sdk(error, call, &self.target));
        Probe { error, server_time, local_time: asked_at + took / 2, took }
    }
}

fn date(answer: &HttpResponse) -> Option<SystemTime> {
    let date = DateTime::from_str(answer.headers().get("date")?, Format::HttpDate).ok()?;
    SystemTime::try_from(date).ok()
}
