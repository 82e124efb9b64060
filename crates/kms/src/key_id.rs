//! AWS's name of a key, in its four forms. Not a promise that the key exists: only the service knows that.
//!
//! Invariant: a [`KmsKeyId`] has one of the four forms, at most 300 characters, and nothing that could break a log line.
//! Source: <https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#key-id>,
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html>.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

/// The longest name of a key that a node stores.
const MAX_LENGTH: usize = 300;
/// The longest part of an alias after `alias/`.
const MAX_ALIAS_LENGTH: usize = 250;
/// How much of a rejected name an error repeats.
const SHOWN: usize = 80;

/// The four forms of a key's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KmsKeyIdKind {
    /// `1234abcd-12ab-34cd-56ef-1234567890ab`, or `mrk-` and 32 hexadecimal digits. Known in its own account only.
    KeyId,
    /// `arn:aws:kms:us-east-1:111122223333:key/…`. Known to every account that the key's policy lets in.
    KeyArn,
    /// `alias/…`. Known in its own account only, and its owner may point it elsewhere.
    AliasName,
    /// `arn:aws:kms:us-east-1:111122223333:alias/…`. Its owner may point it elsewhere.
    AliasArn,
}

/// AWS's name of a key as entered or stored: key id, key ARN, alias name or alias ARN. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KmsKeyId {
    text: Arc<str>,
    kind: KmsKeyIdKind,
}

impl KmsKeyId {
    /// Reads a name, strictly: no blanks around it, no other form, no network.
    ///
    /// # Errors
    /// [`KmsKeyIdError`] names the rule that is broken and what to do.
    pub fn parse(text: &str) -> Result<Self, KmsKeyIdError> {
        let kind = kind_of(text)?;
        Ok(Self { text: Arc::from(text), kind })
    }

    /// The name as entered.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Which of the four forms it has.
    pub const fn kind(&self) -> KmsKeyIdKind {
        self.kind
    }

    /// Whether it is an alias, which its owner may point at another key at any time.
    pub const fn is_alias(&self) -> bool {
        matches!(self.kind, KmsKeyIdKind::AliasName | KmsKeyIdKind::AliasArn)
    }

    /// Whether it is an ARN, the only form that reaches a key in another account.
    pub const fn is_arn(&self) -> bool {
        matches!(self.kind, KmsKeyIdKind::KeyArn | KmsKeyIdKind::AliasArn)
    }

    /// The Region of an ARN.
    pub fn region(&self) -> Option<&str> {
        self.arn_part(3)
    }

    /// The account of an ARN, 12 digits.
    pub fn account(&self) -> Option<&str> {
        self.arn_part(4)
    }

    /// The bare key id of a key id or key ARN; none of an alias.
    pub fn key_id(&self) -> Option<&str> {
        match self.kind {
            KmsKeyIdKind::KeyId => Some(&self.text),
            KmsKeyIdKind::KeyArn => self.text.split_once(":key/").map(|(_, id)| id),
            KmsKeyIdKind::AliasName | KmsKeyIdKind::AliasArn => None,
        }
    }

    /// Whether the bare key id is that of a multi-Region key. False of an alias: its name does not tell.
    pub fn is_multi_region(&self) -> bool {
        self.key_id().is_some_and(|id| id.starts_with("mrk-"))
    }

    /// The name of the same multi-Region key in another Region, where its owner may have put a replica: the ARN with
    /// that Region in it, or the bare id as it is. None of other keys and of aliases, which have no replicas.
    #[must_use]
    pub fn in_region(&self, region: &str) -> Option<Self> {
        if !self.is_multi_region() {
            return None;
        }
        let mut parts: Vec<&str> = self.text.split(':').collect();
        if let (true, Some(part)) = (self.is_arn(), parts.get_mut(3)) {
            *part = region;
        }
        Self::parse(&parts.join(":")).ok()
    }

    fn arn_part(&self, index: usize) -> Option<&str> {
        if self.is_arn() { self.text.split(':').nth(index) } else { None }
    }
}

impl fmt::Debug for KmsKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KmsKeyId({})", self.text)
    }
}

impl fmt::Display for KmsKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl AsRef<str> for KmsKeyId {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl FromStr for KmsKeyId {
    type Err = KmsKeyIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for KmsKeyId {
    type Error = KmsKeyIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl TryFrom<&str> for KmsKeyId {
    type Error = KmsKeyIdError;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        Self::parse(text)
    }
}

/// Why a text is not AWS's name of a key. `given` is cut to 80 characters, control characters escaped.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KmsKeyIdError {
    /// Nothing was given.
    #[error("a KMS key was named by an empty text; give a key id, key ARN, alias/… or alias ARN")]
    Empty,
    /// Longer than a node stores.
    #[error("the KMS key name \"{given}…\" has {length} characters; at most {MAX_LENGTH} are allowed")]
    TooLong {
        /// Its beginning.
        given: String,
        /// Its length in characters.
        length: usize,
    },
    /// A blank, control or non-ASCII character.
    #[error(
        "the KMS key name \"{given}\" has the character {character:?} at position {position}; \
         key ids, aliases and ARNs are ASCII without blanks: remove it"
    )]
    Character {
        /// The text.
        given: String,
        /// The first offending character.
        character: char,
        /// Its position, counted from 1.
        position: usize,
    },
    /// Neither an ARN nor an alias, and not the form of a key id.
    #[error(
        "\"{given}\" is not a KMS key id: a key id is 8-4-4-4-12 hexadecimal digits \
         (1234abcd-12ab-34cd-56ef-1234567890ab) or mrk- and 32 of them; an alias starts with alias/, an ARN with arn:"
    )]
    KeyId {
        /// The text.
        given: String,
    },
    /// An alias with a name AWS does not allow.
    #[error(
        "\"{given}\" is not a KMS alias: after alias/ come 1 to {MAX_ALIAS_LENGTH} letters, digits, \
         slashes, underscores or dashes"
    )]
    Alias {
        /// The text.
        given: String,
    },
    /// Not six parts.
    #[error(
        "\"{given}\" is not an ARN of a KMS key: it has {parts} parts between colons, and \
         arn:PARTITION:kms:REGION:ACCOUNT:key/ID or …:alias/NAME has 6; copy the key's whole ARN"
    )]
    ArnParts {
        /// The text.
        given: String,
        /// How many there are.
        parts: usize,
    },
    /// Not `aws`, `aws-cn`, `aws-us-gov`, …
    #[error(
        "\"{given}\" is not an ARN of a KMS key: its partition \"{partition}\" is neither aws nor one like aws-cn or \
         aws-us-gov; copy the key's whole ARN"
    )]
    ArnPartition {
        /// The text.
        given: String,
        /// Its second part.
        partition: String,
    },
    /// An ARN of another service.
    #[error(
        "\"{given}\" is an ARN of the service \"{service}\", not of kms; give the ARN of the KMS key itself"
    )]
    ArnService {
        /// The text.
        given: String,
        /// Its third part.
        service: String,
    },
    /// No Region, or not the form of one.
    #[error("\"{given}\" is not an ARN of a KMS key: \"{region}\" is not a Region such as us-east-1")]
    ArnRegion {
        /// The text.
        given: String,
        /// Its fourth part.
        region: String,
    },
    /// Not 12 digits.
    #[error("\"{given}\" is not an ARN of a KMS key: its account \"{account}\" is not 12 digits")]
    ArnAccount {
        /// The text.
        given: String,
        /// Its fifth part.
        account: String,
    },
    /// Neither `key/…` nor `alias/…`.
    #[error(
        "\"{given}\" is not an ARN of a KMS key: it must end in key/ID or alias/NAME, not in \"{resource}\""
    )]
    ArnResource {
        /// The text.
        given: String,
        /// Its sixth part.
        resource: String,
    },
}

fn kind_of(text: &str) -> Result<KmsKeyIdKind, KmsKeyIdError> {
    if text.is_empty() {
        return Err(KmsKeyIdError::Empty);
    }
    let length = text.chars().count();
    if length > MAX_LENGTH {
        return Err(KmsKeyIdError::TooLong { given: shown(text), length });
    }
    if let Some((index, character)) = text.chars().enumerate().find(|(_, c)| !c.is_ascii_graphic()) {
        return Err(KmsKeyIdError::Character { given: shown(text), character, position: index + 1 });
    }
    if text.starts_with("arn:") {
        return arn_kind(text);
    }
    if text.starts_with("alias/") {
        return if is_alias(text) {
            Ok(KmsKeyIdKind::AliasName)
        } else {
            Err(KmsKeyIdError::Alias { given: shown(text) })
        };
    }
    if is_bare_key_id(text) {
        Ok(KmsKeyIdKind::KeyId)
    } else {
        Err(KmsKeyIdError::KeyId { given: shown(text) })
    }
}

fn arn_kind(text: &str) -> Result<KmsKeyIdKind, KmsKeyIdError> {
    let given = || shown(text);
    let parts: Vec<&str> = text.split(':').collect();
    let &[_, partition, service, region, account, resource] = parts.as_slice() else {
        return Err(KmsKeyIdError::ArnParts { given: given(), parts: parts.len() });
    };
    if !is_partition(partition) {
        return Err(KmsKeyIdError::ArnPartition { given: given(), partition: shown(partition) });
    }
    if service != "kms" {
        return Err(KmsKeyIdError::ArnService { given: given(), service: shown(service) });
    }
    if !is_dashed(region) {
        return Err(KmsKeyIdError::ArnRegion { given: given(), region: shown(region) });
    }
    if account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
        return Err(KmsKeyIdError::ArnAccount { given: given(), account: shown(account) });
    }
    match resource.strip_prefix("key/") {
        Some(id) if is_bare_key_id(id) => Ok(KmsKeyIdKind::KeyArn),
        Some(_) => Err(KmsKeyIdError::KeyId { given: given() }),
        None if is_alias(resource) => Ok(KmsKeyIdKind::AliasArn),
        None if resource.starts_with("alias/") => Err(KmsKeyIdError::Alias { given: given() }),
        None => Err(KmsKeyIdError::ArnResource { given: given(), resource: shown(resource) }),
    }
}

/// `aws`, or `aws-` and more: AWS adds partitions, so that the names are not listed.
fn is_partition(text: &str) -> bool {
    text == "aws" || text.strip_prefix("aws-").is_some_and(is_dashed)
}

fn is_dashed(text: &str) -> bool {
    text.split('-')
        .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
}

fn is_alias(text: &str) -> bool {
    text.strip_prefix("alias/").is_some_and(|name| {
        (1..=MAX_ALIAS_LENGTH).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-'))
    })
}

fn is_bare_key_id(text: &str) -> bool {
    let hex = |part: &str, length: usize| part.len() == length && part.bytes().all(|b| b.is_ascii_hexdigit());
    if let Some(digits) = text.strip_prefix("mrk-") {
        return hex(digits, 32);
    }
    let parts: Vec<&str> = text.split('-').collect();
    parts.len() == 5 && parts.iter().zip([8, 4, 4, 4, 12]).all(|(part, length)| hex(part, length))
}

/// At most 80 characters of it, control characters escaped.
fn shown(text: &str) -> String {
    text.chars().take(SHOWN).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

    fn kind(text: &str) -> KmsKeyIdKind {
        KmsKeyId::parse(text).unwrap().kind()
    }

    #[test]
    fn accepts_the_four_forms() {
        assert_eq!(kind(ID), KmsKeyIdKind::KeyId);
        assert_eq!(kind("mrk-1234abcd12ab34cd56ef1234567890ab"), KmsKeyIdKind::KeyId);
        assert_eq!(kind(&format!("arn:aws:kms:us-east-1:111122223333:key/{ID}")), KmsKeyIdKind::KeyArn);
        assert_eq!(kind("alias/participant1/namespace_key-1"), KmsKeyIdKind::AliasName);
        assert_eq!(kind("arn:aws:kms:eu-west-1:111122223333:alias/x"), KmsKeyIdKind::AliasArn);
    }

    #[test]
    fn accepts_every_partition_of_aws() {
        let partitions =
            ["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc"];
        for partition in partitions {
            let arn = format!("arn:{partition}:kms:us-gov-west-1:111122223333:key/{ID}");
            assert_eq!(kind(&arn), KmsKeyIdKind::KeyArn, "{arn}");
        }
    }

    #[test]
    fn parts_of_an_arn_are_readable() {
        let key = KmsKeyId::parse(
            "arn:aws-cn:kms:cn-north-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab",
        )
        .unwrap();
        assert_eq!(key.region(), Some("cn-north-1"));
        assert_eq!(key.account(), Some("111122223333"));
        assert_eq!(key.key_id(), Some("mrk-1234abcd12ab34cd56ef1234567890ab"));
        assert!(key.is_multi_region() && key.is_arn() && !key.is_alias());
        let id = KmsKeyId::parse(ID).unwrap();
        assert_eq!((id.region(), id.account(), id.key_id()), (None, None, Some(ID)));
    }

    #[test]
    fn only_a_multi_region_key_has_a_name_in_another_region() {
        const MRK: &str = "mrk-1234abcd12ab34cd56ef1234567890ab";
        let in_region = |text: &str| {
            let replica = KmsKeyId::parse(text).unwrap().in_region("eu-west-1");
            replica.map(|replica| replica.to_string())
        };
        let arn = |region| format!("arn:aws:kms:{region}:111122223333:key/{MRK}");
        assert_eq!(in_region(&arn("us-east-1")), Some(arn("eu-west-1")));
        assert_eq!(in_region(&arn("eu-west-1")), Some(arn("eu-west-1")));
        assert_eq!(in_region(MRK), Some(MRK.to_owned()));
        for other in [ID, "alias/x", "arn:aws:kms:us-east-1:111122223333:alias/mrk-x"] {
            assert_eq!(in_region(other), None, "{other}");
        }
        assert_eq!(in_region(&format!("arn:aws:kms:us-east-1:111122223333:key/{ID}")), None);
    }

    #[test]
    fn each_broken_rule_is_named() {
        type E = KmsKeyIdError;
        let arn = |text: &str| KmsKeyId::parse(text).unwrap_err();
        assert_eq!(arn(""), E::Empty);
        assert!(matches!(arn(&"a".repeat(301)), E::TooLong { length: 301, .. }));
        assert!(matches!(arn(&format!("{ID} ")), E::Character { character: ' ', position: 37, .. }));
        assert!(matches!(arn("alias/é"), E::Character { .. }));
        assert!(matches!(arn("participant1-namespace"), E::KeyId { .. }));
        assert!(matches!(arn("mrk-1234"), E::KeyId { .. }));
        assert!(matches!(arn("alias/"), E::Alias { .. }));
        assert!(matches!(arn("alias/a.b"), E::Alias { .. }));
        assert!(matches!(arn(&format!("alias/{}", "a".repeat(251))), E::Alias { .. }));
        assert!(matches!(arn("arn:aws:kms:us-east-1:key"), E::ArnParts { parts: 5, .. }));
        assert!(matches!(
            arn(&format!("arn:gcp:kms:us-east-1:111122223333:key/{ID}")),
            E::ArnPartition { .. }
        ));
        assert!(matches!(arn("arn:aws:iam:us-east-1:111122223333:role/x"), E::ArnService { .. }));
        assert!(matches!(arn(&format!("arn:aws:kms::111122223333:key/{ID}")), E::ArnRegion { .. }));
        assert!(matches!(arn(&format!("arn:aws:kms:us-east-1:1111:key/{ID}")), E::ArnAccount { .. }));
        assert!(matches!(arn(&format!("arn:aws:kms:us-east-1:111122223333:{ID}")), E::ArnResource { .. }));
        assert!(matches!(arn("arn:aws:kms:us-east-1:111122223333:key/x"), E::KeyId { .. }));
        assert!(matches!(arn("arn:aws:kms:us-east-1:111122223333:alias/"), E::Alias { .. }));
    }

    #[test]
    fn errors_are_one_line_and_bounded_whatever_the_input() {
        let text = KmsKeyId::parse(&format!("key\n{}", "\u{7}".repeat(250))).unwrap_err().to_string();
        assert!(!text.contains('\n') && !text.contains('\u{7}') && text.len() < 1000, "{text}");
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_keeps_the_text(text in "\\PC{0,320}") {
            if let Ok(key) = KmsKeyId::parse(&text) {
                prop_assert_eq!(key.as_str(), text.as_str());
                prop_assert!(text.is_ascii() && text.len() <= 300);
            }
        }

        #[test]
        fn well_formed_arns_parse(region in "[a-z]{2}-[a-z]{4,9}-[1-9]", account in "[0-9]{12}",
            id in "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}") {
            let key = KmsKeyId::parse(&format!("arn:aws:kms:{region}:{account}:key/{id}")).unwrap();
            prop_assert_eq!(key.region(), Some(region.as_str()));
            prop_assert_eq!(key.account(), Some(account.as_str()));
            prop_assert_eq!(key.key_id(), Some(id.as_str()));
        }
    }
}
