//! Single values that the roles of a node remember.
//!
//! What the bytes mean is the role's business; that each value has its name and its domain is the store's.

use async_trait::async_trait;
use cantle_types::DomainId;

use crate::StoreError;

/// Which value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RoleSetting {
    /// The first part of the node's identity, drawn or configured before anything is signed with it: text.
    OwnIdentifier,
    /// The domain that the sequencer was initialized for: its id as text.
    SequencerDomain,
    /// The domain that the mediator was initialized for: its id as text.
    MediatorDomain,
    /// A domain's static parameters: the versioned wrapper.
    StaticDomainParameters(DomainId),
    /// How to reach a domain's sequencers.
    SequencerConnections(DomainId),
    /// How far the domain manager's topology is dispatched: microseconds.
    DispatchWatermark(DomainId),
    /// The port of the public API that the system chose: two bytes, the higher one first.
    PublicPort,
    /// The service agreement that a participant accepted: its id as text.
    AcceptedAgreement(DomainId),
    /// Whether private keys in clear may be left in the database's files: empty, or a word for it.
    PrivateKeyRemains,
    /// The members that the sequencer's operator has disabled: one a line.
    DisabledMembers(DomainId),
    /// Who accepted the service agreement: the sequencer's list.
    AgreementAcceptances(DomainId),
    /// What a database that sequencers share is called, by chance: text.
    SequencerDatabase,
}

impl RoleSetting {
    pub(crate) fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::OwnIdentifier => ("own-identifier", ""),
            Self::SequencerDomain => ("sequencer-domain", ""),
            Self::MediatorDomain => ("mediator-domain", ""),
            Self::StaticDomainParameters(domain) => ("static-domain-parameters", domain.as_str()),
            Self::SequencerConnections(domain) => ("sequencer-connections", domain.as_str()),
            Self::DispatchWatermark(domain) => ("dispatch-watermark", domain.as_str()),
            Self::PublicPort => ("public-port", ""),
            Self::AcceptedAgreement(domain) => ("accepted-agreement", domain.as_str()),
            Self::PrivateKeyRemains => ("private-key-remains", ""),
            Self::DisabledMembers(domain) => ("disabled-members", domain.as_str()),
            Self::AgreementAcceptances(domain) => ("agreement-acceptances", domain.as_str()),
            Self::SequencerDatabase => ("sequencer-database", ""),
        }
    }
}

/// The values. Every method is one transaction; each may be repeated.
#[async_trait]
pub trait RoleStore: Send + Sync {
    /// A value, or `None` if none was put.
    async fn setting_find(&self, setting: &RoleSetting) -> Result<Option<Vec<u8>>, StoreError>;

    /// Puts a value in the place of what was there.
    async fn setting_put(&self, setting: &RoleSetting, value: &[u8]) -> Result<(), StoreError>;

    /// Puts a value unless there is one, and returns the one that is there.
    async fn setting_claim(&self, setting: &RoleSetting, value: &[u8]) -> Result<Vec<u8>, StoreError>;
}
