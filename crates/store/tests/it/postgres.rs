//! PostgreSQL: the contract, and what a server adds to it – login, owner, schema, lock, outages, encryption.
//!
//! `cargo test -p cantle-store --test it postgres:: -- --ignored` where PostgreSQL's server is installed.

mod group;
mod login;
mod opening;
mod outages;
mod proxy;
mod rows;
mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cantle_crypto::KeyPair;
use cantle_store::{
    KeyStore, NodeIdentity, NodeKind, NodeStore, PostgresOptions, PostgresStore,
    contract::{self, signing_pair as pair},
};
use cantle_testkit::{POSTGRES_PASSWORD as PASSWORD, POSTGRES_USER as USER, PostgresCluster as Cluster};

fn node(name: &str) -> NodeIdentity {
    NodeIdentity { kind: NodeKind::Participant, name: name.parse().unwrap() }
}

fn options(port: u16, database: &str) -> PostgresOptions {
    PostgresOptions {
        port,
        database: Some(database.to_owned()),
        user: Some(USER.to_owned()),
        password: Some(PASSWORD.into()),
        ..PostgresOptions::new("127.0.0.1", node("participant1"))
    }
}

/// A server and a new database of it.
async fn database(name: &str) -> (Arc<Cluster>, PostgresOptions) {
    let cluster = Cluster::shared();
    cluster.create_database(name).await;
    let options = options(cluster.port, name);
    (cluster, options)
}

async fn open(options: &PostgresOptions) -> PostgresStore {
    PostgresStore::open(options.clone()).await.unwrap()
}

async fn insert_private(store: &PostgresStore, pair: &KeyPair) {
    store.private_key_insert(&pair.public(), None, &contract::private(pair)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL"]
async fn contract_holds_in_one_schema_each() {
    let (cluster, options) = database("contract").await;
    let number = AtomicUsize::new(0);
    contract::run(|| {
        let schema = format!("s{}", number.fetch_add(1, Ordering::Relaxed));
        let (cluster, options) = (Arc::clone(&cluster), options.clone());
        async move {
            cluster.run("contract", &format!("CREATE SCHEMA {schema} AUTHORIZATION {USER}")).await;
            let options = PostgresOptions { schema: Some(schema), ..options };
            Arc::new(open(&options).await) as Arc<dyn NodeStore>
        }
    })
    .await;
    assert!(number.into_inner() > 20, "each part had a store of its own");
}
