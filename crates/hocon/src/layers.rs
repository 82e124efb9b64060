//! The layers of a merge that waits, the one with priority first.
//!
//! A list whose tails are shared: laying a value over it, and leaving off the uppermost layers, cost nothing. Resolution
//! does that for every layer of a value that was added to many times.

use std::rc::Rc;

use crate::node::Node;

/// The layers of a merge; `None` below the last one.
#[derive(Clone, Default)]
pub(crate) struct Layers(Option<Rc<Layer>>);

struct Layer {
    node: Node,
    below: Layers,
    count: usize,
    height: usize,
    /// Nothing below the last layer matters.
    ends: bool,
    /// No layer but the last one hides what is below it.
    open: bool,
}

impl Layers {
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// A layer over these.
    pub(crate) fn over(node: &Node, below: Self) -> Self {
        let layer = match &below.0 {
            None => {
                let ends = node.ignores_fallbacks();
                Layer { node: Rc::clone(node), below, count: 1, height: node.height(), ends, open: true }
            }
            Some(next) => Layer {
                node: Rc::clone(node),
                count: next.count + 1,
                height: next.height.max(node.height()),
                ends: next.ends,
                open: next.open && !node.ignores_fallbacks(),
                below,
            },
        };
        Self(Some(Rc::new(layer)))
    }

    /// All of `upper`, the first one first, over these.
    pub(crate) fn all_over<'a>(upper: impl DoubleEndedIterator<Item = &'a Node>, below: Self) -> Self {
        upper.rev().fold(below, |below, node| Self::over(node, below))
    }

    pub(crate) fn first(&self) -> Option<&Node> {
        self.0.as_ref().map(|layer| &layer.node)
    }

    /// The layers below the first one.
    pub(crate) fn below(&self) -> Self {
        self.0.as_ref().map(|layer| layer.below.clone()).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |layer| layer.count)
    }

    pub(crate) fn height(&self) -> usize {
        self.0.as_ref().map_or(0, |layer| layer.height)
    }

    /// Nothing below the last layer matters.
    pub(crate) fn ends(&self) -> bool {
        self.0.as_ref().is_some_and(|layer| layer.ends)
    }

    /// No layer but the last one hides what is below it.
    pub(crate) fn is_open(&self) -> bool {
        self.0.as_ref().is_none_or(|layer| layer.open)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Node> {
        let mut next = self.0.as_deref();
        std::iter::from_fn(move || {
            let layer = next?;
            next = layer.below.0.as_deref();
            Some(&layer.node)
        })
    }
}

impl Drop for Layers {
    /// One layer after the other: a merge may have more of them than the stack has room for calls.
    fn drop(&mut self) {
        let mut next = self.0.take();
        while let Some(layer) = next {
            next = Rc::try_unwrap(layer).ok().and_then(|mut layer| layer.below.0.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::{Data, NodeKind};
    use crate::origin::Origin;

    fn null() -> Node {
        Data::leaf(NodeKind::Null, Origin::new("t"))
    }

    #[test]
    fn layers_are_counted_and_shared() {
        let (upper, lower) = (null(), null());
        let layers = Layers::all_over([&upper, &lower].into_iter(), Layers::none());
        assert_eq!(layers.len(), 2);
        assert!(layers.first().is_some_and(|first| Rc::ptr_eq(first, &upper)));
        assert!(layers.below().first().is_some_and(|first| Rc::ptr_eq(first, &lower)));
        assert!(layers.below().below().first().is_none());
        assert!(layers.ends() && !layers.is_open() && layers.below().is_open());
    }

    #[test]
    fn a_million_layers_are_dropped_without_a_stack_for_them() {
        let node = null();
        let layers = (0..1_000_000).fold(Layers::none(), |below, _| Layers::over(&node, below));
        assert_eq!(layers.len(), 1_000_000);
        let shared = layers.below().below();
        drop(layers);
        assert_eq!(shared.iter().count(), 999_998);
    }
}
