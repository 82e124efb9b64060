//! Against the loopback service: the contract, and what only a service with accounts and states can show.

use std::sync::Arc;
use std::time::Duration;

use cantle_kms::{
    CallMode, CreateKey, CreationPoll, CredentialsProblem, KeySpec, KeyState, Kms, KmsError, KmsKeyId,
    LimitOptions, Limited, QuotaClass, SigningAlgorithm, Waits, contract, create_and_wait, find_by_tag,
};
use cantle_kms_aws::{AwsKms, AwsKmsOptions, StaticCredentials};
use cantle_kms_server::{RateLimits, Server, ServerOptions};

async fn connect(server: &Server, secret: &str) -> AwsKms {
    let mut options = AwsKmsOptions::new("us-east-1");
    options.endpoint_override = Some(server.endpoint());
    options.static_credentials = Some(StaticCredentials::new("test", secret));
    AwsKms::connect(options).await.unwrap()
}

#[tokio::test]
async fn the_contract_holds() {
    let server = Server::start(ServerOptions::default()).await.unwrap();
    let report = contract::check(Arc::new(connect(&server, "test").await)).await;
    assert!(report.checks().len() >= 12, "{report}");
    server.shutdown().await;
}

#[tokio::test]
async fn a_key_just_made_is_waited_for() {
    let mut options = ServerOptions::default();
    options.replication_delay = Duration::from_millis(150);
    let server = Server::start(options).await.unwrap();
    let kms = connect(&server, "test").await;
    let poll = CreationPoll { initial_delay: Duration::from_millis(20), ..CreationPoll::default() };
    let created = create_and_wait(&kms, &CreateKey::signing(KeySpec::EccNistP256), &poll).await.unwrap();
    assert!(created.metadata.arn.is_some() && created.request_id.is_some());
    assert_eq!(server.request_counts().get("CreateKey"), Some(&1));
    assert!(server.request_counts().get("DescribeKey").is_some_and(|&times| times > 1));
    server.shutdown().await;
}

#[tokio::test]
async fn answers_name_key_and_request() {
    let server = Server::start(ServerOptions::default()).await.unwrap();
    let kms = connect(&server, "test").await;
    let reply = kms.create_key(&CreateKey::signing(KeySpec::EccNistP256)).await.unwrap();
    let key = reply.value.key_id;
    assert!(reply.request_id.is_some());
    let reply = kms.sign(&key, b"x", SigningAlgorithm::EcdsaSha256, CallMode::Execute).await.unwrap();
    assert_eq!(reply.key, kms.describe_key(&key).await.unwrap().value.arn);
    assert!(reply.request_id.is_some());
    server.shutdown().await;
}

#[tokio::test]
async fn keys_are_found_by_tag_ended_and_taken_back() {
    let server = Server::start(ServerOptions::default()).await.unwrap();
    let kms = connect(&server, "test").await;
    let tagged = |value: &str| CreateKey {
        tags: vec![("CantleCreation".to_owned(), value.to_owned())],
        ..CreateKey::signing(KeySpec::EccNistP256)
    };
    kms.create_key(&tagged("other")).await.unwrap();
    let key = kms.create_key(&tagged("wanted")).await.unwrap().value.key_id;
    let search = find_by_tag(&kms, "CantleCreation", "wanted").await.unwrap();
    assert_eq!(search.found.iter().map(|found| &found.key).collect::<Vec<_>>(), [&key]);

    let date = kms.schedule_key_deletion(&key, 7).await.unwrap().value.unwrap();
    let days = (date.as_second() - jiff::Timestamp::now().as_second()) / 86_400;
    assert!((6..=7).contains(&days), "{date}");
    let state = || async { kms.describe_key(&key).await.unwrap().value.state };
    assert_eq!(state().await, KeyState::PendingDeletion);
    let error = kms.schedule_key_deletion(&key, 7).await.unwrap_err();
    assert!(matches!(error, KmsError::InvalidState { .. }), "{error:?}");
    kms.cancel_key_deletion(&key).await.unwrap();
    assert_eq!(state().await, KeyState::Disabled);
    kms.enable_key(&key).await.unwrap();
    assert_eq!(state().await, KeyState::Enabled);
    server.shutdown().await;
}

#[tokio::test]
async fn a_wrong_secret_is_told() {
    let server = Server::start(ServerOptions::default()).await.unwrap();
    let kms = connect(&server, "wrong").await;
    let error = kms.create_key(&CreateKey::signing(KeySpec::EccNistP256)).await.unwrap_err();
    assert!(
        matches!(error, KmsError::Credentials { problem: CredentialsProblem::SignatureRefused, .. }),
        "{error:?}"
    );
    assert!(!error.retryable() && error.to_string().contains("AWS_SECRET_ACCESS_KEY"), "{error}");
    server.shutdown().await;
}

#[tokio::test]
async fn the_arn_of_another_region_is_not_found() {
    let server = Server::start(ServerOptions::default()).await.unwrap();
    let kms = connect(&server, "test").await;
    let arn = "arn:aws:kms:eu-west-1:000000000000:key/00000000-0000-4000-8000-00000000dead";
    let error = kms.describe_key(&KmsKeyId::parse(arn).unwrap()).await.unwrap_err();
    assert!(matches!(error, KmsError::NotFound { .. }), "{error:?}");
    assert!(error.to_string().contains("Region eu-west-1"), "{error}");
    server.shutdown().await;
}

#[tokio::test]
#[ignore = "needs AWS credentials"]
async fn the_contract_holds_at_aws() {
    let region = std::env::var("AWS_REGION").unwrap_or_else(|_| "us-east-1".to_owned());
    let kms = AwsKms::connect(AwsKmsOptions::new(region)).await.unwrap();
    let report = contract::check(Arc::new(kms)).await;
    assert!(report.checks().len() >= 12, "{report}");
}

#[tokio::test]
async fn a_probe_tells_whether_the_caller_is_known_and_what_time_it_is_there() {
    let nobody = KmsKeyId::parse("1234abcd-12ab-34cd-56ef-1234567890ab").unwrap();
    let server = Server::start(ServerOptions::default()).await.unwrap();
    let probe = connect(&server, "test").await.probe(&nobody).await;
    assert!(probe.is_authenticated(), "{probe:?}");
    assert!(matches!(probe.error, Some(KmsError::NotFound { .. })), "{probe:?}");
    let server_time = probe.server_time.unwrap();
    let off = server_time
        .duration_since(probe.local_time)
        .or_else(|_| probe.local_time.duration_since(server_time))
        .unwrap();
    assert!(off < Duration::from_secs(30), "{off:?}");
    let refused = connect(&server, "wrong").await.probe(&nobody).await;
    assert!(!refused.is_authenticated() && refused.server_time.is_some(), "{refused:?}");
    server.shutdown().await;
    let silent = AwsKms::connect({
        let mut options = AwsKmsOptions::new("us-east-1");
        options.endpoint_override = Some(server_endpoint_that_is_gone().await);
        options.static_credentials = Some(StaticCredentials::new("test", "test"));
        options
    })
    .await
    .unwrap();
    let silent = silent.probe(&nobody).await;
    assert!(!silent.is_authenticated() && silent.server_time.is_none(), "{silent:?}");
}

/// Where nobody listens any more.
async fn server_endpoint_that_is_gone() -> String {
    let server = Server::start(ServerOptions::default()).await.unwrap();
    let endpoint = server.endpoint();
    server.shutdown().await;
    endpoint
}

#[tokio::test]
async fn within_its_share_of_the_quota_nothing_is_throttled() {
    let mut options = ServerOptions::default();
    options.rate_limits = RateLimits::Aws;
    let server = Server::start(options).await.unwrap();
    let kms = Arc::new(connect(&server, "test").await);
    let limits = LimitOptions::default().with_share(0.8, QuotaClass::documented);
    let limited = Limited::new(kms.clone(), &limits, Waits::default());
    // AWS lets five a second through; eight at once would be too many.
    let make = |kms: Arc<dyn Kms>| {
        let made = (0..8).map(|_| {
            let kms = kms.clone();
            tokio::spawn(async move { kms.create_key(&CreateKey::signing(KeySpec::EccNistP256)).await })
        });
        made.collect::<Vec<_>>()
    };
    for made in make(Arc::new(limited)) {
        made.await.unwrap().unwrap();
    }
    let mut throttled = 0;
    for made in make(kms) {
        throttled += usize::from(matches!(made.await.unwrap(), Err(KmsError::Throttled { .. })));
    }
    assert!(throttled > 0, "the service keeps its quotas");
    server.shutdown().await;
}
