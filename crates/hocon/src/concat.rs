//! Joining the pieces of a concatenation: strings to a string, lists to a list, objects to an object.
//!
//! Pieces that are not resolved stay apart; the same rules run again once they are. The rules, with what Lightbend's
//! library does beyond the specification: unquoted text after a list or object is dropped, and an object with numeric
//! keys beside a list is a list.

use std::rc::Rc;

use crate::budget::Meter;
use crate::error::{Error, ErrorKind};
use crate::java;
use crate::map::Map;
use crate::node::{Data, Node, NodeKind, merge};
use crate::origin::Origin;

/// What the last piece is while more may be joined to it.
enum Last {
    Node(Node),
    /// A string that was joined already.
    Text(Origin, String),
}

/// Joins neighbours as far as possible.
pub(crate) fn consolidate(pieces: &[Node], meter: &Meter) -> Result<Vec<Node>, Error> {
    let flat = pieces.iter().flat_map(|piece| match &piece.kind {
        NodeKind::Concatenation(pieces) if pieces.len() > 1 => pieces.as_slice(),
        _ => std::slice::from_ref(piece),
    });
    let mut joined = Vec::new();
    let mut last: Option<Last> = None;
    for right in flat {
        let Some(left) = last.take() else {
            last = Some(Last::Node(Rc::clone(right)));
            continue;
        };
        let (done, next) = join(left, right, meter)?;
        joined.extend(done);
        last = Some(next);
    }
    joined.extend(last.map(Last::into_node));
    Ok(joined)
}

/// Joins pieces to one value, or to a concatenation that waits; `None` if there is no piece.
pub(crate) fn concatenate(pieces: &[Node], meter: &Meter) -> Result<Option<Node>, Error> {
    let mut joined = consolidate(pieces, meter)?;
    if joined.len() < 2 {
        return Ok(joined.pop());
    }
    match joined.first().map(|first| first.origin.clone()) {
        Some(origin) => Data::node(NodeKind::Concatenation(joined), origin, meter).map(Some),
        None => Ok(None),
    }
}

impl Last {
    fn into_node(self) -> Node {
        match self {
            Self::Node(node) => node,
            Self::Text(origin, text) => {
                Data::leaf(NodeKind::String { text: text.into(), quoted: true }, origin)
            }
        }
    }
}

/// Joins two neighbours: the left one, if it stays apart, and what the next piece is to be joined to.
fn join(left: Last, right: &Node, meter: &Meter) -> Result<(Option<Node>, Last), Error> {
    let left = match left {
        Last::Node(node) => node,
        Last::Text(origin, mut text) => {
            if right.is_unmergeable() {
                return Ok((Some(Last::Text(origin, text).into_node()), Last::Node(Rc::clone(right))));
            }
            let Some(more) = scalar_text(right) else { return Err(mismatch("a string", &origin, right)) };
            meter.text(more.len(), &right.origin)?;
            text.push_str(more);
            return Ok((None, Last::Text(origin, text)));
        }
    };
    let is_list = |node: &Node| matches!(node.kind, NodeKind::List(_));
    let (left, right) = match (left.is_object(), is_list(right), is_list(&left), right.is_object()) {
        (true, true, _, _) => (indexed_list(&left, meter)?, Rc::clone(right)),
        (_, _, true, true) => (left, indexed_list(right, meter)?),
        _ => (left, Rc::clone(right)),
    };
    if left.is_object() && right.is_object() {
        return Ok((None, Last::Node(merge(&right, &left, meter)?)));
    }
    match (&left.kind, &right.kind) {
        (NodeKind::List(first), NodeKind::List(second)) => {
            meter.steps(first.len() + second.len(), &left.origin)?;
            let all = first.iter().chain(second).cloned().collect();
            return Ok((None, Last::Node(Data::node(NodeKind::List(all), left.origin.clone(), meter)?)));
        }
        (_, NodeKind::String { quoted: false, .. }) if is_list(&left) || left.is_object() => {
            return Ok((None, Last::Node(left)));
        }
        _ => {}
    }
    if left.is_unmergeable() || right.is_unmergeable() {
        return Ok((Some(left), Last::Node(right)));
    }
    match (scalar_text(&left), scalar_text(&right)) {
        (Some(first), Some(second)) => {
            meter.text(first.len() + second.len(), &left.origin)?;
            let text = format!("{first}{second}");
            Ok((None, Last::Text(left.origin.clone(), text)))
        }
        _ => Err(mismatch(type_name(&left), &left.origin, &right)),
    }
}

fn mismatch(left: &str, origin: &Origin, right: &Node) -> Error {
    let message = format!(
        "{left} and {} cannot be joined to one value (separate them with a comma or a new line, or quote the text)",
        type_name(right)
    );
    Error::new(ErrorKind::WrongType, origin.clone(), message)
}

fn type_name(node: &Node) -> &'static str {
    match &node.kind {
        NodeKind::Null => "null",
        NodeKind::Bool(_) => "a boolean",
        NodeKind::Number(_) => "a number",
        NodeKind::String { .. } => "a string",
        NodeKind::List(_) => "a list",
        NodeKind::Object { .. } | NodeKind::Delayed { object: true, .. } => "an object",
        _ => "a substitution",
    }
}

/// What a value contributes to a string.
fn scalar_text(node: &Node) -> Option<&str> {
    match &node.kind {
        NodeKind::Null => Some("null"),
        NodeKind::Bool(true) => Some("true"),
        NodeKind::Bool(false) => Some("false"),
        NodeKind::Number(number) => Some(number.text()),
        NodeKind::String { text, .. } => Some(text),
        _ => None,
    }
}

/// The list an object with numeric keys stands for, in the order of the numbers; the object itself if it has none.
fn indexed_list(node: &Node, meter: &Meter) -> Result<Node, Error> {
    let map: &Map<Node> = match &node.kind {
        NodeKind::Object { map, .. } => map,
        _ => {
            let message = "an object is joined with a list before it is resolved";
            return Err(Error::new(ErrorKind::NotResolved, node.origin.clone(), message));
        }
    };
    // Of two keys for the same number the one that comes later in the object's order is taken.
    let elements: std::collections::BTreeMap<i32, &Node> = map
        .iter()
        .filter_map(|(key, value)| Some((java::parse_int(key, 10).filter(|i| *i >= 0)?, value)))
        .collect();
    if elements.is_empty() {
        return Ok(Rc::clone(node));
    }
    let list = elements.into_values().cloned().collect();
    Data::node(NodeKind::List(list), node.origin.clone(), meter)
}
