//! Private keys on their way into a key management service: RSA_AES_KEY_WRAP_SHA_256.
//!
//! A fresh AES-256 key wraps the private key, in PKCS#8, as RFC 5649 says; RSA-OAEP with SHA-256 encrypts the AES key to
//! the service's wrapping key. The two ciphertexts follow each other.
//! Invariant: neither the private key nor the AES key stays in memory.
//! Source: <https://docs.aws.amazon.com/kms/latest/developerguide/importing-keys-encrypt-key-material.html>; RFC 5649.

use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrapPadded};
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::key_pair::KeyPair;
use crate::random::{RandomnessError, random_bytes};
use crate::scheme::CryptoKeyFormat;

/// PKCS#8 of an Ed25519 key up to its seed of 32 bytes (RFC 8410, section 7).
const ED25519_PKCS8: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// What RFC 5649 adds at most: its integrity check and the padding.
const WRAP_OVERHEAD: usize = 8 + 7;

/// Why key material was not wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WrapError {
    /// The wrapping key is not one of RSA.
    #[error("the service's wrapping key is not an RSA public key")]
    WrappingKey,
    /// The cryptographic library refused.
    #[error("the key material could not be wrapped")]
    Failed,
    /// There was no randomness.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
}

impl KeyPair {
    /// The private key in PKCS#8 DER, as a key management service imports it.
    ///
    /// # Security
    /// It is the private key in clear.
    #[must_use]
    pub fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        let (format, secret) = match self {
            Self::Signing(key) => (key.format(), key.secret_bytes()),
            Self::Encryption(key) => (key.format(), key.secret_bytes()),
        };
        // Raw is Ed25519 alone; all others are stored as PKCS#8.
        let prefix: &[u8] = if format == CryptoKeyFormat::Raw { &ED25519_PKCS8 } else { &[] };
        let mut bytes = Zeroizing::new(Vec::with_capacity(prefix.len() + secret.len()));
        bytes.extend_from_slice(prefix);
        bytes.extend_from_slice(secret);
        bytes
    }
}

/// Wraps key material for the service whose wrapping key, a DER SubjectPublicKeyInfo of RSA, is given.
///
/// # Errors
/// [`WrapError`].
pub fn wrap_key_material(wrapping_key: &[u8], material: &[u8]) -> Result<Vec<u8>, WrapError> {
    let rsa = PublicEncryptingKey::from_der(wrapping_key).map_err(|_| WrapError::WrappingKey)?;
    let rsa = OaepPublicEncryptingKey::new(rsa).map_err(|_| WrapError::WrappingKey)?;
    let key = Zeroizing::new(random_bytes::<32>()?);
    let mut wrapped = vec![0; rsa.ciphertext_size()];
    rsa.encrypt(&OAEP_SHA256_MGF1SHA256, &*key, &mut wrapped, None).map_err(|_| WrapError::Failed)?;
    let kek = AesKek::new(&AES_256, &*key).map_err(|_| WrapError::Failed)?;
    let mut sealed = vec![0; material.len() + WRAP_OVERHEAD];
    let sealed = kek.wrap_with_padding(material, &mut sealed).map_err(|_| WrapError::Failed)?;
    wrapped.extend_from_slice(sealed);
    Ok(wrapped)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::AsDer;
    use aws_lc_rs::rsa::{KeySize, OaepPrivateDecryptingKey, PrivateDecryptingKey};
    use aws_lc_rs::signature::Ed25519KeyPair;

    use super::*;
    use crate::{EncryptionKeyScheme, EncryptionPrivateKey, SigningKeyScheme, SigningPrivateKey};

    #[test]
    fn ed25519_is_the_pkcs8_of_rfc_8410() {
        let key = SigningPrivateKey::generate(SigningKeyScheme::Ed25519).unwrap();
        let pkcs8 = KeyPair::from(key.clone()).to_pkcs8();
        let read = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&pkcs8).unwrap();
        let message = b"message";
        assert_eq!(read.sign(message).as_ref(), key.sign(message).unwrap().bytes());
    }

    #[test]
    fn wrapped_keys_come_back_whole() {
        let private = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
        let spki = private.public_key().as_der().unwrap().as_ref().to_vec();
        let private = OaepPrivateDecryptingKey::new(private).unwrap();
        let rsa = EncryptionPrivateKey::generate(EncryptionKeyScheme::Rsa2048OaepSha256).unwrap();
        let pairs: [KeyPair; 3] = [
            SigningPrivateKey::generate(SigningKeyScheme::Ed25519).unwrap().into(),
            SigningPrivateKey::generate(SigningKeyScheme::EcDsaP384).unwrap().into(),
            rsa.into(),
        ];
        for pair in pairs {
            let material = pair.to_pkcs8();
            let wrapped = wrap_key_material(&spki, &material).unwrap();
            let (key, sealed) = wrapped.split_at(256);
            let mut buffer = vec![0; 256];
            let key = private.decrypt(&OAEP_SHA256_MGF1SHA256, key, &mut buffer, None).unwrap();
            let mut opened = vec![0; sealed.len()];
            let kek = AesKek::new(&AES_256, key).unwrap();
            assert_eq!(kek.unwrap_with_padding(sealed, &mut opened).unwrap(), material.as_slice());
        }
    }

    #[test]
    fn a_wrapping_key_of_another_kind_is_refused() {
        let ec = SigningPrivateKey::generate(SigningKeyScheme::EcDsaP256).unwrap();
        let error = wrap_key_material(ec.public().bytes(), b"material").unwrap_err();
        assert_eq!(error, WrapError::WrappingKey);
    }
}
