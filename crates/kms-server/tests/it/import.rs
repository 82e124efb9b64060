//! Importing key material.

use std::time::Duration;

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    key_wrap::{AES_256, AesKek, KeyWrapPadded},
    rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey},
    signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
    },
};
use serde_json::{Value, json};

use crate::client::{Client, base64, bytes, start};

fn oaep(public: &Value, plaintext: &[u8]) -> Vec<u8> {
    let public = PublicEncryptingKey::from_der(&bytes(public)).unwrap();
    let public = OaepPublicEncryptingKey::new(public).unwrap();
    let mut ciphertext = vec![0; public.ciphertext_size()];
    public.encrypt(&OAEP_SHA256_MGF1SHA256, plaintext, &mut ciphertext, None).unwrap();
    ciphertext
}

async fn parameters(client: &Client, key: &Value, wrapping: &str) -> Value {
    let request =
        json!({"KeyId": key["KeyId"], "WrappingAlgorithm": wrapping, "WrappingKeySpec": "RSA_2048"});
    client.ok("GetParametersForImport", request).await
}

/// An import request with the material wrapped by AES under RSA.
pub(crate) async fn wrapped(client: &Client, key: &Value, material: &[u8]) -> Value {
    let parameters = parameters(client, key, "RSA_AES_KEY_WRAP_SHA_256").await;
    let mut wrapped = oaep(&parameters["PublicKey"], &[5; 32]);
    let kek = AesKek::new(&AES_256, &[5; 32]).unwrap();
    let mut output = vec![0; material.len() + 15];
    wrapped.extend_from_slice(kek.wrap_with_padding(material, &mut output).unwrap());
    json!({
        "KeyId": key["KeyId"], "ImportToken": parameters["ImportToken"], "EncryptedKeyMaterial": base64(wrapped),
        "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE",
    })
}

/// A key that waits for its material.
pub(crate) async fn external(client: &Client, spec: &str, usage: &str) -> Value {
    let request = json!({"KeySpec": spec, "KeyUsage": usage, "Origin": "EXTERNAL"});
    client.ok("CreateKey", request).await["KeyMetadata"].clone()
}

#[tokio::test]
async fn an_imported_signing_key_signs_and_only_it_may_come_back() {
    let (_server, client) = start().await;
    let key = external(&client, "ECC_NIST_P256", "SIGN_VERIFY").await;
    assert_eq!(key["KeyState"], "PendingImport");
    let sign = json!({"KeyId": key["KeyId"], "Message": base64("m"), "SigningAlgorithm": "ECDSA_SHA_256"});
    assert_eq!(
        client.refused("Sign", sign.clone()).await,
        ("KMSInvalidStateException".into(), format!("{} is pending import.", key["Arn"].as_str().unwrap()))
    );
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let material = pair.to_pkcs8v1().unwrap();
    let request = wrapped(&client, &key, material.as_ref()).await;
    client.ok("ImportKeyMaterial", request.clone()).await;
    let signed = client.ok("Sign", sign.clone()).await;
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, pair.public_key().as_ref());
    assert!(public.verify(b"m", &bytes(&signed["Signature"])).is_ok());
    client.ok("DeleteImportedKeyMaterial", json!({"KeyId": key["KeyId"]})).await;
    assert_eq!(client.code("Sign", sign.clone()).await, "KMSInvalidStateException");
    let another = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap().to_pkcs8v1().unwrap();
    let wrong = wrapped(&client, &key, another.as_ref()).await;
    assert_eq!(client.code("ImportKeyMaterial", wrong).await, "IncorrectKeyMaterialException");
    client.ok("ImportKeyMaterial", request).await;
    client.ok("Sign", sign).await;
}

#[tokio::test]
async fn an_rsa_key_is_imported_by_aes_key_wrap() {
    let (_server, client) = start().await;
    let key = external(&client, "RSA_2048", "ENCRYPT_DECRYPT").await;
    let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let material: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let request = wrapped(&client, &key, material.as_ref()).await;
    client.ok("ImportKeyMaterial", request).await;
    let public: aws_lc_rs::encoding::PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let given = client.ok("GetPublicKey", json!({"KeyId": key["KeyId"]})).await;
    assert_eq!(bytes(&given["PublicKey"]), public.as_ref());
}

#[tokio::test]
async fn tokens_are_for_one_key_and_one_day() {
    let (server, client) = start().await;
    let key = external(&client, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT").await;
    let other = external(&client, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT").await;
    let mut request = wrapped(&client, &key, &[1; 32]).await;
    request["KeyId"] = other["KeyId"].clone();
    assert_eq!(client.code("ImportKeyMaterial", request.clone()).await, "InvalidImportTokenException");
    request["KeyId"] = key["KeyId"].clone();
    let mut garbled = request.clone();
    garbled["EncryptedKeyMaterial"] = base64([0; 300]).into();
    assert_eq!(client.code("ImportKeyMaterial", garbled).await, "InvalidCiphertextException");
    let mut expiring = request.clone();
    expiring["ExpirationModel"] = "KEY_MATERIAL_EXPIRES".into();
    assert_eq!(
        client.refused("ImportKeyMaterial", expiring).await,
        (
            "ValidationException".into(),
            "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES".into()
        )
    );
    let short = wrapped(&client, &key, &[1; 31]).await;
    assert_eq!(client.code("ImportKeyMaterial", short).await, "IncorrectKeyMaterialException");
    server.advance_clock(Duration::from_secs(24 * 3600 + 1));
    assert_eq!(client.code("ImportKeyMaterial", request).await, "ExpiredImportTokenException");
    let own = client.create("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT").await;
    let request = json!({
        "KeyId": own["KeyId"], "WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048",
    });
    assert_eq!(
        client.refused("GetParametersForImport", request).await,
        (
            "UnsupportedOperationException".into(),
            format!(
                "{} origin is AWS_KMS which is not valid for this operation.",
                own["Arn"].as_str().unwrap()
            )
        )
    );
}

#[tokio::test]
async fn imported_material_expires() {
    let (server, client) = start().await;
    let key = external(&client, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT").await;
    let mut request = wrapped(&client, &key, &[1; 32]).await;
    request["ExpirationModel"] = "KEY_MATERIAL_EXPIRES".into();
    request["ValidTo"] = json!(jiff::Timestamp::now().as_second() + 3600);
    client.ok("ImportKeyMaterial", request).await;
    let encrypt = json!({"KeyId": key["KeyId"], "Plaintext": base64("m")});
    client.ok("Encrypt", encrypt.clone()).await;
    server.advance_clock(Duration::from_secs(3601));
    assert_eq!(client.code("Encrypt", encrypt).await, "KMSInvalidStateException");
    let described = client.ok("DescribeKey", json!({"KeyId": key["KeyId"]})).await;
    assert_eq!(described["KeyMetadata"]["KeyState"], "PendingImport");
}

#[tokio::test]
async fn a_second_material_waits_for_its_rotation() {
    let (_server, client) = start().await;
    let key = external(&client, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT").await;
    let first = client.ok("ImportKeyMaterial", wrapped(&client, &key, &[1; 32]).await).await;
    let old = client.ok("Encrypt", json!({"KeyId": key["KeyId"], "Plaintext": base64("old")})).await;
    assert_eq!(
        client.code("ImportKeyMaterial", wrapped(&client, &key, &[2; 32]).await).await,
        "IncorrectKeyMaterialException"
    );
    let mut second = wrapped(&client, &key, &[2; 32]).await;
    second["ImportType"] = "NEW_KEY_MATERIAL".into();
    let second = client.ok("ImportKeyMaterial", second).await;
    let described = client.ok("DescribeKey", json!({"KeyId": key["KeyId"]})).await;
    assert_eq!(described["KeyMetadata"]["CurrentKeyMaterialId"], first["KeyMaterialId"]);
    client.ok("RotateKeyOnDemand", json!({"KeyId": key["KeyId"]})).await;
    let described = client.ok("DescribeKey", json!({"KeyId": key["KeyId"]})).await;
    assert_eq!(described["KeyMetadata"]["CurrentKeyMaterialId"], second["KeyMaterialId"]);
    let opened = client.ok("Decrypt", json!({"CiphertextBlob": old["CiphertextBlob"]})).await;
    assert_eq!(opened["KeyMaterialId"], first["KeyMaterialId"]);
    assert_eq!(
        client.refused("RotateKeyOnDemand", json!({"KeyId": key["KeyId"]})).await,
        (
            "KMSInvalidStateException".into(),
            format!(
                "No available key material pending rotation for the key: {}.",
                key["Arn"].as_str().unwrap()
            )
        )
    );
}
