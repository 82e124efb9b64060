//! Whether the tests that docs/reliability.md names are there: a promise that points at a test that was renamed is none.

use std::{fs, path::Path};

use anyhow::Context;

/// The names of tests in a table: what stands in backticks and ends in a path of Rust.
fn named(page: &str) -> Vec<String> {
    let (_, table) = page.split_once("## What each promise rests on\n").unwrap_or_default();
    let table = table.split("\n## ").next().unwrap_or_default();
    let rows = table.lines().filter(|line| line.starts_with('|'));
    let words = rows.flat_map(|row| row.split('`').skip(1).step_by(2));
    words
        .filter_map(|word| word.rsplit("::").next())
        .filter(|name| name.contains('_'))
        .map(str::to_owned)
        .collect()
}

/// All sources of a folder, one after the other.
fn sources(folder: &Path, text: &mut String) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            sources(&path, text)?;
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            text.push_str(&fs::read_to_string(path)?);
        }
    }
    Ok(())
}

#[test]
fn the_tests_that_the_page_names_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(root.join("docs/reliability.md")).unwrap();
    let mut text = String::new();
    sources(&root.join("crates"), &mut text).unwrap();
    let named = named(&page);
    assert!(named.len() > 20, "{named:?}");
    for number in 1..=10 {
        assert!(page.contains(&format!("\n| {number} | ")), "no row for point {number}");
    }
    for name in named {
        assert!(
            text.contains(&format!("fn {name}(")),
            "docs/reliability.md names the test {name}, which is not there"
        );
    }
}
