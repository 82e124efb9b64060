//! Whole views, put together again from the light trees of a view and of all views below it.

use std::collections::{HashMap, HashSet};

use cantle_crypto::Hash;

use super::light_tree::LightTransactionViewTree;
use super::merkle_seq::MerkleSeq;
use super::view::ViewNode;
use crate::view_position::ViewPosition;

/// A view of which nothing is blinded, with the light tree that brought it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullView {
    light: LightTransactionViewTree,
    view: ViewNode,
}

impl FullView {
    /// The view and all below.
    #[must_use]
    pub fn view(&self) -> &ViewNode {
        &self.view
    }

    /// The light tree of the view.
    #[must_use]
    pub fn light(&self) -> &LightTransactionViewTree {
        &self.light
    }

    /// Where the view stands.
    #[must_use]
    pub fn position(&self) -> &ViewPosition {
        self.light.position()
    }
}

/// What could be put together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reconstruction {
    /// The whole views, each before those below it.
    pub views: Vec<FullView>,
    /// The hashes of views whose light trees are there, but not those of all views below.
    pub incomplete: Vec<Hash>,
    /// The hashes of views whose light trees came more than once.
    pub duplicates: Vec<Hash>,
}

/// Puts views together from the light trees of one transaction, in any order.
///
/// Trees of several transactions do not disturb each other: views are known by their hashes.
#[must_use]
pub fn reconstruct(mut trees: Vec<LightTransactionViewTree>) -> Reconstruction {
    let mut result = Reconstruction::default();
    // The deepest views first: what is below a view is whole before it.
    trees.sort_by(|one, two| {
        let depth = |tree: &LightTransactionViewTree| tree.position().indices().len();
        depth(two).cmp(&depth(one)).then_with(|| two.position().cmp(one.position()))
    });
    let mut whole: HashMap<Hash, ViewNode> = HashMap::with_capacity(trees.len());
    let mut seen = HashSet::with_capacity(trees.len());
    for light in trees {
        let hash = light.view_hash();
        if !seen.insert(hash) {
            result.duplicates.push(hash);
            continue;
        }
        let below: Option<Vec<_>> =
            light.subview_hashes().iter().map(|subview| whole.get(subview).cloned()).collect();
        let Some(below) = below else {
            result.incomplete.push(hash);
            continue;
        };
        let view = light.view().with_subviews(MerkleSeq::new(below));
        whole.insert(hash, view.clone());
        result.views.push(FullView { light, view });
    }
    result.views.reverse();
    result
}
