//! A private key of either purpose, with its public key.

use cantle_types::{Fingerprint, KeyPurpose};

use crate::encryption_private::EncryptionPrivateKey;
use crate::public_key::PublicKey;
use crate::signing_private::SigningPrivateKey;

/// A private key of either purpose, with its public key. Cheap to clone.
#[derive(Debug, Clone)]
pub enum KeyPair {
    /// A key that signs.
    Signing(SigningPrivateKey),
    /// A key that decrypts.
    Encryption(EncryptionPrivateKey),
}

impl KeyPair {
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

    /// The public key.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        match self {
            Self::Signing(key) => key.public().clone().into(),
            Self::Encryption(key) => key.public().clone().into(),
        }
    }
}

impl From<SigningPrivateKey> for KeyPair {
    fn from(key: SigningPrivateKey) -> Self {
        Self::Signing(key)
    }
}

impl From<EncryptionPrivateKey> for KeyPair {
    fn from(key: EncryptionPrivateKey) -> Self {
        Self::Encryption(key)
    }
}
