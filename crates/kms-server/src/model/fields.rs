//! Reading a request's members under the model's constraints, with AWS's words for each violation.
//!
//! A wrong JSON type is a `SerializationException` at once; violations of length, range, pattern and enum are
//! gathered and refused together by [`Fields::finish`], before anything else is looked at. Until then a violated or
//! missing member reads as an empty value.
//!
//! Source: the service model that AWS publishes with its SDKs (lengths, patterns, enums).

use std::{borrow::Cow, cell::RefCell};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

use crate::{error::KmsError, keys::blob::EncryptionContext};

/// Whether a member must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Required,
    Optional,
}

/// A pattern as AWS writes it, and whether a string matches it.
type Pattern = (&'static str, fn(&str) -> bool);

/// The constraints of a string.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text {
    pub(crate) min: usize,
    pub(crate) max: usize,
    pub(crate) pattern: Option<Pattern>,
}

impl Text {
    const fn length(min: usize, max: usize) -> Self {
        Self { min, max, pattern: None }
    }
}

pub(crate) const KEY_ID: Text = Text::length(1, 2048);
pub(crate) const DESCRIPTION: Text = Text::length(0, 8192);
pub(crate) const POLICY: Text = Text {
    min: 1,
    max: 131_072,
    pattern: Some(("[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+", |text| {
        text.chars().all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{ff}'))
    })),
};
pub(crate) const POLICY_NAME: Text = Text {
    min: 1,
    max: 128,
    pattern: Some(("[\\w]+", |text| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))),
};
pub(crate) const ALIAS_NAME: Text = Text {
    min: 1,
    max: 256,
    pattern: Some(("^[a-zA-Z0-9:/_-]+$", |text| {
        text.chars().all(|c| c.is_ascii_alphanumeric() || ":/_-".contains(c))
    })),
};
pub(crate) const GRANT_NAME: Text = ALIAS_NAME;
pub(crate) const GRANT_ID: Text = Text::length(1, 128);
pub(crate) const GRANT_TOKEN: Text = Text::length(1, 8192);
pub(crate) const MARKER: Text = Text {
    min: 1,
    max: 1024,
    pattern: Some(("[\\u0020-\\u00FF]*", |text| text.chars().all(|c| matches!(c, ' '..='\u{ff}')))),
};
pub(crate) const PRINCIPAL: Text = Text {
    min: 1,
    max: 256,
    pattern: Some(("^[\\w+=,.@:/-]+$", |text| {
        text.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@:/-".contains(c))
    })),
};
pub(crate) const SERVICE_PRINCIPAL: Text = Text {
    min: 1,
    max: 128,
    pattern: Some(("^([A-Za-z0-9\\-]+)\\.([A-Za-z0-9\\-]+)(\\.[A-Za-z0-9\\-]+)+$", |text| {
        let mut labels = 0;
        text.split('.').all(|label| {
            labels += 1;
            !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        }) && labels >= 3
    })),
};
pub(crate) const SOURCE_ARN: Text = Text {
    min: 20,
    max: 512,
    pattern: Some(("^arn:aws[a-z0-9-]*:[a-z0-9-]+:[a-z0-9-]*:[0-9]{12}:.+$", |text| {
        let word =
            |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let [scheme, partition, service, region, account, resource] = parts.as_slice() else { return false };
        *scheme == "arn"
            && partition.strip_prefix("aws").is_some_and(word)
            && !service.is_empty()
            && word(service)
            && word(region)
            && account.len() == 12
            && account.bytes().all(|b| b.is_ascii_digit())
            && !resource.is_empty()
    })),
};
pub(crate) const REGION: Text = Text {
    min: 1,
    max: 32,
    pattern: Some(("^([a-z]+-){2,3}\\d+$", |text| {
        let parts: Vec<&str> = text.split('-').collect();
        let Some((number, words)) = parts.split_last() else { return false };
        (2..=3).contains(&words.len())
            && words.iter().all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase()))
            && !number.is_empty()
            && number.bytes().all(|b| b.is_ascii_digit())
    })),
};
pub(crate) const MATERIAL_ID: Text = Text {
    min: 64,
    max: 64,
    pattern: Some(("^[a-f0-9]+$", |text| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))),
};
pub(crate) const MATERIAL_DESCRIPTION: Text = Text {
    min: 0,
    max: 256,
    pattern: Some(("^[a-zA-Z0-9:/_\\s.-]+$", |text| {
        text.chars().all(|c| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || ":/_.-".contains(c))
    })),
};
const TAG_KEY: Text = Text::length(1, 128);
const TAG_VALUE: Text = Text::length(0, 256);

/// Whether a blob may be shown in an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Show {
    Pointer,
    Nothing,
}

/// The members of a request.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    object: &'a Map<String, Value>,
    prefix: String,
    violations: RefCell<Vec<String>>,
    mistyped: RefCell<Option<KmsError>>,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(object: &'a Map<String, Value>) -> Self {
        Self { object, prefix: String::new(), violations: RefCell::default(), mistyped: RefCell::default() }
    }

    /// Refuses with everything that was wrong.
    pub(crate) fn finish(&self) -> Result<(), KmsError> {
        if let Some(error) = self.mistyped.borrow_mut().take() {
            return Err(error);
        }
        let violations = self.violations.borrow();
        match violations.len() {
            0 => Ok(()),
            1 => Err(KmsError::validation(format!("1 validation error detected: {}", violations[0]))),
            many => Err(KmsError::validation(format!(
                "{many} validation errors detected: {}",
                violations.join("; ")
            ))),
        }
    }

    fn value(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// `KeyId` at the top is `keyId` in AWS's words.
    fn path(&self, name: &str) -> String {
        let mut path = self.prefix.clone();
        let mut letters = name.chars();
        if let Some(first) = letters.next() {
            path.extend(first.to_lowercase());
        }
        path.push_str(letters.as_str());
        path
    }

    fn violate(&self, what: Cow<'_, str>, path: &str, constraint: &str) {
        self.violations
            .borrow_mut()
            .push(format!("Value {what}at '{path}' failed to satisfy constraint: {constraint}"));
    }

    fn missing(&self, name: &str, need: Need) {
        if need == Need::Required {
            self.violate("null ".into(), &self.path(name), "Member must not be null");
        }
    }

    fn mistype(&self, value: &Value, wanted: &str) {
        let token = match value {
            Value::Null => "VALUE_NULL",
            Value::Bool(true) => "TRUE_VALUE",
            Value::Bool(false) => "FALSE_VALUE",
            Value::Number(number) if number.is_f64() => "DECIMAL_VALUE",
            Value::Number(_) => "NUMBER_VALUE",
            Value::String(_) => "STRING_VALUE",
            Value::Array(_) => "START_ARRAY",
            Value::Object(_) => "START_OBJECT",
        };
        let mut mistyped = self.mistyped.borrow_mut();
        if mistyped.is_none() {
            *mistyped = Some(KmsError::serialization(format!("{token} can not be converted to {wanted}")));
        }
    }

    /// A string under its constraints.
    pub(crate) fn text(&self, name: &str, rule: Text, need: Need) -> Option<&'a str> {
        let Some(value) = self.value(name) else {
            self.missing(name, need);
            return None;
        };
        let Some(text) = value.as_str() else {
            self.mistype(value, "a String");
            return None;
        };
        self.check_text(text, &self.path(name), rule);
        Some(text)
    }

    fn check_text(&self, text: &str, path: &str, rule: Text) {
        let length = text.encode_utf16().count();
        let what = || Cow::Owned(format!("'{text}' "));
        if length > rule.max {
            self.violate(
                what(),
                path,
                &format!("Member must have length less than or equal to {}", rule.max),
            );
        }
        if length < rule.min {
            self.violate(
                what(),
                path,
                &format!("Member must have length greater than or equal to {}", rule.min),
            );
        }
        if let Some((pattern, holds)) = rule.pattern
            && !text.is_empty()
            && !holds(text)
        {
            self.violate(what(), path, &format!("Member must satisfy regular expression pattern: {pattern}"));
        }
    }

    /// The key a request is about; required.
    pub(crate) fn key_id(&self) -> &'a str {
        self.text("KeyId", KEY_ID, Need::Required).unwrap_or_default()
    }

    /// One of an enum's names.
    pub(crate) fn one_of<T>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Option<T>,
        set: &str,
        need: Need,
    ) -> Option<T> {
        let Some(value) = self.value(name) else {
            self.missing(name, need);
            return None;
        };
        let Some(text) = value.as_str() else {
            self.mistype(value, "a String");
            return None;
        };
        let parsed = parse(text);
        if parsed.is_none() {
            let constraint = format!("Member must satisfy enum value set: {set}");
            self.violate(format!("'{text}' ").into(), &self.path(name), &constraint);
        }
        parsed
    }

    pub(crate) fn boolean(&self, name: &str) -> Option<bool> {
        let value = self.value(name)?;
        if let Some(truth) = value.as_bool() {
            return Some(truth);
        }
        self.mistype(value, "Boolean");
        None
    }

    pub(crate) fn dry_run(&self) -> bool {
        self.boolean("DryRun").unwrap_or(false)
    }

    pub(crate) fn integer(&self, name: &str, min: i64, max: i64) -> Option<i64> {
        let value = self.value(name)?;
        let Some(number) = value.as_i64() else {
            self.mistype(value, "Integer");
            return None;
        };
        if number < min {
            let constraint = format!("Member must have value greater than or equal to {min}");
            self.violate(format!("'{number}' ").into(), &self.path(name), &constraint);
        } else if number > max {
            let constraint = format!("Member must have value less than or equal to {max}");
            self.violate(format!("'{number}' ").into(), &self.path(name), &constraint);
        }
        Some(number)
    }

    /// Seconds since 1970 (a number) or an ISO 8601 text, as milliseconds.
    pub(crate) fn date_ms(&self, name: &str) -> Option<i64> {
        let value = self.value(name)?;
        let parsed = match value {
            Value::Number(number) => number.as_f64().map(|seconds| {
                #[expect(clippy::cast_possible_truncation, reason = "out-of-range dates saturate")]
                let ms = (seconds * 1000.0) as i64;
                ms
            }),
            Value::String(text) => text.parse::<jiff::Timestamp>().ok().map(|at| at.as_millisecond()),
            _ => None,
        };
        if parsed.is_none() {
            self.mistype(value, "milliseconds since epoch");
        }
        parsed
    }

    /// Secret bytes: an error does not show them.
    pub(crate) fn plaintext(&self, name: &str, max: usize, need: Need) -> Vec<u8> {
        self.bytes(name, max, need, Show::Nothing).unwrap_or_default()
    }

    /// Public bytes.
    pub(crate) fn blob(&self, name: &str, max: usize, need: Need) -> Option<Vec<u8>> {
        self.bytes(name, max, need, Show::Pointer)
    }

    fn bytes(&self, name: &str, max: usize, need: Need, show: Show) -> Option<Vec<u8>> {
        let Some(value) = self.value(name) else {
            if need == Need::Required {
                let what = if show == Show::Nothing { "" } else { "null " };
                self.violate(what.into(), &self.path(name), "Member must not be null");
            }
            return None;
        };
        let Some(text) = value.as_str() else {
            self.mistype(value, "a ByteBuffer");
            return None;
        };
        let Ok(bytes) = STANDARD.decode(text) else {
            self.mistype(value, "a ByteBuffer: not base64");
            return None;
        };
        let what = || match show {
            Show::Nothing => Cow::Borrowed(""),
            Show::Pointer => {
                let length = bytes.len();
                Cow::Owned(format!("'java.nio.HeapByteBuffer[pos=0 lim={length} cap={length}]' "))
            }
        };
        if bytes.len() > max {
            let constraint = format!("Member must have length less than or equal to {max}");
            self.violate(what(), &self.path(name), &constraint);
        } else if bytes.is_empty() {
            self.violate(what(), &self.path(name), "Member must have length greater than or equal to 1");
        }
        Some(bytes)
    }

    /// A map of strings.
    pub(crate) fn context(&self, name: &str) -> EncryptionContext {
        let Some(value) = self.value(name) else { return EncryptionContext::new() };
        let Some(object) = value.as_object() else {
            self.mistype(value, "a Map");
            return EncryptionContext::new();
        };
        let mut context = EncryptionContext::new();
        for (key, value) in object {
            match value.as_str() {
                Some(text) => {
                    context.insert(key.clone(), text.to_owned());
                }
                None => self.mistype(value, "a String"),
            }
        }
        context
    }

    fn list(&self, name: &str, need: Need) -> &'a [Value] {
        let Some(value) = self.value(name) else {
            self.missing(name, need);
            return &[];
        };
        let Some(list) = value.as_array() else {
            self.mistype(value, "a List");
            return &[];
        };
        list
    }

    /// A list of strings, each under the constraints.
    pub(crate) fn texts(&self, name: &str, rule: Text, max: usize, need: Need) -> Vec<&'a str> {
        let list = self.list(name, need);
        let path = self.path(name);
        if list.len() > max {
            let constraint = format!("Member must have length less than or equal to {max}");
            self.violate(Cow::Borrowed(""), &path, &constraint);
        }
        let mut texts = Vec::with_capacity(list.len());
        for (index, value) in list.iter().enumerate() {
            match value.as_str() {
                Some(text) => {
                    self.check_text(text, &format!("{path}.{}.member", index + 1), rule);
                    texts.push(text);
                }
                None => self.mistype(value, "a String"),
            }
        }
        texts
    }

    /// A list of an enum's names, up to `max` of them.
    pub(crate) fn names(&self, name: &str, set: &[&str], max: usize, need: Need) -> Vec<&'a str> {
        let list = self.list(name, need);
        let path = self.path(name);
        let mut names = Vec::with_capacity(list.len());
        for value in list {
            match value.as_str() {
                Some(text) => names.push(text),
                None => self.mistype(value, "a String"),
            }
        }
        let shown = || Cow::Owned(format!("'[{}]' ", names.join(", ")));
        if list.len() > max {
            self.violate(shown(), &path, &format!("Member must have length less than or equal to {max}"));
        }
        if names.iter().any(|name| !set.contains(name)) {
            let set = set.join(", ");
            let constraint =
                format!("Member must satisfy constraint: [Member must satisfy enum value set: [{set}]]");
            self.violate(shown(), &path, &constraint);
        }
        names
    }

    pub(crate) fn grant_tokens(&self) -> Vec<&'a str> {
        self.texts("GrantTokens", GRANT_TOKEN, 10, Need::Optional)
    }

    /// A list of tags.
    pub(crate) fn tags(&self, name: &str, need: Need) -> Vec<crate::state::key::Tag> {
        let list = self.list(name, need);
        let path = self.path(name);
        let mut tags = Vec::with_capacity(list.len());
        for (index, value) in list.iter().enumerate() {
            let Some(object) = value.as_object() else {
                self.mistype(value, "a Structure");
                continue;
            };
            let member = |member: &str, rule: Text| {
                let path = format!("{path}.{}.member.{member}", index + 1);
                let field = if member == "tagKey" { "TagKey" } else { "TagValue" };
                match object.get(field) {
                    Some(Value::String(text)) => {
                        self.check_text(text, &path, rule);
                        text.as_str().into()
                    }
                    None | Some(Value::Null) => {
                        self.violate("null ".into(), &path, "Member must not be null");
                        Box::default()
                    }
                    Some(other) => {
                        self.mistype(other, "a String");
                        Box::default()
                    }
                }
            };
            tags.push(crate::state::key::Tag {
                key: member("tagKey", TAG_KEY),
                value: member("tagValue", TAG_VALUE),
            });
        }
        tags
    }

    /// The tag keys to take away.
    pub(crate) fn tag_keys(&self, name: &str) -> Vec<&'a str> {
        self.texts(name, TAG_KEY, usize::MAX, Need::Required)
    }

    /// A structure inside; its violations are this one's when it is done.
    pub(crate) fn structure<T>(&self, name: &str, read: impl FnOnce(&Fields<'a>) -> T) -> Option<T> {
        let value = self.value(name)?;
        let Some(object) = value.as_object() else {
            self.mistype(value, "a Structure");
            return None;
        };
        let inner = Fields {
            object,
            prefix: format!("{}.", self.path(name)),
            violations: RefCell::default(),
            mistyped: RefCell::default(),
        };
        let read = read(&inner);
        self.violations.borrow_mut().append(&mut inner.violations.borrow_mut());
        if let Some(error) = inner.mistyped.borrow_mut().take() {
            self.mistyped.borrow_mut().get_or_insert(error);
        }
        Some(read)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(value: Value, read: impl FnOnce(&Fields<'_>)) -> String {
        let fields = value.as_object().unwrap().clone();
        let fields = Fields::new(&fields);
        read(&fields);
        let error = fields.finish().unwrap_err();
        format!("{}: {}", error.code, error.message.unwrap_or_default())
    }

    #[test]
    fn violations_read_as_aws_writes_them() {
        assert_eq!(
            message(json!({}), |fields| {
                fields.key_id();
            }),
            "ValidationException: 1 validation error detected: Value null at 'keyId' failed to satisfy constraint: \
             Member must not be null"
        );
        assert_eq!(
            message(json!({"Message": STANDARD.encode([0; 4097])}), |fields| {
                fields.plaintext("Message", 4096, Need::Required);
            }),
            "ValidationException: 1 validation error detected: Value at 'message' failed to satisfy constraint: \
             Member must have length less than or equal to 4096"
        );
        assert_eq!(
            message(json!({"Limit": 0, "Marker": "\u{1F600}"}), |fields| {
                fields.integer("Limit", 1, 1000);
                fields.text("Marker", MARKER, Need::Optional);
            }),
            "ValidationException: 2 validation errors detected: Value '0' at 'limit' failed to satisfy constraint: \
             Member must have value greater than or equal to 1; Value '\u{1F600}' at 'marker' failed to satisfy \
             constraint: Member must satisfy regular expression pattern: [\\u0020-\\u00FF]*"
        );
        assert_eq!(
            message(json!({"Tags": [{"TagKey": "", "TagValue": "v"}]}), |fields| {
                fields.tags("Tags", Need::Required);
            }),
            "ValidationException: 1 validation error detected: Value '' at 'tags.1.member.tagKey' failed to satisfy \
             constraint: Member must have length greater than or equal to 1"
        );
    }

    #[test]
    fn wrong_types_are_serialization_errors() {
        let error = message(json!({"KeyId": 5, "Limit": "x"}), |fields| {
            fields.key_id();
            fields.integer("Limit", 1, 1000);
        });
        assert_eq!(error, "SerializationException: NUMBER_VALUE can not be converted to a String");
    }

    #[test]
    fn lists_of_names_are_shown_whole() {
        assert_eq!(
            message(json!({"Operations": ["Sign", "Dance"]}), |fields| {
                fields.names("Operations", &["Sign", "Verify"], 9, Need::Required);
            }),
            "ValidationException: 1 validation error detected: Value '[Sign, Dance]' at 'operations' failed to satisfy \
             constraint: Member must satisfy constraint: [Member must satisfy enum value set: [Sign, Verify]]"
        );
    }

    #[test]
    fn principals_of_services_and_sources_follow_the_pattern() {
        let (_, holds) = SERVICE_PRINCIPAL.pattern.unwrap();
        assert!(holds("s3.amazonaws.com") && holds("a-b.us-east-1.amazonaws.com"));
        assert!(!holds("amazonaws.com") && !holds("s3..com") && !holds("s_3.amazonaws.com"));
        let (_, holds) = SOURCE_ARN.pattern.unwrap();
        assert!(
            holds("arn:aws:s3::111122223333:bucket") && holds("arn:aws-cn:ec2:cn-north-1:111122223333:a:b")
        );
        assert!(
            !holds("arn:aws:s3:::bucket") && !holds("arn:aws:s3::111122223333:") && !holds("arn:AWS:s3::1:b")
        );
    }

    #[test]
    fn regions_follow_the_pattern() {
        let (_, holds) = REGION.pattern.unwrap();
        for right in ["us-east-1", "us-gov-west-1", "ap-southeast-2"] {
            assert!(holds(right), "{right}");
        }
        for wrong in ["us-east", "useast1", "us--1", "US-EAST-1", "a-b-c-d-1", "us-east-1x"] {
            assert!(!holds(wrong), "{wrong}");
        }
    }
}
