//! The handler of a participant's events on a domain: it sorts them and hands them on, and never waits for a decryption.

use std::sync::Arc;

use async_trait::async_trait;
use cantle_protocol::{
    ProtocolMessage, RegisterTopologyTransactionResponse, SequencerCounter, SignedProtocolMessage,
    TraceContext,
};
use cantle_sequencing::{Delivery, EventHandler, HandlerError, SequencerClient, chain};
use cantle_types::CantonTimestamp;
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;
use tracing::Instrument;

use super::request::{OpenedRequest, Opener, RawRequest};
use super::respond;
use super::worker::Progress;

/// What the worker works through, in the order of the events.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) at: CantonTimestamp,
    pub(crate) counter: SequencerCounter,
    pub(crate) trace: TraceContext,
    pub(crate) what: What,
}

/// What an event means to a participant.
#[derive(Debug)]
pub(crate) enum What {
    /// The domain's time has come so far, and nothing else.
    Time,
    /// A request, being decrypted.
    Request(JoinHandle<OpenedRequest>),
    /// Results of the mediator.
    Results(Vec<SignedProtocolMessage>),
    /// The receipt of this participant's answers to a request.
    Answered(CantonTimestamp),
    /// All that was sequenced before this participant started has been handed on.
    CaughtUp,
}

/// Takes a participant's events.
#[derive(Debug)]
pub(crate) struct TransactionHandler {
    pub(crate) client: SequencerClient,
    pub(crate) opener: Arc<Opener>,
    pub(crate) queue: mpsc::Sender<Item>,
    pub(crate) progress: Arc<Progress>,
    /// Answers of the domain to topology that was handed in.
    pub(crate) registrations: broadcast::Sender<Arc<RegisterTopologyTransactionResponse>>,
}

#[async_trait]
impl EventHandler for TransactionHandler {
    async fn handle(&self, events: Vec<Delivery>) -> Result<(), HandlerError> {
        for delivery in events {
            let item = self.sorted(delivery);
            self.progress.received(item.counter);
            // The worker lives as long as the connection.
            if self.queue.send(item).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn clean(&self, handled: SequencerCounter) -> Option<SequencerCounter> {
        self.progress.clean(handled)
    }

    async fn caught_up(&self, at: CantonTimestamp) {
        let counter = self.progress.last();
        let item = Item { at, counter, trace: TraceContext::default(), what: What::CaughtUp };
        let _ = self.queue.send(item).await;
    }
}

impl TransactionHandler {
    fn sorted(&self, delivery: Delivery) -> Item {
        let (at, counter) = (delivery.timestamp(), delivery.counter());
        let answered = delivery.event.content().message_id().and_then(respond::request_of);
        let mut request = RawRequest::default();
        let mut results = Vec::new();
        for envelope in delivery.envelopes {
            match envelope.message {
                Ok(ProtocolMessage::RootHash(root)) => request.roots.push((root, envelope.recipients)),
                Ok(ProtocolMessage::EncryptedView(view)) => request.views.push(*view),
                Ok(ProtocolMessage::Signed(message)) => results.push(*message),
                Ok(ProtocolMessage::RegisterTopologyResponse(response)) => {
                    // Nobody may wait for it.
                    let _ = self.registrations.send(Arc::new(*response));
                }
                _ => {}
            }
        }
        let what = if !request.roots.is_empty() || !request.views.is_empty() {
            self.request(at, request)
        } else if !results.is_empty() {
            What::Results(results)
        } else if let Some(request_id) = answered {
            What::Answered(request_id)
        } else {
            What::Time
        };
        Item { at, counter, trace: delivery.trace, what }
    }

    /// Begins to decrypt a request.
    fn request(&self, at: CantonTimestamp, request: RawRequest) -> What {
        let topology = self.client.topology().map(|topology| topology.snapshot(at));
        match topology {
            Some(Ok(topology)) => {
                let opened = Arc::clone(&self.opener).open(request, topology);
                What::Request(tokio::spawn(opened.in_current_span()))
            }
            Some(Err(error)) => {
                tracing::warn!(%at, error = %chain(&error), "a request is ignored: the topology of its time is not known");
                What::Time
            }
            None => What::Time,
        }
    }
}
