//! The KMS keys that a node's store has, read without starting the node, while it runs or not.
//!
//! Not a look at the KMS: nothing is asked, so that it works where no credentials are.

use std::path::Path;

use cantle_config::{NodeConfig, StorageBackend};
use cantle_crypto::PublicKey;
use cantle_store::{Access, KmsMetadata, OpenError};
use cantle_types::KeyName;

use crate::{
    error::StartStep,
    storage::{self, OpenStore},
};

/// A key of a node that stands for one in the KMS.
#[derive(Debug, Clone)]
pub(crate) struct StoredKey {
    pub(crate) public: PublicKey,
    pub(crate) name: Option<KeyName>,
    pub(crate) kms: KmsMetadata,
}

impl StoredKey {
    /// The key as an operator knows it.
    pub(crate) fn named(&self) -> String {
        match &self.name {
            Some(name) if !name.is_empty() => name.as_str().to_owned(),
            _ => format!("the key {}", self.public.fingerprint()),
        }
    }

    /// Its public key, DER for keys of a KMS.
    pub(crate) fn public_bytes(&self) -> &[u8] {
        match &self.public {
            PublicKey::Signing(key) => key.bytes(),
            PublicKey::Encryption(key) => key.bytes(),
        }
    }
}

/// The wrapper key that the private keys in a node's store are encrypted with, if there is one.
pub(crate) async fn stored_wrapper_key(
    config: &NodeConfig,
    data_dir: &Path,
) -> Result<Option<String>, StartStep> {
    let Some(store) = open(config, data_dir).await? else { return Ok(None) };
    let keys = store.store.private_key_list().await;
    store.close().await;
    Ok(keys?.into_iter().find_map(|key| key.wrapper_key_id))
}

/// A node's database for reading; none if there is none yet.
async fn open(config: &NodeConfig, data_dir: &Path) -> Result<Option<OpenStore>, StartStep> {
    if matches!(config.storage.backend, StorageBackend::Memory) {
        return Ok(None);
    }
    match storage::open(config, data_dir, Access::ReadOnly).await {
        Ok(store) => Ok(Some(store)),
        Err(OpenError::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The KMS keys of a node in the order in which it came to them; none if it has no database yet.
pub(crate) async fn stored_keys(
    config: &NodeConfig,
    data_dir: &Path,
) -> Result<Option<Vec<StoredKey>>, StartStep> {
    let Some(store) = open(config, data_dir).await? else { return Ok(None) };
    let read = async {
        let mut keys = Vec::new();
        for kms in store.store.kms_metadata_list().await? {
            if let Some(public) = store.store.public_key_find(&kms.fingerprint).await? {
                keys.push(StoredKey { public: public.key, name: public.name, kms });
            }
        }
        Ok(Some(keys))
    };
    let keys = read.await;
    store.close().await;
    keys
}
