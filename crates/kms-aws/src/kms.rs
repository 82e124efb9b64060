//! AWS KMS through the SDK: each method is one request, sent once.
//!
//! Source: <https://docs.aws.amazon.com/kms/latest/APIReference/API_Operations.html>.

mod upkeep;

use async_trait::async_trait;
use aws_sdk_kms::operation::RequestId;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{
    AlgorithmSpec, EncryptionAlgorithmSpec, ExpirationModelType, KeySpec as SdkKeySpec, KeyUsageType,
    MessageType, OriginType as SdkOriginType, SigningAlgorithmSpec, Tag, WrappingKeySpec,
};
use cantle_kms::{
    CallMode, CreateKey, EncryptionAlgorithm, FailedCall, ImportParameters, KeyMetadata, Kms, KmsError,
    KmsKeyId, KmsPublicKey, MultiRegion, Operation, OriginType, Reply, ServiceMessage, SigningAlgorithm,
    Upkeep, UpkeepAnswer,
};
use zeroize::Zeroizing;

use crate::errors::{Target, from_sdk, is_permitted_dry_run};
use crate::{AwsKmsOptions, ConnectError, answers, connect};

/// The shortest and longest message that Sign takes.
const MESSAGE_LENGTHS: std::ops::RangeInclusive<usize> = 1..=4096;
/// The shortest and longest plaintext that Encrypt takes under a symmetric key.
const PLAINTEXT_LENGTHS: std::ops::RangeInclusive<usize> = 1..=4096;

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
        SigningAlgorithm::Ed25519Sha512 => SigningAlgorithmSpec::Ed25519Sha512,
    }
}

const fn encryption_algorithm(algorithm: EncryptionAlgorithm) -> EncryptionAlgorithmSpec {
    match algorithm {
        EncryptionAlgorithm::RsaesOaepSha256 => EncryptionAlgorithmSpec::RsaesOaepSha256,
        EncryptionAlgorithm::SymmetricDefault => EncryptionAlgorithmSpec::SymmetricDefault,
    }
}

/// AWS's default is not sent: an emulator may know no other.
fn origin(origin: &OriginType) -> Option<SdkOriginType> {
    match origin {
        OriginType::AwsKms => None,
        other => Some(SdkOriginType::from(other.as_str())),
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
            .set_origin(origin(&request.origin))
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

    async fn encrypt(
        &self,
        key: &KmsKeyId,
        plaintext: &[u8],
        algorithm: EncryptionAlgorithm,
        mode: CallMode,
    ) -> Result<Reply<Vec<u8>>, KmsError> {
        let call = FailedCall::new(Operation::Encrypt, Some(key));
        if !PLAINTEXT_LENGTHS.contains(&plaintext.len()) {
            let message =
                format!("the plaintext has {} bytes, not 1 to 4096; it was not sent", plaintext.len());
            return Err(KmsError::Validation { call, message: ServiceMessage::new(&message) });
        }
        let result = self
            .client
            .encrypt()
            .key_id(key.as_str())
            .plaintext(Blob::new(plaintext))
            .encryption_algorithm(encryption_algorithm(algorithm))
            .set_dry_run(dry_run(mode))
            .send()
            .await;
        match result {
            Ok(answer) => {
                let request_id = answer.request_id().map(str::to_owned);
                let encrypted_with = answers::key(answer.key_id.as_deref());
                let ciphertext = match mode {
                    CallMode::Execute => answer
                        .ciphertext_blob
                        .map(Blob::into_inner)
                        .filter(|ciphertext| !ciphertext.is_empty())
                        .ok_or_else(|| malformed(call, request_id.as_deref(), "it has no CiphertextBlob"))?,
                    CallMode::DryRun => Vec::new(),
                };
                Ok(Reply { value: ciphertext, request_id, key: encrypted_with })
            }
            Err(error) if mode == CallMode::DryRun && is_permitted_dry_run(&error) => {
                Ok(Reply::new(Vec::new()).with_request_id(error.request_id()))
            }
            Err(error) => Err(from_sdk(error, call, &self.target)),
        }
    }

    async fn parameters_for_import(&self, key: &KmsKeyId) -> Result<Reply<ImportParameters>, KmsError> {
        let call = FailedCall::new(Operation::GetParametersForImport, Some(key));
        let result = self
            .client
            .get_parameters_for_import()
            .key_id(key.as_str())
            .wrapping_algorithm(AlgorithmSpec::RsaAesKeyWrapSha256)
            .wrapping_key_spec(WrappingKeySpec::Rsa4096)
            .send()
            .await;
        match result {
            Ok(answer) => {
                let request_id = answer.request_id().map(str::to_owned);
                let key = answers::key(answer.key_id.as_deref());
                let (Some(wrapping_key), Some(token)) = (answer.public_key, answer.import_token) else {
                    return Err(malformed(call, request_id.as_deref(), "it has no PublicKey or ImportToken"));
                };
                let value =
                    ImportParameters { wrapping_key: wrapping_key.into_inner(), token: token.into_inner() };
                Ok(Reply { value, request_id, key })
            }
            Err(error) => Err(from_sdk(error, call, &self.target)),
        }
    }

    async fn import_key_material(
        &self,
        key: &KmsKeyId,
        token: &[u8],
        wrapped: &[u8],
    ) -> Result<Reply<()>, KmsError> {
        let call = FailedCall::new(Operation::ImportKeyMaterial, Some(key));
        let result = self
            .client
            .import_key_material()
            .key_id(key.as_str())
            .import_token(Blob::new(token))
            .encrypted_key_material(Blob::new(wrapped))
            .expiration_model(ExpirationModelType::KeyMaterialDoesNotExpire)
            .send()
            .await;
        match result {
            Ok(answer) => {
                let request_id = answer.request_id().map(str::to_owned);
                let key = answers::key(answer.key_id.as_deref());
                Ok(Reply { value: (), request_id, key })
            }
            Err(error) => Err(from_sdk(error, call, &self.target)),
        }
    }

    async fn upkeep(&self, request: &Upkeep) -> Result<Reply<UpkeepAnswer>, KmsError> {
        upkeep::send(&self.client, &self.target, request).await
    }
}
