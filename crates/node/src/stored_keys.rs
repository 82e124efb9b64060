//! The KMS keys that a node's store has, read without starting the node, while it runs or not.
//!
//! Not a look at the KMS: nothing is asked, so that it works where no credentials are.

use std::path::Path;

use cantle_config::{NodeConfig, StorageBackend};
use cantle_crypto::PublicKey;
use cantle_kms::{KeySpec, KeyUsage, KmsKeyId};
use cantle_store::{Access, CryptoProvider, KmsMetadata, OpenError};
use cantle_types::KeyName;
use cantle_vault::import_spec;

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

/// The private keys that are in a node's store and could move into a KMS.
#[derive(Debug, Clone, Default)]
pub(crate) struct StoredMaterial {
    /// The specs of the KMS keys that their material would be imported into, with their usage.
    pub(crate) imported: Vec<(KeySpec, KeyUsage)>,
    /// How many no KMS can hold.
    pub(crate) others: usize,
    /// What encrypts them.
    pub(crate) wrapper_keys: Vec<KmsKeyId>,
}

/// What a migration would move; none if the node has no private keys in its store, or is with provider kms already.
pub(crate) async fn stored_material(
    config: &NodeConfig,
    data_dir: &Path,
) -> Result<Option<StoredMaterial>, StartStep> {
    let Some(store) = open(config, data_dir).await? else { return Ok(None) };
    let read = async {
        if store.store.provider_find().await? != Some(CryptoProvider::Jce) {
            return Ok(None);
        }
        let mut material = StoredMaterial::default();
        for entry in store.store.private_key_list().await? {
            let wrapper = entry.wrapper_key_id.as_deref().and_then(|id| KmsKeyId::parse(id).ok());
            material.wrapper_keys.extend(wrapper.filter(|key| !material.wrapper_keys.contains(key)));
            let public = store.store.public_key_find(&entry.fingerprint).await?;
            let Some(public) = public.map(|stored| stored.key) else { continue };
            let usage = match &public {
                PublicKey::Signing(_) => KeyUsage::SignVerify,
                PublicKey::Encryption(_) => KeyUsage::EncryptDecrypt,
            };
            match import_spec(&public) {
                Some(spec) => material.imported.push((spec, usage)),
                None => material.others += 1,
            }
        }
        Ok(Some(material))
    };
    let material = read.await;
    store.close().await;
    material
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
