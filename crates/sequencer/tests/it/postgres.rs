//! Sequencers that share a database: one order, whoever is handed a submission and whoever writes.
//!
//! `cargo test -p cantle-sequencer --test it postgres:: -- --ignored` where PostgreSQL's server is installed.

use std::collections::HashMap;
use std::sync::Arc;

use cantle_crypto::{PublicKey, SigningPublicKey};
use cantle_protocol::{MessageId, SequencedEvent, Signable, SignedContent};
use cantle_sequencer::{BootstrapError, Sequencer, SubmitError, SubscriptionEnd};
use cantle_store::{NodeIdentity, NodeKind, PostgresGroup, PostgresOptions, SequencerGroup};
use cantle_testkit::{POSTGRES_PASSWORD, POSTGRES_USER, PostgresCluster};
use cantle_topology::{OwnerToKeyMapping, TopologyMapping};
use futures::StreamExt;
use futures::stream::FuturesUnordered;

use super::support::{World, events, in_time, next, to};

/// A sequencer, what it shares, and its key.
struct Member {
    sequencer: Sequencer,
    group: PostgresGroup,
    key: SigningPublicKey,
}

async fn open(world: &World, cluster: &PostgresCluster, database: &str, name: &str) -> Member {
    let node = NodeIdentity { kind: NodeKind::Sequencer, name: name.parse().unwrap() };
    let options = PostgresOptions {
        port: cluster.port,
        database: Some(database.to_owned()),
        user: Some(POSTGRES_USER.to_owned()),
        password: Some(POSTGRES_PASSWORD.into()),
        ..PostgresOptions::new("127.0.0.1", node)
    };
    let group = PostgresGroup::open(options).await.unwrap();
    let (sequencer, key) = world.open_sharing(world.store().await, Some(group.clone())).await;
    Member { sequencer, group, key }
}

/// A domain of two sequencers that is under way.
async fn two(world: &World, database: &str) -> (Arc<PostgresCluster>, Member, Member) {
    let cluster = PostgresCluster::shared();
    cluster.create_database(database).await;
    let one = open(world, &cluster, database, "one").await;
    let two = open(world, &cluster, database, "two").await;
    let mut topology = world.initial_topology(&one.key);
    let second = OwnerToKeyMapping {
        owner: world.sequencer_id().member().clone(),
        key: PublicKey::Signing(two.key.clone()),
    };
    topology.push(world.signed(&world.manager.namespace, TopologyMapping::OwnerToKeyMapping(second)));
    topology.extend(world.participants.iter().flat_map(|participant| world.onboarding(participant)));
    world.begin(&two.sequencer, &topology).await;
    for sequencer in [&one.sequencer, &two.sequencer] {
        let again = in_time(sequencer.bootstrap(&topology)).await;
        assert!(matches!(again, Err(BootstrapError::Begun)), "{again:?}");
    }
    world.introduce(&one.sequencer).await;
    (cluster, one, two)
}

/// The one that writes first, then the other.
async fn by_lead(one: Member, two: Member) -> (Member, Member) {
    let (mut of_one, mut of_two) = (one.sequencer.health(), two.sequencer.health());
    let one_leads = tokio::select! {
        led = in_time(of_one.wait_for(|health| !health.follows)) => led.is_ok(),
        led = in_time(of_two.wait_for(|health| !health.follows)) => led.is_err(),
    };
    if one_leads { (one, two) } else { (two, one) }
}

fn is_signed_by(event: &SignedContent<SequencedEvent>, keys: &[&SigningPublicKey]) -> bool {
    let hash = event.content().hash();
    keys.iter().any(|key| key.verify_hash(&hash, event.signature()).is_ok())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL"]
async fn submissions_to_any_of_several_sequencers_are_one_order() {
    let world = World::new();
    let (_cluster, one, two) = two(&world, "one_order").await;
    let receiver = &world.two().member;
    let mut work = FuturesUnordered::new();
    for index in 0..60 {
        let sequencer = if index % 2 == 0 { &one.sequencer } else { &two.sequencer };
        work.push(world.send(sequencer, world.one(), vec![to(b"x", &[receiver])]));
    }
    while let Some(sent) = work.next().await {
        sent.unwrap();
    }
    drop(work);
    let mut here = in_time(one.sequencer.subscribe_again(receiver, 0)).await.unwrap();
    let mut there = in_time(two.sequencer.subscribe_again(receiver, 0)).await.unwrap();
    // The welcome, and what was sent.
    for counter in 0..61 {
        let (event, same) = (next(&mut here).await, next(&mut there).await);
        assert_eq!(event.content().counter().get(), counter);
        assert_eq!(event.bytes(), same.bytes());
        assert!(is_signed_by(&event, &[&one.key, &two.key]));
    }
    let beyond = in_time(two.sequencer.subscribe_again(receiver, 70)).await;
    assert!(matches!(beyond, Err(SubscriptionEnd::Beyond { .. })), "{beyond:?}");

    // What the other one is told counts for both.
    let (leader, other) = by_lead(one, two).await;
    let stranger = super::support::Keyed::participant("stranger");
    for sequencer in [&leader.sequencer, &other.sequencer] {
        let refused = world.send(sequencer, world.one(), vec![to(b"x", &[&stranger.member])]).await;
        assert_eq!(super::support::reason(refused), cantle_sequencing::RefusalReason::UnknownRecipients);
    }
    let up_to = world.now();
    let done = world.one().acknowledgement(up_to, up_to);
    in_time(other.sequencer.acknowledge(&world.one().member, &done)).await.unwrap();
    other.sequencer.disable_member(receiver).await.unwrap();
    let status = leader.sequencer.status().await.unwrap();
    let acknowledged = status.members.iter().find(|status| status.member == world.one().member).unwrap();
    assert_eq!(acknowledged.acknowledged, Some(up_to.to_timestamp()));
    let kept_out = async {
        while leader.sequencer.subscribe(receiver, 0).is_ok() {
            tokio::task::yield_now().await;
        }
    };
    in_time(kept_out).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL"]
async fn a_sequencer_that_stops_hands_over_to_another() {
    let world = World::new();
    let (_cluster, one, two) = two(&world, "hands_over").await;
    let (leader, other) = by_lead(one, two).await;
    let receiver = &world.two().member;
    world.send(&leader.sequencer, world.one(), vec![to(b"before", &[receiver])]).await.unwrap();
    let mut subscription = in_time(other.sequencer.subscribe_again(receiver, 0)).await.unwrap();
    leader.sequencer.close().await;
    world.send(&other.sequencer, world.one(), vec![to(b"after", &[receiver])]).await.unwrap();
    let refused = world.send(&leader.sequencer, world.one(), vec![to(b"x", &[receiver])]).await;
    assert_eq!(super::support::reason(refused), cantle_sequencing::RefusalReason::ShuttingDown);
    let signers = [[&leader.key], [&leader.key], [&other.key]];
    for (counter, signer) in (0..).zip(signers) {
        let event = next(&mut subscription).await;
        assert_eq!(event.content().counter().get(), counter);
        assert!(is_signed_by(&event, &signer), "{counter}");
    }
    leader.group.close().await;
    other.sequencer.close().await;
    other.group.close().await;
}

/// How often the lead was taken.
async fn leads(cluster: &PostgresCluster, database: &str) -> i64 {
    let mut admin = cluster.admin(database).await;
    sqlx::query_scalar("SELECT openings FROM node").fetch_one(&mut admin).await.unwrap()
}

/// What became of a submission, as its sender was told.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Sequenced,
    Refused,
    Nothing,
}

/// Sends through one of them as long as it is told to, one after the other.
async fn send_on(world: &World, sequencer: &Sequencer, count: usize) -> Vec<(MessageId, Told)> {
    let mut told = Vec::new();
    for _ in 0..count {
        let request = world.one().request(vec![to(b"x", &[&world.two().member])]);
        let id = request.message_id().clone();
        let outcome = match world.send_request(sequencer, world.one(), request).await {
            Ok(_) => Told::Sequenced,
            Err(SubmitError::Refused(_)) => Told::Refused,
            Err(_) => Told::Nothing,
        };
        told.push((id, outcome));
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL"]
async fn a_lead_that_is_lost_at_any_moment_loses_and_repeats_nothing() {
    const ROUNDS: usize = 6;
    let world = World::new();
    let (cluster, one, two) = two(&world, "lost_leads").await;
    let before = leads(&cluster, "lost_leads").await;
    let mut told = Vec::new();
    for round in 0..ROUNDS {
        let senders = async {
            let (a, b, c, d) = tokio::join!(
                send_on(&world, &one.sequencer, 12),
                send_on(&world, &two.sequencer, 12),
                send_on(&world, &one.sequencer, 12),
                send_on(&world, &two.sequencer, 12),
            );
            [a, b, c, d].into_iter().flatten().collect::<Vec<_>>()
        };
        // In the midst of it the leader leaves, or its session is ended, or all sessions are.
        let which = match round % 3 {
            1 => "AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')",
            _ => "",
        };
        let end = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = 'lost_leads' AND pid <> pg_backend_pid() AND usename = '{POSTGRES_USER}' {which}"
        );
        let killer = async {
            for _ in 0..=round {
                tokio::task::yield_now().await;
            }
            if round % 3 == 0 {
                tokio::join!(one.group.lead_leave(), two.group.lead_leave());
            } else {
                cluster.run("lost_leads", &end).await;
            }
        };
        told.extend(tokio::join!(senders, killer).0);
    }
    assert!(leads(&cluster, "lost_leads").await > before, "the lead was taken anew");
    let refused = told.iter().filter(|(_, told)| *told == Told::Refused).count();
    let sequenced = told.iter().filter(|(_, told)| *told == Told::Sequenced).count();
    assert!(sequenced > told.len() / 2, "{sequenced} of {}, {refused} refused", told.len());

    let mut here = in_time(one.sequencer.subscribe_again(&world.one().member, 0)).await.unwrap();
    let count = events(&two.sequencer, &world.one().member).await.len();
    let mut receipts: HashMap<MessageId, usize> = HashMap::new();
    for counter in 0..count {
        let event = next(&mut here).await;
        assert_eq!(usize::try_from(event.content().counter().get()).unwrap(), counter);
        if let Some(id) = event.content().message_id() {
            *receipts.entry(id.clone()).or_default() += 1;
        }
    }
    for (id, told) in &told {
        let found = receipts.get(id).copied().unwrap_or_default();
        match told {
            Told::Sequenced => assert_eq!(found, 1, "{id:?} was acknowledged"),
            Told::Refused => assert_eq!(found, 0, "{id:?} was refused"),
            Told::Nothing => assert!(found <= 1, "{id:?}"),
        }
    }
}
