//! One round trip through an encryption key before it is stored: what its public part encrypts, the KMS decrypts.
//!
//! A dry run would accept any ciphertext; this shows that padding, key and public part belong together.

use std::sync::Arc;

use cantle_crypto::EncryptionPublicKey;
use cantle_kms::{CallMode, EncryptionAlgorithm, Kms, KmsError, KmsKeyId};

use crate::register::TrialError;

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RoundTrip {
    /// What was encrypted.
    Same,
    /// Something else, or a refusal of the ciphertext.
    Other,
}

/// Why nothing came back.
#[derive(Debug)]
pub(crate) enum RoundTripError {
    /// Nothing could be encrypted.
    Trial(TrialError),
    /// The KMS said no, or nothing.
    Kms(KmsError),
}

/// Encrypts a random message and has the KMS decrypt it (`kms:Decrypt`).
pub(crate) async fn round_trip(
    kms: &Arc<dyn Kms>,
    key: &KmsKeyId,
    public: &EncryptionPublicKey,
) -> Result<RoundTrip, RoundTripError> {
    let trial = || -> Result<_, TrialError> {
        let message = cantle_crypto::random_bytes::<32>()?;
        Ok((message, public.encrypt(&message)?))
    };
    let (message, ciphertext) = trial().map_err(RoundTripError::Trial)?;
    match kms.decrypt(key, &ciphertext, EncryptionAlgorithm::RsaesOaepSha256, CallMode::Execute).await {
        Ok(reply) if reply.value.as_slice() == message => Ok(RoundTrip::Same),
        Ok(_) | Err(KmsError::InvalidCiphertext { .. } | KmsError::IncorrectKey { .. }) => {
            Ok(RoundTrip::Other)
        }
        Err(error) => Err(RoundTripError::Kms(error)),
    }
}
