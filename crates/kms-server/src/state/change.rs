//! What is written to the log: changes, several to a frame, applied whole or not at all.
//!
//! The order of variants and fields is the format (postcard is positional). A change of either needs a new format
//! version in [`super::log`].

use serde::{Deserialize, Serialize};

use super::key::{Key, KeyId};

/// An alias.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Alias {
    pub(crate) target: KeyId,
    pub(crate) created_ms: i64,
    pub(crate) updated_ms: i64,
}

/// One change.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Change<'a> {
    /// The secret that seals import tokens; once, in the first frame.
    ServerSecret(#[serde(borrow)] &'a [u8]),
    /// Secret bytes under a number. The bytes come last, so that their place in the file is known.
    Material(u64, #[serde(borrow)] &'a [u8]),
    /// Secret bytes are wanted no more.
    ForgetMaterial(u64),
    /// A key, new or changed.
    PutKey { account: &'a str, region: &'a str, key: Box<Key> },
    /// A key is deleted.
    RemoveKey { account: &'a str, region: &'a str, id: KeyId },
    /// An alias, new or changed.
    PutAlias { account: &'a str, region: &'a str, name: &'a str, alias: Alias },
    /// An alias is deleted.
    RemoveAlias { account: &'a str, region: &'a str, name: &'a str },
}
