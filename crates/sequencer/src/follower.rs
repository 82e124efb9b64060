//! One sequencer of several that share a database, as long as it does not write: it reads what another one does, and
//! takes over when nobody writes any more.
//!
//! Invariants: it begins to write only after it leads, from what is stored then; who cannot sign for the domain leaves
//! the lead to others.

use std::collections::HashMap;
use std::time::Duration;

use cantle_sequencing::{chain, stored_topology};
use cantle_store::{Lead, MemberNumber, SequencerGroup, StoreError, TopologyStoreId};
use cantle_types::CantonTimestamp;
use jiff::Timestamp;

use crate::initialize::introduce;
use crate::order::Order;
use crate::pipeline::{SequencerHealth, Writer};

/// How long a follower relies on being told of news.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// The pause between attempts to take the lead; each waits for it for a second by itself.
const ATTEMPT: Duration = Duration::from_millis(100);
/// How long one that could not sign leaves the lead to others.
const LEAVE: Duration = Duration::from_secs(3);

/// Whether a sequencer may take the lead at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Eagerness {
    /// At once.
    Now,
    /// Others first: it has just failed.
    Later,
}

/// What a follower has read.
#[derive(Debug, Default)]
struct Seen {
    latest: Option<Timestamp>,
    topology: Option<Timestamp>,
    events: HashMap<MemberNumber, i64>,
    begun: bool,
}

impl Writer {
    /// Follows what others write until this one leads; `None` when it is to stop.
    pub(crate) async fn follow(&self, group: &dyn SequencerGroup, eagerness: Eagerness) -> Option<Order> {
        self.health.send_replace(SequencerHealth { trouble: None, follows: true });
        let mut announced = group.announcements();
        let mut seen = Seen::default();
        let mut lead = Box::pin(self.lead(group, eagerness));
        loop {
            let trouble = self.catch_up(&mut seen).await.err().map(|error| chain(&error));
            self.health.send_if_modified(|health| {
                let changed = health.trouble != trouble;
                if changed && let Some(error) = &trouble {
                    tracing::warn!(domain = %self.domain, %error, "the sequencers' database cannot be read");
                }
                health.trouble = trouble;
                changed
            });
            tokio::select! {
                order = &mut lead => {
                    self.health.send_replace(SequencerHealth::default());
                    tracing::info!(domain = %self.domain, "this sequencer writes the domain's events from now on");
                    return Some(order);
                }
                _ = tokio::time::timeout(LOOK_AGAIN, announced.changed()) => {}
                () = self.stop.cancelled() => return None,
            }
        }
    }

    async fn lead(&self, group: &dyn SequencerGroup, eagerness: Eagerness) -> Order {
        if eagerness == Eagerness::Later {
            group.lead_leave().await;
            tokio::time::sleep(LEAVE).await;
        }
        loop {
            match self.try_lead(group).await {
                Ok(Some(order)) => return order,
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(domain = %self.domain, error = %chain(&error), "the lead cannot be taken");
                }
            }
            tokio::time::sleep(ATTEMPT).await;
        }
    }

    async fn try_lead(&self, group: &dyn SequencerGroup) -> Result<Option<Order>, StoreError> {
        if !self.may_sign().await {
            group.lead_leave().await;
            return Ok(None);
        }
        if group.lead_take().await? == Lead::Other {
            return Ok(None);
        }
        introduce(&*self.store, &self.domain, &self.manager, self.clock.now().into()).await?;
        self.load().await.map(Some)
    }

    /// Whether a key of this node is in force for the domain's sequencers, or none is yet.
    async fn may_sign(&self) -> bool {
        let now = self.topology.present(self.clock.now());
        match self.topology.at(now) {
            Ok(moment) if moment.signing_keys(&self.signer.sequencer).is_empty() => true,
            Ok(moment) => self.signer.has_key(&moment).await,
            Err(_) => false,
        }
    }

    /// Reads what is new.
    async fn catch_up(&self, seen: &mut Seen) -> Result<(), StoreError> {
        let latest = self.store.sequencer_latest().await?;
        if seen.begun && latest == seen.latest {
            return Ok(());
        }
        let topology = self.store.topology_latest(&TopologyStoreId::Domain(self.domain.clone())).await?;
        let time = latest.max(topology).map(CantonTimestamp::from);
        if !seen.begun || topology != seen.topology {
            self.topology.reset(stored_topology(&*self.store, &self.domain).await?, time);
            self.changed.send_modify(|changes| *changes += 1);
        } else if let Some(time) = time {
            self.topology.observe(time);
        }
        for member in self.store.sequencer_members().await? {
            if seen.events.insert(member.number, member.next_counter) != Some(member.next_counter) {
                self.feeds.raise(&member.member, member.number, member.next_counter);
            }
        }
        *seen = Seen { latest, topology, begun: true, events: std::mem::take(&mut seen.events) };
        Ok(())
    }
}
