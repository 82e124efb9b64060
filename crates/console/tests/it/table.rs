//! The table of commands in the documentation is the one that the console has.

use std::fs;

use cantle_console::commands;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/console-commands.md");

/// The page, from the commands.
fn page() -> String {
    let mut page = String::from(
        "# Commands of the console\n\n\
         Written by `UPDATE_DOCS=1 cargo test -p cantle-console --test it table` from the commands themselves. P participant, D domain,\n\
         M domain manager, S sequencer, R mediator. A command without parentheses is a property. What differs from Canton is in\n\
         [console.md](console.md).\n\n\
         | command | P | D | M | S | R | |\n|---|---|---|---|---|---|---|\n",
    );
    for command in commands() {
        let marks = command.kinds.map(|has| if has { "x" } else { "" }).join(" | ");
        let signature = command.signature.replace('|', "\\|");
        page.push_str(&format!("| `{signature}` | {marks} | {} |\n", command.doc.replace('|', "\\|")));
    }
    page
}

#[test]
fn the_page_of_commands_is_that_of_the_console() {
    let page = page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(PAGE, &page).unwrap();
    }
    let written = fs::read_to_string(PAGE).unwrap();
    assert!(
        written == page,
        "docs/console-commands.md is not that of the console: run this test with UPDATE_DOCS=1"
    );
}
