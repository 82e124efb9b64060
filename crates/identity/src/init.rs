//! The node's identity: given once, and waited for.
//!
//! An identifier and the fingerprint of the key that spans the namespace; nothing is signed for it here.

use std::sync::Arc;

use cantle_store::{Conflict, StoreError};
use cantle_topology::AuthorizationGraph;
use cantle_types::{Fingerprint, Identifier, Namespace, UniqueIdentifier};
use tokio::sync::watch;

use crate::error::InitIdError;
use crate::manager::{Inner, TopologyManager};

impl TopologyManager {
    /// The node's unique identifier, once it has one.
    #[must_use]
    pub fn uid(&self) -> Option<UniqueIdentifier> {
        self.inner.identity.borrow().clone()
    }

    /// The node's unique identifier, once it has one, for those who wait for it.
    #[must_use]
    pub fn identity(&self) -> watch::Receiver<Option<UniqueIdentifier>> {
        self.inner.identity.subscribe()
    }

    /// Gives the node its identity, in the namespace that a signing key known to this node spans: one of its own, one that was
    /// imported, or the one in a root certificate that was loaded.
    ///
    /// # Errors
    /// When the node has an identity, be it this one, or does not know the key.
    pub async fn init_id(
        &self,
        identifier: Identifier,
        fingerprint: &Fingerprint,
    ) -> Result<UniqueIdentifier, InitIdError> {
        if let Some(uid) = self.uid() {
            return Err(InitIdError::AlreadyInitialized { uid });
        }
        let namespace = Namespace::new(fingerprint.clone());
        let stored = self.inner.vault.public_key(fingerprint).await?;
        let is_stored = stored.is_some_and(|stored| stored.key.as_signing().is_some());
        let state = self.state();
        if !is_stored && state.graph(&namespace).is_none_or(AuthorizationGraph::is_empty) {
            return Err(InitIdError::NamespaceKeyNotInStore { fingerprint: fingerprint.clone() });
        }
        let uid = UniqueIdentifier::new(identifier, namespace);
        let inner = Arc::clone(&self.inner);
        // In a task of its own: a caller who goes away must not leave an identity that nobody hears of.
        let task = tokio::spawn(async move { inner.record(uid).await });
        match task.await {
            Ok(result) => result,
            Err(_) => Err(InitIdError::Stopped),
        }
    }

    /// Waits until the node has its identity, which may be at once.
    pub async fn wait_for_identity(&self) -> UniqueIdentifier {
        let mut receiver = self.inner.identity.subscribe();
        loop {
            if let Some(uid) = receiver.borrow_and_update().clone() {
                return uid;
            }
            // The sender lives as long as this manager.
            if receiver.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Inner {
    async fn record(&self, uid: UniqueIdentifier) -> Result<UniqueIdentifier, InitIdError> {
        match self.store.uid_insert(&uid).await {
            Ok(()) => {}
            Err(StoreError::Conflict(Conflict::Uid { recorded, .. })) => {
                self.identity.send_replace(Some(recorded.clone()));
                return Err(InitIdError::AlreadyInitialized { uid: recorded });
            }
            Err(error) => return Err(error.into()),
        }
        let is_new = self.identity.send_if_modified(|known| known.replace(uid.clone()).is_none());
        if !is_new {
            return Err(InitIdError::AlreadyInitialized { uid });
        }
        tracing::info!(%uid, "the node has its identity");
        Ok(uid)
    }
}
