//! `remote-participants` and the others: nodes of other processes, for consoles.
//!
//! Source: <https://docs.daml.com/2.10.0/canton/usermanual/console.html#remote-administration>

use cantle_types::NodeName;
use secrecy::SecretString;

use super::parameters::CLIENT;
use super::sequencer_client::{self, KeepAliveClient};
use super::server::address;
use super::tls::{self, TLS_TRUST, TlsClientConfig};
use crate::cursor::Cursor;
use crate::schema::{DAML, Key, Kind, Moved, Section, ignored, used};

/// `remote-participants.<name>`
pub(crate) static REMOTE_PARTICIPANT: Section = Section::new(&[
    ADMIN_API,
    ignored("ledger-api", Kind::Section(&CLIENT), DAML),
    used("token", Kind::Secret),
]);

/// `remote-domains.<name>` and `remote-sequencers.<name>`
pub(crate) static REMOTE_WITH_PUBLIC_API: Section = Section::new(&[
    ADMIN_API,
    used("public-api", Kind::Section(&PUBLIC_CLIENT)),
    used("token", Kind::Secret),
]);

/// `remote-domain-managers.<name>` and `remote-mediators.<name>`
pub(crate) static REMOTE_MEMBER: Section = Section::new(&[ADMIN_API, used("token", Kind::Secret)]);

const ADMIN_API: Key = used("admin-api", Kind::Section(&CLIENT)).required();

static PUBLIC_CLIENT: Section = Section::new(&[
    used("address", Kind::Text),
    used("port", Kind::Port).required(),
    used("tls", Kind::Section(&TLS_TRUST)),
])
.moved(&[
    Moved { from: &["custom-trust-certificates", "pem-file"], to: &["tls", "trust-collection-file"] },
    Moved { from: &["transport-security"], to: &["tls", "enabled"] },
]);

/// A node of another process.
#[derive(Debug, Clone)]
pub struct RemoteNodeConfig {
    /// Its name here; it may have another one there.
    pub name: NodeName,
    /// Where its admin API is.
    pub admin_api: ClientConfig,
    /// Where its public API is, of domains and sequencers.
    pub public_api: Option<ClientConfig>,
    /// What its admin API asks for.
    pub token: Option<SecretString>,
}

/// Where an API is and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientConfig {
    /// The host name or IP address. Default `127.0.0.1`.
    pub address: String,
    /// The port.
    pub port: u16,
    /// TLS; `None` is without.
    pub tls: Option<TlsClientConfig>,
    /// Keep-alive of connections; `None` switches it off.
    pub keep_alive: Option<KeepAliveClient>,
}

pub(crate) fn remote(name: &NodeName, node: &Cursor<'_>) -> Option<RemoteNodeConfig> {
    let public_api = node.at("public-api").set().map(|api| client(&api));
    Some(RemoteNodeConfig {
        name: name.clone(),
        admin_api: client(&node.at("admin-api"))?,
        public_api: public_api.flatten(),
        token: node.at("token").secret(),
    })
}

fn client(api: &Cursor<'_>) -> Option<ClientConfig> {
    let port = api.at("port");
    if port.is_set() && port.port().is_none() {
        port.malformed("0", "the port of a running node, from 1 to 65535");
    }
    Some(ClientConfig {
        address: address(api, "127.0.0.1"),
        port: port.port()?,
        tls: tls::client(&api.at("tls")),
        keep_alive: sequencer_client::keep_alive_client(&api.at("keep-alive-client")),
    })
}
