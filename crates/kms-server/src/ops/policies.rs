//! GetKeyPolicy, PutKeyPolicy, ListKeyPolicies, and what every key policy must satisfy.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{lifecycle::change, listing::Page};
use crate::{
    auth::file::{account_of, is_account},
    call::{Answer, Call, Found},
    error::KmsError,
    iam::policy::PolicyDocument,
    model::fields::{Fields, Need, POLICY, POLICY_NAME},
    state::key::{Home, Key, KeyPolicy, partition_of},
};

/// AWS's quota.
const MAX_POLICY: usize = 32 * 1024;

/// Reads a key policy that a request brings.
pub(super) fn read(text: &str) -> Result<Arc<KeyPolicy>, KmsError> {
    if text.len() > MAX_POLICY {
        return Err(KmsError::limit_exceeded("The key policy is larger than 32 KB."));
    }
    let document = PolicyDocument::parse(text)
        .map_err(|error| KmsError::malformed_policy(format!("Malformed policy document: {error}")))?;
    if !document.names_principals() {
        return Err(KmsError::malformed_policy("Every statement of a key policy must name a principal."));
    }
    let known =
        |principal: &str| principal == "*" || is_account(principal) || account_of(principal).is_some();
    if !document.principals().all(known) {
        return Err(KmsError::malformed_policy(
            "Policy contains a statement with one or more invalid principals.",
        ));
    }
    Ok(Arc::new(KeyPolicy { text: text.into(), document }))
}

/// Refuses a policy under which the caller could not change it again.
pub(super) fn check_lockout(call: &Call, key: &Key) -> Result<(), KmsError> {
    if key.policy.is_none() {
        return Ok(());
    }
    let found = Found { key: Arc::new(key.clone()), alias: None };
    call.authorize_key(&found, "kms:PutKeyPolicy", "EncryptionContext").map_err(|_| {
        KmsError::malformed_policy(
            "The new key policy will not allow you to update the key policy in the future.",
        )
    })
}

/// The text of a key's policy: its own, or AWS's default.
pub(super) fn text(key: &Key) -> String {
    key.policy.as_ref().map_or_else(|| default_text(&key.home), |policy| policy.text.to_string())
}

fn default_text(home: &Home) -> String {
    format!(
        "{{\n  \"Version\" : \"2012-10-17\",\n  \"Id\" : \"key-default-1\",\n  \"Statement\" : [ {{\n    \"Sid\" : \
         \"Enable IAM User Permissions\",\n    \"Effect\" : \"Allow\",\n    \"Principal\" : {{\n      \"AWS\" : \
         \"arn:{}:iam::{}:root\"\n    }},\n    \"Action\" : \"kms:*\",\n    \"Resource\" : \"*\"\n  }} ]\n}}",
        partition_of(&home.region),
        home.account
    )
}

fn policy_name<'a>(fields: &Fields<'a>) -> &'a str {
    fields.text("PolicyName", POLICY_NAME, Need::Optional).unwrap_or("default")
}

pub(super) fn get_key_policy(call: &Call) -> Answer {
    let fields = call.fields();
    let key_id = fields.key_id();
    let name = policy_name(&fields);
    fields.finish()?;
    let key = call.permitted(key_id)?.key;
    if name != "default" {
        return Err(KmsError::not_found("No such policy exists"));
    }
    Ok(json!({"Policy": text(&key), "PolicyName": "default"}))
}

pub(super) fn put_key_policy(call: &Call) -> Answer {
    let fields = call.fields();
    let key_id = fields.key_id();
    let name = policy_name(&fields);
    let policy = fields.text("Policy", POLICY, Need::Required).unwrap_or_default();
    let bypass = fields.boolean("BypassPolicyLockoutSafetyCheck").unwrap_or(false);
    fields.finish()?;
    let key = call.permitted(key_id)?.key;
    if name != "default" {
        return Err(KmsError::unsupported_operation("Only the default policy is supported."));
    }
    let policy = read(policy)?;
    change(call, &key, |key| {
        call.check_not_deleting(key)?;
        key.policy = Some(policy);
        if !bypass {
            check_lockout(call, key)?;
        }
        Ok(Value::Null)
    })
}

pub(super) fn list_key_policies(call: &Call) -> Answer {
    let fields = call.fields();
    let key_id = fields.key_id();
    Page::read(&fields, 100, 1000);
    fields.finish()?;
    call.permitted(key_id)?;
    Ok(json!({"PolicyNames": ["default"], "Truncated": false}))
}
