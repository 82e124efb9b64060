//! TLS: an endpoint that is not who it should be is refused, unless checking is switched off.
//!
//! The certificate of `tests/fixtures/self-signed.*` is for `localhost`, signed by itself and trusted by nobody.

use std::sync::Arc;

use cantle_kms::{Kms, KmsError, KmsKeyId, NetworkProblem};
use cantle_kms_aws::{AwsKms, AwsKmsOptions, SslVerification, StaticCredentials};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const CERTIFICATE: &[u8] = include_bytes!("../fixtures/self-signed.crt");
const KEY: &[u8] = include_bytes!("../fixtures/self-signed.key");

/// A TLS server that answers NotFoundException to one request a connection. Answers its endpoint.
async fn start() -> String {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(CERTIFICATE).unwrap()],
            PrivateKeyDer::from_pem_slice(KEY).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut buffer = [0; 8192];
                let _ = stream.read(&mut buffer).await;
                let body = r#"{"__type":"NotFoundException","message":"x"}"#;
                let answer = format!("HTTP/1.1 400 no\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    format!("https://localhost:{port}")
}

async fn describe(ssl_verification: SslVerification) -> KmsError {
    let mut options = AwsKmsOptions::new("us-east-1");
    options.endpoint_override = Some(start().await);
    options.static_credentials = Some(StaticCredentials::new("test", "test"));
    options.ssl_verification = ssl_verification;
    let kms = AwsKms::connect(options).await.unwrap();
    kms.describe_key(&KmsKeyId::parse("alias/x").unwrap()).await.unwrap_err()
}

#[tokio::test]
async fn an_untrusted_certificate_is_refused() {
    let error = describe(SslVerification::On).await;
    assert!(matches!(error, KmsError::Network { problem: NetworkProblem::Tls, .. }), "{error:?}");
    assert!(!error.retryable() && error.to_string().contains("certificate"), "{error}");
}

#[tokio::test]
async fn an_untrusted_certificate_is_accepted_when_checking_is_off() {
    let error = describe(SslVerification::Off).await;
    assert!(matches!(error, KmsError::NotFound { .. }), "the service answered: {error:?}");
}
