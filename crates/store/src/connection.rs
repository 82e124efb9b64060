//! The domains that a participant is to connect to.
//!
//! How to connect is the participant's to say: here it is bytes.

use async_trait::async_trait;
use cantle_types::{DomainAlias, DomainId};

use crate::StoreError;

/// A registered domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainConnection {
    /// What the participant calls it.
    pub alias: DomainAlias,
    /// Which domain it is, once it has been connected to.
    pub domain: Option<DomainId>,
    /// How to connect: `participant.admin.v0.DomainConnectionConfig`.
    pub config: Vec<u8>,
}

/// Registered domains by alias. Every method is one transaction.
#[async_trait]
pub trait ConnectionStore: Send + Sync {
    /// Registers a domain.
    ///
    /// # Errors
    /// [`crate::Conflict::Connection`] if the alias is taken.
    async fn connection_insert(&self, connection: &DomainConnection) -> Result<(), StoreError>;

    /// Changes how to connect; the domain stays.
    ///
    /// # Errors
    /// [`StoreError::UnknownConnection`].
    async fn connection_update(&self, alias: &DomainAlias, config: &[u8]) -> Result<(), StoreError>;

    /// Notes which domain it is. The same one again is no error.
    ///
    /// # Errors
    /// [`crate::Conflict::ConnectionDomain`] if another one is noted; it stays. [`StoreError::UnknownConnection`].
    async fn connection_identify(&self, alias: &DomainAlias, domain: &DomainId) -> Result<(), StoreError>;

    /// A registered domain.
    async fn connection_find(&self, alias: &DomainAlias) -> Result<Option<DomainConnection>, StoreError>;

    /// All registered domains, in the order of registration.
    async fn connection_list(&self) -> Result<Vec<DomainConnection>, StoreError>;
}
