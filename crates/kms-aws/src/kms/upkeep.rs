//! The requests about keys: lists, tags, and a key's end.

use aws_sdk_kms::Client;
use aws_sdk_kms::operation::RequestId;
use cantle_kms::{FailedCall, KmsError, KmsKeyId, Page, Reply, Upkeep, UpkeepAnswer};
use jiff::Timestamp;

use super::malformed;
use crate::answers;
use crate::errors::{Target, from_sdk};

/// The most that one page may hold.
const KEYS_A_PAGE: i32 = 1000;
/// A key has at most 50 tags.
const TAGS_A_PAGE: i32 = 50;

/// Sends one request, once.
pub(super) async fn send(
    client: &Client,
    target: &Target,
    request: &Upkeep,
) -> Result<Reply<UpkeepAnswer>, KmsError> {
    let call = request.call();
    match request {
        Upkeep::ListKeys { marker } => list_keys(client, target, call, marker.clone()).await,
        Upkeep::ListResourceTags { key, marker } => {
            list_tags(client, target, call, key, marker.clone()).await
        }
        Upkeep::ScheduleKeyDeletion { key, pending_window_days } => {
            let days = i32::from(*pending_window_days);
            let sent =
                client.schedule_key_deletion().key_id(key.as_str()).pending_window_in_days(days).send().await;
            let answer = sent.map_err(|error| from_sdk(error, call, target))?;
            let date = answer.deletion_date().and_then(|date| Timestamp::from_second(date.secs()).ok());
            let named = answers::key(answer.key_id());
            Ok(Reply::new(UpkeepAnswer::DeletionDate(date))
                .with_request_id(answer.request_id())
                .with_key(named))
        }
        Upkeep::CancelKeyDeletion { key } => {
            let sent = client.cancel_key_deletion().key_id(key.as_str()).send().await;
            let answer = sent.map_err(|error| from_sdk(error, call, target))?;
            let named = answers::key(answer.key_id());
            Ok(Reply::new(UpkeepAnswer::Done).with_request_id(answer.request_id()).with_key(named))
        }
        Upkeep::EnableKey { key } => {
            let sent = client.enable_key().key_id(key.as_str()).send().await;
            let answer = sent.map_err(|error| from_sdk(error, call, target))?;
            Ok(Reply::new(UpkeepAnswer::Done).with_request_id(answer.request_id()))
        }
    }
}

async fn list_keys(
    client: &Client,
    target: &Target,
    call: FailedCall,
    marker: Option<String>,
) -> Result<Reply<UpkeepAnswer>, KmsError> {
    let sent = client.list_keys().limit(KEYS_A_PAGE).set_marker(marker).send().await;
    let answer = match sent {
        Ok(answer) => answer,
        Err(error) => return Err(from_sdk(error, call, target)),
    };
    let request_id = answer.request_id();
    let ids: Option<Vec<KmsKeyId>> = answer.keys().iter().map(|entry| answers::key(entry.key_id())).collect();
    let items = ids.ok_or_else(|| malformed(call.clone(), request_id, "a KeyId is not a key id"))?;
    let next_marker = next(answer.truncated(), answer.next_marker(), call, request_id)?;
    Ok(Reply::new(UpkeepAnswer::Keys(Page { items, next_marker })).with_request_id(request_id))
}

async fn list_tags(
    client: &Client,
    target: &Target,
    call: FailedCall,
    key: &KmsKeyId,
    marker: Option<String>,
) -> Result<Reply<UpkeepAnswer>, KmsError> {
    let sent =
        client.list_resource_tags().key_id(key.as_str()).limit(TAGS_A_PAGE).set_marker(marker).send().await;
    let answer = match sent {
        Ok(answer) => answer,
        Err(error) => return Err(from_sdk(error, call, target)),
    };
    let request_id = answer.request_id();
    let items = answer.tags().iter().map(|tag| (tag.tag_key.clone(), tag.tag_value.clone())).collect();
    let next_marker = next(answer.truncated(), answer.next_marker(), call, request_id)?;
    Ok(Reply::new(UpkeepAnswer::Tags(Page { items, next_marker })).with_request_id(request_id))
}

/// A truncated answer must say how it goes on, or a search would take it for the whole.
fn next(
    truncated: bool,
    marker: Option<&str>,
    call: FailedCall,
    request_id: Option<&str>,
) -> Result<Option<String>, KmsError> {
    match (truncated, marker) {
        (false, _) => Ok(None),
        (true, Some(marker)) => Ok(Some(marker.to_owned())),
        (true, None) => Err(malformed(call, request_id, "it is truncated and has no NextMarker")),
    }
}
