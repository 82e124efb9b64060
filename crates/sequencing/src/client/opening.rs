//! What is inside of an event: envelopes, and the messages in them.
//!
//! What cannot be read is logged and left out, or handed on as such: another member's malformed message must not stop
//! anyone.

use cantle_crypto::{Hash, HashBuilder, HashPurpose};
use cantle_protocol::{
    Batch, DeliverErrorReason, DomainTopologyTransactionMessage, Envelope, EventContent, ProtocolMessage,
    SequencedEvent,
};

use super::Inner;
use crate::error::chain;
use crate::handler::OpenEnvelope;

/// An event that was opened.
pub(super) struct Opened {
    pub(super) envelopes: Vec<OpenEnvelope>,
    /// What it says, in a form that does not depend on how it was compressed.
    pub(super) content: Hash,
}

impl Opened {
    pub(super) fn open(client: &Inner, event: &SequencedEvent) -> Self {
        let batch = open_batch(client, event);
        let content = content_hash(event, batch.as_ref());
        let envelopes = batch.as_ref().map(Batch::envelopes).unwrap_or_default();
        Self {
            envelopes: envelopes.iter().map(|envelope| open_envelope(client, event, envelope)).collect(),
            content,
        }
    }

    /// The messages of the domain's topology manager, or of somebody who says that he is it.
    pub(super) fn topology_messages(&self) -> Vec<&DomainTopologyTransactionMessage> {
        let messages = self.envelopes.iter().filter_map(|envelope| match &envelope.message {
            Ok(ProtocolMessage::DomainTopology(message)) => Some(&**message),
            _ => None,
        });
        messages.collect()
    }
}

/// What a batch holds; nothing where it cannot be opened.
fn open_batch(client: &Inner, event: &SequencedEvent) -> Option<Batch> {
    let EventContent::Deliver { batch, .. } = event.content() else { return None };
    match batch.decompress(client.options.max_batch_size) {
        Ok(batch) => Some(batch),
        Err(error) => {
            tracing::warn!(
                member = %client.member,
                counter = %event.counter(),
                error = %chain(&error),
                "a batch cannot be opened and counts as empty"
            );
            None
        }
    }
}

fn open_envelope(client: &Inner, event: &SequencedEvent, envelope: &Envelope) -> OpenEnvelope {
    let message = ProtocolMessage::from_bytes(envelope.shared_content(), client.version);
    if let Err(error) = &message {
        tracing::warn!(
            member = %client.member,
            counter = %event.counter(),
            error = %chain(error),
            "a message cannot be read"
        );
    }
    let size = envelope.content().len();
    OpenEnvelope { recipients: envelope.recipients().clone(), message, size }
}

/// What an event says, in a form that does not depend on how it was compressed.
///
/// Where the batch cannot be opened it is the compressed bytes. The hash stays in this node.
fn content_hash(event: &SequencedEvent, batch: Option<&Batch>) -> Hash {
    let mut hash = HashBuilder::new(HashPurpose::SequencedEventSignature)
        .add_long(event.counter().get())
        .add_long(event.timestamp().micros())
        .add_str(event.domain_id().as_str())
        .add_str(event.message_id().map_or("", |id| id.as_str()));
    match (event.content(), batch) {
        (EventContent::DeliverError { reason, .. }, _) => {
            let (kind, text) = match reason {
                DeliverErrorReason::BatchInvalid(text) => (-1, text),
                DeliverErrorReason::BatchRefused(text) => (-2, text),
            };
            hash = hash.add_int(kind).add_str(text);
        }
        (EventContent::Deliver { .. }, Some(batch)) => {
            hash = hash.add_int(0);
            for envelope in batch.envelopes() {
                hash = hash.add_bytes(envelope.content());
                for member in envelope.recipients().members() {
                    hash = hash.add_str(member.as_str());
                }
            }
        }
        (EventContent::Deliver { batch, .. }, None) => hash = hash.add_int(-3).add_bytes(batch.bytes()),
    }
    hash.finish()
}
