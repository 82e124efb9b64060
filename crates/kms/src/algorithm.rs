//! The algorithms a node asks the service for. AWS has more; those are not needed and not here.
//!
//! Source: <https://docs.aws.amazon.com/kms/latest/developerguide/symm-asymm-choose-key-spec.html>.

use std::fmt;

/// How the service signs. The message is given RAW: the service hashes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SigningAlgorithm {
    /// ECDSA over P-256 with SHA-256.
    EcdsaSha256,
    /// ECDSA over P-384 with SHA-384.
    EcdsaSha384,
}

impl SigningAlgorithm {
    /// AWS's name of the algorithm.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EcdsaSha256 => "ECDSA_SHA_256",
            Self::EcdsaSha384 => "ECDSA_SHA_384",
        }
    }
}

impl fmt::Display for SigningAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How the service decrypts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EncryptionAlgorithm {
    /// RSA with OAEP padding, SHA-256 for both the label and the mask.
    RsaesOaepSha256,
}

impl EncryptionAlgorithm {
    /// AWS's name of the algorithm.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RsaesOaepSha256 => "RSAES_OAEP_SHA_256",
        }
    }
}

impl fmt::Display for EncryptionAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
