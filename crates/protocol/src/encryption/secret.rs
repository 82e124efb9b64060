//! Seeds of views and session keys. Wiped when dropped, never printed.
//!
//! Everything is derived with HKDF-SHA256; the info says what for.

use std::collections::BTreeSet;
use std::fmt;

use cantle_crypto::{EncryptionPublicKey, RandomnessError, SymmetricKey, hkdf, random_bytes};
use cantle_types::Fingerprint;
use zeroize::Zeroizing;

use super::message::{RandomnessLookup, ViewEncryptionError};
use crate::error::ParseError;
use crate::view_position::MerkleSeqIndex;
use crate::wire::field;

const SEED_LENGTH: usize = 32;
const KEY_LENGTH: usize = 16;

/// What the key of a view, and the seeds of the views below it, are derived from.
#[derive(Clone, PartialEq, Eq)]
pub struct ViewSeed(Zeroizing<[u8; SEED_LENGTH]>);

impl ViewSeed {
    /// A new one.
    ///
    /// # Errors
    /// When there is no randomness to be had.
    pub fn random() -> Result<Self, RandomnessError> {
        random_bytes().map(Zeroizing::new).map(Self)
    }

    /// The seed with these bytes, as they were decrypted.
    ///
    /// # Errors
    /// When they are not 32.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ParseError> {
        match bytes.try_into() {
            Ok(seed) => Ok(Self(Zeroizing::new(seed))),
            Err(_) => Err(field("EncryptedViewMessage", "randomness").wrong_length(bytes.len(), SEED_LENGTH)),
        }
    }

    /// The seed of the view at this place directly below.
    #[must_use]
    pub fn subview(&self, index: &MerkleSeqIndex) -> Self {
        let info = [b"subview-", &index.encoding()[..]].concat();
        Self(derive(&*self.0, &info))
    }

    /// The key of the view.
    pub(super) fn view_key(&self) -> SymmetricKey {
        symmetric_key(&derive(&*self.0, b"view-key"))
    }

    /// The bytes, for encryption.
    ///
    /// # Security
    /// Whoever has them reads the view and all below.
    pub(super) fn as_bytes(&self) -> &[u8; SEED_LENGTH] {
        &self.0
    }
}

impl fmt::Debug for ViewSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ViewSeed([REDACTED])")
    }
}

/// What a session key is made of: all that has to be encrypted to its receivers.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionKeyRandomness(Zeroizing<[u8; KEY_LENGTH]>);

impl SessionKeyRandomness {
    /// A new one.
    ///
    /// # Errors
    /// When there is no randomness to be had.
    pub fn random() -> Result<Self, RandomnessError> {
        let secret = Zeroizing::new(random_bytes::<SEED_LENGTH>()?);
        Ok(Self(derive(&*secret, b"session-key")))
    }

    /// The one with these bytes, as they were decrypted.
    ///
    /// # Errors
    /// When they are not 16.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ParseError> {
        match bytes.try_into() {
            Ok(bytes) => Ok(Self(Zeroizing::new(bytes))),
            Err(_) => {
                Err(field("SessionKeyLookup", "session_key_randomness").wrong_length(bytes.len(), KEY_LENGTH))
            }
        }
    }

    pub(super) fn key(&self) -> SymmetricKey {
        symmetric_key(&self.0)
    }
}

impl fmt::Debug for SessionKeyRandomness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKeyRandomness([REDACTED])")
    }
}

/// A session key as its sender keeps it: with its randomness encrypted to every receiver.
///
/// It may be used for every view with the same receivers; keep it under [`SessionKey::receivers`].
#[derive(Debug, Clone)]
pub struct SessionKey {
    randomness: SessionKeyRandomness,
    lookups: Vec<RandomnessLookup>,
}

impl SessionKey {
    /// A new one for the owners of these keys.
    ///
    /// # Errors
    /// When there is no receiver, or it cannot be encrypted to one.
    pub fn generate(receivers: &[EncryptionPublicKey]) -> Result<Self, ViewEncryptionError> {
        let randomness = SessionKeyRandomness::random()?;
        let lookups = RandomnessLookup::encrypt_to_all(&*randomness.0, receivers)?;
        Ok(Self { randomness, lookups })
    }

    /// The keys of the receivers: under this set a sender keeps session keys. A receiver's new key makes another set.
    #[must_use]
    pub fn receivers(keys: &[EncryptionPublicKey]) -> BTreeSet<Fingerprint> {
        keys.iter().map(|key| key.fingerprint().clone()).collect()
    }

    pub(super) fn randomness(&self) -> &SessionKeyRandomness {
        &self.randomness
    }

    pub(super) fn lookups(&self) -> &[RandomnessLookup] {
        &self.lookups
    }
}

fn derive<const N: usize>(secret: &[u8], info: &[u8]) -> Zeroizing<[u8; N]> {
    let derived = hkdf(secret, info, N).expect("the length is one that HKDF gives");
    Zeroizing::new(derived[..].try_into().expect("HKDF gives the length that was asked for"))
}

fn symmetric_key(bytes: &[u8; KEY_LENGTH]) -> SymmetricKey {
    SymmetricKey::from_bytes(bytes).expect("16 bytes are a key")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view_position::Direction;

    #[test]
    fn seeds_of_views_below_follow_from_the_place() {
        let seed = ViewSeed::from_bytes(&[1; 32]).unwrap();
        let only = seed.subview(&MerkleSeqIndex::only());
        let left = seed.subview(&MerkleSeqIndex::new(vec![Direction::Left]));
        let right = seed.subview(&MerkleSeqIndex::new(vec![Direction::Right]));
        assert_ne!(only, left);
        assert_ne!(left, right);
        assert_eq!(only, seed.subview(&MerkleSeqIndex::only()));
        let expected = hkdf(&[1; 32], b"subview-\x02\0\0\0\x01\x01", 32).unwrap();
        assert_eq!(right.as_bytes()[..], expected[..]);
    }

    #[test]
    fn the_key_of_a_view_is_derived_from_its_seed() {
        let seed = ViewSeed::from_bytes(&[1; 32]).unwrap();
        let expected = hkdf(&[1; 32], b"view-key", 16).unwrap();
        assert_eq!(seed.view_key().as_bytes()[..], expected[..]);
    }

    #[test]
    fn other_lengths_are_refused() {
        assert!(ViewSeed::from_bytes(&[0; 31]).is_err());
        assert!(SessionKeyRandomness::from_bytes(&[0; 32]).is_err());
        assert!(SessionKeyRandomness::from_bytes(&[0; 16]).is_ok());
    }

    #[test]
    fn secrets_are_not_printed() {
        let printed =
            format!("{:?} {:?}", ViewSeed::random().unwrap(), SessionKeyRandomness::random().unwrap());
        assert_eq!(printed, "ViewSeed([REDACTED]) SessionKeyRandomness([REDACTED])");
    }
}
