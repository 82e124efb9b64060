//! Moving a node from one crypto provider to the other, in place: the same identity, keys and topology.
//!
//! Into a KMS ([`ToKms`]): its private keys are archived, imported as key material, and proved, also beside the running
//! node; then the database of the stopped node is switched in one transaction, and keys that the KMS cannot hold are
//! rotated. Back ([`FromKms`]): only from the archive. Printing, passphrases and confirmations are the command's
//! business. Invariant: until the switch the node can be started as it was.

mod error;
mod export;
mod journal;
mod moved;
mod rotation;

use std::path::Path;
use std::sync::Arc;

use cantle_admin_api::Roles;
use cantle_config::{Config, CryptoProvider as Provider, NodeConfig};
use cantle_kms_aws::StaticCredentials;
use cantle_store::{
    Access, CryptoProvider, KmsMetadata, NodeIdentity, OpenError, RoleSetting, SqliteStore, StoredPrivateKey,
};
use cantle_types::{Fingerprint, ProtocolVersion, SystemClock};
use cantle_vault::{KeyRole, PlannedKey, Vault, VaultBackend, VaultOptions};
use futures::future::try_join_all;

use crate::base::vault_options;
use crate::inspect::{named, topology_of};
use crate::kms::{self, NodeKms};
use crate::storage::{self, OpenStore};
pub use cantle_vault::{Ed25519Keys, ImportStep, KeyArchive, KeyMove};
pub use error::MigrateError;
pub use export::{Exported, SHORTEST_PASSPHRASE, read_export, write_export};
pub use moved::MovedNode;
pub use rotation::{Rotated, RotatedKey};

/// A private key, what it is for, and what happens to it.
#[derive(Debug, Clone)]
pub struct KeyPlan {
    /// Its name, or empty.
    pub name: String,
    /// `namespace`, `signing` or `encryption`.
    pub purpose: &'static str,
    /// Its scheme, as Canton shows it.
    pub scheme: &'static str,
    /// Its fingerprint.
    pub fingerprint: String,
    /// What happens to it.
    pub step: KeyMove,
}

/// What is to be done on the way into a KMS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToKmsWork<'a> {
    /// A look: nothing is written.
    Look,
    /// Everything before the switch, also beside the running node: its database is only read, and what is made in the
    /// KMS is written down beside this export file.
    Prepare(&'a Path),
    /// All of it, on top of what was prepared with this export file.
    Move(&'a Path),
}

/// A node on its way into a KMS.
#[derive(Debug)]
pub enum OpenedToKms {
    /// Its keys are still to move.
    ToMove(Box<ToKms>),
    /// They are in the KMS already.
    Moved(Box<MovedNode>),
}

/// A node whose keys are to move into its KMS.
#[derive(Debug)]
pub struct ToKms {
    /// The node.
    pub node: NodeIdentity,
    /// Its unique identifier, if it has one.
    pub uid: Option<String>,
    store: OpenStore,
    vault: Vault,
    kms: NodeKms,
    keys: Vec<(PlannedKey, KeyPlan)>,
    options: VaultOptions,
    /// The protocol version of a node that manages its own topology.
    version: Option<ProtocolVersion>,
    journal: Option<SqliteStore>,
}

impl ToKms {
    /// Opens a node that the configuration describes as it is to be afterwards.
    ///
    /// # Errors
    /// [`MigrateError`]; nothing has changed.
    pub async fn open(
        config: &Config,
        name: &str,
        data_dir: &Path,
        credentials: Option<StaticCredentials>,
        work: ToKmsWork<'_>,
        ed25519: Ed25519Keys,
    ) -> Result<OpenedToKms, MigrateError> {
        let (config, version) = named(config, name)?;
        let node = storage::identity(config);
        let (Provider::Kms, Some(section)) = (config.crypto.provider, &config.crypto.kms) else {
            return Err(MigrateError::Configuration { node, configured: "jce", wanted: "kms" });
        };
        let kms = kms::connect_kms(&node, section, credentials).await?;
        let access = if let ToKmsWork::Move(_) = work { Access::ReadWrite } else { Access::ReadOnly };
        let store = open_store(config, &node, data_dir, access).await?;
        let opened = Self::opened(config, version, node, &store, kms, (work, ed25519)).await;
        if opened.is_err() {
            store.close().await;
        }
        opened
    }

    async fn opened(
        config: &NodeConfig,
        version: Option<ProtocolVersion>,
        node: NodeIdentity,
        store: &OpenStore,
        kms: NodeKms,
        (work, ed25519): (ToKmsWork<'_>, Ed25519Keys),
    ) -> Result<OpenedToKms, MigrateError> {
        let options = vault_options(&node, &config.crypto).map_err(|step| match step {
            crate::StartStep::Schemes(error) => MigrateError::Schemes(error),
            step => unreachable!("only schemes are checked: {step}"),
        })?;
        let clock = Arc::new(SystemClock);
        match store.store.provider_find().await? {
            None => return Err(MigrateError::NoKeys { node }),
            Some(CryptoProvider::Kms) => {
                let backend = VaultBackend::Kms(Arc::clone(&kms.kms));
                let vault = Vault::open(Arc::clone(&store.store), backend, options, clock.clone()).await?;
                let store = store.clone();
                return Ok(OpenedToKms::Moved(Box::new(MovedNode { store, vault, version })));
            }
            Some(CryptoProvider::Jce) => {}
        }
        let backend = VaultBackend::JceWrapped(Arc::clone(&kms.kms));
        let vault = Vault::open(Arc::clone(&store.store), backend, options.clone(), clock.clone()).await?;
        let topology = topology_of(version, &store.store, &vault, clock).await?;
        let roles = Roles::read(&topology).await?;
        let planned = vault.plan_migration(|fingerprint| roles.use_of(fingerprint), ed25519).await?;
        let keys = planned.into_iter().map(|key| {
            let plan = KeyPlan {
                name: key.info.name.as_ref().map(ToString::to_string).unwrap_or_default(),
                purpose: roles.role_of(&key.info),
                scheme: key.info.public.scheme_name(),
                fingerprint: key.info.fingerprint().to_string(),
                step: key.step.clone(),
            };
            (key, plan)
        });
        let uid = topology.uid().map(|uid| uid.to_string());
        let journal = match work {
            ToKmsWork::Look => None,
            ToKmsWork::Prepare(export) => Some(journal::open(export, &node).await?),
            ToKmsWork::Move(export) => journal::reopen(export, &node).await?,
        };
        let (keys, store) = (keys.collect(), store.clone());
        let opened = Self { node, uid, store, vault, kms, keys, options, version, journal };
        Ok(OpenedToKms::ToMove(Box::new(opened)))
    }

    /// What happens to each key.
    pub fn plan(&self) -> impl Iterator<Item = &KeyPlan> {
        self.keys.iter().map(|(_, plan)| plan)
    }

    /// The keys that no KMS can hold and that a new KMS key takes the place of.
    pub fn rotated(&self) -> impl Iterator<Item = &KeyPlan> {
        self.plan().filter(|plan| matches!(plan.step, KeyMove::Rotate(_)))
    }

    /// Whether every key that is in use can move.
    ///
    /// # Errors
    /// [`MigrateError::RotateFirst`] names those that cannot.
    pub fn check(&self) -> Result<(), MigrateError> {
        let blocked: Vec<&KeyPlan> = self.rotated().collect();
        // A node without a topology of its own cannot tell anyone of another key.
        if blocked.is_empty() || self.version.is_some() {
            return Ok(());
        }
        let named = |plan: &&KeyPlan| {
            let by = if let KeyMove::Rotate(by) = &plan.step { by.as_str() } else { "" };
            format!(
                "the {} key {:?} of {} ({}; {by})",
                plan.purpose, plan.name, plan.scheme, plan.fingerprint
            )
        };
        let name = self.node.name.as_str().replace('-', "_");
        let script = blocked.iter().map(|plan| {
            let mapping = "manager.topology.owner_to_key_mappings.authorize(TopologyChangeOp";
            format!(
                "  val next = {name}.keys.secret.generate_signing_key(\"{}-p256\", Some(SigningKeyScheme.EcDsaP256))\n  \
                 manager.keys.public.upload({name}.keys.public.download(next.fingerprint), Some(\"{}-p256\"))\n  \
                 {mapping}.Add, {name}.id, next.fingerprint, KeyPurpose.Signing)\n  \
                 {mapping}.Remove, {name}.id, \"{}\", KeyPurpose.Signing)",
                plan.name, plan.name, plan.fingerprint
            )
        });
        Err(MigrateError::RotateFirst {
            keys: blocked.iter().map(named).collect(),
            script: script.collect::<Vec<_>>().join("\n"),
        })
    }

    /// The node's private keys, to be exported.
    ///
    /// # Errors
    /// When one cannot be read.
    pub async fn archive(&self) -> Result<KeyArchive, MigrateError> {
        Ok(KeyArchive { node: self.node.to_string(), keys: self.vault.archive_keys().await? })
    }

    /// Imports and proves every key that moves, side by side; `told` hears of each step that is done.
    ///
    /// # Errors
    /// [`MigrateError::Key`]; the next attempt goes on from there.
    pub async fn import(
        &self,
        told: &(dyn Fn(&KeyPlan, ImportStep, &str) + Sync),
    ) -> Result<Vec<KmsMetadata>, MigrateError> {
        let journal = self.journal.as_ref().map(|journal| journal as &dyn cantle_store::CreationJournal);
        let imported = self.keys.iter().filter(|(_, plan)| matches!(plan.step, KeyMove::Import(_)));
        let imports = imported.map(|(key, plan)| async move {
            let role = match plan.purpose {
                "namespace" => KeyRole::Namespace,
                "encryption" => KeyRole::Encryption,
                _ => KeyRole::Signing,
            };
            let step = |step: ImportStep, key: &cantle_kms::KmsKeyId| told(plan, step, key.as_str());
            self.vault.import_into_kms(key, role, journal, step).await
        });
        Ok(try_join_all(imports).await?)
    }

    /// Switches the node to its KMS in one transaction, and erases the private keys from its database's files: all but those
    /// that [`ToKms::rotate`] is for.
    ///
    /// # Errors
    /// When the database fails: then nothing has changed, or all of it but for the erasing. The next attempt makes up for it.
    pub async fn switch(&self, moved: &[KmsMetadata]) -> Result<(), MigrateError> {
        let kept = self.keys.iter().filter(|(_, plan)| matches!(plan.step, KeyMove::Rotate(_)));
        let kept: Vec<Fingerprint> = kept.map(|(key, _)| key.info.fingerprint().clone()).collect();
        Ok(self.vault.switch_to_kms(moved, &kept).await?)
    }

    /// Rotates the keys that the KMS cannot hold, after the switch: a new KMS key is announced for each, and the old one is
    /// kept for whoever does not know that yet. A namespace key delegates to the new one, and leaves the database: it must be
    /// in the export file, as all of [`ToKms::archive`] is.
    ///
    /// # Errors
    /// When a key could not be rotated: the node can be started, and uses the old one. The next attempt makes up for it.
    pub async fn rotate(&self, export: &Path) -> Result<Vec<RotatedKey>, MigrateError> {
        let clock = Arc::new(SystemClock);
        let backend = VaultBackend::Kms(Arc::clone(&self.kms.kms));
        let store = &self.store.store;
        let vault = Vault::open(Arc::clone(store), backend, self.options.clone(), clock.clone()).await?;
        let rotated = rotation::rotate_kept(store, &vault, self.version, clock, &|_| Ok(())).await?;
        if let Some(journal) = &self.journal {
            journal.close().await;
        }
        journal::remove(export)?;
        Ok(rotated)
    }

    /// The requests that were sent to the KMS so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.kms.counted.counts().total()
    }

    /// Lets another process have the database.
    pub async fn close(self) {
        if let Some(journal) = &self.journal {
            journal.close().await;
        }
        self.store.close().await;
    }
}

/// A node whose keys are to come back from its KMS, out of an export file.
#[derive(Debug)]
pub struct FromKms {
    /// The node.
    pub node: NodeIdentity,
    store: OpenStore,
    kms_keys: Vec<KmsMetadata>,
}

impl FromKms {
    /// Opens a node that the configuration describes as it is to be afterwards. `None`: its keys are in its database
    /// already.
    ///
    /// # Errors
    /// [`MigrateError`]; nothing has changed.
    pub async fn open(config: &Config, name: &str, data_dir: &Path) -> Result<Option<Self>, MigrateError> {
        let (config, _) = named(config, name)?;
        let node = storage::identity(config);
        if config.crypto.provider != Provider::Jce {
            return Err(MigrateError::Configuration { node, configured: "kms", wanted: "jce" });
        }
        let store = open_store(config, &node, data_dir, Access::ReadWrite).await?;
        let opened = async {
            match store.store.provider_find().await? {
                None => Err(MigrateError::NoKeys { node: node.clone() }),
                Some(CryptoProvider::Jce) => Ok(None),
                Some(CryptoProvider::Kms) => Ok(Some(store.store.kms_metadata_list().await?)),
            }
        };
        match opened.await {
            Ok(Some(kms_keys)) => Ok(Some(Self { node, store, kms_keys })),
            other => {
                store.close().await;
                other.map(|_| None)
            }
        }
    }

    /// The KMS keys that stand behind the node's keys, and stay when it has moved.
    #[must_use]
    pub fn kms_keys(&self) -> &[KmsMetadata] {
        &self.kms_keys
    }

    /// The node's private keys in an export file, if it has all of them.
    ///
    /// # Errors
    /// [`MigrateError::NoMaterial`] names those that it lacks; [`MigrateError::ExportOther`] if it is another node's.
    pub async fn restorable(
        &self,
        path: &Path,
        archive: &KeyArchive,
    ) -> Result<Vec<StoredPrivateKey>, MigrateError> {
        if archive.node != self.node.to_string() {
            let problem = format!("is of {}, not of {}", archive.node, self.node);
            return Err(MigrateError::ExportOther { path: path.to_owned(), problem });
        }
        let missing = self.kms_keys.iter().filter(|key| archive.find(&key.fingerprint).is_none());
        let missing: Vec<String> = missing
            .map(|key| format!("key {} ({}, KMS key {})", key.fingerprint, key.origin, key.kms_key_id))
            .collect();
        if !missing.is_empty() {
            return Err(MigrateError::NoMaterial { path: path.to_owned(), keys: missing });
        }
        let known = self.store.store.public_key_list().await?;
        let is_known = |key: &&cantle_vault::ArchivedKey| {
            known.iter().any(|stored| stored.key.fingerprint() == &key.fingerprint)
        };
        let stored = archive.keys.iter().filter(is_known).map(cantle_vault::ArchivedKey::to_stored);
        stored.collect::<Result<_, _>>().map_err(|_| MigrateError::ExportOther {
            path: path.to_owned(),
            problem: "has a key pair that cannot be read".to_owned(),
        })
    }

    /// Switches the node to its own keys in one transaction. The KMS is not asked.
    ///
    /// # Errors
    /// When the database fails; nothing has changed then.
    pub async fn switch(&self, keys: &[StoredPrivateKey]) -> Result<(), MigrateError> {
        let store = &self.store.store;
        store.keys_move_to_store(keys).await?;
        Ok(store.setting_put(&RoleSetting::PrivateKeyRemains, b"").await?)
    }

    /// Lets another process have the database.
    pub async fn close(self) {
        self.store.close().await;
    }
}

async fn open_store(
    config: &NodeConfig,
    node: &NodeIdentity,
    data_dir: &Path,
    access: Access,
) -> Result<OpenStore, MigrateError> {
    let failed = |source| MigrateError::Open { node: node.clone(), source: Box::new(source) };
    // A database that is not there must not come about.
    match storage::open(config, data_dir, Access::ReadOnly).await {
        Ok(store) if access == Access::ReadOnly => return Ok(store),
        Ok(store) => store.close().await,
        Err(missing @ OpenError::Missing { .. }) => return Err(failed(missing)),
        Err(_) => {}
    }
    storage::open(config, data_dir, access).await.map_err(failed)
}
