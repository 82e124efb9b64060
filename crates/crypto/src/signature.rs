//! A signature and the key that it says it was made with.
//!
//! Bytes only: whether it is valid is for [`crate::SigningPublicKey::verify`].
//! Invariant: the bytes are kept as they came.

use std::fmt;

use cantle_types::Fingerprint;

/// A signature: ASN.1 DER for ECDSA, 64 bytes for Ed25519.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Signature {
    bytes: Vec<u8>,
    signed_by: Fingerprint,
}

impl Signature {
    /// The signature `bytes`, said to be made with the key `signed_by`.
    #[must_use]
    pub fn new(bytes: Vec<u8>, signed_by: Fingerprint) -> Self {
        Self { bytes, signed_by }
    }

    /// The signature itself.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The fingerprint of the key that it says it was made with.
    #[must_use]
    pub fn signed_by(&self) -> &Fingerprint {
        &self.signed_by
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signature")
            .field("bytes", &hex::encode(&self.bytes))
            .field("signed_by", &self.signed_by.as_str())
            .finish()
    }
}
