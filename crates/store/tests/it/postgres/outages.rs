//! The lock, and what becomes of it and of writes when connections, processes and servers go away.

use std::io::BufRead;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cantle_store::{KeyStore, OpenError, PostgresOptions, PostgresSsl, PostgresStore, SslMode, StoreError};

use super::proxy::Proxy;
use super::{database, insert_private, open, options, pair};
use cantle_testkit::{POSTGRES_USER as USER, PostgresCluster as Cluster};

const PATIENCE: Duration = Duration::from_secs(30);
/// Port and database that a process of its own is to hold.
const HOLD: &str = "CANTLE_TEST_HOLD";
/// The number of the lock of the schema `public`.
const LOCK: &str =
    "(1131312236::bigint << 32) | (SELECT oid::bigint FROM pg_namespace WHERE nspname = 'public')";

/// Calls until the store answers.
async fn until_it_answers(store: &PostgresStore) {
    let start = Instant::now();
    while let Err(error) = store.public_key_list().await {
        assert!(error.retryable() && start.elapsed() < PATIENCE, "{error:?}");
    }
}

/// Ends the connections of a user to a database.
async fn cut_off(cluster: &Cluster, database: &str, user: &str) {
    let mut admin = cluster.admin("postgres").await;
    sqlx::query(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = $1 AND usename = $2",
    )
    .bind(database)
    .bind(user)
    .execute(&mut admin)
    .await
    .unwrap();
}

async fn holders(cluster: &Cluster, database: &str) -> i64 {
    sqlx::query_scalar(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = 1131312236 \
         AND database = (SELECT oid FROM pg_database WHERE datname = $1)",
    )
    .bind(database)
    .fetch_one(&mut cluster.admin("postgres").await)
    .await
    .unwrap()
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn second_opener_is_refused_and_told_who_has_it() {
    let (cluster, options) = database("second").await;
    let store = open(&options).await;
    let error = PostgresStore::open(options.clone()).await.unwrap_err();
    assert!(matches!(&error, OpenError::Locked { .. }), "{error:?}");
    let process = format!("participant participant1, process {}", std::process::id());
    assert!(error.to_string().contains(&process), "{error}");
    cluster.run("second", &format!("CREATE SCHEMA other AUTHORIZATION {USER}")).await;
    let beside = open(&PostgresOptions { schema: Some("other".to_owned()), ..options.clone() }).await;
    assert_eq!(holders(&cluster, "second").await, 2, "another schema is another node's");
    beside.close().await;
    store.close().await;
    assert_eq!(holders(&cluster, "second").await, 0);
    open(&options).await.close().await;
}

/// As a process of its own, holds a database until it is killed.
#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn an_open_store_holds_one_lock() {
    if let Ok(place) = std::env::var(HOLD) {
        let (port, name) = place.split_once(' ').unwrap();
        let _store = open(&options(port.parse().unwrap(), name)).await;
        let written = std::io::Write::write_all(&mut std::io::stderr(), b"holding\n");
        assert!(written.is_ok());
        std::future::pending::<()>().await;
    }
    let (cluster, options) = database("held").await;
    let store = open(&options).await;
    assert_eq!(holders(&cluster, "held").await, 1);
    store.close().await;
    assert_eq!(holders(&cluster, "held").await, 0);
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn lock_is_gone_when_its_holder_is_killed() {
    let (cluster, options) = database("killed").await;
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["postgres::outages::an_open_store_holds_one_lock", "--exact", "--ignored", "--nocapture"])
        .env(HOLD, format!("{} killed", cluster.port))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = std::io::BufReader::new(holder.stderr.take().unwrap());
    assert!(output.lines().map_while(Result::ok).any(|line| line == "holding"));
    let error = PostgresStore::open(options.clone()).await.unwrap_err();
    let process = format!("participant participant1, process {}", holder.id());
    assert!(matches!(&error, OpenError::Locked { .. }), "{error:?}");
    assert!(error.to_string().contains(&process), "{error}");
    holder.kill().unwrap();
    holder.wait().unwrap();
    open(&options).await.close().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_server_may_be_stopped_and_started_under_an_open_store() {
    let cluster = Cluster::start(|_| Vec::new(), None);
    cluster.create_database("canton").await;
    let options = options(cluster.port, "canton");
    let store = open(&options).await;
    let (before, after) = (pair(), pair());
    insert_private(&store, &before).await;
    cluster.stop();
    let error = store.public_key_insert(&after.public(), None).await.unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable { operation: "public_key_insert", .. }), "{error:?}");
    assert!(error.retryable());
    let error = store.public_key_list().await.unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable { operation: "public_key_list", .. }), "{error:?}");
    cluster.restart();
    until_it_answers(&store).await;
    insert_private(&store, &after).await;
    assert_eq!(store.private_key_list().await.unwrap().len(), 2);
    let error = PostgresStore::open(options).await.unwrap_err();
    assert!(matches!(&error, OpenError::Locked { .. }), "it has its lock again: {error:?}");
    store.close().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_cut_connection_is_made_again_with_the_lock() {
    let (cluster, options) = database("again").await;
    let store = open(&options).await;
    for _ in 0..3 {
        insert_private(&store, &pair()).await;
        store.public_key_list().await.unwrap();
        cut_off(&cluster, "again", USER).await;
    }
    insert_private(&store, &pair()).await;
    assert_eq!(store.private_key_list().await.unwrap().len(), 4);
    assert_eq!(holders(&cluster, "again").await, 1);
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn an_idle_store_takes_its_lock_again_by_itself() {
    let (cluster, options) = database("idle").await;
    let _store = open(&options).await;
    cut_off(&cluster, "idle", USER).await;
    let start = Instant::now();
    while holders(&cluster, "idle").await != 1 {
        assert!(start.elapsed() < PATIENCE);
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_store_that_lost_its_lock_to_another_never_writes_again() {
    let (cluster, options) = database("taken").await;
    cluster.create_user("loser").await;
    cluster.run("postgres", "ALTER DATABASE taken OWNER TO loser").await;
    let options = PostgresOptions { user: Some("loser".to_owned()), ..options };
    let store = open(&options).await;
    let mut other = cluster.admin("taken").await;

    cluster.run("postgres", "ALTER ROLE loser NOLOGIN").await;
    cut_off(&cluster, "taken", "loser").await;
    let key = pair().public();
    let error = store.public_key_insert(&key, None).await.unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable { .. }), "it cannot connect: {error:?}");
    let lock = sqlx::AssertSqlSafe(format!("SELECT pg_advisory_lock({LOCK})"));
    sqlx::query(lock).execute(&mut other).await.unwrap();
    cluster.run("postgres", "ALTER ROLE loser LOGIN").await;
    let error = store.public_key_insert(&key, None).await.unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable { .. }), "another has the lock: {error:?}");
    let error = store.public_key_list().await.unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable { .. }), "nor does it read: {error:?}");

    sqlx::query("UPDATE node SET openings = openings + 1").execute(&mut other).await.unwrap();
    sqlx::Connection::close(other).await.unwrap();
    let start = Instant::now();
    let error = loop {
        let error = store.public_key_insert(&key, None).await.unwrap_err();
        if !error.retryable() {
            break error;
        }
        assert!(start.elapsed() < PATIENCE, "{error:?}");
    };
    assert!(matches!(&error, StoreError::TakenOver { operation: "public_key_insert" }), "{error:?}");
    assert!(matches!(store.public_key_list().await, Err(StoreError::TakenOver { .. })));
    open(&options).await.close().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_commit_without_an_answer_is_looked_up() {
    let (cluster, options) = database("unanswered").await;
    let proxy = Proxy::start(cluster.port).await;
    let ssl = PostgresSsl { mode: SslMode::Disable, ..PostgresSsl::default() };
    let store = open(&PostgresOptions { port: proxy.port, ssl, ..options }).await;
    let (first, second) = (pair(), pair());
    proxy.cut_at_commit();
    insert_private(&store, &first).await;
    assert!(proxy.has_cut());
    insert_private(&store, &second).await;
    assert_eq!(store.private_key_list().await.unwrap().len(), 2);
    store.close().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_commit_that_the_server_does_not_survive_is_undone() {
    let (cluster, options) = database("undone").await;
    let store = open(&options).await;
    let suicide = "CREATE FUNCTION suicide() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN \
                   PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$; \
                   CREATE CONSTRAINT TRIGGER suicide AFTER INSERT ON public_keys \
                   DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION suicide()";
    cluster.run("undone", suicide).await;
    let key = pair().public();
    let error = store.public_key_insert(&key, None).await.unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable { .. }), "{error:?}");
    assert!(store.public_key_list().await.unwrap().is_empty());
    cluster.run("undone", "DROP TRIGGER suicide ON public_keys").await;
    store.public_key_insert(&key, None).await.unwrap();
}
