//! Multi-Region keys.

use std::time::Duration;

use serde_json::json;

use crate::client::{base64, bytes, start};

#[tokio::test]
async fn replicas_share_id_and_material_and_differ_in_region() {
    let (_server, client) = start().await;
    let request = json!({"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY", "MultiRegion": true});
    let key = client.ok("CreateKey", request).await["KeyMetadata"].clone();
    assert!(key["KeyId"].as_str().unwrap().starts_with("mrk-"));
    let replicate = json!({"KeyId": key["KeyId"], "ReplicaRegion": "eu-west-1"});
    let made = client.ok("ReplicateKey", replicate.clone()).await;
    assert_eq!(made["ReplicaKeyMetadata"]["KeyState"], "Creating");
    assert_eq!(client.code("ReplicateKey", replicate).await, "AlreadyExistsException");
    let there = client.in_region("eu-west-1");
    let replica = there.ok("DescribeKey", json!({"KeyId": key["KeyId"]})).await["KeyMetadata"].clone();
    assert_eq!(replica["KeyId"], key["KeyId"]);
    assert_ne!(replica["Arn"], key["Arn"]);
    assert_eq!(replica["MultiRegionConfiguration"]["MultiRegionKeyType"], "REPLICA");
    let one = client.ok("GetPublicKey", json!({"KeyId": key["KeyId"]})).await;
    let other = there.ok("GetPublicKey", json!({"KeyId": key["KeyId"]})).await;
    assert_eq!(one["PublicKey"], other["PublicKey"]);
    let again = json!({"KeyId": key["KeyId"], "ReplicaRegion": "us-west-2"});
    assert_eq!(
        there.refused("ReplicateKey", again).await,
        (
            "UnsupportedOperationException".into(),
            format!("{} is not a multi-region primary key.", replica["Arn"].as_str().unwrap())
        )
    );
    client.ok("UpdatePrimaryRegion", json!({"KeyId": key["KeyId"], "PrimaryRegion": "eu-west-1"})).await;
    let now = client.ok("DescribeKey", json!({"KeyId": key["KeyId"]})).await["KeyMetadata"].clone();
    assert_eq!(now["MultiRegionConfiguration"]["PrimaryKey"]["Region"], "eu-west-1");
    assert_eq!(now["MultiRegionConfiguration"]["ReplicaKeys"][0]["Region"], "us-east-1");
}

#[tokio::test]
async fn a_ciphertext_of_one_region_opens_in_the_other_after_a_rotation_too() {
    let (_server, client) = start().await;
    let key = client.ok("CreateKey", json!({"MultiRegion": true})).await["KeyMetadata"].clone();
    client.ok("ReplicateKey", json!({"KeyId": key["KeyId"], "ReplicaRegion": "eu-west-1"})).await;
    let there = client.in_region("eu-west-1");
    client.ok("RotateKeyOnDemand", json!({"KeyId": key["KeyId"]})).await;
    assert_eq!(
        there.code("RotateKeyOnDemand", json!({"KeyId": key["KeyId"]})).await,
        "UnsupportedOperationException"
    );
    let made = client.ok("Encrypt", json!({"KeyId": key["KeyId"], "Plaintext": base64("m")})).await;
    let opened = there.ok("Decrypt", json!({"CiphertextBlob": made["CiphertextBlob"]})).await;
    assert_eq!(bytes(&opened["Plaintext"]), b"m");
    let single = client.create("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT").await;
    let made = client.ok("Encrypt", json!({"KeyId": single["KeyId"], "Plaintext": base64("m")})).await;
    assert_eq!(
        there.code("Decrypt", json!({"CiphertextBlob": made["CiphertextBlob"]})).await,
        "AccessDeniedException"
    );
}

#[tokio::test]
async fn a_primary_waits_for_its_replicas_before_it_is_deleted() {
    let (server, client) = start().await;
    let key = client.ok("CreateKey", json!({"MultiRegion": true})).await["KeyMetadata"].clone();
    let by_id = json!({"KeyId": key["KeyId"]});
    client.ok("ReplicateKey", json!({"KeyId": key["KeyId"], "ReplicaRegion": "eu-west-1"})).await;
    let there = client.in_region("eu-west-1");
    let scheduled = client.ok("ScheduleKeyDeletion", by_id.clone()).await;
    assert_eq!(scheduled["KeyState"], "PendingReplicaDeletion");
    assert!(scheduled.get("DeletionDate").is_none());
    there.ok("ScheduleKeyDeletion", json!({"KeyId": key["KeyId"], "PendingWindowInDays": 7})).await;
    server.advance_clock(Duration::from_secs(7 * 86_400 + 1));
    assert_eq!(there.code("DescribeKey", by_id.clone()).await, "NotFoundException");
    let described = client.ok("DescribeKey", by_id.clone()).await["KeyMetadata"].clone();
    assert_eq!(described["KeyState"], "PendingDeletion");
    server.advance_clock(Duration::from_secs(31 * 86_400));
    assert_eq!(client.code("DescribeKey", by_id).await, "NotFoundException");
}
