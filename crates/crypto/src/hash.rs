//! SHA-256 as Canton uses it: the purpose first, lengths in front of values, the digest as a multihash.
//!
//! Not Daml-LF's own hash, which has neither purpose nor multihash.
//! Invariant: what is compared, signed and printed is the *evidence*, `12 20` and the 32 bytes of the digest.
//! Source: <https://github.com/multiformats/multihash>

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN};
use cantle_types::Fingerprint;

use crate::error::HashError;
use crate::purpose::HashPurpose;

const SHA256_CODE: u8 = 0x12;
const SHA256_LENGTH: u8 = 0x20;
const EVIDENCE_LENGTH: usize = 2 + SHA256_OUTPUT_LEN;

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; SHA256_OUTPUT_LEN]);

impl Hash {
    /// The hash with this digest.
    #[must_use]
    pub fn from_digest(digest: [u8; SHA256_OUTPUT_LEN]) -> Self {
        Self(digest)
    }

    /// The bare digest, without the multihash prefix. This is never what is signed.
    #[must_use]
    pub fn digest(&self) -> &[u8; SHA256_OUTPUT_LEN] {
        &self.0
    }

    /// The serialized hash, `12 20` and the digest: what is signed, sent and stored.
    #[must_use]
    pub fn evidence(&self) -> [u8; EVIDENCE_LENGTH] {
        let mut evidence = [0; EVIDENCE_LENGTH];
        evidence[0] = SHA256_CODE;
        evidence[1] = SHA256_LENGTH;
        evidence[2..].copy_from_slice(&self.0);
        evidence
    }

    /// Reads a serialized hash.
    ///
    /// # Errors
    /// When the multihash is not one of SHA-256, or has another length than it states.
    pub fn from_evidence(evidence: &[u8]) -> Result<Self, HashError> {
        let (code, rest) = uvarint(evidence)?;
        if code != u64::from(SHA256_CODE) {
            return Err(HashError::UnknownAlgorithm { code });
        }
        let (stated, digest) = uvarint(rest)?;
        match <[u8; SHA256_OUTPUT_LEN]>::try_from(digest) {
            Ok(digest) if stated == u64::from(SHA256_LENGTH) => Ok(Self(digest)),
            _ => Err(HashError::WrongLength { stated, found: digest.len() }),
        }
    }

    /// The evidence in lower-case hex: 68 characters, the first four `1220`.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex::encode(self.evidence())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_hex())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl FromStr for Hash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_evidence(&hex::decode(text)?)
    }
}

/// Seven bits a byte, the least significant first, the high bit set on all but the last; at most 9 bytes.
fn uvarint(bytes: &[u8]) -> Result<(u64, &[u8]), HashError> {
    const LONGEST: usize = 9;
    let mut value = 0;
    for (index, &byte) in bytes.iter().take(LONGEST).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok((value, &bytes[index + 1..]));
        }
    }
    Err(HashError::Truncated)
}

/// Hashes `bytes` for `purpose`, without a length in front of them.
#[must_use]
pub fn digest(purpose: HashPurpose, bytes: &[u8]) -> Hash {
    HashBuilder::new(purpose).add_without_prefix(bytes).finish()
}

/// The fingerprint of a public key whose key material is `bytes`.
///
/// For keys in the formats DER and Raw these are the bytes of the key as it is sent.
#[must_use]
pub fn fingerprint(bytes: &[u8]) -> Fingerprint {
    let hash = digest(HashPurpose::PublicKeyFingerprint, bytes);
    hash.to_hex().parse().expect("68 hex characters are a fingerprint")
}

/// Hashes values one after the other, each with its length where it can vary.
#[derive(Clone)]
pub struct HashBuilder(Context);

impl HashBuilder {
    /// Begins with the purpose.
    #[must_use]
    pub fn new(purpose: HashPurpose) -> Self {
        Self(Context::new(&SHA256)).add_int(purpose.id())
    }

    /// Adds the length as 4 bytes and then the bytes.
    ///
    /// # Panics
    /// When there are 2 GiB or more.
    #[must_use]
    pub fn add_bytes(self, bytes: &[u8]) -> Self {
        let length = i32::try_from(bytes.len()).expect("messages are shorter than 2 GiB");
        self.add_int(length).add_without_prefix(bytes)
    }

    /// Adds the bytes alone.
    #[must_use]
    pub fn add_without_prefix(mut self, bytes: &[u8]) -> Self {
        self.0.update(bytes);
        self
    }

    /// Adds the text in UTF-8, its length in bytes in front.
    ///
    /// # Panics
    /// When there are 2 GiB or more.
    #[must_use]
    pub fn add_str(self, text: &str) -> Self {
        self.add_bytes(text.as_bytes())
    }

    /// Adds 4 bytes, big-endian.
    #[must_use]
    pub fn add_int(self, value: i32) -> Self {
        self.add_without_prefix(&value.to_be_bytes())
    }

    /// Adds 8 bytes, big-endian.
    #[must_use]
    pub fn add_long(self, value: i64) -> Self {
        self.add_without_prefix(&value.to_be_bytes())
    }

    /// The hash of all that was added.
    #[must_use]
    pub fn finish(self) -> Hash {
        let digest = self.0.finish();
        Hash(digest.as_ref().try_into().expect("SHA-256 gives 32 bytes"))
    }
}

impl fmt::Debug for HashBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashBuilder").finish_non_exhaustive()
    }
}
