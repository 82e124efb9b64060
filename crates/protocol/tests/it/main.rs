//! The messages against a conversation of Canton 2.10 nodes, against its vectors, and against hostile bytes.
#![expect(clippy::unwrap_used, reason = "a failed expectation of a test")]

mod answers;
mod encryption;
mod hostile;
mod messages;
mod recording;
mod sequencing;
mod support;
mod trees;
mod vectors;
