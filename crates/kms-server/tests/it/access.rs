//! Who may do what: signatures, identity policies, key policies, grants, accounts.

use cantle_kms_server::{Caller, Credentials, PolicyDocument, Server, ServerOptions};
use serde_json::{Value, json};

use crate::client::{Client, base64, start, start_with};

const OWNER: &str = "111122223333";
const OTHER: &str = "444455556666";

/// The owner, who may do everything; a node with the six documented actions; one without; another account's user.
async fn start_with_callers() -> (Server, Client) {
    let six = ["CreateKey", "TagResource", "Decrypt", "Sign", "DescribeKey", "GetPublicKey"]
        .map(|name| format!("kms:{name}"));
    let six: Vec<&str> = six.iter().map(String::as_str).collect();
    let user = |name: &str, account: &str, policies: Vec<PolicyDocument>| {
        Caller::new(name, format!("{name} secret"))
            .principal_arn(format!("arn:aws:iam::{account}:user/{name}"))
            .policies(policies)
    };
    let everything = || vec![PolicyDocument::allow_everything()];
    let mut options = ServerOptions::default();
    options.credentials = Credentials::new(
        [
            user("owner", OWNER, everything()),
            user("node", OWNER, vec![PolicyDocument::allow(&six, &["*"])]),
            user("nobody", OWNER, vec![]),
            user("stranger", OTHER, everything()),
        ],
        [],
    );
    let (server, client) = start_with(options).await;
    (server, client.as_caller("owner", "owner secret"))
}

fn caller(client: &Client, name: &str) -> Client {
    client.as_caller(name, &format!("{name} secret"))
}

fn sign(key: &Value) -> Value {
    json!({"KeyId": key, "Message": base64("m"), "SigningAlgorithm": "ECDSA_SHA_256"})
}

#[tokio::test]
async fn requests_with_a_wrong_or_altered_signature_are_refused() {
    let (_server, client) = start().await;
    assert_eq!(
        client.as_caller("test", "wrong").code("ListKeys", json!({})).await,
        "InvalidSignatureException"
    );
    assert_eq!(
        client.as_caller("who", "test").code("ListKeys", json!({})).await,
        "UnrecognizedClientException"
    );
    let request = String::from_utf8(client.kms_request("ListKeys", &json!({"Limit": 1}))).unwrap();
    for (from, to) in
        [("ListKeys", "CreateKey"), (r#"{"Limit":1}"#, r#"{"Limit":2}"#), ("us-east-1", "eu-west-1")]
    {
        let altered = request.replace(from, to);
        let answer = crate::client::exchange(client.address, altered.as_bytes()).await.unwrap();
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((answer.status, &body["__type"]), (400, &"InvalidSignatureException".into()), "{to}");
    }
    let answer = crate::client::exchange(client.address, request.as_bytes()).await.unwrap();
    assert_eq!(answer.status, 200, "as it was, and sent twice");
    let answer = crate::client::exchange(client.address, request.as_bytes()).await.unwrap();
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn the_six_documented_actions_suffice_for_a_node() {
    let (_server, owner) = start_with_callers().await;
    let node = caller(&owner, "node");
    let tags = json!([{"TagKey": "CreatedBy", "TagValue": "Cantle"}]);
    let request = json!({"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY", "Tags": tags});
    let key = node.ok("CreateKey", request).await["KeyMetadata"].clone();
    node.ok("Sign", sign(&key["KeyId"])).await;
    node.ok("GetPublicKey", json!({"KeyId": key["Arn"]})).await;
    let (code, message) = node.refused("ScheduleKeyDeletion", json!({"KeyId": key["KeyId"]})).await;
    assert_eq!(code, "AccessDeniedException");
    assert_eq!(
        message,
        format!(
            "User: arn:aws:iam::{OWNER}:user/node is not authorized to perform: kms:ScheduleKeyDeletion on resource: \
             {} because no identity-based policy allows the kms:ScheduleKeyDeletion action",
            key["Arn"].as_str().unwrap()
        )
    );
    let nobody = caller(&owner, "nobody");
    assert_eq!(nobody.code("CreateKey", json!({})).await, "AccessDeniedException");
    let absent = json!("00000000-0000-0000-0000-000000000000");
    assert_eq!(node.code("Sign", sign(&absent)).await, "NotFoundException");
    assert_eq!(nobody.code("Sign", sign(&absent)).await, "AccessDeniedException");
    assert_eq!(nobody.code("Sign", sign(&key["KeyId"])).await, "AccessDeniedException");
}

#[tokio::test]
async fn other_accounts_need_the_arn_and_the_key_policy() {
    let (_server, owner) = start_with_callers().await;
    let stranger = caller(&owner, "stranger");
    let key = owner.create("ECC_NIST_P256", "SIGN_VERIFY").await;
    owner.ok("CreateAlias", json!({"AliasName": "alias/k", "TargetKeyId": key["KeyId"]})).await;
    let (code, message) = stranger.refused("Sign", sign(&key["Arn"])).await;
    assert_eq!(code, "AccessDeniedException");
    assert!(message.ends_with(
        "because the resource does not exist in this Region, no resource-based policies allow access, or a \
         resource-based policy explicitly denies access"
    ));
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{OWNER}:root")}, "Action": "kms:*", "Resource": "*"},
        {"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": ["kms:Sign", "kms:ScheduleKeyDeletion"], "Resource": "*"}]});
    owner.ok("PutKeyPolicy", json!({"KeyId": key["KeyId"], "Policy": policy.to_string()})).await;
    stranger.ok("Sign", sign(&key["Arn"])).await;
    let alias = format!("arn:aws:kms:us-east-1:{OWNER}:alias/k");
    stranger.ok("Sign", sign(&alias.into())).await;
    assert_eq!(stranger.code("Sign", sign(&key["KeyId"])).await, "NotFoundException");
    assert_eq!(stranger.code("Sign", sign(&"alias/k".into())).await, "NotFoundException");
    assert_eq!(stranger.code("DescribeKey", json!({"KeyId": key["Arn"]})).await, "AccessDeniedException");
    // Some operations never cross accounts, whatever the policy says.
    assert_eq!(
        stranger.code("ScheduleKeyDeletion", json!({"KeyId": key["Arn"]})).await,
        "AccessDeniedException"
    );
}

#[tokio::test]
async fn a_key_policy_may_allow_alone_and_may_deny_everything() {
    let (_server, owner) = start_with_callers().await;
    let nobody = caller(&owner, "nobody");
    let key = owner.create("ECC_NIST_P256", "SIGN_VERIFY").await;
    let root = json!({"Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{OWNER}:root")}, "Action": "kms:*", "Resource": "*"});
    let direct = json!({"Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{OWNER}:user/nobody")}, "Action": "kms:Sign", "Resource": "*",
        "Condition": {"StringEquals": {"kms:SigningAlgorithm": "ECDSA_SHA_256", "kms:MessageType": "RAW"}}});
    let denies = json!({"Effect": "Deny", "Principal": "*", "Action": "kms:Sign", "Resource": "*"});
    let put = |statements: Vec<&Value>| {
        let policy = json!({"Version": "2012-10-17", "Statement": statements});
        json!({"KeyId": key["KeyId"], "Policy": policy.to_string()})
    };
    owner.ok("PutKeyPolicy", put(vec![&root, &direct])).await;
    nobody.ok("Sign", sign(&key["KeyId"])).await;
    let mut digest = sign(&key["KeyId"]);
    digest["MessageType"] = "DIGEST".into();
    assert_eq!(nobody.code("Sign", digest).await, "AccessDeniedException");
    owner.ok("PutKeyPolicy", put(vec![&root, &direct, &denies])).await;
    for denied in [&owner, &nobody] {
        let (code, message) = denied.refused("Sign", sign(&key["KeyId"])).await;
        assert_eq!(code, "AccessDeniedException");
        assert!(message.ends_with("with an explicit deny in a resource-based policy"), "{message}");
    }
    assert_eq!(owner.code("PutKeyPolicy", put(vec![&denies])).await, "MalformedPolicyDocumentException");
}

#[tokio::test]
async fn conditions_see_the_key_and_the_request() {
    let mut options = ServerOptions::default();
    let conditional = PolicyDocument::parse(
        r#"{"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "kms:CreateKey", "Resource": "*",
             "Condition": {"StringEquals": {"kms:KeySpec": "ECC_NIST_P256", "aws:RequestTag/team": "red"}, "Bool": {"kms:MultiRegion": "false"}}},
            {"Effect": "Allow", "Action": "kms:TagResource", "Resource": "arn:aws:kms:*:*:key/*"},
            {"Effect": "Allow", "Action": "kms:Sign", "Resource": "*", "Condition": {"StringEquals": {"aws:ResourceTag/team": "red"}}},
            {"Effect": "Allow", "Action": "kms:DescribeKey", "Resource": "*", "Condition": {"StringLike": {"kms:RequestAlias": "alias/red-*"}}}]}"#,
    )
    .unwrap();
    options.credentials = Credentials::new(
        [Caller::new("test", "test"), Caller::new("red", "red").policies([conditional])],
        [],
    );
    let (_server, client) = start_with(options).await;
    let red = client.as_caller("red", "red");
    let create = |team: &str, multi_region: bool| {
        json!({
            "KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY", "MultiRegion": multi_region,
            "Tags": [{"TagKey": "team", "TagValue": team}],
        })
    };
    assert_eq!(red.code("CreateKey", create("blue", false)).await, "AccessDeniedException");
    assert_eq!(red.code("CreateKey", create("red", true)).await, "AccessDeniedException");
    let key = red.ok("CreateKey", create("red", false)).await["KeyMetadata"].clone();
    let blue = client.ok("CreateKey", create("blue", false)).await["KeyMetadata"].clone();
    red.ok("Sign", sign(&key["KeyId"])).await;
    assert_eq!(red.code("Sign", sign(&blue["KeyId"])).await, "AccessDeniedException");
    client.ok("CreateAlias", json!({"AliasName": "alias/red-1", "TargetKeyId": key["KeyId"]})).await;
    red.ok("DescribeKey", json!({"KeyId": "alias/red-1"})).await;
    assert_eq!(red.code("DescribeKey", json!({"KeyId": key["KeyId"]})).await, "AccessDeniedException");
}

#[tokio::test]
async fn grants_allow_until_they_are_revoked_or_retired() {
    let (_server, owner) = start_with_callers().await;
    let stranger = caller(&owner, "stranger");
    let nobody = caller(&owner, "nobody");
    let key = owner.create("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT").await;
    let encrypt =
        |context: Value| json!({"KeyId": key["Arn"], "Plaintext": base64("m"), "EncryptionContext": context});
    let request = json!({
        "KeyId": key["KeyId"], "GranteePrincipal": format!("arn:aws:iam::{OTHER}:user/stranger"),
        "RetiringPrincipal": format!("arn:aws:iam::{OWNER}:user/nobody"),
        "Operations": ["Encrypt"], "Constraints": {"EncryptionContextSubset": {"a": "b"}}, "Name": "n",
    });
    assert_eq!(stranger.code("Encrypt", encrypt(json!({"a": "b"}))).await, "AccessDeniedException");
    let grant = owner.ok("CreateGrant", request.clone()).await;
    assert_eq!(owner.ok("CreateGrant", request.clone()).await["GrantId"], grant["GrantId"]);
    stranger.ok("Encrypt", encrypt(json!({"a": "b", "c": "d"}))).await;
    assert_eq!(stranger.code("Encrypt", encrypt(json!({"a": "x"}))).await, "AccessDeniedException");
    let mut with_token = encrypt(json!({"a": "b"}));
    with_token["GrantTokens"] = json!([grant["GrantToken"]]);
    stranger.ok("Encrypt", with_token.clone()).await;
    with_token["GrantTokens"] = json!(["nonsense"]);
    assert_eq!(stranger.code("Encrypt", with_token).await, "InvalidGrantTokenException");
    let listed = owner.ok("ListGrants", json!({"KeyId": key["KeyId"]})).await;
    assert_eq!(listed["Grants"].as_array().unwrap().len(), 1);
    let by_id = json!({"KeyId": key["Arn"], "GrantId": grant["GrantId"]});
    assert_eq!(stranger.code("RetireGrant", by_id.clone()).await, "AccessDeniedException");
    nobody.ok("RetireGrant", json!({"GrantToken": grant["GrantToken"]})).await;
    assert_eq!(stranger.code("Encrypt", encrypt(json!({"a": "b"}))).await, "AccessDeniedException");
    let grant = owner.ok("CreateGrant", request).await;
    let by_id = json!({"KeyId": key["Arn"], "GrantId": grant["GrantId"]});
    owner.ok("RevokeGrant", by_id.clone()).await;
    assert_eq!(owner.code("RevokeGrant", by_id).await, "NotFoundException");
    let wrong = json!({
        "KeyId": key["KeyId"], "GranteePrincipal": format!("arn:aws:iam::{OTHER}:user/x"), "Operations": ["Sign"],
    });
    assert_eq!(owner.code("CreateGrant", wrong).await, "ValidationException");
}

#[tokio::test]
async fn without_authentication_anybody_may_call() {
    let mut options = ServerOptions::default();
    options.auth = cantle_kms_server::Authentication::None;
    let (_server, client) = start_with(options).await;
    let key = client.as_caller("who", "ever").create("ECC_NIST_P256", "SIGN_VERIFY").await;
    assert!(key["Arn"].as_str().unwrap().starts_with("arn:aws:kms:us-east-1:000000000000:key/"));
}
