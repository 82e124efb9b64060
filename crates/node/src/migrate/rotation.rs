//! Encryption keys that no KMS can hold: a new KMS key takes the place of each in the topology.
//!
//! It comes after the switch, with the keys that are in the KMS by then: the new key is made, mapped to the owners of the
//! old one, and only then the old one's mapping is removed; the node tells its domains in that order. The old private key
//! stays in the store, to decrypt what others sent before they heard of it, until an operator deletes it. Each step is
//! repeated without harm. Invariant: at every moment the node can decrypt for each key that the topology names.

use std::sync::Arc;

use cantle_crypto::PublicKey;
use cantle_identity::TopologyManager;
use cantle_store::NodeStore;
use cantle_topology::{ChangeOptions, OwnerToKeyMapping, TopologyChangeOp, TopologyMapping};
use cantle_types::{Fingerprint, KeyName, KeyPurpose, ProtocolVersion, SystemClock};
use cantle_vault::{KeyRole, PrivateKeyInfo, Vault};

use super::MigrateError;

/// What is added to the name of a key that is rotated.
const SUFFIX: &str = "-kms";

/// A key that was rotated into a KMS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotatedKey {
    /// The old key, which is in the store to decrypt.
    pub old: Fingerprint,
    /// The new one.
    pub new: Fingerprint,
    /// Its name.
    pub name: String,
    /// The KMS key behind it.
    pub kms_key_id: String,
}

/// Rotates every kept key that the topology still names. `version` is that of a node with a topology of its own.
pub(super) async fn rotate_kept(
    store: &Arc<dyn NodeStore>,
    vault: &Vault,
    version: Option<ProtocolVersion>,
    clock: Arc<SystemClock>,
) -> Result<Vec<RotatedKey>, MigrateError> {
    let kept = store.private_key_list().await?;
    let (Some(version), false) = (version, kept.is_empty()) else { return Ok(Vec::new()) };
    let manager = TopologyManager::open(Arc::clone(store), vault.clone(), clock, version).await?;
    let mut rotated = Vec::new();
    for entry in kept {
        let Some(old) = vault.private_key(&entry.fingerprint).await? else { continue };
        let state = manager.state();
        let mapped = state.uses_of_key(old.fingerprint()).filter_map(|active| match active.mapping() {
            TopologyMapping::OwnerToKeyMapping(mapping) => Some(mapping.clone()),
            _ => None,
        });
        let mapped: Vec<OwnerToKeyMapping> = mapped.collect();
        if !mapped.is_empty() {
            rotated.push(rotate(vault, &manager, &old, mapped).await?);
        }
    }
    vault.settled().await;
    Ok(rotated)
}

async fn rotate(
    vault: &Vault,
    manager: &TopologyManager,
    old: &PrivateKeyInfo,
    mapped: Vec<OwnerToKeyMapping>,
) -> Result<RotatedKey, MigrateError> {
    let name = next_name(old);
    let found = vault.find_by_name(&name, KeyPurpose::Encryption).await?;
    let key = match found.filter(|found| found.kms.is_some()) {
        Some(found) => found.public,
        None => {
            let made = vault.generate_encryption_key(Some(name.clone()), None, KeyRole::Encryption).await;
            let failed = |source| MigrateError::NotRotated {
                fingerprint: old.fingerprint().clone(),
                source: Box::new(source),
            };
            PublicKey::Encryption(made.map_err(failed)?)
        }
    };
    let told = |source| MigrateError::NotTold {
        fingerprint: old.fingerprint().clone(),
        new: key.fingerprint().clone(),
        source: Box::new(source),
    };
    let added = mapped.iter().map(|mapping| {
        let (owner, key) = (mapping.owner.clone(), key.clone());
        TopologyMapping::OwnerToKeyMapping(OwnerToKeyMapping { owner, key })
    });
    manager.authorize_all(added.collect()).await.map_err(told)?;
    for mapping in mapped {
        let mapping = TopologyMapping::OwnerToKeyMapping(mapping);
        let removed =
            manager.authorize(TopologyChangeOp::Remove, mapping, None, ChangeOptions::default()).await;
        removed.map_err(told)?;
    }
    let info = vault.private_key(key.fingerprint()).await?;
    Ok(RotatedKey {
        old: old.fingerprint().clone(),
        new: key.fingerprint().clone(),
        name: name.to_string(),
        kms_key_id: info.and_then(|info| info.kms).map(|kms| kms.kms_key_id).unwrap_or_default(),
    })
}

/// The name of the new key, which tells an interrupted attempt's key again.
fn next_name(old: &PrivateKeyInfo) -> KeyName {
    let name = old.name.as_ref().map_or("encryption", KeyName::as_str);
    let longer = KeyName::try_from(format!("{name}{SUFFIX}"));
    longer.unwrap_or_else(|_| "encryption-kms".parse().expect("a short name of letters is a key name"))
}
