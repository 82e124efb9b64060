//! Why a node was not moved from one crypto provider to the other. Each text begins with a code of docs/errors.md.

use std::path::PathBuf;

use cantle_crypto::PassphraseError;
use cantle_identity::{ChangeError, ReadError};
use cantle_kms_aws::ConnectError;
use cantle_store::{NodeIdentity, OpenError, StoreError};
use cantle_types::Fingerprint;
use cantle_vault::{ArchiveError, GenerateError, MigrationError, SchemesError, VaultError};
use thiserror::Error;

use crate::inspect::UnknownNode;

/// Why a migration did not happen. The node is as it was, unless the text says otherwise.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// The configuration has no such node, or several.
    #[error("MIGRATION_UNKNOWN_NODE: {0}")]
    UnknownNode(#[from] UnknownNode),
    /// The configuration is not the one that the node is to have afterwards.
    #[error(
        "MIGRATION_CONFIGURATION: {node} has crypto.provider = {configured} in this configuration; give the one that it is \
         to have afterwards, with crypto.provider = {wanted}"
    )]
    Configuration {
        /// The node.
        node: NodeIdentity,
        /// What it says.
        configured: &'static str,
        /// What it must say.
        wanted: &'static str,
    },
    /// The node has no keys.
    #[error(
        "MIGRATION_NO_KEYS: {node} has no keys yet, so there is nothing to move: start it with the new configuration"
    )]
    NoKeys {
        /// The node.
        node: NodeIdentity,
    },
    /// Some keys cannot be in a KMS and are in use.
    #[error(
        "MIGRATION_ROTATE_FIRST: nothing was changed: the KMS cannot hold {}, and a node without a topology of its own cannot \
         announce another key. Start the node as it was, rotate to a key that the KMS can hold, let it run for a few minutes so \
         that nothing in flight needs the old key, and try again. In a console with it and its domain manager:\n{}",
        keys.join("; "), script
    )]
    RotateFirst {
        /// Each with what needs it.
        keys: Vec<String>,
        /// What to write in the console.
        script: String,
    },
    /// Its database could not be opened.
    #[error(
        "MIGRATION_DATABASE: the database of {node} could not be opened; stop the node before its keys are moved"
    )]
    Open {
        /// The node.
        node: NodeIdentity,
        /// Why.
        #[source]
        source: Box<OpenError>,
    },
    /// The KMS client could not be set up.
    #[error("MIGRATION_KMS: the KMS client of the node could not be set up")]
    Kms(#[from] ConnectError),
    /// Its configured schemes cannot be.
    #[error("MIGRATION_CONFIGURATION: the configured schemes cannot be")]
    Schemes(#[from] SchemesError),
    /// Its keys could not be opened.
    #[error("MIGRATION_KEYS: the keys of the node could not be opened")]
    Vault(#[from] VaultError),
    /// Its topology could not be read.
    #[error("MIGRATION_TOPOLOGY: the topology of the node could not be read")]
    Topology(#[from] ReadError),
    /// A key did not come into the KMS.
    #[error(
        "MIGRATION_STOPPED: the node's keys are as they were; what is done is not done again by the next attempt"
    )]
    Key(#[source] Box<MigrationError>),
    /// The journal of the preparation could not be opened.
    #[error(
        "MIGRATION_EXPORT_FILE: the journal {} of what was prepared cannot be opened; does another cantle migrate run?",
        path.display()
    )]
    Journal {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<OpenError>,
    },
    /// No KMS key could be made in the place of one that no KMS can hold.
    #[error(
        "MIGRATION_NOT_ROTATED: the node's keys are in the KMS, and it can be started; but no KMS key could be made in the \
         place of encryption key {fingerprint}, which it still uses from its database. Run the same command again"
    )]
    NotRotated {
        /// The old key.
        fingerprint: Fingerprint,
        /// Why.
        #[source]
        source: Box<GenerateError>,
    },
    /// The topology was not changed to the new key.
    #[error(
        "MIGRATION_NOT_ROTATED: the node's keys are in the KMS, and it can be started; but the topology was not changed from \
         encryption key {fingerprint} to {new}. Run the same command again"
    )]
    NotTold {
        /// The old key.
        fingerprint: Fingerprint,
        /// The new one.
        new: Fingerprint,
        /// Why.
        #[source]
        source: Box<ChangeError>,
    },
    /// Its database failed.
    #[error("MIGRATION_DATABASE: the database of the node failed")]
    Store(#[from] StoreError),
    /// The export file cannot be written or read.
    #[error("MIGRATION_EXPORT_FILE: the export file {} cannot be used", path.display())]
    ExportFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The export file is not opened by the passphrase, or is damaged.
    #[error("MIGRATION_EXPORT_FILE: the export file {} cannot be opened", path.display())]
    ExportPassphrase {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: PassphraseError,
    },
    /// The export file holds something else.
    #[error("MIGRATION_EXPORT_FILE: the export file {} holds something else", path.display())]
    ExportContent {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: ArchiveError,
    },
    /// The export file is another node's, or lacks keys.
    #[error(
        "MIGRATION_EXPORT_FILE: the export file {} {problem}; name another file, or the right one", path.display()
    )]
    ExportOther {
        /// The file.
        path: PathBuf,
        /// What is the matter.
        problem: String,
    },
    /// The private part of some keys is in the KMS alone.
    #[error(
        "MIGRATION_NO_MATERIAL: nothing was changed: the export file {} does not have {}. A private key that was made in \
         the KMS, or by its operator, never leaves it; such a node can only go to a new one with other keys",
        path.display(), keys.join("; ")
    )]
    NoMaterial {
        /// The file.
        path: PathBuf,
        /// The keys.
        keys: Vec<String>,
    },
}

impl From<MigrationError> for MigrateError {
    fn from(error: MigrationError) -> Self {
        Self::Key(Box::new(error))
    }
}
