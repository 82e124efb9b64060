//! Every key of the tables with every shape of value: nothing panics, and no known key is unknown.

use cantle_hocon::{Kind as Shape, Object, Origin, Path, Value};

use crate::config::{Config, ROOT};
use crate::fault::Problem;
use crate::schema::{Kind, TAG};

fn value(shape: Shape) -> Value {
    Value::new(shape, Origin::new("test").at(1, 1))
}

fn text(text: &str) -> Value {
    value(Shape::String(text.to_owned()))
}

fn object(entries: impl IntoIterator<Item = (String, Value)>) -> Value {
    value(Shape::Object(entries.into_iter().collect::<Object>()))
}

/// Values of all shapes, good and bad ones.
fn shapes() -> Vec<Value> {
    let texts = ["", "5", "-1", "yes", "10 s", "Inf", "x", "1.5", "9223372036854775807", "{}", "\u{0}", "7"];
    let mut shapes: Vec<Value> = texts.into_iter().map(text).collect();
    shapes.push(value(Shape::Null));
    shapes.push(value(Shape::Bool(true)));
    shapes.push(value(Shape::Array(vec![])));
    shapes.push(value(Shape::Array(vec![text("x"), value(Shape::Null), object([])])));
    shapes.push(object([]));
    shapes.push(object([("0".to_owned(), text("x"))]));
    shapes.push(object([(TAG.to_owned(), text("aws"))]));
    shapes
}

/// Wraps a value into a whole document.
type Wrap<'a> = &'a dyn Fn(Value) -> Value;

/// Calls `visit` with the path of each key and a way to wrap a value into a whole document.
fn each_key(kind: &Kind, path: &Path, wrap: Wrap<'_>, visit: &mut dyn FnMut(&Path, Wrap<'_>)) {
    match *kind {
        Kind::Section(section) => {
            for key in section.keys {
                let wrap = |inner: Value| wrap(object([(key.name.to_owned(), inner)]));
                let path = path.child(key.name);
                visit(&path, &wrap);
                each_key(&key.kind, &path, &wrap, visit);
            }
        }
        Kind::Tagged(tagged) => {
            for (tag, section) in tagged.variants {
                for key in section.keys {
                    let wrap = |inner: Value| {
                        wrap(object([(TAG.to_owned(), text(tag)), (key.name.to_owned(), inner)]))
                    };
                    let path = path.child(key.name);
                    visit(&path, &wrap);
                    each_key(&key.kind, &path, &wrap, visit);
                }
            }
        }
        Kind::Map(element) => {
            let wrap = |inner: Value| wrap(object([("n".to_owned(), inner)]));
            each_key(element, &path.child("n"), &wrap, visit);
        }
        Kind::List(element) => {
            let wrap = |inner: Value| wrap(value(Shape::Array(vec![inner])));
            each_key(element, &path.child("0"), &wrap, visit);
        }
        _ => {}
    }
}

#[test]
fn every_known_key_takes_every_shape_without_a_panic() {
    let shapes = shapes();
    let mut keys = 0;
    each_key(&Kind::Section(&ROOT), &Path::key("canton"), &|inner| inner, &mut |path, wrap| {
        keys += 1;
        for shape in &shapes {
            let Err(errors) = Config::decode(wrap(shape.clone())) else { continue };
            for fault in errors.faults() {
                let unknown = matches!(fault.problem, Problem::UnknownKey { .. });
                assert!(!(unknown && fault.path.as_ref() == Some(path)), "{fault}");
                assert!(!fault.to_string().is_empty());
            }
        }
    });
    assert!(keys > 1000, "{keys}");
}

#[test]
fn every_fault_has_a_path_below_canton() {
    let document = object([
        ("participants".to_owned(), text("x")),
        ("parameters".to_owned(), value(Shape::Array(vec![]))),
        ("x".repeat(10_000), text("x")),
    ]);
    let errors = Config::decode(document).unwrap_err();
    assert_eq!(errors.faults().len(), 3);
    for fault in errors.faults() {
        assert_eq!(fault.path.as_ref().and_then(|path| path.elements().next()), Some("canton"));
        assert_eq!(fault.origin.line(), Some(1));
    }
}

#[test]
fn a_document_of_nothing_but_faults_is_cut_short() {
    let entries = (0..5000).map(|i| (format!("key-{i}"), text("x")));
    let errors = Config::decode(object(entries)).unwrap_err();
    assert_eq!((errors.len(), errors.faults().len(), errors.omitted()), (5000, 200, 4800));
    assert!(errors.to_string().ends_with("and 4800 more"));
}
