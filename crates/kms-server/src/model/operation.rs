//! The operations of AWS KMS: which are done here, and which are only known.

macro_rules! operations {
    ($($name:ident),* $(,)?) => {
        /// An operation.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(crate) enum Operation { $($name),* }

        impl Operation {
            /// Every operation.
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];

            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }

            /// The IAM action.
            pub(crate) const fn action(self) -> &'static str {
                match self { $(Self::$name => concat!("kms:", stringify!($name))),* }
            }

            pub(crate) fn parse(name: &str) -> Option<Self> {
                match name { $(stringify!($name) => Some(Self::$name),)* _ => None }
            }
        }
    };
}

operations! {
    CancelKeyDeletion, ConnectCustomKeyStore, CreateAlias, CreateCustomKeyStore, CreateGrant, CreateKey, Decapsulate,
    Decrypt, DeleteAlias, DeleteCustomKeyStore, DeleteImportedKeyMaterial, DeriveSharedSecret,
    DescribeCustomKeyStores, DescribeKey, DisableKey, DisableKeyRotation, DisconnectCustomKeyStore, EnableKey,
    EnableKeyRotation, Encapsulate, Encrypt, GenerateDataKey, GenerateDataKeyPair,
    GenerateDataKeyPairWithoutPlaintext, GenerateDataKeyWithoutPlaintext, GenerateMac, GenerateRandom,
    GetKeyLastUsage, GetKeyPolicy, GetKeyRotationStatus, GetParametersForImport, GetPublicKey, ImportKeyMaterial,
    ListAliases, ListGrants, ListKeyPolicies, ListKeyRotations, ListKeys, ListResourceTags, ListRetirableGrants,
    PutKeyPolicy, ReEncrypt, ReplicateKey, RetireGrant, RevokeGrant, RotateKeyOnDemand, ScheduleKeyDeletion, Sign,
    TagResource, UntagResource, UpdateAlias, UpdateCustomKeyStore, UpdateKeyDescription, UpdatePrimaryRegion, Verify,
    VerifyMac,
}

impl Operation {
    /// Whether the operation's model has `InvalidArnException`; the others answer `NotFoundException`.
    pub(crate) const fn knows_invalid_arn(self) -> bool {
        !matches!(
            self,
            Self::Decrypt
                | Self::DeriveSharedSecret
                | Self::Encrypt
                | Self::GenerateDataKey
                | Self::GenerateDataKeyPair
                | Self::GenerateDataKeyPairWithoutPlaintext
                | Self::GenerateDataKeyWithoutPlaintext
                | Self::GenerateMac
                | Self::ReEncrypt
                | Self::Sign
                | Self::Verify
                | Self::VerifyMac
                | Self::CreateAlias
                | Self::UpdateAlias
        )
    }

    /// Whether a key of another account may be named.
    pub(crate) const fn crosses_accounts(self) -> bool {
        matches!(
            self,
            Self::CreateGrant
                | Self::Decrypt
                | Self::DeriveSharedSecret
                | Self::DescribeKey
                | Self::Encrypt
                | Self::GenerateDataKey
                | Self::GenerateDataKeyPair
                | Self::GenerateDataKeyPairWithoutPlaintext
                | Self::GenerateDataKeyWithoutPlaintext
                | Self::GenerateMac
                | Self::GetKeyRotationStatus
                | Self::GetPublicKey
                | Self::ListGrants
                | Self::ReEncrypt
                | Self::RetireGrant
                | Self::RevokeGrant
                | Self::Sign
                | Self::Verify
                | Self::VerifyMac
        )
    }

    /// Whether an alias may name the key.
    pub(crate) const fn takes_aliases(self) -> bool {
        matches!(
            self,
            Self::Decrypt
                | Self::DeriveSharedSecret
                | Self::DescribeKey
                | Self::Encrypt
                | Self::GenerateDataKey
                | Self::GenerateDataKeyPair
                | Self::GenerateDataKeyPairWithoutPlaintext
                | Self::GenerateDataKeyWithoutPlaintext
                | Self::GenerateMac
                | Self::GetPublicKey
                | Self::ReEncrypt
                | Self::Sign
                | Self::Verify
                | Self::VerifyMac
        )
    }

    /// Whether it may take long enough to make other requests wait for it.
    pub(crate) const fn is_slow(self) -> bool {
        matches!(
            self,
            Self::CreateKey
                | Self::GenerateDataKeyPair
                | Self::GenerateDataKeyPairWithoutPlaintext
                | Self::GetParametersForImport
                | Self::ImportKeyMaterial
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_parse_back() {
        for operation in Operation::ALL {
            assert_eq!(Operation::parse(operation.as_str()), Some(*operation));
        }
        assert_eq!(Operation::parse("sign"), None);
        assert_eq!(Operation::Sign.action(), "kms:Sign");
    }
}
