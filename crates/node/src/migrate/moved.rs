//! A node whose keys are in its KMS already, by an attempt that was interrupted or done: what it left is made up for.
//!
//! Invariant: a private key leaves the database only when an export file that can be opened has it.

use std::path::Path;
use std::sync::Arc;

use cantle_types::{Fingerprint, ProtocolVersion, SystemClock};
use cantle_vault::Vault;

use super::{MigrateError, RotatedKey, journal, read_export, rotation};
use crate::storage::OpenStore;

/// A node that has moved.
#[derive(Debug)]
pub struct MovedNode {
    pub(super) store: OpenStore,
    pub(super) vault: Vault,
    /// The protocol version of a node that manages its own topology.
    pub(super) version: Option<ProtocolVersion>,
}

impl MovedNode {
    /// Erases what an interrupted attempt may have left in the database's files, and finishes its rotations.
    ///
    /// # Errors
    /// [`MigrateError`]; repeated, it goes on. [`MigrateError::ExportFile`] and its like if a private key is to leave the
    /// database that the export file does not have.
    pub async fn finish(&self, export: &Path, passphrase: &str) -> Result<Vec<RotatedKey>, MigrateError> {
        self.vault.erase_private_keys().await?;
        let is_kept = |fingerprint: &Fingerprint| {
            let archive = read_export(export, passphrase)?;
            match archive.find(fingerprint) {
                Some(_) => Ok(()),
                None => Err(MigrateError::ExportOther {
                    path: export.to_owned(),
                    problem: format!(
                        "does not have the private key {fingerprint}, which is about to leave the database"
                    ),
                }),
            }
        };
        let clock = Arc::new(SystemClock);
        let rotated =
            rotation::rotate_kept(&self.store.store, &self.vault, self.version, clock, &is_kept).await?;
        journal::remove(export)?;
        Ok(rotated)
    }

    /// Lets another process have the database.
    pub async fn close(self) {
        self.store.close().await;
    }
}
