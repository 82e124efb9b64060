//! AWS KMS through the SDK: each method is one request, sent once.
//!
//! Source: <https://docs.aws.amazon.com/kms/latest/APIReference/API_Operations.html>.

mod upkeep;

use async_trait::async_trait;
use aws_sdk_kms::operation::RequestId;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{
    EncryptionAlgorithmSpec, KeySpec as SdkKeySpec, KeyUsageType, MessageType, SigningAlgorithmSpec, Tag,
};
use cantle_kms::{
    CallMode, CreateKey, EncryptionAlgorithm, FailedCall, KeyMetadata, Kms, KmsError, KmsKeyId, KmsPublicKey,
    MultiRegion, Operation, Reply, ServiceMessage, SigningAlgorithm, Upkeep, UpkeepAnswer,
};
use zeroize::Zeroizing;

use crate::errors::{Target, from_sdk, is_permitted_dry_run};
use crate::{AwsKmsOptions, ConnectError, answers, connect};

/// The shortest and longest message that Sign takes.
const MESSAGE_LENGTHS: std::ops::RangeInclusive<usize> = 1..=4096;

/// AWS KMS in one Region, as one caller. Clones share connections and credentials.
#[derive(Debug, Clone)]
pub struct AwsKms {
    pub(crate) client: aws_sdk_kms::Client,
    pub(crate) target: Target,
}

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
}

fn malformed(call: FailedCall, request_id: Option<&str>, problem: &'static str) -> KmsError {
    KmsError::MalformedAnswer { call: call.with_request_id(request_id), problem: problem.into() }
}

const fn dry_run(mode: CallMode) -> Option<bool> {
    match mode {
        CallMode::Execute => None,
        CallMode::DryRun => Some(true),
    }
}

const fn signing_algorithm(algorithm: SigningAlgorithm) -> SigningAlgorithmSpec {
    match algorithm {
        SigningAlgorithm::EcdsaSha256 => SigningAlgorithmSpec::EcdsaSha256,
        SigningAlgorithm::EcdsaSha384 => SigningAlgorithmSpec::EcdsaSha384,
    }
}

const fn encryption_algorithm(algorithm: EncryptionAlgorithm) -> EncryptionAlgorithmSpec {
    match algorithm {
        EncryptionAlgorithm::RsaesOaepSha256 => EncryptionAlgorithmSpec::RsaesOaepSha256,
    }
}

fn tags(request: &CreateKey, call: &FailedCall) -> Result<Option<Vec<Tag>>, KmsError> {
    if request.tags.is_empty() {
        return Ok(None);
    }
    let tag = |(key, value): &(String, String)| Tag::builder().tag_key(key).tag_value(value).build();
    let tags: Result<Vec<Tag>, _> = request.tags.iter().map(tag).collect();
    tags.map(Some).map_err(|error| KmsError::TagRejected {
        call: call.clone(),
        message: ServiceMessage::new(&error.to_string()),
    })
}

#[async_trait]
impl Kms for AwsKms {
    fn endpoint(&self) -> &str {
        &self.target.endpoint
    }

    async fn create_key(&self, request: &CreateKey) -> Result<Reply<KeyMetadata>, KmsError> {
        let call = FailedCall::new(Operation::CreateKey, None);
        let description = Some(request.description.clone()).filter(|text| !text.is_empty());
        let result = self
            .client
            .create_key()
            .key_spec(SdkKeySpec::from(request.spec.as_str()))
            .key_usage(KeyUsageType::from(request.usage.as_str()))
            .set_description(description)
            .set_tags(tags(request, &call)?)
            .multi_region(request.multi_region == MultiRegion::Yes)
            .send()
            .await;
        match result {
            Ok(answer) => {
                let request_id = answer.request_id().map(str::to_owned);
                let metadata = answers::metadata(answer.key_metadata)
                    .map_err(|problem| malformed(call, request_id.as_deref(), problem))?;
                let key = metadata.arn.clone();
                Ok(Reply { value: metadata, request_id, key })
            }
            Err(error) => Err(from_sdk(error, call, &self.target)),
        }
    }

    async fn describe_key(&self, key: &KmsKeyId) -> Result<Reply<KeyMetadata>, KmsError> {
        let call = FailedCall::new(Operation::DescribeKey, Some(key));
        match self.client.describe_key().key_id(key.as_str()).send().await {
            Ok(answer) => {
                let request_id = answer.request_id().map(str::to_owned);
                let metadata = answers::metadata(answer.key_metadata)
                    .map_err(|problem| malformed(call, request_id.as_deref(), problem))?;
                let key = metadata.arn.clone();
                Ok(Reply { value: metadata, request_id, key })
            }
            Err(error) => Err(from_sdk(error, call, &self.target)),
        }
    }

    async fn public_key(&self, key: &KmsKeyId) -> Result<Reply<KmsPublicKey>, KmsError> {
        let call = FailedCall::new(Operation::GetPublicKey, Some(key));
        match self.client.get_public_key().key_id(key.as_str()).send().await {
            Ok(answer) => {
                let request_id = answer.request_id().map(str::to_owned);
                let public_key = answers::public_key(answer, key)
                    .map_err(|problem| malformed(call, request_id.as_deref(), problem))?;
                let key = Some(public_key.key_id.clone());
                Ok(Reply { value: public_key, request_id, key })
            }
            Err(error) => Err(from_sdk(error, call, &self.target)),
        }
    }

    async fn sign(
        &self,
        key: &KmsKeyId,
        message: &[u8],
        algorithm: SigningAlgorithm,
        mode: CallMode,
    ) -> Result<Reply<Vec<u8>>, KmsError> {
        let call = FailedCall::new(Operation::Sign, Some(key));
        if !MESSAGE_LENGTHS.contains(&message.len()) {
            let message = format!("the message has {} bytes, not 1 to 4096; it was not sent", message.len());
            return Err(KmsError::Validation { call, message: ServiceMessage::new(&message) });
        }
        let result = self
            .client
            .sign()
            .key_id(key.as_str())
            .message(Blob::new(message))
            .message_type(MessageType::Raw)
            .signing_algorithm(signing_algorithm(algorithm))
            .set_dry_run(dry_run(mode))
            .send()
            .await;
        match result {
            Ok(answer) => {
                let request_id = answer.request_id().map(str::to_owned);
                let signed_with = answers::key(answer.key_id.as_deref());
                let signature = match mode {
                    CallMode::Execute => answer
                        .signature
                        .map(Blob::into_inner)
                        .filter(|signature| !signature.is_empty())
                        .ok_or_else(|| malformed(call, request_id.as_deref(), "it has no Signature"))?,
                    // A compatible service that ignores DryRun has signed: then signing is permitted.
                    CallMode::DryRun => Vec::new(),
                };
                Ok(Reply { value: signature, request_id, key: signed_with })
            }
            Err(error) if mode == CallMode::DryRun && is_permitted_dry_run(&error) => {
                Ok(Reply::new(Vec::new()).with_request_id(error.request_id()))
            }
            Err(error) => Err(from_sdk(error, call, &self.target)),
        }
    }

    async fn decrypt(
        &self,
        key: &KmsKeyId,
        ciphertext: &[u8],
        algorithm: EncryptionAlgorithm,
        mode: CallMode,
    ) -> Result<Reply<Zeroizing<Vec<u8>>>, KmsError> {
        let call = FailedCall::new(Operation::Decrypt, Some(key));
        let result = self
            .client
            .decrypt()
            .key_id(key.as_str())
            .ciphertext_blob(Blob::new(ciphertext))
            .encryption_algorithm(encryption_algorithm(algorithm))
            .set_dry_run(dry_run(mode))
            .send()
            .await;
        match result {
            Ok(answer) => {
                let request_id = answer.request_id().map(str::to_owned);
                let decrypted_with = answers::key(answer.key_id.as_deref());
                let plaintext = answer.plaintext.map(|plaintext| Zeroizing::new(plaintext.into_inner()));
                let plaintext = match mode {
                    CallMode::Execute => plaintext
                        .ok_or_else(|| malformed(call, request_id.as_deref(), "it has no Plaintext"))?,
                    CallMode::DryRun => Zeroizing::default(),
                };
                Ok(Reply { value: plaintext, request_id, key: decrypted_with })
            }
            Err(error) if mode == CallMode::DryRun && is_permitted_dry_run(&error) => {
                Ok(Reply::new(Zeroizing::default()).with_request_id(error.request_id()))
            }
            Err(error) => Err(from_sdk(error, call, &self.target)),
        }
    }

    async fn upkeep(&self, request: &Upkeep) -> Result<Reply<UpkeepAnswer>, KmsError> {
        upkeep::send(&self.client, &self.target, request).await
    }
}
