//! Documents and what Lightbend's `com.typesafe:config` 1.4.3 makes of them.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use cantle_hocon::{Budgets, ErrorKind, Errors, Loader, Value};
use serde_json::Value as Json;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn load(text: &str) -> Result<Value, Errors> {
    Loader::new().text("t", text).environment([("HC_ENV", "envval"), ("HC_PORT", "8443")]).load()
}

fn json(text: &str) -> String {
    load(text).unwrap().to_json()
}

fn kind(text: &str) -> ErrorKind {
    load(text).unwrap_err().first().kind()
}

#[test]
fn every_fixture_is_read_as_by_lightbends_library() {
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
        let loaded =
            Loader::new().file(&path).environment([("HC_ENV", "envval"), ("HC_PORT", "8443")]).load();
        let got = match &loaded {
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

#[test]
fn later_sources_win_and_everything_is_resolved_once() {
    let value = Loader::new()
        .text("a", "base = 1, x { y = ${base}, z = 2 }")
        .text("b", "base = 3, x.z = 4")
        .setting("x.w", "5")
        .setting("base", "7")
        .load()
        .unwrap();
    assert_eq!(value.to_json(), r#"{"base":"7","x":{"w":"5","y":"7","z":4}}"#);
}

#[test]
fn self_references_look_back() {
    assert_eq!(json("a = 1\na = ${a}2\na = ${a}3"), r#"{"a":"123"}"#);
    assert_eq!(json("a : { b : 1 }\na : ${a} { c : 2 }\na.d = ${a.c}"), r#"{"a":{"b":1,"c":2,"d":2}}"#);
    assert_eq!(json("a = ${?a}x"), r#"{"a":"x"}"#);
    assert_eq!(kind("a = ${a}"), ErrorKind::UnresolvedSubstitution);
    assert_eq!(json("l = [1]\nl = ${l} [2]\nl += 3"), r#"{"l":[1,2,3]}"#);
}

#[test]
fn all_missing_substitutions_are_named_with_their_places() {
    let errors = load("a = ${nope}\nb { c = ${nada} }\nd = ${?fine}\ne = ${a}").unwrap_err();
    let places: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(places.len(), 2, "{places:?}");
    assert!(places.iter().any(|text| text.starts_with("t:1:5") && text.contains("${nope}")), "{places:?}");
    assert!(places.iter().any(|text| text.starts_with("t:2:9") && text.contains("${nada}")), "{places:?}");
}

#[test]
fn every_value_has_the_place_it_was_written_at() {
    let value = load("a {\n  b = 1\n}\na.c = ${HC_ENV}\n").unwrap();
    let at = |path: &str| value.lookup(&path.parse_path()).unwrap().origin.to_string();
    assert_eq!(at("a.b"), "t:2:7");
    assert_eq!(at("a.c"), "environment variable HC_ENV");
}

trait ParsePath {
    fn parse_path(&self) -> cantle_hocon::Path;
}

impl ParsePath for str {
    fn parse_path(&self) -> cantle_hocon::Path {
        cantle_hocon::Path::parse(self).unwrap()
    }
}

#[test]
fn errors_never_show_the_values_beside_them() {
    for text in ["password = \"hush", "password = hush$hush", "p = [hush,,]", "password = ${hush} ${x"] {
        let errors = load(text).unwrap_err();
        assert!(!errors.to_string().contains("hush") || text.contains("${hush}"), "{errors}");
        assert!(!format!("{errors:?}").contains("= hush"), "{errors:?}");
    }
}

#[test]
fn hostile_documents_are_errors_within_the_budgets() {
    let deep = "a{".repeat(100_000);
    assert_eq!(kind(&deep), ErrorKind::BudgetExceeded);
    assert_eq!(kind(&format!("a={}", "[".repeat(100_000))), ErrorKind::BudgetExceeded);
    assert_eq!(kind(&format!("{}=1", "a.".repeat(100_000) + "b")), ErrorKind::BudgetExceeded);
    let mut bomb = "a0 = xxxxxxxxxxxxxxxx\n".to_owned();
    let mut lists = "a0 = [1,2,3,4]\n".to_owned();
    let mut chain = "c0 = 1\n".to_owned();
    for i in 1..60 {
        bomb.push_str(&format!("a{i} = ${{a{}}}${{a{}}}\n", i - 1, i - 1));
        lists.push_str(&format!("a{i} = ${{a{}}} ${{a{}}}\n", i - 1, i - 1));
    }
    for i in 1..20_000 {
        chain.push_str(&format!("c{i} = ${{c{}}}\n", i - 1));
    }
    assert_eq!(kind(&bomb), ErrorKind::BudgetExceeded);
    assert_eq!(kind(&lists), ErrorKind::BudgetExceeded);
    let small = Budgets::default();
    assert!(matches!(
        Loader::new().text("t", chain).budgets(small).load().map_err(|errors| errors.first().kind()),
        Ok(_) | Err(ErrorKind::BudgetExceeded)
    ));
}

#[test]
fn a_missing_file_is_an_error_with_its_name() {
    let errors = Loader::new().file("/no/such/file.conf").load().unwrap_err();
    assert_eq!(errors.first().kind(), ErrorKind::Io);
    assert!(errors.to_string().contains("/no/such/file.conf"), "{errors}");
}

mod hostile {
    use proptest::prelude::*;

    use super::load;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,80}") {
            let _ = load(&text);
        }

        #[test]
        fn no_soup_of_tokens_makes_it_panic(
            tokens in proptest::collection::vec(
                prop_oneof![
                    Just("{"), Just("}"), Just("["), Just("]"), Just("="), Just(":"), Just("+="), Just(","),
                    Just("\n"), Just(" "), Just("a"), Just("b"), Just("a.b"), Just("1"), Just("0x"), Just("\"q\""),
                    Just("\"\"\"t\"\"\""), Just("${a}"), Just("${?b}"), Just("${a.b}"), Just("null"), Just("true"),
                    Just("include "), Just("//c\n"), Just("#c\n"), Just("$"), Just("\\"),
                ],
                0..40,
            )
        ) {
            let text = tokens.concat();
            if let Ok(value) = load(&text) {
                // What was read once reads again as the same.
                let json = value.to_json();
                let again = load(&json).unwrap();
                prop_assert_eq!(again.to_json(), json);
            }
        }
    }
}
