//! What errors say: all of them, each with its place, none with a value.

use cantle_hocon::{Budgets, ErrorKind, Loader};

use crate::load;

fn places(text: &str) -> Vec<String> {
    load(text).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn all_missing_substitutions_are_named_with_their_places() {
    let places = places("a = ${nope}\nb { c = ${nada} }\nd = ${?fine}\ne = ${a}");
    assert_eq!(places.len(), 2, "{places:?}");
    assert!(places.iter().any(|text| text.starts_with("t:1:5") && text.contains("${nope}")), "{places:?}");
    assert!(places.iter().any(|text| text.starts_with("t:2:9") && text.contains("${nada}")), "{places:?}");
}

#[test]
fn errors_of_all_sources_and_includes_are_found_at_once() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("one.conf"), "include \"inc.conf\"\na = ${b..c}\nb = [1] \"x\"\n")
        .unwrap();
    std::fs::write(folder.path().join("inc.conf"), "x = 1\ny = ${}\n").unwrap();
    std::fs::write(folder.path().join("two.conf"), "a = 1\n  b = x^y\n").unwrap();
    let errors = Loader::new()
        .file(folder.path().join("one.conf"))
        .file(folder.path().join("two.conf"))
        .setting("a..b", "1")
        .load()
        .unwrap_err();
    let found: Vec<_> = errors
        .iter()
        .map(|error| {
            let origin = error.origin();
            let name = origin.source().rsplit('/').next().unwrap().to_owned();
            (name, origin.line().unwrap_or(0), origin.column().unwrap_or(0), error.kind())
        })
        .collect();
    let expected = [
        ("inc.conf", 2, 5, ErrorKind::BadPath),
        ("one.conf", 2, 5, ErrorKind::BadPath),
        ("one.conf", 3, 5, ErrorKind::WrongType),
        ("two.conf", 2, 8, ErrorKind::Parse),
        ("-C", 0, 0, ErrorKind::BadPath),
    ];
    assert_eq!(found, expected.map(|(name, line, column, kind)| (name.to_owned(), line, column, kind)));
}

#[test]
fn a_required_include_that_is_missing_is_an_error_at_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("main.conf");
    for name in ["\"nothing.conf\"", "\"nothing\"", "file(\"/no/such/nothing.conf\")"] {
        std::fs::write(&path, format!("a = 1\nb {{ include required({name}) }}\n")).unwrap();
        let errors = Loader::new().file(&path).load().unwrap_err();
        let error = errors.first();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert_eq!((error.origin().source(), error.origin().line()), (path.to_str().unwrap(), Some(2)));
        assert!(error.message().contains("nothing"), "{error}");
        assert_eq!(error.origin().column(), Some(5));
    }
}

#[test]
fn an_exhausted_budget_comes_after_the_errors_before_it() {
    let mut budgets = Budgets::default();
    budgets.input_bytes = 40;
    let errors =
        Loader::new().text("a", "a = ${b..c}").text("b", "x".repeat(50)).budgets(budgets).load().unwrap_err();
    let kinds: Vec<_> = errors.iter().map(cantle_hocon::Error::kind).collect();
    assert_eq!(kinds, [ErrorKind::BadPath, ErrorKind::BudgetExceeded]);
}

#[test]
fn of_very_many_errors_the_first_are_shown() {
    let errors = load(&"a = ${b..c}\n".repeat(5000)).unwrap_err();
    assert_eq!(errors.iter().count(), Budgets::ERRORS + 1);
    assert_eq!(errors.iter().last().unwrap().kind(), ErrorKind::BudgetExceeded);
    let missing: String = (0..5000).map(|n| format!("a{n} = ${{b{n}}}\n")).collect();
    assert!(load(&missing).unwrap_err().iter().count() <= Budgets::ERRORS);
}

#[test]
fn an_error_shows_its_line_with_a_caret() {
    let errors = load("a = 1\nb = [1,,2]\n").unwrap_err();
    assert_eq!(errors.first().excerpt().unwrap().to_string(), "2 | b = [1,,2]\n  |        ^");
}

#[test]
fn a_cycle_of_includes_is_one_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.conf");
    let url = format!("include url(\"file:{}\")\n", path.display());
    for text in ["include \"a.conf\"\ninclude \"a.conf\"\n", &url] {
        std::fs::write(&path, text).unwrap();
        let errors = Loader::new().file(&path).load().unwrap_err();
        assert_eq!(errors.iter().map(cantle_hocon::Error::kind).collect::<Vec<_>>(), [ErrorKind::Parse]);
        assert!(errors.to_string().contains("cycle of includes"), "{errors}");
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
