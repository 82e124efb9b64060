//! The dispatcher: what the topology manager authorizes reaches all members of the domain.
//!
//! It follows the store `Authorized` from a watermark on. What is planned is signed, sent, and sent again until it is
//! sequenced; only then does the watermark move. After a crash a message may therefore be sequenced twice, and none is
//! left out; members tolerate what they have seen.
//! Source: Canton 2.10's `DomainTopologyDispatcher`.

pub(crate) mod plan;

use std::sync::Arc;
use std::time::Duration;

use cantle_identity::TopologyManager;
use cantle_protocol::{
    Batch, DomainTopologyTransactionMessage, ParseError, ProtocolMessage, Recipients, RecipientsError,
};
use cantle_sequencing::{ClientSendError, SendOutcome, SequencerClient, Submission, SyncSignError};
use cantle_store::{NodeStore, RoleSetting, StoreError, TimeQuery, TopologyQuery, TopologyStoreId};
use cantle_topology::SignedTopologyTransaction;
use cantle_types::{CantonTimestamp, Clock, DomainId, ProtocolVersion};
use jiff::{SignedDuration, Timestamp};
use thiserror::Error;
use tokio::sync::watch;

use crate::running::Parts;
use plan::{Dispatch, Known};

/// How long a message may take to be sequenced before it is signed anew.
const SEQUENCED_WITHIN: Duration = Duration::from_secs(60);
/// The first pause after a message that was not sequenced.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// What a message may hold beside its transactions, in a submission of the largest size.
const OVERHEAD: usize = 64 * 1024;

/// Why the dispatcher gave up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DispatchError {
    /// The store failed.
    #[error("the domain manager's store failed")]
    Store(#[from] StoreError),
    /// A stored transaction cannot be read.
    #[error("a stored topology transaction cannot be read")]
    Transaction(#[from] cantle_topology::ParseError),
    /// The stored watermark is no time.
    #[error("the watermark of the dispatcher is damaged")]
    Watermark,
}

/// Why a message was not sent this time.
#[derive(Debug, Error)]
enum SendError {
    #[error("the message was not signed")]
    Sign(#[from] SyncSignError),
    #[error("the message cannot be written")]
    Message(#[from] ParseError),
    #[error("the message cannot be addressed")]
    Recipients(#[from] RecipientsError),
    #[error("the message was not sent")]
    Send(#[from] ClientSendError),
    #[error("the message was not sequenced: {0:?}")]
    Outcome(SendOutcome),
}

/// How much is left to send, for whoever waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DispatchStatus {
    /// Transactions that were authorized and are not sequenced yet.
    pub pending: usize,
    /// The time of the last transaction that was sequenced.
    pub dispatched: Option<Timestamp>,
}

pub(crate) struct Dispatcher {
    domain: DomainId,
    version: ProtocolVersion,
    manager: TopologyManager,
    store: Arc<dyn NodeStore>,
    client: SequencerClient,
    clock: Arc<dyn Clock>,
    known: Known,
    watermark: Option<Timestamp>,
    status: watch::Sender<DispatchStatus>,
}

impl Dispatcher {
    /// A dispatcher that goes on where the last one stopped.
    pub(crate) async fn resume(
        parts: &Parts,
        known: Known,
        client: SequencerClient,
        status: watch::Sender<DispatchStatus>,
    ) -> Result<Self, DispatchError> {
        let setting = RoleSetting::DispatchWatermark(parts.domain.clone());
        let stored = parts.store.setting_find(&setting).await?;
        let watermark = stored.map(|bytes| read_watermark(&bytes)).transpose()?;
        let mut dispatcher = Self {
            domain: parts.domain.clone(),
            version: parts.manager.protocol_version(),
            manager: parts.manager.clone(),
            store: Arc::clone(&parts.store),
            client,
            clock: Arc::clone(&parts.clock),
            known,
            watermark,
            status,
        };
        if let Some(watermark) = watermark {
            for (_, signed) in dispatcher.authorized(None, Some(watermark)).await? {
                dispatcher.known.apply(&signed);
            }
        }
        Ok(dispatcher)
    }

    /// Sends what there is and what comes, for ever.
    pub(crate) async fn run(mut self) -> Result<std::convert::Infallible, DispatchError> {
        let mut changes = self.manager.changes();
        loop {
            changes.borrow_and_update();
            let pending = self.authorized(self.watermark, None).await?;
            self.status.send_replace(DispatchStatus { pending: pending.len(), dispatched: self.watermark });
            // A domain is told of nothing before it can be used.
            let ready = {
                let mut by_then = self.known.clone();
                pending.iter().for_each(|(_, signed)| by_then.apply(signed));
                self.watermark.is_some() || by_then.is_initialized()
            };
            if pending.is_empty() || !ready {
                if changes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
                continue;
            }
            for dispatch in self.known.plan(pending, self.max_bytes()) {
                self.send_until_sequenced(&dispatch).await;
                self.move_watermark(dispatch.until).await?;
            }
        }
    }

    /// What is left of the largest request for transactions, which each member's list may fill.
    fn max_bytes(&self) -> usize {
        let parameters = self.client.topology().map(|topology| topology.approximate().view.parameters());
        let max = parameters.map_or(usize::MAX, |parameters| {
            usize::try_from(parameters.max_request_size).unwrap_or(usize::MAX)
        });
        (max.saturating_sub(OVERHEAD) / 2).max(1)
    }

    async fn send_until_sequenced(&self, dispatch: &Dispatch) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.send(dispatch).await {
                Ok(timestamp) => {
                    let transactions: usize = dispatch.messages.iter().map(|(list, _)| list.len()).sum();
                    tracing::info!(domain = %self.domain, %timestamp, transactions, "the domain's members are told of topology transactions");
                    return;
                }
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(domain = %self.domain, error, "topology transactions are not sequenced yet");
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn send(&self, dispatch: &Dispatch) -> Result<CantonTimestamp, SendError> {
        let not_after = CantonTimestamp::from(self.clock.now()).saturating_add(SEQUENCED_WITHIN);
        let mut envelopes = Vec::with_capacity(dispatch.messages.len());
        for (list, members) in &dispatch.messages {
            if members.is_empty() {
                continue;
            }
            let message = self.signed(list, not_after).await?;
            let alone = members.iter().map(|member| [member.clone()]);
            let recipients = Recipients::groups(alone)?;
            envelopes.push(
                ProtocolMessage::DomainTopology(Box::new(message)).to_envelope(recipients, self.version)?,
            );
        }
        let submission = Submission::new(Batch::new(envelopes)).not_after(not_after);
        match self.client.send(submission).await?.await {
            SendOutcome::Sequenced { timestamp, .. } => Ok(timestamp),
            outcome => Err(SendError::Outcome(outcome)),
        }
    }

    async fn signed(
        &self,
        list: &[SignedTopologyTransaction],
        not_after: CantonTimestamp,
    ) -> Result<DomainTopologyTransactionMessage, SendError> {
        let hash = DomainTopologyTransactionMessage::hash_of(&self.domain, not_after, list, self.version);
        let (topology, crypto) = match (self.client.topology(), self.client.crypto()) {
            (Some(topology), Some(crypto)) => (topology, crypto),
            _ => unreachable!("a domain manager is a member with keys"),
        };
        let signature = crypto.sign(&topology.approximate().view, &hash).await?;
        Ok(DomainTopologyTransactionMessage::assemble(
            self.domain.clone(),
            not_after,
            list.to_vec(),
            signature,
            self.version,
        ))
    }

    /// The authorized transactions after a time, until another.
    async fn authorized(
        &self,
        after: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Result<Vec<(Timestamp, SignedTopologyTransaction)>, DispatchError> {
        let from = after.map(|after| after.saturating_add(SignedDuration::from_micros(1)).unwrap_or(after));
        let query = TopologyQuery { time: TimeQuery::Range { from, until }, ..TopologyQuery::default() };
        let stored = self.store.topology_list(&TopologyStoreId::Authorized, &query).await?;
        let read = stored.into_iter().map(|stored| {
            let signed = SignedTopologyTransaction::from_bytes(&stored.transaction.serialized)?;
            Ok((stored.sequenced, signed))
        });
        read.collect()
    }

    async fn move_watermark(&mut self, to: Timestamp) -> Result<(), DispatchError> {
        let setting = RoleSetting::DispatchWatermark(self.domain.clone());
        self.store.setting_put(&setting, to.as_microsecond().to_string().as_bytes()).await?;
        self.watermark = Some(to);
        self.status.send_modify(|status| status.dispatched = Some(to));
        Ok(())
    }
}

fn read_watermark(bytes: &[u8]) -> Result<Timestamp, DispatchError> {
    let text = std::str::from_utf8(bytes).map_err(|_| DispatchError::Watermark)?;
    let micros = text.parse().map_err(|_| DispatchError::Watermark)?;
    Timestamp::from_microsecond(micros).map_err(|_| DispatchError::Watermark)
}
