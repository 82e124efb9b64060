//! A node's store, vault and manager, without the node.

use std::sync::Arc;

use cantle_crypto::{EncryptionKeyScheme, PublicKey, SigningKeyScheme, SigningPublicKey};
use cantle_identity::TopologyManager;
use cantle_kms::Kms;
use cantle_store::{
    Access, MigrateOnStart, NodeIdentity, NodeKind, NodeStore, SqliteLocation, SqliteOptions, SqliteStore,
};
use cantle_topology::{
    ChangeOptions, Force, IsRootDelegation, NamespaceDelegation, OwnerToKeyMapping, Replace, TopologyMapping,
};
use cantle_types::{
    Clock, Fingerprint, ManualClock, Member, MemberCode, Namespace, ProtocolVersion, UniqueIdentifier,
};
use cantle_vault::{KeyRole, Vault, VaultBackend, VaultOptions};

pub(crate) const PLAIN: ChangeOptions = ChangeOptions { force: Force::No, replace: Replace::No };
pub(crate) const FORCED: ChangeOptions = ChangeOptions { force: Force::Yes, replace: Replace::No };
pub(crate) const REPLACING: ChangeOptions = ChangeOptions { force: Force::No, replace: Replace::Yes };

pub(crate) struct Node {
    pub(crate) store: Arc<dyn NodeStore>,
    pub(crate) vault: Vault,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) manager: TopologyManager,
}

impl Node {
    /// A participant with software keys.
    pub(crate) async fn participant() -> Self {
        Self::new(NodeKind::Participant, VaultBackend::Jce).await
    }

    /// A participant whose keys are in this KMS.
    pub(crate) async fn participant_on(kms: Arc<dyn Kms>) -> Self {
        Self::new(NodeKind::Participant, VaultBackend::Kms(kms)).await
    }

    pub(crate) async fn new(kind: NodeKind, backend: VaultBackend) -> Self {
        let node = NodeIdentity { kind, name: "node".parse().unwrap() };
        let options = SqliteOptions {
            location: SqliteLocation::Memory,
            node: node.clone(),
            migrate: MigrateOnStart::Yes,
            access: Access::ReadWrite,
        };
        let store: Arc<dyn NodeStore> = Arc::new(SqliteStore::open(options).await.unwrap());
        let clock = Arc::new(ManualClock::new("2024-01-01T00:00:00Z".parse().unwrap()));
        let provider = backend.provider();
        let time: Arc<dyn Clock> = clock.clone();
        let vault = Vault::open(store.clone(), backend, VaultOptions::new(node, provider), time.clone());
        let vault = vault.await.unwrap();
        let manager = TopologyManager::open(store.clone(), vault.clone(), time, ProtocolVersion::V7);
        let manager = manager.await.unwrap();
        Self { store, vault, clock, manager }
    }

    /// The same node with a manager that has read everything anew.
    pub(crate) async fn restarted(&self) -> TopologyManager {
        let (store, vault) = (self.store.clone(), self.vault.clone());
        TopologyManager::open(store, vault, self.clock.clone(), ProtocolVersion::V7).await.unwrap()
    }

    pub(crate) async fn signing_key(&self) -> SigningPublicKey {
        self.vault
            .generate_signing_key(None, Some(SigningKeyScheme::EcDsaP256), KeyRole::Other)
            .await
            .unwrap()
    }

    /// A key of this node and the root certificate of the namespace that it spans.
    pub(crate) async fn with_namespace(self) -> (Self, SigningPublicKey) {
        let key = self.signing_key().await;
        self.manager.authorize_all(vec![root(&key)]).await.unwrap();
        (self, key)
    }

    /// What a participant with the namespace of `key` adds on its first start.
    pub(crate) async fn first_mappings(&self, key: &SigningPublicKey) -> Vec<TopologyMapping> {
        let encryption = self
            .vault
            .generate_encryption_key(None, Some(EncryptionKeyScheme::Rsa2048OaepSha256), KeyRole::Encryption)
            .await
            .unwrap();
        let signing = self.signing_key().await;
        let owner = participant(key);
        vec![
            root(key),
            owned(&owner, PublicKey::Signing(signing)),
            owned(&owner, PublicKey::Encryption(encryption)),
        ]
    }
}

/// A key whose private part is nowhere.
pub(crate) fn foreign_key(number: u8) -> SigningPublicKey {
    SigningPublicKey::new(cantle_crypto::CryptoKeyFormat::Raw, [number; 32], SigningKeyScheme::Ed25519)
        .unwrap()
}

pub(crate) fn uid(identifier: &str, key: &SigningPublicKey) -> UniqueIdentifier {
    UniqueIdentifier::new(identifier.parse().unwrap(), Namespace::new(key.fingerprint().clone()))
}

pub(crate) fn participant(key: &SigningPublicKey) -> Member {
    Member::new(MemberCode::Participant, uid("node", key))
}

pub(crate) fn root(key: &SigningPublicKey) -> TopologyMapping {
    TopologyMapping::NamespaceDelegation(NamespaceDelegation::root(key.clone()))
}

pub(crate) fn delegation(namespace: &SigningPublicKey, target: &SigningPublicKey) -> TopologyMapping {
    let namespace = Namespace::new(namespace.fingerprint().clone());
    let delegation = NamespaceDelegation::new(namespace, target.clone(), IsRootDelegation::Yes);
    TopologyMapping::NamespaceDelegation(delegation.unwrap())
}

pub(crate) fn owned(owner: &Member, key: PublicKey) -> TopologyMapping {
    TopologyMapping::OwnerToKeyMapping(OwnerToKeyMapping { owner: owner.clone(), key })
}

pub(crate) fn some(key: &SigningPublicKey) -> Option<Fingerprint> {
    Some(key.fingerprint().clone())
}

/// The active transactions of two managers are the same, in the same order.
pub(crate) fn assert_same_state(one: &TopologyManager, other: &TopologyManager) {
    let active = |manager: &TopologyManager| manager.state().active().cloned().collect::<Vec<_>>();
    assert_eq!(active(one), active(other));
}
