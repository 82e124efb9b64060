//! Schemes and KMS key specs, each in terms of the other.
//!
//! Source: <https://docs.aws.amazon.com/kms/latest/developerguide/symm-asymm-choose-key-spec.html>.

use cantle_crypto::{
    CryptoKeyFormat, EncryptionKeyScheme, EncryptionPublicKey, PublicKey, SigningKeyScheme, SigningPublicKey,
};
use cantle_kms::{KeySpec, KeyUsage};
use cantle_types::KeyPurpose;

/// A scheme with its purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyScheme {
    Signing(SigningKeyScheme),
    Encryption(EncryptionKeyScheme),
}

impl KeyScheme {
    pub(crate) fn purpose(self) -> KeyPurpose {
        match self {
            Self::Signing(_) => KeyPurpose::Signing,
            Self::Encryption(_) => KeyPurpose::Encryption,
        }
    }

    /// The scheme of a public key.
    pub(crate) fn of(key: &PublicKey) -> Self {
        match key {
            PublicKey::Signing(key) => Self::Signing(key.scheme()),
            PublicKey::Encryption(key) => Self::Encryption(key.scheme()),
        }
    }

    /// The spec of a KMS key of this scheme; none if the KMS has no such keys.
    pub(crate) fn key_spec(self) -> Option<KeySpec> {
        match self {
            Self::Signing(SigningKeyScheme::EcDsaP256) => Some(KeySpec::EccNistP256),
            Self::Signing(SigningKeyScheme::EcDsaP384) => Some(KeySpec::EccNistP384),
            Self::Encryption(EncryptionKeyScheme::Rsa2048OaepSha256) => Some(KeySpec::Rsa2048),
            Self::Signing(_) | Self::Encryption(_) => None,
        }
    }

    /// The scheme of a KMS key of this spec, for a purpose.
    pub(crate) fn of_spec(purpose: KeyPurpose, spec: &KeySpec) -> Option<Self> {
        match (purpose, spec) {
            (KeyPurpose::Signing, KeySpec::EccNistP256) => Some(Self::Signing(SigningKeyScheme::EcDsaP256)),
            (KeyPurpose::Signing, KeySpec::EccNistP384) => Some(Self::Signing(SigningKeyScheme::EcDsaP384)),
            (KeyPurpose::Encryption, KeySpec::Rsa2048) => {
                Some(Self::Encryption(EncryptionKeyScheme::Rsa2048OaepSha256))
            }
            _ => None,
        }
    }

    /// Reads a public key as the KMS gives it.
    pub(crate) fn public_key(self, der: Vec<u8>) -> Result<PublicKey, cantle_crypto::PublicKeyError> {
        Ok(match self {
            Self::Signing(scheme) => {
                PublicKey::Signing(SigningPublicKey::new(CryptoKeyFormat::Der, der, scheme)?)
            }
            Self::Encryption(scheme) => {
                PublicKey::Encryption(EncryptionPublicKey::new(CryptoKeyFormat::Der, der, scheme)?)
            }
        })
    }
}

/// The usage of a KMS key for a purpose.
pub(crate) fn key_usage(purpose: KeyPurpose) -> KeyUsage {
    match purpose {
        KeyPurpose::Signing => KeyUsage::SignVerify,
        KeyPurpose::Encryption => KeyUsage::EncryptDecrypt,
    }
}
