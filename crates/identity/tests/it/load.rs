//! Transactions that were signed elsewhere.

use cantle_crypto::{PublicKey, SigningKeyScheme, SigningPrivateKey};
use cantle_identity::ErrorClass;
use cantle_store::NodeKind;
use cantle_topology::{
    ParticipantPermission, ParticipantState, RequestSide, SignedTopologyTransaction, TopologyChangeOp,
    TopologyMapping, TopologyTransaction, TrustLevel,
};
use cantle_types::{DomainId, Member, MemberCode, ParticipantId, ProtocolVersion};
use cantle_vault::VaultBackend;

use crate::support::{
    FORCED, Node, PLAIN, assert_same_state, delegation, foreign_key, owned, participant, root, uid,
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

#[tokio::test]
async fn a_domain_keeps_only_what_is_for_it() {
    let node = Node::new(NodeKind::DomainManager, VaultBackend::Jce).await;
    let (node, key) = node.with_namespace().await;
    let version = ProtocolVersion::V7;
    let stranger = Elsewhere::new();
    let of_stranger = |code| Member::new(code, uid("stranger", stranger.0.public()));
    let key_of = |code| owned(&of_stranger(code), PublicKey::Signing(stranger.0.public().clone()));
    node.manager.add(stranger.sign(root(stranger.0.public()), version)).await.unwrap();
    // Before the domain has its name, nobody can say what is for it.
    node.manager.add(stranger.sign(key_of(MemberCode::Sequencer), version)).await.unwrap();
    node.manager.init_id("domain".parse().unwrap(), key.fingerprint()).await.unwrap();

    let manager = stranger.sign(key_of(MemberCode::DomainTopologyManager), version);
    let error = node.manager.add(manager.clone()).await.unwrap_err();
    assert_eq!((error.code(), error.class()), ("ALIEN_DOMAIN_ENTITIES", ErrorClass::InvalidState));
    assert_eq!(node.manager.add_requested(manager).await.unwrap_err().code(), "ALIEN_DOMAIN_ENTITIES");
    let older = stranger.sign(key_of(MemberCode::Participant), ProtocolVersion::V5);
    assert_eq!(node.manager.add(older).await.unwrap_err().code(), "WRONG_PROTOCOL_VERSION");
    node.manager.add(stranger.sign(key_of(MemberCode::Participant), version)).await.unwrap();

    let state = |side| {
        let domain = DomainId::new(uid("domain", &key));
        let participant = ParticipantId::new(uid("stranger", stranger.0.public()));
        let permission = ParticipantPermission::Submission;
        let state = ParticipantState::new(side, domain, participant, permission, TrustLevel::Ordinary);
        TopologyMapping::ParticipantState(state.unwrap())
    };
    node.manager.add_requested(stranger.sign(state(RequestSide::To), version)).await.unwrap();
    let enabled = node.manager.authorize(TopologyChangeOp::Add, state(RequestSide::From), None, PLAIN).await;
    assert_eq!(enabled.unwrap_err().code(), "PARTICIPANT_NOT_INITIALIZED");
    assert_same_state(&node.restarted().await, &node.manager);
}

#[tokio::test]
async fn what_is_requested_may_say_again_what_is_there() {
    let node = Node::participant().await;
    let elsewhere = Elsewhere::new();
    let sign = || elsewhere.sign(root(elsewhere.0.public()), ProtocolVersion::V7);
    node.manager.add(sign()).await.unwrap();
    assert_eq!(node.manager.add(sign()).await.unwrap_err().code(), "TOPOLOGY_MAPPING_ALREADY_EXISTS");
    let again = sign();
    node.manager.add_requested(again.clone()).await.unwrap();
    let error = node.manager.add_requested(again).await.unwrap_err();
    assert_eq!(error.code(), "DUPLICATE_TOPOLOGY_TRANSACTION");
    assert_eq!(node.manager.state().len(), 2);
    assert_same_state(&node.restarted().await, &node.manager);
}
