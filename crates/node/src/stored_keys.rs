//! The KMS keys that a node's store has, read without starting the node, while it runs or not.
//!
//! Not a look at the KMS: nothing is asked, so that it works where no credentials are.

use std::path::Path;

use cantle_config::{NodeConfig, StorageBackend};
use cantle_crypto::PublicKey;
use cantle_kms::{KeySpec, KeyUsage};
use cantle_store::{Access, CryptoProvider, KmsMetadata, OpenError};
use cantle_types::{Fingerprint, KeyName};
use cantle_vault::import_spec;
use zeroize::Zeroizing;

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

    /// Its public key as the KMS gives it. One that was imported may be in another format here.
    pub(crate) fn public_der(&self) -> Option<Vec<u8>> {
        match &self.public {
            PublicKey::Signing(key) => key.to_spki(),
            PublicKey::Encryption(key) => key.to_spki(),
        }
    }
}

/// A private key in a node's store that a wrapper key encrypts.
pub(crate) struct SealedKey {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) wrapper_key_id: String,
    /// Its serialized form, encrypted.
    pub(crate) sealed: Zeroizing<Vec<u8>>,
}

/// The keys of a node as its store has them.
#[derive(Default)]
pub(crate) struct StoredKeys {
    /// Those that stand for keys in the KMS, in the order in which they came to the node.
    pub(crate) kms: Vec<StoredKey>,
    /// The private keys that a wrapper key encrypts: all of a node with provider jce that has one, and those that a migration
    /// has kept.
    pub(crate) sealed: Vec<SealedKey>,
}

impl StoredKeys {
    /// The wrapper keys of the private keys.
    pub(crate) fn wrapper_keys(&self) -> impl Iterator<Item = &str> {
        self.sealed.iter().map(|key| key.wrapper_key_id.as_str())
    }
}

/// The private keys that are in a node's store and could move into a KMS.
#[derive(Debug, Clone, Default)]
pub(crate) struct StoredMaterial {
    /// The specs of the KMS keys that their material would be imported into, with their usage.
    pub(crate) imported: Vec<(KeySpec, KeyUsage)>,
    /// How many no KMS can hold.
    pub(crate) others: usize,
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

/// The keys of a node; none if it has no database yet.
pub(crate) async fn stored_keys(
    config: &NodeConfig,
    data_dir: &Path,
) -> Result<Option<StoredKeys>, StartStep> {
    let Some(store) = open(config, data_dir).await? else { return Ok(None) };
    let read = async {
        let mut keys = StoredKeys::default();
        for kms in store.store.kms_metadata_list().await? {
            if let Some(public) = store.store.public_key_find(&kms.fingerprint).await? {
                keys.kms.push(StoredKey { public: public.key, name: public.name, kms });
            }
        }
        for entry in store.store.private_key_list().await? {
            let Some(stored) = store.store.private_key_find(&entry.fingerprint).await? else { continue };
            if let Some(wrapper_key_id) = stored.wrapper_key_id {
                let (fingerprint, sealed) = (stored.fingerprint, stored.key);
                keys.sealed.push(SealedKey { fingerprint, wrapper_key_id, sealed });
            }
        }
        Ok(Some(keys))
    };
    let keys = read.await;
    store.close().await;
    keys
}
