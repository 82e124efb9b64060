//! Lines to whoever runs the command: results to stdout, progress and notes to stderr.
//!
//! Whoever read them may have gone (`cantle keys | head -1`): that ends nothing, least of all nodes. Results that cannot be
//! written for another reason, a full disk say, make the command fail in the end ([`failure`]).

use std::{
    fmt::Arguments,
    io::{self, ErrorKind, Write},
    sync::OnceLock,
};

/// Why a result was not written.
static FAILURE: OnceLock<ErrorKind> = OnceLock::new();

/// A line of the result.
macro_rules! say {
    ($($text:tt)*) => { $crate::output::result(format_args!($($text)*)) };
}

/// A line besides.
macro_rules! tell {
    ($($text:tt)*) => { $crate::output::aside(format_args!($($text)*)) };
}

pub(crate) use {say, tell};

/// Writes a line to stdout.
pub(crate) fn result(line: Arguments<'_>) {
    match writeln!(io::stdout().lock(), "{line}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            let _ = FAILURE.set(error.kind());
        }
        _ => {}
    }
}

/// Writes a line to stderr. Nothing can be said of it if that fails.
pub(crate) fn aside(line: Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Why not all results were written, if so.
pub(crate) fn failure() -> Option<ErrorKind> {
    // What is still buffered counts too.
    match io::stdout().flush() {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Some(error.kind()),
        _ => FAILURE.get().copied(),
    }
}
