//! The client's side of TLS.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore,
    client::WebPkiServerVerifier,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::CertificateDer,
    version::{TLS12, TLS13},
};
use tracing::warn;

use crate::{
    TlsError,
    exactly::Exactly,
    listed::Listed,
    pem::{self, CertificateFiles, Whose},
};

/// Whose certificates a client believes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Those of the machine's authorities.
    System,
    /// Those of the certificates in a PEM file, these included, and no others.
    File(PathBuf),
    /// Those of the certificates in a PEM text, these included, and no others.
    Pem(Vec<u8>),
    /// The first certificate in a PEM file itself, whatever its names and dates.
    Exactly(PathBuf),
}

/// How a client is to speak TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTlsOptions {
    /// Whose certificates are believed.
    pub trust: Trust,
    /// What the client shows when the server asks.
    pub identity: Option<CertificateFiles>,
}

/// The client's side of TLS, ready for use. Clones share it, and the sessions that can be resumed.
#[derive(Clone)]
pub struct ClientTls(pub(crate) Arc<ClientConfig>);

impl ClientTls {
    /// Reads the files and sets everything up.
    ///
    /// # Errors
    /// [`TlsError`]: a file, or a pair of certificate and key, that cannot be used.
    pub fn new(options: &ClientTlsOptions) -> Result<Self, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(TlsError::Setup)?;
        let config = match &options.trust {
            Trust::System => config.with_root_certificates(system_authorities()),
            Trust::File(path) => {
                let verifier = listed(pem::trusted(path)?, path, provider)?;
                config.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
            }
            Trust::Pem(pem) => {
                let given = Path::new("the given certificates");
                let verifier = listed(pem::trusted_of(given, pem)?, given, provider)?;
                config.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
            }
            Trust::Exactly(path) => {
                let certificate = pem::first_certificate(path)?;
                let verifier = Exactly { certificate, provider };
                config.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
            }
        };
        let mut config = match &options.identity {
            None => config.with_no_client_auth(),
            Some(files) => {
                let identity = files.read(Whose::Client)?;
                config
                    .with_client_auth_cert(identity.chain, identity.key)
                    .map_err(|error| files.mismatch(error))?
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self(Arc::new(config)))
    }
}

/// Trust in these certificates.
fn listed(
    certificates: Vec<CertificateDer<'static>>,
    path: &Path,
    provider: Arc<CryptoProvider>,
) -> Result<Listed, TlsError> {
    let roots = Arc::new(pem::authorities_of(path, &certificates)?);
    let by_authority = WebPkiServerVerifier::builder_with_provider(roots, provider)
        .build()
        .map_err(|error| TlsError::Authority { path: path.to_owned(), source: error.into() })?;
    Ok(Listed { by_authority, certificates })
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").finish_non_exhaustive()
    }
}

fn system_authorities() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        warn!("the machine's trusted certificates: {error}");
    }
    let mut roots = RootCertStore::empty();
    let (_added, ignored) = roots.add_parsable_certificates(found.certs);
    if ignored > 0 {
        tracing::debug!("{ignored} of the machine's trusted certificates cannot be read and are not trusted");
    }
    roots
}
