//! Pings that succeed, and those that are refused before anything is sent.

use std::collections::BTreeSet;
use std::time::Duration;

use cantle_crypto::PublicKey;
use cantle_participant::{PingError, PingRequest};
use cantle_simulation::{Cluster, ClusterOptions, DEADLINE, in_time};
use cantle_topology::{ChangeOptions, OwnerToKeyMapping, TopologyChangeOp, TopologyMapping};
use cantle_types::{PartyId, ProtocolVersion};
use cantle_vault::KeyRole;
use futures::future::join_all;

const SHORT: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn participants_ping_each_other_and_themselves_at_both_versions() {
    for version in ProtocolVersion::ALL {
        let cluster = Cluster::start(ClusterOptions::new(version)).await;
        for (from, to) in [(0, 1), (1, 0), (0, 0), (0, 1)] {
            let success = cluster.must_ping(from, to).await;
            assert_eq!((&success.responder, &success.domain), (&cluster.party(to), &cluster.domain));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_pings_at_once_are_each_answered() {
    let cluster = Cluster::start(ClusterOptions::new(ProtocolVersion::V7)).await;
    let pings = (0..60).map(|number| cluster.ping(number % 2, cluster.ping_of(number / 2 % 2, DEADLINE)));
    for (number, ping) in in_time("the pings", join_all(pings)).await.into_iter().enumerate() {
        let success = ping.unwrap().unwrap_or_else(|error| panic!("{number}: {error}"));
        assert_eq!(success.responder, cluster.party(number / 2 % 2));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_several_responders_answers_and_validators_are_told() {
    let options = ClusterOptions { participants: 4, ..ClusterOptions::new(ProtocolVersion::V7) };
    let cluster = Cluster::start(options).await;
    let (one, two) = (cluster.party(1), cluster.party(2));
    let request = PingRequest {
        responders: BTreeSet::from([one.clone(), two.clone()]),
        validators: BTreeSet::from([cluster.party(3)]),
        id: Some("several".to_owned()),
        workflow_id: Some("a workflow".to_owned()),
        timeout: DEADLINE,
    };
    let before = cluster.events().await;
    let success = cluster.ping(0, request).await.unwrap().unwrap();
    assert!([one, two].contains(&success.responder), "{success:?}");
    let after = cluster.events().await;
    let validator = cluster.participant(3).member();
    assert!(after[validator] >= before[validator] + 2, "a request and its result");
    // The one that came too late does not keep anybody from going on.
    cluster.must_ping(2, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_is_used_once_at_a_time() {
    let mut cluster = Cluster::start(ClusterOptions::new(ProtocolVersion::V7)).await;
    cluster.participants[1].crash().await;
    let request = PingRequest { id: Some("same".to_owned()), ..cluster.ping_of(1, DEADLINE) };
    let first = cluster.ping(0, request.clone());
    let refused = async {
        loop {
            // The first may not have begun.
            let short = PingRequest { timeout: Duration::from_millis(1), ..request.clone() };
            match cluster.ping(0, short).await.unwrap() {
                Err(PingError::Duplicate { id }) => return id,
                Err(PingError::TimedOut { .. } | PingError::NoDomain { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    assert_eq!(in_time("the refusal", refused).await, "same");
    cluster.restart_participant(1).await;
    in_time("the first ping", first).await.unwrap().unwrap();
    cluster.ping(0, request).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_a_ping_is_not_sent() {
    let cluster = Cluster::start(ClusterOptions::new(ProtocolVersion::V7)).await;
    let sent = cluster.events().await;
    let nobody = PingRequest { responders: BTreeSet::new(), ..cluster.ping_of(1, SHORT) };
    let failed = cluster.ping(0, nobody).await.unwrap().unwrap_err();
    assert!(matches!(failed, PingError::NoResponder), "{failed:?}");
    let stranger: PartyId = "stranger::1220aa".parse().unwrap();
    let unknown = PingRequest { responders: BTreeSet::from([stranger.clone()]), ..cluster.ping_of(1, SHORT) };
    let failed = cluster.ping(0, unknown).await.unwrap().unwrap_err();
    let PingError::NoDomain { parties, reason } = &failed else { panic!("{failed:?}") };
    assert_eq!(*parties, stranger.to_string());
    assert!(reason.contains(cluster.domain.as_str()) && reason.contains(stranger.as_str()), "{reason}");
    let long = PingRequest { id: Some("x".repeat(10_000)), ..cluster.ping_of(1, SHORT) };
    let failed = cluster.ping(0, long).await.unwrap().unwrap_err();
    assert!(matches!(failed, PingError::NotSent { .. }), "{failed:?}");
    // Others may have asked for the time meanwhile; no request was made.
    let now = cluster.events().await;
    let other = cluster.participant(1).member();
    assert!(now[other] <= sent[other] + 1, "{sent:?} {now:?}");
}

/// Waits until the domain knows what participant1 has authorized.
async fn handed_in(cluster: &Cluster) {
    loop {
        let connected = cluster.participants[0].run(|role| async move { role.node.list_connected().await });
        let [domain] = &connected.await[..] else { panic!("one domain") };
        assert_eq!(domain.outbox.trouble, None);
        if domain.outbox.pending == 0 {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// A new key of the same purpose, and the old one taken away, while pings are under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_rotated_while_pings_run() {
    let cluster = Cluster::start(ClusterOptions::new(ProtocolVersion::V7)).await;
    cluster.must_ping(0, 1).await;
    let pings: Vec<_> =
        (0..20).map(|number| cluster.ping(number % 2, cluster.ping_of((number + 1) % 2, DEADLINE))).collect();
    for purpose in [KeyRole::Signing, KeyRole::Encryption] {
        let rotated = cluster.participants[0].run(move |role| async move {
            let member = role.id().member().clone();
            let view =
                |key| TopologyMapping::OwnerToKeyMapping(OwnerToKeyMapping { owner: member.clone(), key });
            let old = match purpose {
                KeyRole::Signing => {
                    cantle_participant::keys_by_name(&role.vault, &"participant1".parse().unwrap())
                        .await
                        .unwrap()
                        .signing
                        .into()
                }
                _ => PublicKey::from(
                    cantle_participant::keys_by_name(&role.vault, &"participant1".parse().unwrap())
                        .await
                        .unwrap()
                        .encryption,
                ),
            };
            let new = match purpose {
                KeyRole::Signing => {
                    role.vault.generate_signing_key(None, None, purpose).await.unwrap().into()
                }
                _ => PublicKey::from(role.vault.generate_encryption_key(None, None, purpose).await.unwrap()),
            };
            let options = ChangeOptions::default;
            role.topology.authorize(TopologyChangeOp::Add, view(new), None, options()).await.unwrap();
            role.topology.authorize(TopologyChangeOp::Remove, view(old), None, options()).await.unwrap();
        });
        rotated.await;
        in_time("the outbox to be empty", handed_in(&cluster)).await;
    }
    for ping in in_time("the pings", join_all(pings)).await {
        ping.unwrap().unwrap_or_else(|error| panic!("{error}"));
    }
    for (from, to) in [(0, 1), (1, 0)] {
        cluster.must_ping(from, to).await;
    }
}
