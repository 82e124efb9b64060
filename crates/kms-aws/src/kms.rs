//! AWS KMS through the SDK: each request is sent once.
//!
//! Source: <https://docs.aws.amazon.com/kms/latest/APIReference/API_Operations.html>.

mod cryptography;
mod import;
mod keys;
mod upkeep;

use std::error::Error;

use async_trait::async_trait;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::operation::RequestId;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use cantle_kms::{FailedCall, Kms, KmsAnswer, KmsError, KmsKeyId, KmsRequest, Reply};

use crate::errors::{Target, from_sdk};
use crate::{AwsKmsOptions, ConnectError, connect};

/// AWS KMS in one Region, as one caller. Clones share connections and credentials.
#[derive(Debug, Clone)]
pub struct AwsKms {
    pub(crate) client: aws_sdk_kms::Client,
    pub(crate) target: Target,
}

/// What a request comes to.
type Answer = Result<Reply<KmsAnswer>, KmsError>;

impl AwsKms {
    /// Sets up a client. Reads AWS's configuration files and environment, and sends nothing: credentials are looked for
    /// and the connection is made with the first request.
    ///
    /// # Errors
    /// [`ConnectError`] for options that cannot work.
    pub async fn connect(options: AwsKmsOptions) -> Result<Self, ConnectError> {
        let (client, endpoint) = connect::client(&options).await?;
        Ok(Self { client, target: Target { endpoint, attempt_timeout: options.attempt_timeout } })
    }

    /// What was sent, with an answer that can be read.
    fn answered<A: RequestId, E>(
        &self,
        call: FailedCall,
        sent: Result<A, SdkError<E, HttpResponse>>,
    ) -> Result<Answered<A>, KmsError>
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        match sent {
            Ok(answer) => {
                let request_id = answer.request_id().map(str::to_owned);
                Ok(Answered { answer, call, request_id })
            }
            Err(error) => Err(from_sdk(error, call, &self.target)),
        }
    }
}

/// An answer, and what was asked for.
struct Answered<A> {
    answer: A,
    call: FailedCall,
    request_id: Option<String>,
}

impl<A> Answered<A> {
    /// What it says, about a key that it names.
    fn read<T>(
        self,
        read: impl FnOnce(A) -> Result<(T, Option<KmsKeyId>), &'static str>,
    ) -> Result<Reply<T>, KmsError> {
        let Self { answer, call, request_id } = self;
        match read(answer) {
            Ok((value, key)) => Ok(Reply { value, request_id, key }),
            Err(problem) => Err(KmsError::MalformedAnswer {
                call: call.with_request_id(request_id.as_deref()),
                problem: problem.into(),
            }),
        }
    }
}

#[async_trait]
impl Kms for AwsKms {
    fn endpoint(&self) -> &str {
        &self.target.endpoint
    }

    async fn ask(&self, request: KmsRequest<'_>) -> Answer {
        let call = request.call();
        match request {
            KmsRequest::CreateKey(request) => self.send_create_key(request, call).await,
            KmsRequest::DescribeKey { key } => self.send_describe_key(key, call).await,
            KmsRequest::GetPublicKey { key } => self.send_get_public_key(key, call).await,
            KmsRequest::Sign { key, message, algorithm, mode } => {
                self.send_sign(key, message, algorithm, mode, call).await
            }
            KmsRequest::Decrypt { key, ciphertext, algorithm, mode } => {
                self.send_decrypt(key, ciphertext, algorithm, mode, call).await
            }
            KmsRequest::Encrypt { key, plaintext, algorithm, mode } => {
                self.send_encrypt(key, plaintext, algorithm, mode, call).await
            }
            KmsRequest::GetParametersForImport { key } => {
                self.send_get_parameters_for_import(key, call).await
            }
            KmsRequest::ImportKeyMaterial { key, token, wrapped } => {
                self.send_import_key_material(key, token, wrapped, call).await
            }
            KmsRequest::ListKeys { marker } => self.send_list_keys(marker, call).await,
            KmsRequest::ListResourceTags { key, marker } => {
                self.send_list_resource_tags(key, marker, call).await
            }
            KmsRequest::ScheduleKeyDeletion { key, pending_window_days } => {
                self.send_schedule_key_deletion(key, pending_window_days, call).await
            }
            KmsRequest::CancelKeyDeletion { key } => self.send_cancel_key_deletion(key, call).await,
            KmsRequest::EnableKey { key } => self.send_enable_key(key, call).await,
        }
    }
}
