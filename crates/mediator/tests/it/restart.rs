//! A mediator that is killed with requests open: each is concluded, and no verdict is told twice.

use std::time::Duration;

use cantle_protocol::{SignedProtocolContent, Verdict};
use cantle_simulation::{Cluster, ClusterOptions, DEADLINE, in_time};
use cantle_types::{CantonTimestamp, ProtocolVersion};

use super::support::{Domain, until};

const VERSION: ProtocolVersion = ProtocolVersion::V7;

async fn approved(domain: &Domain, at: CantonTimestamp, count: usize) {
    let message = domain.result(count).await;
    let SignedProtocolContent::TransactionResult(result) = message.content() else { panic!("{message:?}") };
    assert_eq!((result.request_id(), result.verdict()), (at, &Verdict::Approve));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_request_is_open_after_a_restart() {
    let mut domain = Domain::new(VERSION).await;
    let request = domain.request(&[&domain.alice, &domain.bob]);
    let at = domain.deliver(&[&request], Vec::new());
    domain.approve(at, &request, &[&domain.alice]).await;
    domain.is_open(1).await;
    domain.restart().await;
    domain.is_open(1).await;
    domain.approve(at, &request, &[&domain.bob]).await;
    approved(&domain, at, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_while_it_is_away_is_concluded_when_it_is_back() {
    let mut domain = Domain::new(VERSION).await;
    domain.kill().await;
    let (answered, silent) =
        (domain.request(&[&domain.alice]), domain.request(&[&domain.bob, &domain.alice]));
    let at = domain.deliver(&[&answered], Vec::new());
    let at_silent = domain.deliver(&[&silent], Vec::new());
    domain.approve(at, &answered, &[&domain.alice]).await;
    domain.clock.advance(Duration::from_secs(40));
    domain.deliver(&[&domain.request(&[&domain.alice])], Vec::new());
    domain.restart().await;
    until("both results", async || domain.results().len() == 2).await;
    for message in domain.results() {
        let SignedProtocolContent::TransactionResult(result) = message.content() else {
            panic!("{message:?}")
        };
        match result.verdict() {
            Verdict::Approve => assert_eq!(result.request_id(), at),
            verdict => assert!(verdict.is_timeout() && result.request_id() == at_silent, "{verdict:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verdict_that_was_lost_is_told_again_and_one_that_was_seen_is_not() {
    let mut domain = Domain::new(VERSION).await;
    let request = domain.request(&[&domain.alice]);
    let at = domain.deliver(&[&request], Vec::new());
    domain.is_open(1).await;
    // To know that it has, it may have to ask for the time, which would be held as well.
    domain.is_caught_up().await;
    domain.sequencer.hold();
    domain.approve(at, &request, &[&domain.alice]).await;
    until("the verdict", async || domain.verdicts_of(at).len() == 1).await;
    domain.kill().await;
    // What the sequencer had accepted is lost on its way.
    domain.sequencer.release(|held| held.clear());
    domain.restart().await;
    approved(&domain, at, 1).await;
    assert_eq!(domain.verdicts_of(at).len(), 2, "under the same id");

    domain.restart().await;
    let next = domain.request(&[&domain.alice]);
    let at_next = domain.deliver(&[&next], Vec::new());
    domain.approve(at_next, &next, &[&domain.alice]).await;
    approved(&domain, at_next, 2).await;
    assert_eq!(domain.verdicts_of(at).len(), 2, "it was seen, and is not told again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pings_do_not_notice_a_mediator_that_is_killed_over_and_over() {
    let mut cluster = Cluster::start(ClusterOptions::new(VERSION)).await;
    for round in 0..5_u64 {
        let pings: Vec<_> = (0..8)
            .map(|number| cluster.ping(number % 2, cluster.ping_of((number + 1) % 2, DEADLINE)))
            .collect();
        // Wherever it is then.
        tokio::time::sleep(Duration::from_millis(5 * round)).await;
        cluster.mediator.crash().await;
        cluster.restart_mediator().await;
        for ping in pings {
            in_time("a ping", ping).await.unwrap().unwrap_or_else(|error| panic!("round {round}: {error}"));
        }
    }
}
