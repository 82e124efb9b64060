//! `cantle.admin.v1.KeyService`: a node's keys with the KMS keys behind them. Ours, not Canton's.

use cantle_identity::ReadError;
use cantle_proto::cantle::admin::v1::{
    CancelKeyDeletionRequest, CancelKeyDeletionResponse, ForgetPossibleOrphanRequest,
    ForgetPossibleOrphanResponse, ListKeysRequest, ListKeysResponse, ListPossibleOrphansRequest,
    ListPossibleOrphansResponse, NodeKey, PossibleOrphan, ScheduleKeyDeletionRequest,
    ScheduleKeyDeletionResponse, key_service_server::KeyService,
};
use cantle_store::KeyCreation;
use cantle_vault::{KeyCheck, KeyFilter, KeyInUse, PrivateKeyInfo, Vault, VaultError};
use thiserror::Error;
use tonic::{Request, Response, Status};

use crate::{
    NodeTopology,
    roles::Roles,
    status::{ToStatus, chain},
    vault::fingerprint,
};

/// Keys that cannot be listed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ListKeysError {
    /// The keys cannot be read.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The topology cannot be read.
    #[error(transparent)]
    Topology(#[from] ReadError),
}

/// The keys of a node whose private part is with it, namespace keys first, each with its state in the KMS.
///
/// One DescribeKey a key with provider kms, side by side. A KMS that does not answer is no error; the key's state
/// says `unknown` and why.
///
/// # Errors
/// When keys or topology cannot be read from the store.
pub async fn list_keys(vault: &Vault, topology: &NodeTopology) -> Result<Vec<NodeKey>, ListKeysError> {
    let roles = Roles::read(topology).await?;
    let checks = vault.check_keys().await?;
    Ok(in_order(checks.iter().map(|check| node_key(&check.info, &roles, state(check)))))
}

/// The same without their states, and without asking the KMS.
///
/// # Errors
/// When keys or topology cannot be read from the store.
pub async fn list_keys_without_state(
    vault: &Vault,
    topology: &NodeTopology,
) -> Result<Vec<NodeKey>, ListKeysError> {
    let roles = Roles::read(topology).await?;
    let keys = vault.private_keys(&KeyFilter::default()).await?;
    Ok(in_order(keys.iter().map(|info| node_key(info, &roles, String::new()))))
}

fn in_order(keys: impl Iterator<Item = NodeKey>) -> Vec<NodeKey> {
    let mut keys: Vec<_> = keys.collect();
    // Stable: keys of one purpose stay in the order in which they were made.
    keys.sort_by_key(|key| order(&key.purpose));
    keys
}

fn node_key(info: &PrivateKeyInfo, roles: &Roles, state: String) -> NodeKey {
    let mut key = NodeKey {
        name: info.name.as_ref().map(ToString::to_string).unwrap_or_default(),
        purpose: roles.role_of(info).to_owned(),
        fingerprint: info.fingerprint().to_string(),
        key_spec: info.public.scheme_name().to_owned(),
        state,
        provider: info.provider.to_string(),
        ..NodeKey::default()
    };
    if let Some(kms) = &info.kms {
        key.kms_key_id.clone_from(&kms.kms_key_id);
        key.kms_key_arn = kms.kms_key_arn.clone().unwrap_or_default();
        key.key_spec.clone_from(&kms.key_spec);
        kms.origin.as_str().clone_into(&mut key.origin);
    }
    key
}

/// AWS's state of the key, or why it is not known.
fn state(check: &KeyCheck) -> String {
    match &check.outcome {
        Ok(status) => status.as_str().to_owned(),
        Err(error) => format!("unknown: {}", chain(error)),
    }
}

fn order(purpose: &str) -> usize {
    ["namespace", "signing", "encryption"].iter().position(|known| *known == purpose).unwrap_or(usize::MAX)
}

/// The KMS keys that exist, or may, and that a node does not have.
///
/// # Errors
/// When the journal of creations cannot be read.
pub async fn list_possible_orphans(vault: &Vault) -> Result<Vec<PossibleOrphan>, VaultError> {
    Ok(vault.possible_orphans().await?.into_iter().map(orphan).collect())
}

fn orphan(creation: KeyCreation) -> PossibleOrphan {
    PossibleOrphan {
        purpose: creation.purpose.to_string(),
        key_spec: creation.key_spec,
        name: creation.name.map(|name| name.to_string()).unwrap_or_default(),
        kms_key_id: creation.kms_key_id.unwrap_or_default(),
        started_at: creation.started_at.to_string(),
        state: if creation.lost_at.is_some() { "lost" } else { "unfinished" }.to_owned(),
        id: creation.id,
    }
}

/// The service of one node.
#[derive(Debug)]
pub(crate) struct Keys {
    vault: Vault,
    topology: NodeTopology,
}

impl Keys {
    pub(crate) fn new(vault: Vault, topology: NodeTopology) -> Self {
        Self { vault, topology }
    }
}

#[tonic::async_trait]
impl KeyService for Keys {
    async fn list_keys(
        &self,
        _request: Request<ListKeysRequest>,
    ) -> Result<Response<ListKeysResponse>, Status> {
        let keys = list_keys(&self.vault, &self.topology).await.map_err(|error| match error {
            ListKeysError::Vault(error) => error.to_status(),
            ListKeysError::Topology(error) => error.to_status(),
        })?;
        Ok(Response::new(ListKeysResponse { keys }))
    }

    async fn list_possible_orphans(
        &self,
        _request: Request<ListPossibleOrphansRequest>,
    ) -> Result<Response<ListPossibleOrphansResponse>, Status> {
        let orphans = list_possible_orphans(&self.vault).await.map_err(|error| error.to_status())?;
        Ok(Response::new(ListPossibleOrphansResponse { orphans }))
    }

    async fn forget_possible_orphan(
        &self,
        request: Request<ForgetPossibleOrphanRequest>,
    ) -> Result<Response<ForgetPossibleOrphanResponse>, Status> {
        let id = request.into_inner().id;
        self.vault.forget_orphan(&id).await.map_err(|error| error.to_status())?;
        Ok(Response::new(ForgetPossibleOrphanResponse {}))
    }

    async fn schedule_key_deletion(
        &self,
        request: Request<ScheduleKeyDeletionRequest>,
    ) -> Result<Response<ScheduleKeyDeletionResponse>, Status> {
        let ScheduleKeyDeletionRequest { fingerprint: of, pending_window_days } = request.into_inner();
        let key = fingerprint(&of)?;
        let roles = Roles::read(&self.topology).await.map_err(|error| error.to_status())?;
        let in_use = roles.use_of(&key).map_or(KeyInUse::No, KeyInUse::Yes);
        let scheduled = self.vault.schedule_deletion(&key, pending_window_days, in_use).await;
        let scheduled = scheduled.map_err(|error| error.to_status())?;
        Ok(Response::new(ScheduleKeyDeletionResponse {
            kms_key_id: scheduled.kms_key_id,
            deletes_at: scheduled.deletes_at.to_string(),
        }))
    }

    async fn cancel_key_deletion(
        &self,
        request: Request<CancelKeyDeletionRequest>,
    ) -> Result<Response<CancelKeyDeletionResponse>, Status> {
        let key = fingerprint(&request.into_inner().fingerprint)?;
        let kms_key_id = self.vault.cancel_deletion(&key).await.map_err(|error| error.to_status())?;
        Ok(Response::new(CancelKeyDeletionResponse { kms_key_id }))
    }
}
