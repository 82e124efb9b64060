//! Values before resolution: substitutions, concatenations and merges that wait, and how one value is laid over
//! another.
//!
//! Nodes are shared and never change. Identity matters: resolution remembers results by node, and looks for a node by
//! identity when it is replaced; so a merge that changes nothing returns the very node it was given. A bound of the
//! height is known for every node and limited, which limits every recursion over nodes, their destruction too.
//!
//! The merge rules: <https://github.com/lightbend/config/blob/v1.4.3/HOCON.md#duplicate-keys-and-object-merging>.

use std::rc::Rc;

use crate::budget::Meter;
use crate::error::{Error, ErrorKind};
use crate::expression::Keys;
use crate::layers::Layers;
use crate::map::{Map, MapBuilder, Remade};
use crate::origin::Origin;
use crate::value::Number;

pub(crate) type Node = Rc<Data>;

pub(crate) struct Data {
    pub(crate) origin: Origin,
    pub(crate) kind: NodeKind,
    /// How many children of a list or object are not resolved; 1 for what has to be resolved itself.
    pending: usize,
    height: usize,
}

pub(crate) enum NodeKind {
    Null,
    Bool(bool),
    Number(Number),
    String {
        text: Rc<str>,
        /// Unquoted text beside a list or object is dropped as if it were whitespace.
        quoted: bool,
    },
    List(Vec<Node>),
    Object {
        map: Map<Node>,
        /// It lies over something that is not an object, so nothing below that shows through.
        ignores_fallbacks: bool,
    },
    Reference(Reference),
    /// Pieces to join once they are resolved.
    Concatenation(Vec<Node>),
    /// Values to merge once they are resolved, the one with priority first.
    Delayed {
        stack: Layers,
        /// It will be an object, as its first value is one.
        object: bool,
    },
}

/// A substitution.
#[derive(Clone)]
pub(crate) struct Reference {
    pub(crate) path: Keys,
    pub(crate) optional: bool,
    /// How many of the first keys are where the file was included at.
    pub(crate) prefix: usize,
}

impl Reference {
    pub(crate) fn text(&self) -> String {
        format!("${{{}{}}}", if self.optional { "?" } else { "" }, crate::expression::render(&self.path))
    }
}

/// A fault that Lightbend's library reports as its own.
pub(crate) fn broken(origin: &Origin, what: &str) -> Error {
    let message = format!("{what}; write the value without merging it here");
    Error::new(ErrorKind::BugOrBroken, origin.clone(), message)
}

impl Data {
    /// A node, if it is not too high.
    pub(crate) fn node(kind: NodeKind, origin: Origin, meter: &Meter) -> Result<Node, Error> {
        let (pending, below) = match &kind {
            NodeKind::List(children) => summary(children.iter()),
            NodeKind::Object { map, .. } => summary(map.values()),
            NodeKind::Concatenation(children) => (1, summary(children.iter()).1),
            NodeKind::Delayed { stack, .. } => (1, stack.height()),
            NodeKind::Reference(_) => (1, 0),
            _ => (0, 0),
        };
        meter.nesting(below, &origin)?;
        Ok(Rc::new(Self { origin, kind, pending, height: below + 1 }))
    }

    /// A node without children, which cannot be too high.
    pub(crate) fn leaf(kind: NodeKind, origin: Origin) -> Node {
        let pending = usize::from(matches!(kind, NodeKind::Reference(_)));
        Rc::new(Self { origin, kind, pending, height: 1 })
    }

    /// An object with another value under a key that it has, or without the key.
    pub(crate) fn object_with(
        &self,
        key: &str,
        value: Option<&Node>,
        remade: Remade,
        meter: &Meter,
    ) -> Result<Option<Node>, Error> {
        let NodeKind::Object { map, ignores_fallbacks } = &self.kind else { return Ok(None) };
        let waits = |node: &Node| usize::from(!node.is_resolved());
        let pending = self.pending + value.map_or(0, waits) - map.get(key).map_or(0, waits);
        let height = value.map_or(self.height, |value| self.height.max(value.height + 1));
        meter.nesting(height - 1, &self.origin)?;
        let map = map.with(key, value.cloned(), remade);
        let kind = NodeKind::Object { map, ignores_fallbacks: *ignores_fallbacks };
        Ok(Some(Rc::new(Self { origin: self.origin.clone(), kind, pending, height })))
    }

    pub(crate) fn empty_object(origin: Origin) -> Node {
        Self::leaf(NodeKind::Object { map: Map::empty(), ignores_fallbacks: false }, origin)
    }

    pub(crate) fn object(map: Map<Node>, origin: Origin, meter: &Meter) -> Result<Node, Error> {
        Self::node(NodeKind::Object { map, ignores_fallbacks: false }, origin, meter)
    }

    /// No substitution is left in it.
    pub(crate) fn is_resolved(&self) -> bool {
        self.pending == 0
    }

    /// How high the tree below it can be, itself included.
    pub(crate) fn height(&self) -> usize {
        self.height
    }

    /// It is an object or will be one.
    pub(crate) fn is_object(&self) -> bool {
        matches!(self.kind, NodeKind::Object { .. } | NodeKind::Delayed { object: true, .. })
    }

    /// It cannot be merged or joined before it is resolved.
    pub(crate) fn is_unmergeable(&self) -> bool {
        matches!(self.kind, NodeKind::Reference(_) | NodeKind::Concatenation(_) | NodeKind::Delayed { .. })
    }

    /// It can be a parent.
    pub(crate) fn is_container(&self) -> bool {
        matches!(
            self.kind,
            NodeKind::List(_)
                | NodeKind::Object { .. }
                | NodeKind::Concatenation(_)
                | NodeKind::Delayed { .. }
        )
    }

    /// Nothing below it in a merge can matter.
    pub(crate) fn ignores_fallbacks(&self) -> bool {
        match &self.kind {
            NodeKind::Object { ignores_fallbacks, .. } => *ignores_fallbacks,
            NodeKind::Delayed { stack, .. } => stack.ends(),
            _ => self.is_resolved(),
        }
    }
}

/// How many are not resolved, and the height of the highest.
fn summary<'a>(children: impl Iterator<Item = &'a Node>) -> (usize, usize) {
    children.fold((0, 0), |(pending, height), child| {
        (pending + usize::from(!child.is_resolved()), height.max(child.height))
    })
}

/// A merge that waits.
fn delayed(stack: Layers, object: bool, origin: Origin, meter: &Meter) -> Result<Node, Error> {
    if object && !stack.first().is_some_and(|first| first.is_object()) {
        return Err(broken(&origin, "a merge that has to be an object would not be one"));
    }
    Data::node(NodeKind::Delayed { stack, object }, origin, meter)
}

/// The layers of a merge that waits with a node laid over them.
fn layered(over: &Node, below: Layers, meter: &Meter) -> Result<Node, Error> {
    let origin = over.origin.clone();
    let stack = match &over.kind {
        NodeKind::Delayed { stack, .. } => {
            meter.steps(stack.len(), &origin)?;
            let upper: Vec<&Node> = stack.iter().collect();
            Layers::all_over(upper.into_iter(), below)
        }
        _ => Layers::over(over, below),
    };
    meter.steps(1, &origin)?;
    delayed(stack, over.is_object(), origin, meter)
}

/// Lays a node over another one: `over.withFallback(below)`.
pub(crate) fn merge(over: &Node, below: &Node, meter: &Meter) -> Result<Node, Error> {
    if over.ignores_fallbacks() {
        return Ok(Rc::clone(over));
    }
    if !below.is_unmergeable() {
        match (&over.kind, &below.kind) {
            (NodeKind::Object { map: upper, .. }, NodeKind::Object { map: lower, ignores_fallbacks }) => {
                return merge_objects(over, upper, lower, *ignores_fallbacks, meter);
            }
            (NodeKind::Object { map, .. }, _) if over.is_resolved() => {
                let kind = NodeKind::Object { map: map.clone(), ignores_fallbacks: true };
                return Data::node(kind, over.origin.clone(), meter);
            }
            _ => {}
        }
    }
    let below = match &below.kind {
        NodeKind::Delayed { stack, .. } => stack.clone(),
        _ => Layers::over(below, Layers::none()),
    };
    layered(over, below, meter)
}

/// The layers of a merge, merged one after the other; nothing if there is none.
pub(crate) fn merge_layers(stack: &Layers, meter: &Meter) -> Result<Option<Node>, Error> {
    let Some(first) = stack.first() else { return Ok(None) };
    let mut merged = Rc::clone(first);
    let mut rest = stack.below();
    while let Some(next) = rest.first() {
        if merged.is_unmergeable() && rest.is_open() && !merged.ignores_fallbacks() {
            // No layer is hidden, so all of them are layers of the merge.
            return layered(&merged, rest, meter).map(Some);
        }
        merged = merge(&merged, next, meter)?;
        rest = rest.below();
    }
    Ok(Some(merged))
}

fn merge_objects(
    over: &Node,
    upper: &Map<Node>,
    lower: &Map<Node>,
    ignores_fallbacks: bool,
    meter: &Meter,
) -> Result<Node, Error> {
    meter.steps(upper.len() + lower.len(), &over.origin)?;
    let mut merged = MapBuilder::new();
    let mut changed = false;
    for (key, first) in upper.iter() {
        let kept = match lower.get(key) {
            Some(second) => merge(first, second, meter)?,
            None => Rc::clone(first),
        };
        changed |= !Rc::ptr_eq(first, &kept);
        merged.put(Rc::clone(key), kept);
    }
    for (key, second) in lower.iter().filter(|(key, _)| upper.get(key).is_none()) {
        changed = true;
        merged.put(Rc::clone(key), Rc::clone(second));
    }
    if changed {
        let kind = NodeKind::Object { map: merged.finish(), ignores_fallbacks };
        return Data::node(kind, over.origin.clone(), meter);
    }
    if ignores_fallbacks != over.ignores_fallbacks() {
        let kind = NodeKind::Object { map: upper.clone(), ignores_fallbacks };
        return Data::node(kind, over.origin.clone(), meter);
    }
    Ok(Rc::clone(over))
}

/// The node with its substitutions moved to where its file was included at; the same node if it has none.
pub(crate) fn relativized(node: &Node, prefix: &[Rc<str>], meter: &Meter) -> Result<Node, Error> {
    if node.is_resolved() {
        return Ok(Rc::clone(node));
    }
    let all = |nodes: &[Node]| -> Result<Vec<Node>, Error> {
        meter.steps(nodes.len(), &node.origin)?;
        nodes.iter().map(|child| relativized(child, prefix, meter)).collect()
    };
    let kind = match &node.kind {
        NodeKind::Reference(reference) => {
            let path: Keys = prefix.iter().chain(reference.path.iter()).cloned().collect();
            meter.path(path.len(), &node.origin)?;
            let moved = reference.prefix + prefix.len();
            NodeKind::Reference(Reference { path, optional: reference.optional, prefix: moved })
        }
        NodeKind::List(children) => NodeKind::List(all(children)?),
        NodeKind::Concatenation(children) => NodeKind::Concatenation(all(children)?),
        NodeKind::Delayed { stack, object } => {
            meter.steps(stack.len(), &node.origin)?;
            let moved: Vec<Node> =
                stack.iter().map(|layer| relativized(layer, prefix, meter)).collect::<Result<_, _>>()?;
            NodeKind::Delayed { stack: Layers::all_over(moved.iter(), Layers::none()), object: *object }
        }
        NodeKind::Object { map, ignores_fallbacks } => {
            meter.steps(map.len(), &node.origin)?;
            let mut moved = MapBuilder::new();
            for (key, child) in map.iter() {
                moved.put(Rc::clone(key), relativized(child, prefix, meter)?);
            }
            NodeKind::Object { map: moved.finish(), ignores_fallbacks: *ignores_fallbacks }
        }
        _ => return Ok(Rc::clone(node)),
    };
    Data::node(kind, node.origin.clone(), meter)
}

/// A container with one of its children replaced, or removed; `None` if nothing is left of it. The key is where the
/// child is, if that is known.
pub(crate) fn replace_child(
    parent: &Node,
    key: Option<&str>,
    child: &Node,
    replacement: Option<&Node>,
    meter: &Meter,
) -> Result<Option<Node>, Error> {
    let lost = || broken(&parent.origin, "a value that refers to itself was lost on the way to it");
    match &parent.kind {
        NodeKind::Object { map, .. } => {
            let is_it = |value: &Node| Rc::ptr_eq(value, child);
            let key = match key.filter(|key| map.get(key).is_some_and(is_it)) {
                Some(key) => key,
                None => {
                    meter.steps(map.len(), &parent.origin)?;
                    map.iter().find(|(_, value)| is_it(value)).ok_or_else(lost)?.0
                }
            };
            parent.object_with(key, replacement, Remade::Copied, meter)
        }
        NodeKind::List(children) => {
            let children = replaced(children.iter(), child, replacement).ok_or_else(lost)?;
            meter.steps(children.len(), &parent.origin)?;
            if children.is_empty() {
                return Ok(None);
            }
            Data::node(NodeKind::List(children), parent.origin.clone(), meter).map(Some)
        }
        NodeKind::Delayed { stack, object } => {
            let layers = replaced(stack.iter(), child, replacement).ok_or_else(lost)?;
            meter.steps(layers.len(), &parent.origin)?;
            if layers.is_empty() {
                return Ok(None);
            }
            if layers.iter().any(|layer| matches!(layer.kind, NodeKind::Delayed { .. })) {
                return Err(broken(
                    &parent.origin,
                    "a merge ended up inside another one, which cannot be resolved",
                ));
            }
            let stack = Layers::all_over(layers.iter(), Layers::none());
            delayed(stack, *object, parent.origin.clone(), meter).map(Some)
        }
        _ => Err(lost()),
    }
}

/// The nodes with one of them replaced, or removed; `None` if it is not among them.
fn replaced<'a>(nodes: impl Iterator<Item = &'a Node>, old: &Node, new: Option<&Node>) -> Option<Vec<Node>> {
    let mut found = false;
    let mut changed = Vec::new();
    for node in nodes {
        if !found && Rc::ptr_eq(node, old) {
            found = true;
            changed.extend(new.cloned());
        } else {
            changed.push(Rc::clone(node));
        }
    }
    found.then_some(changed)
}
