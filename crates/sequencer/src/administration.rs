//! What an operator does with a sequencer: looks at its events, takes its state as of a time, ends a member for good.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use cantle_store::{EventPage, MemberNumber, NodeStore, RoleSetting, StoreError};
use cantle_types::{DomainId, Member, MemberCode};
use jiff::Timestamp;

use crate::sequencer::Sequencer;
use crate::status::{MemberStatus, SequencerSnapshot, SequencerStatus};

/// Why a member was not disabled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DisableError {
    /// The sequencer has no such member.
    #[error("the sequencer does not know {0}; pruning.status() lists its members")]
    Unknown(Member),
    /// Without its manager the domain could do nothing any more.
    #[error("{0} manages the domain and cannot be disabled")]
    Manager(Member),
    /// The store failed.
    #[error("that the member is disabled could not be stored")]
    Store(#[from] StoreError),
}

/// Why there is no snapshot of a time.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The sequencer has not got so far.
    #[error("{wanted} is after the latest time of the sequencer, {latest}")]
    TooLate {
        /// The time asked for.
        wanted: Timestamp,
        /// The latest that was given.
        latest: Timestamp,
    },
    /// Nothing was sequenced yet.
    #[error("the sequencer has no events yet")]
    Nothing,
    /// The store failed.
    #[error("the sequencer's store cannot be read")]
    Store(#[from] StoreError),
}

/// Members that can never come back, and those who look.
#[derive(Debug)]
pub(crate) struct Disabled {
    store: Arc<dyn NodeStore>,
    setting: RoleSetting,
    members: Mutex<BTreeSet<Member>>,
    /// One change at a time.
    changing: tokio::sync::Mutex<()>,
}

impl Disabled {
    pub(crate) async fn open(store: Arc<dyn NodeStore>, domain: &DomainId) -> Result<Self, StoreError> {
        let setting = RoleSetting::DisabledMembers(domain.clone());
        let stored = store.setting_find(&setting).await?.unwrap_or_default();
        let text = String::from_utf8_lossy(&stored);
        // Only texts of members were ever stored.
        let members = text.lines().filter_map(|line| line.parse().ok()).collect();
        Ok(Self { store, setting, members: Mutex::new(members), changing: tokio::sync::Mutex::default() })
    }

    /// Reads anew what is stored: sequencers that share a database note it there. Nobody is ever taken off the list.
    pub(crate) async fn refresh(&self) -> Result<(), StoreError> {
        let stored = self.store.setting_find(&self.setting).await?.unwrap_or_default();
        let text = String::from_utf8_lossy(&stored);
        let found = text.lines().filter_map(|line| line.parse().ok());
        self.members.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
        Ok(())
    }

    pub(crate) fn contains(&self, member: &Member) -> bool {
        self.members.lock().unwrap_or_else(PoisonError::into_inner).contains(member)
    }

    async fn insert(&self, member: &Member) -> Result<(), StoreError> {
        let _one = self.changing.lock().await;
        self.refresh().await?;
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner).clone();
        members.insert(member.clone());
        let lines: Vec<&str> = members.iter().map(Member::as_str).collect();
        self.store.setting_put(&self.setting, lines.join("\n").as_bytes()).await?;
        *self.members.lock().unwrap_or_else(PoisonError::into_inner) = members;
        Ok(())
    }
}

impl Sequencer {
    /// What an operator asks about the sequencer's events.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn status(&self) -> Result<SequencerStatus, StoreError> {
        let members = self.store().sequencer_members().await?;
        Ok(SequencerStatus {
            now: self.clock().now(),
            earliest_event: self.store().sequencer_earliest().await?,
            members: members
                .into_iter()
                .map(|member| MemberStatus {
                    enabled: !self.disabled().contains(&member.member),
                    member: member.member,
                    registered: member.registered,
                    acknowledged: member.acknowledged,
                    events: member.next_counter,
                })
                .collect(),
        })
    }

    /// Keeps a member out for ever: what it has open ends, and it can neither authenticate itself nor read any more.
    /// There is no way back.
    ///
    /// # Errors
    /// [`DisableError`].
    pub async fn disable_member(&self, member: &Member) -> Result<(), DisableError> {
        if member.code() == MemberCode::DomainTopologyManager {
            return Err(DisableError::Manager(member.clone()));
        }
        let members = self.store().sequencer_members().await?;
        if !members.iter().any(|known| known.member == *member) {
            return Err(DisableError::Unknown(member.clone()));
        }
        self.disabled().insert(member).await?;
        tracing::info!(%member, "a member was disabled");
        self.end_member(member);
        Ok(())
    }

    /// The state as of a time: how many events each member had.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub async fn snapshot(&self, at: Timestamp) -> Result<SequencerSnapshot, SnapshotError> {
        let latest = self.store().sequencer_latest().await?.ok_or(SnapshotError::Nothing)?;
        if at > latest {
            return Err(SnapshotError::TooLate { wanted: at, latest });
        }
        let status = self.status().await?;
        let members = self.store().sequencer_members().await?;
        let mut heads = Vec::new();
        for member in members {
            if let Some(head) = self.head(member.number, member.next_counter, at).await? {
                heads.push((member.member, head));
            }
        }
        Ok(SequencerSnapshot { latest: at, heads, status })
    }

    /// The counter of a member's last event until a time: times rise with the counters.
    async fn head(
        &self,
        member: MemberNumber,
        events: i64,
        at: Timestamp,
    ) -> Result<Option<i64>, StoreError> {
        let (mut from, mut to) = (0, events);
        while from < to {
            let middle = from + (to - from) / 2;
            let page = EventPage { from: middle, events: 1, bytes: 0 };
            match self.store().sequencer_events(member, page).await?.first() {
                // What is not there any more was before.
                None => from = middle + 1,
                Some(event) if event.sequenced <= at => from = middle + 1,
                Some(_) => to = middle,
            }
        }
        Ok((from > 0).then(|| from - 1))
    }
}
