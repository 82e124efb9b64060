//! Participants on a domain: pings that succeed, and what those say that do not; restarts and rotated keys.
#![expect(clippy::unwrap_used, reason = "a failed expectation of a test")]

mod pings;
mod restart;
mod trouble;
