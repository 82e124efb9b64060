//! Why a command or a value operation did not do what a script asked.

use thiserror::Error;

/// What went wrong, in the words that the user sees under the caret.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub(crate) enum Failure {
    /// A node refused or did not answer.
    #[error("{node}: {command} failed: {code}: {message}")]
    Node { node: String, command: String, code: &'static str, message: String },
    /// The cancel key was pressed.
    #[error("{command} was cancelled")]
    Cancelled { command: String },
    /// An argument has the wrong shape.
    #[error("{command}: argument `{argument}` {cause}\n  {signature}")]
    Argument { command: String, argument: String, cause: String, signature: String },
    /// Too many, too few, unknown or repeated arguments.
    #[error("{command}: {cause}\n  {signature}")]
    Arity { command: String, cause: String, signature: String },
    /// An attribute that is not there.
    #[error("{subject} has no {what} `{name}`{suggestion}")]
    NoAttribute { subject: String, what: &'static str, name: String, suggestion: String },
    /// A command of other kinds of node.
    #[error("{node} is {kind}: `{command}` is there for {kinds} only")]
    OtherKind { node: String, kind: &'static str, command: String, kinds: String },
    /// An operation on a value.
    #[error("{cause}")]
    Value { cause: String },
    /// A file could not be read or written.
    #[error("cannot {action} {path}: {cause}")]
    File { action: &'static str, path: String, cause: String },
}

impl Failure {
    pub(crate) fn value(cause: impl Into<String>) -> Self {
        Self::Value { cause: cause.into() }
    }

    /// The failure inside an error of Starlark's, or its text as one.
    pub(crate) fn from_starlark(error: &starlark::Error) -> Self {
        use starlark::ErrorKind;
        let inner = match error.kind() {
            ErrorKind::Native(inner) | ErrorKind::Other(inner) | ErrorKind::Value(inner) => Some(inner),
            _ => None,
        };
        match inner.and_then(|inner| inner.downcast_ref::<Self>()) {
            Some(failure) => failure.clone(),
            None => Self::value(error.without_diagnostic().to_string()),
        }
    }

    pub(crate) fn into_starlark(self) -> starlark::Error {
        starlark::Error::new_native(self)
    }
}

/// `; did you mean …?` for the nearest of `candidates`, or nothing.
pub(crate) fn suggestion<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let plain = |text: &str| text.to_ascii_lowercase().replace(['_', '-'], "");
    let wanted = plain(name);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() < 100)
        .map(|candidate| (distance(&wanted, &plain(candidate)), candidate))
        .filter(|(distance, _)| *distance <= 1 + wanted.len() / 4)
        .min()
        .map_or_else(String::new, |(_, candidate)| format!("; did you mean `{candidate}`?"))
}

/// Insertions, deletions and replacements between two short texts.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<u8> = b.bytes().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (index, left) in a.bytes().take(100).enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, right) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::suggestion;

    #[test]
    fn the_nearest_name_is_suggested() {
        let names = ["register_kms_signing_key", "register_kms_encryption_key", "list"];
        assert_eq!(suggestion("registerKmsSigningKey", names), "; did you mean `register_kms_signing_key`?");
        assert_eq!(suggestion("lits", names), "; did you mean `list`?");
        assert_eq!(suggestion("something_else", names), "");
    }
}
