//! KMS keys that bear this node's tags and that its store does not know: made after a backup that was restored, or by another
//! node of the same name.

use cantle_kms::{KeyState, KmsError, KmsKeyId, find_by_tag};
use cantle_store::StoreError;
use thiserror::Error;

use crate::vault::{Vault, VaultBackend};

/// A KMS key that this node's store does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrayKey {
    /// The key.
    pub key: KmsKeyId,
    /// What it was made for: `namespace`, `signing`, `encryption` …
    pub purpose: String,
}

/// What a search for such keys saw.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StrayKeys {
    /// Those that were found.
    pub found: Vec<StrayKey>,
    /// Keys of the account whose tags could not be read, or that were too many.
    pub unseen: usize,
}

/// Why they were not searched for.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StrayKeysError {
    /// The KMS did not answer, or does not let this caller look.
    #[error("the keys of the KMS cannot be listed")]
    Kms(#[from] KmsError),
    /// The store cannot be read.
    #[error("the node's keys cannot be read")]
    Store(#[from] StoreError),
}

impl Vault {
    /// Looks for them. Sends ListKeys, a ListResourceTags for each key of the account and Region, and a DescribeKey for each that
    /// is found (`kms:ListKeys`, `kms:ListResourceTags`, `kms:DescribeKey`). Nothing without a KMS.
    ///
    /// # Errors
    /// When the KMS or the store cannot be asked.
    pub async fn stray_keys(&self) -> Result<StrayKeys, StrayKeysError> {
        let inner = &self.inner;
        let VaultBackend::Kms(kms) = &inner.backend else { return Ok(StrayKeys::default()) };
        let node = &inner.options.node;
        let search = find_by_tag(&**kms, "CantleNode", node.name.as_str()).await?;
        let mut strays = StrayKeys { found: Vec::new(), unseen: search.unseen };
        for tagged in search.found {
            let is_own =
                tagged.has("CantleNodeKind", node.kind.as_str()) && tagged.has("CreatedBy", "Cantle");
            if !is_own || inner.stores(&tagged.key).await? {
                continue;
            }
            match kms.describe_key(&tagged.key).await {
                Ok(described) if described.value.state == KeyState::PendingDeletion => continue,
                // Deleted since it was listed.
                Err(KmsError::NotFound { .. }) => continue,
                Ok(_) | Err(KmsError::AccessDenied { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            let purpose = tagged.tags.iter().find(|(name, _)| name == "CantlePurpose");
            let purpose = purpose.map(|(_, value)| value.clone()).unwrap_or_default();
            strays.found.push(StrayKey { key: tagged.key, purpose });
        }
        Ok(strays)
    }
}
