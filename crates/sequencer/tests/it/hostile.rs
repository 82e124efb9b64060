//! Members that others wrote, or that mean no good: refused in the answer to their call, and nothing else disturbed.

use std::io::Write;

use cantle_crypto::Signature;
use cantle_proto::protocol::v0;
use cantle_protocol::{MessageId, SignedContent, SubmissionKind, SubmissionRequest};
use cantle_sequencer::{AcknowledgeError, Sequencer, SubmitError};
use cantle_sequencing::RefusalReason;
use cantle_types::{CantonTimestamp, Member};
use prost::Message;

use super::support::{World, events, in_time, reason, refusal, request_of, signing_key, to, trace};

async fn submit(
    sequencer: &Sequencer,
    caller: &Member,
    submission: &SignedContent<SubmissionRequest>,
) -> Result<MessageId, SubmitError> {
    let id = submission.content().message_id().clone();
    in_time(sequencer.submit(caller, submission, &trace())).await.map(|()| id)
}

async fn submit_unauthenticated(
    sequencer: &Sequencer,
    caller: &Member,
    submission: &SubmissionRequest,
) -> Result<MessageId, SubmitError> {
    let id = submission.message_id().clone();
    in_time(sequencer.submit_unauthenticated(caller, submission, &trace())).await.map(|()| id)
}

fn nobody() -> Member {
    "UNM::0123456789012345678901234567890123456789::1220aa".parse().unwrap()
}

/// Whatever was refused before, the domain works as ever, and nobody has seen anything of it.
async fn assert_undisturbed(world: &World, sequencer: &Sequencer) {
    let before = events(sequencer, &world.two().member).await.len();
    world.send(sequencer, world.one(), vec![to(b"x", &[&world.two().member])]).await.unwrap();
    assert_eq!(events(sequencer, &world.two().member).await.len(), before + 1);
}

#[tokio::test]
async fn signatures_that_are_not_the_senders_are_refused() {
    let world = World::new();
    let sequencer = world.running().await;
    let one = world.one();
    let request = || one.request(vec![to(b"x", &[&world.two().member])]);
    let now = world.now();
    let of_other_key = signing_key().sign_hash(&cantle_protocol::Signable::hash(&request())).unwrap();
    let foreign = SignedContent::assemble(request(), of_other_key, Some(now));
    let by_other_member = world.two().sign(request(), now);
    let empty = Signature::new(Vec::new(), one.key.fingerprint().clone());
    let empty = SignedContent::assemble(request(), empty, Some(now));
    let of_other_request = one.sign(request(), now).signature().clone();
    let moved = SignedContent::assemble(request(), of_other_request, Some(now));
    let old = one.sign(request(), now.saturating_sub(std::time::Duration::from_secs(3600)));
    for wrong in [foreign, by_other_member, empty, moved, old] {
        assert_eq!(reason(submit(&sequencer, &one.member, &wrong).await), RefusalReason::RequestRefused);
    }
    assert_eq!(events(&sequencer, &world.two().member).await.len(), 1);
    assert_undisturbed(&world, &sequencer).await;
}

#[tokio::test]
async fn a_member_cannot_send_for_another() {
    let world = World::new();
    let sequencer = world.running().await;
    let signed = world.two().sign(world.two().request(Vec::new()), world.now());
    assert_eq!(reason(submit(&sequencer, &world.one().member, &signed).await), RefusalReason::RequestRefused);
    assert_undisturbed(&world, &sequencer).await;
}

#[tokio::test]
async fn a_participant_reaches_one_mediator_at_most() {
    let world = World::new();
    let sequencer = world.running().await;
    let other: Member = "MED::other::1220aa".parse().unwrap();
    let envelopes = vec![to(b"a", &[&world.mediator.member]), to(b"b", &[&other])];
    let refused = refusal(world.send(&sequencer, world.one(), envelopes).await);
    assert_eq!(refused.reason, RefusalReason::RequestRefused);
    assert!(refused.message.contains("multiple mediators"), "{refused}");
    assert_undisturbed(&world, &sequencer).await;
}

#[tokio::test]
async fn envelopes_without_content_are_refused() {
    let world = World::new();
    let sequencer = world.running().await;
    let result = world.send(&sequencer, world.one(), vec![to(b"", &[&world.two().member])]).await;
    assert_eq!(reason(result), RefusalReason::RequestInvalid);
    assert_undisturbed(&world, &sequencer).await;
}

#[tokio::test]
async fn what_is_larger_than_the_domain_allows_is_refused() {
    let mut world = World::new();
    world.dynamic.max_request_size = 10_000;
    let sequencer = world.running().await;
    // It compresses well: the batch is too large only when it is opened.
    let large = vec![0; 20_000];
    let result = world.send(&sequencer, world.one(), vec![to(&large, &[&world.two().member])]).await;
    assert_eq!(reason(result), RefusalReason::RequestInvalid);
    let noise: Vec<u8> = (0..400)
        .flat_map(|_| *signing_key().public().fingerprint().as_str().as_bytes().first_chunk::<68>().unwrap())
        .collect();
    let result = world.send(&sequencer, world.one(), vec![to(&noise, &[&world.two().member])]).await;
    assert_eq!(reason(result), RefusalReason::RequestInvalid);
    assert_undisturbed(&world, &sequencer).await;
}

#[tokio::test]
async fn a_gzip_bomb_is_refused_before_it_is_open() {
    let world = World::new();
    let sequencer = world.running().await;
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&vec![0; 200 << 20]).unwrap();
    let message = v0::SubmissionRequest {
        sender: world.one().member.to_string(),
        message_id: "bomb".to_owned(),
        is_request: false,
        batch: Some(v0::CompressedBatch { algorithm: 1, compressed_batch: bomb.finish().unwrap() }),
        max_sequencing_time: Some(prost_types::Timestamp { seconds: 4_000_000_000, nanos: 0 }),
        timestamp_of_signing_key: None,
    };
    let bytes = cantle_proto::versioned::wrap(&message.encode_to_vec(), 0);
    assert!(bytes.len() < 1 << 20);
    let request = SubmissionRequest::from_bytes(bytes).unwrap();
    let result = world.send_request(&sequencer, world.one(), request).await;
    assert_eq!(reason(result), RefusalReason::RequestInvalid);
    assert_undisturbed(&world, &sequencer).await;
}

#[tokio::test]
async fn members_without_a_token_reach_the_manager_alone_and_name_no_time() {
    let world = World::new();
    let sequencer = world.running().await;
    let (nobody, manager) = (nobody(), &world.manager.member);
    let request = |group: &Member, named| {
        request_of(&nobody, vec![to(b"register", &[group])], CantonTimestamp::MAX, named)
    };
    for wrong in [request(&world.one().member, None), request(manager, Some(world.now()))] {
        let result = submit_unauthenticated(&sequencer, &nobody, &wrong).await;
        assert_eq!(reason(result), RefusalReason::RequestRefused, "{wrong:?}");
    }
    let signed = world.one().sign(request(manager, None), world.now());
    assert_eq!(reason(submit(&sequencer, &nobody, &signed).await), RefusalReason::RequestRefused);
    let known = world.one().request(Vec::new());
    let result = submit_unauthenticated(&sequencer, &world.one().member, &known).await;
    assert_eq!(reason(result), RefusalReason::RequestRefused, "it has to sign");

    submit_unauthenticated(&sequencer, &nobody, &request(manager, None)).await.unwrap();
    assert_eq!(events(&sequencer, &nobody).await.len(), 1, "its receipt");
    assert_eq!(
        super::support::contents(super::support::last(&sequencer, manager).await.content()),
        [b"register"]
    );
    let to_nobody = vec![to(b"x", &[&nobody])];
    assert_eq!(
        reason(world.send(&sequencer, world.one(), to_nobody.clone()).await),
        RefusalReason::RequestRefused
    );
    world.send(&sequencer, &world.manager, to_nobody).await.unwrap();
    assert_eq!(events(&sequencer, &nobody).await.len(), 2);
}

#[tokio::test]
async fn members_without_a_token_share_a_rate() {
    let mut world = World::new();
    world.options.unauthenticated_burst = 3.0;
    world.options.unauthenticated_rate = 1.0;
    let sequencer = world.running().await;
    let request =
        || request_of(&nobody(), vec![to(b"x", &[&world.manager.member])], CantonTimestamp::MAX, None);
    for _ in 0..3 {
        submit_unauthenticated(&sequencer, &nobody(), &request()).await.unwrap();
    }
    let result = submit_unauthenticated(&sequencer, &nobody(), &request()).await;
    assert_eq!(reason(result), RefusalReason::Overloaded);
    world.clock.advance(std::time::Duration::from_secs(1));
    submit_unauthenticated(&sequencer, &nobody(), &request()).await.unwrap();
    assert_undisturbed(&world, &sequencer).await;
}

#[tokio::test]
async fn confirmation_requests_beyond_the_rate_are_refused_and_other_submissions_are_not() {
    let mut world = World::new();
    world.dynamic.max_rate_per_participant = 4;
    let sequencer = world.running().await;
    let one = world.one();
    let request = || {
        SubmissionRequest::new(
            one.member.clone(),
            MessageId::random(),
            SubmissionKind::Request,
            cantle_protocol::Batch::empty().compress(),
            CantonTimestamp::MAX,
            None,
        )
    };
    // Half a second's worth at once.
    for _ in 0..2 {
        world.send_request(&sequencer, one, request()).await.unwrap();
    }
    assert_eq!(reason(world.send_request(&sequencer, one, request()).await), RefusalReason::Overloaded);
    world.send(&sequencer, one, Vec::new()).await.unwrap();
    world.clock.advance(std::time::Duration::from_millis(250));
    world.send_request(&sequencer, one, request()).await.unwrap();
}

#[tokio::test]
async fn too_much_in_flight_is_refused_and_nothing_grows() {
    let mut world = World::new();
    world.options.max_in_flight = 4;
    let sequencer = world.running().await;
    let sends = (0..64).map(|_| world.send(&sequencer, world.one(), Vec::new()));
    let results = futures::future::join_all(sends).await;
    let accepted = results.iter().filter(|result| result.is_ok()).count();
    assert!((4..64).contains(&accepted), "{accepted}");
    for result in results {
        if result.is_err() {
            assert_eq!(reason(result), RefusalReason::Overloaded);
        }
    }
    assert_eq!(events(&sequencer, &world.one().member).await.len(), accepted + 1);
}

#[tokio::test]
async fn acknowledgements_are_the_members_own_and_of_the_past() {
    let world = World::new();
    let sequencer = world.running().await;
    let (one, two) = (world.one(), world.two());
    let now = world.now();
    let seen = super::support::last(&sequencer, &one.member).await.content().timestamp();
    let refused = |result| assert!(matches!(result, Err(AcknowledgeError::Refused { .. })), "{result:?}");
    refused(sequencer.acknowledge(&two.member, &one.acknowledgement(seen, now)).await);
    let forged = SignedContent::assemble(
        one.acknowledgement(seen, now).into_content(),
        Signature::new(vec![0; 64], one.key.fingerprint().clone()),
        Some(now),
    );
    refused(sequencer.acknowledge(&one.member, &forged).await);
    let future = one.acknowledgement(CantonTimestamp::MAX, now);
    let result = sequencer.acknowledge(&one.member, &future).await;
    assert!(matches!(result, Err(AcknowledgeError::Invalid { .. })), "{result:?}");

    sequencer.acknowledge(&one.member, &one.acknowledgement(seen, now)).await.unwrap();
    let status = sequencer.status().await.unwrap();
    let of_one = status.members.iter().find(|status| status.member == one.member).unwrap();
    assert_eq!(of_one.acknowledged, Some(seen.to_timestamp()));
}
