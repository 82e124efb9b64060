//! A look at a node's keys without starting it, while it runs or not: its store is opened for reading.

use std::{path::Path, sync::Arc};

use cantle_admin_api::{NodeTopology, list_keys, list_possible_orphans};
use cantle_config::{Config, CryptoProvider, NodeConfig};
use cantle_identity::{ReadError, TopologyLists, TopologyManager};
use cantle_kms_aws::StaticCredentials;
use cantle_proto::cantle::admin::v1::{NodeKey, PossibleOrphan};
use cantle_store::{Access, NodeIdentity, NodeStore};
use cantle_types::{ProtocolVersion, SystemClock};
use cantle_vault::{Vault, VaultBackend};
use thiserror::Error;
use tokio::sync::watch;

use crate::{
    base::vault_options,
    error::{StartError, StartStep},
    kms,
    storage::{self, OpenStore},
};

/// The keys of all configured nodes, in the order of the configuration, each with its state in the KMS (one DescribeKey
/// each).
///
/// Reads the nodes' databases, which must exist; changes nothing.
///
/// # Errors
/// When a database cannot be read. A KMS that cannot be asked is no error: the keys' state says so.
pub async fn inspect_keys(
    config: &Config,
    data_dir: &Path,
    credentials: Option<StaticCredentials>,
) -> Result<Vec<(NodeIdentity, Vec<NodeKey>)>, StartError> {
    let mut found = Vec::new();
    for (config, managed) in nodes(config) {
        let node = storage::identity(config);
        let keys = inspect(config, managed, data_dir, credentials.clone()).await;
        let keys = keys.map_err(|step| StartError::new(&node, step))?;
        found.push((node, keys));
    }
    Ok(found)
}

/// The KMS keys that exist, or may, and that the configured nodes do not have, because their creation was interrupted. A
/// key that a running node is just making is among them.
///
/// Reads the nodes' databases, which must exist; changes nothing and sends nothing.
///
/// # Errors
/// When a database cannot be read.
pub async fn inspect_possible_orphans(
    config: &Config,
    data_dir: &Path,
) -> Result<Vec<(NodeIdentity, Vec<PossibleOrphan>)>, StartError> {
    let mut found = Vec::new();
    for (config, _) in nodes(config) {
        let node = storage::identity(config);
        let orphans = async {
            let (store, vault) = open(config, data_dir, Access::ReadOnly, None).await?;
            let orphans = list_possible_orphans(&vault).await;
            store.close().await;
            Ok::<_, StartStep>(orphans?)
        };
        let orphans = orphans.await.map_err(|step| StartError::new(&node, step))?;
        found.push((node, orphans));
    }
    Ok(found)
}

/// Forgets a possible orphan of a configured node that does not run, and answers which node that was; nothing if none
/// has it.
///
/// # Errors
/// When a database cannot be read or changed; one of a running node is in use.
pub async fn forget_possible_orphan(
    config: &Config,
    data_dir: &Path,
    id: &str,
) -> Result<Option<NodeIdentity>, StartError> {
    let found = inspect_possible_orphans(config, data_dir).await?;
    let owner = found.into_iter().find(|(_, orphans)| orphans.iter().any(|orphan| orphan.id == id));
    let Some((node, _)) = owner else { return Ok(None) };
    for (config, _) in nodes(config) {
        if storage::identity(config) != node {
            continue;
        }
        let forget = async {
            let (store, vault) = open(config, data_dir, Access::ReadWrite, None).await?;
            let forgotten = vault.forget_orphan(id).await;
            store.close().await;
            forgotten?;
            Ok::<_, StartStep>(())
        };
        forget.await.map_err(|step| StartError::new(&node, step))?;
    }
    Ok(Some(node))
}

/// All configured nodes, with the protocol version of those that manage their own topology.
fn nodes(config: &Config) -> impl Iterator<Item = (&NodeConfig, Option<ProtocolVersion>)> {
    let participants =
        config.participants.values().map(|config| (&config.node, Some(config.initial_protocol_version)));
    let domains =
        config.domains.values().map(|config| (&config.node, Some(config.parameters.protocol_version)));
    let managers = config
        .domain_managers
        .values()
        .map(|config| (&config.node, Some(config.parameters.protocol_version)));
    let sequencers = config.sequencers.values().map(|config| (&config.node, None));
    let mediators = config.mediators.values().map(|config| (&config.node, None));
    participants.chain(domains).chain(managers).chain(sequencers).chain(mediators)
}

/// A node's store, and its keys in it.
pub(crate) async fn open(
    config: &NodeConfig,
    data_dir: &Path,
    access: Access,
    credentials: Option<StaticCredentials>,
) -> Result<(OpenStore, Vault), StartStep> {
    let node = storage::identity(config);
    let store = storage::open(config, data_dir, access).await?;
    let backend = match &config.crypto.kms {
        Some(section) if config.crypto.provider == CryptoProvider::Kms => {
            VaultBackend::Kms(kms::connect_for_inspection(section, credentials).await?)
        }
        _ => VaultBackend::Jce,
    };
    let options = vault_options(&node, &config.crypto)?;
    let vault = Vault::open(store.store.clone(), backend, options, Arc::new(SystemClock)).await?;
    Ok((store, vault))
}

/// `managed` is the protocol version of a node that manages its own topology.
async fn inspect(
    config: &NodeConfig,
    managed: Option<ProtocolVersion>,
    data_dir: &Path,
    credentials: Option<StaticCredentials>,
) -> Result<Vec<NodeKey>, StartStep> {
    let (store, vault) = open(config, data_dir, Access::ReadOnly, credentials).await?;
    let topology = topology_of(managed, &store.store, &vault, Arc::new(SystemClock)).await?;
    let keys = list_keys(&vault, &topology).await;
    store.close().await;
    Ok(keys?)
}

/// A configuration that does not have the one node that is meant.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the configuration has {found} nodes named {name}; it has {known}")]
pub struct UnknownNode {
    /// What was asked for.
    pub name: String,
    /// How many there are of that name.
    pub found: usize,
    /// The nodes that there are.
    pub known: String,
}

/// The node of a name, with the protocol version of one that manages its own topology.
pub(crate) fn named<'a>(
    config: &'a Config,
    name: &str,
) -> Result<(&'a NodeConfig, Option<ProtocolVersion>), UnknownNode> {
    let mut found: Vec<_> = nodes(config).filter(|(node, _)| node.name.as_str() == name).collect();
    match (found.pop(), found.len()) {
        (Some(only), 0) => Ok(only),
        (last, more) => Err(UnknownNode {
            name: name.to_owned(),
            found: more + usize::from(last.is_some()),
            known: nodes(config)
                .map(|(node, _)| storage::identity(node).to_string())
                .collect::<Vec<_>>()
                .join(", "),
        }),
    }
}

/// What a node that does not run knows of its topology.
pub(crate) async fn topology_of(
    managed: Option<ProtocolVersion>,
    store: &Arc<dyn NodeStore>,
    vault: &Vault,
    clock: Arc<SystemClock>,
) -> Result<NodeTopology, ReadError> {
    Ok(match managed {
        Some(version) => {
            TopologyManager::open(Arc::clone(store), vault.clone(), clock, version).await?.into()
        }
        // Their keys are told by purpose alone: they have no namespace.
        None => NodeTopology::OfDomain {
            identity: watch::Sender::new(None).subscribe(),
            lists: TopologyLists::of_domains(Arc::clone(store)),
        },
    })
}
