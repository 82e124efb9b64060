//! What the notation front end could not read, where, and what to write instead.

use thiserror::Error;

use super::token::Span;

/// A statement that is neither Starlark nor the part of Scala that is understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub(crate) enum NotationError {
    /// A form of Scala that has another spelling here.
    #[error("{form} is not understood here: {instead}")]
    Foreign { form: &'static str, instead: &'static str, span: Span },
    /// Something else was due.
    #[error("expected {expected}, found {found}")]
    Expected { expected: &'static str, found: String, span: Span },
    /// The text ends in the middle of a statement.
    #[error("the text ends here, but {expected} is due")]
    Ended { expected: &'static str, span: Span },
    /// The lexer could not read it.
    #[error("{cause}")]
    Unreadable { cause: &'static str, span: Span },
    /// Nested or chained beyond the bound.
    #[error("this is nested or chained too deeply (more than {limit} levels): split it into several lines")]
    TooDeep { limit: usize, span: Span },
    /// Starlark's own verdict.
    #[error("{cause}")]
    Starlark { cause: String, span: Span },
}

impl NotationError {
    pub(crate) fn span(&self) -> Span {
        match self {
            Self::Foreign { span, .. }
            | Self::Expected { span, .. }
            | Self::Ended { span, .. }
            | Self::Unreadable { span, .. }
            | Self::TooDeep { span, .. }
            | Self::Starlark { span, .. } => *span,
        }
    }
}
