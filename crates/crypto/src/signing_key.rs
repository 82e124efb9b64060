//! Public keys that verify signatures.
//!
//! [`SigningPublicKey::new`] is as lax as Canton when it reads a key, since a topology that Canton takes must
//! be taken here; [`SigningPublicKey::check_strict`] is for the keys that this node makes or registers.
//! Invariant: the bytes are kept as they came, and the fingerprint is always that of the bytes.
//! Source: <https://docs.daml.com/canton/usermanual/security.html>; RFC 8032; FIPS 186-5.

use std::fmt;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::signature::{ED25519, ParsedPublicKey};
use cantle_types::Fingerprint;

use crate::asn1;
use crate::curve::{Curve, Point};
use crate::error::{PublicKeyError, StrictKeyError, VerifyError};
use crate::hash::{Hash, fingerprint};
use crate::scheme::{CryptoKeyFormat, SigningKeyScheme};
use crate::signature::Signature;
use crate::tink;

/// 1.3.101.112
const ED25519_OID: &[u8] = &[0x2b, 0x65, 0x70];
/// The length of an Ed25519 public key.
const ED25519_LENGTH: usize = 32;

/// A public key that verifies signatures. Cheap to clone.
#[derive(Clone)]
pub struct SigningPublicKey(Arc<Inner>);

struct Inner {
    fingerprint: Fingerprint,
    format: CryptoKeyFormat,
    scheme: SigningKeyScheme,
    bytes: Vec<u8>,
    material: Material,
    /// The key as it verifies, from its first use on; nothing if it cannot be used. It goes with the key.
    prepared: OnceLock<Option<ParsedPublicKey>>,
}

/// What the bytes say.
enum Material {
    Ed25519([u8; ED25519_LENGTH]),
    EllipticCurve(Point),
}

impl SigningPublicKey {
    /// Reads a key as Canton 2.10 does.
    ///
    /// That is: the format must be the scheme's (DER for ECDSA, Raw for Ed25519, or Tink), and the bytes must
    /// decode. Neither that the curve is the scheme's nor that the point is on it is looked at, and bytes
    /// after the key are let pass.
    ///
    /// # Errors
    /// When Canton would refuse the key.
    pub fn new(
        format: CryptoKeyFormat,
        bytes: impl Into<Vec<u8>>,
        scheme: SigningKeyScheme,
    ) -> Result<Self, PublicKeyError> {
        let bytes = bytes.into();
        let (material, fingerprint) = match (scheme, format) {
            (_, CryptoKeyFormat::Tink) => {
                let key = tink::signing_key(&bytes, scheme)?;
                (key.material.into(), fingerprint(&key.value))
            }
            (SigningKeyScheme::Ed25519, CryptoKeyFormat::Raw) => {
                let key = <[u8; ED25519_LENGTH]>::try_from(&*bytes)
                    .map_err(|_| PublicKeyError::Ed25519Length { length: bytes.len() })?;
                (Material::Ed25519(key), fingerprint(&bytes))
            }
            (SigningKeyScheme::EcDsaP256 | SigningKeyScheme::EcDsaP384, CryptoKeyFormat::Der) => {
                (Material::EllipticCurve(Point::from_spki(&bytes)?), fingerprint(&bytes))
            }
            _ => return Err(PublicKeyError::Format { scheme: scheme.name(), format }),
        };
        let prepared = OnceLock::new();
        Ok(Self(Arc::new(Inner { fingerprint, format, scheme, bytes, material, prepared })))
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

    /// How the key signs.
    #[must_use]
    pub fn scheme(&self) -> SigningKeyScheme {
        self.0.scheme
    }

    /// The key as it is sent: SubjectPublicKeyInfo in DER, 32 bytes of Ed25519, or a Tink keyset.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// Whether this node may make or register the key.
    ///
    /// # Errors
    /// When the curve is not the scheme's, the point not on it, the encoding not canonical or followed by
    /// bytes, or the format Tink.
    pub fn check_strict(&self) -> Result<(), StrictKeyError> {
        let fingerprint = || self.fingerprint().clone();
        if self.format() == CryptoKeyFormat::Tink {
            return Err(StrictKeyError::Tink { fingerprint: fingerprint() });
        }
        let Material::EllipticCurve(point) = &self.0.material else { return Ok(()) };
        let expected = match self.scheme() {
            SigningKeyScheme::EcDsaP384 => Curve::P384,
            SigningKeyScheme::EcDsaP256 | SigningKeyScheme::Ed25519 => Curve::P256,
        };
        check_point(point, expected, self.scheme().name(), self.bytes(), self.fingerprint())
    }

    /// Verifies a signature of `message`, which for Canton is the evidence of a hash.
    ///
    /// A signature that begins with 0x01 and is not valid as it stands is tried again without its first five
    /// bytes, the prefix of Tink.
    ///
    /// # Errors
    /// When the signature names another key, is empty or not valid, or when the key itself cannot be used.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), VerifyError> {
        let key = || self.fingerprint().clone();
        if signature.signed_by() != self.fingerprint() {
            return Err(VerifyError::WrongKey { signed_by: signature.signed_by().clone(), key: key() });
        }
        if signature.bytes().is_empty() {
            return Err(VerifyError::Empty { key: key() });
        }
        let valid = self.verifies(message, signature.bytes())?;
        if valid {
            return Ok(());
        }
        match tink::without_prefix(signature.bytes()) {
            Some(bytes) if self.verifies(message, bytes)? => Ok(()),
            _ => Err(VerifyError::Invalid { key: key() }),
        }
    }

    /// Verifies a signature of the evidence of `hash`.
    ///
    /// # Errors
    /// As [`SigningPublicKey::verify`].
    pub fn verify_hash(&self, hash: &Hash, signature: &Signature) -> Result<(), VerifyError> {
        self.verify(&hash.evidence(), signature)
    }

    fn verifies(&self, message: &[u8], signature: &[u8]) -> Result<bool, VerifyError> {
        let key = || self.fingerprint().clone();
        let prepared = &self.0.prepared;
        let prepared = match &self.0.material {
            Material::Ed25519(bytes) => prepared.get_or_init(|| ParsedPublicKey::new(&ED25519, bytes).ok()),
            Material::EllipticCurve(point) => {
                let algorithm =
                    point.curve.verification(self.scheme()).ok_or_else(|| VerifyError::UnsupportedCurve {
                        key: key(),
                        curve: point.curve.name(),
                        scheme: self.scheme(),
                    })?;
                prepared.get_or_init(|| ParsedPublicKey::new(algorithm, &point.uncompressed).ok())
            }
        };
        match prepared {
            Some(parsed) => Ok(parsed.verify_sig(message, signature).is_ok()),
            None => Err(VerifyError::InvalidKey { key: key() }),
        }
    }

    /// The key as others write it, a KMS too: the canonical SubjectPublicKeyInfo in DER, whatever the format here. `None` for a
    /// curve that cannot be used.
    #[must_use]
    pub fn to_spki(&self) -> Option<Vec<u8>> {
        match &self.0.material {
            // RFC 8410: the algorithm has no parameters.
            Material::Ed25519(bytes) => Some(asn1::spki(ED25519_OID, &[], bytes)),
            Material::EllipticCurve(point) => point.to_spki(),
        }
    }

    /// The point of an ECDSA key or the bytes of an Ed25519 key, to compare keys in different encodings.
    pub(crate) fn raw_material(&self) -> &[u8] {
        match &self.0.material {
            Material::Ed25519(bytes) => bytes,
            Material::EllipticCurve(point) => &point.uncompressed,
        }
    }
}

/// Whether a key of this node is the canonical encoding of a point on the curve its scheme needs.
pub(crate) fn check_point(
    point: &Point,
    expected: Curve,
    scheme: &'static str,
    bytes: &[u8],
    fingerprint: &Fingerprint,
) -> Result<(), StrictKeyError> {
    let fingerprint = || fingerprint.clone();
    if point.curve != expected {
        return Err(StrictKeyError::Curve {
            fingerprint: fingerprint(),
            curve: point.curve.name(),
            scheme,
            expected: expected.name(),
        });
    }
    if point.to_spki().as_deref() != Some(bytes) {
        return Err(StrictKeyError::Encoding { fingerprint: fingerprint() });
    }
    if !point.is_on_curve() {
        return Err(StrictKeyError::NotOnCurve { fingerprint: fingerprint() });
    }
    Ok(())
}

impl From<tink::SigningMaterial> for Material {
    fn from(material: tink::SigningMaterial) -> Self {
        match material {
            tink::SigningMaterial::Ed25519(bytes) => Self::Ed25519(bytes),
            tink::SigningMaterial::EllipticCurve(point) => Self::EllipticCurve(point),
        }
    }
}

impl PartialEq for SigningPublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.scheme() == other.scheme() && self.format() == other.format() && self.bytes() == other.bytes()
    }
}

impl Eq for SigningPublicKey {}

impl std::hash::Hash for SigningPublicKey {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.fingerprint().hash(state);
    }
}

impl fmt::Debug for SigningPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningPublicKey")
            .field("fingerprint", &self.fingerprint().as_str())
            .field("scheme", &self.scheme())
            .field("format", &self.format())
            .finish_non_exhaustive()
    }
}
