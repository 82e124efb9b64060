//! Private signing keys in software, for the provider `jce`.
//!
//! Ed25519 as its seed of 32 bytes (Raw), ECDSA as PKCS#8 (DER), both as Canton's provider `jce` stores them.
//! Invariant: the private key belongs to the public key; it is wiped when dropped and never printed.
//! Source: RFC 8032; RFC 5958.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair as _,
};
use cantle_types::Fingerprint;
use zeroize::Zeroizing;

use crate::error::{PrivateKeyError, SignError};
use crate::hash::Hash;
use crate::random::random_bytes;
use crate::scheme::{CryptoKeyFormat, SigningKeyScheme};
use crate::signature::Signature;
use crate::signing_key::SigningPublicKey;

/// The length of an Ed25519 seed.
const SEED_LENGTH: usize = 32;

/// A private signing key and its public key. Cheap to clone.
#[derive(Clone)]
pub struct SigningPrivateKey(Arc<Inner>);

struct Inner {
    public: SigningPublicKey,
    secret: Zeroizing<Vec<u8>>,
    key: Key,
}

enum Key {
    Ed25519(Ed25519KeyPair),
    Ecdsa(EcdsaKeyPair),
}

impl SigningPrivateKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// When the cryptographic library cannot.
    pub fn generate(scheme: SigningKeyScheme) -> Result<Self, PrivateKeyError> {
        let failed = || PrivateKeyError::Generate { scheme: scheme.name() };
        let secret = match algorithm(scheme) {
            None => {
                let seed = Zeroizing::new(random_bytes::<SEED_LENGTH>().map_err(|_| failed())?);
                Zeroizing::new(seed.to_vec())
            }
            Some(algorithm) => {
                let document =
                    EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).map_err(|_| failed())?;
                Zeroizing::new(document.as_ref().to_vec())
            }
        };
        Self::from_secret(scheme, secret)
    }

    /// Reads a private key: the seed of 32 bytes of Ed25519 (Raw), PKCS#8 for ECDSA (DER).
    ///
    /// # Errors
    /// When the format is not the scheme's, or the bytes are not a private key of the scheme.
    pub fn from_bytes(
        scheme: SigningKeyScheme,
        format: CryptoKeyFormat,
        secret: Zeroizing<Vec<u8>>,
    ) -> Result<Self, PrivateKeyError> {
        if format != private_format(scheme) {
            return Err(PrivateKeyError::UnsupportedFormat { scheme: scheme.name(), format });
        }
        Self::from_secret(scheme, secret)
    }

    fn from_secret(scheme: SigningKeyScheme, secret: Zeroizing<Vec<u8>>) -> Result<Self, PrivateKeyError> {
        let encoding = || PrivateKeyError::Encoding { scheme: scheme.name() };
        let (key, public) = match algorithm(scheme) {
            None => {
                if secret.len() != SEED_LENGTH {
                    return Err(encoding());
                }
                let key = Ed25519KeyPair::from_seed_unchecked(&secret).map_err(|_| encoding())?;
                let public = key.public_key().as_ref().to_vec();
                (Key::Ed25519(key), public)
            }
            Some(algorithm) => {
                let key = EcdsaKeyPair::from_pkcs8(algorithm, &secret).map_err(|_| encoding())?;
                let public = key.public_key().as_der().map_err(|_| encoding())?.as_ref().to_vec();
                (Key::Ecdsa(key), public)
            }
        };
        let public = SigningPublicKey::new(private_format(scheme), public, scheme)?;
        Ok(Self(Arc::new(Inner { public, secret, key })))
    }

    /// The same key beside another encoding of its public key, which then gives the fingerprint.
    pub(crate) fn with_public(self, public: SigningPublicKey) -> Result<Self, PrivateKeyError> {
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
    pub fn public(&self) -> &SigningPublicKey {
        &self.0.public
    }

    /// The name of the key, that of its public key.
    #[must_use]
    pub fn fingerprint(&self) -> &Fingerprint {
        self.0.public.fingerprint()
    }

    /// How the secret bytes are to be read.
    #[must_use]
    pub fn format(&self) -> CryptoKeyFormat {
        private_format(self.0.public.scheme())
    }

    /// The private key as it is stored: a seed or PKCS#8.
    ///
    /// # Security
    /// Whoever has the bytes can sign as this node.
    #[must_use]
    pub fn secret_bytes(&self) -> &[u8] {
        &self.0.secret
    }

    /// Signs `message`, which for Canton is the evidence of a hash.
    ///
    /// # Errors
    /// When the cryptographic library refuses.
    pub fn sign(&self, message: &[u8]) -> Result<Signature, SignError> {
        let signature = match &self.0.key {
            Key::Ed25519(key) => key.try_sign(message),
            Key::Ecdsa(key) => key.sign(&SystemRandom::new(), message),
        };
        let signature = signature.map_err(|_| SignError::Failed { key: self.fingerprint().clone() })?;
        Ok(Signature::new(signature.as_ref().to_vec(), self.fingerprint().clone()))
    }

    /// Signs the evidence of `hash`.
    ///
    /// # Errors
    /// As [`SigningPrivateKey::sign`].
    pub fn sign_hash(&self, hash: &Hash) -> Result<Signature, SignError> {
        self.sign(&hash.evidence())
    }
}

/// The algorithm of an ECDSA scheme; none of Ed25519.
fn algorithm(scheme: SigningKeyScheme) -> Option<&'static EcdsaSigningAlgorithm> {
    match scheme {
        SigningKeyScheme::Ed25519 => None,
        SigningKeyScheme::EcDsaP256 => Some(&ECDSA_P256_SHA256_ASN1_SIGNING),
        SigningKeyScheme::EcDsaP384 => Some(&ECDSA_P384_SHA384_ASN1_SIGNING),
    }
}

fn private_format(scheme: SigningKeyScheme) -> CryptoKeyFormat {
    match scheme {
        SigningKeyScheme::Ed25519 => CryptoKeyFormat::Raw,
        SigningKeyScheme::EcDsaP256 | SigningKeyScheme::EcDsaP384 => CryptoKeyFormat::Der,
    }
}

impl fmt::Debug for SigningPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningPrivateKey")
            .field("fingerprint", &self.fingerprint().as_str())
            .field("secret", &format_args!("[REDACTED]"))
            .finish()
    }
}
