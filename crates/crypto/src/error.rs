//! What can go wrong with hashes, keys, signatures and ciphertexts.
//!
//! One enum for each family of operations. No variant carries key material, plaintext or ciphertext, and a
//! failed decryption does not say why: the reason would help whoever made up the ciphertext.

use cantle_proto::versioned::VersionedError;
use cantle_types::{Fingerprint, IdentifierError};
use thiserror::Error;

use crate::scheme::{CryptoKeyFormat, EncryptionKeyScheme, SigningKeyScheme, UnknownNumber};

/// Bytes that are not a serialized hash.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum HashError {
    /// The multihash names another algorithm than SHA-256 (0x12).
    #[error("the multihash names the algorithm {code:#x}, expected 0x12 (SHA-256)")]
    UnknownAlgorithm {
        /// The number of the algorithm.
        code: u64,
    },
    /// The multihash states or has another length than 32 bytes.
    #[error("the multihash states {stated} bytes and has {found}, expected 32")]
    WrongLength {
        /// The length that it states.
        stated: u64,
        /// The length that it has.
        found: usize,
    },
    /// The multihash ends within its prefix.
    #[error("the multihash ends within its prefix")]
    Truncated,
    /// The text is not hex.
    #[error("the hash is not written in hex")]
    Hex(#[from] hex::FromHexError),
}

/// Bytes that are not the public key they are said to be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PublicKeyError {
    /// The scheme has no keys in this format.
    #[error("a public key of scheme {scheme} cannot be in the format {format}")]
    Format {
        /// The scheme, as Canton shows it.
        scheme: &'static str,
        /// The format.
        format: CryptoKeyFormat,
    },
    /// The bytes are no SubjectPublicKeyInfo of an elliptic curve key.
    #[error("the bytes are not an elliptic curve public key: {reason}")]
    EllipticCurve {
        /// What was found instead.
        reason: &'static str,
    },
    /// The bytes are no SubjectPublicKeyInfo of an RSA key.
    #[error("the bytes are not an RSA public key: {reason}")]
    Rsa {
        /// What was found instead.
        reason: &'static str,
    },
    /// An Ed25519 public key has 32 bytes.
    #[error("an Ed25519 public key has 32 bytes, found {length}")]
    Ed25519Length {
        /// The length that was found.
        length: usize,
    },
    /// The bytes are no Tink keyset with one public key that is supported here.
    #[error("the bytes are not a Tink keyset with one public key of scheme {scheme}: {reason}")]
    Tink {
        /// The scheme, as Canton shows it.
        scheme: &'static str,
        /// What was found instead.
        reason: &'static str,
    },
}

/// A public key that Canton accepts when it reads it, but that this node does not make or register.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StrictKeyError {
    /// The key is on another curve than its scheme says.
    #[error("the key {fingerprint} is on the curve {curve}, its scheme {scheme} needs {expected}")]
    Curve {
        /// The key.
        fingerprint: Fingerprint,
        /// The curve of the key.
        curve: &'static str,
        /// The scheme.
        scheme: &'static str,
        /// The curve of the scheme.
        expected: &'static str,
    },
    /// The point is not on the curve.
    #[error("the public point of the key {fingerprint} is not on its curve")]
    NotOnCurve {
        /// The key.
        fingerprint: Fingerprint,
    },
    /// The encoding is not the canonical one, or bytes follow it.
    #[error("the encoding of the key {fingerprint} is not canonical DER, or bytes follow it")]
    Encoding {
        /// The key.
        fingerprint: Fingerprint,
    },
    /// The modulus of an RSA key does not have 2048 bits.
    #[error("the RSA key {fingerprint} has a modulus of {bits} bits, needed are exactly 2048")]
    RsaModulus {
        /// The key.
        fingerprint: Fingerprint,
        /// The bits of its modulus.
        bits: usize,
    },
    /// The modulus or the exponent of an RSA key cannot be used.
    #[error("the RSA key {fingerprint} has a modulus or an exponent that cannot be used")]
    RsaNumbers {
        /// The key.
        fingerprint: Fingerprint,
    },
    /// Keys in Tink's format are read, but not made or registered here.
    #[error("the key {fingerprint} is in Tink's format, which is not made or registered here")]
    Tink {
        /// The key.
        fingerprint: Fingerprint,
    },
}

/// A signature that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The signature says that it was made with another key.
    #[error("the signature was made with the key {signed_by}, and is verified with {key}")]
    WrongKey {
        /// The key named by the signature.
        signed_by: Fingerprint,
        /// The key that was to verify it.
        key: Fingerprint,
    },
    /// The signature has no bytes.
    #[error("the signature by the key {key} is empty")]
    Empty {
        /// The key named by the signature.
        key: Fingerprint,
    },
    /// The key is no valid point of its curve.
    #[error("the key {key} is not a valid point of its curve")]
    InvalidKey {
        /// The key.
        key: Fingerprint,
    },
    /// The key is on a curve that signatures are not verified on here.
    #[error("the key {key} is on the curve {curve}, on which {scheme} cannot be verified")]
    UnsupportedCurve {
        /// The key.
        key: Fingerprint,
        /// The curve.
        curve: &'static str,
        /// The scheme.
        scheme: SigningKeyScheme,
    },
    /// The signature does not belong to this message and key.
    #[error("the signature by the key {key} is not valid for this message")]
    Invalid {
        /// The key.
        key: Fingerprint,
    },
}

/// A plaintext that could not be encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EncryptError {
    /// The plaintext is too long for the scheme.
    #[error("a plaintext of {length} bytes is too long for {scheme}, at most {max} are allowed")]
    TooLong {
        /// The length of the plaintext.
        length: usize,
        /// The longest that is allowed.
        max: usize,
        /// The scheme, as Canton shows it.
        scheme: &'static str,
    },
    /// The key cannot be used with its scheme.
    #[error("the public key {key} cannot be used for {scheme}")]
    InvalidKey {
        /// The key.
        key: Fingerprint,
        /// The scheme.
        scheme: EncryptionKeyScheme,
        /// Why.
        #[source]
        source: StrictKeyError,
    },
    /// The cryptographic library refused.
    #[error("encryption with {scheme} failed")]
    Failed {
        /// The scheme, as Canton shows it.
        scheme: &'static str,
    },
}

/// A ciphertext that could not be decrypted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecryptError {
    /// The ciphertext has no bytes.
    #[error("the ciphertext of {scheme} is empty")]
    Empty {
        /// The scheme, as Canton shows it.
        scheme: &'static str,
    },
    /// The ciphertext was not made for this key, or was changed.
    #[error("the ciphertext was not made with {scheme} for this key, or was changed")]
    Invalid {
        /// The scheme, as Canton shows it.
        scheme: &'static str,
    },
}

/// A message that could not be signed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SignError {
    /// The cryptographic library refused.
    #[error("signing with the key {key} failed")]
    Failed {
        /// The key.
        key: Fingerprint,
    },
}

/// A private key that could not be made or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PrivateKeyError {
    /// The cryptographic library could not make a key.
    #[error("a key of scheme {scheme} could not be made")]
    Generate {
        /// The scheme, as Canton shows it.
        scheme: &'static str,
    },
    /// The scheme has no private keys in this format, or they are not supported.
    #[error("a private key of scheme {scheme} in the format {format} is not supported")]
    UnsupportedFormat {
        /// The scheme, as Canton shows it.
        scheme: &'static str,
        /// The format.
        format: CryptoKeyFormat,
    },
    /// The bytes are not a private key of the scheme.
    #[error("the bytes are not a private key of scheme {scheme}")]
    Encoding {
        /// The scheme, as Canton shows it.
        scheme: &'static str,
    },
    /// The private key does not belong to the public key beside it.
    #[error("the private key does not belong to the public key {public}")]
    Mismatch {
        /// The public key.
        public: Fingerprint,
    },
    /// The public key that was derived is not one.
    #[error("the public key of a private key could not be read")]
    Public(#[from] PublicKeyError),
    /// The message around the key is not one.
    #[error("the key pair message could not be read")]
    Proto(#[from] ProtoError),
}

/// A protobuf message that is not the key or signature it should be.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProtoError {
    /// The bytes are not the message.
    #[error("the bytes are not a {message} message")]
    Decode {
        /// The message.
        message: &'static str,
        /// Where the bytes go wrong.
        #[source]
        source: prost::DecodeError,
    },
    /// The bytes are not a versioned message.
    #[error("the bytes are not a versioned {message} message")]
    Versioned {
        /// The message.
        message: &'static str,
        /// Where the bytes go wrong.
        #[source]
        source: VersionedError,
    },
    /// The message has a version that does not exist.
    #[error("{message} has version {version}, expected 0")]
    Version {
        /// The message.
        message: &'static str,
        /// The version.
        version: i32,
    },
    /// A field that must be there is missing.
    #[error("{message} lacks the field {field}")]
    Missing {
        /// The message.
        message: &'static str,
        /// The field.
        field: &'static str,
    },
    /// A number that names nothing known.
    #[error(transparent)]
    Number(#[from] UnknownNumber),
    /// A text that is not a fingerprint.
    #[error("{message} names its key wrongly")]
    Fingerprint {
        /// The message.
        message: &'static str,
        /// What is wrong with the text.
        #[source]
        source: IdentifierError,
    },
    /// The id of a key is not the fingerprint of its bytes.
    #[error("the key says that it is {stated}, its bytes have the fingerprint {computed}")]
    WrongId {
        /// The id in the message.
        stated: Fingerprint,
        /// The fingerprint of the bytes.
        computed: Fingerprint,
    },
    /// The public key is not one.
    #[error("the public key could not be read")]
    PublicKey(#[from] PublicKeyError),
}
