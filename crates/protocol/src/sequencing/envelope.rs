//! A message with its recipients, closed: the sequencer sees its bytes only.

use std::fmt;

use bytes::Bytes;
use cantle_proto::protocol::v0;
use cantle_types::Member;

use crate::error::ParseError;
use crate::sequencing::Recipients;
use crate::wire::field;

/// The bytes of a wrapped message, and who receives them. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope {
    content: Bytes,
    recipients: Recipients,
}

impl Envelope {
    /// A message, as it is wrapped, for these recipients.
    #[must_use]
    pub fn new(content: impl Into<Bytes>, recipients: Recipients) -> Self {
        Self { content: content.into(), recipients }
    }

    /// The wrapped message.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// The wrapped message, shared.
    #[must_use]
    pub fn shared_content(&self) -> Bytes {
        self.content.clone()
    }

    /// Who receives it.
    #[must_use]
    pub fn recipients(&self) -> &Recipients {
        &self.recipients
    }

    /// What `member` receives of it; nothing when it is no recipient.
    #[must_use]
    pub fn for_member(&self, member: &Member) -> Option<Self> {
        let recipients = self.recipients.for_member(member)?;
        Some(Self { content: self.content.clone(), recipients })
    }

    /// The message of the envelope.
    #[must_use]
    pub fn to_proto(&self) -> v0::Envelope {
        v0::Envelope { content: self.content.clone(), recipients: Some(self.recipients.to_proto()) }
    }

    /// Reads the message of an envelope.
    ///
    /// # Errors
    /// When the recipients are missing or wrong.
    pub fn from_proto(message: v0::Envelope) -> Result<Self, ParseError> {
        let recipients = field("Envelope", "recipients").required(message.recipients.as_ref())?;
        Ok(Self { recipients: Recipients::from_proto(recipients)?, content: message.content })
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("content", &format_args!("{} bytes", self.content.len()))
            .field("recipients", &self.recipients)
            .finish()
    }
}
