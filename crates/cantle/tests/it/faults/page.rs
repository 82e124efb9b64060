//! The tables in docs/reliability.md: made of what happened, and read back.

use std::{fmt::Write as _, fs, path::PathBuf};

use super::{making, rows::Row, running, site::Site};

const BEGIN: &str = "<!-- Written by the test `faults::`; see above. -->\n";
const END: &str = "<!-- End of what it writes. -->\n";

/// The tables, each with its operations.
pub(crate) const TABLES: [(&str, &[&str]); 5] = [
    ("The first start", &["CreateKey", "DescribeKey", "GetPublicKey", "Sign", "Decrypt"]),
    ("The first start of a node that may not list keys", &["CreateKey"]),
    ("The search for a key, the answer to whose CreateKey was lost", &["ListKeys", "ListResourceTags"]),
    ("Registration of keys that the operator made", &["DescribeKey", "GetPublicKey", "Decrypt"]),
    (
        "A node that runs",
        &[
            "Sign, of a ping",
            "Decrypt, of a ping",
            "Sign, by the domain in a ping",
            "Sign, of a topology transaction",
            "DescribeKey, by the watch over the keys",
            "DescribeKey, at another start",
        ],
    ),
];

/// What happened to one fault, table by table.
pub(crate) type Line = [Vec<String>; 5];

/// Lets one fault strike everything.
pub(crate) async fn line(site: &Site, row: Row) -> Line {
    let [first, _, search, _, _] = TABLES.map(|(_, operations)| operations);
    let first = futures::future::join_all(first.iter().map(|it| making::initialization(site, row, it)));
    let search = futures::future::join_all(search.iter().map(|it| making::search(site, row, it)));
    let registration = making::registration(site, row);
    let blind = making::without_listing(site, row);
    let (first, blind, search, registration, running) =
        futures::join!(first, blind, search, registration, running::all(site, row));
    let running =
        [running.sign, running.decrypt, running.of_domain, running.topology, running.probe, running.start];
    [first, vec![blind], search, registration.into(), running.into()]
}

fn page() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "..", "docs", "reliability.md"].iter().collect()
}

/// What stands between the marks.
pub(crate) fn written() -> String {
    let text = fs::read_to_string(page()).unwrap();
    let (_, rest) = text.split_once(BEGIN).expect("the page has the first mark");
    rest.split_once(END).expect("the page has the second mark").0.to_owned()
}

/// Replaces it.
pub(crate) fn write(tables: &str) {
    let text = fs::read_to_string(page()).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the page has the first mark");
    let (_, after) = rest.split_once(END).expect("the page has the second mark");
    fs::write(page(), format!("{before}{BEGIN}{tables}{END}{after}")).unwrap();
}

/// The head of a table.
pub(crate) fn head(title: &str, operations: &[&str]) -> String {
    format!(
        "\n**{title}**\n\n| fault | {} |\n|---|{}\n",
        operations.join(" | "),
        "---|".repeat(operations.len())
    )
}

/// A line of a table.
pub(crate) fn entry(row: Row, cells: &[String]) -> String {
    format!("| {} | {} |\n", row.title(), cells.join(" | "))
}

/// All tables.
pub(crate) fn tables(lines: &[(Row, Line)]) -> String {
    let mut text = String::new();
    for (index, (title, operations)) in TABLES.into_iter().enumerate() {
        text += &head(title, operations);
        for (row, line) in lines {
            text += &entry(*row, &line[index]);
        }
    }
    let cells: usize = lines.iter().flat_map(|(_, line)| line).flatten().filter(|cell| *cell != "–").count();
    // Writing to a String does not fail.
    let _ =
        writeln!(text, "\n{} faults, {cells} cells; after each: no key lost, none left over.\n", lines.len());
    text
}
