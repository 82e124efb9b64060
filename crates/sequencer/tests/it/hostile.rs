//! Members that others wrote, or that mean no good: refused in the answer to their call, and nothing else disturbed.

use std::io::Write;
use std::sync::LazyLock;
use std::time::Duration;

use cantle_crypto::{PublicKey, Signature};
use cantle_proto::protocol::v0;
use cantle_protocol::{MessageId, SignedContent, SubmissionKind, SubmissionRequest};
use cantle_sequencer::{AcknowledgeError, Sequencer, SubmitError};
use cantle_sequencing::RefusalReason;
use cantle_topology::{OwnerToKeyMapping, TopologyMapping};
use cantle_types::{CantonTimestamp, Member};
use prost::Message;

use super::support::{
    Keyed, World, events, in_time, reason, refusal, request_of, signed_transaction, signing_key, to, trace,
};

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
    for wrong in [foreign, by_other_member, empty, moved] {
        assert_eq!(reason(submit(&sequencer, &one.member, &wrong).await), RefusalReason::RequestRefused);
    }
    assert_eq!(events(&sequencer, &world.two().member).await.len(), 1);
    assert_undisturbed(&world, &sequencer).await;
}

#[tokio::test]
async fn a_signing_time_that_is_yet_to_come_is_refused() {
    let world = World::new();
    let sequencer = world.running().await;
    let one = world.one();
    let now = world.now();
    let minute = Duration::from_secs(60);
    for ahead in [now.saturating_add(minute + Duration::from_secs(1)), CantonTimestamp::MAX] {
        let signed = one.sign(one.request(Vec::new()), ahead);
        let refused = refusal(submit(&sequencer, &one.member, &signed).await);
        assert_eq!(refused.reason, RefusalReason::RequestRefused);
        assert!(refused.message.contains("yet to come"), "{refused}");
        let acknowledged = sequencer.acknowledge(&one.member, &one.acknowledgement(now, ahead)).await;
        assert!(matches!(acknowledged, Err(AcknowledgeError::Refused { .. })), "{acknowledged:?}");
    }
    // The clocks of two machines differ.
    let signed = one.sign(one.request(Vec::new()), now.saturating_add(minute));
    submit(&sequencer, &one.member, &signed).await.unwrap();
}

/// It names the last time of which it has heard.
#[tokio::test]
async fn a_member_that_was_idle_for_long_is_heard_as_ever() {
    let world = World::new();
    let sequencer = world.running().await;
    let one = world.one();
    let heard = world.now();
    world.clock.advance(Duration::from_secs(24 * 3600));
    let signed = one.sign(one.request(vec![to(b"x", &[&world.two().member])]), heard);
    submit(&sequencer, &one.member, &signed).await.unwrap();
}

#[tokio::test]
async fn a_key_that_was_taken_away_counts_for_what_was_under_way_and_no_longer() {
    let world = World::new();
    let one = world.one();
    let (sequencer, key) = world.open(world.store().await).await;
    let mut topology = world.initial_topology(&key);
    let of_one = world.onboarding(one);
    topology.extend(of_one.iter().cloned());
    topology.extend(world.onboarding(world.two()));
    world.begin(&sequencer, &topology).await;
    world.introduce(&sequencer).await;

    let old_time = world.now();
    let renewed = Keyed { member: one.member.clone(), key: signing_key(), namespace: one.namespace.clone() };
    let owner = TopologyMapping::OwnerToKeyMapping(OwnerToKeyMapping {
        owner: one.member.clone(),
        key: PublicKey::Signing(renewed.key.public().clone()),
    });
    let removal = signed_transaction(&one.namespace, of_one[1].transaction().reverse().unwrap());
    let message = world.topology_message(vec![world.signed(&one.namespace, owner), removal]);
    world.send(&sequencer, &world.manager, vec![to(&message, &[&world.manager.member])]).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    let by_old_key = |named| one.sign(one.request(Vec::new()), named);
    submit(&sequencer, &one.member, &by_old_key(old_time)).await.unwrap();
    let refused = submit(&sequencer, &one.member, &by_old_key(world.now())).await;
    assert_eq!(reason(refused), RefusalReason::RequestRefused, "it names a time at which the key was gone");
    world.clock.advance(Duration::from_secs(121));
    let refused = submit(&sequencer, &one.member, &by_old_key(old_time)).await;
    assert_eq!(reason(refused), RefusalReason::RequestRefused, "nothing is under way for so long");
    world.send(&sequencer, &renewed, Vec::new()).await.unwrap();
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

/// A submission of some hundred kilobytes whose batch is one of two hundred megabytes.
pub(crate) fn bomb(sender: &Member) -> Vec<u8> {
    static BOMB: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        (0..200).for_each(|_| bomb.write_all(&[0; 1 << 20]).unwrap());
        bomb.finish().unwrap()
    });
    let message = v0::SubmissionRequest {
        sender: sender.to_string(),
        message_id: "bomb".to_owned(),
        is_request: false,
        batch: Some(v0::CompressedBatch { algorithm: 1, compressed_batch: BOMB.clone() }),
        max_sequencing_time: Some(prost_types::Timestamp { seconds: 4_000_000_000, nanos: 0 }),
        timestamp_of_signing_key: None,
    };
    cantle_proto::versioned::wrap(&message.encode_to_vec(), 0)
}

#[tokio::test]
async fn a_gzip_bomb_is_refused_before_it_is_open() {
    let world = World::new();
    let sequencer = world.running().await;
    let bytes = bomb(&world.one().member);
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
