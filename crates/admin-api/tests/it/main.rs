//! The admin API of a participant over a real connection, with a store in memory and a KMS that obeys the test.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod node;
mod topology;
mod vault;
