//! The operations of the service that a node calls, with their IAM actions. A closed list: a node needs no others.
//!
//! Source: <https://docs.aws.amazon.com/kms/latest/developerguide/kms-api-permissions-reference.html>.

use std::fmt;

/// One of the five operations of [`Kms`](crate::Kms).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Makes a key. The only operation that leaves something behind.
    CreateKey,
    /// Reads a key's metadata.
    DescribeKey,
    /// Reads a key's public half.
    GetPublicKey,
    /// Signs a message.
    Sign,
    /// Decrypts a ciphertext.
    Decrypt,
}

impl Operation {
    /// All operations, in the order of their names in AWS's price list.
    pub const ALL: [Self; 5] =
        [Self::CreateKey, Self::DescribeKey, Self::GetPublicKey, Self::Sign, Self::Decrypt];

    /// AWS's name of the operation.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CreateKey => "CreateKey",
            Self::DescribeKey => "DescribeKey",
            Self::GetPublicKey => "GetPublicKey",
            Self::Sign => "Sign",
            Self::Decrypt => "Decrypt",
        }
    }

    /// The IAM action that permits it. CreateKey with tags needs `kms:TagResource` as well.
    pub const fn iam_action(self) -> &'static str {
        match self {
            Self::CreateKey => "kms:CreateKey",
            Self::DescribeKey => "kms:DescribeKey",
            Self::GetPublicKey => "kms:GetPublicKey",
            Self::Sign => "kms:Sign",
            Self::Decrypt => "kms:Decrypt",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
