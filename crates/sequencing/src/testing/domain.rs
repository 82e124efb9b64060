//! A domain's keys and its topology.

use cantle_crypto::{PublicKey, SigningKeyScheme, SigningPrivateKey};
use cantle_protocol::{
    Batch, DomainTopologyTransactionMessage, ProtocolMessage, Recipients, StaticDomainParameters,
};
use cantle_topology::{
    DomainParametersChange, DynamicDomainParameters, MediatorDomainState, NamespaceDelegation,
    OwnerToKeyMapping, ParticipantPermission, ParticipantState, RequestSide, SignedTopologyTransaction,
    TopologyMapping, TopologyTransaction, TrustLevel,
};
use cantle_types::{
    CantonTimestamp, DomainId, DomainManagerId, MediatorId, Member, Namespace, ParticipantId,
    ProtocolVersion, SequencerId, UniqueIdentifier,
};

/// A domain of which all keys are known.
#[derive(Debug)]
pub struct TestDomain {
    /// Which domain it is.
    pub id: DomainId,
    /// Its static parameters.
    pub parameters: StaticDomainParameters,
    namespace: SigningPrivateKey,
    manager: SigningPrivateKey,
    sequencer: SigningPrivateKey,
    mediator: SigningPrivateKey,
}

impl TestDomain {
    /// A new domain that speaks a protocol version.
    ///
    /// # Panics
    /// When no keys can be made.
    #[must_use]
    pub fn new(version: ProtocolVersion) -> Self {
        let namespace = new_key();
        let uid = UniqueIdentifier::new(
            "domain".parse().expect("an identifier"),
            Namespace::new(namespace.fingerprint().clone()),
        );
        Self {
            id: DomainId::new(uid),
            parameters: StaticDomainParameters::all_schemes(version),
            namespace,
            manager: new_key(),
            sequencer: new_key(),
            mediator: new_key(),
        }
    }

    /// The domain's topology manager.
    #[must_use]
    pub fn manager(&self) -> Member {
        DomainManagerId::new(self.id.uid().clone()).into()
    }

    /// The domain's sequencer.
    #[must_use]
    pub fn sequencer(&self) -> Member {
        SequencerId::new(self.id.uid().clone()).into()
    }

    /// The domain's mediator.
    #[must_use]
    pub fn mediator(&self) -> MediatorId {
        MediatorId::new(self.id.uid().clone())
    }

    /// The key that the sequencer signs with.
    #[must_use]
    pub fn sequencer_key(&self) -> &SigningPrivateKey {
        &self.sequencer
    }

    /// The key that the domain's topology manager signs with.
    #[must_use]
    pub fn manager_key(&self) -> &SigningPrivateKey {
        &self.manager
    }

    /// The key that the mediator signs with.
    #[must_use]
    pub fn mediator_key(&self) -> &SigningPrivateKey {
        &self.mediator
    }

    /// The six transactions that a domain begins with.
    ///
    /// # Panics
    /// When they cannot be signed.
    #[must_use]
    pub fn initial_topology(&self) -> Vec<SignedTopologyTransaction> {
        let version = self.parameters.protocol_version;
        let owner = |owner: Member, key: &SigningPrivateKey| {
            let key = PublicKey::Signing(key.public().clone());
            TopologyMapping::OwnerToKeyMapping(OwnerToKeyMapping { owner, key })
        };
        let mediator = self.mediator();
        let state = MediatorDomainState {
            side: RequestSide::Both,
            domain: self.id.clone(),
            mediator: mediator.uid().clone(),
        };
        let mut transactions: Vec<_> = [
            TopologyMapping::NamespaceDelegation(NamespaceDelegation::root(self.namespace.public().clone())),
            owner(self.manager(), &self.manager),
            owner(self.sequencer(), &self.sequencer),
            owner(mediator.into(), &self.mediator),
            TopologyMapping::MediatorDomainState(state),
        ]
        .into_iter()
        .map(|mapping| self.authorize(mapping))
        .collect();
        transactions.push(self.parameters_change(DynamicDomainParameters::defaults(version)));
        transactions
    }

    /// A mapping that is added in the name of the domain.
    ///
    /// # Panics
    /// When it cannot be added.
    #[must_use]
    pub fn authorize(&self, mapping: TopologyMapping) -> SignedTopologyTransaction {
        let transaction = TopologyTransaction::add(mapping, self.parameters.protocol_version);
        signed(transaction.expect("a mapping that can be added"), &self.namespace)
    }

    /// What takes a transaction of the domain back.
    ///
    /// # Panics
    /// When it cannot be taken back.
    #[must_use]
    pub fn revoke(&self, transaction: &SignedTopologyTransaction) -> SignedTopologyTransaction {
        let removal = transaction.transaction().reverse().expect("an addition can be taken back");
        signed(removal, &self.namespace)
    }

    /// New dynamic parameters.
    ///
    /// # Panics
    /// When they are out of bounds.
    #[must_use]
    pub fn parameters_change(&self, parameters: DynamicDomainParameters) -> SignedTopologyTransaction {
        let change = DomainParametersChange { domain: self.id.clone(), parameters };
        let transaction = TopologyTransaction::replace(change, self.parameters.protocol_version);
        signed(transaction.expect("parameters within their bounds"), &self.namespace)
    }

    /// That the domain wants a participant.
    ///
    /// # Panics
    /// Never: such a mapping always exists.
    #[must_use]
    pub fn trust(&self, participant: &ParticipantId) -> SignedTopologyTransaction {
        let state = ParticipantState::new(
            RequestSide::From,
            self.id.clone(),
            participant.clone(),
            ParticipantPermission::Submission,
            TrustLevel::Ordinary,
        );
        self.authorize(TopologyMapping::ParticipantState(
            state.expect("ordinary trust goes with any permission"),
        ))
    }

    /// The message by which the domain's topology manager tells of transactions.
    ///
    /// # Panics
    /// When it cannot be signed.
    #[must_use]
    pub fn topology_message(
        &self,
        transactions: Vec<SignedTopologyTransaction>,
        not_sequenced_after: CantonTimestamp,
    ) -> DomainTopologyTransactionMessage {
        self.topology_message_by(&self.manager, transactions, not_sequenced_after)
    }

    /// The same signed by some key.
    ///
    /// # Panics
    /// When it cannot be signed.
    #[must_use]
    pub fn topology_message_by(
        &self,
        key: &SigningPrivateKey,
        transactions: Vec<SignedTopologyTransaction>,
        not_sequenced_after: CantonTimestamp,
    ) -> DomainTopologyTransactionMessage {
        let version = self.parameters.protocol_version;
        let hash =
            DomainTopologyTransactionMessage::hash_of(&self.id, not_sequenced_after, &transactions, version);
        let signature = key.sign_hash(&hash).expect("a key in memory signs");
        let domain = self.id.clone();
        DomainTopologyTransactionMessage::assemble(
            domain,
            not_sequenced_after,
            transactions,
            signature,
            version,
        )
    }

    /// A batch with one message to members, each in a group of its own.
    ///
    /// # Panics
    /// When there is no member.
    #[must_use]
    pub fn batch(&self, message: &ProtocolMessage, to: &[Member]) -> Batch {
        let recipients = Recipients::groups(to.iter().map(|member| [member.clone()]));
        let recipients = recipients.expect("there is a member");
        let envelope = message.to_envelope(recipients, self.parameters.protocol_version);
        Batch::new(vec![envelope.expect("a message of the domain's protocol version")])
    }
}

/// A new key of the scheme that a KMS has too.
///
/// # Panics
/// When none can be made.
pub(super) fn new_key() -> SigningPrivateKey {
    SigningPrivateKey::generate(SigningKeyScheme::EcDsaP256).expect("a key is made in software")
}

pub(super) fn signed(transaction: TopologyTransaction, key: &SigningPrivateKey) -> SignedTopologyTransaction {
    let signature = key.sign_hash(&transaction.hash()).expect("a key in memory signs");
    SignedTopologyTransaction::assemble(transaction, key.public().clone(), signature)
}
