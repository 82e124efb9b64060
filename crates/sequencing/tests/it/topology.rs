//! The topology as it comes with the events.

use std::time::Duration;

use cantle_protocol::{DomainTopologyTransactionMessage, ProtocolMessage};
use cantle_sequencing::SnapshotError;
use cantle_sequencing::testing::TestMember;
use cantle_topology::DynamicDomainParameters;
use cantle_types::{CantonTimestamp, ProtocolVersion};

use crate::support::{Running, World, in_time, message};

fn topology(message: DomainTopologyTransactionMessage) -> ProtocolMessage {
    ProtocolMessage::DomainTopology(Box::new(message))
}

async fn known(running: &Running, at: CantonTimestamp) {
    let topology = running.client.topology().unwrap();
    in_time("the topology", topology.await_snapshot(at)).await.unwrap();
}

fn signing_keys(running: &Running, member: &TestMember, at: CantonTimestamp) -> usize {
    running.client.topology().unwrap().snapshot(at).unwrap().signing_keys(&member.member()).len()
}

#[tokio::test]
async fn the_first_topology_counts_at_once_and_later_ones_after_the_delay() {
    let world = World::new();
    let alice = world.stranger("alice").await;
    let start = world.sequencer.onboard(&[&alice]);
    let running = world.start(&alice).await;
    running.caught_up().await;
    let (_, transaction) = alice.new_signing_key(&world.domain).await;
    let at = world.sequencer.publish_topology(vec![transaction], &[alice.member()]);
    let effective = at.saturating_add(Duration::from_millis(250));
    let after = effective.successor().unwrap();
    in_time("the change", running.client.await_snapshot(after)).await.unwrap();
    assert_eq!(signing_keys(&running, &alice, start), 0);
    assert_eq!(signing_keys(&running, &alice, start.successor().unwrap()), 1);
    assert_eq!(signing_keys(&running, &alice, effective), 1);
    assert_eq!(signing_keys(&running, &alice, after), 2);
    running.stopped().await;
}

#[tokio::test]
async fn a_topology_that_something_can_still_change_is_not_known() {
    let world = World::new();
    let alice = world.member("alice").await;
    let running = world.start(&alice).await;
    running.caught_up().await;
    let topology = running.client.topology().unwrap();
    let known_until = topology.head().borrow().known_until.unwrap();
    let far = known_until.saturating_add(Duration::from_secs(100));
    assert!(topology.snapshot(known_until).is_ok());
    assert!(matches!(topology.snapshot(far), Err(SnapshotError::NotKnownYet { .. })));
    running.stopped().await;
}

#[tokio::test]
async fn who_waits_for_a_topology_makes_the_time_come() {
    let world = World::new();
    let alice = world.member("alice").await;
    let running = world.start(&alice).await;
    running.caught_up().await;
    let known_until = running.client.topology().unwrap().head().borrow().known_until.unwrap();
    let next = known_until.saturating_add(Duration::from_millis(20));
    let view = in_time("the topology", running.client.await_snapshot(next)).await.unwrap();
    assert!(view.is_initialized());
    running.stopped().await;
}

#[tokio::test]
async fn the_topology_is_there_again_after_a_restart() {
    let world = World::new();
    let alice = world.stranger("alice").await;
    let start = world.sequencer.onboard(&[&alice]);
    let running = world.start(&alice).await;
    running.caught_up().await;
    let (_, transaction) = alice.new_signing_key(&world.domain).await;
    let at = world.sequencer.publish_topology(vec![transaction], &[alice.member()]);
    known(&running, at).await;
    // Killed, so that the message may come again although it is stored.
    running.killed().await;
    let running = world.start(&alice).await;
    running.caught_up().await;
    let after = at.saturating_add(Duration::from_millis(251));
    in_time("the change", running.client.await_snapshot(after)).await.unwrap();
    assert_eq!(signing_keys(&running, &alice, after), 2);
    assert_eq!(signing_keys(&running, &alice, start.successor().unwrap()), 1);
    running.stopped().await;
}

#[tokio::test]
async fn a_message_that_is_not_the_topology_managers_changes_nothing() {
    let world = World::new();
    let (alice, eve) = (world.member("alice").await, world.stranger("eve").await);
    let running = world.start(&alice).await;
    running.caught_up().await;
    let domain = &world.domain;
    let (never, ago) = (CantonTimestamp::MAX, CantonTimestamp::EPOCH);
    let foreign = cantle_sequencing::testing::TestDomain::new(ProtocolVersion::V7);
    let forged = [
        domain.topology_message_by(domain.mediator_key(), eve.topology(), never),
        domain.topology_message(eve.topology(), ago),
        foreign.topology_message(eve.topology(), never),
    ];
    let mut last = CantonTimestamp::MIN;
    for message in forged {
        last = world.sequencer.deliver(&domain.batch(&topology(message), &[alice.member()]));
    }
    world.sequencer.deliver(&message("later", &[alice.member()]));
    running.handler.heard("later").await;
    let view = running.client.topology().unwrap().latest();
    assert_eq!(view.signing_keys(&eve.member()).len(), 0);
    known(&running, last).await;
    running.stopped().await;
}

#[tokio::test]
async fn a_transaction_that_nobody_authorized_has_no_effect_beside_others_that_have() {
    let world = World::new();
    let alice = world.member("alice").await;
    let (bob, eve) = (world.stranger("bob").await, world.stranger("eve").await);
    let running = world.start(&alice).await;
    running.caught_up().await;
    // Eve's keys without her root certificate, among Bob's whole topology.
    let mut transactions = bob.topology();
    transactions.extend(eve.topology().into_iter().skip(1));
    let at = world.sequencer.publish_topology(transactions, &[alice.member()]);
    let after = at.saturating_add(Duration::from_millis(251));
    let view = in_time("the topology", running.client.await_snapshot(after)).await.unwrap();
    assert_eq!(view.signing_keys(&bob.member()).len(), 1);
    assert_eq!(view.signing_keys(&eve.member()).len(), 0);
    running.stopped().await;
}

#[tokio::test]
async fn the_first_message_must_be_for_this_participant() {
    let world = World::new();
    let (alice, bob) = (world.stranger("alice").await, world.stranger("bob").await);
    // Bob's first message, played to Alice: her keys are in it, but not that the domain wants her.
    let mut transactions = world.domain.initial_topology();
    transactions.extend(alice.topology());
    transactions.extend(bob.topology());
    transactions.push(world.domain.trust(&bob.participant));
    world.sequencer.publish_topology(transactions, &[alice.member()]);
    world.sequencer.deliver(&message("next", &[alice.member()]));
    let running = world.start(&alice).await;
    let topology = running.client.topology().unwrap().clone();
    // So she knows no sequencer by whom the next event could be signed.
    let error = running.ended().await.unwrap_err();
    assert!(matches!(error, cantle_sequencing::ClientError::Event { .. }), "{error:?}");
    assert!(topology.latest().state().is_empty());
}

#[tokio::test]
async fn a_change_of_the_delay_is_followed() {
    let world = World::new();
    let alice = world.member("alice").await;
    let running = world.start(&alice).await;
    running.caught_up().await;
    let delay = Duration::from_millis(1);
    let parameters = DynamicDomainParameters {
        topology_change_delay: delay,
        ..DynamicDomainParameters::defaults(ProtocolVersion::V7)
    };
    let change = world.domain.parameters_change(parameters);
    let at = world.sequencer.publish_topology(vec![change], &[alice.member()]);
    // The topology of that time is known before the time has come.
    let after = at.saturating_add(Duration::from_millis(251));
    in_time("the change", running.client.time().await_time(after)).await.unwrap();
    let (_, transaction) = alice.new_signing_key(&world.domain).await;
    let at = world.sequencer.publish_topology(vec![transaction], &[alice.member()]);
    let effective = at.saturating_add(delay);
    in_time("the key", running.client.await_snapshot(effective.successor().unwrap())).await.unwrap();
    assert_eq!(signing_keys(&running, &alice, effective), 1);
    assert_eq!(signing_keys(&running, &alice, effective.successor().unwrap()), 2);
    running.stopped().await;
}

#[tokio::test]
async fn a_rotated_sequencer_key_is_followed_and_the_old_one_counts_for_its_time() {
    let world = World::new();
    let alice = world.member("alice").await;
    let running = world.start(&alice).await;
    running.caught_up().await;
    let sent = running.client.send(cantle_sequencing::Submission::new(message("x", &[alice.member()])));
    let outcome = in_time("the receipt", sent.await.unwrap()).await;
    let cantle_sequencing::SendOutcome::Sequenced { timestamp, .. } = outcome else { panic!("{outcome:?}") };
    // An event signed as of an earlier time, as results of transactions are.
    let submission =
        cantle_sequencing::Submission::new(message("y", &[alice.member()])).signed_as_of(timestamp);
    let sent = running.client.send(submission).await.unwrap();
    assert!(matches!(in_time("the receipt", sent).await, cantle_sequencing::SendOutcome::Sequenced { .. }));
    running.stopped().await;
}
