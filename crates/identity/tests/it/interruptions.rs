//! A KMS that fails, callers that go away, and many at once.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cantle_crypto::PublicKey;
use cantle_identity::{ChangeError, ErrorClass};
use cantle_kms::testing::{FakeKms, Fault};
use cantle_kms::{Kms, KmsAnswer, KmsError, KmsRequest, Operation, Reply};
use cantle_topology::TopologyChangeOp;
use cantle_types::{Member, MemberCode};
use tokio::sync::Barrier;
use tokio::time::timeout;

use crate::support::{
    Node, PLAIN, assert_same_state, delegation, foreign_key, owned, participant, root, uid,
};

const ADD: TopologyChangeOp = TopologyChangeOp::Add;
const DEADLINE: Duration = Duration::from_secs(30);

/// A KMS that answers a Sign only when as many wait for it as the barrier has places.
#[derive(Debug)]
struct Together {
    kms: FakeKms,
    barrier: Barrier,
}

#[async_trait]
impl Kms for Together {
    fn endpoint(&self) -> &str {
        self.kms.endpoint()
    }

    async fn ask(&self, request: KmsRequest<'_>) -> Result<Reply<KmsAnswer>, KmsError> {
        if matches!(request, KmsRequest::Sign { .. }) {
            self.barrier.wait().await;
        }
        self.kms.ask(request).await
    }
}

#[tokio::test]
async fn several_mappings_are_signed_side_by_side() {
    let kms = Arc::new(Together { kms: FakeKms::new(), barrier: Barrier::new(3) });
    let node = Node::participant_on(kms).await;
    let key = node.signing_key().await;
    let mappings = node.first_mappings(&key).await;
    let added = timeout(DEADLINE, node.manager.authorize_all(mappings)).await.unwrap().unwrap();
    assert_eq!(added.len(), 3);
    assert_same_state(&node.restarted().await, &node.manager);
}

#[tokio::test]
async fn what_is_refused_is_not_signed() {
    let kms = Arc::new(FakeKms::new());
    let node = Node::participant_on(kms.clone()).await;
    let (node, key) = node.with_namespace().await;
    let unrelated = node.signing_key().await;
    // Whatever asks the KMS to sign now does not come back.
    kms.block(Operation::Sign);
    for (mapping, signed_by) in [(root(&key), &key), (delegation(&key, &foreign_key(1)), &unrelated)] {
        let signed_by = Some(signed_by.fingerprint().clone());
        let refused =
            timeout(DEADLINE, node.manager.authorize(ADD, mapping, signed_by, PLAIN)).await.unwrap();
        assert!(matches!(refused, Err(ChangeError::Topology(_))));
    }
}

#[tokio::test]
async fn when_the_kms_fails_nothing_is_stored() {
    let kms = Arc::new(FakeKms::new());
    let node = Node::participant_on(kms.clone()).await;
    let key = node.signing_key().await;
    let mappings = node.first_mappings(&key).await;
    kms.fail_next(Operation::Sign, 1, Fault::Throttled);
    let error = node.manager.authorize_all(mappings.clone()).await.unwrap_err();
    assert!(matches!(error, ChangeError::Sign { .. }));
    assert!(error.retryable());
    assert_eq!(error.class(), ErrorClass::Unavailable);
    assert!(node.restarted().await.state().is_empty());
    kms.deny(Operation::Sign);
    let error = node.manager.authorize_all(mappings.clone()).await.unwrap_err();
    assert!(!error.retryable());
    kms.allow_all();
    assert_eq!(node.manager.authorize_all(mappings).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_dropped_call_leaves_the_way_free_for_the_next() {
    let kms = Arc::new(FakeKms::new());
    let node = Node::participant_on(kms.clone()).await;
    let (node, key) = node.with_namespace().await;
    kms.block(Operation::Sign);
    let mut call = Box::pin(node.manager.authorize(ADD, delegation(&key, &foreign_key(1)), None, PLAIN));
    assert!(futures::poll!(call.as_mut()).is_pending());
    drop(call);
    kms.unblock(Operation::Sign);
    let next = node.manager.authorize(ADD, delegation(&key, &foreign_key(1)), None, PLAIN);
    timeout(DEADLINE, next).await.unwrap().unwrap();
    assert_eq!(node.manager.state().len(), 2);
    assert_same_state(&node.restarted().await, &node.manager);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_who_go_away_at_any_moment_leave_memory_and_disk_alike() {
    let (node, key) = Node::participant().await.with_namespace().await;
    let node = Arc::new(node);
    for number in 0..40_u8 {
        let (node, key) = (node.clone(), key.clone());
        let call = tokio::spawn(async move {
            node.manager.authorize(ADD, delegation(&key, &foreign_key(number)), None, PLAIN).await
        });
        for _ in 0..number {
            tokio::task::yield_now().await;
        }
        call.abort();
        let _ = call.await;
    }
    // One more, which waits its turn behind whatever still goes on.
    node.manager.authorize(ADD, delegation(&key, &foreign_key(200)), None, PLAIN).await.unwrap();
    assert_same_state(&node.restarted().await, &node.manager);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_equal_changes_one_is_made() {
    let (node, key) = Node::participant().await.with_namespace().await;
    let calls = (0..12_u8).map(|number| {
        let (manager, key) = (node.manager.clone(), key.clone());
        tokio::spawn(async move {
            manager.authorize(ADD, delegation(&key, &foreign_key(number % 3)), None, PLAIN).await
        })
    });
    let mut added = 0;
    for result in futures::future::join_all(calls).await {
        match result.unwrap() {
            Ok(_) => added += 1,
            Err(error) => assert_eq!(error.code(), "TOPOLOGY_MAPPING_ALREADY_EXISTS"),
        }
    }
    assert_eq!(added, 3);
    assert_eq!(node.manager.state().len(), 4);
    assert_same_state(&node.restarted().await, &node.manager);
}

#[tokio::test]
async fn after_a_failure_the_state_is_read_again() {
    // A store lets one process in; a second manager over it stands for a write whose answer was lost.
    let (node, key) = Node::participant().await.with_namespace().await;
    let other = node.restarted().await;
    let owner = Member::new(MemberCode::Sequencer, uid("domain", &key));
    let mapping = owned(&owner, PublicKey::Signing(foreign_key(1)));
    let signed = node.manager.authorize(ADD, mapping, None, PLAIN).await.unwrap();
    let error = other.add(signed).await.unwrap_err();
    assert!(matches!(error, ChangeError::Store(_)));
    let own = owned(&participant(&key), PublicKey::Signing(node.signing_key().await));
    other.authorize(ADD, own, None, PLAIN).await.unwrap();
    assert_eq!(other.state().len(), 3);
    assert_same_state(&node.restarted().await, &other);
}
