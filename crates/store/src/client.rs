//! How far the members of a domain that run in this node have done with its events.

use async_trait::async_trait;
use cantle_types::{DomainId, Member};
use jiff::Timestamp;

use crate::StoreError;

/// The last event that a member has done with, and all before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCursor {
    /// Its counter.
    pub counter: i64,
    /// Its time.
    pub sequenced: Timestamp,
    /// A hash of its content. The sequencer delivers it again on reconnection; other content is a fork.
    pub event_hash: Vec<u8>,
}

/// Cursors by domain and member. Every method is one transaction; each may be repeated.
#[async_trait]
pub trait ClientStore: Send + Sync {
    /// A member's cursor, or `None` before its first event.
    async fn cursor_find(
        &self,
        domain: &DomainId,
        member: &Member,
    ) -> Result<Option<ClientCursor>, StoreError>;

    /// Moves a member's cursor forward; one that is not ahead of the stored one changes nothing.
    async fn cursor_advance(
        &self,
        domain: &DomainId,
        member: &Member,
        cursor: &ClientCursor,
    ) -> Result<(), StoreError>;
}
