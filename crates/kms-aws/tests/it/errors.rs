//! What each answer of a service, and each silence, becomes.

use cantle_kms::{
    CallMode, CreateKey, CredentialsProblem, EncryptionAlgorithm, KeySpec, Kms, KmsError, KmsKeyId,
    NetworkProblem, Operation, SigningAlgorithm,
};

use crate::canned::{Answer, Canned, aws_error, client};

const ID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

fn key() -> KmsKeyId {
    KmsKeyId::parse(ID).unwrap()
}

async fn sign_error(answer: Answer) -> KmsError {
    let server = Canned::start(answer).await;
    let kms = client(&server.endpoint).await;
    kms.sign(&key(), b"payload-marker", SigningAlgorithm::EcdsaSha256, CallMode::Execute).await.unwrap_err()
}

fn variant(error: &KmsError) -> String {
    format!("{error:?}").split([' ', '{']).next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn each_code_has_its_error() {
    let cases = [
        ("NotFoundException", "NotFound"),
        ("DisabledException", "Disabled"),
        ("KMSInvalidStateException", "InvalidState"),
        ("AccessDeniedException", "AccessDenied"),
        ("InvalidKeyUsageException", "InvalidKeyUsage"),
        ("ValidationException", "Validation"),
        ("InvalidArnException", "InvalidArn"),
        ("UnsupportedOperationException", "UnsupportedOperation"),
        ("LimitExceededException", "LimitExceeded"),
        ("ThrottlingException", "Throttled"),
        ("KeyUnavailableException", "KeyUnavailable"),
        ("KMSInternalException", "Internal"),
        ("DependencyTimeoutException", "Internal"),
        ("InvalidCiphertextException", "InvalidCiphertext"),
        ("IncorrectKeyException", "IncorrectKey"),
        ("TagException", "TagRejected"),
        ("ExpiredTokenException", "Credentials"),
        ("UnrecognizedClientException", "Credentials"),
        ("InvalidSignatureException", "Credentials"),
        ("IncompleteSignature", "Credentials"),
        ("MissingAuthenticationToken", "Credentials"),
        ("RequestExpired", "Credentials"),
        ("SomethingNewException", "Unexpected"),
    ];
    for (code, expected) in cases {
        let error = sign_error(aws_error(400, code, "words of the service")).await;
        assert_eq!(variant(&error), expected, "{code}");
        assert_eq!(error.operation(), Operation::Sign, "{code}");
        assert_eq!(error.key(), Some(&key()), "{code}");
        assert_eq!(error.request_id(), Some("req-canned"), "{code}");
        assert!(!error.to_string().contains("payload-marker"), "{error}");
    }
}

#[tokio::test]
async fn codes_with_a_namespace_are_read_too() {
    let error = sign_error(aws_error(400, "com.amazonaws.kms#DisabledException", "x")).await;
    assert!(matches!(error, KmsError::Disabled { .. }), "{error}");
}

#[tokio::test]
async fn a_clock_that_is_off_is_told_from_a_wrong_secret() {
    let skewed =
        aws_error(400, "InvalidSignatureException", "Signature expired: 20200101T000000Z is now earlier");
    let error = sign_error(skewed).await;
    assert!(matches!(error, KmsError::Credentials { problem: CredentialsProblem::ClockSkew, .. }), "{error}");
    let error = sign_error(aws_error(400, "InvalidSignatureException", "The signature does not match")).await;
    assert!(
        matches!(error, KmsError::Credentials { problem: CredentialsProblem::SignatureRefused, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn passing_statuses_are_retryable_whatever_the_code() {
    let error = sign_error(aws_error(503, "ServiceUnavailable", "x")).await;
    assert!(matches!(error, KmsError::Internal { .. }) && error.retryable(), "{error}");
    let error = sign_error(aws_error(429, "SlowDownPlease", "x")).await;
    assert!(matches!(error, KmsError::Throttled { .. }) && error.retryable(), "{error}");
}

#[tokio::test]
async fn xml_and_html_errors_keep_their_status() {
    let xml = "<ErrorResponse><Error><Code>InternalFailure</Code></Error></ErrorResponse>";
    for (status, retryable) in [(400, false), (502, true)] {
        let error = sign_error(Answer::Http(status, "", xml.to_owned())).await;
        assert!(matches!(error, KmsError::Unexpected { status: Some(s), .. } if s == status), "{error}");
        assert_eq!(error.retryable(), retryable);
        assert!(error.to_string().contains("InternalFailure"), "{error}");
    }
    let error = sign_error(Answer::Http(503, "", String::new())).await;
    assert!(matches!(error, KmsError::Unexpected { status: Some(503), .. }) && error.retryable(), "{error}");
}

#[tokio::test]
async fn answers_that_are_not_what_was_asked_are_malformed() {
    for body in [
        "<html>",
        "{}",
        r#"{"Signature":"%%%"}"#,
        r#"{"Signature":""}"#,
        "[1]",
        r#"{"Signature":["s3cret"]}"#,
    ] {
        let error = sign_error(Answer::Http(200, "", body.to_owned())).await;
        assert!(matches!(error, KmsError::MalformedAnswer { .. }), "{body}: {error:?}");
        assert!(!error.retryable() && !error.surely_not_executed());
        assert!(!format!("{error} {error:?}").contains("s3cret"), "an answer may hold a secret");
    }
}

#[tokio::test]
async fn a_broken_connection_is_a_lost_answer() {
    for answer in [Answer::Close, Answer::Cut] {
        let error = sign_error(answer.clone()).await;
        assert!(
            matches!(error, KmsError::Network { problem: NetworkProblem::AnswerLost, .. }),
            "{answer:?}: {error:?}"
        );
        assert!(error.retryable() && !error.surely_not_executed());
    }
}

#[tokio::test]
async fn silence_ends_in_a_time_out() {
    let error = sign_error(Answer::Silence).await;
    assert!(matches!(error, KmsError::Timeout { .. }), "{error:?}");
    assert!(error.to_string().contains("within 500ms"), "{error}");
}

#[tokio::test]
async fn a_refused_connection_names_the_endpoint() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = client(&endpoint).await.describe_key(&key()).await.unwrap_err();
    assert!(
        matches!(error, KmsError::Network { problem: NetworkProblem::ConnectionRefused, .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains(&format!("{endpoint}/ refused the connection")), "{error}");
    assert!(error.surely_not_executed());
}

#[tokio::test]
async fn a_name_without_address_is_told() {
    let error = client("http://kms.cantle.invalid:9").await.describe_key(&key()).await.unwrap_err();
    assert!(matches!(error, KmsError::Network { problem: NetworkProblem::NameUnresolved, .. }), "{error:?}");
}

#[tokio::test]
async fn every_request_is_sent_once() {
    for answer in [aws_error(500, "KMSInternalException", "x"), aws_error(400, "ThrottlingException", "x")] {
        let mut server = Canned::start(answer).await;
        let kms = client(&server.endpoint).await;
        kms.create_key(&CreateKey::signing(KeySpec::EccNistP256)).await.unwrap_err();
        kms.describe_key(&key()).await.unwrap_err();
        assert_eq!(server.count(), 2);
    }
}

#[tokio::test]
async fn a_message_of_a_wrong_length_is_not_sent() {
    let mut server = Canned::start(aws_error(400, "ValidationException", "x")).await;
    let kms = client(&server.endpoint).await;
    let error =
        kms.sign(&key(), &[0; 4097], SigningAlgorithm::EcdsaSha256, CallMode::Execute).await.unwrap_err();
    assert!(matches!(error, KmsError::Validation { .. }));
    assert!(error.to_string().contains("4097 bytes, not 1 to 4096"), "{error}");
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn a_permitted_dry_run_is_an_empty_answer() {
    let server = Canned::start(aws_error(400, "DryRunOperationException", "would have succeeded")).await;
    let kms = client(&server.endpoint).await;
    let sha256 = SigningAlgorithm::EcdsaSha256;
    let reply = kms.sign(&key(), b"x", sha256, CallMode::DryRun).await.unwrap();
    assert!(reply.value.is_empty());
    assert_eq!(reply.request_id.as_deref(), Some("req-canned"));
    let oaep = EncryptionAlgorithm::RsaesOaepSha256;
    assert!(kms.decrypt(&key(), &[0; 256], oaep, CallMode::DryRun).await.unwrap().value.is_empty());
    let error = kms.sign(&key(), b"x", sha256, CallMode::Execute).await.unwrap_err();
    assert!(matches!(error, KmsError::Unexpected { .. }), "not asked for: {error}");
}

#[tokio::test]
async fn a_service_that_ignores_dry_run_permits_it() {
    let body = format!(r#"{{"KeyId":"{ID}","Signature":"MEUCIQ==","Plaintext":"c2VjcmV0"}}"#);
    let server = Canned::start(Answer::Http(200, "", body)).await;
    let kms = client(&server.endpoint).await;
    let reply = kms.sign(&key(), b"x", SigningAlgorithm::EcdsaSha256, CallMode::DryRun).await.unwrap();
    assert!(reply.value.is_empty(), "a signature nobody asked for is dropped");
    let oaep = EncryptionAlgorithm::RsaesOaepSha256;
    assert!(kms.decrypt(&key(), &[0; 256], oaep, CallMode::DryRun).await.unwrap().value.is_empty());
}
