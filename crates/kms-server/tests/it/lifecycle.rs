//! Keys from their creation to their deletion: states, aliases, tags, paging, rotation.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{base64, bytes, start, start_with};

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn creation_is_validated_in_aws_words() {
    let (_server, client) = start().await;
    let cases = [
        (
            json!({"KeySpec": "ECC_NIST_P256"}),
            "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.",
        ),
        (
            json!({"KeySpec": "ECC_NIST_P256", "KeyUsage": "ENCRYPT_DECRYPT"}),
            "KeyUsage ENCRYPT_DECRYPT is not compatible with KeySpec ECC_NIST_P256",
        ),
        (
            json!({"KeyUsage": "SIGN_VERIFY"}),
            "The operation failed because the KeyUsage value of the CMK is SIGN_VERIFY. To perform this operation, \
             the KeyUsage value must be ENCRYPT_DECRYPT.",
        ),
        (
            json!({"KeySpec": "RSA_2048", "KeyUsage": "KEY_AGREEMENT"}),
            "KeyUsage KEY_AGREEMENT is not compatible with KeySpec RSA_2048",
        ),
        (
            json!({"Tags": [{"TagKey": "a", "TagValue": "v".repeat(257)}]}),
            &format!(
                "1 validation error detected: Value '{}' at 'tags.1.member.tagValue' failed to satisfy constraint: \
                 Member must have length less than or equal to 256",
                "v".repeat(257)
            ),
        ),
        (
            json!({"KeyUsage": "RANDOM"}),
            "1 validation error detected: Value 'RANDOM' at 'keyUsage' failed to satisfy constraint: Member must \
             satisfy enum value set: [ENCRYPT_DECRYPT, SIGN_VERIFY, GENERATE_VERIFY_MAC]",
        ),
    ];
    for (request, expected) in cases {
        assert_eq!(
            client.refused("CreateKey", request).await,
            ("ValidationException".into(), expected.into())
        );
    }
    let tags = |tags: Value| json!({"Tags": tags});
    let reserved = tags(json!([{"TagKey": "aws:x", "TagValue": "v"}]));
    assert_eq!(
        client.refused("CreateKey", reserved).await,
        ("TagException".into(), "Tags beginning with aws: are reserved".into())
    );
    let twice = tags(json!([{"TagKey": "a", "TagValue": "v"}, {"TagKey": "a", "TagValue": "w"}]));
    assert_eq!(
        client.refused("CreateKey", twice).await,
        ("TagException".into(), "Duplicate tag keys".into())
    );
    let many: Vec<Value> = (0..51).map(|n| json!({"TagKey": n.to_string(), "TagValue": ""})).collect();
    assert_eq!(client.refused("CreateKey", tags(many.into())).await.1, "Too many tags");
    assert_eq!(client.code("CreateKey", json!({"KeySpec": "SM2"})).await, "UnsupportedOperationException");
    assert_eq!(client.code("CreateKey", json!({"Policy": "{}"})).await, "MalformedPolicyDocumentException");
}

#[tokio::test]
async fn names_that_mean_no_key_are_told_apart() {
    let (_server, client) = start().await;
    let key = client.create("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT").await;
    let absent = "00000000-0000-0000-0000-000000000000";
    let cases = [
        (absent.to_owned(), format!("Key 'arn:aws:kms:us-east-1:000000000000:key/{absent}' does not exist")),
        ("fake-key-id".into(), "Invalid keyId 'fake-key-id'".into()),
        ("mrk-fake-key-id".into(), "Invalid keyId 'mrk-fake-key-id'".into()),
        ("alias/none".into(), "Alias arn:aws:kms:us-east-1:000000000000:alias/none is not found.".into()),
        (key["Arn"].as_str().unwrap().replace("us-east-1", "eu-west-1"), "Invalid arn eu-west-1".into()),
    ];
    for (name, message) in cases {
        assert_eq!(
            client.refused("DescribeKey", json!({"KeyId": name})).await,
            ("NotFoundException".into(), message)
        );
    }
    assert_eq!(client.code("DescribeKey", json!({"KeyId": "arn:aws:s3:::x"})).await, "InvalidArnException");
    let elsewhere = client.in_region("eu-west-1");
    assert_eq!(elsewhere.code("DescribeKey", json!({"KeyId": key["KeyId"]})).await, "NotFoundException");
    assert_eq!(
        client.refused("DescribeKey", json!({})).await.1,
        "1 validation error detected: Value null at 'keyId' failed to satisfy constraint: Member must not be null"
    );
}

#[tokio::test]
async fn a_key_goes_through_its_states() {
    let (server, client) = start().await;
    let key = client.create("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT").await;
    let arn = key["Arn"].as_str().unwrap().to_owned();
    let by_id = json!({"KeyId": key["KeyId"]});
    let encrypt = json!({"KeyId": key["KeyId"], "Plaintext": base64("m")});
    client.ok("CreateAlias", json!({"AliasName": "alias/gone", "TargetKeyId": key["KeyId"]})).await;
    client.ok("DisableKey", by_id.clone()).await;
    assert_eq!(client.ok("DescribeKey", by_id.clone()).await["KeyMetadata"]["KeyState"], "Disabled");
    assert_eq!(client.code("Encrypt", encrypt.clone()).await, "DisabledException");
    let scheduled = client.ok("ScheduleKeyDeletion", json!({"KeyId": arn, "PendingWindowInDays": 7})).await;
    assert_eq!((&scheduled["KeyState"], &scheduled["KeyId"]), (&"PendingDeletion".into(), &key["Arn"]));
    for operation in ["EnableKey", "DisableKey", "ScheduleKeyDeletion"] {
        assert_eq!(
            client.refused(operation, by_id.clone()).await,
            ("KMSInvalidStateException".into(), format!("{arn} is pending deletion."))
        );
    }
    assert_eq!(client.code("Encrypt", encrypt.clone()).await, "KMSInvalidStateException");
    client.ok("CancelKeyDeletion", by_id.clone()).await;
    assert_eq!(
        client.refused("CancelKeyDeletion", by_id.clone()).await,
        ("KMSInvalidStateException".into(), format!("{arn} is not pending deletion."))
    );
    client.ok("EnableKey", by_id.clone()).await;
    client.ok("Encrypt", encrypt).await;
    client.ok("ScheduleKeyDeletion", json!({"KeyId": arn, "PendingWindowInDays": 7})).await;
    server.advance_clock(7 * DAY - Duration::from_secs(60));
    client.ok("DescribeKey", by_id.clone()).await;
    server.advance_clock(Duration::from_secs(61));
    assert_eq!(client.code("DescribeKey", by_id).await, "NotFoundException");
    assert_eq!(client.code("DescribeKey", json!({"KeyId": "alias/gone"})).await, "NotFoundException");
    assert_eq!(
        client.code("ScheduleKeyDeletion", json!({"KeyId": arn, "PendingWindowInDays": 6})).await,
        "ValidationException"
    );
}

#[tokio::test]
async fn aliases_point_at_one_key_of_a_kind() {
    let (_server, client) = start().await;
    let one = client.create("ECC_NIST_P256", "SIGN_VERIFY").await;
    let two = client.create("ECC_NIST_P384", "SIGN_VERIFY").await;
    let rsa = client.create("RSA_2048", "ENCRYPT_DECRYPT").await;
    let alias = |name: &str, key: &Value| json!({"AliasName": name, "TargetKeyId": key["KeyId"]});
    client.ok("CreateAlias", alias("alias/a", &one)).await;
    client.ok("CreateAlias", alias("alias/b", &one)).await;
    assert_eq!(
        client.refused("CreateAlias", alias("alias/a", &two)).await,
        (
            "AlreadyExistsException".into(),
            "An alias with the name arn:aws:kms:us-east-1:000000000000:alias/a already exists".into()
        )
    );
    assert_eq!(client.code("CreateAlias", alias("a", &one)).await, "ValidationException");
    assert_eq!(client.code("CreateAlias", alias("alias/aws/x", &one)).await, "NotAuthorizedException");
    client.ok("UpdateAlias", alias("alias/a", &two)).await;
    assert_eq!(client.code("UpdateAlias", alias("alias/a", &rsa)).await, "ValidationException");
    assert_eq!(client.code("UpdateAlias", alias("alias/c", &two)).await, "NotFoundException");
    let described = client.ok("DescribeKey", json!({"KeyId": "alias/a"})).await;
    assert_eq!(described["KeyMetadata"]["KeyId"], two["KeyId"]);
    let listed = client.ok("ListAliases", json!({"Limit": 1})).await;
    assert_eq!(
        (listed["Aliases"][0]["AliasName"].as_str(), &listed["Truncated"]),
        (Some("alias/a"), &true.into())
    );
    let rest = client.ok("ListAliases", json!({"Marker": listed["NextMarker"]})).await;
    assert_eq!(
        (rest["Aliases"][0]["AliasName"].as_str(), &rest["Truncated"]),
        (Some("alias/b"), &false.into())
    );
    let of_one = client.ok("ListAliases", json!({"KeyId": one["Arn"]})).await;
    assert_eq!(of_one["Aliases"].as_array().unwrap().len(), 1);
    client.ok("DeleteAlias", json!({"AliasName": "alias/a"})).await;
    assert_eq!(client.code("DeleteAlias", json!({"AliasName": "alias/a"})).await, "NotFoundException");
    assert_eq!(client.code("ListKeys", json!({"Marker": "nonsense"})).await, "InvalidMarkerException");
    assert_eq!(client.code("DisableKey", json!({"KeyId": "alias/b"})).await, "NotFoundException");
}

#[tokio::test]
async fn tags_are_set_listed_in_pages_and_taken_away() {
    let (_server, client) = start().await;
    let key = client.create("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT").await;
    let tags: Vec<Value> = (0..5).map(|n| json!({"TagKey": format!("k{n}"), "TagValue": "v"})).collect();
    client.ok("TagResource", json!({"KeyId": key["KeyId"], "Tags": tags})).await;
    client
        .ok("TagResource", json!({"KeyId": key["KeyId"], "Tags": [{"TagKey": "k0", "TagValue": "w"}]}))
        .await;
    client.ok("UntagResource", json!({"KeyId": key["KeyId"], "TagKeys": ["k4"]})).await;
    let mut seen = Vec::new();
    let mut marker = Value::Null;
    loop {
        let page =
            client.ok("ListResourceTags", json!({"KeyId": key["KeyId"], "Limit": 3, "Marker": marker})).await;
        seen.extend(
            page["Tags"].as_array().unwrap().iter().map(|tag| tag["TagValue"].as_str().unwrap().to_owned()),
        );
        if page["Truncated"] == false {
            break;
        }
        marker = page["NextMarker"].clone();
    }
    assert_eq!(seen, ["w", "v", "v", "v"]);
}

#[tokio::test]
async fn keys_are_listed_in_pages() {
    let (_server, client) = start().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(
            client.create("HMAC_256", "GENERATE_VERIFY_MAC").await["KeyId"].as_str().unwrap().to_owned(),
        );
    }
    let mut listed = Vec::new();
    let mut request = json!({"Limit": 2});
    loop {
        let page = client.ok("ListKeys", request.clone()).await;
        listed.extend(
            page["Keys"].as_array().unwrap().iter().map(|key| key["KeyId"].as_str().unwrap().to_owned()),
        );
        if page["Truncated"] == false {
            break;
        }
        request["Marker"] = page["NextMarker"].clone();
    }
    made.sort();
    listed.sort();
    assert_eq!(listed, made);
}

#[tokio::test]
async fn rotation_keeps_old_ciphertexts_readable() {
    let (server, client) = start().await;
    let key = client.create("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT").await;
    let by_id = json!({"KeyId": key["KeyId"]});
    let old = client.ok("Encrypt", json!({"KeyId": key["KeyId"], "Plaintext": base64("old")})).await;
    client.ok("RotateKeyOnDemand", by_id.clone()).await;
    let described = client.ok("DescribeKey", by_id.clone()).await;
    assert_ne!(described["KeyMetadata"]["CurrentKeyMaterialId"], key["CurrentKeyMaterialId"]);
    let opened = client.ok("Decrypt", json!({"CiphertextBlob": old["CiphertextBlob"]})).await;
    assert_eq!(
        (bytes(&opened["Plaintext"]).as_slice(), &opened["KeyMaterialId"]),
        (&b"old"[..], &key["CurrentKeyMaterialId"])
    );
    client.ok("EnableKeyRotation", json!({"KeyId": key["KeyId"], "RotationPeriodInDays": 90})).await;
    let status = client.ok("GetKeyRotationStatus", by_id.clone()).await;
    assert_eq!((&status["KeyRotationEnabled"], &status["RotationPeriodInDays"]), (&true.into(), &90.into()));
    server.advance_clock(91 * DAY);
    client.ok("DescribeKey", by_id.clone()).await;
    let rotations = client.ok("ListKeyRotations", by_id.clone()).await;
    let kinds: Vec<&str> = rotations["Rotations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["RotationType"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["ON_DEMAND", "AUTOMATIC"]);
    for _ in 0..24 {
        client.ok("RotateKeyOnDemand", by_id.clone()).await;
    }
    assert_eq!(client.code("RotateKeyOnDemand", by_id).await, "LimitExceededException");
    let signer = client.create("ECC_NIST_P256", "SIGN_VERIFY").await;
    assert_eq!(
        client.refused("RotateKeyOnDemand", json!({"KeyId": signer["KeyId"]})).await,
        ("UnsupportedOperationException".into(), String::new())
    );
}

#[tokio::test]
async fn a_new_key_can_be_unknown_for_a_while() {
    let mut options = cantle_kms_server::ServerOptions::default();
    options.replication_delay = Duration::from_secs(3600);
    let (_server, client) = start_with(options).await;
    let key = client.create("ECC_NIST_P256", "SIGN_VERIFY").await;
    assert_eq!(client.code("DescribeKey", json!({"KeyId": key["KeyId"]})).await, "NotFoundException");
}
