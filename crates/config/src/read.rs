//! From one value of the document to a Rust value: the coercions of Canton's reader, and their faults.
//!
//! An environment variable is always a string, so strings that read as a number, boolean or port are taken as
//! that. Every conversion is here once: [`crate::check`] uses it to find faults, the decoders to get values.

use std::time::Duration;

use cantle_hocon::Value;

use crate::fault::{Problem, one_of, shortened};
use crate::schema::Span;
use crate::suggest;
use crate::units::{self, Unit, Written};

/// A duration, and whether it was written with a unit. `None` is a duration without an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReadDuration {
    pub(crate) duration: Option<Duration>,
    pub(crate) unit: Unit,
}

fn wrong_type(value: &Value, expected: impl Into<String>) -> Problem {
    Problem::WrongType { expected: expected.into(), found: value.kind.type_name() }
}

fn malformed(text: &str, expected: impl Into<String>) -> Problem {
    Problem::Malformed { value: shortened(text), expected: expected.into(), nearest: None }
}

/// A string; numbers and booleans as they were written.
pub(crate) fn text(value: &Value) -> Result<&str, Problem> {
    value.to_text().ok_or_else(|| wrong_type(value, "a string"))
}

/// A string that is not empty and never shown.
pub(crate) fn secret(value: &Value) -> Result<&str, Problem> {
    match value.to_text() {
        Some("") => {
            Err(Problem::MalformedSecret { expected: "a string of at least one character".to_owned() })
        }
        Some(text) => Ok(text),
        None => Err(wrong_type(value, "a string")),
    }
}

/// A boolean.
pub(crate) fn boolean(value: &Value) -> Result<bool, Problem> {
    const EXPECTED: &str = "true or false (yes, no, on and off are read too)";
    let lowercase = || match value.as_str().map(str::to_ascii_lowercase).as_deref() {
        Some("true") => Some(true),
        Some("false") => Some(false),
        _ => None,
    };
    value.to_bool().or_else(lowercase).ok_or_else(|| match value.to_text() {
        Some(text) => malformed(text, EXPECTED),
        None => wrong_type(value, EXPECTED),
    })
}

/// A whole number from `min` to `max`.
pub(crate) fn int(value: &Value, min: i64, max: i64) -> Result<i64, Problem> {
    let expected = || match (min, max) {
        (0, max) if max >= i64::from(i32::MAX) => "a whole number that is not negative".to_owned(),
        (1, max) if max >= i64::from(i32::MAX) => "a whole number from 1".to_owned(),
        (min, max) if min <= i64::from(i32::MIN) && max >= i64::from(i32::MAX) => "a whole number".to_owned(),
        (min, max) => format!("a whole number from {min} to {max}"),
    };
    let Some(number) = value.to_number() else {
        return Err(match value.to_text() {
            Some(text) => malformed(text, expected()),
            None => wrong_type(value, expected()),
        });
    };
    match number.as_i64() {
        Some(whole) if (min..=max).contains(&whole) => Ok(whole),
        Some(whole) => Err(Problem::OutOfRange {
            value: whole.to_string(),
            expected: format!("expected {}, at most {max}", expected()),
        }),
        None => Err(malformed(number.text(), expected())),
    }
}

/// A number that is not negative.
pub(crate) fn double(value: &Value) -> Result<f64, Problem> {
    const EXPECTED: &str = "a number that is not negative, as 0.5";
    let Some(number) = value.to_number() else {
        return Err(match value.to_text() {
            Some(text) => malformed(text, EXPECTED),
            None => wrong_type(value, EXPECTED),
        });
    };
    let double = number.as_f64();
    if double.is_finite() && double >= 0.0 { Ok(double) } else { Err(malformed(number.text(), EXPECTED)) }
}

/// A port; `None` leaves the choice to the system.
pub(crate) fn port(value: &Value) -> Result<Option<u16>, Problem> {
    const EXPECTED: &str = "a port, a whole number from 0 to 65535 (0: the system chooses)";
    let Some(number) = value.to_number() else {
        return Err(match value.to_text() {
            Some(text) => malformed(text, EXPECTED),
            None => wrong_type(value, EXPECTED),
        });
    };
    match number.as_i64().map(u16::try_from) {
        Some(Ok(0)) => Ok(None),
        Some(Ok(port)) => Ok(Some(port)),
        Some(Err(_)) => Err(Problem::OutOfRange {
            value: number.text().to_owned(),
            expected: format!("expected {EXPECTED}"),
        }),
        None => Err(malformed(number.text(), EXPECTED)),
    }
}

/// A number of bytes.
pub(crate) fn bytes(value: &Value) -> Result<i64, Problem> {
    const EXPECTED: &str = "a number of bytes, as 10485760 or \"10 MiB\"";
    let text = value.to_text().ok_or_else(|| wrong_type(value, EXPECTED))?;
    let bytes = units::parse_bytes(text).ok_or_else(|| malformed(text, EXPECTED))?;
    if (0..=i64::from(i32::MAX)).contains(&bytes) {
        Ok(bytes)
    } else {
        Err(Problem::OutOfRange {
            value: shortened(text),
            expected: format!("expected at most {} bytes", i32::MAX),
        })
    }
}

/// A duration.
pub(crate) fn duration(value: &Value, span: Span) -> Result<ReadDuration, Problem> {
    let expected = match span {
        Span::Finite => "a duration, as 500ms, \"10 s\" or 3.minutes",
        Span::Positive => "a duration of more than zero, as 500ms, \"10 s\" or 3.minutes",
        Span::Seconds => "a duration in whole seconds, as \"10 s\" or 3.minutes",
        Span::Endless => "a duration, as \"10 s\", 3.minutes or Inf",
    };
    let text = value.to_text().ok_or_else(|| wrong_type(value, expected))?;
    let out_of_range =
        || Problem::OutOfRange { value: shortened(text), expected: format!("expected {expected}") };
    match units::parse_duration(text) {
        None => Err(malformed(text, expected)),
        Some(Written::Negative) => Err(out_of_range()),
        Some(Written::Infinite) if span == Span::Endless => {
            Ok(ReadDuration { duration: None, unit: Unit::Written })
        }
        Some(Written::Infinite) => Err(out_of_range()),
        Some(Written::Finite { duration, unit }) => {
            let positive = matches!(span, Span::Positive | Span::Seconds);
            let broken = span == Span::Seconds && duration.subsec_nanos() > 0;
            if (positive && duration.is_zero()) || broken {
                return Err(out_of_range());
            }
            Ok(ReadDuration { duration: Some(duration), unit })
        }
    }
}

/// One of the words, as it stands in the table.
pub(crate) fn choice(value: &Value, words: &'static [&'static str]) -> Result<&'static str, Problem> {
    let expected = || one_of(words);
    let text = value.to_text().ok_or_else(|| wrong_type(value, expected()))?;
    words.iter().find(|word| **word == text).copied().ok_or_else(|| Problem::Malformed {
        value: shortened(text),
        expected: expected(),
        nearest: suggest::nearest(text, words.iter().copied()).map(str::to_owned),
    })
}

/// The path of a file, not empty.
pub(crate) fn file(value: &Value) -> Result<&str, Problem> {
    const EXPECTED: &str = "the path of a file";
    let text = value.to_text().ok_or_else(|| wrong_type(value, EXPECTED))?;
    if text.is_empty() || text.contains('\0') { Err(malformed(text, EXPECTED)) } else { Ok(text) }
}

/// The elements of a list, or of an object with numeric keys.
pub(crate) fn items(value: &Value) -> Result<Vec<&Value>, Problem> {
    value.to_list().ok_or_else(|| wrong_type(value, "a list, as [ … ]"))
}
