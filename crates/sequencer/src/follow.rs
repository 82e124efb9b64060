//! Which topology messages of a batch the sequencer follows.
//!
//! The domain manager sends each change to everybody, itself included, and to a newcomer all that has changed before. The
//! first is news to the sequencer, the second is not.

use cantle_protocol::{Batch, DomainTopologyTransactionMessage, ParseError, ProtocolMessage};
use cantle_types::{Member, ProtocolVersion};

/// The topology messages that are addressed to one of `to`, in their order.
///
/// # Errors
/// When an envelope to one of them is no message: what the sequencer cannot read it must not leave out.
pub(crate) fn followed(
    batch: &Batch,
    to: &[&Member],
    version: ProtocolVersion,
) -> Result<Vec<DomainTopologyTransactionMessage>, ParseError> {
    let mut found = Vec::new();
    for envelope in batch.envelopes() {
        let recipients = envelope.recipients().members();
        if to.iter().all(|member| !recipients.contains(member)) {
            continue;
        }
        let message = ProtocolMessage::from_bytes(envelope.shared_content(), version)?;
        if let ProtocolMessage::DomainTopology(message) = message {
            found.push(*message);
        }
    }
    Ok(found)
}
