//! One authenticated request on its way through the operations: finding the key it names, deciding whether the
//! caller may, checking the key's state.
//!
//! The order is AWS's: the model's constraints first, then which key, then permission, then state, then usage.

use std::{net::SocketAddr, sync::Arc};

use parking_lot::Mutex;
use serde_json::{Map, Value};

use crate::{
    auth::callers::Principal,
    error::KmsError,
    iam::{
        context::RequestContext,
        decision::{self, Denial},
        policy::Verdict,
    },
    keys::material::Parsed,
    limits,
    model::{fields::Fields, operation::Operation},
    ops,
    service::Service,
    state::{
        key::{Home, Key, KeyId, Status},
        store::Partition,
    },
};

/// What an operation answers.
pub(crate) type Answer = Result<Value, KmsError>;

/// A request.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) service: Arc<Service>,
    pub(crate) operation: Operation,
    pub(crate) caller: Arc<Principal>,
    pub(crate) region: String,
    pub(crate) body: Map<String, Value>,
    pub(crate) now_ms: i64,
    pub(crate) source: SocketAddr,
    pub(crate) user_agent: String,
    /// The ARNs of the keys that the request turned out to be about.
    pub(crate) touched: Mutex<Vec<String>>,
}

/// A key that a request names.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) key: Arc<Key>,
    pub(crate) alias: Option<String>,
}

impl Call {
    pub(crate) fn fields(&self) -> Fields<'_> {
        Fields::new(&self.body)
    }

    /// The caller's own keys in the request's Region.
    pub(crate) fn partition(&self) -> Arc<Partition> {
        self.service.store.partition(&self.caller.account, &self.region)
    }

    /// Finds the key that a request names by id, ARN, alias or alias ARN.
    pub(crate) fn find(&self, text: &str) -> Result<Found, KmsError> {
        let aliases = self.operation.takes_aliases();
        if let Some(arn) = text.strip_prefix("arn:") {
            let mut parts = arn.splitn(5, ':');
            let parsed = (|| {
                let (partition, service) = (parts.next()?, parts.next()?);
                let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
                (partition.starts_with("aws") && service == "kms").then_some((region, account, resource))
            })();
            let Some((region, account, resource)) = parsed else { return Err(self.malformed_arn(text)) };
            if region != self.region {
                return Err(KmsError::not_found(format!("Invalid arn {region}")));
            }
            return match (resource.strip_prefix("key/"), resource.starts_with("alias/")) {
                (Some(id), _) => {
                    let id = KeyId::parse(id)
                        .ok_or_else(|| KmsError::not_found(format!("Invalid keyId '{id}'")))?;
                    self.find_in(account, &id, None)
                }
                (None, true) if aliases => self.find_alias(account, resource),
                _ => Err(self.malformed_arn(text)),
            };
        }
        if text.starts_with("alias/") && aliases {
            return self.find_alias(&self.caller.account, text);
        }
        let id = KeyId::parse(text).ok_or_else(|| KmsError::not_found(format!("Invalid keyId '{text}'")))?;
        self.find_in(&self.caller.account, &id, None)
    }

    /// Whether a name is one of a key's: its id, its ARN, or an alias or alias ARN that points to it.
    pub(crate) fn names(&self, text: &str, key: &Key) -> bool {
        let own = key.home.account == self.caller.account;
        if text == key.arn() || (own && text == key.id.to_string()) {
            return true;
        }
        let alias = match text.strip_prefix("arn:") {
            Some(_) => text.split_once(":alias/").map(|(_, name)| format!("alias/{name}")),
            None => own.then(|| text.to_owned()),
        };
        alias.is_some_and(|name| {
            let partition = self.service.store.partition(&key.home.account, &key.home.region);
            let points_here = partition.alias(&name).is_some_and(|alias| alias.target == key.id);
            points_here && (!text.starts_with("arn:") || text == key.home.alias_arn(&name))
        })
    }

    fn malformed_arn(&self, text: &str) -> KmsError {
        if self.operation.knows_invalid_arn() {
            KmsError::invalid_arn(format!("Invalid arn {text}"))
        } else {
            KmsError::not_found(format!("Invalid arn {text}"))
        }
    }

    fn find_alias(&self, account: &str, name: &str) -> Result<Found, KmsError> {
        let partition = self.service.store.partition(account, &self.region);
        if let Some(alias) = partition.alias(name) {
            return self.find_in(account, &alias.target, Some(name));
        }
        let arn = partition.home.alias_arn(name);
        if *account != *self.caller.account {
            return Err(self.denied(self.operation.action(), &arn, Denial::Unknown));
        }
        Err(KmsError::not_found(format!("Alias {arn} is not found.")))
    }

    /// Finds a key by its id in an account.
    pub(crate) fn find_in(&self, account: &str, id: &KeyId, alias: Option<&str>) -> Result<Found, KmsError> {
        let partition = self.service.store.partition(account, &self.region);
        let found = partition.key(id).filter(|key| !self.service.purge_if_gone(key, self.now_ms));
        let Some(key) = found else {
            let arn = partition.home.key_arn(id);
            // Whoever may not ask is not told whether there is such a key.
            if *account != *self.caller.account || self.authorize(self.operation.action(), &arn).is_err() {
                return Err(self.denied(self.operation.action(), &arn, Denial::Unknown));
            }
            return Err(KmsError::not_found(format!("Key '{arn}' does not exist")));
        };
        let key = self.service.rotate_if_due(key, self.now_ms);
        let first = {
            let mut touched = self.touched.lock();
            touched.push(key.arn());
            touched.len() == 1
        };
        // Cryptographic operations share a quota by the kind of key.
        if first && limits::own(self.operation).is_none() {
            self.service.limits.take(&self.caller.account, &self.region, limits::cryptographic(key.spec))?;
        }
        Ok(Found { key, alias: alias.map(str::to_owned) })
    }

    fn denied(&self, action: &str, resource: &str, denial: Denial) -> KmsError {
        KmsError::access_denied(format!(
            "User: {} is not authorized to perform: {action} on resource: {resource}{}",
            self.caller.arn,
            denial.reason(action)
        ))
    }

    /// Finds a key and decides whether the caller may do this operation on it.
    pub(crate) fn permitted(&self, text: &str) -> Result<Found, KmsError> {
        let found = self.find(text)?;
        self.authorize_key(&found, self.operation.action(), "EncryptionContext")?;
        Ok(found)
    }

    /// Decides whether the caller may do an action on a key.
    pub(crate) fn authorize_key(
        &self,
        found: &Found,
        action: &str,
        encryption_context: &'static str,
    ) -> Result<(), KmsError> {
        self.check_grant_tokens()?;
        let key = &*found.key;
        let arn = key.arn();
        let context =
            RequestContext { call: self, key: Some(key), alias: found.alias.as_deref(), encryption_context };
        if key.home.account != self.caller.account && !self.operation.crosses_accounts() {
            return Err(self.denied(action, &arn, Denial::Unknown));
        }
        let verdict = match &key.policy {
            // AWS's default: the account's own IAM policies decide.
            None => {
                let own = key.home.account == self.caller.account;
                Verdict { denies: false, allows: own && self.caller.is_root(), delegates: own }
            }
            Some(policy) => policy.document.resource_verdict(self.caller.asker(), action, &arn, &context),
        };
        let granted = !key.grants().is_empty() && self.is_granted(key, action, encryption_context);
        let identity = decision::identity(&self.caller, action, &arn, &context);
        decision::key(&self.caller, &key.home.account, verdict, granted, identity)
            .map_err(|denial| self.denied(action, &arn, denial))
    }

    /// Grants hold at once here, so a grant token changes nothing; but it must be one.
    fn check_grant_tokens(&self) -> Result<(), KmsError> {
        let tokens = self.body.get("GrantTokens").and_then(Value::as_array);
        let malformed = |token: &Value| token.as_str().is_some_and(|token| !ops::is_grant_token(token));
        if tokens.into_iter().flatten().any(malformed) {
            return Err(KmsError::invalid_grant_token("The grant token is not valid."));
        }
        Ok(())
    }

    /// Decides about what is no key: `*`, or an alias.
    pub(crate) fn authorize(&self, action: &str, resource: &str) -> Result<(), KmsError> {
        let context =
            RequestContext { call: self, key: None, alias: None, encryption_context: "EncryptionContext" };
        decision::identity(&self.caller, action, resource, &context)
            .map_err(|denial| self.denied(action, resource, denial))
    }

    fn is_granted(&self, key: &Key, action: &str, encryption_context: &'static str) -> bool {
        let Some(operation) = action.strip_prefix("kms:") else { return false };
        let given = || {
            let map = self.body.get(encryption_context).and_then(Value::as_object);
            map.into_iter().flatten().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
        };
        key.grants().iter().any(|grant| {
            let names = |principal: &str| *grant.grantee == *principal;
            (names(&self.caller.arn)
                || self.caller.role.as_deref().is_some_and(names)
                || names(&format!("arn:aws:iam::{}:root", self.caller.account)))
                && grant.operations.iter().any(|allowed| **allowed == *operation)
                && grant.context_equals.as_ref().is_none_or(|wanted| {
                    given().count() == wanted.len()
                        && given().all(|(name, value)| wanted.get(name).is_some_and(|known| known == value))
                })
                && grant.context_subset.as_ref().is_none_or(|wanted| {
                    wanted
                        .iter()
                        .all(|(name, value)| given().any(|pair| pair == (name.as_str(), value.as_str())))
                })
        })
    }

    /// Refuses a key that cannot be used for cryptography now.
    pub(crate) fn check_usable(&self, key: &Key) -> Result<(), KmsError> {
        match key.status_at(self.now_ms) {
            Status::Enabled => Ok(()),
            Status::Disabled => Err(KmsError::disabled(format!("{} is disabled.", key.arn()))),
            other => Err(invalid_state(key, other)),
        }
    }

    /// Refuses a key that is about to be deleted.
    pub(crate) fn check_not_deleting(&self, key: &Key) -> Result<(), KmsError> {
        match key.status_at(self.now_ms) {
            other @ (Status::PendingDeletion { .. } | Status::PendingReplicaDeletion { .. }) => {
                Err(invalid_state(key, other))
            }
            _ => Ok(()),
        }
    }

    /// The key's material, ready for use.
    pub(crate) fn parsed(&self, key: &Key) -> Result<Arc<Parsed>, KmsError> {
        let material = key.material.as_ref().ok_or_else(|| invalid_state(key, Status::PendingImport))?;
        self.service.store.parsed(key.spec, material)
    }

    /// The caller's account and the request's Region.
    pub(crate) fn home(&self) -> Arc<Home> {
        Arc::clone(&self.partition().home)
    }
}

/// The refusal for a key in the wrong state.
pub(crate) fn invalid_state(key: &Key, status: Status) -> KmsError {
    let state = match status {
        Status::Enabled => "enabled",
        Status::Disabled => "disabled",
        Status::PendingImport => "pending import",
        Status::PendingDeletion { .. } => "pending deletion",
        Status::PendingReplicaDeletion { .. } => "pending replica deletion",
    };
    KmsError::invalid_state(format!("{} is {state}.", key.arn()))
}

/// The refusal for a key of another usage.
pub(crate) fn wrong_usage(key: &Key, operation: Operation) -> KmsError {
    KmsError::invalid_key_usage(format!(
        "{} key usage is {} which is not valid for {}.",
        key.arn(),
        key.usage.as_str(),
        operation.as_str()
    ))
}

/// The refusal for an algorithm that the key's spec lacks.
pub(crate) fn wrong_algorithm(key: &Key, algorithm: &str) -> KmsError {
    KmsError::invalid_key_usage(format!(
        "Algorithm {algorithm} is incompatible with key spec {}.",
        key.spec.as_str()
    ))
}
