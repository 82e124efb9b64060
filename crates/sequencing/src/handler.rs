//! Who is given the events of a subscription, and what an event is when it is given.

use std::error::Error;

use async_trait::async_trait;
use cantle_protocol::{
    ParseError, ProtocolMessage, Recipients, SequencedEvent, SequencerCounter, SignedContent, TraceContext,
};
use cantle_types::CantonTimestamp;

/// An event that passed all checks, opened.
#[derive(Debug)]
pub struct Delivery {
    /// The event.
    pub event: SignedContent<SequencedEvent>,
    /// The trace that its submission belongs to.
    pub trace: TraceContext,
    /// Its envelopes: none in a deliver error, nor where the batch cannot be opened within the limits, which is
    /// logged.
    pub envelopes: Vec<OpenEnvelope>,
}

/// An envelope that was opened.
#[derive(Debug)]
pub struct OpenEnvelope {
    /// Who gets it, as far as this member may see.
    pub recipients: Recipients,
    /// What it holds; or why that cannot be read, which is logged.
    pub message: Result<ProtocolMessage, ParseError>,
    /// How many bytes that were.
    pub size: usize,
}

impl Delivery {
    /// The place of the event among the member's events.
    #[must_use]
    pub fn counter(&self) -> SequencerCounter {
        self.event.content().counter()
    }

    /// When it was sequenced.
    #[must_use]
    pub fn timestamp(&self) -> CantonTimestamp {
        self.event.content().timestamp()
    }

    /// About how many bytes it takes.
    pub(crate) fn size(&self) -> usize {
        let envelopes = self.envelopes.iter().map(|envelope| envelope.size);
        self.event.bytes().len() + envelopes.sum::<usize>()
    }
}

/// Takes the events of one subscription.
///
/// Events come in their order and without gaps, each at least once: after a restart the first is the one after the clean
/// cursor. Before an event comes, the topology of its time is known. While a call is under way no further event is read.
#[async_trait]
pub trait EventHandler: Send + Sync {
    /// Handles events, of which there is at least one. They count as handled when it returns.
    ///
    /// # Errors
    /// What ends the subscription: it is for what no repetition helps against.
    async fn handle(&self, events: Vec<Delivery>) -> Result<(), HandlerError>;

    /// The last event with which all is done, given the last that was handled. After a restart the next one is the
    /// first to come again, so that nothing before it may be needed any more.
    ///
    /// Asked about once a second; it must not go back. By default what is handled is done with.
    fn clean(&self, handled: SequencerCounter) -> Option<SequencerCounter> {
        Some(handled)
    }

    /// All that was sequenced before this client began has been handled. Called once; what the handler held back
    /// because an event might have said that it was sent already may be sent now.
    async fn caught_up(&self, _at: CantonTimestamp) {}
}

/// Why a handler gave up.
#[derive(Debug, thiserror::Error)]
#[error("the events cannot be handled")]
pub struct HandlerError(#[source] Box<dyn Error + Send + Sync>);

impl HandlerError {
    /// Gives up for this reason.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}
