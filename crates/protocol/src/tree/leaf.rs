//! Leaves: bytes with a salt. The bytes are kept, and hashed as they came.

use bytes::Bytes;
use cantle_crypto::{Hash, HashBuilder, HashPurpose};

use super::salt::Salt;

/// The bytes of a leaf and the hash that follows from them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LeafBytes {
    pub(super) bytes: Bytes,
    pub(super) hash: Hash,
}

impl LeafBytes {
    pub(super) fn new(purpose: HashPurpose, salt: &Salt, bytes: Bytes) -> Self {
        let hash = HashBuilder::new(purpose).add_bytes(salt.as_bytes()).add_bytes(&bytes).finish();
        Self { bytes, hash }
    }
}

/// Makes a type with a field `leaf` a leaf of a tree.
macro_rules! leaf {
    ($name:ident) => {
        impl $crate::tree::blindable::MerkleNode for $name {
            fn hash(&self) -> cantle_crypto::Hash {
                self.leaf.hash
            }

            fn bytes(&self) -> bytes::Bytes {
                self.leaf.bytes.clone()
            }

            fn collect_hashes(&self, hashes: &mut Vec<cantle_crypto::Hash>) {
                hashes.push(self.leaf.hash);
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.leaf == other.leaf
            }
        }

        impl Eq for $name {}
    };
}

pub(super) use leaf;
