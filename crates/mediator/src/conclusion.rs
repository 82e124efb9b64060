//! What a mediator concludes, and who is told.

use std::collections::BTreeSet;

use cantle_protocol::{
    MalformedMediatorRequestResult, MessageId, SignedProtocolContent, TransactionResultMessage,
};
use cantle_types::{CantonTimestamp, ParticipantId};

/// The end of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conclusion {
    /// Which request: the time of its sequencing. Results are signed with the mediator's key of that time.
    pub request_id: CantonTimestamp,
    /// When the results must have been sequenced.
    pub decision_time: CantonTimestamp,
    /// The results, each for some participants.
    pub results: Vec<(ResultContent, BTreeSet<ParticipantId>)>,
}

impl Conclusion {
    /// What its submission is called; the same whenever the request is concluded again.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn message_id(&self) -> MessageId {
        let id = format!("{PREFIX}{}", self.request_id.micros());
        id.parse().expect("a prefix and a number are a message id")
    }

    /// Which request's results a submission carries.
    #[must_use]
    pub fn request_of(id: &MessageId) -> Option<CantonTimestamp> {
        let micros = id.as_str().strip_prefix(PREFIX)?.parse().ok()?;
        CantonTimestamp::from_micros(micros).ok()
    }
}

const PREFIX: &str = "mmid:verdict:";

/// A result, not signed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResultContent {
    /// The verdict on a transaction.
    Transaction(TransactionResultMessage),
    /// The rejection of what could not be read.
    Malformed(MalformedMediatorRequestResult),
}

impl From<ResultContent> for SignedProtocolContent {
    fn from(content: ResultContent) -> Self {
        match content {
            ResultContent::Transaction(result) => Self::TransactionResult(result),
            ResultContent::Malformed(result) => Self::MalformedMediatorRequestResult(result),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_id_names_the_request() {
        let request_id = CantonTimestamp::from_micros(1_700_000_000_123_456).unwrap();
        let conclusion = Conclusion { request_id, decision_time: request_id, results: Vec::new() };
        let id = conclusion.message_id();
        assert_eq!(id.as_str(), "mmid:verdict:1700000000123456");
        assert_eq!(Conclusion::request_of(&id), Some(request_id));
        assert_eq!(Conclusion::request_of(&"mmid:verdict:x".parse().unwrap()), None);
        assert_eq!(Conclusion::request_of(&"other:1".parse().unwrap()), None);
    }
}
