//! CreateGrant, ListGrants, ListRetirableGrants, RevokeGrant, RetireGrant.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::{describe::date, lifecycle::change, listing::Page};
use crate::{
    call::{Answer, Call},
    error::KmsError,
    keys::{
        material::random_bytes,
        spec::{KeySpec, KeyUsage},
    },
    model::fields::{
        Fields, GRANT_ID, GRANT_NAME, GRANT_TOKEN, KEY_ID, Need, PRINCIPAL, SERVICE_PRINCIPAL, SOURCE_ARN,
    },
    state::key::{Grant, Home, Key, KeyId},
};

/// AWS's quota.
const MAX_GRANTS: usize = 50_000;

const OPERATIONS: &[&str] = &[
    "Decrypt",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "ReEncryptFrom",
    "ReEncryptTo",
    "Sign",
    "Verify",
    "GetPublicKey",
    "CreateGrant",
    "RetireGrant",
    "DescribeKey",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
    "GenerateMac",
    "VerifyMac",
    "DeriveSharedSecret",
    "Encapsulate",
    "Decapsulate",
];

/// Whether a grant for a key may name an operation.
fn fits(key: &Key, operation: &str) -> bool {
    match operation {
        "Encrypt" | "Decrypt" | "ReEncryptFrom" | "ReEncryptTo" => key.usage == KeyUsage::EncryptDecrypt,
        "GenerateDataKey"
        | "GenerateDataKeyWithoutPlaintext"
        | "GenerateDataKeyPair"
        | "GenerateDataKeyPairWithoutPlaintext" => key.spec == KeySpec::SymmetricDefault,
        "Sign" | "Verify" => key.usage == KeyUsage::SignVerify,
        "GenerateMac" | "VerifyMac" => key.usage == KeyUsage::GenerateVerifyMac,
        "DeriveSharedSecret" => key.usage == KeyUsage::KeyAgreement,
        "GetPublicKey" => !key.spec.is_symmetric(),
        // No key here has a spec for these.
        "Encapsulate" | "Decapsulate" => false,
        _ => true,
    }
}

/// A grant token says which grant it is of; it is a name, not a secret.
fn token(home: &Home, key: &KeyId, grant: &[u8; 32]) -> String {
    STANDARD.encode(format!("{}|{}|{key}|{}", home.account, home.region, hex::encode(grant)))
}

pub(super) fn read_token(token: &str) -> Option<(Home, KeyId, String)> {
    let text = String::from_utf8(STANDARD.decode(token).ok()?).ok()?;
    let mut parts = text.split('|');
    let (account, region, key, grant) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    Some((Home::new(account, region), KeyId::parse(key)?, grant.to_owned()))
}

fn render(key: &Key, grant: &Grant) -> Value {
    let mut entry = Map::new();
    let mut put = |name: &str, value: Value| {
        entry.insert(name.to_owned(), value);
    };
    put("KeyId", key.arn().into());
    put("GrantId", hex::encode(grant.id).into());
    put("Name", (*grant.name).into());
    put("CreationDate", date(grant.created_ms));
    put("GranteePrincipal", (*grant.grantee).into());
    if let Some(retiring) = &grant.retiring {
        put("RetiringPrincipal", (**retiring).into());
    }
    put("IssuingAccount", (*grant.issuing).into());
    put("Operations", grant.operations.iter().map(|operation| Value::from(&**operation)).collect());
    let constraints: Map<String, Value> = [
        ("EncryptionContextEquals", &grant.context_equals),
        ("EncryptionContextSubset", &grant.context_subset),
    ]
    .into_iter()
    .filter_map(|(name, context)| Some((name.to_owned(), json!(context.as_ref()?))))
    .collect();
    if !constraints.is_empty() {
        put("Constraints", constraints.into());
    }
    Value::Object(entry)
}

/// Whether a request names principals that are AWS services; none is played here.
fn service_principals(fields: &Fields<'_>) -> bool {
    let named = |name| fields.text(name, SERVICE_PRINCIPAL, Need::Optional).is_some();
    // Both are read, so that both are validated.
    named("GranteeServicePrincipal") | named("RetiringServicePrincipal")
}

pub(super) fn create_grant(call: &Call) -> Answer {
    let fields = call.fields();
    let key_id = fields.key_id();
    let grantee = fields.text("GranteePrincipal", PRINCIPAL, Need::Optional);
    let retiring = fields.text("RetiringPrincipal", PRINCIPAL, Need::Optional);
    let operations = fields.names("Operations", OPERATIONS, usize::MAX, Need::Required);
    let constraints = fields.structure("Constraints", |inner| {
        let context = |name: &str| inner.has(name).then(|| inner.context(name));
        let source = inner.text("SourceArn", SOURCE_ARN, Need::Optional);
        (context("EncryptionContextEquals"), context("EncryptionContextSubset"), source)
    });
    let services = service_principals(&fields);
    fields.grant_tokens();
    let name = fields.text("Name", GRANT_NAME, Need::Optional).unwrap_or_default();
    let dry_run = fields.dry_run();
    fields.finish()?;
    let (context_equals, context_subset, source) = constraints.unwrap_or_default();
    if services || source.is_some() {
        return Err(KmsError::unsupported_operation("Grants to AWS services are not supported here."));
    }
    let grantee = grantee.ok_or_else(|| {
        KmsError::validation("Either GranteePrincipal or GranteeServicePrincipal is required.")
    })?;
    for principal in [Some(grantee), retiring].into_iter().flatten() {
        if crate::auth::file::account_of(principal).is_none() {
            return Err(KmsError::invalid_arn(format!(
                "ARN does not refer to a valid principal: {principal}"
            )));
        }
    }
    if operations.is_empty() {
        return Err(KmsError::validation("A grant must allow at least one operation."));
    }
    let key = call.permitted(key_id)?.key;
    call.check_usable(&key)?;
    if let Some(unfit) = operations.iter().find(|operation| !fits(&key, operation)) {
        return Err(KmsError::validation(format!(
            "The operation {unfit} is not supported for a key with key spec {} and key usage {}.",
            key.spec.as_str(),
            key.usage.as_str()
        )));
    }
    if key.spec != KeySpec::SymmetricDefault && (context_equals.is_some() || context_subset.is_some()) {
        return Err(KmsError::validation(
            "Encryption context grant constraints are only supported for symmetric encryption keys.",
        ));
    }
    if dry_run {
        return Err(KmsError::dry_run());
    }
    let random = random_bytes(32).ok_or_else(|| KmsError::internal("The random source failed."))?;
    let mut id = [0; 32];
    id.copy_from_slice(&random);
    let mut grant = Grant {
        id,
        name: name.into(),
        grantee: grantee.into(),
        retiring: retiring.map(Into::into),
        issuing: format!("arn:aws:iam::{}:root", call.caller.account).into(),
        operations: operations.into_iter().map(Into::into).collect(),
        context_equals,
        context_subset,
        created_ms: call.now_ms,
    };
    // A grant of the same name and content is the same grant.
    let known = key.grants().iter().find(|known| !name.is_empty() && same(known, &grant));
    if let Some(known) = known {
        grant.id = known.id;
    } else {
        change(call, &key, |key| {
            let grants = &mut key.extra_mut().grants;
            if grants.len() >= MAX_GRANTS {
                return Err(KmsError::limit_exceeded("The key has too many grants."));
            }
            grants.push(grant.clone());
            Ok(())
        })?;
    }
    Ok(json!({"GrantToken": token(&key.home, &key.id, &grant.id), "GrantId": hex::encode(grant.id)}))
}

fn same(one: &Grant, other: &Grant) -> bool {
    let sorted = |grant: &Grant| {
        let mut operations = grant.operations.clone();
        operations.sort_unstable();
        operations
    };
    one.name == other.name
        && one.grantee == other.grantee
        && one.retiring == other.retiring
        && one.context_equals == other.context_equals
        && one.context_subset == other.context_subset
        && sorted(one) == sorted(other)
}

pub(super) fn list_grants(call: &Call) -> Answer {
    let fields = call.fields();
    let page = Page::read(&fields, 50, 100);
    let key_id = fields.key_id();
    let id = fields.text("GrantId", GRANT_ID, Need::Optional);
    let grantee = fields.text("GranteePrincipal", PRINCIPAL, Need::Optional);
    let services = service_principals(&fields);
    fields.finish()?;
    if services {
        return Err(KmsError::validation("GranteeServicePrincipal can only be used by a service principal."));
    }
    let key = call.permitted(key_id)?.key;
    call.check_not_deleting(&key)?;
    let after = page.after()?;
    let mut grants: Vec<&Grant> = key
        .grants()
        .iter()
        .filter(|grant| id.is_none_or(|id| hex::encode(grant.id) == id))
        .filter(|grant| grantee.is_none_or(|grantee| *grant.grantee == *grantee))
        .collect();
    grants.sort_by_key(|grant| grant.id);
    grants.retain(|grant| hex::encode(grant.id) > after);
    Ok(page.answer("Grants", grants, |grant| hex::encode(grant.id), |grant| render(&key, grant)))
}

pub(super) fn list_retirable_grants(call: &Call) -> Answer {
    let fields = call.fields();
    let page = Page::read(&fields, 50, 100);
    let retiring = fields.text("RetiringPrincipal", PRINCIPAL, Need::Optional);
    let services = service_principals(&fields);
    fields.finish()?;
    let retiring = match (retiring, services) {
        (Some(retiring), false) => retiring,
        (None, false) => return Err(KmsError::validation("RetiringPrincipal is required.")),
        (_, true) => {
            return Err(KmsError::validation(
                "RetiringServicePrincipal can only be used by a service principal.",
            ));
        }
    };
    if crate::auth::file::account_of(retiring).is_none() {
        return Err(KmsError::invalid_arn(format!("ARN does not refer to a valid principal: {retiring}")));
    }
    call.authorize("kms:ListRetirableGrants", "*")?;
    let after = page.after()?;
    let mut grants = Vec::new();
    for key in call.partition().keys_after(None, usize::MAX) {
        for grant in key.grants().iter().filter(|grant| grant.retiring.as_deref() == Some(retiring)) {
            grants.push((hex::encode(grant.id), render(&key, grant)));
        }
    }
    grants.sort_by(|one, other| one.0.cmp(&other.0));
    grants.retain(|(id, _)| *id > after);
    Ok(page.answer("Grants", grants, |(id, _)| id.clone(), |(_, entry)| entry.clone()))
}

fn remove(call: &Call, key: &Key, id: &str) -> Answer {
    change(call, key, |key| {
        let grants = &mut key.extra_mut().grants;
        let before = grants.len();
        grants.retain(|grant| hex::encode(grant.id) != id);
        if grants.len() == before { Err(no_grant(id)) } else { Ok(Value::Null) }
    })
}

fn no_grant(id: &str) -> KmsError {
    KmsError::not_found(format!("Grant ID {id} not found"))
}

/// A grant's id is 64 hexadecimal digits.
fn check_grant_id(id: &str) -> Result<(), KmsError> {
    if id.len() == 64 && id.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err(KmsError::invalid_grant_id(format!("Invalid grant ID {id}")))
}

pub(super) fn revoke_grant(call: &Call) -> Answer {
    let fields = call.fields();
    let key_id = fields.key_id();
    let id = fields.text("GrantId", GRANT_ID, Need::Required).unwrap_or_default();
    let dry_run = fields.dry_run();
    fields.finish()?;
    let key = call.permitted(key_id)?.key;
    call.check_not_deleting(&key)?;
    check_grant_id(id)?;
    if !key.grants().iter().any(|grant| hex::encode(grant.id) == id) {
        return Err(no_grant(id));
    }
    if dry_run {
        return Err(KmsError::dry_run());
    }
    remove(call, &key, id)
}

pub(super) fn retire_grant(call: &Call) -> Answer {
    let fields = call.fields();
    let given = fields.text("GrantToken", GRANT_TOKEN, Need::Optional);
    let key_id = fields.text("KeyId", KEY_ID, Need::Optional);
    let id = fields.text("GrantId", GRANT_ID, Need::Optional);
    let dry_run = fields.dry_run();
    fields.finish()?;
    let (found, id) = match (given, key_id, id) {
        (Some(given), None, None) => {
            let invalid = || KmsError::invalid_grant_token("The grant token is not valid.");
            let (home, key, id) = read_token(given).ok_or_else(invalid)?;
            if *home.region != *call.region {
                return Err(invalid());
            }
            (call.find_in(&home.account, &key, None)?, id)
        }
        (None, Some(key_id), Some(id)) => {
            check_grant_id(id)?;
            (call.find(key_id)?, id.to_owned())
        }
        _ => return Err(KmsError::validation("Grant token OR (grant ID, key ID) must be specified")),
    };
    let key = &*found.key;
    let grant =
        key.grants().iter().find(|grant| hex::encode(grant.id) == id).ok_or_else(|| no_grant(&id))?.clone();
    let is = |principal: &str| {
        principal == call.caller.arn
            || call.caller.role.as_deref() == Some(principal)
            || principal == format!("arn:aws:iam::{}:root", call.caller.account)
    };
    // The retiring principal, the grantee if it may retire, or whoever the policies allow.
    let grantee_may =
        is(&grant.grantee) && grant.operations.iter().any(|operation| **operation == *"RetireGrant");
    if !grant.retiring.as_deref().is_some_and(is) && !grantee_may {
        call.authorize_key(&found, "kms:RetireGrant", "EncryptionContext")?;
    }
    call.check_not_deleting(key)?;
    if dry_run {
        return Err(KmsError::dry_run());
    }
    remove(call, key, &id)
}
