//! How the signature of a token is verified: a shared secret, a certificate, or the keys behind a URL.
//!
//! The algorithm is that of the configuration; a token that claims another is not verified at all.
//! Source: <https://www.rfc-editor.org/rfc/rfc7518#section-3>.

use std::{fmt, path::Path};

use aws_lc_rs::{hmac, signature};
use cantle_transport::read_certificate;
use cantle_types::Clock;
use der::{AnyRef, Decode, SliceReader, asn1::ObjectIdentifier};
use spki::SubjectPublicKeyInfoRef;

use super::{AuthorizationSetupError, Rejection, jwks::KeySet, token::Token};

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P_521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

/// How a token is verified.
#[derive(Debug)]
pub struct TokenVerifier(Kind);

#[derive(Debug)]
enum Kind {
    Key(Key),
    Keys(Box<KeySet>),
}

/// A key with the one algorithm that it is for.
pub(super) enum Key {
    Hmac(Box<hmac::Key>),
    /// PKCS #1.
    Rsa(Vec<u8>),
    RsaParts(signature::RsaPublicKeyComponents<Vec<u8>>),
    /// An uncompressed point.
    P256(Vec<u8>),
    P521(Vec<u8>),
}

impl TokenVerifier {
    /// HMAC-SHA256 with a shared secret; for tests.
    #[must_use]
    pub fn unsafe_hmac256(secret: &str) -> Self {
        Self(Kind::Key(Key::Hmac(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes())))))
    }

    /// RSA with SHA-256, by the key of a certificate.
    ///
    /// # Errors
    /// [`AuthorizationSetupError`]: a file that is no certificate, or has another key.
    pub fn rs256(certificate: &Path) -> Result<Self, AuthorizationSetupError> {
        Self::of_certificate(certificate, "RSA", |key| {
            (key.algorithm.oid == RSA).then(|| Some(Key::Rsa(bits(key)?))).flatten()
        })
    }

    /// ECDSA on P-256 with SHA-256, by the key of a certificate.
    ///
    /// # Errors
    /// [`AuthorizationSetupError`]: a file that is no certificate, or has another key.
    pub fn es256(certificate: &Path) -> Result<Self, AuthorizationSetupError> {
        Self::of_certificate(certificate, "P-256", |key| on_curve(key, P_256).map(Key::P256))
    }

    /// ECDSA on P-521 with SHA-512, by the key of a certificate.
    ///
    /// # Errors
    /// [`AuthorizationSetupError`]: a file that is no certificate, or has another key.
    pub fn es512(certificate: &Path) -> Result<Self, AuthorizationSetupError> {
        Self::of_certificate(certificate, "P-521", |key| on_curve(key, P_521).map(Key::P521))
    }

    /// By the keys that a URL serves. They are read with the first token.
    ///
    /// # Errors
    /// [`AuthorizationSetupError`]: a text that is no URL of HTTP or HTTPS.
    pub fn jwks(url: &str) -> Result<Self, AuthorizationSetupError> {
        Ok(Self(Kind::Keys(Box::new(KeySet::new(url)?))))
    }

    fn of_certificate(
        path: &Path,
        wanted: &'static str,
        take: impl FnOnce(&SubjectPublicKeyInfoRef<'_>) -> Option<Key>,
    ) -> Result<Self, AuthorizationSetupError> {
        let certificate = read_certificate(path, "has the certificate that tokens are checked with")?;
        let key = public_key(&certificate).ok().and_then(|key| take(&key));
        let key = key.ok_or_else(|| AuthorizationSetupError::Key { path: path.to_owned(), wanted })?;
        Ok(Self(Kind::Key(key)))
    }

    /// Verifies the signature of a token.
    pub(super) async fn verify(&self, token: &Token<'_>, clock: &dyn Clock) -> Result<(), Rejection> {
        match &self.0 {
            Kind::Key(key) => key.verify(token),
            Kind::Keys(keys) => keys.verify(token, clock).await,
        }
    }
}

impl Key {
    fn algorithm(&self) -> &'static str {
        match self {
            Self::Hmac(_) => "HS256",
            Self::Rsa(_) | Self::RsaParts(_) => "RS256",
            Self::P256(_) => "ES256",
            Self::P521(_) => "ES512",
        }
    }

    pub(super) fn verify(&self, token: &Token<'_>) -> Result<(), Rejection> {
        let wanted = self.algorithm();
        if token.algorithm != wanted {
            let found = token.algorithm.chars().take(16).collect();
            return Err(Rejection::Algorithm { found, wanted });
        }
        let (signed, found) = (token.signed.as_bytes(), token.signature.as_slice());
        let by =
            |algorithm, key: &[u8]| signature::UnparsedPublicKey::new(algorithm, key).verify(signed, found);
        let verified = match self {
            Self::Hmac(key) => hmac::verify(key, signed, found),
            Self::Rsa(key) => by(&signature::RSA_PKCS1_2048_8192_SHA256, key),
            Self::RsaParts(parts) => parts.verify(&signature::RSA_PKCS1_2048_8192_SHA256, signed, found),
            Self::P256(key) => by(&signature::ECDSA_P256_SHA256_FIXED, key),
            Self::P521(key) => by(&signature::ECDSA_P521_SHA512_FIXED, key),
        };
        verified.map_err(|_| Rejection::Signature)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.algorithm())
    }
}

/// The public key of a certificate: the first field of its body that comes after the names.
fn public_key(certificate: &[u8]) -> der::Result<SubjectPublicKeyInfoRef<'_>> {
    use der::{Tag, Tagged};
    let whole = AnyRef::from_der(certificate)?;
    let body = AnyRef::decode(&mut SliceReader::new(whole.value())?)?;
    let mut fields = SliceReader::new(body.value())?;
    // A version stands before the serial number, unless it is the first.
    if matches!(Tag::peek(&fields)?, Tag::ContextSpecific { .. }) {
        AnyRef::decode(&mut fields)?;
    }
    // Serial number, algorithm, issuer, validity, subject.
    for _ in 0..5 {
        AnyRef::decode(&mut fields)?.tag();
    }
    SubjectPublicKeyInfoRef::decode(&mut fields)
}

fn bits(key: &SubjectPublicKeyInfoRef<'_>) -> Option<Vec<u8>> {
    key.subject_public_key.as_bytes().map(<[u8]>::to_vec)
}

fn on_curve(key: &SubjectPublicKeyInfoRef<'_>, curve: ObjectIdentifier) -> Option<Vec<u8>> {
    let found = key.algorithm.parameters?.decode_as::<ObjectIdentifier>().ok()?;
    if key.algorithm.oid == EC && found == curve { bits(key) } else { None }
}
