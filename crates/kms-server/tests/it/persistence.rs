//! State in a file, over restarts.

use cantle_kms_server::{ServerOptions, StartError};
use serde_json::json;

use crate::client::{base64, bytes, start_with};

fn options(path: &std::path::Path) -> ServerOptions {
    let mut options = ServerOptions::default();
    options.data = Some(path.to_owned());
    options
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let (server, client) = start_with(options(&path)).await;
    let signer = client.create("ECC_NIST_P256", "SIGN_VERIFY").await;
    let symmetric = client.create("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT").await;
    client.ok("CreateAlias", json!({"AliasName": "alias/s", "TargetKeyId": signer["KeyId"]})).await;
    let tags = json!([{"TagKey": "a", "TagValue": "b"}]);
    client.ok("TagResource", json!({"KeyId": signer["KeyId"], "Tags": tags})).await;
    let before = client.ok("Encrypt", json!({"KeyId": symmetric["KeyId"], "Plaintext": base64("m")})).await;
    client.ok("RotateKeyOnDemand", json!({"KeyId": symmetric["KeyId"]})).await;
    let policy = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}});
    client.ok("PutKeyPolicy", json!({"KeyId": signer["KeyId"], "Policy": policy.to_string()})).await;
    let public = client.ok("GetPublicKey", json!({"KeyId": "alias/s"})).await;
    server.shutdown().await;

    let (_server, client) = start_with(options(&path)).await;
    assert_eq!(client.ok("GetPublicKey", json!({"KeyId": "alias/s"})).await, public);
    assert_eq!(client.ok("ListResourceTags", json!({"KeyId": signer["KeyId"]})).await["Tags"], tags);
    let opened = client.ok("Decrypt", json!({"CiphertextBlob": before["CiphertextBlob"]})).await;
    assert_eq!(bytes(&opened["Plaintext"]), b"m");
    let kept = client.ok("GetKeyPolicy", json!({"KeyId": signer["KeyId"]})).await;
    assert_eq!(kept["Policy"], policy.to_string());
    let described = client.ok("DescribeKey", json!({"KeyId": signer["Arn"]})).await["KeyMetadata"].clone();
    assert_eq!(described["CreationDate"], signer["CreationDate"]);
}

#[tokio::test]
async fn a_file_is_served_by_one_server_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let (_server, _client) = start_with(options(&path)).await;
    let second = cantle_kms_server::Server::start(options(&path)).await;
    assert!(matches!(second, Err(StartError::State(_))));
}

#[tokio::test]
async fn concurrent_creations_are_all_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let (server, client) = start_with(options(&path)).await;
    let makers: Vec<_> = (0..40)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.create("ECC_NIST_P256", "SIGN_VERIFY").await["KeyId"].clone() })
        })
        .collect();
    let mut made = Vec::new();
    for maker in makers {
        made.push(maker.await.unwrap());
    }
    // Dropped, not shut down: what was answered is in the file all the same.
    let copy = folder.path().join("copy");
    std::fs::copy(&path, &copy).unwrap();
    drop(server);
    let (_server, client) = start_with(options(&copy)).await;
    for id in made {
        client.ok("GetPublicKey", json!({"KeyId": id})).await;
    }
}
