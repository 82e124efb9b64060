//! What a sequencer keeps: members, their signed events, and the latest time it gave.
//!
//! Events are stored as they are delivered and never change. The invariant that the whole domain rests on is the
//! store's own: the counters of a member begin at 0 and leave out and repeat none, whatever the caller does.

use async_trait::async_trait;
use bytes::Bytes;
use cantle_types::{DomainId, Member};
use jiff::Timestamp;

use crate::{ForwardedId, SequencedTopology, StoreError};

/// The small number under which a sequencer's store knows a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberNumber(pub i64);

/// A member of the domain, new to the sequencer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSequencerMember {
    /// The number that it gets.
    pub number: MemberNumber,
    /// Who it is.
    pub member: Member,
    /// When it became known.
    pub registered: Timestamp,
}

/// A member as a sequencer knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequencerMember {
    /// Its number.
    pub number: MemberNumber,
    /// Who it is.
    pub member: Member,
    /// When it became known.
    pub registered: Timestamp,
    /// Up to when it has done with its events, if it has said so.
    pub acknowledged: Option<Timestamp>,
    /// The counter of its next event: how many it has.
    pub next_counter: i64,
}

/// An event of one member, signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequencerEvent {
    /// Whose it is.
    pub member: MemberNumber,
    /// Its place among the member's events, from 0.
    pub counter: i64,
    /// The time of the submission that it comes from.
    pub sequenced: Timestamp,
    /// The versioned wrapper of `SignedContent`, as it is delivered.
    pub signed: Bytes,
    /// The trace that it belongs to, as W3C writes it.
    pub traceparent: Option<String>,
}

/// What one write of a sequencer holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequencerBatch {
    /// The domain.
    pub domain: DomainId,
    /// The latest time given, also to submissions without any event.
    pub latest: Timestamp,
    /// Members that became known.
    pub members: Vec<NewSequencerMember>,
    /// Events in their order.
    pub events: Vec<SequencerEvent>,
    /// Topology that the events carry, in their order; added to the domain's topology store.
    pub topology: Vec<SequencedTopology>,
    /// What was forwarded by another sequencer and comes to these events: answered with them.
    pub forwarded: Vec<ForwardedId>,
}

/// How much of a member's events to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventPage {
    /// The first counter.
    pub from: i64,
    /// At most so many events.
    pub events: u32,
    /// At most so many bytes of signed events; one event is read whatever its size.
    pub bytes: u64,
}

/// The store of a sequencer.
///
/// Every method is one transaction: whole and durable on `Ok`, nothing on `Err`; a dropped call happened whole or not
/// at all.
#[async_trait]
pub trait SequencerStore: Send + Sync {
    /// Appends what was sequenced.
    ///
    /// The cost of an event does not depend on how many there are.
    ///
    /// # Errors
    /// [`crate::Conflict::Sequenced`] if a counter is repeated or left out, a number or member is known already, an
    /// event is of no known member, `latest` is not after the latest time stored, or something forwarded was taken back.
    async fn sequencer_append(&self, batch: &SequencerBatch) -> Result<(), StoreError>;

    /// The latest time that was stored.
    async fn sequencer_latest(&self) -> Result<Option<Timestamp>, StoreError>;

    /// All members, by number.
    async fn sequencer_members(&self) -> Result<Vec<SequencerMember>, StoreError>;

    /// A page of a member's events by counter; empty where there are none.
    async fn sequencer_events(
        &self,
        member: MemberNumber,
        page: EventPage,
    ) -> Result<Vec<SequencerEvent>, StoreError>;

    /// The time of the earliest event.
    async fn sequencer_earliest(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Notes up to when members have done with their events; a time before the one noted changes nothing.
    async fn sequencer_acknowledge(
        &self,
        acknowledged: &[(MemberNumber, Timestamp)],
    ) -> Result<(), StoreError>;
}
