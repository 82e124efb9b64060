//! How a node's vault is set up, and the tags its KMS keys get.

use std::time::Duration;

use cantle_crypto::{EncryptionKeyScheme, SigningKeyScheme};
use cantle_kms::{CreationPoll, MultiRegion};
use cantle_store::{CryptoProvider, NodeIdentity};

use crate::scheme::Schemes;

/// The tag that only one KMS key has: the id of its creation in the node's journal.
pub const CREATION_TAG: &str = "CantleCreation";
/// The tags by which a node knows a key as its own.
pub(crate) const OWN_TAGS: [&str; 4] = ["CreatedBy", "CantleNode", "CantleNodeKind", CREATION_TAG];

/// A vault's settings.
#[derive(Debug, Clone)]
pub struct VaultOptions {
    /// Whose keys they are.
    pub node: NodeIdentity,
    /// `crypto.signing`.
    pub signing: Schemes<SigningKeyScheme>,
    /// `crypto.encryption`.
    pub encryption: Schemes<EncryptionKeyScheme>,
    /// `crypto.kms.custom-tags`. Tags of the names that [`VaultOptions::tags`] sets are replaced.
    pub custom_tags: Vec<(String, String)>,
    /// `crypto.kms.multi-region-key`.
    pub multi_region: MultiRegion,
    /// Which KMS keys can be registered.
    pub registrable: Registrable,
    /// `crypto.kms.retries.create-key-check`.
    pub create_key_check: CreationPoll,
    /// How long after the request a key that may have been made is looked for by its tag before it counts as not there:
    /// lists and tags in the KMS are behind at times.
    pub search_patience: Duration,
    /// How long [`crate::Vault::check_keys`] waits for all answers together.
    pub key_check_timeout: Duration,
}

/// What a key is for in the node's identity. Only its tag in the KMS tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyRole {
    /// The root key of the node's namespace.
    Namespace,
    /// Protocol messages.
    Signing,
    /// Decryption of views.
    Encryption,
    /// Encryption of the stored private keys.
    Wrapper,
    /// Anything else an operator makes.
    Other,
}

impl KeyRole {
    /// The value of the tag `CantlePurpose`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Namespace => "namespace",
            Self::Signing => "signing",
            Self::Encryption => "encryption",
            Self::Wrapper => "wrapper",
            Self::Other => "other",
        }
    }
}

/// Which KMS keys can be registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Registrable {
    /// Every fitting one.
    #[default]
    AnyKey,
    /// Multi-Region keys alone: the node goes to other Regions (`crypto.kms.failover-regions`).
    MultiRegionKeys,
}

impl VaultOptions {
    /// The provider's schemes and Canton's defaults, without tags.
    #[must_use]
    pub fn new(node: NodeIdentity, provider: CryptoProvider) -> Self {
        Self {
            node,
            signing: Schemes::of_provider(provider),
            encryption: Schemes::of_provider(provider),
            custom_tags: Vec::new(),
            multi_region: MultiRegion::No,
            registrable: Registrable::AnyKey,
            create_key_check: CreationPoll::default(),
            search_patience: Duration::from_secs(5),
            key_check_timeout: Duration::from_secs(30),
        }
    }

    /// The tags of a new KMS key: the operator's, then `CreatedBy=Cantle`, `CantleNode` (the node's name),
    /// `CantleNodeKind`, `CantlePurpose`, and `CantleCreation`, the id of the creation in the node's journal.
    #[must_use]
    pub fn tags(&self, role: KeyRole, creation: &str) -> Vec<(String, String)> {
        let own = [
            ("CreatedBy", "Cantle"),
            ("CantleNode", self.node.name.as_str()),
            ("CantleNodeKind", self.node.kind.as_str()),
            ("CantlePurpose", role.as_str()),
            (CREATION_TAG, creation),
        ];
        let custom =
            self.custom_tags.iter().filter(|(key, _)| own.iter().all(|(name, _)| name != key)).cloned();
        custom.chain(own.map(|(key, value)| (key.to_owned(), value.to_owned()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use cantle_store::NodeKind;

    use super::*;

    #[test]
    fn own_tags_replace_custom_ones_of_their_name() {
        let node = NodeIdentity { kind: NodeKind::Participant, name: "participant1".parse().unwrap() };
        let mut options = VaultOptions::new(node, CryptoProvider::Kms);
        options.custom_tags =
            vec![("environment".into(), "test".into()), ("CreatedBy".into(), "someone else".into())];
        let tags = options.tags(KeyRole::Namespace, "abc");
        let expected = [
            ("environment", "test"),
            ("CreatedBy", "Cantle"),
            ("CantleNode", "participant1"),
            ("CantleNodeKind", "participant"),
            ("CantlePurpose", "namespace"),
            ("CantleCreation", "abc"),
        ];
        assert_eq!(tags, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }
}
