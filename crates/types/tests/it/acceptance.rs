//! Which texts Canton 2.10 accepts, as recorded from its own code (`fixtures/canton-2.10-acceptance.json`).

use cantle_types::{Fingerprint, KeyName, Member, UniqueIdentifier};
use serde_json::Value;

const VECTORS: &str = include_str!("../fixtures/canton-2.10-acceptance.json");

fn cases(kind: &str) -> Vec<Value> {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let all = vectors["acceptance"].as_array().unwrap();
    let found: Vec<_> = all.iter().filter(|case| case["kind"] == kind).cloned().collect();
    assert!(!found.is_empty(), "no vectors of kind {kind}");
    found
}

fn input(case: &Value) -> &str {
    case["input"].as_str().unwrap()
}

fn accepted(case: &Value) -> bool {
    case["accepted"].as_bool().unwrap()
}

/// `<len 188>x::c` stands for a text of 188 characters that ends with `x::c`.
fn expanded(input: &str) -> String {
    match input.strip_prefix("<len ").and_then(|rest| rest.split_once('>')) {
        Some((length, end)) => "x".repeat(length.parse::<usize>().unwrap() - end.len()) + end,
        None => input.to_owned(),
    }
}

#[test]
fn unique_identifiers_are_accepted_and_split_as_by_canton() {
    for case in cases("unique identifier") {
        let text = expanded(input(&case));
        let parsed = text.parse::<UniqueIdentifier>();
        assert_eq!(parsed.is_ok(), accepted(&case), "{text:?}: {parsed:?}");
        let Ok(uid) = parsed else { continue };
        assert_eq!(uid.as_str(), text);
        if let Some(id) = case["id"].as_str() {
            assert_eq!(uid.identifier().as_str(), id, "{text:?}");
        }
        let namespace = case["namespace"].as_str().unwrap();
        assert!(uid.namespace().as_str().starts_with(namespace), "{text:?}");
    }
}

#[test]
fn members_are_accepted_as_by_canton() {
    for case in cases("member") {
        let parsed = input(&case).parse::<Member>();
        assert_eq!(parsed.is_ok(), accepted(&case), "{:?}: {parsed:?}", input(&case));
        if let Ok(member) = parsed {
            assert_eq!(member.to_string(), input(&case));
        }
    }
}

#[test]
fn key_names_are_accepted_as_by_canton() {
    for case in cases("key name") {
        let length = input(&case).strip_prefix("len ").unwrap().parse().unwrap();
        let text = "\n".repeat(length);
        assert_eq!(text.parse::<KeyName>().is_ok(), accepted(&case), "{length} characters");
    }
}

#[test]
fn fingerprints_are_accepted_as_by_canton() {
    for case in cases("fingerprint") {
        // `'text' len 68`: the quoted text, or its first character as often as the length says.
        let (text, length) = input(&case).rsplit_once(" len ").unwrap();
        let (text, length) = (text.trim_matches('\''), length.parse::<usize>().unwrap());
        let text = if text.len() == length { text.to_owned() } else { text[..1].repeat(length) };
        assert_eq!(text.parse::<Fingerprint>().is_ok(), accepted(&case), "{text:?}");
    }
}
