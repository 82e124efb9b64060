//! Encryption: a server with a certificate of an authority of its own, and clients with theirs.

use std::fs;
use std::path::{Path, PathBuf};

use cantle_store::{KeyStore, OpenError, PostgresOptions, PostgresSsl, PostgresStore, SslMode};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use super::{open, options};
use cantle_testkit::{POSTGRES_USER as USER, PostgresCluster as Cluster, write_private as write};

struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "an authority");
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// A certificate of a name, and its key.
    fn certify(&self, name: &str) -> (String, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key)
    }
}

/// A server that lets `cantle` in over TLS with a password and `certified` with a certificate, and its authority.
async fn server() -> (Cluster, Authority) {
    let authority = Authority::new();
    let rules =
        "hostssl all cantle all scram-sha-256\nhostssl all certified all cert\nhostnossl all all all reject";
    let settings = |folder: &Path| {
        let (cert, key) = authority.certify("localhost");
        let file = |name: &str, content: &str| {
            let path = folder.join(name);
            write(&path, content);
            path.display().to_string()
        };
        vec![
            "ssl=on".to_owned(),
            format!("ssl_cert_file={}", file("server.crt", &cert)),
            format!("ssl_key_file={}", file("server.key", &key.serialize_pem())),
            format!("ssl_ca_file={}", file("root.crt", &authority.pem)),
        ]
    };
    let cluster = Cluster::start(settings, Some(rules));
    cluster.create_database("canton").await;
    (cluster, authority)
}

fn ssl(cluster: &Cluster, mode: SslMode, root: Option<PathBuf>) -> PostgresOptions {
    let ssl = PostgresSsl { mode, root_cert: root, ..PostgresSsl::default() };
    PostgresOptions { ssl, ..options(cluster.port, "canton") }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn each_mode_checks_what_it_says() {
    let (cluster, authority) = server().await;
    let root = cluster.folder().join("root.crt");
    let stranger = cluster.folder().join("stranger.crt");
    fs::write(&stranger, Authority::new().pem).unwrap();
    let der = cluster.folder().join("root.der");
    fs::write(&der, pem_body(&authority.pem)).unwrap();

    let cases = [
        ("127.0.0.1", SslMode::Disable, None, "refused"),
        ("127.0.0.1", SslMode::Allow, None, "ok"),
        ("127.0.0.1", SslMode::Prefer, None, "ok"),
        ("127.0.0.1", SslMode::Require, None, "ok"),
        ("127.0.0.1", SslMode::Require, Some(&stranger), "ok"),
        ("127.0.0.1", SslMode::VerifyCa, Some(&root), "ok"),
        ("127.0.0.1", SslMode::VerifyCa, Some(&stranger), "tls"),
        ("127.0.0.1", SslMode::VerifyCa, None, "unreadable"),
        ("localhost", SslMode::VerifyFull, Some(&root), "ok"),
        ("localhost", SslMode::VerifyFull, Some(&der), "ok"),
        ("127.0.0.1", SslMode::VerifyFull, Some(&root), "tls"),
        ("localhost", SslMode::VerifyFull, Some(&stranger), "tls"),
        ("localhost", SslMode::VerifyFull, None, "tls"),
    ];
    for (host, mode, root, expected) in cases {
        let options = PostgresOptions { host: host.to_owned(), ..ssl(&cluster, mode, root.cloned()) };
        let outcome = PostgresStore::open(options).await;
        let found = match &outcome {
            Ok(store) => {
                assert!(store.public_key_list().await.unwrap().is_empty());
                store.close().await;
                "ok"
            }
            Err(OpenError::Refused { .. }) => "refused",
            Err(OpenError::Tls { .. }) => "tls",
            Err(OpenError::Unreadable { .. }) => "unreadable",
            Err(_) => "other",
        };
        assert_eq!(found, expected, "{host} {mode:?} {root:?}: {outcome:?}");
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_client_may_show_a_certificate() {
    let (cluster, authority) = server().await;
    cluster.create_user("certified").await;
    cluster.run("postgres", &format!("GRANT {USER} TO certified")).await;
    let file = |name: &str, content: &[u8]| {
        let path = cluster.folder().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let (cert, key) = authority.certify("certified");
    let cert = file("client.crt", cert.as_bytes());
    let pem = file("client.key", key.serialize_pem().as_bytes());
    let der = file("client.pk8", &key.serialize_der());
    let (other, other_key) = authority.certify("somebody");
    let other =
        (file("other.crt", other.as_bytes()), file("other.key", other_key.serialize_pem().as_bytes()));
    let client = |cert: Option<&PathBuf>, key: Option<&PathBuf>| {
        let mut options = ssl(&cluster, SslMode::VerifyFull, Some(cluster.folder().join("root.crt")));
        options.ssl.cert = cert.cloned();
        options.ssl.key = key.cloned();
        let (user, host) = (Some("certified".to_owned()), "localhost".to_owned());
        PostgresOptions { user, host, password: None, ..options }
    };
    for key in [&pem, &der] {
        open(&client(Some(&cert), Some(key))).await.close().await;
    }
    for (cert, key) in [(None, None), (Some(&other.0), Some(&other.1))] {
        let error = PostgresStore::open(client(cert, key)).await.unwrap_err();
        assert!(matches!(&error, OpenError::Refused { .. }), "{error:?}");
    }
    let missing = cluster.folder().join("missing");
    for (cert, key) in [(Some(&cert), None), (Some(&cert), Some(&missing))] {
        let error = PostgresStore::open(client(cert, key)).await.unwrap_err();
        assert!(matches!(&error, OpenError::Unreadable { .. }), "{error:?}");
    }
}

fn pem_body(pem: &str) -> Vec<u8> {
    use base64::Engine as _;
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    base64::engine::general_purpose::STANDARD.decode(body).unwrap()
}
