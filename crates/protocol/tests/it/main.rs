//! The messages against a conversation of Canton 2.10 nodes, and against hostile bytes.
#![expect(clippy::unwrap_used, reason = "a failed expectation of a test")]

mod recording;
mod sequencing;
