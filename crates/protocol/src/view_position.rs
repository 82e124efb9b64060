//! Where a view stands in its transaction.
//!
//! Views are kept in balanced binary trees: the root views in one, the subviews of each view in one of their own. A
//! position is the list of the places in these trees, from the view up to the root view; a place is the list of the
//! turns, from the leaf up to the root of its tree.
//! Invariant: depth and turns are bounded.

use cantle_proto::protocol::v2;

use crate::error::ParseError;
use crate::wire::field;

/// How deep views may be nested.
pub(crate) const DEPTH_MAX: usize = 32;
/// How many turns a place may need: more than any list of views that fits into a message.
const TURNS_MAX: usize = 32;

/// A turn on the way to a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// To the first child.
    Left,
    /// To the second child.
    Right,
}

/// A place in a list of views: the turns from the leaf up to the root.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MerkleSeqIndex(Vec<Direction>);

impl MerkleSeqIndex {
    /// The place that is reached by these turns, of which the last is taken first.
    #[must_use]
    pub fn new(from_leaf: Vec<Direction>) -> Self {
        Self(from_leaf)
    }

    /// The place of the only view in a list.
    #[must_use]
    pub fn only() -> Self {
        Self::default()
    }

    /// The places of a list of `count` views, in their order.
    #[must_use]
    pub fn all(count: usize) -> Vec<Self> {
        // A group is the run of leaves below one node; an odd last one moves up as it is.
        let mut indices = vec![Self::default(); count];
        let mut groups: Vec<_> = (0..count).map(|leaf| leaf..leaf + 1).collect();
        while groups.len() > 1 {
            let pairs = groups.chunks(2).map(|pair| match pair {
                [first, second] => {
                    indices[first.clone()].iter_mut().for_each(|index| index.0.push(Direction::Left));
                    indices[second.clone()].iter_mut().for_each(|index| index.0.push(Direction::Right));
                    first.start..second.end
                }
                single => single[0].clone(),
            });
            groups = pairs.collect();
        }
        indices
    }

    /// The turns, from the leaf up.
    #[must_use]
    pub fn turns(&self) -> &[Direction] {
        &self.0
    }

    /// The turns, from the root down.
    pub(crate) fn turns_from_root(&self) -> impl Iterator<Item = Direction> {
        self.0.iter().rev().copied()
    }

    pub(crate) fn from_root_turns(turns: &[Direction]) -> Self {
        Self(turns.iter().rev().copied().collect())
    }

    /// The bytes that keys of subviews are derived with.
    pub(crate) fn encoding(&self) -> Vec<u8> {
        const MERKLE_SEQ_INDEX: u8 = 2;
        let mut bytes = vec![MERKLE_SEQ_INDEX];
        bytes.extend(i32::try_from(self.0.len()).unwrap_or(i32::MAX).to_be_bytes());
        bytes.extend(self.0.iter().map(|turn| u8::from(*turn == Direction::Right)));
        bytes
    }
}

/// Where a view stands: its place among its siblings, then that of its parent, up to the root view.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ViewPosition(Vec<MerkleSeqIndex>);

impl ViewPosition {
    /// The position of the root view at this place.
    #[must_use]
    pub fn root(index: MerkleSeqIndex) -> Self {
        Self(vec![index])
    }

    /// The position of the subview at this place below this one.
    #[must_use]
    pub fn child(&self, index: MerkleSeqIndex) -> Self {
        let mut indices = Vec::with_capacity(self.0.len() + 1);
        indices.push(index);
        indices.extend_from_slice(&self.0);
        Self(indices)
    }

    /// The position of the view above; none of a root view.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() { None } else { Some(Self(self.0[1..].to_vec())) }
    }

    /// Whether it is that of a root view.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.len() <= 1
    }

    /// The places, from the view up to the root view.
    #[must_use]
    pub fn indices(&self) -> &[MerkleSeqIndex] {
        &self.0
    }

    /// The message.
    #[must_use]
    pub fn to_proto(&self) -> v2::ViewPosition {
        let position = self.0.iter().map(|index| v2::MerkleSeqIndex {
            is_right: index.0.iter().map(|turn| *turn == Direction::Right).collect(),
        });
        v2::ViewPosition { position: position.collect() }
    }

    /// Reads the message.
    ///
    /// # Errors
    /// When it has no place, or is too deep.
    pub fn from_proto(message: &v2::ViewPosition) -> Result<Self, ParseError> {
        const MESSAGE: &str = "ViewPosition";
        if message.position.is_empty() {
            return Err(field(MESSAGE, "position").missing());
        }
        field(MESSAGE, "position").at_most(message.position.len(), DEPTH_MAX)?;
        let indices = message.position.iter().map(|index| {
            field("MerkleSeqIndex", "is_right").at_most(index.is_right.len(), TURNS_MAX)?;
            let turn = |&right: &bool| if right { Direction::Right } else { Direction::Left };
            Ok(MerkleSeqIndex(index.is_right.iter().map(turn).collect()))
        });
        indices.collect::<Result<_, ParseError>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message;

    use super::*;
    use Direction::{Left, Right};

    #[test]
    fn places_are_those_of_a_tree_paired_from_the_left() {
        assert_eq!(MerkleSeqIndex::all(0), []);
        assert_eq!(MerkleSeqIndex::all(1), [MerkleSeqIndex::only()]);
        let places: Vec<_> = MerkleSeqIndex::all(5).into_iter().map(|index| index.0).collect();
        let expected = [
            vec![Left, Left, Left],
            vec![Right, Left, Left],
            vec![Left, Right, Left],
            vec![Right, Right, Left],
            vec![Right],
        ];
        assert_eq!(places, expected);
    }

    #[test]
    fn the_position_of_the_only_view_has_its_recorded_bytes() {
        let position = ViewPosition::root(MerkleSeqIndex::only());
        assert_eq!(position.to_proto().encode_to_vec(), [0x0a, 0]);
        assert_eq!(ViewPosition::from_proto(&position.to_proto()).unwrap(), position);
    }

    #[test]
    fn places_are_encoded_with_their_turns_from_the_leaf() {
        assert_eq!(MerkleSeqIndex::only().encoding(), [2, 0, 0, 0, 0]);
        assert_eq!(MerkleSeqIndex::new(vec![Right, Left]).encoding(), [2, 0, 0, 0, 2, 1, 0]);
    }

    #[test]
    fn parents_and_children_are_each_other_s() {
        let root = ViewPosition::root(MerkleSeqIndex::new(vec![Right]));
        let child = root.child(MerkleSeqIndex::only());
        assert_eq!(child.parent(), Some(root.clone()));
        assert_eq!(root.parent(), None);
        assert!(root.is_root() && !child.is_root());
    }

    #[test]
    fn positions_without_place_or_too_deep_are_refused() {
        assert!(ViewPosition::from_proto(&v2::ViewPosition::default()).is_err());
        let deep = v2::ViewPosition { position: vec![v2::MerkleSeqIndex::default(); DEPTH_MAX + 1] };
        assert!(matches!(ViewPosition::from_proto(&deep), Err(ParseError::TooLong { .. })));
        let long = v2::MerkleSeqIndex { is_right: vec![true; TURNS_MAX + 1] };
        assert!(ViewPosition::from_proto(&v2::ViewPosition { position: vec![long] }).is_err());
    }

    proptest! {
        #[test]
        fn places_of_one_list_are_all_different(count in 0_usize..200) {
            let mut places = MerkleSeqIndex::all(count);
            prop_assert!(places.iter().all(|index| index.0.len() <= TURNS_MAX));
            places.sort();
            places.dedup();
            prop_assert_eq!(places.len(), count);
        }
    }
}
