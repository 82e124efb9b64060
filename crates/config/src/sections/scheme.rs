//! Names of cryptographic schemes in the configuration.
//!
//! Only names and what each provider can do with them; keys and algorithms are elsewhere.
//! Source: <https://docs.daml.com/2.10.0/canton/usermanual/security.html#cryptographic-schemes-in-canton>

use std::fmt;

/// A scheme with a name in the configuration.
pub(crate) trait Named: Sized + 'static {
    /// All names, in the order of the variants.
    const NAMES: &'static [&'static str];
}

macro_rules! schemes {
    ($(#[$doc:meta])* $name:ident, $names:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        pub(crate) const $names: &[&str] = &[$($text,)+];

        impl $name {
            /// Every one of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name in the configuration.
            #[must_use]
            pub fn config_name(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl Named for $name {
            const NAMES: &'static [&'static str] = $names;
        }

        impl TryFrom<&str> for $name {
            type Error = ();

            fn try_from(text: &str) -> Result<Self, ()> {
                match text { $($text => Ok(Self::$variant),)+ _ => Err(()) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.config_name())
            }
        }
    };
}

schemes! {
    /// A scheme of signatures.
    SigningScheme, SIGNING_SCHEMES {
        /// Ed25519. A KMS does not have it; signatures of others are verified.
        Ed25519 = "ed-25519",
        /// ECDSA on P-256 with SHA-256.
        EcDsaP256 = "ec-dsa-p-256",
        /// ECDSA on P-384 with SHA-384.
        EcDsaP384 = "ec-dsa-p-384",
    }
}

schemes! {
    /// A scheme of encryption to a public key.
    EncryptionScheme, ENCRYPTION_SCHEMES {
        /// ECIES on P-256 with HKDF and AES-128-GCM.
        EciesP256HkdfHmacSha256Aes128Gcm = "ecies-p-256-hkdf-hmac-sha-256-aes-128-gcm",
        /// ECIES on P-256 with HMAC and AES-128-CBC.
        EciesP256HmacSha256Aes128Cbc = "ecies-p-256-hmac-sha-256-aes-128-cbc",
        /// RSA-OAEP with a key of 2048 bits and SHA-256, the one that a KMS has.
        Rsa2048OaepSha256 = "rsa-2048-oaep-sha-256",
    }
}

schemes! {
    /// A scheme of symmetric encryption.
    SymmetricScheme, SYMMETRIC_SCHEMES {
        /// AES-128-GCM.
        Aes128Gcm = "aes-128-gcm",
    }
}

schemes! {
    /// A hash algorithm.
    HashAlgorithm, HASH_ALGORITHMS {
        /// SHA-256.
        Sha256 = "sha-256",
    }
}

schemes! {
    /// A format of keys.
    KeyFormat, KEY_FORMATS {
        /// Tink keysets.
        Tink = "tink",
        /// DER.
        Der = "der",
        /// The bare bytes.
        Raw = "raw",
    }
}
