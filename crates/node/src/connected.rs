//! Waiting for a member's connection to its domain, and telling of it while it lasts.

use std::time::Duration;

use cantle_sequencing::{ClientHealth, ConnectionState, chain};
use cantle_types::UniqueIdentifier;
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::state::{NodeState, Reporter};

/// The pause before a connection that could not be made is tried again.
pub(crate) const AGAIN: Duration = Duration::from_secs(1);
/// How long a connection may take to be made, or to come back, before the node says that it does not serve.
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
    let mut again = false;
    loop {
        if !connects(health, reporter).await {
            return;
        }
        if again {
            info!("{}: connected again", reporter.node());
        }
        again = true;
        reporter.serving();
        if !matches!(reporter.state(), NodeState::Ready(_)) {
            reporter.change(NodeState::Ready(uid.clone()));
        }
        if health.wait_for(|health| !health.is_connected()).await.is_err() {
            return;
        }
    }
}

/// Waits until the client is connected, and says so when that takes long; `false` when it ended instead.
async fn connects(health: &mut watch::Receiver<ClientHealth>, reporter: &Reporter) -> bool {
    let decided = |health: &ClientHealth| health.is_connected() || health.is_stopped();
    if let Ok(decided) = tokio::time::timeout(PATIENCE, health.wait_for(decided)).await {
        return decided.is_ok_and(|health| health.is_connected());
    }
    let trouble = trouble(&health.borrow());
    warn!("{}: no connection to the sequencer: {trouble}", reporter.node());
    reporter.domain_trouble(trouble);
    health.wait_for(decided).await.is_ok_and(|health| health.is_connected())
}

/// Waits until a member's client has ended.
pub(crate) async fn ended(health: Option<watch::Receiver<ClientHealth>>) {
    if let Some(mut health) = health {
        // Whoever is gone without a word has ended as well.
        let _ = health.wait_for(ClientHealth::is_stopped).await;
    }
}

/// A connection was not made: it is tried again, and until then the node does not serve.
pub(crate) fn failed(reporter: &Reporter, failed: &dyn std::error::Error) {
    let trouble = chain(failed);
    error!("{}: {trouble}", reporter.node());
    reporter.domain_trouble(trouble);
}

fn trouble(health: &ClientHealth) -> String {
    match &health.connection {
        ConnectionState::Disconnected { trouble } | ConnectionState::Stopped { trouble: Some(trouble) } => {
            trouble.clone()
        }
        _ => "it was not made yet".to_owned(),
    }
}
