//! Key pairs in and out of the node, and out of it for good.
//!
//! Private keys move only with provider jce. Deleting a key whose private part is in a KMS removes what this node
//! keeps of it and nothing else: the key in the KMS stays, whoever made it.

use std::fmt;

use cantle_crypto::{PrivateKeyError, PublicKey};
use cantle_store::{CryptoProvider, StoreError};
use cantle_types::{Fingerprint, KeyName};
use zeroize::Zeroizing;

use crate::private;
use crate::scheme::SchemeError;
use crate::use_key::KeyUseError;
use crate::vault::{Vault, VaultBackend};
use crate::wrapping::WrapperKeyError;

/// Why a key pair was not given out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// Private keys in a KMS cannot leave it.
    #[error(
        "key {fingerprint} cannot be exported: with crypto.provider = {provider} its private part is in the KMS and \
         never leaves it"
    )]
    Unsupported {
        /// The key.
        fingerprint: Fingerprint,
        /// The node's provider.
        provider: CryptoProvider,
    },
    /// There is no such private key, or it cannot be read.
    #[error(transparent)]
    Key(#[from] KeyUseError),
}

/// Why a key pair was not taken in. Nothing was stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// Private keys cannot be put into a KMS this way.
    #[error(
        "a key pair cannot be imported with crypto.provider = {provider}: import its material into the KMS \
         (ImportKeyMaterial) and register that KMS key"
    )]
    Unsupported {
        /// The node's provider.
        provider: CryptoProvider,
    },
    /// The bytes are not a key pair.
    #[error("the bytes are not a key pair that this node can use")]
    Unreadable(#[from] PrivateKeyError),
    /// The node may not have keys of that scheme.
    #[error(transparent)]
    Scheme(#[from] SchemeError),
    /// It could not be encrypted with the wrapper key.
    #[error("the key pair could not be stored")]
    Wrapper(#[source] Box<WrapperKeyError>),
    /// The store failed.
    #[error("the node's key store failed")]
    Store(#[from] StoreError),
}

impl From<WrapperKeyError> for ImportError {
    fn from(error: WrapperKeyError) -> Self {
        match error {
            WrapperKeyError::Store(error) => Self::Store(error),
            error => Self::Wrapper(Box::new(error)),
        }
    }
}

/// Whether something still needs a key. The caller knows: the vault sees no topology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyInUse {
    /// Nothing does, or the operator insists.
    No,
    /// This does, in a few words: `the node's namespace`.
    Yes(String),
}

/// Why a key pair was not deleted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeleteError {
    /// The key is needed.
    #[error("key {fingerprint} is in use ({by}) and was not deleted; replace it there first")]
    InUse {
        /// The key.
        fingerprint: Fingerprint,
        /// By what.
        by: String,
    },
    /// There is no such private key.
    #[error("the private part of key {fingerprint} is not with this node; nothing was deleted")]
    Unknown {
        /// The key.
        fingerprint: Fingerprint,
    },
    /// The store failed.
    #[error("the node's key store failed; nothing was deleted")]
    Store(#[from] StoreError),
}

/// A key pair that this node no longer has. Its text says what stays in the KMS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedKeyPair {
    /// The key.
    pub fingerprint: Fingerprint,
    /// The KMS key that was behind it, and still exists.
    pub kms_key_id: Option<String>,
}

impl fmt::Display for DeletedKeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {} was deleted from this node", self.fingerprint)?;
        match &self.kms_key_id {
            Some(key) => write!(
                f,
                "; KMS key {key} was not deleted: it still exists and costs, can be registered again, and is deleted \
                 in AWS KMS (ScheduleKeyDeletion) if nobody needs it"
            ),
            None => Ok(()),
        }
    }
}

impl Vault {
    /// The versioned bytes of a key pair, public and private part. Provider jce only.
    ///
    /// # Security
    /// The bytes are the private key. They are wiped when dropped; whoever copies them is responsible for the copy.
    ///
    /// # Errors
    /// [`ExportError`].
    pub async fn export_key_pair(
        &self,
        fingerprint: &Fingerprint,
    ) -> Result<Zeroizing<Vec<u8>>, ExportError> {
        if let VaultBackend::Kms(_) = self.inner.backend {
            return Err(ExportError::Unsupported {
                fingerprint: fingerprint.clone(),
                provider: self.provider(),
            });
        }
        let store = &self.inner.store;
        let stored = store.private_key_find(fingerprint).await.map_err(KeyUseError::from)?;
        let stored = stored.ok_or_else(|| KeyUseError::Unknown { fingerprint: fingerprint.clone() })?;
        let clear = self.inner.in_clear(&stored).await?;
        let exported = private::export(&clear)
            .map_err(|source| KeyUseError::Unreadable { fingerprint: fingerprint.clone(), source })?;
        Ok(exported)
    }

    /// Takes in a key pair, as versioned bytes or as the bare message, under a name if one is given.
    ///
    /// A key pair that is there is left as it is. Provider jce only.
    ///
    /// # Errors
    /// [`ImportError`].
    pub async fn import_key_pair(
        &self,
        bytes: &[u8],
        name: Option<KeyName>,
    ) -> Result<Fingerprint, ImportError> {
        if let VaultBackend::Kms(_) = self.inner.backend {
            return Err(ImportError::Unsupported { provider: self.provider() });
        }
        let (public, stored) = private::import(bytes)?;
        match &public {
            PublicKey::Signing(key) => self.inner.options.signing.check(key.scheme())?,
            PublicKey::Encryption(key) => self.inner.options.encryption.check(key.scheme())?,
        }
        self.inner.insert_private(&public, name.as_ref(), stored).await?;
        Ok(public.fingerprint().clone())
    }

    /// Deletes what this node keeps of a key: first the private part or the KMS metadata, then the public key, in one
    /// transaction. A key in a KMS is never deleted there; the answer's text says so.
    ///
    /// # Errors
    /// [`DeleteError`]; nothing was deleted then.
    pub async fn delete_key_pair(
        &self,
        fingerprint: &Fingerprint,
        in_use: KeyInUse,
    ) -> Result<DeletedKeyPair, DeleteError> {
        if let KeyInUse::Yes(by) = in_use {
            return Err(DeleteError::InUse { fingerprint: fingerprint.clone(), by });
        }
        let store = &self.inner.store;
        let metadata = store.kms_metadata_find(fingerprint).await?;
        if metadata.is_none() && store.private_key_find(fingerprint).await?.is_none() {
            return Err(DeleteError::Unknown { fingerprint: fingerprint.clone() });
        }
        if self.inner.deletions().await?.contains_key(fingerprint) {
            let by =
                "the deletion of its KMS key is under way and could not be taken back without it".to_owned();
            return Err(DeleteError::InUse { fingerprint: fingerprint.clone(), by });
        }
        store.key_delete(fingerprint).await?;
        self.inner.forget(fingerprint);
        let deleted = DeletedKeyPair {
            fingerprint: fingerprint.clone(),
            kms_key_id: metadata.map(|metadata| metadata.kms_key_id),
        };
        tracing::info!("{deleted}");
        Ok(deleted)
    }
}
