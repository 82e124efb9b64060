//! Hashes, keys, signatures and encryption as Canton 2.10 does them.
//!
//! Everything here runs in software and without IO: verification, encryption to a public key, symmetric
//! encryption, and the private keys of the provider `jce`. Signing and decrypting in a KMS is the business of
//! `cantle-kms`; which key to use, that of `cantle-vault`.
//!
//! Invariants: bytes from the network never panic; the encoding of a public key is kept as it came, so that
//! its fingerprint stays the same; private keys are wiped and print `[REDACTED]`.
//! Source: <https://docs.daml.com/canton/usermanual/security.html>

mod asn1;
mod curve;
mod ecies;
mod encryption_key;
mod encryption_private;
mod error;
mod hash;
mod hkdf;
mod hmac;
mod key_import;
mod key_pair;
mod passphrase;
mod proto;
mod public_key;
mod purpose;
mod random;
mod rsa;
mod scheme;
mod signature;
mod signing_key;
mod signing_private;
mod symmetric;
mod tink;

pub use encryption_key::EncryptionPublicKey;
pub use encryption_private::EncryptionPrivateKey;
pub use error::{
    DecryptError, EncryptError, HashError, PrivateKeyError, ProtoError, PublicKeyError, SignError,
    StrictKeyError, VerifyError,
};
pub use hash::{Hash, HashBuilder, digest, fingerprint};
pub use hkdf::{HkdfError, hkdf};
pub use hmac::hmac_sha256;
pub use key_import::{WrapError, wrap_key_material};
pub use key_pair::KeyPair;
pub use passphrase::{PassphraseError, decrypt_with_passphrase, encrypt_with_passphrase};
pub use proto::{key_purpose_from_proto, key_purpose_to_proto};
pub use public_key::PublicKey;
pub use purpose::HashPurpose;
pub use random::{RandomnessError, random_bytes};
pub use scheme::{
    CryptoKeyFormat, EncryptionKeyScheme, HashAlgorithm, SigningKeyScheme, SymmetricKeyScheme, UnknownName,
    UnknownNumber,
};
pub use signature::Signature;
pub use signing_key::SigningPublicKey;
pub use signing_private::SigningPrivateKey;
pub use symmetric::SymmetricKey;
