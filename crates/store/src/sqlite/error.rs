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
        sqlx::Error::Database(_) => {
            matches!(code(error).map(|code| code & 0xff), Some(CORRUPT | NOT_A_DATABASE))
        }
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => true,
        _ => false,
    }
}

/// Whether a reader met what a crash left and only a writer can undo: a hot journal, or a log without its index.
pub(super) fn needs_recovery(error: &sqlx::Error) -> bool {
    const READONLY_RECOVERY: i32 = 264;
    const READONLY_ROLLBACK: i32 = 776;
    const READONLY_CANTINIT: i32 = 1288;
    matches!(code(error), Some(READONLY_RECOVERY | READONLY_ROLLBACK | READONLY_CANTINIT))
}

/// SQLite's extended code.
fn code(error: &sqlx::Error) -> Option<i32> {
    error.as_database_error()?.code()?.parse().ok()
}
