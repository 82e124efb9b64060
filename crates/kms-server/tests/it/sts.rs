//! STS: who am I, and sessions of roles.

use cantle_kms_server::{Caller, Credentials, PolicyDocument, Role, ServerOptions};
use serde_json::json;

use crate::client::{Client, start, start_with};

fn element<'a>(xml: &'a str, name: &str) -> &'a str {
    xml.split_once(&format!("<{name}>"))
        .and_then(|(_, rest)| rest.split_once(&format!("</{name}>")))
        .unwrap()
        .0
}

fn session(client: &Client, xml: &str) -> Client {
    Client {
        access_key: element(xml, "AccessKeyId").into(),
        secret: element(xml, "SecretAccessKey").into(),
        token: Some(element(xml, "SessionToken").into()),
        ..client.clone()
    }
}

#[tokio::test]
async fn the_caller_is_told_who_it_is() {
    let (_server, client) = start().await;
    let (status, xml) = client.sts("Action=GetCallerIdentity&Version=2011-06-15").await;
    assert_eq!(status, 200);
    assert_eq!(element(&xml, "Arn"), "arn:aws:iam::000000000000:user/test");
    assert_eq!(element(&xml, "Account"), "000000000000");
    let (status, xml) =
        client.as_caller("test", "wrong").sts("Action=GetCallerIdentity&Version=2011-06-15").await;
    assert_eq!((status, element(&xml, "Code")), (403, "SignatureDoesNotMatch"));
    let (status, xml) = client.sts("Action=GetFederationToken&Version=2011-06-15").await;
    assert_eq!((status, element(&xml, "Code")), (400, "InvalidAction"));
}

#[tokio::test]
async fn a_role_is_assumed_with_its_external_id_and_nothing_less() {
    let role = "arn:aws:iam::111122223333:role/signer";
    let trust = PolicyDocument::parse(
        r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "000000000000"},
            "Action": "sts:AssumeRole", "Condition": {"StringEquals": {"sts:ExternalId": "shibboleth"}}}]}"#,
    )
    .unwrap();
    let mut options = ServerOptions::default();
    options.credentials = Credentials::new(
        [Caller::new("test", "test"), Caller::new("else", "else").account("444455556666")],
        [Role::new(role, trust, [PolicyDocument::allow(&["kms:CreateKey", "kms:DescribeKey"], &["*"])])],
    );
    let (_server, client) = start_with(options).await;
    let assume = format!("Action=AssumeRole&Version=2011-06-15&RoleArn={role}&RoleSessionName=me");
    for refused in [assume.clone(), format!("{assume}&ExternalId=wrong")] {
        let (status, xml) = client.sts(&refused).await;
        assert_eq!((status, element(&xml, "Code")), (403, "AccessDenied"));
    }
    let right = format!("{assume}&ExternalId=shibboleth");
    assert_eq!(client.as_caller("else", "else").sts(&right).await.0, 403);
    assert_eq!(client.sts(&right.replace("signer", "unknown")).await.0, 403);
    let (status, xml) = client.sts(&right).await;
    assert_eq!(status, 200);
    assert_eq!(element(&xml, "Arn"), "arn:aws:sts::111122223333:assumed-role/signer/me");
    let session = session(&client, &xml);
    let key = session.ok("CreateKey", json!({})).await["KeyMetadata"].clone();
    assert_eq!(key["AWSAccountId"], "111122223333");
    assert_eq!(session.code("DisableKey", json!({"KeyId": key["KeyId"]})).await, "AccessDeniedException");
    let without = Client { token: None, ..session.clone() };
    assert_eq!(without.code("ListKeys", json!({})).await, "UnrecognizedClientException");
}

#[tokio::test]
async fn a_session_policy_narrows_the_session() {
    let (_server, client) = start().await;
    let policy = r#"{"Statement":{"Effect":"Allow","Action":"kms:CreateKey","Resource":"*"}}"#;
    let encoded: String = policy.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let (status, xml) = client
        .sts(&format!(
            "Action=AssumeRole&Version=2011-06-15&RoleArn=arn:aws:iam::111122223333:role/r&RoleSessionName=me&Policy={encoded}"
        ))
        .await;
    assert_eq!(status, 200, "{xml}");
    let session = session(&client, &xml);
    let key = session.ok("CreateKey", json!({})).await["KeyMetadata"].clone();
    let (code, message) = session.refused("DescribeKey", json!({"KeyId": key["KeyId"]})).await;
    assert_eq!(code, "AccessDeniedException");
    assert!(message.ends_with("because no session policy allows the kms:DescribeKey action"), "{message}");
}
