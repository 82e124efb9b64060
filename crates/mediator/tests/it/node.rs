//! The mediator as a member of a domain: what it takes from its events, and what it sends.

use std::collections::BTreeSet;
use std::time::Duration;

use cantle_mediator::Request;
use cantle_protocol::{
    ProtocolMessage, Recipients, SignedProtocolContent, SignedProtocolMessage, TransactionResultMessage,
    Verdict,
};
use cantle_types::{CantonTimestamp, ProtocolVersion};

use super::support::Domain;

fn result_of(message: &SignedProtocolMessage) -> &TransactionResultMessage {
    match message.content() {
        SignedProtocolContent::TransactionResult(result) => result,
        other => panic!("{other:?}"),
    }
}

async fn approved(domain: &Domain, at: CantonTimestamp, count: usize) {
    let message = domain.result(count).await;
    let result = result_of(&message);
    assert_eq!((result.request_id(), result.verdict()), (at, &Verdict::Approve));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verdict_is_signed_and_sent_as_canton_does() {
    for version in ProtocolVersion::ALL {
        let domain = Domain::new(version).await;
        let (alice, bob) = (&domain.alice, &domain.bob);
        let request = domain.request(&[alice, bob]);
        let at = domain.deliver(&[&request], Vec::new());
        domain.approve(at, &request, &[alice, bob]).await;
        let message = domain.result(1).await;
        message.verify(domain.test.mediator_key().public()).unwrap();
        let result = result_of(&message);
        assert_eq!((result.request_id(), result.verdict()), (at, &Verdict::Approve));
        assert_eq!(result.root_hash(), request.informees.as_ref().unwrap().root_hash());
        let [submission] = &domain.verdicts_of(at)[..] else { panic!("one submission") };
        assert!(!submission.is_request());
        assert_eq!(submission.timestamp_of_signing_key(), Some(at));
        assert_eq!(submission.max_sequencing_time(), at.saturating_add(Duration::from_secs(60)));
        let batch = submission.batch().decompress(1 << 20).unwrap();
        let [envelope] = batch.envelopes() else { panic!("one envelope") };
        let each_alone = Recipients::groups(BTreeSet::from([[alice.member()], [bob.member()]])).unwrap();
        assert_eq!(*envelope.recipients(), each_alone);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_signed_by_others_do_not_count() {
    let domain = Domain::new(ProtocolVersion::V7).await;
    let (alice, bob) = (&domain.alice, &domain.bob);
    let request = domain.request(&[alice, bob]);
    let at = domain.deliver(&[&request], Vec::new());
    domain.approve(at, &request, &[alice]).await;
    let forged = domain.approval(at, &request, bob, alice).await;
    domain.deliver(&[], vec![forged]);
    // What comes after it is concluded first.
    let second = domain.request(&[alice]);
    let at_second = domain.deliver(&[&second], Vec::new());
    domain.approve(at_second, &second, &[alice]).await;
    approved(&domain, at_second, 1).await;
    domain.approve(at, &request, &[bob]).await;
    approved(&domain, at, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_with_several_requests_or_with_answers_beside_one_is_ignored() {
    let domain = Domain::new(ProtocolVersion::V7).await;
    let alice = &domain.alice;
    let (one, two) = (domain.request(&[alice]), domain.request(&[alice]));
    let at_both = domain.deliver(&[&one, &two], Vec::new());
    let open = domain.request(&[alice]);
    let at_open = domain.deliver(&[&open], Vec::new());
    let answer = domain.approval(at_open, &open, alice, alice).await;
    let third = domain.request(&[alice]);
    let at_mixed = domain.deliver(&[&third], vec![answer]);
    for (at, request) in [(at_both, &one), (at_both, &two), (at_mixed, &third)] {
        domain.approve(at, request, &[alice]).await;
    }
    domain.approve(at_open, &open, &[alice]).await;
    approved(&domain, at_open, 1).await;
    assert!(domain.verdicts_of(at_both).is_empty() && domain.verdicts_of(at_mixed).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_event_after_the_deadline_ends_a_request() {
    let domain = Domain::new(ProtocolVersion::V7).await;
    let request = domain.request(&[&domain.alice, &domain.bob]);
    let at = domain.deliver(&[&request], Vec::new());
    domain.approve(at, &request, &[&domain.alice]).await;
    domain.is_open(1).await;
    domain.clock.advance(Duration::from_secs(31));
    let other = domain.request(&[&domain.alice]);
    domain.deliver(&[&other], Vec::new());
    let message = domain.result(1).await;
    let result = result_of(&message);
    assert_eq!(result.request_id(), at);
    assert!(result.verdict().is_timeout());
    let Verdict::MediatorReject(reject) = result.verdict() else { panic!("{result:?}") };
    assert!(reject.cause().contains(domain.bob.participant.admin_party().as_str()), "{}", reject.cause());
    // An answer after that is too late.
    domain.approve(at, &request, &[&domain.bob]).await;
    domain.is_open(1).await;
    assert_eq!(domain.verdicts_of(at).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_cannot_be_read_is_answered_as_malformed() {
    for version in ProtocolVersion::ALL {
        let domain = Domain::new(version).await;
        let request = domain.request(&[&domain.alice]);
        let at = domain.deliver(&[&Request { informees: None, ..request }], Vec::new());
        let message = domain.result(1).await;
        message.verify(domain.test.mediator_key().public()).unwrap();
        let SignedProtocolContent::MalformedMediatorRequestResult(result) = message.content() else {
            panic!("{message:?}")
        };
        assert_eq!(result.request_id(), at);
        assert_eq!(&*result.rejection().error_code(), "MEDIATOR_RECEIVED_MALFORMED_MESSAGE");
        let bytes = ProtocolMessage::Signed(Box::new(message.clone())).to_bytes(version).unwrap();
        let again = ProtocolMessage::from_bytes(bytes, version).unwrap();
        assert!(matches!(again, ProtocolMessage::Signed(again) if again.signature() == message.signature()));
    }
}
