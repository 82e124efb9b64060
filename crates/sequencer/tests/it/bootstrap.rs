//! How a domain begins, and how its topology changes after that.

use std::time::Duration;

use cantle_protocol::StaticDomainParameters;
use cantle_sequencer::{
    BootstrapError, Initialization, InitializeError, SequencerNode, SequencerNodeError, SequencerNodeSetup,
    SequencerOptions, initialize, stored_initialization,
};
use cantle_sequencing::RefusalReason;
use cantle_store::{CryptoProvider, NodeIdentity, NodeKind};
use cantle_topology::{ParticipantPermission, RequestSide};
use cantle_types::{DomainId, ProtocolVersion};
use cantle_vault::{Vault, VaultBackend, VaultOptions};

use super::support::{Keyed, VERSION, World, events, node_name, reason, signing_key, to};

#[tokio::test]
async fn a_domain_begins_once() {
    let world = World::new();
    let (sequencer, key) = world.open(world.store().await).await;
    assert_eq!(
        reason(world.send(&sequencer, &world.manager, Vec::new()).await),
        RefusalReason::RequestRefused
    );
    let foreign = Keyed::participant("foreign");
    let nothing = world.signed(
        &foreign.key,
        cantle_topology::TopologyMapping::NamespaceDelegation(cantle_topology::NamespaceDelegation::root(
            world.manager.namespace.public().clone(),
        )),
    );
    let error = sequencer.bootstrap(&[nothing]).await.unwrap_err();
    assert!(matches!(error, BootstrapError::Nothing), "{error:?}");
    let topology = world.initial_topology(&key);
    world.begin(&sequencer, &topology).await;
    assert!(sequencer.topology().is_initialized());
    assert!(matches!(sequencer.bootstrap(&topology).await, Err(BootstrapError::Begun)));
    world.send(&sequencer, &world.manager, Vec::new()).await.unwrap();
    assert_eq!(events(&sequencer, &world.manager.member).await.len(), 1);
}

#[tokio::test]
async fn a_message_of_the_manager_counts_after_the_delay_and_any_other_never() {
    let world = World::new();
    let sequencer = world.running().await;
    let three = Keyed::participant("three");
    let onboarding = world.onboarding(&three);
    let active = || sequencer.verify_active(&three.member);
    let forged = world.topology_message_by(&signing_key(), onboarding.clone());
    world.send(&sequencer, &world.manager, vec![to(&forged, &[&world.manager.member])]).await.unwrap();
    let message = world.topology_message(onboarding);
    world.send(&sequencer, world.one(), vec![to(&message, &[&world.manager.member])]).await.unwrap();
    world.send(&sequencer, &world.manager, vec![to(&message, &[&world.one().member])]).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(active(), Some(false), "forged, of another member, or for a newcomer alone");
    world.send(&sequencer, &world.manager, vec![to(&message, &[&world.manager.member])]).await.unwrap();
    assert_eq!(active(), Some(false), "not yet effective");
    world.clock.advance(Duration::from_millis(251));
    assert_eq!(active(), Some(true));
}

#[tokio::test]
async fn topology_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::in_file(&folder.path().join("sequencer.db"));
    let sequencer = world.running().await;
    let disabled = world.state(world.two(), RequestSide::From, ParticipantPermission::Disabled);
    let message = world.topology_message(vec![disabled]);
    world.send(&sequencer, &world.manager, vec![to(&message, &[&world.manager.member])]).await.unwrap();
    let before = events(&sequencer, &world.manager.member).await;
    sequencer.close().await;
    drop(sequencer);
    world.clock.advance(Duration::from_secs(1));
    let (sequencer, _) = world.open(world.store().await).await;
    assert_eq!(sequencer.verify_active(&world.one().member), Some(true));
    assert_eq!(sequencer.verify_active(&world.two().member), Some(false));
    assert_eq!(events(&sequencer, &world.manager.member).await, before);
    world.send(&sequencer, world.one(), Vec::new()).await.unwrap();
}

#[tokio::test]
async fn a_member_signs_by_its_new_key_and_for_a_while_by_the_old_one() {
    let world = World::new();
    let sequencer = world.running().await;
    let one = world.one();
    let old_time = world.now();
    let key = signing_key();
    let owner = one.member.clone();
    let rotated = world.signed(
        &one.namespace,
        cantle_topology::TopologyMapping::OwnerToKeyMapping(cantle_topology::OwnerToKeyMapping {
            owner,
            key: cantle_crypto::PublicKey::Signing(key.public().clone()),
        }),
    );
    let message = world.topology_message(vec![rotated]);
    world.send(&sequencer, &world.manager, vec![to(&message, &[&world.manager.member])]).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    let renewed = Keyed { member: one.member.clone(), key, namespace: one.namespace.clone() };
    world.send(&sequencer, &renewed, Vec::new()).await.unwrap();
    let in_flight = one.sign(one.request(Vec::new()), old_time);
    sequencer.submit(&one.member, &in_flight, &super::support::trace()).await.unwrap();
}

#[tokio::test]
async fn a_node_serves_the_domain_that_it_was_made_for() {
    let world = World::new();
    let store = world.store().await;
    let node = NodeIdentity { kind: NodeKind::Sequencer, name: node_name() };
    let options = VaultOptions::new(node, CryptoProvider::Jce);
    let vault = Vault::open(store.clone(), VaultBackend::Jce, options, world.clock.clone()).await.unwrap();
    assert_eq!(stored_initialization(&*store).await.unwrap(), None);
    let wanted = Initialization {
        domain: world.domain.clone(),
        parameters: StaticDomainParameters::all_schemes(VERSION),
    };
    let key = initialize(&*store, &vault, &node_name(), &wanted).await.unwrap();
    let again = initialize(&*store, &vault, &node_name(), &wanted).await.unwrap();
    assert_eq!(key.fingerprint(), again.fingerprint(), "the key is found again");
    assert_eq!(stored_initialization(&*store).await.unwrap(), Some(wanted.clone()));

    let domain: DomainId = "other::1220aa".parse().unwrap();
    let other = Initialization { domain, ..wanted.clone() };
    let error = initialize(&*store, &vault, &node_name(), &other).await.unwrap_err();
    assert!(matches!(error, InitializeError::OtherDomain { .. }), "{error:?}");
    let parameters = StaticDomainParameters::all_schemes(ProtocolVersion::V5);
    let other = Initialization { parameters, ..wanted };
    let error = initialize(&*store, &vault, &node_name(), &other).await.unwrap_err();
    assert!(matches!(error, InitializeError::OtherParameters { .. }), "{error:?}");
}

#[tokio::test]
async fn a_node_waits_to_be_made_a_sequencer_and_is_one_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::in_file(&folder.path().join("sequencer.db"));
    let open = || async {
        let store = world.store().await;
        let node = NodeIdentity { kind: NodeKind::Sequencer, name: node_name() };
        let options = VaultOptions::new(node, CryptoProvider::Jce);
        let vault =
            Vault::open(store.clone(), VaultBackend::Jce, options, world.clock.clone()).await.unwrap();
        let setup = SequencerNodeSetup {
            shared: None,
            name: node_name(),
            vault,
            store,
            clock: world.clock.clone(),
            agreement: None,
            options: SequencerOptions::default(),
        };
        SequencerNode::open(setup).await.unwrap()
    };
    let node = open().await;
    assert!(node.sequencer().is_none() && node.domain().is_none());
    assert!(matches!(node.resume().await, Err(SequencerNodeError::NotInitialized)));
    assert!(matches!(node.bootstrap(&[]).await, Err(SequencerNodeError::NotInitialized)));
    let parameters = StaticDomainParameters::all_schemes(VERSION);
    let wanted = Initialization { domain: world.domain.clone(), parameters };
    let key = node.initialize(&wanted, &[]).await.unwrap();
    node.bootstrap(&world.initial_topology(&key)).await.unwrap();
    assert_eq!(node.domain(), Some(world.domain.clone()));
    assert_eq!(node.initialize(&wanted, &[]).await.unwrap().fingerprint(), key.fingerprint());
    node.stop().await;
    assert!(matches!(node.resume().await, Err(SequencerNodeError::Stopped)));
    drop(node);

    world.clock.advance(Duration::from_secs(1));
    let node = open().await;
    assert_eq!(node.domain(), Some(world.domain.clone()));
    let sequencer = node.resume().await.unwrap();
    assert!(sequencer.topology().is_initialized());
    world.send(&sequencer, &world.manager, Vec::new()).await.unwrap();
}
