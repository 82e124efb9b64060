//! What the in-memory service answers to requests about keys.

use jiff::{Timestamp, ToSpan};

use super::store::Store;
use crate::{FailedCall, KeyState, KmsError, Operation, PENDING_WINDOW_DAYS, Page, Upkeep, UpkeepAnswer};

/// A small page, so that callers meet more than one.
const PAGE: usize = 3;

impl Store {
    pub(super) fn upkeep(&mut self, request: &Upkeep, call: &FailedCall) -> Result<UpkeepAnswer, KmsError> {
        match request {
            Upkeep::ListKeys { marker } => {
                let own = |key: &&super::store::FakeKey| {
                    key.metadata.account.as_deref() == Some(super::ACCOUNT) && !key.unlisted
                };
                let keys: Vec<_> =
                    self.keys.iter().filter(own).map(|key| key.metadata.key_id.clone()).collect();
                Ok(UpkeepAnswer::Keys(page(&keys, marker.as_deref())))
            }
            Upkeep::ListResourceTags { key, marker } => {
                let key = self.look_up(key, call)?;
                if key.tags_hidden {
                    let message = format!(
                        "User is not authorized to perform: {} on resource: {}",
                        Operation::ListResourceTags.iam_action(),
                        key.name()
                    );
                    return Err(KmsError::AccessDenied {
                        call: call.clone(),
                        message: message.as_str().into(),
                    });
                }
                Ok(UpkeepAnswer::Tags(page(&key.tags, marker.as_deref())))
            }
            Upkeep::ScheduleKeyDeletion { key, pending_window_days } => {
                if !PENDING_WINDOW_DAYS.contains(pending_window_days) {
                    let message = "PendingWindowInDays must be between 7 and 30".into();
                    return Err(KmsError::Validation { call: call.clone(), message });
                }
                self.change(key, call, KeyState::PendingDeletion, |state| {
                    *state != KeyState::PendingDeletion
                })?;
                Ok(UpkeepAnswer::DeletionDate(
                    Timestamp::now().checked_add((i64::from(*pending_window_days) * 24).hours()).ok(),
                ))
            }
            Upkeep::CancelKeyDeletion { key } => {
                self.change(key, call, KeyState::Disabled, |state| *state == KeyState::PendingDeletion)?;
                Ok(UpkeepAnswer::Done)
            }
            Upkeep::EnableKey { key } => {
                self.change(key, call, KeyState::Enabled, |state| *state != KeyState::PendingDeletion)?;
                Ok(UpkeepAnswer::Done)
            }
        }
    }

    fn change(
        &mut self,
        key: &crate::KmsKeyId,
        call: &FailedCall,
        to: KeyState,
        allowed: impl FnOnce(&KeyState) -> bool,
    ) -> Result<(), KmsError> {
        let found = self.look_up(key, call)?;
        let (name, state) = (found.name().clone(), found.metadata.state.clone());
        if !allowed(&state) {
            let words = if state == KeyState::PendingDeletion { "pending deletion" } else { state.as_str() };
            let message = format!("{name} is {words}.");
            return Err(KmsError::InvalidState { call: call.clone(), message: message.as_str().into() });
        }
        if let Some(index) = self.find(key) {
            self.keys[index].metadata.state = to;
        }
        Ok(())
    }
}

fn page<T: Clone>(all: &[T], marker: Option<&str>) -> Page<T> {
    let start = marker.and_then(|marker| marker.parse().ok()).unwrap_or(0);
    let end = all.len().min(start + PAGE);
    let items = all.get(start..end).unwrap_or_default().to_vec();
    Page { items, next_marker: (end < all.len()).then(|| end.to_string()) }
}
