//! A look at a node's keys without starting it, while it runs or not: its store is opened for reading.

use std::{path::Path, sync::Arc};

use cantle_admin_api::{NodeTopology, list_keys};
use cantle_config::{Config, CryptoProvider, NodeConfig};
use cantle_identity::{TopologyLists, TopologyManager};
use cantle_kms_aws::StaticCredentials;
use cantle_proto::cantle::admin::v1::NodeKey;
use cantle_store::{Access, NodeIdentity};
use cantle_types::{ProtocolVersion, SystemClock};
use cantle_vault::{Vault, VaultBackend};
use tokio::sync::watch;

use crate::{
    base::vault_options,
    error::{StartError, StartStep},
    kms, storage,
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
    let mut found = Vec::new();
    for (config, managed) in participants.chain(domains).chain(managers).chain(sequencers).chain(mediators) {
        let node = storage::identity(config);
        let keys = inspect(config, managed, data_dir, credentials.clone()).await;
        let keys = keys.map_err(|step| StartError::new(&node, step))?;
        found.push((node, keys));
    }
    Ok(found)
}

/// `managed` is the protocol version of a node that manages its own topology.
async fn inspect(
    config: &NodeConfig,
    managed: Option<ProtocolVersion>,
    data_dir: &Path,
    credentials: Option<StaticCredentials>,
) -> Result<Vec<NodeKey>, StartStep> {
    let node = storage::identity(config);
    let store = storage::open(config, data_dir, Access::ReadOnly).await?;
    let backend = match &config.crypto.kms {
        Some(section) if config.crypto.provider == CryptoProvider::Kms => {
            VaultBackend::Kms(kms::connect_for_inspection(section, credentials).await?)
        }
        _ => VaultBackend::Jce,
    };
    let clock = Arc::new(SystemClock);
    let options = vault_options(&node, &config.crypto)?;
    let vault = Vault::open(store.store.clone(), backend, options, clock.clone()).await?;
    let topology = match managed {
        Some(version) => {
            TopologyManager::open(store.store.clone(), vault.clone(), clock, version).await?.into()
        }
        // Their keys are told by purpose alone: they have no namespace.
        None => NodeTopology::OfDomain {
            identity: watch::Sender::new(None).subscribe(),
            lists: TopologyLists::of_domains(store.store.clone()),
        },
    };
    let keys = list_keys(&vault, &topology).await;
    store.close().await;
    Ok(keys?)
}
