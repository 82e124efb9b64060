//! What can be wrong with a configuration: one fault, where it is, and what to do.
//!
//! Faults are collected, never thrown: a load reports all of them at once. What a value is stays out of the text
//! wherever the key could hold a secret.
//!
//! Invariant: every fault says what to do, in its text or by the key it suggests.

use std::fmt;

use cantle_hocon::{Excerpt, Origin, Path};
use thiserror::Error;

/// Everything that is wrong with a configuration, at least one fault, in the order of the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors {
    faults: Vec<Fault>,
    omitted: usize,
}

/// A document that is no configuration has a fault a line; nobody reads more than this.
const SHOWN: usize = 200;

/// One thing that is wrong.
///
/// Displays as `file:line:column: key.path: what is wrong; what to do`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where the value was written; for a missing key, where its section was.
    pub origin: Origin,
    /// The full path of the key, where the fault belongs to one.
    pub path: Option<Path>,
    /// What is wrong.
    pub problem: Problem,
    /// The line it is in, where the text was read by the parser.
    ///
    /// # Security
    /// It is the document's own line and may hold a password.
    pub excerpt: Option<Excerpt>,
}

/// What is wrong, without the place.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Problem {
    /// The document cannot be read or resolved.
    #[error("{message}")]
    Document {
        /// The sentence of the parser.
        message: String,
    },
    /// Canton 2.10 has no such key.
    #[error("there is no such key{}", suggestion(nearest.as_deref(), known))]
    UnknownKey {
        /// The known key that looks most like it: a key of the same section, or a path.
        nearest: Option<String>,
        /// The keys of the section.
        known: Vec<&'static str>,
    },
    /// A value of another type.
    #[error("expected {expected}, found {found}")]
    WrongType {
        /// What the key takes, with an example.
        expected: String,
        /// The type that was found.
        found: &'static str,
    },
    /// A value of the right type that the key does not take.
    #[error("{value:?} is not {expected}{}", did_you_mean(nearest.as_deref()))]
    Malformed {
        /// The value, shortened.
        value: String,
        /// What the key takes, with an example.
        expected: String,
        /// The allowed word that looks most like it.
        nearest: Option<String>,
    },
    /// A secret that the key does not take; its value is not shown.
    #[error("the value is not {expected}")]
    MalformedSecret {
        /// What the key takes.
        expected: String,
    },
    /// A number or duration out of its range.
    #[error("{value} is out of range; {expected}")]
    OutOfRange {
        /// The value.
        value: String,
        /// The range.
        expected: String,
    },
    /// A key that has to be set.
    #[error("`{key}` is missing; {remedy}")]
    Missing {
        /// The key, below the path of the fault.
        key: String,
        /// What to write.
        remedy: String,
    },
    /// A key that has no place here.
    #[error("this key cannot be set here: {reason}")]
    Refused {
        /// Why, and what to do.
        reason: String,
    },
    /// Canton has it and Cantle has not.
    #[error("{what} is not supported by Cantle; {remedy}")]
    Unsupported {
        /// What it is.
        what: String,
        /// What to do instead.
        remedy: String,
    },
    /// It is not there yet in this version of Cantle.
    #[error("{what} is not supported by this version of Cantle; {remedy}")]
    NotYet {
        /// What it is.
        what: String,
        /// What to do instead.
        remedy: String,
    },
    /// Two places of the configuration do not go together.
    #[error("{what}; {remedy}")]
    Contradiction {
        /// What does not go together.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// Something that can exist once is used twice.
    #[error("{what} is used by {first} too, at {first_origin}; {remedy}")]
    Duplicate {
        /// The thing.
        what: String,
        /// Who used it first.
        first: String,
        /// Where that was written.
        first_origin: Origin,
        /// What to do.
        remedy: String,
    },
    /// A safety that only `canton.parameters.non-standard-config = yes` takes away.
    #[error("{what}; if that is meant, set canton.parameters.non-standard-config = yes")]
    NeedsNonStandardConfig {
        /// What it takes away.
        what: String,
    },
    /// A file that cannot be read.
    #[error("the file {path:?} cannot be read: {reason}; paths are relative to the working directory")]
    Unreadable {
        /// The path as it was written.
        path: String,
        /// What the operating system said.
        reason: String,
    },
}

impl Problem {
    /// The stable code of the problem, an entry of `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Document { .. } => "config-document",
            Self::UnknownKey { .. } => "config-unknown-key",
            Self::WrongType { .. } => "config-wrong-type",
            Self::Malformed { .. } | Self::MalformedSecret { .. } => "config-malformed",
            Self::OutOfRange { .. } => "config-out-of-range",
            Self::Missing { .. } => "config-missing",
            Self::Refused { .. } => "config-refused",
            Self::Unsupported { .. } => "config-unsupported",
            Self::NotYet { .. } => "config-not-yet",
            Self::Contradiction { .. } => "config-contradiction",
            Self::Duplicate { .. } => "config-duplicate",
            Self::NeedsNonStandardConfig { .. } => "config-non-standard",
            Self::Unreadable { .. } => "config-unreadable",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if let Some(path) = &self.path {
            write!(f, "{path}: ")?;
        }
        write!(f, "{}", self.problem)
    }
}

impl std::error::Error for Fault {}

impl ConfigErrors {
    pub(crate) fn single(fault: Fault) -> Self {
        Self { faults: vec![fault], omitted: 0 }
    }

    /// Sorts the faults by place; `None` if there are none.
    pub(crate) fn from_faults(mut faults: Vec<Fault>) -> Option<Self> {
        faults.sort_by(|a, b| {
            let place = |fault: &Fault| {
                (fault.origin.source().to_owned(), fault.origin.line(), fault.origin.column())
            };
            place(a).cmp(&place(b)).then_with(|| a.path.cmp(&b.path))
        });
        let omitted = faults.len().saturating_sub(SHOWN);
        faults.truncate(SHOWN);
        (!faults.is_empty()).then_some(Self { faults, omitted })
    }

    /// The faults, ordered by file, line and column; the first 200 of them.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.faults.len() + self.omitted
    }

    /// How many are not listed, because there are too many.
    #[must_use]
    pub fn omitted(&self) -> usize {
        self.omitted
    }

    /// Never true: there is at least one fault.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fault) in self.faults.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{fault}")?;
        }
        if self.omitted > 0 {
            write!(f, "\n… and {} more", self.omitted)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

impl From<cantle_hocon::Errors> for ConfigErrors {
    /// The order of the parser is kept: its first error is the one that matters most.
    fn from(errors: cantle_hocon::Errors) -> Self {
        let faults = errors
            .into_iter()
            .map(|error| Fault {
                origin: error.origin().clone(),
                path: None,
                problem: Problem::Document { message: error.message().to_owned() },
                excerpt: error.excerpt().cloned(),
            })
            .collect();
        Self { faults, omitted: 0 }
    }
}

/// The first characters of a text, for a message.
pub(crate) fn shortened(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|key| format!("; did you mean `{key}`?")).unwrap_or_default()
}

fn suggestion(nearest: Option<&str>, known: &[&str]) -> String {
    match nearest {
        Some(_) => did_you_mean(nearest),
        None if known.is_empty() => "; remove it".to_owned(),
        None => format!("; the keys here are {}", list(known)),
    }
}

/// `one of a, b and c`, or the only word there is.
pub(crate) fn one_of(words: &[&str]) -> String {
    match words {
        [only] => format!("`{only}`"),
        words => format!("one of {}", list(words)),
    }
}

/// `a, b and c`, the first ten of them.
pub(crate) fn list(words: &[&str]) -> String {
    const SHOWN: usize = 10;
    let quoted: Vec<String> = words.iter().take(SHOWN).map(|word| format!("`{word}`")).collect();
    match (words.len(), quoted.split_last()) {
        (_, None) => String::new(),
        (n, _) if n > SHOWN => format!("{} and {} more", quoted.join(", "), n - SHOWN),
        (_, Some((last, []))) => last.clone(),
        (_, Some((last, rest))) => format!("{} and {last}", rest.join(", ")),
    }
}
