//! Requests to the operations without HTTP; and that no request, however made, is answered with a panic or a 500.

use std::{collections::BTreeSet, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use serde_json::{Map, Value, json};

use crate::{
    Server, ServerOptions,
    call::{Answer, Call},
    model::operation::Operation,
    service::Service,
};

/// A server whose operations are asked directly, as the caller `test`.
pub(super) struct Operations {
    server: Server,
}

impl Operations {
    pub(super) async fn new() -> Self {
        Self { server: Server::start(ServerOptions::default()).await.unwrap() }
    }

    pub(super) fn service(&self) -> &Arc<Service> {
        self.server.service()
    }

    pub(super) fn call(&self, operation: Operation, body: &Value) -> Answer {
        let service = self.service();
        super::dispatch(&Call {
            service: Arc::clone(service),
            operation,
            caller: Arc::clone(&service.callers.first),
            region: "us-east-1".to_owned(),
            body: body.as_object().unwrap().clone(),
            now_ms: service.clock.now_ms(),
            source: ([127, 0, 0, 1], 1).into(),
            user_agent: String::new(),
            touched: parking_lot::Mutex::default(),
        })
    }
}

/// Every member that a request can have.
const MEMBERS: &[&str] = &[
    "AliasName",
    "BypassPolicyLockoutSafetyCheck",
    "CiphertextBlob",
    "Constraints",
    "CustomerMasterKeySpec",
    "CustomKeyStoreId",
    "Description",
    "DestinationEncryptionAlgorithm",
    "DestinationEncryptionContext",
    "DestinationKeyId",
    "DryRun",
    "DryRunModifiers",
    "EncryptedKeyMaterial",
    "EncryptionAlgorithm",
    "EncryptionContext",
    "ExpirationModel",
    "GrantId",
    "GranteePrincipal",
    "GranteeServicePrincipal",
    "GrantToken",
    "GrantTokens",
    "ImportToken",
    "ImportType",
    "IncludeKeyMaterial",
    "KeyAgreementAlgorithm",
    "KeyId",
    "KeyMaterialDescription",
    "KeyMaterialId",
    "KeyPairSpec",
    "KeySpec",
    "KeyUsage",
    "Limit",
    "Mac",
    "MacAlgorithm",
    "Marker",
    "Message",
    "MessageType",
    "MultiRegion",
    "Name",
    "NumberOfBytes",
    "Operations",
    "Origin",
    "PendingWindowInDays",
    "Plaintext",
    "Policy",
    "PolicyName",
    "PrimaryRegion",
    "PublicKey",
    "Recipient",
    "ReplicaRegion",
    "ResourceOwners",
    "RetiringPrincipal",
    "RetiringServicePrincipal",
    "RotationPeriodInDays",
    "Signature",
    "SigningAlgorithm",
    "SourceEncryptionAlgorithm",
    "SourceEncryptionContext",
    "SourceKeyId",
    "TagKeys",
    "Tags",
    "TargetKeyId",
    "ValidTo",
    "WrappingAlgorithm",
    "WrappingKeySpec",
    "XksKeyId",
];

/// Names that mean something to some operation.
const NAMES: &[&str] = &[
    "alias/a",
    "alias/aws/x",
    "AES_256",
    "AWS_KMS",
    "DIGEST",
    "ECC_NIST_P256",
    "ECDH",
    "ECDSA_SHA_256",
    "ENCRYPT_DECRYPT",
    "EXTERNAL",
    "EXTERNAL_MU",
    "GENERATE_VERIFY_MAC",
    "HMAC_256",
    "HMAC_SHA_256",
    "KEY_AGREEMENT",
    "KEY_MATERIAL_DOES_NOT_EXPIRE",
    "KEY_MATERIAL_EXPIRES",
    "ML_DSA_44",
    "ML_DSA_SHAKE_256",
    "NEW_KEY_MATERIAL",
    "RAW",
    "RSAES_OAEP_SHA_256",
    "SELF",
    "SIGN_VERIFY",
    "SYMMETRIC_DEFAULT",
    "Sign",
    "default",
    "eu-west-1",
    "us-east-1",
    "arn:aws:iam::000000000000:root",
    "arn:aws:kms:us-east-1:000000000000:key/x",
    "arn:::::",
    "{\"Statement\": []}",
    "{\"Version\": \"2012-10-17\", \"Statement\": {\"Effect\": \"Allow\"}}",
];

fn value(keys: Vec<String>) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        4 => proptest::sample::select(keys).prop_map(Value::from),
        4 => proptest::sample::select(NAMES).prop_map(Value::from),
        3 => proptest::collection::vec(any::<u8>(), 0..200).prop_map(|bytes| STANDARD.encode(bytes).into()),
        1 => any::<String>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => (-2..400_i64).prop_map(Value::from),
        1 => any::<f64>().prop_map(|number| json!(number)),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(2, 12, 4, |inner| {
        let name = proptest::sample::select(&["TagKey", "TagValue", "EncryptionContextEquals", "é\u{0}"][..]);
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((name, inner), 0..4).prop_map(|pairs| {
                Value::from(
                    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>(),
                )
            }),
        ]
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_answered_with_a_panic_or_a_500() {
    let operations = Operations::new().await;
    let keys: Vec<String> = [
        ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "AWS_KMS"),
        ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "EXTERNAL"),
        ("ECC_NIST_P256", "SIGN_VERIFY", "AWS_KMS"),
        ("ECC_NIST_P256", "KEY_AGREEMENT", "AWS_KMS"),
        ("HMAC_256", "GENERATE_VERIFY_MAC", "AWS_KMS"),
        ("ML_DSA_44", "SIGN_VERIFY", "AWS_KMS"),
    ]
    .into_iter()
    .map(|(spec, usage, origin)| {
        let request = json!({"KeySpec": spec, "KeyUsage": usage, "Origin": origin, "MultiRegion": true});
        let made = operations.call(Operation::CreateKey, &request).unwrap();
        made["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
    })
    .collect();

    let mut runner = TestRunner::new(Config::default());
    let member = (proptest::sample::select(MEMBERS), value(keys.clone()));
    let members = proptest::collection::vec(member, 0..8);
    let mut succeeded = BTreeSet::new();
    for round in 0..150 {
        for operation in Operation::ALL {
            // RSA keys take too long to be made so often.
            let slow = matches!(operation, Operation::GetParametersForImport | Operation::CreateKey);
            if slow && round % 25 != 0 {
                continue;
            }
            let drawn = members.new_tree(&mut runner).unwrap().current();
            let mut body: Map<String, Value> =
                drawn.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            if round % 2 == 0 {
                let key = keys[round / 2 % keys.len()].as_str();
                body.insert("KeyId".to_owned(), key.into());
            }
            let body = Value::from(body);
            match operations.call(*operation, &body) {
                Ok(_) => {
                    succeeded.insert(*operation);
                }
                Err(error) => assert!(
                    error.status < 500 && error.code != "KMSInternalException",
                    "{}: {body}: {error:?}",
                    operation.as_str()
                ),
            }
        }
    }
    assert!(succeeded.len() > 10, "hardly anything was well formed: {succeeded:?}");
}
