//! What conditions can ask of a request: the `aws:` and `kms:` condition keys.
//!
//! Source: <https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html>

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::condition::Context;
use crate::{call::Call, keys::blob, state::key::Key};

type Values<'a> = Option<Vec<Cow<'a, str>>>;

/// A request, and the key it is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestContext<'a> {
    pub(crate) call: &'a Call,
    pub(crate) key: Option<&'a Key>,
    /// The alias the request named the key by, `alias/` included.
    pub(crate) alias: Option<&'a str>,
    /// The member with the encryption context.
    pub(crate) encryption_context: &'static str,
}

fn one<'a>(value: impl Into<Cow<'a, str>>) -> Values<'a> {
    Some(vec![value.into()])
}

impl<'a> RequestContext<'a> {
    fn member(&self, name: &str) -> Values<'a> {
        match self.call.body.get(name)? {
            Value::String(text) => one(text.as_str()),
            Value::Bool(truth) => one(truth.to_string()),
            Value::Number(number) => one(number.to_string()),
            Value::Array(list) => Some(list.iter().filter_map(Value::as_str).map(Cow::Borrowed).collect()),
            _ => None,
        }
    }

    fn member_or(&self, name: &str, default: &'static str) -> Values<'a> {
        self.member(name).or_else(|| one(default))
    }

    fn request_tags(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let tags = self.call.body.get("Tags").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        tags.iter().filter_map(|tag| {
            Some((
                tag.get("TagKey")?.as_str()?,
                tag.get("TagValue").and_then(Value::as_str).unwrap_or_default(),
            ))
        })
    }

    fn tag_keys(&self) -> Values<'a> {
        if let Some(removed) = self.member("TagKeys") {
            return Some(removed);
        }
        let keys: Vec<Cow<'a, str>> = self.request_tags().map(|(key, _)| Cow::Borrowed(key)).collect();
        (!keys.is_empty()).then_some(keys)
    }

    fn encryption_context(&self) -> Option<&'a serde_json::Map<String, Value>> {
        self.call.body.get(self.encryption_context).and_then(Value::as_object).filter(|map| !map.is_empty())
    }

    /// Whether a re-encryption goes from a key to the same one: `key` is one of the two, which may have other names.
    fn re_encrypts_on(&self, key: &Key) -> bool {
        let named = |member: &str| self.call.body.get(member).and_then(Value::as_str);
        if self.encryption_context == "SourceEncryptionContext" {
            return named("DestinationKeyId").is_some_and(|name| self.call.names(name, key));
        }
        match named("SourceKeyId") {
            Some(name) => self.call.names(name, key),
            None => named("CiphertextBlob")
                .and_then(|text| STANDARD.decode(text).ok())
                .and_then(|blob| blob::named_key(&blob))
                .is_some_and(|source| source.key == key.id),
        }
    }

    /// The algorithm of a request that encrypts or decrypts; a re-encryption has one on each side.
    fn encryption_algorithm(&self) -> Values<'a> {
        use crate::model::operation::Operation as Op;
        let member = match (self.call.operation, self.encryption_context) {
            (Op::ReEncrypt, "SourceEncryptionContext") => "SourceEncryptionAlgorithm",
            (Op::ReEncrypt, _) => "DestinationEncryptionAlgorithm",
            (
                Op::Decrypt
                | Op::Encrypt
                | Op::GenerateDataKey
                | Op::GenerateDataKeyPair
                | Op::GenerateDataKeyPairWithoutPlaintext
                | Op::GenerateDataKeyWithoutPlaintext,
                _,
            ) => "EncryptionAlgorithm",
            _ => return None,
        };
        self.member_or(member, "SYMMETRIC_DEFAULT")
    }

    fn aws(&self, name: &str) -> Values<'a> {
        let caller = &self.call.caller;
        match name {
            "principalarn" => one(caller.role.as_deref().unwrap_or(&caller.arn)),
            "principalaccount" => one(&*caller.account),
            "principaltype" => one(if caller.is_root() {
                "Account"
            } else if caller.role.is_some() {
                "AssumedRole"
            } else {
                "User"
            }),
            "principalisawsservice" => one("false"),
            "userid" => one(caller.user_id.as_str()),
            "username" => caller.user_name().and_then(one),
            "sourceip" => one(self.call.source.ip().to_string()),
            "securetransport" => one("false"),
            "useragent" => one(self.call.user_agent.as_str()),
            "requestedregion" => one(self.call.region.as_str()),
            "currenttime" => one(jiff::Timestamp::from_millisecond(self.call.now_ms)
                .map(|now| now.to_string())
                .unwrap_or_default()),
            "epochtime" => one((self.call.now_ms / 1000).to_string()),
            "tagkeys" => self.tag_keys(),
            "resourceaccount" => self.key.and_then(|key| one(key.home.account.to_string())),
            "calledviafirst" | "calledvialast" | "calledvia" | "viaawsservice" => {
                if name == "viaawsservice" {
                    return one(caller.via_service.is_some().to_string());
                }
                caller.via_service.as_deref().and_then(one)
            }
            _ => {
                if let Some(tag) = name.strip_prefix("requesttag/") {
                    return self
                        .request_tags()
                        .find(|(key, _)| *key == tag)
                        .and_then(|(_, value)| one(value));
                }
                let tag = name.strip_prefix("resourcetag/")?;
                self.key?.tags.value(tag).and_then(one)
            }
        }
    }

    fn kms(&self, name: &str) -> Values<'a> {
        let call = self.call;
        let creating = call.operation == crate::model::operation::Operation::CreateKey;
        match name {
            "calleraccount" => one(&*call.caller.account),
            "viaservice" => call.caller.via_service.as_deref().and_then(one),
            "keyspec" | "customermasterkeyspec" => match self.key {
                Some(key) => one(key.spec.as_str()),
                None if creating => self
                    .member("KeySpec")
                    .or_else(|| self.member_or("CustomerMasterKeySpec", "SYMMETRIC_DEFAULT")),
                None => None,
            },
            "keyusage" | "customermasterkeyusage" => match self.key {
                Some(key) => one(key.usage.as_str()),
                None if creating => self.member_or("KeyUsage", "ENCRYPT_DECRYPT"),
                None => None,
            },
            "keyorigin" => match self.key {
                Some(key) => one(key.origin.as_str()),
                None if creating => self.member_or("Origin", "AWS_KMS"),
                None => None,
            },
            "multiregion" => match self.key {
                Some(key) => one(key.id.is_multi_region().to_string()),
                None if creating => self.member_or("MultiRegion", "false"),
                None => None,
            },
            "multiregionkeytype" => match self.key.and_then(Key::multi_region) {
                Some(set) => one(if *set.primary == *call.region { "PRIMARY" } else { "REPLICA" }),
                None if creating && call.body.get("MultiRegion") == Some(&Value::Bool(true)) => {
                    one("PRIMARY")
                }
                None => None,
            },
            "primaryregion" => self.member("PrimaryRegion"),
            "replicaregion" => self.member("ReplicaRegion"),
            "requestalias" => self.alias.and_then(one),
            "resourcealiases" => {
                let key = self.key?;
                let partition = call.service.store.partition(&key.home.account, &key.home.region);
                let names = partition.alias_names(&key.id);
                (!names.is_empty()).then(|| names.iter().map(|name| Cow::Owned(name.to_string())).collect())
            }
            "signingalgorithm" => self.member("SigningAlgorithm"),
            "messagetype" => self
                .member("MessageType")
                .or_else(|| self.member("SigningAlgorithm").and_then(|_| one("RAW"))),
            "encryptionalgorithm" => self.encryption_algorithm(),
            "macalgorithm" => self.member("MacAlgorithm"),
            "keyagreementalgorithm" => self.member("KeyAgreementAlgorithm"),
            "datakeypairspec" => self.member("KeyPairSpec"),
            "wrappingalgorithm" => self.member("WrappingAlgorithm"),
            "wrappingkeyspec" => self.member("WrappingKeySpec"),
            "expirationmodel" => self.member("ExpirationModel"),
            "validto" => self.member("ValidTo"),
            "rotationperiodindays" => self.member("RotationPeriodInDays"),
            "schedulekeydeletionpendingwindowindays" => self.member("PendingWindowInDays"),
            "bypasspolicylockoutsafetycheck" => self.member_or("BypassPolicyLockoutSafetyCheck", "false"),
            "grantoperations" => self.member("Operations"),
            "granteeprincipal" => self.member("GranteePrincipal"),
            "retiringprincipal" => self.member("RetiringPrincipal"),
            "grantisforawsresource" => one("false"),
            "grantconstrainttype" => {
                call.body.get("Constraints").and_then(Value::as_object).and_then(|constraints| {
                    let kinds: Vec<Cow<'a, str>> =
                        constraints.keys().map(|kind| Cow::Borrowed(kind.as_str())).collect();
                    (!kinds.is_empty()).then_some(kinds)
                })
            }
            "reencryptonsamekey" => self.key.and_then(|key| one(self.re_encrypts_on(key).to_string())),
            "encryptioncontextkeys" => self
                .encryption_context()
                .map(|map| map.keys().map(|key| Cow::Borrowed(key.as_str())).collect()),
            _ => {
                let entry = name.strip_prefix("encryptioncontext:")?;
                self.encryption_context()?.get(entry).and_then(Value::as_str).and_then(one)
            }
        }
    }
}

impl Context for RequestContext<'_> {
    fn values(&self, key: &str) -> Option<Vec<Cow<'_, str>>> {
        let (service, name) = key.split_once(':')?;
        match service {
            "aws" => self.aws(name),
            "kms" => self.kms(name),
            _ => None,
        }
    }
}
