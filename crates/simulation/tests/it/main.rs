//! A whole domain in one process: which keys are used for what, and what holds on a network that fails.
#![expect(clippy::unwrap_used, reason = "a failed expectation of a test")]

mod chaos;
mod foreign;
mod keys;
mod replay;
