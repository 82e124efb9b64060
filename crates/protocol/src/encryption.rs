//! How views travel, so that only their informees read them.
//!
//! A view is compressed and encrypted under a key that is derived from a *seed* of its own; the seeds of the views below
//! follow from it, so that whoever reads a view reads those too. At protocol version 5 the seed is encrypted to the key of
//! each informee; at protocol version 7 it is encrypted under a *session key*, and the session key to the informees: a
//! sender that keeps the session key for a while, and a receiver that does, spare a decryption with the private key.

mod cache;
mod message;
mod secret;

pub use cache::ExpiringCache;
pub use message::{EncryptedViewMessage, RandomnessLookup, ViewEncryptionError, ViewKeys};
pub use secret::{SessionKey, SessionKeyRandomness, ViewSeed};
