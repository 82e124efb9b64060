//! A sequencer in memory, and a domain with members, for tests of what stands above [`crate::SequencerApi`]. Never for
//! real domains: keys lie open and nothing is stored.
//!
//! [`TestSequencer`] orders, signs and delivers as a sequencer does, and fails on request in each way that one, or the way
//! to it, can.

mod domain;
mod faults;
mod member;
mod sequencer;

pub use domain::TestDomain;
pub use faults::{Call, Fault};
pub use member::TestMember;
pub use sequencer::TestSequencer;
