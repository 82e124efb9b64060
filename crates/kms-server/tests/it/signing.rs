//! Sign, Verify, GetPublicKey and MACs, checked with the public key alone.

use aws_lc_rs::{
    digest,
    signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256K1_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P521_SHA512_ASN1,
        ED25519, ML_DSA_65, ParsedPublicKey, RSA_PSS_2048_8192_SHA256, VerificationAlgorithm,
    },
};
use serde_json::json;

use crate::client::{base64, bytes, start};

const MESSAGE: &[u8] = b"a message";

#[tokio::test]
async fn signatures_verify_with_the_public_key_for_every_spec() {
    let (_server, client) = start().await;
    let cases: [(&str, &str, &'static dyn VerificationAlgorithm); 7] = [
        ("ECC_NIST_P256", "ECDSA_SHA_256", &ECDSA_P256_SHA256_ASN1),
        ("ECC_NIST_P384", "ECDSA_SHA_384", &ECDSA_P384_SHA384_ASN1),
        ("ECC_NIST_P521", "ECDSA_SHA_512", &ECDSA_P521_SHA512_ASN1),
        ("ECC_SECG_P256K1", "ECDSA_SHA_256", &ECDSA_P256K1_SHA256_ASN1),
        ("ECC_NIST_EDWARDS25519", "ED25519_SHA_512", &ED25519),
        ("ML_DSA_65", "ML_DSA_SHAKE_256", &ML_DSA_65),
        ("RSA_2048", "RSASSA_PSS_SHA_256", &RSA_PSS_2048_8192_SHA256),
    ];
    for (spec, algorithm, verification) in cases {
        let key = client.create(spec, "SIGN_VERIFY").await;
        let public = client.ok("GetPublicKey", json!({"KeyId": key["KeyId"]})).await;
        assert_eq!(public["KeySpec"], spec);
        assert_eq!(public["KeyId"], key["Arn"]);
        assert_eq!(public["SigningAlgorithms"], key["SigningAlgorithms"]);
        let request = json!({"KeyId": key["Arn"], "Message": base64(MESSAGE), "SigningAlgorithm": algorithm});
        let signed = client.ok("Sign", request).await;
        let signature = bytes(&signed["Signature"]);
        let parsed = ParsedPublicKey::new(verification, bytes(&public["PublicKey"])).unwrap();
        assert!(parsed.verify_sig(MESSAGE, &signature).is_ok(), "{spec}");
        let mut request = json!({
            "KeyId": key["KeyId"], "Message": base64(MESSAGE), "SigningAlgorithm": algorithm,
            "Signature": signed["Signature"],
        });
        assert_eq!(client.ok("Verify", request.clone()).await["SignatureValid"], true);
        request["Message"] = base64("another").into();
        assert_eq!(
            client.refused("Verify", request).await,
            ("KMSInvalidSignatureException".into(), String::new())
        );
    }
}

#[tokio::test]
async fn a_digest_is_not_hashed_again() {
    let (_server, client) = start().await;
    let key = client.create("ECC_NIST_P256", "SIGN_VERIFY").await;
    let public = client.ok("GetPublicKey", json!({"KeyId": key["KeyId"]})).await;
    let digest = digest::digest(&digest::SHA256, MESSAGE);
    let mut request = json!({
        "KeyId": key["KeyId"], "Message": base64(digest), "MessageType": "DIGEST",
        "SigningAlgorithm": "ECDSA_SHA_256",
    });
    let signed = client.ok("Sign", request.clone()).await;
    let parsed = ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, bytes(&public["PublicKey"])).unwrap();
    assert!(parsed.verify_sig(MESSAGE, &bytes(&signed["Signature"])).is_ok());
    request["Message"] = base64([0; 31]).into();
    assert_eq!(
        client.refused("Sign", request).await,
        ("ValidationException".into(), "Digest is invalid length for algorithm ECDSA_SHA_256.".into())
    );
}

#[tokio::test]
async fn ed25519_and_ml_dsa_take_only_their_message_types() {
    let (_server, client) = start().await;
    let key = client.create("ECC_NIST_EDWARDS25519", "SIGN_VERIFY").await;
    let request = |algorithm: &str, message_type: &str, length: usize| {
        json!({
            "KeyId": key["KeyId"], "Message": base64(vec![1; length]), "MessageType": message_type,
            "SigningAlgorithm": algorithm,
        })
    };
    client.ok("Sign", request("ED25519_PH_SHA_512", "DIGEST", 64)).await;
    assert_eq!(client.code("Sign", request("ED25519_PH_SHA_512", "RAW", 64)).await, "ValidationException");
    assert_eq!(client.code("Sign", request("ED25519_SHA_512", "DIGEST", 64)).await, "ValidationException");
    assert_eq!(client.code("Sign", request("ED25519_PH_SHA_512", "DIGEST", 32)).await, "ValidationException");
    let key = client.create("ML_DSA_44", "SIGN_VERIFY").await;
    let request = |message_type: &str| {
        json!({
            "KeyId": key["KeyId"], "Message": base64([7; 64]), "MessageType": message_type,
            "SigningAlgorithm": "ML_DSA_SHAKE_256",
        })
    };
    let signed = client.ok("Sign", request("EXTERNAL_MU")).await;
    let mut verify = request("EXTERNAL_MU");
    verify["Signature"] = signed["Signature"].clone();
    assert_eq!(client.ok("Verify", verify).await["SignatureValid"], true);
    assert_eq!(client.code("Sign", request("DIGEST")).await, "ValidationException");
}

#[tokio::test]
async fn checks_come_in_the_order_validation_access_state_usage() {
    let (_server, client) = start().await;
    let key = client.create("RSA_2048", "ENCRYPT_DECRYPT").await;
    let arn = key["Arn"].as_str().unwrap().to_owned();
    let sign = |message: &str, dry_run: bool| {
        json!({
            "KeyId": arn, "Message": message, "SigningAlgorithm": "ECDSA_SHA_256", "DryRun": dry_run,
        })
    };
    client.ok("DisableKey", json!({"KeyId": arn})).await;
    assert_eq!(client.code("Sign", sign("", false)).await, "ValidationException");
    assert_eq!(
        client.refused("Sign", sign("AA==", true)).await,
        ("DisabledException".into(), format!("{arn} is disabled."))
    );
    client.ok("EnableKey", json!({"KeyId": arn})).await;
    assert_eq!(
        client.refused("Sign", sign("AA==", true)).await,
        (
            "InvalidKeyUsageException".into(),
            format!("{arn} key usage is ENCRYPT_DECRYPT which is not valid for Sign.")
        )
    );
    let key = client.create("ECC_NIST_P384", "SIGN_VERIFY").await;
    let request = json!({
        "KeyId": key["KeyId"], "Message": "AA==", "SigningAlgorithm": "ECDSA_SHA_256", "DryRun": true,
    });
    assert_eq!(
        client.refused("Sign", request).await,
        (
            "InvalidKeyUsageException".into(),
            "Algorithm ECDSA_SHA_256 is incompatible with key spec ECC_NIST_P384.".into()
        )
    );
    let request = json!({
        "KeyId": key["KeyId"], "Message": "AA==", "SigningAlgorithm": "ECDSA_SHA_384", "DryRun": true,
    });
    assert_eq!(
        client.refused("Sign", request).await,
        (
            "DryRunOperationException".into(),
            "The request would have succeeded, but the DryRun option is set.".into()
        )
    );
}

#[tokio::test]
async fn macs_are_the_standard_ones() {
    let (_server, client) = start().await;
    let key = client.create("HMAC_512", "GENERATE_VERIFY_MAC").await;
    let mut request =
        json!({"KeyId": key["KeyId"], "Message": base64(MESSAGE), "MacAlgorithm": "HMAC_SHA_512"});
    let made = client.ok("GenerateMac", request.clone()).await;
    assert_eq!(bytes(&made["Mac"]).len(), 64);
    request["Mac"] = made["Mac"].clone();
    assert_eq!(client.ok("VerifyMac", request.clone()).await["MacValid"], true);
    request["Message"] = base64("another").into();
    assert_eq!(client.code("VerifyMac", request.clone()).await, "KMSInvalidMacException");
    request["MacAlgorithm"] = "HMAC_SHA_256".into();
    assert_eq!(client.code("VerifyMac", request).await, "InvalidKeyUsageException");
}

#[tokio::test]
async fn a_public_key_is_given_of_disabled_keys_but_not_of_symmetric_or_deleted_ones() {
    let (_server, client) = start().await;
    let key = client.create("ECC_NIST_P256", "SIGN_VERIFY").await;
    let by_id = json!({"KeyId": key["KeyId"]});
    client.ok("DisableKey", by_id.clone()).await;
    client.ok("GetPublicKey", by_id.clone()).await;
    client.ok("ScheduleKeyDeletion", by_id.clone()).await;
    assert_eq!(client.code("GetPublicKey", by_id).await, "KMSInvalidStateException");
    let symmetric = client.create("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT").await;
    let by_id = json!({"KeyId": symmetric["KeyId"]});
    assert_eq!(client.code("GetPublicKey", by_id).await, "UnsupportedOperationException");
}
