//! What a member tells the sequencer it has done with: the events up to a time.

use std::sync::Arc;

use cantle_crypto::HashPurpose;
use cantle_proto::domain::api::v0;
use cantle_types::{CantonTimestamp, Member};

use crate::error::ParseError;
use crate::sequencing::signed_content::Signable;
use crate::wire::{decode_version_0, field, time_to_proto, wrap};

const MESSAGE: &str = "AcknowledgeRequest";

/// A member has done with its events up to a time and with it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AcknowledgeRequest {
    member: Member,
    timestamp: CantonTimestamp,
    bytes: Arc<[u8]>,
}

impl AcknowledgeRequest {
    /// The member has done with its events up to `timestamp`.
    #[must_use]
    pub fn new(member: Member, timestamp: CantonTimestamp) -> Self {
        let message =
            v0::AcknowledgeRequest { member: member.to_string(), timestamp: Some(time_to_proto(timestamp)) };
        Self { member, timestamp, bytes: wrap(&message, 0).into() }
    }

    /// Reads a wrapped acknowledgement and keeps its bytes.
    ///
    /// # Errors
    /// When a field is missing or wrong.
    pub fn from_bytes(bytes: impl Into<Arc<[u8]>>) -> Result<Self, ParseError> {
        let bytes = bytes.into();
        let message = decode_version_0(MESSAGE, &bytes)?;
        Self::with_bytes(&message, bytes)
    }

    /// Reads an acknowledgement that came without a wrapper and unsigned.
    ///
    /// # Errors
    /// As [`AcknowledgeRequest::from_bytes`].
    pub fn from_proto(message: &v0::AcknowledgeRequest) -> Result<Self, ParseError> {
        Self::with_bytes(message, wrap(message, 0).into())
    }

    fn with_bytes(message: &v0::AcknowledgeRequest, bytes: Arc<[u8]>) -> Result<Self, ParseError> {
        Ok(Self {
            member: field(MESSAGE, "member").text(&message.member)?,
            timestamp: field(MESSAGE, "timestamp").required_time(message.timestamp.as_ref())?,
            bytes,
        })
    }

    /// Who acknowledges.
    #[must_use]
    pub fn member(&self) -> &Member {
        &self.member
    }

    /// Up to when.
    #[must_use]
    pub fn timestamp(&self) -> CantonTimestamp {
        self.timestamp
    }

    /// The wrapped bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl PartialEq for AcknowledgeRequest {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for AcknowledgeRequest {}

impl Signable for AcknowledgeRequest {
    const MESSAGE: &'static str = MESSAGE;
    const PURPOSE: HashPurpose = HashPurpose::AcknowledgementSignature;

    fn from_bytes(bytes: Arc<[u8]>) -> Result<Self, ParseError> {
        Self::from_bytes(bytes)
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
