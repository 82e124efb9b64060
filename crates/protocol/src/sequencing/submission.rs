//! What a member asks the sequencer to sequence.
//!
//! Invariant: the wrapped bytes are made once, or kept as they came; they are what the sender signs.

use std::sync::Arc;

use cantle_crypto::HashPurpose;
use cantle_proto::protocol::v0;
use cantle_types::{CantonTimestamp, Member};

use crate::error::ParseError;
use crate::sequencing::signed_content::Signable;
use crate::sequencing::{CompressedBatch, MessageId};
use crate::wire::{decode_version_0, field, time_to_proto, wrap};

const MESSAGE: &str = "SubmissionRequest";

/// A submission. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SubmissionRequest {
    sender: Member,
    message_id: MessageId,
    is_request: bool,
    batch: CompressedBatch,
    max_sequencing_time: CantonTimestamp,
    timestamp_of_signing_key: Option<CantonTimestamp>,
    bytes: Arc<[u8]>,
}

/// What the submission of a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SubmissionKind {
    /// A confirmation request, which counts towards the sender's rate.
    Request,
    /// Anything else.
    Other,
}

impl SubmissionRequest {
    /// A submission to be sequenced not later than `max_sequencing_time`.
    ///
    /// With `timestamp_of_signing_key` the sequencer signs the events with its key at that time.
    #[must_use]
    pub fn new(
        sender: Member,
        message_id: MessageId,
        kind: SubmissionKind,
        batch: CompressedBatch,
        max_sequencing_time: CantonTimestamp,
        timestamp_of_signing_key: Option<CantonTimestamp>,
    ) -> Self {
        let is_request = kind == SubmissionKind::Request;
        let message = v0::SubmissionRequest {
            sender: sender.to_string(),
            message_id: message_id.to_string(),
            is_request,
            batch: Some(batch.to_proto()),
            max_sequencing_time: Some(time_to_proto(max_sequencing_time)),
            timestamp_of_signing_key: timestamp_of_signing_key.map(time_to_proto),
        };
        let bytes = wrap(&message, 0).into();
        Self { sender, message_id, is_request, batch, max_sequencing_time, timestamp_of_signing_key, bytes }
    }

    /// Reads a wrapped submission and keeps its bytes.
    ///
    /// # Errors
    /// When a field is missing or wrong. The batch is not opened.
    pub fn from_bytes(bytes: impl Into<Arc<[u8]>>) -> Result<Self, ParseError> {
        let bytes = bytes.into();
        let message = decode_version_0(MESSAGE, &bytes)?;
        Self::with_bytes(message, bytes)
    }

    /// Reads a submission that came without a wrapper, which the unversioned calls send.
    ///
    /// # Errors
    /// As [`SubmissionRequest::from_bytes`].
    pub fn from_proto(message: v0::SubmissionRequest) -> Result<Self, ParseError> {
        let bytes = wrap(&message, 0).into();
        Self::with_bytes(message, bytes)
    }

    fn with_bytes(message: v0::SubmissionRequest, bytes: Arc<[u8]>) -> Result<Self, ParseError> {
        let batch = field(MESSAGE, "batch").required(message.batch)?;
        Ok(Self {
            sender: field(MESSAGE, "sender").text(&message.sender)?,
            message_id: field(MESSAGE, "message_id").text(&message.message_id)?,
            is_request: message.is_request,
            batch: CompressedBatch::from_proto(batch)?,
            max_sequencing_time: field(MESSAGE, "max_sequencing_time")
                .required_time(message.max_sequencing_time.as_ref())?,
            timestamp_of_signing_key: field(MESSAGE, "timestamp_of_signing_key")
                .optional_time(message.timestamp_of_signing_key.as_ref())?,
            bytes,
        })
    }

    /// Who sends it.
    #[must_use]
    pub fn sender(&self) -> &Member {
        &self.sender
    }

    /// What the sender calls it.
    #[must_use]
    pub fn message_id(&self) -> &MessageId {
        &self.message_id
    }

    /// Whether it is a confirmation request, which counts towards the sender's rate.
    #[must_use]
    pub fn is_request(&self) -> bool {
        self.is_request
    }

    /// What is to be delivered.
    #[must_use]
    pub fn batch(&self) -> &CompressedBatch {
        &self.batch
    }

    /// When it must have been sequenced.
    #[must_use]
    pub fn max_sequencing_time(&self) -> CantonTimestamp {
        self.max_sequencing_time
    }

    /// At which time's key the sequencer is to sign the events; nothing for that of the events.
    #[must_use]
    pub fn timestamp_of_signing_key(&self) -> Option<CantonTimestamp> {
        self.timestamp_of_signing_key
    }

    /// The wrapped bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl PartialEq for SubmissionRequest {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for SubmissionRequest {}

impl Signable for SubmissionRequest {
    const MESSAGE: &'static str = MESSAGE;
    const PURPOSE: HashPurpose = HashPurpose::SubmissionRequestSignature;

    fn from_bytes(bytes: Arc<[u8]>) -> Result<Self, ParseError> {
        Self::from_bytes(bytes)
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
