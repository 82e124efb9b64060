//! The fixtures; their formats are described beside them.

use std::path::{Path, PathBuf};

use cantle_hocon::{Errors, Loader, Value};
use serde_json::Value as Json;

use crate::ENVIRONMENT;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

#[test]
fn every_document_is_read_as_by_lightbends_library() {
    let folder = fixtures();
    let expected = std::fs::read_to_string(folder.join("expected.json")).unwrap();
    let expected: serde_json::Map<String, Json> = serde_json::from_str(&expected).unwrap();
    assert!(expected.len() >= 52);
    let temporary = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for (name, expected) in &expected {
        let mut path = folder.join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        if text.contains("@DIR@") {
            path = temporary.path().join(name);
            std::fs::write(&path, text.replace("@DIR@", folder.to_str().unwrap())).unwrap();
        }
        let got = match Loader::new().file(&path).environment(ENVIRONMENT).load() {
            Ok(value) => {
                serde_json::json!({"resolved": serde_json::from_str::<Json>(&value.to_json()).unwrap()})
            }
            Err(errors) => serde_json::json!({"error": errors.first().kind().name()}),
        };
        if got != *expected {
            wrong.push(format!("{name}: expected {expected}, got {got}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// One document of `lightbend/*.txt`.
struct Case<'a> {
    name: &'a str,
    files: Vec<(&'a str, String)>,
    settings: Vec<(&'a str, &'a str)>,
    answer: &'a str,
}

fn cases(text: &str) -> impl Iterator<Item = Case<'_>> {
    text.split("=== ").skip(1).map(|block| {
        let (name, rest) = block.split_once('\n').unwrap();
        let rest = rest.strip_prefix("--- ").unwrap();
        let mut case = Case { name, files: Vec::new(), settings: Vec::new(), answer: "" };
        for part in rest.split("\n--- ") {
            let (name, body) = part.split_once('\n').unwrap_or((part, ""));
            match (name, name.strip_suffix(" escaped")) {
                ("settings", _) => case.settings = body.lines().map(|l| l.split_once('=').unwrap()).collect(),
                ("lightbend", _) => case.answer = body.trim_end_matches('\n'),
                (_, Some(name)) => case.files.push((name, unescaped(body))),
                _ => case.files.push((name, format!("{body}\n"))),
            }
        }
        case
    })
}

fn unescaped(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        let (escape, rest) = part.split_at(1);
        match escape {
            "u" => {
                let (code, rest) = rest.strip_prefix('{').unwrap().split_once('}').unwrap();
                out.push(char::from_u32(u32::from_str_radix(code, 16).unwrap()).unwrap());
                out.push_str(rest);
                continue;
            }
            "n" => out.push('\n'),
            "r" => out.push('\r'),
            "t" => out.push('\t'),
            other => panic!("the escape \\{other}"),
        }
        out.push_str(rest);
    }
    out
}

fn loaded(case: &Case<'_>) -> Result<Value, Errors> {
    let folder = tempfile::tempdir().unwrap();
    let mut loader = Loader::new().environment(ENVIRONMENT);
    for (name, text) in &case.files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text.replace("@DIR@", folder.path().to_str().unwrap())).unwrap();
        if ["main", "second", "third"].contains(&name.split('.').next().unwrap()) {
            loader = loader.file(path);
        }
    }
    for (path, value) in &case.settings {
        loader = loader.setting(*path, *value);
    }
    loader.load()
}

fn check(file: &str, at_least: usize) {
    let text = std::fs::read_to_string(fixtures().join("lightbend").join(file)).unwrap();
    let mut wrong = Vec::new();
    let mut count = 0;
    for case in cases(&text) {
        count += 1;
        let got = match loaded(&case) {
            Ok(value) => format!("value {}", value.to_json()),
            Err(errors) => format!("error {}", errors.first().kind().name()),
        };
        if got != case.answer {
            wrong.push(format!("{}:\n  expected {}\n  got      {got}", case.name, case.answer));
        }
    }
    assert!(wrong.is_empty(), "{file}: {}", wrong.join("\n"));
    assert!(count >= at_least, "{file} has {count} documents");
}

#[test]
fn includes_are_read_as_by_lightbends_library() {
    check("include.txt", 29);
}

#[test]
fn numbers_are_read_and_written_as_by_lightbends_library() {
    check("numbers.txt", 10);
}

#[test]
fn self_references_are_resolved_as_by_lightbends_library() {
    check("self-reference.txt", 22);
}

#[test]
fn sources_and_settings_are_merged_as_by_lightbends_library() {
    check("sources.txt", 17);
}

#[test]
fn substitutions_are_resolved_as_by_lightbends_library() {
    check("substitution.txt", 22);
}

#[test]
fn syntax_is_read_as_by_lightbends_library() {
    check("syntax.txt", 39);
}

#[test]
fn generated_documents_are_read_as_by_lightbends_library() {
    check("generated.txt", 250);
}
