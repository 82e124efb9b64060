//! What submissions become: times, counters, shares, receipts, errors and signatures.

use cantle_protocol::{DeliverErrorReason, Envelope, EventContent, Recipients};
use cantle_sequencing::RefusalReason;
use cantle_types::CantonTimestamp;

use super::support::{World, contents, events, last, reason, time, to};

#[tokio::test]
async fn each_member_gets_its_share_and_the_sender_alone_the_message_id() {
    let world = World::new();
    let sequencer = world.running().await;
    let (one, two, mediator) = (&world.one().member, &world.two().member, &world.mediator.member);
    let groups =
        Recipients::groups([[mediator.clone(), one.clone()], [mediator.clone(), two.clone()]]).unwrap();
    let envelopes = vec![
        to(b"informees", &[mediator]),
        Envelope::new(b"root hash".as_slice(), groups),
        to(b"view", &[one, two]),
    ];
    let id = world.send(&sequencer, world.one(), envelopes).await.unwrap();

    let to_one = last(&sequencer, one).await.into_content();
    let to_two = last(&sequencer, two).await.into_content();
    let to_mediator = last(&sequencer, mediator).await.into_content();
    assert_eq!(contents(&to_one), [b"root hash".to_vec(), b"view".to_vec()]);
    assert_eq!(contents(&to_two), [b"root hash".to_vec(), b"view".to_vec()]);
    assert_eq!(contents(&to_mediator), [b"informees".to_vec(), b"root hash".to_vec()]);
    assert_eq!(to_one.message_id(), Some(&id));
    assert_eq!((to_two.message_id(), to_mediator.message_id()), (None, None));
    assert_eq!(to_one.timestamp(), to_two.timestamp());
    assert_eq!(to_one.timestamp(), to_mediator.timestamp());

    let seen = to_one.batch().unwrap().decompress(10_000).unwrap();
    let recipients = |index: usize| seen.envelopes()[index].recipients().clone();
    assert_eq!(
        recipients(0),
        Recipients::group([mediator.clone(), one.clone()]).unwrap(),
        "not the other group"
    );
    assert_eq!(recipients(1), Recipients::group([one.clone(), two.clone()]).unwrap(), "the whole group");
}

#[tokio::test]
async fn a_sender_that_is_no_recipient_gets_a_receipt() {
    let world = World::new();
    let sequencer = world.running().await;
    let id = world.send(&sequencer, world.one(), vec![to(b"x", &[&world.two().member])]).await.unwrap();
    let receipt = last(&sequencer, &world.one().member).await.into_content();
    let EventContent::Deliver { message_id, batch } = receipt.content() else { panic!("{receipt:?}") };
    assert_eq!(message_id.as_ref(), Some(&id));
    assert_eq!(batch.bytes()[..3], [0x1f, 0x8b, 8], "gzip");
    assert_eq!((batch.bytes().len(), batch.is_empty()), (20, true));
    // A time proof is a submission without anything.
    let proof = world.send(&sequencer, world.one(), Vec::new()).await.unwrap();
    let receipt = last(&sequencer, &world.one().member).await.into_content();
    assert_eq!(receipt.message_id(), Some(&proof));
}

#[tokio::test]
async fn times_rise_and_counters_leave_out_none() {
    let world = World::new();
    let sequencer = world.running().await;
    for round in 0..20 {
        let (from, to_whom) =
            if round % 3 == 0 { (world.two(), world.one()) } else { (world.one(), world.two()) };
        world.send(&sequencer, from, vec![to(b"x", &[&to_whom.member])]).await.unwrap();
    }
    for member in [&world.one().member, &world.two().member] {
        let events: Vec<_> =
            events(&sequencer, member).await.into_iter().map(|event| event.into_content()).collect();
        assert_eq!(events.len(), 21);
        for (index, event) in events.iter().enumerate() {
            assert_eq!(usize::try_from(event.counter().get()).unwrap(), index);
            assert_eq!(event.domain_id(), &world.domain);
        }
        assert!(events.windows(2).all(|pair| pair[0].timestamp() < pair[1].timestamp()));
    }
}

#[tokio::test]
async fn events_are_signed_by_the_sequencer_without_naming_a_time() {
    let world = World::new();
    let sequencer = world.running().await;
    world.send(&sequencer, world.one(), vec![to(b"x", &[&world.two().member])]).await.unwrap();
    let keys = sequencer.signing_keys();
    for member in [&world.one().member, &world.two().member, &world.manager.member] {
        for event in events(&sequencer, member).await {
            event.verify(&keys[0]).unwrap();
            assert_eq!(event.timestamp_of_signing_key(), None);
        }
    }
}

#[tokio::test]
async fn the_trace_goes_on_in_a_new_span() {
    let world = World::new();
    let sequencer = world.running().await;
    world.send(&sequencer, world.one(), Vec::new()).await.unwrap();
    let mut subscription = sequencer.subscribe(&world.one().member, 1).unwrap();
    let event = subscription.next().await.unwrap();
    let parent = event.traceparent.clone().unwrap();
    assert!(parent.starts_with("00-0123456789abcdef0123456789abcdef-"), "{parent}");
    assert!(!parent.contains("-0123456789abcdef-"), "{parent}");
}

#[tokio::test]
async fn what_comes_too_late_is_dropped_without_an_event() {
    let world = World::new();
    let sequencer = world.running().await;
    let before = events(&sequencer, &world.one().member).await.len();
    let late = world.one().request_with(vec![to(b"x", &[&world.two().member])], time(1), None);
    world.send_request(&sequencer, world.one(), late).await.unwrap();
    assert_eq!(events(&sequencer, &world.one().member).await.len(), before);
    world.send(&sequencer, world.one(), Vec::new()).await.unwrap();
    assert_eq!(events(&sequencer, &world.one().member).await.len(), before + 1);
}

#[tokio::test]
async fn a_named_time_chooses_the_key_of_the_events() {
    let world = World::new();
    let sequencer = world.running().await;
    let named = world.now();
    world.clock.advance(std::time::Duration::from_secs(60));
    let request = world.mediator.request_with(
        vec![to(b"result", &[&world.one().member])],
        CantonTimestamp::MAX,
        Some(named),
    );
    world.send_request(&sequencer, &world.mediator, request).await.unwrap();
    for member in [&world.one().member, &world.mediator.member] {
        let event = last(&sequencer, member).await;
        assert_eq!(event.timestamp_of_signing_key(), Some(named));
        event.verify(&sequencer.signing_keys()[0]).unwrap();
    }
}

#[tokio::test]
async fn a_named_time_that_is_too_early_leaves_everybody_a_counter_and_tells_the_sender() {
    let world = World::new();
    let sequencer = world.running().await;
    let named = world.now();
    // Twice the two time-outs of 30 seconds.
    world.clock.advance(std::time::Duration::from_secs(121));
    let request = world.mediator.request_with(
        vec![to(b"result", &[&world.one().member])],
        CantonTimestamp::MAX,
        Some(named),
    );
    let id = world.send_request(&sequencer, &world.mediator, request).await.unwrap();
    let told = last(&sequencer, &world.mediator.member).await;
    assert_eq!(told.timestamp_of_signing_key(), None);
    let EventContent::DeliverError { message_id, reason } = told.content().content() else {
        panic!("{told:?}")
    };
    assert_eq!(message_id, &id);
    assert!(
        matches!(reason, DeliverErrorReason::BatchRefused(text) if text.contains("too early")),
        "{reason:?}"
    );
    let other = last(&sequencer, &world.one().member).await.into_content();
    assert_eq!(other.counter().get(), 1);
    assert!(contents(&other).is_empty());
    assert_eq!(other.message_id(), None);
}

#[tokio::test]
async fn a_named_time_that_is_yet_to_come_is_told_to_the_sender_alone() {
    let world = World::new();
    let sequencer = world.running().await;
    let named = world.now().saturating_add(std::time::Duration::from_secs(5));
    let request = world.mediator.request_with(
        vec![to(b"result", &[&world.one().member])],
        CantonTimestamp::MAX,
        Some(named),
    );
    world.send_request(&sequencer, &world.mediator, request).await.unwrap();
    let told = last(&sequencer, &world.mediator.member).await;
    assert!(matches!(
        told.content().content(),
        EventContent::DeliverError { reason: DeliverErrorReason::BatchRefused(_), .. }
    ));
    assert_eq!(events(&sequencer, &world.one().member).await.len(), 1, "the welcome alone");
}

#[tokio::test]
async fn unknown_members_neither_send_nor_receive_until_the_manager_writes_to_them() {
    let mut world = World::new();
    let stranger = super::support::Keyed::participant("three");
    world.participants.push(stranger);
    let (sequencer, key) = world.open(world.store().await).await;
    let mut topology = world.initial_topology(&key);
    topology.extend(world.participants.iter().flat_map(|participant| world.onboarding(participant)));
    world.begin(&sequencer, &topology).await;
    let welcome = vec![to(b"welcome", &[&world.one().member])];
    world.send(&sequencer, &world.manager, welcome).await.unwrap();

    let three = &world.participants[2];
    let to_three = vec![to(b"x", &[&three.member])];
    assert_eq!(
        reason(world.send(&sequencer, world.one(), to_three.clone()).await),
        RefusalReason::UnknownRecipients
    );
    assert_eq!(reason(world.send(&sequencer, three, Vec::new()).await), RefusalReason::SenderUnknown);
    assert_eq!(events(&sequencer, &world.one().member).await.len(), 1, "a refused submission has no event");
    world.send(&sequencer, &world.manager, to_three.clone()).await.unwrap();
    world.send(&sequencer, world.one(), to_three).await.unwrap();
    world.send(&sequencer, three, Vec::new()).await.unwrap();
    assert_eq!(events(&sequencer, &three.member).await.len(), 3);
}

#[tokio::test]
async fn a_repeated_submission_is_a_new_one() {
    let world = World::new();
    let sequencer = world.running().await;
    let request = world.one().request(vec![to(b"x", &[&world.two().member])]);
    for _ in 0..2 {
        world.send_request(&sequencer, world.one(), request.clone()).await.unwrap();
    }
    let receipts = events(&sequencer, &world.one().member).await;
    let ids: Vec<_> = receipts.iter().filter_map(|event| event.content().message_id().cloned()).collect();
    assert_eq!(ids, [request.message_id().clone(), request.message_id().clone()]);
}
