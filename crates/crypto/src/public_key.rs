//! A public key of either purpose.

use cantle_types::{Fingerprint, KeyPurpose};

use crate::encryption_key::EncryptionPublicKey;
use crate::error::StrictKeyError;
use crate::signing_key::SigningPublicKey;

/// A public key of either purpose. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PublicKey {
    /// A key that verifies signatures.
    Signing(SigningPublicKey),
    /// A key that one encrypts to.
    Encryption(EncryptionPublicKey),
}

impl PublicKey {
    /// The name of the key.
    #[must_use]
    pub fn fingerprint(&self) -> &Fingerprint {
        match self {
            Self::Signing(key) => key.fingerprint(),
            Self::Encryption(key) => key.fingerprint(),
        }
    }

    /// What the key is for.
    #[must_use]
    pub fn purpose(&self) -> KeyPurpose {
        match self {
            Self::Signing(_) => KeyPurpose::Signing,
            Self::Encryption(_) => KeyPurpose::Encryption,
        }
    }

    /// The scheme, as Canton shows it.
    #[must_use]
    pub fn scheme_name(&self) -> &'static str {
        match self {
            Self::Signing(key) => key.scheme().name(),
            Self::Encryption(key) => key.scheme().name(),
        }
    }

    /// The key, if it verifies signatures.
    #[must_use]
    pub fn as_signing(&self) -> Option<&SigningPublicKey> {
        match self {
            Self::Signing(key) => Some(key),
            Self::Encryption(_) => None,
        }
    }

    /// The key, if one encrypts to it.
    #[must_use]
    pub fn as_encryption(&self) -> Option<&EncryptionPublicKey> {
        match self {
            Self::Encryption(key) => Some(key),
            Self::Signing(_) => None,
        }
    }

    /// Whether this node may make or register the key.
    ///
    /// # Errors
    /// As the check of either kind of key.
    pub fn check_strict(&self) -> Result<(), StrictKeyError> {
        match self {
            Self::Signing(key) => key.check_strict(),
            Self::Encryption(key) => key.check_strict(),
        }
    }
}

impl From<SigningPublicKey> for PublicKey {
    fn from(key: SigningPublicKey) -> Self {
        Self::Signing(key)
    }
}

impl From<EncryptionPublicKey> for PublicKey {
    fn from(key: EncryptionPublicKey) -> Self {
        Self::Encryption(key)
    }
}
