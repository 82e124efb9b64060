//! What differs for a sequencer that shares its database with others of its domain: whoever does not write forwards.

use std::sync::Arc;

use cantle_sequencing::RefusalReason;
use cantle_store::{Forwarded, ForwardedKind, MemberNumber, StoreError};
use cantle_topology::SignedTopologyTransaction;
use cantle_types::{CantonTimestamp, Member};

use super::{Inner, Sequencer, Stored};
use crate::checks::refuse;
use crate::error::{BootstrapError, SubmitError};
use crate::forwarding;
use crate::subscription::{Subscription, SubscriptionEnd};

impl Sequencer {
    /// As [`Sequencer::subscribe`]; where another sequencer writes, a member may come from there and know more of it than
    /// this one has read.
    ///
    /// # Errors
    /// As [`Sequencer::subscribe`], or when the store fails.
    pub async fn subscribe_again(&self, member: &Member, from: i64) -> Result<Subscription, SubscriptionEnd> {
        let inner = &self.0;
        match self.subscribe(member, from) {
            Err(SubscriptionEnd::Beyond { .. }) if !inner.leads() => {}
            opened => return opened,
        }
        let members = inner.store.sequencer_members().await;
        let members = members.map_err(|error| SubscriptionEnd::Store(Arc::new(error)))?;
        if let Some(known) = members.into_iter().find(|known| known.member == *member) {
            inner.feeds.raise(member, known.number, known.next_counter);
        }
        self.subscribe(member, from)
    }
}

impl Inner {
    /// Whether this sequencer writes.
    pub(crate) fn leads(&self) -> bool {
        self.line.has_order()
    }

    /// Sequences a submission, or forwards it where another sequencer writes.
    pub(super) async fn here_or_there(
        &self,
        here: impl Future<Output = Result<Stored, SubmitError>>,
        forwarded: impl FnOnce() -> Forwarded,
    ) -> Result<(), SubmitError> {
        let Some(group) = &self.group else { return here.await.map(drop) };
        if self.leads() {
            match here.await {
                // It has just ceased to write, and has not sequenced this.
                Err(SubmitError::Refused(refusal))
                    if refusal.reason == RefusalReason::Unavailable && !self.leads() => {}
                answered => return answered.map(drop),
            }
        }
        if self.stop.is_cancelled() {
            return Err(refuse(RefusalReason::ShuttingDown, "The sequencer is shutting down").into());
        }
        let forwarded = forwarded();
        let _place = self
            .in_flight
            .enter(&forwarded.caller, forwarded.content.len())
            .ok_or_else(|| refuse(RefusalReason::Overloaded, "Too many submissions are being sequenced"))?;
        forwarding::submitted(forwarding::hand_over(&**group, &forwarded).await)
    }

    /// Has another sequencer begin the domain, where one writes.
    pub(super) async fn bootstrap_there(
        &self,
        transactions: &[SignedTopologyTransaction],
    ) -> Option<Result<(), BootstrapError>> {
        let group = self.group.as_deref().filter(|_| !self.leads())?;
        let forwarded = Forwarded {
            kind: ForwardedKind::Topology,
            caller: self.manager.member().clone(),
            content: forwarding::topology_bytes(transactions),
            traceparent: None,
        };
        Some(forwarding::bootstrapped(&forwarding::hand_over(group, &forwarded).await))
    }

    /// The latest time, and the number of a member that has events.
    pub(super) async fn counted(
        &self,
        member: &Member,
    ) -> Result<Option<(CantonTimestamp, MemberNumber)>, StoreError> {
        let known = self.line.with_order(|order, _| (order.latest(), order.number(member)));
        if let Some((latest, number)) = known {
            return Ok(number.map(|number| (latest, number)));
        }
        if self.group.is_none() {
            return Ok(None);
        }
        let latest = self.store.sequencer_latest().await?.map(CantonTimestamp::from);
        let members = self.store.sequencer_members().await?;
        let number = members.into_iter().find(|known| known.member == *member).map(|known| known.number);
        Ok(latest.zip(number))
    }
}
