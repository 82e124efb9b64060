//! What the identifiers accept, compared with Canton 2.10, and that texts survive a round trip.

#![expect(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests do")]

mod acceptance;
mod behaviour;
mod round_trip;
