//! Public keys in the keysets of the Tink library, and the prefix that Tink puts in front of its outputs.
//!
//! Nodes with the provider `tink` publish their keys as keysets. Supported are one Ed25519, ECDSA or
//! ECIES-AEAD-HKDF (P-256, HKDF-SHA256, AES-128-GCM) public key a keyset; private keysets are not.
//! Invariant: the fingerprint of such a key is that of the value inside, not of the keyset around it.
//! Source: <https://github.com/tink-crypto/tink/tree/master/proto>

use prost::Message;
use zeroize::Zeroizing;

use crate::curve::{Curve, Point};
use crate::error::{DecryptError, PublicKeyError};
use crate::scheme::{EncryptionKeyScheme, SigningKeyScheme};

const PREFIX_VERSION: u8 = 1;
const PREFIX_LENGTH: usize = 5;

const ASYMMETRIC_PUBLIC: i32 = 3;
const SHA256: i32 = 3;
const NIST_P256: i32 = 2;
const NIST_P384: i32 = 3;
const UNCOMPRESSED: i32 = 1;
const DER: i32 = 2;

const ED25519_TYPE: &str = "type.googleapis.com/google.crypto.tink.Ed25519PublicKey";
const ECDSA_TYPE: &str = "type.googleapis.com/google.crypto.tink.EcdsaPublicKey";
const ECIES_TYPE: &str = "type.googleapis.com/google.crypto.tink.EciesAeadHkdfPublicKey";
const AES_GCM_TYPE: &str = "type.googleapis.com/google.crypto.tink.AesGcmKey";

/// The bytes after Tink's prefix (a version byte 0x01 and a key id), if they begin with one.
pub(crate) fn without_prefix(bytes: &[u8]) -> Option<&[u8]> {
    let (prefix, rest) = bytes.split_at_checked(PREFIX_LENGTH)?;
    (prefix[0] == PREFIX_VERSION && !rest.is_empty()).then_some(rest)
}

/// Decrypts the whole, and if that fails what follows Tink's prefix.
pub(crate) fn decrypt_with_or_without_prefix(
    scheme: &'static str,
    ciphertext: &[u8],
    open: impl Fn(&[u8]) -> Option<Zeroizing<Vec<u8>>>,
) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
    if ciphertext.is_empty() {
        return Err(DecryptError::Empty { scheme });
    }
    let opened = open(ciphertext).or_else(|| without_prefix(ciphertext).and_then(open));
    opened.ok_or(DecryptError::Invalid { scheme })
}

/// The one key of a keyset.
pub(crate) struct TinkKey<Material> {
    /// The serialized key, whose hash is the fingerprint.
    pub(crate) value: Vec<u8>,
    pub(crate) material: Material,
}

/// What a signing key says.
pub(crate) enum SigningMaterial {
    Ed25519([u8; 32]),
    EllipticCurve(Point),
}

/// Reads the keyset of a signing key.
pub(crate) fn signing_key(
    keyset: &[u8],
    scheme: SigningKeyScheme,
) -> Result<TinkKey<SigningMaterial>, PublicKeyError> {
    let refused = |reason| PublicKeyError::Tink { scheme: scheme.name(), reason };
    let data = single_key(keyset).map_err(refused)?;
    let material = match scheme {
        SigningKeyScheme::Ed25519 => ed25519(&data).map(SigningMaterial::Ed25519),
        SigningKeyScheme::EcDsaP256 => {
            ecdsa(&data, NIST_P256, Curve::P256).map(SigningMaterial::EllipticCurve)
        }
        SigningKeyScheme::EcDsaP384 => {
            ecdsa(&data, NIST_P384, Curve::P384).map(SigningMaterial::EllipticCurve)
        }
    };
    Ok(TinkKey { material: material.map_err(refused)?, value: data.value })
}

/// Reads the keyset of an encryption key.
pub(crate) fn encryption_key(
    keyset: &[u8],
    scheme: EncryptionKeyScheme,
) -> Result<TinkKey<Point>, PublicKeyError> {
    let refused = |reason| PublicKeyError::Tink { scheme: scheme.name(), reason };
    let data = single_key(keyset).map_err(refused)?;
    let material = ecies(&data).map_err(refused)?;
    Ok(TinkKey { material, value: data.value })
}

fn single_key(keyset: &[u8]) -> Result<KeyData, &'static str> {
    let keyset = Keyset::decode(keyset).map_err(|_| "it is not a keyset")?;
    let [key] = <[Key; 1]>::try_from(keyset.keys).map_err(|_| "it does not have exactly one key")?;
    let data = key.data.ok_or("its key has no data")?;
    if data.material != ASYMMETRIC_PUBLIC {
        return Err("its key is not public");
    }
    Ok(data)
}

fn ed25519(data: &KeyData) -> Result<[u8; 32], &'static str> {
    if data.type_url != ED25519_TYPE {
        return Err("its key is of another type");
    }
    let key = Ed25519PublicKey::decode(&*data.value).map_err(|_| "its key cannot be decoded")?;
    key.key_value.try_into().map_err(|_| "its key does not have 32 bytes")
}

fn ecdsa(data: &KeyData, number: i32, curve: Curve) -> Result<Point, &'static str> {
    if data.type_url != ECDSA_TYPE {
        return Err("its key is of another type");
    }
    let key = EcdsaPublicKey::decode(&*data.value).map_err(|_| "its key cannot be decoded")?;
    let parameters = key.parameters.ok_or("its key has no parameters")?;
    if parameters.curve != number || parameters.encoding != DER {
        return Err("its key has other parameters");
    }
    Point::from_coordinates(curve, &key.x, &key.y).ok_or("its point is too long")
}

fn ecies(data: &KeyData) -> Result<Point, &'static str> {
    if data.type_url != ECIES_TYPE {
        return Err("its key is of another type");
    }
    let key = EciesPublicKey::decode(&*data.value).map_err(|_| "its key cannot be decoded")?;
    let parameters = key.parameters.ok_or("its key has no parameters")?;
    if !parameters.are_supported() {
        return Err("its key has other parameters");
    }
    Point::from_coordinates(Curve::P256, &key.x, &key.y).ok_or("its point is too long")
}

#[derive(Clone, PartialEq, Message)]
struct Keyset {
    #[prost(uint32, tag = "1")]
    primary_key_id: u32,
    #[prost(message, repeated, tag = "2")]
    keys: Vec<Key>,
}

#[derive(Clone, PartialEq, Message)]
struct Key {
    #[prost(message, optional, tag = "1")]
    data: Option<KeyData>,
}

#[derive(Clone, PartialEq, Message)]
struct KeyData {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
    #[prost(int32, tag = "3")]
    material: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Ed25519PublicKey {
    #[prost(bytes = "vec", tag = "2")]
    key_value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct EcdsaPublicKey {
    #[prost(message, optional, tag = "2")]
    parameters: Option<EcdsaParameters>,
    #[prost(bytes = "vec", tag = "3")]
    x: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    y: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct EcdsaParameters {
    #[prost(int32, tag = "2")]
    curve: i32,
    #[prost(int32, tag = "3")]
    encoding: i32,
}

#[derive(Clone, PartialEq, Message)]
struct EciesPublicKey {
    #[prost(message, optional, tag = "2")]
    parameters: Option<EciesParameters>,
    #[prost(bytes = "vec", tag = "3")]
    x: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    y: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct EciesParameters {
    #[prost(message, optional, tag = "1")]
    kem: Option<KemParameters>,
    #[prost(message, optional, tag = "2")]
    dem: Option<DemParameters>,
    #[prost(int32, tag = "3")]
    point_format: i32,
}

impl EciesParameters {
    fn are_supported(&self) -> bool {
        let kem = self.kem.as_ref();
        let kem = kem.is_some_and(|kem| kem.curve == NIST_P256 && kem.hash == SHA256 && kem.salt.is_empty());
        let template = self.dem.as_ref().and_then(|dem| dem.template.as_ref());
        let dem = template.is_some_and(|template| {
            let format = AesGcmKeyFormat::decode(&*template.value);
            template.type_url == AES_GCM_TYPE && format.is_ok_and(|format| format.key_size == 16)
        });
        kem && dem && self.point_format == UNCOMPRESSED
    }
}

#[derive(Clone, PartialEq, Message)]
struct KemParameters {
    #[prost(int32, tag = "1")]
    curve: i32,
    #[prost(int32, tag = "2")]
    hash: i32,
    #[prost(bytes = "vec", tag = "11")]
    salt: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct DemParameters {
    #[prost(message, optional, tag = "2")]
    template: Option<KeyTemplate>,
}

#[derive(Clone, PartialEq, Message)]
struct KeyTemplate {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct AesGcmKeyFormat {
    #[prost(uint32, tag = "2")]
    key_size: u32,
}
