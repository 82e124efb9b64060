//! What the service says of a key, and what it is asked to make. Plain values: nothing is checked against a service.
//!
//! Names are AWS's; a name that this list lacks is kept as it came, so that an answer is never refused for being new.
//! Source: <https://docs.aws.amazon.com/kms/latest/APIReference/API_KeyMetadata.html>.

use std::fmt;

use crate::{EncryptionAlgorithm, KmsKeyId, SigningAlgorithm};

/// Declares an enum of AWS names with a variant for the names that are not known here.
macro_rules! aws_names {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$vdoc])* $variant,)+
            /// A name that is not in this list, as it came. Empty when the service gave none.
            Unknown(String),
        }

        impl $name {
            /// AWS's name of it.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Unknown(name) => name,
                }
            }

            /// Reads AWS's name; never fails.
            pub fn from_name(name: &str) -> Self {
                match name {
                    $($text => Self::$variant,)+
                    other => Self::Unknown(other.to_owned()),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.as_str() {
                    "" => f.write_str("(not given)"),
                    name => f.write_str(name),
                }
            }
        }
    };
}

aws_names! {
    /// The kind of key material, AWS's `KeySpec`.
    KeySpec {
        /// ECDSA on P-256.
        EccNistP256 = "ECC_NIST_P256",
        /// ECDSA on P-384.
        EccNistP384 = "ECC_NIST_P384",
        /// ECDSA on P-521.
        EccNistP521 = "ECC_NIST_P521",
        /// ECDSA on secp256k1.
        EccSecgP256K1 = "ECC_SECG_P256K1",
        /// Ed25519.
        EccNistEdwards25519 = "ECC_NIST_EDWARDS25519",
        /// RSA of 2048 bits.
        Rsa2048 = "RSA_2048",
        /// RSA of 3072 bits.
        Rsa3072 = "RSA_3072",
        /// RSA of 4096 bits.
        Rsa4096 = "RSA_4096",
        /// AES-256, used inside the service only.
        SymmetricDefault = "SYMMETRIC_DEFAULT",
        /// HMAC with SHA-224.
        Hmac224 = "HMAC_224",
        /// HMAC with SHA-256.
        Hmac256 = "HMAC_256",
        /// HMAC with SHA-384.
        Hmac384 = "HMAC_384",
        /// HMAC with SHA-512.
        Hmac512 = "HMAC_512",
        /// ML-DSA-44.
        MlDsa44 = "ML_DSA_44",
        /// ML-DSA-65.
        MlDsa65 = "ML_DSA_65",
        /// ML-DSA-87.
        MlDsa87 = "ML_DSA_87",
        /// SM2, in the China Regions.
        Sm2 = "SM2",
    }
}

impl KeySpec {
    /// The algorithm that a node signs with under such a key, if a node can use it for signing.
    pub const fn signing_algorithm(&self) -> Option<SigningAlgorithm> {
        match self {
            Self::EccNistP256 => Some(SigningAlgorithm::EcdsaSha256),
            Self::EccNistP384 => Some(SigningAlgorithm::EcdsaSha384),
            Self::EccNistEdwards25519 => Some(SigningAlgorithm::Ed25519Sha512),
            _ => None,
        }
    }

    /// The algorithm that a node decrypts with under such a key, if a node can use it for encryption.
    pub const fn encryption_algorithm(&self) -> Option<EncryptionAlgorithm> {
        match self {
            Self::Rsa2048 => Some(EncryptionAlgorithm::RsaesOaepSha256),
            _ => None,
        }
    }
}

aws_names! {
    /// What a key may be used for. Fixed when the key is made.
    KeyUsage {
        /// Sign and Verify.
        SignVerify = "SIGN_VERIFY",
        /// Encrypt and Decrypt.
        EncryptDecrypt = "ENCRYPT_DECRYPT",
        /// GenerateMac and VerifyMac.
        GenerateVerifyMac = "GENERATE_VERIFY_MAC",
        /// DeriveSharedSecret.
        KeyAgreement = "KEY_AGREEMENT",
    }
}

aws_names! {
    /// Where a key is in its life. Only an enabled key signs and decrypts.
    KeyState {
        /// Usable.
        Enabled = "Enabled",
        /// Switched off by its owner; EnableKey brings it back.
        Disabled = "Disabled",
        /// Will be destroyed; CancelKeyDeletion brings it back, disabled.
        PendingDeletion = "PendingDeletion",
        /// Made without material, which is still to be imported.
        PendingImport = "PendingImport",
        /// Being made.
        Creating = "Creating",
        /// Its custom key store cannot be reached.
        Unavailable = "Unavailable",
        /// A multi-Region primary that waits for its replicas to go.
        PendingReplicaDeletion = "PendingReplicaDeletion",
        /// A multi-Region key whose primary is being moved.
        Updating = "Updating",
    }
}

aws_names! {
    /// Where a key's material came from.
    OriginType {
        /// Made by the service.
        AwsKms = "AWS_KMS",
        /// Imported.
        External = "EXTERNAL",
        /// In a CloudHSM cluster.
        AwsCloudHsm = "AWS_CLOUDHSM",
        /// In an external key store.
        ExternalKeyStore = "EXTERNAL_KEY_STORE",
    }
}

/// Whether a key can be replicated to other Regions. Fixed when the key is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MultiRegion {
    /// The key stays in its Region.
    #[default]
    No,
    /// The key's id starts with `mrk-`, and its owner may replicate it.
    Yes,
}

/// What the service says of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyMetadata {
    /// The key's id: a bare id, never an alias.
    pub key_id: KmsKeyId,
    /// The key's ARN. AWS always gives it.
    pub arn: Option<KmsKeyId>,
    /// The account that owns the key, 12 digits.
    pub account: Option<String>,
    /// Where the key is in its life.
    pub state: KeyState,
    /// The kind of key material. [`KeySpec::Unknown`] with an empty name when an emulator left it out.
    pub spec: KeySpec,
    /// What the key may be used for.
    pub usage: KeyUsage,
    /// Whether it can be replicated, or is a replica.
    pub multi_region: bool,
    /// The description given when it was made; up to 8192 characters.
    pub description: String,
    /// Where its material came from.
    pub origin: OriginType,
}

/// A key's public half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KmsPublicKey {
    /// The key, as the service names it: its ARN at AWS, whatever name was asked for.
    pub key_id: KmsKeyId,
    /// The kind of key material.
    pub spec: KeySpec,
    /// What the key may be used for.
    pub usage: KeyUsage,
    /// DER SubjectPublicKeyInfo.
    pub der: Vec<u8>,
}

/// A key to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateKey {
    /// The kind of key material.
    pub spec: KeySpec,
    /// What the key may be used for.
    pub usage: KeyUsage,
    /// Shown in AWS's console; up to 8192 characters. Not for secrets: it appears in CloudTrail.
    pub description: String,
    /// Key and value: at most 50; 1 to 128 and 0 to 256 characters. Need `kms:TagResource`.
    pub tags: Vec<(String, String)>,
    /// Whether it can be replicated.
    pub multi_region: MultiRegion,
    /// Where its material comes from: the service, or [`OriginType::External`] for a key that waits for an import.
    pub origin: OriginType,
}

/// What key material is wrapped with on its way into the service: one key's, and good for a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportParameters {
    /// DER SubjectPublicKeyInfo of the service's RSA_4096 wrapping key.
    pub wrapping_key: Vec<u8>,
    /// Ties the material to this key and wrapping key.
    pub token: Vec<u8>,
}

impl CreateKey {
    /// A signing key of this spec without description and tags.
    pub const fn signing(spec: KeySpec) -> Self {
        Self::new(spec, KeyUsage::SignVerify)
    }

    /// An encryption key of this spec without description and tags.
    pub const fn encryption(spec: KeySpec) -> Self {
        Self::new(spec, KeyUsage::EncryptDecrypt)
    }

    const fn new(spec: KeySpec, usage: KeyUsage) -> Self {
        Self {
            spec,
            usage,
            description: String::new(),
            tags: Vec::new(),
            multi_region: MultiRegion::No,
            origin: OriginType::AwsKms,
        }
    }
}
