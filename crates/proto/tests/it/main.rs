//! The messages against what Canton 2.10 wrote, and the descriptors against what they must contain.
#![expect(clippy::unwrap_used, reason = "a failed expectation of a test")]

mod descriptors;
mod recorded;
