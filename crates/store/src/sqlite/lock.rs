//! The database file and the lock beside it.
//!
//! The lock is the operating system's advisory lock on a file of its own, not on the database: SQLite locks
//! that itself, and closing a second descriptor of it would drop SQLite's locks.
//! Source: <https://www.sqlite.org/howtocorrupt.html>, section 2.2.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::{NodeIdentity, OpenError};

/// Held as long as it lives; the operating system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct FileLock {
    _file: File,
}

impl FileLock {
    /// Takes the lock of a database, or says who has it.
    pub(super) fn acquire(database: &Path, node: &NodeIdentity) -> Result<Self, OpenError> {
        let path = lock_path(database);
        let failed = |source| OpenError::File { path: path.clone(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        private(&mut options);
        let mut file = options.open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::Locked {
                    database: database.display().to_string(),
                    holder: holder(&mut file),
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let line = format!("{node}, process {}\n", std::process::id());
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(line.as_bytes()))
            .map_err(failed)?;
        Ok(Self { _file: file })
    }
}

fn at(path: &Path) -> impl FnOnce(std::io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::File { path, source }
}

/// Makes the folder of a file where it is missing, for this user alone.
pub(super) fn create_folder(file: &Path) -> Result<&Path, OpenError> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(at(folder))?;
    Ok(folder)
}

/// Makes folder and file where they are missing, for this user alone, and returns the one true path.
pub(super) fn create_database_file(path: &Path) -> Result<PathBuf, OpenError> {
    let folder = create_folder(path)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    private(&mut options);
    match options.open(path) {
        Ok(_) => {
            // The new name must survive a power cut as the rows will.
            #[cfg(unix)]
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))?;
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => warn_if_others_may_read(path),
        Err(error) => return Err(at(path)(error)),
    }
    // Two names of one file (a symbolic link) must meet at one lock.
    path.canonicalize().map_err(at(path))
}

pub(super) fn lock_path(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

pub(super) fn private(options: &mut OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    #[cfg(not(unix))]
    let _ = options;
}

fn warn_if_others_may_read(path: &Path) {
    #[cfg(unix)]
    if let Ok(metadata) = path.metadata() {
        let mode = std::os::unix::fs::MetadataExt::mode(&metadata) & 0o777;
        if mode & 0o077 != 0 {
            tracing::warn!(
                path = %path.display(),
                mode = %format_args!("{mode:o}"),
                "others than its user may open the database; private keys may lie in it, set its mode to 600"
            );
        }
    }
    #[cfg(not(unix))]
    let _ = path;
}

fn holder(file: &mut File) -> Option<String> {
    let mut text = Vec::new();
    file.rewind().ok()?;
    file.take(300).read_to_end(&mut text).ok()?;
    let line: String = String::from_utf8_lossy(&text).chars().take_while(|c| !c.is_control()).collect();
    (!line.is_empty()).then_some(line)
}
