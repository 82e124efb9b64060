//! `cantle keys --orphans`: KMS keys that exist, or may, and that no node has, and that they are looked after.
//!
//! Nothing here changes anything in the KMS.

use cantle_node::{forget_possible_orphan, inspect_possible_orphans};
use cantle_proto::cantle::admin::v1::{
    ForgetPossibleOrphanRequest, ListPossibleOrphansRequest, PossibleOrphan,
    key_service_client::KeyServiceClient,
};
use comfy_table::{Table, presets};
use serde_json::{Value, json};

use crate::{
    cli::{Global, Remote},
    commands::remote,
    failure::Failure,
    output::say,
};

/// Prints them.
pub(super) async fn list(remote: &Remote, global: &Global) -> Result<(), Failure> {
    let orphans = if remote.remote.is_empty() { of_config(global).await? } else { of_remote(remote).await? };
    if global.json {
        say!("{}", orphans.iter().map(|(node, orphan)| json(node, orphan)).collect::<Value>());
    } else if orphans.is_empty() {
        say!("no KMS key is left without an owner, as far as the nodes know");
    } else {
        say!("{}", table(&orphans));
    }
    Ok(())
}

/// Forgets one.
pub(super) async fn forget(id: &str, remote: &Remote, global: &Global) -> Result<(), Failure> {
    let unknown = || Failure::Running(anyhow::anyhow!("no node has a possible orphan {id}"));
    if remote.remote.is_empty() {
        let config = super::config(global)?;
        let forgotten = forget_possible_orphan(&config, &global.data_dir(), id).await.map_err(|error| {
            let hint = "a node that runs is asked with --remote HOST:PORT of its admin API";
            Failure::Running(anyhow::Error::from(error).context(hint))
        })?;
        let node = forgotten.ok_or_else(unknown)?;
        say!("{node} has forgotten {id}");
        return Ok(());
    }
    for target in remote::named(remote)? {
        let (channel, address) = (remote::connect(&target).await?, &target.address);
        let mut keys = KeyServiceClient::new(channel);
        let listed = keys.list_possible_orphans(ListPossibleOrphansRequest {}).await;
        let listed = listed.map_err(|status| remote::failed(address, &status))?.into_inner().orphans;
        if listed.iter().any(|orphan| orphan.id == id) {
            let request = ForgetPossibleOrphanRequest { id: id.to_owned() };
            keys.forget_possible_orphan(request).await.map_err(|status| remote::failed(address, &status))?;
            say!("the node at {address} has forgotten {id}");
            return Ok(());
        }
    }
    Err(unknown())
}

async fn of_config(global: &Global) -> Result<Vec<(String, PossibleOrphan)>, Failure> {
    let config = super::config(global)?;
    let inspected = inspect_possible_orphans(&config, &global.data_dir()).await.map_err(Failure::running)?;
    let named = inspected
        .into_iter()
        .flat_map(|(node, orphans)| orphans.into_iter().map(move |orphan| (node.name.to_string(), orphan)));
    Ok(named.collect())
}

async fn of_remote(remote: &Remote) -> Result<Vec<(String, PossibleOrphan)>, Failure> {
    let mut orphans = Vec::new();
    for target in remote::named(remote)? {
        let (channel, address) = (remote::connect(&target).await?, &target.address);
        let node = remote::describe(channel.clone(), address).await?;
        let answer = KeyServiceClient::new(channel)
            .list_possible_orphans(ListPossibleOrphansRequest {})
            .await
            .map_err(|status| remote::failed(address, &status))?;
        orphans.extend(answer.into_inner().orphans.into_iter().map(|orphan| (node.name.clone(), orphan)));
    }
    Ok(orphans)
}

fn json(node: &str, orphan: &PossibleOrphan) -> Value {
    let PossibleOrphan { id, purpose, key_spec, name, kms_key_id, started_at, state } = orphan;
    json!({
        "node": node,
        "id": id,
        "tag": format!("CantleCreation={id}"),
        "purpose": purpose,
        "key_spec": key_spec,
        "name": name,
        "kms_key_id": (!kms_key_id.is_empty()).then_some(kms_key_id),
        "started_at": started_at,
        "state": state,
    })
}

fn table(orphans: &[(String, PossibleOrphan)]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["NODE", "PURPOSE", "NAME", "KEY SPEC", "STATE", "BEGUN", "KMS KEY", "TAG"]);
    for (node, orphan) in orphans {
        let PossibleOrphan { id, purpose, key_spec, name, kms_key_id, started_at, state } = orphan;
        let key = if kms_key_id.is_empty() { "unknown" } else { kms_key_id };
        table.add_row([
            node,
            purpose,
            name,
            key_spec,
            state,
            started_at,
            key,
            &format!("CantleCreation={id}"),
        ]);
    }
    table.trim_fmt()
}
