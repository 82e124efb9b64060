//! Which node signs and decrypts what with which key: the KMS requests of a ping, counted by key.
//!
//! Source: the table of canton-2.10.md, section 8.3, for one sequencer and one mediator. Cantle's sequencer signs an
//! event once and stores it; with each event read once that is as many as with one that signs what is read.

use std::collections::BTreeMap;
use std::time::Duration;

use cantle_participant::SessionKeyCache;
use cantle_simulation::{Cluster, ClusterOptions, KeyUse, in_time};
use cantle_types::{MediatorId, Member, ProtocolVersion};

/// Events of a ping, by who gets them: the participants', then the mediator's.
#[derive(Debug, Clone, Copy)]
struct Events {
    participants: [i64; 2],
    mediator: i64,
}

/// Each transaction: a request, the receipts of answers, a result.
const OF_A_PING: Events = Events { participants: [9, 8], mediator: 11 };
const OF_A_SELF_PING: Events = Events { participants: [9, 0], mediator: 9 };

/// The uses of all keys by node and purpose, without those that were not used.
fn uses(cluster: &Cluster) -> BTreeMap<(String, String), KeyUse> {
    let places = cluster.participants.iter().map(|host| host.place());
    let places = places.chain([cluster.sequencer.place(), cluster.manager.place(), cluster.mediator.place()]);
    let mut uses = BTreeMap::new();
    for place in places {
        for (purpose, used) in place.keys().take_uses() {
            if used != KeyUse::default() {
                uses.insert((place.identity().name.to_string(), purpose), used);
            }
        }
    }
    uses
}

fn expected(table: &[(&str, &str, usize, usize)]) -> BTreeMap<(String, String), KeyUse> {
    let of = |&(node, purpose, sign, decrypt): &(&str, &str, usize, usize)| {
        ((node.to_owned(), purpose.to_owned()), KeyUse { sign, decrypt })
    };
    table.iter().map(of).collect()
}

/// Pings, waits until all that belongs to it is over, and says which keys were used.
async fn counted(cluster: &Cluster, to: usize, events: Events) -> BTreeMap<(String, String), KeyUse> {
    let _ = uses(cluster);
    let before = cluster.events().await;
    cluster.must_ping(0, to).await;
    let of = |index: usize| cluster.participant(index).member().clone();
    let mediator: Member = MediatorId::new(cluster.domain.uid().clone()).into();
    let mut wanted = before.clone();
    *wanted.get_mut(&of(0)).unwrap() += events.participants[0];
    *wanted.get_mut(&of(1)).unwrap() += events.participants[1];
    *wanted.get_mut(&mediator).unwrap() += events.mediator;
    let over = async {
        while cluster.events().await != wanted {
            tokio::task::yield_now().await;
        }
    };
    in_time("the end of the ping, and nothing else,", over).await;
    uses(cluster)
}

/// A cluster in which nothing is under way any more.
async fn settled(options: ClusterOptions) -> Cluster {
    let cluster = Cluster::start(options).await;
    // Participants ask for the time once when they have joined, and hand in their topology.
    cluster.must_ping(0, 1).await;
    cluster.must_ping(1, 0).await;
    cluster.silence().await;
    cluster
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ping_uses_the_keys_of_the_table_and_session_keys_spare_decryption() {
    let cluster = settled(ClusterOptions::new(ProtocolVersion::V7)).await;
    let signs: [(&str, &str, usize, usize); 4] = [
        ("participant1", "signing", 10, 0),
        ("participant2", "signing", 6, 0),
        ("mediator1", "signing", 6, 0),
        ("sequencer1", "signing", 28, 0),
    ];
    // No namespace key, and nothing of the domain manager's.
    assert_eq!(counted(&cluster, 1, OF_A_PING).await, expected(&signs));

    // When the session keys have aged, each is made anew once and decrypted once by each.
    for host in &cluster.participants {
        host.place().clock().set_ahead(601_000);
    }
    // Clocks that do not agree would have pings rejected.
    cluster.sequencer.place().clock().set_ahead(601_000);
    let aged = counted(&cluster, 1, OF_A_PING).await;
    for (participant, sign) in [("participant1", 10), ("participant2", 6)] {
        assert_eq!(aged[&(participant.to_owned(), "signing".to_owned())], KeyUse { sign, decrypt: 0 });
        assert_eq!(
            aged[&(participant.to_owned(), "encryption".to_owned())],
            KeyUse { sign: 0, decrypt: 2 },
            "{participant} decrypts the session keys of the two submitters"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_session_keys_each_view_is_decrypted_by_each_informee() {
    let with_seeds = ClusterOptions::new(ProtocolVersion::V5);
    let without_cache = ClusterOptions { session_keys: None, ..ClusterOptions::new(ProtocolVersion::V7) };
    for options in [with_seeds, without_cache] {
        let version = options.version;
        let cluster = settled(options).await;
        let table = expected(&[
            ("participant1", "signing", 10, 0),
            ("participant1", "encryption", 0, 3),
            ("participant2", "signing", 6, 0),
            ("participant2", "encryption", 0, 3),
            ("mediator1", "signing", 6, 0),
            ("sequencer1", "signing", 28, 0),
        ]);
        assert_eq!(counted(&cluster, 1, OF_A_PING).await, table, "{version}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_self_ping_is_the_work_of_one_participant() {
    let cluster = settled(ClusterOptions {
        session_keys: Some(SessionKeyCache { lifetime: Duration::ZERO, ..SessionKeyCache::default() }),
        ..ClusterOptions::new(ProtocolVersion::V7)
    })
    .await;
    let table = expected(&[
        ("participant1", "signing", 12, 0),
        ("participant1", "encryption", 0, 3),
        ("mediator1", "signing", 6, 0),
        ("sequencer1", "signing", 18, 0),
    ]);
    assert_eq!(counted(&cluster, 0, OF_A_SELF_PING).await, table);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn joining_asks_the_namespace_key_for_topology_alone() {
    let cluster = Cluster::start(ClusterOptions::new(ProtocolVersion::V7)).await;
    let used = uses(&cluster);
    let of = |node: &str, purpose: &str| {
        used.get(&(node.to_owned(), purpose.to_owned())).copied().unwrap_or_default()
    };
    for participant in ["participant1", "participant2"] {
        // Its root certificate, its two keys, and that it wants to be on the domain.
        assert_eq!(of(participant, "namespace"), KeyUse { sign: 4, decrypt: 0 });
        assert!(of(participant, "signing").sign > 0, "nonces and submissions");
        // It was tried out when it was made.
        assert_eq!(of(participant, "encryption"), KeyUse { sign: 0, decrypt: 1 });
    }
    // Its namespace, the parameters, the keys of manager, sequencer and mediator, the mediator's state, and that the
    // domain wants both participants.
    assert_eq!(of("manager", "namespace"), KeyUse { sign: 8, decrypt: 0 });
    assert!(of("manager", "signing").sign > 0, "nonces, topology messages and submissions");
    assert!(used.keys().all(|(node, purpose)| match purpose.as_str() {
        "signing" => true,
        "namespace" => !["sequencer1", "mediator1"].contains(&&**node),
        _ => node.starts_with("participant"),
    }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_of_a_ping_that_could_not_be_signed_is_taken_again() {
    let cluster = settled(ClusterOptions::new(ProtocolVersion::V7)).await;
    let _ = uses(&cluster);
    let responder = cluster.participants[1].place().keys();
    // Enough to confirm the ping, and nothing for the response.
    responder.allow_signatures(2);
    let ping = cluster.ping(0, cluster.ping_of(1, Duration::from_secs(30)));
    let mut signed = 0;
    let refused = async {
        while signed < 4 {
            tokio::task::yield_now().await;
            signed += responder.take_uses()["signing"].sign;
        }
    };
    in_time("the second refusal of the response", refused).await;
    assert!(!ping.is_finished());
    responder.allow_all();
    assert_eq!(ping.await.unwrap().unwrap().responder, cluster.party(1));
}
