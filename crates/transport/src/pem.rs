//! Certificates and private keys from PEM files. Files are read once; a key's text is wiped after it was taken apart.

use std::path::{Path, PathBuf};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use zeroize::Zeroizing;

use crate::TlsError;

/// More than any chain or trust collection needs.
const LONGEST_FILE: u64 = 4 << 20;

/// A certificate with those up to its root, and its private key; both PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate first, then those that lead to a root.
    pub cert_chain_file: PathBuf,
    /// The private key, not encrypted.
    pub private_key_file: PathBuf,
}

/// What is read from [`CertificateFiles`].
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl CertificateFiles {
    pub(crate) fn read(&self, whose: Whose) -> Result<Identity, TlsError> {
        let (chain_is, key_is) = match whose {
            Whose::Server => ("has the server's certificate", "has the server's private key"),
            Whose::Client => ("has the client's certificate", "has the client's private key"),
        };
        let path = &self.cert_chain_file;
        let chain = certificates(path, &read(path, chain_is)?, chain_is)?;
        let path = &self.private_key_file;
        let pem = read(path, key_is)?;
        let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| TlsError::Empty {
            path: path.clone(),
            wanted: "private key",
            purpose: key_is,
        })?;
        // Asked apart, so that a wrong key and a wrong pair are told from each other.
        rustls::crypto::aws_lc_rs::default_provider()
            .key_provider
            .load_private_key(key.clone_key())
            .map_err(|source| TlsError::Key { path: path.clone(), source })?;
        Ok(Identity { chain, key })
    }

    pub(crate) fn mismatch(&self, source: rustls::Error) -> TlsError {
        match source {
            rustls::Error::InconsistentKeys(_) => TlsError::Mismatch {
                chain: self.cert_chain_file.clone(),
                key: self.private_key_file.clone(),
                source,
            },
            source => TlsError::Setup(source),
        }
    }
}

/// On which side a certificate is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Whose {
    Server,
    Client,
}

const TRUSTED: &str = "has the certificates to trust";

/// The certificates of a file, as authorities.
pub(crate) fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    authorities_of(path, &trusted(path)?)
}

/// The certificates of a file that are to be trusted.
pub(crate) fn trusted(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    trusted_of(path, &read(path, TRUSTED)?)
}

/// The certificates of a PEM text that are to be trusted.
pub(crate) fn trusted_of(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    certificates(path, pem, TRUSTED)
}

/// The first certificate of a file.
pub(crate) fn first_certificate(path: &Path) -> Result<CertificateDer<'static>, TlsError> {
    let empty = || TlsError::Empty { path: path.to_owned(), wanted: "certificate", purpose: TRUSTED };
    certificates(path, &read(path, TRUSTED)?, TRUSTED)?.into_iter().next().ok_or_else(empty)
}

/// The first certificate of a PEM file, as DER, for those who want its public key and nothing else of it.
///
/// # Errors
/// [`TlsError`]: a file that cannot be read, or holds no certificate.
pub fn read_certificate(path: &Path, purpose: &'static str) -> Result<Vec<u8>, TlsError> {
    let empty = || TlsError::Empty { path: path.to_owned(), wanted: "certificate", purpose };
    let first = certificates(path, &read(path, purpose)?, purpose)?.into_iter().next().ok_or_else(empty)?;
    Ok(first.to_vec())
}

/// Certificates as authorities.
pub(crate) fn authorities_of(
    path: &Path,
    certificates: &[CertificateDer<'static>],
) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        let authority =
            |source: rustls::Error| TlsError::Authority { path: path.to_owned(), source: source.into() };
        roots.add(certificate.clone()).map_err(authority)?;
    }
    Ok(roots)
}

fn certificates(
    path: &Path,
    pem: &[u8],
    purpose: &'static str,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(TlsError::Empty { path: path.to_owned(), wanted: "certificate", purpose }),
    }
}

fn read(path: &Path, purpose: &'static str) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let unreadable = |source| TlsError::Unreadable { path: path.to_owned(), purpose, source };
    let length = std::fs::metadata(path).map_err(unreadable)?.len();
    if length > LONGEST_FILE {
        return Err(unreadable(std::io::ErrorKind::FileTooLarge.into()));
    }
    std::fs::read(path).map(Zeroizing::new).map_err(unreadable)
}
