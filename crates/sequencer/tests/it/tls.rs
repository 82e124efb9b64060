//! The public API by TLS: members believe the certificates that their connection names, and no others.

use std::fs;

use cantle_sequencer::{PublicServer, PublicServerOptions};
use cantle_sequencing::{ApiError, GrpcOptions, GrpcSequencer, SequencerApi, SequencerConnection};
use cantle_transport::{CertificateFiles, ClientAuth, MinimumVersion, ServerTls, ServerTlsOptions};
use rcgen::generate_simple_self_signed;
use tokio::sync::oneshot;

use super::support::{World, in_time};

/// A server's certificate for localhost, and the same as what its clients are to trust.
fn certificate(folder: &tempfile::TempDir) -> (ServerTls, Vec<u8>) {
    let made = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let identity = CertificateFiles {
        cert_chain_file: folder.path().join("public-api.crt"),
        private_key_file: folder.path().join("public-api.pem"),
    };
    fs::write(&identity.cert_chain_file, made.cert.pem()).unwrap();
    fs::write(&identity.private_key_file, made.signing_key.serialize_pem()).unwrap();
    let options = ServerTlsOptions {
        identity,
        trust_collection_file: None,
        client_auth: ClientAuth::None,
        minimum_version: MinimumVersion::Tls12,
        ciphers: None,
    };
    (ServerTls::new(&options).unwrap(), made.cert.pem().into_bytes())
}

fn sequencer(uri: &str, trust: Option<Vec<u8>>) -> Result<GrpcSequencer, ApiError> {
    let connection = SequencerConnection::from_uris("sequencer1", [uri], trust).unwrap();
    GrpcSequencer::new(connection, GrpcOptions::default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sequencer_is_reached_by_tls_by_those_who_trust_it() {
    let world = World::new();
    let running = world.running().await;
    let folder = tempfile::tempdir().unwrap();
    let (tls, trust) = certificate(&folder);
    let server = PublicServer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let port = server.address().port();
    let options = PublicServerOptions { tls: Some(tls), ..PublicServerOptions::default() };
    let (_stop, stopped) = oneshot::channel::<()>();
    let clock = world.clock.clone();
    tokio::spawn(server.serve(running.clone(), clock, options, async {
        let _ = stopped.await;
    }));

    let uri = format!("https://localhost:{port}");
    let trusting = sequencer(&uri, Some(trust)).unwrap();
    assert_eq!(in_time(trusting.identity()).await.unwrap().domain, world.domain);
    let (_, others) = certificate(&tempfile::tempdir().unwrap());
    for trust in [Some(others), None] {
        let refused = in_time(sequencer(&uri, trust).unwrap().identity()).await.unwrap_err();
        assert!(matches!(refused, ApiError::Unreachable { .. }), "{refused:?}");
    }
    let plain = sequencer(&format!("http://localhost:{port}"), None).unwrap();
    in_time(plain.identity()).await.unwrap_err();
    let wrong = sequencer(&uri, Some(b"no certificate".to_vec())).unwrap_err();
    assert!(matches!(wrong, ApiError::Configuration { .. }), "{wrong:?}");
}
