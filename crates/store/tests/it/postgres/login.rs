//! Who may connect, to what, and what an operator is told otherwise.

use std::time::Duration;

use cantle_store::{KeyStore, OpenError, PostgresOptions, PostgresStore};

use super::{database, open};
use cantle_testkit::{POSTGRES_PASSWORD as PASSWORD, write_private as write};

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn wrong_password_is_refused_and_not_shown() {
    let (_cluster, options) = database("password").await;
    for password in [Some("wrong-and-secret".into()), None] {
        let options = PostgresOptions { password, ..options.clone() };
        assert!(!format!("{options:?}").contains("wrong-and-secret"));
        let error = PostgresStore::open(options).await.unwrap_err();
        assert!(matches!(&error, OpenError::Refused { user, .. } if user == "cantle"), "{error:?}");
        assert!(!error.retryable());
        assert!(!format!("{error} {error:?}").contains("wrong-and-secret"));
    }
    let store = open(&options).await;
    assert!(!format!("{store:?}").contains(PASSWORD));
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn what_is_not_on_the_server_is_named() {
    let (_cluster, options) = database("named").await;
    let nowhere = PostgresOptions { database: Some("no_such_database".to_owned()), ..options.clone() };
    let error = PostgresStore::open(nowhere).await.unwrap_err();
    assert!(matches!(error, OpenError::NotCreated { missing: "database", .. }), "{error:?}");
    assert!(error.to_string().contains("no_such_database"), "{error}");
    let nowhere = PostgresOptions { schema: Some("no_such_schema".to_owned()), ..options };
    let error = PostgresStore::open(nowhere).await.unwrap_err();
    assert!(matches!(error, OpenError::NotCreated { missing: "schema", .. }), "{error:?}");
    assert!(error.to_string().contains("no_such_schema"), "{error}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn user_without_rights_is_refused() {
    let (cluster, options) = database("rights").await;
    cluster.create_user("visitor").await;
    cluster.run("rights", "REVOKE CREATE ON SCHEMA public FROM PUBLIC").await;
    let options = PostgresOptions { user: Some("visitor".to_owned()), ..options };
    let error = PostgresStore::open(options).await.unwrap_err();
    assert!(matches!(&error, OpenError::Refused { user, .. } if user == "visitor"), "{error:?}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn password_may_come_from_a_file() {
    let (cluster, options) = database("passfile").await;
    let passfile = cluster.folder().join("passfile");
    let password = PASSWORD.replace('\\', r"\\").replace(':', r"\:");
    write(&passfile, &format!("127.0.0.1:{}:*:cantle:{password}\n", cluster.port));
    let options = PostgresOptions { password: None, passfile: Some(passfile), ..options };
    let store = open(&options).await;
    assert!(store.public_key_list().await.unwrap().is_empty());
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_server_that_is_not_there_may_be_there_later() {
    let (_cluster, options) = database("nowhere").await;
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let options = PostgresOptions { port, connection_timeout: Duration::from_millis(200), ..options };
    let error = PostgresStore::open(options.clone()).await.unwrap_err();
    assert!(matches!(&error, OpenError::Unavailable { .. }), "it says nothing: {error:?}");
    assert!(error.retryable());
    drop(silent);
    let error = PostgresStore::open(options).await.unwrap_err();
    assert!(matches!(&error, OpenError::Unavailable { .. }), "it is gone: {error:?}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_unix_socket_is_a_host_too() {
    let (cluster, options) = database("socket").await;
    let host = cluster.folder().to_str().unwrap().to_owned();
    let store = open(&PostgresOptions { host, password: None, ..options }).await;
    assert!(store.public_key_list().await.unwrap().is_empty());
}
