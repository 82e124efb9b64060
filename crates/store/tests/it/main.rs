//! The stores from outside, against real database servers.
#![expect(clippy::unwrap_used, reason = "what a test sets up must be there")]

mod postgres;
