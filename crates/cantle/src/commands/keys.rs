//! `cantle keys`: each node's keys, from its database or from its admin API. What else it does with them stands below.

mod end;
mod orphans;

use cantle_config::Config;
use cantle_node::inspect_keys;
use cantle_proto::cantle::admin::v1::{ListKeysRequest, NodeKey, key_service_client::KeyServiceClient};
use comfy_table::{Table, presets};
use serde_json::{Value, json};

use crate::{
    cli::{Global, Keys, Remote},
    commands::{check, remote},
    failure::Failure,
    output::say,
};

/// A key and the node it belongs to.
pub(crate) struct OwnedKey {
    pub(crate) node: String,
    pub(crate) key: NodeKey,
}

pub(crate) async fn run(arguments: &Keys, global: &Global) -> Result<(), Failure> {
    let remote = &arguments.remote;
    if let Some(id) = &arguments.forget {
        return orphans::forget(id, remote, global).await;
    }
    if arguments.orphans {
        return orphans::list(remote, global).await;
    }
    if let (Some(key), Some(days)) = (&arguments.schedule_deletion, arguments.pending_window_days) {
        return end::schedule(key, days, remote, global).await;
    }
    if let Some(key) = &arguments.cancel_deletion {
        return end::cancel(key, remote, global).await;
    }
    let keys = if remote.remote.is_empty() { of_config(global).await? } else { of_remote(remote).await? };
    if global.json {
        let keys: Vec<Value> = keys.iter().map(json).collect();
        say!("{}", Value::Array(keys));
    } else {
        say!("{}", table(&keys));
    }
    Ok(())
}

/// A configuration with nodes.
fn config(global: &Global) -> Result<Config, Failure> {
    let config = check::load(global)?;
    config.startable().map_err(|gaps| Failure::Usage(gaps.to_string()))?;
    if config.nodes().next().is_none() {
        return Err(Failure::Usage(
            "error: no node is configured; use -c FILE, or --remote HOST:PORT".to_owned(),
        ));
    }
    Ok(config)
}

async fn of_config(global: &Global) -> Result<Vec<OwnedKey>, Failure> {
    let config = config(global)?;
    let inspected = inspect_keys(&config, &global.data_dir(), None).await.map_err(Failure::running)?;
    let owned = inspected.into_iter().flat_map(|(node, keys)| {
        keys.into_iter().map(move |key| OwnedKey { node: node.name.to_string(), key })
    });
    Ok(owned.collect())
}

async fn of_remote(remote: &Remote) -> Result<Vec<OwnedKey>, Failure> {
    let mut keys = Vec::new();
    for target in remote::named(remote)? {
        let (channel, address) = (remote::connect(&target).await?, &target.address);
        let node = remote::describe(channel.clone(), address).await?;
        let answer = KeyServiceClient::new(channel)
            .list_keys(ListKeysRequest {})
            .await
            .map_err(|status| remote::failed(address, &status))?;
        keys.extend(
            answer.into_inner().keys.into_iter().map(|key| OwnedKey { node: node.name.clone(), key }),
        );
    }
    Ok(keys)
}

/// One key as JSON.
pub(crate) fn json(owned: &OwnedKey) -> Value {
    let NodeKey { name, purpose, fingerprint, kms_key_id, kms_key_arn, key_spec, state, origin, provider } =
        &owned.key;
    json!({
        "node": owned.node,
        "purpose": purpose,
        "name": name,
        "fingerprint": fingerprint,
        "kms_key_id": kms_key_id,
        "kms_key_arn": kms_key_arn,
        "key_spec": key_spec,
        "state": state,
        "origin": origin,
        "provider": provider,
    })
}

/// The keys as people read them.
pub(crate) fn table(keys: &[OwnedKey]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["NODE", "PURPOSE", "NAME", "KEY SPEC", "STATE", "FINGERPRINT", "KMS KEY"]);
    for OwnedKey { node, key } in keys {
        let kms_key = if key.kms_key_arn.is_empty() { &key.kms_key_id } else { &key.kms_key_arn };
        table.add_row([node, &key.purpose, &key.name, &key.key_spec, &key.state, &key.fingerprint, kms_key]);
    }
    table.trim_fmt()
}
