//! Public keys that one encrypts to.
//!
//! Read as laxly as Canton reads them; used only when they are what their scheme says.
//! Invariant: the bytes are kept as they came, and the fingerprint is always that of the bytes.
//! Source: <https://docs.daml.com/canton/usermanual/security.html>

use std::fmt;
use std::sync::Arc;

use cantle_types::Fingerprint;

use crate::curve::{Curve, Point};
use crate::error::{EncryptError, PublicKeyError, StrictKeyError};
use crate::hash::fingerprint;
use crate::scheme::{CryptoKeyFormat, EncryptionKeyScheme};
use crate::signing_key::check_point;
use crate::{ecies, rsa, tink};

/// A public key that one encrypts to. Cheap to clone.
#[derive(Clone)]
pub struct EncryptionPublicKey(Arc<Inner>);

struct Inner {
    fingerprint: Fingerprint,
    format: CryptoKeyFormat,
    scheme: EncryptionKeyScheme,
    bytes: Vec<u8>,
    material: Material,
}

/// What the bytes say.
enum Material {
    EllipticCurve(Point),
    Rsa(rsa::PublicNumbers),
}

impl EncryptionPublicKey {
    /// Reads a key as Canton 2.10 does.
    ///
    /// That is: the format must be DER (or, for ECIES with AES-GCM, Tink), and the bytes must decode. Neither
    /// the curve nor the length of an RSA modulus is compared with the scheme, and bytes after the key are
    /// let pass.
    ///
    /// # Errors
    /// When Canton would refuse the key.
    pub fn new(
        format: CryptoKeyFormat,
        bytes: impl Into<Vec<u8>>,
        scheme: EncryptionKeyScheme,
    ) -> Result<Self, PublicKeyError> {
        let bytes = bytes.into();
        let (material, fingerprint) = match (scheme, format) {
            (EncryptionKeyScheme::EciesP256HkdfHmacSha256Aes128Gcm, CryptoKeyFormat::Tink) => {
                let key = tink::encryption_key(&bytes, scheme)?;
                (Material::EllipticCurve(key.material), fingerprint(&key.value))
            }
            (EncryptionKeyScheme::Rsa2048OaepSha256, CryptoKeyFormat::Der) => {
                (Material::Rsa(rsa::PublicNumbers::from_spki(&bytes)?), fingerprint(&bytes))
            }
            (_, CryptoKeyFormat::Der) => {
                (Material::EllipticCurve(Point::from_spki(&bytes)?), fingerprint(&bytes))
            }
            _ => return Err(PublicKeyError::Format { scheme: scheme.name(), format }),
        };
        Ok(Self(Arc::new(Inner { fingerprint, format, scheme, bytes, material })))
    }

    /// The name of the key.
    #[must_use]
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.0.fingerprint
    }

    /// How the bytes are to be read.
    #[must_use]
    pub fn format(&self) -> CryptoKeyFormat {
        self.0.format
    }

    /// How one encrypts to the key.
    #[must_use]
    pub fn scheme(&self) -> EncryptionKeyScheme {
        self.0.scheme
    }

    /// The key as it is sent: SubjectPublicKeyInfo in DER, or a Tink keyset.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// Whether this node may make or register the key.
    ///
    /// # Errors
    /// When the curve is not the scheme's, the point not on it, the RSA modulus not of 2048 bits, the
    /// encoding not canonical or followed by bytes, or the format Tink.
    pub fn check_strict(&self) -> Result<(), StrictKeyError> {
        if self.format() == CryptoKeyFormat::Tink {
            return Err(StrictKeyError::Tink { fingerprint: self.fingerprint().clone() });
        }
        match &self.0.material {
            Material::EllipticCurve(point) => {
                check_point(point, Curve::P256, self.scheme().name(), self.bytes(), self.fingerprint())
            }
            Material::Rsa(numbers) => {
                numbers.usable(self.fingerprint())?;
                if numbers.to_spki() != self.bytes() {
                    return Err(StrictKeyError::Encoding { fingerprint: self.fingerprint().clone() });
                }
                Ok(())
            }
        }
    }

    /// Encrypts to the key.
    ///
    /// RSA takes at most 190 bytes and gives 256. ECIES takes any length.
    ///
    /// # Errors
    /// When the plaintext is too long, or the key is not what its scheme says.
    pub fn encrypt(&self, plaintext: &[u8]) -> Result<Vec<u8>, EncryptError> {
        let invalid = |source| EncryptError::InvalidKey {
            key: self.fingerprint().clone(),
            scheme: self.scheme(),
            source,
        };
        let point = match &self.0.material {
            Material::Rsa(numbers) => {
                let key = numbers.usable(self.fingerprint()).map_err(invalid)?;
                return rsa::encrypt(key, plaintext);
            }
            Material::EllipticCurve(point) => point,
        };
        if point.curve != Curve::P256 {
            return Err(invalid(StrictKeyError::Curve {
                fingerprint: self.fingerprint().clone(),
                curve: point.curve.name(),
                scheme: self.scheme().name(),
                expected: Curve::P256.name(),
            }));
        }
        if !point.is_on_curve() {
            return Err(invalid(StrictKeyError::NotOnCurve { fingerprint: self.fingerprint().clone() }));
        }
        match self.scheme() {
            EncryptionKeyScheme::EciesP256HmacSha256Aes128Cbc => {
                ecies::cbc_encrypt(&point.uncompressed, plaintext)
            }
            _ => ecies::gcm_encrypt(&point.uncompressed, plaintext),
        }
    }

    /// The key as others write it, a KMS too: the canonical SubjectPublicKeyInfo in DER, whatever the format here. `None` for a
    /// curve that cannot be used.
    #[must_use]
    pub fn to_spki(&self) -> Option<Vec<u8>> {
        match &self.0.material {
            Material::EllipticCurve(point) => point.to_spki(),
            Material::Rsa(numbers) => Some(numbers.to_spki()),
        }
    }

    /// The point of an ECIES key or the canonical encoding of an RSA key, to compare keys.
    pub(crate) fn raw_material(&self) -> Vec<u8> {
        match &self.0.material {
            Material::EllipticCurve(point) => point.uncompressed.clone(),
            Material::Rsa(numbers) => numbers.to_spki(),
        }
    }
}

impl PartialEq for EncryptionPublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.scheme() == other.scheme() && self.format() == other.format() && self.bytes() == other.bytes()
    }
}

impl Eq for EncryptionPublicKey {}

impl std::hash::Hash for EncryptionPublicKey {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.fingerprint().hash(state);
    }
}

impl fmt::Debug for EncryptionPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptionPublicKey")
            .field("fingerprint", &self.fingerprint().as_str())
            .field("scheme", &self.scheme())
            .field("format", &self.format())
            .finish_non_exhaustive()
    }
}
