//! A list of nodes as a balanced binary tree, so that one of them can be shown without its siblings.
//!
//! Each node stands in a singleton; neighbours are paired from the left, layer by layer, and an odd last one moves up
//! as it is, until one is left. Invariant: the hash of every element is that of its children.

use bytes::Bytes;
use cantle_crypto::Hash;
use cantle_proto::protocol::v1;

use super::blindable::{Blindable, Budget, MerkleNode, inner_hash};
use crate::error::ParseError;
use crate::view_position::{Direction, MerkleSeqIndex};
use crate::wire::{decode_shared, unwrap_shared, wrap};

const MESSAGE: &str = "MerkleSeqElement";
/// The version of the message at protocol versions 5 and 7.
const VERSION: i32 = 1;

/// A list of nodes, any part of which may be blinded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MerkleSeq<T>(Option<Blindable<Element<T>>>);

/// A singleton, or two elements side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Element<T> {
    content: Content<T>,
    hash: Hash,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content<T> {
    Singleton(Box<Blindable<T>>),
    Branch(Box<[Blindable<Element<T>>; 2]>),
}

impl<T: MerkleNode> MerkleSeq<T> {
    /// The list of these nodes.
    #[must_use]
    pub fn new(nodes: Vec<T>) -> Self {
        Self::from_blindable(nodes.into_iter().map(Blindable::Unblinded).collect())
    }

    /// The list of these nodes, some of them blinded.
    #[must_use]
    pub fn from_blindable(nodes: Vec<Blindable<T>>) -> Self {
        let singleton = |node| Blindable::Unblinded(Element::new(Content::Singleton(Box::new(node))));
        let mut layer: Vec<_> = nodes.into_iter().map(singleton).collect();
        while layer.len() > 1 {
            let mut next = Vec::with_capacity(layer.len().div_ceil(2));
            let mut elements = layer.into_iter();
            while let Some(first) = elements.next() {
                next.push(match elements.next() {
                    Some(second) => {
                        Blindable::Unblinded(Element::new(Content::Branch(Box::new([first, second]))))
                    }
                    None => first,
                });
            }
            layer = next;
        }
        Self(layer.pop())
    }

    /// The hash of the list; nothing of the empty one, which is no node.
    #[must_use]
    pub fn hash(&self) -> Option<Hash> {
        self.0.as_ref().map(Blindable::hash)
    }

    /// Whether the list has no nodes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Whether nothing but a hash is there of a list that has nodes.
    #[must_use]
    pub fn is_blinded(&self) -> bool {
        self.0.as_ref().is_some_and(Blindable::is_blinded)
    }

    /// Whether some part of the list is blinded; what its nodes hide is not asked.
    #[must_use]
    pub fn has_blinded(&self) -> bool {
        self.0.as_ref().is_some_and(Element::has_blinded)
    }

    /// The list as its hash; the empty one stays.
    #[must_use]
    pub fn blind(&self) -> Self {
        Self(self.0.as_ref().map(Blindable::blind))
    }

    /// The nodes that can be seen, with their places.
    #[must_use]
    pub fn unblinded(&self) -> Vec<(MerkleSeqIndex, &T)> {
        let mut found = Vec::new();
        if let Some(root) = &self.0 {
            Element::visit(root, &mut Vec::new(), &mut found);
        }
        found
    }

    /// The same list with every visible node changed by `change`.
    pub(super) fn map(&self, change: &impl Fn(&T) -> T) -> Self {
        Self(self.0.as_ref().map(|root| Element::map(root, change)))
    }

    /// The list without anything but the node at `index`, changed by `change`; nothing when it cannot be seen.
    pub(super) fn only(
        &self,
        index: &MerkleSeqIndex,
        change: &mut dyn FnMut(&T) -> Option<T>,
    ) -> Option<Self> {
        let root = self.0.as_ref()?;
        let turns: Vec<_> = index.turns_from_root().collect();
        Element::only(root, &turns, change).map(|root| Self(Some(root)))
    }

    pub(super) fn collect_hashes(&self, hashes: &mut Vec<Hash>) {
        if let Some(root) = &self.0 {
            root.collect_hashes(hashes);
        }
    }

    pub(super) fn to_proto(&self) -> v1::MerkleSeq {
        v1::MerkleSeq { root_or_empty: self.0.as_ref().map(Blindable::to_proto) }
    }

    /// Reads the message; the nodes in it by `read`.
    pub(super) fn from_proto(
        message: v1::MerkleSeq,
        budget: &mut Budget,
        read: &dyn Fn(Bytes, &mut Budget) -> Result<T, ParseError>,
    ) -> Result<Self, ParseError> {
        let Some(root) = message.root_or_empty else { return Ok(Self(None)) };
        let element = |bytes| Element::from_bytes(bytes, budget, read);
        Blindable::from_proto("MerkleSeq", "root_or_empty", Some(root), element).map(Some).map(Self)
    }
}

impl<T: MerkleNode> Element<T> {
    fn new(content: Content<T>) -> Self {
        let hash = match &content {
            Content::Singleton(node) => inner_hash([node.hash()].into_iter()),
            Content::Branch(pair) => inner_hash(pair.iter().map(Blindable::hash)),
        };
        Self { content, hash }
    }

    fn has_blinded(element: &Blindable<Self>) -> bool {
        match element {
            Blindable::Blinded(_) => true,
            Blindable::Unblinded(Self { content: Content::Singleton(node), .. }) => node.is_blinded(),
            Blindable::Unblinded(Self { content: Content::Branch(pair), .. }) => {
                pair.iter().any(Self::has_blinded)
            }
        }
    }

    fn visit<'a>(
        element: &'a Blindable<Self>,
        turns: &mut Vec<Direction>,
        found: &mut Vec<(MerkleSeqIndex, &'a T)>,
    ) {
        match element.unblinded().map(|element| &element.content) {
            Some(Content::Singleton(node)) => {
                found.extend(node.unblinded().map(|node| (MerkleSeqIndex::from_root_turns(turns), node)));
            }
            Some(Content::Branch(pair)) => {
                for (child, turn) in pair.iter().zip([Direction::Left, Direction::Right]) {
                    turns.push(turn);
                    Self::visit(child, turns, found);
                    turns.pop();
                }
            }
            None => {}
        }
    }

    fn map(element: &Blindable<Self>, change: &impl Fn(&T) -> T) -> Blindable<Self> {
        let Blindable::Unblinded(element) = element else { return element.clone() };
        let content = match &element.content {
            Content::Singleton(node) => Content::Singleton(match &**node {
                Blindable::Unblinded(node) => Box::new(Blindable::Unblinded(change(node))),
                Blindable::Blinded(hash) => Box::new(Blindable::Blinded(*hash)),
            }),
            Content::Branch(pair) => {
                let [first, second] = &**pair;
                Content::Branch(Box::new([Self::map(first, change), Self::map(second, change)]))
            }
        };
        Blindable::Unblinded(Self::new(content))
    }

    fn only(
        element: &Blindable<Self>,
        turns: &[Direction],
        change: &mut dyn FnMut(&T) -> Option<T>,
    ) -> Option<Blindable<Self>> {
        let content = match (&element.unblinded()?.content, turns) {
            (Content::Singleton(node), []) => {
                Content::Singleton(Box::new(Blindable::Unblinded(change(node.unblinded()?)?)))
            }
            (Content::Branch(pair), [turn, rest @ ..]) => {
                let [first, second] = &**pair;
                Content::Branch(Box::new(match turn {
                    Direction::Left => [Self::only(first, rest, change)?, second.blind()],
                    Direction::Right => [first.blind(), Self::only(second, rest, change)?],
                }))
            }
            _ => return None,
        };
        Some(Blindable::Unblinded(Self::new(content)))
    }

    fn from_bytes(
        bytes: Bytes,
        budget: &mut Budget,
        read: &dyn Fn(Bytes, &mut Budget) -> Result<T, ParseError>,
    ) -> Result<Self, ParseError> {
        budget.descend(MESSAGE, |budget| {
            let message: v1::MerkleSeqElement =
                decode_shared(MESSAGE, unwrap_shared(MESSAGE, bytes, VERSION)?)?;
            let content = match (message.first, message.second, message.data) {
                (None, None, data @ Some(_)) => {
                    let node = |bytes| read(bytes, budget);
                    Content::Singleton(Box::new(Blindable::from_proto(MESSAGE, "data", data, node)?))
                }
                (first @ Some(_), second @ Some(_), None) => {
                    let first = Blindable::from_proto(MESSAGE, "first", first, |bytes| {
                        Self::from_bytes(bytes, budget, read)
                    })?;
                    let second = Blindable::from_proto(MESSAGE, "second", second, |bytes| {
                        Self::from_bytes(bytes, budget, read)
                    })?;
                    Content::Branch(Box::new([first, second]))
                }
                _ => {
                    let rule = "an element has either two children or one node";
                    return Err(ParseError::Rule { message: MESSAGE, rule });
                }
            };
            Ok(Self::new(content))
        })
    }
}

impl<T: MerkleNode> MerkleNode for Element<T> {
    fn hash(&self) -> Hash {
        self.hash
    }

    fn bytes(&self) -> Bytes {
        let message = match &self.content {
            Content::Singleton(node) => {
                v1::MerkleSeqElement { first: None, second: None, data: Some(node.to_proto()) }
            }
            Content::Branch(pair) => {
                let [first, second] = &**pair;
                v1::MerkleSeqElement {
                    first: Some(first.to_proto()),
                    second: Some(second.to_proto()),
                    data: None,
                }
            }
        };
        wrap(&message, VERSION).into()
    }

    fn collect_hashes(&self, hashes: &mut Vec<Hash>) {
        hashes.push(self.hash);
        match &self.content {
            Content::Singleton(node) => node.collect_hashes(hashes),
            Content::Branch(pair) => pair.iter().for_each(|element| element.collect_hashes(hashes)),
        }
    }
}
