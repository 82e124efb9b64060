//! Asking before something that cannot be taken back.

use std::io::{IsTerminal, Write};

use crate::output::tell;

/// Whether the operator says yes: beforehand, or at the terminal.
pub(super) fn confirmed(yes: bool, what: &str) -> bool {
    if yes {
        return true;
    }
    if !std::io::stdin().is_terminal() {
        tell!("not confirmed: add --yes to {what}");
        return false;
    }
    let mut answer = String::new();
    let asked = write!(std::io::stderr(), "{what}? Type yes: ")
        .and_then(|()| std::io::stderr().flush())
        .and_then(|()| std::io::stdin().read_line(&mut answer));
    asked.is_ok() && answer.trim() == "yes"
}
