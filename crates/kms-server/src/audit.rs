//! A record of requests like CloudTrail's, one JSON object a line.
//!
//! Never in it: messages, plaintexts, ciphertexts, key material, signatures.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
};

use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use crate::call::Call;

/// Members that are recorded; all else in a request may be secret, or is of no use.
const RECORDED: &[&str] = &[
    "KeyId",
    "AliasName",
    "TargetKeyId",
    "KeySpec",
    "CustomerMasterKeySpec",
    "KeyUsage",
    "Origin",
    "MultiRegion",
    "Description",
    "Tags",
    "TagKeys",
    "SigningAlgorithm",
    "EncryptionAlgorithm",
    "MacAlgorithm",
    "KeyAgreementAlgorithm",
    "MessageType",
    "EncryptionContext",
    "SourceEncryptionContext",
    "DestinationEncryptionContext",
    "SourceKeyId",
    "DestinationKeyId",
    "NumberOfBytes",
    "KeyPairSpec",
    "PendingWindowInDays",
    "PolicyName",
    "GranteePrincipal",
    "RetiringPrincipal",
    "Operations",
    "GrantId",
    "ReplicaRegion",
    "PrimaryRegion",
    "WrappingAlgorithm",
    "WrappingKeySpec",
    "ExpirationModel",
    "ValidTo",
    "RotationPeriodInDays",
    "DryRun",
    "Limit",
];

/// The file.
#[derive(Debug)]
pub(crate) struct Audit {
    file: Mutex<File>,
}

impl Audit {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { file: Mutex::new(file) })
    }

    /// Records a request that was authenticated, and how it went (`None`: well).
    pub(crate) fn record(&self, call: &Call, request_id: &str, error: Option<(&str, &str)>) {
        let time =
            jiff::Timestamp::from_millisecond(call.now_ms).map(|now| now.to_string()).unwrap_or_default();
        let mut parameters = Map::new();
        for name in RECORDED {
            if let Some(value) = call.body.get(*name) {
                let mut letters = name.chars();
                let first = letters.next().map(|first| first.to_ascii_lowercase());
                parameters.insert(first.into_iter().chain(letters).collect(), value.clone());
            }
        }
        let caller = &call.caller;
        let resources: Vec<Value> = call
            .touched
            .lock()
            .iter()
            .map(|arn| json!({"ARN": arn, "type": "AWS::KMS::Key", "accountId": arn.split(':').nth(4)}))
            .collect();
        let mut record = json!({
            "eventVersion": "1.11",
            "userIdentity": {
                "type": if caller.role.is_some() { "AssumedRole" } else if caller.is_root() { "Root" } else { "IAMUser" },
                "principalId": caller.user_id,
                "arn": caller.arn,
                "accountId": &*caller.account,
                "accessKeyId": caller.access_key_id,
            },
            "eventTime": time,
            "eventSource": "kms.amazonaws.com",
            "eventName": call.operation.as_str(),
            "awsRegion": call.region,
            "sourceIPAddress": call.source.ip().to_string(),
            "userAgent": call.user_agent,
            "requestParameters": parameters,
            "responseElements": null,
            "requestID": request_id,
            "eventID": uuid::Uuid::new_v4().to_string(),
            "readOnly": is_read_only(call.operation.as_str()),
            "resources": resources,
            "eventType": "AwsApiCall",
            "recipientAccountId": &*caller.account,
        });
        if let Some((code, message)) = error {
            record["errorCode"] = code.trim_end_matches("Exception").into();
            record["errorMessage"] = message.into();
        }
        let mut line = record.to_string();
        line.push('\n');
        if let Err(error) = self.file.lock().write_all(line.as_bytes()) {
            tracing::warn!(%error, "the record of requests cannot be written");
        }
    }
}

fn is_read_only(operation: &str) -> bool {
    let reads = [
        "Describe",
        "Get",
        "List",
        "Encrypt",
        "Decrypt",
        "Generate",
        "Sign",
        "Verify",
        "ReEncrypt",
        "Derive",
    ];
    reads.iter().any(|prefix| operation.starts_with(prefix))
}
