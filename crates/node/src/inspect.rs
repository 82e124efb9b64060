//! A look at a node's keys without starting it, while it runs or not: its store is opened for reading.

use std::{path::Path, sync::Arc};

use cantle_admin_api::list_keys;
use cantle_config::{CryptoProvider, ParticipantConfig};
use cantle_identity::TopologyManager;
use cantle_kms_aws::StaticCredentials;
use cantle_proto::cantle::admin::v1::NodeKey;
use cantle_store::Access;
use cantle_types::SystemClock;
use cantle_vault::{Vault, VaultBackend};

use crate::{
    base::vault_options,
    error::{StartError, StartStep},
    kms, storage,
};

/// The keys of a configured node, each with its state in the KMS (one DescribeKey each).
///
/// Reads the node's database, which must exist; changes nothing.
///
/// # Errors
/// When the database cannot be read. A KMS that cannot be asked is no error: the keys' state says so.
pub async fn inspect_keys(
    config: &ParticipantConfig,
    data_dir: &Path,
    credentials: Option<StaticCredentials>,
) -> Result<Vec<NodeKey>, StartError> {
    let node = storage::identity(&config.node);
    inspect(config, data_dir, credentials).await.map_err(|step| StartError::new(&node, step))
}

async fn inspect(
    config: &ParticipantConfig,
    data_dir: &Path,
    credentials: Option<StaticCredentials>,
) -> Result<Vec<NodeKey>, StartStep> {
    let node = storage::identity(&config.node);
    let store = storage::open(&config.node, data_dir, Access::ReadOnly).await?;
    let backend = match &config.node.crypto.kms {
        Some(section) if config.node.crypto.provider == CryptoProvider::Kms => {
            VaultBackend::Kms(kms::connect_for_inspection(section, credentials).await?)
        }
        _ => VaultBackend::Jce,
    };
    let clock = Arc::new(SystemClock);
    let options = vault_options(&node, &config.node.crypto)?;
    let vault = Vault::open(store.store.clone(), backend, options, clock.clone()).await?;
    let manager =
        TopologyManager::open(store.store.clone(), vault.clone(), clock, config.initial_protocol_version)
            .await?;
    let keys = list_keys(&vault, &manager.into()).await;
    store.close().await;
    Ok(keys?)
}
