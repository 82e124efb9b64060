//! The operations of the service that a node calls, with their IAM actions. A closed list: a node needs the first five,
//! and uses the others where they are permitted and an operator or a crash gives reason to.
//!
//! Source: <https://docs.aws.amazon.com/kms/latest/developerguide/kms-api-permissions-reference.html>.

use std::fmt;

/// One of the operations of [`Kms`](crate::Kms).
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
    /// Encrypts a short plaintext with a wrapper key.
    Encrypt,
    /// Gives what key material is wrapped with on its way into the service.
    GetParametersForImport,
    /// Takes wrapped key material into a key that was made without.
    ImportKeyMaterial,
    /// Lists the account's keys in the Region. Optional.
    ListKeys,
    /// Reads a key's tags. Optional.
    ListResourceTags,
    /// Has a key deleted after a waiting period. Optional.
    ScheduleKeyDeletion,
    /// Takes that back. Optional.
    CancelKeyDeletion,
    /// Switches a key on, which is off after [`Self::CancelKeyDeletion`]. Optional.
    EnableKey,
}

impl Operation {
    /// How many there are.
    pub const COUNT: usize = 13;

    /// All operations: those that every node needs, then the optional ones.
    pub const ALL: [Self; Self::COUNT] = [
        Self::CreateKey,
        Self::DescribeKey,
        Self::GetPublicKey,
        Self::Sign,
        Self::Decrypt,
        Self::ListKeys,
        Self::ListResourceTags,
        Self::ScheduleKeyDeletion,
        Self::CancelKeyDeletion,
        Self::EnableKey,
        Self::Encrypt,
        Self::GetParametersForImport,
        Self::ImportKeyMaterial,
    ];

    /// AWS's name of the operation.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CreateKey => "CreateKey",
            Self::DescribeKey => "DescribeKey",
            Self::GetPublicKey => "GetPublicKey",
            Self::Sign => "Sign",
            Self::Decrypt => "Decrypt",
            Self::Encrypt => "Encrypt",
            Self::GetParametersForImport => "GetParametersForImport",
            Self::ImportKeyMaterial => "ImportKeyMaterial",
            Self::ListKeys => "ListKeys",
            Self::ListResourceTags => "ListResourceTags",
            Self::ScheduleKeyDeletion => "ScheduleKeyDeletion",
            Self::CancelKeyDeletion => "CancelKeyDeletion",
            Self::EnableKey => "EnableKey",
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
            Self::Encrypt => "kms:Encrypt",
            Self::GetParametersForImport => "kms:GetParametersForImport",
            Self::ImportKeyMaterial => "kms:ImportKeyMaterial",
            Self::ListKeys => "kms:ListKeys",
            Self::ListResourceTags => "kms:ListResourceTags",
            Self::ScheduleKeyDeletion => "kms:ScheduleKeyDeletion",
            Self::CancelKeyDeletion => "kms:CancelKeyDeletion",
            Self::EnableKey => "kms:EnableKey",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
