//! How a member proves to a sequencer who it is: it signs a nonce.
//!
//! The signature counts for one domain only, and, with a service agreement, as its acceptance.
//! Source: <https://docs.daml.com/canton/architecture/security.html>

use std::fmt;

use cantle_crypto::{Hash, HashBuilder, HashPurpose, RandomnessError, random_bytes};
use cantle_types::DomainId;

use crate::error::ParseError;
use crate::wire::field;

const LENGTH: usize = 20;

/// What a sequencer gives a member to sign: 20 random bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nonce([u8; LENGTH]);

impl Nonce {
    /// A new one.
    ///
    /// # Errors
    /// When there is no randomness to be had.
    pub fn random() -> Result<Self, RandomnessError> {
        random_bytes().map(Self)
    }

    /// Reads the bytes of a message.
    ///
    /// # Errors
    /// When they are not 20.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ParseError> {
        match bytes.try_into() {
            Ok(bytes) => Ok(Self(bytes)),
            Err(_) => Err(field("Challenge", "nonce").wrong_length(bytes.len(), LENGTH)),
        }
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; LENGTH] {
        &self.0
    }

    /// What the member signs, to a domain whose service agreement has the id `agreement`, if it has one.
    ///
    /// Only participants accept an agreement; others sign without.
    #[must_use]
    pub fn hash(&self, domain: &DomainId, agreement: Option<&str>) -> Hash {
        let builder = HashBuilder::new(HashPurpose::AuthenticationToken)
            .add_without_prefix(&self.0)
            .add_str(domain.as_str());
        match agreement {
            Some(id) => builder.add_str(id).finish(),
            None => builder.finish(),
        }
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonce(")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_differ_and_have_20_bytes() {
        let nonce = Nonce::random().unwrap();
        assert_ne!(nonce, Nonce::random().unwrap());
        assert_eq!(Nonce::from_bytes(nonce.as_bytes()).unwrap(), nonce);
        assert!(matches!(Nonce::from_bytes(&[0; 19]), Err(ParseError::Length { length: 19, .. })));
        assert!(Nonce::from_bytes(&[0; 21]).is_err());
    }

    #[test]
    fn the_hash_depends_on_domain_and_agreement() {
        let nonce = Nonce([7; LENGTH]);
        let domain: DomainId = "d::ns".parse().unwrap();
        let other: DomainId = "e::ns".parse().unwrap();
        let hashes = [
            nonce.hash(&domain, None),
            nonce.hash(&other, None),
            nonce.hash(&domain, Some("")),
            nonce.hash(&domain, Some("agreement")),
        ];
        for (place, hash) in hashes.iter().enumerate() {
            assert!(!hashes[..place].contains(hash));
        }
        assert!(format!("{nonce:?}").starts_with("Nonce(0707"));
    }
}
