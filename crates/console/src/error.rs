//! Why a script ended, ready for the terminal: the user's own line, the caret, the cause.

use std::fmt;

use thiserror::Error;

use crate::notation::Span;

/// A console that could not be set up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SessionError {
    /// Two nodes have the same name in scripts.
    #[error("the nodes {first:?} and {second:?} are both called `{name}` in scripts: rename one of them")]
    AmbiguousName {
        /// The name in scripts.
        name: String,
        /// One node's name.
        first: String,
        /// The other's.
        second: String,
    },
    /// The thread that runs scripts could not be started.
    #[error("the thread that runs scripts could not be started")]
    Thread(#[source] std::io::Error),
    /// The thread that runs scripts is gone.
    #[error("the thread that runs scripts has ended")]
    Ended,
}

/// A script that ended with an error.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct ScriptError {
    /// The script's name.
    pub script: String,
    /// The line, from 1; 0 when the error has no place.
    pub line: usize,
    /// The column in characters, from 1; 0 when the error has no place.
    pub column: usize,
    /// The line with the caret below it; empty when the error has no place.
    pub snippet: String,
    /// What went wrong.
    pub cause: String,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.cause)?;
        if self.line > 0 {
            write!(f, "\n --> {}:{}:{}\n{}", self.script, self.line, self.column, self.snippet)?;
        } else if !self.script.is_empty() {
            write!(f, "\n --> {}", self.script)?;
        }
        Ok(())
    }
}

impl ScriptError {
    /// An error without a place.
    pub(crate) fn without_place(script: &str, cause: impl Into<String>) -> Self {
        Self { script: script.to_owned(), line: 0, column: 0, snippet: String::new(), cause: cause.into() }
    }

    /// An error at a place of the script.
    pub(crate) fn at(script: &str, source: &str, span: Span, cause: impl Into<String>) -> Self {
        let mut start = span.start.min(source.len());
        while !source.is_char_boundary(start) {
            start -= 1;
        }
        let mut end = span.end.clamp(start, source.len());
        while !source.is_char_boundary(end) {
            end += 1;
        }
        let line_start = source[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_text = source[line_start..].lines().next().unwrap_or_default();
        let line_end = line_start + line_text.len();
        let line = source[..start].bytes().filter(|byte| *byte == b'\n').count() + 1;
        let before = &source[line_start..start.min(line_end).max(line_start)];
        let marked = source[start.min(line_end)..end.min(line_end).max(start.min(line_end))].trim_end();
        // The caret's line repeats tabs, so that it stands right however wide they are.
        let pad: String =
            before.chars().map(|character| if character == '\t' { '\t' } else { ' ' }).collect();
        let carets = "^".repeat(marked.chars().count().max(1));
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        let snippet = format!("{margin} |\n{number} | {line_text}\n{margin} | {pad}{carets}");
        Self {
            script: script.to_owned(),
            line,
            column: before.chars().count() + 1,
            snippet,
            cause: cause.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ScriptError;
    use crate::notation::Span;

    #[test]
    fn an_error_shows_the_line_and_the_caret() {
        let error = ScriptError::at("a.canton", "x = 1\n\tfoo(y)\n", Span::new(11, 12), "no y");
        assert_eq!(error.to_string(), "error: no y\n --> a.canton:2:6\n  |\n2 | \tfoo(y)\n  | \t    ^");
    }

    #[test]
    fn a_place_behind_the_end_is_shown_at_the_end() {
        let error = ScriptError::at("a", "é", Span::new(1, 99), "c");
        assert_eq!((error.line, error.column), (1, 1));
    }
}
