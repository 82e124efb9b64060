//! Whether a node's keys can be used: asked of the KMS at the start, and again until they can.

use std::time::Duration;

use cantle_types::UniqueIdentifier;
use cantle_vault::{KeyCheck, Vault};
use tracing::error;

use crate::{
    probe,
    state::{NodeState, Reporter},
};

/// How long after a failed check of the keys they are checked again.
const CHECK_AGAIN: Duration = Duration::from_secs(5);

/// Asks the KMS for each key until all can be used, and says so while they cannot.
pub(crate) async fn until_usable(vault: &Vault, reporter: &Reporter, uid: &UniqueIdentifier) {
    loop {
        let trouble = match vault.check_keys().await {
            Ok(checks) => unusable(&checks),
            Err(failed) => Some(format!("the keys cannot be listed: {failed}")),
        };
        let Some(trouble) = trouble else { return };
        error!("{}: {trouble}", reporter.node());
        reporter.not_serving(trouble);
        if !matches!(reporter.state(), NodeState::KeysUnusable(_)) {
            reporter.change(NodeState::KeysUnusable(uid.clone()));
        }
        tokio::time::sleep(CHECK_AGAIN).await;
    }
}

/// What is wrong with the keys, in one line, or nothing.
fn unusable(checks: &[KeyCheck]) -> Option<String> {
    let wrong: Vec<_> = checks.iter().filter_map(probe::trouble).collect();
    (!wrong.is_empty()).then(|| wrong.join("; "))
}
