//! A document against the tables: former keys moved, then everything misspelt, mistyped or missing found.
//!
//! Also collects the keys that are known and ignored, the outermost of each once; below these a value that does not
//! fit is a warning, an unknown key still a fault. What values mean together is the decoders' question. Depth is bounded by the tables, so recursion is too; free parts are not walked.

use std::cell::RefCell;
use std::collections::BTreeMap;

use cantle_hocon::{Kind as Shape, Object, Origin, Path, Value};

use crate::cursor::{Sink, lacks_unit};
use crate::fault::{Problem, one_of, shortened};
use crate::read;
use crate::schema::{Key, Kind, Moved, Presence, Reader, Section, Span, TAG, Tagged};
use crate::suggest;

/// Whether a surrounding key is ignored already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Around {
    Read,
    Ignored,
}

/// The document with former keys at their present places. A key at its present place wins.
pub(crate) fn modernize(value: Value, kind: &Kind, path: &Path, sink: &Sink) -> Value {
    let Value { kind: shape, origin } = value;
    let shape = match (kind, shape) {
        (Kind::Section(section), Shape::Object(object)) => {
            let mut value = Value::new(Shape::Object(object), origin);
            for moved in section.moved {
                value = relocate(value, moved, path, sink);
            }
            return modernize_keys(value, path, sink, |key| section.key(key).map(|key| key.kind));
        }
        (Kind::Tagged(tagged), shape @ Shape::Object(_)) => {
            let value = Value::new(shape, origin);
            let variant =
                tag_of(&value).or(tagged.default).and_then(|tag| tagged.variant(&tag.to_ascii_lowercase()));
            let Some(section) = variant else { return value };
            return modernize(value, &Kind::Section(section), path, sink);
        }
        (Kind::Map(element), shape @ Shape::Object(_)) => {
            return modernize_keys(Value::new(shape, origin), path, sink, |_| Some(**element));
        }
        (Kind::List(element), Shape::Array(values)) => {
            let modern =
                |(i, value): (usize, Value)| modernize(value, element, &path.child(i.to_string()), sink);
            Shape::Array(values.into_iter().enumerate().map(modern).collect())
        }
        (_, shape) => shape,
    };
    Value::new(shape, origin)
}

fn modernize_keys(value: Value, path: &Path, sink: &Sink, kind_of: impl Fn(&str) -> Option<Kind>) -> Value {
    let Value { kind, origin } = value;
    let Shape::Object(object) = kind else { return Value::new(kind, origin) };
    let entries = object.into_iter().map(|(key, value)| match kind_of(&key) {
        Some(kind) => {
            let path = path.child(key.as_str());
            let value = modernize(value, &kind, &path, sink);
            (key, value)
        }
        None => (key, value),
    });
    Value::new(Shape::Object(entries.collect()), origin)
}

fn relocate(value: Value, moved: &Moved, path: &Path, sink: &Sink) -> Value {
    let (value, taken) = take(value, moved.from);
    let Some(taken) = taken else { return value };
    let from = moved.from.iter().fold(path.clone(), |path, key| path.child(*key));
    sink.warn(&taken.origin, &from, format!("this key is deprecated, write `{}`", moved.to.join(".")));
    put(value, moved.to, taken)
}

/// Takes the value at a path out of an object.
fn take(value: Value, path: &[&str]) -> (Value, Option<Value>) {
    let (Some((first, rest)), Shape::Object(_)) = (path.split_first(), &value.kind) else {
        return (value, None);
    };
    let Value { kind: Shape::Object(object), origin } = value else { return (value, None) };
    let mut taken = None;
    let mut entries = Vec::with_capacity(object.len());
    for (key, value) in object {
        if key == *first && rest.is_empty() {
            taken = Some(value);
        } else if key == *first {
            let (value, inner) = take(value, rest);
            taken = inner;
            let emptied = taken.is_some() && value.as_object().is_some_and(Object::is_empty);
            if !emptied {
                entries.push((key, value));
            }
        } else {
            entries.push((key, value));
        }
    }
    (Value::new(Shape::Object(entries.into_iter().collect()), origin), taken)
}

/// Puts a value at a path; what is there already stays, objects are merged.
fn put(value: Value, path: &[&str], new: Value) -> Value {
    let Some((first, rest)) = path.split_first() else { return fall_back(value, new) };
    let Value { kind: Shape::Object(object), origin } = value else { return value };
    let mut entries: Vec<(String, Value)> = object.into_iter().collect();
    let index = entries.iter().position(|(key, _)| key == first);
    let present = index.map(|index| entries.swap_remove(index).1);
    let child = match (present, rest) {
        (None, []) => new,
        (None, rest) => put(Value::new(Shape::Object(Object::default()), new.origin.clone()), rest, new),
        (Some(present), rest) => put(present, rest, new),
    };
    entries.push(((*first).to_owned(), child));
    Value::new(Shape::Object(entries.into_iter().collect()), origin)
}

fn fall_back(present: Value, other: Value) -> Value {
    match (present, other) {
        (Value { kind: Shape::Object(a), origin }, Value { kind: Shape::Object(b), .. }) => {
            let mut entries: BTreeMap<String, Value> = b.into_iter().collect();
            for (key, present) in a {
                let value = match entries.remove(&key) {
                    Some(other) => fall_back(present, other),
                    None => present,
                };
                entries.insert(key, value);
            }
            Value::new(Shape::Object(entries.into_iter().collect()), origin)
        }
        (present, _) => present,
    }
}

/// Finds all faults of form, and the ignored keys.
pub(crate) fn check(value: &Value, kind: &Kind, path: &Path, sink: &Sink) {
    Checker { sink, outer: RefCell::default() }.value(value, kind, path, Around::Read);
}

struct Checker<'a> {
    sink: &'a Sink,
    /// The sections around the one that is looked at, the outermost first.
    outer: RefCell<Vec<Outer>>,
}

/// A section and where it is.
#[derive(Clone)]
struct Outer {
    section: &'static Section,
    path: Path,
}

impl Checker<'_> {
    fn value(&self, value: &Value, kind: &Kind, path: &Path, around: Around) {
        if value.is_null() {
            return;
        }
        let problem = match *kind {
            Kind::Any => None,
            Kind::Text => read::text(value).err(),
            Kind::Secret => read::secret(value).err(),
            Kind::Bool => read::boolean(value).err(),
            Kind::Int(min, max) => read::int(value, min, max).err(),
            Kind::Double => read::double(value).err(),
            Kind::Port => read::port(value).err(),
            Kind::Bytes => read::bytes(value).err(),
            Kind::File => read::file(value).err(),
            Kind::Choice(words) => read::choice(value, words).err(),
            Kind::Duration(span) => self.duration(value, span, path),
            Kind::List(element) => match read::items(value) {
                Ok(items) => {
                    for (i, item) in items.into_iter().enumerate() {
                        self.value(item, element, &path.child(i.to_string()), around);
                    }
                    None
                }
                Err(problem) => Some(problem),
            },
            Kind::Map(element) => match value.as_object() {
                Some(object) => {
                    for (key, value) in object.iter() {
                        self.value(value, element, &path.child(key), around);
                    }
                    None
                }
                None => Some(not_a_section(value)),
            },
            Kind::Section(section) => match value.as_object() {
                Some(object) => {
                    self.keys(object, &value.origin, section, path, around, false);
                    None
                }
                None => Some(not_a_section(value)),
            },
            Kind::Tagged(tagged) => match value.as_object() {
                Some(object) => self.tagged(value, object, tagged, path, around),
                None => Some(not_a_section(value)),
            },
        };
        match problem {
            Some(problem) if around == Around::Read => self.sink.fault(&value.origin, path, problem),
            // Nothing here will read it, so it stops nobody.
            Some(problem) => self.sink.warn(&value.origin, path, problem.to_string()),
            None => {}
        }
    }

    fn duration(&self, value: &Value, span: Span, path: &Path) -> Option<Problem> {
        let problem = read::duration(value, span).err();
        if problem.is_none() && lacks_unit(value, span) {
            let number = value.to_text().unwrap_or_default();
            let text = format!("a duration without a unit is read as milliseconds, write `{number}ms`");
            self.sink.warn(&value.origin, path, text);
        }
        problem
    }

    fn tagged(
        &self,
        value: &Value,
        object: &Object,
        tagged: &'static Tagged,
        path: &Path,
        around: Around,
    ) -> Option<Problem> {
        let tags: Vec<&'static str> = tagged.variants.iter().map(|(tag, _)| *tag).collect();
        let decided = !tagged.undecided.iter().any(|key| object.contains_key(key));
        let Some(tag) = tag_of(value).or_else(|| tagged.default.filter(|_| decided)) else {
            return match object.get(TAG) {
                Some(tag) => Some(Problem::WrongType {
                    expected: format!("`type` to be {}", one_of(&tags)),
                    found: tag.kind.type_name(),
                }),
                None => Some(Problem::Missing {
                    key: TAG.to_owned(),
                    remedy: format!("set it to {}", one_of(&tags)),
                }),
            };
        };
        let tag = tag.to_ascii_lowercase();
        if let Some(section) = tagged.variant(&tag) {
            self.keys(object, &value.origin, section, path, around, true);
            return None;
        }
        let origin = object.get(TAG).map_or(&value.origin, |tag| &tag.origin);
        let problem = match tagged.refusal(&tag) {
            Some(remedy) => {
                Problem::Unsupported { what: format!("`type = {tag}`"), remedy: remedy.to_owned() }
            }
            None => Problem::Malformed {
                nearest: suggest::nearest(&tag, tags.iter().copied()).map(str::to_owned),
                value: shortened(&tag),
                expected: one_of(&tags),
            },
        };
        match around {
            Around::Read => self.sink.fault(origin, &path.child(TAG), problem),
            Around::Ignored => self.sink.warn(origin, &path.child(TAG), problem.to_string()),
        }
        None
    }

    fn keys(
        &self,
        object: &Object,
        origin: &Origin,
        section: &'static Section,
        path: &Path,
        around: Around,
        tagged: bool,
    ) {
        for (name, value) in object.iter() {
            let below = path.child(name);
            let Some(key) = section.key(name) else {
                if !(tagged && name == TAG) {
                    self.sink.fault(
                        &value.origin,
                        &below,
                        unknown(name, section, path, &self.outer.borrow()),
                    );
                }
                continue;
            };
            let around = match key.reader {
                Reader::Nobody(reason) if around == Around::Read && !value.is_null() => {
                    self.sink.ignore(&value.origin, &below, reason);
                    Around::Ignored
                }
                Reader::Later(reason) if around == Around::Read && !value.is_null() => {
                    self.sink.ignore(&value.origin, &below, reason);
                    around
                }
                Reader::Refused(reason) if around == Around::Read && !value.is_null() => {
                    self.sink.fault(&value.origin, &below, Problem::Refused { reason: reason.to_owned() });
                    continue;
                }
                _ => around,
            };
            self.outer.borrow_mut().push(Outer { section, path: path.clone() });
            self.value(value, &key.kind, &below, around);
            self.outer.borrow_mut().pop();
        }
        if around == Around::Ignored {
            return;
        }
        let missing = |key: &str| object.get(key).is_none_or(Value::is_null);
        for key in section.keys.iter().filter(|key| key.presence == Presence::Required && missing(key.name)) {
            let remedy = "it has no default".to_owned();
            self.sink.fault(origin, path, Problem::Missing { key: key.name.to_owned(), remedy });
        }
    }
}

fn not_a_section(value: &Value) -> Problem {
    Problem::WrongType { expected: "a section, as { … }".to_owned(), found: value.kind.type_name() }
}

fn tag_of(value: &Value) -> Option<&str> {
    value.as_object()?.get(TAG)?.to_text()
}

/// Looks for the meant key: one that is spelt alike here, or the same one further in, or in a section around.
fn unknown(name: &str, section: &'static Section, path: &Path, around: &[Outer]) -> Problem {
    let known: Vec<&'static str> = section.keys.iter().map(|key| key.name).collect();
    let nearest = suggest::nearest(name, known.iter().copied()).map(str::to_owned).or_else(|| {
        let name = suggest::kebab(name);
        let here = Outer { section, path: path.clone() };
        std::iter::once(&here).chain(around.iter().rev()).find_map(|outer| {
            let readers = [Reads::Cantle, Reads::Anybody];
            let inner = readers.into_iter().find_map(|reads| inward(&name, outer.section, reads, 2))?;
            Some(inner.iter().fold(outer.path.clone(), |path, key| path.child(*key)).to_string())
        })
    });
    Problem::UnknownKey { nearest, known }
}

/// Whose keys are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reads {
    Cantle,
    Anybody,
}

/// The path to a key of that name in the sections below.
fn inward(name: &str, section: &'static Section, reads: Reads, depth: usize) -> Option<Vec<&'static str>> {
    let below = |kind: &Kind| -> Vec<&'static Section> {
        match *kind {
            Kind::Section(section) => vec![section],
            Kind::Tagged(tagged) => tagged.variants.iter().map(|(_, section)| *section).collect(),
            _ => vec![],
        }
    };
    let looked_at =
        |key: &&Key| reads == Reads::Anybody || matches!(key.reader, Reader::Cantle | Reader::Later(_));
    let sections = || {
        let keys = section.keys.iter().filter(looked_at);
        keys.flat_map(|key| below(&key.kind).into_iter().map(|section| (key.name, section)))
    };
    let found = |section: &'static Section| section.key(name).filter(looked_at);
    if let Some((outer, key)) = sections().find_map(|(outer, section)| Some((outer, found(section)?))) {
        return Some(vec![outer, key.name]);
    }
    if depth == 0 {
        return None;
    }
    sections().find_map(|(outer, section)| {
        let mut path = inward(name, section, reads, depth - 1)?;
        path.insert(0, outer);
        Some(path)
    })
}
