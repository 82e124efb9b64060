//! Path expressions: `a.b."c.d"`, in keys, in substitutions, and from callers.

use std::fmt;
use std::sync::Arc;

use crate::budget::{Budgets, Meter};
use crate::error::Error;
use crate::expression;
use crate::origin::Origin;
use crate::token;

/// A path into a tree of objects, at least one key.
///
/// Displays as a path expression, with quotes where a key needs them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path {
    keys: Arc<[String]>,
}

/// A text that is not a path expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not a path: {reason}")]
pub struct PathError {
    text: String,
    reason: String,
}

impl Path {
    /// Reads a path expression as Lightbend's library does.
    ///
    /// # Errors
    /// If the text is empty, has an empty element without quotes, or characters that are reserved outside quotes.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let meter = Meter::new(&Budgets::default());
        let origin = Origin::new("path");
        let fail = |error: Error| PathError { text: text.to_owned(), reason: error.message().to_owned() };
        let tokens = token::all(text, &origin, &meter).map_err(fail)?;
        let keys = expression::parse(&tokens, &origin, &meter).map_err(fail)?;
        Ok(Self { keys: keys.iter().map(|key| key.to_string()).collect() })
    }

    /// A path of one key, taken as it is.
    #[must_use]
    pub fn key(key: impl Into<String>) -> Self {
        Self { keys: Arc::from([key.into()]) }
    }

    /// This path and one more key below it.
    #[must_use]
    pub fn child(&self, key: impl Into<String>) -> Self {
        Self { keys: self.keys.iter().cloned().chain([key.into()]).collect() }
    }

    /// The keys, from the outermost to the innermost.
    pub fn elements(&self) -> impl ExactSizeIterator<Item = &str> {
        self.keys.iter().map(String::as_str)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&expression::render(&self.keys))
    }
}
