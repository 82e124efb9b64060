//! Submissions and events of the recording.

use cantle_crypto::{HashPurpose, digest};
use cantle_proto::protocol::v2::{EnvelopeContent, envelope_content::SomeEnvelopeContent};
use cantle_proto::versioned;
use cantle_protocol::{
    EventContent, Recipients, SequencedEvent, SequencerCounter, Signable, SignedContent, SubmissionKind,
    SubmissionRequest, TimeProof,
};
use cantle_topology::SignedTopologyTransaction;
use cantle_types::MemberCode;
use prost::Message;

use crate::recording::{
    LIMIT, batches, events, keys, signed_submissions, signing_key, unauthenticated_submissions,
};

/// Every topology transaction that was registered or distributed.
pub(crate) fn topology_transactions() -> Vec<SignedTopologyTransaction> {
    let mut found = Vec::new();
    for batch in batches() {
        for envelope in batch.envelopes() {
            let (data, _) = versioned::unwrap(envelope.content()).unwrap();
            let transactions =
                match EnvelopeContent::decode(&data[..]).unwrap().some_envelope_content.unwrap() {
                    SomeEnvelopeContent::DomainTopologyTransactionMessage(message) => message.transactions,
                    SomeEnvelopeContent::RegisterTopologyTransactionRequest(message) => {
                        message.signed_topology_transactions
                    }
                    _ => Vec::new(),
                };
            found.extend(
                transactions.iter().map(|bytes| SignedTopologyTransaction::from_bytes(bytes).unwrap()),
            );
        }
    }
    found
}

#[test]
fn submissions_are_written_again_to_the_same_bytes() {
    let signed = signed_submissions();
    let all = signed.iter().map(SignedContent::content);
    let unsigned = unauthenticated_submissions();
    let mut count = 0;
    for submission in all.chain(&unsigned) {
        let kind = if submission.is_request() { SubmissionKind::Request } else { SubmissionKind::Other };
        let written = SubmissionRequest::new(
            submission.sender().clone(),
            submission.message_id().clone(),
            kind,
            submission.batch().clone(),
            submission.max_sequencing_time(),
            submission.timestamp_of_signing_key(),
        );
        assert_eq!(hex::encode(written.bytes()), hex::encode(submission.bytes()));
        count += 1;
    }
    assert_eq!(count, 12);
    for signed in &signed {
        let written = SignedContent::assemble(
            signed.content().clone(),
            signed.signature().clone(),
            signed.timestamp_of_signing_key(),
        );
        assert_eq!(hex::encode(written.bytes()), hex::encode(signed.bytes()));
        assert_eq!(SignedContent::from_proto(signed.to_proto()).unwrap(), *signed);
    }
}

#[test]
fn events_are_written_again_to_the_same_bytes() {
    let events = events();
    assert_eq!(events.len(), 32);
    for (signed, trace) in &events {
        let event = signed.content();
        let written = SequencedEvent::new(
            event.counter(),
            event.timestamp(),
            event.domain_id().clone(),
            event.content().clone(),
        );
        assert_eq!(hex::encode(written.bytes()), hex::encode(event.bytes()));
        let written =
            SignedContent::assemble(written, signed.signature().clone(), signed.timestamp_of_signing_key());
        assert_eq!(hex::encode(written.bytes()), hex::encode(signed.bytes()));
        assert!(trace.traceparent().is_some());
    }
}

#[test]
fn batches_survive_being_compressed_anew() {
    for (signed, _) in events() {
        let event = signed.content();
        let batch = event.batch().unwrap().decompress(LIMIT).unwrap();
        let compressed = batch.compress();
        assert_eq!(compressed.decompress(LIMIT).unwrap(), batch);
        assert_eq!(event.batch().unwrap().is_empty(), batch.is_empty());
        if batch.is_empty() {
            assert_eq!(&compressed, event.batch().unwrap());
        }
        let content = EventContent::Deliver { message_id: event.message_id().cloned(), batch: compressed };
        let again =
            SequencedEvent::new(event.counter(), event.timestamp(), event.domain_id().clone(), content);
        assert!(again.says_the_same(event, LIMIT));
        let next = SequencedEvent::new(
            event.counter().next(),
            event.timestamp(),
            event.domain_id().clone(),
            event.content().clone(),
        );
        assert!(!next.says_the_same(event, LIMIT));
    }
}

#[test]
fn signatures_of_submissions_hold() {
    let keys = keys();
    let signed = signed_submissions();
    assert_eq!(signed.len(), 10);
    for signed in signed {
        let (owner, key) = signing_key(&keys, signed.signature().signed_by());
        assert_eq!(&owner, signed.content().sender());
        signed.verify(&key).unwrap();
        assert!(signed.timestamp_of_signing_key().is_some());
        let other = digest(HashPurpose::SequencedEventSignature, signed.content().bytes());
        assert!(key.verify_hash(&other, signed.signature()).is_err());
    }
}

#[test]
fn signatures_of_events_hold() {
    let keys = keys();
    let mut with_time_of_key = 0;
    for (signed, _) in events() {
        let (owner, key) = signing_key(&keys, signed.signature().signed_by());
        assert_eq!(owner.code(), MemberCode::Sequencer);
        signed.verify(&key).unwrap();
        assert_eq!(signed.hash(), signed.content().hash());
        with_time_of_key += usize::from(signed.timestamp_of_signing_key().is_some());
    }
    assert_eq!(with_time_of_key, 3);
}

#[test]
fn events_follow_each_other() {
    let mut counter = SequencerCounter::GENESIS;
    let mut streams = 0;
    for (signed, _) in events() {
        if signed.content().counter() == SequencerCounter::GENESIS {
            counter = SequencerCounter::GENESIS;
            streams += 1;
        }
        // The events of the two participants are interleaved in the recording.
        counter = counter.max(signed.content().counter());
    }
    assert_eq!(streams, 4);
    assert!(counter.get() > 8);
}

#[test]
fn ticks_are_time_proofs() {
    let submissions = signed_submissions();
    let asked = submissions.iter().filter(|signed| TimeProof::is_request(signed.content())).count();
    let proofs: Vec<_> =
        events().into_iter().filter_map(|(event, _)| TimeProof::from_event(event).ok()).collect();
    assert!(asked > 0);
    assert_eq!(proofs.len(), asked);
    let request = TimeProof::request(submissions[0].content().sender().clone());
    assert!(TimeProof::is_request(&request));
    let tick = submissions.iter().find(|signed| TimeProof::is_request(signed.content())).unwrap();
    // But for the uuid they are the same.
    assert_eq!(request.bytes().len(), tick.content().bytes().len());
    assert_eq!(request.max_sequencing_time(), tick.content().max_sequencing_time());
    assert_eq!(proofs[0].timestamp(), proofs[0].event().content().timestamp());
}

#[test]
fn members_see_of_a_request_what_they_saw_of_the_recorded_one() {
    let mut restricted = 0;
    let submissions = signed_submissions();
    for (signed, _) in events() {
        let event = signed.content();
        let seen = event.batch().unwrap().decompress(LIMIT).unwrap();
        let Some(source) = submissions.iter().map(SignedContent::content).find(|submission| {
            let batch = submission.batch().decompress(LIMIT).unwrap();
            !seen.is_empty()
                && batch
                    .envelopes()
                    .iter()
                    .any(|envelope| envelope.content() == seen.envelopes()[0].content())
        }) else {
            continue;
        };
        let batch = source.batch().decompress(LIMIT).unwrap();
        let expected = batch.members().into_iter().find(|member| batch.for_member(member) == seen);
        assert!(expected.is_some_and(|member| member.code() == MemberCode::Participant));
        restricted += 1;
    }
    assert_eq!(restricted, 3);
}

#[test]
fn recorded_recipients_are_written_again_to_the_same_message() {
    let mut count = 0;
    for batch in batches() {
        for envelope in batch.envelopes() {
            let message = envelope.recipients().to_proto();
            assert_eq!(&Recipients::from_proto(&message).unwrap(), envelope.recipients());
            count += 1;
        }
    }
    assert!(count > 20);
}
