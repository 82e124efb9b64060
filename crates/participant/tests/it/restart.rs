//! Participants that are ended at any moment, and come back.

use std::time::Duration;

use cantle_participant::PingError;
use cantle_simulation::{Cluster, ClusterOptions, DEADLINE, in_time};
use cantle_types::ProtocolVersion;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ping_of_who_is_away_is_answered_when_it_is_back() {
    let mut cluster = Cluster::start(ClusterOptions::new(ProtocolVersion::V7)).await;
    cluster.participants[1].crash().await;
    let ping = cluster.ping(0, cluster.ping_of(1, DEADLINE));
    let member = cluster.participant(1).member().clone();
    let before = cluster.events().await[&member];
    let told = async {
        // The request and its result.
        while cluster.events().await[&member] < before + 2 {
            tokio::task::yield_now().await;
        }
    };
    in_time("the first transaction", told).await;
    cluster.restart_participant(1).await;
    let success = in_time("the ping", ping).await.unwrap().unwrap();
    assert_eq!(success.responder, cluster.party(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn participants_that_are_killed_over_and_over_go_on() {
    let mut cluster = Cluster::start(ClusterOptions::new(ProtocolVersion::V7)).await;
    for round in 0..6_u64 {
        let killed = usize::try_from(round % 2).unwrap();
        let pings: Vec<_> = (0..8)
            .map(|number| cluster.ping(number % 2, cluster.ping_of((number + 1) % 2, DEADLINE)))
            .collect();
        // Wherever the pings are then.
        tokio::time::sleep(Duration::from_millis(7 * round)).await;
        cluster.participants[killed].crash().await;
        cluster.restart_participant(killed).await;
        for (number, ping) in pings.into_iter().enumerate() {
            match in_time("a ping", ping).await {
                Ok(answered) => {
                    // Whoever was not killed gets its answer, late or not.
                    answered.unwrap_or_else(|error| panic!("round {round}, ping {number}: {error}"));
                }
                Err(_) => assert_eq!(number % 2, killed, "it ended with its participant"),
            }
        }
    }
    for (from, to) in [(0, 1), (1, 0)] {
        cluster.must_ping(from, to).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ping_waits_for_a_sequencer_that_is_away() {
    let mut cluster = Cluster::start(ClusterOptions::new(ProtocolVersion::V7)).await;
    cluster.must_ping(0, 1).await;
    cluster.crash_sequencer().await;
    let pings = [0, 1].map(|from| cluster.ping(from, cluster.ping_of(1 - from, DEADLINE)));
    // One that is given up in between, so that these were refused meanwhile.
    let short = cluster.ping(0, cluster.ping_of(1, Duration::from_millis(500))).await.unwrap();
    assert!(matches!(short, Err(PingError::TimedOut { .. })), "{short:?}");
    cluster.restart_sequencer().await;
    for ping in pings {
        in_time("the end of the ping", ping).await.unwrap().expect("it is sent when the sequencer is back");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ping_outlives_the_sequencer_the_mediator_and_the_domain_manager() {
    let mut cluster = Cluster::start(ClusterOptions::new(ProtocolVersion::V7)).await;
    let ping = cluster.ping(0, cluster.ping_of(1, Duration::from_secs(5)));
    cluster.crash_sequencer().await;
    cluster.restart_sequencer().await;
    cluster.mediator.crash().await;
    cluster.restart_mediator().await;
    cluster.manager.crash().await;
    cluster.restart_manager().await;
    // It may have been lost on its way, and says so then; it is not left open.
    let _ = in_time("the end of the ping", ping).await.unwrap();
    for (from, to) in [(0, 1), (1, 0)] {
        cluster.must_ping(from, to).await;
    }
}
