//! AWS's documented request quotas, of those operations that a node calls: so many requests a second for an account and
//! Region. They are the same in all Regions; the quota of symmetric keys, which is not, is none of a node's.
//!
//! Source: <https://docs.aws.amazon.com/kms/latest/developerguide/requests-per-second.html>.

use std::fmt;

use crate::Operation;

/// Operations that share a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QuotaClass {
    /// CreateKey.
    CreateKey,
    /// DescribeKey, and ListResourceTags with it.
    DescribeKey,
    /// GetPublicKey.
    GetPublicKey,
    /// All cryptographic operations with elliptic curves: a node signs with them.
    Ecc,
    /// All cryptographic operations with RSA keys: a node decrypts with them.
    Rsa,
}

impl QuotaClass {
    /// All classes.
    pub const ALL: [Self; 5] = [Self::CreateKey, Self::DescribeKey, Self::GetPublicKey, Self::Ecc, Self::Rsa];

    /// The class of a node's operation; none for those that it sends once in a while.
    pub const fn of(operation: Operation) -> Option<Self> {
        match operation {
            Operation::CreateKey => Some(Self::CreateKey),
            // A quota of its own, as large: the two together keep to one of them.
            Operation::DescribeKey | Operation::ListResourceTags => Some(Self::DescribeKey),
            Operation::GetPublicKey => Some(Self::GetPublicKey),
            Operation::Sign => Some(Self::Ecc),
            Operation::Decrypt => Some(Self::Rsa),
            Operation::ListKeys
            | Operation::ScheduleKeyDeletion
            | Operation::CancelKeyDeletion
            | Operation::EnableKey
            | Operation::Encrypt
            | Operation::GetParametersForImport
            | Operation::ImportKeyMaterial => None,
        }
    }

    /// AWS's default, in requests a second.
    pub const fn documented(self) -> u32 {
        match self {
            Self::CreateKey => 5,
            Self::DescribeKey | Self::GetPublicKey => 2_000,
            Self::Ecc | Self::Rsa => 1_000,
        }
    }

    /// Its key in the configuration, below `crypto.kms.limits.quotas`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CreateKey => "create-key",
            Self::DescribeKey => "describe-key",
            Self::GetPublicKey => "get-public-key",
            Self::Ecc => "ecc",
            Self::Rsa => "rsa",
        }
    }
}

impl fmt::Display for QuotaClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
