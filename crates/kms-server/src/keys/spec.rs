//! AWS's words for keys: spec, usage, origin, and the algorithms each spec can do.
//!
//! Only names and rules; the cryptography is in [`super::material`]. The numbers in `repr` are what the state file
//! holds: they are never given another meaning.
//!
//! Source: <https://docs.aws.amazon.com/kms/latest/developerguide/symm-asymm-choose-key-spec.html>

use serde::{Deserialize, Serialize};

macro_rules! names {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $text:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub(crate) enum $name { $($variant),* }

        impl $name {
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }

            pub(crate) fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

names! {
    /// What kind of key material a key has.
    KeySpec {
        SymmetricDefault = "SYMMETRIC_DEFAULT",
        EccNistP256 = "ECC_NIST_P256",
        EccNistP384 = "ECC_NIST_P384",
        EccNistP521 = "ECC_NIST_P521",
        EccSecgP256k1 = "ECC_SECG_P256K1",
        EccNistEdwards25519 = "ECC_NIST_EDWARDS25519",
        Rsa2048 = "RSA_2048",
        Rsa3072 = "RSA_3072",
        Rsa4096 = "RSA_4096",
        Hmac224 = "HMAC_224",
        Hmac256 = "HMAC_256",
        Hmac384 = "HMAC_384",
        Hmac512 = "HMAC_512",
        MlDsa44 = "ML_DSA_44",
        MlDsa65 = "ML_DSA_65",
        MlDsa87 = "ML_DSA_87",
    }
}

names! {
    /// The one thing a key may be used for.
    KeyUsage {
        EncryptDecrypt = "ENCRYPT_DECRYPT",
        SignVerify = "SIGN_VERIFY",
        GenerateVerifyMac = "GENERATE_VERIFY_MAC",
        KeyAgreement = "KEY_AGREEMENT",
    }
}

names! {
    /// Where the key material comes from.
    Origin { AwsKms = "AWS_KMS", External = "EXTERNAL" }
}

names! {
    /// A signing algorithm.
    SigningAlgorithm {
        EcdsaSha256 = "ECDSA_SHA_256",
        EcdsaSha384 = "ECDSA_SHA_384",
        EcdsaSha512 = "ECDSA_SHA_512",
        Ed25519Sha512 = "ED25519_SHA_512",
        Ed25519PhSha512 = "ED25519_PH_SHA_512",
        PssSha256 = "RSASSA_PSS_SHA_256",
        PssSha384 = "RSASSA_PSS_SHA_384",
        PssSha512 = "RSASSA_PSS_SHA_512",
        Pkcs1Sha256 = "RSASSA_PKCS1_V1_5_SHA_256",
        Pkcs1Sha384 = "RSASSA_PKCS1_V1_5_SHA_384",
        Pkcs1Sha512 = "RSASSA_PKCS1_V1_5_SHA_512",
        MlDsaShake256 = "ML_DSA_SHAKE_256",
    }
}

names! {
    /// An encryption algorithm.
    EncryptionAlgorithm {
        SymmetricDefault = "SYMMETRIC_DEFAULT",
        OaepSha1 = "RSAES_OAEP_SHA_1",
        OaepSha256 = "RSAES_OAEP_SHA_256",
    }
}

names! {
    /// A MAC algorithm.
    MacAlgorithm {
        Sha224 = "HMAC_SHA_224",
        Sha256 = "HMAC_SHA_256",
        Sha384 = "HMAC_SHA_384",
        Sha512 = "HMAC_SHA_512",
    }
}

names! {
    /// How `Message` is to be read.
    MessageType { Raw = "RAW", Digest = "DIGEST", ExternalMu = "EXTERNAL_MU" }
}

/// The specs as AWS lists them when a request names another.
pub(crate) const KEY_SPEC_SET: &str = "[RSA_2048, ECC_NIST_P384, ECC_NIST_P256, ECC_NIST_P521, HMAC_384, RSA_3072, \
     ECC_SECG_P256K1, RSA_4096, SYMMETRIC_DEFAULT, HMAC_256, HMAC_224, HMAC_512]";
/// The usages as AWS lists them when a request names another.
pub(crate) const KEY_USAGE_SET: &str = "[ENCRYPT_DECRYPT, SIGN_VERIFY, GENERATE_VERIFY_MAC]";

const RSA_SIGNING: &[SigningAlgorithm] = &[
    SigningAlgorithm::Pkcs1Sha256,
    SigningAlgorithm::Pkcs1Sha384,
    SigningAlgorithm::Pkcs1Sha512,
    SigningAlgorithm::PssSha256,
    SigningAlgorithm::PssSha384,
    SigningAlgorithm::PssSha512,
];

impl KeySpec {
    pub(crate) const fn is_rsa(self) -> bool {
        matches!(self, Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096)
    }

    pub(crate) const fn is_hmac(self) -> bool {
        matches!(self, Self::Hmac224 | Self::Hmac256 | Self::Hmac384 | Self::Hmac512)
    }

    pub(crate) const fn is_symmetric(self) -> bool {
        matches!(self, Self::SymmetricDefault) || self.is_hmac()
    }

    pub(crate) const fn is_ml_dsa(self) -> bool {
        matches!(self, Self::MlDsa44 | Self::MlDsa65 | Self::MlDsa87)
    }

    /// Whether a key of this spec may have that usage.
    pub(crate) const fn allows(self, usage: KeyUsage) -> bool {
        match usage {
            KeyUsage::EncryptDecrypt => matches!(self, Self::SymmetricDefault) || self.is_rsa(),
            KeyUsage::SignVerify => !self.is_symmetric(),
            KeyUsage::GenerateVerifyMac => self.is_hmac(),
            KeyUsage::KeyAgreement => {
                matches!(self, Self::EccNistP256 | Self::EccNistP384 | Self::EccNistP521)
            }
        }
    }

    pub(crate) const fn signing_algorithms(self) -> &'static [SigningAlgorithm] {
        match self {
            Self::EccNistP256 | Self::EccSecgP256k1 => &[SigningAlgorithm::EcdsaSha256],
            Self::EccNistP384 => &[SigningAlgorithm::EcdsaSha384],
            Self::EccNistP521 => &[SigningAlgorithm::EcdsaSha512],
            Self::EccNistEdwards25519 => {
                &[SigningAlgorithm::Ed25519Sha512, SigningAlgorithm::Ed25519PhSha512]
            }
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 => RSA_SIGNING,
            Self::MlDsa44 | Self::MlDsa65 | Self::MlDsa87 => &[SigningAlgorithm::MlDsaShake256],
            _ => &[],
        }
    }

    pub(crate) const fn encryption_algorithms(self) -> &'static [EncryptionAlgorithm] {
        match self {
            Self::SymmetricDefault => &[EncryptionAlgorithm::SymmetricDefault],
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 => {
                &[EncryptionAlgorithm::OaepSha1, EncryptionAlgorithm::OaepSha256]
            }
            _ => &[],
        }
    }

    pub(crate) const fn mac_algorithm(self) -> Option<MacAlgorithm> {
        match self {
            Self::Hmac224 => Some(MacAlgorithm::Sha224),
            Self::Hmac256 => Some(MacAlgorithm::Sha256),
            Self::Hmac384 => Some(MacAlgorithm::Sha384),
            Self::Hmac512 => Some(MacAlgorithm::Sha512),
            _ => None,
        }
    }

    /// The modulus in bytes, for RSA.
    pub(crate) const fn modulus_len(self) -> usize {
        match self {
            Self::Rsa2048 => 256,
            Self::Rsa3072 => 384,
            Self::Rsa4096 => 512,
            _ => 0,
        }
    }

    /// The length of symmetric material that KMS makes for this spec.
    pub(crate) const fn symmetric_len(self) -> usize {
        match self {
            Self::SymmetricDefault | Self::Hmac256 => 32,
            Self::Hmac224 => 28,
            Self::Hmac384 => 48,
            Self::Hmac512 => 64,
            _ => 0,
        }
    }

    /// The lengths of HMAC material that may be imported, in bytes.
    pub(crate) const fn imported_hmac_len(self) -> std::ops::RangeInclusive<usize> {
        let shortest = self.symmetric_len();
        let block = if matches!(self, Self::Hmac224 | Self::Hmac256) { 64 } else { 128 };
        shortest..=block
    }
}

impl SigningAlgorithm {
    /// The length of the digest the algorithm signs, in bytes.
    pub(crate) const fn digest_len(self) -> usize {
        match self {
            Self::EcdsaSha256 | Self::PssSha256 | Self::Pkcs1Sha256 => 32,
            Self::EcdsaSha384 | Self::PssSha384 | Self::Pkcs1Sha384 => 48,
            _ => 64,
        }
    }
}

impl EncryptionAlgorithm {
    /// The longest plaintext a key of that spec encrypts, in bytes.
    pub(crate) const fn max_plaintext(self, spec: KeySpec) -> usize {
        match self {
            Self::SymmetricDefault => 4096,
            Self::OaepSha1 => spec.modulus_len() - 42,
            Self::OaepSha256 => spec.modulus_len() - 66,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back() {
        for name in ["SYMMETRIC_DEFAULT", "ECC_NIST_P256", "RSA_4096", "HMAC_512", "ML_DSA_87"] {
            assert_eq!(KeySpec::parse(name).map(KeySpec::as_str), Some(name));
        }
        assert_eq!(KeySpec::parse("SM2"), None);
    }

    #[test]
    fn oaep_bounds_are_those_aws_states() {
        assert_eq!(EncryptionAlgorithm::OaepSha1.max_plaintext(KeySpec::Rsa2048), 214);
        assert_eq!(EncryptionAlgorithm::OaepSha256.max_plaintext(KeySpec::Rsa2048), 190);
        assert_eq!(EncryptionAlgorithm::OaepSha256.max_plaintext(KeySpec::Rsa3072), 318);
        assert_eq!(EncryptionAlgorithm::OaepSha256.max_plaintext(KeySpec::Rsa4096), 446);
    }

    #[test]
    fn usages_follow_the_spec() {
        assert!(KeySpec::EccNistP256.allows(KeyUsage::SignVerify));
        assert!(!KeySpec::EccNistP256.allows(KeyUsage::EncryptDecrypt));
        assert!(!KeySpec::EccSecgP256k1.allows(KeyUsage::KeyAgreement));
        assert!(KeySpec::Rsa2048.allows(KeyUsage::EncryptDecrypt));
        assert!(!KeySpec::Hmac256.allows(KeyUsage::SignVerify));
    }
}
