//! What a console knows of a node from its configuration: `node.config`.

/// An API as configured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiSettings {
    /// The host name or IP address.
    pub address: String,
    /// The port; `None` when the system chose one.
    pub port: Option<u16>,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// The certificates, PEM, that its own is checked against where the system's do not do.
    pub trust: Option<Vec<u8>>,
}

impl ApiSettings {
    /// An API without TLS.
    #[must_use]
    pub fn new(address: impl Into<String>, port: Option<u16>) -> Self {
        Self { address: address.into(), port, tls: false, trust: None }
    }
}

/// A node's configuration, as far as scripts ask for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeSettings {
    /// Where it is administrated.
    pub admin_api: ApiSettings,
    /// Where members connect, of domains and sequencers.
    pub public_api: Option<ApiSettings>,
    /// The protocol version that it begins with.
    pub protocol_version: Option<i32>,
}
