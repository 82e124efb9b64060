//! A part of a tree, or its hash in its place.

use std::collections::HashSet;

use bytes::Bytes;
use cantle_crypto::{Hash, HashBuilder, HashPurpose};
use cantle_proto::protocol::v1;
use cantle_proto::protocol::v1::blindable_node::BlindedOrNot;

use crate::error::ParseError;
use crate::wire::field;

/// How deep trees may be nested when they are read: lists, views and their subviews together.
const DEPTH_MAX: usize = 96;
/// How many nodes a tree may have when it is read.
const NODES_MAX: usize = 100_000;

/// A node of a Merkle tree.
pub trait MerkleNode: Clone {
    /// The hash of the node and all below.
    fn hash(&self) -> Hash;

    /// The wrapped bytes.
    fn bytes(&self) -> Bytes;

    /// Adds the hashes of all nodes.
    fn collect_hashes(&self, hashes: &mut Vec<Hash>);
}

/// A node, or its hash where it must not be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blindable<T> {
    /// The node.
    Unblinded(T),
    /// Its hash.
    Blinded(Hash),
}

impl<T: MerkleNode> Blindable<T> {
    /// The hash of the node.
    #[must_use]
    pub fn hash(&self) -> Hash {
        match self {
            Self::Unblinded(node) => node.hash(),
            Self::Blinded(hash) => *hash,
        }
    }

    /// The node, if it can be seen.
    #[must_use]
    pub fn unblinded(&self) -> Option<&T> {
        match self {
            Self::Unblinded(node) => Some(node),
            Self::Blinded(_) => None,
        }
    }

    /// Whether only the hash is there.
    #[must_use]
    pub fn is_blinded(&self) -> bool {
        matches!(self, Self::Blinded(_))
    }

    /// The hash in place of the node.
    #[must_use]
    pub fn blind(&self) -> Self {
        Self::Blinded(self.hash())
    }

    pub(super) fn collect_hashes(&self, hashes: &mut Vec<Hash>) {
        match self {
            Self::Unblinded(node) => node.collect_hashes(hashes),
            Self::Blinded(hash) => hashes.push(*hash),
        }
    }

    pub(super) fn to_proto(&self) -> v1::BlindableNode {
        let content = match self {
            Self::Unblinded(node) => BlindedOrNot::Unblinded(node.bytes()),
            Self::Blinded(hash) => BlindedOrNot::BlindedHash(hash.evidence().to_vec().into()),
        };
        v1::BlindableNode { blinded_or_not: Some(content) }
    }

    /// Reads the message; a node that is there, by `read`.
    pub(super) fn from_proto(
        message: &'static str,
        name: &'static str,
        node: Option<v1::BlindableNode>,
        read: impl FnOnce(Bytes) -> Result<T, ParseError>,
    ) -> Result<Self, ParseError> {
        let content = node.and_then(|node| node.blinded_or_not);
        match field(message, name).required(content)? {
            BlindedOrNot::Unblinded(bytes) => read(bytes).map(Self::Unblinded),
            BlindedOrNot::BlindedHash(evidence) => Ok(Self::Blinded(field(message, name).hash(&evidence)?)),
        }
    }
}

/// The hash of an inner node: of the hashes of its children.
pub(super) fn inner_hash(children: impl ExactSizeIterator<Item = Hash>) -> Hash {
    let count = i32::try_from(children.len()).unwrap_or(i32::MAX);
    let builder = HashBuilder::new(HashPurpose::MerkleTreeInnerNode).add_int(count);
    children.fold(builder, |builder, child| builder.add_without_prefix(&child.evidence())).finish()
}

/// No hash may occur twice in a tree: one part could pass for another.
pub(super) fn check_unique(message: &'static str, hashes: &[Hash]) -> Result<(), ParseError> {
    let mut seen = HashSet::with_capacity(hashes.len());
    if hashes.iter().all(|hash| seen.insert(hash)) {
        Ok(())
    } else {
        Err(ParseError::Rule { message, rule: "no hash occurs twice in a tree" })
    }
}

/// What reading a tree may still spend.
#[derive(Debug)]
pub(super) struct Budget {
    depth: usize,
    nodes: usize,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self { depth: DEPTH_MAX, nodes: NODES_MAX }
    }

    /// Reads one level further down.
    pub(super) fn descend<T>(
        &mut self,
        message: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, ParseError>,
    ) -> Result<T, ParseError> {
        let too_large = ParseError::Rule { message, rule: "a tree has at most 96 levels and 100000 nodes" };
        if self.depth == 0 || self.nodes == 0 {
            return Err(too_large);
        }
        self.depth -= 1;
        self.nodes -= 1;
        let result = read(self);
        self.depth += 1;
        result
    }
}
