//! The resolved tree: values with origins, and the conversions Lightbend's typed getters make.
//!
//! Nothing here is unresolved: substitutions are gone. Objects are kept sorted by key, so that iteration is the same
//! in every run. The depth of a tree is bounded by [`Budgets::nesting`](crate::Budgets), so recursion over it is safe.

use std::fmt;

use crate::json;
use crate::origin::Origin;
use crate::path::Path;

/// A resolved value and where it was written.
///
/// Equality compares what the values are and ignores their origins.
#[derive(Clone, Debug)]
pub struct Value {
    /// What it is.
    pub kind: Kind,
    /// Where it was written.
    pub origin: Origin,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`, written without quotes.
    Bool(bool),
    /// A number, written without quotes.
    Number(Number),
    /// A string, quoted or not, or a concatenation.
    String(String),
    /// An array.
    Array(Vec<Value>),
    /// An object.
    Object(Object),
}

impl Kind {
    /// The name of the type for messages: `null`, `boolean`, `number`, `string`, `list` or `object`.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Array(_) => "list",
            Self::Object(_) => "object",
        }
    }
}

/// A number: a whole one of 64 bits where it fits, otherwise a double, and the text it was written as.
#[derive(Clone, Debug)]
pub struct Number {
    repr: Repr,
    text: Box<str>,
}

#[derive(Clone, Copy, Debug)]
enum Repr {
    Long(i64),
    Double(f64),
}

impl Number {
    pub(crate) fn long(value: i64, text: &str) -> Self {
        Self { repr: Repr::Long(value), text: text.into() }
    }

    /// A double that is whole and fits a long becomes one, as in Lightbend's library: `1.0` is `1`.
    pub(crate) fn double(value: f64, text: &str) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the saturating conversion is compared right after"
        )]
        let whole = value as i64;
        #[expect(clippy::cast_precision_loss, reason = "compared as doubles on purpose")]
        let repr = if whole as f64 == value { Repr::Long(whole) } else { Repr::Double(value) };
        Self { repr, text: text.into() }
    }

    /// The number as a whole one, if it is whole and fits 64 bits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self.repr {
            Repr::Long(value) => Some(value),
            Repr::Double(_) => None,
        }
    }

    /// The number as a double, rounded where it has to be.
    #[must_use]
    pub fn as_f64(&self) -> f64 {
        match self.repr {
            #[expect(clippy::cast_precision_loss, reason = "a double is what was asked for")]
            Repr::Long(value) => value as f64,
            Repr::Double(value) => value,
        }
    }

    /// The text it was written as: `1e3`, `007`, `1.0`. This is what it contributes to a string.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        match (self.repr, other.repr) {
            (Repr::Long(a), Repr::Long(b)) => a == b,
            (Repr::Double(a), Repr::Double(b)) => a == b,
            _ => false,
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

impl Value {
    /// A value of its own.
    #[must_use]
    pub fn new(kind: Kind, origin: Origin) -> Self {
        Self { kind, origin }
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Null)
    }

    /// The object, if it is one.
    #[must_use]
    pub fn as_object(&self) -> Option<&Object> {
        match &self.kind {
            Kind::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The elements, if it is an array. See [`Value::to_list`] for objects with numeric keys.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Value]> {
        match &self.kind {
            Kind::Array(values) => Some(values),
            _ => None,
        }
    }

    /// The string, if it is one. See [`Value::to_text`] for numbers and booleans.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Kind::String(text) => Some(text),
            _ => None,
        }
    }

    /// What Lightbend's `getString` gives: a string, or a number or boolean as it was written.
    #[must_use]
    pub fn to_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::String(text) => Some(text),
            Kind::Number(number) => Some(number.text()),
            Kind::Bool(true) => Some("true"),
            Kind::Bool(false) => Some("false"),
            _ => None,
        }
    }

    /// What Lightbend's `getBoolean` gives: a boolean, or the strings `true`, `yes`, `on`, `false`, `no`, `off`.
    #[must_use]
    pub fn to_bool(&self) -> Option<bool> {
        match &self.kind {
            Kind::Bool(value) => Some(*value),
            Kind::String(text) => match text.as_str() {
                "true" | "yes" | "on" => Some(true),
                "false" | "no" | "off" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// What Lightbend's `getNumber` gives: a number, or a string that reads as one.
    #[must_use]
    pub fn to_number(&self) -> Option<Number> {
        match &self.kind {
            Kind::Number(number) => Some(number.clone()),
            Kind::String(text) => match text.parse::<i64>() {
                Ok(value) => Some(Number::long(value, text)),
                Err(_) => text
                    .bytes()
                    .all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'))
                    .then(|| text.parse::<f64>().ok())
                    .flatten()
                    .map(|value| Number::double(value, text)),
            },
            _ => None,
        }
    }

    /// What Lightbend's `getList` gives: the elements of an array, or those of an object under its numeric keys in
    /// the order of the numbers (`a.0 = x, a.1 = y`); `None` if it has no such key.
    #[must_use]
    pub fn to_list(&self) -> Option<Vec<&Value>> {
        match &self.kind {
            Kind::Array(values) => Some(values.iter().collect()),
            Kind::Object(object) => {
                let mut indexed: Vec<(i32, &Value)> =
                    object.iter().filter_map(|(key, value)| Some((list_index(key)?, value))).collect();
                indexed.sort_by_key(|(index, _)| *index);
                indexed.dedup_by_key(|(index, _)| *index);
                (!indexed.is_empty()).then(|| indexed.into_iter().map(|(_, value)| value).collect())
            }
            _ => None,
        }
    }

    /// The value at a path below this one, if all on the way are objects that have the key.
    #[must_use]
    pub fn lookup(&self, path: &Path) -> Option<&Value> {
        path.elements().try_fold(self, |value, key| value.as_object()?.get(key))
    }
}

/// The list index a key stands for: what `Integer.parseInt` accepts and is not negative.
pub(crate) fn list_index(key: &str) -> Option<i32> {
    crate::java::parse_int(key, 10).filter(|index| *index >= 0)
}

/// An object: keys and values, sorted by key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object {
    entries: Vec<(String, Value)>,
}

impl Object {
    /// The value under a key. Keys are taken as they are; see [`Value::lookup`] for paths.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        let index = self.entries.binary_search_by(|(k, _)| k.as_str().cmp(key)).ok()?;
        self.entries.get(index).map(|(_, value)| value)
    }

    /// Whether the key is there.
    #[must_use]
    pub fn contains_key(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// The entries, sorted by key.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The keys, sorted.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &str> {
        self.entries.iter().map(|(key, _)| key.as_str())
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl IntoIterator for Object {
    type Item = (String, Value);
    type IntoIter = std::vec::IntoIter<(String, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl FromIterator<(String, Value)> for Object {
    /// Of several entries with the same key the last one stays.
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(entries: I) -> Self {
        let mut entries: Vec<_> = entries.into_iter().collect();
        entries.reverse();
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        entries.dedup_by(|(a, _), (b, _)| a == b);
        Self { entries }
    }
}

impl Value {
    /// The value as compact JSON, keys sorted.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        json::value(&mut out, self, None);
        out
    }

    /// The value as JSON with two spaces of indentation, keys sorted.
    #[must_use]
    pub fn to_json_pretty(&self) -> String {
        let mut out = String::new();
        json::value(&mut out, self, Some(0));
        out
    }
}
