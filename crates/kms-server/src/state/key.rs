//! One KMS key as the server holds it. Values, never changed in place: a change makes a new one.
//!
//! A million of them must fit in memory, so what few keys have is behind one pointer ([`Extra`]).

use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    iam::policy::PolicyDocument,
    keys::{
        blob::EncryptionContext,
        spec::{KeySpec, KeyUsage, Origin},
    },
};

/// A key id: a UUID, or `mrk-` and 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct KeyId {
    uuid: [u8; 16],
    multi_region: bool,
}

impl KeyId {
    pub(crate) fn random(multi_region: bool) -> Self {
        Self { uuid: uuid::Uuid::new_v4().into_bytes(), multi_region }
    }

    pub(crate) const fn from_bytes(uuid: [u8; 16], multi_region: bool) -> Self {
        Self { uuid, multi_region }
    }

    pub(crate) const fn bytes(&self) -> &[u8; 16] {
        &self.uuid
    }

    pub(crate) const fn is_multi_region(&self) -> bool {
        self.multi_region
    }

    /// Reads a key id as AWS writes it: lower case, with hyphens.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (digits, multi_region) = match text.strip_prefix("mrk-") {
            Some(digits) if digits.len() == 32 => (digits, true),
            None if text.len() == 36 => (text, false),
            _ => return None,
        };
        let uuid = uuid::Uuid::try_parse(digits).ok()?.into_bytes();
        let parsed = Self { uuid, multi_region };
        parsed.to_string().eq_ignore_ascii_case(text).then_some(parsed)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let uuid = uuid::Uuid::from_bytes(self.uuid);
        if self.multi_region {
            write!(formatter, "mrk-{}", uuid.simple())
        } else {
            write!(formatter, "{uuid}")
        }
    }
}

/// The account and the Region that a key lives in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Home {
    pub(crate) account: Arc<str>,
    pub(crate) region: Arc<str>,
}

impl Home {
    pub(crate) fn new(account: &str, region: &str) -> Self {
        Self { account: account.into(), region: region.into() }
    }

    pub(crate) fn key_arn(&self, id: &KeyId) -> String {
        format!("arn:{}:kms:{}:{}:key/{id}", partition_of(&self.region), self.region, self.account)
    }

    /// The ARN of an alias; the name includes `alias/`.
    pub(crate) fn alias_arn(&self, name: &str) -> String {
        format!("arn:{}:kms:{}:{}:{name}", partition_of(&self.region), self.region, self.account)
    }
}

/// AWS's partition of a Region.
pub(crate) fn partition_of(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

/// What a key is ready for. AWS's `Unavailable`, `Updating` and `Creating` do not outlast a request here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Status {
    Enabled,
    Disabled,
    PendingImport,
    PendingDeletion { at_ms: i64, window_days: u16 },
    PendingReplicaDeletion { window_days: u16 },
}

impl Status {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "Enabled",
            Self::Disabled => "Disabled",
            Self::PendingImport => "PendingImport",
            Self::PendingDeletion { .. } => "PendingDeletion",
            Self::PendingReplicaDeletion { .. } => "PendingReplicaDeletion",
        }
    }
}

/// Where the secret bytes of a material are.
#[derive(Debug, Clone, Default)]
pub(crate) enum Place {
    /// Not resolved: only while a file is read.
    #[default]
    Unknown,
    /// In memory.
    Memory(Arc<crate::keys::material::SecretBytes>),
    /// In the state file.
    File { offset: u64, length: u32 },
}

/// Key material, by number. The number is never used for other bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Material {
    pub(crate) number: u64,
    pub(crate) place: Place,
}

impl Serialize for Material {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.number.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Material {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(|number| Self { number, place: Place::Unknown })
    }
}

/// A key policy: its text as given, and what it means.
#[derive(Debug)]
pub(crate) struct KeyPolicy {
    pub(crate) text: Box<str>,
    pub(crate) document: PolicyDocument,
}

/// A tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tag {
    pub(crate) key: Box<str>,
    pub(crate) value: Box<str>,
}

/// A key's tags in one piece of memory: a million keys with three tags each would else take seven pieces each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tags(Box<[u8]>);

impl Tags {
    pub(crate) fn to_vec(&self) -> Vec<Tag> {
        if self.0.is_empty() {
            return Vec::new();
        }
        postcard::from_bytes(&self.0).unwrap_or_default()
    }

    /// The value of a tag.
    pub(crate) fn value(&self, key: &str) -> Option<String> {
        self.to_vec().into_iter().find(|tag| *tag.key == *key).map(|tag| tag.value.into_string())
    }
}

impl From<Vec<Tag>> for Tags {
    fn from(tags: Vec<Tag>) -> Self {
        if tags.is_empty() {
            return Self::default();
        }
        Self(postcard::to_stdvec(&tags).expect("tags are strings, which always serialize").into())
    }
}

impl Serialize for Tags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Tags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&[u8]>::deserialize(deserializer).map(|bytes| Self(bytes.into()))
    }
}

/// A KMS key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) id: KeyId,
    pub(crate) spec: KeySpec,
    pub(crate) usage: KeyUsage,
    pub(crate) origin: Origin,
    pub(crate) status: Status,
    pub(crate) created_ms: i64,
    pub(crate) description: Box<str>,
    pub(crate) tags: Tags,
    /// None while nothing has been imported.
    pub(crate) material: Option<Material>,
    /// None for AWS's default key policy.
    #[serde(with = "policy_text")]
    pub(crate) policy: Option<Arc<KeyPolicy>>,
    pub(crate) extra: Option<Box<Extra>>,
    #[serde(skip)]
    pub(crate) home: Arc<Home>,
}

impl Key {
    pub(crate) fn arn(&self) -> String {
        self.home.key_arn(&self.id)
    }

    pub(crate) fn extra_mut(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    pub(crate) fn multi_region(&self) -> Option<&MultiRegion> {
        self.extra.as_ref().and_then(|extra| extra.multi_region.as_ref())
    }

    pub(crate) fn grants(&self) -> &[Grant] {
        self.extra.as_ref().map_or(&[], |extra| &extra.grants)
    }

    /// The state now: imported material may have expired meanwhile.
    pub(crate) fn status_at(&self, now_ms: i64) -> Status {
        let import = self.extra.as_ref().and_then(|extra| extra.import);
        let expired = import.and_then(|import| import.valid_to_ms).is_some_and(|valid_to| valid_to <= now_ms);
        match self.status {
            Status::Enabled | Status::Disabled if expired => Status::PendingImport,
            status => status,
        }
    }

    /// Whether the waiting period before deletion is over.
    pub(crate) fn is_gone(&self, now_ms: i64) -> bool {
        matches!(self.status, Status::PendingDeletion { at_ms, .. } if at_ms <= now_ms)
    }
}

/// What few keys have.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Extra {
    pub(crate) multi_region: Option<MultiRegion>,
    pub(crate) grants: Vec<Grant>,
    pub(crate) rotation: Option<Rotation>,
    /// Every material the key ever had, in order, once there was more than one or it was imported.
    pub(crate) history: Vec<MaterialEntry>,
    pub(crate) import: Option<Import>,
    pub(crate) on_demand_rotations: u16,
}

/// The set of related multi-Region keys, the same on each of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MultiRegion {
    pub(crate) primary: Box<str>,
    pub(crate) replicas: Vec<Box<str>>,
}

/// Automatic rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rotation {
    pub(crate) enabled: bool,
    pub(crate) period_days: u16,
    pub(crate) next_ms: i64,
}

/// How a material became current.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum RotationKind {
    First,
    Automatic,
    OnDemand,
}

/// Where a material stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum MaterialState {
    Current,
    NonCurrent,
    PendingRotation,
}

/// One of a key's materials.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MaterialEntry {
    pub(crate) material: Material,
    /// SHA-256 over the key id and the bytes, kept so that imported bytes can be compared after deletion.
    pub(crate) identifier: [u8; 32],
    pub(crate) state: MaterialState,
    pub(crate) kind: RotationKind,
    pub(crate) at_ms: i64,
    pub(crate) description: Box<str>,
    /// Imported bytes are there (imported keys only; always true for AWS's own).
    pub(crate) present: bool,
    pub(crate) valid_to_ms: Option<i64>,
}

/// How long imported material lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Import {
    pub(crate) valid_to_ms: Option<i64>,
    /// SHA-256 over the key id and the first bytes imported; others are refused for ever after.
    pub(crate) identifier: [u8; 32],
}

/// A grant.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Grant {
    pub(crate) id: [u8; 32],
    pub(crate) name: Box<str>,
    pub(crate) grantee: Box<str>,
    pub(crate) retiring: Option<Box<str>>,
    pub(crate) issuing: Box<str>,
    pub(crate) operations: Vec<Box<str>>,
    pub(crate) context_equals: Option<EncryptionContext>,
    pub(crate) context_subset: Option<EncryptionContext>,
    pub(crate) created_ms: i64,
}

mod policy_text {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    use super::KeyPolicy;
    use crate::iam::policy::PolicyDocument;

    pub(super) fn serialize<S: Serializer>(
        policy: &Option<Arc<KeyPolicy>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        policy.as_ref().map(|policy| policy.text.as_ref()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Arc<KeyPolicy>>, D::Error> {
        let Some(text) = Option::<Box<str>>::deserialize(deserializer)? else { return Ok(None) };
        let document = PolicyDocument::parse(&text).map_err(D::Error::custom)?;
        Ok(Some(Arc::new(KeyPolicy { text, document })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_ids_read_back_and_others_are_refused() {
        for multi_region in [false, true] {
            let id = KeyId::random(multi_region);
            assert_eq!(KeyId::parse(&id.to_string()), Some(id));
        }
        for wrong in [
            "",
            "fake-key-id",
            "134f2428cec14b25a1ae9048164dba47",
            "mrk-fake-key-id",
            "mrk-134f2428-cec1-4b25-a1ae-9048164dba47",
            "{34f2428-cec1-4b25-a1ae-9048164dba4}",
        ] {
            assert_eq!(KeyId::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn arns_follow_the_partition_of_the_region() {
        let id = KeyId::from_bytes([0; 16], false);
        let home = Home::new("111122223333", "cn-north-1");
        assert_eq!(
            home.key_arn(&id),
            "arn:aws-cn:kms:cn-north-1:111122223333:key/00000000-0000-0000-0000-000000000000"
        );
    }
}
