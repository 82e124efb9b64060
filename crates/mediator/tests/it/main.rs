//! The mediator from outside: the verdicts of a recorded conversation, requests and answers of any kind, and restarts.
#![expect(clippy::unwrap_used, reason = "a failed expectation of a test")]

mod conclusion;
mod node;
mod recording;
mod requests;
mod responses;
mod restart;
mod support;
