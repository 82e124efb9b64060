//! Rotation of symmetric encryption keys: automatic and on demand.
//!
//! A rotated key encrypts with its newest material and decrypts with every one it had. Related multi-Region keys
//! rotate together, from the primary.

use serde_json::{Map, Value, json};

use super::{
    describe::{date, material_identifier},
    lifecycle::change,
    listing::{Page, invalid_marker},
};
use crate::{
    call::{Answer, Call, invalid_state},
    error::KmsError,
    keys::{
        material::{Parsed, generate},
        spec::{KeySpec, Origin},
    },
    model::fields::Need,
    service::Service,
    state::{
        key::{Home, Key, Material, MaterialEntry, MaterialState, Rotation, RotationKind, Status},
        store::{Store, Transaction},
    },
};

const DAY_MS: i64 = 86_400_000;
/// AWS's bound for one key.
const MAX_ON_DEMAND: u16 = 25;
const DEFAULT_PERIOD_DAYS: u16 = 365;

fn unsupported_origin(key: &Key) -> KmsError {
    KmsError::unsupported_operation(format!(
        "{} origin is {} which is not valid for this operation.",
        key.arn(),
        key.origin.as_str()
    ))
}

/// Refuses what cannot rotate at all.
fn check_symmetric(key: &Key) -> Result<(), KmsError> {
    if key.spec == KeySpec::SymmetricDefault {
        Ok(())
    } else {
        Err(KmsError::bare("UnsupportedOperationException"))
    }
}

/// Rotation is set on the primary of related keys.
fn check_primary(key: &Key) -> Result<(), KmsError> {
    if key.multi_region().is_some_and(|set| *set.primary != *key.home.region) {
        return Err(super::multi_region::not_primary(key));
    }
    Ok(())
}

fn check_rotatable(call: &Call, key: &Key) -> Result<(), KmsError> {
    if key.status_at(call.now_ms) != Status::PendingImport {
        call.check_usable(key)?;
    }
    check_symmetric(key)?;
    if key.origin != Origin::AwsKms {
        return Err(unsupported_origin(key));
    }
    check_primary(key)
}

pub(super) fn enable_key_rotation(call: &Call) -> Answer {
    let fields = call.fields();
    let key_id = fields.key_id();
    let period = fields.integer("RotationPeriodInDays", 90, 2560);
    fields.finish()?;
    let period_days = period.and_then(|days| u16::try_from(days).ok()).unwrap_or(DEFAULT_PERIOD_DAYS);
    let key = call.permitted(key_id)?.key;
    change(call, &key, |key| {
        check_rotatable(call, key)?;
        let next_ms = call.now_ms + i64::from(period_days) * DAY_MS;
        key.extra_mut().rotation = Some(Rotation { enabled: true, period_days, next_ms });
        Ok(Value::Null)
    })
}

pub(super) fn disable_key_rotation(call: &Call) -> Answer {
    let fields = call.fields();
    let key_id = fields.key_id();
    fields.finish()?;
    let key = call.permitted(key_id)?.key;
    change(call, &key, |key| {
        check_rotatable(call, key)?;
        if let Some(rotation) = &mut key.extra_mut().rotation {
            rotation.enabled = false;
        }
        Ok(Value::Null)
    })
}

pub(super) fn get_key_rotation_status(call: &Call) -> Answer {
    let fields = call.fields();
    let key_id = fields.key_id();
    fields.finish()?;
    let key = call.permitted(key_id)?.key;
    let rotation = key.extra.as_ref().and_then(|extra| extra.rotation).filter(|rotation| rotation.enabled);
    let pending =
        matches!(key.status, Status::PendingDeletion { .. } | Status::PendingReplicaDeletion { .. });
    let mut answer = json!({"KeyRotationEnabled": rotation.is_some() && !pending, "KeyId": key.arn()});
    if let Some(rotation) = rotation.filter(|_| !pending) {
        answer["RotationPeriodInDays"] = rotation.period_days.into();
        answer["NextRotationDate"] = date(rotation.next_ms);
    }
    Ok(answer)
}

pub(super) fn rotate_key_on_demand(call: &Call) -> Answer {
    let fields = call.fields();
    let key_id = fields.key_id();
    fields.finish()?;
    let key = call.permitted(key_id)?.key;
    call.service.store.write(|transaction| {
        let key = transaction.key(&key.home, &key.id)?;
        call.check_usable(&key)?;
        check_symmetric(&key)?;
        check_primary(&key)?;
        if key.extra.as_ref().is_some_and(|extra| extra.on_demand_rotations >= MAX_ON_DEMAND) {
            return Err(KmsError::limit_exceeded(format!(
                "The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations \
                 can be performed for this key: {}",
                key.arn()
            )));
        }
        if key.origin == Origin::External {
            take_up_pending(transaction, &key, call.now_ms)?;
        } else {
            rotate(&call.service.store, transaction, &key, RotationKind::OnDemand, call.now_ms)?;
        }
        Ok(json!({"KeyId": key.arn()}))
    })
}

/// Makes imported material that waits for it the current one.
fn take_up_pending(transaction: &mut Transaction<'_>, key: &Key, now_ms: i64) -> Result<(), KmsError> {
    let mut key = key.clone();
    let arn = key.arn();
    let extra = key.extra_mut();
    let pending = extra
        .history
        .iter()
        .position(|entry| entry.state == MaterialState::PendingRotation && entry.present)
        .ok_or_else(|| {
            KmsError::invalid_state(format!("No available key material pending rotation for the key: {arn}."))
        })?;
    for entry in &mut extra.history {
        if entry.state == MaterialState::Current {
            entry.state = MaterialState::NonCurrent;
        }
    }
    let entry = &mut extra.history[pending];
    entry.state = MaterialState::Current;
    entry.kind = RotationKind::OnDemand;
    entry.at_ms = now_ms;
    let (material, identifier, valid_to_ms) = (entry.material.clone(), entry.identifier, entry.valid_to_ms);
    extra.on_demand_rotations += 1;
    extra.import = Some(crate::state::key::Import { valid_to_ms, identifier });
    key.material = Some(material);
    transaction.put_key(key);
    Ok(())
}

/// Gives a key, and those related to it, new material of AWS's own making.
fn rotate(
    store: &Store,
    transaction: &mut Transaction<'_>,
    key: &Key,
    kind: RotationKind,
    now_ms: i64,
) -> Result<(), KmsError> {
    let failed = || KmsError::internal("Key material could not be generated.");
    let secret = generate(key.spec).map_err(|_| failed())?;
    let current = key.material.as_ref().ok_or_else(|| invalid_state(key, Status::PendingImport))?;
    let old_identifier = match &*store.parsed(key.spec, current)? {
        Parsed::Symmetric(old) => material_identifier(&key.id, old),
        _ => return Err(failed()),
    };
    let identifier = material_identifier(&key.id, &secret);
    let material = transaction.add_material(secret);
    let entry = |material: &Material, identifier, state, kind, at_ms| MaterialEntry {
        material: material.clone(),
        identifier,
        state,
        kind,
        at_ms,
        description: Box::default(),
        present: true,
        valid_to_ms: None,
    };
    let regions = key.multi_region().map_or_else(
        || vec![key.home.region.as_ref().into()],
        |set| set.replicas.iter().chain([&set.primary]).cloned().collect::<Vec<Box<str>>>(),
    );
    for region in regions {
        let home = Home::new(&key.home.account, &region);
        let Ok(related) = transaction.key(&home, &key.id) else { continue };
        let mut related = (*related).clone();
        let (created_ms, home_region) = (related.created_ms, related.home.region.clone());
        let extra = related.extra_mut();
        if extra.history.is_empty() {
            let first =
                entry(current, old_identifier, MaterialState::NonCurrent, RotationKind::First, created_ms);
            extra.history.push(first);
        }
        for old in &mut extra.history {
            old.state = MaterialState::NonCurrent;
        }
        extra.history.push(entry(&material, identifier, MaterialState::Current, kind, now_ms));
        if kind == RotationKind::OnDemand {
            extra.on_demand_rotations += 1;
        } else if home_region == key.home.region
            && let Some(rotation) = &mut extra.rotation
        {
            let period_ms = i64::from(rotation.period_days) * DAY_MS;
            while rotation.next_ms <= now_ms {
                rotation.next_ms += period_ms;
            }
        }
        related.material = Some(material.clone());
        transaction.put_key(related);
    }
    Ok(())
}

/// Whether a key's day has come.
fn is_due(key: &Key, now_ms: i64) -> bool {
    let rotation = key.extra.as_ref().and_then(|extra| extra.rotation);
    rotation.is_some_and(|rotation| rotation.enabled && rotation.next_ms <= now_ms)
        && key.status == Status::Enabled
}

/// Rotates a key whose day has come.
pub(crate) fn rotate_if_due(service: &Service, key: &Key, now_ms: i64) -> bool {
    if !is_due(key, now_ms) {
        return false;
    }
    let rotated = service.store.write(|transaction| {
        let key = transaction.key(&key.home, &key.id)?;
        if is_due(&key, now_ms) {
            rotate(&service.store, transaction, &key, RotationKind::Automatic, now_ms)?;
        }
        Ok(())
    });
    if let Err(error) = &rotated {
        tracing::warn!(code = error.code, "a key could not be rotated");
    }
    rotated.is_ok()
}

pub(super) fn list_key_rotations(call: &Call) -> Answer {
    let fields = call.fields();
    let key_id = fields.key_id();
    let all = |name: &str| match name {
        "ALL_KEY_MATERIAL" => Some(true),
        "ROTATIONS_ONLY" => Some(false),
        _ => None,
    };
    let all = fields.one_of("IncludeKeyMaterial", all, "[ALL_KEY_MATERIAL, ROTATIONS_ONLY]", Need::Optional);
    let page = Page::read(&fields, 100, 1000);
    fields.finish()?;
    let key = call.permitted(key_id)?.key;
    check_symmetric(&key)?;
    let after = page.after()?;
    let start = match after.as_str() {
        "" => 0,
        text => text.parse::<usize>().map_err(|_| invalid_marker())?,
    };
    let history = key.extra.as_ref().map_or(&[][..], |extra| &extra.history);
    let shown = |entry: &MaterialEntry| {
        all.unwrap_or(false)
            || (entry.kind != RotationKind::First && entry.state != MaterialState::PendingRotation)
    };
    let mut entries: Vec<(usize, Value)> = history
        .iter()
        .filter(|entry| shown(entry))
        .enumerate()
        .map(|(index, entry)| (index + 1, render(&key, entry)))
        .collect();
    if history.is_empty()
        && all == Some(true)
        && let Some(identifier) = super::describe::current_material_id(call, &key)
    {
        let entry = json!({
            "KeyId": key.id.to_string(),
            "KeyMaterialId": hex::encode(identifier),
            "KeyMaterialState": "CURRENT",
        });
        entries.push((1, entry));
    }
    entries.retain(|(index, _)| *index > start);
    Ok(page.answer("Rotations", entries, |(index, _)| index.to_string(), |(_, entry)| entry.clone()))
}

fn render(key: &Key, entry: &MaterialEntry) -> Value {
    let mut rendered = Map::new();
    let mut put = |name: &str, value: Value| {
        rendered.insert(name.to_owned(), value);
    };
    put("KeyId", key.id.to_string().into());
    put("KeyMaterialId", hex::encode(entry.identifier).into());
    let state = match entry.state {
        MaterialState::Current => "CURRENT",
        MaterialState::NonCurrent => "NON_CURRENT",
        MaterialState::PendingRotation => "PENDING_ROTATION",
    };
    put("KeyMaterialState", state.into());
    if key.origin == Origin::External {
        put("ImportState", if entry.present { "IMPORTED" } else { "PENDING_IMPORT" }.into());
        if !entry.description.is_empty() {
            put("KeyMaterialDescription", (*entry.description).into());
        }
        if entry.present {
            match entry.valid_to_ms {
                Some(valid_to) => {
                    put("ExpirationModel", "KEY_MATERIAL_EXPIRES".into());
                    put("ValidTo", date(valid_to));
                }
                None => put("ExpirationModel", "KEY_MATERIAL_DOES_NOT_EXPIRE".into()),
            }
        }
    }
    if entry.kind != RotationKind::First && entry.state != MaterialState::PendingRotation {
        put("RotationDate", date(entry.at_ms));
        put(
            "RotationType",
            if entry.kind == RotationKind::Automatic { "AUTOMATIC" } else { "ON_DEMAND" }.into(),
        );
    }
    Value::Object(rendered)
}
