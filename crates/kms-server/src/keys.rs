//! Keys: their specs, their material, and what the material can do.
//!
//! Nothing here knows of requests, callers or states: it is the cryptography alone.

pub(crate) mod blob;
pub(crate) mod cache;
pub(crate) mod material;
mod prehash;
pub(crate) mod signing;
pub(crate) mod spare;
pub(crate) mod spec;
