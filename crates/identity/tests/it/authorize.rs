//! What a node authorizes, with which key, and what it refuses.

use cantle_crypto::PublicKey;
use cantle_identity::{ChangeError, ErrorClass};
use cantle_store::NodeKind;
use cantle_topology::{
    Packages, ParticipantPermission, PartyToParticipant, RequestSide, TopologyChangeOp, TopologyMapping,
};
use cantle_types::{Member, MemberCode, ParticipantId, PartyId, ProtocolVersion};
use cantle_vault::VaultBackend;

use crate::support::{
    FORCED, Node, PLAIN, REPLACING, assert_same_state, delegation, foreign_key, owned, participant, root,
    some, uid,
};

const ADD: TopologyChangeOp = TopologyChangeOp::Add;
const REMOVE: TopologyChangeOp = TopologyChangeOp::Remove;

#[tokio::test]
async fn a_participant_s_first_mappings_are_added_once() {
    let node = Node::participant().await;
    let key = node.signing_key().await;
    let mappings = node.first_mappings(&key).await;
    let added = node.manager.authorize_all(mappings.clone()).await.unwrap();
    assert_eq!(added.len(), 3);
    for (signed, mapping) in added.iter().zip(&mappings) {
        signed.verify().unwrap();
        assert_eq!(signed.key().fingerprint(), key.fingerprint());
        assert_eq!(signed.transaction().mapping(), mapping);
        assert_eq!(signed.transaction().version(), ProtocolVersion::V7);
    }
    assert_eq!(node.manager.authorize_all(mappings.clone()).await.unwrap(), []);
    let restarted = node.restarted().await;
    assert_same_state(&restarted, &node.manager);
    assert_eq!(restarted.authorize_all(mappings).await.unwrap(), []);
}

#[tokio::test]
async fn what_is_missing_of_the_first_mappings_is_added() {
    let node = Node::participant().await;
    let key = node.signing_key().await;
    let mappings = node.first_mappings(&key).await;
    node.manager.authorize_all(mappings[..1].to_vec()).await.unwrap();
    let added = node.manager.authorize_all(mappings.clone()).await.unwrap();
    let added: Vec<_> = added.iter().map(|signed| signed.transaction().mapping().clone()).collect();
    assert_eq!(added, mappings[1..]);
}

#[tokio::test]
async fn several_mappings_are_added_all_or_none() {
    let node = Node::participant().await;
    let key = node.signing_key().await;
    let stranger = owned(&participant(&foreign_key(9)), PublicKey::Signing(key.clone()));
    let error = node.manager.authorize_all(vec![root(&key), stranger]).await.unwrap_err();
    assert_eq!(error.code(), "NO_APPROPRIATE_SIGNING_KEY_IN_STORE");
    assert!(node.manager.state().is_empty());
    assert!(node.restarted().await.state().is_empty());
}

#[tokio::test]
async fn without_a_named_key_the_latest_delegation_signs() {
    let (node, key) = Node::participant().await.with_namespace().await;
    let intermediate = node.signing_key().await;
    let add = |mapping| node.manager.authorize(ADD, mapping, None, PLAIN);
    assert_eq!(add(delegation(&key, &intermediate)).await.unwrap().key().fingerprint(), key.fingerprint());
    add(delegation(&key, &foreign_key(1))).await.unwrap();
    let own = owned(&participant(&key), PublicKey::Signing(node.signing_key().await));
    assert_eq!(add(own).await.unwrap().key().fingerprint(), intermediate.fingerprint());
}

#[tokio::test]
async fn a_named_key_must_be_known_and_at_hand() {
    let (node, key) = Node::participant().await.with_namespace().await;
    let stranger = foreign_key(1);
    let mapping = delegation(&key, &node.signing_key().await);
    let error = node.manager.authorize(ADD, mapping.clone(), some(&stranger), PLAIN).await.unwrap_err();
    assert_eq!((error.code(), error.class()), ("PUBLIC_KEY_NOT_IN_STORE", ErrorClass::InvalidState));
    node.vault.import_public_key(PublicKey::Signing(stranger.clone()), None).await.unwrap();
    let error = node.manager.authorize(ADD, mapping.clone(), some(&stranger), PLAIN).await.unwrap_err();
    assert_eq!((error.code(), error.class()), ("SECRET_KEY_NOT_IN_STORE", ErrorClass::InvalidState));
    let unrelated = node.signing_key().await;
    let error = node.manager.authorize(ADD, mapping.clone(), some(&unrelated), PLAIN).await.unwrap_err();
    assert_eq!(
        (error.code(), error.class()),
        ("UNAUTHORIZED_TOPOLOGY_TRANSACTION", ErrorClass::SecurityAlert)
    );
    let signed = node.manager.authorize(ADD, mapping, some(&key), PLAIN).await.unwrap();
    signed.verify().unwrap();
}

#[tokio::test]
async fn without_delegations_no_key_is_appropriate() {
    let node = Node::participant().await;
    let key = node.signing_key().await;
    let mapping = owned(&participant(&key), PublicKey::Signing(key.clone()));
    let error = node.manager.authorize(ADD, mapping, None, PLAIN).await.unwrap_err();
    assert_eq!(
        (error.code(), error.class()),
        ("NO_APPROPRIATE_SIGNING_KEY_IN_STORE", ErrorClass::ResourceMissing)
    );
    let ChangeError::NoAppropriateSigningKeyInStore { candidates } = error else { panic!("{error}") };
    assert_eq!(candidates, []);
    let error = node.manager.authorize(ADD, root(&foreign_key(1)), None, PLAIN).await.unwrap_err();
    let ChangeError::NoAppropriateSigningKeyInStore { candidates } = error else { panic!("{error}") };
    assert_eq!(candidates, [foreign_key(1).fingerprint().clone()]);
}

#[tokio::test]
async fn a_mapping_is_added_once_and_removed_by_its_element_id() {
    let (node, key) = Node::participant().await.with_namespace().await;
    let mapping = delegation(&key, &foreign_key(1));
    let added = node.manager.authorize(ADD, mapping.clone(), None, PLAIN).await.unwrap();
    let error = node.manager.authorize(ADD, mapping.clone(), None, PLAIN).await.unwrap_err();
    assert_eq!(
        (error.code(), error.class()),
        ("TOPOLOGY_MAPPING_ALREADY_EXISTS", ErrorClass::ResourceExists)
    );
    let removed = node.manager.authorize(REMOVE, mapping.clone(), None, PLAIN).await.unwrap();
    assert_eq!(removed.transaction().element_id(), added.transaction().element_id());
    assert_eq!(node.manager.state().len(), 1);
    assert_same_state(&node.restarted().await, &node.manager);
    let error = node.manager.authorize(REMOVE, mapping.clone(), None, FORCED).await.unwrap_err();
    assert_eq!(error.code(), "NO_CORRESPONDING_ACTIVE_TX_TO_REVOKE");
    let again = node.manager.authorize(ADD, mapping, None, PLAIN).await.unwrap();
    assert_ne!(again.transaction().element_id(), added.transaction().element_id());
}

#[tokio::test]
async fn dangerous_removals_are_forced() {
    let (node, key) = Node::participant().await.with_namespace().await;
    let own = owned(&participant(&key), PublicKey::Signing(node.signing_key().await));
    node.manager.authorize(ADD, own.clone(), None, PLAIN).await.unwrap();
    let error = node.manager.authorize(REMOVE, own.clone(), None, PLAIN).await.unwrap_err();
    assert_eq!(error.code(), "REMOVING_LAST_KEY_MUST_BE_FORCED");
    let error = node.manager.authorize(REMOVE, root(&key), None, PLAIN).await.unwrap_err();
    assert_eq!(error.code(), "REMOVING_KEY_DANGLING_TRANSACTIONS_MUST_BE_FORCED");
    node.manager.authorize(REMOVE, own, None, FORCED).await.unwrap();
    node.manager.authorize(REMOVE, root(&key), None, PLAIN).await.unwrap();
    assert!(node.manager.state().is_empty());
}

#[tokio::test]
async fn replacing_adds_first_and_removes_then() {
    let (node, key) = Node::participant().await.with_namespace().await;
    let party = |permission| {
        let (party, participant) = (PartyId::new(uid("alice", &key)), ParticipantId::new(uid("node", &key)));
        let mapping = PartyToParticipant::new(RequestSide::Both, party, participant, permission);
        TopologyMapping::PartyToParticipant(mapping.unwrap())
    };
    let old =
        node.manager.authorize(ADD, party(ParticipantPermission::Submission), None, PLAIN).await.unwrap();
    let new = node
        .manager
        .authorize(ADD, party(ParticipantPermission::Observation), None, REPLACING)
        .await
        .unwrap();
    assert_eq!(new.transaction().op(), ADD);
    let state = node.manager.state();
    assert_eq!(state.len(), 2);
    assert_eq!(state.active().next_back().unwrap().transaction(), new.transaction());
    assert!(state.has_seen(&old.transaction().reverse().unwrap(), key.fingerprint()));
    assert_same_state(&node.restarted().await, &node.manager);
}

#[tokio::test]
async fn a_participant_s_key_must_be_with_it() {
    let (node, key) = Node::participant().await.with_namespace().await;
    node.manager.init_id("node".parse().unwrap(), key.fingerprint()).await.unwrap();
    let missing = owned(&participant(&key), PublicKey::Signing(foreign_key(1)));
    for options in [PLAIN, FORCED] {
        let error = node.manager.authorize(ADD, missing.clone(), None, options).await.unwrap_err();
        assert!(matches!(error, ChangeError::KeyWithoutPrivatePart { .. }));
        assert_eq!(error.code(), "DANGEROUS_KEY_USE_COMMAND_REQUIRES_FORCE");
    }
    let other = Member::new(MemberCode::Participant, uid("other", &key));
    let alien = owned(&other, PublicKey::Signing(foreign_key(1)));
    let error = node.manager.authorize(ADD, alien.clone(), None, PLAIN).await.unwrap_err();
    assert!(matches!(error, ChangeError::AlienParticipant { .. }));
    node.manager.authorize(ADD, alien, None, FORCED).await.unwrap();
    let sequencer = Member::new(MemberCode::Sequencer, uid("domain", &key));
    let sequencer = owned(&sequencer, PublicKey::Signing(foreign_key(1)));
    node.manager.authorize(ADD, sequencer, None, PLAIN).await.unwrap();
}

#[tokio::test]
async fn a_domain_manager_assigns_the_keys_of_others() {
    let node = Node::new(NodeKind::DomainManager, VaultBackend::Jce).await;
    let (node, key) = node.with_namespace().await;
    for code in [MemberCode::Sequencer, MemberCode::Mediator, MemberCode::Participant] {
        let owner = Member::new(code, uid("domain", &key));
        let mapping = owned(&owner, PublicKey::Signing(foreign_key(1)));
        node.manager.authorize(ADD, mapping, None, PLAIN).await.unwrap();
    }
    assert_eq!(node.manager.state().len(), 4);
}

#[tokio::test]
async fn packages_are_unvetted_by_force_only() {
    let (node, key) = Node::participant().await.with_namespace().await;
    let vetted = Packages {
        participant: ParticipantId::new(uid("node", &key)),
        package_ids: vec!["main".parse().unwrap()],
    };
    let vetted = TopologyMapping::VettedPackages(vetted);
    node.manager.authorize(ADD, vetted.clone(), None, PLAIN).await.unwrap();
    let error = node.manager.authorize(REMOVE, vetted.clone(), None, PLAIN).await.unwrap_err();
    assert_eq!(
        (error.code(), error.class()),
        ("DANGEROUS_VETTING_COMMANDS_REQUIRE_FORCE", ErrorClass::InvalidState)
    );
    node.manager.authorize(REMOVE, vetted, None, FORCED).await.unwrap();
}

#[tokio::test]
async fn an_operation_must_go_with_its_mapping() {
    let (node, key) = Node::participant().await.with_namespace().await;
    let mapping = delegation(&key, &foreign_key(1));
    let error = node.manager.authorize(TopologyChangeOp::Replace, mapping, None, PLAIN).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::InvalidArgument);
}
