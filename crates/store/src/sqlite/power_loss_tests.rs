//! What is left when the power goes at any write, and what happens on a full or read-only disk.
//!
//! A power cut keeps what was synced and any part of what was written after it. SQLite syncs its log before a write is
//! acknowledged, and the database before the log is used anew; so what a cut can leave is made here by hand: the log cut at
//! any byte or with damage behind any byte, and during a checkpoint any mixture of old and new pages beside the whole log.

use std::fs;
use std::path::Path;

use cantle_crypto::KeyPair;
use sqlx::ConnectOptions;

use super::*;
use crate::{KeyStore, NodeKind, contract};

const WRITES: usize = 12;
/// Cuts between two acknowledged writes, besides those at their edges.
const CUTS: usize = 7;
const PAGE: usize = 4096;

fn options(path: &Path) -> SqliteOptions {
    SqliteOptions {
        location: SqliteLocation::File(path.to_owned()),
        node: NodeIdentity { kind: NodeKind::Participant, name: "participant1".parse().unwrap() },
        migrate: MigrateOnStart::No,
        access: Access::ReadWrite,
    }
}

fn read_only(path: &Path) -> SqliteOptions {
    SqliteOptions { access: Access::ReadOnly, ..options(path) }
}

async fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(options(path)).await.unwrap()
}

async fn insert(store: &SqliteStore, pair: &KeyPair) -> Result<(), StoreError> {
    store.private_key_insert(&pair.public(), None, &contract::private(pair)).await.map(drop)
}

fn pairs(count: usize) -> Vec<KeyPair> {
    (0..count).map(|_| contract::signing_pair()).collect()
}

/// How many of the keys, in their order, are in a store made of these files; it must be the first of them.
async fn surviving(database: &[u8], log: &[u8], pairs: &[KeyPair], what: &str) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.db");
    fs::write(&path, database).unwrap();
    fs::write(folder.path().join("node.db-wal"), log).unwrap();
    let store = SqliteStore::open(options(&path)).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
    let mut found = 0;
    for pair in pairs {
        let stored = store.private_key_find(pair.fingerprint()).await.unwrap();
        let public = store.public_key_find(pair.fingerprint()).await.unwrap();
        assert_eq!(stored.is_some(), public.is_some(), "{what}: both halves of a key or none");
        match stored {
            Some(stored) => {
                assert_eq!(stored.key, pair.to_versioned_bytes(), "{what}");
                found += 1;
            }
            None => break,
        }
    }
    assert_eq!(
        store.private_key_list().await.unwrap().len(),
        found,
        "{what}: a later write without an earlier one"
    );
    // It goes on from there.
    insert(&store, &pairs[pairs.len() - 1]).await.ok();
    store.close().await;
    found
}

/// A database with acknowledged writes: its file, its log, and how long the log was after each.
struct Written {
    pairs: Vec<KeyPair>,
    database: Vec<u8>,
    log: Vec<u8>,
    acknowledged: Vec<usize>,
    _folder: tempfile::TempDir,
    store: SqliteStore,
    path: PathBuf,
}

async fn written() -> Written {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.db");
    open(&path).await.close().await;
    let store = open(&path).await;
    let log = folder.path().join("node.db-wal");
    let pairs = pairs(WRITES);
    let mut acknowledged = Vec::new();
    for pair in &pairs {
        insert(&store, pair).await.unwrap();
        acknowledged.push(usize::try_from(fs::metadata(&log).unwrap().len()).unwrap());
    }
    let (database, log) = (fs::read(&path).unwrap(), fs::read(&log).unwrap());
    Written { pairs, database, log, acknowledged, _folder: folder, store, path }
}

impl Written {
    /// How many writes were acknowledged when the log was so long.
    fn by(&self, length: usize) -> usize {
        self.acknowledged.iter().filter(|end| **end <= length).count()
    }

    /// Places in the log: the edges of writes and some between.
    fn places(&self) -> Vec<usize> {
        let mut places = vec![0, 1, 31, 32];
        let mut from = 32;
        for &end in &self.acknowledged {
            places.extend((1..CUTS).map(|part| from + (end - from) * part / CUTS));
            places.extend([end - 1, end, end + 1]);
            from = end;
        }
        places.retain(|place| *place <= self.log.len());
        places
    }
}

#[tokio::test]
async fn a_log_cut_at_any_byte_leaves_the_writes_that_were_acknowledged_by_then() {
    let written = written().await;
    assert!(written.acknowledged.is_sorted(), "no checkpoint came between: {:?}", written.acknowledged);
    for place in written.places() {
        let what = format!("cut at {place} of {}", written.log.len());
        let found = surviving(&written.database, &written.log[..place], &written.pairs, &what).await;
        assert_eq!(found, written.by(place), "{what}");
    }
    written.store.close().await;
}

#[tokio::test]
async fn damage_behind_what_was_acknowledged_costs_nothing() {
    let written = written().await;
    for place in written.places().into_iter().filter(|place| (32..written.log.len()).contains(place)) {
        let mut log = written.log.clone();
        // What a disk did not get to write: a sector of zeros, or of something else.
        let end = log.len().min(place + 512);
        log[place..end].fill(if place % 2 == 0 { 0 } else { 0xa5 });
        let what = format!("a torn sector at {place}");
        let found = surviving(&written.database, &log, &written.pairs, &what).await;
        assert!(found >= written.by(place), "{what}: {found}");
    }
    written.store.close().await;
}

#[tokio::test]
async fn a_checkpoint_cut_anywhere_loses_nothing() {
    let written = written().await;
    written.store.close().await;
    let after = fs::read(&written.path).unwrap();
    assert_ne!(after, written.database, "the log was copied into the database");
    assert!(after.len() >= written.database.len());
    let pages = after.len() / PAGE;
    let page =
        |bytes: &[u8], number: usize| bytes.get(number * PAGE..(number + 1) * PAGE).map(<[u8]>::to_vec);
    for mixture in 0..24_usize {
        // Pages up to one, every second, every third, …; and one of them torn.
        let is_new = |number: usize| match mixture {
            0..12 => number <= pages * mixture / 12,
            _ => number.is_multiple_of(mixture - 10),
        };
        let mut database = Vec::new();
        for number in 0..pages {
            let (old, new) = (page(&written.database, number), page(&after, number).unwrap());
            match old {
                None if is_new(number) => database.extend(new),
                // The file has not grown so far.
                None => break,
                Some(old) if number == mixture % pages => {
                    database.extend(&new[..512 * (mixture % 8)]);
                    database.extend(&old[512 * (mixture % 8)..]);
                }
                Some(old) => database.extend(if is_new(number) { new } else { old }),
            }
        }
        let what = format!("mixture {mixture} of {pages} pages");
        let found = surviving(&database, &written.log, &written.pairs, &what).await;
        assert_eq!(found, WRITES, "{what}");
    }
}

#[tokio::test]
async fn a_full_disk_refuses_the_write_and_keeps_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.db");
    let store = open(&path).await;
    let bound = |pages: u32| {
        let sql = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
        let writer = store.inner.writer.clone();
        async move { sqlx::query(sql).execute(&writer).await.unwrap() }
    };
    bound(1).await;
    let pairs = pairs(200);
    let mut stored = 0;
    let error = loop {
        match insert(&store, &pairs[stored]).await {
            Ok(()) => stored += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(&error, StoreError::Unavailable { operation: "private_key_insert", .. }), "{error:?}");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("full"), "{cause}");
    assert_eq!(store.private_key_list().await.unwrap().len(), stored, "nothing of the failed write");
    assert!(store.public_key_find(pairs[stored].fingerprint()).await.unwrap().is_none());
    // There is room again, which the bound of another connection stands for.
    insert(&store, &pairs[stored]).await.unwrap();
    store.close().await;
    let again = open(&path).await;
    assert_eq!(again.private_key_list().await.unwrap().len(), stored + 1);
}

#[tokio::test]
async fn a_disk_that_becomes_read_only_refuses_writes_until_it_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("node.db")).await;
    let pairs = pairs(2);
    insert(&store, &pairs[0]).await.unwrap();
    store.set_query_only(true).await;
    let error = insert(&store, &pairs[1]).await.unwrap_err();
    assert!(error.retryable(), "{error:?}");
    assert_eq!(store.private_key_list().await.unwrap().len(), 1);
    store.set_query_only(false).await;
    insert(&store, &pairs[1]).await.unwrap();
}

/// A database as a crash leaves it that came before the log was chosen: in the midst of a write, its journal beside it.
async fn crashed_early(folder: &Path) -> PathBuf {
    let (source, path) = (folder.join("source.db"), folder.join("node.db"));
    let connect = SqliteConnectOptions::new().filename(&source).create_if_missing(true);
    let mut connection = connect.journal_mode(SqliteJournalMode::Delete).connect().await.unwrap();
    // A small cache: the pages go to the file before the end.
    let begin = "PRAGMA cache_size = 2; CREATE TABLE t (x); INSERT INTO t VALUES (1); BEGIN; \
                 WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400) \
                 INSERT INTO t SELECT randomblob(500) FROM n; UPDATE t SET x = 2;";
    sqlx::raw_sql(begin).execute(&mut connection).await.unwrap();
    fs::copy(&source, &path).unwrap();
    fs::copy(folder.join("source.db-journal"), folder.join("node.db-journal")).unwrap();
    path
}

#[tokio::test]
async fn a_look_at_what_an_early_crash_left_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = crashed_early(folder.path()).await;
    let error = SqliteStore::open(read_only(&path)).await.unwrap_err();
    assert!(matches!(&error, OpenError::NeedsRecovery { .. }), "{error:?}");
    assert!(error.to_string().contains("start the node once"), "{error}");
    // Whoever may write undoes it; what is there then is no database of ours, and is left alone.
    let error = SqliteStore::open(options(&path)).await.unwrap_err();
    assert!(matches!(&error, OpenError::Foreign { .. }), "{error:?}");
    assert!(
        !folder.path().join("node.db-journal").exists()
            || fs::metadata(folder.path().join("node.db-journal")).unwrap().len() == 0
    );
}
