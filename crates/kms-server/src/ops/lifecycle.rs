//! CreateKey, and what enables, disables, describes and deletes a key.

use std::{sync::Arc, time::Instant};

use serde_json::{Value, json};

use super::{
    describe::{date, metadata},
    policies, tags,
};
use crate::{
    call::{Answer, Call, invalid_state},
    error::KmsError,
    keys::spec::{KEY_SPEC_SET, KEY_USAGE_SET, KeySpec, KeyUsage, Origin},
    model::fields::{DESCRIPTION, KEY_ID, Need, POLICY, Text},
    state::key::{Extra, Home, Key, KeyId, MultiRegion, Status},
};

const DAY_MS: i64 = 86_400_000;

/// A name that AWS knows and this server may not.
#[derive(Debug, Clone, Copy)]
enum Known<T> {
    Done(T),
    Only(&'static str),
}

fn spec(name: &str) -> Option<Known<KeySpec>> {
    let only = |name| Some(Known::Only(name));
    match name {
        "SM2" => only("SM2"),
        "ML_KEM_512" => only("ML_KEM_512"),
        "ML_KEM_768" => only("ML_KEM_768"),
        "ML_KEM_1024" => only("ML_KEM_1024"),
        name => KeySpec::parse(name).map(Known::Done),
    }
}

fn usage(name: &str) -> Option<Known<KeyUsage>> {
    match name {
        "ENCAPSULATE_DECAPSULATE" => Some(Known::Only("ENCAPSULATE_DECAPSULATE")),
        name => KeyUsage::parse(name).map(Known::Done),
    }
}

fn origin(name: &str) -> Option<Known<Origin>> {
    match name {
        "AWS_CLOUDHSM" => Some(Known::Only("AWS_CLOUDHSM")),
        "EXTERNAL_KEY_STORE" => Some(Known::Only("EXTERNAL_KEY_STORE")),
        name => Origin::parse(name).map(Known::Done),
    }
}

fn done<T>(known: Option<Known<T>>, member: &str) -> Result<Option<T>, KmsError> {
    match known {
        None => Ok(None),
        Some(Known::Done(value)) => Ok(Some(value)),
        Some(Known::Only(name)) => {
            Err(KmsError::unsupported_operation(format!("{member} {name} is not supported here.")))
        }
    }
}

pub(super) fn create_key(call: &Call) -> Answer {
    let fields = call.fields();
    let policy = fields.text("Policy", POLICY, Need::Optional);
    let description = fields.text("Description", DESCRIPTION, Need::Optional).unwrap_or_default();
    let usage = fields.one_of("KeyUsage", usage, KEY_USAGE_SET, Need::Optional);
    let new_spec = fields.one_of("KeySpec", spec, KEY_SPEC_SET, Need::Optional);
    let old_spec = fields.one_of("CustomerMasterKeySpec", spec, KEY_SPEC_SET, Need::Optional);
    let origin_set = "[EXTERNAL, AWS_CLOUDHSM, AWS_KMS, EXTERNAL_KEY_STORE]";
    let origin = fields.one_of("Origin", origin, origin_set, Need::Optional);
    let store = Text { min: 1, max: 64, pattern: None };
    let key_store = fields.text("CustomKeyStoreId", store, Need::Optional);
    let bypass = fields.boolean("BypassPolicyLockoutSafetyCheck").unwrap_or(false);
    let tags = fields.tags("Tags", Need::Optional);
    let multi_region = fields.boolean("MultiRegion").unwrap_or(false);
    fields.finish()?;

    if new_spec.is_some() && old_spec.is_some() {
        return Err(KmsError::validation(
            "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is \
             deprecated.",
        ));
    }
    let spec = done(new_spec.or(old_spec), "KeySpec")?.unwrap_or(KeySpec::SymmetricDefault);
    let usage = match done(usage, "KeyUsage")? {
        Some(usage) => usage,
        None if spec == KeySpec::SymmetricDefault => KeyUsage::EncryptDecrypt,
        None => {
            return Err(KmsError::validation(
                "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.",
            ));
        }
    };
    if spec == KeySpec::SymmetricDefault && usage != KeyUsage::EncryptDecrypt {
        return Err(KmsError::validation(format!(
            "The operation failed because the KeyUsage value of the CMK is {}. To perform this operation, the \
             KeyUsage value must be ENCRYPT_DECRYPT.",
            usage.as_str()
        )));
    }
    if !spec.allows(usage) {
        return Err(KmsError::validation(format!(
            "KeyUsage {} is not compatible with KeySpec {}",
            usage.as_str(),
            spec.as_str()
        )));
    }
    let origin = done(origin, "Origin")?.unwrap_or(Origin::AwsKms);
    if key_store.is_some() {
        return Err(KmsError::unsupported_operation("Custom key stores are not supported here."));
    }
    if origin == Origin::External && spec.is_ml_dsa() {
        return Err(KmsError::unsupported_operation(format!(
            "KeySpec {} is not supported for Origin EXTERNAL",
            spec.as_str()
        )));
    }
    let tags = tags::checked(tags)?;
    call.authorize("kms:CreateKey", "*")?;

    let home = call.home();
    let id = KeyId::random(multi_region);
    if !tags.is_empty() {
        call.authorize("kms:TagResource", &home.key_arn(&id))?;
    }
    let policy = policy.map(policies::read).transpose()?;
    let set = MultiRegion { primary: call.region.as_str().into(), replicas: Vec::new() };
    let mut key = Key {
        id,
        spec,
        usage,
        origin,
        status: if origin == Origin::External { Status::PendingImport } else { Status::Enabled },
        created_ms: call.now_ms,
        description: description.into(),
        tags: tags.into(),
        material: None,
        policy,
        extra: multi_region.then(|| Box::new(Extra { multi_region: Some(set), ..Extra::default() })),
        home: home.clone(),
    };
    if !bypass {
        policies::check_lockout(call, &key)?;
    }
    if origin == Origin::AwsKms {
        let made = call.service.spare.take_or_generate(spec).map_err(|error| {
            tracing::error!(%error, "CreateKey");
            KmsError::internal("Key material could not be generated.")
        })?;
        key = insert_with_material(call, key, made)?;
    } else {
        call.service.store.write(|transaction| {
            transaction.put_key(key.clone());
            Ok(())
        })?;
    }
    hide(call, &home, id);
    call.touched.lock().push(key.arn());
    Ok(json!({"KeyMetadata": metadata(call, &key)}))
}

fn insert_with_material(
    call: &Call,
    key: Key,
    secret: crate::keys::material::SecretBytes,
) -> Result<Key, KmsError> {
    call.service.store.write(|transaction| {
        let mut key = key;
        key.material = Some(transaction.add_material(secret));
        transaction.put_key(key.clone());
        Ok(key)
    })
}

/// A new key is not known everywhere at once, if the server plays that.
pub(super) fn hide(call: &Call, home: &Home, id: KeyId) {
    if !call.service.replication_delay.is_zero() {
        let partition = call.service.store.partition(&home.account, &home.region);
        partition.hide_until(id, Instant::now() + call.service.replication_delay);
    }
}

/// Reads `KeyId`, finds the key, asks for permission.
fn target(call: &Call) -> Result<Arc<Key>, KmsError> {
    let fields = call.fields();
    let key_id = fields.key_id();
    fields.finish()?;
    Ok(call.permitted(key_id)?.key)
}

/// Changes a key under the store's lock, from what it is by then.
pub(super) fn change<T>(
    call: &Call,
    key: &Key,
    change: impl FnOnce(&mut Key) -> Result<T, KmsError>,
) -> Result<T, KmsError> {
    call.service.store.write(|transaction| {
        let mut current = (*transaction.key(&key.home, &key.id)?).clone();
        let outcome = change(&mut current)?;
        transaction.put_key(current);
        Ok(outcome)
    })
}

pub(super) fn enable_key(call: &Call) -> Answer {
    set_status(call, Status::Enabled)
}

pub(super) fn disable_key(call: &Call) -> Answer {
    set_status(call, Status::Disabled)
}

fn set_status(call: &Call, wanted: Status) -> Answer {
    let key = target(call)?;
    change(call, &key, |key| match key.status_at(call.now_ms) {
        Status::Enabled | Status::Disabled => {
            key.status = wanted;
            Ok(json!({}))
        }
        status => Err(invalid_state(key, status)),
    })
    .map(|_| Value::Null)
}

pub(super) fn update_key_description(call: &Call) -> Answer {
    let fields = call.fields();
    let key_id = fields.text("KeyId", KEY_ID, Need::Required).unwrap_or_default();
    let description = fields.text("Description", DESCRIPTION, Need::Required).unwrap_or_default();
    fields.finish()?;
    let key = call.permitted(key_id)?.key;
    change(call, &key, |key| {
        call.check_not_deleting(key)?;
        key.description = description.into();
        Ok(Value::Null)
    })
}

pub(super) fn schedule_key_deletion(call: &Call) -> Answer {
    let fields = call.fields();
    let key_id = fields.key_id();
    let window = fields.integer("PendingWindowInDays", 7, 30).unwrap_or(30);
    fields.finish()?;
    let window_days = u16::try_from(window).unwrap_or(30);
    let key = call.permitted(key_id)?.key;
    change(call, &key, |key| {
        call.check_not_deleting(key)?;
        let waits = key
            .multi_region()
            .is_some_and(|set| *set.primary == *key.home.region && !set.replicas.is_empty());
        let mut answer = json!({"KeyId": key.arn()});
        if waits {
            key.status = Status::PendingReplicaDeletion { window_days };
        } else {
            let at_ms = call.now_ms + i64::from(window_days) * DAY_MS;
            key.status = Status::PendingDeletion { at_ms, window_days };
            answer["DeletionDate"] = date(at_ms);
        }
        answer["KeyState"] = key.status.as_str().into();
        answer["PendingWindowInDays"] = window_days.into();
        Ok(answer)
    })
}

pub(super) fn cancel_key_deletion(call: &Call) -> Answer {
    let key = target(call)?;
    change(call, &key, |key| match key.status {
        Status::PendingDeletion { .. } | Status::PendingReplicaDeletion { .. } => {
            key.status = if key.material.is_some() { Status::Disabled } else { Status::PendingImport };
            Ok(json!({"KeyId": key.arn()}))
        }
        _ => Err(KmsError::invalid_state(format!("{} is not pending deletion.", key.arn()))),
    })
}
