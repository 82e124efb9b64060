//! Nodes that keep their data in PostgreSQL, by Canton's keys, on a server of the tests' own.
//!
//! `cargo test -p cantle --test it postgres:: -- --ignored` where PostgreSQL's server is installed.

mod sequencers;

use std::{path::PathBuf, sync::Arc, time::Duration};

use cantle_config::{Config, LoadOptions};
use cantle_testkit::{POSTGRES_PASSWORD, POSTGRES_USER, Process, write_private};

use crate::faults::{
    calls,
    site::{Names, Running, eventually, within},
};
use crate::procedures::{self, transcript::Keys};
use crate::support::{SIX, SOON, Workplace, count_keys};

pub(crate) type Cluster = Arc<cantle_testkit::PostgresCluster>;

/// A server with a database of that name.
pub(crate) async fn database(name: &str) -> Cluster {
    let cluster = cantle_testkit::PostgresCluster::shared();
    cluster.create_database(name).await;
    cluster
}

/// The storage of Canton's own sample files: a data source of Hikari with properties.
pub(crate) fn hikari(cluster: &Cluster, database: &str) -> String {
    let password = POSTGRES_PASSWORD.replace('\\', "\\\\");
    format!(
        r#"storage {{
          type = postgres
          config {{
            dataSourceClass = "org.postgresql.ds.PGSimpleDataSource"
            properties {{
              serverName = 127.0.0.1
              portNumber = "{}"
              databaseName = {database}
              user = {POSTGRES_USER}
              password = "{password}"
            }}
          }}
        }}"#,
        cluster.port
    )
}

/// The same database by its URL, the password in a file.
fn url(workplace: &Workplace, cluster: &Cluster, database: &str, more: &str) -> String {
    let passfile = workplace.path("passwords");
    let password = POSTGRES_PASSWORD.replace('\\', "\\\\").replace(':', "\\:");
    write_private(
        &passfile,
        &format!("# host:port:database:user:password\n*:*:*:{POSTGRES_USER}:{password}\n"),
    );
    format!(
        r#"storage {{
          type = postgres
          config {{
            url = "jdbc:postgresql://127.0.0.1:{}/{database}?user={POSTGRES_USER}&currentSchema=public"
            properties.passfile = "{}"
          }}
          {more}
        }}"#,
        cluster.port,
        passfile.display()
    )
}

fn node(workplace: &Workplace, name: &str, storage: &str) -> PathBuf {
    workplace.write(&format!("{name}.conf"), &format!("canton.participants.{name} {{ {storage} }}"))
}

/// What `daemon` says when it does not start.
fn refusal(workplace: &Workplace, config: &std::path::Path) -> String {
    let finished = workplace.finish(&["daemon", "-c", config.to_str().unwrap()]);
    assert_eq!(finished.status.code(), Some(1), "{}", finished.stderr);
    assert!(!finished.stderr.contains(POSTGRES_PASSWORD), "{}", finished.stderr);
    finished.stderr
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_node_keeps_its_identity_in_postgresql_by_properties_and_by_url() {
    let cluster = database("identity").await;
    let workplace = Workplace::new(SIX);
    let properties =
        workplace.config(&format!("canton.participants.participant1 {{ {} }}", hikari(&cluster, "identity")));
    let (daemon, ready) = workplace.daemon(&properties, "ready: participant participant1");
    let keys = workplace.keys(&properties);
    assert_eq!(keys.len(), 3, "read while the node runs");
    daemon.terminate(SOON).unwrap();

    let storage = url(&workplace, &cluster, "identity", "");
    let by_url = workplace.config(&format!("canton.participants.participant1 {{ {storage} }}"));
    let (daemon, again) = workplace.daemon(&by_url, "ready: participant participant1");
    daemon.terminate(SOON).unwrap();
    assert_eq!(again, ready, "the same identity");
    assert_eq!(workplace.keys(&by_url), keys);
    assert_eq!(count_keys(&workplace.client("operator")).await, 3, "nothing was made again");
    assert!(!workplace.path("cantle-data").exists(), "no file beside the database");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_database_has_one_process_and_one_node() {
    let cluster = database("exclusive").await;
    let workplace = Workplace::new(SIX);
    let first = node(&workplace, "participant1", &hikari(&cluster, "exclusive"));
    let (daemon, _) = workplace.daemon(&first, "ready: participant participant1");
    let refused = refusal(&workplace, &first);
    assert!(refused.contains("in use by participant participant1"), "{refused}");
    daemon.terminate(SOON).unwrap();
    let second = node(&workplace, "participant2", &hikari(&cluster, "exclusive"));
    let refused = refusal(&workplace, &second);
    assert!(refused.contains("belongs to participant participant1"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn schemas_of_one_database_are_databases_of_their_own() {
    let cluster = database("schemas").await;
    let workplace = Workplace::new(SIX);
    let mut text = String::new();
    for (name, schema) in [("participant1", "one"), ("participant2", "two")] {
        cluster.run("schemas", &format!("CREATE SCHEMA {schema} AUTHORIZATION {POSTGRES_USER}")).await;
        text += &format!(
            "canton.participants.{name} {{ {}, storage.config.properties.currentSchema = {schema} }}\n",
            hikari(&cluster, "schemas")
        );
    }
    let config = workplace.write("both.conf", &text);
    // Both may become ready in either order.
    let (mut daemon, first) = workplace.daemon(&config, "ready: participant");
    let second = daemon.wait_for("ready: participant", SOON).unwrap();
    assert_ne!(first, second);
    daemon.terminate(SOON).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_due_migration_is_refused_with_its_remedy() {
    let cluster = database("migration").await;
    let workplace = Workplace::new(SIX);
    let config = node(&workplace, "participant1", &hikari(&cluster, "migration"));
    let (daemon, _) = workplace.daemon(&config, "ready: participant participant1");
    daemon.terminate(SOON).unwrap();
    cluster.run("migration", "DELETE FROM _sqlx_migrations WHERE version > 1").await;
    let refused = refusal(&workplace, &config);
    for text in ["has schema version 1", "needs a migration", "storage.parameters.migrate-and-start = yes"] {
        assert!(refused.contains(text), "no {text:?} in {refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_node_waits_for_its_database_where_it_is_told_to() {
    let cluster = Arc::new(cantle_testkit::PostgresCluster::start(|_| Vec::new(), None));
    cluster.create_database("late").await;
    cluster.stop();
    let workplace = Workplace::new(SIX);
    let impatient = node(&workplace, "participant1", &url(&workplace, &cluster, "late", ""));
    let refused = refusal(&workplace, &impatient);
    assert!(refused.contains("is not available"), "{refused}");

    let patient = "parameters.fail-fast-on-startup = no";
    let config = node(&workplace, "participant1", &url(&workplace, &cluster, "late", patient));
    let mut command = workplace.cantle();
    command.arg("daemon").arg("-c").arg(&config);
    let mut daemon = Process::spawn(&mut command).unwrap();
    daemon.wait_for("waits for its database", SOON).unwrap();
    cluster.restart();
    daemon.wait_for("ready: participant participant1", SOON).unwrap();
    daemon.terminate(SOON).unwrap();

    cluster.stop();
    let mut daemon = Process::spawn(&mut command).unwrap();
    daemon.wait_for("waits for its database", SOON).unwrap();
    let finished = daemon.terminate(SOON).unwrap();
    assert!(finished.status.success(), "it can be stopped while it waits: {}", finished.stderr);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn killed_at_any_moment_a_node_in_postgresql_has_one_identity_and_no_key_is_lost() {
    let cluster = database("crashes").await;
    let rounds = 25;
    for round in 0..rounds {
        cluster.run("crashes", &format!("CREATE SCHEMA r{round} AUTHORIZATION {POSTGRES_USER}")).await;
    }
    let storage = |round: usize| {
        format!("{}, storage.config.properties.currentSchema = r{round}", hikari(&cluster, "crashes"))
    };
    crate::crash::tell(&crate::crash::run(rounds, Some(&storage)).await);
}

/// A database for each node of a procedure, and the storage that names it.
async fn storages(procedure: &str) -> (Cluster, impl Fn(&str) -> String) {
    let cluster = cantle_testkit::PostgresCluster::shared();
    for node in ["manager", "sequencer1", "mediator1", "mediator2", "mydomain", "participant1"] {
        cluster.create_database(&format!("{procedure}_{node}")).await;
    }
    let (of_nodes, procedure) = (Arc::clone(&cluster), procedure.to_owned());
    (cluster, move |node: &str| hikari(&of_nodes, &format!("{procedure}_{node}")))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn an_embedded_domain_is_initialized_by_hand_on_postgresql() {
    let (_cluster, storage) = storages("embedded").await;
    procedures::embedded(Keys::Registered, storage).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_distributed_domain_is_founded_from_one_console_on_postgresql() {
    let (_cluster, storage) = storages("one_console").await;
    procedures::from_one_console(Keys::Generated, storage).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_distributed_domain_is_founded_from_separate_consoles_on_postgresql() {
    let (_cluster, storage) = storages("separate").await;
    procedures::separate(Keys::Registered, storage).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_database_that_goes_during_pings_is_named_and_comes_back_without_a_restart() {
    let cluster = Arc::new(cantle_testkit::PostgresCluster::start(|_| Vec::new(), None));
    let mut text = "canton.domains.mydomain.init.domain-parameters.protocol-version = 7\n".to_owned();
    for (kind, name) in
        [("domains", "mydomain"), ("participants", "participant1"), ("participants", "participant2")]
    {
        cluster.create_database(name).await;
        text += &format!("canton.{kind}.{name} {{ {} }}\n", hikari(&cluster, name));
    }
    let workplace = Workplace::new(SIX);
    let config = Config::load(&LoadOptions::new([workplace.write("nodes.conf", &text)])).unwrap().config;
    let nodes = Running::start(&config, workplace.folder.path(), &Names::default()).await;
    for name in ["mydomain", "participant1", "participant2"] {
        nodes.ready(name).await;
    }
    let [domain, first] = ["mydomain", "participant1"].map(|name| nodes.handle(name));
    let second = nodes.ready("participant2").await;
    for participant in [&first, &nodes.handle("participant2")] {
        calls::connect(participant, &domain).await;
    }
    let ping = |timeout| calls::ping(&first, &second, timeout);
    assert_eq!(ping(SOON).await, Ok(()));

    for _ in 0..2 {
        cluster.stop();
        let failed = ping(Duration::from_secs(3)).await;
        assert!(failed.is_err(), "a ping needs the sequencer's database: {failed:?}");
        for node in [&domain, &first] {
            eventually("a node that names its database", || {
                let health = node.health.borrow();
                let storage = health.components.iter().find(|component| component.name == "storage");
                !health.serving && storage.is_some_and(|storage| storage.trouble.is_some())
            })
            .await;
        }
        cluster.restart();
        for node in [&domain, &first] {
            eventually("a node that serves again", || node.health.borrow().serving).await;
        }
        within("a ping with the database that is back", async {
            while ping(Duration::from_secs(5)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
    }
    nodes.stop().await;
}
