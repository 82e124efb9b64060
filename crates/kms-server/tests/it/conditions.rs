//! Condition keys, one at a time: a caller allowed everything under one condition, a request on each side of it.

use cantle_kms_server::{Caller, Credentials, PolicyDocument, ServerOptions};
use serde_json::{Value, json};

use crate::client::{Client, base64, start_with};

/// The keys that the requests below are about.
struct Keys {
    signer: String,
    rsa: String,
    symmetric: String,
    other: String,
    mac: String,
    sealed: Value,
}

impl Keys {
    async fn new(client: &Client) -> Self {
        let id = |key: Value| key["KeyId"].as_str().unwrap().to_owned();
        let symmetric = id(client.create("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT").await);
        let request =
            json!({"KeyId": symmetric, "Plaintext": base64("m"), "EncryptionContext": {"team": "red"}});
        let alias = json!({"AliasName": "alias/symmetric", "TargetKeyId": symmetric});
        client.ok("CreateAlias", alias).await;
        Self {
            signer: id(client.create("ECC_NIST_P256", "SIGN_VERIFY").await),
            rsa: id(client.create("RSA_2048", "SIGN_VERIFY").await),
            other: id(client.create("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT").await),
            mac: id(client.create("HMAC_256", "GENERATE_VERIFY_MAC").await),
            sealed: client.ok("Encrypt", request).await["CiphertextBlob"].clone(),
            symmetric,
        }
    }
}

/// An operation and its members.
type Request = (&'static str, Value);

/// Conditions with a request that each allows and one that it does not.
fn cases(keys: &Keys) -> Vec<(Value, Request, Request)> {
    let Keys { signer, rsa, symmetric, other, mac, sealed } = keys;
    let equals = |name: &str, value: &str| json!({"StringEquals": {name: value}});
    let sign = |key: &str, algorithm: &str| {
        ("Sign", json!({"KeyId": key, "Message": base64("m"), "SigningAlgorithm": algorithm}))
    };
    let digest = json!({
        "KeyId": signer, "Message": base64([7; 32]), "SigningAlgorithm": "ECDSA_SHA_256", "MessageType": "DIGEST",
    });
    let encrypt = |key: &str, context: Value| {
        ("Encrypt", json!({"KeyId": key, "Plaintext": base64("m"), "EncryptionContext": context}))
    };
    let re_encrypt = |context: Value| {
        let request = json!({
            "CiphertextBlob": sealed, "SourceEncryptionContext": {"team": "red"}, "DestinationKeyId": other,
            "DestinationEncryptionContext": context,
        });
        ("ReEncrypt", request)
    };
    let re_encrypt_to = |source: &Value, destination: &str| {
        let mut request = json!({
            "CiphertextBlob": sealed, "SourceEncryptionContext": {"team": "red"}, "DestinationKeyId": destination,
        });
        if let Some(source) = source.get("SourceKeyId") {
            request["SourceKeyId"] = source.clone();
        }
        ("ReEncrypt", request)
    };
    let deletion = |days: u32| ("ScheduleKeyDeletion", json!({"KeyId": mac, "PendingWindowInDays": days}));
    let grant = |operation: &str| {
        let request = json!({
            "KeyId": symmetric, "GranteePrincipal": "arn:aws:iam::000000000000:user/test", "Operations": [operation],
        });
        ("CreateGrant", request)
    };
    let create = |tag: &str| {
        let tags = json!([{"TagKey": tag, "TagValue": "v"}]);
        ("CreateKey", json!({"Tags": tags}))
    };
    vec![
        (
            equals("kms:SigningAlgorithm", "RSASSA_PSS_SHA_256"),
            sign(rsa, "RSASSA_PSS_SHA_256"),
            sign(rsa, "RSASSA_PKCS1_V1_5_SHA_256"),
        ),
        (equals("kms:MessageType", "RAW"), sign(signer, "ECDSA_SHA_256"), ("Sign", digest)),
        (
            equals("kms:KeySpec", "ECC_NIST_P256"),
            sign(signer, "ECDSA_SHA_256"),
            sign(rsa, "RSASSA_PSS_SHA_256"),
        ),
        (equals("kms:KeyUsage", "SIGN_VERIFY"), sign(signer, "ECDSA_SHA_256"), encrypt(symmetric, json!({}))),
        (
            equals("kms:EncryptionAlgorithm", "SYMMETRIC_DEFAULT"),
            encrypt(symmetric, json!({})),
            // A signature has no encryption algorithm.
            sign(signer, "ECDSA_SHA_256"),
        ),
        (
            equals("kms:EncryptionAlgorithm", "SYMMETRIC_DEFAULT"),
            re_encrypt(json!({})),
            ("DescribeKey", json!({"KeyId": symmetric})),
        ),
        (
            equals("kms:EncryptionContext:team", "red"),
            encrypt(symmetric, json!({"team": "red"})),
            encrypt(symmetric, json!({"team": "blue"})),
        ),
        (
            equals("kms:EncryptionContext:team", "red"),
            re_encrypt(json!({"team": "red"})),
            re_encrypt(json!({"team": "blue"})),
        ),
        (
            json!({"Bool": {"kms:ReEncryptOnSameKey": "true"}}),
            // Under any name of it, and also where the ciphertext alone says which key it was.
            re_encrypt_to(&json!({}), &format!("arn:aws:kms:us-east-1:000000000000:key/{symmetric}")),
            re_encrypt_to(&json!({}), other),
        ),
        (
            json!({"Bool": {"kms:ReEncryptOnSameKey": "true"}}),
            re_encrypt_to(&json!({"SourceKeyId": symmetric}), "alias/symmetric"),
            re_encrypt_to(&json!({"SourceKeyId": "alias/symmetric"}), other),
        ),
        (
            json!({"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["team", "purpose"]}}),
            encrypt(symmetric, json!({"team": "red", "purpose": "x"})),
            encrypt(symmetric, json!({"team": "red", "else": "x"})),
        ),
        (
            json!({"NumericGreaterThanEquals": {"kms:ScheduleKeyDeletionPendingWindowInDays": "20"}}),
            deletion(25),
            deletion(7),
        ),
        (
            json!({"ForAllValues:StringEquals": {"kms:GrantOperations": ["Encrypt"]}}),
            grant("Encrypt"),
            grant("Decrypt"),
        ),
        (json!({"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}}), create("team"), create("colour")),
        (
            json!({"StringEquals": {"aws:RequestedRegion": "us-east-1"}, "IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}),
            ("ListKeys", json!({})),
            // Nothing that this caller can send: the other half of the pair is asked in another Region.
            ("ListKeys", json!({})),
        ),
    ]
}

#[tokio::test]
async fn each_condition_key_decides_alone() {
    let (_server, owner) = start_with(ServerOptions::default()).await;
    let keys = Keys::new(&owner).await;
    let conditions: Vec<Value> = cases(&keys).into_iter().map(|(condition, ..)| condition).collect();
    let mut callers = vec![Caller::new("test", "test")];
    for (number, condition) in conditions.iter().enumerate() {
        let policy = json!({
            "Version": "2012-10-17",
            "Statement": {"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Condition": condition},
        });
        let policy = PolicyDocument::parse(&policy.to_string()).unwrap();
        callers.push(Caller::new(format!("caller{number}"), "secret").policies([policy]));
    }
    let mut options = ServerOptions::default();
    options.credentials = Credentials::new(callers, []);
    let (_server, owner) = start_with(options).await;
    let keys = Keys::new(&owner).await;
    for (number, (condition, allowed, denied)) in cases(&keys).into_iter().enumerate() {
        let caller = owner.as_caller(&format!("caller{number}"), "secret");
        caller.call(allowed.0, allowed.1).await.unwrap_or_else(|error| panic!("{condition}: {error:?}"));
        let caller = if denied.0 == "ListKeys" { caller.in_region("eu-west-1") } else { caller };
        assert_eq!(caller.code(denied.0, denied.1).await, "AccessDeniedException", "{condition}");
    }
}

#[tokio::test]
async fn a_service_acts_for_its_user_where_the_policy_says_so() {
    let policy = PolicyDocument::parse(
        r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "kms:*", "Resource": "*",
            "Condition": {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}, "Bool": {"aws:ViaAWSService": "true"}}}}"#,
    )
    .unwrap();
    let mut options = ServerOptions::default();
    options.credentials = Credentials::new(
        [
            Caller::new("s3", "s").policies([policy.clone()]).via_service("s3.us-east-1.amazonaws.com"),
            Caller::new("ec2", "s").policies([policy.clone()]).via_service("ec2.us-east-1.amazonaws.com"),
            Caller::new("user", "s").policies([policy]),
        ],
        [],
    );
    let (_server, client) = start_with(options).await;
    client.as_caller("s3", "s").ok("ListKeys", json!({})).await;
    for name in ["ec2", "user"] {
        assert_eq!(client.as_caller(name, "s").code("ListKeys", json!({})).await, "AccessDeniedException");
    }
}
