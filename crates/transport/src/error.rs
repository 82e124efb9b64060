//! Certificates, keys and settings that TLS cannot be set up with.

use std::path::PathBuf;

use thiserror::Error;

/// Why TLS cannot be set up. Names the file and says what to look at.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file that cannot be read.
    #[error("cannot read {path}, which {purpose}; check that it exists and that this user may read it")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What it was to be.
        purpose: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file without what was looked for.
    #[error("{path} holds no {wanted} in PEM form; it is to be the file that {purpose}")]
    Empty {
        /// The file, or what stands for it.
        path: PathBuf,
        /// What was looked for.
        wanted: &'static str,
        /// What it was to be.
        purpose: &'static str,
    },
    /// A private key in a form that cannot be used: encrypted, or of an unknown algorithm.
    #[error(
        "the private key in {path} cannot be used; it has to be RSA or EC, as PKCS #8, PKCS #1 or SEC 1, and not encrypted"
    )]
    Key {
        /// The file.
        path: PathBuf,
        /// What was wrong.
        #[source]
        source: rustls::Error,
    },
    /// A certificate and a private key that do not go together.
    #[error("the private key in {key} is not that of the first certificate in {chain}")]
    Mismatch {
        /// The file with the certificates.
        chain: PathBuf,
        /// The file with the key.
        key: PathBuf,
        /// What was wrong.
        #[source]
        source: rustls::Error,
    },
    /// Certificates to trust that are none.
    #[error("a certificate in {path} cannot be trusted as an authority")]
    Authority {
        /// The file.
        path: PathBuf,
        /// What was wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// None of the wanted cipher suites is one of ours, or none fits the wanted versions.
    #[error("none of the cipher suites {} can be offered; choose from {}", wanted.join(", "), offered.join(", "))]
    Ciphers {
        /// What was asked for.
        wanted: Vec<String>,
        /// What there is.
        offered: Vec<String>,
    },
    /// The library refuses the settings.
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
}
