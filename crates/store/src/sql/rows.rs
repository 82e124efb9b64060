//! From columns to values.
//!
//! A value that does not parse is [`StoreError::Corrupt`] with table and row; it is never skipped.

use std::str::FromStr;

use cantle_types::{Fingerprint, KeyName, KeyPurpose};
use jiff::Timestamp;

use crate::{BackendError, StoreError};

/// A damaged row.
pub(super) fn corrupt(
    table: &'static str,
    row: &str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    StoreError::Corrupt { table, row: row.to_owned(), source: BackendError::new(source) }
}

/// A text column as one of our string types.
pub(crate) fn text<T>(table: &'static str, row: &str, text: &str) -> Result<T, StoreError>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    text.parse().map_err(|error: T::Err| corrupt(table, row, error))
}

pub(super) fn fingerprint(table: &'static str, column: &str) -> Result<Fingerprint, StoreError> {
    text(table, column, column)
}

pub(super) fn name(
    table: &'static str,
    row: &str,
    column: Option<&str>,
) -> Result<Option<KeyName>, StoreError> {
    column.filter(|name| !name.is_empty()).map(|name| text(table, row, name)).transpose()
}

/// A name as it is stored: none instead of an empty one.
pub(super) fn some_name(name: Option<&KeyName>) -> Option<&str> {
    name.map(KeyName::as_str).filter(|name| !name.is_empty())
}

/// A word of a fixed set.
pub(crate) fn word<T>(
    table: &'static str,
    row: &str,
    column: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, StoreError> {
    parse(column).ok_or_else(|| corrupt(table, row, format!("unknown word {column:?}")))
}

/// Canton's number of a purpose in a database.
pub(super) fn purpose_number(purpose: KeyPurpose) -> i64 {
    match purpose {
        KeyPurpose::Signing => 0,
        KeyPurpose::Encryption => 1,
    }
}

pub(super) fn purpose(table: &'static str, row: &str, column: i64) -> Result<KeyPurpose, StoreError> {
    match column {
        0 => Ok(KeyPurpose::Signing),
        1 => Ok(KeyPurpose::Encryption),
        other => Err(corrupt(table, row, format!("unknown key purpose {other}"))),
    }
}

pub(super) fn time(table: &'static str, row: &str, column: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(column).map_err(|error| corrupt(table, row, error))
}
