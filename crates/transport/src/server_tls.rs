//! The server's side of TLS, in the terms of Canton's `tls` section.
//!
//! Source: <https://docs.daml.com/2.10.0/canton/usermanual/apis.html#tls-configuration>.

use std::{fmt, path::PathBuf, sync::Arc};

use rustls::{
    ServerConfig, SupportedCipherSuite, SupportedProtocolVersion,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
    version::{TLS12, TLS13},
};
use tracing::warn;

use crate::{
    TlsError,
    pem::{self, CertificateFiles, Whose},
};

/// What a server asks of its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// Nothing.
    None,
    /// A certificate, which has to be good if there is one.
    Optional,
    /// A certificate.
    Require,
}

/// The oldest version that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MinimumVersion {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// How a server is to speak TLS.
#[derive(Debug, Clone)]
pub struct ServerTlsOptions {
    /// The server's certificate and key.
    pub identity: CertificateFiles,
    /// The authorities of clients' certificates, PEM. Without it no client is asked for one.
    pub trust_collection_file: Option<PathBuf>,
    /// What is asked of clients.
    pub client_auth: ClientAuth,
    /// The oldest version that is spoken.
    pub minimum_version: MinimumVersion,
    /// The cipher suites, by their IANA names; `None` is all that there are. Names that are not known are left out.
    pub ciphers: Option<Vec<String>>,
}

/// The server's side of TLS, ready for use. Clones share it.
#[derive(Clone)]
pub struct ServerTls(pub(crate) Arc<ServerConfig>);

impl ServerTls {
    /// Reads the files and sets everything up.
    ///
    /// # Errors
    /// [`TlsError`]: a file, a pair of certificate and key, or a list of cipher suites that cannot be used; and a
    /// client's certificate that is required while there is nothing to check it against.
    pub fn new(options: &ServerTlsOptions) -> Result<Self, TlsError> {
        let identity = options.identity.read(Whose::Server)?;
        let provider = Arc::new(provider(options)?);
        let both: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
        let versions = match options.minimum_version {
            MinimumVersion::Tls12 => both,
            MinimumVersion::Tls13 => &[&TLS13],
        };
        let suits = |version: &&&SupportedProtocolVersion| {
            provider.cipher_suites.iter().any(|suite| suite.version().version == version.version)
        };
        let versions: Vec<_> = versions.iter().filter(suits).copied().collect();
        let config = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&versions)
            .map_err(TlsError::Setup)?;
        let config = match verifier(options, provider)? {
            Some(verifier) => config.with_client_cert_verifier(verifier),
            None => config.with_no_client_auth(),
        };
        let mut config = config
            .with_single_cert(identity.chain, identity.key)
            .map_err(|error| options.identity.mismatch(error))?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self(Arc::new(config)))
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").finish_non_exhaustive()
    }
}

fn verifier(
    options: &ServerTlsOptions,
    provider: Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
    let trust = match (options.client_auth, &options.trust_collection_file) {
        (ClientAuth::None, _) | (ClientAuth::Optional, None) => return Ok(None),
        (ClientAuth::Require, None) => {
            return Err(TlsError::Empty {
                path: PathBuf::from("trust-collection-file"),
                wanted: "certificate",
                purpose: "has the authorities of clients, whose certificates are required",
            });
        }
        (_, Some(trust)) => trust,
    };
    let roots = Arc::new(pem::authorities(trust)?);
    let builder = WebPkiClientVerifier::builder_with_provider(roots, provider);
    let builder = match options.client_auth {
        ClientAuth::Optional => builder.allow_unauthenticated(),
        ClientAuth::Require | ClientAuth::None => builder,
    };
    let verifier =
        builder.build().map_err(|error| TlsError::Authority { path: trust.clone(), source: error.into() })?;
    Ok(Some(verifier))
}

/// The cryptography of aws-lc, narrowed to the wanted cipher suites.
fn provider(options: &ServerTlsOptions) -> Result<CryptoProvider, TlsError> {
    let mut provider = aws_lc_rs::default_provider();
    let Some(wanted) = &options.ciphers else { return Ok(provider) };
    let name = |suite: &SupportedCipherSuite| iana_name(suite);
    let offered: Vec<String> = provider
        .cipher_suites
        .iter()
        .filter(|suite| {
            options.minimum_version == MinimumVersion::Tls12 || suite.version().version == TLS13.version
        })
        .map(name)
        .collect();
    provider.cipher_suites.retain(|suite| {
        let name = name(suite);
        offered.contains(&name) && wanted.contains(&name)
    });
    if provider.cipher_suites.is_empty() {
        return Err(TlsError::Ciphers { wanted: wanted.clone(), offered });
    }
    let unknown: Vec<&str> =
        wanted.iter().filter(|wanted| !offered.contains(wanted)).map(String::as_str).collect();
    if !unknown.is_empty() {
        warn!("cipher suites that are not offered and left out: {}", unknown.join(", "));
    }
    Ok(provider)
}

/// IANA's name of a suite, which is also the JVM's. rustls names those of TLS 1.3 with their version.
fn iana_name(suite: &SupportedCipherSuite) -> String {
    let name = suite.suite().as_str().unwrap_or_default();
    match name.strip_prefix("TLS13_") {
        Some(rest) => format!("TLS_{rest}"),
        None => name.to_owned(),
    }
}
