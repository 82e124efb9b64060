//! A written document to a node: literals, concatenations, duplicate keys, `+=` and includes.
//!
//! What is wrong is reported and left out, so that the rest is read too and all errors are found; the order of the
//! reports is the order in which Lightbend's library would meet them. Only an exhausted budget and a cycle of includes
//! stop at once.

use std::rc::Rc;

use crate::budget::{Budgets, Meter};
use crate::concat;
use crate::draft::{Draft, DraftObject};
use crate::error::{Error, ErrorKind};
use crate::expression::{self, Keys};
use crate::files::{self, Missing, Place, Target};
use crate::node::{self, Data, Node, NodeKind, Reference};
use crate::origin::Origin;
use crate::properties;
use crate::syntax::{self, Flavor, Include, IncludeKind, Member, What, Written};
use crate::token::Scalar;

/// Reads sources into nodes and keeps what is wrong with them.
pub(crate) struct Assembler<'a> {
    meter: &'a Meter,
    errors: Vec<Error>,
    include_depth: usize,
}

/// A source that could not be read: the reports say why; or nothing more is read at all.
enum Fault {
    Reported,
    Stop(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Stop(error)
    }
}

/// The state of one document.
struct Document<'a> {
    place: &'a Place,
    /// The keys of all fields around the value that is read.
    path: Vec<Rc<str>>,
    /// How many lists are around it, a `+=` among them.
    lists: usize,
}

impl<'a> Assembler<'a> {
    pub(crate) fn new(meter: &'a Meter) -> Self {
        Self { meter, errors: Vec::new(), include_depth: 0 }
    }

    /// What is wrong with what was read, in the order it was met.
    pub(crate) fn into_errors(self) -> Vec<Error> {
        self.errors
    }

    /// Keeps an error and goes on.
    ///
    /// # Errors
    /// One that ends the load, if there are too many.
    pub(crate) fn report(&mut self, error: Error) -> Result<(), Error> {
        self.meter.errors(self.errors.len(), error.origin())?;
        self.errors.push(error);
        Ok(())
    }

    /// Reads a source file. Nothing is given if it is broken; the reports say why.
    pub(crate) fn file(&mut self, path: &std::path::Path) -> Result<Option<Node>, Error> {
        let target = Target::file(path.to_path_buf());
        let flavor = files::flavor_of(&path.to_string_lossy());
        self.settle(|this| this.target(&target, flavor, Missing::Refused, None))
    }

    /// Reads a text that has no folder.
    pub(crate) fn text(&mut self, name: &str, text: &str) -> Result<Option<Node>, Error> {
        let origin = Origin::new(name);
        self.meter.input(text.len(), &origin)?;
        self.settle(|this| this.document(text, &origin, Flavor::Hocon, &Place::Nowhere))
    }

    fn settle(&mut self, read: impl FnOnce(&mut Self) -> Result<Node, Fault>) -> Result<Option<Node>, Error> {
        match read(self) {
            Ok(node) => Ok(Some(node)),
            Err(Fault::Reported) => Ok(None),
            Err(Fault::Stop(error)) => Err(error),
        }
    }

    fn fail<T>(&mut self, error: Error) -> Result<T, Fault> {
        if error.kind() == ErrorKind::BudgetExceeded {
            return Err(Fault::Stop(error));
        }
        self.report(error)?;
        Err(Fault::Reported)
    }

    /// Gives a value, or nothing and a report of why there is none.
    fn or_report<T>(&mut self, result: Result<T, Error>) -> Result<Option<T>, Error> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.kind() == ErrorKind::BudgetExceeded => Err(error),
            Err(error) => {
                self.report(error)?;
                Ok(None)
            }
        }
    }

    /// Reads what a source names, or an include that is written at a place.
    fn target(
        &mut self,
        target: &Target,
        flavor: Flavor,
        missing: Missing,
        at: Option<&Origin>,
    ) -> Result<Node, Fault> {
        let origin = target.origin();
        let text = match target.read(self.meter)? {
            Ok(text) => text,
            Err(_) if missing == Missing::Allowed => return Ok(Data::empty_object(origin)),
            Err(error) => return self.fail(error.included_at(at)),
        };
        let place = target.place();
        self.document(&text, &origin, flavor, &place)
    }

    fn document(
        &mut self,
        text: &str,
        origin: &Origin,
        flavor: Flavor,
        place: &Place,
    ) -> Result<Node, Fault> {
        if flavor == Flavor::Properties {
            return match properties::parse(text, origin, self.meter) {
                Ok(node) => Ok(node),
                Err(error) => self.fail(error),
            };
        }
        let written = match syntax::parse(text, origin, flavor, self.meter) {
            Ok(written) => written,
            Err(error) => {
                let error = error.with_excerpt(text);
                return self.fail(error);
            }
        };
        let reported = self.errors.len();
        let mut document = Document { place, path: Vec::new(), lists: 0 };
        let value = self.node(&written, &mut document)?;
        for error in self.errors.iter_mut().skip(reported).filter(|e| e.origin().source() == origin.source())
        {
            error.add_excerpt(text);
        }
        match value {
            Some(node) if node.is_object() => Ok(node),
            Some(node) => self.fail(Error::new(
                ErrorKind::WrongType,
                node.origin.clone(),
                "the document is a list; it has to be an object (put the list under a key)",
            )),
            None => Err(Fault::Reported),
        }
    }

    /// A value that no key is added to any more.
    fn node(&mut self, written: &Written, document: &mut Document<'_>) -> Result<Option<Node>, Error> {
        let value = self.value(written, document)?;
        value.map(|value| value.finish(self.meter)).transpose()
    }

    fn value(&mut self, written: &Written, document: &mut Document<'_>) -> Result<Option<Draft>, Error> {
        let origin = written.origin.clone();
        Ok(Some(Draft::Node(match &written.what {
            What::Scalar(scalar) => Data::leaf(
                match scalar {
                    Scalar::Null => NodeKind::Null,
                    Scalar::Bool(value) => NodeKind::Bool(*value),
                    Scalar::Number(number) => NodeKind::Number(number.clone()),
                    Scalar::String(text) => NodeKind::String { text: Rc::clone(text), quoted: true },
                },
                origin,
            ),
            What::Unquoted(text) => {
                Data::leaf(NodeKind::String { text: Rc::clone(text), quoted: false }, origin)
            }
            What::Substitution { optional, expression } => {
                let path = expression::parse(expression, &origin, self.meter);
                let Some(path) = self.or_report(path)? else { return Ok(None) };
                let reference = Reference { path, optional: *optional, prefix: 0 };
                Data::leaf(NodeKind::Reference(reference), origin)
            }
            What::Object(members) => return self.object(members, origin, document).map(Some),
            What::Array(elements) => {
                document.lists += 1;
                let values = self.all(elements, document);
                document.lists -= 1;
                let values = values?.into_iter().flatten().collect();
                Data::node(NodeKind::List(values), origin, self.meter)?
            }
            What::Concatenation(pieces) => {
                let values = self.all(pieces, document)?;
                let Some(values) = values.into_iter().collect::<Option<Vec<_>>>() else { return Ok(None) };
                let joined = concat::concatenate(&values, self.meter);
                return Ok(self.or_report(joined)?.flatten().map(Draft::Node));
            }
        })))
    }

    fn all(&mut self, written: &[Written], document: &mut Document<'_>) -> Result<Vec<Option<Node>>, Error> {
        written.iter().map(|piece| self.node(piece, document)).collect()
    }

    fn object(
        &mut self,
        members: &[Member],
        origin: Origin,
        document: &mut Document<'_>,
    ) -> Result<Draft, Error> {
        let mut object = DraftObject::new(origin);
        for member in members {
            match member {
                Member::Include(include) => self.include(include, &mut object, document)?,
                Member::Field { path, append, value } => {
                    let outer = document.path.len();
                    document.path.extend(path.iter().cloned());
                    self.meter.nesting(document.path.len(), &value.origin)?;
                    let value =
                        if *append { self.appended(value, document) } else { self.value(value, document) };
                    document.path.truncate(outer);
                    let (Some(value), Some((key, below))) = (value?, path.split_first()) else { continue };
                    self.put(&mut object, key, Draft::under(below, value))?;
                }
            }
        }
        Ok(Draft::Object(object))
    }

    /// The value of `path += value`: what was there before, if anything, and the value joined to it as a list.
    fn appended(&mut self, written: &Written, document: &mut Document<'_>) -> Result<Option<Draft>, Error> {
        if document.lists > 0 {
            self.report(Error::new(
                ErrorKind::Parse,
                written.origin.clone(),
                "'+=' does not work inside a list, as no substitution can refer to it (move it out of the list)",
            ))?;
            return Ok(None);
        }
        document.lists += 1;
        let value = self.node(written, document);
        document.lists -= 1;
        let Some(value) = value? else { return Ok(None) };
        let origin = value.origin.clone();
        let path: Keys = document.path.iter().cloned().collect();
        self.meter.path(path.len(), &origin)?;
        let reference = Reference { path, optional: true, prefix: 0 };
        let before = Data::leaf(NodeKind::Reference(reference), origin.clone());
        let list = Data::node(NodeKind::List(vec![value]), origin, self.meter)?;
        let joined = concat::concatenate(&[before, list], self.meter);
        Ok(self.or_report(joined)?.flatten().map(Draft::Node))
    }

    /// Lays a value over what its key has.
    fn put(&mut self, object: &mut DraftObject, key: &Rc<str>, value: Draft) -> Result<(), Error> {
        let merged = object.put(key, value, self.meter);
        self.or_report(merged).map(drop)
    }

    fn include(
        &mut self,
        include: &Include,
        object: &mut DraftObject,
        document: &mut Document<'_>,
    ) -> Result<(), Error> {
        let included = self.included(include, document.place);
        let node = match included {
            Ok(node) => node,
            Err(Fault::Reported) => return Ok(()),
            Err(Fault::Stop(error)) => return Err(error),
        };
        if document.lists > 0 && !node.is_resolved() {
            self.report(Error::new(
                ErrorKind::Parse,
                include.origin.clone(),
                "a file with substitutions cannot be included inside a list (move the include out of the list)",
            ))?;
            return Ok(());
        }
        let moved = match document.path.is_empty() {
            true => Ok(node),
            false => node::relativized(&node, &document.path, self.meter),
        };
        let Some(node) = self.or_report(moved)? else { return Ok(()) };
        if let NodeKind::Object { map, .. } = &node.kind {
            for (key, value) in map.iter() {
                self.put(object, key, Draft::Node(Rc::clone(value)))?;
            }
        }
        Ok(())
    }

    fn included(&mut self, include: &Include, place: &Place) -> Result<Node, Fault> {
        let missing = if include.required { Missing::Refused } else { Missing::Allowed };
        let name = &*include.name;
        let origin = &include.origin;
        match include.kind {
            IncludeKind::Url => match files::Url::of(name) {
                Some(url) => self.url(url, origin, missing),
                None => {
                    let message = "what url(…) names is not a URL (a file is included with file(…))";
                    self.fail(Error::new(ErrorKind::Parse, origin.clone(), message))
                }
            },
            IncludeKind::Heuristic => match files::Url::of(name) {
                Some(url) => self.url(url, origin, missing),
                None => self.basename(name, origin, missing, files::flavor_beside, |name| place.beside(name)),
            },
            IncludeKind::File => {
                self.basename(name, origin, missing, files::flavor_of, |name| Target::file(name.into()))
            }
            IncludeKind::Classpath => self.basename(name, origin, missing, files::flavor_of, Target::nothing),
        }
    }

    fn url(&mut self, url: files::Url<'_>, origin: &Origin, missing: Missing) -> Result<Node, Fault> {
        match url {
            files::Url::File(path) => {
                let flavor = files::flavor_of(&path.to_string_lossy());
                // Lightbend's library does not count these and ends a cycle of them with the stack.
                self.enter(origin)?;
                let result = self.target(&Target::file(path), flavor, missing, Some(origin));
                self.include_depth -= 1;
                result
            }
            files::Url::Network(scheme) => {
                let message = format!(
                    "includes over the network are not supported ({scheme}:): download the file and include it with \
                     file(…)"
                );
                self.fail(Error::new(ErrorKind::BugOrBroken, origin.clone(), message))
            }
        }
    }

    /// Includes one file, or, if the name has no extension that says what it is, all of `.conf`, `.json` and
    /// `.properties` that are there, the first of these with priority.
    fn basename(
        &mut self,
        name: &str,
        origin: &Origin,
        missing: Missing,
        flavor_of: fn(&str) -> Flavor,
        target: impl Fn(&str) -> Target,
    ) -> Result<Node, Fault> {
        if files::has_known_extension(name) {
            self.enter(origin)?;
            let result = self.target(&target(name), flavor_of(name), missing, Some(origin));
            self.include_depth -= 1;
            return result;
        }
        let mut found: Option<Node> = None;
        let mut broken = false;
        let mut unread = Vec::new();
        let endings =
            [(".conf", Flavor::Hocon), (".json", Flavor::Json), (".properties", Flavor::Properties)];
        for (ending, flavor) in endings {
            self.enter(origin)?;
            let reported = self.errors.len();
            let target = target(&format!("{name}{ending}"));
            let result = self.target(&target, flavor, Missing::Refused, Some(origin));
            self.include_depth -= 1;
            // A file that cannot be read counts as not being there, even if it is one that it includes in turn.
            if self.errors.get(reported).is_some_and(|first| first.kind() == ErrorKind::Io) {
                unread.extend(self.errors.drain(reported..).take(1));
                continue;
            }
            match result {
                Ok(node) => {
                    found = Some(match found {
                        Some(over) => node::merge(&over, &node, self.meter)?,
                        None => node,
                    });
                }
                Err(Fault::Reported) => broken = true,
                Err(fault) => return Err(fault),
            }
        }
        match found {
            _ if broken => Err(Fault::Reported),
            Some(node) => Ok(node),
            None if missing == Missing::Allowed => Ok(Data::empty_object(origin.clone())),
            None => {
                let reasons: Vec<&str> = unread.iter().map(Error::message).collect();
                let message = format!("the required include is missing: {}", reasons.join("; "));
                self.fail(Error::new(ErrorKind::Io, origin.clone(), message))
            }
        }
    }

    fn enter(&mut self, origin: &Origin) -> Result<(), Fault> {
        if self.include_depth >= Budgets::INCLUDE_DEPTH {
            let message = format!(
                "includes nested more than {} deep (is there a cycle of includes?)",
                Budgets::INCLUDE_DEPTH
            );
            // Going on would read a cycle with two includes in it two to the fiftieth times.
            return Err(Fault::Stop(Error::new(ErrorKind::Parse, origin.clone(), message)));
        }
        self.include_depth += 1;
        Ok(())
    }
}
