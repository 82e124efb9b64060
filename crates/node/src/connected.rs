//! Waiting for a member's connection to its domain, and telling of it while it lasts.

use std::time::Duration;

use cantle_sequencing::{ClientHealth, ConnectionState, chain};
use cantle_types::UniqueIdentifier;
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::state::{NodeState, Reporter};

/// The pause before a connection that could not be made is tried again.
pub(crate) const AGAIN: Duration = Duration::from_secs(1);
/// How long a lost connection may take to come back before the node says that it does not serve.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reports the node as ready while its member is connected, for as long as the member's client lives; without a
/// client there is nothing to report.
pub(crate) async fn follow(
    health: Option<watch::Receiver<ClientHealth>>,
    reporter: &Reporter,
    uid: &UniqueIdentifier,
) {
    let Some(mut health) = health else { return };
    until_ended(&mut health, reporter, uid).await;
    if let ConnectionState::Stopped { trouble: Some(trouble) } = &health.borrow().connection {
        reporter.domain_trouble(trouble.clone());
    }
}

async fn until_ended(
    health: &mut watch::Receiver<ClientHealth>,
    reporter: &Reporter,
    uid: &UniqueIdentifier,
) {
    loop {
        let connected = health.wait_for(|health| health.is_connected() || is_stopped(health)).await;
        match connected.map(|health| is_stopped(&health)) {
            Ok(false) => {}
            Ok(true) | Err(_) => return,
        }
        reporter.serving();
        if !matches!(reporter.state(), NodeState::Ready(_)) {
            reporter.change(NodeState::Ready(uid.clone()));
        }
        loop {
            let lost = health.wait_for(|health| !health.is_connected()).await;
            let trouble = match lost.map(|health| trouble(&health)) {
                Ok(trouble) => trouble,
                Err(_) => return,
            };
            let back = health.wait_for(|health| health.is_connected() || is_stopped(health));
            match tokio::time::timeout(PATIENCE, back).await {
                Ok(Ok(health)) if health.is_connected() => info!("{}: connected again", reporter.node()),
                Ok(_) => return,
                Err(_) => {
                    warn!("{}: no connection to the sequencer: {trouble}", reporter.node());
                    reporter.domain_trouble(trouble);
                    break;
                }
            }
        }
    }
}

/// A connection was not made: it is tried again, and until then the node does not serve.
pub(crate) fn failed(reporter: &Reporter, failed: &dyn std::error::Error) {
    let trouble = chain(failed);
    error!("{}: {trouble}", reporter.node());
    reporter.domain_trouble(trouble);
}

fn is_stopped(health: &ClientHealth) -> bool {
    matches!(health.connection, ConnectionState::Stopped { .. })
}

fn trouble(health: &ClientHealth) -> String {
    match &health.connection {
        ConnectionState::Disconnected { trouble } | ConnectionState::Stopped { trouble: Some(trouble) } => {
            trouble.clone()
        }
        _ => "the connection was lost".to_owned(),
    }
}
