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

/// The sequencer as of a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequencerSnapshot {
    /// The time.
    pub latest: Timestamp,
    /// The counter of each member's last event until then; members without one are left out.
    pub heads: Vec<(Member, i64)>,
    /// How it is now.
    pub status: SequencerStatus,
}

/// One of its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberStatus {
    /// Who it is.
    pub member: Member,
    /// Whether its operator lets it take part: false once it was disabled.
    pub enabled: bool,
    /// When it became known.
    pub registered: Timestamp,
    /// Up to when it has done with its events, if it has said so.
    pub acknowledged: Option<Timestamp>,
    /// How many events it has.
    pub events: i64,
}
