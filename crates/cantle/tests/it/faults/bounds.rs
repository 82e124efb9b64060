//! What a node does while the KMS leaves it waiting: it says so, refuses what is too much, and can be stopped.

use std::time::Duration;

use aws_sdk_kms::types::{KeySpec, KeyUsageType};
use cantle_kms_server::{Fault, FaultKind};
use cantle_node::NodeState;

use super::{
    calls,
    making::Place,
    rows::Row,
    site::{PARTICIPANT, eventually, within},
};
use crate::support::make_key;

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_repeated_is_seen_in_the_health_and_ends_with_the_node() {
    let site = super::site().await;
    let place = Place::new(&site, Row::InternalError, "health", true);
    let running = place.start().await;
    let uid = running.ready(PARTICIPANT).await;
    let node = running.handle(PARTICIPANT);
    let keys = node.keys().await.unwrap();
    let fingerprint = keys.iter().find(|key| key.purpose == "signing").unwrap().fingerprint.clone();
    site.kms.set_faults([Fault::new("Sign", FaultKind::InternalError)]);
    let signing = {
        let node = node.clone();
        tokio::spawn(async move { calls::delegate(&node, &uid, &fingerprint).await })
    };
    eventually("a health that names the request", || {
        let health = node.health.borrow();
        let component = health.components.iter().find(|component| component.name == "kms-requests");
        component.is_some_and(|component| {
            let detail = component.detail.as_deref().unwrap_or_default();
            detail.contains("Sign repeated") && detail.contains("KMSInternalException")
        })
    })
    .await;
    assert!(!signing.is_finished(), "it is repeated without limit, as retries.failures says");
    running.stop().await;
    let ended = within("the end of the request", signing).await;
    assert!(!matches!(ended, Ok(Ok(()))), "nothing was signed: {ended:?}");
    site.kms.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_may_wait_for_the_kms_is_refused_as_overload() {
    let site = super::site().await;
    let mut place = Place::new(&site, Row::SlowAnswers, "overload", false);
    let limits = &mut place.config.participants.values_mut().next().unwrap().node.crypto.kms;
    let limits = &mut limits.as_mut().unwrap().limits;
    (limits.max_concurrent_requests, limits.max_waiting_requests) = (1, 0);
    let running = place.start().await;
    running.until(PARTICIPANT, |state| matches!(state, NodeState::WaitingForIdentity)).await;
    let node = running.handle(PARTICIPANT);
    let operator = site.operator(&place.region);
    let key = make_key(&operator, KeySpec::EccNistP256, KeyUsageType::SignVerify).await.arn;
    site.kms.set_faults([Fault::new("*", FaultKind::Delay { ms: 60_000 }).region(&place.region)]);
    let first = {
        let (node, key) = (node.clone(), key.clone());
        tokio::spawn(async move { calls::register_signing(&node, &key, "first").await })
    };
    // Once the first is under way there is no room for another.
    within("a refusal", async {
        while calls::try_register_signing(&node, &key, "other", Duration::from_millis(200)).await
            != Some(Err("KMS_OVERLOADED".to_owned()))
        {}
    })
    .await;
    site.disarm(&place.region);
    first.abort();
    running.stop().await;
    site.kms.shutdown().await;
}
