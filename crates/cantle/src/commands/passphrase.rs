//! The passphrase of an export file: from a file, the environment, or the terminal.

use std::{io::IsTerminal, path::Path};

use cantle_node::SHORTEST_PASSPHRASE;
use zeroize::Zeroizing;

use crate::failure::Failure;

const VARIABLE: &str = "CANTLE_EXPORT_PASSPHRASE";

/// How often a terminal is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// For a file that exists.
    Once,
    /// For a file to come: a typing error would lose it.
    Twice,
}

/// Reads it: the first line of a file, else the environment, else the terminal.
pub(super) fn read(file: Option<&Path>, asked: Asked) -> Result<Zeroizing<String>, Failure> {
    let given = match (file, std::env::var(VARIABLE)) {
        (Some(path), _) => {
            let text = std::fs::read_to_string(path).map(Zeroizing::new).map_err(|error| {
                usage(&format!("the passphrase file {} cannot be read: {error}", path.display()))
            })?;
            Zeroizing::new(text.lines().next().unwrap_or_default().to_owned())
        }
        (None, Ok(variable)) => Zeroizing::new(variable),
        (None, Err(_)) if std::io::stdin().is_terminal() => from_terminal(asked)?,
        (None, Err(_)) => {
            return Err(usage(&format!(
                "the export file needs a passphrase: --passphrase-file FILE, or {VARIABLE} in the environment"
            )));
        }
    };
    if given.len() < SHORTEST_PASSPHRASE {
        return Err(usage(&format!(
            "the passphrase is too short: {SHORTEST_PASSPHRASE} characters at least, for the private keys of a node"
        )));
    }
    Ok(given)
}

fn from_terminal(asked: Asked) -> Result<Zeroizing<String>, Failure> {
    let ask = |prompt: &str| {
        rpassword::prompt_password(prompt)
            .map(Zeroizing::new)
            .map_err(|error| usage(&format!("the passphrase cannot be read: {error}")))
    };
    let first = ask("Passphrase of the export file: ")?;
    if asked == Asked::Twice && *ask("Once more: ")? != *first {
        return Err(usage("the two passphrases differ"));
    }
    Ok(first)
}

fn usage(problem: &str) -> Failure {
    Failure::Usage(format!("error: {problem}"))
}
