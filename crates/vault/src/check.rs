//! Whether the node's keys can be used: one DescribeKey for each, side by side, in bounded time.
//!
//! Finds keys that were disabled, deleted or taken away while the node was down. It does not try a signature, which
//! would cost one at every start.

use std::time::Duration;

use cantle_kms::{KeyState, Kms, KmsError, KmsKeyId, KmsKeyIdError};
use futures::StreamExt;
use tokio::time::{Instant, timeout_at};

use crate::error::VaultError;
use crate::info::{KeyFilter, PrivateKeyInfo};
use crate::vault::{Vault, VaultBackend};

/// How many requests are under way at once.
const SIDE_BY_SIDE: usize = 32;

/// Where a key's private part is, and that it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyStatus {
    /// In the node's store.
    InStore,
    /// In the KMS, in this state. Only an enabled key can be used.
    InKms(KeyState),
}

impl KeyStatus {
    /// Whether the key can be used.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        matches!(self, Self::InStore | Self::InKms(KeyState::Enabled))
    }

    /// The status in a list of keys: AWS's `KeyState`, or `Enabled` for a key in the node's store.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::InStore => "Enabled",
            Self::InKms(state) => state.as_str(),
        }
    }
}

/// One key and what became of it.
#[derive(Debug)]
pub struct KeyCheck {
    /// The key.
    pub info: PrivateKeyInfo,
    /// Its status, or why it is not known.
    pub outcome: Result<KeyStatus, KeyCheckError>,
}

impl KeyCheck {
    /// Whether the key can be used for all that is known.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.outcome.as_ref().is_ok_and(KeyStatus::is_usable)
    }
}

/// Why a key's status is not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyCheckError {
    /// The KMS said something else than a status.
    #[error(transparent)]
    Kms(Box<KmsError>),
    /// The KMS did not answer in time.
    #[error("the KMS did not describe key {kms_key_id} in time; the node may be cut off from it")]
    TimedOut {
        /// The KMS key.
        kms_key_id: String,
    },
    /// The stored name of the KMS key is not one.
    #[error("the stored KMS key {kms_key_id} has no usable name")]
    KmsKeyId {
        /// The KMS key.
        kms_key_id: String,
        /// What is wrong with it.
        #[source]
        source: KmsKeyIdError,
    },
}

impl Vault {
    /// Asks the KMS for the state of each key of this node (`kms:DescribeKey`), side by side, for at most
    /// [`crate::VaultOptions::key_check_timeout`]. Keys in the store need no request. In the order of
    /// [`Vault::private_keys`].
    ///
    /// # Errors
    /// Only if the keys cannot be listed: what is wrong with one key stands beside it.
    pub async fn check_keys(&self) -> Result<Vec<KeyCheck>, VaultError> {
        let infos = self.private_keys(&KeyFilter::default()).await?;
        let deadline = Instant::now() + self.inner.options.key_check_timeout;
        let checks = infos.into_iter().map(|info| self.check_until(info, deadline));
        Ok(futures::stream::iter(checks).buffered(SIDE_BY_SIDE).collect().await)
    }

    /// The same of one of its keys, for at most `patience`.
    pub async fn check_key(&self, info: PrivateKeyInfo, patience: Duration) -> KeyCheck {
        self.check_until(info, Instant::now() + patience).await
    }

    async fn check_until(&self, info: PrivateKeyInfo, deadline: Instant) -> KeyCheck {
        let outcome = match (&self.inner.backend, &info.kms) {
            (VaultBackend::Kms(kms), Some(metadata)) => {
                let described = timeout_at(deadline, describe(&**kms, &metadata.kms_key_id)).await;
                described.unwrap_or_else(|_| {
                    Err(KeyCheckError::TimedOut { kms_key_id: metadata.kms_key_id.clone() })
                })
            }
            _ => Ok(KeyStatus::InStore),
        };
        KeyCheck { info, outcome }
    }
}

async fn describe(kms: &dyn Kms, kms_key_id: &str) -> Result<KeyStatus, KeyCheckError> {
    let key = KmsKeyId::parse(kms_key_id)
        .map_err(|source| KeyCheckError::KmsKeyId { kms_key_id: kms_key_id.to_owned(), source })?;
    let reply = kms.describe_key(&key).await.map_err(|error| KeyCheckError::Kms(Box::new(error)))?;
    Ok(KeyStatus::InKms(reply.value.state))
}
