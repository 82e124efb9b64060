//! Every key of the tables with every shape of value: nothing panics, no known key is unknown, and every key is read or
//! named as one that is not.

use cantle_hocon::{Kind as Shape, Object, Origin, Path, Value};

use crate::config::{Config, ROOT, decode};
use crate::cursor::{Cursor, Sink};
use crate::fault::Problem;
use crate::schema::{Kind, Presence, Reader, Section, TAG};

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

/// A value that fits, with everything that must not be left out.
fn fitting(kind: &Kind) -> Value {
    match *kind {
        Kind::Section(section) => object(required(section)),
        Kind::Tagged(tagged) => {
            let tag = tagged.variants.first().map(|(tag, section)| (*tag, *section));
            let (tag, section) = tag.expect("there is a variant");
            object(required(section).chain([(TAG.to_owned(), text(tag))]))
        }
        Kind::Map(_) => object([]),
        Kind::List(_) => value(Shape::Array(vec![])),
        Kind::Bool => value(Shape::Bool(true)),
        Kind::Int(min, max) => text(&min.max(1).min(max).to_string()),
        Kind::Double => text("0.5"),
        Kind::Port => text("7"),
        Kind::Bytes => text("1024"),
        Kind::Duration(_) => text("10 s"),
        Kind::Choice(words) => text(words.first().expect("there is a word")),
        Kind::File => text("Cargo.toml"),
        Kind::Any | Kind::Text | Kind::Secret => text("x"),
    }
}

fn required(section: &'static Section) -> impl Iterator<Item = (String, Value)> {
    let keys = section.keys.iter().filter(|key| key.presence == Presence::Required);
    keys.map(|key| (key.name.to_owned(), fitting(&key.kind)))
}

/// Collects the keys that are said to be read and that no decoder looks at.
fn unread(kind: &Kind, path: &Path, wrap: Wrap<'_>, found: &mut Vec<Path>) {
    let mut keys = |section: &'static Section, tag: Option<&str>| {
        for key in section.keys {
            if !matches!(key.reader, Reader::Cantle | Reader::Later(_)) {
                continue;
            }
            let wrap = |inner: Value| {
                let others = required(section).filter(|(name, _)| name != key.name);
                let tag = tag.map(|tag| (TAG.to_owned(), text(tag)));
                wrap(object(others.chain(tag).chain([(key.name.to_owned(), inner)])))
            };
            let path = path.child(key.name);
            // Of a section its keys are asked for.
            let section = matches!(key.kind, Kind::Section(_) | Kind::Tagged(_));
            if !section && !is_looked_at(&path, wrap(fitting(&key.kind))) {
                found.push(path.clone());
            }
            unread(&key.kind, &path, &wrap, found);
        }
    };
    match *kind {
        Kind::Section(section) => keys(section, None),
        Kind::Tagged(tagged) => tagged.variants.iter().for_each(|(tag, section)| keys(section, Some(tag))),
        Kind::Map(element) => {
            let wrap = |inner: Value| wrap(object([("n".to_owned(), inner)]));
            unread(element, &path.child("n"), &wrap, found);
        }
        Kind::List(element) => {
            let wrap = |inner: Value| wrap(value(Shape::Array(vec![inner])));
            unread(element, &path.child("0"), &wrap, found);
        }
        _ => {}
    }
}

/// Whether a decoder looks at the place, or names a section around it as one that is not read.
fn is_looked_at(path: &Path, document: Value) -> bool {
    let sink = Sink::default();
    let root = Path::key("canton");
    drop(decode(&Cursor::new(&document, root, &sink)));
    if sink.looked_at.borrow().contains(path) {
        return true;
    }
    let (_, ignored, ..) = sink.into_parts();
    ignored.iter().any(|key| {
        path.elements().zip(key.path.elements()).all(|(a, b)| a == b) && {
            path.elements().count() >= key.path.elements().count()
        }
    })
}

#[test]
fn every_key_is_read_or_named_as_unread() {
    let mut found = Vec::new();
    unread(&Kind::Section(&ROOT), &Path::key("canton"), &|inner| inner, &mut found);
    let found: Vec<String> = found.iter().map(Path::to_string).collect();
    assert!(found.is_empty(), "no decoder reads {} keys:\n{}", found.len(), found.join("\n"));
}
