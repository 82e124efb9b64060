//! `cantle demo`: runs the playground, pings once, shows everything, and exits.

use cantle_node::NodeHandle;
use serde_json::{Map, Value, json};

use crate::{
    cli::Global,
    commands::{
        keys::{self, OwnedKey},
        playground::{
            self, Playground, node_keys,
            price::{self, Priced},
            uid,
        },
    },
    failure::Failure,
    logging::LevelControl,
    output::say,
};

pub(crate) async fn run(global: &Global, level: LevelControl) -> Result<(), Failure> {
    playground::run(global, level, None, async |playground, stop| {
        tokio::select! {
            shown = show(playground, global) => shown,
            () = stop.requested() => Ok(()),
        }
    })
    .await
}

async fn show(playground: &Playground, global: &Global) -> Result<(), Failure> {
    let (from, to) = (playground.handle("participant1")?, playground.handle("participant2")?);
    playground.say("participant1 pings participant2");
    let ping_ms = playground::ping(&from, &to).await?;
    // Before the keys are listed, which asks the KMS for the state of each.
    let counts = playground.kms.request_counts_in_detail();
    let mut nodes = Vec::new();
    for handle in playground.nodes.handles() {
        let keys = node_keys(&handle).await?.into_iter();
        let node = handle.node.name.to_string();
        let keys: Vec<_> = keys.map(|key| OwnedKey { node: node.clone(), key }).collect();
        nodes.push((handle, keys));
    }
    let kms = playground.kms.keys();
    let requests = price::by_operation(&counts, |arn| kms.key(arn).map(|key| key.spec.to_owned()));
    if global.json {
        say!("{}", document(&nodes, ping_ms, &requests)?);
        return Ok(());
    }
    for (handle, keys) in &nodes {
        say!("{} {}", handle.node, uid(handle)?);
        say!("{}\n", keys::table(keys));
    }
    say!("participant1 pinged participant2 in {ping_ms} ms\n");
    say!("{}", price::table(&requests));
    say!(
        "price at AWS: {:.6} USD for these requests, and 1 USD a month for each key\n",
        price::sum(&requests)
    );
    say!("demo ok");
    Ok(())
}

/// The contract's document.
fn document(
    nodes: &[(NodeHandle, Vec<OwnedKey>)],
    ping_ms: u64,
    requests: &[Priced],
) -> Result<Value, Failure> {
    let nodes = nodes
        .iter()
        .map(|(handle, keys)| {
            Ok(json!({
                "kind": handle.node.kind.as_str(),
                "name": handle.node.name.as_str(),
                "uid": uid(handle)?,
                "keys": keys.iter().map(keys::json).collect::<Vec<_>>(),
            }))
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    let counts: Map<String, Value> =
        requests.iter().map(|priced| (priced.operation.clone(), priced.count.into())).collect();
    Ok(json!({"nodes": nodes, "ping_ms": ping_ms, "kms_requests": counts, "usd": price::sum(requests)}))
}
