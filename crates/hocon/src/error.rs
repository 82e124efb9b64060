//! What can be wrong with a document, where, and what to do about it.
//!
//! Messages name keys, paths and kinds of tokens, never the values beside them: a configuration holds passwords.
//! The line an error is in can be had from [`Error::excerpt`] by a caller that knows it may be shown.

use std::fmt;

use crate::origin::Origin;

/// The kind of an error, named as Lightbend's `ConfigException` where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The text does not follow the syntax (or an include, or a `+=`, is where it cannot be).
    Parse,
    /// A path expression, in a key or a substitution, is not one.
    BadPath,
    /// A file could not be read, or a required include is missing.
    Io,
    /// A substitution has no value, or is part of a cycle.
    UnresolvedSubstitution,
    /// Values of types that do not go together: an object joined with a string, an array at a file's root.
    WrongType,
    /// A lookup went through a value that is not resolved yet.
    NotResolved,
    /// What Lightbend's library reports as a fault of its own: documents it cannot make sense of.
    BugOrBroken,
    /// The input costs more than the [`Budgets`](crate::Budgets) allow.
    BudgetExceeded,
}

impl ErrorKind {
    /// The name of the kind, as in Lightbend's `ConfigException.…` (`IO` for [`ErrorKind::Io`]).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Parse => "Parse",
            Self::BadPath => "BadPath",
            Self::Io => "IO",
            Self::UnresolvedSubstitution => "UnresolvedSubstitution",
            Self::WrongType => "WrongType",
            Self::NotResolved => "NotResolved",
            Self::BugOrBroken => "BugOrBroken",
            Self::BudgetExceeded => "BudgetExceeded",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One thing that is wrong: its kind, its place, and a sentence that says what it is and what to do.
///
/// Displays as `source:line:column: message`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {message}")]
pub struct Error {
    kind: ErrorKind,
    origin: Origin,
    message: String,
    excerpt: Option<Excerpt>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, origin: Origin, message: impl Into<String>) -> Self {
        Self { kind, origin, message: message.into(), excerpt: None }
    }

    /// The same at the place of the include that asked for it, if one did.
    pub(crate) fn included_at(mut self, place: Option<&Origin>) -> Self {
        if let Some(place) = place {
            self.origin = place.clone();
        }
        self
    }

    /// The same with the line it is in, if it has a line.
    pub(crate) fn with_excerpt(mut self, text: &str) -> Self {
        self.add_excerpt(text);
        self
    }

    /// Adds the line it is in, unless it has one.
    pub(crate) fn add_excerpt(&mut self, text: &str) {
        /// A line of a minified document is not shown whole.
        const SHOWN: usize = 240;
        let (Some(line), Some(column)) = (self.origin.line(), self.origin.column()) else { return };
        if self.excerpt.is_some() {
            return;
        }
        if let Some(text) = text.split('\n').nth(line.saturating_sub(1) as usize) {
            let text = text.trim_end_matches('\r').chars().take(SHOWN).collect();
            self.excerpt = Some(Excerpt { line, column, text });
        }
    }

    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Where it is.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What is wrong and what to do, without the place.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The line it is in, with a caret under the place.
    ///
    /// # Security
    /// The line is the document's own and may hold a password; show it to those who may read the file only.
    #[must_use]
    pub fn excerpt(&self) -> Option<&Excerpt> {
        self.excerpt.as_ref()
    }
}

/// The line an error is in. Displays as the line with a caret under the place; Debug is redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct Excerpt {
    line: u32,
    column: u32,
    text: String,
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Excerpt")
            .field("line", &self.line)
            .field("text", &"[REDACTED]")
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let before = self.column.saturating_sub(1) as usize;
        let indent: String =
            self.text.chars().take(before).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        write!(f, "{number} | {}\n{:width$} | {indent}^", self.text, "", width = number.len())
    }
}

/// All that is wrong with the sources of a load, at least one error.
///
/// The first one is the one Lightbend's library would have stopped at; the others were found by going on. Displays
/// one error a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errors {
    first: Box<Error>,
    rest: Vec<Error>,
}

impl Errors {
    /// The error Lightbend's library would have stopped at.
    #[must_use]
    pub fn first(&self) -> &Error {
        &self.first
    }

    /// All of them, the first one first.
    pub fn iter(&self) -> impl Iterator<Item = &Error> {
        std::iter::once(&*self.first).chain(&self.rest)
    }
}

impl Errors {
    /// From a list, the first one first; nothing if there is none.
    pub(crate) fn from_list(errors: Vec<Error>) -> Option<Self> {
        let mut errors = errors.into_iter();
        let first = Box::new(errors.next()?);
        Some(Self { first, rest: errors.collect() })
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        self.rest.iter().try_for_each(|error| write!(f, "\n{error}"))
    }
}

impl std::error::Error for Errors {}

impl From<Error> for Errors {
    fn from(error: Error) -> Self {
        Self { first: Box::new(error), rest: Vec::new() }
    }
}

impl IntoIterator for Errors {
    type Item = Error;
    type IntoIter = std::iter::Chain<std::iter::Once<Error>, std::vec::IntoIter<Error>>;

    fn into_iter(self) -> Self::IntoIter {
        std::iter::once(*self.first).chain(self.rest)
    }
}
