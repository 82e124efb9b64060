//! Documents written to exhaust whoever reads them: an error within the budgets, never a crash or a hang.

use std::fmt::Write as _;

use cantle_hocon::{Budgets, ErrorKind, Loader};
use proptest::prelude::*;

use crate::{json, kind, load};

/// The kind of the first error under budgets that are reached soon.
fn kind_within_little(text: String) -> Option<ErrorKind> {
    let mut budgets = Budgets::default();
    budgets.steps = 200_000;
    budgets.output_bytes = 1 << 20;
    let loaded = Loader::new().text("t", text).budgets(budgets).load();
    loaded.err().map(|errors| errors.first().kind())
}

/// Sixty lines, each made from the one before it.
fn tower(first: &str, line: impl Fn(usize, usize) -> String) -> String {
    let mut text = format!("{first}\n");
    for i in 1..60 {
        writeln!(text, "{}", line(i, i - 1)).unwrap();
    }
    text
}

#[test]
fn deep_nesting_is_refused() {
    for text in [
        "a{".repeat(100_000),
        format!("a={}", "[".repeat(100_000)),
        format!("{}b=1", "a.".repeat(100_000)),
        "${".repeat(100_000),
        "a=${".repeat(100_000),
        format!("a={}", "{a=[".repeat(100_000)),
    ] {
        assert_eq!(kind(&text), ErrorKind::BudgetExceeded);
    }
    let long = "a.".repeat(200);
    let nested = format!("{long}b {{ {long}c {{ {long}d = 1 }}}}");
    assert_eq!(kind(&nested), ErrorKind::BudgetExceeded);
    assert_eq!(json("a.b.c.d.e = 1"), r#"{"a":{"b":{"c":{"d":{"e":1}}}}}"#);
}

#[test]
fn values_that_double_are_refused() {
    let exceeded = Some(ErrorKind::BudgetExceeded);
    let doubled = tower("a0 = xxxxxxxxxxxxxxxx", |i, j| format!("a{i} = ${{a{j}}}${{a{j}}}"));
    assert_eq!(kind_within_little(doubled), exceeded);
    let lists = tower("a0 = [1, 2]", |i, j| format!("a{i} = ${{a{j}}} ${{a{j}}}"));
    assert_eq!(kind_within_little(lists), exceeded);
    let objects = tower("a0 { x = 1 }", |i, j| format!("a{i} {{ l = ${{a{j}}}, r = ${{a{j}}} }}"));
    assert_eq!(kind_within_little(objects), exceeded);
    let nothing = tower("", |i, j| format!("a{i} = ${{?a{j}}}${{?a{j}}}"));
    assert_eq!(kind_within_little(nothing), exceeded);
    let itself = tower("a = x", |_, _| "a = ${a}${a}".to_owned());
    assert_eq!(kind_within_little(itself), exceeded);
    let appended = tower("a = []", |_, _| "a += ${a}".to_owned());
    assert_eq!(kind_within_little(appended), exceeded);
}

#[test]
fn long_chains_are_refused() {
    let chain: String = (1..20_000).map(|i| format!("c{i} = ${{c{}}}\n", i - 1)).collect();
    assert_eq!(kind(&format!("c0 = 1\n{chain}")), ErrorKind::BudgetExceeded);
    let appends: String = (0..20_000).map(|i| format!("a += {i}\n")).collect();
    assert_eq!(kind(&appends), ErrorKind::BudgetExceeded);
    let itself = format!("a = 1\n{}", "a = ${a}x\n".repeat(2000));
    assert_eq!(kind(&itself), ErrorKind::BudgetExceeded);
}

#[test]
fn a_source_over_the_limit_is_not_read() {
    let mut budgets = Budgets::default();
    budgets.input_bytes = 1000;
    let load = |text: String| Loader::new().text("t", text).budgets(budgets.clone()).load();
    let errors = load(format!("a = {}", "x".repeat(1000))).unwrap_err();
    assert_eq!(errors.first().kind(), ErrorKind::BudgetExceeded);
    assert!(load(format!("a = {}", "x".repeat(900))).is_ok());
}

/// The message of the first error with so many values allowed.
fn refused_beyond(values: usize, loader: Loader) -> Option<String> {
    let mut budgets = Budgets::default();
    budgets.values = values;
    let errors = loader.budgets(budgets).load().err()?;
    assert_eq!(errors.first().kind(), ErrorKind::BudgetExceeded);
    Some(errors.first().to_string())
}

#[test]
fn more_values_than_a_configuration_has_are_refused() {
    let text = |text: String| Loader::new().text("t", text);
    let error = refused_beyond(250_000, text(format!("a = [{}]", "1,".repeat(3_000_000)))).unwrap();
    assert!(error.contains("more than 250000 values"), "{error}");
    // A list, an object, pieces of a text, a path: the values are counted whatever they are in, and all sources together.
    for (document, values) in [
        ("a = [1, 2, 3]", 4),
        ("a { b = 1, c = 2 }", 3),
        ("a = x y z", 5),
        ("a.b.c = 1", 3),
        ("a = 1\na = 2\na = ${a}", 3),
    ] {
        assert_eq!(refused_beyond(values, text(document.to_owned())), None, "{document}");
        assert!(refused_beyond(values - 1, text(document.to_owned())).is_some(), "{document}");
    }
    let sources = || Loader::new().text("t", "a = 1, b = 2").text("u", "c = 3").setting("d.e", "4");
    assert_eq!(refused_beyond(5, sources()), None);
    assert!(refused_beyond(4, sources()).is_some());
}

#[test]
fn large_flat_documents_are_read() {
    let keys: String = (0..5000).map(|i| format!("k.a{i} = {i}\nr.a{i} = ${{k.a{i}}}\n")).collect();
    assert_eq!(load(&keys).unwrap().as_object().unwrap().len(), 2);
    assert_eq!(json(&format!("a = {}", "x ".repeat(50_000))).len(), 100_000 - 1 + 8);
    assert_eq!(json(&format!("a = [1] {}", "x ".repeat(50_000))), r#"{"a":[1]}"#);
}

#[test]
fn keys_of_one_hash_are_found() {
    let mut keys = String::new();
    for i in 0..2048_u32 {
        for bit in 0..11 {
            keys.push_str(if i >> bit & 1 == 1 { "Aa" } else { "BB" });
        }
        writeln!(keys, " = {i}").unwrap();
    }
    let value = load(&keys).unwrap();
    assert_eq!(value.as_object().unwrap().len(), 2048);
}

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
