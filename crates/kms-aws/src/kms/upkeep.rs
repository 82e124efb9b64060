//! Keys are listed, with their tags, and come to an end.

use cantle_kms::{FailedCall, KmsAnswer, KmsKeyId, Page};
use jiff::Timestamp;

use super::{Answer, AwsKms};
use crate::answers;

/// The most that one page may hold.
const KEYS_A_PAGE: i32 = 1000;
/// A key has at most 50 tags.
const TAGS_A_PAGE: i32 = 50;

impl AwsKms {
    pub(super) async fn send_list_keys(&self, marker: Option<&str>, call: FailedCall) -> Answer {
        let marker = marker.map(str::to_owned);
        let sent = self.client.list_keys().limit(KEYS_A_PAGE).set_marker(marker).send().await;
        self.answered(call, sent)?.read(|answer| {
            let ids: Option<_> = answer.keys().iter().map(|entry| answers::key(entry.key_id())).collect();
            let items = ids.ok_or("a KeyId is not a key id")?;
            let next_marker = next(answer.truncated, answer.next_marker)?;
            Ok((KmsAnswer::Keys(Page { items, next_marker }), None))
        })
    }

    pub(super) async fn send_list_resource_tags(
        &self,
        key: &KmsKeyId,
        marker: Option<&str>,
        call: FailedCall,
    ) -> Answer {
        let request = self.client.list_resource_tags().key_id(key.as_str()).limit(TAGS_A_PAGE);
        let sent = request.set_marker(marker.map(str::to_owned)).send().await;
        self.answered(call, sent)?.read(|answer| {
            let tags = answer.tags.unwrap_or_default().into_iter();
            let items = tags.map(|tag| (tag.tag_key, tag.tag_value)).collect();
            let next_marker = next(answer.truncated, answer.next_marker)?;
            Ok((KmsAnswer::Tags(Page { items, next_marker }), None))
        })
    }

    pub(super) async fn send_schedule_key_deletion(
        &self,
        key: &KmsKeyId,
        pending_window_days: u8,
        call: FailedCall,
    ) -> Answer {
        let request = self.client.schedule_key_deletion().key_id(key.as_str());
        let sent = request.pending_window_in_days(i32::from(pending_window_days)).send().await;
        self.answered(call, sent)?.read(|answer| {
            let date = answer.deletion_date().and_then(|date| Timestamp::from_second(date.secs()).ok());
            Ok((KmsAnswer::DeletionDate(date), answers::key(answer.key_id())))
        })
    }

    pub(super) async fn send_cancel_key_deletion(&self, key: &KmsKeyId, call: FailedCall) -> Answer {
        let sent = self.client.cancel_key_deletion().key_id(key.as_str()).send().await;
        self.answered(call, sent)?.read(|answer| Ok((KmsAnswer::Done, answers::key(answer.key_id()))))
    }

    pub(super) async fn send_enable_key(&self, key: &KmsKeyId, call: FailedCall) -> Answer {
        let sent = self.client.enable_key().key_id(key.as_str()).send().await;
        self.answered(call, sent)?.read(|_| Ok((KmsAnswer::Done, None)))
    }
}

/// A truncated answer must say how it goes on, or a search would take it for the whole.
fn next(truncated: bool, marker: Option<String>) -> Result<Option<String>, &'static str> {
    match (truncated, marker) {
        (false, _) => Ok(None),
        (true, Some(marker)) => Ok(Some(marker)),
        (true, None) => Err("it is truncated and has no NextMarker"),
    }
}
