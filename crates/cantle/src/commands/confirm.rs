//! Asking before something that cannot be taken back.

use std::io::{IsTerminal, Write};

/// Whether the operator says yes: beforehand, or at the terminal.
pub(super) fn confirmed(yes: bool, what: &str) -> bool {
    if yes {
        return true;
    }
    if !std::io::stdin().is_terminal() {
        eprintln!("not confirmed: add --yes to {what}");
        return false;
    }
    eprint!("{what}? Type yes: ");
    let mut answer = String::new();
    let asked = std::io::stderr().flush().and_then(|()| std::io::stdin().read_line(&mut answer));
    asked.is_ok() && answer.trim() == "yes"
}
