//! TLS: who is trusted, who has to show what, and settings that cannot be.

use std::path::PathBuf;

use cantle_transport::{
    CertificateFiles, ClientAuth, ClientTls, ClientTlsOptions, MinimumVersion, ServerTls, ServerTlsOptions,
    TlsError, Trust,
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
    version::{TLS12, TLS13},
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::{authority::Authority, call, client, serve};

const LOOPBACK: &[&str] = &["localhost", "127.0.0.1"];

fn options(identity: CertificateFiles) -> ServerTlsOptions {
    ServerTlsOptions {
        identity,
        trust_collection_file: None,
        client_auth: ClientAuth::None,
        minimum_version: MinimumVersion::Tls12,
        ciphers: None,
    }
}

fn with_identity(authority: &Authority, identity: CertificateFiles) -> ClientTls {
    let trust = Trust::File(authority.root());
    ClientTls::new(&ClientTlsOptions { trust, identity: Some(identity) }).unwrap()
}

#[tokio::test]
async fn a_server_is_believed_by_its_authority_and_for_its_names_alone() {
    let authority = Authority::new("one");
    let tls = ServerTls::new(&options(authority.certificate("server", LOOPBACK))).unwrap();
    let running = serve(Some(tls)).await;
    let trusting = client(Trust::File(authority.root()));
    call("localhost", running.port, Some(&trusting)).await.unwrap();
    call("127.0.0.1", running.port, Some(&trusting)).await.unwrap();
    let pem = std::fs::read(authority.root()).unwrap();
    call("localhost", running.port, Some(&client(Trust::Pem(pem)))).await.unwrap();
    // What a process's own console trusts: the server's own chain.
    let own = client(Trust::File(authority.file("server.crt")));
    call("localhost", running.port, Some(&own)).await.unwrap();

    for stranger in [Trust::File(Authority::new("two").root()), Trust::System] {
        let refused = call("localhost", running.port, Some(&client(stranger))).await.unwrap_err();
        assert!(refused.contains("invalid peer certificate"), "{refused}");
    }
    call("localhost", running.port, None).await.expect_err("a client without TLS is not served");
    let elsewhere = ServerTls::new(&options(authority.certificate("other", &["db.example"]))).unwrap();
    let running = serve(Some(elsewhere)).await;
    let refused = call("localhost", running.port, Some(&trusting)).await.unwrap_err();
    assert!(refused.contains("not valid for name"), "{refused}");
}

#[tokio::test]
async fn a_trusted_certificate_may_be_the_servers_own_and_its_names_count() {
    let authority = Authority::new("one");
    let tls = ServerTls::new(&options(authority.certificate("server", &["localhost"]))).unwrap();
    let running = serve(Some(tls)).await;
    // Without its issuer, as files of certificates often are.
    let chain = std::fs::read_to_string(authority.file("server.crt")).unwrap();
    let (first, _) = chain
        .split_once("-----BEGIN CERTIFICATE-----")
        .map(|(_, rest)| rest.split_once("-----BEGIN").unwrap())
        .unwrap();
    let alone = authority.write("alone.crt", &format!("-----BEGIN CERTIFICATE-----{first}"));
    for trust in [Trust::File(alone.clone()), Trust::Pem(std::fs::read(&alone).unwrap())] {
        call("localhost", running.port, Some(&client(trust.clone()))).await.unwrap();
        let refused = call("127.0.0.1", running.port, Some(&client(trust))).await.unwrap_err();
        assert!(refused.contains("not valid for name"), "{refused}");
    }
    let other = authority.certificate("other", &["localhost"]).cert_chain_file;
    let other = std::fs::read_to_string(other).unwrap();
    let other = &other[..other.find("-----END CERTIFICATE-----").unwrap() + 25];
    let refused = call("localhost", running.port, Some(&client(Trust::Pem(other.into())))).await.unwrap_err();
    assert!(refused.contains("invalid peer certificate"), "{refused}");
}

#[tokio::test]
async fn a_certificate_at_hand_is_believed_whatever_its_names() {
    let authority = Authority::new("one");
    let tls = ServerTls::new(&options(authority.certificate("server", &["db.example"]))).unwrap();
    let running = serve(Some(tls)).await;
    let exactly = client(Trust::Exactly(authority.file("server.crt")));
    call("127.0.0.1", running.port, Some(&exactly)).await.unwrap();
    let another = client(Trust::Exactly(authority.certificate("another", LOOPBACK).cert_chain_file));
    let refused = call("127.0.0.1", running.port, Some(&another)).await.unwrap_err();
    assert!(refused.contains("invalid peer certificate"), "{refused}");
}

#[tokio::test]
async fn a_required_certificate_has_to_be_one_of_the_trusted_authority() {
    let authority = Authority::new("one");
    let stranger = Authority::new("two");
    let server = ServerTlsOptions {
        trust_collection_file: Some(authority.root()),
        client_auth: ClientAuth::Require,
        ..options(authority.certificate("server", LOOPBACK))
    };
    let running = serve(Some(ServerTls::new(&server).unwrap())).await;
    let known = with_identity(&authority, authority.certificate("admin", &[]));
    call("localhost", running.port, Some(&known)).await.unwrap();
    let unknown = with_identity(&authority, stranger.certificate("admin", &[]));
    call("localhost", running.port, Some(&unknown)).await.unwrap_err();
    let nobody = client(Trust::File(authority.root()));
    call("localhost", running.port, Some(&nobody)).await.unwrap_err();
    call("localhost", running.port, Some(&known)).await.expect("refusals are of one connection");
}

#[tokio::test]
async fn an_optional_certificate_has_to_be_good_if_there_is_one() {
    let authority = Authority::new("one");
    let stranger = Authority::new("two");
    let server = ServerTlsOptions {
        trust_collection_file: Some(authority.root()),
        client_auth: ClientAuth::Optional,
        ..options(authority.certificate("server", LOOPBACK))
    };
    let running = serve(Some(ServerTls::new(&server).unwrap())).await;
    call("localhost", running.port, Some(&client(Trust::File(authority.root())))).await.unwrap();
    let known = with_identity(&authority, authority.certificate("admin", &[]));
    call("localhost", running.port, Some(&known)).await.unwrap();
    let unknown = with_identity(&authority, stranger.certificate("admin", &[]));
    call("localhost", running.port, Some(&unknown)).await.unwrap_err();
}

/// The version and suite that a client of these versions and the server agree on.
async fn agreed(
    authority: &Authority,
    port: u16,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Option<(rustls::ProtocolVersion, rustls::CipherSuite)> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority.root()).unwrap()).unwrap();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let mut config = ClientConfig::builder_with_provider(provider.into())
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let connector = TlsConnector::from(std::sync::Arc::new(config));
    let name = ServerName::try_from("localhost").unwrap();
    let connected = connector.connect(name, stream).await.ok()?;
    let (_, session) = connected.get_ref();
    Some((session.protocol_version()?, session.negotiated_cipher_suite()?.suite()))
}

#[tokio::test]
async fn versions_and_suites_are_narrowed() {
    let authority = Authority::new("one");
    let identity = authority.certificate("server", LOOPBACK);
    let newest = ServerTlsOptions {
        minimum_version: MinimumVersion::Tls13,
        ciphers: Some(vec!["TLS_AES_128_GCM_SHA256".to_owned(), "TLS_OF_NOBODY".to_owned()]),
        ..options(identity.clone())
    };
    let running = serve(Some(ServerTls::new(&newest).unwrap())).await;
    assert_eq!(agreed(&authority, running.port, &[&TLS12]).await, None);
    let (version, suite) = agreed(&authority, running.port, &[&TLS13]).await.unwrap();
    assert_eq!(version, rustls::ProtocolVersion::TLSv1_3);
    assert_eq!(suite, rustls::CipherSuite::TLS13_AES_128_GCM_SHA256);

    let old = ServerTlsOptions {
        ciphers: Some(vec!["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384".to_owned()]),
        ..options(identity)
    };
    let running = serve(Some(ServerTls::new(&old).unwrap())).await;
    let (version, suite) = agreed(&authority, running.port, &[&TLS13, &TLS12]).await.unwrap();
    assert_eq!(version, rustls::ProtocolVersion::TLSv1_2);
    assert_eq!(suite, rustls::CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384);
}

#[test]
fn what_cannot_be_set_up_says_which_file_and_why() {
    let authority = Authority::new("one");
    let good = authority.certificate("server", LOOPBACK);
    let other = authority.certificate("other", LOOPBACK);
    let refused = |identity: CertificateFiles| ServerTls::new(&options(identity)).unwrap_err();

    let missing =
        refused(CertificateFiles { cert_chain_file: PathBuf::from("/no/such.crt"), ..good.clone() });
    assert!(matches!(&missing, TlsError::Unreadable { path, .. } if path.ends_with("such.crt")), "{missing}");
    let swapped =
        refused(CertificateFiles { cert_chain_file: good.private_key_file.clone(), ..good.clone() });
    assert!(matches!(&swapped, TlsError::Empty { wanted: "certificate", .. }), "{swapped}");
    let no_key = refused(CertificateFiles { private_key_file: good.cert_chain_file.clone(), ..good.clone() });
    assert!(matches!(&no_key, TlsError::Empty { wanted: "private key", .. }), "{no_key}");
    let garbage =
        authority.write("garbage.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    let garbage = refused(CertificateFiles { private_key_file: garbage, ..good.clone() });
    assert!(matches!(&garbage, TlsError::Key { .. }), "{garbage}");
    let mixed = refused(CertificateFiles { private_key_file: other.private_key_file, ..good.clone() });
    assert!(matches!(&mixed, TlsError::Mismatch { .. }), "{mixed}");

    let required = ServerTlsOptions { client_auth: ClientAuth::Require, ..options(good.clone()) };
    ServerTls::new(&required).unwrap_err();
    let ciphers = Some(vec!["TLS_RSA_WITH_RC4_128_MD5".to_owned()]);
    let weak = ServerTls::new(&ServerTlsOptions { ciphers, ..options(good) }).unwrap_err();
    assert!(matches!(&weak, TlsError::Ciphers { offered, .. } if !offered.is_empty()), "{weak}");
    assert!(weak.to_string().contains("TLS_AES_256_GCM_SHA384"), "{weak}");

    let trust = Trust::Pem(b"no certificate".to_vec());
    let empty = ClientTls::new(&ClientTlsOptions { trust, identity: None }).unwrap_err();
    assert!(matches!(&empty, TlsError::Empty { .. }), "{empty}");
}
