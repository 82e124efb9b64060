//! Substitutions to values: one walk over the merged tree, with what was found remembered.
//!
//! The walk is Lightbend's, because it decides what a document means where it refers to itself. Three things make it
//! up. A *source* is the tree that substitutions look into, with the containers on the way to the value that is being
//! resolved; inside a merge that waits, that tree has the merge replaced by what lies below the layer at hand, so that
//! a self-reference looks back. A *restriction* resolves only what lies on a path, so that `a.b` may refer to `a.c`.
//! A *marker* on every reference under way finds cycles.
//! Source: <https://github.com/lightbend/config/blob/v1.4.3/HOCON.md#self-referential-substitutions>.

use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use crate::budget::{Budgets, Meter};
use crate::concat;
use crate::error::{Error, ErrorKind};
use crate::expression::Keys;
use crate::layers::Layers;
use crate::map::{Map, MapBuilder, Remade};
use crate::node::{self, Data, Node, NodeKind, Reference, broken};
use crate::origin::Origin;
use crate::properties;

/// Resolves everything below a root, or gives the error Lightbend's library stops at and the others that are found.
pub(crate) fn resolve(
    root: &Node,
    environment: &HashMap<String, String>,
    meter: &Meter,
) -> Result<Node, Vec<Error>> {
    let environment = environment_node(environment, meter).map_err(|error| vec![error])?;
    let mut resolver = Resolver::new(&environment, meter);
    let source = Source { root: Rc::clone(root), parents: None };
    let first = match resolver.resolve(root, &source, &Restriction::none()) {
        Ok(Some(resolved)) => return Ok(resolved),
        Ok(None) => broken(&root.origin, "the document resolves to nothing"),
        Err(failure) => failure.into_error(&root.origin),
    };
    let mut errors = vec![first];
    if errors.iter().all(|error| error.kind() == ErrorKind::UnresolvedSubstitution) {
        resolver.marked.clear();
        let mut more = Missing { seen: HashSet::new(), found: Vec::new(), resolver };
        // An exhausted budget ends the search; what was found until then is shown.
        let _ = more.collect(root, &source);
        let known: HashSet<Origin> = errors.iter().map(|error| error.origin().clone()).collect();
        errors.extend(more.found.into_iter().filter(|error| !known.contains(error.origin())));
    }
    Err(errors)
}

/// The environment as an object. Periods in names separate, as in Java properties.
fn environment_node(environment: &HashMap<String, String>, meter: &Meter) -> Result<Node, Error> {
    let mut variables: Vec<_> = environment.iter().collect();
    variables.sort();
    let entries = variables.into_iter().map(|(name, value)| {
        (name.clone(), value.clone(), Origin::new(format!("environment variable {name}")))
    });
    properties::tree(entries, &Origin::new("environment"), meter)
}

/// Why a value has no resolution.
enum Failure {
    /// It is looked up while it is being resolved.
    Cycle,
    Error(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Failure {
    fn into_error(self, origin: &Origin) -> Error {
        match self {
            Self::Cycle => broken(origin, "a cycle of substitutions has no start"),
            Self::Error(error) => error,
        }
    }
}

/// The keys that resolution keeps to; without any, everything is resolved.
#[derive(Clone)]
struct Restriction(Option<(Keys, usize)>);

impl Restriction {
    fn none() -> Self {
        Self(None)
    }

    fn to(path: &Keys) -> Self {
        Self(Some((Rc::clone(path), 0)))
    }

    fn keys(&self) -> Option<&[Rc<str>]> {
        let (path, start) = self.0.as_ref()?;
        path.get(*start..)
    }

    /// The keys after the first one, if there are more.
    fn below(&self) -> Option<Self> {
        let (path, start) = self.0.as_ref()?;
        (start + 1 < path.len()).then(|| Self(Some((Rc::clone(path), start + 1))))
    }
}

/// A node, by identity, and what its resolution was restricted to. Holding the node keeps its identity its own.
#[derive(Clone)]
struct MemoKey {
    node: Node,
    restriction: Restriction,
}

impl PartialEq for MemoKey {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.node, &other.node) && self.restriction.keys() == other.restriction.keys()
    }
}

impl Eq for MemoKey {}

impl Hash for MemoKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Rc::as_ptr(&self.node).hash(state);
        self.restriction.keys().hash(state);
    }
}

/// The containers on the way to a value, the innermost first.
struct Parents {
    node: Node,
    /// Under which key of an object the way goes on.
    key: Option<Rc<str>>,
    outer: Option<Rc<Parents>>,
}

/// The tree that substitutions look into.
#[derive(Clone)]
struct Source {
    root: Node,
    parents: Option<Rc<Parents>>,
}

impl Source {
    /// The source for the children of a container. A container that is not on the way from the root does not count.
    fn below(&self, parent: &Node, key: Option<&Rc<str>>) -> Self {
        if self.parents.is_none() && !Rc::ptr_eq(parent, &self.root) {
            return self.clone();
        }
        let parents = Parents { node: Rc::clone(parent), key: key.cloned(), outer: self.parents.clone() };
        Self { root: Rc::clone(&self.root), parents: Some(Rc::new(parents)) }
    }

    /// The source with a child of the innermost container replaced, or removed.
    fn replacing(&self, old: &Node, new: Option<&Node>, meter: &Meter) -> Result<Self, Error> {
        if new.is_some_and(|new| Rc::ptr_eq(new, old)) {
            return Ok(self.clone());
        }
        let Some(parents) = &self.parents else {
            return match new {
                Some(new) if Rc::ptr_eq(old, &self.root) && new.is_container() => {
                    Ok(Self { root: object_or_empty(new), parents: None })
                }
                _ => Err(broken(&old.origin, "a merge that refers to itself is not where it was looked for")),
            };
        };
        let changed = node::replace_child(&parents.node, parents.key.as_deref(), old, new, meter)?;
        if changed.as_ref().is_some_and(|changed| Rc::ptr_eq(changed, &parents.node)) {
            return Ok(self.clone());
        }
        let root = replace_up(parents, changed.filter(|changed| changed.is_container()), meter)?;
        Ok(match root {
            Some(root) => Self { root: object_or_empty(&root), parents: None },
            None => self.without_parents(),
        })
    }

    fn without_parents(&self) -> Self {
        Self { root: Rc::clone(&self.root), parents: None }
    }
}

/// The root after the innermost of the containers became another one, or went away.
fn replace_up(parents: &Parents, mut new: Option<Node>, meter: &Meter) -> Result<Option<Node>, Error> {
    let mut child = &parents.node;
    let mut outer = parents.outer.as_ref();
    while let Some(parent) = outer {
        let changed = node::replace_child(&parent.node, parent.key.as_deref(), child, new.as_ref(), meter)?;
        new = changed.filter(|changed| changed.is_container());
        child = &parent.node;
        outer = parent.outer.as_ref();
    }
    Ok(new)
}

fn object_or_empty(node: &Node) -> Node {
    if node.is_object() { Rc::clone(node) } else { Data::empty_object(node.origin.clone()) }
}

/// What a lookup found, and the containers it went through.
struct Found {
    value: Option<Node>,
    parents: Rc<Parents>,
    root: Node,
}

struct Resolver<'a> {
    environment: &'a Node,
    meter: &'a Meter,
    /// What nodes were resolved to. That one has no value is not remembered, so it is looked up anew: in another place
    /// of a cycle it may have one.
    memos: HashMap<MemoKey, Node>,
    /// The keys of the memos, oldest first, to forget those of an attempt that failed.
    remembered: Vec<MemoKey>,
    /// The references under way.
    marked: Vec<*const Data>,
    references: usize,
    levels: usize,
}

impl<'a> Resolver<'a> {
    fn new(environment: &'a Node, meter: &'a Meter) -> Self {
        Self {
            environment,
            meter,
            memos: HashMap::new(),
            remembered: Vec::new(),
            marked: Vec::new(),
            references: 0,
            levels: 0,
        }
    }

    fn remember(&mut self, node: &Node, restriction: Restriction, value: &Node) {
        let key = MemoKey { node: Rc::clone(node), restriction };
        self.remembered.push(key.clone());
        self.memos.insert(key, Rc::clone(value));
    }

    fn forget(&mut self, mark: usize) {
        for key in self.remembered.drain(mark..) {
            self.memos.remove(&key);
        }
    }

    /// What is known of the value of a node, as far as the restriction asks.
    fn known(&self, node: &Node, restriction: &Restriction) -> Option<Node> {
        if node.is_resolved() {
            return Some(Rc::clone(node));
        }
        let mut key = MemoKey { node: Rc::clone(node), restriction: Restriction::none() };
        let mut known = self.memos.get(&key);
        if known.is_none() && restriction.0.is_some() {
            key.restriction = restriction.clone();
            known = self.memos.get(&key);
        }
        known.cloned()
    }

    /// The value of a node, as far as the restriction asks; nothing for an optional substitution without a value.
    fn resolve(
        &mut self,
        node: &Node,
        source: &Source,
        restriction: &Restriction,
    ) -> Result<Option<Node>, Failure> {
        if node.is_resolved() {
            return Ok(Some(Rc::clone(node)));
        }
        self.meter.steps(1, &node.origin)?;
        if let Some(known) = self.known(node, restriction) {
            return Ok(Some(known));
        }
        let is_reference = matches!(node.kind, NodeKind::Reference(_));
        if is_reference && self.marked.contains(&Rc::as_ptr(node)) {
            return Err(Failure::Cycle);
        }
        self.levels += 1;
        self.meter.chain(self.references, self.levels, &node.origin)?;
        let result = self.resolve_kind(node, source, restriction);
        self.levels -= 1;
        let Some(value) = result? else { return Ok(None) };
        if value.is_resolved() {
            self.remember(node, Restriction::none(), &value);
        } else if restriction.0.is_some() {
            self.remember(node, restriction.clone(), &value);
        } else {
            return Err(broken(&node.origin, "a value stayed unresolved").into());
        }
        Ok(Some(value))
    }

    fn resolve_kind(
        &mut self,
        node: &Node,
        source: &Source,
        restriction: &Restriction,
    ) -> Result<Option<Node>, Failure> {
        match &node.kind {
            NodeKind::Object { map, ignores_fallbacks } => {
                self.object(node, map, *ignores_fallbacks, source, restriction).map(Some)
            }
            NodeKind::List(children) => self.list(node, children, source, restriction).map(Some),
            NodeKind::Concatenation(pieces) => self.concatenation(node, pieces, source),
            NodeKind::Delayed { stack, object } => self.delayed(node, stack, *object, source, restriction),
            NodeKind::Reference(reference) => self.reference(node, reference, source, restriction),
            _ => Ok(Some(Rc::clone(node))),
        }
    }

    fn object(
        &mut self,
        node: &Node,
        map: &Map<Node>,
        ignores_fallbacks: bool,
        source: &Source,
        restriction: &Restriction,
    ) -> Result<Node, Failure> {
        if let Some(keys) = restriction.keys() {
            // What the path ends at is resolved by who asked for it.
            let (Some(key), Some(below)) = (keys.first(), restriction.below()) else {
                return Ok(Rc::clone(node));
            };
            let Some(child) = map.get(key) else { return Ok(Rc::clone(node)) };
            let value = self.resolve(child, &source.below(node, Some(key)), &below)?;
            if value.as_ref().is_some_and(|value| Rc::ptr_eq(value, child)) {
                return Ok(Rc::clone(node));
            }
            let changed = node.object_with(key, value.as_ref(), Remade::Grown, self.meter)?;
            return Ok(changed.unwrap_or_else(|| Rc::clone(node)));
        }
        let mut changed = false;
        let mut values = MapBuilder::new();
        self.meter.steps(map.len(), &node.origin)?;
        for (key, child) in map.iter() {
            let value = match child.is_resolved() {
                true => Some(Rc::clone(child)),
                false => self.resolve(child, &source.below(node, Some(key)), restriction)?,
            };
            changed |= !value.as_ref().is_some_and(|value| Rc::ptr_eq(value, child));
            if let Some(value) = value {
                values.put(Rc::clone(key), value);
            }
        }
        if !changed {
            return Ok(Rc::clone(node));
        }
        let kind = NodeKind::Object { map: values.finish(), ignores_fallbacks };
        Ok(Data::node(kind, node.origin.clone(), self.meter)?)
    }

    fn list(
        &mut self,
        node: &Node,
        children: &[Node],
        source: &Source,
        restriction: &Restriction,
    ) -> Result<Node, Failure> {
        if restriction.0.is_some() {
            // A list has no keys, so no path leads into it.
            return Ok(Rc::clone(node));
        }
        let source = source.below(node, None);
        let mut values = Vec::with_capacity(children.len());
        for child in children {
            values.extend(self.resolve(child, &source, restriction)?);
        }
        Ok(Data::node(NodeKind::List(values), node.origin.clone(), self.meter)?)
    }

    fn concatenation(
        &mut self,
        node: &Node,
        pieces: &[Node],
        source: &Source,
    ) -> Result<Option<Node>, Failure> {
        // The concatenation is not put on the way to its pieces, as Lightbend's library does not do that either: a merge
        // inside a piece that refers to itself is not found there, which is an error.
        let mut values = Vec::with_capacity(pieces.len());
        for piece in pieces {
            values.extend(self.resolve(piece, source, &Restriction::none())?);
        }
        let mut joined = concat::consolidate(&values, self.meter)?;
        if joined.len() > 1 {
            return Err(broken(&node.origin, "the pieces of a value did not join to one").into());
        }
        Ok(joined.pop())
    }

    fn delayed(
        &mut self,
        node: &Node,
        stack: &Layers,
        object: bool,
        source: &Source,
        restriction: &Restriction,
    ) -> Result<Option<Node>, Failure> {
        let mut merged: Option<Node> = None;
        let mut layers = stack.clone();
        while let Some(layer) = layers.first() {
            let value = match self.known(layer, restriction) {
                Some(known) => Some(known),
                None => {
                    let source = self.source_of_layer(node, layer, &layers.below(), source)?;
                    self.resolve(layer, &source, restriction)?
                }
            };
            merged = match (merged, value) {
                (Some(over), Some(value)) => Some(node::merge(&over, &value, self.meter)?),
                (merged, value) => merged.or(value),
            };
            layers = layers.below();
        }
        match &merged {
            Some(value) if object && !value.is_object() => {
                Err(broken(&node.origin, "a merge that has to be an object is not one").into())
            }
            _ => Ok(merged),
        }
    }

    /// The tree that the substitutions of one layer of a merge look into.
    fn source_of_layer(
        &self,
        merge: &Node,
        layer: &Node,
        below: &Layers,
        source: &Source,
    ) -> Result<Source, Error> {
        if !layer.is_unmergeable() {
            return Ok(source.below(merge, None));
        }
        // Whoever comes back to this merge from inside the layer sees only what lies below it.
        let rest = node::merge_layers(below, self.meter)?;
        Ok(source.replacing(merge, rest.as_ref(), self.meter)?.without_parents())
    }

    fn reference(
        &mut self,
        node: &Node,
        reference: &Reference,
        source: &Source,
        restriction: &Restriction,
    ) -> Result<Option<Node>, Failure> {
        self.references += 1;
        let (marks, levels) = (self.marked.len(), self.levels);
        self.marked.push(Rc::as_ptr(node));
        let result = self.follow(node, reference, source, restriction);
        self.marked.truncate(marks);
        self.references -= 1;
        match result {
            Ok(None) if !reference.optional => Err(unresolved(node, reference, "has no value").into()),
            Ok(value) => Ok(value),
            Err(Failure::Cycle) => {
                self.levels = levels;
                if reference.optional {
                    Ok(None)
                } else {
                    Err(unresolved(node, reference, "is part of a cycle of substitutions").into())
                }
            }
            Err(error) => Err(error),
        }
    }

    /// The value a substitution names: where its file was included at, from the root, or in the environment.
    ///
    /// An attempt that fails leaves no memos, and neither does the search before one in the environment.
    fn follow(
        &mut self,
        node: &Node,
        reference: &Reference,
        source: &Source,
        restriction: &Restriction,
    ) -> Result<Option<Node>, Failure> {
        let mark = self.remembered.len();
        let found = self.search(node, reference, source, mark);
        let found = found.inspect_err(|_| self.forget(mark))?;
        let Some(value) = found.value else { return Ok(None) };
        let source = Source { root: found.root, parents: Some(found.parents) };
        let mark = self.remembered.len();
        self.resolve(&value, &source, restriction).inspect_err(|_| self.forget(mark))
    }

    fn search(
        &mut self,
        node: &Node,
        reference: &Reference,
        source: &Source,
        mark: usize,
    ) -> Result<Found, Failure> {
        let mut found = self.lookup(&source.root, &reference.path, &node.origin)?;
        if found.value.is_some() {
            return Ok(found);
        }
        let bare: Keys = reference.path.iter().skip(reference.prefix).cloned().collect();
        if reference.prefix > 0 {
            found = self.lookup(&source.root, &bare, &node.origin)?;
        }
        if found.value.is_none() {
            self.forget(mark);
            found = self.lookup(&Rc::clone(self.environment), &bare, &node.origin)?;
        }
        Ok(found)
    }

    /// The value at a path, after everything on the way to it is resolved.
    fn lookup(&mut self, root: &Node, path: &Keys, origin: &Origin) -> Result<Found, Failure> {
        let source = Source { root: Rc::clone(root), parents: None };
        let partly = self.resolve(root, &source, &Restriction::to(path))?;
        let Some(root) = partly.filter(|node| node.is_object()) else {
            return Err(broken(origin, "the document resolves to something that is no object").into());
        };
        let mut parents: Option<Rc<Parents>> = None;
        let mut at = Rc::clone(&root);
        let mut keys = path.iter().peekable();
        loop {
            let key = keys.next();
            let value = match key {
                Some(key) => peek(&at, key)?,
                None => None,
            };
            let here = Rc::new(Parents { node: Rc::clone(&at), key: key.cloned(), outer: parents });
            match value {
                Some(value) if keys.peek().is_none() => {
                    return Ok(Found { value: Some(value), parents: here, root });
                }
                Some(value) if value.is_object() => {
                    at = value;
                    parents = Some(here);
                }
                _ => return Ok(Found { value: None, parents: here, root }),
            }
        }
    }
}

fn unresolved(node: &Node, reference: &Reference, what: &str) -> Error {
    let message = format!(
        "the substitution {} {what} (define it, or write ${{?…}} if it may be missing)",
        reference.text()
    );
    Error::new(ErrorKind::UnresolvedSubstitution, node.origin.clone(), message)
}

/// The value of a key, as far as it is known before resolution.
fn peek(node: &Node, key: &Rc<str>) -> Result<Option<Node>, Error> {
    let stack = match &node.kind {
        NodeKind::Object { map, .. } => return Ok(map.get(key).cloned()),
        NodeKind::Delayed { stack, .. } => stack,
        _ => return Ok(None),
    };
    for layer in stack.iter() {
        match &layer.kind {
            NodeKind::Object { map, .. } => match map.get(key) {
                Some(value) if value.ignores_fallbacks() => return Ok(Some(Rc::clone(value))),
                _ => {}
            },
            _ if layer.is_unmergeable() => {
                let message = format!(
                    "the key {key} cannot be looked up here: a substitution beside it is not resolved yet and may hide it"
                );
                return Err(Error::new(ErrorKind::NotResolved, layer.origin.clone(), message));
            }
            _ => return Ok(None),
        }
    }
    Err(broken(&node.origin, "a merge had nothing to wait for"))
}

/// The search for further substitutions without a value, once one is known.
struct Missing<'a> {
    seen: HashSet<*const Data>,
    found: Vec<Error>,
    resolver: Resolver<'a>,
}

impl Missing<'_> {
    fn collect(&mut self, node: &Node, source: &Source) -> Result<(), Error> {
        let enough = self.found.len() + 1 >= Budgets::ERRORS;
        if node.is_resolved() || enough || !self.seen.insert(Rc::as_ptr(node)) {
            return Ok(());
        }
        self.resolver.meter.steps(1, &node.origin)?;
        match &node.kind {
            NodeKind::Reference(reference) if !reference.optional => {
                self.resolver.marked.push(Rc::as_ptr(node));
                let followed = self.resolver.follow(node, reference, source, &Restriction::none());
                self.resolver.marked.clear();
                match followed {
                    Ok(None) => self.found.push(unresolved(node, reference, "has no value")),
                    Err(Failure::Error(error)) if error.kind() == ErrorKind::BudgetExceeded => {
                        return Err(error);
                    }
                    _ => {}
                }
                Ok(())
            }
            NodeKind::List(children) | NodeKind::Concatenation(children) => {
                children.iter().try_for_each(|child| self.collect(child, source))
            }
            NodeKind::Delayed { stack, .. } => stack.iter().try_for_each(|child| self.collect(child, source)),
            NodeKind::Object { map, .. } => map.values().try_for_each(|child| self.collect(child, source)),
            _ => Ok(()),
        }
    }
}
