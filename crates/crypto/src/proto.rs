//! Public keys and signatures on the wire (`com.digitalasset.canton.crypto.v0`).
//!
//! Inside other messages they stand bare; in files and stores they are wrapped with their version, which is
//! always 0. Reading a key recomputes its fingerprint, and refuses the key when its id is another.
//! Private keys are in `proto/key_pair.rs`.
//! Source: <https://docs.daml.com/canton/usermanual/security.html>

mod key_pair;

use cantle_proto::crypto::v0;
use cantle_proto::versioned;
use cantle_types::{Fingerprint, KeyPurpose};
use prost::Message;
use zeroize::Zeroizing;

use crate::encryption_key::EncryptionPublicKey;
use crate::error::ProtoError;
use crate::public_key::PublicKey;
use crate::scheme::{CryptoKeyFormat, EncryptionKeyScheme, SigningKeyScheme, UnknownNumber};
use crate::signature::Signature;
use crate::signing_key::SigningPublicKey;

/// The one version of every message of this package.
const VERSION: i32 = 0;

fn decoded<M: Message + Default>(message: &'static str, bytes: &[u8]) -> Result<M, ProtoError> {
    M::decode(bytes).map_err(|source| ProtoError::Decode { message, source })
}

/// The message inside a wrapper of version 0.
fn unwrapped<M: Message + Default>(message: &'static str, bytes: &[u8]) -> Result<M, ProtoError> {
    decoded(message, &unwrap(message, bytes)?)
}

/// The bytes of the message inside a wrapper of version 0.
fn unwrap(message: &'static str, bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, ProtoError> {
    let (data, version) =
        versioned::unwrap(bytes).map_err(|source| ProtoError::Versioned { message, source })?;
    let data = Zeroizing::new(data);
    if version == VERSION { Ok(data) } else { Err(ProtoError::Version { message, version }) }
}

fn fingerprint(message: &'static str, text: &str) -> Result<Fingerprint, ProtoError> {
    text.parse().map_err(|source| ProtoError::Fingerprint { message, source })
}

fn check_id(message: &'static str, stated: &str, computed: &Fingerprint) -> Result<(), ProtoError> {
    let stated = fingerprint(message, stated)?;
    if stated == *computed { Ok(()) } else { Err(ProtoError::WrongId { stated, computed: computed.clone() }) }
}

impl SigningPublicKey {
    /// The message.
    #[must_use]
    pub fn to_proto(&self) -> v0::SigningPublicKey {
        v0::SigningPublicKey {
            id: self.fingerprint().to_string(),
            format: self.format().number(),
            public_key: self.bytes().to_vec(),
            scheme: self.scheme().number(),
        }
    }

    /// Reads the message.
    ///
    /// # Errors
    /// When Canton would refuse it: see [`SigningPublicKey::new`]; or when the id is not the fingerprint.
    pub fn from_proto(message: &v0::SigningPublicKey) -> Result<Self, ProtoError> {
        let format = CryptoKeyFormat::from_number(message.format)?;
        let scheme = SigningKeyScheme::from_number(message.scheme)?;
        let key = Self::new(format, &*message.public_key, scheme)?;
        check_id("SigningPublicKey", &message.id, key.fingerprint())?;
        Ok(key)
    }

    /// The message wrapped with its version, as in files.
    #[must_use]
    pub fn to_versioned_bytes(&self) -> Vec<u8> {
        versioned::wrap(&self.to_proto().encode_to_vec(), VERSION)
    }

    /// Reads a wrapped message.
    ///
    /// # Errors
    /// When the wrapper or the message is not one.
    pub fn from_versioned_bytes(bytes: &[u8]) -> Result<Self, ProtoError> {
        Self::from_proto(&unwrapped("SigningPublicKey", bytes)?)
    }
}

impl EncryptionPublicKey {
    /// The message.
    #[must_use]
    pub fn to_proto(&self) -> v0::EncryptionPublicKey {
        v0::EncryptionPublicKey {
            id: self.fingerprint().to_string(),
            format: self.format().number(),
            public_key: self.bytes().to_vec(),
            scheme: self.scheme().number(),
        }
    }

    /// Reads the message.
    ///
    /// # Errors
    /// When Canton would refuse it: see [`EncryptionPublicKey::new`]; or when the id is not the fingerprint.
    pub fn from_proto(message: &v0::EncryptionPublicKey) -> Result<Self, ProtoError> {
        let format = CryptoKeyFormat::from_number(message.format)?;
        let scheme = EncryptionKeyScheme::from_number(message.scheme)?;
        let key = Self::new(format, &*message.public_key, scheme)?;
        check_id("EncryptionPublicKey", &message.id, key.fingerprint())?;
        Ok(key)
    }

    /// The message wrapped with its version, as in files.
    #[must_use]
    pub fn to_versioned_bytes(&self) -> Vec<u8> {
        versioned::wrap(&self.to_proto().encode_to_vec(), VERSION)
    }

    /// Reads a wrapped message.
    ///
    /// # Errors
    /// When the wrapper or the message is not one.
    pub fn from_versioned_bytes(bytes: &[u8]) -> Result<Self, ProtoError> {
        Self::from_proto(&unwrapped("EncryptionPublicKey", bytes)?)
    }
}

impl PublicKey {
    /// The message.
    #[must_use]
    pub fn to_proto(&self) -> v0::PublicKey {
        let key = match self {
            Self::Signing(key) => v0::public_key::Key::SigningPublicKey(key.to_proto()),
            Self::Encryption(key) => v0::public_key::Key::EncryptionPublicKey(key.to_proto()),
        };
        v0::PublicKey { key: Some(key) }
    }

    /// Reads the message.
    ///
    /// # Errors
    /// When there is no key in it, or the key is refused.
    pub fn from_proto(message: &v0::PublicKey) -> Result<Self, ProtoError> {
        match &message.key {
            Some(v0::public_key::Key::SigningPublicKey(key)) => {
                SigningPublicKey::from_proto(key).map(Self::Signing)
            }
            Some(v0::public_key::Key::EncryptionPublicKey(key)) => {
                EncryptionPublicKey::from_proto(key).map(Self::Encryption)
            }
            None => Err(ProtoError::Missing { message: "PublicKey", field: "key" }),
        }
    }

    /// The message without a wrapper, as the vault service imports it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_proto().encode_to_vec()
    }

    /// Reads a message without a wrapper.
    ///
    /// # Errors
    /// When the bytes are not the message, or the key is refused.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ProtoError> {
        Self::from_proto(&decoded("PublicKey", bytes)?)
    }

    /// The message wrapped with its version, as it is stored.
    #[must_use]
    pub fn to_versioned_bytes(&self) -> Vec<u8> {
        versioned::wrap(&self.to_bytes(), VERSION)
    }

    /// Reads a wrapped message.
    ///
    /// # Errors
    /// When the wrapper or the message is not one, or the key is refused.
    pub fn from_versioned_bytes(bytes: &[u8]) -> Result<Self, ProtoError> {
        Self::from_proto(&unwrapped("PublicKey", bytes)?)
    }
}

impl Signature {
    /// The message.
    #[must_use]
    pub fn to_proto(&self) -> v0::Signature {
        v0::Signature {
            format: v0::SignatureFormat::RawSignatureFormat.into(),
            signature: self.bytes().to_vec(),
            signed_by: self.signed_by().to_string(),
        }
    }

    /// Reads the message.
    ///
    /// # Errors
    /// When the format is not the raw one, which is the only one, or the key is not named.
    pub fn from_proto(message: &v0::Signature) -> Result<Self, ProtoError> {
        if message.format != i32::from(v0::SignatureFormat::RawSignatureFormat) {
            return Err(UnknownNumber { what: "signature format", number: message.format }.into());
        }
        let signed_by = fingerprint("Signature", &message.signed_by)?;
        Ok(Self::new(message.signature.clone(), signed_by))
    }

    /// The message without a wrapper.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_proto().encode_to_vec()
    }

    /// Reads a message without a wrapper.
    ///
    /// # Errors
    /// When the bytes are not the message.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ProtoError> {
        Self::from_proto(&decoded("Signature", bytes)?)
    }

    /// The message wrapped with its version.
    #[must_use]
    pub fn to_versioned_bytes(&self) -> Vec<u8> {
        versioned::wrap(&self.to_bytes(), VERSION)
    }

    /// Reads a wrapped message.
    ///
    /// # Errors
    /// When the wrapper or the message is not one.
    pub fn from_versioned_bytes(bytes: &[u8]) -> Result<Self, ProtoError> {
        Self::from_proto(&unwrapped("Signature", bytes)?)
    }
}

/// The number of a key purpose on the wire.
#[must_use]
pub fn key_purpose_to_proto(purpose: KeyPurpose) -> v0::KeyPurpose {
    match purpose {
        KeyPurpose::Signing => v0::KeyPurpose::SigningKeyPurpose,
        KeyPurpose::Encryption => v0::KeyPurpose::EncryptionKeyPurpose,
    }
}

/// The key purpose with this number on the wire.
///
/// # Errors
/// When there is none, 0 (unknown) included.
pub fn key_purpose_from_proto(number: i32) -> Result<KeyPurpose, UnknownNumber> {
    match v0::KeyPurpose::try_from(number) {
        Ok(v0::KeyPurpose::SigningKeyPurpose) => Ok(KeyPurpose::Signing),
        Ok(v0::KeyPurpose::EncryptionKeyPurpose) => Ok(KeyPurpose::Encryption),
        _ => Err(UnknownNumber { what: "key purpose", number }),
    }
}
