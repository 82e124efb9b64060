//! Sources to values: precedence, origins, the conversions of values.

use cantle_hocon::{ErrorKind, Loader, Path};

use crate::{json, kind, load};

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
fn settings_with_the_same_path_are_one_and_the_later_wins() {
    let value = Loader::new().setting("a", "1").setting("a", "2").setting("\"a\"", "3").load().unwrap();
    assert_eq!(value.to_json(), r#"{"a":"3"}"#);
}

#[test]
fn settings_between_files_have_the_precedence_of_their_place() {
    let value = Loader::new().setting("a", "1").text("t", "a = 2, b = ${a}").load().unwrap();
    assert_eq!(value.to_json(), r#"{"a":2,"b":2}"#);
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
fn every_value_has_the_place_it_was_written_at() {
    let value = load("a {\n  b = 1\n}\na.c = ${HC_ENV}\n").unwrap();
    let at = |path: &str| value.lookup(&Path::parse(path).unwrap()).unwrap().origin.to_string();
    assert_eq!(at("a.b"), "t:2:7");
    assert_eq!(at("a.c"), "environment variable HC_ENV");
}

#[test]
fn a_merged_object_has_the_place_of_the_one_with_priority() {
    let value = load("a { b = 1 }\na { c = 2 }\na.d = 3").unwrap();
    assert_eq!(value.as_object().unwrap().get("a").unwrap().origin.to_string(), "t:3:7");
}

#[test]
fn many_keys_of_one_object_are_all_there() {
    let lines: String = (0..3000).map(|n| format!("a.b{} = {n}\n", n % 1500)).collect();
    let value = load(&lines).unwrap();
    let object = value.as_object().unwrap().get("a").unwrap().as_object().unwrap();
    assert_eq!(object.len(), 1500);
    assert_eq!(object.get("b7").unwrap().to_text(), Some("1507"));
}

#[test]
fn hundreds_of_appends_make_one_list_in_order() {
    let lines: String = (0..400).map(|n| format!("a += {n}\n")).collect();
    let value = load(&lines).unwrap();
    let list = value.as_object().unwrap().get("a").unwrap().as_array().unwrap();
    let numbers: Vec<_> = list.iter().map(|number| number.to_number().unwrap().as_i64().unwrap()).collect();
    assert_eq!(numbers, (0..400).collect::<Vec<i64>>());
}

#[test]
fn printed_documents_read_as_the_same() {
    let text =
        "a = [1, 1.5, -0.0, 1e30, 4.9e-324, \"q\\u0001\\\"\", null, true], \"b.c\" { \"\" = \"x\\ny\" }";
    let value = load(text).unwrap();
    assert_eq!(load(&value.to_json()).unwrap(), value);
    assert_eq!(load(&value.to_json_pretty()).unwrap(), value);
}

#[test]
fn a_missing_file_is_an_error_with_its_name() {
    let errors = Loader::new().file("/no/such/file.conf").load().unwrap_err();
    assert_eq!(errors.first().kind(), ErrorKind::Io);
    assert!(errors.to_string().contains("/no/such/file.conf"), "{errors}");
}
