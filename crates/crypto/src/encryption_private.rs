//! Private encryption keys in software, for the provider `jce`.
//!
//! All as PKCS#8 in DER, as Canton's provider `jce` stores them.
//! Invariant: the private key belongs to the public key; it is wiped when dropped and never printed.
//! Source: RFC 5958; the layouts of ciphertexts are in `ecies` and `rsa`.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use cantle_types::Fingerprint;
use zeroize::Zeroizing;

use crate::encryption_key::EncryptionPublicKey;
use crate::error::{DecryptError, PrivateKeyError};
use crate::scheme::{CryptoKeyFormat, EncryptionKeyScheme};
use crate::{ecies, rsa, tink};

/// A private encryption key and its public key. Cheap to clone.
#[derive(Clone)]
pub struct EncryptionPrivateKey(Arc<Inner>);

struct Inner {
    public: EncryptionPublicKey,
    secret: Zeroizing<Vec<u8>>,
    key: Key,
}

enum Key {
    EllipticCurve(PrivateKey),
    Rsa(rsa::PrivateKey),
}

impl EncryptionPrivateKey {
    /// Makes a new key. One of RSA takes about a tenth of a second.
    ///
    /// # Errors
    /// When the cryptographic library cannot.
    pub fn generate(scheme: EncryptionKeyScheme) -> Result<Self, PrivateKeyError> {
        if scheme == EncryptionKeyScheme::Rsa2048OaepSha256 {
            let (key, secret) = rsa::PrivateKey::generate()?;
            return Self::with_rsa(key, secret);
        }
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new())
            .map_err(|_| PrivateKeyError::Generate { scheme: scheme.name() })?;
        Self::with_pkcs8(scheme, Zeroizing::new(document.as_ref().to_vec()))
    }

    /// Reads a private key in PKCS#8.
    ///
    /// # Errors
    /// When the format is not DER, or the bytes are not a private key of the scheme.
    pub fn from_bytes(
        scheme: EncryptionKeyScheme,
        format: CryptoKeyFormat,
        secret: Zeroizing<Vec<u8>>,
    ) -> Result<Self, PrivateKeyError> {
        if format != CryptoKeyFormat::Der {
            return Err(PrivateKeyError::UnsupportedFormat { scheme: scheme.name(), format });
        }
        Self::with_pkcs8(scheme, secret)
    }

    fn with_pkcs8(scheme: EncryptionKeyScheme, secret: Zeroizing<Vec<u8>>) -> Result<Self, PrivateKeyError> {
        if scheme == EncryptionKeyScheme::Rsa2048OaepSha256 {
            return Self::with_rsa(rsa::PrivateKey::from_pkcs8(&secret)?, secret);
        }
        let encoding = || PrivateKeyError::Encoding { scheme: scheme.name() };
        // The agreement's own reader takes SEC 1 too, so the stricter one of signatures goes first.
        let public = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &secret)
            .map_err(|_| encoding())?
            .public_key()
            .as_der()
            .map_err(|_| encoding())?
            .as_ref()
            .to_vec();
        let key = PrivateKey::from_private_key_der(&ECDH_P256, &secret).map_err(|_| encoding())?;
        let public = EncryptionPublicKey::new(CryptoKeyFormat::Der, public, scheme)?;
        Ok(Self(Arc::new(Inner { public, secret, key: Key::EllipticCurve(key) })))
    }

    fn with_rsa(key: rsa::PrivateKey, secret: Zeroizing<Vec<u8>>) -> Result<Self, PrivateKeyError> {
        let scheme = EncryptionKeyScheme::Rsa2048OaepSha256;
        let public = EncryptionPublicKey::new(CryptoKeyFormat::Der, key.public_spki(), scheme)?;
        Ok(Self(Arc::new(Inner { public, secret, key: Key::Rsa(key) })))
    }

    /// The same key beside another encoding of its public key, which then gives the fingerprint.
    pub(crate) fn with_public(self, public: EncryptionPublicKey) -> Result<Self, PrivateKeyError> {
        let own = self.public();
        let mismatch = || PrivateKeyError::Mismatch { public: public.fingerprint().clone() };
        if own.scheme() != public.scheme() || own.raw_material() != public.raw_material() {
            return Err(mismatch());
        }
        if *own == public {
            return Ok(self);
        }
        let inner = Arc::into_inner(self.0).ok_or_else(mismatch)?;
        Ok(Self(Arc::new(Inner { public, ..inner })))
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> &EncryptionPublicKey {
        &self.0.public
    }

    /// The name of the key, that of its public key.
    #[must_use]
    pub fn fingerprint(&self) -> &Fingerprint {
        self.0.public.fingerprint()
    }

    /// How the secret bytes are to be read: always DER.
    #[must_use]
    pub fn format(&self) -> CryptoKeyFormat {
        CryptoKeyFormat::Der
    }

    /// The private key as it is stored, PKCS#8.
    ///
    /// # Security
    /// Whoever has the bytes can read what was encrypted to this node.
    #[must_use]
    pub fn secret_bytes(&self) -> &[u8] {
        &self.0.secret
    }

    /// Decrypts; a ciphertext with the prefix of Tink is tried without it.
    ///
    /// # Errors
    /// When the ciphertext is empty, was not made for this key, or was changed.
    ///
    /// # Security
    /// With ECIES and AES-CBC a change of the first 16 bytes, the IV, goes unnoticed, and changes the first
    /// 16 bytes of the plaintext: the layout does not protect them.
    pub fn decrypt(&self, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
        let scheme = self.public().scheme();
        tink::decrypt_with_or_without_prefix(scheme.name(), ciphertext, |bytes| match &self.0.key {
            Key::Rsa(key) => key.decrypt(bytes).ok(),
            Key::EllipticCurve(key) if scheme == EncryptionKeyScheme::EciesP256HmacSha256Aes128Cbc => {
                ecies::cbc_decrypt(key, bytes)
            }
            Key::EllipticCurve(key) => ecies::gcm_decrypt(key, bytes),
        })
    }
}

impl fmt::Debug for EncryptionPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptionPrivateKey")
            .field("fingerprint", &self.fingerprint().as_str())
            .field("secret", &format_args!("[REDACTED]"))
            .finish()
    }
}
