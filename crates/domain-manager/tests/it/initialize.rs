//! How a domain comes by its identity.

use std::sync::Arc;

use cantle_domain_manager::{DomainRoles, initialize};
use cantle_identity::TopologyManager;
use cantle_store::{
    Access, CryptoProvider, MigrateOnStart, NodeIdentity, NodeKind, NodeStore, SqliteLocation, SqliteOptions,
    SqliteStore,
};
use cantle_topology::{DynamicDomainParameters, MappingCode, TopologyMapping};
use cantle_types::{ProtocolVersion, SystemClock, UniqueIdentifier};
use cantle_vault::{KeyFilter, Vault, VaultBackend, VaultOptions};

struct Node {
    vault: Vault,
    manager: TopologyManager,
    identity: NodeIdentity,
}

impl Node {
    async fn new(kind: NodeKind) -> Self {
        let identity = NodeIdentity { kind, name: "mydomain".parse().unwrap() };
        let options = SqliteOptions {
            location: SqliteLocation::Memory,
            node: identity.clone(),
            migrate: MigrateOnStart::Yes,
            access: Access::ReadWrite,
        };
        let store: Arc<dyn NodeStore> = Arc::new(SqliteStore::open(options).await.unwrap());
        let clock = Arc::new(SystemClock);
        let options = VaultOptions::new(identity.clone(), CryptoProvider::Jce);
        let vault = Vault::open(store.clone(), VaultBackend::Jce, options, clock.clone()).await.unwrap();
        let manager = TopologyManager::open(store, vault.clone(), clock, ProtocolVersion::V7).await.unwrap();
        Self { vault, manager, identity }
    }

    async fn initialize(&self, roles: DomainRoles) -> UniqueIdentifier {
        let parameters = DynamicDomainParameters::defaults(ProtocolVersion::V7);
        let identifier = "mydomain".parse().unwrap();
        initialize(&self.vault, &self.manager, &self.identity.name, identifier, roles, parameters)
            .await
            .unwrap()
    }

    async fn key_names(&self) -> Vec<String> {
        let keys = self.vault.private_keys(&KeyFilter::default()).await.unwrap();
        let mut names: Vec<_> = keys.iter().map(|key| key.name.as_ref().unwrap().to_string()).collect();
        names.sort();
        names
    }

    fn codes(&self) -> Vec<MappingCode> {
        self.manager.state().active().map(|active| active.mapping().code()).collect()
    }

    /// The members that have keys, in the order in which the topology names them.
    fn owners(&self) -> Vec<String> {
        let owner = |mapping: &TopologyMapping| match mapping {
            TopologyMapping::OwnerToKeyMapping(mapping) => Some(mapping.owner.code().to_string()),
            _ => None,
        };
        self.manager.state().active().filter_map(|active| owner(active.mapping())).collect()
    }
}

#[tokio::test]
async fn a_manager_founds_a_domain_with_two_keys_and_three_transactions() {
    let node = Node::new(NodeKind::DomainManager).await;
    let uid = node.initialize(DomainRoles::Manager).await;
    assert_eq!(node.manager.uid(), Some(uid));
    assert_eq!(node.key_names().await, ["mydomain-namespace", "mydomain-topology-manager-signing"]);
    let expected = [
        MappingCode::NamespaceDelegation,
        MappingCode::DomainParametersChange,
        MappingCode::OwnerToKeyMapping,
    ];
    assert_eq!(node.codes(), expected);
    assert_eq!(node.owners(), ["DOM"]);
}

#[tokio::test]
async fn an_embedded_domain_has_a_key_for_each_of_its_members() {
    let node = Node::new(NodeKind::Domain).await;
    node.initialize(DomainRoles::All).await;
    let names = [
        "mydomain-mediator-signing",
        "mydomain-namespace",
        "mydomain-sequencer-signing",
        "mydomain-topology-manager-signing",
    ];
    assert_eq!(node.key_names().await, names);
    assert_eq!(node.codes().len(), 6);
    assert!(node.codes().contains(&MappingCode::MediatorDomainState));
    assert_eq!(node.owners(), ["DOM", "MED", "SEQ"]);
}

#[tokio::test]
async fn an_interrupted_initialization_makes_nothing_twice() {
    let node = Node::new(NodeKind::Domain).await;
    // As after a crash between the keys and the topology: one key is there already.
    let key = node
        .vault
        .named_signing_key(&node.identity.name, "namespace", cantle_vault::KeyRole::Namespace)
        .await
        .unwrap();
    let uid = node.initialize(DomainRoles::All).await;
    assert_eq!(uid.namespace().fingerprint(), key.fingerprint());
    assert_eq!(node.key_names().await.len(), 4);
}
