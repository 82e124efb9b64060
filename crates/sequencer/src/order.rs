//! The order of a domain: each submission gets its time, and each of its receivers the next counter.
//!
//! No IO, and no waiting: whoever calls holds the one lock. What is made here is not yet known to anybody; it is signed
//! side by side, and written in the order in which it was made.
//! Invariants: times rise strictly; the counters of a member leave out and repeat none; a submission has one time for all.
//! Source: events of Canton 2.10's sequencer.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, LazyLock};

use cantle_protocol::{
    Batch, CompressedBatch, DeliverErrorReason, DomainTopologyTransactionMessage, EventContent, MessageId,
    TraceContext,
};
use cantle_sequencing::{RefusalReason, SendRefusal};
use cantle_store::{ForwardedId, MemberNumber, NewSequencerMember, SequencedTopology, SequencerMember};
use cantle_topology::TimelineError;
use cantle_types::{CantonTimestamp, Member, MemberCode};

use crate::checks::refuse;
use crate::topology::{Moment, Topology};

/// A submission that has passed its checks.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) sender: Member,
    pub(crate) message_id: MessageId,
    pub(crate) max_sequencing_time: CantonTimestamp,
    pub(crate) timestamp_of_signing_key: Option<CantonTimestamp>,
    /// What each recipient gets. Not the sender, unless it is one.
    pub(crate) shares: Vec<(Member, CompressedBatch)>,
    /// Topology messages in it that the sequencer follows.
    pub(crate) topology: Vec<DomainTopologyTransactionMessage>,
    pub(crate) trace: TraceContext,
    /// Under which number another sequencer forwarded it, if one did.
    pub(crate) forwarded: Option<ForwardedId>,
}

/// An event that is not signed yet.
#[derive(Debug)]
pub(crate) struct Unsigned {
    pub(crate) member: Member,
    pub(crate) number: MemberNumber,
    pub(crate) counter: i64,
    pub(crate) content: EventContent,
}

/// What became of a submission.
#[derive(Debug)]
pub(crate) struct Unit {
    pub(crate) time: CantonTimestamp,
    pub(crate) members: Vec<NewSequencerMember>,
    pub(crate) events: Vec<Unsigned>,
    pub(crate) topology: Option<SequencedTopology>,
    /// The topology with the keys to sign the events by, and its time if that is not the events' own.
    pub(crate) signing: Arc<Moment>,
    pub(crate) timestamp_of_signing_key: Option<CantonTimestamp>,
    pub(crate) trace: TraceContext,
    pub(crate) forwarded: Option<ForwardedId>,
}

/// What a submission came to.
#[derive(Debug)]
pub(crate) enum Sequenced {
    /// Events, or at least members or topology, to be stored.
    Unit(Box<Unit>),
    /// Nothing: its maximum sequencing time is over.
    Expired,
}

/// Why a submission was not sequenced.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrderError {
    #[error(transparent)]
    Refused(#[from] SendRefusal),
    #[error("the sequencer's topology and time do not go together")]
    Topology(#[source] Box<TimelineError>),
}

impl From<TimelineError> for OrderError {
    fn from(error: TimelineError) -> Self {
        Self::Topology(Box::new(error))
    }
}

/// The last time given, and the members with their counters.
#[derive(Debug)]
pub(crate) struct Order {
    latest: CantonTimestamp,
    members: HashMap<Member, Counted>,
    next_number: i64,
}

#[derive(Debug, Clone, Copy)]
struct Counted {
    number: MemberNumber,
    next: i64,
}

impl Order {
    /// Goes on after what is stored.
    pub(crate) fn new(latest: Option<CantonTimestamp>, members: &[SequencerMember]) -> Self {
        let next_number = members.iter().map(|member| member.number.0).max().map_or(0, |last| last + 1);
        let counted = |member: &SequencerMember| Counted { number: member.number, next: member.next_counter };
        Self {
            latest: latest.unwrap_or(CantonTimestamp::MIN),
            members: members.iter().map(|member| (member.member.clone(), counted(member))).collect(),
            next_number,
        }
    }

    /// The last time that was given.
    pub(crate) fn latest(&self) -> CantonTimestamp {
        self.latest
    }

    /// Whether the sequencer has events for a member, or may come to have.
    pub(crate) fn knows(&self, member: &Member) -> bool {
        self.members.contains_key(member)
    }

    /// The number of a member, if it is known.
    pub(crate) fn number(&self, member: &Member) -> Option<MemberNumber> {
        self.members.get(member).map(|counted| counted.number)
    }

    /// Gives a submission its time and its receivers their counters.
    ///
    /// # Errors
    /// Nothing has changed then.
    pub(crate) fn sequence(
        &mut self,
        prepared: Prepared,
        now: CantonTimestamp,
        topology: &Topology,
    ) -> Result<Sequenced, OrderError> {
        self.check_members(&prepared)?;
        let time = self.next_time(now);
        if time > prepared.max_sequencing_time {
            tracing::warn!(
                sender = %prepared.sender, message_id = %prepared.message_id, %time,
                max_sequencing_time = %prepared.max_sequencing_time,
                "a submission was dropped: its maximum sequencing time is over"
            );
            self.latest = time;
            topology.observe(time);
            return Ok(Sequenced::Expired);
        }
        let own = topology.at(time)?;
        let signing = signing_moment(&prepared, time, topology);
        let changed = topology.take(time, &prepared.topology)?;
        self.latest = time;

        let mut members = Vec::new();
        let Prepared { sender, message_id, timestamp_of_signing_key, mut shares, trace, forwarded, .. } =
            prepared;
        let (signing, named, error) = match signing {
            Signing::Own => (own, None, None),
            Signing::At(moment) => (moment, timestamp_of_signing_key, None),
            Signing::Refused(reason) => (own, None, Some(reason)),
            Signing::RefusedForAll(reason) => {
                shares.clear();
                (own, None, Some(reason))
            }
        };
        let mut events = Vec::with_capacity(shares.len() + 1);
        let mut to_sender = None;
        for (member, batch) in shares {
            if member == sender {
                to_sender = Some(batch);
                continue;
            }
            // A receiver of a batch that cannot be signed gets its counter all the same.
            let batch = if error.is_some() { nothing() } else { batch };
            let content = EventContent::Deliver { message_id: None, batch };
            events.push(self.event(member, content, time, &mut members));
        }
        let content = match error {
            None => EventContent::Deliver {
                message_id: Some(message_id),
                batch: to_sender.unwrap_or_else(nothing),
            },
            Some(reason) => EventContent::DeliverError { message_id, reason },
        };
        events.push(self.event(sender, content, time, &mut members));
        Ok(Sequenced::Unit(Box::new(Unit {
            time,
            members,
            events,
            topology: changed,
            signing,
            timestamp_of_signing_key: named,
            trace,
            forwarded,
        })))
    }

    /// Gives a time to topology with which the domain begins. It has no events: its members get it from the domain manager.
    ///
    /// # Errors
    /// When topology and time do not go together; nothing has changed then.
    pub(crate) fn seed(
        &mut self,
        transactions: &[cantle_topology::SignedTopologyTransaction],
        now: CantonTimestamp,
        topology: &Topology,
    ) -> Result<Unit, OrderError> {
        let time = self.next_time(now);
        let signing = topology.at(time)?;
        let changed = topology.seed(time, transactions)?;
        self.latest = time;
        Ok(Unit {
            time,
            members: Vec::new(),
            events: Vec::new(),
            topology: changed,
            signing,
            timestamp_of_signing_key: None,
            trace: TraceContext::none(),
            forwarded: None,
        })
    }

    fn next_time(&self, now: CantonTimestamp) -> CantonTimestamp {
        now.max(self.latest.successor().unwrap_or(CantonTimestamp::MAX))
    }

    /// The domain manager knows best who is on the domain, so its recipients become known; so does a member that has no
    /// keys yet by asking for them.
    fn check_members(&self, prepared: &Prepared) -> Result<(), SendRefusal> {
        let sender = &prepared.sender;
        let introduces = sender.code() == MemberCode::DomainTopologyManager;
        if sender.code() != MemberCode::Unauthenticated && !self.knows(sender) {
            return Err(refuse(RefusalReason::SenderUnknown, &format!("sender {sender} is unknown")));
        }
        if introduces {
            return Ok(());
        }
        let unknown: Vec<_> = prepared
            .shares
            .iter()
            .filter(|(member, _)| !self.knows(member) && member != sender)
            .map(|(member, _)| member.as_str())
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        Err(refuse(
            RefusalReason::UnknownRecipients,
            &format!("The following recipients are invalid: {}", unknown.join(",")),
        ))
    }

    fn event(
        &mut self,
        member: Member,
        content: EventContent,
        time: CantonTimestamp,
        new: &mut Vec<NewSequencerMember>,
    ) -> Unsigned {
        let counted = match self.members.entry(member.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let number = MemberNumber(self.next_number);
                self.next_number += 1;
                new.push(NewSequencerMember {
                    number,
                    member: member.clone(),
                    registered: time.to_timestamp(),
                });
                unknown.insert(Counted { number, next: 0 })
            }
        };
        let counter = counted.next;
        counted.next += 1;
        Unsigned { member, number: counted.number, counter, content }
    }
}

/// By which key the events of a submission are signed.
enum Signing {
    /// That of their own time.
    Own,
    /// That of the time which the submission names.
    At(Arc<Moment>),
    /// The time is too early: everybody gets an event without content, and the sender is told.
    Refused(DeliverErrorReason),
    /// The time is yet to come: the sender alone is told.
    RefusedForAll(DeliverErrorReason),
}

fn signing_moment(prepared: &Prepared, time: CantonTimestamp, topology: &Topology) -> Signing {
    let Some(at) = prepared.timestamp_of_signing_key else { return Signing::Own };
    if at > time {
        return Signing::RefusedForAll(DeliverErrorReason::BatchRefused(format!(
            "Invalid signing timestamp {at}. The signing timestamp must be before or at {time}."
        )));
    }
    match topology.at(at) {
        Ok(moment) if time.saturating_since(at) <= moment.signing_tolerance() => Signing::At(moment),
        _ => Signing::Refused(DeliverErrorReason::BatchRefused(format!(
            "Signing timestamp {at} is too early for sequencing time {time}."
        ))),
    }
}

/// A batch without content, which most events of senders have.
fn nothing() -> CompressedBatch {
    static NOTHING: LazyLock<CompressedBatch> = LazyLock::new(|| Batch::empty().compress());
    NOTHING.clone()
}

#[cfg(test)]
mod tests;
