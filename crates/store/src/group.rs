//! What several sequencers of one domain share: who of them writes, and what the others hand to it.
//!
//! One at a time leads: it alone appends. Whoever has lost the lead cannot append any more, however long it believed to
//! have it. What a sequencer forwards is answered together with the events that come of it, in one transaction: it is
//! sequenced once or, if it is taken back in time, never.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use cantle_types::Member;
use tokio::sync::watch;

use crate::StoreError;

/// The number of a forwarded submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ForwardedId(pub i64);

/// What is forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardedKind {
    /// The signed submission of a member that has authenticated itself.
    Signed,
    /// The submission of one that cannot sign yet.
    Unsigned,
    /// The topology that the domain begins with.
    Topology,
}

impl ForwardedKind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Signed => "signed",
            Self::Unsigned => "unsigned",
            Self::Topology => "topology",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Signed, Self::Unsigned, Self::Topology].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A submission for the sequencer that leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forwarded {
    /// What it is.
    pub kind: ForwardedKind,
    /// The member that has authenticated itself to the sequencer that forwards.
    pub caller: Member,
    /// Its bytes as they came.
    pub content: Bytes,
    /// The trace that it belongs to, as W3C writes it.
    pub traceparent: Option<String>,
}

/// How a forwarded submission was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardedOutcome {
    /// [`ForwardedOutcome::SEQUENCED`], or a word of the sequencers' own.
    pub word: String,
    /// What else is said.
    pub message: String,
}

impl ForwardedOutcome {
    /// It was sequenced: its events are stored.
    pub const SEQUENCED: &'static str = "sequenced";
}

/// Whether this process leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lead {
    /// It does, and has read nothing since: whatever another one wrote before is to be read now.
    Taken,
    /// It does, and did.
    Kept,
    /// Another one does.
    Other,
}

/// A database that sequencers share.
///
/// Each method is one transaction. Every one may be repeated but [`SequencerGroup::forwarded_insert`].
#[async_trait]
pub trait SequencerGroup: Send + Sync + fmt::Debug {
    /// Takes the lead if nobody has it, or if whoever has it was not heard of for long. May wait for a second.
    async fn lead_take(&self) -> Result<Lead, StoreError>;

    /// Lets another one lead.
    async fn lead_leave(&self);

    /// Changes whenever somebody appended, forwarded or answered something, mostly. Look again from time to time.
    fn announcements(&self) -> watch::Receiver<u64>;

    /// Forwards a submission.
    async fn forwarded_insert(&self, forwarded: &Forwarded) -> Result<ForwardedId, StoreError>;

    /// What was forwarded and not answered yet, the oldest first.
    async fn forwarded_open(&self, most: u32) -> Result<Vec<(ForwardedId, Forwarded)>, StoreError>;

    /// Answers what comes to no events, unless it is answered already.
    async fn forwarded_answer(&self, id: ForwardedId, outcome: &ForwardedOutcome) -> Result<(), StoreError>;

    /// The answer, if there is one.
    async fn forwarded_outcome(&self, id: ForwardedId) -> Result<Option<ForwardedOutcome>, StoreError>;

    /// Takes back what is not answered: it will not be sequenced. False: it is answered, or was taken back before.
    async fn forwarded_withdraw(&self, id: ForwardedId) -> Result<bool, StoreError>;

    /// Forgets what is answered, and its answer: one submission's, whose sender knows it.
    async fn forwarded_forget(&self, id: ForwardedId) -> Result<(), StoreError>;

    /// The last that was forwarded and is there still.
    async fn forwarded_last(&self) -> Result<Option<ForwardedId>, StoreError>;

    /// Forgets all answers up to one: those for whom they were have gone.
    async fn forwarded_sweep(&self, until: ForwardedId) -> Result<(), StoreError>;
}
