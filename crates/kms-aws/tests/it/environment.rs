//! What comes from the environment: credentials, endpoints, proxies. Each test runs a child test of this binary with
//! its environment, because a process cannot change its own safely.

use std::process::Command;
use std::time::Duration;

use cantle_kms::{CredentialsProblem, Kms, KmsError, KmsKeyId, NetworkProblem};
use cantle_kms_aws::{AssumeRole, AwsKms, AwsKmsOptions, SslVerification};

use crate::canned::{Answer, Canned, aws_error};

/// Runs an ignored test of this binary with only these variables, and asserts that it passes.
fn child(test: &str, variables: &[(&str, &str)]) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("environment::{test}"), "--ignored"])
        .env_clear()
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/nonexistent/config")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

async fn describe(options: AwsKmsOptions) -> KmsError {
    let kms = AwsKms::connect(options).await.unwrap();
    kms.describe_key(&KmsKeyId::parse("alias/x").unwrap()).await.unwrap_err()
}

fn options() -> AwsKmsOptions {
    let mut options = AwsKmsOptions::new("us-east-1");
    options.endpoint_override = std::env::var("TEST_ENDPOINT").ok();
    options.attempt_timeout = Duration::from_secs(10);
    options
}

#[test]
fn missing_credentials_are_told() {
    child("child_without_credentials", &[("TEST_ENDPOINT", "http://127.0.0.1:1")]);
}

#[tokio::test]
#[ignore = "needs the environment of missing_credentials_are_told"]
async fn child_without_credentials() {
    let error = describe(options()).await;
    assert!(matches!(error, KmsError::Credentials { problem: CredentialsProblem::Missing, .. }), "{error:?}");
    assert!(error.to_string().contains("no AWS credentials were found"), "{error}");
}

#[test]
fn an_unknown_profile_is_told() {
    child("child_with_an_unknown_profile", &[("TEST_ENDPOINT", "http://127.0.0.1:1")]);
}

#[tokio::test]
#[ignore = "needs the environment of an_unknown_profile_is_told"]
async fn child_with_an_unknown_profile() {
    let mut options = options();
    options.profile = Some("no-such-profile".to_owned());
    let error = describe(options).await;
    assert!(
        matches!(
            error,
            KmsError::Credentials {
                problem: CredentialsProblem::Misconfigured | CredentialsProblem::Missing,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(!error.retryable() && error.to_string().contains("profile"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_profile_wins_over_the_environment() {
    let mut server = Canned::start(aws_error(400, "NotFoundException", "x")).await;
    let files = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/credentials");
    let endpoint = server.endpoint.clone();
    run_child(
        "child_with_a_profile",
        vec![
            ("TEST_ENDPOINT", endpoint),
            ("AWS_SHARED_CREDENTIALS_FILE", files.to_owned()),
            ("AWS_ACCESS_KEY_ID", "AKIDENVIRONMENT".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "environment".to_owned()),
        ],
    )
    .await;
    let request = server.requests.try_recv().unwrap();
    assert!(request.contains("Credential=AKIDPROFILE/"), "{request}");
    assert!(request.contains("app/cantle-"), "the user agent names the application: {request}");
}

#[tokio::test]
#[ignore = "needs the environment of a_named_profile_wins_over_the_environment"]
async fn child_with_a_profile() {
    let mut options = options();
    options.profile = Some("participant1".to_owned());
    assert!(matches!(describe(options).await, KmsError::NotFound { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_assumed_at_sts() {
    let mut kms = Canned::start(aws_error(400, "NotFoundException", "x")).await;
    let mut sts = Canned::start(Answer::Http(200, "", assumed_role())).await;
    run_child(
        "child_with_a_role",
        vec![
            ("TEST_ENDPOINT", kms.endpoint.clone()),
            ("AWS_ENDPOINT_URL_STS", sts.endpoint.clone()),
            ("AWS_ACCESS_KEY_ID", "AKIDBASE".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "base".to_owned()),
        ],
    )
    .await;
    let assumed = sts.requests.try_recv().unwrap();
    for part in ["Action=AssumeRole", "ExternalId=ext-1", "RoleSessionName=node-1", "Credential=AKIDBASE/"] {
        assert!(assumed.contains(part), "{part} is missing in {assumed}");
    }
    assert!(kms.requests.try_recv().unwrap().contains("Credential=ASIAROLE/"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_not_be_assumed_is_told() {
    let refused = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>User may not \
        sts:AssumeRole</Message></Error><RequestId>r</RequestId></ErrorResponse>";
    let sts = Canned::start(Answer::Http(403, "", refused.to_owned())).await;
    run_child(
        "child_with_a_refused_role",
        vec![
            ("TEST_ENDPOINT", "http://127.0.0.1:1".to_owned()),
            ("AWS_ENDPOINT_URL_STS", sts.endpoint.clone()),
            ("AWS_ACCESS_KEY_ID", "AKIDBASE".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "base".to_owned()),
        ],
    )
    .await;
}

fn with_role() -> AwsKmsOptions {
    let mut options = options();
    options.assume_role = Some(AssumeRole {
        role_arn: "arn:aws:iam::111122223333:role/node".to_owned(),
        external_id: Some("ext-1".to_owned()),
        session_name: Some("node-1".to_owned()),
    });
    options
}

#[tokio::test]
#[ignore = "needs the environment of a_role_is_assumed_at_sts"]
async fn child_with_a_role() {
    assert!(matches!(describe(with_role()).await, KmsError::NotFound { .. }));
}

#[tokio::test]
#[ignore = "needs the environment of a_role_that_may_not_be_assumed_is_told"]
async fn child_with_a_refused_role() {
    let error = describe(with_role()).await;
    assert!(matches!(error, KmsError::Credentials { problem: CredentialsProblem::Refused, .. }), "{error:?}");
    assert!(!error.retryable() && error.to_string().contains("sts:AssumeRole"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_go_through_the_proxy_of_the_environment() {
    let mut proxy = Canned::start(aws_error(400, "NotFoundException", "x")).await;
    run_child(
        "child_behind_a_proxy",
        vec![
            ("TEST_ENDPOINT", "http://kms.cantle.invalid".to_owned()),
            ("HTTP_PROXY", proxy.endpoint.clone()),
            ("AWS_ACCESS_KEY_ID", "AKID".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
        ],
    )
    .await;
    assert!(proxy.requests.try_recv().unwrap().starts_with("POST http://kms.cantle.invalid/ HTTP/1.1"));
}

#[tokio::test]
#[ignore = "needs the environment of requests_go_through_the_proxy_of_the_environment"]
async fn child_behind_a_proxy() {
    assert!(matches!(describe(options()).await, KmsError::NotFound { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn https_requests_tunnel_through_the_proxy_checked_or_not() {
    for verification in ["on", "off"] {
        let mut proxy = Canned::start(Answer::Http(403, "", String::new())).await;
        run_child(
            "child_behind_a_tunnel",
            vec![
                ("TEST_ENDPOINT", "https://kms.cantle.invalid".to_owned()),
                ("TEST_VERIFICATION", verification.to_owned()),
                ("HTTPS_PROXY", proxy.endpoint.clone()),
                ("AWS_ACCESS_KEY_ID", "AKID".to_owned()),
                ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
            ],
        )
        .await;
        let request = proxy.requests.try_recv().unwrap();
        assert!(request.starts_with("CONNECT kms.cantle.invalid:443 HTTP/1.1"), "{verification}: {request}");
    }
}

#[tokio::test]
#[ignore = "needs the environment of https_requests_tunnel_through_the_proxy_checked_or_not"]
async fn child_behind_a_tunnel() {
    let mut options = options();
    if std::env::var("TEST_VERIFICATION").as_deref() == Ok("off") {
        options.ssl_verification = SslVerification::Off;
    }
    let error = describe(options).await;
    assert!(matches!(error, KmsError::Network { problem: NetworkProblem::ConnectFailed, .. }), "{error:?}");
}

#[test]
fn the_endpoint_is_the_one_that_requests_go_to() {
    let of_region = "https://kms.us-east-1.amazonaws.com/";
    child("child_names_its_endpoint", &[("TEST_EXPECTED", of_region)]);
    let all = ("AWS_ENDPOINT_URL", "http://127.0.0.1:2");
    child("child_names_its_endpoint", &[all, ("TEST_EXPECTED", "http://127.0.0.1:2/")]);
    let kms = ("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:3");
    child("child_names_its_endpoint", &[all, kms, ("TEST_EXPECTED", "http://127.0.0.1:3/")]);
    let ours = ("TEST_ENDPOINT", "http://127.0.0.1:4");
    child("child_names_its_endpoint", &[all, kms, ours, ("TEST_EXPECTED", "http://127.0.0.1:4/")]);
    let fips = ("AWS_USE_FIPS_ENDPOINT", "true");
    let of_fips = "https://kms-fips.us-east-1.amazonaws.com/";
    child("child_names_its_endpoint", &[fips, ("TEST_EXPECTED", of_fips)]);
}

#[tokio::test]
#[ignore = "needs the environment of the_endpoint_is_the_one_that_requests_go_to"]
async fn child_names_its_endpoint() {
    let kms = AwsKms::connect(options()).await.unwrap();
    assert_eq!(kms.endpoint(), std::env::var("TEST_EXPECTED").unwrap());
}

/// [`child`] beside a server in this process.
async fn run_child(test: &'static str, variables: Vec<(&'static str, String)>) {
    let run = move || {
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        child(test, &variables);
    };
    tokio::task::spawn_blocking(run).await.unwrap();
}

/// STS's answer to AssumeRole.
fn assumed_role() -> String {
    "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><AssumedRoleUser>\
     <Arn>arn:aws:sts::111122223333:assumed-role/node/node-1</Arn><AssumedRoleId>AROA:node-1</AssumedRoleId>\
     </AssumedRoleUser><Credentials><AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>role</SecretAccessKey>\
     <SessionToken>token</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>\
     </AssumeRoleResult></AssumeRoleResponse>"
        .to_owned()
}
