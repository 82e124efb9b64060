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
    /// Ed25519, which hashes the message itself. Only for keys whose material was imported.
    Ed25519Sha512,
}

impl SigningAlgorithm {
    /// AWS's name of the algorithm.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EcdsaSha256 => "ECDSA_SHA_256",
            Self::EcdsaSha384 => "ECDSA_SHA_384",
            Self::Ed25519Sha512 => "ED25519_SHA_512",
        }
    }
}

impl fmt::Display for SigningAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How the service encrypts and decrypts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EncryptionAlgorithm {
    /// RSA with OAEP padding, SHA-256 for both the label and the mask.
    RsaesOaepSha256,
    /// AES-256-GCM inside the service; the ciphertext is the service's own format.
    SymmetricDefault,
}

impl EncryptionAlgorithm {
    /// AWS's name of the algorithm.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RsaesOaepSha256 => "RSAES_OAEP_SHA_256",
            Self::SymmetricDefault => "SYMMETRIC_DEFAULT",
        }
    }
}

impl fmt::Display for EncryptionAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
