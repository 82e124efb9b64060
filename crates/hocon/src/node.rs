//! Values before resolution: substitutions, concatenations and merges that wait, and how one value is laid over
//! another.
//!
//! Nodes are shared and never change. Identity matters: resolution remembers results by node, and looks for a node by
//! identity when it is replaced; so a merge that changes nothing returns the very node it was given. Height is known
//! for every node and bounded, which bounds every recursion over nodes, their destruction too.
//!
//! The merge rules: <https://github.com/lightbend/config/blob/v1.4.3/HOCON.md#duplicate-keys-and-object-merging>.

use std::rc::Rc;

use crate::budget::Meter;
use crate::error::{Error, ErrorKind};
use crate::expression::Keys;
use crate::map::{Map, MapBuilder};
use crate::origin::Origin;
use crate::value::Number;

pub(crate) type Node = Rc<Data>;

pub(crate) struct Data {
    pub(crate) origin: Origin,
    pub(crate) kind: NodeKind,
    resolved: bool,
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
        stack: Vec<Node>,
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
        let (resolved, below) = match &kind {
            NodeKind::List(children) => summary(children.iter()),
            NodeKind::Object { map, .. } => summary(map.values()),
            NodeKind::Concatenation(children) | NodeKind::Delayed { stack: children, .. } => {
                (false, summary(children.iter()).1)
            }
            NodeKind::Reference(_) => (false, 0),
            _ => (true, 0),
        };
        meter.nesting(below, &origin)?;
        Ok(Rc::new(Self { origin, kind, resolved, height: below + 1 }))
    }

    /// A node without children, which cannot be too high.
    pub(crate) fn leaf(kind: NodeKind, origin: Origin) -> Node {
        let resolved = !matches!(kind, NodeKind::Reference(_));
        Rc::new(Self { origin, kind, resolved, height: 1 })
    }

    pub(crate) fn empty_object(origin: Origin) -> Node {
        Self::leaf(NodeKind::Object { map: Map::empty(), ignores_fallbacks: false }, origin)
    }

    pub(crate) fn object(map: Map<Node>, origin: Origin, meter: &Meter) -> Result<Node, Error> {
        Self::node(NodeKind::Object { map, ignores_fallbacks: false }, origin, meter)
    }

    /// No substitution is left in it.
    pub(crate) fn is_resolved(&self) -> bool {
        self.resolved
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
            NodeKind::Delayed { stack, .. } => stack.last().is_some_and(|last| last.ignores_fallbacks()),
            _ => self.resolved,
        }
    }
}

fn summary<'a>(children: impl Iterator<Item = &'a Node>) -> (bool, usize) {
    children
        .fold((true, 0), |(resolved, height), child| (resolved && child.resolved, height.max(child.height)))
}

/// The values a delayed merge has of a node.
fn layers(node: &Node) -> &[Node] {
    match &node.kind {
        NodeKind::Delayed { stack, .. } => stack,
        _ => std::slice::from_ref(node),
    }
}

/// A merge that waits.
pub(crate) fn delayed(stack: Vec<Node>, object: bool, origin: Origin, meter: &Meter) -> Result<Node, Error> {
    if stack.iter().any(|layer| matches!(layer.kind, NodeKind::Delayed { .. })) {
        return Err(broken(&origin, "a merge ended up inside another one, which cannot be resolved"));
    }
    if object && !stack.first().is_some_and(|first| first.is_object()) {
        return Err(broken(&origin, "a merge that has to be an object would not be one"));
    }
    Data::node(NodeKind::Delayed { stack, object }, origin, meter)
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
            (NodeKind::Object { map, .. }, _) if over.resolved => {
                let kind = NodeKind::Object { map: map.clone(), ignores_fallbacks: true };
                return Data::node(kind, over.origin.clone(), meter);
            }
            _ => {}
        }
    }
    let stack: Vec<Node> = layers(over).iter().chain(layers(below)).cloned().collect();
    meter.steps(stack.len(), &over.origin)?;
    delayed(stack, over.is_object(), over.origin.clone(), meter)
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
    if node.resolved {
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
        NodeKind::Delayed { stack, object } => NodeKind::Delayed { stack: all(stack)?, object: *object },
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

/// A container with one of its children replaced, or removed; `None` if nothing is left of it.
pub(crate) fn replace_child(
    parent: &Node,
    child: &Node,
    replacement: Option<&Node>,
    meter: &Meter,
) -> Result<Option<Node>, Error> {
    let lost = || broken(&parent.origin, "a value that refers to itself was lost on the way to it");
    let in_list = |children: &[Node]| -> Result<Vec<Node>, Error> {
        meter.steps(children.len(), &parent.origin)?;
        let place = children.iter().position(|c| Rc::ptr_eq(c, child)).ok_or_else(lost)?;
        let mut children = children.to_vec();
        match (replacement, children.get_mut(place)) {
            (Some(replacement), Some(slot)) => *slot = Rc::clone(replacement),
            _ => drop(children.remove(place)),
        }
        Ok(children)
    };
    let node = match &parent.kind {
        NodeKind::Object { map, ignores_fallbacks } => {
            meter.steps(map.len(), &parent.origin)?;
            let copy = map.copy().finish();
            let key = copy.iter().find(|(_, value)| Rc::ptr_eq(value, child)).map(|(key, _)| Rc::clone(key));
            let key = key.ok_or_else(lost)?;
            let map = match replacement {
                Some(replacement) => {
                    let mut changed = map.copy();
                    changed.put(key, Rc::clone(replacement));
                    changed.finish()
                }
                None => copy.without(&key),
            };
            let kind = NodeKind::Object { map, ignores_fallbacks: *ignores_fallbacks };
            return Data::node(kind, parent.origin.clone(), meter).map(Some);
        }
        NodeKind::List(children) => {
            let children = in_list(children)?;
            (!children.is_empty()).then_some(NodeKind::List(children))
        }
        NodeKind::Delayed { stack, object } => {
            let stack = in_list(stack)?;
            if stack.is_empty() {
                return Ok(None);
            }
            return delayed(stack, *object, parent.origin.clone(), meter).map(Some);
        }
        NodeKind::Concatenation(pieces) => {
            let pieces = in_list(pieces)?;
            let nested = pieces.iter().any(|piece| matches!(piece.kind, NodeKind::Concatenation(_)));
            if pieces.len() < 2 || nested || !pieces.iter().any(|piece| piece.is_unmergeable()) {
                return Err(broken(&parent.origin, "a concatenation that refers to itself fell apart"));
            }
            Some(NodeKind::Concatenation(pieces))
        }
        _ => return Err(lost()),
    };
    node.map(|kind| Data::node(kind, parent.origin.clone(), meter)).transpose()
}
