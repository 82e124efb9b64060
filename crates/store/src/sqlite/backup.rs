//! A copy of a database while it is in use, and the way back.
//!
//! A backup is a database file of its own: consistent, as of one moment, without a write-ahead log, for its user alone, since
//! private keys of provider jce may lie in it. Invariants: nothing is overwritten; what is put in place is whole, this node's,
//! and of a schema that this program knows; what was there before is moved aside.
//! Source: <https://www.sqlite.org/lang_vacuum.html#vacuuminto>

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::lock::{FileLock, create_folder, private};
use super::{SqliteLocation, SqliteOptions, SqliteStore};
use crate::{Access, BackendError, MigrateOnStart, NodeIdentity, OpenError};

/// Why a database was not copied, or not put back. Nothing was changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BackupError {
    /// There is a file of that name.
    #[error("BACKUP_EXISTS: {} is there already, and is not overwritten", path.display())]
    Exists {
        /// Which.
        path: PathBuf,
    },
    /// The node has a database already.
    #[error(
        "BACKUP_EXISTS: {node} has a database, {}; add --replace to move it aside and put the backup in its place",
        path.display()
    )]
    Occupied {
        /// The node.
        node: NodeIdentity,
        /// Its database.
        path: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("BACKUP_FILE: {} cannot be {done}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What should have been done with it.
        done: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The copy was not made.
    #[error("BACKUP_FILE: the database was not copied to {}", path.display())]
    Copy {
        /// Where to.
        path: PathBuf,
        /// What the database said.
        #[source]
        source: BackendError,
    },
    /// A database cannot be opened.
    #[error("BACKUP_DATABASE: the database cannot be used")]
    Open(#[from] OpenError),
    /// A backup is damaged.
    #[error("BACKUP_DAMAGED: {} is damaged: {problem}", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What the database says.
        problem: String,
    },
}

fn failed<'a>(path: &'a Path, done: &'static str) -> impl Fn(io::Error) -> BackupError + 'a {
    move |source| match source.kind() {
        io::ErrorKind::AlreadyExists => BackupError::Exists { path: path.to_owned() },
        _ => BackupError::File { path: path.to_owned(), done, source },
    }
}

impl SqliteStore {
    /// Copies the database, as it is at this moment, to a new file. Whoever uses the database goes on meanwhile.
    ///
    /// # Errors
    /// [`BackupError`]; there is no new file then.
    pub async fn back_up(&self, to: &Path) -> Result<(), BackupError> {
        new_file(to).map_err(failed(to, "made"))?;
        let copied = self.copy_into(to).await;
        if copied.is_err() {
            // What is half a copy must not look like a whole one.
            let _ = fs::remove_file(to);
        }
        copied
    }

    async fn copy_into(&self, to: &Path) -> Result<(), BackupError> {
        let target = to.to_str().ok_or_else(|| BackupError::File {
            path: to.to_owned(),
            done: "named to the database",
            source: io::Error::new(io::ErrorKind::InvalidInput, "its name is not UTF-8"),
        })?;
        // An empty file is taken for a new one, and keeps its mode.
        sqlx::query("VACUUM INTO ?1")
            .bind(target)
            .execute(&self.inner.readers)
            .await
            .map_err(|source| BackupError::Copy { path: to.to_owned(), source: BackendError::new(source) })?;
        File::open(to).and_then(|file| file.sync_all()).map_err(failed(to, "written"))?;
        sync_folder(to).map_err(failed(to, "written"))
    }

    /// Puts a backup in the place of a node's database, which must not be in use. A database that is there is moved aside, if
    /// that is wanted, and its new name returned.
    ///
    /// # Errors
    /// [`BackupError`], if the backup is not whole, another node's, or of a newer version; or the node has a database that is
    /// not to be moved, or in use.
    pub async fn restore(
        backup: &Path,
        node: &NodeIdentity,
        database: &Path,
        aside: Option<&str>,
    ) -> Result<Option<PathBuf>, BackupError> {
        create_folder(database)?;
        let _lock = FileLock::acquire(database, node)?;
        if aside.is_none() && database.exists() {
            return Err(BackupError::Occupied { node: node.clone(), path: database.to_owned() });
        }
        let copy = beside(database, ".restoring");
        // Of an attempt that was interrupted.
        remove_all(&copy).map_err(failed(&copy, "removed"))?;
        let prepared = prepare(backup, &copy, node).await;
        let placed = prepared.and_then(|()| {
            let aside = match aside {
                Some(suffix) => move_aside(database, suffix)?,
                None => None,
            };
            fs::rename(&copy, database).map_err(failed(database, "written"))?;
            sync_folder(database).map_err(failed(database, "written"))?;
            Ok(aside)
        });
        remove_all(&copy).map_err(failed(&copy, "removed"))?;
        placed
    }

    async fn integrity(&self) -> Result<Option<String>, sqlx::Error> {
        let said: Vec<String> =
            sqlx::query_scalar("PRAGMA integrity_check(5)").fetch_all(&self.inner.writer).await?;
        Ok((said != ["ok"]).then(|| said.join("; ")))
    }
}

/// Copies a backup to where it can be renamed from, and looks at it in full. An old schema becomes the present one.
async fn prepare(backup: &Path, copy: &Path, node: &NodeIdentity) -> Result<(), BackupError> {
    let mut from = File::open(backup).map_err(failed(backup, "read"))?;
    let mut to = new_file(copy).map_err(failed(copy, "made"))?;
    io::copy(&mut from, &mut to).and_then(|_| to.sync_all()).map_err(failed(copy, "written"))?;
    let damaged = |problem: String| BackupError::Damaged { path: backup.to_owned(), problem };
    if to.metadata().map_err(failed(copy, "read"))?.len() == 0 {
        return Err(damaged("it is empty".to_owned()));
    }
    let options = SqliteOptions {
        location: SqliteLocation::File(copy.to_owned()),
        node: node.clone(),
        migrate: MigrateOnStart::Yes,
        access: Access::ReadWrite,
    };
    let store = SqliteStore::open(options).await.map_err(|error| match error {
        OpenError::Corrupt { source, .. } => damaged(source.to_string()),
        error => error.into(),
    })?;
    let integrity = store.integrity().await;
    store.close().await;
    match integrity {
        Ok(None) => Ok(()),
        Ok(Some(problem)) => Err(damaged(problem)),
        Err(error) => Err(damaged(error.to_string())),
    }
}

/// The files that belong to a database.
const PARTS: [&str; 4] = ["", "-wal", "-shm", ".lock"];

/// Moves a database and its log aside, under one new name.
fn move_aside(database: &Path, suffix: &str) -> Result<Option<PathBuf>, BackupError> {
    let aside = beside(database, suffix);
    if aside.exists() {
        return Err(BackupError::Exists { path: aside });
    }
    // The log first: a database with another one's log would be read wrongly, one without its own only lacks the latest.
    for part in ["-wal", ""] {
        let (from, to) = (beside(database, part), beside(&aside, part));
        match fs::rename(&from, &to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && part.is_empty() => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            moved => moved.map_err(failed(&from, "moved aside"))?,
        }
    }
    let _ = fs::remove_file(beside(database, "-shm"));
    Ok(Some(aside))
}

fn remove_all(database: &Path) -> io::Result<()> {
    for part in PARTS {
        match fs::remove_file(beside(database, part)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn new_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    private(&mut options);
    options.open(path)
}

/// The new name must survive a power cut as the content does.
fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or_else(|| Path::new("."))).and_then(|folder| folder.sync_all())
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        Ok(())
    }
}
