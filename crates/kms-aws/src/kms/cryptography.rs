//! Keys are used: Sign, Decrypt and Encrypt, and each of them as a dry run.

use std::error::Error;

use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::operation::RequestId;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{EncryptionAlgorithmSpec, MessageType, SigningAlgorithmSpec};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use cantle_kms::{
    CallMode, EncryptionAlgorithm, FailedCall, KmsAnswer, KmsError, KmsKeyId, Reply, ServiceMessage,
    SigningAlgorithm,
};
use zeroize::Zeroizing;

use super::{Answer, AwsKms};
use crate::answers;
use crate::errors::is_permitted_dry_run;

/// The shortest and longest message that Sign takes, and plaintext that Encrypt takes under a symmetric key.
const LENGTHS: std::ops::RangeInclusive<usize> = 1..=4096;

impl AwsKms {
    pub(super) async fn send_sign(
        &self,
        key: &KmsKeyId,
        message: &[u8],
        algorithm: SigningAlgorithm,
        mode: CallMode,
        call: FailedCall,
    ) -> Answer {
        check_length("message", message, &call)?;
        let sent = self
            .client
            .sign()
            .key_id(key.as_str())
            .message(Blob::new(message))
            .message_type(MessageType::Raw)
            .signing_algorithm(signing_algorithm(algorithm))
            .set_dry_run(dry_run(mode))
            .send()
            .await;
        let reply = self.used(call, mode, sent, |answer| {
            let signature = answer.signature.map(Blob::into_inner).filter(|signature| !signature.is_empty());
            (signature.ok_or("it has no Signature"), answer.key_id)
        });
        Ok(reply?.map(KmsAnswer::Signature))
    }

    pub(super) async fn send_decrypt(
        &self,
        key: &KmsKeyId,
        ciphertext: &[u8],
        algorithm: EncryptionAlgorithm,
        mode: CallMode,
        call: FailedCall,
    ) -> Answer {
        let sent = self
            .client
            .decrypt()
            .key_id(key.as_str())
            .ciphertext_blob(Blob::new(ciphertext))
            .encryption_algorithm(encryption_algorithm(algorithm))
            .set_dry_run(dry_run(mode))
            .send()
            .await;
        let reply = self.used(call, mode, sent, |answer| {
            let plaintext = answer.plaintext.map(|plaintext| Zeroizing::new(plaintext.into_inner()));
            (plaintext.ok_or("it has no Plaintext"), answer.key_id)
        });
        Ok(reply?.map(KmsAnswer::Plaintext))
    }

    pub(super) async fn send_encrypt(
        &self,
        key: &KmsKeyId,
        plaintext: &[u8],
        algorithm: EncryptionAlgorithm,
        mode: CallMode,
        call: FailedCall,
    ) -> Answer {
        check_length("plaintext", plaintext, &call)?;
        let sent = self
            .client
            .encrypt()
            .key_id(key.as_str())
            .plaintext(Blob::new(plaintext))
            .encryption_algorithm(encryption_algorithm(algorithm))
            .set_dry_run(dry_run(mode))
            .send()
            .await;
        let reply = self.used(call, mode, sent, |answer| {
            let ciphertext =
                answer.ciphertext_blob.map(Blob::into_inner).filter(|ciphertext| !ciphertext.is_empty());
            (ciphertext.ok_or("it has no CiphertextBlob"), answer.key_id)
        });
        Ok(reply?.map(KmsAnswer::Ciphertext))
    }

    /// What came of the use of a key; nothing for a dry run that would have succeeded. `read` gives what an answer must
    /// have, and the key that it names.
    fn used<A, E, T>(
        &self,
        call: FailedCall,
        mode: CallMode,
        sent: Result<A, SdkError<E, HttpResponse>>,
        read: impl FnOnce(A) -> (Result<T, &'static str>, Option<String>),
    ) -> Result<Reply<T>, KmsError>
    where
        A: RequestId,
        E: ProvideErrorMetadata + RequestId + Error + Send + Sync + 'static,
        T: Default,
    {
        match sent {
            Err(error) if mode == CallMode::DryRun && is_permitted_dry_run(&error) => {
                Ok(Reply::new(T::default()).with_request_id(error.request_id()))
            }
            sent => self.answered(call, sent)?.read(|answer| {
                let (value, key) = read(answer);
                let value = match mode {
                    CallMode::Execute => value?,
                    // A compatible service that ignores DryRun has done it: then it is permitted.
                    CallMode::DryRun => T::default(),
                };
                Ok((value, answers::key(key.as_deref())))
            }),
        }
    }
}

fn check_length(what: &str, content: &[u8], call: &FailedCall) -> Result<(), KmsError> {
    if LENGTHS.contains(&content.len()) {
        return Ok(());
    }
    let message = format!("the {what} has {} bytes, not 1 to 4096; it was not sent", content.len());
    Err(KmsError::Validation { call: call.clone(), message: ServiceMessage::new(&message) })
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
