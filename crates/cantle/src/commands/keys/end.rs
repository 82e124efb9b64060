//! `cantle keys --schedule-deletion` and `--cancel-deletion`: the end of a KMS key that a node made, and its return.
//!
//! The running node is asked, because it alone knows what its topology uses.

use cantle_proto::cantle::admin::v1::{
    CancelKeyDeletionRequest, ListKeysRequest, ScheduleKeyDeletionRequest,
    key_service_client::KeyServiceClient,
};
use cantle_transport::AuthorizedChannel;
use serde_json::json;

use crate::{
    cli::{Global, Remote},
    commands::remote,
    failure::Failure,
    output::say,
};

/// Has the KMS delete a key after a waiting period.
pub(super) async fn schedule(
    fingerprint: &str,
    pending_window_days: u32,
    remote: &Remote,
    global: &Global,
) -> Result<(), Failure> {
    let (address, mut keys) = owner(fingerprint, remote, global).await?;
    let fingerprint = fingerprint.to_owned();
    let request = ScheduleKeyDeletionRequest { fingerprint: fingerprint.clone(), pending_window_days };
    let answer = keys.schedule_key_deletion(request).await;
    let answer = answer.map_err(|status| remote::failed(&address, &status))?.into_inner();
    if global.json {
        say!(
            "{}",
            json!({
                "fingerprint": fingerprint,
                "kms_key_id": answer.kms_key_id,
                "deletes_at": answer.deletes_at,
            })
        );
    } else {
        say!(
            "AWS KMS deletes key {} at {}; until then `cantle keys --cancel-deletion {fingerprint}` takes that back",
            answer.kms_key_id,
            answer.deletes_at
        );
    }
    Ok(())
}

/// Takes a deletion back.
pub(super) async fn cancel(fingerprint: &str, remote: &Remote, global: &Global) -> Result<(), Failure> {
    let (address, mut keys) = owner(fingerprint, remote, global).await?;
    let request = CancelKeyDeletionRequest { fingerprint: fingerprint.to_owned() };
    let answer = keys.cancel_key_deletion(request).await;
    let kms_key_id = answer.map_err(|status| remote::failed(&address, &status))?.into_inner().kms_key_id;
    if global.json {
        say!("{}", json!({ "fingerprint": fingerprint, "kms_key_id": kms_key_id }));
    } else {
        say!("key {kms_key_id} stays and is enabled");
    }
    Ok(())
}

/// The running node that has the key, and where it answers.
async fn owner(
    fingerprint: &str,
    remote: &Remote,
    global: &Global,
) -> Result<(String, KeyServiceClient<AuthorizedChannel>), Failure> {
    for target in remote::targets(remote, global)? {
        let channel = remote::connect(&target).await?;
        let mut keys = KeyServiceClient::new(channel);
        let listed = keys.list_keys(ListKeysRequest {}).await;
        let listed = listed.map_err(|status| remote::failed(&target.address, &status))?.into_inner().keys;
        if listed.iter().any(|key| key.fingerprint == fingerprint) {
            return Ok((target.address, keys));
        }
    }
    Err(Failure::Running(anyhow::anyhow!("no node that was asked has a key of fingerprint {fingerprint}")))
}
