//! DescribeKey, GetPublicKey, ListKeys.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::listing::{Page, invalid_marker};
use crate::{
    call::{Answer, Call, invalid_state},
    error::KmsError,
    keys::{
        material::Parsed,
        spec::{KeySpec, KeyUsage, Origin},
    },
    model::fields::Need,
    state::key::{Key, KeyId, MultiRegion, Status},
};

/// Seconds since 1970, as AWS writes dates.
#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit a double for centuries")]
pub(super) fn date(ms: i64) -> Value {
    json!(ms as f64 / 1000.0)
}

/// Bytes in an answer.
pub(super) fn base64(bytes: &[u8]) -> Value {
    STANDARD.encode(bytes).into()
}

pub(super) fn describe_key(call: &Call) -> Answer {
    let fields = call.fields();
    let key_id = fields.key_id();
    fields.grant_tokens();
    fields.finish()?;
    let found = call.permitted(key_id)?;
    Ok(json!({"KeyMetadata": metadata(call, &found.key)}))
}

/// SHA-256 over the key id and the bytes: the identifier of a symmetric key's material.
pub(crate) fn material_identifier(id: &KeyId, secret: &[u8]) -> [u8; 32] {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    context.update(b"key material");
    context.update(id.bytes());
    context.update(secret);
    let mut identifier = [0; 32];
    identifier.copy_from_slice(context.finish().as_ref());
    identifier
}

/// The identifier of the current material, for symmetric encryption keys.
pub(super) fn current_material_id(call: &Call, key: &Key) -> Option<[u8; 32]> {
    if key.spec != KeySpec::SymmetricDefault {
        return None;
    }
    match &*call.parsed(key).ok()? {
        Parsed::Symmetric(secret) => Some(material_identifier(&key.id, secret)),
        _ => None,
    }
}

/// `KeyMetadata` as AWS gives it.
pub(super) fn metadata(call: &Call, key: &Key) -> Value {
    let status = key.status_at(call.now_ms);
    let mut metadata = Map::new();
    let mut put = |name: &str, value: Value| {
        metadata.insert(name.to_owned(), value);
    };
    put("AWSAccountId", (*key.home.account).into());
    put("KeyId", key.id.to_string().into());
    put("Arn", key.arn().into());
    put("CreationDate", date(key.created_ms));
    put("Enabled", (status == Status::Enabled).into());
    put("Description", (*key.description).into());
    put("KeyUsage", key.usage.as_str().into());
    put("KeyState", status.as_str().into());
    match status {
        // A key that waits for its replicas has no date yet.
        Status::PendingDeletion { at_ms, .. } => put("DeletionDate", date(at_ms)),
        Status::PendingReplicaDeletion { window_days } => {
            put("PendingDeletionWindowInDays", window_days.into());
        }
        _ => {}
    }
    put("Origin", key.origin.as_str().into());
    if key.origin == Origin::External
        && key.material.is_some()
        && status != Status::PendingImport
        && let Some(import) = key.extra.as_ref().and_then(|extra| extra.import)
    {
        match import.valid_to_ms {
            Some(valid_to) => {
                put("ValidTo", date(valid_to));
                put("ExpirationModel", "KEY_MATERIAL_EXPIRES".into());
            }
            None => put("ExpirationModel", "KEY_MATERIAL_DOES_NOT_EXPIRE".into()),
        }
    }
    put("KeyManager", "CUSTOMER".into());
    if !key.spec.is_ml_dsa() && key.spec != KeySpec::EccNistEdwards25519 {
        put("CustomerMasterKeySpec", key.spec.as_str().into());
    }
    put("KeySpec", key.spec.as_str().into());
    let (name, algorithms) = algorithms(key);
    put(name, algorithms);
    put("MultiRegion", key.id.is_multi_region().into());
    if let Some(set) = key.multi_region() {
        put("MultiRegionConfiguration", multi_region_configuration(key, set));
    }
    let known = match key.extra.as_ref().and_then(|extra| extra.import) {
        Some(import) if key.spec == KeySpec::SymmetricDefault => Some(import.identifier),
        _ => current_material_id(call, key),
    };
    if let Some(identifier) = known {
        put("CurrentKeyMaterialId", hex::encode(identifier).into());
    }
    Value::Object(metadata)
}

/// The algorithms of a key and the member AWS lists them in.
fn algorithms(key: &Key) -> (&'static str, Value) {
    match key.usage {
        KeyUsage::SignVerify => {
            let names: Vec<&str> =
                key.spec.signing_algorithms().iter().map(|algorithm| algorithm.as_str()).collect();
            ("SigningAlgorithms", names.into())
        }
        KeyUsage::EncryptDecrypt => {
            let names: Vec<&str> =
                key.spec.encryption_algorithms().iter().map(|algorithm| algorithm.as_str()).collect();
            ("EncryptionAlgorithms", names.into())
        }
        KeyUsage::GenerateVerifyMac => {
            let names: Vec<&str> =
                key.spec.mac_algorithm().iter().map(|algorithm| algorithm.as_str()).collect();
            ("MacAlgorithms", names.into())
        }
        KeyUsage::KeyAgreement => ("KeyAgreementAlgorithms", json!(["ECDH"])),
    }
}

fn multi_region_configuration(key: &Key, set: &MultiRegion) -> Value {
    let member = |region: &str| {
        let arn = crate::state::key::Home::new(&key.home.account, region).key_arn(&key.id);
        json!({"Arn": arn, "Region": region})
    };
    json!({
        "MultiRegionKeyType": if *set.primary == *key.home.region { "PRIMARY" } else { "REPLICA" },
        "PrimaryKey": member(&set.primary),
        "ReplicaKeys": set.replicas.iter().map(|region| member(region)).collect::<Vec<_>>(),
    })
}

pub(super) fn get_public_key(call: &Call) -> Answer {
    let fields = call.fields();
    let key_id = fields.key_id();
    fields.grant_tokens();
    fields.finish()?;
    let found = call.permitted(key_id)?;
    let key = &*found.key;
    if key.spec.is_symmetric() {
        return Err(KmsError::unsupported_operation(format!(
            "{} key spec is {} which is not valid for GetPublicKey.",
            key.arn(),
            key.spec.as_str()
        )));
    }
    match key.status_at(call.now_ms) {
        // AWS documents that a disabled key is refused, but it is not.
        Status::Enabled | Status::Disabled => {}
        status => return Err(invalid_state(key, status)),
    }
    let parsed = call.parsed(key)?;
    let public = parsed.public().ok_or_else(|| KmsError::internal("The key has no public half."))?;
    let (name, algorithms) = algorithms(key);
    let mut answer = json!({
        "KeyId": key.arn(),
        "PublicKey": base64(public),
        "KeySpec": key.spec.as_str(),
        "KeyUsage": key.usage.as_str(),
    });
    if !key.spec.is_ml_dsa() && key.spec != KeySpec::EccNistEdwards25519 {
        answer["CustomerMasterKeySpec"] = key.spec.as_str().into();
    }
    answer[name] = algorithms;
    Ok(answer)
}

pub(super) fn list_keys(call: &Call) -> Answer {
    let fields = call.fields();
    let page = Page::read(&fields, 100, 1000);
    let owners = fields.names("ResourceOwners", &["SELF", "OTHER_ACCOUNTS_VIA_RAM"], 2, Need::Optional);
    fields.finish()?;
    call.authorize("kms:ListKeys", "*")?;
    // No account shares its keys through RAM here.
    let others_only = !owners.is_empty() && !owners.contains(&"SELF");
    let after = page.after()?;
    let after = match after.as_str() {
        "" => None,
        id => Some(KeyId::parse(id).ok_or_else(invalid_marker)?),
    };
    let mut keys = call.partition().keys_after(after, page.limit + 1);
    keys.retain(|key| !others_only && !key.is_gone(call.now_ms));
    Ok(page.answer(
        "Keys",
        keys,
        |key| key.id.to_string(),
        |key| json!({"KeyId": key.id.to_string(), "KeyArn": key.arn()}),
    ))
}
