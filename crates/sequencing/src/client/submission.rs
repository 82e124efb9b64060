//! What a member hands in.

use cantle_protocol::{Batch, MessageId, SubmissionKind, TraceContext};
use cantle_types::CantonTimestamp;

/// What a member hands in.
#[derive(Debug, Clone)]
pub struct Submission {
    /// What is to be delivered, and to whom.
    pub batch: Batch,
    /// What it is.
    pub kind: SubmissionKind,
    /// What the sender calls it.
    pub message_id: MessageId,
    /// It is not sequenced after that; [`crate::ClientOptions`] has a default.
    pub max_sequencing_time: Option<CantonTimestamp>,
    /// At which time's key the sequencer is to sign the events; nothing for that of the events.
    pub timestamp_of_signing_key: Option<CantonTimestamp>,
    /// The trace that it belongs to.
    pub trace: TraceContext,
}

impl Submission {
    /// A batch under a new id, in a new trace.
    #[must_use]
    pub fn new(batch: Batch) -> Self {
        Self {
            batch,
            kind: SubmissionKind::Other,
            message_id: MessageId::random(),
            max_sequencing_time: None,
            timestamp_of_signing_key: None,
            trace: TraceContext::root().unwrap_or_default(),
        }
    }

    /// The same as a confirmation request.
    #[must_use]
    pub fn as_request(mut self) -> Self {
        self.kind = SubmissionKind::Request;
        self
    }

    /// The same under an id of the sender's choice.
    #[must_use]
    pub fn with_message_id(mut self, message_id: MessageId) -> Self {
        self.message_id = message_id;
        self
    }

    /// The same, to be sequenced not later than a time.
    #[must_use]
    pub fn not_after(mut self, max_sequencing_time: CantonTimestamp) -> Self {
        self.max_sequencing_time = Some(max_sequencing_time);
        self
    }

    /// The same, its events signed with the sequencer's key of a time.
    #[must_use]
    pub fn signed_as_of(mut self, time: CantonTimestamp) -> Self {
        self.timestamp_of_signing_key = Some(time);
        self
    }

    /// The same in a trace.
    #[must_use]
    pub fn in_trace(mut self, trace: TraceContext) -> Self {
        self.trace = trace;
        self
    }
}
