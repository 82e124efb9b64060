//! A place in the document that the decoders read from, and the sink that collects what they find.
//!
//! A cursor knows its full key path and its origin, or, where the key is not set, the origin of the nearest
//! section around it. Reading never fails: a value that does not fit is a fault in the [`Sink`] and reads as
//! not set, so that one load finds all faults. A place has at most one fault.

use std::cell::RefCell;
use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use cantle_hocon::{Origin, Path, Value};
use secrecy::SecretString;

use crate::config::{Gap, IgnoredKey, Warning};
use crate::fault::{Fault, Problem};
use crate::read;
use crate::schema::{Span, TAG, Tagged};
use crate::units::Unit;

/// What a load found besides values.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    faults: RefCell<Vec<Fault>>,
    /// The places of the faults; a missing key is a place of its own.
    places: RefCell<HashSet<(Path, Option<String>)>>,
    ignored: RefCell<Vec<IgnoredKey>>,
    warnings: RefCell<Vec<Warning>>,
    gaps: RefCell<Vec<Gap>>,
    /// The places that a decoder has looked at.
    #[cfg(test)]
    pub(crate) looked_at: RefCell<HashSet<Path>>,
}

impl Sink {
    pub(crate) fn fault(&self, origin: &Origin, path: &Path, problem: Problem) {
        let missing = match &problem {
            Problem::Missing { key, .. } => Some(key.clone()),
            _ => None,
        };
        let mut places = self.places.borrow_mut();
        if places.contains(&(path.clone(), None)) || !places.insert((path.clone(), missing)) {
            return;
        }
        let fault = Fault { origin: origin.clone(), path: Some(path.clone()), problem, excerpt: None };
        self.faults.borrow_mut().push(fault);
    }

    pub(crate) fn warn(&self, origin: &Origin, path: &Path, text: impl Into<String>) {
        self.warnings.borrow_mut().push(Warning {
            origin: origin.clone(),
            path: path.clone(),
            text: text.into(),
        });
    }

    pub(crate) fn ignore(&self, origin: &Origin, path: &Path, reason: &'static str) {
        self.ignored.borrow_mut().push(IgnoredKey { origin: origin.clone(), path: path.clone(), reason });
    }

    pub(crate) fn gap(&self, origin: &Origin, path: &Path, what: &'static str, remedy: &'static str) {
        self.gaps.borrow_mut().push(Gap { origin: origin.clone(), path: path.clone(), what, remedy });
    }

    pub(crate) fn into_parts(self) -> (Vec<Fault>, Vec<IgnoredKey>, Vec<Warning>, Vec<Gap>) {
        let Self { faults, ignored, warnings, gaps, .. } = self;
        (faults.into_inner(), ignored.into_inner(), warnings.into_inner(), gaps.into_inner())
    }
}

/// A place in the document, set or not.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    value: Option<&'a Value>,
    origin: Origin,
    path: Path,
    sink: &'a Sink,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(value: &'a Value, path: Path, sink: &'a Sink) -> Self {
        Self { value: Some(value), origin: value.origin.clone(), path, sink }
    }

    /// The place of a key below this one.
    pub(crate) fn at(&self, key: &str) -> Self {
        let value = self.value.and_then(Value::as_object).and_then(|object| object.get(key));
        self.below(key, value)
    }

    fn below(&self, key: &str, value: Option<&'a Value>) -> Self {
        let origin = value.map_or_else(|| self.origin.clone(), |value| value.origin.clone());
        #[cfg(test)]
        self.sink.looked_at.borrow_mut().insert(self.path.child(key));
        Self { value, origin, path: self.path.child(key), sink: self.sink }
    }

    /// Whether something other than `null` stands here.
    pub(crate) fn is_set(&self) -> bool {
        self.value.is_some_and(|value| !value.is_null())
    }

    /// Whether `null` stands here, which takes away a default.
    pub(crate) fn is_null(&self) -> bool {
        self.value.is_some_and(Value::is_null)
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// This place if it is set.
    pub(crate) fn set(&self) -> Option<Self> {
        self.is_set().then(|| self.clone())
    }

    /// The keys of the object that stands here.
    pub(crate) fn entries(&self) -> Vec<(&'a str, Self)> {
        let object = self.value.and_then(Value::as_object);
        object
            .into_iter()
            .flat_map(|object| object.iter())
            .map(|(key, value)| (key, self.below(key, Some(value))))
            .collect()
    }

    /// The elements of the list that stands here.
    pub(crate) fn items(&self) -> Option<Vec<Self>> {
        let items = self.read(read::items)?;
        let cursor = |(i, value): (usize, &'a Value)| self.below(&i.to_string(), Some(value));
        Some(items.into_iter().enumerate().map(cursor).collect())
    }

    pub(crate) fn fault(&self, problem: Problem) {
        self.sink.fault(&self.origin, &self.path, problem);
    }

    pub(crate) fn contradiction(&self, what: impl Into<String>, remedy: impl Into<String>) {
        self.fault(Problem::Contradiction { what: what.into(), remedy: remedy.into() });
    }

    pub(crate) fn malformed(&self, value: &str, expected: impl Into<String>) {
        let value = crate::fault::shortened(value);
        self.fault(Problem::Malformed { value, expected: expected.into(), nearest: None });
    }

    pub(crate) fn missing(&self, key: &str, remedy: impl Into<String>) {
        self.fault(Problem::Missing { key: key.to_owned(), remedy: remedy.into() });
    }

    pub(crate) fn warn(&self, text: impl Into<String>) {
        self.sink.warn(&self.origin, &self.path, text);
    }

    pub(crate) fn ignore(&self, reason: &'static str) {
        self.sink.ignore(&self.origin, &self.path, reason);
    }

    pub(crate) fn gap(&self, what: &'static str, remedy: &'static str) {
        self.sink.gap(&self.origin, &self.path, what, remedy);
    }

    fn read<T>(&self, read: impl FnOnce(&'a Value) -> Result<T, Problem>) -> Option<T> {
        let value = self.value.filter(|value| !value.is_null())?;
        read(value).map_err(|problem| self.fault(problem)).ok()
    }

    pub(crate) fn text(&self) -> Option<&'a str> {
        self.read(read::text)
    }

    pub(crate) fn string(&self) -> Option<String> {
        self.text().map(str::to_owned)
    }

    pub(crate) fn secret(&self) -> Option<SecretString> {
        self.read(read::secret).map(SecretString::from)
    }

    pub(crate) fn bool(&self) -> Option<bool> {
        self.read(read::boolean)
    }

    /// A whole number that fits the type.
    pub(crate) fn int<T: TryFrom<i64>>(&self) -> Option<T> {
        let number = self.read(|value| read::int(value, i64::MIN, i64::MAX))?;
        T::try_from(number).ok()
    }

    /// A port that is not left to the system.
    pub(crate) fn port(&self) -> Option<u16> {
        self.read(read::port).flatten()
    }

    pub(crate) fn bytes(&self) -> Option<usize> {
        self.read(read::bytes).and_then(|bytes| usize::try_from(bytes).ok())
    }

    /// A duration with an end.
    pub(crate) fn duration(&self, span: Span) -> Option<Duration> {
        self.read(|value| read::duration(value, span)).and_then(|read| read.duration)
    }

    /// A duration that may have no end: the inner `None`.
    pub(crate) fn timeout(&self) -> Option<Option<Duration>> {
        self.read(|value| read::duration(value, Span::Endless)).map(|read| read.duration)
    }

    pub(crate) fn choice(&self, words: &'static [&'static str]) -> Option<&'static str> {
        self.read(|value| read::choice(value, words))
    }

    pub(crate) fn file(&self) -> Option<PathBuf> {
        self.read(read::file).map(PathBuf::from)
    }

    /// A file that can be opened.
    pub(crate) fn existing_file(&self) -> Option<PathBuf> {
        let path = self.file()?;
        let readable = std::fs::metadata(&path).and_then(|metadata| {
            if metadata.is_dir() { Err(std::io::ErrorKind::IsADirectory.into()) } else { Ok(()) }
        });
        if let Err(error) = readable {
            self.fault(Problem::Unreadable { path: path.display().to_string(), reason: error.to_string() });
        }
        Some(path)
    }

    pub(crate) fn texts(&self) -> Option<Vec<String>> {
        Some(self.items()?.iter().filter_map(Self::string).collect())
    }

    /// The variant of a tagged object, if it is one of the table's.
    pub(crate) fn tag(&self, tagged: &'static Tagged) -> Option<&'static str> {
        let written = match self.value {
            Some(Value { kind: cantle_hocon::Kind::Object(object), .. }) => match object.get(TAG) {
                Some(tag) => tag.to_text()?.to_ascii_lowercase(),
                None => tagged.default?.to_owned(),
            },
            _ => return None,
        };
        tagged.variants.iter().map(|(tag, _)| *tag).find(|tag| *tag == written)
    }
}

/// Whether a duration was written without its unit, which deserves a warning.
pub(crate) fn lacks_unit(value: &Value, span: Span) -> bool {
    read::duration(value, span).is_ok_and(|read| read.unit == Unit::LeftOut)
}
