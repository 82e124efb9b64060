//! The public API of a sequencer: bound when the node starts, served while its sequencer runs.

use std::{net::SocketAddr, path::Path, sync::Arc};

use cantle_config::PublicApiConfig;
use cantle_sequencer::{PublicServer, PublicServerOptions, SequencerNode, SequencerOptions};
use cantle_sequencing::{ServiceAgreement, chain};
use cantle_store::{NodeStore, RoleSetting};
use cantle_types::{Clock, NodeName};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::{base, error::StartStep, listen, tls};

/// A bound public API, not yet served.
#[derive(Debug)]
pub(crate) struct PublicApi {
    server: PublicServer,
    options: PublicServerOptions,
}

impl PublicApi {
    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }
}

/// Reads the certificates and binds the configured address.
pub(crate) async fn bind(
    config: &PublicApiConfig,
    node: &NodeName,
    store: &dyn NodeStore,
) -> Result<PublicApi, StartStep> {
    let options = PublicServerOptions {
        node: node.to_string(),
        server: listen::settings(config.keep_alive),
        tls: config.tls.as_ref().map(tls::server_tls).transpose()?,
        ..PublicServerOptions::default()
    };
    let server = match config.port {
        Some(_) => PublicServer::bind(base::resolve(&config.address, config.port).await?).await?,
        None => bind_as_before(&config.address, store).await?,
    };
    Ok(PublicApi { server, options })
}

/// Binds a port that the system chooses, once: members remember how they reach their sequencer.
async fn bind_as_before(host: &str, store: &dyn NodeStore) -> Result<PublicServer, StartStep> {
    let setting = RoleSetting::PublicPort;
    let before = store.setting_find(&setting).await?.and_then(|bytes| <[u8; 2]>::try_from(bytes).ok());
    if let Some(port) = before.map(u16::from_be_bytes) {
        let address = base::resolve(host, Some(port)).await?;
        match PublicServer::bind(address).await {
            Ok(server) => return Ok(server),
            Err(failed) => warn!(
                "{}; another port is chosen, and whoever connected before has to be told; set public-api.port",
                chain(&failed)
            ),
        }
    }
    let server = PublicServer::bind(base::resolve(host, None).await?).await?;
    store.setting_put(&setting, &server.address().port().to_be_bytes()).await?;
    Ok(server)
}

/// What the configuration says about the sequencer behind it.
pub(crate) fn sequencer_options(config: &PublicApiConfig) -> SequencerOptions {
    let options = SequencerOptions {
        nonce_expiration: config.nonce_expiration_time,
        token_expiration: config.token_expiration_time,
        ..SequencerOptions::default()
    };
    match config.override_max_request_size {
        Some(size) => SequencerOptions { max_message_size: size, ..options },
        None => options,
    }
}

/// The agreement in a file; its id is the hash of its text.
pub(crate) fn agreement(file: Option<&Path>) -> Result<Option<ServiceAgreement>, StartStep> {
    let Some(path) = file else { return Ok(None) };
    let legal_text = std::fs::read_to_string(path)
        .map_err(|source| StartStep::Agreement { path: path.to_owned(), source })?;
    let id = hex::encode(Sha256::digest(legal_text.as_bytes()));
    Ok(Some(ServiceAgreement { id, legal_text }))
}

/// Serves the public API once there is a sequencer, until the node is told to stop.
pub(crate) async fn serve(
    api: PublicApi,
    node: SequencerNode,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    let PublicApi { server, options } = api;
    let address = server.address();
    let mut running = node.watch();
    let sequencer = tokio::select! {
        found = running.wait_for(Option::is_some) => found.ok().and_then(|found| found.clone()),
        () = stop.cancelled() => None,
    };
    let Some(sequencer) = sequencer else { return };
    // Subscriptions end with the sequencer, which the node closes first.
    let ended = async move {
        let _ = running.wait_for(Option::is_none).await;
    };
    if let Err(failed) = server.serve(sequencer, clock, options, ended).await {
        error!(%address, "{}", chain(&failed));
    }
}
