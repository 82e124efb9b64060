//! What the sequencer delivers to one member.
//!
//! Every event has the member's next counter and a time later than the event before; an event is either a batch or
//! the news that a submission was not sequenced as it was meant.
//! Invariant: the wrapped bytes are made once, or kept as they came; they are what the sequencer signs.

use std::sync::Arc;

use cantle_crypto::HashPurpose;
use cantle_proto::protocol::v0;
use cantle_types::{CantonTimestamp, DomainId};

use crate::error::ParseError;
use crate::sequencing::signed_content::Signable;
use crate::sequencing::{CompressedBatch, MessageId, SequencerCounter};
use crate::wire::{decode_version_0, field, time_to_proto, wrap};

const MESSAGE: &str = "SequencedEvent";

/// Why a submission was sequenced, but not delivered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DeliverErrorReason {
    /// The batch is not one that can be delivered.
    BatchInvalid(String),
    /// The batch must not be delivered.
    BatchRefused(String),
}

/// What an event tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventContent {
    /// A batch, which may be empty.
    Deliver {
        /// What the receiver called the submission, when the receiver is its sender.
        message_id: Option<MessageId>,
        /// The envelopes for the receiver.
        batch: CompressedBatch,
    },
    /// A submission of the receiver was not delivered.
    DeliverError {
        /// What the receiver called it.
        message_id: MessageId,
        /// Why.
        reason: DeliverErrorReason,
    },
}

/// An event. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SequencedEvent {
    counter: SequencerCounter,
    timestamp: CantonTimestamp,
    domain_id: DomainId,
    content: EventContent,
    bytes: Arc<[u8]>,
}

impl SequencedEvent {
    /// The event with this counter and time.
    #[must_use]
    pub fn new(
        counter: SequencerCounter,
        timestamp: CantonTimestamp,
        domain_id: DomainId,
        content: EventContent,
    ) -> Self {
        let mut message = v0::SequencedEvent {
            counter: counter.get(),
            timestamp: Some(time_to_proto(timestamp)),
            domain_id: domain_id.to_string(),
            message_id: None,
            batch: None,
            deliver_error_reason: None,
        };
        match &content {
            EventContent::Deliver { message_id, batch } => {
                message.message_id = message_id.as_ref().map(MessageId::to_string);
                message.batch = Some(batch.to_proto());
            }
            EventContent::DeliverError { message_id, reason } => {
                message.message_id = Some(message_id.to_string());
                message.deliver_error_reason = Some(reason_to_proto(reason));
            }
        }
        let bytes = wrap(&message, 0).into();
        Self { counter, timestamp, domain_id, content, bytes }
    }

    /// Reads a wrapped event and keeps its bytes.
    ///
    /// # Errors
    /// When a field is missing or wrong. The batch is not opened.
    pub fn from_bytes(bytes: impl Into<Arc<[u8]>>) -> Result<Self, ParseError> {
        let bytes = bytes.into();
        let message: v0::SequencedEvent = decode_version_0(MESSAGE, &bytes)?;
        let message_id = message.message_id.as_deref();
        let message_id = message_id.map(|text| field(MESSAGE, "message_id").text(text)).transpose()?;
        let content = match (message.batch, message.deliver_error_reason) {
            (Some(batch), None) => {
                EventContent::Deliver { message_id, batch: CompressedBatch::from_proto(batch)? }
            }
            (None, Some(reason)) => EventContent::DeliverError {
                message_id: field(MESSAGE, "message_id").required(message_id)?,
                reason: reason_from_proto(reason)?,
            },
            _ => {
                return Err(ParseError::Rule { message: MESSAGE, rule: "it has either a batch or an error" });
            }
        };
        let counter = SequencerCounter::new(message.counter)
            .map_err(|_| field(MESSAGE, "counter").number(message.counter))?;
        Ok(Self {
            counter,
            timestamp: field(MESSAGE, "timestamp").required_time(message.timestamp.as_ref())?,
            domain_id: field(MESSAGE, "domain_id").text(&message.domain_id)?,
            content,
            bytes,
        })
    }

    /// Its number among the member's events.
    #[must_use]
    pub fn counter(&self) -> SequencerCounter {
        self.counter
    }

    /// When it was sequenced.
    #[must_use]
    pub fn timestamp(&self) -> CantonTimestamp {
        self.timestamp
    }

    /// On which domain.
    #[must_use]
    pub fn domain_id(&self) -> &DomainId {
        &self.domain_id
    }

    /// What it tells.
    #[must_use]
    pub fn content(&self) -> &EventContent {
        &self.content
    }

    /// What the receiver called the submission behind the event; nothing when another member sent it.
    #[must_use]
    pub fn message_id(&self) -> Option<&MessageId> {
        match &self.content {
            EventContent::Deliver { message_id, .. } => message_id.as_ref(),
            EventContent::DeliverError { message_id, .. } => Some(message_id),
        }
    }

    /// The batch, when it delivers one.
    #[must_use]
    pub fn batch(&self) -> Option<&CompressedBatch> {
        match &self.content {
            EventContent::Deliver { batch, .. } => Some(batch),
            EventContent::DeliverError { .. } => None,
        }
    }

    /// The wrapped bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether both tell the same. The bytes may differ: a batch may have been compressed anew.
    ///
    /// Batches of more than `limit` bytes are the same only when their bytes are.
    #[must_use]
    pub fn says_the_same(&self, other: &Self, limit: usize) -> bool {
        if self == other {
            return true;
        }
        let same_frame = self.counter == other.counter
            && self.timestamp == other.timestamp
            && self.domain_id == other.domain_id
            && self.message_id() == other.message_id();
        same_frame
            && match (&self.content, &other.content) {
                (EventContent::Deliver { batch: one, .. }, EventContent::Deliver { batch: two, .. }) => {
                    one == two
                        || matches!((one.decompress(limit), two.decompress(limit)), (Ok(one), Ok(two)) if one == two)
                }
                (one, two) => one == two,
            }
    }
}

impl PartialEq for SequencedEvent {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for SequencedEvent {}

impl Signable for SequencedEvent {
    const MESSAGE: &'static str = MESSAGE;
    const PURPOSE: HashPurpose = HashPurpose::SequencedEventSignature;

    fn from_bytes(bytes: Arc<[u8]>) -> Result<Self, ParseError> {
        Self::from_bytes(bytes)
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn reason_to_proto(reason: &DeliverErrorReason) -> v0::DeliverErrorReason {
    use v0::deliver_error_reason::Reason;
    let reason = match reason {
        DeliverErrorReason::BatchInvalid(text) => Reason::BatchInvalid(text.clone()),
        DeliverErrorReason::BatchRefused(text) => Reason::BatchRefused(text.clone()),
    };
    v0::DeliverErrorReason { reason: Some(reason) }
}

fn reason_from_proto(message: v0::DeliverErrorReason) -> Result<DeliverErrorReason, ParseError> {
    use v0::deliver_error_reason::Reason;
    match field("DeliverErrorReason", "reason").required(message.reason)? {
        Reason::BatchInvalid(text) => Ok(DeliverErrorReason::BatchInvalid(text)),
        Reason::BatchRefused(text) => Ok(DeliverErrorReason::BatchRefused(text)),
    }
}
