//! Salts: random bytes in every leaf, so that nobody can guess a blinded leaf from its hash.
//!
//! The submitter draws one seed for a transaction and derives all salts from it; receivers keep those that they find.
//! Invariant: a salt has 32 bytes.

use std::fmt;

use cantle_crypto::{RandomnessError, hmac_sha256, random_bytes};
use cantle_proto::crypto::v0;
use zeroize::Zeroizing;

use crate::error::ParseError;
use crate::wire::field;

const LENGTH: usize = 32;
const SEED_LENGTH: usize = 16;

/// 32 bytes that nobody can guess.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Salt([u8; LENGTH]);

impl Salt {
    /// The salt with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; LENGTH]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; LENGTH] {
        &self.0
    }

    pub(crate) fn to_proto(self) -> v0::Salt {
        let hmac = v0::HmacAlgorithm::HmacSha256.into();
        v0::Salt { algorithm: Some(v0::salt::Algorithm::Hmac(hmac)), salt: self.0.to_vec() }
    }

    pub(crate) fn from_proto(message: &'static str, salt: Option<&v0::Salt>) -> Result<Self, ParseError> {
        let salt = field(message, "salt").required(salt)?;
        let v0::salt::Algorithm::Hmac(algorithm) = field("Salt", "algorithm").required(salt.algorithm)?;
        if algorithm != i32::from(v0::HmacAlgorithm::HmacSha256) {
            return Err(field("Salt", "hmac").number(algorithm));
        }
        match salt.salt[..].try_into() {
            Ok(bytes) => Ok(Self(bytes)),
            Err(_) => Err(field("Salt", "salt").wrong_length(salt.salt.len(), LENGTH)),
        }
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whoever knows the salts can guess blinded leaves.
        f.write_str("Salt([REDACTED])")
    }
}

/// What the salts of one transaction are derived from. Wiped when dropped.
pub struct SaltSeed {
    seed: Zeroizing<[u8; SEED_LENGTH]>,
    next: i32,
}

impl SaltSeed {
    /// A new one.
    ///
    /// # Errors
    /// When there is no randomness to be had.
    pub fn random() -> Result<Self, RandomnessError> {
        Ok(Self { seed: Zeroizing::new(random_bytes()?), next: 0 })
    }

    /// The next salt: first those of submitter, common and participant metadata, then for each view, parents before
    /// their subviews, those of its common and its participant data.
    #[must_use]
    pub fn next_salt(&mut self) -> Salt {
        let salt = Salt(hmac_sha256(&*self.seed, &self.next.to_be_bytes()));
        // A transaction of so many views does not fit into a message.
        self.next = self.next.wrapping_add(1);
        salt
    }
}

impl fmt::Debug for SaltSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SaltSeed([REDACTED])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn salts_of_one_seed_differ_and_are_read_back() {
        let mut seed = SaltSeed::random().unwrap();
        let (first, second) = (seed.next_salt(), seed.next_salt());
        assert_ne!(first, second);
        assert_ne!(SaltSeed::random().unwrap().next_salt(), first);
        assert_eq!(Salt::from_proto("X", Some(&first.to_proto())).unwrap(), first);
        assert!(!format!("{seed:?}{first:?}").contains(&hex::encode(first.as_bytes())));
    }

    #[test]
    fn a_salt_is_the_hmac_of_its_number() {
        let mut seed = SaltSeed { seed: Zeroizing::new([1; 16]), next: 0 };
        assert_eq!(seed.next_salt().as_bytes(), &hmac_sha256(&[1; 16], &[0, 0, 0, 0]));
        assert_eq!(seed.next_salt().as_bytes(), &hmac_sha256(&[1; 16], &[0, 0, 0, 1]));
    }

    #[test]
    fn other_lengths_and_algorithms_are_refused() {
        let good = Salt([3; 32]).to_proto();
        let refused = |salt: &v0::Salt| Salt::from_proto("X", Some(salt)).unwrap_err();
        assert!(matches!(
            refused(&v0::Salt { salt: vec![0; 31], ..good.clone() }),
            ParseError::Length { .. }
        ));
        assert!(matches!(refused(&v0::Salt { algorithm: None, ..good.clone() }), ParseError::Missing { .. }));
        let unknown = v0::Salt { algorithm: Some(v0::salt::Algorithm::Hmac(0)), ..good };
        assert!(matches!(refused(&unknown), ParseError::Number { .. }));
        assert!(Salt::from_proto("X", None).is_err());
    }
}
