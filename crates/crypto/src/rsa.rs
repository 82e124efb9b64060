//! RSA-OAEP with SHA-256, MGF1-SHA-256 and an empty label.
//!
//! Public keys are read as laxly as the JDK reads them and used only with a modulus of exactly 2048 bits.
//! Source: RFC 8017, <https://www.rfc-editor.org/rfc/rfc8017>; AWS's name is `RSAES_OAEP_SHA_256`.

use std::fmt;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
    PublicEncryptingKey,
};
use cantle_types::Fingerprint;
use zeroize::Zeroizing;

use crate::asn1::{self, INTEGER, NULL, Reader, SEQUENCE, Spki};
use crate::error::{DecryptError, EncryptError, PrivateKeyError, PublicKeyError, StrictKeyError};

const SCHEME: &str = "RSA2048-OAEP-SHA256";
const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// The older name of the algorithm in X.500, which the JDK reads too.
const RSA_X500: &[u8] = &[0x55, 0x08, 0x01, 0x01];

const MODULUS_BITS: usize = 2048;
const CIPHERTEXT_LENGTH: usize = MODULUS_BITS / 8;
/// What the padding leaves: 256 bytes less two digests and two bytes.
const PLAINTEXT_MAX: usize = CIPHERTEXT_LENGTH - 2 * 32 - 2;

/// The modulus and the exponent, without zeros in front.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PublicNumbers {
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

impl PublicNumbers {
    /// Reads a SubjectPublicKeyInfo as the JDK does.
    pub(crate) fn from_spki(bytes: &[u8]) -> Result<Self, PublicKeyError> {
        let refused = |reason| PublicKeyError::Rsa { reason };
        let spki = Spki::read(bytes).ok_or_else(|| refused("no SubjectPublicKeyInfo"))?;
        if ![RSA_ENCRYPTION, RSA_X500].contains(&spki.algorithm) {
            return Err(refused("the key is of another algorithm"));
        }
        let numbers = read_numbers(&spki.key).ok_or_else(|| refused("no modulus and exponent"))?;
        numbers.check_as_the_jdk().map_err(refused)?;
        Ok(numbers)
    }

    fn check_as_the_jdk(&self) -> Result<(), &'static str> {
        // The JDK rounds the length of the modulus up to whole bytes.
        if !(512 / 8..=16384 / 8).contains(&self.modulus.len()) {
            return Err("the modulus has fewer than 512 or more than 16384 bits");
        }
        if self.modulus.len() > 3072 / 8 && self.exponent.len() > 64 / 8 {
            return Err("the exponent is longer than 64 bits");
        }
        if matches!(*self.exponent, [] | [0..3]) {
            return Err("the exponent is smaller than 3");
        }
        if (self.exponent.len(), &self.exponent) >= (self.modulus.len(), &self.modulus) {
            return Err("the exponent is not smaller than the modulus");
        }
        Ok(())
    }

    /// The key for the cryptographic library, if it has 2048 bits and can be used.
    pub(crate) fn usable(&self, fingerprint: &Fingerprint) -> Result<PublicEncryptingKey, StrictKeyError> {
        let bits = self.modulus_bits();
        if bits != MODULUS_BITS {
            return Err(StrictKeyError::RsaModulus { fingerprint: fingerprint.clone(), bits });
        }
        PublicEncryptingKey::from_der(&self.to_spki())
            .map_err(|_| StrictKeyError::RsaNumbers { fingerprint: fingerprint.clone() })
    }

    /// The canonical SubjectPublicKeyInfo.
    pub(crate) fn to_spki(&self) -> Vec<u8> {
        let numbers = [asn1::unsigned(&self.modulus), asn1::unsigned(&self.exponent)];
        let key = asn1::element(SEQUENCE, &[&numbers[0], &numbers[1]]);
        asn1::spki(RSA_ENCRYPTION, &asn1::element(NULL, &[]), &key)
    }

    fn modulus_bits(&self) -> usize {
        let first = self.modulus.first().map_or(0, |first| first.leading_zeros());
        8 * self.modulus.len() - usize::try_from(first).expect("at most 8")
    }
}

fn read_numbers(key: &[u8]) -> Option<PublicNumbers> {
    let mut outer = Reader::new(key);
    let mut inner = Reader::new(outer.expect(SEQUENCE)?);
    let mut integer = || {
        let content = inner.expect(INTEGER)?;
        // The JDK takes the bytes for a magnitude, whatever their sign.
        (!content.is_empty()).then(|| asn1::without_leading_zeros(content).to_vec())
    };
    let (modulus, exponent) = (integer()?, integer()?);
    (inner.is_at_end() && outer.is_at_end()).then_some(PublicNumbers { modulus, exponent })
}

/// Encrypts at most 190 bytes into 256.
pub(crate) fn encrypt(key: PublicEncryptingKey, plaintext: &[u8]) -> Result<Vec<u8>, EncryptError> {
    if plaintext.len() > PLAINTEXT_MAX {
        return Err(EncryptError::TooLong { length: plaintext.len(), max: PLAINTEXT_MAX, scheme: SCHEME });
    }
    let failed = |_| EncryptError::Failed { scheme: SCHEME };
    let key = OaepPublicEncryptingKey::new(key).map_err(failed)?;
    let mut ciphertext = vec![0; key.ciphertext_size()];
    let length =
        key.encrypt(&OAEP_SHA256_MGF1SHA256, plaintext, &mut ciphertext, None).map_err(failed)?.len();
    ciphertext.truncate(length);
    Ok(ciphertext)
}

/// A private key with a modulus of 2048 bits.
pub(crate) struct PrivateKey {
    key: OaepPrivateDecryptingKey,
    spki: Vec<u8>,
}

impl PrivateKey {
    /// Makes a key, its exponent 65537, and its PKCS#8.
    pub(crate) fn generate() -> Result<(Self, Zeroizing<Vec<u8>>), PrivateKeyError> {
        let failed = |_| PrivateKeyError::Generate { scheme: SCHEME };
        let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).map_err(failed)?;
        let pkcs8 = Zeroizing::new(key.as_der().map_err(failed)?.as_ref().to_vec());
        Ok((Self::new(key)?, pkcs8))
    }

    /// Reads PKCS#8.
    pub(crate) fn from_pkcs8(bytes: &[u8]) -> Result<Self, PrivateKeyError> {
        let encoding = || PrivateKeyError::Encoding { scheme: SCHEME };
        let key = PrivateDecryptingKey::from_pkcs8(bytes).map_err(|_| encoding())?;
        if key.key_size_bits() != MODULUS_BITS {
            return Err(encoding());
        }
        Self::new(key)
    }

    fn new(key: PrivateDecryptingKey) -> Result<Self, PrivateKeyError> {
        let encoding = |_| PrivateKeyError::Encoding { scheme: SCHEME };
        let spki = key.public_key().as_der().map_err(encoding)?.as_ref().to_vec();
        Ok(Self { key: OaepPrivateDecryptingKey::new(key).map_err(encoding)?, spki })
    }

    /// The SubjectPublicKeyInfo of the public key.
    pub(crate) fn public_spki(&self) -> &[u8] {
        &self.spki
    }

    /// Decrypts 256 bytes.
    pub(crate) fn decrypt(&self, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
        let invalid = || DecryptError::Invalid { scheme: SCHEME };
        if ciphertext.len() != CIPHERTEXT_LENGTH {
            return Err(invalid());
        }
        let mut buffer = Zeroizing::new(vec![0; self.key.min_output_size()]);
        let plaintext = self
            .key
            .decrypt(&OAEP_SHA256_MGF1SHA256, ciphertext, &mut buffer, None)
            .map_err(|_| invalid())?;
        Ok(Zeroizing::new(plaintext.to_vec()))
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheme::EncryptionKeyScheme;

    #[test]
    fn scheme_is_named_as_everywhere() {
        assert_eq!(SCHEME, EncryptionKeyScheme::Rsa2048OaepSha256.name());
    }

    #[test]
    fn modulus_bits_are_counted_without_zeros() {
        let numbers = |modulus: Vec<u8>| PublicNumbers { modulus, exponent: vec![3] };
        assert_eq!(numbers(vec![]).modulus_bits(), 0);
        assert_eq!(numbers(vec![1]).modulus_bits(), 1);
        assert_eq!(numbers(vec![0x80; 256]).modulus_bits(), 2048);
        assert_eq!(numbers(vec![0x7f; 256]).modulus_bits(), 2047);
    }
}
