//! The admin API of a participant over a real connection, with a store in memory and a KMS that obeys the test.

mod node;
mod topology;
mod vault;
