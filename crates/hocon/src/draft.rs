//! Values of a document that is being read, before they become nodes: objects that keys are still added to.
//!
//! A key that comes again is merged into what it has, in place; so an object that is written in ten thousand lines is
//! not copied ten thousand times. The merge rules are those of nodes.

use std::rc::Rc;

use crate::budget::Meter;
use crate::error::Error;
use crate::map::MapBuilder;
use crate::node::{self, Data, Node, NodeKind};
use crate::origin::Origin;

/// A value of a document that is being read.
pub(crate) enum Draft {
    Object(DraftObject),
    Node(Node),
}

/// An object that keys may still be added to.
pub(crate) struct DraftObject {
    values: MapBuilder<Draft>,
    /// It lies over something that is not an object, so nothing below that shows through.
    ignores_fallbacks: bool,
    origin: Origin,
}

impl Draft {
    /// A value under the keys of a path; the value itself if there is no key.
    pub(crate) fn under(path: &[Rc<str>], value: Self) -> Self {
        path.iter().rev().fold(value, |value, key| {
            let origin = value.origin().clone();
            let values = MapBuilder::of(Rc::clone(key), value);
            Self::Object(DraftObject { values, ignores_fallbacks: false, origin })
        })
    }

    pub(crate) fn origin(&self) -> &Origin {
        match self {
            Self::Object(object) => &object.origin,
            Self::Node(node) => &node.origin,
        }
    }

    /// The node it is once nothing more is added.
    pub(crate) fn finish(self, meter: &Meter) -> Result<Node, Error> {
        let DraftObject { values, ignores_fallbacks, origin } = match self {
            Self::Node(node) => return Ok(node),
            Self::Object(object) => object,
        };
        let map = values.finish_with(|value| value.finish(meter))?;
        Data::node(NodeKind::Object { map, ignores_fallbacks }, origin, meter)
    }

    fn ignores_fallbacks(&self) -> bool {
        match self {
            Self::Object(object) => object.ignores_fallbacks,
            Self::Node(node) => node.ignores_fallbacks(),
        }
    }

    fn is_plain_object(&self) -> bool {
        match self {
            Self::Object(_) => true,
            Self::Node(node) => matches!(node.kind, NodeKind::Object { .. }),
        }
    }

    /// Takes a node that is an object apart, so that keys can be added. What is no object becomes an empty one.
    fn thawed(self) -> DraftObject {
        match self {
            Self::Object(object) => object,
            Self::Node(node) => {
                let mut object = DraftObject::new(node.origin.clone());
                if let NodeKind::Object { map, ignores_fallbacks } = &node.kind {
                    object.ignores_fallbacks = *ignores_fallbacks;
                    for (key, value) in map.iter() {
                        object.values.put(Rc::clone(key), Self::Node(Rc::clone(value)));
                    }
                }
                object
            }
        }
    }

    /// Lays it over another one, which becomes the result.
    pub(crate) fn lay_over(self, below: &mut Self, meter: &Meter) -> Result<(), Error> {
        if self.ignores_fallbacks() {
            *below = self;
            return Ok(());
        }
        let nothing = Self::Object(DraftObject::new(self.origin().clone()));
        let lower = std::mem::replace(below, nothing);
        *below = if self.is_plain_object() && lower.is_plain_object() {
            let (upper, mut lower) = (self.thawed(), lower.thawed());
            meter.steps(upper.values.len(), &upper.origin)?;
            let upper_values = upper.values.into_entries();
            lower.values.put_first(upper_values, |value, below| value.lay_over(below, meter))?;
            lower.origin = upper.origin;
            Self::Object(lower)
        } else {
            Self::Node(node::merge(&self.finish(meter)?, &lower.finish(meter)?, meter)?)
        };
        Ok(())
    }
}

impl DraftObject {
    pub(crate) fn new(origin: Origin) -> Self {
        Self { values: MapBuilder::new(), ignores_fallbacks: false, origin }
    }

    /// Lays a value over what its key has.
    pub(crate) fn put(&mut self, key: &Rc<str>, value: Draft, meter: &Meter) -> Result<(), Error> {
        match self.values.get_mut(key) {
            Some(below) => value.lay_over(below, meter),
            None => {
                self.values.put(Rc::clone(key), value);
                Ok(())
            }
        }
    }
}
