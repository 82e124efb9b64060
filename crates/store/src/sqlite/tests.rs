//! SQLite: the contract, and what a file adds to it – owner, lock, schema, modes, crashes.

use std::fs;
use std::io::BufRead;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use cantle_crypto::KeyPair;
use jiff::Timestamp;
use sqlx::ConnectOptions;

use super::*;
use crate::{
    CryptoProvider, KeyOrigin, KeyStore, KmsMetadata, NewTopologyTransaction, NodeKind, NodeStore,
    SettingsStore, StoredPrivateKey, TimeQuery, TopologyOp, TopologyQuery, TopologyStore, TopologyStoreId,
    contract::{self, signing_pair as pair},
};

fn node(name: &str) -> NodeIdentity {
    NodeIdentity { kind: NodeKind::Participant, name: name.parse().unwrap() }
}

fn options(path: &Path) -> SqliteOptions {
    SqliteOptions {
        location: SqliteLocation::File(path.to_owned()),
        node: node("participant1"),
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

async fn insert_private(store: &SqliteStore, pair: &KeyPair) {
    store.private_key_insert(&pair.public(), None, &contract::private(pair)).await.unwrap();
}

/// Runs SQL behind the store's back.
async fn raw(path: &Path, sql: &'static str) {
    let mut connection = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    sqlx::Connection::close(connection).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_holds_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let number = std::sync::atomic::AtomicUsize::new(0);
    contract::run(|| {
        let number = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = folder.path().join(format!("{number}.db"));
        async move { Arc::new(open(&path).await) as Arc<dyn NodeStore> }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_holds_in_memory() {
    contract::run(|| async {
        let memory = SqliteOptions { location: SqliteLocation::Memory, ..options(Path::new("")) };
        Arc::new(SqliteStore::open(memory).await.unwrap()) as Arc<dyn NodeStore>
    })
    .await;
}

#[tokio::test]
async fn new_database_and_its_companions_are_private_and_durable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/folder/node.db");
    let store = open(&path).await;
    store.provider_claim(CryptoProvider::Jce).await.unwrap();
    for name in ["node.db", "node.db-wal", "node.db-shm", "node.db.lock"] {
        let mode = fs::metadata(path.with_file_name(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    let pragma = |sql| {
        let pool = store.inner.writer.clone();
        async move { sqlx::query_scalar::<_, String>(sql).fetch_one(&pool).await.unwrap() }
    };
    assert_eq!(pragma("SELECT journal_mode FROM pragma_journal_mode").await, "wal");
    assert_eq!(pragma("SELECT CAST(synchronous AS TEXT) FROM pragma_synchronous").await, "2");
    assert_eq!(pragma("SELECT CAST(foreign_keys AS TEXT) FROM pragma_foreign_keys").await, "1");
    assert_eq!(pragma("SELECT CAST(secure_delete AS TEXT) FROM pragma_secure_delete").await, "1");
}

#[tokio::test]
async fn everything_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.db");
    let pair = pair();
    let store = open(&path).await;
    insert_private(&store, &pair).await;
    store.uid_insert(&"participant1::abc".parse().unwrap()).await.unwrap();
    store.close().await;
    let store = open(&path).await;
    let found = store.private_key_find(pair.fingerprint()).await.unwrap().unwrap();
    assert_eq!(found.key, pair.to_versioned_bytes());
    assert_eq!(store.uid_find().await.unwrap().unwrap().as_str(), "participant1::abc");
    assert_eq!(store.provider_find().await.unwrap(), Some(CryptoProvider::Jce));
}

#[tokio::test]
async fn second_opener_is_refused_and_told_who_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.db");
    let link = folder.path().join("link.db");
    let store = open(&path).await;
    std::os::unix::fs::symlink(&path, &link).unwrap();
    for path in [&path, &link] {
        let error = SqliteStore::open(options(path)).await.unwrap_err();
        assert!(matches!(&error, OpenError::Locked { .. }), "{error:?}");
        let process = format!("participant participant1, process {}", std::process::id());
        assert!(error.to_string().contains(&process), "{error}");
    }
    store.close().await;
    open(&path).await;
}

#[tokio::test]
async fn lock_is_gone_when_its_holder_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.db");
    open(&path).await.close().await;
    let lock = lock::lock_path(&path.canonicalize().unwrap());
    let mut holder = Command::new("flock")
        .args(["--no-fork", "--exclusive"])
        .arg(&lock)
        .args(["sh", "-c", "echo locked; exec sleep 60"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "locked\n");
    assert!(matches!(SqliteStore::open(options(&path)).await, Err(OpenError::Locked { .. })));
    holder.kill().unwrap();
    holder.wait().unwrap();
    open(&path).await;
}

#[tokio::test]
async fn inspection_reads_while_the_node_writes_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.db");
    let error = SqliteStore::open(read_only(&path)).await.unwrap_err();
    assert!(matches!(error, OpenError::Missing { .. }), "{error:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    let store = open(&path).await;
    let inspection = SqliteStore::open(read_only(&path)).await.unwrap();
    let pair = pair();
    insert_private(&store, &pair).await;
    assert_eq!(inspection.private_key_list().await.unwrap().len(), 1);
    let error = inspection.key_delete(pair.fingerprint()).await.unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { operation: "key_delete" }), "{error:?}");
    inspection.close().await;
    store.close().await;
    let inspection = SqliteStore::open(read_only(&path)).await.unwrap();
    assert_eq!(inspection.private_key_list().await.unwrap().len(), 1, "also when no node runs");
}

#[tokio::test]
async fn database_of_another_node_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.db");
    open(&path).await.close().await;
    let others = [
        node("participant2"),
        NodeIdentity { kind: NodeKind::Sequencer, name: "participant1".parse().unwrap() },
    ];
    for other in others {
        let error = SqliteStore::open(SqliteOptions { node: other, ..options(&path) }).await.unwrap_err();
        let OpenError::OtherNode { recorded, .. } = &error else { panic!("{error:?}") };
        assert_eq!(recorded, &node("participant1"));
    }
    open(&path).await;
}

/// Back to the schema before the third migration, which the tables of topology are kept from.
const UNDO_DOMAIN: &str = "DROP TABLE sequencer_events; DROP TABLE sequencer_members; DROP TABLE sequencer_head; \
    DROP TABLE client_cursors; DROP TABLE domain_connections; DROP TABLE role_settings; \
    DROP INDEX topology_times; DROP INDEX topology_one_time; \
    DROP TABLE kms_key_deletions; ALTER TABLE kms_key_creations DROP COLUMN lost_at; \
    DELETE FROM _sqlx_migrations WHERE version >= 3";

#[tokio::test]
async fn old_schema_is_migrated_only_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.db");
    open(&path).await.close().await;
    append_topology(&open(&path).await, "a", TopologyOp::Add).await;
    raw(&path, UNDO_DOMAIN).await;
    let before = fs::read(&path).unwrap();
    let error = SqliteStore::open(options(&path)).await.unwrap_err();
    assert!(matches!(error, OpenError::MigrationNeeded { found: 2, known: 4, .. }), "{error:?}");
    assert!(error.to_string().contains("storage.parameters.migrate-and-start = yes"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before, "nothing is changed");
    let migrated = SqliteOptions { migrate: MigrateOnStart::Yes, ..options(&path) };
    let store = SqliteStore::open(migrated).await.unwrap();
    let authorized = TopologyStoreId::Authorized;
    assert_eq!(store.topology_latest(&authorized).await.unwrap(), Some(Timestamp::UNIX_EPOCH));
    append_topology(&store, "a", TopologyOp::Remove).await;
    assert!(store.topology_list(&authorized, &TopologyQuery::default()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_first_start_that_was_cut_short_is_taken_up_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.db");
    open(&path).await.close().await;
    raw(&path, UNDO_DOMAIN).await;
    raw(&path, "DELETE FROM node").await;
    append_topology(&open(&path).await, "a", TopologyOp::Add).await;
}

#[tokio::test]
async fn newer_or_changed_schema_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.db");
    open(&path).await.close().await;
    raw(&path, "UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 1").await;
    let error = SqliteStore::open(options(&path)).await.unwrap_err();
    assert!(matches!(error, OpenError::SchemaChanged { version: 1, .. }), "{error:?}");
    raw(
        &path,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (99, 'future', TRUE, x'00', 0)",
    )
    .await;
    let migrate = SqliteOptions { migrate: MigrateOnStart::Yes, ..options(&path) };
    let error = SqliteStore::open(migrate).await.unwrap_err();
    assert!(matches!(error, OpenError::SchemaTooNew { found: 99, known: 4, .. }), "{error:?}");
}

#[tokio::test]
async fn other_files_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.db");
    fs::write(&text, "this is not a database, but long enough to be looked at as one".repeat(20)).unwrap();
    let before = fs::read(&text).unwrap();
    let error = SqliteStore::open(options(&text)).await.unwrap_err();
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error:?}");
    assert_eq!(fs::read(&text).unwrap(), before);

    let foreign = folder.path().join("foreign.db");
    fs::write(&foreign, "").unwrap();
    raw(&foreign, "CREATE TABLE somebody_elses (a)").await;
    let error = SqliteStore::open(options(&foreign)).await.unwrap_err();
    assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");

    let unwritable = Path::new("/proc/no-such-folder/node.db");
    let error = SqliteStore::open(options(unwritable)).await.unwrap_err();
    assert!(matches!(error, OpenError::File { .. }), "{error:?}");
}

#[tokio::test]
async fn damaged_rows_are_reported_not_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.db");
    let store = open(&path).await;
    let pair = pair();
    insert_private(&store, &pair).await;
    raw(&path, "UPDATE public_keys SET key = x'0a02ffff'").await;
    let error = store.public_key_find(pair.fingerprint()).await.unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt { table: "public_keys", .. }), "{error:?}");
    assert!(error.to_string().contains(pair.fingerprint().as_str()), "{error}");
    assert!(!error.retryable());
    raw(&path, "UPDATE node SET uid = 'no separator'").await;
    assert!(matches!(store.uid_find().await, Err(StoreError::Corrupt { table: "node", .. })));
}

#[tokio::test]
async fn topology_rows_cannot_be_rewritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.db");
    let store = open(&path).await;
    append_topology(&store, "a", TopologyOp::Add).await;
    append_topology(&store, "a", TopologyOp::Remove).await;
    for sql in [
        "DELETE FROM topology_transactions",
        "UPDATE topology_transactions SET serialized = x'00'",
        "UPDATE topology_transactions SET valid_until = NULL",
    ] {
        let error = sqlx::query(sql).execute(&store.inner.writer).await.unwrap_err();
        assert!(error.to_string().contains("append-only"), "{sql}: {error}");
    }
    let query = TopologyQuery { time: TimeQuery::HISTORY, ..TopologyQuery::default() };
    assert_eq!(store.topology_list(&TopologyStoreId::Authorized, &query).await.unwrap().len(), 2);
}

#[tokio::test]
async fn calls_after_closing_fail_and_do_not_hang() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("node.db")).await;
    store.close().await;
    let error = store.public_key_list().await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { operation: "public_key_list", .. }), "{error:?}");
    assert!(error.retryable());
}

#[tokio::test]
async fn deleted_private_key_is_gone_from_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.db");
    let store = open(&path).await;
    let pair = pair();
    let KeyPair::Signing(private) = &pair else { panic!("the sample signs") };
    insert_private(&store, &pair).await;
    let holds = |path: &Path| {
        let secret = private.secret_bytes();
        fs::read(path).unwrap_or_default().windows(secret.len()).any(|window| window == secret)
    };
    let wal = path.with_file_name("node.db-wal");
    assert!(holds(&path) || holds(&wal), "the key is stored");
    store.key_delete(pair.fingerprint()).await.unwrap();
    assert!(!holds(&path) && !holds(&wal));
}

#[tokio::test]
async fn replaced_private_keys_are_gone_from_the_files_after_erasing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.db");
    let store = open(&path).await;
    let pairs: Vec<KeyPair> = (0..60).map(|_| pair()).collect();
    for pair in &pairs {
        insert_private(&store, pair).await;
    }
    let found = |pair: &KeyPair| {
        let KeyPair::Signing(private) = pair else { panic!("the sample signs") };
        let secret = private.secret_bytes();
        let files =
            fs::read_dir(folder.path()).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
        files.filter(|bytes| bytes.windows(secret.len()).any(|window| window == secret)).count()
    };
    assert!(pairs.iter().all(|pair| found(pair) > 0), "the keys are stored");
    let sealed: Vec<_> = pairs
        .iter()
        .map(|pair| StoredPrivateKey {
            fingerprint: pair.fingerprint().clone(),
            purpose: pair.purpose(),
            key: vec![7; 400].into(),
            wrapper_key_id: Some("wrapper".to_owned()),
        })
        .collect();
    store.private_keys_replace(&sealed).await.unwrap();
    assert_eq!(store.remains_erase().await.unwrap(), crate::Erasure::Complete);
    assert_eq!(pairs.iter().map(found).sum::<usize>(), 0);
    assert_eq!(store.private_key_list().await.unwrap().len(), 60);
}

async fn append_topology(store: &SqliteStore, element: &str, op: TopologyOp) {
    let transaction = NewTopologyTransaction {
        op,
        code: "okm".to_owned(),
        namespace: "ns".parse().unwrap(),
        identifier: "id".to_owned(),
        element_id: element.to_owned(),
        mapping_hash: vec![1],
        signed_by: "key".parse().unwrap(),
        serialized: vec![2; 100],
    };
    let now = Timestamp::UNIX_EPOCH;
    store.topology_append(&TopologyStoreId::Authorized, vec![transaction], now).await.unwrap();
}

/// What a database holds: keys, metadata, journal, topology, valid topology.
async fn state(path: &Path) -> [usize; 5] {
    let store = open(path).await;
    let keys = store.public_key_list().await.unwrap();
    let metadata = store.kms_metadata_list().await.unwrap();
    let query = |time| TopologyQuery { time, ..TopologyQuery::default() };
    let authorized = TopologyStoreId::Authorized;
    let history = store.topology_list(&authorized, &query(TimeQuery::HISTORY)).await.unwrap();
    let valid = store.topology_list(&authorized, &query(TimeQuery::Head)).await.unwrap();
    let journal = crate::CreationJournal::creation_list(&store).await.unwrap();
    store.close().await;
    [keys.len(), metadata.len(), journal.len(), history.len(), valid.len()]
}

fn copy(from: &Path, to: &Path, wal_bytes: usize) {
    fs::copy(from, to).unwrap();
    let wal = |path: &Path| PathBuf::from(format!("{}-wal", path.display()));
    let log = fs::read(wal(from)).unwrap();
    fs::write(wal(to), &log[..wal_bytes.min(log.len())]).unwrap();
    for rest in ["-shm", ".lock"] {
        let _ = fs::remove_file(format!("{}{rest}", to.display()));
    }
}

/// A power cut leaves the database file and any beginning of the log: each one opens, and holds each write whole or not
/// at all.
#[tokio::test]
async fn a_log_cut_anywhere_leaves_each_write_whole_or_absent() {
    let folder = tempfile::tempdir().unwrap();
    let (path, cut) = (folder.path().join("node.db"), folder.path().join("cut.db"));
    let wal = folder.path().join("node.db-wal");
    let store = open(&path).await;
    let length = || usize::try_from(fs::metadata(&wal).unwrap().len()).unwrap();
    let key = pair().public();
    let metadata = KmsMetadata {
        fingerprint: key.fingerprint().clone(),
        kms_key_id: "key-1".to_owned(),
        kms_key_arn: None,
        purpose: key.purpose(),
        key_spec: "ECC_NIST_P256".to_owned(),
        origin: KeyOrigin::Generated,
        created_at: Timestamp::UNIX_EPOCH,
    };
    let creation = crate::KeyCreation {
        id: "a".to_owned(),
        purpose: key.purpose(),
        key_spec: "ECC_NIST_P256".to_owned(),
        name: None,
        kms_key_id: Some("key-1".to_owned()),
        started_at: Timestamp::UNIX_EPOCH,
        lost_at: None,
    };
    crate::CreationJournal::creation_begin(&store, &creation).await.unwrap();
    append_topology(&store, "a", TopologyOp::Add).await;

    for write in 0..2 {
        let start = length();
        let (before, after) = match write {
            0 => {
                store.kms_key_insert(&key, None, &metadata).await.unwrap();
                ([0, 0, 1, 1, 1], [1, 1, 0, 1, 1])
            }
            _ => {
                append_topology(&store, "a", TopologyOp::Remove).await;
                ([1, 1, 0, 1, 1], [1, 1, 0, 2, 0])
            }
        };
        let end = length();
        assert!(end > start, "the write is in the log");
        let step = ((end - start) / 24).max(1);
        let mut seen = (false, false);
        for bytes in (start..end).step_by(step).chain([end - 1, end]) {
            copy(&path, &cut, bytes);
            let found = state(&cut).await;
            assert!(found == before || found == after, "{bytes} bytes of the log: {found:?}");
            seen = (seen.0 || found == before, seen.1 || found == after);
        }
        assert_eq!(seen, (true, true));
    }
}
