//! The recorded conversation of a Canton 2.10 domain (protocol version 5) with two participants, on loopback.

use std::collections::HashMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cantle_crypto::{PublicKey, SigningPublicKey};
use cantle_proto::domain::api::v0 as api;
use cantle_protocol::{Batch, SequencedEvent, SignedContent, SubmissionRequest, TraceContext};
use cantle_types::{Fingerprint, Member};
use prost::Message;

const CONVERSATION: &str = include_str!("../fixtures/canton-2.10-conversation.jsonl");
/// What a domain allows by default.
pub(crate) const LIMIT: usize = 10 * 1024 * 1024;

/// One line: a message of a call.
pub(crate) struct Line {
    /// Without the service.
    pub(crate) method: String,
    /// `req` or `resp`.
    pub(crate) dir: String,
    pub(crate) bytes: Vec<u8>,
}

/// The requests and responses, in their order.
pub(crate) fn lines() -> Vec<Line> {
    let lines = CONVERSATION.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let messages = lines.filter(|line| !line["message"].is_null());
    let parsed = messages.map(|line| Line {
        method: line["method"].as_str().unwrap().rsplit('/').next().unwrap().to_owned(),
        dir: line["dir"].as_str().unwrap().to_owned(),
        bytes: BASE64_STANDARD.decode(line["message"].as_str().unwrap()).unwrap(),
    });
    parsed.collect()
}

fn of(method: &str, dir: &str) -> Vec<Vec<u8>> {
    lines()
        .into_iter()
        .filter(|line| line.method == method && line.dir == dir)
        .map(|line| line.bytes)
        .collect()
}

/// The signed submissions of the participants.
pub(crate) fn signed_submissions() -> Vec<SignedContent<SubmissionRequest>> {
    let requests = of("SendAsyncVersioned", "req");
    let signed = requests.iter().map(|bytes| {
        let request = api::SendAsyncVersionedRequest::decode(&bytes[..]).unwrap();
        SignedContent::from_bytes(request.signed_submission_request).unwrap()
    });
    signed.collect()
}

/// The submissions of the participants before they were known.
pub(crate) fn unauthenticated_submissions() -> Vec<SubmissionRequest> {
    let requests = of("SendAsyncUnauthenticatedVersioned", "req");
    let submissions = requests.iter().map(|bytes| {
        let request = api::SendAsyncUnauthenticatedVersionedRequest::decode(&bytes[..]).unwrap();
        SubmissionRequest::from_bytes(request.submission_request).unwrap()
    });
    submissions.collect()
}

/// The events, with the trace that each belongs to.
pub(crate) fn events() -> Vec<(SignedContent<SequencedEvent>, TraceContext)> {
    let mut responses = of("SubscribeUnauthenticatedVersioned", "resp");
    responses.extend(of("SubscribeVersioned", "resp"));
    let events = responses.iter().map(|bytes| {
        let response = api::VersionedSubscriptionResponse::decode(&bytes[..]).unwrap();
        let trace = TraceContext::from_proto(&response.trace_context.unwrap());
        (SignedContent::from_bytes(response.signed_sequenced_event).unwrap(), trace)
    });
    events.collect()
}

/// All batches, submitted or delivered.
pub(crate) fn batches() -> Vec<Batch> {
    let submissions = signed_submissions();
    let submitted = submissions.iter().map(|signed| signed.content().batch().clone());
    let before = unauthenticated_submissions();
    let before = before.iter().map(|submission| submission.batch().clone());
    let events = events();
    let delivered = events.iter().filter_map(|(event, _)| event.content().batch().cloned());
    submitted.chain(before).chain(delivered).map(|batch| batch.decompress(LIMIT).unwrap()).collect()
}

/// The keys of the members, as the topology of the domain says them; there are no two for one purpose.
pub(crate) fn keys() -> HashMap<Fingerprint, (Member, PublicKey)> {
    use cantle_topology::TopologyMapping;
    let mut keys = HashMap::new();
    for transaction in crate::sequencing::topology_transactions() {
        if let TopologyMapping::OwnerToKeyMapping(mapping) = transaction.transaction().mapping() {
            keys.insert(mapping.key.fingerprint().clone(), (mapping.owner.clone(), mapping.key.clone()));
        }
    }
    keys
}

/// The signing key of this name, and whose it is.
pub(crate) fn signing_key(
    keys: &HashMap<Fingerprint, (Member, PublicKey)>,
    fingerprint: &Fingerprint,
) -> (Member, SigningPublicKey) {
    let (member, key) = &keys[fingerprint];
    (member.clone(), key.as_signing().unwrap().clone())
}
