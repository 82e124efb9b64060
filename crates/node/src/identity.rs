//! How a node reaches its identity: it has one, makes one, or waits for the operator or its domain.

use cantle_config::{AutoInit, InitConfig};
use cantle_identity::TopologyManager;
use cantle_types::{Identifier, UniqueIdentifier};
use cantle_vault::Vault;
use tokio::sync::watch;
use tracing::info;

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
            match initialize(identifier(init, reporter)).await {
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

/// The first part of a new identity: the configured one, or one drawn now.
fn identifier(init: &InitConfig, reporter: &Reporter) -> Identifier {
    init.node_identifier.fixed(&reporter.node().name).unwrap_or_else(random_identifier)
}

fn random_identifier() -> Identifier {
    uuid::Uuid::new_v4().to_string().parse().expect("a UUID has only characters of an identifier")
}
