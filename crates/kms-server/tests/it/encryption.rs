//! Encrypt, Decrypt, ReEncrypt, data keys, shared secrets.

use aws_lc_rs::{
    agreement,
    rsa::{OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey},
};
use serde_json::{Value, json};

use crate::client::{base64, bytes, start};

#[tokio::test]
async fn a_ciphertext_made_with_the_public_key_decrypts() {
    let (_server, client) = start().await;
    let key = client.create("RSA_2048", "ENCRYPT_DECRYPT").await;
    let public = client.ok("GetPublicKey", json!({"KeyId": key["KeyId"]})).await;
    let public = PublicEncryptingKey::from_der(&bytes(&public["PublicKey"])).unwrap();
    let public = OaepPublicEncryptingKey::new(public).unwrap();
    for (name, algorithm) in
        [("RSAES_OAEP_SHA_1", &OAEP_SHA1_MGF1SHA1), ("RSAES_OAEP_SHA_256", &OAEP_SHA256_MGF1SHA256)]
    {
        let mut ciphertext = vec![0; 256];
        public.encrypt(algorithm, b"secret", &mut ciphertext, None).unwrap();
        let mut request = json!({"KeyId": key["KeyId"], "CiphertextBlob": base64(&ciphertext), "EncryptionAlgorithm": name});
        assert_eq!(bytes(&client.ok("Decrypt", request.clone()).await["Plaintext"]), b"secret");
        ciphertext[9] ^= 1;
        request["CiphertextBlob"] = base64(&ciphertext).into();
        assert_eq!(
            client.refused("Decrypt", request.clone()).await,
            ("InvalidCiphertextException".into(), String::new())
        );
        request["CiphertextBlob"] = base64(&ciphertext[..255]).into();
        assert_eq!(client.code("Decrypt", request).await, "InvalidCiphertextException");
        let request = json!({"KeyId": key["KeyId"], "Plaintext": base64("abc"), "EncryptionAlgorithm": name});
        let made = client.ok("Encrypt", request).await;
        assert_eq!(bytes(&made["CiphertextBlob"]).len(), 256);
    }
}

#[tokio::test]
async fn plaintexts_are_bounded_by_key_and_algorithm() {
    let (_server, client) = start().await;
    let key = client.create("RSA_2048", "ENCRYPT_DECRYPT").await;
    let encrypt = |length: usize| {
        json!({
            "KeyId": key["KeyId"], "Plaintext": base64(vec![0; length]),
            "EncryptionAlgorithm": "RSAES_OAEP_SHA_256",
        })
    };
    client.ok("Encrypt", encrypt(190)).await;
    assert_eq!(
        client.refused("Encrypt", encrypt(191)).await,
        (
            "ValidationException".into(),
            "Algorithm RSAES_OAEP_SHA_256 and key spec RSA_2048 cannot encrypt data larger than 190 bytes."
                .into()
        )
    );
    assert_eq!(
        client.refused("Encrypt", encrypt(4097)).await.1,
        "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must have length \
         less than or equal to 4096"
    );
}

#[tokio::test]
async fn symmetric_ciphertexts_are_bound_to_key_and_context() {
    let (_server, client) = start().await;
    let key = client.create("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT").await;
    let other = client.create("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT").await;
    let signer = client.create("ECC_NIST_P256", "SIGN_VERIFY").await;
    let request = json!({"KeyId": key["KeyId"], "Plaintext": base64("abc"), "EncryptionContext": {"a": "b"}});
    let made = client.ok("Encrypt", request).await;
    let decrypt =
        |context: Value| json!({"CiphertextBlob": made["CiphertextBlob"], "EncryptionContext": context});
    let opened = client.ok("Decrypt", decrypt(json!({"a": "b"}))).await;
    assert_eq!(bytes(&opened["Plaintext"]), b"abc");
    assert_eq!(opened["KeyId"], key["Arn"]);
    assert_eq!(opened["KeyMaterialId"], key["CurrentKeyMaterialId"]);
    assert_eq!(client.code("Decrypt", decrypt(json!({}))).await, "InvalidCiphertextException");
    for wrong in [&other, &signer] {
        let mut request = decrypt(json!({"a": "b"}));
        request["KeyId"] = wrong["KeyId"].clone();
        assert_eq!(
            client.refused("Decrypt", request).await,
            (
                "IncorrectKeyException".into(),
                "The key ID in the request does not identify a CMK that can perform this operation.".into()
            )
        );
    }
    let request = json!({
        "KeyId": signer["KeyId"], "CiphertextBlob": base64([0; 256]), "EncryptionAlgorithm": "RSAES_OAEP_SHA_256",
    });
    assert_eq!(client.code("Decrypt", request).await, "InvalidKeyUsageException");
}

#[tokio::test]
async fn re_encryption_moves_a_ciphertext_to_another_key() {
    let (_server, client) = start().await;
    let from = client.create("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT").await;
    let to = client.create("RSA_2048", "ENCRYPT_DECRYPT").await;
    let made = client.ok("Encrypt", json!({"KeyId": from["KeyId"], "Plaintext": base64("abc")})).await;
    let request = json!({
        "CiphertextBlob": made["CiphertextBlob"], "DestinationKeyId": to["KeyId"],
        "DestinationEncryptionAlgorithm": "RSAES_OAEP_SHA_256",
    });
    let moved = client.ok("ReEncrypt", request).await;
    assert_eq!((&moved["SourceKeyId"], &moved["KeyId"]), (&from["Arn"], &to["Arn"]));
    let request = json!({
        "KeyId": to["KeyId"], "CiphertextBlob": moved["CiphertextBlob"],
        "EncryptionAlgorithm": "RSAES_OAEP_SHA_256",
    });
    assert_eq!(bytes(&client.ok("Decrypt", request).await["Plaintext"]), b"abc");
}

#[tokio::test]
async fn data_keys_come_with_their_ciphertext() {
    let (_server, client) = start().await;
    let key = client.create("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT").await;
    let made = client.ok("GenerateDataKey", json!({"KeyId": key["KeyId"], "KeySpec": "AES_256"})).await;
    assert_eq!(bytes(&made["Plaintext"]).len(), 32);
    assert_eq!(bytes(&made["CiphertextBlob"]).len(), 184);
    let opened = client.ok("Decrypt", json!({"CiphertextBlob": made["CiphertextBlob"]})).await;
    assert_eq!(opened["Plaintext"], made["Plaintext"]);
    let request = json!({"KeyId": key["KeyId"], "NumberOfBytes": 24});
    let made = client.ok("GenerateDataKeyWithoutPlaintext", request).await;
    assert!(made.get("Plaintext").is_none());
    for wrong in [json!({}), json!({"KeySpec": "AES_128", "NumberOfBytes": 16})] {
        let mut request = wrong;
        request["KeyId"] = key["KeyId"].clone();
        assert_eq!(client.code("GenerateDataKey", request).await, "ValidationException");
    }
    let request = json!({"KeyId": key["KeyId"], "KeyPairSpec": "ECC_NIST_P256"});
    let pair = client.ok("GenerateDataKeyPair", request.clone()).await;
    let private = client.ok("Decrypt", json!({"CiphertextBlob": pair["PrivateKeyCiphertextBlob"]})).await;
    assert_eq!(private["Plaintext"], pair["PrivateKeyPlaintext"]);
    let without = client.ok("GenerateDataKeyPairWithoutPlaintext", request).await;
    assert!(without.get("PrivateKeyPlaintext").is_none());
    assert_eq!(client.refused("GenerateRandom", json!({})).await.1, "NumberOfBytes is required.");
    let random = client.ok("GenerateRandom", json!({"NumberOfBytes": 1024})).await;
    assert_eq!(bytes(&random["Plaintext"]).len(), 1024);
}

#[tokio::test]
async fn a_shared_secret_is_the_peers_too() {
    let (_server, client) = start().await;
    let key = client.create("ECC_NIST_P256", "KEY_AGREEMENT").await;
    let ours = agreement::PrivateKey::generate(&agreement::ECDH_P256).unwrap();
    let our_public: aws_lc_rs::encoding::PublicKeyX509Der<'_> =
        aws_lc_rs::encoding::AsDer::as_der(&ours.compute_public_key().unwrap()).unwrap();
    let mut request = json!({
        "KeyId": key["KeyId"], "KeyAgreementAlgorithm": "ECDH", "PublicKey": base64(our_public.as_ref()),
    });
    let derived = client.ok("DeriveSharedSecret", request.clone()).await;
    let theirs = client.ok("GetPublicKey", json!({"KeyId": key["KeyId"]})).await;
    assert_eq!(theirs["KeyAgreementAlgorithms"], json!(["ECDH"]));
    let theirs = agreement::UnparsedPublicKey::new(&agreement::ECDH_P256, bytes(&theirs["PublicKey"]));
    let expected = agreement::agree(&ours, theirs, (), |secret| Ok(secret.to_vec())).unwrap();
    assert_eq!(bytes(&derived["SharedSecret"]), expected);
    request["PublicKey"] = base64("InvalidPublicKey").into();
    assert_eq!(
        client.refused("DeriveSharedSecret", request).await,
        ("ValidationException".into(), String::new())
    );
}
