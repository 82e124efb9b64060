//! CreateAlias, UpdateAlias, DeleteAlias, ListAliases.

use serde_json::{Value, json};

use super::{describe::date, listing::Page};
use crate::{
    call::{Answer, Call, Found},
    error::KmsError,
    model::fields::{ALIAS_NAME, KEY_ID, Need},
    state::{change::Alias, key::Home},
};

/// AWS's quota.
const MAX_ALIASES_PER_KEY: usize = 50;

/// The rules on alias names that the model does not state.
fn check_name(name: &str) -> Result<(), KmsError> {
    let Some(rest) = name.strip_prefix("alias/") else {
        return Err(KmsError::validation(
            "Alias must start with the prefix \"alias/\". Please see \
             https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html",
        ));
    };
    if rest.starts_with("aws/") {
        return Err(KmsError::bare("NotAuthorizedException"));
    }
    if rest.is_empty() || rest.contains(':') {
        return Err(KmsError::invalid_alias_name(format!("{name} is not a valid alias name.")));
    }
    Ok(())
}

/// Reads the alias and its target, and asks for permission on both.
fn alias_and_target(call: &Call) -> Result<(&str, Found), KmsError> {
    let fields = call.fields();
    let name = fields.text("AliasName", ALIAS_NAME, Need::Required).unwrap_or_default();
    let target = fields.text("TargetKeyId", KEY_ID, Need::Required).unwrap_or_default();
    fields.finish()?;
    check_name(name)?;
    if target.starts_with("alias/") {
        return Err(KmsError::validation("Aliases must refer to keys. Not aliases"));
    }
    let found = call.permitted(target)?;
    call.authorize(call.operation.action(), &call.home().alias_arn(name))?;
    Ok((name, found))
}

pub(super) fn create_alias(call: &Call) -> Answer {
    let (name, found) = alias_and_target(call)?;
    call.check_not_deleting(&found.key)?;
    let home = call.home();
    if call.partition().alias_names(&found.key.id).len() >= MAX_ALIASES_PER_KEY {
        return Err(KmsError::limit_exceeded(format!("{} has too many aliases.", found.key.arn())));
    }
    call.service.store.write(|transaction| {
        if transaction.alias(&home, name).is_some() {
            return Err(KmsError::already_exists(format!(
                "An alias with the name {} already exists",
                home.alias_arn(name)
            )));
        }
        transaction.key(&home, &found.key.id)?;
        let alias = Alias { target: found.key.id, created_ms: call.now_ms, updated_ms: call.now_ms };
        transaction.put_alias(&home, name, alias);
        Ok(Value::Null)
    })
}

pub(super) fn update_alias(call: &Call) -> Answer {
    let (name, found) = alias_and_target(call)?;
    let home = call.home();
    call.check_not_deleting(&found.key)?;
    call.service.store.write(|transaction| {
        let Some(known) = transaction.alias(&home, name) else { return Err(no_alias(&home, name)) };
        if let Ok(current) = transaction.key(&home, &known.target) {
            if current.usage != found.key.usage {
                return Err(KmsError::validation(format!(
                    "Alias {name} cannot be changed from a CMK with key usage {} to a CMK with key usage {}. The \
                     key usage must be the same.",
                    current.usage.as_str(),
                    found.key.usage.as_str()
                )));
            }
            if current.spec.is_symmetric() != found.key.spec.is_symmetric() {
                return Err(KmsError::validation(format!(
                    "Alias {name} cannot be changed from a CMK with key type {} to a CMK with key type {}. The key \
                     types must be the same.",
                    kind(current.spec.is_symmetric()),
                    kind(found.key.spec.is_symmetric())
                )));
            }
        }
        let alias = Alias { target: found.key.id, created_ms: known.created_ms, updated_ms: call.now_ms };
        transaction.put_alias(&home, name, alias);
        Ok(Value::Null)
    })
}

const fn kind(symmetric: bool) -> &'static str {
    if symmetric { "symmetric" } else { "asymmetric" }
}

fn no_alias(home: &Home, name: &str) -> KmsError {
    KmsError::not_found(format!("Alias {} is not found.", home.alias_arn(name)))
}

pub(super) fn delete_alias(call: &Call) -> Answer {
    let fields = call.fields();
    let name = fields.text("AliasName", ALIAS_NAME, Need::Required).unwrap_or_default();
    fields.finish()?;
    check_name(name)?;
    let home = call.home();
    call.authorize("kms:DeleteAlias", &home.alias_arn(name))?;
    let alias = call.partition().alias(name).ok_or_else(|| no_alias(&home, name))?;
    let found = call.find_in(&home.account, &alias.target, None)?;
    call.authorize_key(&found, "kms:DeleteAlias", "EncryptionContext")?;
    call.service.store.write(|transaction| {
        transaction.remove_alias(&home, name);
        Ok(Value::Null)
    })
}

pub(super) fn list_aliases(call: &Call) -> Answer {
    let fields = call.fields();
    let key_id = fields.text("KeyId", KEY_ID, Need::Optional);
    let page = Page::read(&fields, 50, 1000);
    fields.finish()?;
    call.authorize("kms:ListAliases", "*")?;
    let target = key_id.map(|text| call.find(text)).transpose()?;
    if let Some(found) = &target
        && found.key.home.account != call.caller.account
    {
        call.authorize_key(found, "kms:ListAliases", "EncryptionContext")?;
    }
    let after = page.after()?;
    let partition = call.partition();
    let of = target.as_ref().map(|found| &found.key.id);
    let aliases = partition.aliases_after(&after, of, page.limit + 1);
    Ok(page.answer(
        "Aliases",
        aliases,
        |(name, _)| name.to_string(),
        |(name, alias)| {
            json!({
                "AliasName": &**name,
                "AliasArn": partition.home.alias_arn(name),
                "TargetKeyId": alias.target.to_string(),
                "CreationDate": date(alias.created_ms),
                "LastUpdatedDate": date(alias.updated_ms),
            })
        },
    ))
}
