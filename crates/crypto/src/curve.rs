//! Elliptic curves: their object identifiers, and points in SubjectPublicKeyInfo.
//!
//! Canton reads a key on any named curve that the JDK knows, without looking whether the point is on it;
//! that is found when the key is used. Here likewise: all those curves are read, four can be used.
//! Invariant: a [`Point`] is uncompressed and has the length of its curve.
//! Source: RFC 5480, <https://www.rfc-editor.org/rfc/rfc5480>; SEC 1, section 2.3.3.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P256K1_SHA256_ASN1, ECDSA_P384_SHA256_ASN1,
    ECDSA_P384_SHA384_ASN1, ECDSA_P521_SHA256_ASN1, ECDSA_P521_SHA384_ASN1, EcdsaVerificationAlgorithm,
    UnparsedPublicKey,
};

use crate::asn1::{self, OBJECT_IDENTIFIER, Spki};
use crate::error::PublicKeyError;
use crate::scheme::SigningKeyScheme;

const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];
const SECP256K1: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x0a];

const UNCOMPRESSED: u8 = 0x04;

/// A named curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
    Secp256k1,
    /// A curve that is read but cannot be used.
    Other {
        coordinate: usize,
    },
}

impl Curve {
    /// The curve with this object identifier, if the JDK knows it.
    fn from_oid(oid: &[u8]) -> Option<Self> {
        match oid {
            P256 => Some(Self::P256),
            P384 => Some(Self::P384),
            P521 => Some(Self::P521),
            SECP256K1 => Some(Self::Secp256k1),
            _ => other_coordinate(oid).map(|coordinate| Self::Other { coordinate }),
        }
    }

    /// The object identifier of a curve that can be used.
    fn oid(self) -> Option<&'static [u8]> {
        match self {
            Self::P256 => Some(P256),
            Self::P384 => Some(P384),
            Self::P521 => Some(P521),
            Self::Secp256k1 => Some(SECP256K1),
            Self::Other { .. } => None,
        }
    }

    /// The bytes of a coordinate.
    pub(crate) fn coordinate(self) -> usize {
        match self {
            Self::P256 | Self::Secp256k1 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
            Self::Other { coordinate } => coordinate,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
            Self::Secp256k1 => "secp256k1",
            Self::Other { .. } => "another than P-256 and P-384",
        }
    }

    /// How ECDSA of this scheme is verified on this curve: the scheme chooses the digest.
    pub(crate) fn verification(
        self,
        scheme: SigningKeyScheme,
    ) -> Option<&'static EcdsaVerificationAlgorithm> {
        match (self, scheme) {
            (Self::P256, SigningKeyScheme::EcDsaP256) => Some(&ECDSA_P256_SHA256_ASN1),
            (Self::P256, SigningKeyScheme::EcDsaP384) => Some(&ECDSA_P256_SHA384_ASN1),
            (Self::P384, SigningKeyScheme::EcDsaP256) => Some(&ECDSA_P384_SHA256_ASN1),
            (Self::P384, SigningKeyScheme::EcDsaP384) => Some(&ECDSA_P384_SHA384_ASN1),
            (Self::P521, SigningKeyScheme::EcDsaP256) => Some(&ECDSA_P521_SHA256_ASN1),
            (Self::P521, SigningKeyScheme::EcDsaP384) => Some(&ECDSA_P521_SHA384_ASN1),
            (Self::Secp256k1, SigningKeyScheme::EcDsaP256) => Some(&ECDSA_P256K1_SHA256_ASN1),
            _ => None,
        }
    }
}

/// The bytes of a coordinate on the other curves that the JDK reads.
fn other_coordinate(oid: &[u8]) -> Option<usize> {
    const SECG: &[u8] = &[0x2b, 0x81, 0x04, 0x00];
    const ANSI_PRIME: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01];
    const ANSI_BINARY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x00];
    const BRAINPOOL: &[u8] = &[0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01];

    let (&last, arc) = oid.split_last()?;
    let coordinate = match (arc, last) {
        (SECG, 6 | 7) => 14,
        (SECG, 4 | 5) => 15,
        (SECG, 28 | 29) => 16,
        (SECG, 22 | 23) => 17,
        (SECG, 8 | 9 | 30) => 20,
        (SECG, 1 | 2 | 15) => 21,
        (SECG, 31) => 24,
        (SECG, 24 | 25) => 25,
        (SECG, 32 | 33) => 28,
        (SECG, 3 | 26 | 27) => 30,
        (SECG, 16 | 17) => 36,
        (SECG, 36 | 37) => 52,
        (SECG, 38 | 39) => 72,
        (ANSI_PRIME, 1..=3) => 24,
        (ANSI_PRIME, 4..=6) => 30,
        (ANSI_BINARY, 5..=7) => 24,
        (ANSI_BINARY, 11..=13) => 30,
        (ANSI_BINARY, 18) => 45,
        (ANSI_BINARY, 20) => 54,
        (BRAINPOOL, 1) => 20,
        (BRAINPOOL, 3) => 24,
        (BRAINPOOL, 5) => 28,
        (BRAINPOOL, 7) => 32,
        (BRAINPOOL, 9) => 40,
        (BRAINPOOL, 11) => 48,
        (BRAINPOOL, 13) => 64,
        _ => return None,
    };
    Some(coordinate)
}

/// A point as it stands in a public key: perhaps not on its curve.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Point {
    pub(crate) curve: Curve,
    /// `04`, x and y.
    pub(crate) uncompressed: Vec<u8>,
}

impl Point {
    /// Reads a SubjectPublicKeyInfo as Canton does.
    pub(crate) fn from_spki(bytes: &[u8]) -> Result<Self, PublicKeyError> {
        let refused = |reason| PublicKeyError::EllipticCurve { reason };
        let spki = Spki::read(bytes).ok_or_else(|| refused("no SubjectPublicKeyInfo"))?;
        if spki.algorithm != EC_PUBLIC_KEY {
            return Err(refused("the key is of another algorithm"));
        }
        let curve = match spki.parameters {
            Some(parameters) if parameters.tag == OBJECT_IDENTIFIER => Curve::from_oid(parameters.content),
            _ => return Err(refused("the curve is not named")),
        };
        let curve = curve.ok_or_else(|| refused("the curve is not known"))?;
        if spki.key.first() != Some(&UNCOMPRESSED) {
            return Err(refused("the point is not uncompressed"));
        }
        // The JDK halves the length without looking at the remainder, and so takes one byte too many.
        let length = 1 + 2 * curve.coordinate();
        if (spki.key.len() - 1) / 2 != curve.coordinate() {
            return Err(refused("the point has another length than its curve"));
        }
        Ok(Self { curve, uncompressed: spki.key[..length].to_vec() })
    }

    /// The point with these coordinates, which may have zeros in front too many or too few.
    pub(crate) fn from_coordinates(curve: Curve, x: &[u8], y: &[u8]) -> Option<Self> {
        let size = curve.coordinate();
        let mut uncompressed = vec![0; 1 + 2 * size];
        uncompressed[0] = UNCOMPRESSED;
        for (coordinate, end) in [(x, 1 + size), (y, 1 + 2 * size)] {
            let coordinate = asn1::without_leading_zeros(coordinate);
            if coordinate.len() > size {
                return None;
            }
            uncompressed[end - coordinate.len()..end].copy_from_slice(coordinate);
        }
        Some(Self { curve, uncompressed })
    }

    /// The canonical SubjectPublicKeyInfo, for a curve that can be used.
    pub(crate) fn to_spki(&self) -> Option<Vec<u8>> {
        let curve = asn1::element(OBJECT_IDENTIFIER, &[self.curve.oid()?]);
        Some(asn1::spki(EC_PUBLIC_KEY, &curve, &self.uncompressed))
    }

    /// Whether the point is on its curve, and the curve can be used.
    pub(crate) fn is_on_curve(&self) -> bool {
        let algorithm = match self.curve {
            Curve::P256 => &ECDSA_P256_SHA256_ASN1,
            Curve::P384 => &ECDSA_P384_SHA384_ASN1,
            Curve::P521 => &ECDSA_P521_SHA384_ASN1,
            Curve::Secp256k1 => &ECDSA_P256K1_SHA256_ASN1,
            Curve::Other { .. } => return false,
        };
        UnparsedPublicKey::new(algorithm, &self.uncompressed).parse().is_ok()
    }
}
