//! From SQLite's errors to ours.
//!
//! Source: <https://www.sqlite.org/rescode.html>.

use crate::{BackendError, StoreError};

/// Turns SQLite's error of an operation into ours.
pub(super) fn failed(operation: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |error| {
        if is_corrupt(&error) {
            StoreError::Corrupt { table: "file", row: String::new(), source: BackendError::new(error) }
        } else {
            StoreError::Unavailable { operation, source: BackendError::new(error) }
        }
    }
}

/// Whether the file is damaged or no database, or a column holds what it cannot.
pub(super) fn is_corrupt(error: &sqlx::Error) -> bool {
    const CORRUPT: i32 = 11;
    const NOT_A_DATABASE: i32 = 26;
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().and_then(|code| code.parse::<i32>().ok());
            matches!(code.map(|code| code & 0xff), Some(CORRUPT | NOT_A_DATABASE))
        }
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => true,
        _ => false,
    }
}
