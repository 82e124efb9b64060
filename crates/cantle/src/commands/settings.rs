//! What consoles may know of the configuration of nodes.

use std::path::PathBuf;

use cantle_config::{
    AdminApiConfig, ClientConfig, Config, PublicApiConfig, RemoteNodeConfig, TlsServerConfig,
};
use cantle_console::{ApiSettings, NodeKind, NodeSettings};

use crate::failure::Failure;

/// A node of this process.
pub(crate) fn of_local(config: &Config, kind: NodeKind, name: &str) -> Result<NodeSettings, Failure> {
    let mut settings = NodeSettings::default();
    let admin = |admin: &AdminApiConfig| server(&admin.address, admin.port, admin.tls.as_ref());
    match kind {
        NodeKind::Participant => {
            if let Some(node) = config.participants.values().find(|node| node.node.name.as_str() == name) {
                settings.admin_api = admin(&node.node.admin_api)?;
                settings.protocol_version = Some(node.initial_protocol_version.number());
            }
        }
        NodeKind::Domain => {
            if let Some(node) = config.domains.values().find(|node| node.node.name.as_str() == name) {
                settings.admin_api = admin(&node.node.admin_api)?;
                settings.public_api = Some(public(&node.public_api)?);
                settings.protocol_version = Some(node.parameters.protocol_version.number());
            }
        }
        NodeKind::DomainManager => {
            if let Some(node) = config.domain_managers.values().find(|node| node.node.name.as_str() == name) {
                settings.admin_api = admin(&node.node.admin_api)?;
                settings.protocol_version = Some(node.parameters.protocol_version.number());
            }
        }
        NodeKind::Sequencer => {
            if let Some(node) = config.sequencers.values().find(|node| node.node.name.as_str() == name) {
                settings.admin_api = admin(&node.node.admin_api)?;
                settings.public_api = Some(public(&node.public_api)?);
            }
        }
        NodeKind::Mediator => {
            if let Some(node) = config.mediators.values().find(|node| node.node.name.as_str() == name) {
                settings.admin_api = admin(&node.node.admin_api)?;
            }
        }
        _ => {}
    }
    Ok(settings)
}

/// A node of another process.
pub(crate) fn of_remote(node: &RemoteNodeConfig) -> Result<NodeSettings, Failure> {
    let mut settings = NodeSettings::default();
    settings.admin_api = client(&node.admin_api)?;
    settings.public_api = node.public_api.as_ref().map(client).transpose()?;
    Ok(settings)
}

/// A node named by the address of its admin API alone.
pub(crate) fn of_address(address: &str) -> NodeSettings {
    let mut settings = NodeSettings::default();
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    settings.admin_api = ApiSettings::new(host.trim_matches(['[', ']']), port.parse().ok());
    settings
}

fn public(api: &PublicApiConfig) -> Result<ApiSettings, Failure> {
    server(&api.address, api.port, api.tls.as_ref())
}

/// Whoever connects to a server of ours trusts its own certificates: they need not be known to the system.
fn server(address: &str, port: Option<u16>, tls: Option<&TlsServerConfig>) -> Result<ApiSettings, Failure> {
    let mut settings = ApiSettings::new(address, port);
    settings.tls = tls.is_some();
    settings.trust = tls.map(|tls| read(&tls.cert_chain_file)).transpose()?;
    Ok(settings)
}

fn client(api: &ClientConfig) -> Result<ApiSettings, Failure> {
    let mut settings = ApiSettings::new(api.address.as_str(), Some(api.port));
    settings.tls = api.tls.is_some();
    let trust = api.tls.as_ref().and_then(|tls| tls.trust_collection_file.as_ref());
    settings.trust = trust.map(read).transpose()?;
    Ok(settings)
}

fn read(path: &PathBuf) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| {
        Failure::Usage(format!("error: the certificates {} cannot be read: {error}", path.display()))
    })
}
