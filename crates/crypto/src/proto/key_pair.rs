//! Private keys on the wire: only in stores and in exports that an operator asks for.
//!
//! Invariant: every buffer that held a private key is wiped, and the private key must belong to the public
//! key beside it.

use std::mem;

use cantle_proto::crypto::v0;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};
use zeroize::{Zeroize, Zeroizing};

use super::{check_id, decoded, unwrap};
use crate::encryption_key::EncryptionPublicKey;
use crate::encryption_private::EncryptionPrivateKey;
use crate::error::{PrivateKeyError, ProtoError};
use crate::key_pair::KeyPair;
use crate::scheme::{CryptoKeyFormat, EncryptionKeyScheme, SigningKeyScheme};
use crate::signing_key::SigningPublicKey;
use crate::signing_private::SigningPrivateKey;

/// A message that holds a private key, wiped when dropped.
struct Wiped<M: Wipe>(M);

impl<M: Wipe> Drop for Wiped<M> {
    fn drop(&mut self) {
        self.0.wipe();
    }
}

trait Wipe {
    fn wipe(&mut self);
}

impl Wipe for v0::SigningKeyPair {
    fn wipe(&mut self) {
        if let Some(key) = &mut self.private_key {
            key.private_key.zeroize();
        }
    }
}

impl Wipe for v0::EncryptionKeyPair {
    fn wipe(&mut self) {
        if let Some(key) = &mut self.private_key {
            key.private_key.zeroize();
        }
    }
}

impl Wipe for v0::CryptoKeyPair {
    fn wipe(&mut self) {
        match &mut self.pair {
            Some(v0::crypto_key_pair::Pair::SigningKeyPair(pair)) => pair.wipe(),
            Some(v0::crypto_key_pair::Pair::EncryptionKeyPair(pair)) => pair.wipe(),
            None => {}
        }
    }
}

fn missing(message: &'static str, field: &'static str) -> ProtoError {
    ProtoError::Missing { message, field }
}

impl SigningPrivateKey {
    fn to_proto(&self) -> v0::SigningKeyPair {
        let private = v0::SigningPrivateKey {
            id: self.fingerprint().to_string(),
            format: self.format().number(),
            private_key: self.secret_bytes().to_vec(),
            scheme: self.public().scheme().number(),
        };
        v0::SigningKeyPair { public_key: Some(self.public().to_proto()), private_key: Some(private) }
    }

    fn from_proto(message: &mut v0::SigningKeyPair) -> Result<Self, PrivateKeyError> {
        const NAME: &str = "SigningKeyPair";
        let public = message.public_key.as_ref().ok_or_else(|| missing(NAME, "public_key"))?;
        let private = message.private_key.as_mut().ok_or_else(|| missing(NAME, "private_key"))?;
        let secret = Zeroizing::new(mem::take(&mut private.private_key));
        let public = SigningPublicKey::from_proto(public)?;
        check_id(NAME, &private.id, public.fingerprint())?;
        let format = CryptoKeyFormat::from_number(private.format).map_err(ProtoError::from)?;
        let scheme = SigningKeyScheme::from_number(private.scheme).map_err(ProtoError::from)?;
        Self::from_bytes(scheme, format, secret)?.with_public(public)
    }

    /// The `SigningKeyPair` message, without a wrapper.
    ///
    /// # Security
    /// It holds the private key in clear.
    #[must_use]
    pub fn to_proto_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(Wiped(self.to_proto()).0.encode_to_vec())
    }

    /// Reads a `SigningKeyPair` message without a wrapper.
    ///
    /// # Errors
    /// When it is not one, the private key is in a format of the provider `tink`, or does not belong to the
    /// public key.
    pub fn from_proto_bytes(bytes: &[u8]) -> Result<Self, PrivateKeyError> {
        Self::from_proto(&mut Wiped(decoded("SigningKeyPair", bytes)?).0)
    }
}

impl EncryptionPrivateKey {
    fn to_proto(&self) -> v0::EncryptionKeyPair {
        let private = v0::EncryptionPrivateKey {
            id: self.fingerprint().to_string(),
            format: self.format().number(),
            private_key: self.secret_bytes().to_vec(),
            scheme: self.public().scheme().number(),
        };
        v0::EncryptionKeyPair { public_key: Some(self.public().to_proto()), private_key: Some(private) }
    }

    fn from_proto(message: &mut v0::EncryptionKeyPair) -> Result<Self, PrivateKeyError> {
        const NAME: &str = "EncryptionKeyPair";
        let public = message.public_key.as_ref().ok_or_else(|| missing(NAME, "public_key"))?;
        let private = message.private_key.as_mut().ok_or_else(|| missing(NAME, "private_key"))?;
        let secret = Zeroizing::new(mem::take(&mut private.private_key));
        let public = EncryptionPublicKey::from_proto(public)?;
        check_id(NAME, &private.id, public.fingerprint())?;
        let format = CryptoKeyFormat::from_number(private.format).map_err(ProtoError::from)?;
        let scheme = EncryptionKeyScheme::from_number(private.scheme).map_err(ProtoError::from)?;
        Self::from_bytes(scheme, format, secret)?.with_public(public)
    }

    /// The `EncryptionKeyPair` message, without a wrapper.
    ///
    /// # Security
    /// It holds the private key in clear.
    #[must_use]
    pub fn to_proto_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(Wiped(self.to_proto()).0.encode_to_vec())
    }

    /// Reads an `EncryptionKeyPair` message without a wrapper.
    ///
    /// # Errors
    /// When it is not one, the private key is in a format of the provider `tink`, or does not belong to the
    /// public key.
    pub fn from_proto_bytes(bytes: &[u8]) -> Result<Self, PrivateKeyError> {
        Self::from_proto(&mut Wiped(decoded("EncryptionKeyPair", bytes)?).0)
    }
}

const NAME: &str = "CryptoKeyPair";

/// The field of the versioned wrapper that holds the message.
const DATA: u32 = 1;

fn length(message: &[u8]) -> u64 {
    u64::try_from(message.len()).expect("a usize has at most 64 bits")
}

impl KeyPair {
    fn from_proto(message: &mut v0::CryptoKeyPair) -> Result<Self, PrivateKeyError> {
        match &mut message.pair {
            Some(v0::crypto_key_pair::Pair::SigningKeyPair(pair)) => {
                SigningPrivateKey::from_proto(pair).map(Self::Signing)
            }
            Some(v0::crypto_key_pair::Pair::EncryptionKeyPair(pair)) => {
                EncryptionPrivateKey::from_proto(pair).map(Self::Encryption)
            }
            None => Err(missing(NAME, "pair").into()),
        }
    }

    /// The `CryptoKeyPair` message, without a wrapper.
    ///
    /// # Security
    /// It holds the private key in clear.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let pair = match self {
            Self::Signing(key) => v0::crypto_key_pair::Pair::SigningKeyPair(key.to_proto()),
            Self::Encryption(key) => v0::crypto_key_pair::Pair::EncryptionKeyPair(key.to_proto()),
        };
        Zeroizing::new(Wiped(v0::CryptoKeyPair { pair: Some(pair) }).0.encode_to_vec())
    }

    /// The `CryptoKeyPair` message wrapped with its version, as the vault service exports it.
    ///
    /// # Security
    /// It holds the private key in clear.
    #[must_use]
    pub fn to_versioned_bytes(&self) -> Zeroizing<Vec<u8>> {
        // Written here rather than by `versioned::wrap`, which leaves a copy behind.
        let message = self.to_bytes();
        let length = length(&message);
        let capacity = key_len(DATA) + encoded_len_varint(length) + message.len();
        let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
        encode_key(DATA, WireType::LengthDelimited, &mut *bytes);
        encode_varint(length, &mut *bytes);
        bytes.extend_from_slice(&message);
        bytes
    }

    /// Reads a `CryptoKeyPair` message, wrapped or, if that fails, bare, as the vault service imports it.
    ///
    /// # Errors
    /// When it is neither, or the private key does not belong to the public key. The error is that of the
    /// reading that came further.
    pub fn from_versioned_or_bare_bytes(bytes: &[u8]) -> Result<Self, PrivateKeyError> {
        Self::from_versioned_bytes(bytes)
            .or_else(|wrapped| Self::from_bytes(bytes).map_err(|bare| further(wrapped, bare)))
    }

    /// Reads a wrapped `CryptoKeyPair` message.
    ///
    /// # Errors
    /// When the wrapper or the message is not one, or the private key does not belong to the public key.
    pub fn from_versioned_bytes(bytes: &[u8]) -> Result<Self, PrivateKeyError> {
        Self::from_bytes(&unwrap(NAME, bytes)?)
    }

    /// Reads a `CryptoKeyPair` message without a wrapper.
    ///
    /// # Errors
    /// When it is not one, or the private key does not belong to the public key.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PrivateKeyError> {
        Self::from_proto(&mut Wiped(decoded(NAME, bytes)?).0)
    }
}

/// Of the errors of reading a message in two ways, the one that says more about what it holds.
fn further(wrapped: PrivateKeyError, bare: PrivateKeyError) -> PrivateKeyError {
    match bare {
        PrivateKeyError::Proto(ProtoError::Decode { .. } | ProtoError::Missing { .. }) => wrapped,
        PrivateKeyError::Proto(ProtoError::Number(_) | ProtoError::Fingerprint { .. }) => wrapped,
        bare => bare,
    }
}
