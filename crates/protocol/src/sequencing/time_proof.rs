//! Proof that a domain has reached a time: the receipt of an empty batch.
//!
//! A member that must know the time, and hears nothing, submits an empty batch under a message id of its own and
//! takes the event's time.

use cantle_types::{CantonTimestamp, Member};
use thiserror::Error;

use crate::sequencing::submission::SubmissionKind;
use crate::sequencing::{Batch, EventContent, MessageId, SequencedEvent, SignedContent, SubmissionRequest};

const PREFIX: &str = "tick-";

/// An event that proves no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the event is not the receipt of an empty batch sent for a time proof")]
pub struct NotATimeProof;

/// The event that proves that the domain has reached its time. Whether its signature holds is not asked here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeProof(SignedContent<SequencedEvent>);

impl TimeProof {
    /// The submission that asks for a time proof; it may be sequenced at any time.
    #[must_use]
    pub fn request(sender: Member) -> SubmissionRequest {
        SubmissionRequest::new(
            sender,
            MessageId::random_with_prefix(PREFIX),
            SubmissionKind::Other,
            Batch::empty().compress(),
            CantonTimestamp::MAX,
            None,
        )
    }

    /// Whether a submission asks for a time proof.
    #[must_use]
    pub fn is_request(submission: &SubmissionRequest) -> bool {
        has_prefix(submission.message_id()) && submission.batch().is_empty()
    }

    /// Takes an event as proof.
    ///
    /// # Errors
    /// When it proves nothing.
    pub fn from_event(event: SignedContent<SequencedEvent>) -> Result<Self, NotATimeProof> {
        match event.content().content() {
            EventContent::Deliver { message_id: Some(id), batch } if has_prefix(id) && batch.is_empty() => {
                Ok(Self(event))
            }
            _ => Err(NotATimeProof),
        }
    }

    /// The time that the domain has reached.
    #[must_use]
    pub fn timestamp(&self) -> CantonTimestamp {
        self.0.content().timestamp()
    }

    /// The event.
    #[must_use]
    pub fn event(&self) -> &SignedContent<SequencedEvent> {
        &self.0
    }
}

fn has_prefix(message_id: &MessageId) -> bool {
    message_id.as_str().starts_with(PREFIX)
}
