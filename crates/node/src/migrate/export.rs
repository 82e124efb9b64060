//! The export file: a node's private keys, encrypted under a passphrase in the format of age.
//!
//! Invariant: a file is whole and on disk, and has been opened and compared, before anybody relies on it; one that is
//! there is never overwritten.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use cantle_crypto::{decrypt_with_passphrase, encrypt_with_passphrase};
use cantle_vault::KeyArchive;
use zeroize::Zeroizing;

use super::MigrateError;

/// The shortest passphrase that is taken, in bytes.
pub const SHORTEST_PASSPHRASE: usize = 12;

/// Whether an export file was written or found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exported {
    /// It is new.
    Written,
    /// An earlier attempt wrote it, with the same keys.
    Found,
}

impl std::fmt::Display for Exported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Written => "written",
            Self::Found => "found as an earlier attempt wrote it",
        })
    }
}

/// Writes the archive, or finds that a file of an earlier attempt holds the same; then opens it and compares.
///
/// # Errors
/// When the file cannot be written, or holds something else.
pub fn write_export(path: &Path, passphrase: &str, archive: &KeyArchive) -> Result<Exported, MigrateError> {
    let failed = |source| MigrateError::ExportFile { path: path.to_owned(), source };
    let exported = if path.exists() {
        Exported::Found
    } else {
        let encrypted = encrypt_with_passphrase(passphrase.as_bytes(), &archive.to_bytes())
            .map_err(|source| MigrateError::ExportPassphrase { path: path.to_owned(), source })?;
        // Under another name first, so that a crash leaves no half of a file under this one.
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = Path::new(&partial);
        write_private(partial, &encrypted).map_err(failed)?;
        std::fs::rename(partial, path).map_err(failed)?;
        sync_folder(path).map_err(failed)?;
        Exported::Written
    };
    let read = read_export(path, passphrase)?;
    let other = |problem: String| MigrateError::ExportOther { path: path.to_owned(), problem };
    if read.node != archive.node {
        return Err(other(format!("is of {}, not of {}", read.node, archive.node)));
    }
    match archive
        .keys
        .iter()
        .find(|key| read.find(&key.fingerprint).is_none_or(|found| found.pair != key.pair))
    {
        Some(key) => Err(other(format!("does not have key {}", key.fingerprint))),
        None => Ok(exported),
    }
}

/// Opens an export file.
///
/// # Errors
/// When it cannot be read, the passphrase does not open it, or it holds something else.
pub fn read_export(path: &Path, passphrase: &str) -> Result<KeyArchive, MigrateError> {
    let path_ = || path.to_owned();
    let encrypted =
        std::fs::read(path).map_err(|source| MigrateError::ExportFile { path: path_(), source })?;
    let content: Zeroizing<Vec<u8>> = decrypt_with_passphrase(passphrase.as_bytes(), &encrypted)
        .map_err(|source| MigrateError::ExportPassphrase { path: path_(), source })?;
    KeyArchive::from_bytes(&content).map_err(|source| MigrateError::ExportContent { path: path_(), source })
}

fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// The new name must survive a power cut as the content does.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}
