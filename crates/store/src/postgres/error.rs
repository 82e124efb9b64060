//! From PostgreSQL's errors to ours.
//!
//! Source: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.

use std::io::ErrorKind;

use crate::{BackendError, OpenError, StoreError};

/// Turns PostgreSQL's error of an operation into ours.
pub(super) fn failed(operation: &'static str, error: sqlx::Error) -> StoreError {
    let state = state(&error);
    if is_corrupt(&error) {
        StoreError::Corrupt { table: "database", row: String::new(), source: BackendError::new(error) }
    } else if state.starts_with("22") {
        StoreError::Refused { operation, source: BackendError::new(error) }
    } else {
        StoreError::Unavailable { operation, source: BackendError::new(error) }
    }
}

/// Turns an error while opening into ours.
pub(super) fn not_opened(database: &str, user: &str, error: sqlx::Error) -> OpenError {
    let database = database.to_owned();
    let state = state(&error);
    match state.as_str() {
        "3D000" => OpenError::NotCreated { database, missing: "database" },
        "3F000" => OpenError::NotCreated { database, missing: "schema" },
        // Of class 28 is a login, 42501 is a missing right.
        state if state.starts_with("28") || state == "42501" => {
            OpenError::Refused { database, user: user.to_owned(), source: BackendError::new(error) }
        }
        _ if is_corrupt(&error) => OpenError::Corrupt { database, source: BackendError::new(error) },
        _ if is_tls(&error) => OpenError::Tls { database, source: BackendError::new(error) },
        _ => OpenError::Unavailable { database, source: BackendError::new(error) },
    }
}

/// Whether the connection is of no use after this error.
pub(super) fn ends_connection(error: &sqlx::Error) -> bool {
    match error {
        // 57P01 to 57P05: the server ends the session. Class 08: the connection failed.
        sqlx::Error::Database(_) => {
            let state = state(error);
            state.starts_with("57P") || state.starts_with("08")
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::PoolTimedOut => true,
        _ => false,
    }
}

/// Whether somebody else held a lock for too long.
pub(super) fn is_locked(error: &sqlx::Error) -> bool {
    state(error) == "55P03"
}

/// A server that was not heard of in time.
pub(super) fn silence() -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::from(ErrorKind::TimedOut))
}

fn is_corrupt(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => true,
        // XX001: data corrupted, XX002: index corrupted.
        error => matches!(state(error).as_str(), "XX001" | "XX002"),
    }
}

fn is_tls(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Tls(_) => true,
        // The TLS library's errors come as such.
        sqlx::Error::Io(error) => error.kind() == ErrorKind::InvalidData,
        sqlx::Error::Configuration(_) => true,
        _ => false,
    }
}

/// SQLSTATE, or nothing if it is not the server's error.
fn state(error: &sqlx::Error) -> String {
    error.as_database_error().and_then(|error| error.code()).unwrap_or_default().into_owned()
}
