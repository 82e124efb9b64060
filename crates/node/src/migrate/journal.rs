//! The journal of what is made in the KMS beside a running node, whose own database is another process's meanwhile.
//!
//! A small database beside the export file, of the node's name, without a private key. It is there from the first
//! preparation to the switch; whoever loses it has the keys imported again. Invariant: one process at a time has it.

use std::path::{Path, PathBuf};

use cantle_store::{Access, MigrateOnStart, NodeIdentity, SqliteLocation, SqliteOptions, SqliteStore};

use super::MigrateError;

/// Opens it, or makes it.
pub(super) async fn open(export: &Path, node: &NodeIdentity) -> Result<SqliteStore, MigrateError> {
    let options = SqliteOptions {
        location: SqliteLocation::File(file(export)),
        node: node.clone(),
        migrate: MigrateOnStart::Yes,
        access: Access::ReadWrite,
    };
    SqliteStore::open(options)
        .await
        .map_err(|source| MigrateError::Journal { path: file(export), source: Box::new(source) })
}

/// Opens it if it is there.
pub(super) async fn reopen(export: &Path, node: &NodeIdentity) -> Result<Option<SqliteStore>, MigrateError> {
    if file(export).exists() { open(export, node).await.map(Some) } else { Ok(None) }
}

/// Removes it: everything that it knows is in the node's database.
pub(super) fn remove(export: &Path) -> Result<(), MigrateError> {
    let journal = file(export).into_os_string();
    for suffix in ["", "-wal", "-shm", ".lock"] {
        let mut path = journal.clone();
        path.push(suffix);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(MigrateError::ExportFile { path: PathBuf::from(path), source });
            }
            _ => {}
        }
    }
    Ok(())
}

fn file(export: &Path) -> PathBuf {
    let mut path = export.as_os_str().to_owned();
    path.push(".journal");
    PathBuf::from(path)
}
