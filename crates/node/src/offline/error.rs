//! Why a topology transaction was not prepared, signed or assembled. Each text begins with a code of docs/errors.md.

use std::path::PathBuf;

use cantle_crypto::VerifyError;
use cantle_kms_aws::ConnectError;
use cantle_topology::{MappingError, ParseError};
use cantle_types::Fingerprint;
use cantle_vault::{RegisterError, SignError};
use thiserror::Error;

use crate::migrate::MigrateError;

/// Why nothing was written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OfflineError {
    /// A file cannot be read or written.
    #[error("OFFLINE_FILE: {} cannot be {done}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Read or written.
        done: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is there already.
    #[error("OFFLINE_FILE: {} is there already, and is not overwritten: name another file", path.display())]
    Exists {
        /// Which.
        path: PathBuf,
    },
    /// A file is too long to be what it should be.
    #[error("OFFLINE_FILE: {} has more than {max} bytes: it is not {what}", path.display())]
    TooLong {
        /// Which.
        path: PathBuf,
        /// How many are read at most.
        max: u64,
        /// What it should be.
        what: &'static str,
    },
    /// A file is no topology transaction.
    #[error(
        "OFFLINE_TRANSACTION: {} is not what `cantle topology prepare` writes, nor a signed topology transaction",
        path.display()
    )]
    Transaction {
        /// Which.
        path: PathBuf,
        /// What is wrong with it, read as a transaction without a signature.
        #[source]
        source: Box<ParseError>,
    },
    /// A transaction cannot be.
    #[error("OFFLINE_TRANSACTION: such a topology transaction cannot be")]
    Mapping(#[from] MappingError),
    /// A file is no key.
    #[error("OFFLINE_KEY_FILE: {} is not {wanted}: {problem}", path.display())]
    KeyFile {
        /// Which.
        path: PathBuf,
        /// What it should be.
        wanted: &'static str,
        /// What it is instead.
        problem: String,
    },
    /// An export file was not opened.
    #[error("OFFLINE_KEY_FILE: the export file was not opened")]
    Export(#[source] Box<MigrateError>),
    /// A key cannot be used for this.
    #[error("OFFLINE_WRONG_KEY: {problem}")]
    WrongKey {
        /// Why.
        problem: String,
    },
    /// A file is no signature.
    #[error("OFFLINE_SIGNATURE: {} is not a signature: {problem}", path.display())]
    SignatureFile {
        /// Which.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// A signature does not hold.
    #[error(
        "OFFLINE_SIGNATURE: this is not a signature of key {key} for this transaction: another key made it, or the transaction \
         was changed after it was signed"
    )]
    Invalid {
        /// The key.
        key: Fingerprint,
        /// Why.
        #[source]
        source: VerifyError,
    },
    /// The node with the KMS's configuration is not there.
    #[error("OFFLINE_KMS: {problem}")]
    Kms {
        /// Why.
        problem: String,
    },
    /// The KMS cannot be reached with that configuration.
    #[error("OFFLINE_KMS: the configuration of the KMS cannot be used")]
    Connect(#[from] ConnectError),
    /// The KMS key cannot be used.
    #[error("OFFLINE_KMS: the key cannot be used")]
    KmsKey(#[from] Box<RegisterError>),
    /// The KMS did not sign.
    #[error("OFFLINE_KMS: the transaction was not signed")]
    Sign(#[from] Box<SignError>),
    /// A private key did not sign.
    #[error("OFFLINE_WRONG_KEY: the transaction was not signed")]
    Software(#[from] cantle_crypto::SignError),
}
