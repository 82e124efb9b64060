//! The names and numbers of schemes and key formats.
//!
//! A scheme has three names: the one Canton shows, the one of the configuration, and the number on the wire.
//! Source: <https://docs.daml.com/canton/usermanual/security.html>

use thiserror::Error;

/// A number on the wire that names no scheme or format, or one that is not supported.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown {what} {number}")]
pub struct UnknownNumber {
    /// The kind of number.
    pub what: &'static str,
    /// The number.
    pub number: i32,
}

/// A text that is not the name of a scheme.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown {what} {name:?}, expected one of {}", expected.join(", "))]
pub struct UnknownName {
    /// The kind of scheme.
    pub what: &'static str,
    /// The text, shortened.
    pub name: String,
    /// The names that are known.
    pub expected: &'static [&'static str],
}

/// Defines an enum with its three names.
macro_rules! schemes {
    (
        $(#[$doc:meta])* $name:ident, $what:literal:
        $($(#[$variant_doc:meta])* $variant:ident = $number:literal, $shown:literal, $config:literal;)*
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// Every one, by rising number.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            const CONFIG_NAMES: &'static [&'static str] = &[$($config,)*];

            /// The name that Canton shows.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $shown,)*
                }
            }

            /// The name in a configuration.
            #[must_use]
            pub fn config_name(self) -> &'static str {
                match self {
                    $(Self::$variant => $config,)*
                }
            }

            /// The number on the wire.
            #[must_use]
            pub fn number(self) -> i32 {
                match self {
                    $(Self::$variant => $number,)*
                }
            }

            /// The one with this number on the wire.
            ///
            /// # Errors
            /// When there is none, 0 (missing) included.
            pub fn from_number(number: i32) -> Result<Self, UnknownNumber> {
                match number {
                    $($number => Ok(Self::$variant),)*
                    _ => Err(UnknownNumber { what: $what, number }),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl std::str::FromStr for $name {
            type Err = UnknownName;

            /// Reads the name of the configuration.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($config => Ok(Self::$variant),)*
                    other => Err(UnknownName {
                        what: $what,
                        name: other.chars().take(60).collect(),
                        expected: Self::CONFIG_NAMES,
                    }),
                }
            }
        }

        impl TryFrom<i32> for $name {
            type Error = UnknownNumber;

            fn try_from(number: i32) -> Result<Self, Self::Error> {
                Self::from_number(number)
            }
        }
    };
}

schemes! {
    /// How a key signs. SM2, number 4, is refused as by Canton 2.10.
    SigningKeyScheme, "signing key scheme":
    /// Ed25519 over the message itself.
    Ed25519 = 1, "Ed25519", "ed-25519";
    /// ECDSA over SHA-256 of the message.
    EcDsaP256 = 2, "ECDSA-P256", "ec-dsa-p-256";
    /// ECDSA over SHA-384 of the message.
    EcDsaP384 = 3, "ECDSA-P384", "ec-dsa-p-384";
}

schemes! {
    /// How one encrypts to a public key.
    EncryptionKeyScheme, "encryption key scheme":
    /// ECIES on P-256 as Tink does it: HKDF and AES-GCM.
    EciesP256HkdfHmacSha256Aes128Gcm
        = 1, "ECIES-P256_HMAC256_AES128-GCM", "ecies-p-256-hkdf-hmac-sha-256-aes-128-gcm";
    /// ECIES on P-256 as BouncyCastle does it: KDF2, AES-CBC and HMAC.
    EciesP256HmacSha256Aes128Cbc
        = 2, "ECIES-P256_HMAC256_AES128-CBC", "ecies-p-256-hmac-sha-256-aes-128-cbc";
    /// RSA-OAEP with SHA-256 and a modulus of 2048 bits.
    Rsa2048OaepSha256 = 3, "RSA2048-OAEP-SHA256", "rsa-2048-oaep-sha-256";
}

schemes! {
    /// How one encrypts with a shared key.
    SymmetricKeyScheme, "symmetric key scheme":
    /// AES-GCM with a key of 128 bits.
    Aes128Gcm = 1, "AES128-GCM", "aes-128-gcm";
}

schemes! {
    /// How one hashes.
    HashAlgorithm, "hash algorithm":
    /// SHA-256.
    Sha256 = 1, "SHA-256", "sha-256";
}

schemes! {
    /// How the bytes of a key are to be read. Canton's test-only format Symbolic is refused.
    CryptoKeyFormat, "key format":
    /// A keyset of the Tink library.
    Tink = 1, "Tink", "tink";
    /// DER: SubjectPublicKeyInfo for public keys, PKCS#8 for private ones.
    Der = 2, "DER", "der";
    /// The bare key, of Ed25519 and of symmetric keys.
    Raw = 3, "Raw", "raw";
}
