//! A member of a test domain: its keys in a vault, its store in memory.

use std::sync::Arc;

use cantle_crypto::{EncryptionKeyScheme, PublicKey, SigningKeyScheme, SigningPrivateKey};
use cantle_store::{
    Access, CryptoProvider, MigrateOnStart, NodeIdentity, NodeKind, NodeStore, SqliteLocation, SqliteOptions,
    SqliteStore,
};
use cantle_topology::{
    NamespaceDelegation, OwnerToKeyMapping, ParticipantPermission, ParticipantState, RequestSide,
    SignedTopologyTransaction, TopologyMapping, TopologyTransaction, TrustLevel,
};
use cantle_types::{Clock, Member, Namespace, ParticipantId, UniqueIdentifier};
use cantle_vault::{KeyRole, Vault, VaultBackend, VaultOptions};

use super::TestDomain;
use super::domain::{new_key, signed};
use crate::api::{SequencerApi, SequencerIdentity};
use crate::auth::AuthOptions;
use crate::client::{ClientOptions, ClientSetup, MemberSetup};
use crate::connect::SequencerInfo;

/// A participant with its own namespace, a signing and an encryption key.
#[derive(Debug)]
pub struct TestMember {
    /// Who it is.
    pub participant: ParticipantId,
    /// Its keys.
    pub vault: Vault,
    /// Its store.
    pub store: Arc<dyn NodeStore>,
    namespace: SigningPrivateKey,
    topology: Vec<SignedTopologyTransaction>,
}

impl TestMember {
    /// A new participant of a domain.
    ///
    /// # Panics
    /// When its keys cannot be made.
    pub async fn new(name: &str, domain: &TestDomain, clock: Arc<dyn Clock>) -> Self {
        let namespace = new_key();
        let uid = UniqueIdentifier::new(
            name.parse().expect("an identifier"),
            Namespace::new(namespace.fingerprint().clone()),
        );
        let participant = ParticipantId::new(uid);
        let (vault, store) = vault(name, clock).await;
        let key = vault.generate_signing_key(None, Some(SigningKeyScheme::EcDsaP256), KeyRole::Signing).await;
        let signing = PublicKey::Signing(key.expect("a software key is made"));
        let scheme = EncryptionKeyScheme::EciesP256HkdfHmacSha256Aes128Gcm;
        let key = vault.generate_encryption_key(None, Some(scheme), KeyRole::Encryption).await;
        let encryption = PublicKey::Encryption(key.expect("a software key is made"));
        let state = ParticipantState::new(
            RequestSide::To,
            domain.id.clone(),
            participant.clone(),
            ParticipantPermission::Submission,
            TrustLevel::Ordinary,
        );
        let mut member = Self { participant, vault, store, namespace, topology: Vec::new() };
        let root = NamespaceDelegation::root(member.namespace.public().clone());
        member.topology = [
            TopologyMapping::NamespaceDelegation(root),
            member.owns(signing),
            member.owns(encryption),
            TopologyMapping::ParticipantState(state.expect("ordinary trust goes with any permission")),
        ]
        .into_iter()
        .map(|mapping| member.authorize(mapping, domain))
        .collect();
        member
    }

    /// The participant as a member.
    #[must_use]
    pub fn member(&self) -> Member {
        self.participant.member().clone()
    }

    /// What it says about itself: root certificate, two keys, and that it wants to be on the domain.
    #[must_use]
    pub fn topology(&self) -> Vec<SignedTopologyTransaction> {
        self.topology.clone()
    }

    /// A mapping that is added in the participant's name.
    ///
    /// # Panics
    /// When it cannot be added.
    #[must_use]
    pub fn authorize(&self, mapping: TopologyMapping, domain: &TestDomain) -> SignedTopologyTransaction {
        let transaction = TopologyTransaction::add(mapping, domain.parameters.protocol_version);
        signed(transaction.expect("a mapping that can be added"), &self.namespace)
    }

    /// A new signing key, and the transaction that makes it the participant's.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn new_signing_key(&self, domain: &TestDomain) -> (PublicKey, SignedTopologyTransaction) {
        let scheme = Some(SigningKeyScheme::EcDsaP256);
        let key = self.vault.generate_signing_key(None, scheme, KeyRole::Signing).await;
        let key = PublicKey::Signing(key.expect("a software key is made"));
        let transaction = self.authorize(self.owns(key.clone()), domain);
        (key, transaction)
    }

    /// What a client of the participant is made of.
    #[must_use]
    pub fn setup(
        &self,
        domain: &TestDomain,
        api: Arc<dyn SequencerApi>,
        clock: Arc<dyn Clock>,
    ) -> (ClientSetup, MemberSetup) {
        let client = ClientSetup {
            api,
            info: SequencerInfo {
                identity: SequencerIdentity { domain: domain.id.clone(), sequencer: domain.sequencer() },
                parameters: domain.parameters.clone(),
                agreement: None,
            },
            member: self.member(),
            clock,
            versions: vec![domain.parameters.protocol_version],
            options: ClientOptions::default(),
        };
        let (vault, store) = (self.vault.clone(), Arc::clone(&self.store));
        (client, MemberSetup { vault, store, authentication: AuthOptions::default() })
    }

    fn owns(&self, key: PublicKey) -> TopologyMapping {
        TopologyMapping::OwnerToKeyMapping(OwnerToKeyMapping { owner: self.member(), key })
    }
}

async fn vault(name: &str, clock: Arc<dyn Clock>) -> (Vault, Arc<dyn NodeStore>) {
    let node = NodeIdentity { kind: NodeKind::Participant, name: name.parse().expect("a name of a node") };
    let options = SqliteOptions {
        location: SqliteLocation::Memory,
        node: node.clone(),
        migrate: MigrateOnStart::Yes,
        access: Access::ReadWrite,
    };
    let store = SqliteStore::open(options).await.expect("a store in memory opens");
    let store: Arc<dyn NodeStore> = Arc::new(store);
    let options = VaultOptions::new(node, CryptoProvider::Jce);
    let vault = Vault::open(Arc::clone(&store), VaultBackend::Jce, options, clock).await;
    (vault.expect("a new vault opens"), store)
}
