//! What can be wrong with the text of an identifier.
//!
//! One enum for all bounded strings of this crate. Each variant names the kind of text (`what`), where it
//! is wrong, and the rule; quoted input is shortened, so that a hostile text cannot fill a log.
//! Source: the acceptance rules of Canton 2.10, <https://docs.daml.com/canton/usermanual/identity_management.html>

use thiserror::Error;

/// A text that is not the identifier it was read as.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IdentifierError {
    /// There is nothing where at least one character is needed.
    #[error("the {what} is empty, it needs at least one character")]
    Empty {
        /// The kind of text.
        what: &'static str,
    },
    /// The text is longer than its kind allows.
    #[error("the {what} has {length} characters, at most {max} are allowed")]
    TooLong {
        /// The kind of text.
        what: &'static str,
        /// Its length.
        length: usize,
        /// The longest that is allowed.
        max: usize,
    },
    /// A character that this kind of text does not allow.
    #[error("the {what} has {character:?} at position {position}, allowed are {allowed}")]
    IllegalCharacter {
        /// The kind of text.
        what: &'static str,
        /// The first character that is not allowed.
        character: char,
        /// Its place, counted in characters from 0.
        position: usize,
        /// The characters that are allowed.
        allowed: &'static str,
    },
    /// The separator `::` stands inside a part.
    #[error("the {what} has the separator `::` at position {position}, where a part must not contain it")]
    Separator {
        /// The kind of text.
        what: &'static str,
        /// The place of the separator, counted in characters from 0.
        position: usize,
    },
    /// The separator `::` between two parts is missing.
    #[error("the {what} {text:?} has no `::` between its parts, expected {expected}")]
    MissingSeparator {
        /// The kind of text.
        what: &'static str,
        /// The text, shortened.
        text: String,
        /// The expected form.
        expected: &'static str,
    },
    /// A last `:` of an identifier would move into the separator when written before `::`.
    #[error("the {what} ends with `:`, which would be read as a part of the separator `::` after it")]
    TrailingColon {
        /// The kind of text.
        what: &'static str,
    },
    /// The three letters in front of a member are not one of the known codes.
    #[error("the member code {code:?} is unknown, expected PAR, MED, SEQ, DOM or UNM")]
    UnknownMemberCode {
        /// The code, shortened.
        code: String,
    },
    /// A member of another kind than the one that was asked for.
    #[error("expected a member with code {expected}, found {found}")]
    WrongMemberCode {
        /// The code that was asked for.
        expected: &'static str,
        /// The code of the member.
        found: &'static str,
    },
}

/// The first characters of a text, for an error message.
pub(crate) fn shortened(text: &str) -> String {
    const SHOWN: usize = 40;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
