//! The topology manager over real stores and vaults: changes, lists, identities, restarts and interruptions.
#![expect(clippy::unwrap_used, reason = "a failed expectation of a test")]

mod authorize;
mod identity;
mod interruptions;
mod list;
mod load;
mod support;
