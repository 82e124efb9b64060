//! Where a node is, and the node while it runs there.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cantle_store::{
    Access, CryptoProvider, MigrateOnStart, NodeIdentity, NodeKind, NodeStore, SqliteLocation, SqliteOptions,
    SqliteStore,
};
use cantle_vault::{Vault, VaultBackend, VaultOptions};
use tokio::task::JoinHandle;

use crate::clock::SkewedClock;
use crate::cluster::Keys;
use crate::keys::CountedKeys;
use crate::machine::Machine;

/// What stays of a node while it does not run: its database, its clock and its keys. Clones are the same place.
#[derive(Debug, Clone)]
pub struct Place {
    identity: NodeIdentity,
    path: PathBuf,
    clock: Arc<SkewedClock>,
    keys: Option<Arc<CountedKeys>>,
}

impl Place {
    pub(crate) fn new(kind: NodeKind, name: &str, folder: &Path, keys: Keys) -> Self {
        Self {
            identity: NodeIdentity { kind, name: name.parse().unwrap() },
            path: folder.join(format!("{name}.db")),
            clock: Arc::default(),
            keys: (keys == Keys::Kms).then(Arc::default),
        }
    }

    /// The node's kind and name.
    #[must_use]
    pub fn identity(&self) -> &NodeIdentity {
        &self.identity
    }

    /// The node's clock.
    #[must_use]
    pub fn clock(&self) -> &Arc<SkewedClock> {
        &self.clock
    }

    /// The node's key management service.
    ///
    /// # Panics
    /// When the node's keys are in its store.
    #[must_use]
    pub fn keys(&self) -> &Arc<CountedKeys> {
        self.keys.as_ref().expect("the cluster was started with keys in a KMS")
    }

    /// The database and the keys, opened as a node does at its start.
    pub(crate) async fn open(&self) -> (Arc<dyn NodeStore>, Vault) {
        let options = SqliteOptions {
            location: SqliteLocation::File(self.path.clone()),
            node: self.identity.clone(),
            migrate: MigrateOnStart::No,
            access: Access::ReadWrite,
        };
        let store: Arc<dyn NodeStore> = Arc::new(SqliteStore::open(options).await.unwrap());
        let (backend, provider) = match &self.keys {
            Some(keys) => (VaultBackend::Kms(keys.as_kms()), CryptoProvider::Kms),
            None => (VaultBackend::Jce, CryptoProvider::Jce),
        };
        let options = VaultOptions::new(self.identity.clone(), provider);
        let vault = Vault::open(Arc::clone(&store), backend, options, self.clock.clone()).await.unwrap();
        (store, vault)
    }
}

/// A node's place, and the node on its machine while it runs.
pub struct Host<R> {
    place: Place,
    running: Option<(Machine, R)>,
}

impl<R: Clone + Send + 'static> Host<R> {
    pub(crate) fn new(place: Place) -> Self {
        Self { place, running: None }
    }

    /// Where it is.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Whether it runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// What runs.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn role(&self) -> &R {
        &self.running().1
    }

    /// Does something on the node's machine.
    ///
    /// # Panics
    /// When it does not run, or ends meanwhile.
    pub async fn run<F>(&self, work: impl FnOnce(R) -> F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.spawn(work).await.unwrap()
    }

    /// Begins with something on the node's machine.
    ///
    /// # Panics
    /// When it does not run.
    pub fn spawn<F>(&self, work: impl FnOnce(R) -> F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (machine, role) = self.running();
        machine.spawn(work(role.clone()))
    }

    /// Ends the node as a kill does: nothing more is done, and only what is on disk stays. A node that does not run stays
    /// as it is.
    pub async fn crash(&mut self) {
        if let Some((machine, role)) = self.running.take() {
            drop(role);
            machine.crash().await;
        }
    }

    pub(crate) async fn start<F>(&mut self, start: impl FnOnce(Place) -> F)
    where
        F: Future<Output = R> + Send + 'static,
    {
        assert!(self.running.is_none(), "{} runs already", self.place.identity);
        let machine = Machine::start(self.place.identity.name.as_str());
        let role = machine.run(start(self.place.clone())).await;
        self.running = Some((machine, role));
    }

    fn running(&self) -> &(Machine, R) {
        self.running.as_ref().expect("the node runs")
    }
}

impl<R> fmt::Debug for Host<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("place", &self.place).finish_non_exhaustive()
    }
}
