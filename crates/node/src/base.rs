//! What every node has before it is anything in particular: its database, its KMS, its keys.

use std::{path::Path, sync::Arc};

use cantle_admin_api::{Diagnostics, LogLevel};
use cantle_config::{CryptoConfig, CryptoProvider as Provider, NodeConfig, SchemeConfig, StorageBackend};
use cantle_kms::{KmsKeyId, MultiRegion};
use cantle_store::{Access, NodeIdentity};
use cantle_types::Clock;
use cantle_vault::{
    KeyFilter, Registrable, Schemes, Vault, VaultBackend, VaultOptions, WrapperKeyError, Wrapping,
};
use tokio::net::lookup_host;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    domain_options::CallTimeouts,
    error::StartStep,
    kms::{self, KmsAccess, NodeKms},
    state::NodeEvent,
    storage::{self, OpenStore},
};

/// What a start needs besides the node's own configuration.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) log_level: Arc<dyn LogLevel>,
    pub(crate) diagnostics: Arc<dyn Diagnostics>,
    pub(crate) kms: KmsAccess,
    pub(crate) calls: CallTimeouts,
    pub(crate) events: Arc<dyn Fn(NodeEvent) + Send + Sync>,
    pub(crate) stop: CancellationToken,
}

/// A node's database, opened and locked, its KMS client, and its keys.
#[derive(Debug)]
pub(crate) struct Base {
    pub(crate) node: NodeIdentity,
    pub(crate) store: OpenStore,
    pub(crate) kms: Option<NodeKms>,
    pub(crate) vault: Vault,
}

impl Base {
    /// Opens a node's database and keys. The KMS is asked only where it encrypts the private keys in the database.
    pub(crate) async fn open(
        config: &NodeConfig,
        data_dir: &Path,
        around: &Surroundings,
    ) -> Result<Self, StartStep> {
        let node = storage::identity(config);
        let store = storage::open(config, data_dir, Access::ReadWrite).await?;
        let kms = match &config.crypto.kms {
            Some(kms) => Some(kms::connect_kms(&node, kms, around.kms.clone()).await?),
            None => None,
        };
        let provider = config.crypto.provider;
        if provider == Provider::Kms && matches!(config.storage.backend, StorageBackend::Memory) {
            warn!(
                "{node} keeps its data in memory and its keys in the KMS: it makes new KMS keys at every start, each \
                 about 1 USD a month until somebody deletes it; use storage.type = sqlite for anything but a trial"
            );
        }
        let backend = match (&kms, provider) {
            (Some(NodeKms { kms, .. }), Provider::Kms) => VaultBackend::Kms(kms.clone()),
            (Some(NodeKms { kms, .. }), Provider::Jce) => VaultBackend::JceWrapped(kms.clone()),
            (None, _) => VaultBackend::Jce,
        };
        let options = vault_options(&node, &config.crypto)?;
        let vault = Vault::open(store.store.clone(), backend, options, around.clock.clone()).await?;
        vault.prepare_private_keys(wrapping(&config.crypto)?).await?;
        check_regions(&vault).await?;
        Ok(Self { node, store, kms, vault })
    }
}

/// Refuses keys of one Region where the node is to use others as well.
async fn check_regions(vault: &Vault) -> Result<(), StartStep> {
    if vault.options().registrable == Registrable::AnyKey {
        return Ok(());
    }
    let of_one_region =
        |kms_key_id: &str| !KmsKeyId::parse(kms_key_id).is_ok_and(|key| key.is_multi_region());
    let keys: Vec<String> = vault
        .private_keys(&KeyFilter::default())
        .await?
        .into_iter()
        .filter_map(|info| {
            let kms_key_id = info.kms.as_ref().map(|kms| &kms.kms_key_id).filter(|id| of_one_region(id))?;
            let name = info.name.as_ref().map_or("without a name", |name| name.as_str());
            Some(format!("{name} ({kms_key_id})"))
        })
        .collect();
    if keys.is_empty() { Ok(()) } else { Err(StartStep::NotMultiRegion { keys }) }
}

/// The first address that a configured host and port stand for; without a port the system chooses one.
pub(crate) async fn resolve(host: &str, port: Option<u16>) -> Result<std::net::SocketAddr, StartStep> {
    let address = host.to_owned();
    match lookup_host((host, port.unwrap_or(0))).await.map(|mut addresses| addresses.next()) {
        Ok(Some(resolved)) => Ok(resolved),
        Ok(None) => Err(StartStep::Address { address, source: std::io::ErrorKind::AddrNotAvailable.into() }),
        Err(source) => Err(StartStep::Address { address, source }),
    }
}

/// What is to become of the private keys in a node's database.
pub(crate) fn wrapping(crypto: &CryptoConfig) -> Result<Option<Wrapping>, WrapperKeyError> {
    let Some(config) = &crypto.wrapper_key else { return Ok(None) };
    if config.reverted {
        return Ok(Some(Wrapping::Reverted));
    }
    let parse = |id: &String| {
        let named = |source| WrapperKeyError::KeyId { wrapper_key_id: id.clone(), source };
        KmsKeyId::parse(id).map_err(named)
    };
    Ok(Some(Wrapping::Encrypted(config.wrapper_key_id.as_ref().map(parse).transpose()?)))
}

/// How a node's vault is set up.
pub(crate) fn vault_options(node: &NodeIdentity, crypto: &CryptoConfig) -> Result<VaultOptions, StartStep> {
    use cantle_store::CryptoProvider;
    let provider = match crypto.provider {
        Provider::Jce => CryptoProvider::Jce,
        Provider::Kms => CryptoProvider::Kms,
    };
    let mut options = VaultOptions::new(node.clone(), provider);
    let SchemeConfig { default, allowed, .. } = &crypto.signing;
    options.signing =
        Schemes::new(provider, Some(named(*default)), Some(allowed.iter().copied().map(named).collect()))?;
    let SchemeConfig { default, allowed, .. } = &crypto.encryption;
    options.encryption =
        Schemes::new(provider, Some(named(*default)), Some(allowed.iter().copied().map(named).collect()))?;
    if let Some(kms) = &crypto.kms {
        options.custom_tags = kms.custom_tags.clone();
        options.multi_region = if kms.multi_region_key { MultiRegion::Yes } else { MultiRegion::No };
        if !kms.failover_regions.is_empty() {
            options.registrable = Registrable::MultiRegionKeys;
        }
        options.create_key_check = kms::creation_poll(&kms.create_key_check);
    }
    Ok(options)
}

/// The same scheme in the crates that do not know each other: both have Canton's name of it.
fn named<A: std::fmt::Display, B: std::str::FromStr>(scheme: A) -> B
where
    B::Err: std::fmt::Debug,
{
    scheme.to_string().parse().expect("both crates have the scheme names of Canton's configuration")
}
