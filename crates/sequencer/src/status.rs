//! What an operator asks about a sequencer's events.

use cantle_types::Member;
use jiff::Timestamp;

/// The sequencer's events as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequencerStatus {
    /// The time now.
    pub now: Timestamp,
    /// The time of the earliest event that is kept.
    pub earliest_event: Option<Timestamp>,
    /// All members that the sequencer knows.
    pub members: Vec<MemberStatus>,
}

/// One of its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberStatus {
    /// Who it is.
    pub member: Member,
    /// When it became known.
    pub registered: Timestamp,
    /// Up to when it has done with its events, if it has said so.
    pub acknowledged: Option<Timestamp>,
    /// How many events it has.
    pub events: i64,
}
