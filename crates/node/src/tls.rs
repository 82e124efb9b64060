//! TLS by Canton's keys: from a section of the configuration to what a server or a client needs.
//!
//! The process's own consoles reach a node's admin API like any other client; they believe exactly the certificate that
//! the node was configured with, and show the one of `client-auth.admin-client`.

use cantle_config::{
    CertificateFiles as ConfiguredFiles, ClientAuth as ConfiguredAuth, TlsClientConfig, TlsServerConfig,
    TlsVersion,
};
use cantle_transport::{
    CertificateFiles, ClientAuth, ClientTls, ClientTlsOptions, MinimumVersion, ServerTls, ServerTlsOptions,
    TlsError, Trust,
};

/// The server's side of a `tls` section.
///
/// # Errors
/// When a file cannot be used, or certificate and key do not go together.
pub fn server_tls(config: &TlsServerConfig) -> Result<ServerTls, TlsError> {
    ServerTls::new(&ServerTlsOptions {
        identity: CertificateFiles {
            cert_chain_file: config.cert_chain_file.clone(),
            private_key_file: config.private_key_file.clone(),
        },
        trust_collection_file: config.trust_collection_file.clone(),
        client_auth: match config.client_auth {
            ConfiguredAuth::None => ClientAuth::None,
            ConfiguredAuth::Optional => ClientAuth::Optional,
            ConfiguredAuth::Require { .. } => ClientAuth::Require,
        },
        minimum_version: match config.minimum_version {
            TlsVersion::V1_2 => MinimumVersion::Tls12,
            TlsVersion::V1_3 => MinimumVersion::Tls13,
        },
        ciphers: config.ciphers.clone(),
    })
}

/// The client's side of a `tls` section of a remote node.
///
/// # Errors
/// When a file cannot be used, or certificate and key do not go together.
pub fn client_tls(config: &TlsClientConfig) -> Result<ClientTls, TlsError> {
    ClientTls::new(&ClientTlsOptions {
        trust: config.trust_collection_file.clone().map_or(Trust::System, Trust::File),
        identity: config.client_cert.as_ref().map(files),
    })
}

/// What the process's own consoles need to reach a server of it.
///
/// # Errors
/// When a file cannot be used, or certificate and key do not go together.
pub fn own_client_tls(config: &TlsServerConfig) -> Result<ClientTls, TlsError> {
    ClientTls::new(&ClientTlsOptions {
        trust: Trust::Exactly(config.cert_chain_file.clone()),
        identity: match &config.client_auth {
            ConfiguredAuth::Require { admin_client } => Some(files(admin_client)),
            ConfiguredAuth::None | ConfiguredAuth::Optional => None,
        },
    })
}

fn files(files: &ConfiguredFiles) -> CertificateFiles {
    CertificateFiles {
        cert_chain_file: files.cert_chain_file.clone(),
        private_key_file: files.private_key_file.clone(),
    }
}
