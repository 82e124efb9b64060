//! Keys that the KMS cannot hold: a new KMS key takes the place of each in the topology.
//!
//! It comes after the switch, with the keys that are in the KMS by then. A key of a member: the new one is mapped to the owners
//! of the old one, and only then the old one's mapping is removed; the node tells its domains in that order. The old private key
//! stays in the store, for what others sent before they heard of it and for domains that do not know the new one yet, until an
//! operator deletes it. A namespace's key: the root of a namespace is for ever, so it delegates to the new one, and its private
//! part leaves the store; the export file has it. Each step is repeated without harm. Invariant: at every moment the node can sign
//! and decrypt for its topology.

use std::sync::Arc;

use cantle_crypto::PublicKey;
use cantle_identity::TopologyManager;
use cantle_store::NodeStore;
use cantle_topology::{
    ChangeOptions, IdentifierDelegation, NamespaceDelegation, OwnerToKeyMapping, TopologyChangeOp,
    TopologyMapping,
};
use cantle_types::{Fingerprint, KeyName, KeyPurpose, ProtocolVersion, SystemClock};
use cantle_vault::{GenerateError, KeyRole, PrivateKeyInfo, Vault};

use super::MigrateError;

/// What is added to the name of a key that is rotated.
const SUFFIX: &str = "-kms";

/// A key that was rotated into a KMS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotatedKey {
    /// The old key.
    pub old: Fingerprint,
    /// The new one.
    pub new: Fingerprint,
    /// Its name.
    pub name: String,
    /// The KMS key behind it.
    pub kms_key_id: String,
    /// What it does.
    pub does: Rotated,
}

/// What a key does that was rotated, and where the old one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotated {
    /// It encrypts to a member. The old one is in the store to decrypt.
    Encryption,
    /// It signs for a member. The old one is in the store to sign for domains that do not know the new one yet.
    Signing,
    /// A namespace or an identifier is delegated to it. The old one is not in the store any more.
    Delegation,
}

/// Rotates every kept key that the topology still names. `version` is that of a node with a topology of its own; `is_kept` is
/// asked, before anything is done with it, whether a private key that is to leave the store is in an export file.
pub(super) async fn rotate_kept(
    store: &Arc<dyn NodeStore>,
    vault: &Vault,
    version: Option<ProtocolVersion>,
    clock: Arc<SystemClock>,
    is_kept: &(dyn Fn(&Fingerprint) -> Result<(), MigrateError> + Sync),
) -> Result<Vec<RotatedKey>, MigrateError> {
    let kept = store.private_key_list().await?;
    let (Some(version), false) = (version, kept.is_empty()) else { return Ok(Vec::new()) };
    let manager = TopologyManager::open(Arc::clone(store), vault.clone(), clock, version).await?;
    let mut of_members = Vec::new();
    let mut rotated = Vec::new();
    for entry in kept {
        let Some(old) = vault.private_key(&entry.fingerprint).await? else { continue };
        let uses = Uses::of(&manager, &old);
        // What they delegate to signs for the members.
        if !uses.delegations.is_empty() {
            is_kept(old.fingerprint())?;
            rotated.push(delegate(vault, &manager, &old, &uses).await?);
        }
        of_members.push((old, uses));
    }
    for (old, uses) in &of_members {
        if !uses.mapped.is_empty() {
            rotated.push(rotate(vault, &manager, old, &uses.mapped).await?);
        }
    }
    vault.settled().await;
    for (old, uses) in of_members {
        if !uses.delegations.is_empty() && uses.mapped.is_empty() {
            vault.end_kept(old.fingerprint()).await?;
        }
    }
    Ok(rotated)
}

/// Where the topology names a key.
struct Uses {
    mapped: Vec<OwnerToKeyMapping>,
    /// Of namespaces and of identifiers.
    delegations: Vec<TopologyMapping>,
}

impl Uses {
    fn of(manager: &TopologyManager, key: &PrivateKeyInfo) -> Self {
        let mut uses = Self { mapped: Vec::new(), delegations: Vec::new() };
        for active in manager.state().uses_of_key(key.fingerprint()) {
            match active.mapping() {
                TopologyMapping::OwnerToKeyMapping(mapping) => uses.mapped.push(mapping.clone()),
                mapping @ (TopologyMapping::NamespaceDelegation(_)
                | TopologyMapping::IdentifierDelegation(_)) => {
                    uses.delegations.push(mapping.clone());
                }
                _ => {}
            }
        }
        uses
    }
}

/// Has what is delegated to a key delegated to a new one too.
async fn delegate(
    vault: &Vault,
    manager: &TopologyManager,
    old: &PrivateKeyInfo,
    uses: &Uses,
) -> Result<RotatedKey, MigrateError> {
    let new = successor(vault, old, KeyRole::Namespace).await?;
    let PublicKey::Signing(key) = &new else { unreachable!("what delegates is a signing key") };
    for mapping in &uses.delegations {
        let delegated = match mapping {
            TopologyMapping::NamespaceDelegation(mapping) => {
                let root = mapping.is_root_delegation().into();
                let mapping = NamespaceDelegation::new(mapping.namespace().clone(), key.clone(), root);
                TopologyMapping::NamespaceDelegation(mapping.expect("the new key is not the namespace's own"))
            }
            TopologyMapping::IdentifierDelegation(mapping) => {
                let (identifier, target) = (mapping.identifier.clone(), key.clone());
                TopologyMapping::IdentifierDelegation(IdentifierDelegation { identifier, target })
            }
            _ => unreachable!("only delegations were collected"),
        };
        // Of an attempt that was interrupted.
        if manager.state().uses_of_key(key.fingerprint()).any(|active| *active.mapping() == delegated) {
            continue;
        }
        let added = manager.authorize(TopologyChangeOp::Add, delegated, None, ChangeOptions::default()).await;
        added.map_err(|source| not_told(old, &new, source))?;
    }
    described(vault, old, &new, Rotated::Delegation).await
}

/// Maps a new key to the owners of an old one, and then takes the old one's mappings back.
async fn rotate(
    vault: &Vault,
    manager: &TopologyManager,
    old: &PrivateKeyInfo,
    mapped: &[OwnerToKeyMapping],
) -> Result<RotatedKey, MigrateError> {
    let (role, does) = match old.purpose() {
        KeyPurpose::Encryption => (KeyRole::Encryption, Rotated::Encryption),
        KeyPurpose::Signing => (KeyRole::Signing, Rotated::Signing),
    };
    let new = successor(vault, old, role).await?;
    let added = mapped.iter().map(|mapping| {
        let (owner, key) = (mapping.owner.clone(), new.clone());
        TopologyMapping::OwnerToKeyMapping(OwnerToKeyMapping { owner, key })
    });
    manager.authorize_all(added.collect()).await.map_err(|source| not_told(old, &new, source))?;
    for mapping in mapped {
        let mapping = TopologyMapping::OwnerToKeyMapping(mapping.clone());
        let removed =
            manager.authorize(TopologyChangeOp::Remove, mapping, None, ChangeOptions::default()).await;
        removed.map_err(|source| not_told(old, &new, source))?;
    }
    described(vault, old, &new, does).await
}

/// The KMS key that takes a key's place: the one that an interrupted attempt made, or a new one.
async fn successor(vault: &Vault, old: &PrivateKeyInfo, role: KeyRole) -> Result<PublicKey, MigrateError> {
    let name = next_name(old);
    let found = vault.find_by_name(&name, old.purpose()).await?;
    if let Some(found) = found.filter(|found| found.kms.is_some()) {
        return Ok(found.public);
    }
    let made: Result<PublicKey, GenerateError> = match old.purpose() {
        KeyPurpose::Signing => {
            vault.generate_signing_key(Some(name), None, role).await.map(PublicKey::Signing)
        }
        KeyPurpose::Encryption => {
            vault.generate_encryption_key(Some(name), None, role).await.map(PublicKey::Encryption)
        }
    };
    made.map_err(|source| MigrateError::NotRotated {
        fingerprint: old.fingerprint().clone(),
        source: Box::new(source),
    })
}

fn not_told(old: &PrivateKeyInfo, new: &PublicKey, source: cantle_identity::ChangeError) -> MigrateError {
    MigrateError::NotTold {
        fingerprint: old.fingerprint().clone(),
        new: new.fingerprint().clone(),
        source: Box::new(source),
    }
}

async fn described(
    vault: &Vault,
    old: &PrivateKeyInfo,
    new: &PublicKey,
    does: Rotated,
) -> Result<RotatedKey, MigrateError> {
    tracing::info!(old = %old.fingerprint(), new = %new.fingerprint(), "a key was rotated into the KMS");
    let info = vault.private_key(new.fingerprint()).await?;
    Ok(RotatedKey {
        old: old.fingerprint().clone(),
        new: new.fingerprint().clone(),
        name: next_name(old).to_string(),
        kms_key_id: info.and_then(|info| info.kms).map(|kms| kms.kms_key_id).unwrap_or_default(),
        does,
    })
}

/// The name of the new key, which tells an interrupted attempt's key again.
fn next_name(old: &PrivateKeyInfo) -> KeyName {
    let name = old.name.as_ref().filter(|name| !name.is_empty());
    let name = name.map_or_else(|| old.purpose().to_string(), ToString::to_string);
    let longer = KeyName::try_from(format!("{name}{SUFFIX}"));
    longer.unwrap_or_else(|_| {
        let short = format!("{}{SUFFIX}", &old.fingerprint().as_str()[..12]);
        short.parse().expect("a short name of letters and digits is a key name")
    })
}
