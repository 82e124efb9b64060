//! Whose database it is, which schema it has, and what it may be opened for.

use cantle_store::{
    Access, KeyStore, MigrateOnStart, NodeIdentity, NodeKind, OpenError, PostgresOptions, PostgresStore,
    StoreError, TopologyStore, TopologyStoreId,
};

use super::{database, insert_private, node, open, pair};

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn database_of_another_node_is_refused() {
    let (_cluster, options) = database("owner").await;
    open(&options).await.close().await;
    let others = [
        node("participant2"),
        NodeIdentity { kind: NodeKind::Sequencer, name: "participant1".parse().unwrap() },
    ];
    for other in others {
        for access in [Access::ReadWrite, Access::ReadOnly] {
            let options = PostgresOptions { node: other.clone(), access, ..options.clone() };
            let error = PostgresStore::open(options).await.unwrap_err();
            let OpenError::OtherNode { recorded, .. } = &error else { panic!("{error:?}") };
            assert_eq!(recorded, &node("participant1"));
        }
    }
    open(&options).await.close().await;
}

/// Back to the schema before the third migration.
const UNDO_DOMAIN: &str = "DROP TABLE sequencer_writer, sequencer_forwarded, sequencer_events, sequencer_members, sequencer_head, client_cursors, \
    domain_connections, role_settings; \
    DROP FUNCTION sequencer_events_refuse, sequencer_events_next, sequencer_announce; \
    DROP INDEX topology_times, topology_one_time; \
    ALTER TABLE topology_transactions \
    ADD CONSTRAINT topology_transactions_store_sequenced_key UNIQUE (store, sequenced); \
    DROP TABLE kms_key_deletions; ALTER TABLE kms_key_creations DROP COLUMN lost_at; \
     DELETE FROM _sqlx_migrations WHERE version >= 3";

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn old_schema_is_migrated_only_when_asked() {
    let (cluster, options) = database("old").await;
    open(&options).await.close().await;
    cluster.run("old", UNDO_DOMAIN).await;
    for access in [Access::ReadWrite, Access::ReadOnly] {
        let error = PostgresStore::open(PostgresOptions { access, ..options.clone() }).await.unwrap_err();
        assert!(matches!(error, OpenError::MigrationNeeded { found: 2, known: 5, .. }), "{error:?}");
        assert!(error.to_string().contains("storage.parameters.migrate-and-start = yes"), "{error}");
    }
    let store = open(&PostgresOptions { migrate: MigrateOnStart::Yes, ..options }).await;
    assert_eq!(store.topology_latest(&TopologyStoreId::Authorized).await.unwrap(), None);
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn newer_or_changed_schema_is_refused() {
    let (cluster, options) = database("newer").await;
    open(&options).await.close().await;
    cluster.run("newer", r"UPDATE _sqlx_migrations SET checksum = '\x00' WHERE version = 1").await;
    let error = PostgresStore::open(options.clone()).await.unwrap_err();
    assert!(matches!(error, OpenError::SchemaChanged { version: 1, .. }), "{error:?}");
    let future = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                  VALUES (99, 'future', TRUE, '\\x00', 0)";
    cluster.run("newer", future).await;
    let options = PostgresOptions { migrate: MigrateOnStart::Yes, ..options };
    let error = PostgresStore::open(options).await.unwrap_err();
    assert!(matches!(error, OpenError::SchemaTooNew { found: 99, known: 5, .. }), "{error:?}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn database_of_another_program_is_refused_and_left_alone() {
    let (cluster, options) = database("theirs").await;
    cluster.run("theirs", "CREATE TABLE somebody_elses (a int)").await;
    let error = PostgresStore::open(options).await.unwrap_err();
    assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
    let mut admin = cluster.admin("theirs").await;
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'")
            .fetch_all(&mut admin)
            .await
            .unwrap();
    assert_eq!(tables, ["somebody_elses"]);
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_migration_that_was_cut_short_is_taken_up_again() {
    let (cluster, options) = database("cut").await;
    open(&options).await.close().await;
    let undo = "DROP TABLE sequencer_writer, sequencer_forwarded, sequencer_events, sequencer_members, sequencer_head, client_cursors, \
                domain_connections, role_settings, topology_transactions, private_keys, kms_metadata_store, \
                public_keys, kms_key_creations, kms_key_deletions, node; \
                DROP FUNCTION topology_append_only, sequencer_events_refuse, sequencer_events_next, sequencer_announce; \
                DELETE FROM _sqlx_migrations";
    cluster.run("cut", undo).await;
    let store = open(&options).await;
    assert!(store.public_key_list().await.unwrap().is_empty());
    store.close().await;

    cluster.run("cut", UNDO_DOMAIN).await;
    cluster.run("cut", "DELETE FROM node").await;
    let store = open(&options).await;
    assert!(store.public_key_list().await.unwrap().is_empty());
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn inspection_reads_while_the_node_writes_and_changes_nothing() {
    let (_cluster, options) = database("inspected").await;
    let read_only = PostgresOptions { access: Access::ReadOnly, ..options.clone() };
    let error = PostgresStore::open(read_only.clone()).await.unwrap_err();
    assert!(matches!(error, OpenError::MigrationNeeded { found: 0, .. }), "{error:?}");
    let store = open(&options).await;
    let inspection = open(&read_only).await;
    let pair = pair();
    insert_private(&store, &pair).await;
    assert_eq!(inspection.private_key_list().await.unwrap().len(), 1);
    let error = inspection.key_delete(pair.fingerprint()).await.unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { operation: "key_delete" }), "{error:?}");
    inspection.close().await;
    store.close().await;
    let inspection = open(&read_only).await;
    assert_eq!(inspection.private_key_list().await.unwrap().len(), 1, "also when no node runs");
}
