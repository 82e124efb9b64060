//! Pings that cannot succeed: each says where it stopped, and which key or member is the cause.

use std::time::Duration;

use cantle_kms::{KeyState, Operation};
use cantle_participant::PingError;
use cantle_simulation::{Cluster, ClusterOptions, DEADLINE};
use cantle_types::ProtocolVersion;

/// A ping that is given up soon.
const SOON: Duration = Duration::from_millis(1500);

async fn cluster() -> Cluster {
    let cluster = Cluster::start(ClusterOptions::new(ProtocolVersion::V7)).await;
    cluster.must_ping(0, 1).await;
    cluster
}

/// One in which requests that are not answered are concluded soon.
async fn hasty_cluster() -> Cluster {
    let options = ClusterOptions::new(ProtocolVersion::V7);
    Cluster::start(options.with_timeouts(Duration::from_secs(1), Duration::from_secs(1))).await
}

async fn failed(cluster: &Cluster, from: usize, to: usize, timeout: Duration) -> PingError {
    cluster.ping(from, cluster.ping_of(to, timeout)).await.unwrap().expect_err("it cannot succeed")
}

fn contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
}

/// The fingerprint of a participant's key.
async fn key_of(cluster: &Cluster, index: usize, is_signing: bool) -> String {
    let name = format!("participant{}", index + 1).parse().unwrap();
    let keys = cluster.participants[index]
        .run(move |role| async move { cantle_participant::keys_by_name(&role.vault, &name).await.unwrap() });
    let keys = keys.await;
    if is_signing {
        keys.signing.fingerprint().to_string()
    } else {
        keys.encryption.fingerprint().to_string()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_responder_that_is_away_is_named_with_its_keys() {
    let mut cluster = cluster().await;
    let keys = [key_of(&cluster, 1, true).await, key_of(&cluster, 1, false).await];
    cluster.participants[1].crash().await;
    let error = failed(&cluster, 0, 1, SOON).await;
    let PingError::TimedOut { domain, timeout, stage } = &error else { panic!("{error:?}") };
    assert_eq!((domain, *timeout), (&cluster.domain, SOON));
    let party = cluster.party(1).to_string();
    contains(stage, &["was confirmed", "no response of", &party, &keys[0], &keys[1]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_responder_whose_key_is_disabled_is_named_with_it() {
    let cluster = cluster().await;
    let key = key_of(&cluster, 1, true).await;
    let keys = cluster.participants[1].place().keys();
    keys.service().set_state(&keys.key_for("signing"), KeyState::Disabled);
    let error = failed(&cluster, 0, 1, SOON).await;
    contains(&error.to_string(), &["no response of", cluster.party(1).as_str(), &key]);
    keys.service().set_state(&keys.key_for("signing"), KeyState::Enabled);
    cluster.must_ping(0, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signing_key_that_is_refused_keeps_the_ping_here() {
    let cluster = cluster().await;
    let key = key_of(&cluster, 0, true).await;
    let keys = cluster.participants[0].place().keys();
    keys.service().deny(Operation::Sign);
    let error = failed(&cluster, 0, 1, SOON).await;
    let PingError::NotSent { reason } = &error else { panic!("{error:?}") };
    contains(reason, &[&key, "kms:Sign"]);
    keys.allow_all();
    // A key management service that does not answer is no refusal.
    keys.service().block(Operation::Sign);
    let error = failed(&cluster, 0, 1, SOON).await;
    let PingError::TimedOut { stage, .. } = &error else { panic!("{error:?}") };
    contains(stage, &["was not sequenced", &key]);
    keys.service().unblock(Operation::Sign);
    cluster.must_ping(0, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_encryption_key_that_is_refused_is_named_at_once() {
    let options = ClusterOptions { session_keys: None, ..ClusterOptions::new(ProtocolVersion::V7) };
    let cluster = Cluster::start(options).await;
    let key = key_of(&cluster, 0, false).await;
    let keys = cluster.participants[0].place().keys();
    keys.service().deny(Operation::Decrypt);
    let error = failed(&cluster, 0, 1, DEADLINE).await;
    let PingError::NotConfirmed { reason, .. } = &error else { panic!("{error:?}") };
    contains(reason, &[&key, "kms:Decrypt"]);
    keys.allow_all();
    keys.service().block(Operation::Decrypt);
    let error = failed(&cluster, 0, 1, SOON).await;
    let PingError::TimedOut { stage, .. } = &error else { panic!("{error:?}") };
    contains(stage, &["was sequenced and not concluded", &key]);
    keys.service().unblock(Operation::Decrypt);
    cluster.must_ping(0, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_participant_whose_clock_is_wrong_is_told_by_the_rejection() {
    let cluster = cluster().await;
    let clock = cluster.participants[0].place().clock();
    clock.set_ahead(90_000);
    let error = failed(&cluster, 0, 1, DEADLINE).await;
    let PingError::NotConfirmed { domain, reason } = &error else { panic!("{error:?}") };
    assert_eq!(*domain, cluster.domain);
    contains(reason, &["LOCAL_VERDICT_LEDGER_TIME_OUT_OF_BOUND", cluster.party(0).as_str()]);
    clock.set_ahead(0);

    let clock = cluster.participants[1].place().clock();
    clock.set_ahead(90_000);
    let error = failed(&cluster, 0, 1, SOON).await;
    let PingError::TimedOut { stage, .. } = &error else { panic!("{error:?}") };
    let responder = cluster.participant(1).to_string();
    contains(
        stage,
        &["no response of", &responder, "was rejected", "LOCAL_VERDICT_LEDGER_TIME_OUT_OF_BOUND"],
    );
    clock.set_ahead(0);
    cluster.must_ping(0, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_answer_in_time_is_named_by_the_mediator() {
    let cluster = hasty_cluster().await;
    let key = key_of(&cluster, 0, true).await;
    let keys = cluster.participants[0].place().keys();
    // The root hash and the submission are signed, the answer is not.
    keys.allow_signatures(2);
    let error = failed(&cluster, 0, 1, DEADLINE).await;
    let PingError::NotConfirmed { reason, .. } = &error else { panic!("{error:?}") };
    contains(reason, &["not confirmed in time", cluster.party(0).as_str(), &key, "kms:Sign"]);
    keys.allow_all();
    cluster.must_ping(0, 1).await;

    // The last transaction of that ping is signed too.
    cluster.silence().await;
    let keys = cluster.participants[1].place().keys();
    keys.allow_signatures(2);
    let error = failed(&cluster, 0, 1, Duration::from_secs(4)).await;
    let PingError::TimedOut { stage, .. } = &error else { panic!("{error:?}") };
    let responder = cluster.participant(1).to_string();
    contains(stage, &["no response of", &responder, "not confirmed in time", cluster.party(1).as_str()]);
    keys.allow_all();
    cluster.must_ping(0, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mediator_that_says_nothing_is_named_when_its_time_is_over() {
    let mut cluster = hasty_cluster().await;
    cluster.mediator.crash().await;
    let error = failed(&cluster, 0, 1, DEADLINE).await;
    let PingError::NotConfirmed { reason, .. } = &error else { panic!("{error:?}") };
    contains(reason, &["MED::", "said nothing"]);
    cluster.restart_mediator().await;
    let again = async {
        // Until the mediator is connected again.
        while cluster.ping(0, cluster.ping_of(1, DEADLINE)).await.unwrap().is_err() {}
    };
    cantle_simulation::in_time("a ping", again).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_sequencer_the_ping_does_not_leave() {
    let mut cluster = cluster().await;
    cluster.crash_sequencer().await;
    let error = failed(&cluster, 0, 1, SOON).await;
    let PingError::TimedOut { stage, .. } = &error else { panic!("{error:?}") };
    contains(stage, &["not sequenced", "sequencer reachable"]);
    cluster.restart_sequencer().await;
    cluster.must_ping(0, 1).await;
}
