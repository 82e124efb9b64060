//! How a node reaches its identity: it has one, makes one, or waits for the operator or its domain.

use cantle_config::{AutoInit, InitConfig};
use cantle_identity::TopologyManager;
use cantle_store::{NodeStore, RoleSetting, StoreError};
use cantle_types::{Identifier, NodeName, UniqueIdentifier};
use cantle_vault::Vault;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::{
    StartError,
    error::StartStep,
    key_check,
    state::{NodeState, Reporter},
};

/// The node's identity once it has one and its keys can be used; nothing if it could not be made, which was reported.
pub(crate) async fn reach(
    init: &InitConfig,
    vault: &Vault,
    manager: &TopologyManager,
    store: &dyn NodeStore,
    reporter: &Reporter,
    initialize: impl AsyncFnOnce(Identifier) -> Result<UniqueIdentifier, StartStep>,
) -> Option<UniqueIdentifier> {
    let uid = match manager.uid() {
        Some(uid) => {
            key_check::until_usable(vault, reporter, &uid).await;
            uid
        }
        None if init.auto_init == AutoInit::Yes => {
            info!("{}: making keys and identity", reporter.node());
            match make(init, vault, manager, store, reporter, initialize).await {
                Ok(uid) => uid,
                Err(step) => {
                    reporter.change(NodeState::Failed(StartError::new(reporter.node(), step)));
                    return None;
                }
            }
        }
        None => {
            reporter.change(NodeState::WaitingForIdentity);
            manager.wait_for_identity().await
        }
    };
    reporter.serving();
    Some(uid)
}

/// The identity that a node without a namespace has from its domain, once it has one and its keys can be used; nothing
/// if that can no longer be.
pub(crate) async fn given(
    mut identity: watch::Receiver<Option<UniqueIdentifier>>,
    vault: &Vault,
    reporter: &Reporter,
) -> Option<UniqueIdentifier> {
    if identity.borrow().is_none() {
        reporter.change(NodeState::WaitingForDomain(None));
    }
    let uid = identity.wait_for(Option::is_some).await.ok()?.clone()?;
    key_check::until_usable(vault, reporter, &uid).await;
    Some(uid)
}

/// Makes the identity, on top of what an earlier start that was interrupted has made.
async fn make(
    init: &InitConfig,
    vault: &Vault,
    manager: &TopologyManager,
    store: &dyn NodeStore,
    reporter: &Reporter,
    initialize: impl AsyncFnOnce(Identifier) -> Result<UniqueIdentifier, StartStep>,
) -> Result<UniqueIdentifier, StartStep> {
    vault.reconcile().await?;
    let configured = init.node_identifier.fixed(&reporter.node().name);
    let is_used = !manager.state().is_empty();
    let identifier = identifier(store, configured, is_used, &reporter.node().name).await?;
    initialize(identifier).await
}

/// The first part of a new identity: the configured one, or one drawn once. It is on disk before anything is signed with
/// it, and stays once something is, so that a start that goes on where another one stopped makes the same identity.
async fn identifier(
    store: &dyn NodeStore,
    configured: Option<Identifier>,
    is_used: bool,
    node: &NodeName,
) -> Result<Identifier, StoreError> {
    let setting = RoleSetting::OwnIdentifier;
    let recorded = store.setting_find(&setting).await?.and_then(|bytes| String::from_utf8(bytes).ok());
    let recorded: Option<Identifier> = recorded.and_then(|text| text.parse().ok());
    let chosen = match (recorded, configured) {
        (Some(recorded), Some(configured)) if is_used && recorded != configured => {
            warn!(
                "{node}: its identity was begun as {recorded} and is finished so; the configured node-identifier \
                 {configured} comes too late"
            );
            return Ok(recorded);
        }
        (_, Some(configured)) => configured,
        (Some(recorded), None) => return Ok(recorded),
        (None, None) => random_identifier(),
    };
    store.setting_put(&setting, chosen.to_string().as_bytes()).await?;
    Ok(chosen)
}

fn random_identifier() -> Identifier {
    uuid::Uuid::new_v4().to_string().parse().expect("a UUID has only characters of an identifier")
}

#[cfg(test)]
mod steps;

#[cfg(test)]
mod tests {
    use cantle_store::{
        Access, MigrateOnStart, NodeIdentity, NodeKind, SqliteLocation, SqliteOptions, SqliteStore,
    };

    use super::*;

    async fn store() -> SqliteStore {
        let options = SqliteOptions {
            location: SqliteLocation::Memory,
            node: NodeIdentity { kind: NodeKind::Participant, name: "participant1".parse().unwrap() },
            migrate: MigrateOnStart::No,
            access: Access::ReadWrite,
        };
        SqliteStore::open(options).await.unwrap()
    }

    #[tokio::test]
    async fn a_drawn_identifier_is_drawn_once() {
        let (store, node) = (store().await, "participant1".parse().unwrap());
        let drawn = identifier(&store, None, false, &node).await.unwrap();
        for is_used in [false, true] {
            assert_eq!(identifier(&store, None, is_used, &node).await.unwrap(), drawn);
        }
    }

    #[tokio::test]
    async fn a_configured_identifier_counts_until_something_is_signed_with_another() {
        let (store, node) = (store().await, "participant1".parse().unwrap());
        let [first, second] = ["first", "second"].map(|text| text.parse::<Identifier>().unwrap());
        for configured in [&first, &second, &first] {
            let chosen = identifier(&store, Some(configured.clone()), false, &node).await.unwrap();
            assert_eq!(&chosen, configured);
        }
        assert_eq!(identifier(&store, Some(second), true, &node).await.unwrap(), first);
    }
}
