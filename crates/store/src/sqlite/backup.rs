//! A copy of a database while it is in use, and the way back.
//!
//! A backup is a database file of its own: consistent, as of one moment, without a write-ahead log, for its user alone, since
//! private keys of provider jce may lie in it. Invariants: what is put in place is whole, this node's, and of a schema that
//! this program knows; what was there before is kept under another name. Whenever a restore is ended, the database is the old
//! one or the new one, each whole: a node that found none would make itself a new identity.
//! Source: <https://www.sqlite.org/lang_vacuum.html#vacuuminto>, <https://www.sqlite.org/howtocorrupt.html>, section 1.4.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};
use thiserror::Error;

use super::lock::{FileLock, create_folder, private};
use super::{BUSY_TIMEOUT, SqliteLocation, SqliteOptions, SqliteStore, error, unavailable};
use crate::{Access, BackendError, MigrateOnStart, NodeIdentity, OpenError};

/// Why a database was not copied, or not put back. Nothing was changed, unless it is [`BackupError::Kept`].
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
        "BACKUP_EXISTS: {node} has a database, {}; add --replace to keep it under another name and put the backup in its place",
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
    /// It failed when the old database was kept and about to be replaced.
    #[error("BACKUP_FILE: the database that was there is kept as {}, and {} is to be restored again", aside.display(), database.display())]
    Kept {
        /// The old database, whole.
        aside: PathBuf,
        /// Where the backup was to go.
        database: PathBuf,
        /// What failed.
        #[source]
        source: Box<BackupError>,
    },
    /// Another program has the old database open.
    #[error(
        "BACKUP_DATABASE: {} is open in another program; nothing was restored. Try again when that has ended",
        database.display()
    )]
    InUse {
        /// The database.
        database: PathBuf,
    },
    /// A later version of Cantle made the backup.
    #[error(
        "BACKUP_DATABASE: {} has schema version {found}, newer than this program's {known}: restore it with the version of \
         Cantle that made it",
        path.display()
    )]
    Newer {
        /// The backup.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// The backup is another node's.
    #[error("BACKUP_DATABASE: {} belongs to {recorded}, not to {wanted}: name a backup of {wanted}", path.display())]
    OtherNode {
        /// The backup.
        path: PathBuf,
        /// Whose it is.
        recorded: NodeIdentity,
        /// Who was to get it.
        wanted: NodeIdentity,
    },
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

    /// Puts a backup in the place of a node's database, which must not be in use. A database that is there is kept under
    /// another name, if that is wanted, and that name returned.
    ///
    /// # Errors
    /// [`BackupError`], if the backup is not whole, another node's, or of a newer version; or the node has a database that is
    /// not to be replaced, or in use.
    pub async fn restore(
        backup: &Path,
        node: &NodeIdentity,
        database: &Path,
        aside: Option<&str>,
    ) -> Result<Option<PathBuf>, BackupError> {
        create_folder(database)?;
        // By the name under which a node that runs has locked it.
        let database = &database.canonicalize().unwrap_or_else(|_| database.to_owned());
        let _lock = FileLock::acquire(database, node)?;
        if let (None, Some(path)) = (aside, occupied(database)) {
            return Err(BackupError::Occupied { node: node.clone(), path });
        }
        let mut replacement = Replacement::new(database, aside.unwrap_or_default());
        replacement.clean()?;
        let replaced = async {
            prepare(backup, &replacement.new, node).await?;
            for step in STEPS {
                replacement.take(step).await?;
            }
            Ok::<_, BackupError>(())
        };
        let replaced = replaced.await;
        let cleaned = replacement.clean();
        replaced?;
        cleaned?;
        Ok(replacement.kept)
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
    if !holds_a_node(copy).await.map_err(|error| damaged(error.to_string()))? {
        return Err(damaged("it is a database, and no node's".to_owned()));
    }
    let options = SqliteOptions {
        location: SqliteLocation::File(copy.to_owned()),
        node: node.clone(),
        migrate: MigrateOnStart::Yes,
        access: Access::ReadWrite,
    };
    let store = SqliteStore::open(options).await.map_err(|error| match error {
        OpenError::Corrupt { source, .. } => damaged(source.to_string()),
        OpenError::SchemaTooNew { found, known, .. } => {
            BackupError::Newer { path: backup.to_owned(), found, known }
        }
        OpenError::OtherNode { recorded, wanted, .. } => {
            BackupError::OtherNode { path: backup.to_owned(), recorded, wanted }
        }
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

/// Whether a database is a node's already. An empty one would be taken for one that is to become it.
async fn holds_a_node(database: &Path) -> Result<bool, sqlx::Error> {
    let options = SqliteConnectOptions::new().filename(database).create_if_missing(false);
    let mut connection = options.connect().await?;
    let looked = async {
        let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE name = 'node'")
            .fetch_one(&mut connection)
            .await?;
        if tables == 0 {
            return Ok(false);
        }
        let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM node").fetch_one(&mut connection).await?;
        Ok(rows > 0)
    };
    let holds = looked.await;
    connection.close().await?;
    holds
}

/// The files that belong to a database.
const PARTS: [&str; 5] = ["", "-wal", "-journal", "-shm", ".lock"];
/// Those of them that hold data.
const LASTING: [&str; 3] = ["-wal", "-journal", ""];

/// What is there of a database: it, or a log without it, which SQLite would read into another one.
fn occupied(database: &Path) -> Option<PathBuf> {
    LASTING.iter().rev().map(|part| beside(database, part)).find(|part| part.exists())
}

/// The way from an old database to a new one beside it.
#[derive(Debug)]
struct Replacement {
    database: PathBuf,
    /// The new one, whole.
    new: PathBuf,
    /// A copy of the old one that is being made.
    copy: PathBuf,
    /// The name for the old one.
    aside: PathBuf,
    /// That name, once the whole old one has it.
    kept: Option<PathBuf>,
}

/// A step of it. Between any two the database is the old one or the new one.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// The old one is copied as it is.
    Copy,
    /// What is in the old one's log goes into the old one.
    Settle,
    /// The copy gets its name.
    Keep,
    /// What log there is still goes: it would be read into the new one. There is one only where the old one cannot be opened,
    /// and that is of no use without a restore.
    DropLog,
    /// The new one takes the old one's name.
    Place,
}

const STEPS: [Step; 5] = [Step::Copy, Step::Settle, Step::Keep, Step::DropLog, Step::Place];

impl Replacement {
    fn new(database: &Path, suffix: &str) -> Self {
        Self {
            database: database.to_owned(),
            new: beside(database, ".restoring"),
            copy: beside(database, ".keeping"),
            aside: beside(database, suffix),
            kept: None,
        }
    }

    /// Removes what is left of an attempt.
    fn clean(&self) -> Result<(), BackupError> {
        for database in [&self.new, &self.copy] {
            remove_all(database).map_err(failed(database, "removed"))?;
        }
        Ok(())
    }

    async fn take(&mut self, step: Step) -> Result<(), BackupError> {
        let database = &self.database;
        match step {
            Step::Copy => {
                if occupied(database).is_none() {
                    return Ok(());
                }
                if self.aside.exists() {
                    return Err(BackupError::Exists { path: self.aside.clone() });
                }
                for part in LASTING {
                    copy_file(&beside(database, part), &beside(&self.copy, part))?;
                }
                Ok(())
            }
            Step::Settle => match settle(database).await {
                Ok(true) => Ok(()),
                Ok(false) => Err(BackupError::InUse { database: database.clone() }),
                Err(error) if error::is_corrupt(&error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(database = %database.display(), error, "the database that is there is damaged");
                    Ok(())
                }
                Err(error) => Err(unavailable(&database.display().to_string(), error).into()),
            },
            Step::Keep => {
                // The log first: it is nothing without its database.
                for part in LASTING {
                    let (from, to) = (beside(&self.copy, part), beside(&self.aside, part));
                    match fs::rename(&from, &to) {
                        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                        renamed => {
                            renamed.map_err(failed(&to, "written"))?;
                            self.kept = Some(self.aside.clone());
                        }
                    }
                }
                sync_folder(database).map_err(failed(database, "written"))
            }
            Step::DropLog => {
                for part in ["-shm", "-wal", "-journal"] {
                    let log = beside(database, part);
                    removed(&log).map_err(failed(&log, "removed")).map_err(|error| self.but_kept(error))?;
                }
                Ok(())
            }
            Step::Place => fs::rename(&self.new, database)
                .and_then(|()| sync_folder(database))
                .map_err(failed(database, "written"))
                .map_err(|error| self.but_kept(error)),
        }
    }

    fn but_kept(&self, error: BackupError) -> BackupError {
        match &self.kept {
            Some(aside) => BackupError::Kept {
                aside: aside.clone(),
                database: self.database.clone(),
                source: Box::new(error),
            },
            None => error,
        }
    }
}

/// Writes what is in a database's log into the database; false if somebody reads it still.
async fn settle(database: &Path) -> Result<bool, sqlx::Error> {
    if !database.exists() {
        return Ok(true);
    }
    let options = SqliteConnectOptions::new().filename(database).create_if_missing(false);
    let mut connection =
        options.synchronous(SqliteSynchronous::Full).busy_timeout(BUSY_TIMEOUT).connect().await?;
    let busy: Result<i64, _> =
        sqlx::query_scalar("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut connection).await;
    connection.close().await?;
    Ok(busy? == 0)
}

/// Copies a file that is there, for its user alone.
fn copy_file(from: &Path, to: &Path) -> Result<(), BackupError> {
    let mut source = match File::open(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened.map_err(failed(from, "read"))?,
    };
    let mut target = new_file(to).map_err(failed(to, "made"))?;
    io::copy(&mut source, &mut target).and_then(|_| target.sync_all()).map_err(failed(to, "written"))
}

fn remove_all(database: &Path) -> io::Result<()> {
    PARTS.iter().try_for_each(|part| removed(&beside(database, part)))
}

fn removed(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
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

#[cfg(test)]
#[path = "backup_tests.rs"]
mod tests;
