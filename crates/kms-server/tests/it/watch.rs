//! What the process that runs the server sees: requests as they are answered, keys as they are.

use std::sync::{Arc, Mutex};

use cantle_kms_server::{Fault, FaultKind, ObservedRequest, Observer, ServerOptions};
use serde_json::json;

use crate::client::{base64, start_with};

/// A server's options and what its observer was told.
fn observed() -> (ServerOptions, Arc<Mutex<Vec<ObservedRequest>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let mut options = ServerOptions::default();
    options.observer = Some(Observer::new(move |request| told.lock().unwrap().push(request)));
    (options, seen)
}

#[tokio::test]
async fn an_observer_sees_operation_key_caller_and_outcome() {
    let (options, seen) = observed();
    let (server, client) = start_with(options).await;
    let made = client.ok("CreateKey", json!({"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"})).await;
    let arn = made["KeyMetadata"]["Arn"].as_str().unwrap().to_owned();
    client.ok("DisableKey", json!({"KeyId": arn})).await;
    let sign = json!({"KeyId": arn, "Message": base64("m"), "SigningAlgorithm": "ECDSA_SHA_256"});
    client.code("Sign", sign.clone()).await;
    server.set_faults([Fault::new("Sign", FaultKind::Throttle)]);
    client.code("Sign", sign).await;

    let seen = seen.lock().unwrap();
    let states: Vec<_> = seen[..3].iter().map(|request| request.keys[0].state).collect();
    assert_eq!(states, ["Enabled", "Disabled", "Disabled"]);
    let told: Vec<_> =
        seen.iter().map(|request| (request.operation.as_str(), request.outcome.as_str())).collect();
    let expected = [
        ("CreateKey", "Success"),
        ("DisableKey", "Success"),
        ("Sign", "DisabledException"),
        ("Sign", "ThrottlingException"),
    ];
    assert_eq!(told, expected);
    for request in &seen[..3] {
        let keys: Vec<_> = request.keys.iter().map(|key| (key.arn.as_str(), key.spec)).collect();
        assert_eq!(keys, [(arn.as_str(), "ECC_NIST_P256")], "{request:?}");
        assert_eq!(request.caller.as_deref(), Some("arn:aws:iam::000000000000:user/test"));
    }
    assert!(seen[3].keys.is_empty(), "a throttled request was not looked into");
    assert!(seen.iter().all(|request| !request.request_id.is_empty() && !request.took.is_zero()));
}

#[tokio::test]
async fn an_observer_is_told_no_contents() {
    let (options, seen) = observed();
    let (_server, client) = start_with(options).await;
    let made = client.ok("CreateKey", json!({"KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT"})).await;
    let arn = made["KeyMetadata"]["Arn"].clone();
    let secret = base64("a secret text");
    let request = json!({"KeyId": arn, "Plaintext": secret, "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"});
    let encrypted = client.ok("Encrypt", request).await;
    let told = format!("{:?}", seen.lock().unwrap());
    assert!(told.contains("Encrypt"), "{told}");
    for hidden in [secret.as_str(), encrypted["CiphertextBlob"].as_str().unwrap()] {
        assert!(!told.contains(hidden), "{told}");
    }
}

#[tokio::test]
async fn keys_are_seen_as_they_are_without_a_request() {
    let (server, client) = start_with(ServerOptions::default()).await;
    let made = client
        .ok(
            "CreateKey",
            json!({
                "KeySpec": "ECC_NIST_P384", "KeyUsage": "SIGN_VERIFY", "Description": "a key",
                "Tags": [{"TagKey": "CantleNode", "TagValue": "participant1"}],
            }),
        )
        .await;
    let arn = made["KeyMetadata"]["Arn"].as_str().unwrap();
    let keys = server.keys();
    let counted = server.request_counts();
    let key = keys.key(arn).unwrap();
    assert_eq!((key.state, key.spec, key.usage), ("Enabled", "ECC_NIST_P384", "SIGN_VERIFY"));
    assert_eq!((key.arn.as_str(), key.description.as_str()), (arn, "a key"));
    assert_eq!(key.tag("CantleNode"), Some("participant1"));
    assert_eq!(key.tag("Other"), None);
    client.ok("DisableKey", json!({"KeyId": arn})).await;
    assert_eq!(keys.key(arn).unwrap().state, "Disabled");
    assert_eq!(server.request_counts().len(), counted.len() + 1, "looking is not counted");
    for unknown in ["", "arn:aws:kms:us-east-1", "arn:aws:kms:us-east-1:000000000000:alias/a", "x"] {
        assert_eq!(keys.key(unknown), None, "{unknown}");
    }
    assert_eq!(keys.key(&arn.replace("us-east-1", "eu-west-1")), None, "another Region has other keys");
}
