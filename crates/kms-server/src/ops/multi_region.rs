//! ReplicateKey and UpdatePrimaryRegion.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{describe::metadata, lifecycle::hide, policies, tags};
use crate::{
    call::{Answer, Call},
    error::KmsError,
    keys::spec::Origin,
    model::fields::{DESCRIPTION, Need, POLICY, REGION},
    state::key::{Extra, Home, Key, MultiRegion, Status, partition_of},
};

pub(super) fn not_primary(key: &Key) -> KmsError {
    KmsError::unsupported_operation(format!("{} is not a multi-region primary key.", key.arn()))
}

/// The set that a primary key heads.
fn headed(key: &Key) -> Result<MultiRegion, KmsError> {
    let Some(set) = key.multi_region() else {
        return Err(KmsError::unsupported_operation(format!("{} is not a multi-region key.", key.arn())));
    };
    if *set.primary != *key.home.region {
        return Err(not_primary(key));
    }
    Ok(set.clone())
}

pub(super) fn replicate_key(call: &Call) -> Answer {
    let fields = call.fields();
    let key_id = fields.key_id();
    let region = fields.text("ReplicaRegion", REGION, Need::Required).unwrap_or_default();
    let policy = fields.text("Policy", POLICY, Need::Optional);
    let bypass = fields.boolean("BypassPolicyLockoutSafetyCheck").unwrap_or(false);
    let description = fields.text("Description", DESCRIPTION, Need::Optional).unwrap_or_default();
    let tags = fields.tags("Tags", Need::Optional);
    fields.finish()?;
    let tags = tags::checked(tags)?;
    let primary = call.permitted(key_id)?.key;
    let home = Arc::new(Home::new(&primary.home.account, region));
    if partition_of(region) != partition_of(&call.region)
        || (!call.service.regions.is_empty() && !call.service.regions.iter().any(|known| known == region))
    {
        return Err(KmsError::unsupported_operation(format!("The Region {region} is not available.")));
    }
    call.authorize("kms:CreateKey", "*")?;
    if !tags.is_empty() {
        call.authorize("kms:TagResource", &home.key_arn(&primary.id))?;
    }
    headed(&primary)?;
    match primary.status_at(call.now_ms) {
        Status::PendingImport if primary.origin == Origin::External => {}
        _ => call.check_usable(&primary)?,
    }
    let mut replica = Key {
        status: if primary.origin == Origin::External { Status::PendingImport } else { Status::Enabled },
        created_ms: call.now_ms,
        description: description.into(),
        tags: tags.into(),
        policy: policy.map(policies::read).transpose()?,
        home: home.clone(),
        extra: None,
        ..(*primary).clone()
    };
    if primary.origin == Origin::External {
        replica.material = None;
    }
    if !bypass {
        policies::check_lockout(call, &replica)?;
    }
    let replica = call.service.store.write(|transaction| {
        let primary = transaction.key(&primary.home, &primary.id)?;
        let mut set = headed(&primary)?;
        if *set.primary == *region || set.replicas.iter().any(|known| **known == *region) {
            return Err(KmsError::already_exists(format!(
                "Unable to replicate key {} to region {region}, as the key already exist there",
                primary.id
            )));
        }
        set.replicas.push(region.into());
        let mut replica = replica;
        let history = primary.extra.as_ref().map(|extra| extra.history.clone()).unwrap_or_default();
        let history = if primary.origin == Origin::AwsKms { history } else { Vec::new() };
        replica.extra = Some(Box::new(Extra { history, ..Extra::default() }));
        spread(transaction, &primary, &set);
        replica.extra_mut().multi_region = Some(set);
        transaction.put_key(replica.clone());
        Ok(replica)
    })?;
    hide(call, &home, replica.id);
    call.touched.lock().push(replica.arn());
    let mut shown = metadata(call, &replica);
    // A replica begins its life in this state; here it is over by the time the answer arrives.
    shown["KeyState"] = "Creating".into();
    shown["Enabled"] = false.into();
    if let Some(members) = shown.as_object_mut() {
        members.shift_remove("CurrentKeyMaterialId");
    }
    let tags: Vec<Value> = replica
        .tags
        .to_vec()
        .iter()
        .map(|tag| json!({"TagKey": &*tag.key, "TagValue": &*tag.value}))
        .collect();
    let mut answer = json!({"ReplicaKeyMetadata": shown, "ReplicaPolicy": policies::text(&replica)});
    if !tags.is_empty() {
        answer["ReplicaTags"] = tags.into();
    }
    Ok(answer)
}

/// Tells a primary key and its replicas what their set is now.
fn spread(transaction: &mut crate::state::store::Transaction<'_>, primary: &Key, set: &MultiRegion) {
    for region in set.replicas.iter().chain([&set.primary]) {
        let home = Home::new(&primary.home.account, region);
        if let Ok(related) = transaction.key(&home, &primary.id) {
            let mut related = (*related).clone();
            related.extra_mut().multi_region = Some(set.clone());
            transaction.put_key(related);
        }
    }
}

pub(super) fn update_primary_region(call: &Call) -> Answer {
    let fields = call.fields();
    let key_id = fields.key_id();
    let region = fields.text("PrimaryRegion", REGION, Need::Required).unwrap_or_default();
    fields.finish()?;
    let key = call.permitted(key_id)?.key;
    headed(&key)?;
    call.check_usable(&key)?;
    call.service.store.write(|transaction| {
        let key = transaction.key(&key.home, &key.id)?;
        let mut set = headed(&key)?;
        if *set.primary == *region {
            return Ok(Value::Null);
        }
        let Some(place) = set.replicas.iter().position(|known| **known == *region) else {
            let arn = Home::new(&key.home.account, region).key_arn(&key.id);
            return Err(KmsError::not_found(format!("Key '{arn}' does not exist")));
        };
        let replica = transaction.key(&Home::new(&key.home.account, region), &key.id)?;
        call.check_usable(&replica)?;
        let rotation = key.extra.as_ref().and_then(|extra| extra.rotation);
        set.replicas[place] = std::mem::replace(&mut set.primary, region.into());
        for region in set.replicas.iter().chain([&set.primary]) {
            let home = Home::new(&key.home.account, region);
            let Ok(related) = transaction.key(&home, &key.id) else { continue };
            let mut related = (*related).clone();
            let is_primary = *set.primary == **region;
            let extra = related.extra_mut();
            extra.multi_region = Some(set.clone());
            extra.rotation = if is_primary { rotation } else { None };
            transaction.put_key(related);
        }
        Ok(Value::Null)
    })
}
