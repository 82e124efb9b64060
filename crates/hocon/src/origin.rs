//! Where a value was written.
//!
//! Origins are for people: they never take part in comparisons of values. After a merge of two objects the origin
//! is that of the one with priority.

use std::fmt;
use std::sync::Arc;

/// Where a value was written: a source, and the line and column in it where they are known.
///
/// The source is a file path as it was opened, the name a text was given, `-C` for settings, or
/// `environment variable NAME`. Displays as `source:line:column`, or the source alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    source: Arc<str>,
    line: u32,
    column: u32,
}

impl Origin {
    /// An origin that has a source but no place in it.
    #[must_use]
    pub fn new(source: impl Into<Arc<str>>) -> Self {
        Self { source: source.into(), line: 0, column: 0 }
    }

    /// The same source, at a line and column; both count from 1.
    #[must_use]
    pub fn at(&self, line: u32, column: u32) -> Self {
        Self { source: Arc::clone(&self.source), line, column }
    }

    /// The file path, text name, `-C`, or `environment variable NAME`.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The line, counted from 1, where it is known.
    #[must_use]
    pub fn line(&self) -> Option<u32> {
        (self.line > 0).then_some(self.line)
    }

    /// The column in characters, counted from 1, where it is known.
    #[must_use]
    pub fn column(&self) -> Option<u32> {
        (self.column > 0).then_some(self.column)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
            if self.column > 0 {
                write!(f, ":{}", self.column)?;
            }
        }
        Ok(())
    }
}
