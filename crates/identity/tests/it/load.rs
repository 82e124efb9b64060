//! Transactions that were signed elsewhere.

use cantle_crypto::{PublicKey, SigningKeyScheme, SigningPrivateKey};
use cantle_identity::ErrorClass;
use cantle_topology::{SignedTopologyTransaction, TopologyMapping, TopologyTransaction};
use cantle_types::ProtocolVersion;

use crate::support::{
    FORCED, Node, PLAIN, assert_same_state, delegation, foreign_key, owned, participant, root,
};

struct Elsewhere(SigningPrivateKey);

impl Elsewhere {
    fn new() -> Self {
        Self(SigningPrivateKey::generate(SigningKeyScheme::Ed25519).unwrap())
    }

    fn sign(&self, mapping: TopologyMapping, version: ProtocolVersion) -> SignedTopologyTransaction {
        let transaction = TopologyTransaction::add(mapping, version).unwrap();
        let signature = self.0.sign(&transaction.hash().evidence()).unwrap();
        SignedTopologyTransaction::assemble(transaction, self.0.public().clone(), signature)
    }
}

#[tokio::test]
async fn a_transaction_signed_elsewhere_is_added_once() {
    let node = Node::participant().await;
    let elsewhere = Elsewhere::new();
    let signed = elsewhere.sign(root(elsewhere.0.public()), ProtocolVersion::V5);
    node.manager.add(signed.clone()).await.unwrap();
    let error = node.manager.add(signed).await.unwrap_err();
    assert_eq!((error.code(), error.class()), ("DUPLICATE_TOPOLOGY_TRANSACTION", ErrorClass::ResourceExists));
    assert_eq!(node.manager.state().len(), 1);
    assert_same_state(&node.restarted().await, &node.manager);
}

#[tokio::test]
async fn an_intermediate_key_signs_for_a_namespace_whose_root_is_elsewhere() {
    let node = Node::participant().await;
    let elsewhere = Elsewhere::new();
    let namespace = elsewhere.0.public().clone();
    let own = node.signing_key().await;
    node.manager.add(elsewhere.sign(root(&namespace), ProtocolVersion::V7)).await.unwrap();
    node.manager.add(elsewhere.sign(delegation(&namespace, &own), ProtocolVersion::V7)).await.unwrap();
    let mapping = owned(&participant(&namespace), PublicKey::Signing(own.clone()));
    let added = node.manager.authorize_all(vec![mapping]).await.unwrap();
    assert_eq!(added[0].key().fingerprint(), own.fingerprint());
}

#[tokio::test]
async fn forged_and_unauthorized_transactions_are_refused() {
    let node = Node::participant().await;
    let elsewhere = Elsewhere::new();
    let public = elsewhere.0.public().clone();
    let signed = elsewhere.sign(root(&public), ProtocolVersion::V7);
    let other = signed.transaction().at_version(ProtocolVersion::V5).unwrap();
    let forged = SignedTopologyTransaction::assemble(other, public.clone(), signed.signature().clone());
    let error = node.manager.add(forged).await.unwrap_err();
    assert_eq!(
        (error.code(), error.class()),
        ("INVALID_TOPOLOGY_TX_SIGNATURE_ERROR", ErrorClass::SecurityAlert)
    );
    let unauthorized = elsewhere.sign(delegation(&public, &foreign_key(1)), ProtocolVersion::V7);
    let error = node.manager.add(unauthorized).await.unwrap_err();
    assert_eq!(error.code(), "UNAUTHORIZED_TOPOLOGY_TRANSACTION");
    assert!(node.manager.state().is_empty());
}

#[tokio::test]
async fn what_was_removed_is_not_loaded_again() {
    let (node, key) = Node::participant().await.with_namespace().await;
    let mapping = delegation(&key, &foreign_key(1));
    let added = node
        .manager
        .authorize(cantle_topology::TopologyChangeOp::Add, mapping.clone(), None, PLAIN)
        .await
        .unwrap();
    node.manager.authorize(cantle_topology::TopologyChangeOp::Remove, mapping, None, FORCED).await.unwrap();
    let restarted = node.restarted().await;
    for manager in [&node.manager, &restarted] {
        let error = manager.add(added.clone()).await.unwrap_err();
        assert_eq!(error.code(), "DUPLICATE_TOPOLOGY_TRANSACTION");
    }
}
