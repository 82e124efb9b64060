//! Restores that are ended after any step, and old databases in any state.

use std::fs;
use std::path::Path;

use super::*;
use crate::{KeyStore, NodeKind, contract};

const OLD: usize = 3;
const NEW: usize = 1;

fn node() -> NodeIdentity {
    NodeIdentity { kind: NodeKind::Participant, name: "participant1".parse().unwrap() }
}

async fn open(path: &Path) -> SqliteStore {
    let options = SqliteOptions {
        location: SqliteLocation::File(path.to_owned()),
        node: node(),
        migrate: MigrateOnStart::Yes,
        access: Access::ReadWrite,
    };
    SqliteStore::open(options).await.unwrap()
}

async fn insert_key(store: &SqliteStore) {
    let pair = contract::signing_pair();
    store.private_key_insert(&pair.public(), None, &contract::private(&pair)).await.unwrap();
}

/// How many keys are in a database.
async fn keys(path: &Path) -> usize {
    let store = open(path).await;
    let keys = store.private_key_list().await.unwrap().len();
    store.close().await;
    keys
}

/// A backup with [`NEW`] keys.
async fn backup(folder: &Path) -> PathBuf {
    let (path, to) = (folder.join("other.db"), folder.join("backup"));
    let store = open(&path).await;
    for _ in 0..NEW {
        insert_key(&store).await;
    }
    store.back_up(&to).await.unwrap();
    store.close().await;
    to
}

/// A database with [`OLD`] keys as a process leaves it that is killed: most of it is in the log.
async fn killed(folder: &Path) -> PathBuf {
    let (path, left) = (folder.join("killed.db"), folder.join("node.db"));
    let store = open(&path).await;
    for _ in 0..OLD {
        insert_key(&store).await;
    }
    for part in ["", "-wal"] {
        fs::copy(beside(&path, part), beside(&left, part)).unwrap();
    }
    store.close().await;
    assert!(fs::metadata(beside(&left, "-wal")).unwrap().len() > 0);
    left
}

#[tokio::test]
async fn whenever_a_restore_is_ended_the_database_is_the_old_or_the_new_one() {
    for steps in 0..=STEPS.len() {
        let folder = tempfile::tempdir().unwrap();
        let (backup, database) = (backup(folder.path()).await, killed(folder.path()).await);
        let mut replacement = Replacement::new(&database, ".first");
        prepare(&backup, &replacement.new, &node()).await.unwrap();
        for step in &STEPS[..steps] {
            replacement.take(*step).await.unwrap();
        }
        // It is killed here, and the node is started.
        let expected = if steps == STEPS.len() { NEW } else { OLD };
        assert_eq!(keys(&database).await, expected, "after {steps} steps");
        if let Some(kept) = &replacement.kept {
            assert_eq!(keys(kept).await, OLD, "after {steps} steps");
        }
        let kept = SqliteStore::restore(&backup, &node(), &database, Some(".second")).await.unwrap().unwrap();
        assert_eq!((keys(&database).await, keys(&kept).await), (NEW, expected), "after {steps} steps");
        for left in [&replacement.new, &replacement.copy] {
            assert!(!left.exists(), "{} is left after {steps} steps", left.display());
        }
    }
}

#[tokio::test]
async fn a_database_that_cannot_be_opened_is_kept_as_it_is_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let (backup, database) = (backup(folder.path()).await, killed(folder.path()).await);
    let log = [0xa5; 5000];
    fs::write(&database, [0x5a; 8192]).unwrap();
    fs::write(beside(&database, "-wal"), log).unwrap();
    let kept = SqliteStore::restore(&backup, &node(), &database, Some(".before")).await.unwrap().unwrap();
    assert_eq!(keys(&database).await, NEW);
    assert!(fs::read(&kept).unwrap() == [0x5a; 8192]);
    assert!(fs::read(beside(&kept, "-wal")).unwrap() == log);
}

#[tokio::test]
async fn a_log_without_a_database_is_not_read_into_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let (backup, database) = (backup(folder.path()).await, killed(folder.path()).await);
    fs::remove_file(&database).unwrap();
    let error = SqliteStore::restore(&backup, &node(), &database, None).await.unwrap_err();
    assert!(error.to_string().contains("node.db-wal"), "{error}");
    let kept = SqliteStore::restore(&backup, &node(), &database, Some(".before")).await.unwrap().unwrap();
    assert_eq!(keys(&database).await, NEW);
    assert!(beside(&kept, "-wal").exists());
}

#[cfg(unix)]
#[tokio::test]
async fn a_database_behind_a_link_is_replaced_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (backup, database) = (backup(folder.path()).await, killed(folder.path()).await);
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(&database, &link).unwrap();
    let running = open(&database).await;
    let error = SqliteStore::restore(&backup, &node(), &link, Some(".before")).await.unwrap_err();
    assert!(error.to_string().starts_with("BACKUP_DATABASE"), "{error}");
    running.close().await;
    SqliteStore::restore(&backup, &node(), &link, Some(".before")).await.unwrap();
    assert!(link.is_symlink());
    assert_eq!((keys(&link).await, keys(&database).await), (NEW, NEW));
}

#[tokio::test]
async fn a_failed_restore_changes_nothing_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (backup, database) = (backup(folder.path()).await, killed(folder.path()).await);
    let names = || {
        let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name != "node.db.lock").collect::<std::collections::BTreeSet<_>>()
    };
    let before = names();
    let cut = folder.path().join("cut");
    fs::write(&cut, &fs::read(&backup).unwrap()[..5000]).unwrap();
    let error = SqliteStore::restore(&cut, &node(), &database, Some(".before")).await.unwrap_err();
    assert!(error.to_string().starts_with("BACKUP_DAMAGED"), "{error}");
    fs::remove_file(&cut).unwrap();
    assert_eq!(names(), before);
    // The name to keep it under is taken.
    fs::write(beside(&database, ".before"), "something").unwrap();
    let error = SqliteStore::restore(&backup, &node(), &database, Some(".before")).await.unwrap_err();
    assert!(error.to_string().starts_with("BACKUP_EXISTS"), "{error}");
    assert_eq!(keys(&database).await, OLD);
}

#[tokio::test]
async fn what_is_no_nodes_or_a_later_versions_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("node.db");
    let empty = folder.path().join("empty");
    let change = |path: PathBuf, sql: &'static str| async move {
        let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
        let mut connection = options.connect().await.unwrap();
        sqlx::query(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    };
    change(empty.clone(), "PRAGMA user_version = 1").await;
    let later = backup(folder.path()).await;
    let sql = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
               VALUES (9999, 'of tomorrow', 1, x'00', 0)";
    change(later.clone(), sql).await;
    for (backup, code, text) in
        [(&empty, "BACKUP_DAMAGED", "no node's"), (&later, "BACKUP_DATABASE", "newer than this program's")]
    {
        let error = SqliteStore::restore(backup, &node(), &database, None).await.unwrap_err();
        let said = error.to_string();
        assert!(said.starts_with(code) && said.contains(text), "{said}");
        assert!(said.contains(backup.to_str().unwrap()), "{said}");
        assert!(!database.exists());
    }
}
