//! Bounded strings: the checks, and the impls every string type of this crate has.
//!
//! Not a public module. Invariant: a type made with `bounded_string!` can be built only through its check,
//! and is cheap to clone.
//! Source: Daml-LF party strings, <https://docs.daml.com/app-dev/grpc/proto-docs.html>

use crate::error::IdentifierError;

/// The separator between the parts of a unique identifier and of a member.
pub(crate) const SEPARATOR: &str = "::";

/// The characters of a safe simple string, for messages.
const SAFE_CHARACTERS: &str = "ASCII letters, digits, `:`, `-`, `_` and space";

/// Checks a Daml-LF party string of 1 to `max` characters without `::`.
pub(crate) fn check_safe_simple(what: &'static str, text: &str, max: usize) -> Result<(), IdentifierError> {
    if text.is_empty() {
        return Err(IdentifierError::Empty { what });
    }
    check_length(what, text, max)?;
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_' | ' ');
    if let Some((position, character)) = text.chars().enumerate().find(|&(_, c)| !safe(c)) {
        return Err(IdentifierError::IllegalCharacter {
            what,
            character,
            position,
            allowed: SAFE_CHARACTERS,
        });
    }
    match text.find(SEPARATOR) {
        Some(position) => Err(IdentifierError::Separator { what, position }),
        None => Ok(()),
    }
}

/// Checks a length as the JVM counts it, in UTF-16 units.
pub(crate) fn check_length(what: &'static str, text: &str, max: usize) -> Result<(), IdentifierError> {
    // A text has at most as many UTF-16 units as bytes, so most need no counting.
    if text.len() <= max {
        return Ok(());
    }
    let length = text.encode_utf16().count();
    if length > max { Err(IdentifierError::TooLong { what, length, max }) } else { Ok(()) }
}

/// Defines a string newtype over `Arc<str>` with a check of type `fn(&str) -> Result<(), IdentifierError>`.
macro_rules! bounded_string {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::error::IdentifierError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let check: fn(&str) -> Result<(), $crate::error::IdentifierError> = $check;
                check(text)?;
                Ok(Self(text.into()))
            }
        }

        $crate::text::string_impls!($name);
    };
}

/// The impls of a type that has `FromStr` and `as_str`.
macro_rules! string_impls {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = $crate::error::IdentifierError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl TryFrom<&str> for $name {
            type Error = $crate::error::IdentifierError;

            fn try_from(text: &str) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.as_str().to_owned()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({:?})", stringify!($name), self.as_str())
            }
        }
    };
}

pub(crate) use {bounded_string, string_impls};
